"""Pictures in the terminal, by the protocols of kitty and sixel (xterm, iTerm2, WezTerm, foot, Konsole and others).

They need the extra `terminal`, the package textual-image. It asks the terminal what it can show and waits at most a
tenth of a second for each answer, so it is asked only where somebody sits at one.
"""

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from wordsight.search.results import SearchResults

ROW = 5  # pictures beside each other on a contact sheet
CELLS = 24  # columns of the terminal for each picture, at most


def show_pictures(found: "SearchResults", console: Console) -> bool:
    """Show a page of hits as a contact sheet; False, and nothing is written, where the terminal shows no pictures."""
    kind = _renderable() if found.hits else None
    if kind is None:
        return False
    from wordsight.search.contact_sheet import sheet

    console.print(kind(sheet(found), width=min(console.width, CELLS * min(ROW, len(found.hits)))))
    return True


def at_a_terminal() -> bool:
    """Whether stdin and stdout are one terminal that this process may write to and ask."""
    try:
        if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "") == "dumb":
            return False
        # A background process that sets the modes of its terminal is stopped.
        return sys.platform == "win32" or os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed, or no files
        return False


def _renderable() -> Any:
    """The class of textual-image for what the terminal can show; None where it can show no pictures."""
    if not at_a_terminal():
        return None
    logging.getLogger("textual_image").setLevel(logging.CRITICAL)
    try:
        from textual_image import renderable  # asks the terminal
    except Exception:  # the extra is not installed, or the terminal answered with something else
        return None
    shown = renderable.Image
    return shown if shown in (renderable.SixelImage, renderable.TGPImage) else None

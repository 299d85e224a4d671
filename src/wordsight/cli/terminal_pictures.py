"""Pictures in the terminal, by the protocols of kitty and sixel (xterm, iTerm2, WezTerm, foot, Konsole and others).

They need the extra `terminal`, the package textual-image. It asks the terminal what it can show and waits at most a
tenth of a second for each answer, so it is loaded only at an interactive terminal.
"""

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from wordsight.search.results import SearchResults

ROW = 5  # pictures in a row of a contact sheet
CELLS = 24  # maximum columns of the terminal per picture


def show_pictures(found: "SearchResults", console: Console) -> bool:
    """Show a page of hits as a contact sheet; if the terminal cannot show pictures, write nothing and return False."""
    kind = _renderable() if found.hits else None
    if kind is None:
        return False
    from wordsight.search.contact_sheet import sheet

    console.print(kind(sheet(found), width=min(console.width, CELLS * min(ROW, len(found.hits)))))
    return True


def at_a_terminal() -> bool:
    """Whether stdin and stdout are a terminal that this process may write to and query."""
    try:
        if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "") == "dumb":
            return False
        # The system stops a background process that sets the modes of its terminal.
        return sys.platform == "win32" or os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed, or no files
        return False


def _renderable() -> Any:
    """The class of textual-image for this terminal; None if the terminal cannot show pictures."""
    if not at_a_terminal():
        return None
    logging.getLogger("textual_image").setLevel(logging.CRITICAL)
    try:
        from textual_image import renderable  # asks the terminal
    except Exception:  # the extra is not installed, or the terminal answered with something else
        return None
    shown = renderable.Image
    return shown if shown in (renderable.SixelImage, renderable.TGPImage) else None

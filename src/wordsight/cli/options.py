"""What commands share: options, errors of one sentence, and their output."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer

from wordsight.bundled import in_the_box, say_bundled
from wordsight.errors import InputError, WorkFailed, printable
from wordsight.files import to_json

P = ParamSpec("P")
R = TypeVar("R")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and only JSON, on stdout.")]
Model = Annotated[Path | None, typer.Option(metavar="RUN", help="The run to use, not the small one in the box.")]


def _allow_hub(asked: bool) -> bool:
    if asked:
        os.environ["WORDSIGHT_HUB"] = "1"
    return asked


AllowHub = Annotated[
    bool, typer.Option("--allow-hub", callback=_allow_hub, help="Fetch what a run names on the Hugging Face hub.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def command(function: Callable[P, R]) -> Callable[P, R]:
    """A command whose errors are one sentence: exit code 2 for bad input, 1 for work that failed, 130 for Ctrl-C."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (InputError, WorkFailed) as error:
            print(f"wordsight: {printable(error)}", file=sys.stderr)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
        except KeyboardInterrupt as stop:
            print(f"\nwordsight: {str(stop) or 'Stopped.'}", file=sys.stderr)
            raise typer.Exit(130) from None

    return run


def run_or_bundled(run: Path | None, part: str) -> Path:
    """What was named, or else the part of the box that does the same, which is said.

    Raises:
        InputError: none was named, and there is none in the box.
    """
    if run is not None:
        return run
    found = in_the_box(part)
    say_bundled()
    return found


def print_result(result: dict[str, Any], text: str, as_json: bool) -> None:
    """The result on stdout: as JSON, or as text for a person."""
    print(to_json(result, indent=1, ascii_only=True) if as_json else printable(text, lines=True))

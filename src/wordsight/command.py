"""What commands share: options, errors of one sentence, and their output."""

import functools
import json
import sys
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

import typer

from wordsight.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and only JSON, on stdout.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def verb(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose errors are one sentence: exit code 2 for bad input, 130 for Ctrl-C."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            print(f"wordsight: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            print(f"\nwordsight: {str(stop) or 'Stopped.'}", file=sys.stderr)
            raise typer.Exit(130) from None

    return run


def show(result: dict[str, Any], text: str, as_json: bool) -> None:
    """The result on stdout: as JSON, or as text for a person."""
    print(json.dumps(result, indent=1) if as_json else text)

"""Shared parts of commands: options, errors of one sentence, and output."""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from wordsight.bundled import in_the_box, say_bundled
from wordsight.errors import InputError, WorkFailed, printable
from wordsight.files import reason, to_json

if TYPE_CHECKING:
    from wordsight.search.index import Index

P = ParamSpec("P")
R = TypeVar("R")

_verbose = False

IndexFolder = Annotated[Path, typer.Argument(metavar="INDEX", help="The folder of the index.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and only JSON, on stdout.")]
Model = Annotated[
    Path | None, typer.Option(metavar="RUN", help="The run to use; without it, the model that comes with wordsight.")
]


def _allow_hub(asked: bool) -> bool:
    if asked:
        os.environ["WORDSIGHT_HUB"] = "1"
    return asked


AllowHub = Annotated[
    bool, typer.Option("--allow-hub", callback=_allow_hub, help="Allow downloads from the Hugging Face hub.")
]
Ray = Annotated[
    str, typer.Option("--ray", metavar="ADDRESS", help="Many machines: HOST:PORT of a Ray cluster; `local`: this one.")
]
Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or mps.")]


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command: one sentence for an error; exit code 2 for bad input, 1 for failed work, 130 for Ctrl-C."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (InputError, WorkFailed) as error:
            print(f"wordsight: {printable(error)}", file=sys.stderr)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
        except BrokenPipeError:  # the reader of the output has left, as `head` does: the command line ends quietly
            raise
        except OSError as error:  # of the machine, such as no folder for temporary files
            where = f"{error.filename}: " if error.filename else ""
            print(f"wordsight: {printable(f'{where}{reason(error)}')}.", file=sys.stderr)
            raise typer.Exit(1) from None
        except KeyboardInterrupt as stop:
            print(f"\nwordsight: {str(stop) or 'Stopped.'}", file=sys.stderr)
            raise typer.Exit(130) from None

    return run


def set_verbose(asked: bool) -> None:
    """Set whether the commands of this process print which model they use."""
    global _verbose
    _verbose = asked


def run_or_bundled(run: Path | None, part: str) -> Path:
    """The run that is given, or else `part` of the bundled model; with `--verbose`, print which.

    Raises:
        InputError: no run is given, and this package came without the bundled model.
    """
    if run is None:
        run = in_the_box(part)
        if _verbose:
            say_bundled()
    elif _verbose:
        say_model(run)
    return run


def opened(index: "Index") -> "Index":
    """An index, checked to exist; with `--verbose`, print which model it was built with.

    Raises:
        InputError: there is no index, or it cannot be read.
    """
    bundled = index.bundled
    if _verbose:
        say_bundled() if bundled else say_model(index.info()["model"])
    return index


def say_model(model: object) -> None:
    """Print which model is used, on stderr."""
    print(f"model: {printable(model)}", file=sys.stderr)


def refuse(option: str, others: Mapping[str, object], instead: str = "") -> None:
    """Refuse options that do not go with another.

    Args:
        option: that other one.
        others: the options by name, with their values; those that are empty were not given.
        instead: what to do instead.

    Raises:
        InputError: one of `others` was given.
    """
    if given := [name for name, value in others.items() if value]:
        raise InputError(f"{option}: does not go with {', '.join(given)}{instead}.")


def print_result(result: dict[str, Any], text: str, as_json: bool) -> None:
    """Print the result on stdout: as JSON, or as text for a person."""
    print(to_json(result, indent=1, ascii_only=True) if as_json else printable(text, lines=True))

"""The command `wordsight situation`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from wordsight.cli.options import AllowHub, Device, Json, command, print_result
from wordsight.errors import InputError


@command
def situation(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PICTURE...",
            help="Pictures, videos, folders, patterns such as 'a/*.jpg'; - for paths on stdin.",
        ),
    ] = None,
    *,
    run: Annotated[Path, typer.Option("--run", "--model", metavar="RUN", help="The run that finds situations.")],
    verb: Annotated[str, typer.Option(metavar="VERB", help="Fill the roles of this verb.")] = "",
    boxes: Annotated[bool, typer.Option("--boxes/--no-boxes", help="Find the boxes of the nouns.")] = True,
    alignment: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run that finds the boxes; by default the bundled one.")
    ] = None,
    connections: Annotated[
        str, typer.Option(metavar="VERB", help="Show how strongly the roles of this verb are connected, instead.")
    ] = "",
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="With --connections: the dataset with pictures of the verb.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="OUT.png", help="Draw it here.")] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Find the situation in pictures: a verb, and who or what fills each of its roles, with boxes."""
    from wordsight.data.pictures import picture_files
    from wordsight.reports.draw import picture_format
    from wordsight.runs.aligner import load
    from wordsight.runs.recogniser import load_recogniser
    from wordsight.runs.role_connections import connections as connections_of
    from wordsight.runs.situation_files import check_drawing, situation_files

    if (not pictures) == (not connections):
        raise InputError("situation: expected a picture, or --connections VERB; one of the two.")
    if (connections and (verb or alignment)) or (data and not connections):
        raise InputError("situation: --verb and --alignment go with a picture, --data with --connections.")
    if alignment and not boxes:
        raise InputError("situation: --alignment finds the boxes; expected it without --no-boxes.")
    if out:
        picture_format(out)  # checked before the work
    paths = picture_files(pictures, sys.stdin.buffer, videos=True) if pictures else None
    if out and paths:
        check_drawing(out, paths)
    recogniser = load_recogniser(run, device)
    found = (
        situation_files(recogniser, paths, verb=verb or None, aligner=load(alignment, device) if boxes else None)
        if paths
        else connections_of(recogniser, connections, data)
    )
    if out:
        found.draw(out)
    print_result(found.to_json(), str(found), as_json)

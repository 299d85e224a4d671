"""The command that finds situations."""

from pathlib import Path
from typing import Annotated

import typer

from wordsight.cli.options import AllowHub, Device, Json, command, print_result
from wordsight.errors import InputError


@command
def situation(
    picture: Annotated[Path | None, typer.Argument(metavar="PICTURE", help="A picture file.")] = None,
    *,
    run: Annotated[Path, typer.Option("--run", "--model", metavar="RUN", help="The run that finds situations.")],
    verb: Annotated[str, typer.Option(metavar="VERB", help="Fill the roles of this verb.")] = "",
    boxes: Annotated[bool, typer.Option("--boxes/--no-boxes", help="Say where the nouns are.")] = True,
    alignment: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run that finds the boxes; by default the bundled one.")
    ] = None,
    connections: Annotated[
        str, typer.Option(metavar="VERB", help="Instead, how strongly the roles of this verb are connected.")
    ] = "",
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="With --connections: pictures of the verb are in here.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="OUT.png", help="Draw it here.")] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Say what is done in a picture, and who or what fills each role of the verb, with boxes."""
    from wordsight.reports.draw import picture_format
    from wordsight.runs.aligner import load
    from wordsight.runs.recogniser import load_recogniser
    from wordsight.runs.role_connections import connections as connections_of

    if (picture is None) == (not connections):
        raise InputError("situation: expected a picture, or --connections VERB; one of the two.")
    if (connections and (verb or alignment)) or (data and not connections):
        raise InputError("situation: --verb and --alignment go with a picture, --data with --connections.")
    if out:
        picture_format(out)  # before the work
    recogniser = load_recogniser(run, device)
    found = (
        recogniser.recognise(picture, verb=verb or None, aligner=load(alignment, device) if boxes else None)
        if picture
        else connections_of(recogniser, connections, data)
    )
    if out:
        found.draw(out)
    print_result(found.to_json(), str(found), as_json)

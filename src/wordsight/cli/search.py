"""The command `wordsight search`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wordsight.cli import stores
from wordsight.cli.options import AllowHub, Device, Json, Ray, command, opened, print_result, refuse
from wordsight.errors import InputError


@command
def search(
    index: Annotated[
        Path | None, typer.Argument(metavar="INDEX", help="The folder of the index; not needed with --store.")
    ] = None,
    sentences: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SENTENCE", help="What to look for. Scores of several add up; 'grass^-0.5' sets a weight."
        ),
    ] = None,
    picture: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Look for pictures like this one; repeatable.")
    ] = None,
    box: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Search by this region of --picture, in pixels.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORDS",
            help="Only pictures with this text in them; 'lond*' matches the start of a word; repeatable.",
        ),
    ] = None,
    sketch: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Look for photos of what this drawing shows.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of hits on a page.")] = 10,
    page: Annotated[int, typer.Option(min=1, help="The page to show.")] = 1,
    min_score: Annotated[float | None, typer.Option(help="Hide hits with a lower score.")] = None,
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Hide hits with a lower confidence.")
    ] = None,
    min_sure: Annotated[float | None, typer.Option(min=0, max=1, hidden=True)] = None,
    where: Annotated[str, typer.Option(metavar="EXPR", help="Filter, as in 'width >= 800 and date > 2024-05'.")] = "",
    under: Annotated[str, typer.Option(metavar="FOLDER", help="Only pictures in this folder and its subfolders.")] = "",
    since: Annotated[str, typer.Option(metavar="DAY", help="Taken on this day or later, as 2024-05-17.")] = "",
    until: Annotated[str, typer.Option(metavar="DAY", help="Taken on this day or earlier.")] = "",
    camera: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Taken by this camera; repeatable.")] = None,
    orientation: Annotated[str, typer.Option(metavar="SHAPE", help="landscape, portrait or square.")] = "",
    album: Annotated[str, typer.Option(metavar="ALBUM", help="Only pictures in this album, by name or id.")] = "",
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only photos, or only videos: photo or video.")] = "",
    group: Annotated[bool, typer.Option("--group", help="Show near-duplicates as one hit.")] = False,
    frames: Annotated[bool, typer.Option("--frames", help="Show each frame of a video as a hit of its own.")] = False,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE.txt", help="Find the lines of this file that describe --picture.")
    ] = None,
    rerank: Annotated[Path | None, typer.Option(metavar="RUN", help="Rank the first hits again with this run.")] = None,
    rerank_top: Annotated[int, typer.Option(min=1, metavar="N", help="How many hits --rerank ranks.")] = 50,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="SHEET.png", help="Draw the hits as a contact sheet, in the format of its suffix."
        ),
    ] = None,
    boxes: Annotated[bool, typer.Option("--boxes", help="Print each phrase with its box in percent.")] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Show the hits where the terminal can show pictures.")
    ] = True,
    open_: Annotated[bool, typer.Option("--open", help="Open the contact sheet in the picture viewer.")] = False,
    store: stores.Searched = None,
    collection: stores.Collection = "wordsight",
    candidates: stores.Candidates = 50,
    ray: Ray = "",
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Find pictures by sentence, by a picture, a region of one or the text in them, and show where words matched."""
    from wordsight.cli import index_files
    from wordsight.cli.hits import show_found
    from wordsight.runs.aligner import load
    from wordsight.search.index import Index
    from wordsight.search.options import SearchKeywords

    if min_sure is not None:
        print("wordsight: --min-sure is now called --min-confidence; the former name works until 0.3.", file=sys.stderr)
        min_confidence = min_sure if min_confidence is None else min_confidence
    if sketch and (sentences or picture or text or captions or rerank):
        others = "sentences, --picture, --text, --captions, --rerank"
        raise InputError(f"--sketch {sketch}: expected alone, without {others}.")
    show = partial(show_found, out=out, as_json=as_json, boxes=boxes, pictures=pictures, open_=open_)
    check_out = partial(_check_out, out, [*(picture or []), *([sketch] if sketch else [])], device)
    without: dict[str, object] = {"--where": where, "--under": under, "--since": since, "--until": until}
    without |= {"--camera": camera, "--album": album, "--orientation": orientation, "--kind": kind, "--rerank": rerank}
    if store:
        without |= {"--text": text, "--sketch": sketch, "--captions": captions, "--ray": ray}
        least = {"min_score": min_score, "min_confidence": min_confidence}
        with stores.open_stored(store, collection, index, sentences or [], device, without) as (stored, words):
            check_out(stored.folder)
            asked = index_files.query(words, picture or [], box)
            found = stored.search(asked, top=top, page=page, group=group, candidates=candidates, **least)
            return show(found, stored.run.vocabulary)
    if index is None:
        raise InputError("search: expected the folder of an index, or --store.")
    if ray and (sketch or text or captions or rerank or group):
        raise InputError("--ray: goes with none of --sketch, --text, --captions, --rerank, --group.")
    if captions:
        without |= {"--group": group, "--frames": frames, "--page": page > 1, "-o": out, "--open": open_}
        without |= {"--min-score": min_score is not None, "--min-confidence": min_confidence is not None}
        refuse(f"--captions {captions}", without | {"--boxes": boxes})
    searched = None if ray else opened(Index(index, device))
    check_out(index)
    asked = [] if sketch else index_files.query(sentences or [], picture or [], box, text or [])
    if searched and captions:
        lines = index_files.sentences_for(searched, asked, captions, top)
        return print_result(lines, index_files.captions_text(lines), as_json)
    wanted = SearchKeywords(
        top=top, page=page, min_score=min_score, min_confidence=min_confidence, where=where, under=under
    )
    wanted["since"], wanted["until"], wanted["camera"], wanted["album"] = since, until, camera or (), album
    wanted["orientation"], wanted["kind"], wanted["group"], wanted["frames"] = orientation or None, kind, group, frames
    again = load(rerank, device) if rerank else None
    if searched is None:
        from wordsight.scale.search import search_shards

        found, vocabulary = search_shards(ray, index, asked, device, **wanted)
    elif sketch:
        found, vocabulary = searched.search_sketch(sketch, **wanted), searched.run.vocabulary
    else:
        found = searched.search(asked, reranker=again, rerank_top=rerank_top, **wanted)
        vocabulary = searched.run.vocabulary
    return show(found, vocabulary)


def _check_out(out: Path | None, asked: Sequence[Path], device: str, folder: Path) -> None:
    """Check that a contact sheet replaces no picture that is asked, and none of an index or a folder of shards."""
    from wordsight.scale.shards import shard_folders
    from wordsight.search.contact_sheet import check_sheet
    from wordsight.search.frames import file_of
    from wordsight.search.identity import is_ours
    from wordsight.search.opened import Opened

    if out:
        folders = [folder] if is_ours(folder) else shard_folders(folder)
        read = [*asked, *(Path(file_of(str(one))) for one in asked)]
        check_sheet(out, read, [Opened(one, device) for one in folders])

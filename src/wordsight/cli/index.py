"""The commands of an index: `wordsight index ...` and `wordsight search`."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wordsight.bundled import say_bundled
from wordsight.cli import compacting, stores
from wordsight.cli.options import AllowHub, Device, IndexFolder, Json, Ray, command, opened, print_result
from wordsight.errors import InputError

app = typer.Typer(
    help="Make and maintain an index: what a search needs to know of your pictures.", no_args_is_help=True
)
app.command()(stores.export)
app.command()(compacting.compact)

Pictures = Annotated[
    list[str],
    typer.Argument(metavar="PICTURE", help="Files, folders, patterns such as 'a/*.jpg'; - for paths on stdin."),
]
Meta = Annotated[Path | None, typer.Option(metavar="FILE", help="A .csv or .json file of metadata to search by.")]


@app.command()
@command
def build(
    index: IndexFolder,
    pictures: Pictures,
    model: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The model of a new index: a run or hub:ID; else the bundled model."),
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove pictures whose files are gone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --prune: also where a drive may be unmounted.")] = False,
    meta: Meta = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="The dataset to learn confidence from; `none` for no confidence."),
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Read the text in the pictures, to search by it.")] = False,
    compact: Annotated[bool, typer.Option("--compact", help="Keep 4 KB a picture, not exact vectors.")] = False,
    ray: Ray = "",
    keep_shards: Annotated[
        bool, typer.Option("--keep-shards", help="With --ray: make INDEX a folder of shards, to search with --ray.")
    ] = False,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Make an index, or update it: add new pictures, refresh changed ones and repair damage."""
    from wordsight.cli import index_files
    from wordsight.search.identity import is_index
    from wordsight.search.listing import listed_files
    from wordsight.vision.ocr import text_reader

    if force and not prune:
        raise InputError("--force: expected together with --prune.")
    if keep_shards and not ray:
        raise InputError("--keep-shards: expected together with --ray.")
    paths = listed_files(pictures, sys.stdin.buffer)
    if text:
        text_reader()  # or nothing is made
    if keep_shards:
        from wordsight.scale.build import keep_shards as keep

        if prune or meta:
            raise InputError("--keep-shards: goes with neither --prune nor --meta; use them on each shard.")
        kept = keep(ray, index, paths, run=model, device=device, text=text, calibration=calibrate)
        return print_result(kept, f"{index}: {kept['pictures']:,} pictures in {kept['shards']:,} shards", as_json)
    new = not is_index(index)
    made = index_files.create(index, paths, model, device)
    if new and made.bundled:  # said once; later commands say it with --verbose
        say_bundled()
    if compact:
        made.compact()
    asked = typer.confirm if sys.stdin.isatty() and not as_json else False
    ahead = 0
    if ray:
        from wordsight.scale.build import build_shards

        ahead = build_shards(ray, made, paths, text=text)
    done = index_files.build(made, paths, prune=prune, force=force or asked, meta=meta, text=text)
    done |= {"added": done["added"] + ahead, "unchanged": done["unchanged"] - ahead}
    if calibrate != Path("none"):
        index_files.calibrate(made, calibrate)
    return print_result(done, index_files.built_text(done), as_json)


@app.command()
@command
def add(
    index: IndexFolder,
    pictures: Pictures,
    meta: Meta = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Add pictures to an index; faster than `build`, which also looks for damage."""
    from wordsight.cli import index_files
    from wordsight.search.index import Index
    from wordsight.search.listing import listed_files

    done = index_files.build(
        opened(Index(index, device)), listed_files(pictures, sys.stdin.buffer), repair=False, meta=meta
    )
    print_result(done, index_files.built_text(done), as_json)


@app.command()
@command
def sketch(
    index: IndexFolder,
    model: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="A run of `wordsight sketch train`; else nothing learned is used."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an index searchable by drawing; later updates keep it so."""
    from wordsight.search.index import Index

    done = Index(index).sketch(model)
    print_result(done, f"{index}: {done['pictures']:,} pictures by drawing ({done['added']:,} added)", as_json)


@app.command()
@command
def remove(
    index: IndexFolder,
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURE", help="Files or folders; they need not exist any more.")
    ],
    as_json: Json = False,
) -> None:
    """Remove pictures from an index; the files themselves are not touched."""
    from wordsight.search.index import Index

    count = Index(index).remove(pictures)
    print_result({"removed": count}, f"{index}: {count:,} removed", as_json)


@app.command()
@command
def info(index: IndexFolder, as_json: Json = False) -> None:
    """Show what is in an index, and its model."""
    from wordsight.cli.index_files import info_text
    from wordsight.search.index import Index

    found = Index(index).info()
    print_result(found, info_text(found), as_json)


@app.command()
@command
def verify(index: IndexFolder, as_json: Json = False) -> None:
    """Check an index for damage and list the pictures concerned."""
    from wordsight.search.index import Index

    damaged = [str(path) for path in Index(index).verify()]
    print_result({"damaged": damaged}, "\n".join(damaged) or f"{index}: sound", as_json)
    if damaged:
        print(
            f"wordsight: {len(damaged):,} pictures are damaged; `wordsight index build` repairs them.", file=sys.stderr
        )
        raise typer.Exit(2)


@app.command()
@command
def merge(
    index: IndexFolder,
    others: Annotated[list[Path], typer.Argument(metavar="OTHER", help="Indexes that were built with the same model.")],
    as_json: Json = False,
) -> None:
    """Add the pictures of other indexes without computing anything again."""
    from wordsight.cli.index_files import merge_all
    from wordsight.search.index import Index

    done = merge_all(Index(index), others)
    print_result(
        done, f"{index}: {done['pictures']:,} pictures ({done['added']:,} added, {done['known']:,} known)", as_json
    )


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
        typer.Option(metavar="WORDS", help="Only pictures in which this is written; 'lond*' is a start; repeatable."),
    ] = None,
    sketch: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Look for photos of what is drawn in this picture.")
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
        Path | None, typer.Option(metavar="FILE.txt", help="Find the lines of this file that fit --picture.")
    ] = None,
    rerank: Annotated[Path | None, typer.Option(metavar="RUN", help="Rank the first hits again with this run.")] = None,
    rerank_top: Annotated[int, typer.Option(min=1, metavar="N", help="How many hits --rerank ranks.")] = 50,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="SHEET.png", help="Draw the hits as a contact sheet.")
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
        raise InputError(
            f"--sketch {sketch}: expected alone, without sentences, --picture, --text, --captions, --rerank."
        )
    show = partial(show_found, out=out, as_json=as_json, boxes=boxes, pictures=pictures, open_=open_)
    if store:
        without = {"--text": text, "--sketch": sketch, "--captions": captions, "--rerank": rerank, "--where": where}
        without |= {"--under": under, "--since": since, "--until": until, "--camera": camera, "--album": album}
        without |= {"--orientation": orientation, "--kind": kind, "--ray": ray}
        stored, words = stores.open_stored(store, collection, index, sentences or [], device, without)
        with stored:
            asked, least = index_files.query(words, picture or [], box), {"min_score": min_score}
            least["min_confidence"] = min_confidence
            found = stored.search(asked, top=top, page=page, group=group, candidates=candidates, **least)
            return show(found, stored.run.vocabulary)
    if index is None:
        raise InputError("search: expected the folder of an index, or --store.")
    if ray and (sketch or text or captions or rerank or group):
        raise InputError("--ray: goes with none of --sketch, --text, --captions, --rerank, --group.")
    searched = None if ray else opened(Index(index, device))
    asked = [] if sketch else index_files.query(sentences or [], picture or [], box, text or [])
    if captions and rerank:
        raise InputError(f"--rerank {rerank}: scores hits of a sentence again, and not --captions.")
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

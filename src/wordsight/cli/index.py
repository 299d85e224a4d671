"""The commands on an index: `wordsight index ...`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

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
    from wordsight.search.listing import listed_files
    from wordsight.vision.ocr import text_reader

    if force and not prune:
        raise InputError("--force: expected together with --prune.")
    if keep_shards and not ray:
        raise InputError("--keep-shards: expected together with --ray.")
    paths = listed_files(pictures, sys.stdin.buffer, empty=prune)
    index_files.require_usable(meta, calibrate)  # fails before anything is made
    if text:
        text_reader()
    if keep_shards:
        from wordsight.scale.build import keep_shards as keep

        if prune or meta:
            raise InputError("--keep-shards: goes with neither --prune nor --meta; use them on each shard.")
        kept = keep(ray, index, paths, run=model, device=device, text=text, calibration=calibrate)
        return print_result(kept, f"{index}: {kept['pictures']:,} pictures in {kept['shards']:,} shards", as_json)
    made = index_files.create(index, paths, model, device)
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

    index_files.require_usable(meta)
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
        typer.Option(metavar="RUN", help="A run of `wordsight sketch train`; by default the one in the index, if any."),
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

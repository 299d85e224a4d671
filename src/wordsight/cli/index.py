"""The commands of an index: `wordsight index ...` and `wordsight search`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordsight.bundled import say_bundled
from wordsight.cli.options import AllowHub, Device, Json, command, print_result
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.search.index import Index

app = typer.Typer(help="Make pictures ready to be searched.", no_args_is_help=True)

IndexFolder = Annotated[Path, typer.Argument(metavar="INDEX", help="The index's folder.")]
Pictures = Annotated[
    list[str],
    typer.Argument(metavar="PICTURE", help="Files, folders, patterns such as 'a/*.jpg'; - for paths on stdin."),
]
Meta = Annotated[Path | None, typer.Option(metavar="FILE", help="What you know of pictures: .csv or .json.")]


@app.command()
@command
def build(
    index: IndexFolder,
    pictures: Pictures,
    model: Annotated[
        Path | None, typer.Option(metavar="RUN", help="For a new index: a run that aligns or hub:ID, else the box.")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Forget pictures whose files are gone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Those too whose drive may not be mounted.")] = False,
    meta: Meta = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Learn here how sure hits are, not from the model's own data; or none."),
    ] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Make an index, or bring it up to date: add what is new, refresh what changed, repair what is damaged."""
    from wordsight.cli import index_files
    from wordsight.data.pictures import picture_files

    if force and not prune:
        raise InputError("--force: expected with --prune, which it is about.")
    paths = picture_files(pictures, sys.stdin.buffer)
    opened = _said(index_files.create(index, paths, model, device))
    asked = typer.confirm if sys.stdin.isatty() and not as_json else False
    done = index_files.build(opened, paths, prune=prune, force=force or asked, meta=meta)
    if calibrate != Path("none"):
        index_files.calibrate(opened, calibrate)
    print_result(done, index_files.built_text(done), as_json)


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
    """Add pictures to an index; it is not looked through for damage as `build` does."""
    from wordsight.cli import index_files
    from wordsight.data.pictures import picture_files
    from wordsight.search.index import Index

    opened = _said(Index(index, device))
    done = index_files.build(opened, picture_files(pictures, sys.stdin.buffer), repair=False, meta=meta)
    print_result(done, index_files.built_text(done), as_json)


@app.command()
@command
def remove(
    index: IndexFolder,
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURE", help="Files or folders, whether they still exist or not.")
    ],
    as_json: Json = False,
) -> None:
    """Leave pictures out of an index; their files are not touched."""
    from wordsight.search.index import Index

    count = Index(index).remove(pictures)
    print_result({"removed": count}, f"{index}: {count:,} removed", as_json)


@app.command()
@command
def info(index: IndexFolder, as_json: Json = False) -> None:
    """Say what is in an index."""
    from wordsight.cli.index_files import info_text
    from wordsight.search.index import Index

    found = Index(index).info()
    print_result(found, info_text(found), as_json)


@app.command()
@command
def verify(index: IndexFolder, as_json: Json = False) -> None:
    """Look for damage; lists the pictures whose vectors are not as they were written."""
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
    others: Annotated[list[Path], typer.Argument(metavar="OTHER", help="Indexes of the same model.")],
    as_json: Json = False,
) -> None:
    """Add the pictures of other indexes; nothing is computed again."""
    from wordsight.cli.index_files import merge_all
    from wordsight.search.index import Index

    done = merge_all(Index(index), others)
    print_result(
        done, f"{index}: {done['pictures']:,} pictures ({done['added']:,} added, {done['known']:,} known)", as_json
    )


@command
def search(
    index: IndexFolder,
    sentences: Annotated[
        list[str] | None,
        typer.Argument(metavar="SENTENCE", help="What to look for; 'grass^-0.5' weighs it; several are added up."),
    ] = None,
    picture: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Look for pictures like this one; repeatable.")
    ] = None,
    box: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Only this region of it, in pixels.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Hits on a page.")] = 10,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    min_score: Annotated[float | None, typer.Option(help="Leave out what scores less.")] = None,
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out hits of less confidence.")
    ] = None,
    min_sure: Annotated[float | None, typer.Option(min=0, max=1, hidden=True)] = None,
    where: Annotated[str, typer.Option(metavar="EXPR", help="As in 'width >= 800 and date > 2024-05'.")] = "",
    under: Annotated[str, typer.Option(metavar="FOLDER", help="Only pictures in this folder and below.")] = "",
    since: Annotated[str, typer.Option(metavar="DAY", help="Taken on this day or later, as 2024-05-17.")] = "",
    until: Annotated[str, typer.Option(metavar="DAY", help="Taken on this day or earlier.")] = "",
    camera: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Taken by this camera; repeatable.")] = None,
    orientation: Annotated[str, typer.Option(metavar="SHAPE", help="landscape, portrait or square.")] = "",
    album: Annotated[str, typer.Option(metavar="ALBUM", help="Only pictures in this album, by name or id.")] = "",
    group: Annotated[bool, typer.Option("--group", help="Show near-duplicates as one.")] = False,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE.txt", help="Find captions for the picture, of these lines.")
    ] = None,
    rerank: Annotated[Path | None, typer.Option(metavar="RUN", help="Score the first hits again by this run.")] = None,
    rerank_top: Annotated[int, typer.Option(min=1, metavar="N", help="How many of them.")] = 50,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="SHEET.png", help="Draw a contact sheet.")] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Find pictures by sentences, by a picture or by a region of one, and show which box matched which words."""
    from wordsight.cli import index_files
    from wordsight.runs.aligner import load
    from wordsight.search.contact_sheet import write_sheet
    from wordsight.search.find import SearchKeywords
    from wordsight.search.index import Index

    if min_sure is not None:
        print("wordsight: --min-sure is now called --min-confidence; the former name works until 0.3.", file=sys.stderr)
        min_confidence = min_sure if min_confidence is None else min_confidence
    opened, asked = _said(Index(index, device)), index_files.query(sentences or [], picture or [], box)
    if captions and rerank:
        raise InputError(f"--rerank {rerank}: scores hits of a sentence again, and not --captions.")
    if captions:
        lines = index_files.sentences_for(opened, asked, captions, top)
        return print_result(lines, index_files.captions_text(lines), as_json)
    wanted = SearchKeywords(
        top=top, page=page, min_score=min_score, min_confidence=min_confidence, where=where, under=under
    )
    wanted["since"], wanted["until"], wanted["camera"], wanted["album"] = since, until, camera or (), album
    wanted["orientation"], wanted["group"] = orientation or None, group
    again = load(rerank, device) if rerank else None
    found = opened.search(asked, reranker=again, rerank_top=rerank_top, **wanted)
    if found.unknown:
        print(f"wordsight: words that the model does not know: {', '.join(found.unknown)}", file=sys.stderr)
    if out:
        write_sheet(found, out)
    return print_result(found.to_json(), str(found), as_json)


def _said(index: "Index") -> "Index":
    """An index; where its model is the small one in the box, that is said."""
    if index.bundled:
        say_bundled()
    return index

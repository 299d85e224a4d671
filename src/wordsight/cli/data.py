"""The commands on datasets: `wordsight data ...`."""

from pathlib import Path
from typing import Annotated

import typer

from wordsight.cli.options import Json, command, print_result
from wordsight.errors import InputError

app = typer.Typer(help="Check a dataset, or convert it to another format.", no_args_is_help=True)

Data = Annotated[Path, typer.Argument(metavar="DATA", help="A dataset: its folder or file, in any supported format.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad row instead of skipping it.")]


@app.command()
@command
def check(data: Data, strict: Strict = False, as_json: Json = False) -> None:
    """Report what a dataset holds and what is wrong with it; writes nothing."""
    from wordsight.data.check import check
    from wordsight.data.load import read_dataset
    from wordsight.progress import Progress

    with Progress().task("pictures") as count:
        report = check(read_dataset(data, strict=strict), progress=count)
    print_result(report.to_json(), str(report), as_json)


@app.command()
@command
def convert(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.json", help="The Karpathy JSON file to write.")],
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Convert any dataset to Karpathy JSON."""
    from wordsight.data.convert import write_karpathy
    from wordsight.data.load import load_dataset

    if out.suffix.lower() != ".json":
        raise InputError(f"{out}: expected a name that ends in .json.")
    dataset = load_dataset(data, strict=strict)
    write_karpathy(dataset, out)
    print_result(
        {"out": str(out), "pictures": len(dataset.pictures)}, f"{out}: {len(dataset.pictures):,} pictures", as_json
    )


@app.command()
@command
def parse(
    data: Data,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A pipeline of spaCy: a package or a folder; English by default.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.conllu", help="The file to write; beside the captions by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Parse the captions of a dataset, for the models that read dependency trees."""
    from wordsight.data.load import load_dataset
    from wordsight.data.parse_captions import MODEL, check_parses, load_parser, write_parses
    from wordsight.data.parses import NAME
    from wordsight.progress import Progress

    if out and out.suffix.lower() != ".conllu":
        raise InputError(f"{out}: expected a name that ends in .conllu.")
    dataset = load_dataset(data)
    check_parses(file := out or dataset.root / NAME)
    parser = load_parser(model or MODEL)
    with Progress().task("captions") as count:
        parsed = write_parses(dataset, parser, file, count)
    print_result({"out": str(file), "captions": parsed}, f"{file}: {parsed:,} captions", as_json)


@app.command()
@command
def paint(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.")],
    pictures: Annotated[int, typer.Option(min=6, help="How many pictures.")] = 600,
    seed: Annotated[int, typer.Option(help="The same seed paints the same pictures.")] = 0,
    as_json: Json = False,
) -> None:
    """Paint pictures of coloured shapes with true sentences and the boxes of their phrases."""
    from wordsight.data.painted.world import paint_world

    paint_world(out, pictures, seed)
    print_result({"out": str(out), "pictures": pictures}, f"{out}: {pictures:,} pictures", as_json)


@app.command()
@command
def clips(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.")],
    count: Annotated[int, typer.Option("--clips", min=6, help="How many clips.")] = 600,
    seed: Annotated[int, typer.Option(help="The same seed paints the same clips.")] = 0,
    as_json: Json = False,
) -> None:
    """Paint short clips with true sentences: shapes that move, grow, appear and hide."""
    from wordsight.data.painted.clips import paint_clips
    from wordsight.progress import Progress

    with Progress().task("clips") as progress:
        paint_clips(out, count, seed, progress)
    print_result({"out": str(out), "clips": count}, f"{out}: {count:,} clips", as_json)


@app.command()
@command
def sequences(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The folder to make.")],
    most: Annotated[int, typer.Option(min=0, help="Clips of a split; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same clips.")] = 0,
    as_json: Json = False,
) -> None:
    """Make clips of a dataset's pictures: shots one after the other, their sentences joined by "then"."""
    from wordsight.data.load import load_dataset
    from wordsight.data.sequences import write_sequences
    from wordsight.progress import Progress

    with Progress().task("clips") as progress:
        made = write_sequences(load_dataset(data), out, seed, most, progress)
    print_result({"out": str(made)}, f"{made}: clips and their shots", as_json)


@app.command()
@command
def situations(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The folder to make.")],
    verbs: Annotated[Path, typer.Option(metavar="FOLDER", help="imSitu's verbs, nouns and annotations.")],
    as_json: Json = False,
) -> None:
    """Make situations of a dataset with an entities.json: each picture's verb, and the nouns in its roles."""
    from wordsight.data.flickr_situations.write import write_situations
    from wordsight.data.load import load_dataset
    from wordsight.data.situations import load_situations
    from wordsight.progress import Progress

    tables = load_situations(verbs)
    with Progress().task("pictures") as progress:
        counts = write_situations(load_dataset(data), tables, out, progress)
    lines = [
        f"{split}: {some['pictures']:,} pictures, {some['verbs']} verbs, {some['frames']:,} frames, "
        f"{some['nouns']:,} nouns, {some['filled'] / some['frames']:.2f} roles filled of a frame"
        for split, some in counts.items()
    ]
    print_result({"out": str(out), "splits": counts}, "\n".join(lines), as_json)

"""The commands of a dataset: `wordsight data ...`."""

from pathlib import Path
from typing import Annotated

import typer

from wordsight.cli.options import Json, command, print_result

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

    dataset = load_dataset(data, strict=strict)
    write_karpathy(dataset, out)
    print_result(
        {"out": str(out), "pictures": len(dataset.pictures)}, f"{out}: {len(dataset.pictures):,} pictures", as_json
    )

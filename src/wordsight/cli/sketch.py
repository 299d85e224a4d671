"""The commands of sketches: `wordsight sketch train`."""

from pathlib import Path
from typing import Annotated

import typer

from wordsight.cli.options import Json, command, print_result

app = typer.Typer(help="Learn to find photos by drawings.", no_args_is_help=True)


@app.command()
@command
def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder with photo/ and sketch/, or a CSV file of pairs.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="The folder of the run.")],
    as_json: Json = False,
) -> None:
    """Learn from pairs of photos and sketches, and report which views were kept."""
    from wordsight.files import read_json
    from wordsight.runs.sketch_training import train as learn

    learn(data, out)
    told = read_json(out / "metrics.json")
    lines = [f"{out}: {told['sketches']:,} sketches of {told['photos']:,} photos"]
    for name, own in told["own"].items():
        shared, alone = told["shared"].get(name, 0.0), told["agreement"][name]
        share = f"{100 * shared:3.0f} % shared, {100 * own:3.0f} % own" if shared + own else "dropped"
        lines.append(f"  {name:13} {share:22} mean reciprocal rank alone {alone:.3f}")
    lines.append(f"mean reciprocal rank with photos left out: {told['score']:.3f}; {told['rounds']} rounds")
    print_result(told, "\n".join(lines), as_json)

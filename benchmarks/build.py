"""How much slower building an index is than encoding its pictures: `index build` against the region encoder alone.

    python benchmarks/build.py [--pictures 240]
    python benchmarks/build.py --run RUN --folder flickr8k/images

The first needs no weights: painted pictures, and an untrained model of the demo. Both ways see the same pieces of the
pictures in turn, so that other load on the machine affects both; trust the ratio.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rows import Row, write

from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.data.painted.world import paint_world
from wordsight.matching.align import Align
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.encoder import region_encoder
from wordsight.runs.recipe import read
from wordsight.search.index import Index
from wordsight.text.vocabulary import Vocabulary

PIECES = 6
DEMO = Path(__file__).parents[1] / "recipes" / "demo.toml"


def untrained(world: Path, folder: Path) -> Path:
    """A run of the demo before its first step."""
    recipe = read(DEMO)
    vocabulary = Vocabulary.build(text for one in load_dataset(world).pictures for text in one.sentences)
    encoder = region_encoder(recipe.regions)
    settings = {name: value for name, value in recipe.model.items() if name != "name"}
    model = Align(len(vocabulary), encoder.size, **settings)  # type: ignore[arg-type]
    made = (model, vocabulary, recipe.regions, encoder.blocks, encoder.fingerprint, recipe, {"best": {}})
    checkpoint.save(folder, checkpoint.Checkpoint(*made))
    return folder


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock seconds, and processor seconds over all cores."""
    clock, computing = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - computing


def compare(run: Path, pictures: list[Path], folder: Path) -> dict[str, float]:
    index = Index.create(folder / "index", run)
    encoder = index.run.encoder
    pieces = [pictures[first::PIECES] for first in range(PIECES)]
    list(encoder.stream(pieces[0][:4]))  # makes the sessions
    alone, built = [], []
    for number, piece in enumerate(pieces):
        ways = [
            lambda piece=piece: alone.append(spent(lambda: list(encoder.stream(piece)))),
            lambda piece=piece: built.append(
                spent(lambda: index.build(piece, repair=False, progress=Progress(quiet=True)))
            ),
        ]
        for way in ways if number % 2 else reversed(ways):
            way()
    added = index.info()["pictures"]
    assert added == len(pictures), f"{added} of {len(pictures)} pictures were added"
    told: dict[str, float] = {"pictures": added}
    for name, rounds in (("encoder alone", alone), ("index build", built)):
        clock, computing = (sum(column) for column in zip(*rounds, strict=True))
        told |= {f"{name}, pictures/s": added / clock, f"{name}, core ms a picture": 1000 * computing / added}
    told["speed of the build / the encoder's"] = median(a[0] / b[0] for a, b in zip(alone, built, strict=True))
    told["the same of processor"] = median(a[1] / b[1] for a, b in zip(alone, built, strict=True))
    return {name: round(value, 3) for name, value in told.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run that aligns; else one of the demo before its first step")
    parser.add_argument("--folder", help="pictures; else painted ones")
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        world = None if chosen.run and chosen.folder else paint_world(folder / "world", chosen.pictures)
        run = chosen.run or untrained(world, folder / "run")
        where = find(chosen.folder, "pictures") if chosen.folder else world / "images"
        pictures = sorted(where.iterdir())[: chosen.pictures]
        told = compare(run, pictures, folder)
        print(json.dumps(told, indent=1))
        work, unit = f"building an index, {len(pictures)} pictures", "pictures/s"
        kinds = {"index build": "ours", "encoder alone": "floor"}
        write(chosen.json, [Row(work, name, kind, told[f"{name}, {unit}"], unit) for name, kind in kinds.items()])


if __name__ == "__main__":
    main()

"""What each ingredient buys: one change at a time, the same short training, retrieval and grounding on val.

    python benchmarks/ablation.py --out runs/ablation [--set data.path=DIR] [--epochs 3] [NAME ...]

Every row is a recipe with some keys changed, trained for the same few epochs at h = 512: compare rows with each other,
not with the full recipes. Rows that are done already are read back, so the command can be interrupted and given again.
"""

import argparse
import json
import re
from pathlib import Path

from wordsight.measure import measure
from wordsight.run import load
from wordsight.training.progress import Progress
from wordsight.training.recipe import read
from wordsight.training.trainer import train

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
DVSA, DEFAULT = "flickr8k-dvsa.toml", "flickr8k-default.toml"
CONTRAST = ("model.loss=contrastive", "model.normalise=true", "model.mean=true")
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {  # name -> recipe, changed keys
    "dvsa, h = 512": (DVSA, ()),
    "h = 1024": (DVSA, ("model.embedding=1024",)),
    "random word vectors": (DVSA, ("text.vectors=",)),
    "frozen word vectors": (DVSA, ("text.freeze=true",)),
    "dropout 0.3 on sentences": (DVSA, ("model.dropout=0.3",)),
    "windows only, no detector": (DVSA, ("regions.detector=",)),
    "crops of 160 pixels in place of roi": (DVSA, ("regions.pooling=crop",)),
    "both poolings": (DVSA, ("regions.pooling=both",)),
    "GoogLeNet": (DVSA, ('regions.backbones=["googlenet.onnx"]',)),
    "words see no neighbours": (DVSA, ("model.encoder=bag",)),
    "GRU": (DVSA, ("model.encoder=gru", "model.hidden=256")),
    "equation 7": (DVSA, ("model.thresholded_sum=true",)),
    "hardest negative": (DVSA, ("model.loss=hardest",)),
    "contrastive, normalised, mean": (DVSA, CONTRAST),
    "default": (DEFAULT, ()),
    "default without lexicon": (DEFAULT, ("model.lexicon=0.0",)),
    "default without strangers": (DEFAULT, ("model.strangers=0",)),
    "default, lexicon 0.28": (DEFAULT, ("model.lexicon=0.28",)),
    "default without context": (DEFAULT, ("model.context=false",)),
    "default without words for things (labels)": (DEFAULT, ("regions.evidence=false",)),
    "default, one backbone": (DEFAULT, ('regions.backbones=["mobilenet_edgetpu.onnx"]',)),
    "default with BRNN": (DEFAULT, ("model.encoder=brnn",)),
}
FIGURES = ("i2t_R@1", "i2t_R@5", "i2t_R@10", "i2t_medr", "t2i_R@1", "t2i_R@5", "t2i_R@10", "t2i_medr")
PLACES = ("grounding_pointing", "grounding_iou")


def row(name: str, out: Path, epochs: int, settings: list[str]) -> dict[str, float]:
    """Train and measure one row, or read it back."""
    folder = out / re.sub(r"\W+", "-", name)
    done = folder / "ablation.json"
    if not done.exists():
        recipe, changes = ROWS[name]
        told = Progress()
        told.say(f"== {name}")
        short = ["model.embedding=512", f"train.epochs={epochs}", f"train.evaluate_every={epochs}"]
        changed = [*short, *changes, *settings]
        train(read(RECIPES / recipe, changed), folder, resume=True, progress=told)
        figures = measure(load(folder), grounding=True, progress=told)
        done.write_text(json.dumps(figures, indent=1))
    found: dict[str, float] = json.loads(done.read_text())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and measure one change at a time.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in ROWS]
    if unknown:
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    print("| change | i2t R@1 / 5 / 10 / Med r | t2i R@1 / 5 / 10 / Med r | pointing | IoU |\n|---|---|---|---|---|")
    for name in args.names or ROWS:
        figures = row(name, args.out, args.epochs, args.settings)
        ways = [" / ".join(f"{figures[key]:.4g}" for key in some) for some in (FIGURES[:4], FIGURES[4:])]
        places = [f"{figures[key]:.1f}" for key in PLACES]
        print(f"| {' | '.join([name, *ways, *places])} |", flush=True)


if __name__ == "__main__":
    main()

"""Ablation: one change at a time, the same short training, measured on val.

    python benchmarks/ablation.py --out runs/ablation [--captioners] [--set data.path=DIR] [--epochs 3] [NAME ...]

Every row is a recipe with some keys changed, trained for the same few epochs, models that align at h = 512 and
captioners without rewards: compare rows with each other, not with the full recipes. Models that align are measured by
retrieval and grounding, captioners by their captions at beam 3. Finished rows are read back, so the command can be
interrupted and run again.
"""

import argparse
import json
import re
from pathlib import Path

from wordsight.evaluation.alignment import measure
from wordsight.evaluation.captioning import measure_captions
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.runs.captioner import load_captioner
from wordsight.runs.recipe import read
from wordsight.training.trainer import train

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
DVSA, DEFAULT = "flickr8k-dvsa.toml", "flickr8k-default.toml"
RNN, LSTM = "flickr8k-rnn.toml", "flickr8k-lstm.toml"
CONTRAST = ("model.loss=contrastive", "model.normalise=true", "model.mean=true")
Rows = dict[str, tuple[str, tuple[str, ...]]]  # name -> recipe, changed keys
MATCHERS: Rows = {
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
    "default without lexicon": (DEFAULT, ("model.lexicon_weight=0.0",)),
    "default without a query bank": (DEFAULT, ("model.query_bank=0",)),
    "default, lexicon 0.28": (DEFAULT, ("model.lexicon_weight=0.28",)),
    "default without context": (DEFAULT, ("model.context=false",)),
    "default without words for things (labels)": (DEFAULT, ("regions.labels=false",)),
    "default, one backbone": (DEFAULT, ('regions.backbones=["mobilenet_edgetpu.onnx"]',)),
    "default with BRNN": (DEFAULT, ("model.encoder=brnn",)),
}
CAPTIONERS: Rows = {
    "RNN, picture at the first step": (RNN, ()),
    "RNN, picture at every step": (RNN, ("model.image=every",)),
    "RNN, dropout 0.5": (RNN, ("model.dropout=0.5",)),
    "RNN by RMSprop": (RNN, ("train.optimiser=rmsprop", "train.lr=3e-4")),
    "LSTM, picture at every step": (LSTM, ()),
    "LSTM, picture at the first step": (LSTM, ("model.image=first",)),
    "LSTM, picture at the first step, dropout 0.5": (LSTM, ("model.image=first", "model.dropout=0.5")),
    "LSTM, whole picture alone": (LSTM, ("model.average=false",)),
    "LSTM, one backbone": (LSTM, ('regions.backbones=["mobilenet_edgetpu.onnx"]',)),
    "LSTM, GloVe vectors": (LSTM, ("text.vectors=weights/glove_300d.npz",)),
}
FIGURES = ("i2t_R@1", "i2t_R@5", "i2t_R@10", "i2t_medr", "t2i_R@1", "t2i_R@5", "t2i_R@10", "t2i_medr")
CAPTIONS = ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "CIDEr")
PLACES = ("grounding_pointing", "grounding_iou")


def row(name: str, out: Path, epochs: int, settings: list[str]) -> dict[str, float | str]:
    """Train and measure one row, or read it back."""
    folder = out / re.sub(r"\W+", "-", name)
    done = folder / "ablation.json"
    if not done.exists():
        recipe, changes = (MATCHERS | CAPTIONERS)[name]
        told = Progress()
        told.say(f"== {name}")
        short = ["train.reward_epochs=0"] if name in CAPTIONERS else ["model.embedding=512"]
        changed = [*short, f"train.epochs={epochs}", f"train.evaluate_every={epochs}", *changes, *settings]
        train(read(RECIPES / recipe, changed), folder, resume=True, progress=told)
        if name in CAPTIONERS:
            done.write_text(json.dumps(measure_captions(load_captioner(folder), progress=told), indent=1))
        else:
            done.write_text(json.dumps(measure(load(folder), grounding=True, progress=told), indent=1))
    found: dict[str, float | str] = json.loads(done.read_text())
    return found


def cells(figures: dict[str, float | str]) -> list[str]:
    """The cells of a row, one per column."""
    if "perplexity" in figures:
        *bleu, cider = (f"{100 * float(figures[key]):.1f}" for key in CAPTIONS)
        return [" / ".join(bleu), cider, f"{float(figures['perplexity']):.1f}"]
    ways = [" / ".join(f"{figures[key]:.4g}" for key in some) for some in (FIGURES[:4], FIGURES[4:])]
    return [*ways, *(f"{figures[key]:.1f}" for key in PLACES)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and measure one change at a time.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows; all by default")
    parser.add_argument("--captioners", action="store_true", help="captioners, not models that align")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    rows = CAPTIONERS if args.captioners else MATCHERS
    unknown = [name for name in args.names if name not in rows]
    if unknown:
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(rows)}")
    ranked = ["i2t R@1 / 5 / 10 / Med r", "t2i R@1 / 5 / 10 / Med r", "pointing", "IoU"]
    head = ["change", *(["BLEU-1 / 2 / 3 / 4", "CIDEr", "perplexity"] if args.captioners else ranked)]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for name in args.names or rows:
        print(f"| {' | '.join([name, *cells(row(name, args.out, args.epochs, args.settings))])} |", flush=True)


if __name__ == "__main__":
    main()

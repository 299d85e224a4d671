"""How the order of sm-LSTM's variants depends on features: cells of the whole picture's layer, or of an earlier one.

    python benchmarks/smlstm_layers.py OUT --weights DIR --set data.path=DATA [--grid 7] [--cells early] [--seeds 0]

In the paper (Huang, Wang and Wang 2017) the cells are the last convolution of a VGG net, and the whole picture comes
from fully connected layers above it; in the recipes both are means of one map. Here, with `--cells early`, the cells
are of the last layer of GoogLeNet with a stride of 16 pixels (inception 4e), and the whole picture is of the last maps
of both nets; with `--cells late` all of it is of the last maps. All else is `flickr8k-smlstm-paper.toml`, at 224
pixels. Finished rows are read back, so the command can be interrupted and run again.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import onnx

from wordsight.batch import Batch, LabelInfo
from wordsight.matching.sm_lstm import SMLSTM
from wordsight.progress import Progress
from wordsight.runs.recipe import read
from wordsight.training.trainer import train
from wordsight.vision.backbones import OnnxBackbone

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "flickr8k-smlstm-paper.toml"
FIGURES = ("i2t_R@1", "i2t_R@5", "i2t_R@10", "t2i_R@1", "t2i_R@5", "t2i_R@10", "rsum")
VARIANTS = ("mean", "att", "ctx", "full")
NETS = ("googlenet.onnx", "mobilenet_edgetpu.onnx")
LAYER = "/m/Concat_12_output_0"  # inception 4e of the first


def early_net(net: Path, out: Path) -> OnnxBackbone:
    """GoogLeNet up to the earlier layer, as a backbone of its own."""
    path = out / "early.onnx"
    if not path.exists():
        onnx.utils.extract_model(str(net), str(path), ["image"], [LAYER])
    return OnnxBackbone(path)


def apart(early: int, cells: str) -> None:
    """Let sm-LSTM's cells see only the first columns, of the early layer, or only the others, as the whole picture."""
    fit = SMLSTM.fit

    def fit_apart(self: SMLSTM, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        fit(self, batches, labels)
        self.whole.scale[:early] = 0
        self.regions.scale[slice(early, None) if cells == "early" else slice(early)] = 0

    SMLSTM.fit = fit_apart  # type: ignore[method-assign]


def main() -> None:
    """Train the variants and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the nets")
    parser.add_argument("--cells", choices=("early", "late"), default="early")
    parser.add_argument("--grid", type=int, default=7, help="cells a side")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="further keys of the recipe")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    nets = [str((told.weights / one).resolve()) for one in NETS]
    early = early_net(Path(nets[0]), told.out.resolve())
    apart(early.size, told.cells)
    backbones = [str(told.out.resolve() / "early.onnx"), *nets]
    own = [f"regions.backbones={json.dumps(backbones)}", f"regions.grid={told.grid}", "regions.size=224"]
    own.append(f"regions.regions={told.grid**2 + 1}")
    print("| variant | seed | " + " | ".join(FIGURES) + " |\n|" + "---|" * (2 + len(FIGURES)))
    for variant, seed in product(told.variants, told.seeds):
        recipe = read(RECIPE, [*own, f"model.variant={variant}", f"train.seed={seed}", *told.set])
        folder = told.out / f"{told.cells}-{variant}-{seed}"
        best = train(recipe, folder, resume=True, progress=Progress())["best"]
        print(f"| {variant} | {seed} | " + " | ".join(f"{best[key]:.1f}" for key in FIGURES) + " |", flush=True)


if __name__ == "__main__":
    main()

"""Teach the model in the box your own pictures and sentences, and measure it before and after.

python examples/own_pairs.py DATA RUN [train.epochs=3 ...]
"""

import sys
from pathlib import Path

from wordsight import evaluate, load, train
from wordsight.runs.recipe import own


def main(data: Path, run: Path, *settings: str) -> None:
    """DATA is a dataset in any known format; a tenth of its pictures is held out to measure on."""
    before = evaluate(load(), data)
    train(own(data, settings), run)
    after = evaluate(load(run), data)
    for figure in ("t2i_R@1", "t2i_R@5", "t2i_R@10"):
        print(f"{figure}: {before[figure]:.1f} before, {after[figure]:.1f} after")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])

"""Speed of the bundled model: from picture files to regions, and a caption from a cold start.

    python benchmarks/box.py [--pictures 200] [--recipe recipes/flickr8k-default.toml] [--start PICTURE]

Regions of the same pictures are also made by a recipe, in turn, so that other load on the machine affects both: trust
the ratio. --start also times `wordsight caption PICTURE`, a new process each time; the first reads everything from the
disk, unless the system has cached it.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from wordsight.bundled import in_the_box
from wordsight.data.find import find
from wordsight.runs.checkpoint import read_config
from wordsight.runs.encoder import region_encoder
from wordsight.runs.recipe import read
from wordsight.runs.typed import fill
from wordsight.vision.regions import RegionEncoder, RegionSettings

ROUNDS = 5  # default number of rounds


def seconds(encoder: RegionEncoder, pictures: list[Path]) -> float:
    began = time.perf_counter()
    for _ in encoder.stream(pictures):
        pass
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--folder", default="flickr8k/images")
    parser.add_argument("--recipe", default="recipes/flickr8k-default.toml")
    parser.add_argument("--start", metavar="PICTURE")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    pictures = sorted(find(args.folder, "folder").iterdir())[: args.pictures]
    config = read_config(in_the_box("align"))["regions"]
    boxed = region_encoder(fill(RegionSettings, config, "regions", "the box"))
    other = region_encoder(read(Path(args.recipe)).regions)
    rounds = [(seconds(boxed, pictures), seconds(other, pictures)) for _ in range(args.rounds)]
    ours, theirs = (sorted(len(pictures) / each for each in column) for column in zip(*rounds, strict=True))
    ratios = sorted(b / a for a, b in rounds)
    print(f"the box: {ours[args.rounds // 2]:.1f} pictures/s ({ours[0]:.1f}-{ours[-1]:.1f})")
    print(f"{args.recipe}: {theirs[args.rounds // 2]:.1f} ({theirs[0]:.1f}-{theirs[-1]:.1f})")
    print(f"ratio: {ratios[args.rounds // 2]:.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})")
    if args.start:
        for number in range(args.rounds):
            began = time.perf_counter()
            command = [sys.executable, "-c", "from wordsight.cli.main import main; main()", "caption", args.start]
            subprocess.run(command, check=True, capture_output=True)
            print(f"start {number + 1}: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()

"""Similarity of copies of pictures, and of different pictures, by the measure of `search/duplicates.py`.

    python benchmarks/duplicates.py PICTURES [--run RUN] [--count 40]

Prints for each kind of copy the minimum, the 5th percentile and the median over the pictures; for different pictures
the median, the 99th percentile and the maximum.
"""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch.nn.functional import normalize

from wordsight.data.pictures import picture_files
from wordsight.runs.aligner import load
from wordsight.search.duplicates import similarity

KINDS = (
    "as it is",
    "JPEG of quality 30",
    "JPEG of quality 85",
    "3 % cut on each side",
    "half the size",
    "12 % brighter",
)


def copies(path: Path) -> Iterator[Image.Image]:
    """The picture and its copies, in the order of `KINDS`."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    yield image
    for quality in (30, 85):
        content = io.BytesIO()
        image.save(content, "JPEG", quality=quality)
        yield Image.open(io.BytesIO(content.getvalue())).convert("RGB")
    yield image.crop((int(0.03 * width), int(0.03 * height), int(0.97 * width), int(0.97 * height)))
    yield image.resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    yield image.point(lambda value: min(255, int(value * 1.12)))


def quantiles(values: list[float], which: tuple[float, ...]) -> str:
    found = torch.tensor(values, dtype=torch.double).quantile(torch.tensor(which, dtype=torch.double))
    return " / ".join(f"{value:.2f}" for value in found.tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--run", type=Path, help="a run that aligns; else the model in the box")
    parser.add_argument("--count", type=int, default=40)
    args = parser.parse_args()
    paths = list(picture_files([args.pictures]))[: args.count]
    shown = [image for path in paths for image in copies(path)]
    images = load(args.run, device="cpu").encode_images(shown).to("cpu")
    regions, each = normalize(images.values, dim=2), len(KINDS)
    for number, kind in enumerate(KINDS[1:], 1):
        found = [similarity(regions, images.mask, at, at + number) for at in range(0, len(shown), each)]
        print(f"{kind:22} {quantiles(found, (0, 0.05, 0.5))}")
    others = [similarity(regions, images.mask, a, b) for a in range(0, len(shown), each) for b in range(0, a, each)]
    print(f"{'different pictures':22} {quantiles(others, (0.5, 0.99, 1))}")


if __name__ == "__main__":
    main()

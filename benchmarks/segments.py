"""Grounding of words and phrases by segments, for several beta, against the choice without segments.

    python benchmarks/segments.py RUN [--data DIR] [--split val] [--betas 0 0.25 0.5 ...]

Phrases: their spans are given; a phrase's box is the region on which the chain puts most of its words, or without
segments the region with the greatest sum. Pointing is at the evidence's peak, `middle` at the box's middle. Words: no
spans are given; every word of a phrase is judged by its own box, as `ground` shows it. `kept whole` is the share of
phrases with all words on one region, `found` the share where that region is also right by IoU. Beta is chosen by words,
where it matters: the greatest mean of pointing (middle) and IoU. Choose it on val.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from wordsight.data.entities import Phrase, load_phrases
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.matching.locate import overlaps
from wordsight.metrics.grounding import WHOLE, Located, Look, around, evaluate
from wordsight.metrics.localise import predictor
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.features import featured, pictures_of
from wordsight.runs.grounding import looking

BETAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 1000.0)
CELLS = "{:26} {:>9} {:>7} {:>6}   {:>7} {:>6} {:>6}   {:>10} {:>6}"


def material(run: Aligner, data: str, split: str) -> tuple[list[Phrase], Look]:
    """The phrases of a split, and its pictures' regions."""
    settings = run.checkpoint.recipe.data
    dataset = load_dataset(find(data or settings.path, "dataset"))
    pictures, rows = featured(run.encoder, pictures_of(dataset, split, settings), Progress(), split)
    return load_phrases(dataset.root, [picture.name for picture in pictures]), looking(pictures, rows)


def judged(found: Located, phrases: Sequence[Phrase]) -> tuple[float, float, float]:
    """Pointing, pointing at the middle, and IoU, in percent."""
    flat = evaluate(lambda _: found, phrases, {phrase.picture: torch.tensor([WHOLE]) for phrase in phrases})
    return flat["grounding_pointing"], flat["grounding_middle_pointing"], flat["grounding_iou"]


def wholes(boxes: Tensor, phrases: Sequence[Phrase]) -> tuple[float, float]:
    """Percent of phrases whose words' boxes (W, 4) are all the same, and of those also right by IoU."""
    truth = torch.stack([around(torch.tensor(phrase.boxes)) for phrase in phrases])
    parts = boxes.split([phrase.end - phrase.start for phrase in phrases])
    same = torch.tensor([bool((part == part[0]).all()) for part in parts])
    right = overlaps(torch.stack([part[0] for part in parts]), truth) >= 0.5
    return 100 * same.float().mean().item(), 100 * (same & right).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure where words and phrases are put with and without segments.")
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--data", default="", help="a dataset with entities.json; the one of the training by default")
    parser.add_argument("--split", default="val")
    parser.add_argument("--betas", type=float, nargs="+", default=BETAS)
    args = parser.parse_args()
    run = load(args.run)
    phrases, look = material(run, args.data, args.split)
    words = [replace(one, start=place, end=place + 1) for one in phrases for place in range(one.start, one.end)]

    def row(name: str, beta: float | None) -> float:
        boxes, points = predictor(run.model, run.vocabulary, look, beta=beta)([*phrases, *words])
        assert points is not None
        of_phrases, of_words = (
            Located(boxes[some], points[some]) for some in (slice(len(phrases)), slice(len(phrases), None))
        )
        figures = list(judged(of_phrases, phrases))
        by_word = judged(of_words, words)[1:]
        mean = sum(by_word) / 2
        if beta is not None:
            figures += [*by_word, mean, *wholes(of_words.best, phrases)]
        print(CELLS.format(name, *(f"{value:.2f}" for value in figures), *[""] * (8 - len(figures))), flush=True)
        return mean

    print(
        f"{args.split}: {len(phrases):,} phrases, {len(words):,} words; beta in units of the spread of a pair's scores"
    )
    print(CELLS.format("", "phrases:", "", "", "words:", "", "", "", ""))
    print(CELLS.format("", "pointing", "middle", "IoU", "middle", "IoU", "mean", "kept whole", "found"))
    row("greatest sum", None)
    means = {beta: row(f"beta {beta:g}", beta) for beta in args.betas}
    best = max(means, key=lambda beta: means[beta])
    print(f"beta {best:g} has the greatest mean of pointing and IoU by words on {args.split}")


if __name__ == "__main__":
    main()

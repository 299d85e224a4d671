"""Captions of val pictures, or of annotated regions, beside the baselines that a captioner has to beat.

    python benchmarks/captions.py ALIGN_RUN [--runs RUN ...] [--beams 1 3 5 7 20] [--data DIR] [--split val]
    python benchmarks/captions.py ALIGN_RUN --regions [--runs RUN ...]

Pictures: nearest neighbour and consensus by the features of ALIGN_RUN, the training sentence with the greatest
alignment score, a template filled from its detector, and the captioners of whole pictures among the runs. Regions:
boxes of the dataset's entities.json; the training segment, and the name in one, with the greatest alignment score with
the region alone; captioners of whole pictures, given the region as if it were a picture; captioners of regions.

BLEU, ROUGE-L and CIDEr times 100, tokens as coco-caption's. `copied` is the percentage of captions that are word for
word among the training sentences (or snippets); `distinct` and `words` are the numbers of distinct captions and words.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from wordsight.batch import Regions
from wordsight.captioning.retrieval import NEIGHBOURS, appearance, best_sentences, consensus_captions, nearest_captions
from wordsight.captioning.template import template_captions
from wordsight.data.entities import load_phrases
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.data.records import Dataset, Picture
from wordsight.errors import InputError
from wordsight.metrics.captions import TOKENISER, Id, caption_metrics, diversity
from wordsight.metrics.regions import AnnotatedRegion, alone, annotated_regions, grouped, views
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.captioner import Captioner, load_captioner
from wordsight.runs.features import featured, pictures_of
from wordsight.runs.pairs import ROWS, Pairs, encode, pairs
from wordsight.text.vocabulary import UNKNOWN
from wordsight.training.region_words import snippets
from wordsight.vision.regions import FeatureTable

BEAMS = (1, 3, 5, 7, 20)
FIGURES = ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "ROUGE_L", "CIDEr")
BLOCK = 50  # pictures whose regions are described at once

Row = Callable[[str, Sequence[str]], None]  # takes a name and a caption for each reference, prints the metrics
Look = Callable[[torch.Tensor], Regions]  # returns pictures or regions by index


class Seen:
    """The features of a dataset's pictures and regions; runs with the same encoder share them."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset, self.progress = dataset, Progress()
        self.tables: dict[tuple[str, str], tuple[list[Picture], FeatureTable]] = {}
        self.regions: dict[str, Regions] = {}

    def split(self, run: Aligner | Captioner, name: str) -> tuple[list[Picture], FeatureTable]:
        """The pictures of a split that can be read, and their features."""
        key = run.checkpoint.fingerprint, name
        if key not in self.tables:
            wanted = pictures_of(self.dataset, name, run.checkpoint.recipe.data)
            self.tables[key] = featured(run.encoder, wanted, self.progress, name)
        return self.tables[key]

    def boxes(self, run: Aligner | Captioner, split: str, regions: Sequence[AnnotatedRegion]) -> Regions:
        """Annotated regions of a split, (S, 2, F): see `views`."""
        key = run.checkpoint.fingerprint
        if key not in self.regions:
            (pictures, table), (names, boxes) = self.split(run, split), grouped(regions)
            row = {picture.name: number for number, picture in enumerate(pictures)}
            rows, found = torch.tensor([row[name] for name in names]), []
            with self.progress.task("regions") as count:
                for first in range(0, len(names), BLOCK):
                    some = rows[first : first + BLOCK]
                    files = [pictures[number].path for number in some]
                    found.append(views(run.encoder, files, boxes[first : first + BLOCK], table.gather(some)))
                    count(min(first + BLOCK, len(names)), len(names))
            self.regions[key] = Regions(
                *(torch.cat([getattr(one, part) for one in found]) for part in ("features", "mask", "boxes"))
            )
        return self.regions[key]


def printer(references: Sequence[Sequence[str]], training: Sequence[str]) -> Row:
    """Print the head of a table; returns a function that prints its rows."""
    right: dict[Id, Sequence[str]] = dict(enumerate(references))
    print(f"tokens: {TOKENISER}\n")
    print("| captions | BLEU-1 / 2 / 3 / 4 | ROUGE-L | CIDEr | copied | distinct | words | length |")
    print("|---|---|---|---|---|---|---|---|", flush=True)

    def row(name: str, captions: Sequence[str]) -> None:
        said: dict[Id, str] = dict(enumerate(captions))
        found, varied = caption_metrics(said, right), diversity(said, training)
        *bleu, rouge, cider = (f"{100 * found[figure]:.1f}" for figure in FIGURES)
        variety = [f"{100 * varied['in_training']:.1f}", f"{varied['distinct_captions']:,}"]
        variety += [f"{varied['vocabulary']:,}", f"{varied['mean_length']:.1f}"]
        print(f"| {' | '.join([name, ' / '.join(bleu), rouge, cider, *variety])} |", flush=True)

    return row


def decoded(run: Captioner, count: int, look: Look, width: int) -> list[str]:
    """The best caption of each of `count` pictures or regions that `look` returns by index."""
    return [best.text for best, *_ in run.say(map(look, torch.arange(count).split(ROWS)), beam=width)]


def appearances(table: FeatureTable, blocks: Mapping[str, slice]) -> torch.Tensor:
    """`appearance` of all pictures of a table, computed in blocks."""
    return torch.cat([appearance(table.gather(rows), blocks) for rows in torch.arange(len(table)).split(ROWS)])


def of_pictures(align: Aligner, runs: Sequence[Captioner], beams: Sequence[int], seen: Seen, split: str) -> None:
    """The table of whole pictures."""
    (known, table), (pictures, shown) = (
        seen.split(align, name) for name in (align.checkpoint.recipe.data.train, split)
    )
    sentences = [picture.sentences for picture in known]
    print(f"{len(pictures):,} pictures of {split}, {len(known):,} to copy from")
    written = [sentence for some in sentences for sentence in some]
    row = printer([picture.sentences for picture in pictures], written)
    ours, theirs = (appearances(some, align.encoder.blocks) for some in (shown, table))
    row("nearest neighbour", nearest_captions(ours, theirs, sentences))
    count = min(NEIGHBOURS, len(known))
    row(f"consensus of {count} neighbours", consensus_captions(ours, theirs, sentences, count))
    images, _ = encode(align.model, pairs(pictures, shown, align.vocabulary))
    found = best_sentences(align.model, images, align.vocabulary.encode(written))
    row("best training sentence by alignment", [written[number] for number in found.tolist()])
    labels, detector = align.encoder.blocks.get("labels"), align.encoder.detector
    if labels is None or detector is None:
        seen.progress.say(f"no template: {align.folder} has no regions.evidence, which says what detections are called")
    else:
        everything = shown.gather(torch.arange(len(shown)))
        row("template of detections", template_captions(everything, labels, detector.names))
    for run in runs:
        if not run.of_regions:
            own = seen.split(run, split)[1]
            for width in beams:
                row(f"{run.folder.name}, beam {width}", decoded(run, len(own), own.gather, width))


def of_regions(align: Aligner, runs: Sequence[Captioner], beams: Sequence[int], seen: Seen, split: str) -> None:
    """The table of annotated regions."""
    pictures, _ = seen.split(align, split)
    regions = annotated_regions(load_phrases(seen.dataset.root, [picture.name for picture in pictures]))
    print(f"{len(regions):,} annotated regions of {len({region.picture for region in regions}):,} pictures of {split}")
    align.model.clear_query_bank()  # its hubness is of whole pictures, not of regions
    known = pairs(*seen.split(align, align.checkpoint.recipe.data.train), align.vocabulary)
    cut, names = (training_snippets(align, known, names) for names in (False, True))
    row = printer([region.references for region in regions], cut + names)
    images = alone(align.model, seen.boxes(align, split, regions))
    for name, training in (("segment", cut), ("name", names)):
        found = best_sentences(align.model, images, align.vocabulary.encode(training))
        row(f"best training {name} by alignment", [training[number] for number in found.tolist()])
    for run in runs:
        both = seen.boxes(run, split, regions)
        kind, shown = ("regions", 2) if run.of_regions else ("whole pictures", 1)

        def look(some: torch.Tensor, both: Regions = both, shown: int = shown) -> Regions:
            return Regions(both.features[some, :shown], both.mask[some, :shown], both.boxes[some, :shown])

        for width in beams:
            name = f"{run.folder.name}, learned from {kind}, beam {width}"
            row(name, decoded(run, len(regions), look, width))


def training_snippets(align: Aligner, known: Pairs, names: bool) -> list[str]:
    """The distinct snippets into which the alignment cuts the training sentences, without unknown words."""
    words = snippets(align.model, align.vocabulary, known, names=names).words
    different = dict.fromkeys(tuple(ids[mask].tolist()) for ids, mask in zip(words.ids, words.mask, strict=True))
    unknown = align.vocabulary.number[UNKNOWN]
    return [" ".join(align.vocabulary.words[word] for word in ids) for ids in different if unknown not in ids]


def main() -> None:
    parser = argparse.ArgumentParser(description="Captions of pictures or regions beside the baselines.")
    parser.add_argument("align", metavar="ALIGN_RUN", type=Path)
    parser.add_argument("--runs", metavar="RUN", type=Path, nargs="+", default=[], help="captioners")
    parser.add_argument("--regions", action="store_true", help="describe annotated regions, not whole pictures")
    parser.add_argument("--beams", type=int, nargs="+", default=BEAMS)
    parser.add_argument("--data", default="", help="a dataset; the one of the alignment's training by default")
    parser.add_argument("--split", default="val")
    args = parser.parse_args()
    try:
        align, runs = load(args.align), [load_captioner(folder) for folder in args.runs]
        seen = Seen(load_dataset(find(args.data or align.checkpoint.recipe.data.path, "dataset")))
        (of_regions if args.regions else of_pictures)(align, runs, args.beams, seen, args.split)
    except InputError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

"""What a trained model finds through an index, next to `wordsight eval`, and how fast the exact scan is.

    .venv/bin/python benchmarks/search.py RUN [--data DATA] [--split val] [--most 1000]
    .venv/bin/python benchmarks/search.py --scan 10000

The first indexes a split from the feature cache, asks for every sentence, and prints the figures of both ways, the
greatest difference of two scores, how sure the first hit is beside how often it is right, and whether the boxes shown
are those of `Run.align`. Where the data has phrases with boxes, it says how often the boxes are right that `eval`
chooses, that are chosen in its way from the vectors in the index, and that a search shows. The second times one query
of 8 words, and one of 100, on pictures of 20 regions of 256 numbers, exactly from the start and roughly first, next to
the same in plain numpy, by maxsim-cpu where it is installed (the extra `bench`), and reading so much memory once; on
one thread and in seconds of processor.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wordsight.batch import Vectors
from wordsight.data import find, load_dataset
from wordsight.data.entities import Phrase, load_phrases
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.evaluation import ranking
from wordsight.evaluation.grounding import Predict, evaluate, predictor
from wordsight.matching.matcher import Matcher
from wordsight.matching.score import Rule
from wordsight.matching.segments import BETA, naming_nothing, segments
from wordsight.measure import looking
from wordsight.run import Run, load
from wordsight.search.calibrate import calibrate
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index
from wordsight.search.query import asked, terms
from wordsight.search.results import evidence
from wordsight.search.rough import best_scores, extent, halved
from wordsight.search.scan import Asked, Spans, scan, top
from wordsight.search.snapshot import Snapshot
from wordsight.training.batches import pairs
from wordsight.training.material import featured, pictures_of
from wordsight.training.progress import Progress
from wordsight.training.validation import encode
from wordsight.vision.regions import FeatureCache, FeatureTable, Row, default_cache

ROUNDS, REGIONS, SIZE, WORDS = 7, 20, 256, 8


class Cached:
    """A region encoder that takes everything from the feature cache."""

    def __init__(self, encoder: Any, table: FeatureTable, paths: Sequence[Path]) -> None:
        self.size, self.table, self.at = encoder.size, table, {path: row for row, path in enumerate(paths)}

    def stream(self, paths: Iterator[Path]) -> Iterator[Row]:
        """The rows of pictures, in order."""
        for path in paths:
            seen = self.table.gather(torch.tensor([self.at[path]]))
            mask = seen.mask[0]
            yield Row(seen.features[0, mask].numpy(), seen.boxes[0, mask].numpy(), np.zeros(int(mask.sum()), np.int8))


def quality(run_folder: Path, data: Path | None, split: str, most: int | None) -> dict[str, Any]:
    run, progress = load(run_folder, "cpu"), Progress()
    dataset = load_dataset(find(data or run.checkpoint.recipe.data.path, "dataset"))
    wanted = pictures_of(dataset, split, run.checkpoint.recipe.data)[:most]
    pictures, table = featured(FeatureCache(default_cache(), run.encoder), wanted, progress, split)
    known = pairs(pictures, table, run.vocabulary)
    whole = ranking.score_matrix(run.model, *encode(run.model, known))
    paths = [picture.path for picture in pictures]
    with tempfile.TemporaryDirectory() as folder:
        index = Index.create(Path(folder, "index"), run_folder, "cpu")
        index.run.__dict__["encoder"] = Cached(run.encoder, table, paths)
        index.build(paths, progress=progress)
        queries = terms(index.run, [sentence for picture in pictures for sentence in picture.sentences])
        with Catalog(index.folder) as catalog:
            snapshot = index.snapshot(catalog)
            blocks = [asked(queries[first : first + 100], index.rule) for first in range(0, len(queries), 100)]
            found = torch.cat([scan(snapshot.vectors, snapshot.spans, one, index.rule) for one in blocks], dim=1)
            boxes = same_boxes(index, run, pictures[0].sentences[0])
            grounded = grounding(run, dataset.root, pictures, table, snapshot)
    figures = {"eval": whole, "index": found}
    told: dict[str, Any] = {
        name: ranking.metrics(ranking.ranks(scores, known.picture), len(pictures)) for name, scores in figures.items()
    }
    told["greatest difference"] = (whole - found).abs().max().item()
    return told | {
        "boxes as align": boxes,
        "grounding": grounded,
        "sure": sureness(found, known.picture, queries, index.rule),
    }


def grounding(
    run: Run, data: Path, pictures: Sequence[Picture], table: FeatureTable, snapshot: Snapshot
) -> dict[str, Any]:
    """How often boxes are right: by `eval`, by the same from the vectors of an index, and of those that a search shows.

    A search is told no phrase: it shows the chain's (`segments.py`), as `eval` would choose by `beta`, and no points.
    """
    try:
        phrases = load_phrases(data, [picture.name for picture in pictures])
    except InputError as error:
        return {"not measured": str(error)}
    place = {picture.name: number for number, picture in enumerate(pictures)}

    def stored(names: Sequence[str]) -> Vectors:
        return snapshot.images([place[name] for name in names])

    look, words = looking(pictures, table), run.vocabulary
    ways: dict[str, Predict] = {
        "eval": predictor(run.model, words, look),
        "index": predictor(Stored(run.model), words, stored),
        "eval by the chain": predictor(run.model, words, look, beta=BETA),
        "index by the chain": predictor(Stored(run.model), words, stored, beta=BETA),
        "shown by a search": lambda asked: shown(run, stored, asked),
    }
    chosen = {name: predict(phrases) for name, predict in ways.items()}
    proposals = {name: stored([name]).places[0] for name in {phrase.picture for phrase in phrases}}
    told = {}
    for name, boxes in chosen.items():
        figures = evaluate(lambda _, boxes=boxes: boxes, phrases, proposals)
        middle = evaluate(lambda _, boxes=boxes: boxes[:, :4], phrases, proposals)
        told[name] = {
            "phrases": len(phrases),
            "pointing, middle": middle["grounding_pointing"],
            "iou": figures["grounding_iou"],
            "boxes as by eval": (boxes[:, :4] == chosen["eval"][:, :4]).all(1).double().mean().item(),
            "boxes as by the chain": (boxes[:, :4] == chosen["eval by the chain"][:, :4]).all(1).double().mean().item(),
        }
        if boxes.shape[1] == 6:
            told[name]["pointing"] = figures["grounding_pointing"]
    return told


class Stored:
    """A model to which pictures come encoded: out of an index."""

    def __init__(self, model: Matcher) -> None:
        self.parameters, self.encode_texts = model.parameters, model.encode_texts

    def encode_images(self, images: Vectors) -> Vectors:
        """They are."""
        return images


def shown(run: Run, stored: Callable[[Sequence[str]], Vectors], phrases: Sequence[Phrase]) -> Tensor:
    """The box that a search shows for most of each phrase's words that name something: (P, 4).

    Where two boxes have as many, the strongest word decides.
    """
    pairs = list(dict.fromkeys((phrase.picture, phrase.sentence) for phrase in phrases))
    hits = {
        pair: (query[0].silent[0].tolist(), *evidence(query, stored([pair[0]]))[0])
        for pair, query in zip(pairs, terms(run, [sentence for _, sentence in pairs]), strict=True)
    }
    boxes = []
    for phrase in phrases:
        silent, words, found = hits[phrase.picture, phrase.sentence]
        span = range(phrase.start, phrase.end)
        naming = [word for word in span if not silent[word]] or span
        box = {word: next(one.box for one in found if one.start <= word < one.end) for word in naming}
        votes = Counter(box.values())
        boxes.append(box[max(naming, key=lambda word: (votes[box[word]], words[word].strength))])
    return torch.tensor(boxes)


def same_boxes(index: Index, run: Any, sentence: str) -> bool:
    hits = index.search(sentence, top=20).hits
    words = run.vocabulary.encode([sentence])
    for hit in hits:
        seen = index.run.encoder.table.gather(torch.tensor([index.run.encoder.at[hit.path]]))
        with torch.inference_mode():
            images, texts = run.model.encode_images(seen), run.model.encode_texts(words)
        expected = segments(images, texts, BETA, naming_nothing(words, run.vocabulary))[0]
        if [phrase.box for phrase in hit.phrases] != [segment.box for segment in expected]:
            return False
    return True


def sureness(scores: Tensor, picture: Tensor, queries: Sequence[Any], rule: Rule) -> list[dict[str, Any]]:
    """How sure the first hit is, how often it is right, and on which side of the line it falls.

    Learned from the even pictures and held against the odd, all of them and fewer; each sentence is asked of them with
    its picture and without.
    """
    scores = scores / torch.tensor([1 if rule.mean else len(query[0].words) for query in queries])
    fitted = calibrate(*part(scores, picture, torch.arange(0, len(scores), 2)))
    odd, told = torch.arange(1, len(scores), 2), []
    for step in (1, 4, 20):
        some, right = part(scores, picture, odd[::step])
        others = torch.arange(len(some) - 1)[:, None]
        absent = some.gather(0, others + (others >= right))
        (there, which), (gone, _) = fitted.sure(some).max(dim=0), fitted.sure(absent).max(dim=0)
        first = which == right
        sure, good = torch.cat([there, gone]), torch.cat([first, torch.zeros_like(first)]).double()
        bins = sure.argsort().chunk(10)
        told.append(
            {
                "pictures": len(some),
                "calibration error": sum((sure - good)[one].sum().abs().item() for one in bins) / len(sure),
                "log loss": torch.nn.functional.binary_cross_entropy(sure.double(), good).item(),
                "sure, right": [[round(100 * of[one].mean().item()) for of in (sure, good)] for one in bins],
                "line": fitted.line,
                "absent below the line": (gone < fitted.line).double().mean().item(),
                "right below the line": (there[first] < fitted.line).double().mean().item(),
            }
        )
    return told


def part(scores: Tensor, picture: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of some pictures with their own sentences, and the right picture of each."""
    place = torch.full((len(scores),), -1)
    place[rows] = torch.arange(len(rows))
    own = place[picture] >= 0
    return scores[rows][:, own], place[picture[own]]


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of processor, the best of some rounds."""
    work()
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - began))
    return min(spent)


def speed(pictures: int) -> dict[str, float]:
    random = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vectors")
        torch.randn(pictures * REGIONS, SIZE, generator=random).numpy().tofile(path)
        rows = np.memmap(path, "<f4", "c", shape=(pictures * REGIONS, SIZE))
        every, all_there = np.arange(pictures), torch.ones(pictures, REGIONS, dtype=torch.bool)
        spans = Spans(
            np.ones_like(every),
            every * REGIONS,
            np.full_like(every, REGIONS),
            np.zeros(pictures, np.float32),
            *(part.numpy() for part in extent(torch.from_numpy(rows).view(pictures, REGIONS, SIZE), all_there)),
        )
        halves = halved(rows)
        one, many = (_queries(count, random) for count in (1, 100))
        alone, together = ((lambda ask=ask: scan({1: rows}, spans, ask, Rule())) for ask in (one, many))
        quick, quick_together = (
            (lambda ask=ask: best_scores({1: rows}, {1: halves}, spans, ask, Rule(), 10)) for ask in (one, many)
        )
        words = one.words.numpy()

        def plain() -> np.ndarray:
            return (rows @ words.T).reshape(pictures, REGIONS, WORDS).max(1).sum(1)

        best = np.argsort(-plain(), kind="stable")[:10]
        assert top(alone()[:, 0], 10).tolist() == top(quick()[:, 0], 10).tolist() == best.tolist()
        exact, rough = together(), quick_together()
        assert all(top(exact[:, q], 10).tolist() == top(rough[:, q], 10).tolist() for q in range(100))
        return {
            "quick: one query, ms": timed(quick),
            "quick: of 100 queries, ms each": timed(quick_together) / 100,
            "one query, ms": timed(alone),
            "numpy, ms": timed(plain),
            **peers(words, rows.reshape(pictures, REGIONS, SIZE)),
            "of 100 queries, ms each": timed(together) / 100,
            "reading the vectors, ms": timed(lambda: torch.from_numpy(rows).sum()),
        }


def peers(words: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
    """Milliseconds of libraries that do the same, of those that are installed."""
    try:
        import maxsim_cpu
    except ImportError:
        return {}
    vectors = np.ascontiguousarray(vectors)
    return {"maxsim-cpu, ms": timed(lambda: maxsim_cpu.maxsim_scores(words, vectors))}


def _queries(count: int, random: torch.Generator) -> Asked:
    words = torch.randn(count * WORDS, SIZE, generator=random)
    shares = torch.eye(count).repeat_interleave(WORDS, dim=0)
    return Asked(words, shares, torch.zeros(count), torch.zeros(count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--most", type=int, help="the first pictures of the split; else all")
    parser.add_argument("--scan", type=int, default=0, metavar="PICTURES")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.run:
        print(json.dumps(quality(chosen.run, chosen.data, chosen.split, chosen.most), indent=1))
    if chosen.scan:
        print(json.dumps(speed(chosen.scan), indent=1))


if __name__ == "__main__":
    main()

"""Results of a trained model through an index, against `wordsight eval`.

    python benchmarks/search.py RUN [--data DATA] [--split val] [--most 1000]

Indexes a split from the feature cache, searches for every sentence, and prints the metrics of both ways, the greatest
difference of two scores, and whether the boxes shown are those of `Aligner.align`. If the data has phrases with boxes,
it also prints how often boxes are right: those that `eval` chooses, those chosen in the same way from the vectors in
the index, and those that a search shows. `scan.py`, `start.py` and `build.py` measure the speed.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from real import Cached, Split, encoded, split_of

from wordsight.batch import Vectors
from wordsight.data.entities import Phrase, load_phrases
from wordsight.errors import InputError
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import BETA, Grouping, function_word_mask, segments
from wordsight.metrics import ranking
from wordsight.metrics.grounding import Located, Predict, evaluate
from wordsight.metrics.localise import predictor
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.grounding import looking
from wordsight.search.catalog import Catalog
from wordsight.search.evidence import evidence
from wordsight.search.index import Index
from wordsight.search.query import encoded_query, terms
from wordsight.search.scan import scan
from wordsight.search.snapshot import Snapshot


def quality(run_folder: Path, data: Path | None, split: str, most: int | None) -> dict[str, Any]:
    run = load(run_folder, "cpu")
    known = split_of(run, data, split, most)
    whole = ranking.score_matrix(run.model, *encoded(run, known))
    with tempfile.TemporaryDirectory() as folder:
        index = Index.create(Path(folder, "index"), run_folder, "cpu")
        index.run.__dict__["encoder"] = Cached(run.encoder, known.table, known.paths)
        index.build(known.paths, progress=Progress())
        queries = terms(index.run, known.sentences)
        with Catalog(index.folder) as catalog:
            snapshot = index.snapshot(catalog)
            blocks = [encoded_query(queries[first : first + 100], index.rule) for first in range(0, len(queries), 100)]
            found = torch.cat([scan(snapshot.vectors, snapshot.spans, one, index.rule) for one in blocks], dim=1)
            boxes = same_boxes(index, run, known.sentences[0])
            grounded = grounding(run, known, snapshot)
    figures, picture = {"eval": whole, "index": found}, known.pairs.picture
    told: dict[str, Any] = {
        name: ranking.metrics(ranking.ranks(scores, picture), len(known.paths)) for name, scores in figures.items()
    }
    told["greatest difference"] = (whole - found).abs().max().item()
    return told | {
        "boxes as align": boxes,
        "grounding": grounded,
    }


def grounding(run: Aligner, known: Split, snapshot: Snapshot) -> dict[str, Any]:
    """How often boxes are right: those of `eval`, those of the same from an index's vectors, and those of a search.

    A search receives no phrases: it shows the chain's (`segments.py`), as `eval` would choose by `beta`, and no points.
    """
    try:
        phrases = load_phrases(known.root, [picture.name for picture in known.pictures])
    except InputError as error:
        return {"not measured": str(error)}
    place = {picture.name: number for number, picture in enumerate(known.pictures)}

    def stored(names: Sequence[str]) -> Vectors:
        return snapshot.images([place[name] for name in names])

    look, words = looking(known.pictures, known.table), run.vocabulary
    ways: dict[str, Predict] = {
        "eval": predictor(run.model, words, look),
        "index": predictor(Stored(run.model), words, stored),
        "eval by the chain": predictor(run.model, words, look, beta=BETA),
        "index by the chain": predictor(Stored(run.model), words, stored, beta=BETA),
        "shown by a search": lambda encoded_query: shown(run, stored, encoded_query),
    }
    chosen = {name: predict(phrases) for name, predict in ways.items()}
    proposals = {name: stored([name]).places[0] for name in {phrase.picture for phrase in phrases}}
    told = {}
    for name, found in chosen.items():
        figures = evaluate(lambda _, found=found: found, phrases, proposals)
        told[name] = {
            "phrases": len(phrases),
            "pointing, middle": figures.get("grounding_middle_pointing", figures["grounding_pointing"]),
            "iou": figures["grounding_iou"],
            "boxes as by eval": (found.best == chosen["eval"].best).all(1).double().mean().item(),
            "boxes as by the chain": (found.best == chosen["eval by the chain"].best).all(1).double().mean().item(),
        }
        if found.points is not None:
            told[name]["pointing"] = figures["grounding_pointing"]
    return told


class Stored:
    """A model whose pictures come encoded, from an index."""

    def __init__(self, model: Matcher) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def image_vectors(self, images: Vectors) -> Vectors:
        """Return `images`, which are vectors already."""
        return images


def shown(run: Aligner, stored: Callable[[Sequence[str]], Vectors], phrases: Sequence[Phrase]) -> Located:
    """For each phrase, the box that a search shows for most of its words that name something.

    If two boxes have equally many, the strongest word decides.
    """
    pairs = list(dict.fromkeys((phrase.picture, phrase.sentence) for phrase in phrases))
    sentences = [sentence for _, sentence in pairs]
    silent_words = function_word_mask(run.vocabulary.encode(sentences), run.vocabulary).tolist()
    hits = {
        pair: (silent, *evidence(query, stored([pair[0]]))[0])
        for pair, query, silent in zip(pairs, terms(run, sentences), silent_words, strict=True)
    }
    boxes = []
    for phrase in phrases:
        silent, words, found = hits[phrase.picture, phrase.sentence]
        span = range(phrase.start, phrase.end)
        naming = [word for word in span if not silent[word]] or span
        box = {word: next(one.box for one in found if one.start <= word < one.end) for word in naming}
        votes = Counter(box.values())
        boxes.append(box[max(naming, key=lambda word: (votes[box[word]], words[word].strength))])
    return Located(torch.tensor(boxes)[:, None])


def same_boxes(index: Index, run: Any, sentence: str) -> bool:
    hits = index.search(sentence, top=20).hits
    words = run.vocabulary.encode([sentence])
    for hit in hits:
        seen = index.run.encoder.table.gather(torch.tensor([index.run.encoder.at[hit.path]]))
        with torch.inference_mode():
            images, texts = run.model.image_vectors(seen), run.model.text_vectors(words)
        expected = segments(images, texts, BETA, Grouping.of([sentence]))[0]
        if [phrase.box for phrase in hit.phrases] != [segment.box for segment in expected]:
            return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--most", type=int, help="the first pictures of the split; else all")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(quality(chosen.run, chosen.data, chosen.split, chosen.most), indent=1))


if __name__ == "__main__":
    main()

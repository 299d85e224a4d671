"""What a trained model finds through an index, next to `wordsight eval`.

    python benchmarks/search.py RUN [--data DATA] [--split val] [--most 1000]

Indexes a split from the feature cache, asks for every sentence, and prints the figures of both ways, the greatest
difference of two scores, how sure the first hit is beside how often it is right, and whether the boxes shown are those
of `Run.align`. How fast that is: `scan.py`, `start.py` and `build.py`.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from real import Cached, encoded, split_of
from torch import Tensor

from wordsight.evaluation import ranking
from wordsight.matching.score import Rule
from wordsight.run import load
from wordsight.search.calibrate import calibrate
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index
from wordsight.search.query import asked, terms
from wordsight.search.scan import scan
from wordsight.training.progress import Progress


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
            blocks = [asked(queries[first : first + 100], index.rule) for first in range(0, len(queries), 100)]
            found = torch.cat([scan(snapshot.vectors, snapshot.spans, one, index.rule) for one in blocks], dim=1)
        boxes = same_boxes(index, run, known.sentences[0])
    figures, picture = {"eval": whole, "index": found}, known.pairs.picture
    told: dict[str, Any] = {
        name: ranking.metrics(ranking.ranks(scores, picture), len(known.paths)) for name, scores in figures.items()
    }
    told["greatest difference"] = (whole - found).abs().max().item()
    return told | {"boxes as align": boxes, "sure": sureness(found, picture, queries, index.rule)}


def same_boxes(index: Index, run: Any, sentence: str) -> bool:
    from wordsight.matching.segments import BETA, naming_nothing, segments

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


def sureness(scores: Tensor, picture: Tensor, queries: Sequence[Any], rule: Rule) -> list[dict[str, float]]:
    """Fitted on the even pictures, held against the odd: how sure the first hit is, and how often it is right."""
    lengths = torch.tensor([1 if rule.mean else len(query[0].words) for query in queries])
    scores = scores / lengths
    even, odd = torch.arange(0, len(scores), 2), torch.arange(1, len(scores), 2)
    halves = [
        (scores[half][:, picture % 2 == number], picture[picture % 2 == number] // 2)
        for number, half in ((0, even), (1, odd))
    ]
    best, which = halves[1][0].max(dim=0)
    sure, right = calibrate(*halves[0]).sure(best), (which == halves[1][1]).double()
    told = []
    for low in (0.0, 0.1, 0.2, 0.4, 0.6, 0.8):
        high = {0.0: 0.1, 0.1: 0.2, 0.8: 1.01}.get(low, low + 0.2)
        some = (sure >= low) & (sure < high)
        if some.any():
            told.append(
                {
                    "from": low,
                    "hits": int(some.sum()),
                    "sure": sure[some].mean().item(),
                    "right": right[some].mean().item(),
                }
            )
    return told


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

"""Vector databases against the index that they were written from: whether the first ten agree, and a query's cost.

    python benchmarks/stores.py INDEX SENTENCES.txt [--to lancedb qdrant]

Each database is filled in a temporary folder. "same": the share of sentences whose first ten are those of the index, in
their order; "own order": the same for the database alone, before rescoring; "no hubness": the share of the first ten
that a database finds without the column for hubness.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from wordsight.progress import Progress
from wordsight.search.index import Index
from wordsight.search.query import encoded_query, terms
from wordsight.search.stores.export import export_index
from wordsight.search.stores.find import StoredIndex
from wordsight.search.stores.maxsim import query_vectors

FIRST = 10


def measure(index: Index, kind: str, sentences: list[str], place: str) -> str:
    """A row of the table."""
    began, same, own, near, worst = time.perf_counter(), 0, 0, 0, 0.0
    export_index(index, kind, place, progress=Progress(quiet=True))
    written, spent = time.perf_counter() - began, [0.0, 0.0]
    with StoredIndex(place) as stored:
        for sentence in sentences:
            began = time.process_time()
            wanted = index.search(sentence, frames=True).hits
            spent[0] += time.process_time() - began
            began = time.process_time()
            found = stored.search(sentence).hits
            spent[1] += time.process_time() - began
            numbers = [hit.number for hit in wanted]
            same += [hit.number for hit in found] == numbers
            worst = max(worst, *(abs(one.score - other.score) for one, other in zip(found, wanted, strict=True)))
            words = query_vectors(encoded_query(terms(index.run, [sentence]), index.rule), index.rule.whole)
            own += [point.number for point in stored.store.nearest(words, FIRST)] == numbers
            words[:, index.segments.size] = 0
            near += len({point.number for point in stored.store.nearest(words, FIRST)} & set(numbers))
    count = len(sentences)
    times = "".join(f"{1000 * one / count:10.1f}" for one in spent)
    shares = f"{same / count:8.2f}{own / count:11.2f}{near / count / FIRST:12.2f}"
    return f"{kind:10}{written:10.1f}{times}{shares}{worst:12.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("sentences", type=Path, help="a text file, a sentence a line")
    parser.add_argument("--to", nargs="+", default=["lancedb", "qdrant"])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    index = Index(chosen.index, "cpu")
    sentences = [line for line in chosen.sentences.read_text(encoding="utf-8").splitlines() if line.strip()]
    print(f"{index.info()['pictures']:,} pictures, {len(sentences)} sentences; ms of processor time a query")
    print(
        f"{'':10}{'export s':>10}{'index':>10}{'store':>10}{'same':>8}{'own order':>11}{'no hubness':>12}{'off by':>12}"
    )
    for kind in chosen.to:
        with tempfile.TemporaryDirectory() as work:
            print(measure(index, kind, sentences, str(Path(work) / kind)), flush=True)


if __name__ == "__main__":
    main()

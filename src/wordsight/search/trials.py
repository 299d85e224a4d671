"""Calibration queries: sentences and short queries from a val split, scored with every picture of the split.

People search by "dog" and "a black dog" more often than by sentences. The pictures that such a query should find are
those with a sentence that says so. When calibration searches without them, it also leaves out pictures with a sentence
that says nearly the same ("puppy").
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from wordsight.data.load import load_dataset
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.metrics.ranking import score_matrix
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.runs.features import featured, pictures_of
from wordsight.search.calibrate import SHORT, Trials
from wordsight.text.nouns import NEAR, heads
from wordsight.text.phrases import read
from wordsight.text.word_table import WordTable, word_table
from wordsight.vision.regions import FeatureTable

MOST = 1000  # most pictures per dataset, most sentences, and most short queries: more give the same curves
ROWS = 256  # pictures or queries encoded at once


class Query(NamedTuple):
    """A query, and what it should find.

    Attributes:
        text: a sentence, or a noun with or without the word before it.
        right: the rows of the pictures that it should find.
        plausible: those, and others that may fit as well.
    """

    text: str
    right: frozenset[int]
    plausible: frozenset[int]


def trials(run: Aligner, data: str | Path | None, progress: Progress) -> Trials:
    """Score queries of val splits with every picture of them; missing features are computed, and cached.

    Args:
        run: the model.
        data: a dataset with a split `val`; None for the run's own data, and the splits that chose its checkpoint.
        progress: receives the progress.

    Raises:
        InputError: a dataset is missing, it has no such split, or none of its pictures can be read.
    """
    pictures, rows = collection(run, data, progress)
    queries = [*_spread(list(_sentences(pictures))), *_spread(list(_short(pictures, word_table())))]
    return ask(run, pictures, rows, queries)


def ask(run: Aligner, pictures: Sequence[Picture], rows: FeatureTable, queries: Sequence[Query]) -> Trials:
    """Score queries with every picture; queries without a word that the model knows are left out.

    Args:
        run: the model.
        pictures: I pictures.
        rows: their features.
        queries: with the rows of the pictures that they should find.
    """
    queries = [one for one in queries if any(word in run.vocabulary for word in run.vocabulary.tokens(one.text))]
    blocks = torch.arange(len(pictures)).split(ROWS)
    with torch.inference_mode():
        images = [run.model.image_vectors(rows.gather(some).to(run.device)).to("cpu") for some in blocks]
        said = [one.text for one in queries]
        texts = [run.encode_texts(said[at : at + ROWS]).to("cpu") for at in range(0, len(said), ROWS)]
        scores = score_matrix(run.model, images, texts) if texts else torch.zeros(len(pictures), 0)
    parts = torch.cat([torch.zeros(0), *(some.mask.sum(dim=1) for some in texts)])  # (N,)
    right, plausible = (torch.zeros(scores.shape, dtype=torch.bool) for _ in range(2))
    for column, query in enumerate(queries):
        right[list(query.right), column] = True
        plausible[list(query.plausible), column] = True
    return Trials(
        scores if run.model.rule and run.model.rule.mean else scores / parts,
        right,
        plausible,
        torch.tensor([read(one.text).function_words.count(False) <= SHORT for one in queries], dtype=torch.bool),
    )


def collection(run: Aligner, data: str | Path | None, progress: Progress) -> tuple[list[Picture], FeatureTable]:
    """The pictures of all datasets together, the first `MOST` of each, and their features."""
    own = run.checkpoint.recipe.data
    if not data and not own.path:
        raise InputError(f"{run.folder}: comes with no data of its own; name some.")
    split, paths = ("val", [data]) if data else (own.val, [own.path, *own.also])
    told = ", ".join(str(path) for path in paths)
    datasets = [load_dataset(path) for path in paths]
    wanted = [picture for dataset in datasets for picture in pictures_of(dataset, split, own)[:MOST]]
    progress.say(f"learning how sure hits are, from the {split} split of {told}")
    return featured(run.encoder, wanted, progress, split)


def _sentences(pictures: Sequence[Picture]) -> Iterator[Query]:
    """Every sentence as a query that should find its own picture."""
    for row, picture in enumerate(pictures):
        for sentence in picture.sentences:
            yield Query(sentence, frozenset([row]), frozenset([row]))


def _short(pictures: Sequence[Picture], table: WordTable) -> Iterator[Query]:
    """Every noun in the sentences, alone and with the word before it; every second query has an article, "a dog"."""
    nouns: dict[str, set[int]] = {}
    described: dict[str, set[int]] = {}
    for row, picture in enumerate(pictures):
        for sentence in picture.sentences:
            reading = read(sentence)
            for place in heads(reading.words, table):
                noun, before = reading.words[place], reading.words[max(0, place - 1) : place]
                nouns.setdefault(noun, set()).add(row)
                if before and not reading.function_words[place - 1]:
                    described.setdefault(f"{before[0]} {noun}", set()).add(row)
    plausible = _plausible(nouns, table)
    for number, (said, right) in enumerate([*nouns.items(), *described.items()]):
        text = f"a {said}" if number % 2 else said
        yield Query(text, frozenset(right), frozenset(plausible[said.split()[-1]] | right))


def _plausible(nouns: Mapping[str, set[int]], table: WordTable) -> dict[str, set[int]]:
    """For each noun, the pictures with a sentence that has it, or a noun of nearly the same meaning."""
    names = list(nouns)
    vectors = table.of(names)
    near = vectors @ vectors.T >= NEAR if names else torch.zeros(0, 0, dtype=torch.bool)
    found = {}
    for row, name in enumerate(names):
        others = near[row].nonzero()[:, 0].tolist()
        found[name] = set(nouns[name]).union(*(nouns[names[other]] for other in others))
    return found


def _spread(queries: list[Query]) -> list[Query]:
    """At most `MOST` of the queries, evenly spaced."""
    return queries[:: -(-len(queries) // MOST) or 1]

"""Calibration of a captioner: `wordsight calibrate RUN --data DATA`.

Captions pictures with known sentences, and fits logistic regressions of things and nouns against the sentences
(`captioning/certain.py`). Pictures that show nothing are among them, since every classifier names something there.
Metrics are cross-validated: each quarter is judged by weights fitted on the other three.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.batch import Regions
from wordsight.captioning import decode
from wordsight.captioning.certain import CERTAIN, NOUNS, PEOPLE, Calibration, Judge, Numbers, Seen, sigmoid
from wordsight.captioning.decoding import BEAM
from wordsight.captioning.things import INPUTS, SORTS, is_seen
from wordsight.captioning.word_probs import word_log_probs
from wordsight.data.load import load_dataset
from wordsight.data.nothings import nothings
from wordsight.errors import InputError
from wordsight.files import write_text
from wordsight.metrics.logistic import logistic
from wordsight.progress import Progress
from wordsight.runs.captioner import Captioner, load_captioner
from wordsight.runs.features import featured, pictures_of
from wordsight.text.nouns import NEAR
from wordsight.text.tokens import tokenise
from wordsight.text.word_table import WordTable
from wordsight.vision.classes import reads

SPLIT, FOLDS, NOTHINGS = "val", 4, 90
LEAST = 20  # pictures to calibrate from: with fewer a fold may have none of a kind
RIGHT, GIVEN = 0.85, 0.6  # target precision of the main thing in given captions; least share of captions given
EVEN = 0.5  # lower bound of the threshold: the main thing is more likely right than wrong
FOOLED = 0.02  # greatest share of pictures that show nothing that get a caption
OTHER = 0.25  # threshold of other nouns, as a share of the main one's
MEN, WOMEN = {"man", "men", "boy", "boys", "guy", "guys"}, {"woman", "women", "girl", "girls", "lady", "ladies"}
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A picture, its generated caption, and its sentences.

    Attributes:
        features: (R, F) of its regions.
        boxes: (R, 4).
        words: of the caption.
        log_probs: of each word.
        sentences: by people; empty for a picture that shows nothing.
    """

    features: Rows
    boxes: Rows
    words: Sequence[str]
    log_probs: Sequence[float]
    sentences: Sequence[str]


def calibrate(examples: Sequence[Example], judge: Judge) -> tuple[Calibration, dict[str, Any]]:
    """Calibrate on pictures with sentences.

    Args:
        examples: one per picture.
        judge: with any calibration; provides the kinds of things and the word table.

    Returns:
        The calibration, and cross-validated metrics.
    """
    lesson = _Lesson(examples, judge)
    folds = np.random.default_rng(0).permutation(len(examples)) % FOLDS
    parts = [lesson.judged(lesson.fit(folds != fold), folds == fold) for fold in range(FOLDS)]
    things, mains, lowest = (np.concatenate(some) for some in zip(*parts, strict=True))
    shows = np.concatenate([lesson.shows[folds == fold] for fold in range(FOLDS)])
    line = max(_line(mains[shows]), float(np.quantile(mains[~shows, 0], 1 - FOOLED)) if (~shows).any() else 0.0)
    given = (mains[:, 0] >= line) & (lowest >= OTHER * line)
    thing_weights, noun_weights = lesson.fit(folds >= 0)
    counts = len(examples), sum(len(one.sentences) for one in examples)
    figures = {
        "pictures": int(shows.sum()),
        "given": _share(given[shows]),
        "right": _share(mains[given & shows, 1]),
        "right_if_all_were_given": _share(mains[shows, 1]),
        "given_of_pictures_that_show_nothing": _share(given[~shows]),
        "caption_curve": _curve(mains),
        "thing_curve": _curve(things),
    }
    return Calibration(thing_weights, noun_weights, line, OTHER * line, *counts), figures


class _Lesson:
    """The examples as arrays.

    Attributes:
        shows: (I,) which pictures show something.
    """

    def __init__(self, examples: Sequence[Example], judge: Judge) -> None:
        self._examples, self._judge = examples, judge
        inputs = []
        for one in examples:
            likely, found = judge.classes.likely(one.features), judge.classes.found(one.features)
            inputs.append(judge.kinds.inputs(likely, found, one.boxes))
        self._inputs = np.stack(inputs)  # (I, K, INPUTS)
        self._said = np.stack([kinds_said(judge, one.sentences) for one in examples])  # (I, K)
        self.shows = np.array([len(one.sentences) > 0 for one in examples])

    def fit(self, chosen: NDArray[np.bool_]) -> tuple[list[list[float]], list[float]]:
        """Fit the weights of things and of nouns on the chosen examples."""
        inputs, right = self._inputs[chosen], self._said[chosen]
        seen = is_seen(inputs)
        things = []
        for sort in range(SORTS):
            some = seen & (self._judge.kinds.sort == sort)
            things.append(_weights(inputs[some], right[some], INPUTS - 1))
        known = [self._nouns(row, things) for row in np.flatnonzero(chosen).tolist()]
        nouns = _weights(
            np.concatenate([one for one, _ in known]), np.concatenate([one for _, one in known]), NOUNS - 1
        )
        return things, nouns

    def judged(
        self, weights: tuple[list[list[float]], list[float]], chosen: NDArray[np.bool_]
    ) -> tuple[Numbers, Numbers, Numbers]:
        """Predictions and targets of the chosen examples.

        Returns:
            Each seen thing's confidence and whether people mention it (T, 2); for each caption how likely its main
            noun is right and whether it is (I, 2), and how likely its least likely noun is right (I,).
        """
        things, mains, lowest = [], [], []
        for row in np.flatnonzero(chosen).tolist():
            confidence = self._confidence(row, weights[0])
            seen = confidence >= 0.05
            things.append(np.stack([confidence[seen], self._said[row, seen]], axis=1))
            known, right = self._nouns(row, weights[0])
            likely = sigmoid(known @ np.array(weights[1]))
            mains.append([likely[0], right[0]] if len(likely) else [0.0, 0.0])
            lowest.append(likely.min() if len(likely) else 0.0)
        return np.concatenate(things), np.array(mains), np.array(lowest)

    def _confidence(self, row: int, things: list[list[float]]) -> Numbers:
        return self._judge.kinds.confidence(self._inputs[row], np.array(things))

    def _nouns(self, row: int, things: list[list[float]]) -> tuple[Numbers, NDArray[np.bool_]]:
        """Inputs of each noun of a caption, and which of them people mention."""
        one = self._examples[row]
        seen = Seen(self._confidence(row, things), (), self._judge.meaning(one.features))
        nouns, known = self._judge.nouns(one.words, one.log_probs, seen)
        return known, np.array([is_said(noun, one.sentences, self._judge.table) for noun in nouns], bool)


def is_said(noun: str, sentences: Sequence[str], table: WordTable) -> bool:
    """Whether a picture's sentences mention a noun, by the word or a near-synonym.

    Nouns for people match each other ("a man" is right for "a skier"), except across genders ("a man" for "a woman").
    """
    words = {word for sentence in sentences for word in tokenise(sentence)}
    if noun in words:
        return True
    for some, others in ((MEN, WOMEN), (WOMEN, MEN)):
        if noun in some and words & others and not words & some:
            return False
    if noun in PEOPLE and words & PEOPLE:
        return True
    nouns = [word for word in words if table.is_noun(word)]
    return bool(nouns) and float((table.of(nouns) @ table.of([noun])[0]).max()) >= NEAR


def kinds_said(judge: Judge, sentences: Sequence[str]) -> NDArray[np.bool_]:
    """(K,) which kinds of things a picture's sentences mention."""
    words = {word for sentence in sentences for word in tokenise(sentence)}
    nouns = [word for word in words if judge.table.is_noun(word)]
    said = np.zeros(len(judge.kinds.names), bool)
    if nouns:
        said = (judge.names @ judge.table.of(nouns).numpy().T).max(axis=1) >= NEAR
    for place, name in enumerate(judge.kinds.names):
        last = tokenise(name)[-1]  # "table" is a dining table
        said[place] |= last in words or f"{last}s" in words or (name == "person" and bool(words & PEOPLE))
    return said


def examples_of(describer: Captioner, data: Path, progress: Progress) -> Iterator[Example]:
    """The val pictures of a dataset with generated captions.

    Raises:
        InputError: the dataset is missing or has no such split, or none of its pictures can be read.
    """
    settings = describer.checkpoint.recipe.data
    dataset = load_dataset(data)
    pictures, table = featured(describer.encoder, pictures_of(dataset, SPLIT, settings), progress, SPLIT)
    for rows in torch.arange(len(pictures)).split(64):
        yield from _described(describer, table.gather(rows), [pictures[int(row)].sentences for row in rows])


def _described(describer: Captioner, block: Regions, sentences: Sequence[Sequence[str]]) -> Iterator[Example]:
    views = describer.whole(block).to(describer.device)
    vocabulary = describer.vocabulary
    found = decode.beam(describer.model, views, width=BEAM, longest=vocabulary.longest, once=vocabulary.naming)
    log_probs = word_log_probs(describer.model, views, found)
    for row, (captions, chances) in enumerate(zip(found, log_probs, strict=True)):
        there = block.mask[row]
        words = [vocabulary.words[number] for number in captions[0].ids]
        features, boxes = block.features[row, there].numpy(), block.boxes[row, there].numpy()
        yield Example(features, boxes, words, chances[0], sentences[row])


def _weights(inputs: Numbers, right: NDArray[np.bool_], rising: int) -> list[float]:
    found = logistic(torch.from_numpy(inputs), torch.from_numpy(right), rising=rising)
    return [round(value, 4) for value in found.tolist()]


def _line(mains: Numbers) -> float:
    """The least threshold of precision `RIGHT`, or a lower one that gives the share `GIVEN`; at least `EVEN`."""
    order = np.argsort(-mains[:, 0], kind="stable")
    right = mains[order, 1].cumsum() / np.arange(1, len(order) + 1)
    least = int(np.ceil(GIVEN * len(order)))
    enough = np.flatnonzero(right >= RIGHT)
    return max(EVEN, float(mains[order[max(least - 1, enough.max(initial=0))], 0]))


def _curve(judged: Numbers) -> list[dict[str, float]]:
    """Reliability curve: accuracy by confidence, in tenths."""
    tenths = np.minimum((judged[:, 0] * 10).astype(int), 9)
    groups = [judged[tenths == tenth] for tenth in range(10)]
    return [
        {"said": float(one[:, 0].mean()), "right": float(one[:, 1].mean()), "count": len(one)}
        for one in groups
        if len(one)
    ]


def _share(some: NDArray[Any]) -> float:
    return float(some.mean()) if len(some) else 0.0


def table(figures: dict[str, Any]) -> str:
    """The metrics as a table: shares, and the reliability curve."""
    shares = [f"{key.replace('_', ' ')}: {value:.3g}" for key, value in figures.items() if not key.endswith("curve")]
    curves = [
        f"{key.replace('_', ' ')}\n  said right count\n"
        + "\n".join(f"  {one['said']:.2f} {one['right']:.2f} {one['count']:5}" for one in rows)
        for key, rows in figures.items()
        if key.endswith("curve")
    ]
    return "\n".join([*shares, *curves])


def calibrate_run(run: Path, data: Sequence[Path], progress: Progress | None = None) -> dict[str, Any]:
    """Calibrate a run's captions, and write the run's `certain.json`.

    Args:
        run: the folder of a captioner whose regions have the columns `meaning` and `labels`.
        data: datasets with a val split.
        progress: receives updates; None prints to stderr.

    Returns:
        The metrics of `calibrate`.

    Raises:
        InputError: another kind of run, or data that cannot be used.
    """
    describer, progress = load_captioner(run), progress or Progress()
    describer.require_likelihood("calibration")
    if not reads(describer.checkpoint.blocks):
        raise InputError(f"{run}: expected a run whose regions have the columns `meaning` and `labels`.")
    examples = [one for some in data for one in examples_of(describer, some, progress)]
    if len(examples) < LEAST:
        where = ", ".join(map(str, data))
        raise InputError(f"{where}: expected at least {LEAST} pictures in the split 'val', found {len(examples)}.")
    blank = describer.encoder.encode(list(nothings(NOTHINGS)))
    examples += _described(describer, blank, [()] * NOTHINGS)
    start = Calibration([[0.0] * INPUTS] * SORTS, [0.0] * NOUNS, 0.0, 0.0, 0, 0)
    labels = describer.encoder.detector.names if describer.encoder.detector else ()
    found, figures = calibrate(examples, Judge(start, describer.checkpoint.blocks, labels))
    write_text(run / CERTAIN, found.to_json() + "\n")
    return figures

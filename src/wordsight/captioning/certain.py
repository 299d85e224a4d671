"""Calibrated abstention: whether a caption may be given as a fact, and what to answer otherwise.

Every noun of a caption is compared with three sources: the things that the classifier and the detector name
(`things.py`), the word vectors of the regions, and the captioner's probability of the word. A logistic regression,
fitted on captions by people, gives the probability that the noun is right:

    log odds = a (log odds of the likeliest thing of that name) + b (greatest cosine of a region) + c log p(word) + d

A caption is as sure as its first noun, the main one. It is certain if that noun reaches one threshold and every other
noun a lower one. `wordsight calibrate` fits all of this and saves it beside the weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from wordsight.captioning.things import INPUTS, SORTS, Kinds, Thing
from wordsight.errors import InputError
from wordsight.files import read_json, to_json
from wordsight.text.nouns import NEAR, heads
from wordsight.text.word_table import word_table
from wordsight.vision.classes import Classes

CERTAIN = "certain.json"
MOST = 5  # maximum number of things named
LEAST = 0.2  # least confidence of a named thing
PROBABLY = 0.5  # least confidence of a thing named in place of a caption
NOUNS = 4  # number of inputs of a noun's regression; the last input is 1
_PEOPLE = (
    "person people man men woman women boy boys girl girls child children kid kids baby babies guy guys lady ladies "
    "toddler player players skier skiers surfer surfers snowboarder skateboarder skateboarders crowd couple"
)
PEOPLE = frozenset(_PEOPLE.split())
Rows = NDArray[np.float32]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Calibration: weights and thresholds, fitted on captions by people.

    Attributes:
        things: weights of `Kinds.inputs`, one row for each sort of kind.
        nouns: weights of a noun's inputs.
        main: threshold for a caption's first noun to be certain.
        other: threshold for every other noun.
        pictures: number of pictures that it was fitted on.
        sentences: number of their sentences.
    """

    things: list[list[float]]
    nouns: list[float]
    main: float
    other: float
    pictures: int
    sentences: int

    def to_json(self) -> str:
        """JSON for `read`."""
        return to_json(asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `to_json` wrote.

        Raises:
            InputError: the file is missing or damaged.
        """
        found = read_json(path, strict=True)
        if not isinstance(found, dict) or not _fits(found):
            raise InputError(
                f"{path}: expected how sure captions are, as `wordsight calibrate` "
                "writes it; write it again, or delete the file to do without."
            )
        return cls(**found)


@dataclass(frozen=True)
class Seen:
    """Evidence in a picture, apart from its caption.

    Attributes:
        confidence: (K,) probability that people mention each kind of thing.
        things: the likeliest things, likeliest first, at most `MOST`.
        meaning: (R, M) word vectors of its regions.
    """

    confidence: Numbers
    things: tuple[Thing, ...]
    meaning: Rows


class Verdict(TypedDict):
    """The judgement of a caption.

    Attributes:
        sure: probability that its main noun is right, 0 to 1; 0 if it has no noun.
        certain: whether it may be given as a fact.
        things: the things seen in the picture, likeliest first.
    """

    sure: float
    certain: bool
    things: tuple[Thing, ...]


class Judge:
    """Rates captions, and names the things in a picture.

    Attributes:
        calibration: weights and thresholds.
        classes: the classes of the classifier and the detector.
        kinds: the kinds of things.
        table: the word vectors.
        names: (K, M) vectors of the kinds' names.
    """

    def __init__(self, calibration: Calibration, blocks: Mapping[str, slice], labels: Sequence[str]) -> None:
        """Read the classifier's classes and the word table.

        Args:
            calibration: weights and thresholds.
            blocks: a region's feature columns by source; `vision/classes.py` reads them.
            labels: the names of the detector's classes.

        Raises:
            InputError: the classifier's package or the word table is missing or damaged.
        """
        self.calibration, self._columns = calibration, blocks["meaning"]
        self.classes = Classes(blocks, labels)
        self.kinds, self.table = Kinds(self.classes.names, labels), word_table()
        self.names = self.table.of(self.kinds.names).numpy()  # (K, M)
        self._person = self.kinds.names.index("person") if "person" in labels else None

    def look(self, features: Rows, boxes: Rows) -> Seen:
        """Collect the evidence in a picture.

        Args:
            features: (R, F) features of its regions; the first region is the whole picture.
            boxes: (R, 4) `xyxy` fractions.
        """
        likely, found = self.classes.likely(features), self.classes.found(features)
        inputs = self.kinds.inputs(likely, found, boxes)
        confidence = self.kinds.confidence(inputs, np.array(self.calibration.things))
        chosen = self._distinct(confidence)
        titles = self.kinds.titles(chosen, likely, found)
        things = tuple(Thing(title, float(confidence[place])) for title, place in zip(titles, chosen, strict=True))
        return Seen(confidence, things, self.meaning(features))

    def meaning(self, features: Rows) -> Rows:
        """The word vectors of regions: (R, F) -> (R, M)."""
        return features[:, self._columns]

    def nouns(self, words: Sequence[str], log_probs: Sequence[float], seen: Seen) -> tuple[list[str], Numbers]:
        """The nouns of a caption, and the regression's inputs for each, (N, NOUNS).

        Args:
            words: the caption's words.
            log_probs: natural log-probability of each word.
            seen: the evidence in its picture.
        """
        places = heads(words, self.table)
        known = np.ones((len(places), NOUNS))
        if not places:
            return [], known
        vectors = self.table.of([words[place] for place in places]).numpy()  # (N, M)
        named = vectors @ self.names.T >= NEAR  # (N, K)
        if self._person is not None:
            named[:, self._person] |= [words[place] in PEOPLE for place in places]
        best = np.where(named, seen.confidence, 0.0).max(axis=1).clip(0.02, 0.98)
        known[:, 0] = np.log(best / (1 - best))
        known[:, 1] = (vectors @ seen.meaning.T).max(axis=1)
        known[:, 2] = [max(log_probs[place], -8.0) for place in places]
        return [words[place] for place in places], known

    def verdict(self, words: Sequence[str], log_probs: Sequence[float], seen: Seen) -> Verdict:
        """Judge a caption; arguments as in `nouns`."""
        _, known = self.nouns(words, log_probs, seen)
        likely = sigmoid(known @ np.array(self.calibration.nouns))
        certain = len(known) > 0 and likely[0] >= self.calibration.main and likely.min() >= self.calibration.other
        return {"sure": float(likely[0]) if len(known) else 0.0, "certain": bool(certain), "things": seen.things}

    def _distinct(self, confidence: Numbers) -> list[int]:
        """The likeliest kinds, without near-synonyms."""
        kept: list[int] = []
        for place in np.argsort(-confidence, kind="stable").tolist():
            if confidence[place] < LEAST or len(kept) == MOST:
                break
            if not kept or float((self.names[kept] @ self.names[place]).max()) < NEAR:
                kept.append(place)
        return kept


def answer(text: str, certain: bool | None, things: Sequence[Thing]) -> str:
    """The answer for a picture: its caption; if that is not certain, the likely things, or "cannot tell"."""
    if certain or certain is None:
        return text
    likely = [thing.name for thing in things if thing.confidence >= PROBABLY]
    return f"probably {'; '.join(likely)}" if likely else "cannot tell"


def sigmoid(odds: Numbers) -> Numbers:
    """Log-odds -> probabilities."""
    return np.asarray(1 / (1 + np.exp(-odds.clip(-50, 50))))


def _fits(found: Mapping[str, Any]) -> bool:
    """Whether a file's values make a `Calibration`."""
    if found.keys() != {field.name for field in fields(Calibration)}:
        return False
    things, nouns = found["things"], found["nouns"]
    rows = [*things, nouns] if isinstance(things, list) else []
    if len(rows) != SORTS + 1 or not all(isinstance(row, list) and all(map(_is_number, row)) for row in rows):
        return False
    sizes = [len(row) for row in rows]
    scalars = (found["main"], found["other"], found["pictures"], found["sentences"])
    return sizes == [INPUTS] * SORTS + [NOUNS] and all(map(_is_number, scalars))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

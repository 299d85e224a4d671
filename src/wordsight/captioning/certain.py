"""Whether a caption may be given as a fact, and what is said in its place.

Every noun of a caption is held against what is seen: the things that the classifier and the detector name
(`things.py`), the word vectors of the regions, and how probable the captioner held the word. A logistic regression,
learned from sentences of people, says how likely the noun is right:

    log odds = a (log odds of the likeliest thing of that name) + b (greatest cosine of a region) + c log p(word) + d

A caption is as sure as its first noun, the main one. It is certain where that reaches one line and every other noun a
lower one. `wordsight calibrate` learns all of it and keeps it beside the weights.
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
MOST = 5  # things that are named
LEAST = 0.2  # of a confidence that is worth telling
PROBABLY = 0.5  # of one that is said in place of a caption
NOUNS = 4  # numbers that are known of a noun, the last 1
_PEOPLE = (
    "person people man men woman women boy boys girl girls child children kid kids baby babies guy guys lady ladies "
    "toddler player players skier skiers surfer surfers snowboarder skateboarder skateboarders crowd couple"
)
PEOPLE = frozenset(_PEOPLE.split())
Rows = NDArray[np.float32]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What was learned from the sentences of people.

    Attributes:
        things: the weights of `Kinds.inputs`, a row for each sort of kind.
        nouns: the weights of what is known of a noun.
        main: a caption is certain only where its first noun is at least so likely right,
        other: and every other noun at least so likely.
        pictures: that it was learned from.
        sentences: of these.
    """

    things: list[list[float]]
    nouns: list[float]
    main: float
    other: float
    pictures: int
    sentences: int

    def to_json(self) -> str:
        """As `read` expects it."""
        return to_json(asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `to_json` gave.

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
    """What is known of a picture without its caption.

    Attributes:
        confidence: (K,) how likely each kind of thing is spoken of.
        things: the likeliest, likeliest first, at most `MOST`.
        meaning: (R, M) word vectors of its regions.
    """

    confidence: Numbers
    things: tuple[Thing, ...]
    meaning: Rows


class Verdict(TypedDict):
    """What is said of a caption.

    Attributes:
        sure: how likely its main noun is right, 0 to 1; 0 without any noun.
        certain: whether it may be given as a fact.
        things: what else is seen.
    """

    sure: float
    certain: bool
    things: tuple[Thing, ...]


class Judge:
    """Says of captions how sure they are, and what things a picture shows.

    Attributes:
        calibration: what it goes by.
        classes: the classifier and the detector.
        kinds: of things.
        table: the words.
        names: (K, M) the vectors of what the kinds are called.
    """

    def __init__(self, calibration: Calibration, blocks: Mapping[str, slice], labels: Sequence[str]) -> None:
        """Read what is needed.

        Args:
            calibration: what was learned.
            blocks: which columns of a region come from what; `vision/classes.py` reads them.
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
        """What is to be seen in a picture.

        Args:
            features: (R, F) of its regions, the first the whole picture.
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
        """The nouns of a caption, and what is known of each, (N, NOUNS).

        Args:
            words: of the caption.
            log_probs: of each word, natural logarithms.
            seen: its picture.
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
        """How sure a caption is, as `nouns` takes it."""
        _, known = self.nouns(words, log_probs, seen)
        likely = sigmoid(known @ np.array(self.calibration.nouns))
        certain = len(known) > 0 and likely[0] >= self.calibration.main and likely.min() >= self.calibration.other
        return {"sure": float(likely[0]) if len(known) else 0.0, "certain": bool(certain), "things": seen.things}

    def _distinct(self, confidence: Numbers) -> list[int]:
        """The likeliest kinds, no two of which are called nearly the same."""
        kept: list[int] = []
        for place in np.argsort(-confidence, kind="stable").tolist():
            if confidence[place] < LEAST or len(kept) == MOST:
                break
            if not kept or float((self.names[kept] @ self.names[place]).max()) < NEAR:
                kept.append(place)
        return kept


def answer(text: str, certain: bool | None, things: Sequence[Thing]) -> str:
    """What is said of a picture: its caption, or where that is not certain what is probably there, or neither."""
    if certain or certain is None:
        return text
    likely = [thing.name for thing in things if thing.confidence >= PROBABLY]
    return f"probably {'; '.join(likely)}" if likely else "cannot tell"


def sigmoid(odds: Numbers) -> Numbers:
    """Log odds as probabilities."""
    return np.asarray(1 / (1 + np.exp(-odds.clip(-50, 50))))


def _fits(found: Mapping[str, Any]) -> bool:
    """Whether the values of a file are those of a `Calibration`."""
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

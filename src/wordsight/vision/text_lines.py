"""Text lines of a picture: their boxes, their readings, and the recogniser's probabilities of characters.

Characters are folded: case and the accents of Latin, Greek and Cyrillic letters are ignored, and the probabilities of
characters that fold to the same symbol are added. Everything that is neither letter nor digit becomes one separator.
"""

import json
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.vision.boxes import Boxes

BLANK, SEPARATOR = 0, 1  # folded symbols; all others are code points
SCALE = 16.0  # a stored cost is -log(probability) x SCALE, at most 255
KEPT, LEAST = 6, 1e-3  # most symbols kept of a step, and their least probability
FORMAT = 1
_ALPHABETS = ("LATIN", "GREEK", "CYRILLIC")
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TextLines:
    """The text lines of one picture.

    Attributes:
        texts: the most probable reading of each of L lines.
        confidence: (L,) float32, the mean probability of its characters.
        corners: (L, 4, 2) float32, fractions of width and height: top left, top right, bottom right and bottom left of
            the line as it is read, so that a turned line has turned corners.
        steps: (L,) int32, number of the recogniser's steps along each line.
        counts: (sum of steps,) uint8, number of symbols kept at each step; at least 1.
        symbols: (sum of counts,) uint16, folded; most probable first.
        costs: (sum of counts,) uint8, -log(probability) x `SCALE`.
    """

    texts: tuple[str, ...]
    confidence: NDArray[np.float32]
    corners: NDArray[np.float32]
    steps: NDArray[np.int32]
    counts: NDArray[np.uint8]
    symbols: NDArray[np.uint16]
    costs: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def _first_step(self) -> Ints:
        return np.cumsum(self.steps, dtype=np.int64) - self.steps

    @cached_property
    def _first_entry(self) -> Ints:
        return np.cumsum(self.counts, dtype=np.int64) - self.counts

    @classmethod
    def none(cls) -> Self:
        """The lines of a picture without text."""
        return cls((), *(np.zeros(shape, kind) for shape, kind in zip(_shapes(0, 0, 0), _KINDS, strict=True)))

    @classmethod
    def join(cls, parts: "Sequence[TextLines]") -> "TextLines":
        """Concatenate the lines of several pictures."""
        if not parts:
            return cls.none()
        texts = tuple(text for part in parts for text in part.texts)
        names = [field.name for field in fields(cls)][1:]
        return TextLines(texts, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def take(self, rows: Ints) -> "TextLines":
        """Select lines by number."""
        steps = _ranges(self._first_step, self.steps, rows)
        entries = _ranges(self._first_entry, self.counts, steps)
        texts = tuple(self.texts[row] for row in rows)
        of_lines = self.confidence[rows], self.corners[rows], self.steps[rows]
        return TextLines(texts, *of_lines, self.counts[steps], self.symbols[entries], self.costs[entries])

    @classmethod
    def of_texts(cls, texts: Sequence[str], corners: NDArray[np.float32], confidence: NDArray[np.float32]) -> Self:
        """Make the lines of a recogniser that gives readings without probabilities.

        Each character is a separate step followed by a blank, as probable as the reading is confident; other characters
        are as improbable as possible. A CTC cost on this is a weighted edit distance: each substituted, missing or
        extra character costs the cap of a step.
        """
        symbols = [[part for one in text for part in (fold_character(one), BLANK)] or [BLANK] for text in texts]
        steps = np.array([len(one) for one in symbols], np.int32)
        cost = np.clip(np.rint(-np.log(np.clip(confidence, 1e-6, 1)) * SCALE), 0, 255).astype(np.uint8)
        flat = np.array([symbol for one in symbols for symbol in one], np.uint16)
        costs = np.where(flat == BLANK, np.uint8(0), np.repeat(cost, steps))
        return cls(tuple(texts), confidence, corners, steps, np.ones(len(flat), np.uint8), flat, costs)

    def boxes(self) -> Boxes:
        """The upright boxes of the lines: (L, 4) `xyxy` fractions."""
        return np.concatenate([self.corners.min(axis=1), self.corners.max(axis=1)], axis=1).astype(np.float32)

    def to_bytes(self) -> bytes:
        """Serialise to a compact form, about 100 bytes per word."""
        sizes = [len(self.steps), len(self.counts), len(self.symbols)]
        head = json.dumps([FORMAT, sizes, self.texts], ensure_ascii=False).encode("utf-8", "surrogatepass")
        arrays = [getattr(self, field.name) for field in fields(self)][1:]
        content = b"".join(
            np.ascontiguousarray(part, kind).tobytes() for part, kind in zip(arrays, _KINDS, strict=True)
        )
        return zlib.compress(len(head).to_bytes(4, "little") + head + content, 6)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read lines from their compact form.

        Raises:
            ValueError: it is damaged, or of another format.
        """
        try:
            plain = zlib.decompress(content)
            start = 4 + int.from_bytes(plain[:4], "little")
            version, sizes, texts = json.loads(plain[4:start].decode("utf-8", "surrogatepass"))
            if version != FORMAT:
                raise ValueError(f"format {version}")
            found: list[NDArray[Any]] = []
            for shape, kind in zip(_shapes(*sizes), _KINDS, strict=True):
                found.append(np.ndarray(shape, kind, plain, start))
                start += found[-1].nbytes
        except (zlib.error, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"not the text lines of a picture ({error})") from None
        return cls(tuple(texts), *found)


def _shapes(lines: int, steps: int, entries: int) -> list[tuple[int, ...]]:
    return [(lines,), (lines, 4, 2), (lines,), (steps,), (entries,), (entries,)]


def _ranges(first: NDArray[Any], count: NDArray[Any], rows: Ints) -> Ints:
    """Indices of all entries of some rows, each of which has `count` entries from `first` on."""
    some = count[rows].astype(np.int64)
    begins = np.cumsum(some) - some
    return np.repeat(first[rows] - begins, some) + np.arange(some.sum())


_KINDS = tuple(map(np.dtype, ("<f4", "<f4", "<i4", "u1", "<u2", "u1")))


@lru_cache(maxsize=1 << 16)
def fold_character(character: str) -> int:
    """Fold a character to a symbol: a code point, or `SEPARATOR` if it is neither letter nor digit."""
    base = "".join(one for one in unicodedata.normalize("NFKD", character) if not unicodedata.combining(one))
    if len(base) == 1 and unicodedata.name(base, "").startswith((*_ALPHABETS, "DIGIT")):
        character = base
    character = character.casefold()[:1] or character
    if not character.isalnum() or ord(character) > 0xFFFF:
        return SEPARATOR
    return ord(character)


def fold(text: str) -> list[int]:
    """Fold a text to symbols, with separators neither repeated nor at its ends."""
    symbols: list[int] = []
    for character in unicodedata.normalize("NFC", text):
        symbol = fold_character(character)
        if symbol != SEPARATOR or (symbols and symbols[-1] != SEPARATOR):
            symbols.append(symbol)
    return symbols[:-1] if symbols and symbols[-1] == SEPARATOR else symbols


def compact(probabilities: NDArray[np.float32], symbols: NDArray[np.uint16]) -> tuple[NDArray[Any], ...]:
    """Compact the probabilities of a line: keep the most probable symbols of each step.

    Args:
        probabilities: (T, C) of the recogniser's classes at each step; each row sums to 1.
        symbols: (C,) the folded symbol of each class.

    Returns:
        `counts` (T,), `symbols` and `costs` as in `TextLines`.
    """
    step, column = np.nonzero(probabilities > LEAST / 10)
    keys, place = np.unique(step * 0x10000 + symbols[column], return_inverse=True)
    mass = np.bincount(place, probabilities[step, column], len(keys))
    step, symbol = keys >> 16, keys & 0xFFFF
    order = np.lexsort((-mass, step))
    step, symbol, mass = step[order], symbol[order], mass[order]
    rank = np.arange(len(step)) - np.searchsorted(step, step)
    kept = (rank < KEPT) & ((mass >= LEAST) | (rank == 0))
    counts = np.bincount(step[kept], minlength=len(probabilities))
    costs = np.clip(np.rint(-np.log(np.minimum(mass[kept], 1.0)) * SCALE), 0, 255)
    return counts.astype(np.uint8), symbol[kept].astype(np.uint16), costs.astype(np.uint8)

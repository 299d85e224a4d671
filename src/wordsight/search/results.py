"""Search results: hits, with the boxes that each word of the query matched."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from PIL import Image

from wordsight.errors import InputError, printable
from wordsight.reports.marks import Mark, labelled
from wordsight.runs.aligner import Box
from wordsight.search.former import FormerNames, with_former
from wordsight.search.frames import clock
from wordsight.search.query import Part
from wordsight.vision.images import open_image, reopened
from wordsight.vision.notebook import Shown, coloured, frame, png, scene, side_by_side
from wordsight.vision.video_frames import frame_at

if TYPE_CHECKING:
    from pandas import DataFrame

SIDE = 320  # pixels, of a hit in a notebook
NOT_SURE = "The model is not sure of any of these; the nearest come first."


@dataclass(frozen=True)
class Word:
    """A word of the query on its best box.

    Attributes:
        text: the word.
        box: `xyxy` fractions.
        strength: product of word and region, its part of the score before weights and means; a likelihood if written.
        known: whether the model knows it.
    """

    text: str
    box: Box
    strength: float
    known: bool


@dataclass(frozen=True)
class Phrase:
    """Phrase: neighbouring words that share a box; or a region that was asked for.

    Attributes:
        text: the words; "this" for a region, "strokes" for strokes of a drawing.
        start: index of its first word among the words of the hit.
        end: index behind its last word; equal to `start` if it has no words.
        box: `xyxy` fractions.
        strength: the sum of its words' products with the region.
        weight: of its part of the query.
        written: whether it is text written in the picture; `strength` is then its likelihood, 0 to 1
            (`matching/written_words.py`).
    """

    text: str
    start: int
    end: int
    box: Box
    strength: float
    weight: float
    written: bool = False


@dataclass(frozen=True)
class NearDuplicate:
    """Near-duplicate of a hit, not shown itself; `number`, `path` and `time` as in `Hit`."""

    number: int
    path: Path
    time: int | None = None


@dataclass(frozen=True)
class Moment:
    """Another matching frame of a video; `number`, `time` and `score` as in `Hit`."""

    number: int
    time: int
    score: float


@dataclass(frozen=True)
class Hit(FormerNames):
    """Hit: a picture that a search found.

    Attributes:
        number: its number in the catalogue, which never changes.
        path: its file.
        score: the model's score; greater fits better, only comparable within one query.
        hubness: what was subtracted from the score because this picture and the sentences fit all kinds of others
            (`matching/query_bank.py`); the rest may be negative.
        normalised: the score divided by the effect of weights and of the number of words.
        confidence: probability, 0 to 1, that it is what the sentence asks for (`calibrate.py`); None if the index is
            not calibrated, or the query is not a single sentence.
        words: each word on its own best box.
        phrases: the same words as phrases, each on one box.
        missing: whether the file is gone.
        unreadable: why the file cannot be read now, or could not when the index was last built; empty if it can. The
            hit then shows the picture as it was before.
        width: pixels.
        height: pixels.
        taken: its date: ISO, local time.
        taken_from: source of the date: "exif", a video's "container", the "name" of the file, or the "file"'s own time.
        camera: make and model of the camera; empty if unknown.
        meta: the user's annotations.
        near_duplicates: near-duplicates that are not shown, if hits are grouped.
        time: of a frame of a video, whole seconds from its beginning; None for a picture.
        duration: length of the video, seconds; None for a picture.
        frames: how many frames of the video match, including this one; 0 for a picture.
        moments: the best other frames, best first, if a video is one hit.
        reranked: the score by the run that reranked it, which then also made words and phrases (`rerank.py`).
    """

    number: int
    path: Path
    score: float
    hubness: float
    normalised: float
    confidence: float | None
    words: tuple[Word, ...]
    phrases: tuple[Phrase, ...]
    missing: bool
    unreadable: str
    width: int
    height: int
    taken: str
    taken_from: str
    camera: str
    meta: dict[str, Any]
    near_duplicates: tuple[NearDuplicate, ...] = ()
    reranked: float | None = None
    time: int | None = None
    duration: float | None = None
    frames: int = 0
    moments: tuple[Moment, ...] = ()

    @property
    def at(self) -> str:
        """The frame's time as a suffix to the video's name, such as " at 0:07"; empty for a picture."""
        return "" if self.time is None else f" at {clock(self.time)}"

    def open_image(self, at_least: int = 0) -> Image.Image:
        """The picture or the frame, upright RGB.

        Args:
            at_least: a large picture may be shrunk while both sides keep this many pixels; 0 for the full size.

        Raises:
            InputError: its file is gone, or cannot be read.
        """
        return open_image(self.path, at_least=at_least) if self.time is None else frame_at(self.path, self.time)

    @property
    def state(self) -> str:
        """What is wrong with its file, in a few words; empty if nothing is."""
        return "missing" if self.missing else f"unreadable: {self.unreadable}" if self.unreadable else ""

    def to_json(self) -> dict[str, Any]:
        """The hit as plain values for `json.dumps`."""
        near_duplicates = [asdict(one) | {"path": str(one.path)} for one in self.near_duplicates]
        return with_former(asdict(self) | {"path": str(self.path), "near_duplicates": near_duplicates})

    def to_dict(self) -> dict[str, Any]:
        """Same as `to_json`: plain values, as `wordsight search --json` prints them."""
        return self.to_json()

    def _repr_html_(self) -> str:
        """The picture with the boxes of its phrases, for a notebook."""
        shown = self._marks()
        text = f"{self.path.name}{self.at}, score {self.score:.3f}{f' ({self.state})' if self.state else ''}"
        words = coloured([(printable(text), ""), *((mark.label, mark.colour) for mark in shown)])
        boxes = [Shown(mark.box, mark.colour, mark.label) for mark in shown]
        return scene(self._reopened(SIDE), boxes, printable(text), words)

    def _repr_png_(self) -> bytes | None:
        """The same as PNG; None if the file cannot be opened any more."""
        image = self._drawn(900)
        return None if image is None else png(image)

    def _drawn(self, width: int) -> Image.Image | None:
        """The picture with the boxes of its phrases, `width` pixels wide; None if it cannot be opened any more."""
        from wordsight.reports.draw import draw_marks

        image = self._reopened(width)
        return None if image is None else draw_marks(image, self._marks(), self.phrases, width=width)

    def _reopened(self, side: int) -> Image.Image | None:
        """The picture, at most `side` pixels wide and high; None if it cannot be opened any more."""
        try:
            return reopened(self.path if self.time is None else self.open_image(), side)
        except InputError:
            return None

    def _marks(self) -> list[Mark]:
        """The boxes of its phrases."""
        return labelled((one.box, one.text, (place,)) for place, one in enumerate(self.phrases) if one.strength > 0)


@dataclass(frozen=True)
class SearchResults(FormerNames):
    """The answer to a query.

    Attributes:
        hits: one page of hits, best first.
        total: how many hits all pages have.
        first: the rank of the first hit on this page; 1 is best.
        unknown: words of the query that the model does not know.
        poor_match: whether no picture matches well: the highest confidence is below `Curve.threshold`.
        parts: of the query: sentences without quoted text, pictures, and written texts.
    """

    hits: tuple[Hit, ...]
    total: int
    first: int
    unknown: tuple[str, ...]
    poor_match: bool
    parts: tuple[Part, ...] = ()

    def __len__(self) -> int:
        """How many hits are on this page."""
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        """The hits of this page, best first."""
        return iter(self.hits)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, at: int | slice) -> Hit | tuple[Hit, ...]:
        """A hit of this page, or several; 0 is the best of it."""
        return self.hits[at]

    def to_json(self) -> dict[str, Any]:
        """The results as plain values for `json.dumps`."""
        hits = [{"rank": rank} | hit.to_json() for rank, hit in enumerate(self.hits, self.first)]
        plain = {"total": self.total, "unknown": list(self.unknown), "poor_match": self.poor_match, "hits": hits}
        return with_former(plain)

    def to_dict(self) -> dict[str, Any]:
        """Same as `to_json`: plain values, as `wordsight search --json` prints them."""
        return self.to_json()

    def to_pandas(self) -> "DataFrame":
        """A table with one row per hit: `rank`, then the fields of `Hit.to_dict` except `words` and `phrases`.

        Raises:
            InputError: pandas is not installed.
        """
        rows = self.to_dict()["hits"]
        return frame([{key: value for key, value in row.items() if key not in ("words", "phrases")} for row in rows])

    def _repr_html_(self) -> str:
        """The pictures with their boxes, for a notebook."""
        note = "" if self.hits else str(self)
        note = NOT_SURE if self.poor_match and self.hits else note
        head = f"<p>{escape(note)}</p>" if note else ""
        return head + "".join(hit._repr_html_() for hit in self.hits)

    def _repr_png_(self) -> bytes | None:
        """All hits side by side as PNG, without those whose file cannot be opened; None if none is left."""
        drawn = [image for hit in self.hits if (image := hit._drawn(SIDE)) is not None]
        return png(side_by_side(drawn)) if drawn else None

    def __str__(self) -> str:
        """One line per hit, and below it one per phrase, with its box in percent of width and height."""
        if not self.hits:
            return f"no more than {self.total:,} pictures match" if self.total else "nothing here matches"
        lines = [NOT_SURE] if self.poor_match else []
        for rank, hit in enumerate(self.hits, self.first):
            confidence = "" if hit.confidence is None else f"  sure {100 * hit.confidence:.0f} %"
            notes = f"  ({hit.state})" if hit.state else ""
            notes += f"  (+{len(hit.near_duplicates)} alike)" if hit.near_duplicates else ""
            notes += f"  (+{hit.frames - 1} frames)" if hit.frames > 1 else ""
            again = "" if hit.reranked is None else f"{hit.reranked:.3f}, before "
            lines.append(
                f"{rank:3}  {again}{hit.score:.3f}{confidence}  {printable(hit.path)}{hit.at}{printable(notes)}"
            )
            width = max((len(phrase.text) for phrase in hit.phrases), default=0)
            for phrase in hit.phrases:
                places = " ".join(f"{100 * edge:4.0f}" for edge in phrase.box)
                lines.append(f"       {phrase.text:{width}}  {phrase.strength:7.3f} {places}")
        return "\n".join(lines)

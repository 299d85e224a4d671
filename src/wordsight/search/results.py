"""What a search gives: pictures, and the boxes that made them come."""

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
        strength: the product of word and region: what it adds to the score, before weights and means.
        known: whether the model knows it.
    """

    text: str
    box: Box
    strength: float
    known: bool


@dataclass(frozen=True)
class Phrase:
    """Neighbouring words that share a box, or a region that was asked for.

    Attributes:
        text: the words; of a region "this".
        start: its first word among the words of the hit.
        end: behind its last; of a region that was asked for, as `start`.
        box: `xyxy` fractions.
        strength: the sum of its words' products with the region.
        weight: of its part of the query.
        written: whether it is text that is written there; the strength is then its likelihood, 0 to 1
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
    """A near-duplicate that is not shown; `number`, `path` and `time` as of a hit."""

    number: int
    path: Path
    time: int | None = None


@dataclass(frozen=True)
class Moment:
    """Another frame of a video that was found; `number`, `time` and `score` as of a hit."""

    number: int
    time: int
    score: float


@dataclass(frozen=True)
class Hit(FormerNames):
    """A picture that was found.

    Attributes:
        number: what the catalogue calls it; it keeps that for good.
        path: its file.
        score: as the model scores it; greater fits better, only comparable within one query.
        hubness: what is taken from the score because this picture and the sentences fit all kinds of others
            (`matching/query_bank.py`); it may well leave less than 0.
        normalised: the score without the effect of weights and the number of words.
        confidence: of hits with this figure, what share were the picture that the sentence was written for, 0 to 1
            (`calibrate.py`); None where the index is not calibrated, or something else than one sentence was asked.
        words: each word on its own best box.
        phrases: the same words as phrases, each on one box.
        missing: whether the file is gone.
        unreadable: why the file cannot be read now, or could not when the index was last built; empty where it can. The
            hit is then as the picture was before.
        width: pixels.
        height: pixels.
        taken: when, ISO, local time.
        taken_from: what says so: "exif", the "name" of the file, or the time of the "file" itself.
        camera: make and model of what took it; empty where that is not known.
        meta: what the user knows of it.
        near_duplicates: near-duplicates that are not shown, where they are grouped.
        time: of a frame of a video, whole seconds from its beginning; None of a picture.
        duration: how long the video is, seconds; None of a picture.
        frames: how many frames of the video match, this one with them; 0 of a picture.
        moments: the best of the others, best first, where a video is one hit.
        reranked: the score of the run that looked again, whose words and phrases these are then (`rerank.py`).
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
        """When the frame is shown, in words to put behind the video's name, such as " at 0:07"; empty of a picture."""
        return "" if self.time is None else f" at {clock(self.time)}"

    def open_image(self, at_least: int = 0) -> Image.Image:
        """The picture or the frame, upright RGB.

        Args:
            at_least: a large picture may be made smaller, as long as both sides keep this many pixels; 0 for never.

        Raises:
            InputError: its file is gone, or cannot be read.
        """
        return open_image(self.path, at_least=at_least) if self.time is None else frame_at(self.path, self.time)

    @property
    def state(self) -> str:
        """What is wrong with its file, in a few words; empty where nothing is."""
        return "missing" if self.missing else f"unreadable: {self.unreadable}" if self.unreadable else ""

    def to_json(self) -> dict[str, Any]:
        """The same as plain values for `json.dumps`."""
        near_duplicates = [asdict(one) | {"path": str(one.path)} for one in self.near_duplicates]
        return with_former(asdict(self) | {"path": str(self.path), "near_duplicates": near_duplicates})

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, as `wordsight search --json` prints them."""
        return self.to_json()

    def _repr_html_(self) -> str:
        """The picture with the boxes of its phrases, for a notebook."""
        shown = self._marks()
        text = f"{self.path.name}{self.at}, score {self.score:.3f}{f' ({self.state})' if self.state else ''}"
        words = coloured([(printable(text), ""), *((mark.label, mark.colour) for mark in shown)])
        boxes = [Shown(mark.box, mark.colour, mark.label) for mark in shown]
        return scene(self._reopened(SIDE), boxes, printable(text), words)

    def _repr_png_(self) -> bytes | None:
        """The same as a picture; None where the file cannot be opened any more."""
        image = self._drawn(900)
        return None if image is None else png(image)

    def _drawn(self, width: int) -> Image.Image | None:
        """The picture with the boxes of its phrases, `width` pixels wide; None where it cannot be opened any more."""
        from wordsight.reports.draw import draw_marks

        image = self._reopened(width)
        return None if image is None else draw_marks(image, self._marks(), self.phrases, width=width)

    def _reopened(self, side: int) -> Image.Image | None:
        """The picture, at most `side` pixels wide and high; None where it cannot be opened any more."""
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
        hits: one page of them, best first.
        total: how many pictures there are to page through.
        first: the rank of the first of them, 1 is best.
        unknown: words of the query that the model does not know.
        poor_match: whether nothing here matches well, as even the best picture is less sure than `Curve.threshold`.
        parts: of the query: sentences without what is quoted in them, pictures, and texts that are written.
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
        """The same as plain values for `json.dumps`."""
        hits = [{"rank": rank} | hit.to_json() for rank, hit in enumerate(self.hits, self.first)]
        plain = {"total": self.total, "unknown": list(self.unknown), "poor_match": self.poor_match, "hits": hits}
        return with_former(plain)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, as `wordsight search --json` prints them."""
        return self.to_json()

    def to_pandas(self) -> "DataFrame":
        """A table, a row a hit: what `Hit.to_dict` has, with `rank` first, but `words` and `phrases`.

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
        """The same as one picture, without those whose file cannot be opened; None where there is none."""
        drawn = [image for hit in self.hits if (image := hit._drawn(SIDE)) is not None]
        return png(side_by_side(drawn)) if drawn else None

    def __str__(self) -> str:
        """A line a picture, and below it a line a phrase, with its box in percent of width and height."""
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

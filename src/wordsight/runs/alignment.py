"""Alignment: the box of each word of a sentence, as plain values, a table, a drawing, and a notebook's view."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from wordsight.matching.alignment import GLANCED, Box, Glance
from wordsight.matching.segments import Segment
from wordsight.outputs import require_unread
from wordsight.runs.arguments import Picture, path_of, picture_of
from wordsight.vision.clips import still
from wordsight.vision.fragments import fragment
from wordsight.vision.images import open_image, reopened

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Alignment:
    """Alignment of a picture and a sentence: the box of each word.

    Attributes:
        words: T words, as the model reads them.
        known: for each word, whether the model knows it.
        boxes: T boxes, `xyxy` as fractions of the picture's width and height.
        strengths: T products of word and region; greater is surer; comparable only within one model.
        score: how well the sentence fits the picture, with each word on its own best box, less a share of the hubness
            of both if the model has a query bank (`matching/query_bank.py`).
        segments: runs of neighbouring words that share a box, in order.
        beta: the `beta` of `Aligner.align`; 0 if each word has its own best box.
        glances: the attention steps of a model that attends several times; empty for other models.
        picture: the picture, to show it in a notebook; None if unknown.
    """

    words: tuple[str, ...]
    known: tuple[bool, ...]
    boxes: tuple[Box, ...]
    strengths: tuple[float, ...]
    score: float
    segments: tuple[Segment, ...]
    beta: float
    glances: tuple[Glance, ...] = ()
    picture: Picture | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The same as plain values for `json.dumps`."""
        phrases = [
            {
                "phrase": " ".join(self.words[segment.start : segment.end]),
                "start": segment.start,
                "end": segment.end,
                "box": segment.box,
                "strength": segment.strength,
            }
            for segment in self.segments
        ]
        plain = asdict(replace(self, picture=None)) | {"segments": phrases}
        del plain["picture"]
        return plain

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, as `wordsight ground --json` prints them."""
        return self.to_json()

    def to_pandas(self) -> "DataFrame":
        """A table with a row per word: `word`, `known`, `strength`, and its box as fractions of the picture.

        Raises:
            InputError: pandas is not installed.
        """
        from wordsight.vision.notebook import EDGES, frame

        rows = zip(self.words, self.known, self.strengths, self.boxes, strict=True)
        return frame(
            [
                {"word": word, "known": known, "strength": strength} | dict(zip(EDGES, box, strict=True))
                for word, known, strength, box in rows
            ]
        )

    def _repr_html_(self) -> str:
        """The picture with its boxes and the sentence, for a notebook."""
        from wordsight.reports.marks import marks
        from wordsight.vision.notebook import Shown, coloured, scene

        shown = marks(self)
        colours = {word: mark.colour for mark in shown for word in mark.words}
        words = coloured([(word, colours.get(place, "")) for place, word in enumerate(self.words)])
        image = None if self.picture is None else reopened(self.picture)
        boxes = [Shown(mark.box, mark.colour, mark.label) for mark in shown]
        return scene(image, boxes, " ".join(self.words), f"{words} (score {self.score:.3f})")

    def _repr_png_(self) -> bytes | None:
        """The drawing of `draw`, for a notebook; None if the picture is unknown, or can no longer be opened."""
        from wordsight.vision.notebook import png

        image = None if self.picture is None else reopened(self.picture, 900)
        return None if image is None else png(self.drawn(image))

    def draw(self, picture: Picture, out: str | Path) -> None:
        """Draw the picture with its boxes and the sentence below, in the format of `out`'s suffix.

        A model that attends several times gets one picture per step, one below the other.

        Raises:
            InputError: the picture cannot be opened, or the file cannot be written or is the picture's own.
        """
        from wordsight.reports.draw import save

        out = Path(path_of(out, "a picture to write"))
        if isinstance(picture, str | Path):
            require_unread(out, [fragment(picture).file])
            image = still(picture)
        else:
            image = open_image(picture_of(picture))
        save(self.drawn(image), out)

    def drawn(self, image: Image.Image) -> Image.Image:
        """The drawing that `draw` writes."""
        from wordsight.reports.draw import draw, draw_glances

        return draw_glances(image, self.words, self.glances) if self.glances else draw(image, self)

    def __str__(self) -> str:
        """A line per segment (per word if beta is 0): its strength, and its box in percent of width and height."""
        single = [(place, place + 1) for place in range(len(self.words))]
        spans = [(segment.start, segment.end) for segment in self.segments] if self.beta else single
        texts = [" ".join(self.words[start:end]) for start, end in spans]
        head = "phrase" if self.beta else "word"
        width = max(map(len, (*texts, head)))
        lines = [f"score {self.score:.3f}", f"{head:{width}}  strength  left top right bottom (%)"]
        for text, (start, end) in zip(texts, spans, strict=True):
            places = " ".join(f"{100 * edge:4.0f}" for edge in self.boxes[start])
            unknown = [self.words[place] for place in range(start, end) if not self.known[place]]
            note = f"  (unknown word: {', '.join(unknown)})" if unknown else ""
            lines.append(f"{text:{width}}  {sum(self.strengths[start:end]):8.3f}  {places}{note}")
        lines += [f"step {number}: {self._glance(glance)}" for number, glance in enumerate(self.glances, 1)]
        return "\n".join(lines)

    def _glance(self, glance: Glance) -> str:
        """The words and the box of greatest attention in one step."""
        most = sorted(zip(glance.words, self.words, strict=True), reverse=True)[:GLANCED]
        read = ", ".join(f"{word} {share:.2f}" for share, word in most)
        places = " ".join(f"{100 * edge:.0f}" for edge in glance.boxes[0])
        return f"read {read}; looked at {places} ({glance.shares[0]:.2f})"

"""Captions of picture files and clips as JSON, text and drawings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from wordsight.captioning.captions import Caption, RegionCaption
from wordsight.errors import InputError, printable
from wordsight.matching.segments import BETA
from wordsight.metrics.coco_results import check_copies, check_results, write_captions
from wordsight.outputs import require_unread
from wordsight.reports.attention_maps import draw_attention
from wordsight.reports.draw import draw_regions, picture_format, save
from wordsight.reports.strip import draw_strip, stacked
from wordsight.runs.aligner import Aligner
from wordsight.runs.captioner import Captioner
from wordsight.runs.captions import picture_dict
from wordsight.vision.clips import frames, length, still
from wordsight.vision.fragments import fragment, is_video

DRAWN = 20  # most shots in one drawing


@dataclass(frozen=True)
class Described:
    """Captions of some picture files.

    Attributes:
        describer: the captioner.
        captions: path -> captions of the picture, of the clip or of a part of it (`clip.mp4#t=10,12`), best first; or
            captions of its regions.
        broken: path -> why it has no captions.
        regions: whether these are captions of regions.
    """

    describer: Captioner
    captions: Mapping[Path, Sequence[Caption]]
    broken: Mapping[Path, str]
    regions: bool

    def to_json(self) -> dict[str, Any]:
        """The same as plain values for `json.dumps`; a clip or a part of one has `start` and `end` in seconds."""
        pictures = []
        for path, said in self.captions.items():
            name = str(fragment(path).file)
            if self.regions:
                snippets = [one.to_dict() for one in said if isinstance(one, RegionCaption)]
                pictures.append({"picture": name, "regions": snippets} | self._times(path))
            else:
                pictures.append(picture_dict(name, said) | self._times(path))
        return {"pictures": pictures, "broken": {str(path): why for path, why in self.broken.items()}}

    def _times(self, path: Path) -> dict[str, float]:
        """`start` and `end` of a clip or a part of one, in seconds; empty for a picture, or if it went meanwhile."""
        part = fragment(path)
        if part.whole and not is_video(path) and not self.describer.encoder.settings.frames:
            return {}
        try:
            return {"start": round(part.start, 3), "end": round(part.start + length(path), 3)}
        except InputError:  # the file is not there any more, or not the same
            return {}

    def __str__(self) -> str:
        """Each path, then a line per caption: its confidence, and its times in the clip or its box in percent."""
        place = "  left top right bottom (%)" if self.regions else ""
        timed = any(not fragment(path).whole for path in self.captions)
        lines, before = [f"  confidence{'  start - end (s)' if timed else ''}{place}"], None
        for path, said in self.captions.items():
            part = fragment(path)
            if part.file != before:
                lines.append(printable(part.file))
            before = part.file
            times = self._times(path) if timed else {}
            when = f"  {times['start']:6.1f} - {times['end']:6.1f}" if times else " " * 17 * timed
            for one in said:
                box = "".join(f"{100 * edge:5.0f}" for edge in one.box) if isinstance(one, RegionCaption) else ""
                if one.certain is not False:
                    lines.append(f"  {one.confidence:10.2f}{when}{f'{box:23}' if box else ''}  {one.text}")
            if said and not any(one.certain is not False for one in said):
                lines.append(f"  {'-':>10}{when}  {said[0].answer}")
        return "\n".join(lines)

    def save(self, out: str | Path, alignment: Aligner | None = None) -> None:
        """Write the best captions as COCO results; or draw the only picture with its regions or its best caption.

        A caption is drawn word by word, with the boxes of an alignment or else the captioner's attention. The shots of
        one clip are drawn below each other.

        Raises:
            InputError: `out` cannot be written, or `check_out` would refuse it.
        """
        words, out = self.describer.model.attends or alignment is not None, Path(out)
        check_out(out, self.captions, regions=self.regions, words=words)
        if out.suffix.lower() == ".json":
            return write_captions(out, {path: said[0] for path, said in self.captions.items()})
        if len(self.captions) > DRAWN:
            raise InputError(f"{out}: expected at most {DRAWN} shots to draw, found {len(self.captions):,}.")
        return save(stacked([self._drawn(path, said, alignment) for path, said in self.captions.items()]), out)

    def _drawn(self, path: Path, said: Sequence[Caption], alignment: Aligner | None) -> Image.Image:
        """One picture, clip or part of a clip with its regions or its best caption."""
        count = self.describer.encoder.settings.frames
        if self.regions:
            return draw_regions(still(path), [one for one in said if isinstance(one, RegionCaption)])
        if alignment:
            image = still(path)
            return alignment.align(image, said[0].text, beta=BETA).drawn(image)
        attention = self.describer.attention(path, said[0].text)
        if count:
            return draw_strip(frames(path, count, at_least=STRIP), attention)
        return draw_attention(still(path), attention)


STRIP = 240  # least side of the frames of a strip, pixels, before they are drawn small


def check_out(out: Path, pictures: Iterable[Path], *, regions: bool, words: bool) -> None:
    """Check that `Described.save` can write to a file.

    Args:
        out: where to write.
        pictures: the picture files and clips, or parts of clips.
        regions: whether their regions are described.
        words: whether each word of a caption has a box or attention.

    Raises:
        InputError: the name has the wrong suffix, there is not exactly one picture to draw, or `out` or copies
            beside it (`check_copies`) would replace other files of the user's.
    """
    files = {fragment(path).file for path in pictures}
    require_unread(out, files)
    if not regions and out.suffix.lower() == ".json":
        check_results(out)
        return check_copies(out, files)
    if not regions and not words:
        raise InputError(
            f"{out}: expected a name that ends in .json, or an alignment, since this captioner does not look at single "
            "regions: a run that aligns, whose boxes are drawn."
        )
    picture_format(out)
    if len(files) != 1:
        raise InputError(f"{out}: expected one picture to draw on, found {len(files):,}.")

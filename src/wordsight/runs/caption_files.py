"""Picture files described, one or thousands: what `wordsight caption` does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import torch
from PIL import Image

from wordsight.captioning.captions import Caption, RegionCaption
from wordsight.captioning.decoding import Decoding, decoder
from wordsight.data.pictures import Listing
from wordsight.errors import InputError, printable
from wordsight.matching.segments import BETA
from wordsight.metrics.coco_results import write_captions
from wordsight.progress import Progress
from wordsight.reports.attention_maps import draw_attention
from wordsight.reports.draw import draw_regions, picture_format, save
from wordsight.reports.strip import draw_strip
from wordsight.runs.aligner import Aligner
from wordsight.runs.captioner import Captioner
from wordsight.runs.captions import picture_dict
from wordsight.vision.cache import FeatureCache, default_cache
from wordsight.vision.clips import frames
from wordsight.vision.images import open_image

ROWS = 64  # pictures described at once
LINES = 10  # things that cannot be read are listed, at most
Pixels = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True)
class Described:
    """What is said about some picture files.

    Attributes:
        describer: who says it.
        captions: path -> captions of the picture, best first; or snippets of its regions.
        broken: path -> why nothing is said.
        regions: whether these are snippets.
    """

    describer: Captioner
    captions: Mapping[Path, Sequence[Caption]]
    broken: Mapping[Path, str]
    regions: bool

    def to_json(self) -> dict[str, Any]:
        """The same as plain values for `json.dumps`."""
        if self.regions:
            pictures = [
                {
                    "picture": str(path),
                    "regions": [one.to_dict() for one in said if isinstance(one, RegionCaption)],
                }
                for path, said in self.captions.items()
            ]
        else:
            pictures = [picture_dict(str(path), said) for path, said in self.captions.items()]
        return {"pictures": pictures, "broken": {str(path): why for path, why in self.broken.items()}}

    def __str__(self) -> str:
        """Below each path a line a caption, with its confidence and, of a region, its place in percent."""
        lines = [f"  confidence{'  left top right bottom (%)' if self.regions else ''}"]
        for path, said in self.captions.items():
            lines.append(printable(path))
            for one in said:
                place = "".join(f"{100 * edge:5.0f}" for edge in one.box) if isinstance(one, RegionCaption) else ""
                if one.certain is not False:
                    lines.append(f"  {one.confidence:10.2f}{f'{place:23}' if place else ''}  {one.text}")
            if said and not any(one.certain is not False for one in said):
                lines.append(f"  {'-':>10}  {said[0].answer}")
        return "\n".join(lines)

    def save(self, out: str | Path, alignment: Aligner | None = None) -> None:
        """Write the best captions (`write_captions`); or draw the only picture: its regions, or its best caption.

        A caption is drawn word by word: where an alignment puts the words, or else where the captioner looked.

        Raises:
            InputError: it cannot be written, or `check_out` would refuse it.
        """
        words, out = self.describer.model.attends or alignment is not None, Path(out)
        check_out(out, len(self.captions), regions=self.regions, words=words)
        if out.suffix.lower() == ".json":
            return write_captions(out, {path: said[0] for path, said in self.captions.items()})
        ((path, said),) = self.captions.items()
        if self.regions:
            snippets = [one for one in said if isinstance(one, RegionCaption)]
            return save(draw_regions(open_image(path), snippets), out)
        if alignment:
            return alignment.align(path, said[0].text, beta=BETA).draw(path, out)
        attention = self.describer.attention(path, said[0].text)
        if count := self.describer.encoder.settings.frames:
            return save(draw_strip([one.image for one in frames(path, count)], attention), out)
        return save(draw_attention(open_image(path), attention), out)


def check_out(out: Path, pictures: int, *, regions: bool, words: bool) -> None:
    """Whether `Described.save` will know what to do.

    Args:
        out: where to write.
        pictures: how many there are.
        regions: whether they are described by regions.
        words: whether it is known what each word of a caption is about.

    Raises:
        InputError: a name of another ending than is expected, or several pictures to draw.
    """
    if not regions and out.suffix.lower() == ".json":
        return
    if not regions and not words:
        raise InputError(
            f"{out}: expected a name that ends in .json, or an alignment, since this captioner does not look at single "
            "regions: a run that aligns, whose boxes are drawn."
        )
    picture_format(out)
    if pictures != 1:
        raise InputError(f"{out}: expected one picture to draw on, found {pictures:,}.")


def caption_files(
    describer: Captioner,
    paths: Sequence[Path],
    *,
    regions: bool = False,
    boxes: Sequence[Pixels] = (),
    progress: Progress | None = None,
    **decoding: Unpack[Decoding],
) -> Described:
    """Describe picture files, or their regions; those that cannot be read are left out and listed.

    Args:
        describer: the captioner.
        paths: the files; what is seen of them is kept in the feature cache.
        regions: describe regions: the run's own proposals, of which the surest are kept.
        boxes: describe these regions instead, in each of the pictures: left, top, width and height in pixels.
        progress: who is told how far it is.
        **decoding: how words are chosen, see `Decoding`.

    Raises:
        InputError: none of the pictures can be described, or a number is out of its range.
    """
    progress = progress or Progress()
    decoder(**decoding)  # a number out of its range is said before the work
    regions = regions or bool(boxes)
    if regions and decoding.get("n_best", 1) != 1:
        raise InputError(f"n_best = {decoding['n_best']}: expected 1 for regions; each is given its best caption.")
    broken: dict[Path, str] = {}
    unlisted = paths.left_out if isinstance(paths, Listing) else {}
    captions: dict[Path, Sequence[Caption]] = {}
    if boxes:
        said = _boxed(describer, paths, boxes, broken, decoding)
    else:
        said = _seen(describer, paths, regions, broken, decoding, progress)
    with progress.task("captions") as count:
        for path, found in said:
            captions[path] = found
            count(len(captions), len(paths))
    broken = {path: broken[path] for path in paths if path in broken} | unlisted  # in their order
    if not captions:
        first = next(iter(broken.values()))
        raise InputError(first if len(broken) == 1 else f"None of the {len(broken):,} pictures can be used: {first}")
    if broken:
        progress.say(f"{len(broken):,} left out:")
        for line in first_lines(list(broken.values()), "with --json"):
            progress.say(line)
    return Described(describer, captions, broken, regions)


def first_lines(reasons: Sequence[str], where: str) -> list[str]:
    """Why things cannot be read, a line each, of the first ten; and where the others are."""
    lines = [f"  {printable(why)}" for why in reasons[:LINES]]
    more = len(reasons) - LINES
    return [*lines, f"  and {more:,} more, {where}"] if more > 0 else lines


SearchResults = Iterator[tuple[Path, Sequence[Caption]]]


def _seen(
    describer: Captioner,
    paths: Sequence[Path],
    regions: bool,
    broken: dict[Path, str],
    decoding: Decoding,
    progress: Progress,
) -> SearchResults:
    """Whole pictures or their proposals, from the cache or computed now."""
    with progress.task("features") as count:
        table = FeatureCache(default_cache(), describer.encoder).regions(paths, progress=count)
    broken.update(table.broken)
    rows = torch.arange(len(table))
    if regions:
        said: Iterator[Sequence[Caption]] = (describer.snippets(table.gather(row), **decoding) for row in rows.split(1))
    else:
        said = describer.captions((table.gather(some) for some in rows.split(ROWS)), **decoding)
    return zip((paths[place] for place in table.kept), said, strict=True)


def _boxed(
    describer: Captioner, paths: Sequence[Path], boxes: Sequence[Pixels], broken: dict[Path, str], decoding: Decoding
) -> SearchResults:
    """The same boxes of each picture."""
    for path in paths:
        try:
            image = open_image(path)
            said = describer.caption_regions(image, fractions(boxes, image, str(path)), **decoding)
        except InputError as error:
            broken[path] = str(error)
        else:
            yield path, said


def pixels(text: str) -> Pixels:
    """A box from the text "left,top,width,height".

    Raises:
        InputError: it is not four numbers.
    """
    try:
        left, top, width, height = map(float, text.split(","))
    except ValueError:
        raise InputError(f"box {text}: expected left,top,width,height in pixels, as in 10,20,100,50.") from None
    return left, top, width, height


def fractions(boxes: Sequence[Pixels], image: Image.Image, name: str) -> list[list[float]]:
    """Boxes in pixels, left, top, width and height, as `xyxy` fractions of a picture.

    Raises:
        InputError: one that is not inside the picture.
    """
    wide, high, found = image.width, image.height, []
    for left, top, width, height in boxes:
        right, bottom = left + width, top + height
        if not (0 <= left < right <= wide and 0 <= top < bottom <= high):
            raise InputError(
                f"{name}: the region {left:g},{top:g},{width:g},{height:g} (left, top, width, height) is not "
                f"inside the picture, which is {wide} x {high} pixels."
            )
        found.append([left / wide, top / high, right / wide, bottom / high])
    return found

"""Captions of picture files and clips, one or thousands: the work of `wordsight caption`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Unpack

import torch
from PIL import Image

from wordsight.captioning.captions import Caption
from wordsight.captioning.decoding import Decoding, decoder
from wordsight.data.pictures import Listing
from wordsight.errors import InputError, printable
from wordsight.progress import Progress
from wordsight.runs.captioner import Captioner
from wordsight.runs.described import Described
from wordsight.vision.cache import FeatureCache, default_cache
from wordsight.vision.clips import still
from wordsight.vision.shots import shots

ROWS = 64  # pictures described at once
LINES = 10  # maximum number of unreadable files that are listed
Pixels = tuple[float, float, float, float]  # left, top, width, height


def caption_files(
    describer: Captioner,
    paths: Sequence[Path],
    *,
    regions: bool = False,
    boxes: Sequence[Pixels] = (),
    by_shot: bool = False,
    progress: Progress | None = None,
    **decoding: Unpack[Decoding],
) -> Described:
    """Describe picture files and clips, or their regions; those that cannot be read are left out and listed.

    A captioner of pictures describes the frame in the middle of a video or of a shot.

    Args:
        describer: the captioner.
        paths: the files; their features are kept in the feature cache, except with `boxes`.
        regions: describe the run's own region proposals, of which the surest are kept.
        boxes: describe these regions of each picture instead: left, top, width and height in pixels.
        by_shot: describe each shot of a clip (`shots.py`); the path of each says which part it is.
        progress: receives updates; None prints to stderr.
        **decoding: decoding settings, see `Decoding`.

    Raises:
        InputError: none of the pictures can be described, or a number is out of range.
    """
    progress = progress or Progress()
    decoder(**decoding)  # refuse a number out of range before the work
    regions = regions or bool(boxes)
    if regions and decoding.get("n_best", 1) != 1:
        raise InputError(f"n_best = {decoding['n_best']}: expected 1 for regions; each is given its best caption.")
    if regions and describer.encoder.settings.frames:
        raise InputError(f"{describer.folder}: describes whole clips; expected neither regions nor boxes.")
    unlisted = paths.left_out if isinstance(paths, Listing) else {}
    wanted = paths
    paths, broken = _by_shot(paths, progress) if by_shot else (paths, {})
    captions: dict[Path, Sequence[Caption]] = {}
    if boxes:
        said = _boxed(describer, paths, boxes, broken, decoding)
    else:
        said = _seen(describer, paths, regions, broken, decoding, progress)
    with progress.task("captions") as count:
        for path, found in said:
            captions[path] = found
            count(len(captions), len(paths))
    broken = {path: broken[path] for path in (*wanted, *paths) if path in broken} | unlisted  # in the files' order
    say_left_out(broken, bool(captions), progress)
    return Described(describer, captions, broken, regions)


def _by_shot(paths: Sequence[Path], progress: Progress) -> tuple[list[Path], dict[Path, str]]:
    """The paths of all shots of the clips; and clip -> why it cannot be read."""
    found: list[Path] = []
    broken: dict[Path, str] = {}
    for path in paths:
        try:
            with progress.task("shots") as count:
                some = shots(path, count)
            found += [part.path for part in some] if len(some) > 1 or some[0].end else [path]
        except InputError as error:
            broken[path] = str(error)
    return found, broken


def say_left_out(broken: Mapping[Path, str], any_used: bool, progress: Progress) -> None:
    """Print which pictures are left out, and why.

    Raises:
        InputError: none of the pictures can be used.
    """
    if not any_used:
        first = next(iter(broken.values()))
        raise InputError(first if len(broken) == 1 else f"None of the {len(broken):,} pictures can be used: {first}")
    if broken:
        progress.say(f"{len(broken):,} left out:")
        for line in first_lines(list(broken.values()), "with --json"):
            progress.say(line)


def first_lines(reasons: Sequence[str], where: str) -> list[str]:
    """Why files cannot be read, a line for each of the first `LINES`; then how many more there are, and `where`."""
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
    """Captions of whole pictures or of their proposals; features come from the cache or are computed."""
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
    """Captions of the same boxes in each picture."""
    for path in paths:
        try:
            image = still(path)
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
        InputError: a box is not inside the picture.
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

"""Files and queries of `wordsight index` and `wordsight search`, for the command line and other interfaces."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wordsight.bundled import say_bundled
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.files import open_regular, read_text
from wordsight.progress import Progress
from wordsight.runs.caption_files import first_lines, fractions, pixels
from wordsight.runs.features import pictures_of
from wordsight.runs.recipe import DataSettings
from wordsight.search.annotations import read_meta
from wordsight.search.calibrate import CALIBRATE
from wordsight.search.create import mend_damage
from wordsight.search.frames import file_of, split
from wordsight.search.identity import is_index
from wordsight.search.index import Index
from wordsight.search.info import BROKEN
from wordsight.search.look import why
from wordsight.search.merge import unknown
from wordsight.search.query import Like, Part, Sentence, Written
from wordsight.search.sentences import best_sentences
from wordsight.vision.fragments import is_video
from wordsight.vision.images import open_image
from wordsight.vision.video_frames import frame_at

_WEIGHT = re.compile(r"(.*)\^\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*", re.DOTALL)


def create(folder: Path, pictures: Sequence[Path], model: Path | None, device: str) -> Index:
    """Create an index, if one of the pictures can be opened, or open the index that exists.

    A new index of the bundled model says so; later commands do with `--verbose`.

    Raises:
        InputError: none of the pictures can be used, or as `Index.create`; nothing is created then.
    """
    mend_damage(folder, Progress())
    if not is_index(folder):
        if not pictures:
            raise InputError(f"{folder}: no index yet, and no picture to make one of.")
        broken: list[str] = []
        for path in pictures:
            try:
                with open_regular(path):  # refuse a pipe or a device
                    frame_at(path, 0) if is_video(path) else open_image(path, at_least=1)
                break
            except OSError as error:
                broken.append(f"{path}: {why(error)}")
            except InputError as error:
                broken.append(str(error))
        else:
            raise _none(len(pictures), broken[0])
        index = Index.create(folder, model, device)
        if index.bundled:
            say_bundled()
        return index
    index = Index(folder, device)
    index.require_model(model)
    return index


def require_usable(meta: Path | None, calibration: Path | None = None) -> None:
    """Check, before a build, the files that are read after it.

    Args:
        meta: metadata of pictures.
        calibration: the dataset to learn confidence from; or `none`.

    Raises:
        InputError: one of them cannot be used.
    """
    if meta:
        read_meta(meta)
    if calibration and calibration != Path("none"):
        found = len(pictures_of(load_dataset(calibration), "val", DataSettings(str(calibration))))
        if found < 2:
            raise InputError(f"{calibration}: expected at least 2 pictures in the split 'val', found {found}.")


def build(
    index: Index,
    pictures: Sequence[Path],
    *,
    prune: bool = False,
    force: bool | Callable[[str], bool] = False,
    repair: bool = True,
    meta: Path | None = None,
    text: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Update an index; files that cannot be read are left out and listed.

    Args:
        index: the index.
        pictures: files; or the `Listing` of what was named.
        prune: remove pictures whose files are gone.
        force: prune even where a drive may be missing; or a function that decides.
        repair: compute damaged rows again.
        meta: a CSV or JSON file of the pictures' metadata.
        text: read the text in pictures.
        progress: receives the progress.

    Returns:
        `index`, its folder; `added`, `refreshed`, `moved`, `unchanged`, `forgotten`; `pictures`, `videos` and their
        `frames` in the index now; `broken`, and `unknown`: names in `meta` that no picture has.

    Raises:
        InputError: none of the pictures can be used, the index cannot be written, `prune` is refused, or a file cannot
            be used.
    """
    progress = progress or Progress()
    built = index.build(pictures, prune=prune, force=force, repair=repair, text=text, progress=progress)
    if not built.done and (built.broken or not prune):
        raise _none(len(built.broken), next(iter(built.broken.values()), "there is none."))
    lost = index.annotate(meta) if meta else []
    if lost:
        progress.say(f"{meta}: {len(lost):,} names are no picture of the index, the first is {lost[0]}")
    if built.broken:
        progress.say(f"{len(built.broken):,} left out:")
        for line in first_lines(list(built.broken.values()), f"in {index.folder / BROKEN}"):
            progress.say(line)
    for line in first_lines(built.unread, "again with the next build"):
        progress.say(line)
    counts = {"added": len(built.added), "refreshed": len(built.refreshed), "moved": len(built.moved)}
    counts |= {"unchanged": built.unchanged, "forgotten": len(set(map(file_of, built.forgotten)))}
    there = index.info()
    counts |= {name: there[name] for name in ("pictures", "videos", "frames")}
    return {"index": str(index.folder)} | counts | {"broken": built.broken, "unknown": lost}


def _none(count: int, reason: str) -> InputError:
    return InputError(reason if count == 1 else f"None of the {count:,} pictures can be used: {reason}")


def calibrate(index: Index, data: Path | None = None, progress: Progress | None = None) -> None:
    """Calibrate the confidence of an index's hits.

    Args:
        index: the index.
        data: a dataset to fit on; None for the model's own, if the index is not calibrated yet and they are available.
        progress: receives the progress, and the reason if the model's own data cannot be used.

    Raises:
        InputError: `data` cannot be used, or the index cannot be written.
    """
    progress = progress or Progress()
    if data:
        index.calibrate(data, progress)
    elif not index.info()["calibration"]:
        try:
            index.calibrate(None, progress)
        except InputError as error:
            progress.say(f"{index.folder}: does not know how sure its hits are; {CALIBRATE} ({error})")


def merge_all(into: Index, others: Sequence[Path]) -> dict[str, Any]:
    """Add the pictures of other indexes.

    Raises:
        InputError: one of them is not an index, or has another model.
    """
    counts = [into.merge(other) for other in others]
    for sentence in unknown(into.opened):
        Progress().say(sentence)
    pictures = into.info()["pictures"]
    return {"added": sum(new for new, _ in counts), "known": sum(old for _, old in counts), "pictures": pictures}


def query(sentences: Sequence[str], pictures: Sequence[Path], box: str | None, texts: Sequence[str] = ()) -> list[Part]:
    """The parts of a query on a command line.

    Args:
        sentences: each may end in `^` and its weight, as in "grass^-0.5".
        pictures: each counts as much as a sentence.
        box: left,top,width,height in pixels, in the only picture.
        texts: texts that must be written in the pictures found.

    Raises:
        InputError: the query is empty, or a box is not inside its picture.
    """
    asked: list[Part] = []
    for text in sentences:
        weighted = _WEIGHT.fullmatch(text)
        asked.append(Sentence(weighted[1], float(weighted[2])) if weighted else Sentence(text))
    if box and len(pictures) != 1:
        raise InputError(f"--box {box}: expected together with one --picture, found {len(pictures)}.")
    asked += [like(picture, box) for picture in pictures]
    asked += map(Written, texts)
    if not asked:
        raise InputError("The query is empty: expected a sentence, --picture or --text.")
    return asked


def like(picture: Path, box: str | None) -> Like:
    """A query by a picture, by a frame such as `clip.mp4#t=7`, or by a box of it in pixels: left,top,width,height.

    Raises:
        InputError: it cannot be opened, or the box is not inside it.
    """
    file, time = split(str(picture))
    video = time is not None and is_video(file) and not picture.exists()
    if not (box or video):
        return Like(picture)
    image = frame_at(Path(file), time or 0) if video else open_image(picture)
    if not box:
        return Like(image)
    return Like(image, tuple(fractions([pixels(box)], image, str(picture))[0]))


def sentences_for(index: Index, asked: Sequence[Part], file: Path, count: int) -> dict[str, Any]:
    """The lines of a text file that fit a picture best.

    Raises:
        InputError: the query is not one picture, or the file cannot be read.
    """
    if len(asked) != 1 or not isinstance(asked[0], Like):
        raise InputError(f"--captions {file}: expected one --picture, and no sentence.")
    lines = [line.strip() for line in read_text(file).split("\n") if line.strip()]
    if not lines:
        raise InputError(f"{file}: expected a caption a line, found none.")
    found = best_sentences(index.run, asked[0], lines, count)
    return {"captions": [{"caption": text, "score": score} for text, score in found]}


def built_text(figures: dict[str, Any]) -> str:
    """Summary of a build, in one line."""
    parts = [
        f"{figures[key]:,} {key}" for key in ("added", "refreshed", "moved", "unchanged", "forgotten") if figures[key]
    ]
    parts += [f"{len(figures['broken']):,} broken"] if figures["broken"] else []
    videos = f", {figures['videos']:,} videos with {figures['frames']:,} frames" if figures["videos"] else ""
    return f"{figures['index']}: {figures['pictures']:,} pictures{videos} ({', '.join(parts) or 'nothing to do'})"


def info_text(figures: dict[str, Any]) -> str:
    """Summary of an index, in lines."""
    fitted = figures["calibration"]
    known = f"on {fitted['pictures']:,} pictures with {fitted['queries']:,} queries" if fitted else f"no; {CALIBRATE}"
    lines = [
        f"pictures    {figures['pictures']:,}",
        *([f"videos      {figures['videos']:,}, {figures['frames']:,} frames of them"] if figures["videos"] else []),
        f"regions     {figures['regions']:,} of {figures['size']} numbers, {figures['unused_regions']:,} more unused",
        f"disk        {figures['bytes'] / 2**20:,.1f} MiB",
        *([f"compact     {figures['compact']} bytes a region"] if figures["compact"] else []),
        f"model       {figures['model']}{' (the small model that comes with wordsight)' if figures['bundled'] else ''}",
        f"calibrated  {known}",
        f"broken      {len(figures['broken']):,}",
    ]
    return "\n".join([*lines, *first_lines(list(figures["broken"].values()), "with --json")])


def captions_text(found: dict[str, Any]) -> str:
    """One line per caption, with its score in front."""
    return "\n".join(f"{one['score']:8.3f}  {one['caption']}" for one in found["captions"])

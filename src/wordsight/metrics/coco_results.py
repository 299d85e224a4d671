"""COCO results files of captions: a JSON list of `{"image_id", "caption"}`."""

import re
from collections.abc import Sequence
from pathlib import Path

from wordsight.files import to_json, write_text
from wordsight.metrics.captions import Id

_NUMBERED = re.compile(r"(?:COCO_\w+_)?(\d+)", re.ASCII)  # 391895.jpg, COCO_val2014_000000391895.jpg


def image_ids(pictures: Sequence[str]) -> list[Id]:
    """Picture ids of a results file.

    Args:
        pictures: their names or paths, each once.

    Returns:
        For each the number in its file name, if it is all digits or as in COCO; else the file name. If two would be
        equal, all are as given.
    """
    found = [_image_id(Path(picture)) for picture in pictures]
    return found if len(set(found)) == len(found) else list(pictures)


def _image_id(picture: Path) -> Id:
    match = _NUMBERED.fullmatch(picture.stem)
    return int(match[1]) if match else picture.name


def write_results(out: Path, pictures: Sequence[str], captions: Sequence[str]) -> None:
    """Write a caption of each picture as a results file; `pictures` as for `image_ids`.

    Raises:
        InputError: it cannot be written.
    """
    said = zip(image_ids(pictures), captions, strict=True)
    results = [{"image_id": number, "caption": caption} for number, caption in said]
    write_text(out, to_json(results, indent=0) + "\n")

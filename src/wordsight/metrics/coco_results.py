"""Caption files: COCO results, NeuralTalk's `result_struct.json`, and NeuralTalk2's `vis.json`.

A COCO results file is a JSON list of `{"image_id", "caption"}`; `vis.json` is one with numbered pictures beside it.
"""

import io
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import describe, field, read_bytes, read_json, reason, to_json, write_bytes, write_text
from wordsight.metrics.captions import Id, picture_id
from wordsight.vision.clips import still
from wordsight.vision.fragments import fragment

_NUMBERED = re.compile(r"(?:COCO_\w+_)?(\d{1,18})", re.ASCII)  # 391895.jpg, COCO_val2014_000000391895.jpg
VIS, COPIES = "vis.json", "imgs"  # NeuralTalk2's captions, and the folder of numbered pictures beside them
_FOLDERS = 8  # maximum parts of a path that are compared
_SHOWN = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8")  # first bytes of what every browser shows: JPEG, PNG, GIF


def image_ids(pictures: Sequence[str]) -> list[Id]:
    """Picture ids for a results file.

    Args:
        pictures: their names or paths, each once.

    Returns:
        For each, the number in its file name, if the name is all digits or as in COCO; else the file name. If two ids
        would be equal, all names as given.
    """
    found = [_image_id(Path(picture)) for picture in pictures]
    return found if len(set(found)) == len(found) else list(pictures)


def _image_id(picture: Path) -> Id:
    match = _NUMBERED.fullmatch(picture.stem)
    return int(match[1]) if match else picture.name


class Said(NamedTuple):
    """A caption in a file, with the names of its picture, the best first, and its references if the file has them."""

    pictures: tuple[Id, ...]
    caption: str
    references: tuple[str, ...] = ()


def read_captions(path: Path) -> list[Said]:
    """Read a captions file of any of the three layouts.

    Raises:
        InputError: it cannot be read, has another layout or no captions, or a key is missing or of the wrong type.
    """
    content = read_json(path)
    if isinstance(content, dict) and "imgblobs" in content:
        blobs = field(content, "imgblobs", list, str(path))
        found = [_blob(blob, f"{path}, imgblobs[{number}]") for number, blob in enumerate(blobs)]
    elif isinstance(content, list):
        found = [_result(record, f"{path}, [{number}]") for number, record in enumerate(content)]
    else:
        raise InputError(
            f"{path}: expected a list of captions with the key 'image_id', or an object with 'imgblobs' as NeuralTalk "
            f"writes it, found {describe(content)}."
        )
    if not found:
        raise InputError(f"{path}: there are no captions in it.")
    return found


def _result(record: object, where: str) -> Said:
    file = record.get("file_name") if isinstance(record, dict) else None
    named = (file,) if isinstance(file, str) and file else ()
    return Said((*named, picture_id(record, "image_id", where)), field(record, "caption", str, where))


def _blob(blob: object, where: str) -> Said:
    candidate = field(blob, "candidate", dict, where)
    assert isinstance(blob, dict)
    told = [] if blob.get("references") is None else blob["references"]
    if not isinstance(told, list):
        raise InputError(f"{where}, key 'references': expected a list, found {describe(told)}.")
    references = tuple(field(one, "text", str, f"{where}, references[{number}]") for number, one in enumerate(told))
    return Said((field(blob, "img_path", str, where),), field(candidate, "text", str, where), references)


def names_of(pictures: Sequence[Id], files: Mapping[Id, str] = {}) -> dict[Id, list[Id]]:
    """Names of pictures in a file: name, end of the path, stem or number -> the pictures that each may mean.

    Args:
        pictures: their names or ids, each once; a full name or id means that picture alone.
        files: their file names, where `pictures` are ids.
    """
    known: dict[Id, list[Id]] = {picture: [picture] for picture in pictures}
    for picture in pictures:
        for key in {*_names(picture), *_names(files.get(picture, picture))}:
            some = known.setdefault(key, [])
            if some != [key] and picture not in some:
                some.append(picture)
    return known


def by_picture(said: Sequence[Said], known: Mapping[Id, Sequence[Id]], where: str) -> dict[Id, str]:
    """Captions by picture: each goes to the only picture that its name may mean.

    A number beside a file name counts only if the pictures have no file names: it may be a mere serial number.

    Args:
        said: captions of a file.
        known: see `names_of`.
        where: the file.

    Raises:
        InputError: a caption's name means no picture or several, or a picture has two captions.
    """
    captions: dict[Id, str] = {}
    named = any(isinstance(key, str) for key in known)
    for one in said:
        keys = [key for name in (one.pictures[:1] if named else one.pictures) for key in _names(name)]
        found: Sequence[Id] = next((known[key] for key in keys if key in known), ())
        if len(found) != 1:
            raise InputError(f"{where}: {_not_one(one.pictures[0], found, known)}")
        if found[0] in captions:
            raise InputError(f"{where}: picture {one.pictures[0]!r} has a caption already; one is expected.")
        captions[found[0]] = one.caption
    return captions


def captions_of(said: Sequence[Said], pictures: Sequence[Picture], where: str) -> dict[Id, str]:
    """Captions by the names of a dataset's pictures, which go by their ids if all have one; see `by_picture`."""
    ids: dict[Id, str] = {one.image_id: one.name for one in pictures if one.image_id is not None}
    if len(ids) < len(pictures):
        ids = {picture.name: picture.name for picture in pictures}
    return {ids[one]: caption for one, caption in by_picture(said, names_of(list(ids), ids), where).items()}


def _not_one(name: Id, found: Sequence[Id], known: Mapping[Id, Sequence[Id]]) -> str:
    if found:
        return f"{name!r} may be {len(found):,} pictures of the dataset, such as {found[0]!r} and {found[1]!r}."
    return f"the dataset has no picture {name!r}; its first is {next(iter(known))!r}."


def _names(picture: Id) -> list[Id]:
    """Possible names of a picture, the surest first: as given, ends of its path, its stem, its number.

    Case, Unicode form and direction of slashes matter only in the first.
    """
    if isinstance(picture, int):
        return [picture]
    path = unicodedata.normalize("NFC", picture).replace("\\", "/").lower()
    parts = path.split("/")[-_FOLDERS:]
    ends = ["/".join(parts[first:]) for first in range(len(parts))]
    return [picture, path, *ends, Path(ends[-1]).stem, _image_id(Path(picture.replace("\\", "/")))]


def write_results(out: Path, pictures: Sequence[str], captions: Sequence[str]) -> None:
    """Write one caption for each picture as a COCO results file; `pictures` as for `image_ids`.

    Raises:
        InputError: it cannot be written.
    """
    said = zip(image_ids(pictures), captions, strict=True)
    results = [{"image_id": number, "caption": caption} for number, caption in said]
    write_text(out, to_json(results, indent=0) + "\n")


def write_captions(out: Path, said: Mapping[Path, Any]) -> None:
    """Write the best caption of each picture file, in the layout that the file's name asks for.

    `result_struct.json` is NeuralTalk's, with the path and log-probability of each. `vis.json` is NeuralTalk2's: the
    pictures (one frame of a clip) are numbered and copied to `imgs/imgN.jpg` beside it, where its page looks for them.
    Any other name gives a COCO results file.

    Args:
        out: a name that ends in `.json`.
        said: path of a picture, a clip or a part of one -> its best caption, with `text` and `log_prob`.

    Raises:
        InputError: it cannot be written, a picture cannot be copied, or `check_copies` refuses it.
    """
    if out.name == "result_struct.json":
        blobs = [
            {"img_path": str(path), "candidate": {"text": one.text, "logprob": one.log_prob}}
            for path, one in said.items()
        ]
        result = {"params": {}, "checkpoint_params": {"dataset": ""}, "imgblobs": blobs, "gtppl": 0.0}
        return write_text(out, to_json(result, indent=0) + "\n")
    if out.name != VIS:
        return write_results(out, list(map(str, said)), [one.text for one in said.values()])
    check_copies(out, said)
    folder = out.parent / COPIES
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make this folder ({reason(error)}).") from None
    records = []
    for number, (path, one) in enumerate(said.items(), 1):
        write_bytes(folder / f"img{number}.jpg", _shown(path))
        records.append({"image_id": number, "caption": one.text, "file_name": str(path)})
    return write_text(out, to_json(records, indent=0) + "\n")


def check_results(out: Path) -> None:
    """Check that a file is new or empty, or holds captions.

    Raises:
        InputError: it is another file, which would be replaced.
    """
    try:
        if os.path.exists(out) and os.path.getsize(out) and read_json(out) != []:
            read_captions(out)
    except InputError:
        raise InputError(f"{out}: is there already, and holds no captions; expected another file to write.") from None


def check_copies(out: Path, pictures: Iterable[Path]) -> None:
    """Check that the copies beside a `vis.json` (`write_captions`) replace nothing but the copies of an earlier one.

    Raises:
        InputError: pictures to copy are in the folder of the copies, or it has numbered pictures and no `vis.json`.
    """
    folder = out.parent / COPIES
    if out.name != VIS or not folder.is_dir():
        return
    if inside := [path for path in pictures if os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)]:
        raise InputError(
            f"{out}: numbered copies of the pictures are written to {folder}, where {inside[0].name} is; expected "
            f"another folder for {VIS}."
        )
    if not out.exists() and (numbered := sorted(folder.glob("img[0-9]*.jpg"))):
        raise InputError(
            f"{out}: numbered copies of the pictures would replace {numbered[0]} and others, which belong to no {VIS}; "
            f"expected another folder."
        )


def _shown(path: Path) -> bytes:
    """A picture for a browser: a JPEG, PNG or GIF file unchanged, others as JPEG; of a clip, the middle frame."""
    if fragment(path).whole:
        try:
            content = read_bytes(path)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {reason(error)}.") from error
        if content.startswith(_SHOWN):
            return content
    still(path).convert("RGB").save(into := io.BytesIO(), "JPEG", quality=90)
    return into.getvalue()

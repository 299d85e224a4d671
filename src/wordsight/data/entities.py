"""Phrase-box annotations (Flickr30k Entities, Plummer et al. 2015): the ground truth of grounding, never trained on."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from wordsight.data.entities_files import EntitiesFiles
from wordsight.errors import InputError
from wordsight.files import describe, field, read_json
from wordsight.text.tokens import tokenise

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Phrase:
    """A phrase of a sentence, with its boxes in the picture.

    Attributes:
        picture: the picture's name.
        sentence: the whole sentence.
        start: the phrase's first word among `tokenise(sentence)`.
        end: one past its last word.
        text: the phrase as written.
        kinds: its types, at least one: "people", "clothing", "bodyparts", "animals", "vehicles", "instruments",
            "scene", "other", "notvisual", or another in the file. A few phrases have two.
        boxes: `xyxy` fractions of the picture's width and height, 0 to 1; empty for what is invisible or has no place.
    """

    picture: str
    sentence: str
    start: int
    end: int
    text: str
    kinds: tuple[str, ...]
    boxes: tuple[Box, ...]


def load_phrases(folder: Path, names: Collection[str], *, boxed: bool = True) -> list[Phrase]:
    """Load the phrases of a dataset's pictures, from `entities.json` or the files of Flickr30k Entities beside it.

    If the file marks which of its sentences are the dataset's captions, only those are used, else all.

    Args:
        folder: the dataset's folder (or a file in it).
        names: names of the pictures; those missing in the file are left out.
        boxed: leave out phrases without boxes, as grounding is not measured on them.

    Raises:
        InputError: the file is missing or malformed (the message names the key), or has no phrase with a box for any of
            the pictures.
    """
    path, content = require_entities(folder, "grounding is measured against the phrases and boxes in it")
    wanted = [name for name in dict.fromkeys(names) if name in content]
    phrases = [phrase for name in wanted for phrase in _phrases(name, content[name], f"{path}, {name}")]
    if not any(phrase.boxes for phrase in phrases):
        raise InputError(f"{path} has no phrase with a box for any of the {len(names)} pictures.")
    return [phrase for phrase in phrases if phrase.boxes] if boxed else phrases


def require_entities(folder: Path, why: str) -> tuple[Path, Mapping[str, object]]:
    """The phrases and boxes of a dataset: the path of `entities.json`, and its records by picture.

    Without that file: the folder of Flickr30k Entities' `Sentences` and `Annotations`; records are read on access.

    Args:
        folder: the dataset's folder (or a file in it).
        why: what the file is needed for, as a clause of the error message.

    Raises:
        InputError: both are missing, or the file is not a JSON object.
    """
    folder = Path(folder)
    folder = folder if folder.is_dir() else folder.parent
    path = folder / "entities.json"
    if not path.exists():
        if (files := EntitiesFiles.of(folder)) is not None:
            return files.folder, files
        raise InputError(f"{path} is missing: {why}; so are the folders Sentences and Annotations in its place.")
    content = read_json(path, strict=True)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected records by picture, found {describe(content)}.")
    return path, content


def chain_boxes(record: object, where: str) -> dict[str, tuple[Box, ...]]:
    """The boxes, as fractions, of each chain in a picture's record; a chain links phrases for the same thing.

    Raises:
        InputError: a key is missing or malformed.
    """
    width, height = field(record, "w", int, where), field(record, "h", int, where)
    if width < 1 or height < 1:
        raise InputError(f"{where}: expected a width 'w' and a height 'h' of at least 1, found {width} and {height}.")
    boxes = field(record, "boxes_xyxy_1based", dict, where)
    corners = {chain: field(boxes, chain, list, where) for chain in boxes}
    return {
        chain: tuple(_fractions(box, width, height, f"{where}, chain {chain}") for box in some)
        for chain, some in corners.items()
    }


def _phrases(name: str, record: object, where: str) -> Iterator[Phrase]:
    fractions = chain_boxes(record, where)
    sentences = field(record, "sentences", list, where)
    captions = record.get("flickr8k_caption_to_sentence") if isinstance(record, dict) else None
    used = list(captions.values()) if isinstance(captions, dict) else None
    for caption, number in captions.items() if isinstance(captions, dict) else ():
        if number is not None and (type(number) is not int or not 0 <= number < len(sentences)):
            raise InputError(
                f"{where}, flickr8k_caption_to_sentence, key {caption!r}: expected the number of one of "
                f"{len(sentences)} sentences, from 0, found {number!r}."
            )
    for number, sentence in enumerate(sentences):
        if used is None or number in used:
            yield from _in_sentence(name, sentence, fractions, f"{where}, sentences[{number}]")


def _in_sentence(name: str, sentence: object, boxes: dict[str, tuple[Box, ...]], where: str) -> Iterator[Phrase]:
    text = field(sentence, "text", str, where)
    # Positions of phrases count words separated by spaces: before[i] is the number of tokens before the i-th word.
    before = [0, *accumulate(len(tokenise(piece)) for piece in text.split())]
    for number, phrase in enumerate(field(sentence, "phrases", list, where)):
        place = f"{where}, phrases[{number}]"
        start, length = field(phrase, "start", int, place), field(phrase, "len", int, place)
        if start < 0 or length < 1 or start + length >= len(before):
            raise InputError(f"{place}: words {start} to {start + length} are not in the sentence '{text}'.")
        first, end = before[start], before[start + length]
        written, meant = field(phrase, "text", str, place), " ".join(text.split()[start : start + length])
        if tokenise(written) != tokenise(meant):
            raise InputError(
                f"{place}, key 'text': expected '{meant}', the words {start} to {start + length} of the sentence, "
                f"found {written!r}."
            )
        found = boxes.get(field(phrase, "chain", str, place), ())
        if first < end:
            kinds = tuple(map(str, field(phrase, "types", list, place))) or ("other",)
            yield Phrase(name, text, first, end, written, kinds, found)


def _is_pixel(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**31


def _fractions(box: object, width: int, height: int, where: str) -> Box:
    """Convert a box from pixels, 1-based with inclusive ends, to fractions."""
    if not isinstance(box, list) or len(box) != 4 or not all(_is_pixel(value) for value in box):
        raise InputError(f"{where}: expected boxes of four numbers, found {describe(box)}.")
    if box[2] < box[0] or box[3] < box[1]:
        raise InputError(f"{where}: expected boxes of left, top, right and bottom, found {box}.")
    if box[0] > width or box[1] > height or box[2] < 1 or box[3] < 1:
        raise InputError(f"{where}: expected boxes in the picture of {width} by {height} pixels, found {box}.")
    left, right = (min(max(value / width, 0.0), 1.0) for value in (box[0] - 1, box[2]))
    top, bottom = (min(max(value / height, 0.0), 1.0) for value in (box[1] - 1, box[3]))
    return left, top, right, bottom

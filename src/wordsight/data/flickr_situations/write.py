"""Situations from captions: the five sentences about a picture stand for five annotators of its verb and roles.

The sentences' noun phrases and boxes are those of `entities.json`; the verbs, roles and templates are imSitu's.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wordsight.data.entities import chain_boxes, require_entities
from wordsight.data.flickr_situations.chunks import Chunk, Piece, chunks, pieces_of
from wordsight.data.flickr_situations.events import Event, Reader
from wordsight.data.flickr_situations.noun_words import NO_PLACES, PLACES
from wordsight.data.flickr_situations.verb_words import markers, meanings
from wordsight.data.frames import Box
from wordsight.data.made import new_folder
from wordsight.data.records import Dataset, Picture
from wordsight.data.situations import Situations
from wordsight.data.verbs import SPACE, Verb
from wordsight.errors import InputError
from wordsight.files import field, to_json

LEAST = 20  # minimum training pictures of a verb
AGREEING = 2  # minimum sentences that agree on a picture's verb
OFTEN = 3  # minimum training phrases with a noun; rarer ones are often misspelt
_FILES = {"val": "dev.json"}  # as imSitu names them
_MOTORS = frozenset(("motorcycle", "motorcyclist", "motocross"))


@dataclass(frozen=True)
class _Told:
    """A picture with its chunked sentences, and the events in each."""

    picture: Picture
    size: tuple[int, int]
    boxes: dict[str, tuple[Box, ...]]  # by chain
    sentences: list[list[Piece]]
    events: tuple[tuple[Event, ...], ...] = ()

    def votes(self) -> Counter[str]:
        """Verb -> number of sentences that say it."""
        return Counter(verb for some in self.events for verb in {event.verb for event in some})


def write_situations(
    dataset: Dataset, tables: Situations, out: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> dict[str, dict[str, int]]:
    """Write the situations of a dataset's pictures, in imSitu's layout with SWiG's boxes.

    A picture's verb is one that at least two of its sentences say; of several, the one with the most votes, weighted
    by the rarity of the verb. Each sentence that says it gives a frame; a role that the sentence leaves out is filled
    as in the others. Pictures are not copied: the files hold their paths.

    Args:
        dataset: with an `entities.json` in its folder.
        tables: imSitu's verbs, and its annotations, which give the synset of a noun.
        out: the folder to make; it appears only when complete.
        progress: receives the number of pictures read, and the total.

    Returns:
        For each split the numbers of "pictures", "verbs", "frames", "nouns" and "filled" roles.

    Raises:
        InputError: `entities.json` is missing or malformed, no verb has enough training pictures, or the folder is not
            empty or cannot be written.
    """
    with new_folder(Path(out)) as folder:
        (folder / "images").rmdir()  # pictures are not copied
        told = _told(list(_read(dataset, progress)), tables)
        verb_of = _verbs_of(told)
        if not verb_of:
            raise InputError(
                f"{dataset.root}: expected a verb of imSitu in the sentences of {LEAST} training pictures."
            )
        synsets = _synsets(tables)
        rows: dict[str, dict[str, Any]] = {}
        for one in told:
            name, split = one.picture.name, one.picture.split
            if name in verb_of:
                rows.setdefault(split, {})[name] = _row(one, tables.verbs[verb_of[name]], synsets)
        files = {_FILES.get(split, f"{split}.json"): some for split, some in rows.items()}
        for file, content in {SPACE: _space(rows, tables, synsets), **files}.items():
            (folder / file).write_text(to_json(content, ascii_only=True), encoding="utf-8")
    return {split: _counts(some) for split, some in rows.items()}


def _read(dataset: Dataset, progress: Callable[[int, int], None]) -> Iterator[_Told]:
    path, records = require_entities(dataset.root, "situations are read from the phrases and boxes in it")
    for done, picture in enumerate(dataset.pictures):
        if picture.name in records:
            progress(done, len(dataset.pictures))
            record, where = records[picture.name], f"{path}, {picture.name}"
            said = enumerate(field(record, "sentences", list, where))
            pieces = [pieces_of(one, f"{where}, sentences[{number}]") for number, one in said]
            size = (field(record, "w", int, where), field(record, "h", int, where))
            yield _Told(picture, size, chain_boxes(record, where), _same_bikes(pieces))


def _same_bikes(sentences: list[list[Piece]]) -> list[list[Piece]]:
    """The sentences with "bike" as a motorcycle and "biker" as its rider if any says so, else bicycle and cyclist."""
    motors = bool(_MOTORS & {chunk.head for chunk in chunks(sentences)})
    means = {"bike": ("bicycle", "motorcycle")[motors], "biker": ("cyclist", "motorcyclist")[motors]}
    return [
        [replace(one, head=means.get(one.head, one.head)) if isinstance(one, Chunk) else one for one in pieces]
        for pieces in sentences
    ]


def _told(read: list[_Told], tables: Situations) -> list[_Told]:
    """The pictures with the events of their sentences."""
    kinds: dict[str, Counter[str]] = {}  # head noun -> its kinds in training
    for one in read:
        for chunk in chunks(one.sentences):
            kinds.setdefault(chunk.head, Counter())[chunk.kind] += one.picture.split == "train"
    scenes = {head for head, some in kinds.items() if some["scene"] * 2 > some.total()}
    frames = (frame for one in tables.situations for frame in one.frames)
    reader = Reader(
        words=meanings(tables.verbs),
        markers={name: markers(verb) for name, verb in tables.verbs.items()},
        places=(PLACES | scenes) - NO_PLACES,
        usual=frozenset((role, tables.nouns[noun]) for frame in frames for role, noun in frame.items() if noun),
        rare=frozenset(head for head, some in kinds.items() if some.total() < OFTEN),
    )
    return [replace(one, events=tuple(tuple(reader.events(pieces)) for pieces in one.sentences)) for one in read]


def _verbs_of(told: list[_Told]) -> dict[str, str]:
    """The verb of each picture that has one; other verbs replace those with too few training pictures."""
    votes = {one.picture.name: one.votes() for one in told}
    training = [one.picture.name for one in told if one.picture.split == "train"]
    common = Counter(verb for name in training for verb in votes[name])
    rarity = {verb: math.log((len(training) + 1) / count) for verb, count in common.items()}
    while True:
        found = {}
        for name, some in votes.items():
            if agreed := [verb for verb, count in some.items() if verb in rarity and count >= AGREEING]:
                found[name] = min((-some[verb] * rarity[verb], verb) for verb in agreed)[1]
        counts = Counter(found[name] for name in training if name in found)
        rare = [verb for verb in set(found.values()) if counts[verb] < LEAST]
        if not rare:
            return found
        del rarity[min(rare, key=lambda verb: (counts[verb], verb))]


def _synsets(tables: Situations) -> dict[str, str]:
    """Word -> the noun of imSitu with this gloss that fills the most roles."""
    counts = Counter(noun for one in tables.situations for frame in one.frames for noun in frame.values())
    ranked = sorted(tables.nouns, key=lambda noun: (counts[noun], noun))
    return {tables.nouns[noun]: noun for noun in ranked}  # of several nouns for a word, the last is kept


def _row(one: _Told, verb: Verb, synsets: dict[str, str]) -> dict[str, Any]:
    """A picture's row of the annotations."""
    filled = list(_filled(one, verb))
    by_role = {role: [some[role] for some in filled if role in some] for role in verb.roles}
    if "place" in by_role and not by_role["place"]:
        by_role["place"] = [event.places[0] for some in one.events for event in some if event.places]
    common = {role: _most(chunk.head for chunk in some) for role, some in by_role.items()}
    frames = [{role: some[role].head if role in some else common[role] for role in verb.roles} for some in filled]
    chains = {role: _most(chunk.chain for chunk in some if chunk.chain in one.boxes) for role, some in by_role.items()}
    width, height = one.size
    return {
        "verb": verb.name,
        "path": str(one.picture.path),
        "width": width,
        "height": height,
        "frames": [{role: synsets.get(noun, noun) for role, noun in frame.items()} for frame in frames],
        "bb": {role: _around(one.boxes.get(chain, ()), width, height) for role, chain in chains.items()},
    }


def _filled(one: _Told, verb: Verb) -> Iterator[dict[str, Chunk]]:
    """For each sentence with this verb, the roles that its first event with the verb fills."""
    for some in one.events:
        if event := next((event for event in some if event.verb == verb.name), None):
            place = {"place": event.places[0]} if event.places else {}
            yield {role: chunk for role, chunk in {**place, **event.roles}.items() if role in verb.roles and chunk.head}


def _most(some: Iterable[str]) -> str:
    """The most frequent string, the first of equals; "" without any."""
    counted = Counter(some)
    return max(counted, key=lambda one: counted[one]) if counted else ""


def _around(boxes: tuple[Box, ...], width: int, height: int) -> list[int]:
    """The bounding box of all boxes, in pixels; -1 four times without any."""
    if not boxes:
        return [-1] * 4
    left, top, right, bottom = zip(*boxes, strict=True)
    return [round(min(left) * width), round(min(top) * height), round(max(right) * width), round(max(bottom) * height)]


def _space(rows: dict[str, dict[str, Any]], tables: Situations, synsets: dict[str, str]) -> dict[str, Any]:
    """The tables of the verbs and nouns that occur."""
    every = [row for some in rows.values() for row in some.values()]
    words = {noun: word for word, noun in synsets.items()}
    nouns = sorted({noun for row in every for frame in row["frames"] for noun in frame.values() if noun})
    verbs = [tables.verbs[name] for name in sorted({row["verb"] for row in every})]
    return {
        "verbs": {
            verb.name: {
                "def": verb.definition,
                "abstract": verb.template,
                "order": verb.roles,
                "roles": {role: {} for role in verb.roles},
            }
            for verb in verbs
        },
        "nouns": {noun: {"gloss": [words.get(noun, noun)]} for noun in nouns},
    }


def _counts(rows: dict[str, Any]) -> dict[str, int]:
    nouns = [noun for row in rows.values() for frame in row["frames"] for noun in frame.values() if noun]
    return {
        "pictures": len(rows),
        "verbs": len({row["verb"] for row in rows.values()}),
        "frames": sum(len(row["frames"]) for row in rows.values()),
        "nouns": len(set(nouns)),
        "filled": len(nouns),
    }

"""The verbs of situations and their roles, and the nouns that may fill them: the tables of imSitu."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wordsight.data.faults import Faults
from wordsight.errors import InputError
from wordsight.files import describe, field, read_json, read_text

SPACE, VERBS, NOUNS = "imsitu_space.json", "verbs.json", "noun_1gloss.tab"
SPACE_FILES = (SPACE, VERBS)
_NOUN = re.compile(r"(\S+)\t(\S.*)")


@dataclass(frozen=True)
class Verb:
    """A verb with the roles of its frame.

    Attributes:
        name: as in the data: "jumping".
        definition: in words; may be empty.
        template: a sentence with the roles in capitals: "the AGENT jumps over an OBSTACLE at a PLACE."; may be empty.
        roles: in the order of the data, at least one.
    """

    name: str
    definition: str
    template: str
    roles: tuple[str, ...]


def read_verbs(folder: Path, faults: Faults) -> dict[str, Verb]:
    """The verbs of `imsitu_space.json`, or else of `verbs.json`; a verb without roles is left out.

    Raises:
        InputError: both files are missing, or the file has another layout.
    """
    path = next((folder / name for name in SPACE_FILES if (folder / name).exists()), None)
    if path is None:
        raise InputError(f"{folder} has no table of verbs and roles: expected {SPACE} or {VERBS}, as of imSitu.")
    content = read_json(path, strict=True)
    records = field(content, "verbs", dict, str(path)) if path.name == SPACE else content
    if not isinstance(records, dict):
        raise InputError(f"{path}: expected verbs with their roles, found {describe(records)}.")
    found = {}
    for name, record in records.items():
        try:
            found[name] = _verb(name, record, f"{path}, {name}")
        except InputError as error:
            faults.left_out(path, error)
            continue
        faults.good(path)
    faults.require(path)
    if not found:
        raise InputError(f"{path}: expected verbs with their roles, found none.")
    return found


def _verb(name: str, record: object, where: str) -> Verb:
    roles = field(record, "roles", dict, where)
    assert isinstance(record, dict)  # `field` has read a key of it
    order = field(record, "order", list, where) if "order" in record else list(roles)
    if not roles:
        raise InputError(f"{where}: the verb has no roles.")
    if len(set(map(str, order))) < len(order) or set(map(str, order)) != set(roles):
        raise InputError(f"{where}, key 'order': expected each of the roles {', '.join(roles)} once.")
    definition, template = (field(record, key, str, where) if key in record else "" for key in ("def", "abstract"))
    return Verb(name, definition, template, tuple(map(str, order)))


def read_nouns(folder: Path, faults: Faults) -> dict[str, str]:
    """The nouns of `imsitu_space.json`, or else of `noun_1gloss.tab`: id -> its gloss, the first if it has several.

    Empty without either file: nouns are then shown by their ids.
    """
    if (path := folder / SPACE).exists():
        records = read_json(path, strict=True).get("nouns")
        if records is not None:
            return dict(_glosses(records, path, faults))
    path = folder / NOUNS
    return dict(_lines(path, faults)) if path.exists() else {}


def _glosses(records: object, path: Path, faults: Faults) -> Iterator[tuple[str, str]]:
    if not isinstance(records, dict):
        raise InputError(f"{path}, key 'nouns': expected nouns with their glosses, found {describe(records)}.")
    for noun, record in records.items():
        try:
            gloss = field(record, "gloss", list, f"{path}, {noun}")
            if not gloss or not isinstance(gloss[0], str):
                raise InputError(f"{path}, {noun}, key 'gloss': expected a list of words, found {describe(gloss)}.")
        except InputError as error:
            faults.left_out(path, error)
            continue
        yield noun, gloss[0]


def _lines(path: Path, faults: Faults) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if match := _NOUN.fullmatch(line.rstrip()):
            faults.good(path)
            yield match[1], match[2]
        elif line.strip():
            faults.left_out(path, InputError(f"{path}, line {number}: expected a noun's id, a tab and its gloss."))
    faults.require(path)

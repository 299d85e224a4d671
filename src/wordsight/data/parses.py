"""Dependency parses of captions in CoNLL-U, by any parser: https://universaldependencies.org/format.html.

A parse belongs to every sentence with the same letters and digits; the order of the file, its sentence ids and its
tokenisation do not matter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import read_text
from wordsight.text.tokens import tokenise
from wordsight.text.trees import NUMBER, Token, letters, on_words

NAME = "captions.conllu"  # the file beside the captions
BRACKETS = frozenset(("lrb", "rrb", "lsb", "rsb", "lcb", "rcb"))  # tokens that some parsers write for brackets
COLUMNS = 10  # ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC

Parses = Mapping[str, Sequence[Token]]  # a sentence's letters -> its parse
Line = tuple[int, list[str]]  # (line number in the file, columns)


def load_parses(folder: Path) -> Parses:
    """The parses in the file `captions.conllu` of a folder; empty without the file.

    A bracket that the parser wrote as "-LRB-" belongs to captions with "(" as well as to those with "-LRB-".
    Subtypes of relations are dropped ("nsubj:pass" is "nsubj"), and relations that are not universal become "dep".

    Raises:
        InputError: the file is not CoNLL-U with trees; the message names the line.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    found: dict[str, Sequence[Token]] = {}
    for tokens in read(path):
        plain = [replace(token, letters="") if token.letters in BRACKETS else token for token in tokens]
        for written in (tokens, plain):
            found.setdefault("".join(token.letters for token in written), written)
    return found


def tree_of(sentence: str, parses: Parses) -> list[tuple[int, int]] | None:
    """The tree of a sentence's words (see `text/trees.py`), or None without a parse."""
    tokens = parses.get(letters(sentence))
    return on_words(tokens, words) if tokens and (words := tokenise(sentence)) else None


def read(path: Path) -> Iterator[list[Token]]:
    """The sentences of a CoNLL-U file.

    Raises:
        InputError: a line is malformed; the message names it.
    """
    lines = enumerate(read_text(path).split("\n"), 1)
    for real, group in groupby(lines, key=lambda line: bool(line[1].strip())):
        if real:
            rows = [(number, line.rstrip("\r").split("\t")) for number, line in group if not line.startswith("#")]
            if rows:
                yield _sentence(path, rows)


def _sentence(path: Path, rows: Sequence[Line]) -> list[Token]:
    """The checked tokens of a sentence's lines."""
    nodes: list[Line] = []
    surface: dict[int, str] = {}  # node -> surface form of a multiword token
    end, ranged = 0, rows[0][0]  # last node and line number of the last multiword token
    for number, row in rows:
        if len(row) != COLUMNS:
            raise _wrong(path, number, f"{COLUMNS} columns between tabs", f"{len(row)}")
        if "." in row[0]:  # an empty node
            continue
        first, dash, last = row[0].partition("-")
        if dash:
            if len(nodes) < end:
                raise _wrong(path, number, f"the ID {len(nodes) + 1}, a word of the range before", repr(row[0][:40]))
            end, ranged = _number(last), number
            if not (_number(first) == len(nodes) + 1 < end <= len(rows)):
                raise _wrong(path, number, f"a range that begins with {len(nodes) + 1}", repr(row[0][:40]))
            surface |= {node: "" for node in range(len(nodes) + 1, end + 1)} | {len(nodes) + 1: row[1]}
        elif row[0] != str(len(nodes) + 1):
            raise _wrong(path, number, f"the ID {len(nodes) + 1}", repr(row[0]))
        else:
            nodes.append((number, row))
    if not nodes:
        raise _wrong(path, rows[0][0], "a word with the ID 1", "none")
    if len(nodes) < end:
        raise _wrong(path, ranged, f"a range of words that follow, to the ID {end}", f"the last ID {len(nodes)}")
    tokens = []
    for node, (number, row) in enumerate(nodes, 1):
        head = _number(row[6])
        if not 0 <= head <= len(nodes) or head == node:
            raise _wrong(path, number, f"as HEAD another word, 1 to {len(nodes)}, or 0", repr(row[6][:40]))
        relation = NUMBER.get(row[7].partition(":")[0], NUMBER["dep"])
        tokens.append(Token(letters(surface.get(node, row[1])), head - 1, relation))
    _require_tree(path, nodes, tokens)
    return tokens


def _require_tree(path: Path, nodes: Sequence[Line], tokens: Sequence[Token]) -> None:
    """Check that every word leads to a root, whose HEAD is 0."""
    rooted = {-1}
    for place, (number, _) in enumerate(nodes):
        way: set[int] = set()
        here = place
        while here not in rooted:
            if here in way:
                raise _wrong(path, number, "a tree whose root has the HEAD 0", f"a ring at ID {here + 1}")
            way.add(here)
            here = tokens[here].head
        rooted.update(way)


def _number(text: str) -> int:
    """A whole number of at most nine digits; -1 for anything else."""
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def _wrong(path: Path, line: int, expected: str, found: str) -> InputError:
    return InputError(f"{path}, line {line}: expected {expected}, found {found}.")

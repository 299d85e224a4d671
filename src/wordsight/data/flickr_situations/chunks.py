"""Chunked sentences: noun phrases of known kinds (`entities.json`), and the words between them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wordsight.data.flickr_situations.noun_words import head_of
from wordsight.errors import InputError
from wordsight.files import field


@dataclass(frozen=True)
class Chunk:
    """A noun phrase.

    Attributes:
        kind: "people", "animals", "scene", "vehicles", "instruments", "clothing", "bodyparts", "other", "notvisual".
        head: its head noun, from `head_of`; may be empty.
        chain: id of the chain of phrases for the same thing, also in other sentences; boxes belong to chains.
    """

    kind: str
    head: str
    chain: str


Piece = Chunk | str  # a noun phrase, or a word


def pieces_of(sentence: object, where: str) -> list[Piece]:
    """The chunks and lower-case words of a sentence of `entities.json`.

    Raises:
        InputError: a key is missing or has another type, or phrases overlap.
    """
    words = field(sentence, "text", str, where).lower().split()
    found, at = list[Piece](), 0
    for number, phrase in enumerate(field(sentence, "phrases", list, where)):
        place = f"{where}, phrases[{number}]"
        start, length = field(phrase, "start", int, place), field(phrase, "len", int, place)
        if start < at or length < 1 or start + length > len(words):
            raise InputError(f"{place}: words {start} to {start + length} are not in the sentence, or in two phrases.")
        kinds = [str(kind) for kind in field(phrase, "types", list, place)] or ["other"]
        kind = next((one for one in ("vehicles", "bodyparts") if one in kinds), kinds[0])
        head = head_of(words[start : start + length])
        found += [*words[at:start], Chunk(kind, head, field(phrase, "chain", str, place))]
        at = start + length
    return [*found, *words[at:]]


def chunks(sentences: Iterable[Iterable[Piece]]) -> Iterator[Chunk]:
    """The noun phrases of some sentences."""
    return (piece for pieces in sentences for piece in pieces if isinstance(piece, Chunk))

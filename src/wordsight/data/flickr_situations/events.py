"""Events in a sentence: its verbs with the noun phrases in their roles, by rules over its chunks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wordsight.data.flickr_situations.chunks import Chunk, Piece
from wordsight.data.flickr_situations.noun_words import GROUNDS, NO_FILLERS, SPORTS, SURFACES, words
from wordsight.data.flickr_situations.verb_words import BARE, LIGHT, OTHER_SENSE, WITH, Meaning
from wordsight.text import word_classes as classes

_AUXILIARIES = words("is are was were am has been be 's")
_NOT_REAL = words("to before after for of about without not n't instead no like from")  # "tries to catch" is no catch
_BEGINS = words("begin begins beginning start starts starting continue continues appear appears seem seems")
_CLAUSES = words("while as and whilst but . ; : -- ( ) \" ''")
_AT_PLACES = words("in on at through across along down up around inside into onto throughout")
_BESIDE = words("front next close back middle side top behind beside near by past above below")
_ADVERBS = words("together outside away back forward alone high very fast just all also")
_ACTORS = words("people animals")
_THINGS = words("people animals vehicles instruments clothing other scene")
_MOVERS = words("floating racing crashing landing skidding boating")  # verbs whose subject may be a thing
_OF_CLOTHES = words("carrying pulling tugging throwing catching putting biting chewing lifting")
_ASIDE = words("tool container stage brush")  # roles that few sentences fill, and for which prepositions mislead


@dataclass(frozen=True)
class Event:
    """A verb in a sentence with its noun phrases.

    Attributes:
        verb: a verb of imSitu.
        roles: role -> its phrase; without the place.
        places: phrases that may be the place, the likeliest first.
    """

    verb: str
    roles: dict[str, Chunk]
    places: tuple[Chunk, ...]


@dataclass(frozen=True)
class Reader:
    """Finds the events of sentences.

    Attributes:
        words: word -> its meaning, from `verb_words.meanings`.
        markers: verb -> role -> prepositions, from `verb_words.markers`.
        places: head nouns that name a place.
        usual: (role, noun) pairs of imSitu's annotators; tools, containers and the like take no other noun.
        rare: head nouns too rare to fill a role.
    """

    words: Mapping[str, Meaning]
    markers: Mapping[str, Mapping[str, frozenset[str]]]
    places: frozenset[str]
    usual: frozenset[tuple[str, str]]
    rare: frozenset[str] = frozenset()

    def events(self, pieces: list[Piece]) -> Iterator[Event]:
        """The events of a sentence, in order."""
        pieces = _simplified(pieces)
        for at, piece in enumerate(pieces):
            if isinstance(piece, str) and _is_real(pieces, at):
                meaning = self._meaning(pieces, at, piece)
                if meaning and meaning.verb in self.markers and (event := self._event(pieces, at, meaning)):
                    yield event

    def _meaning(self, pieces: list[Piece], at: int, word: str) -> Meaning | None:
        """What a word means in its context: the meaning of some verbs depends on their object."""
        following = pieces[at + 1] if at + 1 < len(pieces) else ""
        thing = following if isinstance(following, Chunk) else None
        meaning, light = self.words.get(word), LIGHT.get(word)
        if light is None:
            if meaning is None or (word, following) in OTHER_SENSE or (meaning.verb in BARE and thing):
                return None
            if meaning.verb == "running" and following == "after":
                return Meaning("chasing")
            if meaning.verb != "riding":
                return meaning
        said = [chunk.head for _, chunk in self._arguments(pieces, at)]
        if light == "hold":
            return Meaning("carrying") if "mouth" in said and thing else None
        if light == "play" and thing and (thing.kind == "instruments" or thing.head in SPORTS):
            sport = thing.kind != "instruments"
            return Meaning(*(("competing", "competition") if sport else ("performing", "tool")), thing.head)
        found = next((WITH[light or "ride", head] for head in said if (light or "ride", head) in WITH), None)
        return found or (None if light else meaning)

    def _event(self, pieces: list[Piece], at: int, meaning: Meaning) -> Event | None:
        agent = _subject(pieces, at, meaning.verb)
        if agent is None:
            return None
        of, roles = self.markers[meaning.verb], dict[str, Chunk]()
        if agent.head and agent.head not in self.rare:
            roles |= {role: agent for role, some in of.items() if "" in some}
        said = list(self._arguments(pieces, at))
        for marker, chunk in said:
            takes = (one for one, some in of.items() if marker in some and self._fills(one, chunk, meaning.verb))
            role = next(takes, None)
            if role and role not in roles and chunk not in roles.values():
                roles[role] = chunk
        if meaning.role:
            roles.setdefault(meaning.role, Chunk("other", meaning.noun, ""))
        around = [chunk for marker, chunk in [*said, *_marked(pieces, 0)] if marker in _AT_PLACES]
        places = [chunk for chunk in dict.fromkeys(around) if self._is_place(chunk) and chunk not in roles.values()]
        return Event(meaning.verb, roles, tuple(places))

    def _is_place(self, chunk: Chunk) -> bool:
        return chunk.head in self.places and chunk.kind not in ("clothing", "bodyparts", "people", "animals")

    def _fills(self, role: str, chunk: Chunk, verb: str) -> bool:
        """Whether a phrase may fill a role, by its kind and noun."""
        head, kind = chunk.head, chunk.kind
        if not head or head in self.rare or kind == "notvisual" or head in classes.PRONOUNS or head in NO_FILLERS:
            return False
        if role.endswith("part"):
            return kind == "bodyparts"
        if role in _ASIDE:
            return (role, head) in self.usual and kind not in ("people", "animals", "scene")
        if verb == "skating":
            return head.endswith(("board", "skate", "blade", "skates"))
        if role in ("vehicle", "carrier"):
            return kind in ("vehicles", "animals", "other") and head not in self.places
        if role == "contact" and head in self.places:
            return head in SURFACES
        if (role, verb) == ("obstacle", "jumping") and head in GROUNDS:
            return False
        if (role == "event" and kind == "instruments") or (role == "path" and head.endswith("board")):
            return False
        return kind in _THINGS and (kind != "clothing" or verb in _OF_CLOTHES)

    def _arguments(self, pieces: list[Piece], at: int) -> Iterator[tuple[str, Chunk]]:
        """The phrases after a verb, up to the next verb or clause, with their prepositions."""
        end = at + 1
        while end < len(pieces):
            piece = pieces[end]
            if isinstance(piece, Chunk):
                if piece.kind in _ACTORS and pieces[end - 1] == ",":
                    break
            elif piece in _CLAUSES or piece in self.words or classes.verb_form(piece) in ("ing", "s", "ed"):
                break
            end += 1
        return _marked(pieces[:end], at + 1)


def _simplified(pieces: list[Piece]) -> list[Piece]:
    """The pieces without relative pronouns and adverbs of manner."""
    return [
        piece
        for piece in pieces
        if (
            not (piece.endswith("ly") and len(piece) > 4)
            if isinstance(piece, str)
            else piece.kind != "notvisual" or piece.head not in ("that", "which", "who")
        )
    ]


def _is_real(pieces: list[Piece], at: int) -> bool:
    """Whether a verb is said to happen: not in "tries to catch" or "before jumping", but in "begins to climb"."""
    while at and pieces[at - 1] in _AUXILIARIES:
        at -= 1
    before = pieces[at - 1] if at else ""
    if before == "to":
        return at > 1 and pieces[at - 2] in _BEGINS
    return before not in _NOT_REAL


def _marked(pieces: list[Piece], start: int) -> Iterator[tuple[str, Chunk]]:
    """The phrases from a position on, with their prepositions: "-" directly at the position, "?" for none."""
    between = list[str]()
    for at in range(start, len(pieces)):
        piece = pieces[at]
        if isinstance(piece, Chunk):
            yield _marker(between) or ("-" if start and not between else "?"), piece
            start, between = 0, []
        else:
            between.append(piece)


def _marker(between: list[str]) -> str:
    """One preposition for the words before a phrase: "into" for "up into", "near" for "in front of"; "" for none."""
    between = [word for word in between if word not in _ADVERBS and word not in _AUXILIARIES]
    if not between:
        return ""
    if any(word in _BESIDE for word in between):
        return "on" if between[-3:] == ["on", "top", "of"] else "near"
    if between[-1] in ("of", "to") and between[-2:-1] in (["out"], ["off"], ["inside"]):
        return between[-2]
    return between[-1]


def _subject(pieces: list[Piece], at: int, verb: str) -> Chunk | None:
    """The subject of a verb: the phrase directly before it, or the last one that begins a clause."""
    kinds = _ACTORS | {"vehicles", "other"} if verb in _MOVERS else _ACTORS
    finite = not str(pieces[at]).endswith("ing")
    while at and pieces[at - 1] in _AUXILIARIES:
        at, finite = at - 1, True
    for place in range(at - 1, -1, -1):
        piece = pieces[place]
        if isinstance(piece, Chunk) and piece.kind in kinds:
            # "behind a man riding", but not "a man with a dog is riding"
            near = place == at - 1 and not (finite and place and pieces[place - 1] in classes.PREPOSITIONS)
            if near or _leads(pieces, place):
                return _joined(pieces, place, piece)
    return None


def _joined(pieces: list[Piece], at: int, last: Chunk) -> Chunk:
    """A subject merged with the one that "and" joins to it: "a man and a woman" are people."""
    first = pieces[at - 2] if at > 1 and pieces[at - 1] in ("and", ",") else None
    if not isinstance(first, Chunk) or first.kind != last.kind or not _leads(pieces, at - 2):
        return last
    head = last.head if first.head == last.head else "people" if last.kind == "people" else "animal"
    return Chunk(last.kind, head, "")


def _leads(pieces: list[Piece], at: int) -> bool:
    """Whether a phrase begins a clause, and so is no object."""
    return at == 0 or pieces[at - 1] in _CLAUSES or pieces[at - 1] in (",", "there", "where", "is", "are")

"""Is it true? Of painted scenes this is known: whatever the painter might have said is right, said or not."""

import re

from wordsight.data.painted.draw import SHAPES
from wordsight.data.painted.scene import SYNONYMS, Scene, Thing, places, relations

MEANING = {said: word for word, synonyms in SYNONYMS.items() for said in synonyms}
NOUN = "|".join({*SHAPES, *(said for said, word in MEANING.items() if word in SHAPES)})
PHRASE = rf"an? (?:\w+ )*?(?:{NOUN})"
TWO_THINGS = re.compile(rf"(?:there is )?({PHRASE}) (.+) ({PHRASE})")
ONE_PLACE = re.compile(rf"({PHRASE}) (.+)")
TWINS = re.compile(rf"two ({NOUN})(?:(?<=ss)es|(?<!ss)s)(?: in one picture)?")


def is_true(sentence: str, scene: Scene) -> bool:
    """Whether a sentence of the painter's forms holds in a scene, for some of its things; other words are not true."""
    things = scene.things
    if found := TWINS.fullmatch(sentence):
        return sum(names(f"a {found[1]}", thing) for thing in things) == 2
    if found := TWO_THINGS.fullmatch(sentence):
        first, relation, second = found.groups()
        return any(
            names(first, a) and names(second, b) and relation in relations(a, b)
            for a in things
            for b in things
            if a is not b
        )
    if found := ONE_PLACE.fullmatch(sentence):
        return any(names(found[1], thing) and found[2] in places(scene, thing) for thing in things)
    return False


def names(phrase: str, thing: Thing) -> bool:
    """Whether a noun phrase is one, and everything it says is true of a thing."""
    _, *said = (MEANING.get(word, word) for word in phrase.split())
    true = {thing.shape, thing.colour, thing.texture, thing.size}
    return bool(re.fullmatch(PHRASE, phrase)) and set(said) <= true and len(set(said)) == len(said)

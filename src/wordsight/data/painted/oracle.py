"""Oracle of painted scenes: decides whether any sentence in the painter's forms is true."""

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
    """Whether a sentence in the painter's forms is true of a scene; any other sentence is false."""
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
    """Whether a text is a noun phrase that is true of a thing."""
    _, *said = (MEANING.get(word, word) for word in phrase.split())
    true = {thing.shape, thing.colour, thing.texture, thing.size}
    return bool(re.fullmatch(PHRASE, phrase)) and set(said) <= true and len(set(said)) == len(said)

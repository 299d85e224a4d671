"""Scenes of the painted world: shapes with positions, and true sentences about them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from wordsight.data.painted import draw

SYNONYMS = {
    "circle": ("circle", "circle", "disc"),
    "ring": ("ring", "ring", "hoop"),
    "moon": ("moon", "moon", "crescent"),
    "small": ("small", "small", "little"),
    "large": ("large", "large", "big"),
    "striped": ("striped", "striped", "stripy"),
    "dotted": ("dotted", "dotted", "spotted"),
    "checked": ("checked", "checked", "chequered"),
}
ACROSS = {"small": (50, 60), "large": (86, 104)}  # pixels; the gap makes "small" unambiguous


class Thing(NamedTuple):
    """A shape in a picture; `box` is `xyxy` in pixels, 0-based with exclusive ends."""

    shape: str
    colour: str
    texture: str
    size: str
    box: tuple[int, ...]

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box, pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Scene:
    """A picture and its things; sentences never name the last of three or four."""

    image: Image.Image
    things: tuple[Thing, ...]

    @property
    def named(self) -> tuple[Thing, ...]:
        """The things that sentences may name."""
        return self.things[:-1] if len(self.things) > 2 else self.things


Part = str | tuple[str, tuple[int, ...]]  # part of a sentence: plain text, or a phrase and the indices of its things


def paint_scene(seed: int, number: int) -> Scene:
    """Paint one picture: two to four shapes, no two of the same shape and colour, none touching another."""
    rng = np.random.default_rng((seed % 2**32, number))
    width, height = (256, 208) if rng.random() < 0.75 else (208, 256)
    canvas = draw.ground(width, height, rng)
    things: list[Thing] = []
    wanted = int(rng.integers(2, 5))
    for attempt in range(300):
        if len(things) == wanted:
            break
        large = sum(thing.size == "large" for thing in things)
        size = "large" if large < 2 and attempt < 40 and rng.random() < 0.5 else "small"
        across = int(rng.integers(*ACROSS[size]))
        shape = draw.SHAPES[rng.integers(len(draw.SHAPES))]
        colour = tuple(draw.COLOURS)[rng.integers(len(draw.COLOURS))]
        texture = draw.TEXTURES[rng.integers(len(draw.TEXTURES))]
        reach = across / 2 + 8
        x, y = rng.uniform(reach, width - reach), rng.uniform(reach, height - reach)
        room = (int(x - reach), int(y - reach), int(x + reach), int(y + reach))
        if any((thing.shape, thing.colour) == (shape, colour) for thing in things):
            continue
        if not draw.apart(room, [thing.box for thing in things], gap=2):
            continue
        box = draw.paint(canvas, draw.Look(shape, colour, texture, across), (x, y), rng)
        things.append(Thing(shape, colour, texture, size, box))
    return Scene(canvas, tuple(things))


def describe(scene: Scene, rng: random.Random) -> list[list[Part]]:
    """Three to five distinct true sentences about a scene's named things."""
    wanted = rng.randint(3, 5)
    said: dict[str, list[Part]] = {}
    for _ in range(60):
        parts = _sentence(scene, rng)
        said.setdefault(spell(parts), parts)
        if len(said) == wanted:
            break
    return list(said.values())


def spell(parts: Sequence[Part]) -> str:
    """The parts of a sentence as text."""
    return " ".join(part if isinstance(part, str) else part[0] for part in parts)


def _sentence(scene: Scene, rng: random.Random) -> list[Part]:
    """One sentence: a relation of two things, the position of one, or two of a kind."""
    named = range(len(scene.named))
    kind = rng.random()
    if kind < 0.72:
        first, second = rng.sample(named, 2)
        lead = rng.choice(("", "", "", "there is"))
        a, b = scene.things[first], scene.things[second]
        parts = [lead, _phrase(scene, first, rng), rng.choice(relations(a, b)), _phrase(scene, second, rng)]
    else:
        one = rng.choice(named)
        where = places(scene, scene.things[one])
        parts = [_phrase(scene, one, rng), rng.choice(where) if len(where) > 1 else where[0]]
        twins = [i for i in named if scene.things[i].shape == scene.things[one].shape]
        same = sum(thing.shape == scene.things[one].shape for thing in scene.things)
        if same == len(twins) == 2:
            noun = rng.choice(SYNONYMS.get(scene.things[one].shape, (scene.things[one].shape,)))
            parts = [
                (f"two {noun}{'es' if noun == 'cross' else 's'}", tuple(twins)),
                rng.choice(("", "in one picture")),
            ]
    return [part for part in parts if part]


def _phrase(scene: Scene, which: int, rng: random.Random) -> Part:
    """A noun phrase that fits this thing and no other in the picture."""
    thing, others = scene.things[which], [t for i, t in enumerate(scene.things) if i != which]
    size, colour = rng.random() < 0.45, rng.random() < 0.9
    texture = rng.random() < (0.1 if thing.texture == "plain" else 0.7)
    if any(
        other.shape == thing.shape
        and (not size or other.size == thing.size)
        and (not texture or other.texture == thing.texture)
        for other in others
    ):
        colour = True  # things differ in shape or colour
    adjectives = [thing.colour] * colour + [thing.texture] * texture
    rng.shuffle(adjectives)
    words = [rng.choice(SYNONYMS.get(word, (word,))) for word in [thing.size] * size + adjectives + [thing.shape]]
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}", (which,)


def relations(a: Thing, b: Thing) -> list[str]:
    """All true relations of one thing to another, with repetitions as sampling weights."""
    dx, dy = b.centre[0] - a.centre[0], b.centre[1] - a.centre[1]
    true = ["and", "with"]
    if abs(dx) > max(40, 1.2 * abs(dy)):
        side = "left" if dx > 0 else "right"
        true += [f"{side} of", f"{side} of", f"to the {side} of", f"on the {side} of"]
    if abs(dy) > max(40, 1.2 * abs(dx)):
        true += ["above", "above", "over", "higher than"] if dy > 0 else ["below", "below", "under", "lower than"]
    if not draw.apart(a.box, [b.box], gap=24):
        true += ["next to", "beside"]
    if a.size != b.size:
        true.append("bigger than" if a.size == "large" else "smaller than")
    return true


def places(scene: Scene, thing: Thing) -> tuple[str, ...]:
    """All true position words of a thing in the picture."""
    x, y = thing.centre[0] / scene.image.width, thing.centre[1] / scene.image.height
    side = "left" if x < 0.36 else "right" if x > 0.64 else ""
    level = "top" if y < 0.36 else "bottom" if y > 0.64 else ""
    if side and level:
        return f"in the {level} {side} corner", f"at the {level} {side}"
    if side:
        return (f"on the {side}",)
    if level:
        return (f"at the {level}",)
    return "in the middle", "in the centre"

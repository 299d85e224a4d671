"""Painted clips: shapes that move, grow, appear and hide, and sentences whose truth depends on the order in time.

Like the painted world (`world.py`), they are seeded and in standard formats: animated WebPs and a Karpathy JSON. A
`Story` says what happens in a clip, and knows every true sentence about it, so that a caption can be judged exactly.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.data.made import Records, new_folder
from wordsight.data.painted import draw
from wordsight.data.painted.world import SPLITS
from wordsight.errors import InputError

FRAMES, SIDE, MILLISECONDS = 16, 112, 120
ACROSS = (30, 38)  # width of a shape in pixels, before it grows or shrinks
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}
SENTENCES = 4
CHANGES = {"grows": ("grows", "gets bigger"), "shrinks": ("shrinks", "gets smaller"), "stops": ("stops",)}
CHANGES |= {way: (f"moves {way}", f"goes {way}") for way in WAYS}


@dataclass(frozen=True)
class Story:
    """What happens in a clip.

    Attributes:
        kind: `changes` (one thing does two things), `passes` (one moves behind or in front of another), or `order` (one
            appears or vanishes before another does).
        things: (colour, shape) of each thing.
        events: for `changes`, the two changes; for `passes`, the direction, and "behind" or "in front of"; for `order`,
            what each thing does.
    """

    kind: str
    things: tuple[tuple[str, str], ...]
    events: tuple[str, ...]

    def sentences(self) -> list[str]:
        """Every sentence that is true of the clip."""
        names = [f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {shape}" for colour, shape in self.things]
        if self.kind == "changes":
            first, second = (CHANGES[event] for event in self.events)
            return [f"{names[0]} {a} {then} {b}" for a, b in product(first, second) for then in ("then", "and then")]
        if self.kind == "passes":
            way, side = self.events
            return [f"{names[0]} {verb} {side} {names[1]}" for verb in CHANGES[way]]
        a, b = self.events
        if a == b:
            return [f"{names[0]} {a} {then} {names[1]}" for then in ("then", "and then")] + [
                f"{names[0]} {a} before {names[1]}"
            ]
        return [f"{names[0]} {a} {then} {names[1]} {b}" for then in ("then", "and then")]


def story(seed: int, number: int) -> Story:
    """The story of one clip, at random from the seed and the clip's number."""
    rng = random.Random(f"clip {seed} {number}")
    things = rng.sample([(colour, shape) for colour in COLOURS for shape in SHAPES], 2)
    kind = rng.choices(("changes", "passes", "order"), (0.45, 0.3, 0.25))[0]
    if kind == "changes":
        first = rng.choice([*WAYS, "grows", "shrinks"])
        second = rng.choice([one for one in CHANGES if one not in (first, OPPOSITE.get(first))])
        if {first, second} == {"grows", "shrinks"}:
            second = "stops"
        return Story(kind, (things[0],), (first, second))
    if kind == "passes":
        return Story(kind, tuple(things), (rng.choice(list(WAYS)), rng.choice(("behind", "in front of"))))
    return Story(kind, tuple(things), (rng.choice(("appears", "vanishes")), rng.choice(("appears", "vanishes"))))


def film(told: Story, seed: int, number: int) -> list[Image.Image]:
    """The frames of a clip."""
    rng = np.random.default_rng((seed % 2**32, number, 7))
    ground = draw.ground(SIDE, SIDE, rng)
    across = [float(rng.integers(*ACROSS)) for _ in told.things]
    turns = [int(rng.integers(2**31)) for _ in told.things]  # seeds, so that a shape looks the same in every frame
    tracks = _tracks(told, across, rng)
    below = told.kind == "passes" and told.events[1] == "behind"
    order = (0, 1) if below else range(len(told.things))[::-1]
    pictures = []
    for frame in range(FRAMES):
        canvas = ground.copy()
        for which in order:
            x, y, size = tracks[which][frame]
            if size > 0:
                colour, shape = told.things[which]
                look = draw.Look(shape, colour, "plain", round(across[which] * size))
                draw.paint(canvas, look, (x, y), np.random.default_rng(turns[which]))
        pictures.append(canvas)
    return pictures


Track = list[tuple[float, float, float]]  # for each frame, a thing's centre x, y in pixels, and its scale (0: hidden)


def _tracks(told: Story, across: Sequence[float], rng: np.random.Generator) -> list[Track]:
    half, cut = SIDE / 2, int(rng.integers(6, 11))  # the second event begins in frame `cut`
    if told.kind == "changes":
        steps = rng.uniform(3.2, 4.2)
        begin = [half + float(rng.uniform(-8, 8)) for _ in range(2)]
        for event, count in zip(told.events, (cut, FRAMES - cut), strict=True):
            for axis in range(2):  # start further back from where it will move
                begin[axis] -= WAYS.get(event, (0, 0))[axis] * steps * count / 2
        x, y, size = *begin, 1.0
        track = []
        for frame in range(FRAMES):
            event = told.events[frame >= cut]
            dx, dy = WAYS.get(event, (0, 0))
            x, y = x + steps * dx, y + steps * dy
            size *= {"grows": 1.075, "shrinks": 0.925}.get(event, 1.0)
            track.append((min(max(x, 12.0), SIDE - 12.0), min(max(y, 12.0), SIDE - 12.0), size))
        return [track]
    if told.kind == "passes":
        dx, dy = WAYS[told.events[0]]
        off = rng.uniform(-5, 5, 2)
        middle = half + off[0], half + off[1]
        way = np.linspace(-half + 18, half - 18, FRAMES)
        moving = [(middle[0] + dx * at + abs(dy) * 4, middle[1] + dy * at + abs(dx) * 4, 1.0) for at in way]
        return [moving, [(*middle, 1.15)] * FRAMES]
    spots = rng.permutation([(0.28, 0.3), (0.72, 0.3), (0.28, 0.7), (0.72, 0.7)])[:2] * SIDE
    cuts = (int(rng.integers(2, 6)), int(rng.integers(9, 14)))
    return [
        [(float(x), float(y), float((frame >= at) == (event == "appears"))) for frame in range(FRAMES)]
        for (x, y), at, event in zip(spots, cuts, told.events, strict=True)
    ]


def paint_clips(
    out: Path, clips: int = 600, seed: int = 0, progress: Callable[[int, int], None] = lambda *_: None
) -> Path:
    """Write a dataset of painted clips: `images/*.webp`, `dataset.json`, splits train, val and test (4:1:1).

    The same seed gives the same bytes.

    Args:
        out: the folder to make; it appears only when complete.
        clips: the number of clips, at least 6.
        seed: any integer.
        progress: receives the number of clips done, and the total.

    Returns:
        The folder.

    Raises:
        InputError: too few clips, the folder is not empty, or it cannot be written.
    """
    out = Path(out)
    if clips < 6:
        raise InputError(f"Painted clips: expected at least 6, not {clips}.")
    with new_folder(out) as folder:
        _write(folder, clips, seed, progress)
    return out


def _write(folder: Path, clips: int, seed: int, progress: Callable[[int, int], None]) -> None:
    records = Records()
    for number in range(clips):
        progress(number, clips)
        name, told = f"clip_{number:05d}.webp", story(seed, number)
        first, *others = film(told, seed, number)
        first.save(
            folder / "images" / name, save_all=True, append_images=others, duration=MILLISECONDS, quality=80, method=0
        )
        every = told.sentences()
        texts = random.Random(f"said {seed} {number}").sample(every, min(SENTENCES, len(every)))
        records.add(name, SPLITS[number % len(SPLITS)], texts)
    records.write(folder, f"painted-clips-{clips}-{seed}")

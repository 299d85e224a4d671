"""Pictures of nothing: blank, noise, stripes, gradients and pages of text. Every caption of them is wrong."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

SIDES = (320, 240)
_TEXT = "File Edit View the of and report total 2024 settings Save Cancel user name value table row error line"
_WORDS = _TEXT.split()


def nothings(count: int, seed: int = 0) -> Iterator[Image.Image]:
    """Generate pictures of nothing, of each kind in turn.

    Args:
        count: the number of pictures.
        seed: the random seed.
    """
    chance = np.random.default_rng(seed)
    kinds: tuple[Callable[[Generator], Image.Image], ...] = (_blank, _noise, _gradient, _stripes, _blots, _page)
    return (kinds[number % len(kinds)](chance) for number in range(count))


def _blank(chance: Generator) -> Image.Image:
    return Image.new("RGB", SIDES, _colour(chance))


def _noise(chance: Generator) -> Image.Image:
    shape = (SIDES[1], SIDES[0], 3 if chance.random() < 0.5 else 1)
    return Image.fromarray(np.broadcast_to(chance.integers(0, 256, shape, np.uint8), (*shape[:2], 3)).copy())


def _gradient(chance: Generator) -> Image.Image:
    down, across = np.mgrid[0:1:240j, 0:1:320j]
    share = (across + chance.random() * 2 * down)[..., None]
    first, last = np.array(_colour(chance)), np.array(_colour(chance))
    return Image.fromarray((first + (last - first) * share / share.max()).astype(np.uint8))


def _stripes(chance: Generator) -> Image.Image:
    down, across = np.mgrid[0:240, 0:320]
    wave = np.sin((across * chance.random() + down * chance.random()) * chance.uniform(0.1, 1))
    if chance.random() < 0.5:
        wave = np.sign(wave * np.cos(down * chance.uniform(0.1, 0.6)))
    first, last = np.array(_colour(chance)), np.array(_colour(chance))
    return Image.fromarray((first + (last - first) * (wave[..., None] + 1) / 2).astype(np.uint8))


def _blots(chance: Generator) -> Image.Image:
    """A soft texture: enlarged noise."""
    small = Image.fromarray(chance.integers(0, 256, (chance.integers(6, 60), chance.integers(8, 80), 3), np.uint8))
    return small.resize(SIDES, Image.Resampling.BICUBIC)


def _page(chance: Generator) -> Image.Image:
    """Lines of text below a title bar."""
    dark = chance.random() < 0.3
    image = Image.new("RGB", SIDES, (30, 30, 34) if dark else (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIDES[0], 18), fill=_colour(chance))
    for top in range(28, SIDES[1] - 10, int(chance.integers(12, 20))):
        words = chance.choice(_WORDS, int(chance.integers(2, 9)))
        draw.text((int(chance.integers(6, 60)), top), " ".join(words), fill=(220, 220, 220) if dark else (20, 20, 20))
    return image


def _colour(chance: Generator) -> tuple[int, int, int]:
    red, green, blue = chance.integers(0, 256, 3).tolist()
    return red, green, blue

"""Drawing of coloured, textured shapes on a soft background, with a slight shadow.

Shapes are drawn larger and reduced, for smooth edges. Only the given generator is used, so a seed gives the same bytes.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Floats = NDArray[np.float32]
Colour = tuple[int, int, int]

COLOURS: dict[str, tuple[Colour, Colour]] = {  # name -> the colour, and the second colour of its textures
    "red": ((212, 38, 44), (250, 238, 230)),
    "orange": ((243, 127, 24), (255, 240, 214)),
    "yellow": ((250, 208, 40), (139, 98, 8)),
    "green": ((40, 150, 72), (226, 246, 220)),
    "blue": ((34, 96, 208), (226, 238, 252)),
    "purple": ((122, 56, 172), (240, 226, 250)),
    "pink": ((243, 136, 184), (255, 244, 248)),
    "white": ((249, 248, 244), (128, 130, 140)),
    "black": ((30, 30, 36), (206, 206, 212)),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "heart", "moon")
TEXTURES = ("plain", "striped", "dotted", "checked")
GROUNDS: tuple[tuple[Colour, Colour], ...] = (  # muted, so that every shape's colour stands out
    ((207, 216, 220), (144, 164, 174)),
    ((219, 206, 198), (170, 148, 134)),
    ((220, 227, 208), (160, 174, 140)),
    ((230, 217, 195), (196, 170, 134)),
    ((205, 211, 230), (141, 153, 178)),
    ((215, 205, 222), (160, 146, 172)),
    ((176, 200, 200), (104, 138, 138)),
    ((198, 198, 196), (136, 136, 138)),
)
SCALE = 3  # supersampling of shapes


@dataclass(frozen=True)
class Look:
    """What a shape looks like: names from `SHAPES`, `COLOURS` and `TEXTURES`; `across` is its width in pixels."""

    shape: str
    colour: str
    texture: str
    across: int


def ground(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A background of `width` x `height` pixels: a soft gradient with hills, discs, threads or grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light, dark = GROUNDS[rng.integers(len(GROUNDS))]
    angle = rng.uniform(0.2, 0.8) * math.pi
    across = math.cos(angle) * (x / width - 0.5) + math.sin(angle) * (y / height - 0.5) + 0.5
    mix = np.clip(across, 0, 1)[:, :, None]
    canvas = np.asarray(light, np.float32) * (1 - mix) + np.asarray(dark, np.float32) * mix  # (H, W, 3)
    canvas *= _motif(int(rng.integers(4)), x, y, rng)[:, :, None]
    canvas += 2 * rng.standard_normal((height, width, 1), np.float32)
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def _motif(kind: int, x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    """Brightness of the background: a factor near 1, (H, W)."""
    height, width = x.shape
    factor = np.ones_like(x)
    if kind == 0:  # hills
        for base in np.sort(rng.uniform(0.45, 0.95, 3)):
            waves = np.sin(x / width * rng.uniform(3, 7) + rng.uniform(0, 6)) * rng.uniform(0.03, 0.09)
            factor *= np.where(y / height > base + waves, 0.93, 1.0)
    elif kind == 1:  # discs of light
        for _ in range(9):
            radius = rng.uniform(0.06, 0.22) * width
            away = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height))
            factor *= 1 + 0.05 * np.clip((radius - away) / 2, 0, 1)
    elif kind == 2:  # threads
        angle = rng.uniform(0, math.pi)
        factor += 0.015 * np.sin((x * math.cos(angle) + y * math.sin(angle)) * rng.uniform(0.25, 0.5))
    else:  # a darker edge
        away = np.hypot(x / width - 0.5, y / height - 0.5)
        factor -= 0.25 * np.clip(away - 0.3, 0, 1)
    return factor.astype(np.float32)


def paint(canvas: Image.Image, look: Look, centre: tuple[float, float], rng: np.random.Generator) -> tuple[int, ...]:
    """Paint one shape on the canvas.

    Returns:
        Its box, `xyxy` in pixels, 0-based with exclusive ends: tight around the shape.
    """
    mask = _mask(look, rng).reduce(SCALE)
    surface = _surface(look, mask.width, rng)
    left, top = round(centre[0] - mask.size[0] / 2), round(centre[1] - mask.size[1] / 2)
    shadow = mask.filter(ImageFilter.GaussianBlur(2.5)).point([value * 2 // 5 for value in range(256)])
    canvas.paste((24, 24, 40), (left + 2, top + 3), shadow)
    canvas.paste(surface, (left, top), mask)
    box = mask.point([255 * (value > 100) for value in range(256)]).getbbox()
    assert box is not None  # every shape covers its centre
    return left + box[0], top + box[1], left + box[2], top + box[3]


def _mask(look: Look, rng: np.random.Generator) -> Image.Image:
    """The shape, slightly rotated, white on black, `SCALE` times as large."""
    size = (look.across + 16) * SCALE
    turn = rng.uniform(-0.22, 0.22)
    radius, middle = look.across * SCALE / 2, size / 2
    mask = Image.new("L", (size, size))
    pen = ImageDraw.Draw(mask)

    def disc(dx: float, dy: float, r: float, fill: int) -> None:
        x, y, r = middle + dx * radius, middle + dy * radius, r * radius
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)

    if look.shape in ("circle", "ring", "moon"):
        disc(0, 0, 1, 255)
        if look.shape == "ring":
            disc(0, 0, 0.52, 0)
        if look.shape == "moon":
            disc(0.62 * math.cos(turn), 0.62 * math.sin(turn), 0.78, 0)
        return mask
    cos, sin = math.cos(turn), math.sin(turn)
    points = [(middle + radius * (x * cos - y * sin), middle + radius * (x * sin + y * cos)) for x, y in _outline(look)]
    pen.polygon(points, fill=255)
    return mask


def _outline(look: Look) -> list[tuple[float, float]]:
    """The corners of a shape within a circle of radius about 1 around the origin, y downwards."""
    if look.shape == "square":
        return [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]
    if look.shape == "triangle":
        return [(0, -1), (1, 0.85), (-1, 0.85)]
    if look.shape == "star":
        radii = (1.05, 0.45) * 5
        return [(r * math.sin(k * math.pi / 5), -r * math.cos(k * math.pi / 5)) for k, r in enumerate(radii)]
    if look.shape == "cross":
        a, b = 0.34, 1.0
        return [
            (-a, -b),
            (a, -b),
            (a, -a),
            (b, -a),
            (b, a),
            (a, a),
            (a, b),
            (-a, b),
            (-a, a),
            (-b, a),
            (-b, -a),
            (-a, -a),
        ]
    turns = [k * math.pi / 40 for k in range(80)]  # a heart
    wave = [13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) for t in turns]
    return [(math.sin(t) ** 3, -w / 16 - 0.1) for t, w in zip(turns, wave, strict=True)]


def _surface(look: Look, size: int, rng: np.random.Generator) -> Image.Image:
    """The shape's colour and texture over a square of `size` pixels, lit from the upper left."""
    first, second = (np.asarray(colour, np.float32) for colour in COLOURS[look.colour])
    first = first + rng.uniform(-7, 7, 3).astype(np.float32)
    share = _texture(look, size, rng)[:, :, None]  # share of the second colour
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    light = 1.05 - 0.12 * (x + y) / (2 * size)
    surface = (first + (second - first) * share) * light[:, :, None]
    return Image.fromarray(np.clip(surface, 0, 255).astype(np.uint8))


def _texture(look: Look, size: int, rng: np.random.Generator) -> Floats:
    """Share of the second colour in each pixel, 0 to 1, (size, size)."""
    if look.texture == "plain":
        return np.zeros((size, size), np.float32)
    y, x = np.mgrid[0 : size * SCALE, 0 : size * SCALE].astype(np.float32)
    pitch = max(7.0, look.across / 8) * SCALE
    angle = rng.choice((0.0, 0.25, 0.5, 0.75)) * math.pi if look.texture == "striped" else rng.uniform(-0.3, 0.3)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    u, v = x * cos + y * sin, y * cos - x * sin
    if look.texture == "striped":
        where = np.floor(u / pitch * 1.1) % 2 > 0
    elif look.texture == "checked":
        where = (np.floor(u / pitch) + np.floor(v / pitch)) % 2 > 0
    else:
        step = pitch * 1.45
        where = np.hypot(u % step - step / 2, v % step - step / 2) < step * 0.3
    return np.asarray(Image.fromarray(where.astype(np.uint8) * 255).reduce(SCALE), np.float32) / np.float32(255)


def apart(box: tuple[int, ...], others: list[tuple[int, ...]], gap: int) -> bool:
    """Whether a box is at least `gap` pixels from each of the others."""
    return all(
        box[0] - gap >= other[2] or other[0] - gap >= box[2] or box[1] - gap >= other[3] or other[1] - gap >= box[3]
        for other in others
    )

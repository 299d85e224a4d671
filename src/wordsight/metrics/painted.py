"""Captions of painted pictures and regions, judged by their painter: what was said, and what would have been true.

The painter says a few of the very many true sentences about a picture, so that a good caption is seldom one of them
word for word. But the painter knows what is there, and can tell of any sentence in these forms whether it is true.
"""

from collections.abc import Sequence

from wordsight.data.entities import Box
from wordsight.data.painted.oracle import is_true, names
from wordsight.data.painted.scene import Scene, paint_scene
from wordsight.data.records import Picture
from wordsight.metrics.captions import Id, caption_metrics
from wordsight.metrics.regions import AnnotatedRegion

FIGURES = ("exact", "true", "Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "CIDEr")


def of_pictures(said: Sequence[str], pictures: Sequence[Picture], seed: int = 0) -> dict[str, float]:
    """The figures of captions of whole pictures.

    Args:
        said: a caption of each picture.
        pictures: of a painted world.
        seed: of that world.

    Returns:
        FIGURES: those of `caption_metrics`, and `true`, the share of captions, 0 to 1, that hold in their pictures.
    """
    right: dict[Id, Sequence[str]] = {row: picture.sentences for row, picture in enumerate(pictures)}
    scenes = (scene_of(picture.name, seed) for picture in pictures)
    return _figures(said, right, [is_true(text, scene) for text, scene in zip(said, scenes, strict=True)])


def of_regions(said: Sequence[str], regions: Sequence[AnnotatedRegion], seed: int = 0) -> dict[str, float]:
    """The figures of captions of annotated boxes, each of which holds one thing; see `of_pictures`."""
    right: dict[Id, Sequence[str]] = {row: region.references for row, region in enumerate(regions)}
    scenes = {name: scene_of(name, seed) for name in {region.picture for region in regions}}
    true = [_is_called(text, scenes[region.picture], region.box) for text, region in zip(said, regions, strict=True)]
    return _figures(said, right, true)


def _is_called(phrase: str, scene: Scene, box: Box) -> bool:
    """Whether a phrase is true of a thing whose middle is in the box, `xyxy` fractions."""
    left, top, right, bottom = box
    for thing in scene.things:
        x, y = thing.centre[0] / scene.image.width, thing.centre[1] / scene.image.height
        if left < x < right and top < y < bottom and names(phrase, thing):
            return True
    return False


def scene_of(name: str, seed: int) -> Scene:
    """The scene in a picture of a painted world, whose name tells its number."""
    return paint_scene(seed, int("".join(char for char in name if char.isdigit())))


def _figures(said: Sequence[str], right: dict[Id, Sequence[str]], true: Sequence[bool]) -> dict[str, float]:
    found = caption_metrics(dict(enumerate(said)), right) | {"true": sum(true) / len(true)}
    return {key: found[key] for key in FIGURES}

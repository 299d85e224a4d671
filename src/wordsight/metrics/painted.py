"""Captions of painted pictures and regions, evaluated against references and against the scene.

References are a few of very many true sentences about a picture, so a good caption is seldom one of them word for word.
But the scene decides whether a sentence in the painter's forms is true.
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
    """Metrics of captions of whole pictures.

    Args:
        said: a caption of each picture.
        pictures: of a painted world.
        seed: of that world.

    Returns:
        FIGURES: those of `caption_metrics`, and `true`, the share of captions, 0 to 1, that are true.
    """
    right: dict[Id, Sequence[str]] = {row: picture.sentences for row, picture in enumerate(pictures)}
    scenes = (scene_of(picture.name, seed) for picture in pictures)
    return _figures(said, right, [is_true(text, scene) for text, scene in zip(said, scenes, strict=True)])


def of_regions(said: Sequence[str], regions: Sequence[AnnotatedRegion], seed: int = 0) -> dict[str, float]:
    """Metrics of captions of annotated boxes of one thing each; see `of_pictures`."""
    right: dict[Id, Sequence[str]] = {row: region.references for row, region in enumerate(regions)}
    scenes = {name: scene_of(name, seed) for name in {region.picture for region in regions}}
    true = [_is_called(text, scenes[region.picture], region.box) for text, region in zip(said, regions, strict=True)]
    return _figures(said, right, true)


def _is_called(phrase: str, scene: Scene, box: Box) -> bool:
    """Whether a phrase is true of a thing whose centre is in the box, `xyxy` fractions."""
    left, top, right, bottom = box
    for thing in scene.things:
        x, y = thing.centre[0] / scene.image.width, thing.centre[1] / scene.image.height
        if left < x < right and top < y < bottom and names(phrase, thing):
            return True
    return False


def scene_of(name: str, seed: int) -> Scene:
    """The scene of a painted picture, by the number in its name."""
    return paint_scene(seed, int("".join(char for char in name if char.isdigit())))


def _figures(said: Sequence[str], right: dict[Id, Sequence[str]], true: Sequence[bool]) -> dict[str, float]:
    found = caption_metrics(dict(enumerate(said)), right) | {"true": sum(true) / len(true)}
    return {key: found[key] for key in FIGURES}

"""Region caption metrics, as in Karpathy & Fei-Fei 2015, table 3.

A region is an annotated box of a phrase, given to the captioner. Its references are all phrases that name it, in any of
the picture's sentences. A phrase for several things ("two dogs") is a reference of each of their boxes, though no box
shows them all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from wordsight.batch import Regions, Vectors
from wordsight.data.entities import Box, Phrase
from wordsight.matching.matcher import Matcher
from wordsight.metrics.captions import Id, caption_metrics
from wordsight.vision.images import Source
from wordsight.vision.regions import RegionEncoder

Say = Callable[[Sequence[str], Sequence[Sequence[Box]]], list[str]]
"""Names of I pictures and boxes in each -> a caption of every box, picture by picture."""


@dataclass(frozen=True)
class AnnotatedRegion:
    """An annotated box with its reference phrases.

    Attributes:
        picture: the picture's name.
        box: `xyxy` fractions.
        references: at least one phrase, as written, with repetitions.
    """

    picture: str
    box: Box
    references: tuple[str, ...]


def annotated_regions(phrases: Sequence[Phrase]) -> list[AnnotatedRegion]:
    """Every distinct box of every picture, with all phrases that name it; picture by picture, in order.

    Args:
        phrases: of any kinds; "scene" and "other" are kept.
    """
    pictures: dict[str, dict[Box, list[str]]] = {}
    for phrase in phrases:
        boxes = pictures.setdefault(phrase.picture, {})
        for box in dict.fromkeys(phrase.boxes):
            boxes.setdefault(box, []).append(phrase.text)
    return [AnnotatedRegion(name, box, tuple(said)) for name, boxes in pictures.items() for box, said in boxes.items()]


def region_metrics(say: Say, regions: Sequence[AnnotatedRegion]) -> dict[str, float]:
    """The metrics of coco-caption over regions; each counts as a picture of its own.

    Args:
        say: captions boxes.
        regions: S, picture by picture.

    Returns:
        As `caption_metrics`, and `regions`, their number.

    Raises:
        ValueError: the number of captions differs from that of regions.
        InputError: there are no regions.
    """
    names, boxes = grouped(regions)
    said: dict[Id, str] = dict(enumerate(say(names, boxes)))
    if len(said) != len(regions):
        raise ValueError(f"{len(said)} captions: expected one for each of {len(regions)} regions")
    references: dict[Id, Sequence[str]] = {row: region.references for row, region in enumerate(regions)}
    return caption_metrics(said, references) | {"regions": len(regions)}


def grouped(regions: Sequence[AnnotatedRegion]) -> tuple[list[str], list[list[Box]]]:
    """The names of the regions' I pictures, and the boxes in each."""
    boxes: dict[str, list[Box]] = {}
    for region in regions:
        boxes.setdefault(region.picture, []).append(region.box)
    return list(boxes), list(boxes.values())


def views(
    encoder: RegionEncoder, pictures: Sequence[Source], boxes: Sequence[Sequence[Box]], wholes: Regions
) -> Regions:
    """Input of a region captioner: each box, then the whole picture.

    Args:
        encoder: encodes regions.
        pictures: I pictures.
        boxes: at least one in each picture, `xyxy` fractions; S in all.
        wholes: (I, R, F) of the same encoder and pictures; the first region of each is the whole picture.

    Returns:
        Regions (S, 2, F), picture by picture.

    Raises:
        InputError: a picture or box cannot be used.
    """
    seen = encoder.encode(pictures, boxes)  # (I, most boxes, F)
    picture, place = seen.mask.nonzero(as_tuple=True)  # (S,) each
    features = torch.stack([seen.features[picture, place], wholes.features[picture, 0]], dim=1)
    both = torch.stack([seen.boxes[picture, place], wholes.boxes[picture, 0]], dim=1)
    return Regions(features, torch.ones(len(picture), 2, dtype=torch.bool), both)


@torch.no_grad()
def alone(model: Matcher, seen: Regions, rows: int = 256) -> list[Vectors]:
    """Encode each region as a picture of its own, for `retrieval.best_sentences`.

    Args:
        model: in evaluation mode.
        seen: (S, 2, F), as `views` gives them; models with context use the whole picture.
        rows: the number of regions encoded at once.

    Returns:
        Vectors (rows, 1, D), S rows in all, without hubness.
    """
    device, found = next(model.parameters()).device, []
    for some in torch.arange(len(seen.mask)).split(rows):
        parts = (part[some].flip(1) for part in (seen.features, seen.mask, seen.boxes))  # matchers take the whole first
        images = model.image_vectors(Regions(*parts).to(device))
        found.append(Vectors(images.values[:, -1:], images.mask[:, -1:], images.places[:, -1:]))
    return found

"""Phrase grounding of a run: its boxes for the phrases of a dataset, measured beside baselines."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from wordsight.batch import Regions
from wordsight.data.entities import Phrase
from wordsight.data.find import find
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.metrics.grounding import Located, Look, Predict, evaluate
from wordsight.metrics.localise import predictor
from wordsight.metrics.untrained import untrained, word_table
from wordsight.runs.aligner import Aligner
from wordsight.vision.regions import FeatureTable

VECTORS = "glove_300d.npz"  # optional file beside the weights, for the untrained baseline


def ground(run: Aligner, phrases: Sequence[Phrase], look: Look) -> tuple[dict[str, float], Located]:
    """Grounding accuracy of a run, as `metrics.grounding.evaluate` measures it, and where it locates the phrases.

    Args:
        run: the model.
        phrases: P phrases with their true boxes, at least one.
        look: gives the regions of pictures by name.
    """
    located = predictor(run.model, run.vocabulary, look)(phrases)
    proposals = {name: _boxes(look([name])) for name in {phrase.picture for phrase in phrases}}
    return evaluate(lambda _: located, phrases, proposals, _untrained(run, phrases, look)), located


def looking(pictures: Sequence[Picture], rows: FeatureTable) -> Look:
    """A function from pictures' names to their regions."""
    row = {picture.name: number for number, picture in enumerate(pictures)}
    return lambda names: rows.gather(torch.tensor([row[name] for name in names]))


def _boxes(regions: Regions) -> Tensor:
    return regions.boxes[0, regions.mask[0]]  # (R, 4)


def _untrained(run: Aligner, phrases: Sequence[Phrase], look: Look) -> Predict | None:
    """Untrained baseline by the detector's class names; None where regions have none, or vectors are missing."""
    blocks, detector = getattr(run.encoder, "blocks", {}), getattr(run.encoder, "detector", None)
    labels = blocks.get("labels")
    if labels is None or detector is None:
        return None
    columns = slice(labels.start, labels.start + len(detector.names))  # single things; groups of them follow
    try:
        path = find(Path(run.checkpoint.regions.weights) / VECTORS, "word vectors")
    except InputError:
        return None
    return untrained(look, columns, detector.names, word_table(path, phrases, detector.names))

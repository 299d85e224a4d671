"""Pretrained dual encoders in place of trained runs."""

import torch

from wordsight.matching.dual_encoder import DualEncoder, EveryWord
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.recipe import DataSettings, Recipe
from wordsight.vision.dual_regions import DualRegions
from wordsight.vision.dual_source import DualSource, content_of
from wordsight.vision.dual_towers import DualTowers


def pretrained(source: DualSource, device: torch.device) -> tuple[Checkpoint, DualRegions]:
    """A dual encoder as a checkpoint without data of its own, and its region encoder.

    Raises:
        InputError: transformers is not installed, or the model is damaged or incomplete.
    """
    content = content_of(source)
    towers = DualTowers(source, device)
    encoder = DualRegions(towers, content)
    made = Checkpoint(
        model=DualEncoder(towers, source.kind).eval(),
        vocabulary=EveryWord(),
        regions=encoder.settings,
        blocks=encoder.blocks,
        fingerprint=encoder.fingerprint,
        recipe=Recipe(DataSettings(path=""), encoder.settings, model={"name": source.kind}),
        metrics={},
    )
    return made, encoder

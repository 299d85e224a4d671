"""Every sentence of a dataset's val split with every picture of it: what an index is calibrated on."""

from pathlib import Path

import torch
from torch import Tensor

from wordsight.data import find, load_dataset
from wordsight.evaluation.ranking import score_matrix
from wordsight.run import Run
from wordsight.training.batches import pairs
from wordsight.training.material import featured, pictures_of
from wordsight.training.progress import Progress
from wordsight.training.validation import encode
from wordsight.vision.regions import FeatureCache, default_cache

MOST = 1000  # pictures, the first of the split


def split_scores(run: Run, data: str | Path, progress: Progress, split: str = "val") -> tuple[Tensor, Tensor]:
    """Length-normalised scores (I, N) of a split, and the right picture (N,) of each sentence.

    Features come from the feature cache, and what is not there is computed and kept.

    Raises:
        InputError: the dataset is missing, or has no such split.
    """
    dataset = load_dataset(find(data, "dataset"))
    wanted = pictures_of(dataset, split, run.checkpoint.recipe.data)[:MOST]
    pictures, rows = featured(FeatureCache(default_cache(), run.encoder), wanted, progress, split)
    known = pairs(pictures, rows, run.vocabulary)
    images, texts = encode(run.model, known)
    scores = score_matrix(run.model, images, texts)
    parts = torch.cat([some.mask.sum(dim=1) for some in texts]).cpu()  # (N,)
    lengths = torch.ones(()) if run.model.rule and run.model.rule.mean else parts
    return scores / lengths, known.picture

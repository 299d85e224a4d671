"""Sentences of a dataset's val split with every picture of it: what an index is calibrated on."""

from pathlib import Path

import torch
from torch import Tensor

from wordsight.data import find, load_dataset
from wordsight.errors import InputError
from wordsight.evaluation.ranking import score_matrix
from wordsight.run import Run
from wordsight.training.batches import Pairs, pairs
from wordsight.training.material import featured, pictures_of
from wordsight.training.progress import Progress
from wordsight.training.validation import encode
from wordsight.vision.regions import FeatureCache, default_cache

MOST = 1000  # pictures, the first of the split, and as many of their sentences: more fit the same


def split_scores(run: Run, data: str | Path | None, progress: Progress) -> tuple[Tensor, Tensor]:
    """Length-normalised scores (I, N) of the val split, and the right picture (N,) of each sentence.

    Features come from the feature cache, and what is not there is computed and kept.

    Args:
        run: the model.
        data: a dataset with a split `val`; None for the run's own data, and the split that chose its checkpoint.
        progress: who is told how far it is.

    Raises:
        InputError: the dataset is missing, has no such split, or none of its pictures can be read.
    """
    own = run.checkpoint.recipe.data
    split = "val" if data else own.val
    if not data and not own.path:
        raise InputError(f"{run.folder}: comes with no data of its own; name some.")
    dataset = load_dataset(find(data or own.path, "dataset"))
    progress.say(f"learning how sure hits are, from the {split} split of {data or own.path}")
    pictures, rows = featured(
        FeatureCache(default_cache(), run.encoder), pictures_of(dataset, split, own)[:MOST], progress, split
    )
    known = _fewer(pairs(pictures, rows, run.vocabulary))
    images, texts = encode(run.model, known)
    scores = score_matrix(run.model, images, texts)
    parts = torch.cat([some.mask.sum(dim=1) for some in texts]).cpu()  # (N,)
    lengths = torch.ones(()) if run.model.rule and run.model.rule.mean else parts
    return scores / lengths, known.picture


def _fewer(known: Pairs) -> Pairs:
    """At most `MOST` of the pairs, spread evenly."""
    some = slice(None, None, -(-len(known) // MOST))
    return Pairs(known.table, known.words[some], known.picture[some])

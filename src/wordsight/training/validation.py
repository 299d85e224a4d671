"""How good a model is on a split, while it is being trained and after."""

import torch

from wordsight.batch import Vectors, Words
from wordsight.evaluation.ranking import ranking_metrics, rsum
from wordsight.matching.matcher import Matcher
from wordsight.training.batches import Pairs, trim

ROWS = 256  # pictures or sentences encoded at once


def validate(model: Matcher, pairs: Pairs) -> dict[str, float]:
    """Retrieval figures of a model on a split, and their sum `rsum`, 0 to 600; leaves it in evaluation mode."""
    images, texts = encode(model, pairs)
    found = ranking_metrics(model, images, texts, pairs.picture)
    return {**found, "rsum": rsum(found)}


@torch.no_grad()
def encode(model: Matcher, pairs: Pairs) -> tuple[list[Vectors], list[Vectors]]:
    """Every picture and every sentence of a split, encoded in blocks, in order; leaves the model in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    rows = torch.arange(len(pairs.table)).split(ROWS)
    images = [model.encode_images(pairs.table.gather(some).to(device)) for some in rows]
    words = zip(pairs.words.ids.split(ROWS), pairs.words.mask.split(ROWS), strict=True)
    return images, [model.encode_texts(trim(Words(ids, mask)).to(device)) for ids, mask in words]

"""Word probabilities of given captions under a captioner."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning.captioner import CaptionModel, full
from wordsight.captioning.decode import Hypothesis


@torch.no_grad()
def word_log_probs(
    model: CaptionModel, regions: Regions, captions: Sequence[Sequence[Hypothesis]]
) -> list[list[tuple[float, ...]]]:
    """Log-probability (natural) of each word, given the words before it.

    Args:
        model: in evaluation mode.
        regions: (I, R, F), on the model's device.
        captions: captions of each of the I pictures.

    Returns:
        For each picture and each of its captions, one number per word.
    """
    said = [torch.tensor(one.ids, dtype=torch.long) for some in captions for one in some]
    if not said:
        return [[] for _ in captions]
    device = regions.mask.device
    ids = pad_sequence(said, batch_first=True).to(device)
    lengths = torch.tensor([len(one) for one in said], device=device)
    picture = torch.tensor([row for row, some in enumerate(captions) for _ in some], device=device)
    words = Words(ids, torch.arange(ids.shape[1], device=device) < lengths[:, None])
    predicted = full(model.predict(Batch(regions, words, picture))).log_softmax(dim=1).cpu()  # (M, V)
    each = iter(predicted.split([len(one) + 1 for one in said]))
    return [
        [tuple(next(each)[: len(one.ids)].gather(1, torch.tensor(one.ids)[:, None])[:, 0].tolist()) for one in some]
        for some in captions
    ]

"""Ranking by a captioner's likelihood of a sentence given a picture.

The score is log p(sentence | picture), which ranks pictures for a sentence. For a picture it would rank common
sentences first, so the sentence's marginal probability is subtracted (Mao et al. 2015, section on retrieval):

    score = log p(sentence | picture) - log p(sentence),    p(sentence) = mean over training pictures of p(sentence | .)

The simple score, log-likelihood per word, is measured beside it. Every word of every sentence is predicted for every
picture; prefixes that sentences share are computed once.
"""

import math
from collections.abc import Iterable
from itertools import count

import torch
from torch import Tensor

from wordsight.batch import Regions, Words
from wordsight.captioning.captioner import END, full, pick
from wordsight.captioning.decode import Steps
from wordsight.metrics.ranking import metrics, ranks

PICTURES, SENTENCES = 4, 256  # scored at once by the model: about as many rows as a processor's cache can hold


@torch.no_grad()  # inference mode would make autocast turn weights into bf16 at every step
def log_likelihoods(model: Steps, blocks: Iterable[Regions], words: Words) -> Tensor:
    """Log-likelihood of each sentence for each picture.

    Args:
        model: in evaluation mode.
        blocks: regions (P, R, F) of I pictures in all, best in blocks of `PICTURES`.
        words: (N, T), of the model's vocabulary, on the model's device.

    Returns:
        (I, N) float32 on the CPU, natural logarithms, "<end>" counted as a word.
    """
    spelt = (words.ids * words.mask).tolist()
    order = torch.tensor(sorted(range(len(spelt)), key=spelt.__getitem__))  # neighbours share prefixes
    parts = [Words(words.ids[some], words.mask[some]) for some in order.split(SENTENCES)]
    found = [torch.cat([_walk(model, seen, some).cpu() for some in parts], dim=1) for seen in blocks]
    return torch.cat(found)[:, order.argsort()]


def _walk(model: Steps, regions: Regions, words: Words) -> Tensor:
    """One block of `log_likelihoods`, word by word along the prefix tree of the sentences."""
    pictures, lengths = len(regions.mask), words.mask.sum(dim=1)
    state, last = model.start(regions), words.ids.new_zeros(1)  # the last word of each of K prefixes: START
    node = torch.zeros_like(lengths)  # (N,), each sentence's prefix
    log_prob = torch.zeros(pictures, 1, device=words.ids.device)  # (P, K)
    found = log_prob.new_zeros(pictures, len(lengths))
    for t in count():
        logits, state = model.step(state, last.repeat(pictures))
        said = full(logits).log_softmax(dim=1).float().unflatten(0, (pictures, -1))  # (P, K, V)
        ended, going = lengths == t, lengths > t
        found[:, ended] = (log_prob + said[..., END])[:, node[ended]]
        if not going.any():
            break
        _, beginnings, vocabulary = said.shape
        ways, node[going] = (node[going] * vocabulary + words.ids[going, t]).unique(return_inverse=True)  # (K',)
        parent, last = ways // vocabulary, ways % vocabulary
        log_prob = log_prob[:, parent] + said[:, parent, last]
        first = beginnings * torch.arange(pictures, device=parent.device)
        state = pick(state, (first[:, None] + parent).flatten())
    return found


def likelihood_metrics(found: Tensor, strange: Tensor, words: Tensor, picture: Tensor) -> dict[str, float]:
    """Ranking metrics of likelihoods, in both directions.

    Args:
        found: (I, N) logarithms of p(sentence | picture).
        strange: (S, N) the same for S training pictures.
        words: (N,) the number of words of each sentence, "<end>" counted as one.
        picture: (N,) the right picture of each sentence.

    Returns:
        The keys of `ranking.metrics`, and `per_word_i2t_...` for sentences ranked by log-likelihood per word. Text to
        picture is the same for both, as the correction is constant over pictures.
    """
    anywhere = strange.logsumexp(dim=0) - math.log(len(strange))  # (N,), log p(sentence)
    figures = metrics(ranks(found - anywhere, picture), len(found))
    plain = metrics(ranks(found / words, picture), len(found))
    return figures | {f"per_word_{key}": value for key, value in plain.items() if key.startswith("i2t")}

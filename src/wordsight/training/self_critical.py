"""Self-critical sequence training: reinforcement learning from sampled captions (Rennie et al. 2017, equation 6).

Teacher forcing conditions on true words only, and treats all other words as equally wrong. Here the captioner continues
its own words, and the reward is of the whole caption: r is its CIDEr-D against the picture's sentences plus its BLEU-4,
without which captions become ever shorter. As in Luo 2020, "A Better Variant of Self-Critical Sequence Training", the
baseline is the mean of the picture's other samples:

    gradient of the loss = - mean over words of (r - mean of the others' r) * gradient of log p(word)

Samples come from the decoder with its rules (`captioning/rules.py`: no unknown word, no end before a first word, no
repetition), so from p renormalised over the words that these allow. The gradient is of p itself, over all words, and no
importance weights make up for the difference: a biased estimate of the policy gradient, as in other implementations.
"""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning import decode
from wordsight.captioning.captioner import END, CaptionModel
from wordsight.captioning.decode import Hypothesis
from wordsight.metrics.bleu import smoothed
from wordsight.metrics.cider import CiderD
from wordsight.runs.pairs import Pairs
from wordsight.text.vocabulary import LONGEST

TRIES = 5  # captions sampled for each picture


class Critic:
    """Rewards captions by the sentences of their pictures.

    "<end>" counts as a word: else captions would stop in the middle of a phrase, before rare words.

    Args:
        pairs: every sentence with its picture.
        longest: most words of a sampled caption.
    """

    def __init__(self, pairs: Pairs, longest: int = LONGEST) -> None:
        said: list[list[tuple[int, ...]]] = [[] for _ in range(len(pairs.table))]
        for picture, ids, mask in zip(pairs.picture.tolist(), pairs.words.ids, pairs.words.mask, strict=True):
            said[picture].append((*ids[mask].tolist(), END))
        self.said, self.consensus, self.longest = said, CiderD(said), longest

    def reward(self, row: int, caption: Hypothesis) -> float:
        """The reward of a caption of the picture of that row, 0 to 11."""
        words = (*caption.ids, END)
        return self.consensus.score(row, words) + smoothed(words, self.said[row])

    def loss(self, model: CaptionModel, regions: Regions, rows: Tensor) -> Tensor:
        """The loss with the gradient above; its value is the negative mean reward.

        Args:
            model: in training mode; only sampling is without dropout.
            regions: (I, R, F).
            rows: (I,), which pictures of the pairs these are.

        Returns:
            A scalar, -11 to 0.
        """
        device = regions.mask.device
        tries = decode.sample(model.eval(), regions, count=TRIES, longest=self.longest)
        model.train()
        judged = [
            [self.reward(row, caption) for caption in captions]
            for row, captions in zip(rows.tolist(), tries, strict=True)
        ]
        rewards = torch.tensor(judged, device=device)  # (I, TRIES)
        others = (rewards.sum(dim=1, keepdim=True) - rewards) / (TRIES - 1)
        ids = pad_sequence([torch.tensor(one.ids) for some in tries for one in some], batch_first=True)
        words = Words(ids, ids > 0).to(device)  # 0 is "<end>", which no caption has
        batch = Batch(regions, words, torch.arange(len(rows), device=device).repeat_interleave(TRIES))
        loss = model.loss(batch, weights=(rewards - others).flatten())
        return loss - loss.detach() - rewards.mean()

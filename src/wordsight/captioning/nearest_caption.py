"""Nearest-neighbour captioning: the first sentence of the most similar training picture.

Karpathy & Fei-Fei 2015, section 4.2. Nothing is learned: the training pictures and their sentences are the model.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from wordsight.batch import Batch, LabelInfo, Regions
from wordsight.captioning.captioner import UNKNOWN, CaptionModel
from wordsight.captioning.retrieval import neighbours
from wordsight.configured import Configured
from wordsight.text.vocabulary import Vocabulary


class NearestCaption(CaptionModel):
    """Copies the caption of the nearest training picture, by L2 distance of whole-picture features.

    Columns that are constant over all M training pictures, such as the box of the whole picture, are ignored.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
    """

    generates = False
    requires: ClassVar[Mapping[str, object]] = {"data.min_count": 1, "data.alignment": "", "train.reward_epochs": 0}
    pictures: Tensor  # (M, F) in half precision, as region encoders give it; 0 in ignored columns
    counts: Tensor  # (F,) 1 for columns that are used, else 0
    sentences: Tensor  # (N, T) int32, word ids; 0 after the end
    picture: Tensor  # (N,) int32, the row of each sentence's picture, in order

    def __init__(self, vocabulary: int, features: int) -> None:
        Configured.__init__(self)  # it has none of the layers that generate words
        self.register_buffer("pictures", torch.zeros(0, features, dtype=torch.half))
        self.register_buffer("counts", torch.ones(features))
        self.register_buffer("sentences", torch.zeros(0, 0, dtype=torch.int32))
        self.register_buffer("picture", torch.zeros(0, dtype=torch.int32))

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Store pictures and sentences, except sentences with unknown words and pictures that have no other."""
        seen: list[Tensor] = []
        sentences: list[Tensor] = []
        picture: list[Tensor] = []
        for batch in batches():
            ids, mask = batch.words.ids.int() * batch.words.mask, batch.words.mask
            good = ~(ids == UNKNOWN).any(dim=1)
            rows, place = batch.picture[good].unique(return_inverse=True)
            order = place.argsort(stable=True)
            picture.append(place[order].int() + sum(map(len, seen)))
            sentences += [one[:length] for one, length in zip(ids[good][order], mask[good][order].sum(1), strict=True)]
            seen.append(batch.regions.features[rows, 0].half())
        known = torch.cat(seen)
        counts = (known != known[:1]).any(dim=0)
        self.pictures, self.counts = known * counts, counts.float()
        self.sentences, self.picture = pad_sequence(sentences, batch_first=True), torch.cat(picture)

    def lookup(self, regions: Regions, vocabulary: Vocabulary, count: int) -> list[list[tuple[str, float]]]:
        """First sentences of the nearest pictures, each with the cosine of its picture to the given one, 0 to 1."""
        seen, known = self._seen(regions), self.pictures.float()
        nearest = neighbours(seen, known, min(count, len(known)))  # (I, C)
        alike = torch.stack([functional.cosine_similarity(seen, known[rows]) for rows in nearest.unbind(1)], dim=1)
        first = torch.searchsorted(self.picture, nearest.int())
        return [
            self._distinct(zip(rows, rated, strict=True), vocabulary, count)
            for rows, rated in zip(first.tolist(), alike.clamp(0, 1).tolist(), strict=True)
        ]

    def _seen(self, regions: Regions) -> Tensor:
        """Features of the whole pictures (I, F), 0 in ignored columns."""
        return regions.whole.float() * self.counts

    def _distinct(
        self, rated: Iterable[tuple[int, float]], vocabulary: Vocabulary, count: int
    ) -> list[tuple[str, float]]:
        """The first `count` distinct texts of sentences, which are given by row, each with its first rating."""
        found: dict[str, float] = {}
        for row, rating in rated:
            found.setdefault(" ".join(vocabulary.words[word] for word in self.sentences[row].tolist() if word), rating)
            if len(found) == count:
                break
        return list(found.items())

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """Resize the buffers to the saved ones."""
        for name, buffer in self._buffers.items():
            if buffer is not None and prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=buffer.device))
        super()._load_from_state_dict(state, prefix, *rest)
        words, rows = self.sentences, self.picture
        if not (
            len(words) == len(rows)
            and rows.unique_consecutive().equal(torch.arange(len(self.pictures), device=rows.device))
            and bool(((words >= 0) & (words < self.config["vocabulary"])).all())
        ):
            raise RuntimeError("expected sentences of known words, picture after picture")

"""What an alignment infers is what a captioner of regions learns from: a region, and the words that went there.

Karpathy & Fei-Fei 2015, sections 3.1.4 and 3.2: the chain MRF cuts each training sentence into segments, each on one
region of its picture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.batch import Regions, Words
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import BETA, naming_nothing, segments
from wordsight.text.vocabulary import Vocabulary
from wordsight.training.batches import Pairs, Table

ROWS = 50  # pictures whose sentences are aligned at once


@dataclass(frozen=True)
class RegionTable:
    """Regions of pictures, each with the whole picture beside it.

    Attributes:
        table: the pictures' features, the whole picture first.
        picture: (S,) the row of each region's picture.
        region: (S,) its place in the picture.
    """

    table: Table
    picture: Tensor
    region: Tensor

    def __len__(self) -> int:
        """S: how many there are."""
        return len(self.picture)

    def gather(self, indices: Tensor) -> Regions:
        """Rows (I,) -> (I, 2, F): the region, then the whole picture."""
        seen, rows = self.table.gather(self.picture[indices]), torch.arange(len(indices))[:, None]
        views = torch.stack([self.region[indices], torch.zeros_like(indices)], dim=1)  # (I, 2)
        return Regions(seen.features[rows, views], seen.mask[rows, views], seen.boxes[rows, views])


@torch.no_grad()
def snippets(model: Matcher, vocabulary: Vocabulary, pairs: Pairs, beta: float = BETA) -> Pairs:
    """The segments of all sentences that name something, with their regions.

    Args:
        model: aligns; in evaluation mode.
        vocabulary: of the pairs.
        pairs: pictures and sentences.
        beta: how much neighbouring words hold together, as in `matching/segments.py`.
    """
    pictures, regions, said = [], [], []
    device, first = next(model.parameters()).device, 0
    for batch in pairs.by_picture(ROWS):
        images, words = model.encode_images(batch.regions.to(device)), batch.words.to(device)
        silent = naming_nothing(words, vocabulary)
        found = segments(images[batch.picture.to(device)], model.encode_texts(words), beta, silent)
        for row, ids, nothing, phrases in zip(batch.picture.tolist(), words.ids, silent, found, strict=True):
            for phrase in phrases:
                if not nothing[phrase.start : phrase.end].all():
                    pictures.append(first + row)
                    regions.append(phrase.region)
                    said.append(ids[phrase.start : phrase.end].cpu())
        first += len(batch.regions.mask)
    lengths = torch.tensor([len(ids) for ids in said])
    padded = torch.nn.utils.rnn.pad_sequence(said, batch_first=True)
    words = Words(padded, torch.arange(padded.shape[1]) < lengths[:, None])
    table = RegionTable(pairs.table, torch.tensor(pictures), torch.tensor(regions))
    return Pairs(table, words, torch.arange(len(table)))

"""What an alignment infers is what a captioner of regions learns from: a region, and the words that went there.

Karpathy & Fei-Fei 2015, sections 3.1.4 and 3.2: the chain MRF cuts each training sentence into segments, each on one
region of its picture. A segment is a span of words such as "a dog on the", and what a region is called is "a dog": the
words at its ends that name nothing are taken off, where that is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.batch import Regions, Words
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import BETA, naming_nothing, segments, which
from wordsight.text.tokens import JOINING_WORDS
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

    def gather(self, indices: Tensor, places: Tensor | None = None) -> Regions:
        """Rows (I,) -> (I, 2, F): the region, then the whole picture; `places` (I, K) of these where given."""
        views = torch.stack([self.region[indices], torch.zeros_like(indices)], dim=1)  # (I, 2)
        return self.table.gather(self.picture[indices], views if places is None else views.gather(1, places))


@torch.no_grad()
def snippets(
    model: Matcher, vocabulary: Vocabulary, pairs: Pairs, *, beta: float = BETA, trim: bool = True
) -> Pairs:
    """The segments of all sentences that name something, with their regions.

    Args:
        model: aligns; in evaluation mode. It need know no strangers (`forget`), and is faster without.
        vocabulary: of the pairs.
        pairs: pictures and sentences.
        beta: how much neighbouring words hold together, as in `matching/segments.py`.
        trim: take words that name nothing off the ends of segments, see `trimmed`.
    """
    pictures, regions, said = [], [], []
    device, first = next(model.parameters()).device, 0
    joining = which(vocabulary, JOINING_WORDS)
    for batch in pairs.by_picture(ROWS):
        images, words = model.encode_images(batch.regions.to(device)), batch.words.to(device)
        silent = naming_nothing(words, vocabulary)
        found = segments(images[batch.picture.to(device)], model.encode_texts(words), beta, silent)
        sentences = zip(batch.picture.tolist(), words.ids.cpu(), found, strict=True)
        for (row, ids, phrases), nothing, joins in zip(
            sentences, silent.tolist(), joining[batch.words.ids].tolist(), strict=True
        ):
            for phrase in phrases:
                start, end = trimmed(phrase.start, phrase.end, nothing, joins)
                if start < end:
                    pictures.append(first + row)
                    regions.append(phrase.region)
                    said.append(ids[start:end] if trim else ids[phrase.start : phrase.end])
        first += len(batch.regions.mask)
    lengths = torch.tensor([len(ids) for ids in said])
    padded = torch.nn.utils.rnn.pad_sequence(said, batch_first=True)
    words = Words(padded, torch.arange(padded.shape[1]) < lengths[:, None])
    table = RegionTable(pairs.table, torch.tensor(pictures), torch.tensor(regions))
    return Pairs(table, words, torch.arange(len(table)))


def trimmed(start: int, end: int, nothing: Sequence[bool], joins: Sequence[bool]) -> tuple[int, int]:
    """The part of a span of words that is the name of a thing: "and a dog on the" -> "a dog".

    Args:
        start: the first word.
        end: one past the last word.
        nothing: of each word of the sentence, whether it names nothing; no name ends with such a word.
        joins: whether no name begins with it either, as with "and", unlike "a".

    Returns:
        Its start and end; equal where nothing is named.
    """
    while start < end and joins[start]:
        start += 1
    while start < end and nothing[end - 1]:
        end -= 1
    return start, end

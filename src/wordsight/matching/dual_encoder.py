"""Pretrained dual encoder (CLIP and the like) as a matcher: ranks by one vector per picture and one per sentence.

The score is the cosine of the two. The other vectors serve as evidence: those of the picture's regions, from
`vision/dual_towers.py`, and those of the sentence's words, each by itself in a template such as "a photo of a".
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from wordsight.batch import Regions, Vectors, Words
from wordsight.matching import score
from wordsight.matching.matcher import Matcher
from wordsight.text.tokens import FUNCTION_WORDS, tokenise
from wordsight.text.vocabulary import SPECIAL, UNKNOWN, Vocabulary
from wordsight.vision.dual_towers import DualTowers
from wordsight.vision.proposals import COCO_NAMES

TEMPLATES = {"clip": "a photo of a {}.", "siglip": "This is a photo of {}.", "siglip2": "This is a photo of {}."}
_KEPT = 20_000  # words whose vectors are cached; then the cache is emptied


class DualEncoder(Matcher):
    """A dual encoder of the transformers library.

    Args:
        towers: the model's two encoders.
        kind: a key of `TEMPLATES`.
    """

    rule = score.Rule(mean=True, whole=True)

    def __init__(self, towers: DualTowers, kind: str) -> None:
        super().__init__()
        self.config = {"kind": kind, "features": towers.size}
        self.towers, self.template = towers, TEMPLATES[kind]
        self.net: nn.Module = towers.model
        self._words: dict[str, Tensor] = {}  # word -> vector (D,)

    def encode_images(self, regions: Regions) -> Vectors:
        """Regions (I, R, D) as they are; the first is the whole picture."""
        return Vectors(regions.features, regions.mask, regions.boxes)

    def encode_texts(self, words: Words) -> Vectors:
        """Sentences (N, T) -> vectors (N, 1 + T, D): the whole sentence as written, then each of its words.

        Function words have zero vectors.
        """
        if words.spelling is None:
            raise TypeError("a dual encoder reads sentences as they were written: Words.spelling")
        texts = spelt(words.spelling)
        whole = self.towers.sentences(texts)  # (N, D)
        rows = [tokenise(text) or [UNKNOWN] for text in texts]
        known = self._of_words({word for row in rows for word in row if word not in FUNCTION_WORDS})
        values = whole.new_zeros(len(rows), 1 + words.mask.shape[1], whole.shape[1])
        values[:, 0] = whole
        for number, row in enumerate(rows):
            for place, word in enumerate(row, 1):
                if word in known:
                    values[number, place] = known[word]
        mask = torch.nn.functional.pad(words.mask, (1, 0), value=True)
        return Vectors(values, mask, score.spans(mask, whole=True))

    def score(self, images: Vectors, texts: Vectors) -> Tensor:
        """The cosine of every picture with every sentence: (I, N)."""
        return images.values[:, 0] @ texts.values[:, 0].T

    def evidence(self, images: Vectors, texts: Vectors) -> Tensor:
        """The cosine of each word with each region: (B, T, R); minus infinity for the first, the whole picture."""
        found = score.word_regions(images, texts)
        found[:, :, 0] = -torch.inf
        return found

    def _of_words(self, words: set[str]) -> dict[str, Tensor]:
        """The vectors of words, cached."""
        kept = self._words if len(self._words) < _KEPT else {}
        new = sorted(words - kept.keys())
        vectors = self.towers.sentences([self.template.format(word) for word in new])
        self._words = kept = kept | dict(zip(new, vectors, strict=True))
        return kept


class EveryWord(Vocabulary):
    """Open vocabulary, for a model that reads letters: every word; ids only for function words and COCO names."""

    open: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__((*SPECIAL, *sorted(FUNCTION_WORDS), *(name for name in COCO_NAMES if name.isalpha())))

    def __contains__(self, word: object) -> bool:
        """Whether it is a word, that is, not a special entry."""
        return word not in SPECIAL

    def encode(self, sentences: Sequence[str]) -> Words:
        """See `Vocabulary.encode`; adds the sentences as written."""
        words = super().encode(sentences)
        return Words(words.ids, words.mask, spelling=spelling(sentences))


def spelling(sentences: Sequence[str]) -> Tensor:
    """Sentences as code points: (N, L) int32, padded with 0."""
    rows = [torch.tensor([ord(letter) for letter in text], dtype=torch.int32) for text in sentences]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True) if rows else torch.zeros(0, 0, dtype=torch.int32)


def spelt(rows: Tensor) -> list[str]:
    """Sentences from their code points."""
    return ["".join(map(chr, row)).rstrip("\0") for row in rows.tolist()]

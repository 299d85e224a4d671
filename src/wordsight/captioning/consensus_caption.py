"""Consensus caption: of all sentences of the nearest training pictures, the one most similar to the others.

Devlin et al. 2015, "Exploring Nearest Neighbor Approaches for Image Captioning", with CIDEr as the similarity.
"""

from wordsight.batch import Regions
from wordsight.captioning.nearest_caption import NearestCaption
from wordsight.captioning.retrieval import NEIGHBOURS, Likeness, neighbours
from wordsight.text.vocabulary import Vocabulary


class ConsensusCaption(NearestCaption):
    """Copies the caption on which the nearest training pictures agree.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        neighbours: number of nearest pictures whose sentences are compared; at most all are.
    """

    def __init__(self, vocabulary: int, features: int, *, neighbours: int = NEIGHBOURS) -> None:
        if neighbours < 1:
            raise ValueError(f"neighbours = {neighbours}: expected at least 1")
        super().__init__(vocabulary, features)
        self.neighbours = neighbours
        self._likeness: tuple[object, Likeness, list[int]] | None = None

    def lookup(self, regions: Regions, vocabulary: Vocabulary, count: int) -> list[list[tuple[str, float]]]:
        """Sentences of the nearest pictures, ranked by mean similarity to the others, each with that similarity."""
        known, (likeness, first) = self.pictures.float(), self._alike()
        nearest = neighbours(self._seen(regions), known, min(self.neighbours, len(known)))
        ranked = (likeness.ranked(rows) for rows in nearest.tolist())
        return [
            self._distinct(((first[picture] + place, mean) for picture, place, mean in some), vocabulary, count)
            for some in ranked
        ]

    def _alike(self) -> tuple[Likeness, list[int]]:
        """Similarity of the sentences, cached, and the row of each picture's first sentence."""
        if self._likeness is None or self._likeness[0] is not self.sentences:
            told: list[list[list[int]]] = [[] for _ in range(len(self.pictures))]
            for picture, ids in zip(self.picture.tolist(), self.sentences.tolist(), strict=True):
                told[picture].append([word for word in ids if word])
            first = [0]
            for some in told:
                first.append(first[-1] + len(some))
            self._likeness = self.sentences, Likeness(told), first
        return self._likeness[1:]

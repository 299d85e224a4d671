"""CIDEr-D: how near a caption is to the consensus of its references (Vedantam et al., 2015), as coco-caption has it."""

from collections import Counter
from collections.abc import Sequence
from math import exp, log, sqrt

from wordsight.metrics.bleu import N, Tokens, ngrams

SIGMA = 6.0  # of the penalty for a length unlike the reference's


class CiderD:
    """What people said about some pictures, ready to be held against captions.

    Cosine of tf-idf vectors of n-grams, n = 1 to 4, clipped so that repeating pays nothing, less a Gaussian penalty on
    the difference in length; mean over n and references, times 10. How many pictures an n-gram is in counts the
    references given here, so figures of different sets of pictures do not compare, and one picture alone scores 0.

    Args:
        references: of each of I pictures, at least one, tokenised.
    """

    def __init__(self, references: Sequence[Sequence[Tokens]]) -> None:
        pictures: Counter[Tokens] = Counter()  # n-gram -> in how many pictures' references
        for right in references:
            pictures.update({gram for reference in right for gram in ngrams(reference)})
        self.most = log(max(len(references), 1))  # the rarity of an n-gram that is in none
        self.rarity = {gram: self.most - log(count) for gram, count in pictures.items()}
        self.references = [[_Vector(one, self) for one in right] for right in references]

    def score(self, picture: int, candidate: Tokens) -> float:
        """A caption of the picture of that row: 0 to 10."""
        said, right = _Vector(candidate, self), self.references[picture]
        return 10 * sum(said.similarity(one) for one in right) / len(right)


def cider_d(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> list[float]:
    """CIDEr-D of each caption; that of all is their mean.

    Args:
        candidates: I captions, tokenised.
        references: of each, at least one, tokenised.

    Returns:
        (I) scores, 0 to 10; see `CiderD`.
    """
    right = CiderD(references)
    return [right.score(picture, candidate) for picture, candidate in enumerate(candidates)]


class _Vector:
    """A caption's n-grams, each weighted by how often it is there and how few pictures have it."""

    def __init__(self, tokens: Tokens, known: CiderD) -> None:
        self.weights = {gram: count * known.rarity.get(gram, known.most) for gram, count in ngrams(tokens).items()}
        self.length = max(len(tokens) - 1, 0)  # coco-caption takes the number of bigrams for the length
        squares = [0.0] * N
        for gram, weight in self.weights.items():
            squares[len(gram) - 1] += weight * weight
        self.norms = [sqrt(square) for square in squares]

    def similarity(self, reference: "_Vector") -> float:
        """To a reference, 0 to 1, mean over n."""
        products = [0.0] * N
        for gram, weight in self.weights.items():
            if gram in reference.weights:
                other = reference.weights[gram]
                products[len(gram) - 1] += min(weight, other) * other
        cosines = [
            product / (mine * other)
            for product, mine, other in zip(products, self.norms, reference.norms, strict=True)
            if mine and other
        ]
        return sum(cosines) / N * exp(-((self.length - reference.length) ** 2) / (2 * SIGMA**2))

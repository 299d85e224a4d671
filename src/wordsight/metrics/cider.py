"""CIDEr-D: similarity of a caption to its references' consensus (Vedantam et al., 2015), as in coco-caption."""

from collections import Counter
from collections.abc import Sequence
from math import exp, log, sqrt

from wordsight.metrics.bleu import N, Tokens, ngrams

SIGMA = 6.0  # of the Gaussian length penalty


class CiderD:
    """CIDEr-D against the references of pictures.

    Cosine of tf-idf vectors of n-grams, n = 1 to 4, clipped so that repetition gains nothing, times a Gaussian penalty
    on the difference in length; mean over n and references, times 10. Document frequencies come from the references
    given here, so scores over different pictures do not compare, and a single picture scores 0.

    Args:
        references: for each of I pictures at least one, tokenised.
    """

    def __init__(self, references: Sequence[Sequence[Tokens]]) -> None:
        pictures: Counter[Tokens] = Counter()  # n-gram -> number of pictures whose references have it
        for right in references:
            pictures.update({gram for reference in right for gram in ngrams(reference)})
        self.most = log(max(len(references), 1))  # idf of an n-gram in no reference
        self.rarity = {gram: self.most - log(count) for gram, count in pictures.items()}
        self.references = [[_Vector(one, self) for one in right] for right in references]

    def score(self, picture: int, candidate: Tokens) -> float:
        """The score of a caption for the picture with this index, 0 to 10."""
        said, right = _Vector(candidate, self), self.references[picture]
        return 10 * sum(said.similarity(one) for one in right) / len(right)


def cider_d(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> list[float]:
    """CIDEr-D of each caption; that of all is their mean.

    Args:
        candidates: I captions, tokenised.
        references: for each caption at least one, tokenised.

    Returns:
        (I) scores, 0 to 10; see `CiderD`.
    """
    right = CiderD(references)
    return [right.score(picture, candidate) for picture, candidate in enumerate(candidates)]


class _Vector:
    """A caption's tf-idf vectors of n-grams."""

    def __init__(self, tokens: Tokens, known: CiderD) -> None:
        self.weights = {gram: count * known.rarity.get(gram, known.most) for gram, count in ngrams(tokens).items()}
        self.length = max(len(tokens) - 1, 0)  # coco-caption takes the number of bigrams as the length
        squares = [0.0] * N
        for gram, weight in self.weights.items():
            squares[len(gram) - 1] += weight * weight
        self.norms = [sqrt(square) for square in squares]

    def similarity(self, reference: "_Vector") -> float:
        """Similarity to a reference, 0 to 1, the mean over n."""
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

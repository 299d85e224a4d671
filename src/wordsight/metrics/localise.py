"""Phrase localisation by a trained matcher: the boxes of a phrase, best first, and its point."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from wordsight.data.entities import Phrase
from wordsight.matching.locate import locate, ranked, supported
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import Grouping, assign, function_word_mask
from wordsight.metrics.grounding import KS, Located, Look, Predict
from wordsight.text.vocabulary import Vocabulary


def predictor(
    model: Matcher,
    vocabulary: Vocabulary,
    look: Look,
    *,
    beta: float | None = None,
    rows: int = 256,
) -> Predict:
    """Grounding by a trained model: regions by the sum of a phrase's word evidence, best first, and a point.

    Function words of a phrase are ignored, unless it has no others.

    Args:
        model: in evaluation mode.
        vocabulary: the model's.
        look: gives the regions of pictures by name.
        beta: choose the first region by segments instead (`matching/segments.py`): that of most words of the phrase;
            ties by the greatest sum. The others follow by their sums.
        rows: sentences encoded at once.
    """

    @torch.no_grad()
    def predict(phrases: Sequence[Phrase]) -> Located:
        boxes, points = torch.zeros(len(phrases), KS[-1], 4), torch.zeros(len(phrases), 2)
        members: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, phrase in enumerate(phrases):
            members[phrase.picture, phrase.sentence].append(number)
        pairs = list(members)
        for first in range(0, len(pairs), rows):
            block = pairs[first : first + rows]
            numbers = [number for pair in block for number in members[pair]]
            row = torch.tensor([at for at, pair in enumerate(block) for _ in members[pair]])
            asked = [phrases[number] for number in numbers]
            scores, places, chosen = _scored(model, vocabulary, look, block, row, asked, beta)
            _, points[numbers] = locate(scores, places, chosen)
            boxes[numbers] = ranked(scores, places, KS[-1], chosen)
        return Located(boxes, points)

    return predict


def _scored(
    model: Matcher,
    vocabulary: Vocabulary,
    look: Look,
    pairs: Sequence[tuple[str, str]],
    row: Tensor,
    phrases: Sequence[Phrase],
    beta: float | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Scores of regions for phrases.

    Args:
        model: in evaluation mode.
        vocabulary: the model's.
        look: gives the regions of pictures by name.
        pairs: (picture, sentence) pairs.
        row: (P,) the pair of each phrase.
        phrases: P.
        beta: as for `predictor`.

    Returns:
        (P, R) scores; (P, R, 4) the regions' boxes; (P,) the region of each phrase by vote, None without `beta`.
    """
    device = next(model.parameters()).device
    names = list(dict.fromkeys(picture for picture, _ in pairs))  # each picture is encoded once
    seen = model.image_vectors(look(names).to(device))
    images = seen[torch.tensor([names.index(picture) for picture, _ in pairs], device=device)]
    words = vocabulary.encode([sentence for _, sentence in pairs])
    boxes = images.places.cpu()
    found = supported(model.evidence(images, model.text_vectors(words.to(device))).cpu(), boxes)  # (B, T, R)
    function_words = function_word_mask(words, vocabulary)  # (B, T)
    asked = [_asked(phrase, function_words[at]) for at, phrase in zip(row, phrases, strict=True)]
    scores = torch.stack([found[at, places].sum(0) for at, places in zip(row, asked, strict=True)])  # (P, R)
    if beta is None:
        return scores, boxes[row], None
    chain = assign(found, words.mask, beta, Grouping.of([text for _, text in pairs]))
    return scores, boxes[row], _voted(scores, [chain[at, places] for at, places in zip(row, asked, strict=True)])


def _asked(phrase: Phrase, function_words: Tensor) -> Tensor:
    """Positions of a phrase's content words in its sentence, or of all its words if it has none."""
    places = torch.arange(phrase.start, phrase.end)
    heard = places[~function_words[places]]
    return heard if len(heard) else places


def _voted(scores: Tensor, chosen: Sequence[Tensor]) -> Tensor:
    """Majority vote: the region that most words of each phrase chose; ties by the greatest score.

    Args:
        scores: (P, R) of each phrase.
        chosen: for each phrase the regions of its words.

    Returns:
        (P,) int64.
    """
    votes = torch.stack([torch.bincount(regions, minlength=scores.shape[1]) for regions in chosen])  # (P, R)
    return scores.masked_fill(votes < votes.amax(dim=1, keepdim=True), -torch.inf).argmax(dim=1)

"""Phrase grounding: pointing and IoU accuracy, beside baselines.

Pointing: the point lies in any true box. A trained model's point is a vote of regions inside its box
(`matching/locate.py`); the row `middle` takes its boxes' centres, as the baselines do. IoU: the box overlaps the
smallest box around all true ones by an intersection over union of at least one half.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from wordsight.batch import Regions
from wordsight.data.entities import Phrase
from wordsight.matching.locate import locate, overlaps, supported
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import Grouping, assign, function_word_mask
from wordsight.text.tokens import FUNCTION_WORDS, tokenise
from wordsight.text.vectors import load_vectors
from wordsight.text.vocabulary import SPECIAL, Vocabulary

Look = Callable[[Sequence[str]], Regions]  # names of I pictures -> their regions
Predict = Callable[[Sequence[Phrase]], Tensor]  # P phrases -> (P, 4) boxes, or (P, 6) with a point x, y; fractions
WHOLE = (0.0, 0.0, 1.0, 1.0)


def evaluate(
    predict: Predict, phrases: Sequence[Phrase], proposals: Mapping[str, Tensor], untrained: Predict | None = None
) -> dict[str, float]:
    """Grounding accuracy, over all phrases and per kind, beside baselines.

    Args:
        predict: chooses a box for each phrase.
        phrases: with their true boxes.
        proposals: picture name -> (R, 4) boxes to choose from, `xyxy` fractions.
        untrained: chooses a box for each phrase without a trained model; None leaves it out.

    Returns:
        `grounding_phrases`; then, in percent, `grounding_pointing` and `grounding_iou`, the same with `centre` (a point
        in the picture's middle), `whole` (the whole picture), `random` (any proposal, expected), `best` (the best of
        the proposals) and `untrained` before the last word; then all of these as `grounding_<kind>_...`.
    """
    predicted = predict(phrases)
    hits = {"": _judge(predicted, phrases)}
    if predicted.shape[1] == 6:
        hits["middle_"] = _judge(predicted[:, :4], phrases)
    hits["whole_"] = _judge(torch.tensor([WHOLE]).expand(len(phrases), 4), phrases)
    hits["centre_"] = hits["whole_"]
    hits |= _of_proposals(phrases, proposals)
    if untrained is not None:
        hits["untrained_"] = _judge(untrained(phrases), phrases)
    flat: dict[str, float] = {}
    kinds = sorted({phrase.kind for phrase in phrases})
    for prefix, kind in (("grounding_", None), *((f"grounding_{kind}_", kind) for kind in kinds)):
        chosen = torch.tensor([kind is None or phrase.kind == kind for phrase in phrases])
        flat[f"{prefix}phrases"] = int(chosen.sum())
        for row, hit in hits.items():
            pointing, iou = (100 * hit[chosen].mean(0)).tolist()  # (P, 2) -> two numbers
            if row != "whole_":  # the whole picture has the same point as the centre
                flat[f"{prefix}{row}pointing"] = round(pointing, 4)
            if row not in ("centre_", "middle_"):
                flat[f"{prefix}{row}iou"] = round(iou, 4)
    return flat


def _of_proposals(phrases: Sequence[Phrase], proposals: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scores of a random proposal (expected) and the best one: (P, 2) each."""
    random, best = [], []
    for first in range(0, len(phrases), 512):
        some = phrases[first : first + 512]
        boxes = [proposals[phrase.picture].float() for phrase in some]
        counts = torch.tensor([len(one) for one in boxes])
        hits = _hits(pad_sequence(boxes, batch_first=True), some)  # (P, R, 2)
        hits *= (torch.arange(hits.shape[1]) < counts[:, None])[:, :, None]
        random.append(hits.sum(1) / counts[:, None])
        best.append(hits.amax(1))
    return {"random_": torch.cat(random), "best_": torch.cat(best)}


def _judge(boxes: Tensor, phrases: Sequence[Phrase]) -> Tensor:
    """Whether each box (P, 4), with its point (P, 6), is right by pointing and by IoU: (P, 2) of 0 and 1."""
    return _hits(boxes.cpu().float()[:, None], phrases)[:, 0]


def _hits(boxes: Tensor, phrases: Sequence[Phrase]) -> Tensor:
    """Whether boxes (P, R, 4) or (P, R, 6) are right for each phrase, by pointing and IoU: (P, R, 2) of 0 and 1."""
    boxes, point = boxes[..., :4], boxes[..., 4:]
    point = (point if point.shape[-1] else (boxes[..., :2] + boxes[..., 2:]) / 2)[:, :, None]  # (P, R, 1, 2)
    # Repeating a phrase's first box fills the row, and changes neither "inside any" nor the box around all.
    longest = max(len(phrase.boxes) for phrase in phrases)
    rows = [(*phrase.boxes, *phrase.boxes[:1] * (longest - len(phrase.boxes))) for phrase in phrases]
    truth = torch.tensor(rows)  # (P, B, 4)
    low, high = truth[:, None, :, :2], truth[:, None, :, 2:]
    inside = ((point >= low) & (point <= high)).all(3).any(2)  # (P, R)
    return torch.stack([inside, overlaps(boxes, around(truth)[:, None]) >= 0.5], dim=2).float()


def around(boxes: Tensor) -> Tensor:
    """The bounding box of boxes: (..., B, 4) -> (..., 4)."""
    return torch.cat([boxes[..., :2].amin(-2), boxes[..., 2:].amax(-2)], dim=-1)


def predictor(
    model: Matcher,
    vocabulary: Vocabulary,
    look: Look,
    *,
    beta: float | None = None,
    rows: int = 256,
) -> Predict:
    """A trained model's grounding: the region of the greatest sum of a phrase's word evidence, and its point.

    Function words of a phrase are ignored, unless it has no others.

    Args:
        model: in evaluation mode.
        vocabulary: the model's.
        look: gives the regions of pictures by name.
        beta: choose by segments instead (`matching/segments.py`): the region of most of a phrase's words; ties by the
            greatest sum.
        rows: sentences encoded at once.
    """
    device = next(model.parameters()).device

    @torch.no_grad()
    def predict(phrases: Sequence[Phrase]) -> Tensor:
        chosen = torch.zeros(len(phrases), 6)
        members: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, phrase in enumerate(phrases):
            members[phrase.picture, phrase.sentence].append(number)
        pairs = list(members)
        for first in range(0, len(pairs), rows):
            block = pairs[first : first + rows]
            names = list(dict.fromkeys(picture for picture, _ in block))  # each picture is encoded once
            seen = model.image_vectors(look(names).to(device))
            which = torch.tensor([names.index(picture) for picture, _ in block], device=device)
            images = seen[which]
            words = vocabulary.encode([sentence for _, sentence in block])
            boxes = images.places.cpu()
            found = supported(model.evidence(images, model.text_vectors(words.to(device))).cpu(), boxes)  # (B, T, R)
            function_words = function_word_mask(words, vocabulary)  # (B, T)
            chain = None if beta is None else assign(found, words.mask, beta, Grouping.of([text for _, text in block]))
            for row, pair in enumerate(block):
                numbers = members[pair]
                asked = [_asked(phrases[number], function_words[row]) for number in numbers]
                scores = torch.stack([found[row, places].sum(0) for places in asked])  # (phrases of the pair, R)
                voted = None if chain is None else _voted(scores, [chain[row, places] for places in asked])
                box, point = locate(scores, boxes[row].expand(len(numbers), -1, -1), voted)
                chosen[numbers] = torch.cat([box, point], dim=1)
        return chosen

    return predict


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


def untrained(
    look: Look,
    classes: slice,
    class_names: Sequence[str],
    words: Mapping[str, Tensor],
    *,
    least: float = 0.45,
) -> Predict:
    """Untrained baseline: the detection whose class name is nearest to a word of the phrase.

    By the cosine of word vectors, with the detector's score to break ties; where no class is near enough, the whole
    picture.

    Args:
        look: gives the regions of pictures by name.
        classes: which columns of the features are the detector's class scores, 0 to 1.
        class_names: of those columns.
        words: word -> vector (E,).
        least: the least cosine of a match, -1 to 1.
    """
    near: dict[str, Tensor] = {}
    names = torch.stack([_vector(tokenise(name), words) for name in class_names])  # (C, E)

    def predict(phrases: Sequence[Phrase]) -> Tensor:
        chosen = torch.tensor([WHOLE]).repeat(len(phrases), 1)
        pictures = {name: look([name]) for name in {phrase.picture for phrase in phrases}}
        for number, phrase in enumerate(phrases):
            regions = pictures[phrase.picture]
            seen, which = regions.features[0, :, classes].max(1)  # (R,) score and class
            for word in _content(phrase):
                if word in words and word not in near:
                    near[word] = torch.nn.functional.cosine_similarity(names, words[word][None])  # (C,)
            match = torch.full_like(seen, -1.0)
            for word in _content(phrase):
                if word in near:
                    match = match.maximum(near[word][which])
            match = match.masked_fill((seen <= 0) | ~regions.mask[0], -1.0)
            if match.max() >= least:
                chosen[number] = regions.boxes[0, (match + 0.1 * seen).argmax()]
        return chosen

    return predict


def _content(phrase: Phrase) -> list[str]:
    """The content words of a phrase."""
    return [word for word in tokenise(phrase.sentence)[phrase.start : phrase.end] if word not in FUNCTION_WORDS]


def _vector(parts: Sequence[str], words: Mapping[str, Tensor]) -> Tensor:
    """The mean vector of a name's words; zero where none is known."""
    size = next(iter(words.values())).shape
    known = [words[part] for part in parts if part in words]
    return torch.stack(known).mean(0) if known else torch.zeros(size)


def word_table(path: Path, phrases: Sequence[Phrase], class_names: Sequence[str]) -> dict[str, Tensor]:
    """Vectors (E,) of the words of phrases and class names, where a file of word vectors has them.

    Raises:
        InputError: the file is not one of word vectors, or has none of the words.
    """
    texts = [*class_names, *(phrase.sentence for phrase in phrases)]
    words = dict.fromkeys(word for text in texts for word in tokenise(text))
    vectors, found = load_vectors(path, vocabulary := Vocabulary((*SPECIAL, *words)))
    return {word: vectors[number] for word, number in vocabulary.number.items() if found[number]}

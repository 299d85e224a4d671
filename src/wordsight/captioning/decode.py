"""Decoding: greedy, beam search and sampling, for any model with `start` and `step`.

Pictures and all their beams go through the model together, one row each, in blocks that fit a processor's cache;
finished rows are removed. A caption is never empty, has no "<unk>" unless allowed, and repeats neither a word in a row
nor any three words, so it cannot loop. Content words may be limited to `once`: models stutter ("a dog next to a dog")
far more often than people mean it. These rules only exclude words; probabilities are the model's, over all its words.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wordsight.batch import Regions
from wordsight.captioning.beams import Beams, extend
from wordsight.captioning.captioner import END, State, pick
from wordsight.captioning.rules import Rules
from wordsight.text.vocabulary import LONGEST

ROWS = 768  # rows per block: with fewer, matrix products are slow; with more, logits fall out of the cache


class Steps(Protocol):
    """What decoding needs of a model; a `CaptionModel` in evaluation mode has it."""

    def start(self, regions: Regions) -> State:
        """Regions (I, R, F) -> the state before any word, one row per picture."""

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """The last words (B,), 0 before the first -> logits (B, V) of the next words, and the state after `words`."""


@dataclass(frozen=True)
class Hypothesis:
    """A decoded caption.

    Attributes:
        ids: ids of its words, without "<end>".
        log_prob: natural log-probability, "<end>" included unless the caption was cut at the longest length.
        confidence: the geometric mean of its word probabilities, 0 to 1; "<end>" counts as a word. Unlike the
            probability, it does not fall with length, so one threshold fits captions of all lengths.
    """

    ids: tuple[int, ...]
    log_prob: float
    confidence: float


def greedy(
    model: Steps, regions: Regions, *, longest: int = LONGEST, unknown: bool = False, once: Tensor | None = None
) -> list[list[Hypothesis]]:
    """Greedy decoding: the most probable word at every step.

    Args:
        model: the captioner.
        regions: (I, R, F), of I pictures.
        longest: maximum number of words in a caption; longer captions are cut.
        unknown: allow "<unk>".
        once: (V,) bool, words that occur at most once in a caption; None for no such word.

    Returns:
        For each picture a list of one caption.
    """
    _check(longest)

    def choose(log_probs: Tensor, going: Tensor, t: int) -> Tensor:
        return log_probs.max(dim=1).indices  # argmax, in half the time of `argmax`

    blocks = _blocks(regions, 1)
    rules = Rules(unknown, once)
    return [captions for block in blocks for captions in _walk(model, block, choose, 1, longest, rules)]


def sample(
    model: Steps,
    regions: Regions,
    *,
    count: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
    longest: int = LONGEST,
    unknown: bool = False,
    once: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Sampling; the same generator gives the same captions in one batch as in several.

    Args:
        model: the captioner.
        regions: (I, R, F), of I pictures.
        count: captions per picture.
        temperature: 0.001 to 1000; below 1 sharpens the distribution, above 1 flattens it.
        top_k: draw from the k most probable words only; 0 for all.
        top_p: draw from the nucleus: the smallest set of words whose probabilities sum to at least this; above 0, to 1.
        generator: of random numbers; None for torch's own.
        longest: maximum number of words in a caption; longer captions are cut.
        unknown: allow "<unk>".
        once: (V,) bool, words that occur at most once in a caption; None for no such word.

    Returns:
        For each picture `count` captions, most probable first.

    Raises:
        ValueError: a number out of its range.
    """
    if count < 1 or not 0.001 <= temperature <= 1000 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(
            f"count = {count}, temperature = {temperature}, top_k = {top_k}, top_p = {top_p}: "
            "expected at least 1, from 0.001 to 1000, at least 0, and above 0 to 1"
        )
    _check(longest)
    where = generator.device if generator else "cpu"

    def drawn(block: Regions) -> list[list[Hypothesis]]:
        rows = count * len(block.mask)
        chance = torch.rand(rows, longest, generator=generator, device=where).to(block.mask.device)

        def choose(log_probs: Tensor, going: Tensor, t: int) -> Tensor:
            return _draw(log_probs / temperature, top_k, top_p, chance[going, t])

        return _walk(model, block, choose, count, longest, Rules(unknown, once))

    found = (captions for block in _blocks(regions, count) for captions in drawn(block))
    return [sorted(captions, key=lambda caption: -caption.log_prob) for captions in found]


def beam(
    model: Steps,
    regions: Regions,
    *,
    width: int = 7,
    n_best: int = 1,
    length_normalise: float = 0.0,
    longest: int = LONGEST,
    unknown: bool = False,
    once: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Beam search: extend the `width` most probable partial captions of each picture word by word.

    A caption is finished when its "<end>" is among the `width` best continuations; another takes its place. A picture
    is done when no partial caption can become better than the `n_best` finished ones. Width 1 is greedy.

    Args:
        model: the captioner.
        regions: (I, R, F), of I pictures.
        width: W, number of partial captions kept.
        n_best: captions to return, at most W.
        length_normalise: p, to rank captions by log-probability / words^p, "<end>" counted as a word: 0 (or False)
            ranks by probability, which prefers short captions; 1 (or True) ranks by confidence.
        longest: maximum number of words in a caption; unfinished captions come last.
        unknown: allow "<unk>".
        once: (V,) bool, words that occur at most once in a caption; None for no such word.

    Returns:
        For each picture `n_best` captions, best first; fewer if there are no more.

    Raises:
        ValueError: a number is out of its range, or the beam is wider than the vocabulary.
    """
    if not 1 <= n_best <= width or not 0 <= length_normalise <= 10:
        raise ValueError(
            f"width = {width}, n_best = {n_best}, length_normalise = {length_normalise}: "
            "expected n_best from 1 to width, and length_normalise from 0 to 10"
        )
    _check(longest)
    given = width, n_best, length_normalise, longest, Rules(unknown, once)
    return [captions for block in _blocks(regions, width) for captions in _search(model, block, *given)]


def _blocks(regions: Regions, texts: int) -> Iterator[Regions]:
    """Blocks of the pictures, in order, of about ROWS rows, with `texts` rows per picture."""
    pictures = max(1, ROWS // texts)
    parts = (part.split(pictures) for part in (regions.features, regions.mask, regions.boxes))
    return (type(regions)(*block) for block in zip(*parts, strict=True))


@torch.inference_mode()
def _search(
    model: Steps, regions: Regions, width: int, n_best: int, power: float, longest: int, rules: Rules
) -> list[list[Hypothesis]]:
    """Beam search in one block."""
    state, device = model.start(regions), regions.mask.device
    going = torch.arange(len(regions.mask), device=device)  # (P,), unfinished pictures
    live = Beams.blank(len(going), 1, longest, 0.0, device)
    ended = Beams.blank(len(going), n_best, longest, -torch.inf, device)
    captions: list[list[Hypothesis]] = [[] for _ in range(len(going))]
    for t in range(longest):
        logits, state = model.step(state, live.ids[..., t - 1].flatten())  # before any word: the last column, still 0
        log_probs = rules.apply(logits, live.ids[..., :t].flatten(0, 1))
        live, ended, rows = _grow(live, ended, log_probs, t, width, power)
        hope = live.log_prob[:, 0] / longest**power  # upper bound of the score
        done = (ended.score(power)[:, -1] >= hope) | (t + 1 == longest)
        if done.any():
            for picture, texts in zip(going[done].tolist(), _captions(ended.joined(live)[done]), strict=True):
                captions[picture] = texts[:n_best]
            going, live, ended, rows = going[~done], live[~done], ended[~done], rows[~done]
            if not len(going):
                break
        state = pick(state, rows.flatten())
    return captions


def _grow(
    live: Beams, ended: Beams, log_probs: Tensor, t: int, width: int, power: float
) -> tuple[Beams, Beams, Tensor]:
    """Extend the beams by one word.

    Returns:
        The `width` best unfinished texts; the best finished ones, as many as before; and the rows of `log_probs`
        that the unfinished texts continue, (P, W).
    """
    longer, rows = extend(live, log_probs, t, width)  # (P, 2W), best first
    ending = longer.ids[..., t] == END
    if not ending.any():
        return Beams(longer.ids[:, :width], longer.log_prob[:, :width]), ended, rows[:, :width]
    among = torch.arange(2 * width, device=rows.device) < width
    ended_too = ended.joined(longer.only(ending & among))
    going_on = longer.only(~ending)
    order = going_on.log_prob.topk(width).indices  # (P, W)
    best = ended_too.score(power).topk(ended.log_prob.shape[1]).indices
    return going_on.pick(order), ended_too.pick(best), rows.gather(1, order)


@torch.inference_mode()
def _walk(
    model: Steps,
    regions: Regions,
    choose: Callable[[Tensor, Tensor, int], Tensor],
    count: int,
    longest: int,
    rules: Rules,
) -> list[list[Hypothesis]]:
    """`count` independent captions of each picture of one block, word by word.

    `choose` receives log-probabilities (B, V), the indices (B,) of these captions among all, and their number of
    words; it returns the next word of each, (B,).
    """
    rows = torch.arange(len(regions.mask), device=regions.mask.device).repeat_interleave(count)
    going = torch.arange(len(rows), device=rows.device)  # (B,), unfinished captions
    state, ids = pick(model.start(regions), rows), rows.new_zeros(len(rows), longest)
    log_prob = torch.zeros(len(rows), device=rows.device)
    captions: list[list[Hypothesis]] = [[] for _ in range(len(regions.mask))]
    for t in range(longest):
        logits, state = model.step(state, ids[:, t - 1])  # before any word: the last column, still 0
        log_probs = rules.apply(logits, ids[:, :t])
        word = ids[:, t] = choose(log_probs, going, t)
        log_prob = log_prob + log_probs.gather(1, word[:, None])[:, 0]
        done = (word == END) | (t + 1 == longest)
        if done.any():
            for row, *text in zip(going[done].tolist(), ids[done].tolist(), log_prob[done].tolist(), strict=True):
                captions[row // count].append(_caption(*text))
            going, ids, log_prob, state = going[~done], ids[~done], log_prob[~done], pick(state, ~done)
            if not len(going):
                break
    return captions


def _draw(log_probs: Tensor, top_k: int, top_p: float, chance: Tensor) -> Tensor:
    """Sample words (B,) from log-probabilities (B, V), not necessarily normalised, by random `chance` (B,), 0 to 1."""
    probability, words = log_probs.softmax(dim=1), None
    if top_k or top_p < 1:  # only these need the order
        probability, words = probability.sort(dim=1, descending=True)
        probability = probability.masked_fill(probability.cumsum(dim=1) - probability >= top_p, 0.0)
        probability[:, top_k or probability.shape[1] :] = 0.0
    reached = probability.cumsum(dim=1)
    place = (reached <= chance[:, None] * reached[:, -1:]).sum(dim=1)
    last = probability.shape[1] - 1 - (probability > 0).flip(1).int().argmax(dim=1)  # last word with any probability
    place = torch.minimum(place, last)
    return place if words is None else words.gather(1, place[:, None])[:, 0]


def _captions(beams: Beams) -> list[list[Hypothesis]]:
    """The texts of each picture, in order."""
    pictures = zip(beams.ids.tolist(), beams.log_prob.tolist(), strict=True)
    return [[_caption(*text) for text in zip(*texts, strict=True) if text[1] > -math.inf] for texts in pictures]


def _caption(ids: list[int], log_prob: float) -> Hypothesis:
    """A caption from a padded row, which "<end>" terminates if there was room."""
    length = ids.index(END) if END in ids else len(ids)
    return Hypothesis(tuple(ids[:length]), log_prob, math.exp(log_prob / min(length + 1, len(ids))))


def _check(longest: int) -> None:
    if longest < 1:
        raise ValueError(f"longest = {longest}: expected at least 1")

"""Decoding settings: those of beam search and sampling, checked."""

import math
from collections.abc import Callable
from typing import TypedDict

import torch

from wordsight.batch import Regions
from wordsight.captioning import decode
from wordsight.captioning.captioner import CaptionModel
from wordsight.captioning.decode import Hypothesis
from wordsight.errors import InputError
from wordsight.text.vocabulary import Vocabulary

BEAM = 3  # default beam width


class Decoding(TypedDict, total=False):
    """Decoding settings, with their defaults in parentheses.

    Attributes:
        beam: beam width (3), not for `sample`; 1 takes the most probable word at every step.
        n_best: captions per picture (1); at most `beam`, except with `sample`.
        length_normalise: p, to rank captions by log-probability / words^p (0); not for `sample`.
        sample: draw words at random (False).
        temperature: only for `sample`: below 1 sharpens the distribution (1).
        top_k: only for `sample`: draw from the k most probable words; 0 for all (0).
        top_p: only for `sample`: draw from the smallest set of words whose probabilities sum to at least this (1).
        seed: only for `sample`: seed of the random numbers (0).
    """

    beam: int
    n_best: int
    length_normalise: float
    sample: bool
    temperature: float
    top_k: int
    top_p: float
    seed: int


Decoder = Callable[[CaptionModel, Regions, Vocabulary], list[list[Hypothesis]]]


def decoder(
    *,
    beam: int = BEAM,
    n_best: int = 1,
    length_normalise: float = 0.0,
    sample: bool = False,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Decoder:
    """Make a decoder of captions with the settings of `Decoding`.

    Raises:
        InputError: a number is out of its range, or is for `sample` and given without it.
    """
    if beam < 1:
        raise InputError(f"beam = {beam}: expected at least 1.")
    if n_best < 1 or (n_best > beam and not sample):
        raise InputError(f"n_best = {n_best}: expected at least 1, and at most {beam}, the width of the beam.")
    if not all(map(math.isfinite, (length_normalise, temperature, top_p))):
        raise InputError("length_normalise, temperature and top_p: expected finite numbers.")
    if not sample:
        if (temperature, top_k, top_p, seed) != (1.0, 0, 1.0, 0):
            raise InputError("temperature, top_k, top_p and seed: expected together with sample.")
        return lambda model, seen, words: decode.beam(
            model,
            seen,
            width=beam,
            n_best=n_best,
            length_normalise=length_normalise,
            longest=words.longest,
            once=words.naming,
        )
    if not 0 <= seed < 2**64:
        raise InputError(f"seed = {seed}: expected 0 to 2**64 - 1.")
    chance = torch.Generator().manual_seed(seed)
    return lambda model, seen, words: decode.sample(
        model,
        seen,
        count=n_best,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        generator=chance,
        longest=words.longest,
        once=words.naming,
    )

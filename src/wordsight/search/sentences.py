"""Image-to-text retrieval: which of a collection of captions best fit a picture, or a region of it."""

from collections.abc import Sequence

import torch

from wordsight.batch import Vectors
from wordsight.errors import InputError
from wordsight.runs.aligner import Aligner
from wordsight.search.query import Like, terms
from wordsight.search.scan import top

ROWS = 256  # sentences encoded at once


def best_sentences(run: Aligner, like: Like, sentences: Sequence[str], count: int = 10) -> list[tuple[str, float]]:
    """The sentences that fit a picture best, with their scores, best first.

    Args:
        run: the model.
        like: the picture, or a box of it.
        sentences: the collection; duplicates count once, and those without a word that the model knows are skipped.
        count: the maximum number.

    Raises:
        InputError: the picture cannot be opened, or none of the sentences has a word that the model knows.
    """
    known = [
        one for one in dict.fromkeys(sentences) if any(word in run.vocabulary for word in run.vocabulary.tokens(one))
    ]
    if not known:
        raise InputError("No caption has a word that the model knows.")
    if like.box is None:
        images = run.encode_images([like.picture])
    else:
        seen = terms(run, [like])[0][0].texts.to(run.device)  # the region's vector; hubness is known for pictures only
        images = Vectors(seen.values, seen.mask, seen.places)
    blocks = [run.score(images, known[first : first + ROWS])[0] for first in range(0, len(known), ROWS)]
    scores = torch.cat(blocks).float().cpu()
    return [(known[place], float(scores[place])) for place in top(scores, count)]

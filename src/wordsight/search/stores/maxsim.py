"""The score as plain MaxSim, so that the order of a vector database is that of the index.

A database scores a picture with the query vectors q by

    MaxSim  =  sum over words t of max over regions r of x_r . q_t

and an index by the same sum with word weights w_t >= 0, less a share c of the picture's hubness h. As the maximum of a
picture's products does not mind a factor above 0 or a number that all of them share,

    sum over t of w_t max over r of v_r . s_t  -  c h  =  MaxSim  of  x_r = (v_r, h)  with  q_t = (w_t s_t, -c or 0)

where -c stands in one of the words only.

A model that scores by whole pictures (`Rule.whole`) lets the first region alone count. One number more sees to that: of
the other regions it is -2 L, with L the length of the picture's longest vector, and of a word it is |q_t|; then none of
them reaches the first, as all products are between -L |q_t| and L |q_t|.
"""

import numpy as np
import torch

from wordsight.errors import InputError
from wordsight.matching.score import Rule
from wordsight.search.scan import EncodedQuery, Floats


def width(size: int, whole: bool) -> int:
    """How many numbers a vector has in a database.

    Args:
        size: D of the model's vectors.
        whole: whether the first region alone counts.
    """
    return size + 1 + whole


def picture_vectors(values: Floats, hubness: float, whole: bool) -> Floats:
    """The vectors of a picture as a database holds them.

    Args:
        values: (R, D) of its regions.
        hubness: of the picture.
        whole: whether the first region alone counts.

    Returns:
        (R, D + 1), or (R, D + 2) where the first region alone counts.
    """
    more = np.full((len(values), 1 + whole), hubness, np.float32)
    if whole:
        more[:, 1] = -2 * np.linalg.norm(values, axis=1).max()
        more[0, 1] = 0
    return np.concatenate([values, more], axis=1, dtype=np.float32)


def query_vectors(query: EncodedQuery, whole: bool) -> Floats:
    """A query as a database is asked; words that count less than nothing are left out, as MaxSim has none.

    Args:
        query: a single one, of W words.
        whole: whether the first region alone counts.

    Returns:
        (at most W, D + 1 or D + 2).

    Raises:
        InputError: no word is left.
    """
    shares = query.shares[:, 0]
    kept = shares > 0
    if not bool(kept.any()):
        raise InputError(
            "A vector database cannot search by what to avoid alone; expected a sentence or picture of weight above 0."
        )
    words = query.words[kept] * shares[kept, None]
    more = torch.zeros(len(words), 1 + whole)
    more[0, 0] = -float(query.hubness_weight[0])
    if whole:
        more[:, 1] = words.norm(dim=1)
    return torch.cat([words, more], dim=1).numpy()


def check_rule(rule: Rule, name: object) -> None:
    """That MaxSim can be made of a model's score.

    Raises:
        InputError: it sums over regions.
    """
    if rule.thresholded_sum:
        raise InputError(
            f"{name}: its model sums over all regions of a picture (equation 7), and a vector database knows the best "
            "region of each word only; search the index itself."
        )

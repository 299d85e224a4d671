"""The score as plain MaxSim, so that a vector database ranks pictures as the index does.

A database scores a picture with the query vectors q by

    MaxSim  =  sum over words t of max over regions r of x_r . q_t

and an index by the same sum with word weights w_t >= 0, minus a share c of the picture's hubness h. A positive factor,
or a number that is added to all products, can be moved into the maximum. So

    sum over t of w_t max over r of v_r . s_t  -  c h  =  MaxSim  of  x_r = (v_r, h)  with  q_t = (w_t s_t, -c or 0)

where only one of the words has -c.

With a model that scores by whole pictures (`Rule.whole`), only the first region counts. One more number ensures that:
in the other regions it is -2 L, with L the norm of the picture's longest vector, and in a word it is |q_t|. Then no
other region exceeds the first, as all products are between -L |q_t| and L |q_t|.
"""

import numpy as np
import torch

from wordsight.errors import InputError
from wordsight.matching.score import Rule
from wordsight.search.scan import EncodedQuery, Floats


def width(size: int, whole: bool) -> int:
    """The dimension of vectors in a database.

    Args:
        size: D of the model's vectors.
        whole: whether only the first region counts.
    """
    return size + 1 + whole


def picture_vectors(values: Floats, hubness: float, whole: bool) -> Floats:
    """The vectors of a picture as a database stores them.

    Args:
        values: (R, D) of its regions.
        hubness: of the picture.
        whole: whether only the first region counts.

    Returns:
        (R, D + 1), or (R, D + 2) if only the first region counts.
    """
    more = np.full((len(values), 1 + whole), hubness, np.float32)
    if whole:
        more[:, 1] = -2 * np.linalg.norm(values, axis=1).max()
        more[0, 1] = 0
    return np.concatenate([values, more], axis=1, dtype=np.float32)


def query_vectors(query: EncodedQuery, whole: bool) -> Floats:
    """The vectors of a query for a database; words without positive weight are left out, as MaxSim has no others.

    Args:
        query: a single one, of W words.
        whole: whether only the first region counts.

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
    """Check that a model's score can be written as MaxSim.

    Raises:
        InputError: the score sums over regions.
    """
    if rule.thresholded_sum:
        raise InputError(
            f"{name}: its model sums over all regions of a picture (equation 7), and a vector database knows the best "
            "region of each word only; search the index itself."
        )

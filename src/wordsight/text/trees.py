"""Which word of a sentence hangs on which: dependency trees, and chains where nobody parsed.

A tree is a row a word, (T, 2): the place of its head in the sentence, its own for the root, and the number of the
relation in `RELATIONS`. Any parser can make them, in the tokens it likes (`data/parses.py`); here they come to stand on
the words as `tokenise` makes them. Without a parse a sentence is a chain that branches to the right: each word hangs on
the one before it, and so the pairs of a head and its word are all neighbours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from wordsight.batch import Words
from wordsight.text.tokens import tokenise

_UNIVERSAL = (
    "acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det discourse dislocated expl fixed "
    "flat goeswith iobj list mark nmod nsubj nummod obj obl orphan parataxis punct reparandum root vocative xcomp"
)
RELATIONS = ("next", *_UNIVERSAL.split())  # of a chain, then the 37 of Universal Dependencies
NUMBER = {name: number for number, name in enumerate(RELATIONS)}
UNPARSED = 0.25  # of the sentences, while learning, are read as chains: so a query, which has no parse, can be read too


@dataclass(frozen=True)
class Token:
    """One node of a parse.

    Attributes:
        letters: what it adds to the letters and digits of the sentence, lowercased; nothing for punctuation.
        head: the place of its head among the parse's tokens, -1 for a root.
        relation: its relation's number.
    """

    letters: str
    head: int
    relation: int


def letters(text: str) -> str:
    """The letters and digits of a text, lowercased: what a sentence and its parse have in common."""
    return "".join(tokenise(text))


def on_words(tokens: Sequence[Token], words: Sequence[str]) -> list[tuple[int, int]]:
    """A parse as a tree of other words, which have the same letters in the same order.

    A word takes the tokens that begin in it ("man" and "'s" for "mans"), and hangs where the highest of them hangs. A
    word in which none begins hangs on the one before it. Tokens without letters are left out: what hung on them hangs
    on their head. The first root is the root; others hang on it.

    Args:
        tokens: of the parse, without a cycle.
        words: T of them, at least one.

    Returns:
        T pairs of head and relation, as in a row of a tree.

    Raises:
        ValueError: the letters differ.
    """
    if "".join(token.letters for token in tokens) != "".join(words):
        raise ValueError("the letters of the parse are not those of the words")
    word = _words_of(tokens, words)
    ways = [_way_up(tokens, place) for place in range(len(tokens))]
    tree = [(place - 1, NUMBER["flat"]) for place in range(len(words))]
    for place in sorted(range(len(tokens)), key=lambda place: -len(ways[place])):  # the highest of a word comes last
        if tokens[place].letters:
            head = word[ways[place][0]] if ways[place] else -1
            tree[word[place]] = (head, tokens[place].relation)
    root = next(place for place, (head, _) in enumerate(tree) if head < 0)
    tree = [(root if head < 0 else head, relation) for head, relation in tree]
    tree[root] = (root, NUMBER["root"])
    return tree


def _words_of(tokens: Sequence[Token], words: Sequence[str]) -> list[int]:
    """The word in which each token begins, or would if it had letters."""
    owner = [place for place, word in enumerate(words) for _ in word]  # of each letter
    starts = [0, *accumulate(len(token.letters) for token in tokens)]
    return [owner[min(start, len(owner) - 1)] for start in starts[:-1]]


def _way_up(tokens: Sequence[Token], place: int) -> list[int]:
    """The tokens above one, up to the root, without those that have no letters."""
    way = []
    while (place := tokens[place].head) >= 0:
        way.append(place)
    return [place for place in way if tokens[place].letters]


def chains(mask: Tensor) -> Tensor:
    """The trees of sentences that nobody parsed: mask (N, T) -> (N, T, 2)."""
    place = torch.arange(mask.shape[1], device=mask.device)
    relation = torch.full_like(place, NUMBER["next"]).masked_fill(place == 0, NUMBER["root"])
    return torch.stack([(place - 1).clamp(min=0), relation], dim=-1).expand(*mask.shape, 2)


def trees(words: Words, learning: bool = False) -> Tensor:
    """The tree of each sentence: its parse, or a chain.

    Args:
        words: (N, T).
        learning: read some of the parsed sentences as chains, `UNPARSED` of them, by chance.

    Returns:
        (N, T, 2) int64; what stands in the padding means nothing.
    """
    chain = chains(words.mask)
    if words.tree is None:
        return chain
    if not learning:
        return words.tree
    unread = torch.rand(len(chain), device=chain.device) < UNPARSED
    return torch.where(unread[:, None, None], chain, words.tree)


def planted(words: Words, found: Iterable[Sequence[tuple[int, int]] | None]) -> Words:
    """The same sentences with their trees; chains where one is None."""
    tree = chains(words.mask).clone()
    for row, pairs in enumerate(found):
        if pairs is not None:
            tree[row, : len(pairs)] = torch.tensor(pairs)
    return Words(words.ids, words.mask, tree)

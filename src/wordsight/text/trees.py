"""Dependency trees of sentences, and right-branching chains where there is no parse.

A tree has a row for each word, (T, 2): the position of its head in the sentence (its own for the root), and the index
of the relation in `RELATIONS`. Any parser can make them, with its own tokens (`data/parses.py`); here they are aligned
with the words of `tokenise`. Without a parse a sentence is a chain: each word's head is the word before it.
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
RELATIONS = ("next", *_UNIVERSAL.split())  # that of a chain, then the 37 of Universal Dependencies
NUMBER = {name: number for number, name in enumerate(RELATIONS)}
UNPARSED = 0.25  # share of training sentences read as chains, so that queries, which have no parse, work too


@dataclass(frozen=True)
class Token:
    """One node of a parse.

    Attributes:
        letters: its letters and digits, lowercased; empty for punctuation.
        head: index of its head among the parse's tokens, -1 for a root.
        relation: index of its relation.
    """

    letters: str
    head: int
    relation: int


def letters(text: str) -> str:
    """The letters and digits of a text, lowercased, by which sentences and parses match."""
    return "".join(tokenise(text))


def on_words(tokens: Sequence[Token], words: Sequence[str]) -> list[tuple[int, int]]:
    """Align a parse with other words of the same letters in the same order.

    A word has the tokens that begin in it ("man" and "'s" for "mans"), and the head of the highest of them; if none
    begins in it, its head is the word before it. Tokens without letters are skipped: their dependents attach to their
    head. The first root stays the root, and becomes the head of the other roots.

    Args:
        tokens: of the parse, acyclic.
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
    for place in sorted(range(len(tokens)), key=lambda place: -len(ways[place])):  # a word's highest token comes last
        if tokens[place].letters:
            head = word[ways[place][0]] if ways[place] else -1
            tree[word[place]] = (head, tokens[place].relation)
    root = next(place for place, (head, _) in enumerate(tree) if head < 0)
    tree = [(root if head < 0 else head, relation) for head, relation in tree]
    tree[root] = (root, NUMBER["root"])
    return tree


def _words_of(tokens: Sequence[Token], words: Sequence[str]) -> list[int]:
    """The word in which each token begins, also for tokens without letters."""
    owner = [place for place, word in enumerate(words) for _ in word]  # of each letter
    starts = [0, *accumulate(len(token.letters) for token in tokens)]
    return [owner[min(start, len(owner) - 1)] for start in starts[:-1]]


def _way_up(tokens: Sequence[Token], place: int) -> list[int]:
    """The ancestors of a token, up to the root, without those that have no letters."""
    way = []
    while (place := tokens[place].head) >= 0:
        way.append(place)
    return [place for place in way if tokens[place].letters]


def chains(mask: Tensor) -> Tensor:
    """Right-branching chains of sentences without a parse: mask (N, T) -> (N, T, 2)."""
    place = torch.arange(mask.shape[1], device=mask.device)
    relation = torch.full_like(place, NUMBER["next"]).masked_fill(place == 0, NUMBER["root"])
    return torch.stack([(place - 1).clamp(min=0), relation], dim=-1).expand(*mask.shape, 2)


def trees(words: Words, learning: bool = False) -> Tensor:
    """The tree of each sentence: its parse, or a chain.

    Args:
        words: (N, T).
        learning: read a random share `UNPARSED` of the parsed sentences as chains.

    Returns:
        (N, T, 2) int64; arbitrary in the padding.
    """
    chain = chains(words.mask)
    if words.tree is None:
        return chain
    if not learning:
        return words.tree
    unread = torch.rand(len(chain), device=chain.device) < UNPARSED
    return torch.where(unread[:, None, None], chain, words.tree)


def planted(words: Words, found: Iterable[Sequence[tuple[int, int]] | None]) -> Words:
    """Add trees to sentences; a sentence whose tree is None gets a chain."""
    tree = chains(words.mask).clone()
    for row, pairs in enumerate(found):
        if pairs is not None:
            tree[row, : len(pairs)] = torch.tensor(pairs)
    return Words(words.ids, words.mask, tree)

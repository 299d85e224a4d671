"""Phrase localisation without training: the detection whose class name is nearest to a word of the phrase."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from wordsight.data.entities import Phrase
from wordsight.metrics.grounding import WHOLE, Located, Look, Predict
from wordsight.text.tokens import FUNCTION_WORDS, tokenise
from wordsight.text.vectors import load_vectors
from wordsight.text.vocabulary import SPECIAL, Vocabulary


def untrained(
    look: Look,
    classes: slice,
    class_names: Sequence[str],
    words: Mapping[str, Tensor],
    *,
    least: float = 0.45,
) -> Predict:
    """Untrained baseline: the detection whose class name is nearest to a word of the phrase.

    Nearness is the cosine of word vectors; a tenth of the detector's score is added to break ties. If no cosine is
    `least` or more, the whole picture is taken.

    Args:
        look: gives the regions of pictures by name.
        classes: the columns of the features with the detector's class scores, 0 to 1.
        class_names: the names of those columns.
        words: word -> vector (E,).
        least: the minimum cosine of a match, -1 to 1.
    """
    near: dict[str, Tensor] = {}
    names = torch.stack([_vector(tokenise(name), words) for name in class_names])  # (C, E)

    def predict(phrases: Sequence[Phrase]) -> Located:
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
        return Located(chosen[:, None])

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
    """Vectors (E,) of the words in phrases' sentences and class names, as far as a file of word vectors has them.

    Raises:
        InputError: the file is not one of word vectors, or has none of the words.
    """
    texts = [*class_names, *(phrase.sentence for phrase in phrases)]
    words = dict.fromkeys(word for text in texts for word in tokenise(text))
    vectors, found = load_vectors(path, vocabulary := Vocabulary((*SPECIAL, *words)))
    return {word: vectors[number] for word, number in vocabulary.number.items() if found[number]}

"""Word vectors from a file: npz, GloVe text or word2vec text."""

import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wordsight.errors import InputError
from wordsight.files import open_regular, reason
from wordsight.text.tokens import tokenise
from wordsight.text.vocabulary import SPECIAL, Vocabulary

_LONGEST = 1 << 20  # maximum characters of a line


def load_vectors(path: Path, vocabulary: Vocabulary, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Load a vector for each word of a vocabulary.

    Words of the file match as `tokenise` normalises them ("t-shirt" for "tshirt", "Dog" for "dog"), unless the file
    also has the exact word. Missing words get random values of the same scale.

    Args:
        path: an npz with `words` (W,) and `vectors` (W, E), or text with a word and E numbers a line, separated by
            spaces (GloVe), optionally after a line with W and E (word2vec).
        vocabulary: of V words.
        seed: of the random values.

    Returns:
        (V, E) float32 vectors, and (V,) bool: True where the file has the word.

    Raises:
        InputError: the file cannot be read, is of another format (the message names the line or key), or has none of
            the words.
    """
    path = Path(path)
    found: dict[str, np.ndarray] = {}
    for word, vector in _npz(path) if path.suffix == ".npz" else _text(path, vocabulary):
        if word in vocabulary:
            found[word] = vector
        elif (folded := _fold(word)) in vocabulary and folded not in found:
            found[folded] = vector
    if not found:
        raise InputError(f"{path} has none of the {len(vocabulary)} words of the vocabulary.")
    rows = [vocabulary.number[word] for word in found]
    known = np.stack(list(found.values())).astype(np.float32)  # (found, E)
    vectors = np.random.default_rng(seed).normal(0.0, known.std(), (len(vocabulary), known.shape[1])).astype(np.float32)
    vectors[rows] = known
    mask = torch.zeros(len(vocabulary), dtype=torch.bool)
    mask[rows] = True
    return torch.from_numpy(vectors), mask


def label_similarity(path: Path, names: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Tensor:
    """Cosine similarity of each word to names.

    Args:
        path: a file of word vectors, as for `load_vectors`.
        names: L names, each of one or several synonyms.
        vocabulary: of V words.

    Returns:
        (L, V) the cosine of a word with the nearest synonym, -1 to 1; 0 where either is unknown.

    Raises:
        InputError: as `load_vectors`.
    """
    words = dict.fromkeys([*vocabulary.words[len(SPECIAL) :], *(word for name in names for word in name)])
    both = Vocabulary((*SPECIAL, *words))
    vectors, found = load_vectors(path, both)
    vectors = functional.normalize(vectors, dim=1) * found[:, None]
    of_words = vectors[[both.number[word] for word in vocabulary.words]]  # (V, E)
    rows = [(of_words @ vectors[[both.number[word] for word in name]].T).amax(dim=1) for name in names]
    return torch.stack(rows)


def _fold(word: str) -> str:
    """A word of the file, normalised by `tokenise`; empty when it is not one word."""
    pieces = tokenise(word)
    return pieces[0] if len(pieces) == 1 else ""


def _npz(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            for key in ("words", "vectors"):
                if key not in file:
                    there = ", ".join(file.files) or "none"
                    raise InputError(f"{path}: the array '{key}' is missing, there is {there}.")
            words, vectors = file["words"], file["vectors"]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error
    except (ValueError, TypeError, EOFError, LookupError, MemoryError, zlib.error, BadZipFile) as error:
        raise InputError(f"{path} cannot be read: expected an npz with 'words' and 'vectors'.") from error
    if vectors.ndim != 2 or words.shape != vectors.shape[:1]:
        raise InputError(f"{path}: expected words (W,) and vectors (W, E), found {words.shape} and {vectors.shape}.")
    yield from zip((str(word) for word in words), vectors, strict=True)


def _text(path: Path, vocabulary: Vocabulary) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the entries that are needed; other lines are not parsed, as such files have millions."""
    size = 0
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST), ""), 1):
                if len(line) == _LONGEST:
                    raise InputError(f"{path}, line {number}: expected a word and its numbers, found a longer line.")
                word, _, rest = line.rstrip().partition(" ")
                if number == 1 and word.isdecimal() and rest.strip().isdecimal():
                    size = int(rest)  # the header of word2vec
                    continue
                size = size or len(rest.split())
                if (word in vocabulary or _fold(word) in vocabulary) and len(numbers := rest.split()) <= size:
                    yield word, _vector(numbers, size, f"{path}, line {number}")  # more: an entry of several words
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text with a word and its numbers on each line.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error


def _vector(numbers: list[str], size: int, where: str) -> np.ndarray:
    try:
        vector = np.array(numbers, dtype=np.float32)
    except ValueError as error:
        raise InputError(f"{where}: expected a word and {size} numbers.") from error
    if vector.size != size or not size:
        raise InputError(f"{where}: expected a word and {size or 'its'} numbers, found {vector.size}.")
    return vector

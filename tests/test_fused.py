"""The scan compiled by numba: the whole numbers of plain arithmetic, by whatever instructions the processor has."""

import numpy as np
import pytest
import torch

from wordsight.matching.score import Rule
from wordsight.search import instructions, prefilter
from wordsight.search.codes import MIDDLE, WordCodes, quantise
from wordsight.search.instructions import Instructions, chosen, fused_scores
from wordsight.search.prefilter import Rough, best_scores
from wordsight.search.rows import LINE, empty
from wordsight.search.scan import EncodedQuery, Spans, scan, top

HERE = instructions.instructions()
fused = pytest.mark.skipif(not HERE, reason="needs numba (the extra fast) and a processor with AVX-512 VNNI")
WAYS = ("amx", "vnni")


def asked(count: int, size: int, queries: int, random: np.random.Generator) -> tuple[WordCodes, torch.Tensor]:
    """Words with whole numbers for steps, each of one query, not in the order of the queries."""
    values = random.integers(-63, 64, (count, size)).astype(np.int8)
    shares = torch.zeros(count, queries)
    shares[torch.arange(count), torch.arange(count) % queries] = torch.randint(1, 4, (count,)).float()
    nothing = torch.zeros(count)
    return WordCodes(values, torch.ones(count), nothing, nothing), shares


@fused
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("size", "count", "queries"), [(64, 1, 1), (256, 8, 1), (100, 9, 2), (130, 17, 3), (8, 40, 5)])
@pytest.mark.parametrize("threads", [1, 2])
def test_scores_are_those_of_whole_numbers(
    way: Instructions, size: int, count: int, queries: int, threads: int
) -> None:
    if way not in HERE:
        pytest.skip(f"this processor has no {way}")
    random = np.random.default_rng(size)
    words, shares = asked(count, size, queries, random)
    rows = random.integers(1, 256, (700, size)).astype(np.uint8)
    counts = random.integers(1, 50, 20)
    first = np.cumsum(counts) - counts + random.integers(0, 3, 20).cumsum()  # with rows of nobody in between
    first[-1] = len(rows) - counts[-1]  # the last ends where the file does
    steps = random.integers(1, 5, 20).astype(np.float32)
    products = (rows.astype(np.int64) - MIDDLE) @ words.values.T.astype(np.int64)
    best = np.stack([products[at : at + some].max(axis=0) for at, some in zip(first, counts, strict=True)])
    torch.set_num_threads(threads)
    try:
        found = fused_scores(way, rows, first, counts, steps, words, shares)
    finally:
        torch.set_num_threads(1)
    assert (found == (best @ shares.numpy()).T * steps).all()


@fused
@pytest.mark.parametrize("way", WAYS)
def test_the_first_are_those_of_the_exact_scan(way: Instructions, monkeypatch: pytest.MonkeyPatch) -> None:
    if way not in HERE:
        pytest.skip(f"this processor has no {way}")
    monkeypatch.setattr(prefilter, "chosen", lambda words: way)
    random = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 40, (300,), generator=random).numpy()
    vectors = torch.randn(int(counts.sum()), 96, generator=random).numpy()
    coded = quantise(vectors, counts)
    first = np.cumsum(counts) - counts
    spans = Spans(np.ones(300, int), first, counts, np.zeros(300, np.float32), coded.length, coded.blur)
    ask = EncodedQuery(torch.randn(21, 96, generator=random), torch.eye(3).repeat(7, 1), torch.zeros(3), torch.zeros(3))
    every = torch.randperm(300, generator=random)
    for places in (np.arange(300), np.arange(100, 170), every.numpy(), every[:90].numpy()):
        some = spans[places]
        found = best_scores({1: vectors}, Rough({1: (coded.values, coded.steps[:, None])}), some, ask, Rule(), 10)
        exact = scan({1: vectors}, some, ask, Rule())
        for query in range(3):
            best = top(found[:, query].contiguous(), 10)
            assert best.tolist() == top(exact[:, query].contiguous(), 10).tolist()
            torch.testing.assert_close(found[best, query], exact[best, query], atol=1e-5, rtol=1e-5)


def test_nothing_is_compiled_where_numba_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "find_spec", lambda name: None)
    assert instructions.instructions.__wrapped__() == ()
    monkeypatch.setattr(instructions, "instructions", lambda: ())
    assert chosen(8) is None


def test_many_words_without_amx_are_left_to_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "instructions", lambda: ("vnni",))
    assert chosen(8) == "vnni" and chosen(800) is None
    monkeypatch.setattr(instructions, "instructions", lambda: ("amx", "vnni"))
    assert chosen(800) == "amx"


def test_arrays_begin_where_a_cache_line_does() -> None:
    for shape in ((3, 5), (1,), (7, 64)):
        found = empty(shape, np.float32)
        assert found.shape == shape and found.dtype == np.float32 and found.ctypes.data % LINE == 0

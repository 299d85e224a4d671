"""The exact scores of a few pictures for each of many queries are those of the exact scan."""

import numpy as np
import pytest
import torch

from wordsight.matching.score import Rule
from wordsight.search import candidates
from wordsight.search.candidates import candidate_scores
from wordsight.search.scan import EncodedQuery, Spans, scan


@pytest.mark.parametrize("numbers", [2**22, 700, 1], ids=["together", "all but the longest", "each too long"])
def test_scores_are_those_of_the_scan(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    """Pictures with unequal regions in two files, queries with unequal words, one with none, and hubness."""
    monkeypatch.setattr(candidates, "NUMBERS", numbers)
    random = np.random.default_rng(0)
    count = random.integers(1, 6, 40)
    segment = np.repeat([1, 2], 20)
    first = np.concatenate([np.cumsum(some) - some for some in np.split(count, 2)])
    hubness = random.standard_normal(40).astype(np.float32)
    spans = Spans(segment, first, count, hubness, *np.ones((2, 40), np.float32))
    files = {number: random.standard_normal((100, 8)).astype(np.float32) for number in (1, 2)}
    shares = torch.block_diag(torch.ones(1, 1), torch.full((3, 1), 0.5), torch.ones(5, 1))
    shares = torch.cat([shares, torch.zeros(9, 1)], dim=1)  # the last query has no word
    words = torch.from_numpy(random.standard_normal((9, 8)).astype(np.float32))
    asked = EncodedQuery(words, shares, torch.tensor([0, 1, 0.5, 1]), torch.tensor([0.1, 0, 0, 2]))
    places = [random.permutation(40)[:size] for size in (7, 0, 20, 3)]
    true = scan(files, spans, asked, Rule())
    found = list(candidate_scores(files, spans, places, asked))
    assert [len(own) for own in found] == [7, 0, 20, 3]
    for query, (own, some) in enumerate(zip(found, places, strict=True)):
        assert torch.allclose(own, true[some, query], atol=1e-5)

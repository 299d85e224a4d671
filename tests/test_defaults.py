"""What is left out means the same in the shell and in Python."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from wordsight.captioning.decoding import decoder
from wordsight.cli import index, main, models
from wordsight.cli.search import search
from wordsight.comparison.compare import compare
from wordsight.evaluation.alignment import measure
from wordsight.evaluation.captioning import measure_captions
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.captioner import load_captioner
from wordsight.search.index import Index
from wordsight.search.options import SearchOptions
from wordsight.training.trainer import train
from wordsight.web.serve import serve

NONE = {"camera", "orientation", "album"}  # all cameras, any shape, no album: empty in the shell
PAIRS: list[tuple[Callable[..., Any], Callable[..., Any], set[str]]] = [
    (
        search,
        SearchOptions,
        {
            "top",
            "page",
            "min_score",
            "min_confidence",
            "where",
            "under",
            "since",
            "until",
            *NONE,
            "group",
            "kind",
            "frames",
        },
    ),
    (search, Index.search, {"rerank_top", "text"}),
    (search, Index.__init__, {"device"}),
    (index.build, Index.build, {"prune", "force", "text"}),
    (index.build, Index.create, {"device"}),
    (main.caption, decoder, {"beam", "n_best", "length_normalise", "sample", "temperature", "top_k", "top_p", "seed"}),
    (main.caption, load_captioner, {"device"}),
    (main.ground, Aligner.align, {"beta"}),
    (main.ground, load, {"device"}),
    (models.evaluate, measure, {"data", "split", "grounding", "folds", "relevance"}),
    (models.evaluate, measure_captions, {"data", "split", "grounding", "beam", "meteor", "spice", "alignment"}),
    (models.compare, compare, {"data", "split", "grounding", "query_bank", "folds", "beam", "device"}),
    (models.train, train, {"resume"}),
    (
        main.serve,
        serve,
        {"captioner", "regions", "situations", "host", "port", "token", "device", "show_paths", "photos"},
    ),
]


@pytest.mark.parametrize(("command", "function", "shared"), PAIRS, ids=lambda one: getattr(one, "__qualname__", ""))
def test_defaults_are_the_same(command: Callable[..., Any], function: Callable[..., Any], shared: set[str]) -> None:
    shell, python = inspect.signature(command).parameters, inspect.signature(function).parameters
    for name in shared:
        told = shell[name].default
        if told is None and name in ("beta", "beam"):
            continue  # left out by the command too, which then leaves it to the function
        assert told == python[name].default or not (told or python[name].default), name
    alike = {name for name in shell.keys() & python.keys() if python[name].default is not inspect.Parameter.empty}
    assert alike <= shared | {"device", "report", "progress"}, "every option of both is compared"

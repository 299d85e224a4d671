"""Every reader of data, given anything, gives a dataset or one sentence of refusal, and soon."""

import random
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import fuzz

PARSERS = {parser.name: parser for parser in fuzz.parsers()}
KEYS = st.sampled_from(("images", "annotations", "sentences", "filename", "id", "image", "caption", "words"))
bounded = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", PARSERS)
def test_good_files_are_read(name: str) -> None:
    parser = PARSERS[name]
    before = parser.read_well
    fuzz.attempt(parser, parser.good)
    assert parser.read_well == before + 1


@pytest.mark.parametrize("name", PARSERS)
@bounded
@given(seed=st.integers(0, 2**32), strict=st.booleans())
def test_damaged_files_are_read_or_refused(name: str, seed: int, strict: bool) -> None:
    fuzz.attempt(PARSERS[name], fuzz.mutated(PARSERS[name].good, random.Random(seed)), strict=strict)


@pytest.mark.parametrize("name", PARSERS)
@settings(bounded, max_examples=15)
@given(content=st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(name: str, content: bytes) -> None:
    fuzz.attempt(PARSERS[name], content)


@pytest.mark.parametrize("name", ["karpathy", "coco", "json list", "entities", "meta, json", "vocabulary"])
@settings(bounded, max_examples=30)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inside: st.lists(inside) | st.dictionaries(KEYS | st.text(), inside),
        max_leaves=10,
    )
)
def test_any_json_is_read_or_refused(name: str, value: object) -> None:
    fuzz.attempt(PARSERS[name], fuzz.as_json(value))


def test_a_crash_would_be_seen() -> None:
    def broken(root: Path) -> object:
        raise KeyError(root)

    with pytest.raises(KeyError):
        fuzz.attempt(fuzz.Parser("broken", "x", b"", broken), b"")

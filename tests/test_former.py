"""Former names of what a search gives work for a release, with a warning."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.search.former import FORMER
from wordsight.search.index import Index


@pytest.fixture
def index(indexed: Path) -> Index:
    return Index(indexed, "cpu")


def test_former_attributes_are_found_with_a_warning(index: Index) -> None:
    found = index.search("a red circle")
    for old in ("sure", "alike", "common"):
        with pytest.warns(FutureWarning, match=rf"{old} is now called {FORMER[old]}"):
            assert getattr(found.hits[0], old) == getattr(found.hits[0], FORMER[old])
    with pytest.warns(FutureWarning, match="doubtful is now called poor_match"):
        assert found.doubtful == found.poor_match
    with pytest.warns(FutureWarning, match="boxed is now called bundled"):
        assert index.boxed == index.bundled
    with pytest.raises(AttributeError, match="'Hit' object has no attribute 'nothing'"):
        _ = found.hits[0].nothing


def test_a_former_keyword_is_taken_with_a_warning(index: Index) -> None:
    with pytest.warns(FutureWarning, match="min_sure is now called min_confidence"):
        old = index.search("a red circle", min_sure=0.01)  # type: ignore[call-arg]
    assert old == index.search("a red circle", min_confidence=0.01)


def test_json_has_both_names_and_the_command_line_the_former_option(index: Index) -> None:
    plain = index.search("a red circle").to_json()
    assert plain["doubtful"] == plain["poor_match"]
    assert all(hit[old] == hit[FORMER[old]] for hit in plain["hits"] for old in ("sure", "alike", "common"))
    told = ["search", str(index.folder), "a red circle", "--json"]
    old, now = (CliRunner().invoke(app, [*told, option, "0.01"]) for option in ("--min-sure", "--min-confidence"))
    assert old.exit_code == 0 and "--min-sure is now called --min-confidence" in old.stderr
    assert json.loads(old.stdout) == json.loads(now.stdout)

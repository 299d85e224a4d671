"""Captions say how sure they are, and what is said in place of those that are not."""

from pathlib import Path

import pytest
import torch

from wordsight.captioning.certain import NOUNS, Calibration, answer
from wordsight.captioning.things import INPUTS, SORTS, Thing
from wordsight.data.nothings import nothings
from wordsight.errors import InputError
from wordsight.metrics.logistic import logistic


def test_what_is_not_certain_is_not_given_as_a_fact() -> None:
    things = (Thing("an espresso", 0.9), Thing("a cup", 0.6), Thing("a bagel", 0.3))
    assert answer("a dog", True, things) == "a dog" == answer("a dog", None, ())
    assert answer("a dog", False, things) == "probably an espresso; a cup"
    assert answer("a dog", False, things[2:]) == "cannot tell" == answer("a dog", False, ())


def test_more_evidence_never_makes_less_sure() -> None:
    inputs = torch.stack([torch.linspace(-1, 1, 50), torch.ones(50)], dim=1)
    assert logistic(inputs, inputs[:, 0] > 0, rising=1)[0] > 0
    assert logistic(inputs, inputs[:, 0] < 0, rising=1)[0] == 0


def test_a_calibration_is_kept_and_a_damaged_one_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "certain.json"
    kept = Calibration([[0.5] * INPUTS] * SORTS, [1.0] * NOUNS, 0.7, 0.2, 10, 50)
    path.write_text(kept.to_json())
    assert Calibration.read(path) == kept
    for damaged in ("{}", "[]", kept.to_json().replace("0.7", '"x"'), kept.to_json()[:40]):
        path.write_text(damaged)
        with pytest.raises(InputError, match=r"certain\.json"):
            Calibration.read(path)


def test_pictures_of_nothing_are_the_same_every_time() -> None:
    first, second = ([one.tobytes() for one in nothings(12, seed=3)] for _ in range(2))
    assert first == second and len(set(first)) == 12

"""Checkpoints: a folder that stands alone; damage and a stranger's tricks are refused with a sentence."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from wordsight.errors import InputError
from wordsight.training import checkpoint


def test_a_checkpoint_stands_alone(trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    (copy / checkpoint.STATE).unlink()
    first, second = checkpoint.load(trained), checkpoint.load(copy)
    assert first.vocabulary == second.vocabulary
    assert first.blocks == second.blocks
    before, after = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "R@1" in (copy / "README.md").read_text()


def damaged(trained: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    return copy


def test_a_checkpoint_of_another_format_is_refused(trained: Path, tmp_path: Path) -> None:
    copy = damaged(trained, tmp_path)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "format": 99}))
    with pytest.raises(InputError, match="format 99"):
        checkpoint.load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": ["align"]}, "is not known"),
        ({"config": {"vocabulary": 10}}, "not a checkpoint of format 1"),
        ({"members": 5}, "not a checkpoint of format 1"),
        ({"members": []}, "has 0 members, expected 1 to 100"),
        ({"regions": 5}, "not a checkpoint of format 1"),
        ({"dropout": 9.0}, "not a checkpoint of format 1"),
        ({"embedding": 65}, "size mismatch"),
        ({"vocabulary": 10}, r"vocabulary\.json: has \d+ words, but the model has others"),
    ],
)
def test_a_checkpoint_whose_parts_do_not_fit_is_refused(
    trained: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    copy = damaged(trained, tmp_path)
    config = json.loads((copy / "config.json").read_text())
    if change.keys() & {"members", *config}:
        config |= change
    else:
        config["config"] |= change
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        checkpoint.load(copy)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocabulary.json", "recipe.toml", "metrics.json"])
def test_a_damaged_or_missing_file_is_named(trained: Path, tmp_path: Path, name: str) -> None:
    copy = damaged(trained, tmp_path)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2] + b'"')
    with pytest.raises(InputError, match=name):
        checkpoint.load(copy)
    (copy / name).unlink()
    with pytest.raises(InputError, match=name):
        checkpoint.load(copy)

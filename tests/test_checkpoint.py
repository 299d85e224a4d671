"""Checkpoints: a folder that stands alone; damage and a stranger's tricks are refused with a sentence."""

import dataclasses
import errno
import inspect
import io
import json
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image

from test_contract import GIVEN
from wordsight.errors import InputError
from wordsight.files import reason
from wordsight.matching.align import Align
from wordsight.runs import checkpoint, weights
from wordsight.runs.aligner import load
from wordsight.runs.tasks import MODELS, model_class


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
        ({"config": {"vocabulary": 10}}, "not a checkpoint of format 2"),
        ({"members": 5}, "not a checkpoint of format 2"),
        ({"members": []}, "has 0 members, expected 1 to 100"),
        ({"regions": 5}, "not a checkpoint of format 2"),
        ({"dropout": 9.0}, "not a checkpoint of format 2"),
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


# --- damage


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def test_one_flipped_bit_in_the_weights_is_noticed(trained: Path, tmp_path: Path) -> None:
    copy = damaged(trained, tmp_path)
    flip(copy / "model.safetensors", -1000)
    with pytest.raises(InputError, match=r"model\.safetensors: damaged, its checksum"):
        checkpoint.load(copy)


def test_weights_of_an_older_version_without_a_checksum_load(trained: Path, tmp_path: Path) -> None:
    copy = damaged(trained, tmp_path)
    old = safetensors.torch.load_file(trained / "model.safetensors")
    safetensors.torch.save_file(old, copy / "model.safetensors")
    new = checkpoint.load(copy).model.state_dict()
    assert all(torch.equal(old[name], new[name]) for name in old)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(trained: Path, tmp_path: Path, value: float) -> None:
    copy = damaged(trained, tmp_path)
    model = checkpoint.load(copy).model
    next(model.parameters()).data.view(-1)[7] = value
    checkpoint.save_weights(copy, model)
    with pytest.raises(InputError, match=r"model\.safetensors: 'words\.weight' holds NaN or infinity"):
        checkpoint.load(copy)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    """Also one of half precision, as in the box; nothing is left without values."""
    torch.manual_seed(0)
    keywords: dict[str, Any] = {"vocabulary": 30, "features": 12}
    kind: Any = model_class(name)
    keywords |= {name: GIVEN[name] for name in GIVEN.keys() & inspect.signature(kind).parameters.keys()}
    model = kind(**keywords)
    (tmp_path / "whole").write_bytes(weights.to_bytes(model.state_dict()))
    again = weights.skeleton(lambda: kind(**keywords))
    weights.load(tmp_path / "whole", again)
    before, after = model.state_dict(), again.state_dict()
    assert all(torch.equal(before[key], after[key]) and before[key].dtype == after[key].dtype for key in before)
    learn = {key: weight.requires_grad for key, weight in model.named_parameters()}
    assert learn == {key: weight.requires_grad for key, weight in again.named_parameters()}
    assert not any(buffer.is_meta for buffer in again.buffers())
    plain = [value for part in again.modules() for value in vars(part).values() if isinstance(value, torch.Tensor)]
    assert not any(value.is_meta for value in plain)

    (tmp_path / "half").write_bytes(weights.to_bytes(model.half().state_dict()))
    weights.load(tmp_path / "half", again)
    assert {weight.dtype for weight in again.parameters()} <= {torch.float32}


METRICS = ({"best": 5}, {"history": {}}, {"history": [1]}, {"history": [{}, {}]}, {"words": "many"}, {"seconds": []})


@pytest.mark.parametrize("change", METRICS, ids=str)
def test_metrics_that_are_none_are_refused(trained: Path, tmp_path: Path, change: dict[str, object]) -> None:
    copy = damaged(trained, tmp_path)
    metrics = json.loads((copy / "metrics.json").read_text())
    (copy / "metrics.json").write_text(json.dumps(metrics | change))
    with pytest.raises(InputError, match=r"metrics\.json"):
        checkpoint.load(copy)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_a_drive_that_fails_leaves_the_old_checkpoint(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    copy = damaged(trained, tmp_path)
    known = checkpoint.load(copy)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}

    def fail(*given: object) -> None:
        raise OSError(error, os.strerror(error))

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"wordsight.files.os.{step}", fail)
            with pytest.raises(InputError, match=re.escape(reason(OSError(error, os.strerror(error))))):
                checkpoint.save(copy, known)
            with pytest.raises(InputError, match=r"training_state\.pt cannot be written"):
                checkpoint.save_state(copy, {})
        assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_any_mix_of_an_older_and_a_newer_checkpoint_is_usable(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a power failure between two files leaves them."""
    known = checkpoint.load(trained)
    with torch.no_grad():
        next(known.model.parameters()).mul_(2)
    replaced = os.replace
    for kept in range(6):
        copy, left = tmp_path / str(kept), iter(range(kept))
        shutil.copytree(trained, copy)

        def power(*given: Any, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise OSError(errno.EIO, "power")
            replaced(*given)

        with monkeypatch.context() as patch:
            patch.setattr("wordsight.files.os.replace", power)
            with pytest.raises(InputError):
                checkpoint.save(copy, known)
        assert checkpoint.load(copy).metrics["best"] == known.metrics["best"]
        with monkeypatch.context() as patch:  # the first checkpoint of a folder: none, until all of it is there
            patch.setattr("wordsight.files.os.replace", partial(power, left=iter(range(kept))))
            with pytest.raises(InputError):
                checkpoint.save(tmp_path / f"new {kept}", known)
        assert not checkpoint.is_checkpoint(tmp_path / f"new {kept}")


# --- strangers


def raw(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file that says of itself what it likes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def tricks(trained: Path, home: Path) -> list[Path]:
    """Runs that try to take all memory, or to be executed; each a folder."""
    config = json.loads((trained / "config.json").read_text())
    entry = {"dtype": "F32", "shape": [20_000, 20_000], "data_offsets": [0, 1_600_000_000]}
    names = list(checkpoint.load(trained).model.state_dict())

    def told(**more: object) -> bytes:
        return json.dumps({**config, "config": {**config["config"], **more}}).encode()

    def seen(**more: object) -> bytes:
        return json.dumps({**config, "regions": {**config["regions"], **more}}).encode()

    class Payload:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (Path(home / "executed"),)  # type: ignore[return-value]

    pickled = io.BytesIO()
    torch.save({"weights": Payload()}, pickled)
    contents: list[tuple[str, bytes | int]] = [
        *(("config.json", told(embedding=n, words=n, hidden=n)) for n in (20_000, 10**6, 10**12, 10**30, -1, -(10**9))),
        *(("config.json", told(embedding=wrong)) for wrong in ("20000", 2.5, None, [64], {}, True)),
        ("config.json", told(vocabulary=10**9, features=10**9)),
        ("config.json", told(nothing=1)),
        *(
            ("config.json", json.dumps({**config, "members": many}).encode())
            for many in ([{}] * 99, [{}] * 9999, {}, 5)
        ),
        *(("config.json", json.dumps({**config, "members": [config["config"]] * n}).encode()) for n in (100, 101)),
        *(("config.json", seen(**{key: 10**9})) for key in ("regions", "grid", "detections", "size", "crop")),
        *(("config.json", seen(regions=wrong)) for wrong in ("many", -5, 0, 1.5, None)),
        ("config.json", seen(backbones=["filters"] * 10_000)),
        ("config.json", seen(backbones="filters")),
        ("config.json", b"[" * 500_000),
        ("config.json", b'{"format": 1, "model": ' + b'{"a":' * 100_000),
        ("config.json", json.dumps({**config, "blocks": {"a": ["x", "y"]}}).encode()),
        ("config.json", json.dumps({**config, "blocks": 7}).encode()),
        ("config.json", json.dumps({**config, "revisions": 7}).encode()),
        *((name, 1 << 30) for name in ("config.json", "vocabulary.json", "metrics.json", "recipe.toml")),
        ("model.safetensors", 20 << 30),
        ("recipe.toml", b"a = " + b"[" * 100_000),
        ("vocabulary.json", b"[" * 100_000),
        *(("model.safetensors", raw(b"{}", length=n)) for n in (0, 1, 3, 2**31, 2**63, 2**64 - 1)),
        ("model.safetensors", raw({name: entry for name in names})),
        ("model.safetensors", raw({name: {**entry, "data_offsets": [0, 2**62]} for name in names})),
        ("model.safetensors", raw({name: {**entry, "data_offsets": [-8, 8]} for name in names}, b"x" * 8)),
        ("model.safetensors", raw({name: {**entry, "shape": ["a"]} for name in names})),
        ("model.safetensors", raw({"__metadata__": 5})),
        ("model.safetensors", raw([1])),
        ("model.safetensors", raw(b"{" * 100_000)),
        ("model.safetensors", raw(b"\xff\xfe{}")),
        ("model.safetensors", b""),
        ("model.safetensors", pickled.getvalue()),
        ("model.safetensors", pickle.dumps(Payload())),
    ]
    folders = []
    for number, (name, content) in enumerate(contents):
        folder = home / f"{number:03d}"
        folder.mkdir()
        for path in trained.iterdir():
            if path.is_file() and path.name != checkpoint.STATE:
                shutil.copy(path, folder)
        if isinstance(content, int):
            os.truncate(folder / name, content)  # of zeros that take no room
        else:
            (folder / name).write_bytes(content)
        folders.append(folder)
    return folders


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most memory a process had is read from /proc")
def test_a_strangers_run_takes_no_more_room_than_its_files_and_executes_nothing(trained: Path, tmp_path: Path) -> None:
    folders = tricks(trained, tmp_path)
    code = (
        "import sys\n"
        "from wordsight import InputError\nfrom wordsight.runs import checkpoint\n"
        "for folder in sys.argv[1:]:\n"
        "    try: checkpoint.load(folder)\n"
        "    except InputError as error: assert len(str(error).splitlines()) == 1 and len(str(error)) < 500, error\n"
        "    else: print('loaded', folder)\n"
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
    )  # VmHWM: ru_maxrss of a child has its parent's peak in it
    command = [sys.executable, "-c", code, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 1 << 20, "kilobytes at most, and nothing loaded"
    assert not (tmp_path / "executed").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocabulary.json", "recipe.toml", "metrics.json"])
def test_a_pipe_in_place_of_a_file_is_refused(trained: Path, tmp_path: Path, name: str) -> None:
    copy = damaged(trained, tmp_path)
    (copy / name).unlink()
    os.mkfifo(copy / name)
    with pytest.raises(InputError, match="not a regular file"):
        checkpoint.load(copy)


def test_a_model_whose_features_are_not_those_of_its_regions_is_refused(trained: Path, tmp_path: Path) -> None:
    copy = damaged(trained, tmp_path)
    known = checkpoint.load(copy)
    features = known.model.config["features"]
    assert isinstance(features, int)
    other = Align(**{**known.model.config, "features": features + 1})  # type: ignore[arg-type]
    checkpoint.save(copy, dataclasses.replace(known, model=other))
    with pytest.raises(InputError, match="expects other features"):
        load(copy, "cpu").align(Image.new("RGB", (40, 40)), "a dog")


ELSEWHERE = ("evil/model", "http://host/x.onnx", "//host/share/x.onnx", "\\\\host\\share", "\\/host/x", "file://host/x")


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_a_run_names_is_not_looked_for_on_other_machines(
    trained: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = damaged(trained, tmp_path)
    config = json.loads((copy / "config.json").read_text())

    def called(*given: object, **more: object) -> None:
        raise AssertionError("called out")

    monkeypatch.setattr(socket, "getaddrinfo", called)
    monkeypatch.setattr(socket.socket, "connect", called)
    changes: tuple[dict[str, object], ...] = ({"backbones": [name]},)
    if name != "evil/model":
        changes += ({"detector": name}, {"weights": name})
    for change in changes:
        (copy / "config.json").write_text(json.dumps({**config, "regions": {**config["regions"], **change}}))
        with pytest.raises(InputError, match="--allow-hub"):
            _ = load(copy, "cpu").encoder


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../evil", "/nowhere/x.onnx", "a/b/c", "x" * 5000, "~/x", "C:\\x", ""]
)
def test_paths_that_a_run_names_are_a_sentence(trained: Path, tmp_path: Path, name: str) -> None:
    copy = damaged(trained, tmp_path)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "regions": {**config["regions"], "backbones": [name]}}))
    with pytest.raises(InputError):
        _ = load(copy, "cpu").encoder

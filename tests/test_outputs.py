"""Results replace no file that was read, and no file of the user's in a new folder."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from wordsight.cli.main import app
from wordsight.comparison.compare import compare
from wordsight.data.convert import write_karpathy
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.runs.aligner import load
from wordsight.runs.situation_files import check_drawing
from wordsight.search.contact_sheet import write_sheet
from wordsight.training.trainer import train


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def photo(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(load_dataset(world).pictures[0].path, tmp_path / "photo.png"))


def test_a_drawing_does_not_replace_its_picture(photo: Path, trained: Path) -> None:
    (photo.parent / "folder").mkdir()
    os.link(photo, other := photo.parent / "other.png")
    before = photo.read_bytes()
    for out in (photo, photo.parent / "folder" / ".." / photo.name, other):
        for command in (
            ("ground", trained, photo, "a red circle", "-o", out),
            ("caption", photo, "-o", out),
            ("caption", photo, "--regions", "-o", out),
        ):
            result = run(*command)
            assert result.exit_code == 2 and "is itself read, and would be replaced" in result.stderr, command
            assert photo.read_bytes() == before
    with pytest.raises(InputError, match="is itself read"):
        load(trained).align(photo, "a red circle").draw(photo, photo)
    assert run("ground", trained, photo, "a red circle", "-o", photo.parent / "new.png").exit_code == 0


def test_no_result_replaces_a_part_of_a_run_or_another_file(photo: Path, trained: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(trained, tmp_path / "run"))
    (own / "new.json").write_text("{}")
    before = {file: file.read_bytes() for file in own.iterdir() if file.is_file()}
    for name, why in (
        ("config.json", "is a part of a run"),
        ("certain.json", "is a part"),
        ("new.json", "no captions"),
    ):
        result = run("caption", photo, "-o", own / name)
        assert result.exit_code == 2 and why in result.stderr, name
    assert {file: file.read_bytes() for file in own.iterdir() if file.is_file()} == before
    for _ in range(2):  # the second replaces the first
        assert run("caption", photo, "-o", own / "captions.json").exit_code == 0


def test_a_name_too_long_for_a_file_is_one_sentence(photo: Path, trained: Path, world: Path, tmp_path: Path) -> None:
    long = tmp_path / ("a" * 255)
    commands = ("ground", trained, photo, "a red circle"), ("caption", photo), ("data", "convert", world)
    for command, suffix in zip(commands, (".png", ".json", ".json"), strict=True):
        result = run(*command, "-o", f"{long}{suffix}")
        assert result.exit_code == 2 and "aaa" in result.stderr and "Traceback" not in result.output, command


def test_a_name_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    bad = Path(os.fsdecode(b"caf\xe9"))
    for name in (bad, Path("b")):
        Image.new("RGB", (8, 8)).save(tmp_path / name.with_suffix(".png"))
        (tmp_path / name.with_suffix(".txt")).write_text("a dog")
    with pytest.raises(InputError, match=r"caf.*: a name that is not UTF-8"):
        write_karpathy(load_dataset(tmp_path), tmp_path / "out" / "new.json")
    assert not (tmp_path / "out").exists()


def test_other_drawings_do_not_replace_their_pictures_either(photo: Path) -> None:
    before, other = photo.read_bytes(), photo.parent / "other.png"
    for path, behind in ((photo, ()), (other, (SimpleNamespace(path=photo),))):  # a hit, and a near-duplicate of one
        hit = SimpleNamespace(path=path, near_duplicates=behind)
        with pytest.raises(InputError, match="is itself read"):
            write_sheet(SimpleNamespace(hits=[hit], first=1), photo)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is itself read"):
        check_drawing(photo, [photo])
    assert photo.read_bytes() == before
    check_drawing(photo.parent / "new.png", [photo])


@pytest.mark.parametrize("name", ["README.md", "recipe.toml", "metrics.json", "model.safetensors"])
def test_a_run_replaces_no_file_that_is_not_a_runs(name: str, tmp_path: Path, world: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"data.path = {json.dumps(str(world))}\n[regions]\nbackbones = ['filters']\n")
    own = tmp_path / "own" / name
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(InputError, match=f"has a file {name} already, which would be replaced"):
        train(recipe, own.parent)
    assert own.read_text() == "mine" and os.listdir(own.parent) == [name]


def test_a_comparison_replaces_no_other_page(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    other = Path(shutil.copytree(trained, tmp_path / "other"))
    with pytest.raises(InputError, match=r"has a file index.html already"):
        compare([trained, other], tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_a_dataset_is_converted_into_no_file_of_its_own(world: Path, tmp_path: Path) -> None:
    dataset = load_dataset(world)
    own = tmp_path / "own"
    shutil.copytree(world, own)
    (tmp_path / "entities.json").write_text('{"a.jpg": {}}')
    for out in (next(own.glob("*.json")), tmp_path / "entities.json"):
        before = out.read_bytes()
        with pytest.raises(InputError, match="is there already"):
            write_karpathy(load_dataset(own), out)
        assert out.read_bytes() == before
    for _ in range(2):  # the second replaces the first
        write_karpathy(dataset, tmp_path / "dataset_new.json")
    for command, suffix in (("convert", ".json"), ("parse", ".conllu")):
        result = run("data", command, world, "-o", tmp_path / "photo.png")
        assert result.exit_code == 2 and f"expected a name that ends in {suffix}" in result.stderr

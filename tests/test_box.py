"""The small model in the box: packed, checked, and used where no model is named."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import wordsight
from pack import MOST, pack
from test_search_cli import run, said
from wordsight import bundled
from wordsight.bundled import CHECKSUMS, checksum, in_the_box
from wordsight.demo.photographs import SAMPLES, photographs, show_photographs
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.index import Index
from wordsight.training.calibrate_captions import calibrate_run

PARTS = ("align", "captions", "regions")


@pytest.fixture
def own_box(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may change, in place of the box of the package."""
    monkeypatch.setattr(bundled, "BOX", shutil.copytree(packed, tmp_path / "box"))
    return tmp_path / "box"


@pytest.fixture(scope="session")
def photos(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("box") / "photos"
    folder.mkdir()
    for path in sorted((world / "images").iterdir())[:4]:
        shutil.copy(path, folder)
    return folder


def first(photos: Path) -> Path:
    return min(photos.iterdir())


def test_a_box_holds_half_precision_and_no_trace_of_where_it_was_made(packed: Path, world: Path) -> None:
    assert {path.name for path in packed.iterdir()} == {CHECKSUMS, "README.md", *PARTS}
    for part in PARTS:
        weights = load_file(packed / part / "model.safetensors")
        assert not [name for name, one in weights.items() if one.is_floating_point() and one.dtype != torch.float16]
        assert not (packed / part / "training_state.pt").exists()
    text = "".join(path.read_text() for path in packed.rglob("*") if path.suffix in (".json", ".toml", ".md"))
    assert str(world.parent) not in text
    assert 'alignment = "align"' in (packed / "regions" / "recipe.toml").read_text()


def test_no_sentence_of_the_data_is_in_a_box(packed: Path, aligned: Path) -> None:
    trained, shipped = (
        load_file(run / "model.safetensors")["query_bank.sentences"] for run in (aligned, packed / "align")
    )
    assert len(trained) == len(shipped) == 12
    known = {tuple(row[row != 0].tolist()) for row in trained}
    assert not known & {tuple(row[row != 0].tolist()) for row in shipped}


def test_checksums_are_those_of_every_other_file(packed: Path) -> None:
    files = {path.relative_to(packed).as_posix(): path for path in packed.rglob("*") if path.is_file()}
    files.pop(CHECKSUMS)
    assert json.loads((packed / CHECKSUMS).read_text())["sha256"] == {name: checksum(files[name]) for name in files}
    assert checksum(packed / "align" / "model.safetensors") in (packed / "README.md").read_text()


def test_what_is_packed_scores_as_what_was_trained(box: Path, aligned: Path, photos: Path) -> None:
    sentences, pictures = ["a red circle", "a blue square above a ring"], sorted(photos.iterdir())
    runs = [wordsight.load(device="cpu"), wordsight.load(aligned, "cpu")]
    for one in runs:
        one.model.clear_query_bank()  # the box knows hubs by other sentences
    assert torch.allclose(*(one.score(pictures, sentences) for one in runs), atol=5e-3)
    assert wordsight.load_captioner(device="cpu").folder == box / "captions"
    assert wordsight.load_captioner(in_the_box("regions"), "cpu").of_regions


def test_packing_again_replaces_what_was_there(
    aligned: Path, captioner: Path, region_captioner: Path, tmp_path: Path
) -> None:
    (tmp_path / "box" / "old").mkdir(parents=True)
    with pytest.raises(InputError, match="expected a box or a new folder"):
        pack(aligned, captioner, region_captioner, tmp_path / "box")
    (tmp_path / "box" / CHECKSUMS).write_text("{}")
    size = pack(aligned, captioner, region_captioner, tmp_path / "box")
    assert size == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert not (tmp_path / "box" / "old").exists() and [path.name for path in tmp_path.iterdir()] == ["box"]


def test_a_box_that_is_too_large_is_refused_and_the_old_one_stays(
    aligned: Path,
    captioner: Path,
    region_captioner: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "old").write_text("still here")
    (tmp_path / "box" / CHECKSUMS).write_text("{}")
    monkeypatch.setattr("pack.MOST", 1000)
    with pytest.raises(InputError, match=r"would be \d\.\d MB, expected at most 0\.001: .*align/model\.safetensors"):
        pack(aligned, captioner, region_captioner, tmp_path / "box")
    assert (tmp_path / "box" / "old").read_text() == "still here"
    assert [path.name for path in tmp_path.iterdir()] == ["box"], "and nothing is left lying about"


def test_runs_of_the_wrong_kind_are_not_packed(
    aligned: Path, captioner: Path, region_captioner: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="describes whole pictures, expected a run that describes regions"):
        pack(aligned, captioner, captioner, tmp_path / "box")
    with pytest.raises(
        InputError, match=r"describes regions \(data\.alignment\), expected a run that describes whole pictures"
    ):
        pack(aligned, region_captioner, region_captioner, tmp_path / "box")
    with pytest.raises(InputError, match="expected one that aligns"):
        pack(captioner, captioner, captioner, tmp_path / "box")


def test_a_run_that_needs_more_than_the_package_is_not_packed(
    aligned: Path, captioner: Path, region_captioner: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(aligned, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["regions"]["backbones"] = ["googlenet.onnx", "filters"]
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"sees by googlenet\.onnx too"):
        pack(other, captioner, region_captioner, tmp_path / "box")


def test_a_weight_that_half_precision_cannot_hold_is_named(
    aligned: Path, captioner: Path, region_captioner: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(aligned, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    weights["region.weight"][0, 0] = 1e6
    save_file(weights, other / "model.safetensors")
    with pytest.raises(InputError, match=r"a number in region\.weight is too large for float16"):
        pack(other, captioner, region_captioner, tmp_path / "box")


def test_ground_takes_the_model_in_the_box(box: Path, trained: Path, photos: Path, tmp_path: Path) -> None:
    code, out, err = run("ground", first(photos), "a red circle", "-o", tmp_path / "out.png", "--json")
    assert code == 0 and not err
    assert f"comes with wordsight ({box})" in run("--verbose", "ground", first(photos), "a red circle")[2]
    assert json.loads(out)["words"] == ["a", "red", "circle"] and (tmp_path / "out.png").exists()
    named = [
        run("ground", trained, first(photos), "a circle"),
        run("ground", first(photos), "a circle", "--model", trained),
    ]
    assert named[0][:2] == named[1][:2] and "comes with" not in named[0][2]
    for words in (["a", "circle"], ["a", "red", "circle"]):
        code, _, err = run("ground", first(photos), *words)
        assert code == 2 and "a sentence in quotes" in err
    code, _, err = run("ground", first(photos), " ")
    assert code == 2 and "the sentence is empty" in err


def test_caption_takes_the_models_in_the_box(box: Path, captioner: Path, photos: Path, tmp_path: Path) -> None:
    code, out, err = run("caption", photos, "--json")
    assert code == 0 and not err
    assert len(json.loads(out)["pictures"]) == 4
    for more in (["--regions"], ["--box", "0,0,20,30"]):
        (found,) = said("caption", first(photos), *more)["pictures"]
        assert found["regions"]
    code, _, err = run("caption", first(photos), "-o", tmp_path / "words.png")
    assert code == 0 and (tmp_path / "words.png").exists(), err
    named = [run("caption", captioner, first(photos)), run("caption", first(photos), "--model", captioner)]
    assert named[0][:2] == named[1][:2] and "comes with" not in named[0][2]
    code, _, err = run("caption", captioner)
    assert code == 2 and "expected PICTURE... after it" in err
    code, out, err = run("caption", tmp_path / "captoiner", first(photos))
    assert (code, out) == (2, "") and "captoiner: no such run or picture" in err


def test_an_index_takes_the_model_in_the_box_and_leaves_it_there(box: Path, photos: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    code, out, err = run("index", "build", index, photos)
    assert code == 0 and "4 added" in out and "comes with wordsight" in err
    assert not (index / "model").exists()
    assert Index(index).info()["calibration"]["pictures"] > 1, "it came with the model"
    code, out, err = run("search", index, "a red circle")
    assert code == 0 and "comes with" not in err and "painted" in out, "the model is said once, when the index is made"
    assert "comes with wordsight" in run("--verbose", "search", index, "a red circle")[2]
    assert "comes with wordsight" not in run("index", "build", index, photos)[2]
    assert said("index", "info", index)["bundled"] and "comes with wordsight" in run("index", "info", index)[1]
    assert said("index", "build", index, photos)["unchanged"] == 4


def test_an_index_of_another_model_in_the_box_is_refused_with_the_way_out(
    own_box: Path, photos: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    Index.create(index, device="cpu").build([first(photos)])
    config = own_box / "align" / "config.json"
    config.write_text(config.read_text() + "\n")  # as another version of wordsight may have it
    listed = json.loads((own_box / CHECKSUMS).read_text())
    listed["sha256"]["align/config.json"] = checksum(config)
    (own_box / CHECKSUMS).write_text(json.dumps(listed))
    for command in (["search", index, "a circle"], ["index", "build", index, photos]):
        code, _, err = run(*command)
        assert code == 2 and f"{index}: was built with the small model of another version" in err
        assert "build it anew" in err and "--model RUN" in err
    assert run("index", "info", index)[0] == 0


def test_serve_takes_the_captioners_of_the_box_for_an_index_of_it(
    box: Path, photos: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = []
    monkeypatch.setattr("wordsight.web.serve.create_app", lambda *parts, **more: served.append(parts[1:3]))
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    for name, model in (("boxed", None), ("own", trained)):
        Index.create(tmp_path / name, model, "cpu").build([first(photos)])
        assert run("serve", tmp_path / name, "--port", "0")[0] == 0
    assert [one.folder for one in served[0]] == [box / "captions", box / "regions"]
    assert served[1] == (None, None)


def test_photographs_are_described_indexed_and_searched(box: Path, photos: Path, tmp_path: Path) -> None:
    found, out, quiet = photographs(photos), tmp_path / "photos", Progress(quiet=True)
    told = show_photographs(found, out, quiet)
    page = (out / "report.html").read_text()
    assert len(found) == 4 and all(path.name in told for path in found)
    assert page.count("<section") == 4 and "data:image/jpeg" in page and "people said" not in page
    assert Index(out / "index").info()["pictures"] == 4
    (out / "index" / "catalog.sqlite").write_bytes(b"nonsense")  # it is discarded all the same
    show_photographs({first(photos): "a red circle"}, out, quiet)
    assert Index(out / "index").info()["pictures"] == 1, "of these photographs and no others"
    assert "“a red circle”" in (out / "report.html").read_text()


def test_the_samples_of_scikit_image_are_where_they_were() -> None:
    if find_spec("skimage") is None:
        pytest.skip("scikit-image is not installed (the extra demo)")
    assert {path.name: sentence for path, sentence in photographs().items()} == SAMPLES


def test_without_a_model_or_a_photograph_the_demo_ends_with_a_line(
    box: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_photographs({}, tmp_path / "out") == ""
    assert "--photos FOLDER" in capsys.readouterr().err
    monkeypatch.setattr(bundled, "BOX", tmp_path / "no box")
    assert show_photographs(photographs(photos), tmp_path / "out") == ""
    assert "installed without its small model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="no such folder"):
        photographs(tmp_path / "no photos")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_text("no picture")
    with pytest.raises(InputError, match="no picture in it can be read"):
        photographs(tmp_path / "bad")
    with pytest.raises(InputError, match="expected one with photographs"):
        photographs(tmp_path / "bad" / "a.jpg")


def test_a_package_without_the_model_says_how_to_name_one(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "BOX", tmp_path / "box")
    commands = (
        ["ground", first(photos), "a circle"],
        ["caption", photos],
        ["index", "build", tmp_path / "index", photos],
    )
    for command in commands:
        code, out, err = run(*command)
        assert (code, out) == (2, "") and "installed without its small model" in err and "--model RUN" in err
    assert not (tmp_path / "index").exists()
    with pytest.raises(InputError, match="installed without its small model"):
        wordsight.load()


def test_a_part_that_no_box_has_is_refused(box: Path) -> None:
    with pytest.raises(InputError, match=r"checksums\.json: damaged, as it knows no 'caption'"):
        in_the_box("caption")


@pytest.mark.parametrize("harm", ["changed", "cut short", "missing"])
def test_a_damaged_file_is_named_with_the_way_out(own_box: Path, photos: Path, harm: str) -> None:
    weights = own_box / "captions" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.unlink()
    if harm != "missing":
        weights.write_bytes(content if harm == "changed" else content[:-1])
    code, _, err = run("caption", photos)
    assert code == 2 and f"{weights}: damaged or missing" in err and "install wordsight again" in err
    assert run("ground", first(photos), "a circle")[0] == 0, "the other models are whole"


def test_no_index_is_begun_with_a_damaged_model(own_box: Path, photos: Path, tmp_path: Path) -> None:
    weights = own_box / "align" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    code, _, err = run("index", "build", tmp_path / "index", photos)
    assert code == 2 and f"{weights}: damaged or missing" in err
    assert not (tmp_path / "index").exists()


def test_a_damaged_list_of_checksums_is_named(own_box: Path) -> None:
    for content in ("{", "[]", '{"sha256": 1}'):
        (own_box / CHECKSUMS).write_text(content)
        with pytest.raises(InputError, match=CHECKSUMS):
            in_the_box("align")


@pytest.mark.skipif(not (bundled.BOX / CHECKSUMS).exists(), reason="this checkout has no small model")
def test_the_box_of_the_package_is_whole_and_small() -> None:
    files = {path.relative_to(bundled.BOX).as_posix(): path for path in bundled.BOX.rglob("*") if path.is_file()}
    assert sum(path.stat().st_size for path in files.values()) <= MOST
    listed = json.loads((bundled.BOX / CHECKSUMS).read_text())["sha256"]
    assert listed == {name: checksum(path) for name, path in files.items() if name != CHECKSUMS}


def test_too_few_pictures_calibrate_nothing(world: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundled.BOX / "captions", tmp_path / "captions"))
    before = (copy / "certain.json").read_bytes()
    few = tmp_path / "few"
    few.mkdir()
    rows = [{"file_name": f"{number}.png", "text": "a circle", "split": "val"} for number in range(3)]
    for row in rows:
        shutil.copy(next((world / "images").iterdir()), few / str(row["file_name"]))
    (few / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=r"few: expected at least 20 pictures in the split 'val', found 3\."):
        calibrate_run(copy, [few], Progress(quiet=True))
    assert (copy / "certain.json").read_bytes() == before

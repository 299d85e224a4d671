"""The command line: exit codes, one sentence for a mistake, and only JSON on stdout with --json."""

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import wordsight
from wordsight.captioning.decoding import decoder
from wordsight.cli.main import app, caption


def run(*arguments: str | Path, stdin: str = "") -> tuple[int, str, str]:
    """Exit code, stdout, stderr of a command in this process."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def first_picture(world: Path) -> Path:
    return min((world / "images").iterdir())


FLAT = [f"{way}_{figure}" for way in ("i2t", "t2i") for figure in ("R@1", "R@5", "R@10", "medr")]


def test_train_prints_the_best_figures_as_json(recipe_file: Path, tmp_path: Path) -> None:
    code, out, err = run("train", recipe_file, "--set", "train.epochs=1", "-o", tmp_path / "run", "--json")
    assert code == 0, err
    assert {*FLAT, "rsum"} <= json.loads(out).keys()
    assert "epoch 1" in err
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_eval_prints_one_flat_object(trained: Path, world: Path) -> None:
    code, out, err = run("eval", trained, "--data", world, "--split", "test", "--grounding", "--no-report", "--json")
    assert code == 0, err
    figures = json.loads(out)
    assert all(isinstance(value, int | float) for value in figures.values())
    references = ["random_pointing", "random_iou", "centre_pointing", "whole_iou", "best_iou"]
    names = ["pointing", "iou", "phrases", *references]
    assert {*FLAT, "pictures", "sentences", *(f"grounding_{name}" for name in names)} <= figures.keys()
    assert all(0 <= value <= 100 for key, value in figures.items() if "R@" in key or "pointing" in key)


def test_eval_prints_a_table_with_chance(trained: Path, world: Path) -> None:
    code, out, _ = run("eval", trained, "--data", world, "--split", "test", "--grounding", "--no-report")
    assert code == 0
    for words in ("picture to text", "by chance", "pointing", "best box"):
        assert words in out


def test_eval_takes_a_dataset_that_has_only_a_test_split(trained: Path, world: Path, tmp_path: Path) -> None:
    data = json.loads((world / "dataset.json").read_text())
    data["images"] = [image for image in data["images"] if image["split"] == "test"]
    (tmp_path / "dataset.json").write_text(json.dumps(data))
    shutil.copytree(world / "images", tmp_path / "images")
    code, out, err = run("eval", trained, "--data", tmp_path, "--split", "test", "--no-report", "--json")
    assert code == 0, err
    assert json.loads(out)["pictures"] == len(data["images"])
    code, _, err = run("eval", trained, "--data", tmp_path, "--split", "val", "--no-report")
    assert code == 2
    assert "no split 'val'" in err
    assert "test" in err


def test_eval_writes_a_report(trained: Path, world: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    code, _, err = run("eval", copy, "--data", world, "--split", "test", "--grounding")
    assert code == 0, err
    page = (copy / "report-test" / "report.html").read_text()
    assert "<svg" in page
    assert "data:image/jpeg;base64" in page


def test_ground_names_a_box_for_each_word_and_draws_it(trained: Path, world: Path, tmp_path: Path) -> None:
    picture, drawn = first_picture(world), tmp_path / "out.png"
    code, out, err = run("ground", trained, picture, "a red circle", "-o", drawn, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["words"] == ["a", "red", "circle"]
    assert [len(box) for box in found["boxes"]] == [4, 4, 4]
    assert all(0 <= edge <= 1 for box in found["boxes"] for edge in box)
    with Image.open(drawn) as image:
        assert image.width >= 200
    code, out, _ = run("ground", trained, picture, "a xyzzy circle")
    assert code == 0
    assert "unknown word" in out


def test_caption_says_what_is_in_pictures(captioner: Path, world: Path) -> None:
    picture, folder = first_picture(world), world / "images"
    code, out, err = run("caption", captioner, picture, "--beam", "4", "--n-best", "2", "--json")
    assert code == 0, err
    (found,) = json.loads(out)["pictures"]
    assert found["picture"] == str(picture)
    assert [one.keys() for one in found["captions"]] == [{"text", "log_prob", "confidence", "sure", "certain"}] * 2
    code, out, err = run("caption", captioner, picture, folder / "*_0000[1-3].jpg", "-", stdin=f"{picture}\n")
    assert code == 0, err
    assert out.count("painted_") == 4, "no picture twice"
    drawn = [run("caption", captioner, picture, "--sample", "--top-p", "0.9", "--seed", seed)[1] for seed in "112"]
    assert drawn[0] == drawn[1] != drawn[2]


def test_caption_skips_broken_pictures_and_writes_coco_results(captioner: Path, world: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        shutil.copy(first_picture(world), tmp_path / f"00{number}.jpg")
    (tmp_path / "003.jpg").write_bytes(b"no picture")
    code, out, err = run("caption", captioner, tmp_path, "-o", tmp_path / "out" / "x.json", "--json")
    assert code == 0, err
    assert "1 left out:" in err
    assert [Path(path).name for path in json.loads(out)["broken"]] == ["003.jpg"]
    results = json.loads((tmp_path / "out" / "x.json").read_text())
    assert [result["image_id"] for result in results] == [1, 2]
    assert results[0]["caption"] == results[1]["caption"] == json.loads(out)["pictures"][0]["captions"][0]["text"]


def test_caption_draws_what_words_are_about(
    captioner: Path, attending: Path, trained: Path, world: Path, tmp_path: Path
) -> None:
    picture, drawn = first_picture(world), tmp_path / "out.png"
    for arguments in ([attending], [captioner, "--alignment", trained]):
        code, _, err = run("caption", *arguments, picture, "-o", drawn)
        assert code == 0, err
        with Image.open(drawn) as image:
            assert image.width == 900
        drawn.unlink()


def test_caption_describes_regions_and_draws_them(region_captioner: Path, world: Path, tmp_path: Path) -> None:
    picture, drawn = first_picture(world), tmp_path / "out.png"
    code, out, err = run("caption", region_captioner, picture, "--regions", "-o", drawn)
    assert code == 0, err
    assert "left top right bottom (%)" in out
    with Image.open(drawn) as image:
        assert image.width >= 200
    code, out, err = run("caption", region_captioner, picture, "--box", "0,0,20,30", "--box", "5,5,9,9", "--json")
    assert code == 0, err
    assert len(json.loads(out)["pictures"][0]["regions"]) == 2


def test_eval_of_a_captioner_prints_one_flat_object_and_writes_a_report(
    captioner: Path, world: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(captioner, copy)
    code, out, err = run("eval", copy, "--split", "test", "--beam", "2", "--meteor", "--json")
    assert code == 0, err
    figures = json.loads(out)
    assert {"Bleu_1", "Bleu_4", "ROUGE_L", "CIDEr", "perplexity", "pictures", "sentences"} <= figures.keys()
    assert ("METEOR" in figures) != ("left out: METEOR needs" in err)
    assert figures["beam"] == 2
    assert all(isinstance(value, int | float | str) for value in figures.values())
    assert "data:image/jpeg;base64" in (copy / "report-test" / "report.html").read_text()
    assert len(json.loads((copy / "report-test" / "captions.json").read_text())) == figures["pictures"]
    code, out, _ = run("eval", copy, "--split", "test", "--no-report", "--grounding")
    assert code == 0
    for words in ("BLEU-4", "CIDEr", "regions", "tokens: PTB", "word for word a training sentence", "beam 3"):
        assert words in out


def test_defaults_on_the_command_line_are_those_of_the_library() -> None:
    told, library = inspect.signature(caption).parameters, inspect.signature(decoder).parameters
    assert {name: told[name].default for name in library} == {name: one.default for name, one in library.items()}


def test_data_check_and_convert(world: Path, tmp_path: Path) -> None:
    code, out, _ = run("data", "check", world, "--json")
    assert code == 0
    assert json.loads(out)["pictures"] == 150
    code, out, _ = run("data", "convert", world, "-o", tmp_path / "out.json")
    assert code == 0
    assert json.loads((tmp_path / "out.json").read_text())["images"]


def test_broken_and_missing_pictures_are_left_out_and_listed(recipe_file: Path, world: Path, tmp_path: Path) -> None:
    copy = tmp_path / "world"
    shutil.copytree(world, copy)
    train = [image["filename"] for image in json.loads((copy / "dataset.json").read_text())["images"][:2]]
    pictures = [next(copy.rglob(name)) for name in train]
    pictures[0].write_bytes(pictures[0].read_bytes()[:500])
    pictures[1].unlink()
    settings = ["--set", f"data.path={copy.as_posix()}", "--set", "train.epochs=1"]
    code, _, err = run("train", recipe_file, *settings, "-o", tmp_path / "run")
    assert code == 0, err
    assert "pictures left out" in err
    assert all(name in err for name in train)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "none.toml", "-o", "out"], ["none.toml"]),
        (["train", "{recipe}", "-o", "{out}", "--set", "train.epoch=1"], ["train.epoch", "epochs"]),
        (["train", "{recipe}", "-o", "{out}", "--set", "data.path=nowhere"], ["nowhere"]),
        (["train", "{recipe}", "-o", "{out}", "--set", 'regions.backbones=["gone.onnx"]'], ["weights"]),
        (["train", "{recipe}", "-o", "{run}"], ["--resume"]),
        (["eval", "{out}"], ["config.json", "train -o"]),
        (["eval", "{run}", "--data", "{world}", "--split", "tset"], ["tset", "test"]),
        (["eval", "{run}", "--device", "abacus"], ["abacus", "cpu"]),
        (["ground", "{run}", "{recipe}", "a circle"], ["small.toml"]),
        (["ground", "{run}", "{picture}", "a circle", "-o", "out.toml"], [".png"]),
        (["ground", "{captioner}", "{picture}", "a circle"], ["describes pictures", "wordsight caption"]),
        (["caption", "{run}", "{picture}"], ["aligns", "wordsight ground"]),
        (["caption", "{captioner}"], ["PICTURE"]),
        (["caption", "{captioner}", "{world}/none.jpg"], ["none.jpg", "no such picture"]),
        (["caption", "{captioner}", "{recipe}", "{world}/none.jpg"], ["None of the 2 pictures", "small.toml"]),
        (["caption", "{captioner}", "{world}/*.gif"], ["no file matches"]),
        (["caption", "{captioner}", "-"], ["list of pictures is empty"]),
        (["caption", "{captioner}", "{picture}", "--beam", "0"], ["beam = 0"]),
        (["caption", "{captioner}", "{picture}", "--beam", "99999"], ["99999", "vocabulary"]),
        (["caption", "{captioner}", "{picture}", "--n-best", "4"], ["n_best = 4", "3"]),
        (["caption", "{captioner}", "{picture}", "--top-k", "5"], ["sample"]),
        (["caption", "{captioner}", "{picture}", "--regions", "--n-best", "2"], ["n_best = 2"]),
        (["caption", "{captioner}", "{picture}", "--box", "0,0,9999,5"], ["not inside the picture", "pixels"]),
        (["caption", "{captioner}", "{picture}", "--box", "1;2;3;4"], ["left,top,width,height"]),
        (["caption", "{captioner}", "{picture}", "-o", "out.png"], [".json"]),
        (["caption", "{captioner}", "{picture}", "--alignment", "{run}"], ["--alignment", "-o OUT.png"]),
        (["caption", "{captioner}", "{picture}", "-o", "x.png", "--alignment", "{captioner}"], ["describes pictures"]),
        (["caption", "{captioner}", "{picture}", "--regions", "-o", "out.json"], [".png"]),
        (["caption", "{captioner}", "{world}", "--regions", "-o", "out.png"], ["one picture"]),
        (["eval", "{captioner}", "--no-report", "--split", "tset"], ["tset", "test"]),
        (["eval", "{captioner}", "--no-report", "--beam", "0"], ["beam = 0"]),
        (["eval", "{run}", "--no-report", "--beam", "3"], ["--beam", "describe"]),
        (["eval", "{run}", "--no-report", "--meteor"], ["--meteor", "describe"]),
        (["data", "check", "nowhere"], ["nowhere"]),
        (["data", "convert", "{world}"], ["--out"]),
        (["trane"], ["trane"]),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str],
    words: list[str],
    trained: Path,
    captioner: Path,
    world: Path,
    recipe_file: Path,
    tmp_path: Path,
) -> None:
    places = {
        "run": trained,
        "captioner": captioner,
        "world": world,
        "recipe": recipe_file,
        "picture": first_picture(world),
    }
    code, out, err = run(*(argument.format(out=tmp_path, **places) for argument in arguments))
    assert code == 2, err
    assert not out
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert not any(tmp_path.iterdir())


def test_members_train_measure_and_ground_as_one(recipe_file: Path, world: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = ["--set", "train.epochs=1", "--set", "train.members=2"]
    code, told, err = run("train", recipe_file, *settings, "-o", out)
    assert code == 0, err
    assert "on val" in told
    code, told, err = run("eval", out, "--data", world, "--split", "test", "--grounding", "--no-report", "--json")
    assert code == 0, err
    assert "grounding_pointing" in json.loads(told)
    code, told, err = run("ground", out, first_picture(world), "a red circle", "--json")
    assert code == 0, err
    assert len(json.loads(told)["boxes"]) == 3


def test_figures_are_not_lost_where_the_report_cannot_be_written(trained: Path, world: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    (copy / "report-test").write_text("in the way")
    code, out, err = run("eval", copy, "--data", world, "--split", "test", "--json")
    assert code == 0, err
    assert json.loads(out)["pictures"] == 25
    assert "no report:" in err


def test_grounding_without_phrases_is_said_before_the_work(
    trained: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(world / "dataset.json", tmp_path)
    shutil.copytree(world / "images", tmp_path / "images")
    monkeypatch.setattr("wordsight.evaluation.alignment.featured", lambda *_: pytest.fail("features were made first"))
    code, out, err = run("eval", trained, "--data", tmp_path, "--grounding", "--json")
    assert (code, out) == (2, "")
    assert "entities.json is missing" in err


def test_ctrl_c_anywhere_is_one_sentence(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(path: Path, *, strict: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wordsight.data.load.read_dataset", stop)
    code, out, err = run("data", "check", world)
    assert (code, out, err.strip()) == (130, "", "wordsight: Stopped.")


def test_words_that_a_terminal_has_no_letters_for_do_not_stop_it(world: Path, tmp_path: Path) -> None:
    place = tmp_path / "日本"
    shutil.copytree(world, place)
    for more in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "wordsight.cli.main", "data", "check", str(place), *more],
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["root"] == str(place)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent this way on Windows")
def test_ctrl_c_saves_says_how_to_resume_and_exits_with_130(recipe_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wordsight.cli.main", "train", str(recipe_file), "-o", str(tmp_path / "run")]
    more = ["--set", "train.epochs=100000"]
    process = subprocess.Popen(
        command + more, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    state = tmp_path / "run" / "training_state.pt"
    deadline = time.monotonic() + 60
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "--resume" in err
    assert "Traceback" not in err
    assert state.exists()


def test_the_version_is_printed() -> None:
    assert run("--version")[:2] == (0, f"wordsight {wordsight.__version__}\n")


def test_completion_knows_the_commands_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from wordsight.cli.main import main; sys.argv[:] = ['wordsight']\n"
        "try: main()\n"
        "finally: assert not {'torch', 'numpy', 'PIL', 'onnxruntime'} & set(sys.modules), 'imported'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "_WORDSIGHT_COMPLETE": "complete_bash", "COMP_WORDS": "wordsight se", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["search", "serve"] and "imported" not in done.stderr

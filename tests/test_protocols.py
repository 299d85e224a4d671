"""The protocols of COCO, Flickr30K, ECCV Caption and CxC: splits, folds and relevance, in eval and compare."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.comparison.compare import compare
from wordsight.data.load import load_dataset
from wordsight.data.records import Picture
from wordsight.data.relevance import Relevant, relevant_pairs
from wordsight.errors import InputError
from wordsight.evaluation.alignment import measure, table
from wordsight.metrics.ranking import fold_metrics, metrics, ranks
from wordsight.metrics.relevance import relevance_metrics
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.runs.recipe import read
from wordsight.training.trainer import train

QUIET = Progress(quiet=True)


def karpathy(root: Path, splits: list[tuple[str, str, str]]) -> None:
    """A dataset as Karpathy's JSON of COCO has it: folder, file name and split of each picture."""
    images = []
    for number, (folder, name, split) in enumerate(splits):
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(root / folder / name)
        said = [{"raw": f"picture {number} of {place}", "sentid": 10 * number + place} for place in range(5)]
        images.append({"filepath": folder, "filename": name, "split": split, "imgid": number, "sentences": said})
    (root / "dataset_coco.json").write_text(json.dumps({"dataset": "coco", "images": images}))


def test_restval_of_coco_joins_train_and_sentences_keep_their_ids(tmp_path: Path) -> None:
    coco = [("train2014", "COCO_train2014_000000000009.jpg", "train")]
    coco += [
        ("val2014", f"COCO_val2014_00000000{number:04}.jpg", split)
        for number, split in enumerate(("restval", "val", "test", "test"))
    ]
    karpathy(tmp_path, coco)
    dataset = load_dataset(tmp_path)
    assert dataset.splits == {"train": 2, "val": 1, "test": 2}
    assert all(picture.path.exists() for picture in dataset.pictures)
    assert dataset.split("test")[0].ids == (30, 31, 32, 33, 34)


def test_flickr30k_is_read_from_karpathys_file_and_its_folder_of_pictures(tmp_path: Path) -> None:
    karpathy(tmp_path, [("flickr30k-images", f"{number}.jpg", split) for number, split in enumerate(("train", "val"))])
    content = json.loads((tmp_path / "dataset_coco.json").read_text())
    for image in content["images"]:
        del image["filepath"]  # Flickr30K's file has none
    (tmp_path / "dataset_coco.json").unlink()
    (tmp_path / "dataset_flickr30k.json").write_text(json.dumps(content))
    assert all(picture.path.exists() for picture in load_dataset(tmp_path).pictures)


def test_folds_are_means_of_parts_that_know_only_themselves() -> None:
    random = torch.Generator().manual_seed(0)
    scores, picture = torch.randn(20, 60, generator=random), torch.arange(20).repeat_interleave(3)
    scores += 2 * (picture == torch.arange(20)[:, None])
    found = fold_metrics(scores, picture, 5)
    parts = []
    for first in range(0, 20, 4):
        own = scores[first : first + 4, 3 * first : 3 * first + 12]
        parts.append(metrics(ranks(own, torch.arange(4).repeat_interleave(3)), 4))
    for key in ("i2t_R@1", "t2i_R@5", "i2t_medr"):
        assert found[key] == pytest.approx(np.mean([part[key] for part in parts]), abs=1e-3)
    assert found["pictures"] == 4 and found["sentences"] == 12 and found["count"] == 5
    assert found["t2i_R@1"] >= metrics(ranks(scores, picture), 20)["t2i_R@1"]  # a smaller gallery is easier
    one = fold_metrics(scores, picture, 1)
    assert {key: one[key] for key in metrics(ranks(scores, picture), 20)} == metrics(ranks(scores, picture), 20)
    for folds in (0, 11):
        with pytest.raises(InputError, match=f"{folds} folds of 20 pictures"):
            fold_metrics(scores, picture, folds)


def test_runs_are_compared_in_folds(trained: Path, tmp_path: Path) -> None:
    told = compare([trained], tmp_path, folds=2, device="cpu", progress=QUIET)
    whole = compare([trained], tmp_path, device="cpu", progress=QUIET)
    found, one = (each.shown.rows[0].members[0].outcome for each in (told, whole))
    figures = measure(load(trained, "cpu"), folds=2, report=False)
    assert "ranked in 2 folds" in told.shown.about and "folds" not in whole.shown.about
    assert {key: found.figures[key] for key in one.figures if "@" in key or key == "rsum"} == {
        key: figures[f"folds_{key}"] for key in one.figures if "@" in key or key == "rsum"
    }
    assert one.figures["rsum"] == pytest.approx(figures["rsum"]) and found.figures["rsum"] > one.figures["rsum"]
    assert len(found.images) == len(one.images) and all(a <= b for a, b in zip(found.images, one.images, strict=True))
    with pytest.raises(InputError, match="1000 folds of"):
        compare([trained], tmp_path, folds=1000, device="cpu", progress=QUIET)


def test_differences_of_folds_are_those_of_their_means(trained: Path, recipe_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(read(recipe_file, ["train.epochs=1"]), other, progress=QUIET)
    for folds in (2, 7):  # of 7, some have a picture more
        shown = compare([trained, other], tmp_path / "out", folds=folds, device="cpu", progress=QUIET).shown
        one, two = (row.figure("rsum") for row in shown.rows)
        assert shown.differences["ranking"]["rsum"][0][1].value == pytest.approx(one - two, abs=1e-3), folds


def test_relevance_is_as_counted_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.1, 0.1, 0.1, 0.1], [0.0, 0.0, 0.0, 0.0, 0.0]])
    right = torch.tensor([[1, 0, 1, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]).bool()
    found = relevance_metrics(scores, Relevant(right, right))
    assert found["relevant_i2t_queries"] == 2 and found["relevant_i2t_pairs"] == 4  # the third picture has none
    assert found["relevant_i2t_R@1"] == 50  # the second picture's answers are all alike: ties count against us
    assert found["relevant_i2t_R_precision"] == pytest.approx(100 * (2 / 3 + 0) / 2, abs=1e-3)
    assert found["relevant_i2t_mAP@R"] == pytest.approx(100 * ((1 + 2 / 3) / 3) / 2, abs=1e-3)
    assert found["relevant_t2i_queries"] == 4 and found["relevant_t2i_R@1"] == 75


def test_a_score_that_is_no_number_counts_against_the_model() -> None:
    right = torch.tensor([[True, False], [False, True]])
    scores = torch.tensor([[torch.nan, 0.0], [torch.nan, 0.0]])  # of a right answer, and of a wrong one
    found = relevance_metrics(scores, Relevant(right, right))
    assert found["relevant_i2t_R@1"] == 0 and found["relevant_i2t_R@5"] == 100


def test_relevance_of_one_right_answer_each_is_recall() -> None:
    random = torch.Generator().manual_seed(1)
    scores = torch.randn(30, 30, generator=random)
    right = torch.eye(30).bool()
    found = relevance_metrics(scores, Relevant(right, right))
    usual = metrics(ranks(scores, torch.arange(30)), 30)
    for way in ("i2t", "t2i"):
        assert all(found[f"relevant_{way}_R@{k}"] == usual[f"{way}_R@{k}"] for k in (1, 5, 10))
        assert found[f"relevant_{way}_mAP@R"] == found[f"relevant_{way}_R@1"]


PICTURES = [
    Picture(f"COCO_val2014_{number:012}.jpg", Path(), "test", ("one", "two"), ids=(10 * number, 10 * number + 1))
    for number in (7, 8)
]


def test_both_files_of_eccv_caption_are_read_whichever_is_named(tmp_path: Path) -> None:
    (tmp_path / "eccv_image_to_caption.json").write_text(json.dumps({"7": [70, 80], "999": [1]}))
    (tmp_path / "eccv_caption_to_image.json").write_text(json.dumps({"81": [8, 7]}))
    for name in ("eccv_image_to_caption.json", "eccv_caption_to_image.json"):
        found = relevant_pairs(tmp_path / name, PICTURES)
        assert found.i2t.nonzero().tolist() == [[0, 0], [0, 2]] and found.t2i.nonzero().tolist() == [[0, 3], [1, 3]]


def test_the_first_line_of_cxc_counts_if_it_is_a_pair(tmp_path: Path) -> None:
    (tmp_path / "sits.csv").write_text("COCO_val2014:sentid:70,COCO_val2014_000000000007.jpg,4,c2i\n")
    assert relevant_pairs(tmp_path / "sits.csv", PICTURES).i2t.nonzero().tolist() == [[0, 0]]


def test_the_datas_id_of_a_picture_counts_before_the_number_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "sits.csv").write_text("COCO_val2014:sentid:80,COCO_val2014_000000000007.jpg,4,c2i\n")
    swapped = [replace(picture, image_id=number) for picture, number in zip(PICTURES, (8, 7), strict=True)]
    assert relevant_pairs(tmp_path / "sits.csv", swapped).i2t.nonzero().tolist() == [[1, 2]]


def test_pairs_of_cxc_count_from_three_on(tmp_path: Path) -> None:
    lines = ["caption,image,agg_score,sampling_method"]
    for sentence, number, score in ((70, 7, 4.9), (80, 7, 3.0), (81, 7, 2.99), (81, 8, 5.0), (1, 1, 5.0)):
        lines.append(f"COCO_val2014:sentid:{sentence},COCO_val2014_{number:012}.jpg,{score},c2i_original")
    (tmp_path / "sits_test.csv").write_text("\n".join(lines) + "\n")
    found = relevant_pairs(tmp_path / "sits_test.csv", PICTURES)
    assert found.i2t.nonzero().tolist() == [[0, 0], [0, 2], [1, 3]] and torch.equal(found.i2t, found.t2i)


@pytest.mark.parametrize("blank", ["", "  ", ",,,"])
def test_blank_lines_of_cxc_are_passed_over(tmp_path: Path, blank: str) -> None:
    rows = ["caption,image,agg_score,sampling_method", "COCO_val2014:sentid:70,COCO_val2014_000000000007.jpg,4,c2i"]
    (tmp_path / "sits.csv").write_text("".join(f"{blank}\n{row}\n" for row in rows) + f"{blank}\n\n")
    assert relevant_pairs(tmp_path / "sits.csv", PICTURES).i2t.nonzero().tolist() == [[0, 0]]
    (tmp_path / "sits.csv").write_text(f"{rows[0]}\n{blank}\nx,y\n")
    with pytest.raises(InputError, match="line 3: expected a line as in"):
        relevant_pairs(tmp_path / "sits.csv", PICTURES)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{}", r"a.json: expected image_to_caption or caption_to_image in the file's name"),
        ("x_image_to_caption.json", "[]", r"expected lists of ids by id, found"),
        ("x_image_to_caption.json", '{"7": 5}', r"key '7': expected a number with a list of numbers, found 5"),
        ("x_image_to_caption.json", '{"1": [2]}', r"x_caption_to_image.json"),  # which is not there
        ("a.csv", "caption,image\nx,y\n", r"a.csv, line 2: expected a line as in .* found 'x,y'"),
        ("a.csv", "h\nCOCO:sentid:1,COCO_1.jpg,5,c\n", r"a.csv: none of its pairs is of these 2 pictures"),
        ("sis.csv", "h\nCOCO:sentid:70,COCO:sentid:7,5,c\n", r"sis.csv, line 2: expected a line"),
        ("sii.csv", "h\nCOCO_7.jpg,COCO_8.jpg,5,c\n", r"sii.csv, line 2: expected a line"),
        ("a.csv", "h\nCOCO:sentid:70,COCO_7.jpg,nan,c\n", r"a.csv, line 2: expected a line"),
        ("a.csv", "h\nCOCO:sentid:70,COCO_7.jpg,95,c\n", r"a.csv, line 2: expected a line"),
        ("a.csv", f"h\n{'a' * 200_000},b,3,c\n", r"a.csv, line 2: expected a line.*field limit"),
        ("x_image_to_caption.json", f'{{"7": ["{"1" * 5000}"]}}', r"key '7': expected a number with a list of numbers"),
        ("x_image_to_caption.json", f'{{"{"1" * 5000}": [1]}}', r"expected a number with a list of numbers"),
        ("x_image_to_caption.json", '{"7": [70], "7": [71]}', r"the key '7' is there twice"),
    ],
)
def test_wrong_files_of_relevance_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        relevant_pairs(tmp_path / name, PICTURES)


def test_relevance_needs_ids(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("h\n")
    with pytest.raises(InputError, match="the sentences of this dataset have none"):
        relevant_pairs(tmp_path / "a.csv", [Picture("a1.jpg", Path(), "test", ("one",))])


def run_json(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def test_eval_gives_sum_and_folds(trained: Path) -> None:
    found = run_json("eval", str(trained), "--folds", "5", "--no-report")
    ways = [f"{way}_R@{k}" for way in ("i2t", "t2i") for k in (1, 5, 10)]
    assert found["rsum"] == pytest.approx(sum(found[key] for key in ways), abs=1e-3)
    assert found["folds_rsum"] == pytest.approx(sum(found[f"folds_{key}"] for key in ways), abs=1e-3)
    assert found["folds_rsum"] > found["rsum"] and found["folds_count"] == 5
    assert f"of 5 folds of {found['folds_pictures']} {found['folds_rsum']:.1f}" in table(found)


def test_eval_measures_by_relevance(trained: Path, world: Path, tmp_path: Path) -> None:
    dataset = load_dataset(world)
    val = dataset.split("val")
    lines = ["caption,image,agg_score,sampling_method"]
    for picture in val:
        number = int("".join(filter(str.isdigit, picture.name)))
        lines += [f"x:sentid:{one},COCO_{number}.jpg,5.0,c2i_original" for one in picture.ids]
    (tmp_path / "sits.csv").write_text("\n".join(lines))
    found = measure(load(trained, "cpu"), split="val", relevance=tmp_path / "sits.csv", progress=QUIET)
    assert found["relevant_i2t_queries"] == len(val)
    assert found["relevant_i2t_R@1"] == found["i2t_R@1"] and found["relevant_t2i_R@5"] == found["t2i_R@5"]
    assert "R-P" in table(found)


def test_compare_shows_grounding_as_eval_has_it(trained: Path, captioner: Path, tmp_path: Path) -> None:
    done = compare([trained, captioner], tmp_path / "out", grounding=True, beam=1, device="cpu", progress=QUIET)
    expected = measure(load(trained, "cpu"), split="val", grounding=True, progress=QUIET)
    row = done.to_json()["ranking"]["rows"][0]
    keys = ("grounding_pointing", "grounding_iou", "grounding_R@5", "grounding_R@10", "grounding_best_iou")
    assert {key: row["figures"][key] for key in keys} == {key: expected[key] for key in keys}
    assert "| run | pointing | middle of the box | R@1 | R@5 | R@10 | upper bound |" in done.markdown()
    assert "upper bound" in done.page.read_text()
    assert set(done.to_json()["ranking"]["differences"]) == {"rsum", "grounding_pointing", "grounding_iou"}
    assert "upper bound" not in compare([trained], tmp_path / "out", device="cpu", progress=QUIET).markdown()

"""Alignment as a caption metric, and people's judgments in files."""

import json
from pathlib import Path

import pytest

from wordsight.data.judgments import Judgment, read_judgments
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.evaluation.caption_scores import alignment_scores, both, score_captions, table
from wordsight.runs.aligner import load


def test_a_score_depends_on_its_own_picture_alone(world: Path, trained: Path, tmp_path: Path) -> None:
    pictures = load_dataset(world).split("val")[:4]
    run = load(trained)
    pairs = [(picture.path, picture.sentences[0]) for picture in pictures]
    scores = alignment_scores(run, pairs)
    assert scores == pytest.approx([alignment_scores(run, [pair])[0] for pair in pairs], abs=1e-4)
    others = [(picture.path, pictures[number - 1].sentences[0]) for number, picture in enumerate(pictures)]
    assert sum(alignment_scores(run, others)) < sum(scores)
    said = [{"image_id": picture.name, "caption": picture.sentences[0]} for picture in pictures]
    (file := tmp_path / "said.json").write_text(json.dumps(said))
    found = score_captions(run, file, world)
    assert [row["alignment"] for row in found["captions"]] == pytest.approx(scores, abs=1e-4)
    assert found["cider"] > 0 and found["unknown"] == 0
    assert sum(row["both"] for row in found["captions"]) == pytest.approx(0, abs=1e-6)
    alone = score_captions(run, file, pictures=pictures[0].path.parent)
    assert alone["alignment"] == pytest.approx(found["alignment"], abs=1e-4)
    assert "cider" not in alone["captions"][0]
    assert "mean of 4" in table(alone)
    with pytest.raises(InputError, match="expected --data"):
        score_captions(run, file)


def test_captions_without_a_known_word_are_counted_and_said(
    world: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [picture.name for picture in load_dataset(world).split("val")[:3]]
    said = [{"image_id": name, "caption": one} for name, one in zip(names, ["a red", "", "xqzw"], strict=True)]
    (file := tmp_path / "said.json").write_text(json.dumps(said))
    assert score_captions(load(trained), file, world)["unknown"] == 2
    said_of_it = capsys.readouterr().err
    assert "2 of 3 captions have no word that the model knows" in said_of_it
    assert f"the first is of {names[1]}" in said_of_it


def test_a_caption_is_one_line_of_the_table_whatever_is_in_it() -> None:
    row = {"picture": "a.jpg", "caption": "a\nred\x1b[2J\u2028 dog", "alignment": 0.5}
    lines = table({"captions": [row], "alignment": 0.5}).splitlines()
    assert [line.split("  ")[-1] for line in lines[1:]] == [r"a.jpg: a red\x1b[2J dog", "mean of 1"]


def test_metrics_are_averaged_on_equal_terms() -> None:
    assert both([1, 2, 3], [30, 20, 10]) == pytest.approx([0, 0, 0])
    assert both([1, 3], [5, 5]) == pytest.approx([-0.5, 0.5])


def test_judgments_of_experts_and_of_the_crowd(tmp_path: Path) -> None:
    (file := tmp_path / "ExpertAnnotations.txt").write_text("a.jpg\tb.jpg#2\t1\t1\t3\n\nc d.jpg\ta.jpg#0\t4\t4\t4\n")
    assert read_judgments(file) == [
        Judgment("a.jpg", "b.jpg", 2, (1, 1, 3)),
        Judgment("c d.jpg", "a.jpg", 0, (4, 4, 4)),
    ]
    file.write_text("a.jpg\tb.jpg#2\t0.333\t1\t2\na.jpg\tb.jpg#1\t1\t3\t0\n")
    assert [one.scores for one in read_judgments(file)] == [(0.333,), (1,)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no judgments"),
        ("a.jpg b.jpg#2 1 1 1", "line 1: expected a picture.*found 1 columns"),
        ("a.jpg\tb.jpg\t1\t1\t1", "found the id 'b.jpg'"),
        ("a.jpg\tb.jpg#x\t1\t1\t1", "found the id"),
        (f"a.jpg\tb.jpg#{'1' * 5000}\t1\t1\t1", "found the id 'b.jpg#111"),
        ("a\u2028.jpg\tb.jpg#1\t1\t1\t1\nx", "line 2: expected a picture"),
        ("a.jpg\tb.jpg#1\t1\t1\tx", "found '1 1 x'"),
        ("a.jpg\tb.jpg#1\t5\t1\t1", "expected three judgments from 1 to 4"),
    ],
)
def test_bad_judgments_are_said(text: str, said: str, tmp_path: Path) -> None:
    (file := tmp_path / "judged.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        read_judgments(file)


def test_references_without_a_word_do_not_count(world: Path, trained: Path, tmp_path: Path) -> None:
    pictures = load_dataset(world).split("val")[:3]
    said = [{"image_id": picture.name, "caption": picture.sentences[0]} for picture in pictures]
    (file := tmp_path / "said.json").write_text(json.dumps(said))
    run, found = load(trained), []
    for wordless in ((), ("", ".")):
        rows = [
            {"filepath": str(picture.path), "caption": one}
            for picture in pictures
            for one in (*picture.sentences, *wordless)
        ]
        (data := tmp_path / f"{len(wordless)}.json").write_text(json.dumps(rows))
        found.append(score_captions(run, file, data))
    assert found[0] == found[1]


def test_a_folder_that_is_not_there(trained: Path, tmp_path: Path) -> None:
    (file := tmp_path / "said.json").write_text(json.dumps([{"image_id": 7, "caption": "a dog"}]))
    with pytest.raises(InputError, match="--pictures nofolder: expected a folder of pictures, and it is not there"):
        score_captions(load(trained), file, pictures="nofolder")

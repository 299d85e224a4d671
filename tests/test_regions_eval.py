"""Captions of annotated regions: what counts as one, what it is held against, and the command that prints the table."""

import runpy
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from wordsight.batch import Regions
from wordsight.captioning.retrieval import best_sentences
from wordsight.data.entities import Box, Phrase, load_phrases
from wordsight.data.load import load_dataset
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.matching.align import Align
from wordsight.metrics.regions import AnnotatedRegion, alone, annotated_regions, grouped, region_metrics, views
from wordsight.progress import Progress
from wordsight.runs.recipe import read
from wordsight.text.vocabulary import SPECIAL, Vocabulary
from wordsight.training.trainer import train
from wordsight.vision.regions import RegionEncoder, RegionSettings

ONE, TWO, THREE = (0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0), (0.25, 0.0, 0.75, 1.0)


def phrase(picture: str, text: str, *boxes: Box, kind: str = "other") -> Phrase:
    return Phrase(picture, text, 0, len(text.split()), text, (kind,), boxes)


def test_each_box_has_all_phrases_that_name_it() -> None:
    found = annotated_regions(
        [
            phrase("p", "a dog", ONE, kind="animals"),
            phrase("q", "snow", ONE, kind="scene"),
            phrase("p", "two dogs", TWO, ONE, TWO),
            phrase("p", "a dog", ONE),
            phrase("p", "grass", THREE),
        ]
    )
    assert found == [
        AnnotatedRegion("p", ONE, ("a dog", "two dogs", "a dog")),
        AnnotatedRegion("p", TWO, ("two dogs",)),
        AnnotatedRegion("p", THREE, ("grass",)),
        AnnotatedRegion("q", ONE, ("snow",)),
    ]
    assert grouped(found) == (["p", "q"], [[ONE, TWO, THREE], [ONE]])


REGIONS = [
    AnnotatedRegion("p", ONE, ("a small black dog", "the dog")),
    AnnotatedRegion("p", TWO, ("the green grass",)),
    AnnotatedRegion("q", ONE, ("a man in red",)),
]


def test_captions_are_held_against_their_own_region() -> None:
    def right(names: Sequence[str], boxes: Sequence[Sequence[Box]]) -> list[str]:
        called = {(region.picture, region.box): region.references[0] for region in REGIONS}
        return [called[name, box] for name, some in zip(names, boxes, strict=True) for box in some]

    figures = region_metrics(right, REGIONS)
    assert (figures["regions"], figures["Bleu_1"], figures["Bleu_4"]) == pytest.approx((3, 1, 1))
    assert region_metrics(lambda *asked: right(*asked)[::-1], REGIONS)["Bleu_1"] < 0.5


def test_one_caption_a_region_is_expected() -> None:
    with pytest.raises(ValueError, match="2 captions: expected one for each of 3 regions"):
        region_metrics(lambda names, boxes: ["a dog"] * len(names), REGIONS)


def test_no_regions_is_said() -> None:
    with pytest.raises(InputError, match="no pictures"):
        region_metrics(lambda names, boxes: [], [])


@pytest.fixture(scope="module")
def val(world: Path) -> list[Picture]:
    return load_dataset(world).split("val")


def test_what_the_painter_calls_a_thing_is_a_reference_of_its_box(world: Path, val: list[Picture]) -> None:
    phrases = load_phrases(world, [picture.name for picture in val])
    regions = annotated_regions(phrases)
    assert len({(region.picture, region.box) for region in regions}) == len(regions)
    assert sum(len(region.references) for region in regions) == sum(len(set(one.boxes)) for one in phrases)
    assert list(dict.fromkeys(region.picture for region in regions)) == grouped(regions)[0]
    assert region_metrics(lambda names, boxes: [one.references[-1] for one in regions], regions)[
        "Bleu_1"
    ] == pytest.approx(1)


def test_a_box_is_seen_with_its_whole_picture(val: list[Picture]) -> None:
    encoder = RegionEncoder(RegionSettings(regions=3, detections=0, size=64, geometry=True), threads=1)
    files, boxes = [picture.path for picture in val[:2]], [[ONE, TWO, THREE], [TWO]]
    wholes = encoder.encode(files)
    found = views(encoder, files, boxes, wholes)
    assert found.features.shape == (4, 2, encoder.size) and bool(found.mask.all())
    for row, (picture, box) in enumerate([(0, ONE), (0, TWO), (0, THREE), (1, TWO)]):
        single = encoder.encode([files[picture]], [[box]])
        torch.testing.assert_close(found.features[row, 0], single.features[0, 0])
        assert torch.equal(found.features[row, 1], wholes.features[picture, 0])
        assert tuple(found.boxes[row, 0].tolist()) == box
        assert torch.equal(found.boxes[row, 1], wholes.boxes[picture, 0])
    with pytest.raises(InputError, match="left < right"):
        views(encoder, files[:1], [[(0.5, 0.5, 0.2, 1.0)]], wholes)


@pytest.mark.parametrize("context", [False, True])
@torch.no_grad()
def test_a_region_alone_is_not_helped_by_its_neighbours(context: bool) -> None:
    torch.manual_seed(0)
    model = Align(12, 6, embedding=8, words=4, hidden=4, context=context).eval()
    features = torch.randn(5, 2, 6)
    seen = Regions(features, torch.ones(5, 2, dtype=torch.bool), torch.rand(5, 2, 4))
    blocks = alone(model, seen, rows=2)
    assert [len(block.mask) for block in blocks] == [2, 2, 1]
    found = torch.cat([block.values for block in blocks])  # (5, 1, D)
    assert torch.equal(torch.cat([block.places for block in blocks])[:, 0], seen.boxes[:, 0])
    extra: Tensor | float = 0.0 if model.context is None else model.context(features[:, 1])
    torch.testing.assert_close(found[:, 0], model.region(features[:, 0]) + extra)
    vocabulary = Vocabulary((*SPECIAL, *"abcdefghij"))
    words = vocabulary.encode(list("abcdefghij"))
    texts = model.encode_texts(words).values[:, 0]
    assert torch.equal(best_sentences(model, blocks, words), (found[:, 0] @ texts.T).argmax(dim=1))


# --- the command


@pytest.fixture(scope="module")
def captioners(recipe_file: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The folders of a captioner of whole pictures and one of regions, hardly trained."""
    folder, made = tmp_path_factory.mktemp("captioners"), []
    for name, alignment in (("whole", ""), ("parts", trained.as_posix())):
        recipe = read(recipe_file, ["train.epochs=1", f"data.alignment={alignment}"])
        model = {"name": "lstm", "words": 16, "hidden": 16, "views": 2 if alignment else 1, "average": True}
        train(replace(recipe, model=model), folder / name, progress=Progress(quiet=True))
        made.append(str(folder / name))
    return made


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The rows of the table that the command prints, less its head."""
    file = Path(__file__).parents[1] / "benchmarks" / "captions.py"
    monkeypatch.setattr(sys, "argv", [str(file), *arguments])
    runpy.run_path(str(file), run_name="__main__")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    return lines[2:]


def test_the_command_compares_captioners_of_pictures_with_the_baselines(
    trained: Path, captioners: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = printed(monkeypatch, capsys, str(trained), "--runs", *captioners, "--beams", "1", "3")
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert names == [
        "nearest neighbour",
        "consensus of 60 neighbours",
        "best training sentence by alignment",
        "whole, beam 1",
        "whole, beam 3",
    ]
    copied = [row.split(" | ")[4] for row in rows]
    assert copied[:3] == ["100.0"] * 3


def test_the_command_compares_captioners_of_regions_with_the_best_snippet(
    trained: Path, captioners: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = printed(monkeypatch, capsys, str(trained), "--regions", "--runs", *captioners, "--beams", "3")
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert names == [
        "best training segment by alignment",
        "best training name by alignment",
        "whole, learned from whole pictures, beam 3",
        "parts, learned from regions, beam 3",
    ]
    assert [row.split(" | ")[4] for row in rows[:2]] == ["100.0"] * 2


@pytest.mark.parametrize("swap", [False, True])
def test_the_command_refuses_runs_of_the_wrong_kind(
    trained: Path,
    captioners: list[str],
    swap: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [captioners[0]] if swap else [str(trained), "--runs", str(trained)]
    with pytest.raises(SystemExit):
        printed(monkeypatch, capsys, *arguments)
    assert ("expected one that aligns" if swap else "expected one that describes") in " ".join(
        capsys.readouterr().err.split()
    )

"""Runs side by side: what is measured, what is real, what is written, and that it is measured once."""

import hashlib
import json
import os
import re
import shutil
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from wordsight import captioning
from wordsight.cli.main import app
from wordsight.comparison import bootstrap
from wordsight.comparison.compare import Comparison, compare
from wordsight.comparison.hubness import TEMPERATURE, bank_of, normalised
from wordsight.comparison.outcomes import Outcome
from wordsight.comparison.plot import Axis, plot
from wordsight.comparison.published import PAPER, PUBLISHED, published
from wordsight.comparison.rows import Member, Row, hits
from wordsight.comparison.tables import Table
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.files import to_json
from wordsight.matching.query_bank import SHARE
from wordsight.metrics.bleu import bleu, counts
from wordsight.progress import Progress
from wordsight.runs.recipe import read
from wordsight.runs.tasks import MODELS
from wordsight.training.trainer import train

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def other(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same recipe with another seed, after fewer epochs of it."""
    out = tmp_path_factory.mktemp("runs") / "other"
    train(read(recipe_file, ["train.epochs=1"]), out, progress=QUIET)
    return out


@pytest.fixture(scope="module")
def seeded(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "seeded"
    train(read(recipe_file, ["train.seed=1"]), out, progress=QUIET)
    return out


@pytest.fixture(scope="module")
def done(
    trained: Path, other: Path, seeded: Path, captioner: Path, tmp_path_factory: pytest.TempPathFactory
) -> Comparison:
    out = tmp_path_factory.mktemp("comparison")
    return compare([other, trained, captioner, seeded], out, beam=2, device="cpu", progress=QUIET)


def test_figures_are_those_of_eval(done: Comparison, trained: Path, captioner: Path) -> None:
    for run, kind, keys in (
        (trained, "ranking", ("i2t_R@1", "t2i_R@10", "i2t_medr")),
        (captioner, "captions", ("Bleu_4", "CIDEr", "ROUGE_L")),
    ):
        more = ["--beam", "2"] if kind == "captions" else []
        result = CliRunner().invoke(app, ["eval", str(run), "--no-report", "--json", *more])
        told = json.loads(result.stdout)
        member = next(one for row in done.shown.kind(kind) for one in row.members if one.name == run.name)
        for key in keys:
            assert member.outcome.figures[key] == pytest.approx(told[key], abs=1e-9), key


def test_seeds_of_one_recipe_are_one_row_with_their_deviation(done: Comparison, trained: Path, seeded: Path) -> None:
    rows = done.shown.kind("ranking")
    assert [len(row.members) for row in rows] == [2, 1]
    both = rows[0]
    assert both.seeds == [0, 1]
    found = [member.outcome.figures["rsum"] for member in both.members]
    assert both.figure("rsum") == pytest.approx(sum(found) / 2)
    assert both.deviation("rsum") == pytest.approx(abs(found[0] - found[1]) / 2**0.5)


def test_the_better_row_comes_first(done: Comparison) -> None:
    rows = done.shown.kind("ranking")
    assert rows[0].leading > rows[1].leading


def test_what_is_written_says_the_same_everywhere(done: Comparison) -> None:
    folder = done.page.parent
    told = json.loads((folder / "comparison.json").read_text())
    markdown = (folder / "comparison.md").read_text()
    page = (folder / "index.html").read_text()
    for row in told["ranking"]["rows"]:
        text = f"{row['figures']['rsum']:.1f}"
        assert text in markdown
        assert text in page
    assert told["ranking"]["differences"]["rsum"][0][1]["value"] == pytest.approx(
        -told["ranking"]["differences"]["rsum"][1][0]["value"]
    )


def test_every_picture_shown_has_a_page_that_says_what_each_run_said(done: Comparison) -> None:
    folder = done.page.parent
    links = re.findall(r'href="(pictures/\d+\.html)"', done.page.read_text())
    assert len(links) == len(done.shown.chosen) > 5
    row = done.shown.kind("captions")[0]
    for link, number in zip(links, done.shown.chosen, strict=True):
        text = (folder / link).read_text()
        assert row.members[0].outcome.captions[number] in text
        assert done.shown.pictures[number].sentences[0] in text
        assert "http" not in re.sub(r"<svg.*?</svg>", "", text)


def test_what_was_measured_is_not_measured_again(
    done: Comparison, trained: Path, captioner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(done.page.parent / "outcomes", tmp_path / "outcomes")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("wordsight.comparison.outcomes.encode", never)
    monkeypatch.setattr("wordsight.runs.captioner.Captioner.say", never)
    again = compare([trained, captioner], tmp_path, beam=2, device="cpu", progress=QUIET)
    assert again.shown.rows[0].members[0].outcome.figures == done.shown.rows[0].members[0].outcome.figures
    with pytest.raises(AssertionError, match="measured again"):
        compare([captioner], tmp_path, beam=3, device="cpu", progress=QUIET)


def test_the_dates_are_those_of_the_measurements(
    done: Comparison, trained: Path, captioner: Path, tmp_path: Path
) -> None:
    assert f"{date.today():%B %Y}." in done.shown.about
    shutil.copytree(done.page.parent / "outcomes", tmp_path / "outcomes")
    for path in (tmp_path / "outcomes").iterdir():  # as an older version kept them: the file's date is the only one
        told = json.loads(path.read_text())["outcome"]
        del told["measured"]
        checksum = hashlib.sha256(to_json(told).encode()).hexdigest()
        path.write_text(to_json({"format": 4, "checksum": checksum, "outcome": told}))
        day = datetime(2024, 2, 3 if told["kind"] == "ranking" else 9, 12).timestamp()
        os.utime(path, (day, day))
    again = compare([trained, captioner], tmp_path, beam=2, device="cpu", progress=QUIET)
    assert "3 February 2024 to 9 February 2024." in again.shown.about


def test_what_was_measured_on_other_pictures_of_the_same_names_is_not_taken(
    trained: Path, world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world, tmp_path / "world")
    before = compare([trained], tmp_path / "out", tmp_path / "world", device="cpu", progress=QUIET)
    for path in (tmp_path / "world" / "images").iterdir():
        with Image.open(path) as picture:
            Image.new("RGB", picture.size, "green").save(path)
    after = compare([trained], tmp_path / "out", tmp_path / "world", device="cpu", progress=QUIET)
    assert after.shown.rows[0].figure("rsum") < before.shown.rows[0].figure("rsum")


def test_a_run_trained_anew_is_measured_anew(recipe_file: Path, tmp_path: Path) -> None:
    for epochs in (1, 4):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        train(read(recipe_file, [f"train.epochs={epochs}"]), tmp_path / "run", progress=QUIET)
        compare([tmp_path / "run"], tmp_path / "out", device="cpu", progress=QUIET)
    assert len(list((tmp_path / "out" / "outcomes").iterdir())) == 2


def test_a_seed_twice_and_other_words_are_rows_of_their_own(
    trained: Path, seeded: Path, world: Path, recipe_file: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "copied")
    shutil.copytree(world, tmp_path / "world")
    (tmp_path / "world" / "dataset.json").write_text((world / "dataset.json").read_text().replace("square", "window"))
    train(read(recipe_file, [f"data.path='{tmp_path / 'world'}'", "train.seed=2"]), tmp_path / "else", progress=QUIET)
    runs = [trained, seeded, tmp_path / "copied", tmp_path / "else"]
    rows = compare(runs, tmp_path / "out", device="cpu", progress=QUIET).shown.rows
    assert sorted(sorted(one.name for one in row.members) for row in rows) == sorted(
        [sorted([trained.name, seeded.name]), ["copied"], ["else"]]
    )


def test_a_query_bank_without_a_picture_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture of the split 'train' is left for the query bank"):
        compare([trained], tmp_path, split="train", query_bank=3, device="cpu", progress=QUIET)


def test_one_query_bank_corrects_the_hubness_of_every_run(done: Comparison, trained: Path, tmp_path: Path) -> None:
    again = compare([trained], tmp_path, query_bank=8, device="cpu", progress=QUIET)
    kept = len(list((tmp_path / "outcomes").iterdir()))
    assert "corrected by 8 pictures of the training split" in again.shown.about
    assert "corrected" not in done.shown.about
    assert again.shown.rows[0].members[0].outcome.texts != done.shown.rows[0].members[0].outcome.texts
    compare([trained], tmp_path, device="cpu", progress=QUIET)
    assert len(list((tmp_path / "outcomes").iterdir())) == kept + 1, "kept apart from what is measured without"


def test_no_picture_that_is_ranked_is_in_the_query_bank(world: Path) -> None:
    every = load_dataset(world).split("train")
    bank = bank_of(every, len(every), every[:5])
    assert {one.path for one in bank} == {one.path for one in every[5:]}
    assert all(len(one.sentences) <= 2 for one in bank)


def test_a_hub_loses_more_of_its_scores_than_the_others() -> None:
    scores = torch.tensor([[1.0, 2.0], [1.1, 2.1]])
    with_texts = torch.tensor([[0.0, 0.2, 0.1], [3.0, 2.8, 3.1]])  # the second picture fits everything
    with_images = torch.tensor([[0.5, 0.5], [0.4, 0.6]])
    found = normalised(scores, with_texts, with_images)
    tau = TEMPERATURE * float(torch.cat([with_texts.flatten(), with_images.flatten()]).std())
    of_images, of_texts = (tau * (some / tau).exp().mean(1).log() for some in (with_texts, with_images.T))
    assert torch.allclose(found, scores - SHARE * of_images[:, None] - SHARE * of_texts[None])
    assert found.argmax(0).tolist() == [0, 0] and scores.argmax(0).tolist() == [1, 1]


@pytest.mark.parametrize("damage", ["no JSON", "a list shortened", "a figure gone", "a figure changed"])
def test_a_damaged_outcome_is_measured_again(done: Comparison, trained: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(done.page.parent / "outcomes", tmp_path / "outcomes")
    for path in (tmp_path / "outcomes").iterdir():
        content = json.loads(path.read_text())
        figures = content["outcome"]["figures"]
        if damage == "a list shortened":
            content["outcome"]["images"] = content["outcome"]["images"][:3]
        elif damage == "a figure gone":
            figures.pop("rsum", None)
        elif "rsum" in figures:
            figures["rsum"] += 1
        path.write_text('{"format": 1, "ranks"' if damage == "no JSON" else json.dumps(content))
    again = compare([trained], tmp_path, device="cpu", progress=QUIET)
    assert again.shown.rows[0].leading == pytest.approx(done.shown.rows[0].members[0].outcome.leading)


@pytest.mark.parametrize("same", ["the folder twice", "two of one name"])
def test_runs_that_cannot_be_told_apart_are_refused(trained: Path, tmp_path: Path, same: str) -> None:
    second = trained if same == "the folder twice" else tmp_path / trained.name
    if second != trained:
        shutil.copytree(trained, second)
    with pytest.raises(InputError, match=trained.name):
        compare([trained, second], tmp_path / "out", progress=QUIET)
    assert not (tmp_path / "out").exists()


def test_what_is_no_run_is_refused_before_anything_is_measured(trained: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["compare", str(trained), str(tmp_path), "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert str(tmp_path) in result.stderr
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="at least one run"):
        compare([], tmp_path / "out", progress=QUIET)


# --- the bootstrap


def outcome(images: list[int], texts: list[int]) -> Outcome:
    return Outcome("ranking", {}, 1.0, images, texts)


def test_sums_of_hits_make_the_recalls() -> None:
    sums = hits(outcome([1, 3, 12], [1, 1, 7, 20]), [2, 1, 1]).sum(axis=0)[None]
    expected = 100 * (1 / 3 + 2 / 3 + 2 / 3 + 2 / 4 + 2 / 4 + 3 / 4)
    assert bootstrap.recalls(sums)[0] == pytest.approx(expected)


def test_sums_of_counts_make_the_bleu_of_all() -> None:
    said = [["a", "dog", "runs", "on", "the", "grass"], ["two", "men", "in", "a", "boat"]]
    right = [[["a", "dog", "runs", "on", "grass"]], [["two", "men", "sit", "in", "a", "boat"]]]
    sums = np.array([counts(one, some) for one, some in zip(said, right, strict=True)], float).sum(axis=0)[None]
    assert bootstrap.bleu_4(sums)[0] == pytest.approx(bleu(said, right)[0][3])


def test_few_pictures_show_no_difference_however_clear() -> None:
    for count, real in ((1, False), (5, False), (8, True)):
        systems = [np.column_stack([np.full(count, value), np.ones(count)]) for value in (0.0, 1.0)]
        found = bootstrap.differences(systems, bootstrap.mean)[1][0]
        assert found.value == 1 and found.real == real, count
        assert found.p >= 2.0 ** (1 - count)


def test_pictures_without_phrases_say_nothing_of_grounding(
    trained: Path, other: Path, world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world, tmp_path / "world")
    names = [picture.name for picture in load_dataset(world).split("val")]
    truth = json.loads((world / "entities.json").read_text())
    (tmp_path / "world" / "entities.json").write_text(json.dumps({name: truth[name] for name in names[:2]}))
    done = compare([trained, other], tmp_path / "out", tmp_path / "world", grounding=True, device="cpu", progress=QUIET)
    for figure in ("grounding_pointing", "grounding_iou"):
        one = done.shown.differences["ranking"][figure][0][1]
        assert np.isfinite([one.value, one.low, one.high]).all() and one.low <= one.value <= one.high and not one.real


def test_the_bleu_of_several_seeds_is_the_mean_of_theirs() -> None:
    right = [[["a", "dog", "runs", "on", "the", "green", "grass"]]] * 2
    seeds = [[["a", "dog", "runs", "on", "grass"], ["a", "dog"]], [["a", "dog", "runs", "on", "the", "grass"]] * 2]
    each = [np.array([counts(one, some) for one, some in zip(said, right, strict=True)], float) for said in seeds]
    expected = np.mean([bleu(said, right)[0][3] for said in seeds])
    assert bootstrap.bleu_4(np.concatenate(each, axis=1).sum(axis=0)[None])[0] == pytest.approx(expected)


def test_a_difference_in_every_picture_is_real_and_noise_is_not() -> None:
    random = np.random.default_rng(0)
    base = random.random(400)
    ones = np.ones(400)
    better, noisy = base + 0.02, base + random.normal(0, 0.5, 400)
    noisy += base.mean() - noisy.mean() + 0.005
    found = bootstrap.differences([np.column_stack([one, ones]) for one in (base, better, noisy)], bootstrap.mean)
    assert found[1][0].real
    assert found[1][0].value == pytest.approx(0.02)
    assert found[1][0].low == pytest.approx(0.02)  # paired: the same draw for both
    assert not found[2][0].real
    assert not found[0][0].real


def test_the_interval_is_as_wide_as_theory_says() -> None:
    random = np.random.default_rng(1)
    one, other = random.normal(size=(2, 900))
    ones = np.ones(900)
    found = bootstrap.differences([np.column_stack([part, ones]) for part in (one, other)], bootstrap.mean)[0][1]
    error = (one - other).std() / 30
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_p_values_are_corrected_as_holm_says() -> None:
    assert bootstrap.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert bootstrap.holm([0.5, 0.9]) == [1, 1]
    assert bootstrap.holm([]) == []


def test_what_seems_real_alone_may_be_chance_among_many() -> None:
    random = np.random.default_rng(3)
    base, ones = random.random(300), np.ones(300)

    def shifted(errors: float) -> np.ndarray:
        """Noise around `base`, so many standard errors above it."""
        noise = random.normal(0, 0.3, 300)
        return base + noise - noise.mean() + errors * noise.std() / np.sqrt(300)

    def real(others: list[np.ndarray]) -> list[bool]:
        systems = [np.column_stack([one, ones]) for one in (base, *others)]
        return [one.real for one in bootstrap.differences(systems, bootstrap.mean)[0]]

    near, alike = shifted(2.3), [shifted(0) for _ in range(6)]
    assert real([near])[1]
    assert not any(real([near, *alike]))
    assert real([shifted(9), *alike])[:2] == [False, True]


# --- published rows and drawings


def test_every_published_row_is_of_a_model_that_there_is() -> None:
    assert {row.model for row in PUBLISHED} <= set(MODELS)


def test_captioners_stand_beside_published_captions_and_matchers_beside_recalls() -> None:
    assert not [row.system for row in PUBLISHED if (row.recalls if row.model in captioning.MODELS else row.bleu)]


def test_a_run_is_given_the_row_whose_keywords_it_has() -> None:
    found = published("align", {"encoder": "brnn", "loss": "ranking", "lexicon_weight": 0.0, **PAPER, "hidden": 3})
    assert found is not None
    assert str(found) == "16.5/40.6/54.2, 11.8/32.1/44.7 [F]"
    other = published("align", {"encoder": "brnn", "loss": "ranking", "lexicon_weight": 0.0, **PAPER, "context": True})
    assert other is not None
    assert not other.recalls
    names = {"lstm": "UVSE", "gru": "VSE"}
    for encoder, name in names.items():
        found = published("vse", {"encoder": encoder, "loss": "ranking"})
        assert found is not None
        assert found.system == name
    assert published("nothing", {}) is None


def test_captioners_are_named_by_what_they_see_and_how_they_learned() -> None:
    paper = {"image": "first", "average": False, "rewarded": False}
    names = {}
    for model, changed in (("lstm", {}), ("lstm", {"average": True}), ("lstm", {"image": "every", "rewarded": True})):
        found = published(model, paper | changed)
        assert found is not None
        names[found.system] = bool(found.bleu)
    assert names == {
        "NIC": True,
        "LSTM that sees the picture first, and the mean of its regions": False,
        "LSTM that sees the picture at every word, rewarded": False,
    }
    plain = published("multimodal_rnn", paper | {"image": "every"})
    assert plain is not None
    assert plain.system == "RNN that sees the picture at every word"
    assert not plain.bleu
    bilinear = published("log_bilinear", {})
    assert bilinear is not None
    assert "Xu et al. 2015" in bilinear.note


def test_a_system_that_sees_more_than_in_its_paper_or_was_rewarded_says_so() -> None:
    path = Path(__file__).parents[1] / "recipes" / "flickr8k-mrnn.toml"
    names = []
    for rewards in (0, 1):
        recipe = read(path, [f"train.reward_epochs={rewards}"])
        names.append(Row((Member("m", recipe, {"average": True}, {}, Outcome("captions", {}, 1.0), ()),)).system)
    mean = "m-RNN (Mao et al. 2015) (sees the mean of its regions too"
    assert names == [f"{mean})", f"{mean}, rewarded)"]


def test_a_drawing_has_a_label_for_each_system_and_leaves_out_those_without_points() -> None:
    drawn = plot([("one", [(1, 2.0), (2, 3.0)]), ("none", []), ("<two>", [(5, 2.5)])], "minutes", "CIDEr")
    assert "one 3" in drawn
    assert "&lt;two&gt; 2.5" in drawn
    assert "none" not in drawn
    assert plot([("none", [])], "minutes", "CIDEr") == ""
    assert "a-name-of-more-than…" in plot([("a-name-of-more-than-twenty-letters", [(1, 2.0)])], "minutes", "CIDEr")


def test_words_stand_left_and_figures_right() -> None:
    table = Table(("run", "system", "sum"), (("one", "<DVSA>", "1.0"),)).html()
    assert '<tr><th>run</th><th class="text">system</th><th>sum</th></tr>' in table
    assert '<tr><td>one</td><td class="text">&lt;DVSA&gt;</td><td>1.0</td></tr>' in table


def test_labels_do_not_overlap() -> None:
    drawn = plot([(str(n), [(1.0, 5.0)]) for n in range(12)], "x", "y")
    heights = sorted(float(found) for found in re.findall(r'class="now" x="\d+" y="([\d.]+)"', drawn))
    assert all(after - before >= 14.9 for before, after in pairwise(heights))


@pytest.mark.parametrize("values", [[1.0], [3.0, 3.0], [0.1, 0.2], [20, 1e7], [0.0, 5.0]])
def test_an_axis_has_marks_on_it_whatever_the_values(values: list[float]) -> None:
    for ratio in (False, True):
        axis = Axis(values, 0, 100, ratio=ratio)
        assert all(0 <= axis.at(value) <= 100 for value in values)
        assert 1 <= len(axis.marks()) <= 12
        assert all(-1e-6 <= axis.at(mark) <= 100 + 1e-6 for mark in axis.marks())

"""Captioners put to use: what they are shown, what they say, and what becomes of it in files, figures and pages."""

import copy
import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wordsight.batch import Regions
from wordsight.captioning import decode
from wordsight.captioning.captioner import END, State
from wordsight.captioning.captions import Caption, RegionCaption, distinct
from wordsight.data.entities import load_phrases
from wordsight.data.load import load_dataset
from wordsight.data.pictures import picture_files
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.evaluation.captioning import likelihood, measure_captions, of_regions, table
from wordsight.matching.segments import BETA
from wordsight.metrics.captions import caption_metrics, caption_metrics_of_files, read_candidates
from wordsight.metrics.coco_results import image_ids, write_results
from wordsight.metrics.regions import annotated_regions
from wordsight.progress import Progress
from wordsight.reports.attention_maps import Attention, draw_attention, lit, maps
from wordsight.reports.caption_report import CaptionSubject, Example, write_caption_report
from wordsight.reports.draw import draw_regions, picture_format, save
from wordsight.runs import checkpoint
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.caption_files import caption_files, fractions, pixels
from wordsight.runs.captioner import Captioner, load_captioner
from wordsight.runs.card import model_card
from wordsight.runs.load import load_run
from wordsight.runs.recipe import read
from wordsight.text.articles import agree
from wordsight.vision.boxes import iou
from wordsight.vision.cache import FeatureCache, default_cache

ROOT = Path(__file__).resolve().parents[1]
QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def teller(captioner: Path) -> Captioner:
    """Describes whole pictures."""
    return load_captioner(captioner, "cpu")


@pytest.fixture(scope="module")
def attender(attending: Path) -> Captioner:
    """Looks at regions before each word."""
    return load_captioner(attending, "cpu")


@pytest.fixture(scope="module")
def region_teller(region_captioner: Path) -> Captioner:
    """Describes regions."""
    return load_captioner(region_captioner, "cpu")


@pytest.fixture(scope="module")
def pictures(world: Path) -> list[Path]:
    return sorted((world / "images").iterdir())[:5]


def shown(describer: Captioner, monkeypatch: pytest.MonkeyPatch) -> list[Regions]:
    """What the model is shown from now on."""
    seen: list[Regions] = []
    start = describer.model.start

    def watch(regions: Regions) -> State:
        seen.append(regions)
        return start(regions)

    monkeypatch.setattr(describer.model, "start", watch)
    return seen


def snippet(text: str, confidence: float, *box: float) -> RegionCaption:
    return RegionCaption(text, -1.0, confidence, box)


# --- whole pictures


def test_captions_are_those_of_a_beam_search_in_words(teller: Captioner, pictures: list[Path]) -> None:
    found = teller.caption(pictures, beam=4, n_best=2)
    plain = decode.beam(teller.model, teller.encoder.encode(pictures), width=4, n_best=2)
    assert [[one.log_prob for one in said] for said in found] == [[one.log_prob for one in said] for said in plain]
    assert found[0][0].text.split() == agree([teller.vocabulary.words[word] for word in plain[0][0].ids])
    assert found[0][0].confidence == plain[0][0].confidence


def test_a_picture_alone_is_described_as_among_many(teller: Captioner, pictures: list[Path]) -> None:
    together = teller.caption(pictures)
    alone = [teller.caption([picture])[0] for picture in pictures]
    assert [said[0].text for said in together] == [said[0].text for said in alone]
    assert teller.caption([]) == []


def test_paths_bytes_and_open_pictures_are_the_same(teller: Captioner, pictures: list[Path]) -> None:
    with Image.open(pictures[0]) as image:
        found = teller.caption([pictures[0], str(pictures[0]), pictures[0].read_bytes(), image])
    assert len({said[0].text for said in found}) == 1


def test_chance_goes_on_from_block_to_block(teller: Captioner, pictures: list[Path]) -> None:
    seen = teller.whole(teller.encoder.encode([pictures[0]] * 6))

    def say(size: int, seed: int) -> list[str]:
        parts = (torch.arange(6).split(size)[n] for n in range(6 // size))
        blocks = (Regions(seen.features[rows], seen.mask[rows], seen.boxes[rows]) for rows in parts)
        return [said[0].text for said in teller.say(blocks, sample=True, temperature=2.0, seed=seed)]

    assert say(2, seed=1) == say(6, seed=1) == say(1, seed=1)
    assert len(set(say(1, seed=1))) > 1, "the same picture six times, and not six times the same chance"
    assert say(6, seed=2) != say(6, seed=1)


def test_without_an_end_captions_are_cut_at_the_longest_length(teller: Captioner, pictures: list[Path]) -> None:
    endless = copy.copy(teller)
    endless.model = copy.deepcopy(teller.model)
    with torch.no_grad():
        endless.model.output.bias[END] = -1e4
    for sampling in (False, True):
        for said in endless.caption(pictures[:2], sample=sampling):
            assert len(said[0].text.split()) == 20
            assert 0 < said[0].confidence < 1


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        ({"beam": 0}, "beam = 0"),
        ({"beam": 10_000}, "wider than the vocabulary"),
        ({"beam": 2, "n_best": 3}, "n_best = 3.* 2, the width of the beam"),
        ({"n_best": 0}, "n_best = 0"),
        ({"length_normalise": -1.0}, "length_normalise = -1"),
        ({"length_normalise": 250.0}, "length_normalise = 250.*from 0 to 10"),
        ({"length_normalise": float("nan")}, "finite"),
        ({"sample": True, "temperature": 0.0}, "temperature = 0"),
        ({"sample": True, "top_p": 1.5}, "top_p = 1.5"),
        ({"sample": True, "top_k": -1}, "top_k = -1"),
        ({"temperature": 0.5}, "together with sample"),
    ],
)
def test_a_number_out_of_its_range_is_one_sentence(
    teller: Captioner, pictures: list[Path], decoding: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        teller.caption(pictures[:1], **decoding)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        caption_files(teller, pictures[:1], progress=QUIET, **decoding)  # type: ignore[arg-type]


def test_each_kind_of_run_is_only_for_its_own_verbs(trained: Path, captioner: Path) -> None:
    with pytest.raises(InputError, match=r"aligns words and regions \(align\).*`wordsight ground`"):
        load_captioner(trained)
    with pytest.raises(InputError, match=r"describes pictures \(lstm\).*`wordsight caption`"):
        load(captioner)
    assert isinstance(load_run(trained, "cpu"), Aligner)
    assert isinstance(load_run(captioner, "cpu"), Captioner)


# --- regions


BOXES = [[0.1, 0.2, 0.5, 0.6], [0.5, 0.5, 1.0, 1.0]]


def test_a_captioner_of_pictures_sees_a_region_alone(
    teller: Captioner, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = shown(teller, monkeypatch)
    found = teller.caption_regions(pictures[0], BOXES)
    assert [one.box for one in found] == [pytest.approx(box) for box in BOXES]
    assert seen[0].features.shape[:2] == (2, 1)
    right = teller.encoder.encode([pictures[0]], [BOXES]).features[0]
    torch.testing.assert_close(seen[0].features[:, 0], right)
    assert seen[0].mask.all()


def test_a_captioner_of_regions_sees_a_region_and_the_whole_picture(
    region_teller: Captioner, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = shown(region_teller, monkeypatch)
    region_teller.caption_regions(pictures[0], BOXES)
    whole = region_teller.encoder.encode(pictures[:1]).features[0, 0]
    right = region_teller.encoder.encode([pictures[0]], [BOXES]).features[0]
    assert seen[0].features.shape[:2] == (2, 2)
    torch.testing.assert_close(seen[0].features[:, 0], right)
    torch.testing.assert_close(seen[0].features[:, 1], whole.expand(2, -1))


def test_a_captioner_of_regions_sees_a_whole_picture_twice(
    region_teller: Captioner, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = shown(region_teller, monkeypatch)
    said = region_teller.caption(pictures[:3])
    wholes = region_teller.encoder.encode(pictures[:3]).features[:, 0]
    torch.testing.assert_close(seen[0].features, torch.stack([wholes, wholes], dim=1))
    assert all(one[0].text for one in said)


@pytest.mark.parametrize("kind", ["teller", "region_teller"])
def test_proposals_that_are_padding_are_not_described(
    kind: str, pictures: list[Path], request: pytest.FixtureRequest
) -> None:
    describer: Captioner = request.getfixturevalue(kind)
    seen = describer.encoder.encode(pictures[:2])
    mask = seen.mask.clone()
    mask[0, 3:] = False
    features = seen.features.masked_fill(~mask[..., None], torch.nan)
    found = describer.each(Regions(features, mask, seen.boxes), seen)
    assert [len(one) for one in found] == [3, seen.mask.shape[1]]
    assert found == [describer.each(seen, seen)[0][:3], describer.each(seen, seen)[1]]


def test_of_the_proposals_the_surest_that_differ_are_kept(region_teller: Captioner, pictures: list[Path]) -> None:
    seen = region_teller.encoder.encode(pictures[:1])
    every = region_teller.each(seen, seen)[0][1:]  # the first is the whole picture
    found = region_teller.caption_regions(pictures[0])
    assert found == distinct(every)
    assert 1 <= len(found) <= 6
    assert found[0].confidence == max(one.confidence for one in every)


def test_distinct_snippets_against_a_plain_count() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        corner, side = random.uniform(0, 0.6, (12, 2)), random.uniform(0.1, 0.4, (12, 2))
        boxes = np.concatenate([corner, corner + side], 1)
        words = random.choice(["a dog", "a cat", "a man", "a hat", "a tree", "the sea", "a boat", "sand"], 12)
        every = [snippet(word, sure, *box) for word, sure, box in zip(words, random.random(12), boxes, strict=True)]
        surest: dict[str, RegionCaption] = {}
        for one in sorted(every, key=lambda one: -one.confidence):
            surest.setdefault(one.text, one)
        right: list[RegionCaption] = []
        for one in surest.values():
            if all(iou([one.box], [other.box])[0, 0] <= 0.5 for other in right):
                right.append(one)
        assert distinct(every) == right[:6]
    assert distinct([]) == []


def test_a_run_without_proposals_asks_for_boxes(teller: Captioner, pictures: list[Path]) -> None:
    seen = teller.encoder.encode(pictures[:1])
    only = Regions(seen.features[:, :1], seen.mask[:, :1], seen.boxes[:, :1])
    with pytest.raises(InputError, match=r"regions\.regions = 1.*boxes of your own"):
        teller.snippets(only)


def test_a_region_outside_the_picture_is_refused(teller: Captioner, pictures: list[Path]) -> None:
    for box in ([0.5, 0.5, 1.2, 1.0], [0.5, 0.5, 0.4, 1.0], [-0.1, 0, 1, 1]):
        with pytest.raises(InputError, match="expected left, top, right, bottom"):
            teller.caption_regions(pictures[0], [box])
    image = Image.new("RGB", (200, 100))
    for text in ("150,0,51,50", "0,60,10,41", "-1,0,10,10", "0,0,0,10", "0,0,10,nan"):
        with pytest.raises(
            InputError, match=r"a\.png: the region .* not inside the picture, which is 200 x 100 pixels"
        ):
            fractions([pixels(text)], image, "a.png")
    assert fractions([pixels("50, 25,150,75")], image, "a.png") == [[0.25, 0.25, 1.0, 1.0]]
    for text in ("1,2,3", "a,b,c,d", "1,2,3,4,5", ""):
        with pytest.raises(InputError, match="expected left,top,width,height"):
            pixels(text)


# --- files


def test_files_are_described_as_pictures_are(teller: Captioner, pictures: list[Path]) -> None:
    found = caption_files(teller, pictures, progress=QUIET, n_best=2)
    assert list(found.captions) == pictures
    assert not found.broken
    plain = teller.caption(pictures, n_best=2)
    same = [
        [one.text for one in found.captions[path]] == [one.text for one in said]
        for path, said in zip(pictures, plain, strict=True)
    ]
    assert sum(same) >= 4, "features in the cache are of 16 bits, which may change a caption that is as good as another"
    assert len(str(found).splitlines()) == 1 + 3 * len(pictures)
    assert json.dumps(found.to_json())


def test_broken_files_are_left_out_and_listed(
    teller: Captioner, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [tmp_path / "cut.jpg", tmp_path / "missing.jpg"]
    broken[0].write_bytes(pictures[0].read_bytes()[:300])
    for boxes in ([], [pixels("0,0,20,20")]):
        found = caption_files(teller, [broken[0], pictures[1], broken[1]], boxes=boxes)
        assert list(found.captions) == [pictures[1]]
        assert list(found.broken) == broken
        told = capsys.readouterr().err
        assert "2 left out:" in told
        assert all(path.name in told for path in broken)
    with pytest.raises(InputError, match=r"None of the 2 pictures can be used: .*cut\.jpg"):
        caption_files(teller, broken, progress=QUIET)
    with pytest.raises(InputError, match=r"missing\.jpg: no such picture"):
        caption_files(teller, broken[1:], progress=QUIET)


def test_regions_of_files(region_teller: Captioner, pictures: list[Path], tmp_path: Path) -> None:
    found = caption_files(region_teller, pictures[:2], regions=True, progress=QUIET)
    assert all(isinstance(one, RegionCaption) for said in found.captions.values() for one in said)
    with pytest.raises(InputError, match="expected one picture to draw"):
        found.save(tmp_path / "out.png")
    with pytest.raises(InputError, match="n_best = 2: expected 1 for regions"):
        caption_files(region_teller, pictures[:2], regions=True, progress=QUIET, n_best=2)
    one = caption_files(region_teller, pictures[:1], boxes=[pixels("5,6,30,40")], progress=QUIET)
    with Image.open(pictures[0]) as image:
        left, top, right, bottom = (5 / image.width, 6 / image.height, 35 / image.width, 46 / image.height)
    assert one.to_json()["pictures"][0]["regions"][0]["box"] == pytest.approx((left, top, right, bottom))
    one.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.width == 900


def test_captions_are_drawn_word_by_word(
    attender: Captioner, teller: Captioner, trained: Path, pictures: list[Path], tmp_path: Path
) -> None:
    said, out = caption_files(attender, pictures[:1], progress=QUIET), tmp_path / "out.png"
    said.save(out)
    words = said.captions[pictures[0]][0].text.split()
    with Image.open(out) as drawn, Image.open(pictures[0]) as image:
        rows = -(-(len(words) + 1) // 4)
        assert drawn.width == 900 and drawn.height > rows * 217 * image.height / image.width
    plain = caption_files(teller, pictures[:1], progress=QUIET)
    with pytest.raises(InputError, match=r"out\.png: expected a name that ends in \.json, or an alignment"):
        plain.save(out)
    plain.save(out, load(trained, "cpu"))
    load(trained, "cpu").align(pictures[0], plain.captions[pictures[0]][0].text, beta=BETA).draw(
        pictures[0], tmp_path / "aligned.png"
    )
    assert out.read_bytes() == (tmp_path / "aligned.png").read_bytes()
    with pytest.raises(InputError, match="expected one picture to draw"):
        caption_files(attender, pictures[:2], progress=QUIET).save(out)


def test_attention_is_of_the_words_and_regions_there_are(attender: Captioner, teller: Captioner, world: Path) -> None:
    picture = min((world / "images").iterdir())
    found = attender.attention(picture, "a red circle")
    assert found.words == ("a", "red", "circle")
    assert found.weights.shape == (3, 8) and found.boxes.shape == (8, 4)
    with pytest.raises(InputError, match="expected a captioner that attends, such as 'attend_and_tell', not 'lstm'"):
        teller.attention(picture, "a red circle")


def test_a_place_has_the_weight_of_the_strongest_region_on_it() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0.25, 0.25, 0.75, 1]], np.float32)
    weights = np.array([[0.2, 0.5, 0.3], [0, 0, 1], [1, 1, 1]], np.float32)
    first, second, even = maps(Attention(("a", "b", "c"), weights, boxes))
    places = first[0, 0], first[-1, -1], first[10, 10], first[20, 20]
    assert places == pytest.approx((0.5, 0.2, 0.5, 0.3), abs=1e-5)
    assert second[:7].max() < 1e-5 and second[7:, :7].max() < 1e-5 and second[7:, 21:].max() < 1e-5
    assert second[7:, 7:21] == pytest.approx(np.ones((21, 14)), abs=1e-5)
    assert even == pytest.approx(np.ones((28, 28)), abs=1e-5), "however many regions there are"


def test_what_was_not_looked_at_is_dark() -> None:
    image = Image.new("RGB", (200, 100), "white")
    boxes, weights = (
        np.array([[0, 0, 0.5, 1], [0, 0, 1, 1]], np.float32),
        np.array([[0.6, 0.4], [0.5, 0.5]], np.float32),
    )
    attention = Attention(("left", "anywhere"), weights, boxes)
    panel, even = lit(image, attention, 100)
    grey = np.asarray(panel.convert("L"))
    assert panel.size == (100, 50)
    assert grey[:, :40].min() > 240 and grey[:, 60:].max() < 70
    assert np.asarray(even.convert("L")).max() < 70, "no region has more than an equal share"
    assert draw_attention(image, attention, width=400).width == 400


def test_picture_files_are_found_by_name_folder_pattern_and_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.jpg", "a.PNG", "notes.txt", "in/c.webp", ".hidden/d.jpg", "in/.e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def names(*named: str, listed: tuple[str, ...] = ()) -> list[str]:
        return [path.as_posix() for path in picture_files(named, listed)]

    monkeypatch.chdir(tmp_path)
    assert names(".") == ["a.PNG", "b.jpg", "in/c.webp"]
    assert names("gone.jpg", "b.jpg", "*.jpg", "in") == ["gone.jpg", "b.jpg", "in/c.webp"], "each file once"
    assert names("**/*.webp") == ["in/c.webp"]
    assert names("-", listed=("b.jpg\r\n", "\n", " spaced.jpg\n", "last.jpg")) == ["b.jpg", " spaced.jpg", "last.jpg"]
    (tmp_path / "x[1].jpg").touch()
    assert names("x[1].jpg") == ["x[1].jpg"]
    (tmp_path / "empty").mkdir()
    for name, message in (("empty", "no picture in this folder"), ("*.bmp", "no file matches"), ("-", "is empty")):
        with pytest.raises(InputError, match=message):
            names(name)


def test_results_files_are_coco_s(tmp_path: Path) -> None:
    names = ["in/000000391895.jpg", "COCO_val2014_000000000042.jpg", "beach.jpg", "7_b.png"]
    assert image_ids(names) == [391895, 42, "beach.jpg", "7_b.png"]
    assert image_ids(["a/1.jpg", "b/001.png", "c.jpg"]) == ["a/1.jpg", "b/001.png", "c.jpg"], "two would be 1"
    write_results(tmp_path / "x.json", names, ["one", "two", "three", "né"])
    assert read_candidates(tmp_path / "x.json") == {391895: "one", 42: "two", "beach.jpg": "three", "7_b.png": "né"}


def test_snippets_are_drawn_on_their_boxes_whatever_their_number() -> None:
    image = Image.new("RGB", (60, 40), "white")
    for count in (0, 1, 12):
        said = [snippet("a very long snippet that says more than fits", 0.5, 0.1, 0.1, 0.9, 0.9) for _ in range(count)]
        drawn = draw_regions(image, said, width=300)
        assert drawn.width == 300
        coloured = bool((np.asarray(drawn.crop((0, 0, 300, 200))) != 255).any())
        assert coloured == (count > 0)


def test_a_drawing_is_saved_as_its_name_says_or_refused_in_a_sentence(tmp_path: Path) -> None:
    for name in ("a.png", "a.JPG", "a.webp", "a.tif", "a.bmp", "a.gif", "a.pdf"):
        save(Image.new("RGB", (40, 30), "red"), tmp_path / name)
        assert (tmp_path / name).stat().st_size
    for name in ("a.wmf", "a.xbm", "a.grib", "a.h5", "a.blp", "a.txt", "a"):
        with pytest.raises(InputError, match=rf"{name}: expected a name that ends in \.png or \.jpg \(.*\.pdf\)"):
            picture_format(tmp_path / name)
    for name, width in (("b.webp", 16_384), ("b.jpg", 65_501)):
        with pytest.raises(InputError, match=rf"{name}: .* cannot hold {width:,} x 2 pixels; .*\.png"):
            save(Image.new("RGB", (width, 2)), tmp_path / name)
        assert not (tmp_path / name).exists()


# --- figures and pages


@pytest.fixture(scope="module")
def measured(
    captioner: Path, world: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, float | str], Path]]:
    out = tmp_path_factory.mktemp("report")
    yield (
        measure_captions(load_captioner(captioner, "cpu"), split="test", grounding=True, report=out, progress=QUIET),
        out,
    )


def test_figures_are_those_of_the_captions_beside_the_report(
    measured: tuple[dict[str, float | str], Path], world: Path
) -> None:
    figures, out = measured
    said = read_candidates(out / "captions.json")
    references = {picture.name: picture.sentences for picture in load_dataset(world).split("test")}
    right = caption_metrics(said, references)  # type: ignore[arg-type]
    assert {key: figures[key] for key in right} == pytest.approx(right)
    assert figures["pictures"] == len(references) == len(said)
    assert figures["sentences"] == sum(map(len, references.values()))
    assert figures["diversity_distinct_captions"] == len(set(said.values()))
    assert 0 <= float(figures["diversity_in_training"]) <= 1
    assert "PTB" in str(figures["tokeniser"])
    assert figures["beam"] == 3
    assert {"region_Bleu_1", "region_CIDEr"} <= figures.keys()
    assert 1 < int(figures["regions"]) <= 100
    assert not any(isinstance(value, dict | list) for value in figures.values())


@pytest.mark.parametrize("kind", ["teller", "region_teller"])
def test_perplexity_is_of_all_words_that_people_said(kind: str, world: Path, request: pytest.FixtureRequest) -> None:
    teller: Captioner = request.getfixturevalue(kind)
    pictures = load_dataset(world).split("test")[:4]
    rows = FeatureCache(default_cache(), teller.encoder).regions([picture.path for picture in pictures])
    total, count = 0.0, 0
    for row, picture in enumerate(pictures):
        for sentence in picture.sentences:
            state, last = teller.model.start(teller.whole(rows.gather(torch.tensor([row])))), 0
            for word in [*teller.vocabulary.encode([sentence]).ids[0].tolist(), END]:
                logits, state = teller.model.step(state, torch.tensor([last]))
                total, count, last = total - logits.log_softmax(1)[0, word].item(), count + 1, word
    assert likelihood(teller, pictures, rows)["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-4)


def test_the_report_stands_alone_and_shows_what_was_said(
    measured: tuple[dict[str, float | str], Path], world: Path
) -> None:
    page = (measured[1] / "report.html").read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page), "it asks nothing of a network"
    said = read_candidates(measured[1] / "captions.json")
    named = set(re.findall(r'<img alt="([^"]+)"', page))
    assert len(named) == 24
    sentences = {picture.name: picture.sentences for picture in load_dataset(world).split("test")}
    for name in named:
        assert said[name] in page
        assert all(f"<li>{sentence}</li>" in page for sentence in sentences[name])
    assert page.count("<svg viewBox") >= 9
    assert f"{float(measured[0]['CIDEr']):.3f}" in page


def test_the_report_shows_what_words_are_about(attender: Captioner, trained: Path, world: Path, tmp_path: Path) -> None:
    def words(alignment: Aligner | None) -> str:
        figures = measure_captions(
            attender, world, "test", beam=1, report=tmp_path, alignment=alignment, progress=QUIET
        )
        assert figures["Bleu_4_any_length"] >= figures["Bleu_4"]
        return (tmp_path / "report.html").read_text().partition(">Word by word</h2>")[2].partition("</section>")[0]

    looked, aligned = words(None), words(load(trained, "cpu"))
    said = read_candidates(tmp_path / "captions.json")
    named = re.findall(r'<img alt="([^"]+)"', looked)
    shown = re.findall(r"<figcaption>(\w+)</figcaption>", looked)
    assert shown == [word for name in dict.fromkeys(named) for word in said[name].split()]
    assert list(dict.fromkeys(named)) == re.findall(r'<img alt="([^"]+)"', aligned) and len(set(named)) == 9
    assert "<rect" in aligned and "<rect" not in looked


def test_what_is_said_cannot_break_the_page(world: Path, tmp_path: Path) -> None:
    image = min((world / "images").iterdir())
    picture = Picture("<b>.png", image, "val", ("<script>alert(1)</script>",))
    evil = snippet('"><i onmouseover=x>', 0.5, 0.1, 0.1, 0.9, 0.9)
    figures = {"pictures": 1, "sentences": 1, "beam": 3, "tokeniser": "<u>", "CIDEr": 0.5, "diversity_mean_length": 1.0}
    example = Example(picture, [Caption("<em>", -1.0, 0.5)], [evil])
    out = write_caption_report(CaptionSubject("<title>", figures, ["<p>", "<p>"], [example]), tmp_path / "x.html")
    page = out.read_text()
    for text in ("<script>alert", "<i onmouseover", "<b>.png", "<u>", "<em></", "<p></td>"):
        assert text not in page
    assert "&lt;script&gt;" in page


def test_without_the_training_data_copies_are_not_counted(captioner: Path, world: Path, tmp_path: Path) -> None:
    describer = load_captioner(captioner, "cpu")
    recipe = describer.checkpoint.recipe
    describer.checkpoint = replace(describer.checkpoint, recipe=replace(recipe, data=replace(recipe.data, path="gone")))
    figures = measure_captions(describer, world, "test", progress=QUIET)
    assert "diversity_in_training" not in figures
    assert "diversity_mean_length" in figures
    assert "training sentence" not in table(figures)
    with pytest.raises(InputError, match="gone"):
        measure_captions(describer, None, "test", progress=QUIET)


def test_a_captioner_of_regions_is_measured_on_annotated_regions(
    region_captioner: Path, world: Path, tmp_path: Path
) -> None:
    describer = load_captioner(region_captioner, "cpu")
    figures = measure_captions(describer, world, "test", beam=2, grounding=True, report=tmp_path, progress=QUIET)
    assert {"region_Bleu_4", "regions", "Bleu_4", "perplexity"} <= figures.keys()
    assert "regions" in table(figures)
    assert "learned to describe regions" in (tmp_path / "report.html").read_text()


def test_annotated_regions_are_seen_beside_their_own_pictures(
    region_teller: Captioner, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = load_dataset(world).split("test")[:3]
    rows = FeatureCache(default_cache(), region_teller.encoder).regions([picture.path for picture in pictures])
    phrases = load_phrases(world, [picture.name for picture in pictures[1:]])
    right = Counter(region.picture for region in annotated_regions(phrases))
    seen = shown(region_teller, monkeypatch)
    figures = of_regions(region_teller, phrases, pictures, rows, 2, QUIET)
    assert figures["regions"] == sum(right.values()) == len(seen[0].features)
    wholes = [rows.gather(torch.tensor([n])).features[0, 0] for n in (1, 2) for _ in range(right[pictures[n].name])]
    torch.testing.assert_close(seen[0].features[:, 1], torch.stack(wholes))


def test_captions_beside_the_report_are_read_back_as_coco_results(
    measured: tuple[dict[str, float | str], Path], world: Path, tmp_path: Path
) -> None:
    pictures = load_dataset(world).split("test")
    images = [{"id": picture.name, "file_name": picture.name} for picture in pictures]
    notes = [{"image_id": picture.name, "caption": one} for picture in pictures for one in picture.sentences]
    (tmp_path / "captions_test.json").write_text(json.dumps({"images": images, "annotations": notes}))
    found = caption_metrics_of_files(measured[1] / "captions.json", tmp_path / "captions_test.json")
    assert found["CIDEr"] == pytest.approx(float(measured[0]["CIDEr"]))


def test_figures_are_not_lost_where_the_report_cannot_be_written(
    captioner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report").write_text("in the way")
    figures = measure_captions(load_captioner(captioner, "cpu"), split="test", report=tmp_path / "report")
    assert "CIDEr" in figures
    assert "no report:" in capsys.readouterr().err


# --- the card


def test_the_card_says_what_the_run_is_for(captioner: Path, region_captioner: Path, trained: Path) -> None:
    cards = {run: (run / "README.md").read_text() for run in (captioner, region_captioner, trained)}
    assert "wordsight caption THIS_FOLDER picture.jpg\n" in cards[captioner]
    assert "CIDEr" in cards[captioner]
    assert "--regions" in cards[region_captioner]
    assert "least perplexity" in cards[region_captioner]
    assert trained.as_posix() in cards[region_captioner]
    assert "wordsight ground" in cards[trained]
    for run, card in cards.items():
        assert ("wordsight ground" in card) == (run == trained)
        assert ("R@1" in card) == (run == trained)
        assert "{" not in card
    loaded = checkpoint.load(captioner)
    assert "Not measured yet." in model_card("lstm", loaded.recipe, {})


def test_the_card_names_the_supervision_beside_pictures_and_sentences() -> None:
    card = model_card("align", read(ROOT / "recipes" / "flickr8k-default.toml"), {})
    assert "backbone `mobilenet_edgetpu.onnx`, backbone `googlenet.onnx`" in card
    assert "detector `yolox_nano.onnx` with its class names, word vectors `weights/glove_300d.npz` |" in card
    paper = model_card("align", read(ROOT / "recipes" / "flickr8k-dvsa.toml"), {})
    assert "detector `yolox_nano.onnx`, word vectors" in paper


def test_a_run_that_was_moved_still_describes(captioner: Path, pictures: list[Path], tmp_path: Path) -> None:
    shutil.copytree(captioner, tmp_path / "moved")
    assert load_captioner(tmp_path / "moved", "cpu").caption(pictures[:1]) == load_captioner(captioner, "cpu").caption(
        pictures[:1]
    )

"""Evaluation: ranks and boxes counted against brute force, chance rows, and a page that stands alone."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from wordsight.batch import Regions, Vectors, Words
from wordsight.data.entities import Phrase
from wordsight.data.load import load_dataset
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.evaluation.alignment import table
from wordsight.matching.alignment import Evidence, align
from wordsight.matching.locate import ranked
from wordsight.matching.matcher import Matcher
from wordsight.matching.score import spans
from wordsight.metrics import grounding, ranking
from wordsight.metrics.grounding import Located
from wordsight.metrics.localise import predictor
from wordsight.metrics.untrained import untrained, word_table
from wordsight.metrics.word_norms import Magnitude, magnitudes, norm_ratio
from wordsight.progress import Progress
from wordsight.reports import examples
from wordsight.reports.curves import curves
from wordsight.reports.draw import draw
from wordsight.reports.examples import Subject
from wordsight.reports.marks import marks
from wordsight.reports.report import write_report
from wordsight.runs.aligner import load
from wordsight.runs.recipe import read
from wordsight.text.tokens import FUNCTION_WORDS
from wordsight.text.vocabulary import SPECIAL, Vocabulary
from wordsight.training.trainer import train
from wordsight.vision.boxes import nms

WORDS = Vocabulary((*SPECIAL, "red", "circle", "blue", "square", "a", "dog"))


class Lookup(Matcher):
    """Regions as they are; each word a fixed vector: row number of the vocabulary."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table)

    def encode_images(self, regions: Regions) -> Vectors:
        return Vectors(regions.features, regions.mask, regions.boxes)

    def encode_texts(self, words: Words) -> Vectors:
        return Vectors(self.table[words.ids], words.mask, spans(words.mask))


def vectors(count: int, parts: int, size: int = 6, seed: int = 0) -> Vectors:
    random = torch.Generator().manual_seed(seed)
    mask = torch.arange(parts) < torch.randint(1, parts + 1, (count, 1), generator=random)
    return Vectors(torch.randn(count, parts, size, generator=random), mask, torch.zeros(count, parts, 4))


def brute_force(scores: Tensor, picture: Tensor) -> tuple[list[int], list[int]]:
    """Ranks by sorting, right answers last among equals."""
    images, texts = [], []
    for i in range(len(scores)):
        if (picture == i).any():
            order = sorted(range(len(picture)), key=lambda n: (-scores[i, n].item(), picture[n].item() == i))
            right = {n for n in range(len(picture)) if picture[n] == i}
            # a right one's place without the other right ones before it
            images.append(min(sum(m not in right for m in order[: order.index(n)]) + 1 for n in right))
    for n in range(len(picture)):
        order = sorted(range(len(scores)), key=lambda i: (-scores[i, n].item(), i == picture[n].item()))
        texts.append(order.index(int(picture[n])) + 1)
    return images, texts


@pytest.mark.parametrize("seed", range(5))
def test_ranks_equal_brute_force(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    scores = torch.randint(-3, 4, (9, 31), generator=random).float()  # full of ties
    picture = torch.randint(0, 9, (31,), generator=random)
    found = ranking.ranks(scores, picture, rows=4)
    assert (found.images.tolist(), found.texts.tolist()) == brute_force(scores, picture)


def test_ties_count_against_us() -> None:
    found = ranking.ranks(torch.zeros(10, 50), torch.arange(10).repeat_interleave(5))
    assert found.images.tolist() == [46] * 10
    assert found.texts.tolist() == [10] * 50


def test_nan_never_wins() -> None:
    found = ranking.ranks(torch.full((4, 4), torch.nan), torch.arange(4))
    assert found.images.tolist() == found.texts.tolist() == [4] * 4


def test_a_picture_without_sentence_is_only_in_the_way() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.5]])
    found = ranking.ranks(scores, torch.tensor([0, 1]))
    assert found.images.tolist() == [1, 1]
    assert found.texts.tolist() == [2, 1]


def test_metrics_are_percent_with_the_gallery() -> None:
    found = ranking.Ranks(torch.tensor([1, 2, 6, 20]), torch.tensor([1, 1, 3, 4, 5, 11, 50, 1]))
    flat = ranking.metrics(found, 4)
    assert flat["i2t_R@1"] == 25 and flat["i2t_R@5"] == 50 and flat["i2t_R@10"] == 75 and flat["i2t_medr"] == 4
    assert flat["t2i_R@1"] == 37.5 and flat["t2i_medr"] == 3.5
    assert flat["pictures"] == 4 and flat["sentences"] == 8
    assert ranking.rsum(flat) == 25 + 50 + 75 + 37.5 + 75 + 75


def test_blocks_of_any_size_give_the_same_scores() -> None:
    model, images, texts = Matcher(), vectors(11, 4), vectors(30, 7, seed=1)
    whole = model.score(images, texts)
    assert torch.allclose(ranking.score_matrix(model, images, texts, rows=3), whole, atol=1e-5)
    parts = (Vectors(texts.values[i : i + 8], texts.mask[i : i + 8], texts.places[i : i + 8]) for i in range(0, 30, 8))
    assert torch.allclose(ranking.score_matrix(model, images, parts), whole, atol=1e-5)


def test_chance_is_what_drawing_lots_gives() -> None:
    picture = torch.arange(20).repeat_interleave(5)
    expected = ranking.chance(picture, 20)
    random = torch.Generator().manual_seed(0)
    drawn = [ranking.metrics(ranking.ranks(torch.rand(20, 100, generator=random), picture), 20) for _ in range(300)]
    for key in ("i2t_R@1", "i2t_R@5", "i2t_R@10", "t2i_R@1", "t2i_R@5", "t2i_R@10", "t2i_medr"):
        assert np.mean([one[key] for one in drawn]) == pytest.approx(expected[key], rel=0.1), key


def phrase(text: str, *boxes: tuple[float, float, float, float], kind: str = "other", picture: str = "p") -> Phrase:
    words = text.split()
    return Phrase(picture, f"a {text} a", 1, 1 + len(words), text, tuple(kind.split("/")), boxes)


def located(*boxes: list[float], count: int = 1) -> Located:
    """The same boxes for `count` phrases, best first."""
    return Located(torch.tensor([boxes] * count).float())


def test_pointing_takes_any_box_and_iou_the_box_around_all() -> None:
    two = phrase("dog", (0, 0, 0.2, 0.2), (0.8, 0.8, 1, 1))
    boxes = {"p": torch.tensor([[0, 0, 1, 1.0]])}
    on_one = grounding.evaluate(lambda _: located([0, 0, 0.2, 0.2]), [two], boxes)
    assert on_one["grounding_pointing"] == 100 and on_one["grounding_iou"] == 0
    around_both = grounding.evaluate(lambda _: located([0, 0, 1, 1.0]), [two], boxes)
    assert around_both["grounding_pointing"] == 0 and around_both["grounding_iou"] == 100


def test_an_overlap_of_just_one_half_is_right_in_pictures_of_any_size() -> None:
    random = np.random.default_rng(0)
    for width, height in ((500, 375), (333, 500), (224, 224)):
        size = np.array([width, height] * 2)
        for _ in range(100):
            x, y = random.integers(0, width - 40), random.integers(0, height - 20)
            wide, high = 2 * random.integers(10, (width - x) // 2 + 1), random.integers(10, height - y + 1)
            whole, half = np.array([x, y, x + wide, y + high]) / size, np.array([x, y, x + wide // 2, y + high]) / size
            less = np.array([x, y, x + wide // 2 - 1, y + high]) / size
            dog, said = phrase("dog", tuple(whole.tolist())), [located(one.tolist()) for one in (half, less)]
            assert [grounding.judged(one, [dog])[0, 1].item() for one in said] == [1, 0]


def test_types_of_any_name_have_figures_and_lines_of_their_own() -> None:
    phrases = [phrase("dog", (0, 0, 0.5, 0.5), kind="body_parts"), phrase("cat", (0, 0, 1, 1.0), kind="whole")]
    boxes = {"p": torch.tensor([[0, 0, 0.5, 0.5]])}
    flat = grounding.evaluate(lambda many: located([0, 0, 0.5, 0.5], count=2), phrases, boxes)
    assert flat["grounding_whole_iou"] == 50 and flat["grounding_type whole_iou"] == 0
    assert flat["grounding_type whole_phrases"] == flat["grounding_body_parts_phrases"] == 1
    ranked = dict.fromkeys((*(f"{way}_R@{k}" for way in ("i2t", "t2i") for k in (1, 5, 10)), "i2t_medr", "t2i_medr"), 1)
    told = table({"pictures": 1, "sentences": 1, "rsum": 1, "grounding_without_box": 0} | ranked | flat)
    assert "body_parts (1)" in told and "type whole (1)" in told


def test_rows_of_reference() -> None:
    phrases = [phrase("dog", (0, 0, 0.5, 0.5), kind="animals"), phrase("circle", (0.0, 0.0, 1.0, 0.9))]
    proposals = {"p": torch.tensor([[0, 0, 0.5, 0.5], [0, 0, 1, 1], [0.5, 0.5, 1, 1], [0, 0.1, 0.4, 0.5]])}
    flat = grounding.evaluate(lambda many: located([0, 0, 1, 1.0], count=len(many)), phrases, proposals)
    assert flat["grounding_phrases"] == 2 and flat["grounding_animals_phrases"] == 1
    assert flat["grounding_whole_iou"] == flat["grounding_iou"] == 50
    assert flat["grounding_centre_pointing"] == 100  # the middle is on the corner of the first
    assert flat["grounding_animals_random_iou"] == 50  # boxes 1 and 4 of 4
    assert flat["grounding_animals_random_pointing"] == 75
    assert flat["grounding_animals_best_iou"] == flat["grounding_best_iou"] == 100
    assert "grounding_untrained_iou" not in flat
    assert all(0 <= value <= 100 for key, value in flat.items() if not key.endswith("phrases"))


def test_iou_equals_brute_force() -> None:
    random = np.random.default_rng(0)
    corners = np.sort(random.integers(0, 20, (40, 2, 2)), axis=1).reshape(40, 4)  # x, y, x, y
    boxes = torch.tensor(corners[:, [0, 1, 2, 3]])
    for a, b in pairwise(boxes):
        cells = [np.zeros((20, 20), bool) for _ in range(2)]
        for grid, box in zip(cells, (a, b), strict=True):
            grid[box[1] : box[3], box[0] : box[2]] = True
        union = (cells[0] | cells[1]).sum()
        expected = (cells[0] & cells[1]).sum() / union if union else 0
        assert grounding.overlaps(a.float(), b.float()).item() == pytest.approx(expected)


def picture_regions(features: Sequence[Sequence[float]], boxes: Sequence[Sequence[float]], real: int) -> Regions:
    mask = torch.arange(len(features))[None] < real
    return Regions(torch.tensor([features]), mask, torch.tensor([boxes]))


def test_prediction_is_the_region_a_phrase_agrees_on() -> None:
    table = torch.zeros(len(WORDS), 2)
    table[WORDS.number["red"]] = torch.tensor([1.0, 0])
    table[WORDS.number["circle"]] = torch.tensor([0, 1.5])
    boxes = [[0, 0, 0.1, 0.1], [0.2, 0.2, 0.3, 0.3], [0.4, 0.4, 0.5, 0.5], [0, 0, 0, 0]]
    # the first is very red, the second very round, the third both; the last is padding and would win
    regions = picture_regions([[2, 0], [0, 1.4], [1.5, 1.2], [9, 9]], boxes, real=3)
    predict = predictor(Lookup(table), WORDS, lambda names: regions_of(regions, names))
    phrases = [phrase("red circle"), phrase("red"), phrase("circle")] * 3
    found = predict(phrases)
    assert torch.allclose(found.best[:3], torch.tensor([boxes[2], boxes[0], boxes[1]]))
    assert torch.allclose(found.boxes[0, :4], torch.tensor([boxes[2], boxes[1], boxes[0], boxes[0]]))  # no more than 3
    one_by_one = predictor(Lookup(table), WORDS, lambda names: regions_of(regions, names), rows=1)(phrases)
    assert torch.equal(found.boxes, one_by_one.boxes)
    assert found.points is not None and one_by_one.points is not None and torch.equal(found.points, one_by_one.points)


def test_ranked_boxes_equal_the_usual_suppression_box_by_box() -> None:
    random = np.random.default_rng(1)
    corners = np.sort(random.random((30, 12, 2, 2)), axis=2).reshape(30, 12, 4).astype(np.float32)
    scores = random.random((30, 12)).astype(np.float32)
    scores[::3, 8:] = -np.inf  # padding
    corners[1, :] = corners[1, 0]  # the same box twelve times
    corners[2, :, 2:] = corners[2, :, :2]  # boxes without an area
    found = ranked(torch.tensor(scores), torch.tensor(corners), 10)
    for row in range(30):
        real = np.isfinite(scores[row])
        kept = corners[row][real][nms(corners[row][real], scores[row][real], 0.5)]
        expected = np.concatenate([kept, np.repeat(kept[-1:], 10, axis=0)])[:10]
        np.testing.assert_array_equal(found[row].numpy(), expected)
    first = ranked(torch.tensor(scores), torch.tensor(corners), 10, torch.full((30,), 3))
    np.testing.assert_array_equal(first[:, 0].numpy(), corners[:, 3])


def test_recall_counts_the_first_boxes_and_a_phrase_of_two_types_under_both() -> None:
    boxes = [[0.5, 0.5, 1, 1], *[[0.0, 0.9, 0.1 * n, 1.0] for n in range(1, 5)], [0, 0, 0.5, 0.5]]
    phrases = [
        phrase("bus", (0, 0, 0.5, 0.5), kind="vehicles/scene"),  # the sixth box
        phrase("dog", (0.5, 0.5, 1, 1), kind="animals"),  # the first
    ]
    proposals = {"p": torch.tensor([*boxes, *[[0, 0, 0.01, 0.01]] * 14])}
    flat = grounding.evaluate(lambda _: located(*boxes, *[boxes[0]] * 4, count=2), phrases, proposals)
    assert (flat["grounding_iou"], flat["grounding_R@5"], flat["grounding_R@10"]) == (50, 50, 100)
    assert flat["grounding_phrases"] == 2
    for kind in ("vehicles", "scene"):
        assert flat[f"grounding_{kind}_phrases"] == 1 and flat[f"grounding_{kind}_R@10"] == 100
    assert flat["grounding_random_iou"] == 5 and flat["grounding_random_R@5"] == pytest.approx(25)  # 1 of 20 is right
    assert flat["grounding_best_iou"] == 100


def regions_of(regions: Regions, names: Sequence[str]) -> Regions:
    count = len(names)
    return Regions(*(part.expand(count, *part.shape[1:]) for part in (regions.features, regions.mask, regions.boxes)))


def test_without_training_class_names_are_matched() -> None:
    words = {"dog": torch.tensor([1.0, 0.1]), "puppy": torch.tensor([0.9, 0.2]), "car": torch.tensor([0.1, 1.0])}
    features = [[0.0, 0.0], [0.9, 0.0], [0.0, 0.8], [0.6, 0.0]]
    boxes = [[0, 0, 1, 1], [0, 0, 0.4, 0.4], [0.5, 0.5, 1, 1], [0.1, 0.1, 0.2, 0.2]]
    regions = picture_regions(features, boxes, real=4)
    predict = untrained(lambda _: regions, slice(0, 2), ("dog", "car"), words)
    found = predict([phrase("puppy"), phrase("car"), phrase("sky"), phrase("the two")])
    assert torch.allclose(found.best, torch.tensor([boxes[1], boxes[2], boxes[0], boxes[0]]))


def test_word_table_reads_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    np.savez(path, words=np.array(["dog", "frisbee"]), vectors=np.ones((2, 3), np.float32))
    assert set(word_table(path, [phrase("brown dog")], ("frisbee", "car"))) == {"dog", "frisbee"}


def test_word_lengths_are_means_longest_first() -> None:
    table = torch.arange(len(WORDS)).float()[:, None].repeat(1, 4)  # word number n is 2 n long
    found = magnitudes(Lookup(table), WORDS, ["red circle", "a circle", "a unicorn dog", "red"], least=2, rows=3)
    assert [(one.word, one.length, one.seen) for one in found] == [("a", 12, 2), ("circle", 6, 2), ("red", 4, 2)]


def test_words_of_one_length_have_no_ratio_and_others_that_of_their_ends() -> None:
    some = [Magnitude(str(n), float(n), 9) for n in range(100, 0, -1)]
    assert norm_ratio(some) == pytest.approx(np.mean(range(61, 101)) / np.mean(range(1, 41)))
    assert norm_ratio(some[:3]) == pytest.approx(100 / 98)
    assert norm_ratio([Magnitude("a", 1.0, 9)] * 10) is None and norm_ratio(some[:1]) is None


def test_an_unnormalised_aligner_learns_to_leave_out_words_that_name_nothing(recipe_file: Path, tmp_path: Path) -> None:
    settings = ["model.normalise=false", "model.mean=false", "model.loss=ranking", "train.epochs=10", "train.lr=0.002"]
    train(read(recipe_file, [*settings, "train.seed=1"]), tmp_path / "run", progress=Progress(quiet=True))
    run = load(tmp_path / "run", "cpu")
    val = load_dataset(run.checkpoint.recipe.data.path).split("val")
    said = [sentence for picture in val for sentence in picture.sentences]
    found = magnitudes(run.model, run.vocabulary, said)
    ratio = norm_ratio(found, 5)
    assert ratio is not None and ratio > 2
    of = {one.word: one.length for one in found}
    silent = [length for word, length in of.items() if word in FUNCTION_WORDS]
    naming = [length for word, length in of.items() if word not in FUNCTION_WORDS]
    assert np.mean(silent) < np.mean(naming)


def test_evidence_shows_a_word_on_its_box_only() -> None:
    table = torch.eye(len(WORDS))
    features = torch.zeros(2, len(WORDS))
    features[0, WORDS.number["red"]] = 3
    features[1, WORDS.number["square"]] = 2
    regions = Regions(
        features[None], torch.ones(1, 2, dtype=torch.bool), torch.tensor([[[0, 0, 0.5, 1], [0.5, 0, 1, 1]]])
    )
    found = align(Lookup(table), WORDS, regions, "A red square!")
    assert found.words == ("a", "red", "square")
    shown = {mark.label: mark.box for mark in marks(found)}
    assert shown == {"red": (0, 0, 0.5, 1), "square": (0.5, 0, 1, 1)}


def test_words_of_one_box_share_it_and_weak_ones_have_none() -> None:
    one, two = (0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)
    shown = marks(Evidence(("a", "red", "circle", "dog"), (one, one, one, two), (9.0, 5.0, 4.0, 0.1)))
    assert [(mark.label, mark.words) for mark in shown] == [("red circle", (1, 2))]
    assert not marks(Evidence(("red",), (one,), (-1.0,)))
    assert marks(Evidence(("the",), (one,), (1.0,)))  # better than nothing


def test_labels_do_not_hide_each_other() -> None:
    boxes = [(0.1, 0.3 + 0.01 * n, 0.5, 0.6) for n in range(5)]
    shown = marks(Evidence(tuple("abcde"), tuple(boxes), (1.0,) * 5))
    places = sorted(mark.at[1] for mark in shown if abs(mark.at[0] - 0.1) < 0.01)
    assert all(below - above >= 0.08 for above, below in pairwise(places))


@pytest.mark.parametrize("size", [(300, 200), (1, 1), (2000, 40), (40, 2000), (1, 5000)])
def test_drawing_takes_any_picture(size: tuple[int, int]) -> None:
    aligned = Evidence(("red", "circle") * 30, ((0.2, 0.2, 0.8, 0.8), (0.0, 0.0, 1.0, 1.0)) * 30, (1.0, 0.5) * 30)
    drawn = draw(Image.new("RGB", size, "grey"), aligned, width=300)
    assert drawn.width == 300 and drawn.height > min(size[1] * 300 / size[0], 1200)
    assert drawn.height < 2400, "a thin line of a picture must not fill the memory"


def subject(folder: Path, title: str = "a run", said: str = "a red circle") -> Subject:
    pictures = []
    for number in range(12):
        path = folder / f"{number}.png"
        Image.new("RGB", (40, 30), (20 * number, 90, 90)).save(path)
        pictures.append(Picture(path.name, path, "val", (said, "a blue square")))
    (folder / "3.png").write_bytes(b"broken")
    random = torch.Generator().manual_seed(0)
    table = torch.randn(len(WORDS), 5, generator=random)
    feature = torch.randn(12, 3, 5, generator=random)
    boxes = torch.tensor([[0, 0, 1, 1], [0.1, 0.1, 0.6, 0.6], [0.5, 0.5, 1, 1]]).expand(12, 3, 4)
    row = {picture.name: number for number, picture in enumerate(pictures)}
    everything = Regions(feature, torch.ones(12, 3, dtype=torch.bool), boxes)

    def look(names: Sequence[str]) -> Regions:
        rows = torch.tensor([row[name] for name in names])
        return Regions(everything.features[rows], everything.mask[rows], everything.boxes[rows])

    model = Lookup(table).eval()
    texts = model.encode_texts(WORDS.encode([sentence for picture in pictures for sentence in picture.sentences]))
    scores = ranking.score_matrix(model, model.encode_images(everything), texts)
    phrases = [phrase("red circle", (0.1, 0.1, 0.6, 0.6), kind="shape", picture=f"{n}.png") for n in range(12)]
    chosen = predictor(model, WORDS, look)(phrases)
    picture = torch.arange(12).repeat_interleave(2)
    figures = ranking.metrics(ranking.ranks(scores, picture), 12)
    figures |= grounding.evaluate(lambda _: chosen, phrases, {p.name: look([p.name]).boxes[0] for p in pictures})
    history = [{"epoch": n, "loss": 3.0 / n, "i2t_R@1": n} for n in (1, 2, 3)]
    return Subject(
        title, model, WORDS, pictures, look, scores, figures, {}, history, phrases, chosen.best, "[train]\nseed = 1"
    )


class Balanced(HTMLParser):
    """Every tag that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_stands_alone(tmp_path: Path) -> None:
    page = write_report(subject(tmp_path), tmp_path / "report.html").read_text(encoding="utf-8")
    parser = Balanced()
    parser.feed(page)
    assert not parser.open and not parser.seen & {"script", "link", "iframe"}
    assert not re.search(r"https?:|url\(|@import|src=\"(?!data:)", page)
    for key in ("figures", "words", "search", "tell", "grounding", "lengths", "training"):
        assert f'id="{key}"' in page
    assert "3.png: cannot be opened" in page
    assert sorted(path.name for path in tmp_path.iterdir() if "html" in path.name) == ["report.html"]


def test_report_escapes_what_it_shows(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script> \"red\" & circle"
    found = subject(tmp_path, title=evil, said=evil)
    page = write_report(found, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page


def test_report_without_grounding_or_history(tmp_path: Path) -> None:
    full = subject(tmp_path)
    bare = Subject(
        full.title,
        full.model,
        WORDS,
        full.pictures,
        full.look,
        full.scores,
        ranking.metrics(ranking.ranks(full.scores, full.picture), 12),
    )
    page = write_report(bare, tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'id="grounding"' not in page and 'id="training"' not in page


def test_report_into_no_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"report\.html"):
        write_report(subject(tmp_path), tmp_path / "1.png" / "report.html")


def test_examples_are_half_right_half_wrong_and_the_same_again(tmp_path: Path) -> None:
    found = subject(tmp_path)
    texts, images = examples.searches(found, 2)
    assert (texts, images) == examples.searches(found, 2)
    for search in [*texts, *images]:
        assert search.right[0] == (search.rank == 1)
        assert any(search.right) == (search.answer in search.found)


def test_curves_need_two_points_and_skip_what_is_not_a_number() -> None:
    assert curves([{"epoch": 1, "loss": 2.0}], {"loss": "loss"}, "loss") == ""
    assert curves([{"epoch": 1}, {"epoch": 2}], {"loss": "loss"}, "loss") == ""
    drawn = curves(
        [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": float("nan")}, {"epoch": 3, "loss": 1}], {"loss": "l"}, "l"
    )
    assert "nan" not in drawn and drawn.count("polyline") == 1

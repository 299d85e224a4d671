"""Segments: the best chain against every chain there is, and what beta does."""

import json
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

import wordsight
from wordsight.batch import Regions, Vectors, Words
from wordsight.cli.main import app
from wordsight.data.entities import Phrase
from wordsight.errors import InputError
from wordsight.matching.alignment import Evidence
from wordsight.matching.locate import locate
from wordsight.matching.matcher import Matcher
from wordsight.matching.score import spans, word_regions
from wordsight.matching.segments import (
    Grouping,
    Segment,
    assign,
    function_word_mask,
    segments,
    spans_of_equals,
    spread,
    viterbi,
)
from wordsight.metrics.localise import predictor
from wordsight.reports.marks import marks
from wordsight.runs.aligner import Aligner
from wordsight.text.vocabulary import SPECIAL, Vocabulary


def energy(scores: Tensor, chain: Sequence[int], beta: float) -> float:
    """Equations 10 to 12 as they are written, in double precision."""
    fits = sum(scores[word, region].item() for word, region in enumerate(chain))
    return fits + beta * sum(one == other for one, other in pairwise(chain))


def quiet(function_words: Tensor) -> Grouping:
    """Silent words, and no noun phrases."""
    return Grouping(function_words, torch.zeros_like(function_words, dtype=torch.int64))


def best_energy(scores: Tensor, beta: float) -> float:
    """Of all R^T chains."""
    words, regions = scores.shape
    return max(energy(scores, chain, beta) for chain in product(range(regions), repeat=words))


def batch(seed: int, *, whole: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (B, T, R) with masks of words and of regions: 1 to 5 words, 1 to 4 regions; `whole` numbers give ties."""
    random = torch.Generator().manual_seed(seed)
    said, seen = torch.randint(1, 6, (12, 1), generator=random), torch.randint(1, 5, (12, 1), generator=random)
    words, regions = torch.arange(5) < said, torch.arange(4) < seen
    scores = torch.randn(12, 5, 4, generator=random, dtype=torch.float64)
    scores = scores.mul(1.5).round() if whole else scores
    return scores.masked_fill(~words[:, :, None], 0).masked_fill(~regions[:, None], -torch.inf), words, regions


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0, 2.5, 50.0])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_no_chain_is_better(seed: int, whole: bool, beta: float) -> None:
    scores, words, regions = batch(seed, whole=whole)
    found = viterbi(scores, words, torch.full((len(scores),), beta, dtype=torch.float64))
    for row, chain in enumerate(found):
        real = scores[row, words[row]][:, regions[row]]
        assert energy(real, chain[words[row]].tolist(), beta) == pytest.approx(best_energy(real, beta), abs=1e-9)
        assert not chain[~words[row]].any()


def test_each_row_has_its_own_beta() -> None:
    scores = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).expand(3, 2, 2)
    found = viterbi(scores, torch.ones(3, 2, dtype=torch.bool), torch.tensor([0.0, 0.9, 1.1]))
    assert found[:2].tolist() == [[0, 1], [0, 1]]
    assert found[2, 0] == found[2, 1]


@pytest.mark.parametrize("whole", [False, True])
def test_beta_0_is_each_words_own_best(whole: bool) -> None:
    for seed in range(20):
        scores, words, _ = batch(seed, whole=whole)
        assert torch.equal(assign(scores.float(), words, 0.0), scores.float().argmax(dim=2) * words)


def test_a_large_beta_puts_the_sentence_on_the_region_of_the_greatest_sum() -> None:
    scores, words, _ = batch(0)
    for beta in (1e3, 1e9):  # a large beta must not round the scores away
        found = assign(scores.float(), words, beta)
        assert torch.equal(found, scores.sum(dim=1).argmax(dim=1, keepdim=True) * words)


def test_one_region_takes_all_words_and_one_word_its_best() -> None:
    assert assign(torch.randn(2, 6, 1), torch.ones(2, 6, dtype=torch.bool), 1.0).tolist() == [[0] * 6] * 2
    behind_padding = torch.tensor([[[-torch.inf, 1.0], [-torch.inf, 2.0]]])
    assert assign(behind_padding, torch.ones(1, 2).bool(), 1.0, quiet(torch.tensor([[True, False]]))).tolist() == [
        [1, 1]
    ]
    assert assign(torch.tensor([[[1.0, 3.0, 2.0]]]), torch.ones(1, 1, dtype=torch.bool), 5.0).tolist() == [[1]]


def test_a_word_that_names_nothing_follows_its_neighbours() -> None:
    scores = torch.tensor([[[2.0, 0.0], [0.0, 0.1], [2.0, 0.0], [0.0, 2.0], [0.1, 0.0]]])  # dog a dog beach the
    mask = torch.ones(1, 5, dtype=torch.bool)
    assert assign(scores, mask, 0.0).tolist() == [[0, 1, 0, 1, 0]]
    assert assign(scores, mask, 0.5).tolist() == [[0, 0, 0, 1, 1]]


def test_silent_words_go_with_what_follows_however_sure_they_are() -> None:
    # the dog | on the beach with; the last two columns are a region of "the" alone and padding
    scores = torch.tensor([[[0.0, 0, 9], [2, 0, 0], [3, 0, 0], [3, 0, 9], [0, 2, 0], [9, 0, 0]]])
    scores = torch.cat([scores, torch.full((1, 6, 1), -torch.inf)], dim=2)
    mask, function_words = torch.ones(1, 6, dtype=torch.bool), torch.tensor([[True, False, True, True, False, True]])
    assert assign(scores, mask, 0.1).tolist() == [[2, 0, 0, 2, 1, 0]]
    assert assign(scores, mask, 0.1, quiet(function_words)).tolist() == [[0, 0, 1, 1, 1, 1]]
    assert assign(scores, mask, 1e6, quiet(function_words)).unique().tolist() == [0]


def test_a_sentence_of_silent_words_only_is_heard() -> None:
    scores, words, _ = batch(6)
    for beta in (0.0, 1.0, 1e6):
        assert torch.equal(assign(scores, words, beta, quiet(torch.ones_like(words))), assign(scores, words, beta))


def test_beta_0_is_each_words_own_best_for_silent_words_too() -> None:
    for seed in range(20):
        scores, words, _ = batch(seed)
        function_words = torch.rand(words.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
        assert torch.equal(
            assign(scores.float(), words, 0.0, quiet(function_words)), scores.float().argmax(dim=2) * words
        )


def test_padding_changes_nothing() -> None:
    scores, words, _ = batch(3)
    longer = torch.cat([scores, torch.full((12, 2, 4), 9.0)], dim=1)  # what stands in padding is never looked at
    longer = torch.cat([longer, torch.full((12, 7, 3), -torch.inf)], dim=2)
    more = torch.cat([words, torch.zeros(12, 2, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(spread(longer, more), spread(scores, words))
    for beta in (0.0, 0.5, 1.0, 10.0):
        assert torch.equal(assign(longer, more, beta)[:, :5], assign(scores, words, beta))


def test_one_at_a_time_is_as_many_at_once() -> None:
    scores, words, regions = batch(4)
    together = assign(scores, words, 0.7)
    for row in range(len(scores)):
        alone = assign(scores[row : row + 1, words[row]][:, :, regions[row]], words[row : row + 1, words[row]], 0.7)
        assert torch.equal(alone[0], together[row, words[row]])


def test_beta_means_the_same_whatever_the_scale_of_the_scores() -> None:
    scores, words, _ = batch(5)
    shift = torch.arange(5.0)[:, None] - 2  # a word that fits all regions better moves nowhere
    for beta in (0.3, 1.0, 3.0):
        assert torch.equal(assign(40 * scores + shift, words, beta), assign(scores, words, beta))


def test_spread_is_the_deviation_over_the_real_regions() -> None:
    scores = torch.tensor([[[1.0, 3.0, -torch.inf], [10.0, 10.0, -torch.inf], [0.0, 99.0, -torch.inf]]])
    assert spread(scores, torch.tensor([[True, True, False]])).item() == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("beta", [-0.1, float("nan"), float("inf")])
def test_a_beta_that_is_no_number_of_at_least_0_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        assign(torch.zeros(1, 2, 2), torch.ones(1, 2, dtype=torch.bool), beta)


def test_segments_cover_the_sentence_and_carry_box_and_strengths() -> None:
    random = torch.Generator().manual_seed(0)
    said, seen = torch.tensor([6, 1, 3]), torch.tensor([4, 4, 2])
    places = torch.rand(3, 4, 4, generator=random)
    images = Vectors(torch.randn(3, 4, 8, generator=random), torch.arange(4) < seen[:, None], places)
    words = torch.arange(6) < said[:, None]
    texts = Vectors(torch.randn(3, 6, 8, generator=random), words, spans(words))
    scores = word_regions(images, texts)
    for beta in (0.0, 0.8, 1e6):
        for row, parts in enumerate(segments(images, texts, beta)):
            assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])]
            assert parts[-1].end == said[row]
            assert all(one.region != other.region for one, other in pairwise(parts))
            for part in parts:
                assert part.box == tuple(places[row, part.region].tolist())
                expected = scores[row, part.start : part.end, part.region]
                assert part.strengths == pytest.approx(expected.tolist())
                assert part.strength == pytest.approx(expected.sum().item(), abs=1e-5)
            assert beta < 1e6 or len(parts) == 1


def test_segments_go_by_the_evidence_that_a_model_gives() -> None:
    mask = torch.ones(1, 3, dtype=torch.bool)
    images, texts = Vectors(torch.zeros(1, 2, 4), mask[:, :2], torch.eye(4)[None, :2]), torch.zeros(1, 1, 4)
    sentence = Vectors(texts, mask[:, :1], torch.tensor([[[0, 3]]]))  # one vector of three words
    given = torch.tensor([[[3.0, 0.0], [2.0, 0.0], [0.0, 5.0]]])
    (found,) = segments(images, sentence, 0.1, None, lambda *_: given)
    assert [(part.start, part.end, part.strengths) for part in found] == [(0, 2, (3, 2)), (2, 3, (5,))]


def test_spans_are_as_long_as_they_can_be() -> None:
    assert spans_of_equals("aabca") == [(0, 2), (2, 3), (3, 4), (4, 5)]
    assert spans_of_equals([]) == []


WORDS = Vocabulary((*SPECIAL, "a", "red", "circle", "near", "ring"))
TABLE = torch.tensor([[0, 0, 0], [0, 0, 0], [0, 0, 0.1], [0.6, 0.9, 0], [1.0, 0, 0.5], [0, 0, 0], [0, 0, 2.0]])
BOXES = ((0.0, 0.0, 0.5, 0.5), (0.25, 0.25, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0))


def test_function_words_name_nothing_and_unknown_ones_may() -> None:
    words = WORDS.encode(["a red ring", "near the"])  # "the" is not in the vocabulary
    assert function_word_mask(words, WORDS).tolist() == [[True, False, False], [False, False, False]]


class Given(Matcher):
    """Three regions; each word's scores with them stand in `TABLE`."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(TABLE.clone())

    def encode_images(self, regions: Regions) -> Vectors:
        return Vectors(torch.eye(3).expand(len(regions.mask), 3, 3), regions.mask, regions.boxes)

    def encode_texts(self, words: Words) -> Vectors:
        return Vectors(self.table[words.ids], words.mask, spans(words.mask))


def test_a_phrase_goes_where_most_of_its_words_were_put() -> None:
    def look(names: Sequence[str]) -> Regions:
        count = len(names)
        return Regions(torch.zeros(count, 3, 1), torch.ones(count, 3).bool(), torch.tensor([BOXES] * count))

    def placed(sentence: str, start: int, end: int, beta: float | None) -> int:
        phrase = Phrase("p", sentence, start, end, "", ("other",), (BOXES[0],))
        found = predictor(Given(), WORDS, look, beta=beta)([phrase])
        assert found.points is not None
        (left, top, right, bottom), (x, y) = found.best[0].tolist(), found.points[0].tolist()
        assert left <= x <= right and top <= y <= bottom
        return BOXES.index((left, top, right, bottom))

    # word by word: a on 2, red on 1, circle on 0, near on 0, ring on 2
    assert placed("a red circle near a ring", 0, 3, 0.0) == 0  # three votes, one each: the greatest sum
    assert placed("a red near a ring", 1, 2, 0.0) == 1
    assert placed("red red circle", 0, 3, 0.0) == 1  # two votes of three, though their sum is less
    assert placed("red red circle", 0, 3, None) == 0  # without segments
    assert placed("red red circle", 0, 3, 1e6) == 0  # all are where the sum is greatest
    for beta in (None, 0.0, 2.0):
        assert placed("a a red circle", 0, 4, beta) == 0  # "a" is not asked
    assert placed("a red", 0, 1, 0.0) == 2  # unless there is nothing else
    assert placed("a red near a ring", 1, 2, 1e6) == 1  # a noun phrase of its own
    assert placed("red ring", 0, 1, 1e6) == 2


def test_the_point_is_looked_for_in_the_box_that_is_given() -> None:
    scores, boxes = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([BOXES])
    assert torch.equal(locate(scores, boxes)[0], boxes[:, 0])
    box, point = locate(scores, boxes, torch.tensor([2]))
    assert torch.equal(box, boxes[:, 2])
    assert bool((point >= 0.5).all())


def test_a_segment_is_shown_as_a_whole_phrase() -> None:
    one, two = BOXES[0], BOXES[2]
    words = ("a", "red", "and", "round", "circle", "on", "a", "ring")
    aligned = Evidence(words, (one,) * 6 + (two,) * 2, (0.0, 2.0, 0.1, 0.2, 1.0, 0.3, 0.1, 0.1))
    assert [(mark.label, mark.words) for mark in marks(aligned)] == [("red and round circle", (1, 2, 3, 4))]


@pytest.fixture(scope="module")
def run(trained: Path) -> Aligner:
    return wordsight.load(trained, device="cpu")


@pytest.fixture(scope="module")
def picture(world: Path) -> Path:
    return min((world / "images").iterdir())


def test_align_holds_words_together(run: Aligner, picture: Path) -> None:
    sentence = "a large red circle above a small blue ring"
    single, joined, whole = (run.align(picture, sentence, beta=beta) for beta in (0.0, 1.0, 1e6))
    assert single == run.align(picture, sentence, beta=0)
    assert [(part.start, part.end) for part in whole.segments] == [(0, 4), (4, 9)]  # the noun phrases
    assert len(single.segments) >= len(joined.segments) >= len(whole.segments)
    assert single.score == joined.score == whole.score
    assert sum(single.strengths) >= sum(joined.strengths) >= sum(whole.strengths)
    for found in (single, joined, whole):
        for part in found.segments:
            assert isinstance(part, Segment)
            assert found.boxes[part.start : part.end] == (part.box,) * (part.end - part.start)
            assert found.strengths[part.start : part.end] == part.strengths


def test_align_refuses_a_negative_beta(run: Aligner, picture: Path) -> None:
    with pytest.raises(InputError, match="at least 0, found -1"):
        run.align(picture, "a circle", beta=-1)


def ground(run: Aligner, picture: Path, *more: str) -> tuple[int, str, str]:
    sentence = "a large xyzzy circle above a ring"
    done = CliRunner().invoke(app, ["ground", str(run.folder), str(picture), sentence, *more])
    return done.exit_code, done.stdout, done.stderr


def test_ground_shows_phrases_and_carries_them_in_json(run: Aligner, picture: Path) -> None:
    code, out, err = ground(run, picture, "--beta", "1000")
    assert code == 0, err
    assert out.splitlines()[1].startswith("phrase")
    phrases = out.splitlines()[2:]
    assert len(phrases) == 2
    assert phrases[0].startswith("a large xyzzy circle ")
    assert phrases[0].endswith("(unknown word: xyzzy)")
    assert phrases[1].startswith("above a ring ")
    code, out, err = ground(run, picture, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert " ".join(part["phrase"] for part in found["segments"]) == " ".join(found["words"])
    for part in found["segments"]:
        assert part["phrase"].split() == found["words"][part["start"] : part["end"]]
        assert part["box"] == found["boxes"][part["start"]]
        assert part["strength"] == pytest.approx(sum(found["strengths"][part["start"] : part["end"]]))


def test_ground_with_beta_0_goes_word_by_word(run: Aligner, picture: Path) -> None:
    code, out, _ = ground(run, picture, "--beta", "0")
    assert code == 0
    assert " ".join(line.split()[0] for line in out.splitlines()[1:]) == "word a large xyzzy circle above a ring"


def test_ground_with_a_bad_beta_is_one_sentence(run: Aligner, picture: Path) -> None:
    for beta in ("-1", "nan", "inf"):
        code, out, err = ground(run, picture, "--beta", beta)
        assert (code, out) == (2, "")
        assert "beta" in err and "at least 0" in err and "Traceback" not in err

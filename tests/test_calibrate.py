"""How sure a hit is: learned from sentences whose pictures are known, and true of others."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from wordsight.cli import index_files
from wordsight.data.find import find
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.calibrate import Curve, Trials, calibrate
from wordsight.search.index import Index
from wordsight.search.query import Sentence
from wordsight.search.trials import trials

QUIET = Progress(quiet=True)


@pytest.fixture
def index(world: Path, trained: Path, tmp_path: Path) -> Index:
    """Twelve pictures, indexed, of which nobody knows how sure they are."""
    made = Index.create(tmp_path / "index", trained, "cpu")
    made.build(sorted((world / "images").iterdir())[:12], progress=QUIET)
    return made


def told(scores: torch.Tensor, picture: torch.Tensor, *, short: bool = False) -> Trials:
    """Sentences that one picture each is right for."""
    right = torch.arange(len(scores))[:, None] == picture
    return Trials(scores, right, right, torch.full((len(picture),), short))


def asked_of(pictures: int, sentences: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of a made-up model (I, N), higher with the right picture, of some sentences much; and the latter (N,)."""
    random = torch.Generator().manual_seed(seed)
    picture = torch.randint(pictures, (sentences,), generator=random)
    scores = 0.1 * torch.randn(pictures, sentences, generator=random)
    scores[picture, torch.arange(sentences)] += 0.6 * torch.rand(sentences, generator=random)
    return scores, picture


def without(scores: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """The same collection for each sentence, but for its picture: (I - 1, N)."""
    others = torch.arange(len(scores) - 1)[:, None]
    return scores.gather(0, others + (others >= picture))


def test_of_hits_with_a_figure_that_share_is_right(pictures: int = 200) -> None:
    fitted = calibrate(told(*asked_of(pictures, 4000, seed=0))).long
    scores, picture = asked_of(pictures, 4000, seed=1)
    (there, which), gone = fitted.confidence(scores).max(dim=0), fitted.confidence(without(scores, picture)).amax(dim=0)
    right = which == picture
    sure, good = torch.cat([there, gone]), torch.cat([right, torch.zeros_like(right)]).double()
    for some in sure.argsort().chunk(8):
        assert sure[some].mean().item() == pytest.approx(good[some].mean().item(), abs=0.05)
    assert there.mean() > 2 * gone.mean(), "it notices when a picture is not there"
    assert (there[right] < fitted.threshold).double().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (gone < fitted.threshold).double().mean() > 0.7


def test_sureness_is_in_the_order_of_scores_and_asks_what_else_there_is() -> None:
    fitted = calibrate(told(*asked_of(50, 500, seed=0))).long
    scores, _ = asked_of(50, 9, seed=1)
    assert torch.equal(fitted.confidence(scores).argsort(dim=0), scores.argsort(dim=0))
    alone, rivalled = torch.zeros(20), torch.zeros(20)
    alone[:1], rivalled[:5] = 0.4, 0.4
    assert fitted.confidence(alone)[0] > 1.5 * fitted.confidence(rivalled)[0]
    assert fitted.confidence(torch.zeros(1)).shape == (1,) and fitted.confidence(torch.zeros(0, 3)).shape == (0, 3)


def test_where_the_right_picture_comes_behind_others_sureness_does_not_turn_the_order_round() -> None:
    scores, picture = asked_of(50, 500, seed=0)
    fifth = scores.scatter(0, picture[None], -torch.inf).topk(5, dim=0).values[4:]
    fitted = calibrate(told(scores.scatter(0, picture[None], fifth + 1e-6), picture)).long
    assert fitted.lead == 0 and 0 < fitted.confidence(scores).max() < 0.3


@pytest.mark.parametrize(("pictures", "sentences"), [(2, 1), (3, 3), (7, 2)])
def test_few_pictures_and_sentences_still_give_figures(pictures: int, sentences: int) -> None:
    scores, picture = asked_of(pictures, sentences, seed=0)
    fitted = calibrate(told(scores, picture)).long
    assert all(math.isfinite(value) for value in asdict(fitted).values())
    assert 0 < fitted.confidence(scores).min() <= fitted.confidence(scores).max() < 1


@pytest.mark.parametrize(("pictures", "sentences"), [(1, 5), (5, 0)])
def test_too_few_of_them_are_refused(pictures: int, sentences: int) -> None:
    with pytest.raises(InputError, match="at least 2 pictures"):
        calibrate(told(torch.zeros(pictures, sentences), torch.zeros(sentences, dtype=torch.int64)))


def test_an_index_says_how_sure_its_hits_are(index: Index, world: Path) -> None:
    unsure = index.search("a red circle")
    assert unsure.hits[0].confidence is None and not unsure.poor_match
    with pytest.raises(InputError, match="--calibrate"):
        index.search("a red circle", min_confidence=0.5)
    fitted = index.calibrate(progress=QUIET)
    assert index.info()["calibration"] == asdict(fitted)
    assert fitted == calibrate(trials(index.run, world, QUIET)), "the run's own data are this world"
    found = index.search("a red circle", top=12)
    expected = fitted.short.confidence(torch.tensor([hit.normalised for hit in found.hits]))
    assert [hit.confidence for hit in found.hits] == pytest.approx(expected.tolist(), abs=1e-5)
    assert [hit.confidence for hit in index.search("a red circle", top=2, page=3).hits] == [
        hit.confidence for hit in found.hits[4:6]
    ], "the page does not matter"
    middle = found.hits[5].confidence
    assert middle is not None and len(index.search("a red circle", top=12, min_confidence=middle).hits) == 6
    with pytest.raises(InputError, match="single sentence"):
        index.search([Sentence("a red circle"), Sentence("a cross")], min_confidence=0.5)


def test_when_the_best_hit_is_below_the_line_that_is_said(index: Index) -> None:
    fitted = index.calibrate(progress=QUIET)
    best = index.search("a red circle").hits[0].confidence
    assert best is not None
    for line, doubtful in ((best - 1e-4, False), (best + 1e-4, True)):
        with index.writing() as catalog, catalog.change():
            catalog.set_fact("calibration", replace(fitted, short=replace(fitted.short, threshold=line)).to_json())
        for page in (1, 2):
            found = index.search("a red circle", top=3, page=page)
            assert found.poor_match == doubtful == found.to_json()["poor_match"]
            assert str(found).startswith("The model is not sure") == doubtful
        assert not index.search([Sentence("a red circle"), Sentence("a cross")]).poor_match, "of two nobody knows"


def test_what_an_older_version_learned_is_learned_again(index: Index) -> None:
    with index.writing() as catalog, catalog.change():
        old = {"slope": 4.0, "intercept": -3.0, "pictures": 15, "sentences": 60}
        catalog.set_fact("calibration", json.dumps(old))
    assert index.info()["calibration"] is None and index.search("a red circle").hits[0].confidence is None
    index_files.calibrate(index, progress=QUIET)
    assert index.search("a red circle").hits[0].confidence is not None


def test_the_quick_scan_knows_the_first_hits_well_enough(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.calibrate(progress=QUIET)
    sure = []
    for quick in (False, True):
        monkeypatch.setattr("wordsight.search.find.is_quick", lambda spans, rule, quick=quick: quick)
        sure.append(index.search("a red circle and a cross", top=1).hits[0].confidence)
    assert sure[0] == pytest.approx(sure[1], abs=1e-6)


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_what_is_known_is_not_learned_again(index: Index, world: Path) -> None:
    index_files.calibrate(index, progress=QUIET)
    known, heard = index.info()["calibration"], Heard()
    assert known is not None
    index_files.calibrate(index, progress=heard)
    assert heard.lines == []
    index_files.calibrate(index, world, heard)
    assert heard.lines == [f"learning how sure hits are, from the val split of {world}"]
    assert index.info()["calibration"] == known


def test_without_the_data_that_is_said_and_searching_works(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("wordsight.data.load.find", lambda name, what: find(tmp_path / "nowhere", what))
    heard = Heard()
    index_files.calibrate(index, progress=heard)
    (line,) = heard.lines
    assert "--calibrate DATA" in line and "nowhere" in line
    assert index.info()["calibration"] is None and index.search("a red circle").hits[0].confidence is None
    with pytest.raises(InputError, match="nowhere"):
        index_files.calibrate(index, tmp_path / "other", heard)


def test_short_queries_are_learned_apart() -> None:
    random = torch.Generator().manual_seed(0)
    right = torch.rand(60, 300, generator=random) < 0.2  # many pictures show a dog, and none leads the others
    scores = 0.05 * torch.randn(60, 300, generator=random) + 0.3 * right
    short = Trials(scores, right, right, torch.ones(300, dtype=torch.bool))
    sentences = told(*asked_of(60, 300, seed=1))
    both = Trials(*(torch.cat([getattr(some, name) for some in (short, sentences)], dim=-1) for name in vars(short)))
    fitted = calibrate(both)
    assert fitted.long == calibrate(sentences).long and fitted.short == calibrate(short).short
    there, gone = (fitted.short.confidence(some).amax(dim=0) for some in (scores, scores.masked_fill(right, -9)))
    assert (there >= fitted.short.threshold).double().mean() > 0.88
    assert (gone < fitted.short.threshold).double().mean() > 0.9


def test_a_kind_that_was_not_asked_goes_by_the_other() -> None:
    fitted = calibrate(told(*asked_of(30, 60, seed=0)))
    assert fitted.short == fitted.long == fitted.curve(1) == fitted.curve(9) and isinstance(fitted.short, Curve)


def test_queries_of_a_split_are_sentences_and_what_they_name(index: Index, world: Path) -> None:
    found = trials(index.run, world, QUIET)
    assert 0 < int(found.short.sum()) < len(found.short)
    assert bool((found.right <= found.plausible).all()) and bool(found.right.any(dim=0).all())
    assert int(found.right[:, ~found.short].sum(dim=0).max()) == 1, "a sentence was written for one picture"
    assert int(found.right[:, found.short].sum(dim=0).max()) > 1, "many pictures show a circle"

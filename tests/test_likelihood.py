"""Ranking by a captioner: likelihoods are those of the plain loop, and what learned ten pairs ranks them."""

import json
import math
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning import GENERATORS, model_class
from wordsight.captioning.captioner import END
from wordsight.cli.main import app
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.evaluation.likelihood_ranking import measure_likelihood
from wordsight.metrics import likelihood
from wordsight.metrics.likelihood import likelihood_metrics, log_likelihoods
from wordsight.metrics.ranking import metrics, ranks
from wordsight.progress import Progress
from wordsight.runs.captioner import load_captioner

QUIET = Progress(quiet=True)
SAID = ["2 3 4", "2 3", "2 3 4", "5", "2 6 4 2 3", "5 5", "4", "2 3 5", "6 2", "6 2 3 4"]


@pytest.fixture
def words() -> Words:
    """Ten sentences of one to five words; two are the same, most begin alike."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor([*map(int, one.split())]) for one in SAID], batch_first=True)
    return Words(ids.masked_fill(ids == 0, 9), ids > 0)  # what is in the padding does not matter


def pictures(count: int) -> Regions:
    features = torch.randn(count, 2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    return Regions(features, torch.ones(count, 2, dtype=torch.bool), torch.zeros(count, 2, 4))


def part(seen: Regions, rows: slice) -> Regions:
    return Regions(seen.features[rows], seen.mask[rows], seen.boxes[rows])


@pytest.mark.parametrize("name", GENERATORS)
def test_likelihoods_are_those_of_the_plain_loop(name: str, words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, seen = model_class(name)(12, 6, words=8).double().eval(), pictures(3)
    expected = torch.zeros(3, len(SAID))
    for picture in range(3):
        for row, sentence in enumerate(SAID):
            state, last = model.start(part(seen, slice(picture, picture + 1))), 0
            for word in [*map(int, sentence.split()), END]:
                logits, state = model.step(state, torch.tensor([last]))
                expected[picture, row] += logits.softmax(1)[0, word].log().item()
                last = word
    torch.testing.assert_close(log_likelihoods(model, [seen], words), expected)
    monkeypatch.setattr(likelihood, "SENTENCES", 4)
    blocks = [part(seen, slice(0, 2)), part(seen, slice(2, 3))]
    torch.testing.assert_close(log_likelihoods(model, blocks, words), expected)


def test_what_many_sentences_begin_with_is_said_once(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = model_class("lstm")(12, 6, words=8).double().eval(), []
    step = model.step
    monkeypatch.setattr(model, "step", lambda state, last: rows.append(len(last)) or step(state, last))
    log_likelihoods(model, [pictures(3)], words)
    beginnings = {tuple(one.split()[:t]) for one in SAID for t in range(len(one.split()) + 1)}
    assert sum(rows) == 3 * len(beginnings)


def test_a_model_that_learned_ten_pairs_ranks_them(words: Words) -> None:
    torch.manual_seed(0)
    model, seen = model_class("m_rnn")(12, 6, words=16, hidden=32, dropout=0.0).double(), pictures(10)
    distinct = Words(words.ids.clone(), words.mask)
    distinct.ids[2, 2] = 8  # the third sentence, no longer the first again
    batch = Batch(seen, distinct, torch.arange(10))
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(150):
        loss = model.loss(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = log_likelihoods(model.eval(), [seen], distinct)
    figures = likelihood_metrics(found, found, distinct.mask.sum(dim=1) + 1, batch.picture)
    assert figures["i2t_R@1"] == figures["t2i_R@1"] == 100


def test_a_sentence_that_is_probable_anywhere_is_not_preferred() -> None:
    p = torch.tensor([[0.30, 0.05], [0.20, 0.01]])  # the second sentence, of the first picture, is rare but fits
    strange = torch.tensor([[0.40, 0.01], [0.20, 0.03]])
    figures = likelihood_metrics(p.log(), strange.log(), torch.tensor([1, 1]), torch.tensor([1, 0]))
    assert figures["i2t_medr"] == 1, "0.05 / 0.02 > 0.30 / 0.30 and 0.20 / 0.30 > 0.01 / 0.02"
    assert figures["per_word_i2t_R@1"] == 50, "the first picture has the first sentence"
    assert figures["t2i_R@1"] == 50, "both sentences are more probable of the first picture"
    longer = likelihood_metrics(p.log(), strange.log(), torch.tensor([1, 100]), torch.tensor([1, 0]))
    assert longer["per_word_i2t_R@1"] == 50, "now the second is preferred by both"
    assert {**figures, "per_word_i2t_medr": 0} == {**longer, "per_word_i2t_medr": 0}


def test_eval_ranks(captioner: Path) -> None:
    done = CliRunner().invoke(app, ["eval", str(captioner), "--rank", "--most", "12", "--json"])
    assert done.exit_code == 0
    figures = json.loads(done.stdout)
    assert figures["pictures"] == 12
    assert figures["strangers"] == 100
    describer = load_captioner(captioner, "cpu")
    chosen = load_dataset(find(describer.checkpoint.recipe.data.path, "dataset")).split("val")[:12]
    words = describer.vocabulary.encode([sentence for picture in chosen for sentence in picture.sentences])
    picture = torch.tensor([row for row, one in enumerate(chosen) for _ in one.sentences])
    found = log_likelihoods(describer.model, [describer.encoder.encode([one.path for one in chosen])], words)
    assert figures["t2i_medr"] == pytest.approx(metrics(ranks(found, picture), 12)["t2i_medr"], abs=0.5)
    text = CliRunner().invoke(app, ["eval", str(captioner), "--rank", "--most", "12"]).stdout
    assert text.startswith(f"12 pictures, {figures['sentences']} sentences, by likelihood")
    assert f"{figures['per_word_i2t_R@10']:.1f}" in text


def test_a_split_is_ranked_as_a_whole_unless_told(captioner: Path) -> None:
    describer = load_captioner(captioner, "cpu")
    whole = measure_likelihood(describer, progress=QUIET)
    assert whole["pictures"] > 12
    assert measure_likelihood(describer, most=10_000, progress=QUIET) == whole
    assert all(math.isfinite(value) for value in whole.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rank", "--most", "0"], "most = 0: expected at least 1"),
        (["--most", "5"], "--most goes with --rank"),
        (["--rank", "--grounding"], "--rank writes no captions"),
    ],
)
def test_ranking_that_cannot_be_is_refused(captioner: Path, options: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["eval", str(captioner), *options])
    assert done.exit_code == 2
    assert message in done.stderr


def test_only_captioners_of_pictures_rank_by_likelihood(trained: Path, region_captioner: Path) -> None:
    done = CliRunner().invoke(app, ["eval", str(trained), "--rank"])
    assert done.exit_code == 2
    assert "this run aligns words and regions; --rank is for a run that describes pictures" in done.stderr
    with pytest.raises(InputError, match="describes regions; expected a run that describes pictures"):
        measure_likelihood(load_captioner(region_captioner, "cpu"), progress=QUIET)

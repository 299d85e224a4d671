"""Models of situations: what each must do, and what is peculiar to each."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from wordsight.batch import Frames, Regions, SituationBatch
from wordsight.metrics.situations import situation_metrics, terms
from wordsight.runs.role_connections import strengths
from wordsight.runs.situation_task import sure
from wordsight.runs.tasks import part, task_of
from wordsight.situations import MODELS
from wordsight.situations.graph_net import GraphNet
from wordsight.situations.nearest_situation import NearestSituation
from wordsight.situations.situation_crf import SituationCRF
from wordsight.situations.situation_model import Seen, SituationModel

FRAMES = (("jumping", "", "agent", "obstacle", "place"), ("raining", "", "place"), ("riding", "", "agent", "vehicle"))
GLOSSES = ("", "something", "dog", "man", "fence", "street", "bicycle")
FEATURES, PICTURES, REGIONS = 8, 6, 4


def batch_of(verb: list[int], nouns: list[list[list[int]]], seed: int = 0) -> SituationBatch:
    random = torch.Generator().manual_seed(seed)
    count = len(verb)
    mask = torch.arange(REGIONS) < torch.tensor([1 + row % REGIONS for row in range(count)])[:, None]
    features = torch.randn(count, REGIONS, FEATURES, generator=random)
    regions = Regions(features, mask, torch.zeros(count, REGIONS, 4))
    return SituationBatch(regions, Frames(torch.tensor(verb), torch.tensor(nouns)))


@pytest.fixture
def batch() -> SituationBatch:
    """Six pictures; the second annotator is missing once, an unknown noun is said once."""
    return batch_of(
        [0, 1, 2, 0, 1, 2],
        [
            [[2, 4, 5], [3, 4, 5]],
            [[5, -1, -1], [0, -1, -1]],
            [[3, 6, -1], [-1, -1, -1]],
            [[2, 0, 5], [2, 1, 0]],
            [[5, -1, -1], [5, -1, -1]],
            [[3, 6, -1], [2, 6, -1]],
        ],
    )


def made(name: str, batch: SituationBatch, **more: object) -> SituationModel:
    torch.manual_seed(0)
    told = {"triples": 11} if name == "situation_crf" else {}
    model: SituationModel = part(MODELS[name])(
        vocabulary=len(GLOSSES), features=FEATURES, frames=FRAMES, glosses=GLOSSES, **told, **more
    )
    model.fit(lambda: [batch])
    return model


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest, batch: SituationBatch) -> SituationModel:
    small = {} if request.param == "nearest_situation" else {"hidden": 16, "dropout": 0.0}
    return made(request.param, batch, **small)


def test_its_task_is_situations(model: SituationModel) -> None:
    name = next(name for name in MODELS if part(MODELS[name]) is type(model))
    assert task_of(name).does == "finds situations"


def test_predictions_are_known_verbs_and_nouns(model: SituationModel, batch: SituationBatch) -> None:
    found = model.eval().predict(batch.regions)
    assert found.nouns.shape == (PICTURES, len(FRAMES), 3)
    assert found.verbs.sort(1).values.tolist() == [[0, 1, 2]] * PICTURES
    assert not (found.nouns == 1).any()  # the unknown noun is never an answer
    assert ((found.noun_shares >= 0) & (found.noun_shares <= 1)).all()


def test_padding_changes_nothing(model: SituationModel, batch: SituationBatch) -> None:
    seen = batch.regions
    more = Regions(
        torch.cat([seen.features, torch.full((PICTURES, 2, FEATURES), 50.0)], 1),
        torch.cat([seen.mask, torch.zeros(PICTURES, 2, dtype=torch.bool)], 1),
        torch.cat([seen.boxes, torch.ones(PICTURES, 2, 4)], 1),
    )
    torch.testing.assert_close(model.eval().predict(more), model.predict(seen))


def test_one_at_a_time_answers_as_many_at_once(model: SituationModel, batch: SituationBatch) -> None:
    together = model.eval().predict(batch.regions)
    seen = batch.regions
    for row in range(PICTURES):
        one = slice(row, row + 1)
        alone = model.predict(Regions(seen.features[one], seen.mask[one], seen.boxes[one]))
        for mine, theirs in zip(alone, together, strict=True):
            torch.testing.assert_close(mine[0], theirs[row])


def test_it_is_built_again_from_its_config(model: SituationModel, batch: SituationBatch) -> None:
    again = type(model)(**model.config)
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.eval().predict(batch.regions), model.eval().predict(batch.regions))


@pytest.mark.parametrize("name", ["graph_net", "situation_crf"])
@pytest.mark.parametrize("attend", [False, True])
def test_the_loss_falls_and_every_weight_learns(name: str, attend: bool, batch: SituationBatch) -> None:
    if attend and name != "graph_net":
        pytest.skip("it attends to no regions")
    learner = made(name, batch, hidden=16, dropout=0.0, **({"attend": True} if attend else {}))
    optimiser = torch.optim.AdamW(learner.parameters(), lr=0.02)
    losses = []
    for _ in range(25):
        loss = learner.train().loss(batch)
        optimiser.zero_grad()
        loss.backward()
        for where, weight in learner.named_parameters():
            assert weight.grad is not None and weight.grad.isfinite().all(), where
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("graph", ["full", "tree", "chain", "none"])
def test_absent_roles_say_nothing(graph: str, batch: SituationBatch) -> None:
    """Not even the bias of their messages: a verb's answers are those of a net that has no more roles than it."""
    torch.manual_seed(0)
    few = (FRAMES[1], ("walking", "", "place"))
    sizes = {"vocabulary": len(GLOSSES), "features": FEATURES, "glosses": GLOSSES, "hidden": 16, "graph": graph}
    small = GraphNet(frames=few, **sizes).eval()  # type: ignore[arg-type]
    large = GraphNet(frames=(*few, ("riding", "", "place", "agent", "vehicle")), **sizes).eval()  # type: ignore[arg-type]
    state = small.state_dict()
    for name, weight in large.state_dict().items():
        if name in ("verb.weight", "verb_classifier.weight", "verb_classifier.bias"):
            weight[:2] = state[name]
        elif name == "role.weight":
            weight[large.role_names.index("place")] = state[name][0]
        elif name not in ("roles", "counts", "prior"):
            weight.copy_(state[name])
    for net in (small, large):
        if net.message is not None:
            torch.nn.init.constant_(net.message.bias, 3.0)
    verb = torch.zeros(PICTURES, dtype=torch.long)
    mine = small.noun_logits(small.look(batch.regions), verb)[:, 0]
    torch.testing.assert_close(large.noun_logits(large.look(batch.regions), verb)[:, 0], mine)


def test_the_graphs_join_what_they_say() -> None:
    joined = {}
    for graph in ("full", "tree", "chain", "none"):
        net = GraphNet(len(GLOSSES), FEATURES, frames=FRAMES, glosses=GLOSSES, hidden=4, graph=graph)  # type: ignore[arg-type]
        joined[graph] = [sorted(map(tuple, one.triu().nonzero().tolist())) for one in net.joined(torch.tensor([0, 1]))]
    assert joined["full"] == [[(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], [(0, 1)]]
    assert joined["tree"] == [[(0, 1), (0, 2), (0, 3)], [(0, 1)]]
    assert joined["chain"] == [[(0, 1), (1, 2), (2, 3)], [(0, 1)]]
    assert joined["none"] == [[], []]


def test_no_updates_are_no_messages(batch: SituationBatch) -> None:
    net = made("graph_net", batch, hidden=8, updates=0).eval()
    assert isinstance(net, GraphNet)
    assert net.message is None and net.gate is None
    assert net.noun_logits(net.look(batch.regions), batch.frames.verb).isfinite().all()


class Blinkered(GraphNet):
    """A net whose first two roles see four columns each of a picture; the third, and the verb, see nothing."""

    def start(self, seen: Seen, verb: Tensor) -> Tensor:
        """The nodes' first states."""
        nodes = seen.picture.new_zeros(len(verb), 4, 16)
        nodes[:, 1, :4], nodes[:, 2, 4:8] = seen.picture[:, :4], seen.picture[:, 4:8]
        return nodes


def sums(count: int, seed: int) -> SituationBatch:
    """Situations whose third noun follows from the first two: 2 to 5 each, in a circle, the third is their sum."""
    random = torch.Generator().manual_seed(seed)
    first, second = torch.randint(0, 4, (2, count), generator=random)
    features = torch.cat([torch.eye(4)[first], torch.eye(4)[second]], 1)
    nouns = torch.stack([2 + first, 2 + second, 2 + (first + second) % 4], 1)[:, None]
    regions = Regions(features[:, None], torch.ones(count, 1, dtype=torch.bool), torch.zeros(count, 1, 4))
    return SituationBatch(regions, Frames(torch.zeros(count, dtype=torch.long), nouns))


def learned(graph: str, updates: int) -> tuple[Blinkered, SituationBatch, Tensor]:
    """A net that has learned sums, others of these, and of each role the share of right nouns in them."""
    torch.manual_seed(0)
    train, held_out = sums(64, 0), sums(200, 1)
    told = {"frames": FRAMES[:1] * 2, "glosses": GLOSSES[:6], "hidden": 16, "dropout": 0.0, "average": False}
    net = Blinkered(6, FEATURES, graph=graph, updates=updates, **told)  # type: ignore[arg-type]
    net.fit(lambda: [train])
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.03)
    for _ in range(150):
        optimiser.zero_grad()
        net.loss(train).backward()
        optimiser.step()
    nouns, _ = net.eval().fill(net.look(held_out.regions), held_out.frames.verb)
    return net, held_out, (nouns == held_out.frames.nouns[:, 0]).float().mean(0)


@pytest.mark.parametrize(("graph", "updates"), [("full", 1), ("tree", 2), ("chain", 2)])
def test_a_noun_that_depends_on_others_is_known_by_messages(graph: str, updates: int) -> None:
    assert learned(graph, updates)[2].min() > 0.9


@pytest.mark.parametrize(("graph", "updates"), [("none", 2), ("chain", 1), ("tree", 1)])
def test_without_these_messages_it_is_a_guess(graph: str, updates: int) -> None:
    """In a chain the third role's neighbour alone tells it something in one step, in a tree the verb alone."""
    first, second, third = learned(graph, updates)[2].tolist()
    assert min(first, second) > 0.9
    assert third < 0.5


def test_the_learned_connections_are_the_true_ones() -> None:
    net, held_out, _ = learned("full", 1)
    found = strengths(net, net.look(held_out.regions), 0, 3)
    assert found[3, 1:3].min() > 0.3  # the sum hears both of its parts
    assert found[1:3].max() < 0.1  # and they hear nobody
    assert found[0].max() == 0


def test_the_probabilities_of_all_situations_add_up(batch: SituationBatch) -> None:
    crf = made("situation_crf", batch, hidden=8, dropout=0.0).eval()
    assert isinstance(crf, SituationCRF)
    verbs, triples = crf.scores(crf.look(batch.regions))
    total = torch.zeros(PICTURES)
    marginal = crf.marginals(verbs, triples).softmax(1)
    for verb, frame in enumerate(FRAMES):
        logits = crf.of_verb(triples, torch.full((PICTURES,), verb))[:, : len(frame) - 2]
        of_verb = torch.zeros(PICTURES)
        for nouns in itertools.product(range(len(GLOSSES)), repeat=len(frame) - 2):
            of_verb += (verbs[:, verb] + logits[:, torch.arange(len(nouns)), torch.tensor(nouns)].sum(1)).exp()
        total += of_verb
        assert (of_verb > 0).all()
    for verb in range(len(FRAMES)):
        assert (marginal[:, verb] > 0).all()
    torch.testing.assert_close(crf.marginals(verbs, triples).exp().sum(1), total, rtol=1e-4, atol=0)


def test_the_crf_never_says_what_nobody_said(batch: SituationBatch) -> None:
    crf = made("situation_crf", batch, hidden=8).eval()
    nouns, _ = crf.fill(crf.look(batch.regions), torch.zeros(PICTURES, dtype=torch.long))
    assert set(nouns[:, 0].tolist()) <= {2, 3}  # agents of jumping
    assert set(nouns[:, 1].tolist()) <= {0, 4}


def test_the_nearest_picture_is_copied(batch: SituationBatch) -> None:
    nearest = made("nearest_situation", batch).eval()
    assert isinstance(nearest, NearestSituation)
    found = nearest.predict(batch.regions)
    assert found.verbs[:, 0].tolist() == batch.frames.verb.tolist()
    assert found.nouns[3, 0].tolist() == [2, 0, 5]  # most annotators, the first of equals, unknown ones aside


def test_metrics_by_hand() -> None:
    frames = Frames(
        torch.tensor([0, 0, 1, -1]),
        torch.tensor([[[2, 4], [3, 5]], [[2, 4], [2, 4]], [[5, -1], [0, -1]], [[-1, -1], [-1, -1]]]),
    )
    verbs = torch.tensor([[0, 1], [1, 0], [1, 0], [0, 1]])
    nouns = torch.tensor([[2, 5], [2, 3], [0, 0], [2, 2]])  # annotators mix; half right; the empty noun; unknown verb
    found = terms(verbs, nouns, frames)
    assert found.tolist() == [
        [1, 1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 1, 0.5, 0, 0.5, 0],
        [1, 1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    figures = situation_metrics(found, torch.tensor([0, 0, 1, 2]))
    assert figures["verb_top1"] == pytest.approx(100 * (0.5 + 1 + 0) / 3, abs=1e-3)
    assert figures["value_top5"] == pytest.approx(100 * (0.75 + 1 + 0) / 3, abs=1e-3)
    assert figures["image_verb_top1"] == 50
    assert figures["mean"] == pytest.approx(sum(list(figures.values())[:8]) / 8, abs=1e-3)


@pytest.mark.parametrize(
    ("shares", "right", "least"),
    [
        ([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0], 0.8),
        ([0.9, 0.5, 0.4, 0.3, 0.2], [1, 1, 0, 1, 0], 0.5),
        ([0.9, 0.5, 0.4], [0, 1, 0], 1.0),
        ([0.9, 0.5], [0, 0], 1.0),
    ],
)
def test_from_which_probability_on_answers_are_sure(shares: list[float], right: list[int], least: float) -> None:
    found: Tensor = torch.tensor(shares)
    assert sure(found, torch.tensor(right, dtype=torch.bool)) == pytest.approx(least)


def test_a_verb_without_roles_is_no_verb() -> None:
    with pytest.raises(ValueError, match="at least one role"):
        GraphNet(len(GLOSSES), FEATURES, frames=(("raining", ""),), glosses=GLOSSES)


def test_tiny_probabilities_have_a_loss(batch: SituationBatch) -> None:
    from wordsight.situations.situation_crf import any_of

    found = any_of(torch.tensor([[-40.0, -41.0], [math.log(0.5), math.log(0.5)], [-1.0, -math.inf]]))
    assert found[0] == pytest.approx(-40 + math.log1p(math.exp(-1)), rel=1e-5)
    assert found[1] == pytest.approx(math.log(0.75), rel=1e-5)
    assert found[2] == pytest.approx(-1.0, rel=1e-4)

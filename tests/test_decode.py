"""Greedy, beam search and sampling: what they may say, and that they find what exhaustive search finds."""

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning import GENERATORS, decode, model_class
from wordsight.captioning.beams import best_words
from wordsight.captioning.captioner import END, UNKNOWN
from wordsight.captioning.decode import Hypothesis, beam, greedy, sample
from wordsight.text.vocabulary import Vocabulary

DOUBLE = torch.double


def regions_of(features: Tensor) -> Regions:
    """Pictures of one region each: features (I, F)."""
    return Regions(features[:, None], torch.ones(len(features), 1, dtype=torch.bool), torch.zeros(len(features), 1, 4))


def pictures(count: int, seed: int = 0) -> Regions:
    return regions_of(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE))


def some(regions: Regions, row: int) -> Regions:
    return Regions(regions.features[[row]], regions.mask[[row]], regions.boxes[[row]])


class Toy:
    """A little random recurrent model of which everything said before changes what comes next."""

    def __init__(self, vocabulary: int, seed: int = 0, sharp: float = 3.0) -> None:
        random = torch.Generator().manual_seed(seed)
        self.recurrent = torch.randn(8, 8, generator=random, dtype=DOUBLE) / 2
        self.words = torch.randn(vocabulary, 8, generator=random, dtype=DOUBLE)
        self.output = sharp * torch.randn(8, vocabulary, generator=random, dtype=DOUBLE) / 8**0.5

    def start(self, regions: Regions) -> Tensor:
        return regions.features[:, 0]

    def step(self, state: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        state = (state @ self.recurrent + self.words[words]).tanh()
        return state @ self.output, state


class Script:
    """Says what a function of the words so far says: log-probabilities, word -> number; the rest of the words share."""

    def __init__(self, vocabulary: int, says: Callable[[tuple[int, ...]], dict[int, float]]) -> None:
        self.vocabulary, self.says, self.rows = vocabulary, says, []

    def start(self, regions: Regions) -> Tensor:
        return torch.zeros(len(regions.mask), 0, dtype=torch.long)

    def step(self, state: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        self.rows.append(len(words))
        state = torch.cat([state, words[:, None]], dim=1)
        probability = torch.zeros(len(state), self.vocabulary, dtype=DOUBLE)
        for row, said in zip(probability, state[:, 1:].tolist(), strict=True):
            shares = self.says(tuple(said))
            row += (1 - sum(shares.values())) / max(1, self.vocabulary - len(shares))
            for word, share in shares.items():
                row[word] = share
        return probability.log(), state


def fits(words: Sequence[int], unknown: bool = False) -> bool:
    """Whether words (with END, if they end) may be said, the plain way."""
    trigrams = list(zip(words, words[1:], words[2:], strict=False))
    return (
        words[0] != END
        and END not in words[:-1]
        and (unknown or UNKNOWN not in words)
        and all(one != other for one, other in itertools.pairwise(words))
        and len(set(trigrams)) == len(trigrams)
    )


def probability(model: Toy, regions: Regions, words: Sequence[int]) -> float:
    """Log-probability of words about one picture, step by step."""
    state, total = model.start(regions), 0.0
    for last, word in zip([0, *words], words, strict=False):
        logits, state = model.step(state, torch.tensor([last]))
        total += logits.softmax(1)[0, word].log().item()
    return total


def exhaustive(model: Toy, regions: Regions, vocabulary: int, longest: int) -> list[tuple[tuple[int, ...], float]]:
    """Every text that may be said with its log-probability: those that end, and those as long as the longest."""
    texts = []
    for length in range(1, longest + 1):
        for words in itertools.product(range(vocabulary), repeat=length):
            if fits(words) and (words[-1] == END or length == longest):
                texts.append((words, probability(model, regions, words)))
    return texts


def plain_beam(
    model: Toy, regions: Regions, vocabulary: int, width: int, n_best: int, power: float, longest: int
) -> list[tuple[tuple[int, ...], float]]:
    """The search in lists, one text at a time, always to the longest length."""
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    ended: list[tuple[tuple[int, ...], float]] = []
    for _ in range(longest):
        longer = [(*words, word) for words, _ in live for word in range(vocabulary)]
        texts = [(words, probability(model, regions, words)) for words in longer if fits(words)]
        texts.sort(key=lambda text: -text[1])
        ended += [text for text in texts[:width] if text[0][-1] == END]
        live = [text for text in texts if text[0][-1] != END][:width]
    ended.sort(key=lambda text: -text[1] / len(text[0]) ** power)
    return [(words[:-1], value) for words, value in ended][:n_best] + live[: max(0, n_best - len(ended))]


def best(found: list[list[Hypothesis]]) -> list[tuple[int, ...]]:
    return [captions[0].ids for captions in found]


def close(one: list[list[Hypothesis]], other: list[list[Hypothesis]]) -> None:
    assert [[caption.ids for caption in row] for row in one] == [[caption.ids for caption in row] for row in other]
    for mine, yours in zip(itertools.chain(*one), itertools.chain(*other), strict=True):
        assert mine.log_prob == pytest.approx(yours.log_prob, rel=1e-9)
        assert mine.confidence == pytest.approx(yours.confidence, rel=1e-9)


# --- what is found


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    model, regions = Toy(9, seed), pictures(12, seed)
    close(beam(model, regions, width=1), greedy(model, regions))


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_as_wide_as_the_vocabulary_finds_the_best_of_all_short_texts(seed: int) -> None:
    model, regions = Toy(7, seed, sharp=1.5), pictures(4, seed)
    found = beam(model, regions, width=7, n_best=7, longest=2)
    for row, captions in enumerate(found):
        texts = sorted(exhaustive(model, some(regions, row), 7, 2), key=lambda text: -text[1])[:7]
        texts.sort(key=lambda text: text[0][-1] != END)  # those that end come first
        assert [caption.ids for caption in captions] == [
            tuple(word for word in words if word != END) for words, _ in texts
        ]
        assert [caption.log_prob for caption in captions] == pytest.approx([value for _, value in texts])


@pytest.mark.parametrize("power", [0.0, 0.7, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_that_holds_all_beginnings_finds_the_best_of_all_lengths(seed: int, power: float) -> None:
    model, regions = Toy(4, seed), pictures(4, seed)  # two words, so never more than two beginnings
    found = beam(model, regions, width=4, n_best=3, longest=5, length_normalise=power)
    for row, captions in enumerate(found):
        texts = [text for text in exhaustive(model, some(regions, row), 4, 5) if text[0][-1] == END]
        texts.sort(key=lambda text: -text[1] / len(text[0]) ** power)
        assert [(*caption.ids, END) for caption in captions] == [words for words, _ in texts[:3]]


@pytest.mark.parametrize(("width", "n_best", "power"), [(2, 1, 0.0), (3, 3, 0.0), (5, 2, 0.7), (8, 8, 1.0)])
def test_a_beam_finds_what_a_plain_one_finds(width: int, n_best: int, power: float) -> None:
    lengths = set()
    for seed in range(1, 4):
        model, regions = Toy(10, seed, sharp=2.0), pictures(6, seed)
        found = beam(model, regions, width=width, n_best=n_best, length_normalise=power, longest=8)
        for row, captions in enumerate(found):
            expected = plain_beam(model, some(regions, row), 10, width, n_best, power, 8)
            assert [caption.ids for caption in captions] == [ids for ids, _ in expected]
            assert [caption.log_prob for caption in captions] == pytest.approx([value for _, value in expected])
            lengths |= {len(caption.ids) for caption in captions}
    assert len(lengths) > 4


@pytest.mark.parametrize("vocabulary", [3, 8, 50, 301])
@pytest.mark.parametrize("beams", [1, 4])
def test_the_best_words_are_found_in_groups(vocabulary: int, beams: int) -> None:
    log_probs = torch.randn(5, beams, vocabulary, generator=torch.Generator().manual_seed(0)).log_softmax(dim=2)
    log_probs[:, :, 1] = -torch.inf
    so_far = torch.tensor([-0.5, -1.0, -3.0, -torch.inf])[:beams].expand(5, -1)
    every = (log_probs + so_far[..., None]).flatten(1)
    value, place = best_words(log_probs, so_far, 8)
    expected = every.topk(min(8, every.shape[1])).values
    assert torch.equal(value[:, : expected.shape[1]], expected) and (value[:, expected.shape[1] :] == -torch.inf).all()
    real = value > -torch.inf
    assert torch.equal(every.gather(1, place)[real], value[real])


def test_a_wider_beam_finds_what_greedy_misses() -> None:
    def says(said: tuple[int, ...]) -> dict[int, float]:
        return {(): {2: 0.6, 3: 0.4}, (2,): {4: 0.4, 5: 0.3, END: 0.2}, (3,): {END: 0.99}}.get(said, {END: 0.9})

    model = Script(8, says)
    assert best(greedy(model, pictures(1))) == [(2, 4)]
    (caption,) = beam(model, pictures(1), width=2)[0]
    assert caption.ids == (3,)
    assert math.exp(caption.log_prob) == pytest.approx(0.4 * 0.99)
    assert caption.confidence == pytest.approx((0.4 * 0.99) ** 0.5)


def test_what_has_ended_is_not_forgotten_while_the_beam_goes_on() -> None:
    def says(said: tuple[int, ...]) -> dict[int, float]:
        if said == (2,):
            return {END: 0.5, 3: 0.25, 4: 0.25}
        return {2: 0.999} if not said else {5 + len(said) % 2: 0.4, 7 + len(said) % 2: 0.4}

    found = beam(Script(10, says), pictures(1), width=2, n_best=2, longest=8)[0]
    assert found[0].ids == (2,)
    assert math.exp(found[0].log_prob) == pytest.approx(0.999 * 0.5)
    assert len(found[1].ids) == 8, "nothing else ended"


def test_long_captions_win_when_lengths_are_normalised() -> None:
    def says(said: tuple[int, ...]) -> dict[int, float]:
        sure = {2: {3: 0.95}, 3: {4: 0.95}, 4: {5: 0.95}, 5: {END: 0.95}}
        return {2: 0.5, 6: 0.45} if not said else {END: 0.92} if said == (6,) else sure.get(said[-1], {})

    model = Script(12, says)
    for power, expected in [(0.0, (6,)), (1.0, (2, 3, 4, 5)), (False, (6,)), (True, (2, 3, 4, 5))]:
        assert best(beam(model, pictures(1), width=3, length_normalise=power)) == [expected]
    ranked = beam(model, pictures(1), width=3, n_best=2, length_normalise=True)[0]
    assert ranked[0].log_prob < ranked[1].log_prob
    assert ranked[0].confidence > ranked[1].confidence


def test_n_best_are_all_different_and_ordered() -> None:
    for captions in beam(Toy(30, sharp=2), pictures(10), width=8, n_best=8):
        assert len({caption.ids for caption in captions}) == 8
        ended = [caption.log_prob for caption in captions if len(caption.ids) < 20]
        assert ended == sorted(ended, reverse=True)
        assert all(0 < caption.confidence < 1 for caption in captions)


# --- together and alone


def test_blocks_say_what_all_together_say(monkeypatch: pytest.MonkeyPatch) -> None:
    model, regions, rows = Toy(25, seed=1), pictures(10), []
    step = model.step
    model.step = lambda state, words: (rows.append(len(words)), step(state, words))[1]  # type: ignore[method-assign]
    for way in (
        greedy,
        lambda *given: beam(*given, width=3, n_best=3),
        lambda *given: sample(*given, count=3, generator=torch.Generator().manual_seed(5)),
    ):
        together = way(model, regions)
        with monkeypatch.context() as patch:
            patch.setattr(decode, "ROWS", 7)
            rows.clear()
            close(way(model, regions), together)
        assert max(rows) in (6, 7), "as many pictures as fit, whole"


def test_a_batch_of_one_says_what_a_batch_of_many_says() -> None:
    model, regions = Toy(25, seed=1), pictures(30)
    for way in (
        greedy,
        lambda *given: beam(*given, width=5, n_best=3),
        lambda *given: beam(*given, width=5, n_best=5, length_normalise=0.6),
    ):
        together = way(model, regions)
        assert len({len(captions[0].ids) for captions in together}) > 3, "captions of many lengths"
        close([way(model, some(regions, row))[0] for row in range(30)], together)


def test_the_same_generator_draws_the_same_in_one_batch_and_in_several() -> None:
    model, regions = Toy(25, sharp=2), pictures(30)
    generator = torch.Generator().manual_seed(5)
    together = sample(model, regions, count=3, top_p=0.9, generator=generator)
    generator.manual_seed(5)
    close(
        [sample(model, some(regions, row), count=3, top_p=0.9, generator=generator)[0] for row in range(30)], together
    )
    assert best(sample(model, regions, generator=generator)) != best(together)


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_log_probabilities_are_the_models_own(name: str) -> None:
    torch.manual_seed(0)
    model = model_class(name)(30, 8, words=12, **({} if name == "log_bilinear" else {"hidden": 16})).double().eval()
    tied = name == "log_bilinear"  # words are said as they are read
    torch.nn.init.normal_(model.words.weight if tied else model.output.weight, std=0.5)
    model.output.bias.data[END] += 1
    regions = pictures(7)
    found = [greedy(model, regions), beam(model, regions, n_best=4), sample(model, regions, count=2, temperature=2.0)]
    for row, captions in enumerate(zip(*found, strict=True)):
        for caption in itertools.chain(*captions):
            if len(caption.ids) == 20:
                continue  # was cut, so its END was not counted
            ids = torch.tensor([caption.ids])
            words = Words(ids, torch.ones_like(ids, dtype=torch.bool))
            loss = model.loss(Batch(some(regions, row), words, torch.zeros(1, dtype=torch.long))).item()
            assert caption.log_prob == pytest.approx(-loss * (len(caption.ids) + 1))
            assert caption.confidence == pytest.approx(math.exp(-loss))
    assert any(len(caption.ids) < 20 for captions in found[1] for caption in captions)


def test_log_probabilities_are_exact_where_logits_are_bf16() -> None:
    class Low(Toy):
        def step(self, state: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
            logits, state = super().step(state, words)
            return logits.bfloat16(), state

    model, regions = Low(50, sharp=1.0), pictures(3)
    for found in (greedy(model, regions, longest=5), beam(model, regions, width=3, longest=5)):
        for row, (caption,) in enumerate(found):
            state, total = model.start(some(regions, row)), 0.0
            for last, word in itertools.pairwise((0, *caption.ids, END)[: 5 + 1]):
                logits, state = model.step(state, torch.tensor([last]))
                total += logits.double().log_softmax(1)[0, word].item()
            assert caption.log_prob == pytest.approx(total, rel=1e-5)


def test_what_is_done_costs_nothing_more() -> None:
    def says(said: tuple[int, ...]) -> dict[int, float]:
        return {2 + len(said): 0.9} if len(said) < 3 else {END: 0.9}

    model = Script(20, says)
    greedy(model, pictures(5))
    assert model.rows == [5] * 4
    model.rows.clear()
    beam(model, pictures(5), width=6)
    assert model.rows == [5, 30, 30, 30]
    toy, regions, rows = Toy(25, seed=1), pictures(30), []
    step = toy.step
    toy.step = lambda state, words: (rows.append(len(words)), step(state, words))[1]  # type: ignore[method-assign]
    found = greedy(toy, regions)
    assert rows == [sum(len(captions[0].ids) + 1 > t for captions in found) for t in range(len(rows))]
    assert rows[-1] < rows[0]


def test_no_picture_no_caption() -> None:
    assert greedy(Toy(5), pictures(0)) == beam(Toy(5), pictures(0), width=2) == sample(Toy(5), pictures(0)) == []


# --- what may be said

WAYS: dict[str, Callable[..., list[list[Hypothesis]]]] = {
    "greedy": greedy,
    "beam": lambda *given, **keywords: beam(*given, width=4, n_best=4, **keywords),
    "sample": lambda *given, **keywords: sample(*given, count=4, temperature=1.5, **keywords),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[..., list[list[Hypothesis]]]:
    torch.manual_seed(0)
    return WAYS[request.param]


@pytest.mark.parametrize("unknown", [False, True])
def test_only_what_may_be_said_is_said(way: Callable[..., list[list[Hypothesis]]], unknown: bool) -> None:
    seen = set()
    for seed in range(5):
        for caption in itertools.chain(*way(Toy(6, seed, sharp=5), pictures(10, seed), unknown=unknown)):
            assert fits(caption.ids, unknown), caption
            assert END not in caption.ids
            seen |= set(caption.ids)
    assert (UNKNOWN in seen) is unknown


def test_no_caption_is_empty(way: Callable[..., list[list[Hypothesis]]]) -> None:
    found = way(Script(6, lambda said: {END: 0.9}), pictures(3))
    assert all(len(caption.ids) >= 1 for captions in found for caption in captions)
    assert found[0][0].log_prob < math.log(0.03), "the model's own probability, though END was not allowed"


def test_end_comes_first_where_there_is_nothing_else_to_say(way: Callable[..., list[list[Hypothesis]]]) -> None:
    nothing = Script(2, lambda said: {END: 0.25})
    keywords = {"width": 1, "n_best": 1} if way is WAYS["beam"] else {}
    (found,) = beam(nothing, pictures(1), **keywords) if keywords else way(nothing, pictures(1))
    assert {caption.ids for caption in found} == {()}
    assert found[0].log_prob == pytest.approx(math.log(0.25))


def test_one_word_over_and_over_is_not_said(way: Callable[..., list[list[Hypothesis]]]) -> None:
    for captions in way(Script(8, lambda said: {5: 0.99}), pictures(3)):
        for caption in captions:
            assert all(one != other for one, other in itertools.pairwise(caption.ids))


def test_no_circle_is_said() -> None:
    following = {2: {3: 0.97}, 3: {4: 0.97}, 4: {2: 0.97}}
    model = Script(8, lambda said: following.get(said[-1], {END: 0.9}) if said else {2: 0.97})
    for found in (greedy(model, pictures(1)), beam(model, pictures(1), width=1)):
        assert found[0][0].ids[:5] == (2, 3, 4, 2, 3), "a trigram may be said once"
        assert len(found[0][0].ids) < 20
        assert fits(found[0][0].ids)


def test_a_caption_that_never_ends_is_cut(way: Callable[..., list[list[Hypothesis]]]) -> None:
    model = Script(40, lambda said: {END: 0.0})
    for caption in itertools.chain(*way(model, pictures(2), longest=7)):
        assert len(caption.ids) == 7
        assert caption.log_prob == pytest.approx(7 * math.log(1 / 39))
        assert caption.confidence == pytest.approx(1 / 39), "of seven words, none of them END"


def test_fewer_captions_where_there_are_no_more() -> None:
    only = Script(3, lambda said: {END: 0.5, 2: 0.5})  # "2" is all there is to say
    (captions,) = beam(only, pictures(1), width=3, n_best=3)
    assert [caption.ids for caption in captions] == [(2,)]


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: beam(Toy(5), pictures(2), width=6), r"beam width = 6.*vocabulary, which has 5 words"),
        (lambda: beam(Toy(5), pictures(2), width=0), r"width = 0"),
        (lambda: beam(Toy(5), pictures(2), width=2, n_best=3), r"width = 2, n_best = 3"),
        (lambda: beam(Toy(5), pictures(2), width=2, length_normalise=-1), r"length_normalise = -1"),
        (lambda: greedy(Toy(5), pictures(2), longest=0), r"longest = 0"),
        (lambda: beam(Toy(5), pictures(2), width=2, longest=0), r"longest = 0"),
        (lambda: sample(Toy(5), pictures(2), temperature=0), r"temperature = 0"),
        (lambda: sample(Toy(5), pictures(2), temperature=1e-300), r"temperature = 1e-300.*from 0.001 to 1000"),
        (lambda: sample(Toy(5), pictures(2), temperature=1e300), r"temperature = 1e\+300.*from 0.001 to 1000"),
        (lambda: sample(Toy(5), pictures(2), top_p=0), r"top_p = 0"),
        (lambda: sample(Toy(5), pictures(2), top_k=-1), r"top_k = -1"),
        (lambda: sample(Toy(5), pictures(2), count=0), r"count = 0"),
    ],
)
def test_numbers_out_of_range_are_refused(work: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        work()


# --- chance

CHANCES = {2: 0.4, 3: 0.3, 4: 0.15, 5: 0.1, END: 0.0, UNKNOWN: 0.05}
DICE = Script(6, lambda said: CHANCES)


def drawn(**keywords: float) -> dict[int, float]:
    """How often each word came first in 5,000 draws."""
    generator = torch.Generator().manual_seed(1)
    (captions,) = sample(DICE, pictures(1), count=5000, longest=1, generator=generator, **keywords)  # type: ignore[arg-type]
    firsts = torch.tensor([caption.ids[0] for caption in captions])
    return {word: (firsts == word).double().mean().item() for word in CHANCES}


def expected(power: float, *words: int) -> dict[int, float]:
    shares = {word: CHANCES[word] ** power for word in words}
    return {word: pytest.approx(shares.get(word, 0) / sum(shares.values()), abs=0.025) for word in CHANCES}


def test_words_are_drawn_as_often_as_they_are_probable() -> None:
    assert drawn() == expected(1, 2, 3, 4, 5)
    assert drawn(temperature=2.0) == expected(0.5, 2, 3, 4, 5)
    assert drawn(temperature=0.5) == expected(2, 2, 3, 4, 5)
    assert drawn(top_k=2) == expected(1, 2, 3)
    assert drawn(top_k=99) == expected(1, 2, 3, 4, 5)
    assert drawn(top_p=0.75) == expected(1, 2, 3, 4)  # 0.4 / 0.95 and 0.3 / 0.95 make 0.74
    assert drawn(top_p=0.7) == expected(1, 2, 3)
    assert drawn(top_p=0.7, top_k=1) == expected(1, 2)


def test_every_word_is_drawn_anew() -> None:
    (captions,) = sample(DICE, pictures(1), count=2000, longest=2, generator=torch.Generator().manual_seed(1))
    pairs = {caption.ids for caption in captions}
    assert pairs == set(itertools.permutations((2, 3, 4, 5), 2))


def test_the_greatest_chance_draws_the_last_word_that_may_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda *size, **keywords: torch.ones(size))  # as rounding may make it
    for keywords, word in (({}, 5), ({"top_k": 2}, 3), ({"top_p": 0.75}, 4)):
        assert best(sample(DICE, pictures(1), longest=1, **keywords)) == [(word,)]  # type: ignore[arg-type]


@pytest.mark.parametrize("keywords", [{"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-3}])
def test_the_least_chance_is_greedy(keywords: dict[str, float]) -> None:
    model, regions = Toy(25), pictures(20)
    close(sample(model, regions, **keywords), greedy(model, regions))  # type: ignore[arg-type]


def test_samples_are_ordered_by_probability() -> None:
    generator = torch.Generator().manual_seed(1)
    for captions in sample(Toy(25), pictures(5), count=6, generator=generator):
        assert len(captions) == 6
        values = [caption.log_prob for caption in captions]
        assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("seed", range(4))
def test_words_to_say_once_are_said_once(seed: int) -> None:
    toy, seen = Toy(6, seed, sharp=5), pictures(10, seed)
    once = torch.tensor([False, False, True, False, True, False])
    generator = torch.Generator().manual_seed(seed)
    ways = (
        decode.greedy(toy, seen, once=once),
        decode.beam(toy, seen, width=3, n_best=3, once=once),
        decode.sample(toy, seen, count=3, generator=generator, once=once),
    )
    said = [caption.ids for way in ways for captions in way for caption in captions]
    assert all(ids.count(word) <= 1 for ids in said for word in (2, 4))
    assert any(ids.count(word) > 1 for ids in said for word in (3, 5)), "others are said again"
    free = [caption.ids for captions in decode.beam(toy, seen, width=3, n_best=3) for caption in captions]
    assert any(ids.count(word) > 1 for ids in free for word in (2, 4)), "the rule is needed"


def test_what_names_something_is_said_once() -> None:
    words = ("<end>", "<unk>", "a", "dog", "to", "behind", "red")
    assert Vocabulary(words).naming.tolist() == [False, False, False, True, False, False, True]

"""Written words are found by what the recogniser thought of: misread ones, starts of words, several in their order."""

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.matching.scene_text import CAP, MIDDLE, PART, word_costs, word_spans
from wordsight.matching.text_bounds import lower_bounds, rows_of
from wordsight.matching.written_words import APART, Spans, likelihood, match, ordered_costs, written_words
from wordsight.vision.text_lines import BLANK, SCALE, SEPARATOR, TextLines, compact, fold

LETTERS = " -0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZé"
SYMBOLS = np.array([BLANK, *(fold(one)[0] if fold(one) else SEPARATOR for one in LETTERS)], np.uint16)


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def lines_of(*texts: str, boxes: list[list[list[float]]] | None = None, confidence: float = 1.0) -> TextLines:
    """Lines by readings alone, one below the other unless boxes say otherwise."""
    corners = boxes or [box(0.1, 0.2 * row, 0.1 + 0.03 * len(text), 0.2 * row + 0.05) for row, text in enumerate(texts)]
    sure = np.full(len(texts), confidence, np.float32)
    return TextLines.of_texts(texts, np.array(corners, np.float32), sure)


def lattice(*steps: dict[str, float]) -> TextLines:
    """A line by the probabilities of characters at each step; the rest is the blank's."""
    table = np.zeros((len(steps), len(LETTERS) + 1), np.float32)
    for row, step in zip(table, steps, strict=True):
        for character, probability in step.items():
            row[1 + LETTERS.index(character)] = probability
        row[0] = 1 - row.sum()
    counts, symbols, costs = compact(table, SYMBOLS)
    corners = np.array([box(0, 0, 1, 1)], np.float32)
    return TextLines(("",), np.ones(1, np.float32), corners, np.array([len(steps)], np.int32), counts, symbols, costs)


def cost(lines: TextLines, word: str) -> float:
    asked = written_words(word)[0]
    return float(word_costs(lines, asked.symbols, prefix=asked.prefix).min())


def test_a_word_costs_nothing_where_it_is_written() -> None:
    assert cost(lines_of("COFFEE"), "coffee") == 0
    assert cost(lines_of("CAFÉ"), "cafe") == cost(lines_of("cafe"), "Café") == 0
    assert cost(lines_of("62-03"), "6203") == cost(lines_of("62-03"), "62-03") < 1  # digits, with a mark inside


def test_a_misread_word_costs_as_much_as_its_edits() -> None:
    assert cost(lines_of("COFFFE"), "coffee") == pytest.approx(CAP)
    assert cost(lines_of("COFEE"), "coffee") == pytest.approx(CAP, abs=0.1)
    assert cost(lines_of("COOFFEE"), "coffee") <= CAP
    assert cost(lines_of("COFFFE"), "coffee") < cost(lines_of("COTTON"), "coffee") < cost(lines_of("TEA"), "coffee")


def test_what_the_recogniser_also_thought_of_is_nearer_than_what_it_did_not() -> None:
    read = lattice({"E": 0.99}, {"X": 0.98}, {"1": 0.6, "I": 0.39}, {"T": 0.99})  # its reading is EX1T
    assert cost(read, "ex1t") < cost(read, "exit") < 1 < cost(read, "exat")


def test_upper_and_lower_case_and_accents_add_up() -> None:
    together, alone = lattice({"e": 0.3, "E": 0.3, "é": 0.3}), lattice({"e": 0.9})
    assert cost(together, "e") == pytest.approx(cost(alone, "e"), abs=1 / SCALE)


def test_a_letter_twice_needs_a_blank_between() -> None:
    assert cost(lattice({"o": 0.99}, {"o": 0.99}), "oo") > 4
    assert cost(lattice({"o": 0.99}, {}, {"o": 0.99}), "oo") < 0.1


def test_a_word_within_a_line_is_found_and_within_a_word_costs_more() -> None:
    line = lines_of("TO EXIT SIDE-GATE")
    assert cost(line, "exit") == pytest.approx(2 * PART)
    assert cost(line, "gate") == cost(line, "to") == pytest.approx(PART)  # all of a line comes before a part of one
    assert cost(lines_of("party"), "art") == pytest.approx(2 * MIDDLE)
    assert cost(lines_of("arty"), "art") == pytest.approx(MIDDLE)
    assert cost(lines_of("非常出口"), "出口") == 0  # no spaces are written between these


def test_a_star_stands_for_the_rest_of_a_word() -> None:
    assert cost(lines_of("LONDON"), "lond*") == 0
    assert cost(lines_of("LONDON"), "lond") == pytest.approx(MIDDLE)
    assert cost(lines_of("OLOND"), "lond*") == pytest.approx(MIDDLE)  # it is the start that is asked for


def test_the_span_of_a_word_is_where_it_is_on_the_line() -> None:
    line = lines_of("TO EXIT NOW", boxes=[box(0, 0.4, 1, 0.5)])
    costs, begins, ends = word_spans(line, fold("exit"))
    assert costs[0] < 1 and 6 <= begins[0] <= 7 and 13 <= ends[0] <= 14  # two steps a character
    found = match(line, written_words("exit"))
    assert found is not None
    (placed,) = found.words
    assert placed.corners[:, 0].min() == pytest.approx(3 / 11, abs=0.05)
    assert placed.corners[:, 0].max() == pytest.approx(7 / 11, abs=0.05)


def test_a_line_is_scored_the_same_beside_a_longer_one() -> None:
    short, long = lines_of("the 2"), lines_of("the london and the other")
    for word in ("the", "24", "london", "he*"):
        asked = written_words(word)[0]
        alone = word_spans(short, asked.symbols, prefix=asked.prefix)
        beside = word_spans(TextLines.join([short, long]), asked.symbols, prefix=asked.prefix)
        assert [one[0] for one in beside] == [one[0] for one in alone]


def test_words_in_their_order_come_before_the_same_words_apart() -> None:
    words = written_words("no smoking")
    row = lines_of("NO", "SMOKING", boxes=[box(0.1, 0.1, 0.2, 0.2), box(0.22, 0.1, 0.5, 0.2)])
    below = lines_of("NO", "SMOKING", boxes=[box(0.1, 0.1, 0.2, 0.2), box(0.1, 0.25, 0.5, 0.35)])
    turned = lines_of("SMOKING", "NO", boxes=[box(0.1, 0.1, 0.4, 0.2), box(0.42, 0.1, 0.5, 0.2)])
    far = lines_of("NO", "SMOKING", boxes=[box(0.1, 0.1, 0.2, 0.15), box(0.1, 0.8, 0.5, 0.9)])
    found = {name: match(some, words) for name, some in {"row": row, "below": below, "not": turned, "far": far}.items()}
    assert {name: one and one.cost for name, one in found.items()} == {"row": 0, "below": 0, "not": APART, "far": APART}
    assert match(lines_of("NO SMOKING"), words).cost == pytest.approx(2 * PART)  # type: ignore[union-attr]
    assert match(lines_of("SMOKING NO"), words).cost > APART  # type: ignore[union-attr]
    assert [one.line for one in found["row"].words] == [0, 1]  # type: ignore[union-attr]


def test_the_order_of_words_costs_the_same_in_many_pictures_as_in_each() -> None:
    chance, words = np.random.default_rng(0), written_words("no exit no")
    each = []
    for _ in range(60):
        texts = [" ".join(chance.choice(["no", "exit", "n0", "exits"], chance.integers(1, 4))) for _ in range(4)]
        each.append(lines_of(*texts, boxes=[box(x, y, x + 0.3, y + 0.1) for x, y in chance.random((4, 2)) / 2]))
    lines, owners = TextLines.join(each), np.repeat(np.arange(60), 4)
    expected = [match(one, words).cost for one in each]  # type: ignore[union-attr]
    for pairs in (5, 1 << 18):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("wordsight.matching.written_words.PAIRS", pairs)
            every = np.arange(240)
            found = ordered_costs([Spans.of(lines, word) for word in words], [every] * 3, owners)
        assert np.allclose(found, expected) and len(set(np.round(found, 3))) > 3
    few = ordered_costs([Spans.of(lines.take(np.arange(4)), words[0])] * 2, [np.arange(4)] * 2, owners)
    assert np.isfinite(few[0]) and np.isinf(few[1:]).all()


def test_likelihood_is_one_for_what_is_written_and_falls_with_each_edit() -> None:
    for word in ("bus", "restaurant"):
        asked = written_words(word)
        assert likelihood(0, asked) == 1
    assert likelihood(CAP, written_words("bus")) < likelihood(CAP, written_words("restaurant")) < 1


def test_nothing_and_too_much_are_no_query() -> None:
    for text in ("", "  ", "*", "!?"):
        with pytest.raises(InputError, match="at least one letter or digit"):
            written_words(text)
    for text in ("a" * 65, "a " * 17):
        with pytest.raises(InputError, match="too long"):
            written_words(text)
    assert match(TextLines.none(), written_words("exit")) is None


def test_no_line_costs_less_than_its_bound() -> None:
    chance = np.random.default_rng(0)
    steps = chance.dirichlet(np.full(len(LETTERS) + 1, 0.02), size=(40, 12)).astype(np.float32)
    noisy = []
    for one in steps:
        counts, symbols, costs = compact(one, SYMBOLS)
        corners, length = np.array([box(0, 0, 1, 1)], np.float32), np.array([12], np.int32)
        noisy.append(TextLines(("",), np.ones(1, np.float32), corners, length, counts, symbols, costs))
    lines = TextLines.join([*noisy, lines_of("exit", "EX-1T", "no exit", "tixe", "出口")])
    columns = np.ascontiguousarray(rows_of(lines).T)
    for text in ("exit", "e", "no", "exeunt", "1t", "xi", "出口", "ex*", "xi*"):
        ((_, word, prefix),) = written_words(text)
        bounds, costs = lower_bounds(columns, word, prefix=prefix) / SCALE, word_costs(lines, word, prefix=prefix)
        assert (bounds <= costs + 1e-4).all()
    assert lower_bounds(columns, fold("exit"))[40] == lower_bounds(columns, fold("exit"))[42] == 0
    assert lower_bounds(columns, fold("xit"))[40] == lower_bounds(columns, fold("exi"))[40] == MIDDLE * SCALE
    assert lower_bounds(columns, fold("exi"), prefix=True)[40] == 0
    assert lower_bounds(columns, fold("exit"))[43] > 4 * SCALE  # the same letters in another order


def test_lines_survive_their_compact_form_and_damage_is_noticed() -> None:
    lines = TextLines.join([lines_of("Café", "出口 5"), lattice({"a": 0.5, "b": 0.4})])
    same = TextLines.from_bytes(lines.to_bytes())
    assert same.texts == lines.texts
    for name in ("confidence", "corners", "steps", "counts", "symbols", "costs"):
        assert np.array_equal(getattr(same, name), getattr(lines, name))
    assert len(TextLines.from_bytes(TextLines.none().to_bytes())) == 0
    for content in (b"", b"text", lines.to_bytes()[:-9]):
        with pytest.raises(ValueError, match="not the text lines"):
            TextLines.from_bytes(content)
    assert lines.take(np.array([2, 0])).texts == ("", "Café")

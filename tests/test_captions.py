"""Caption metrics: equal to coco-caption's, to plain versions of themselves, and clear about bad input."""

import itertools
import json
import math
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.metrics import bleu, cider, meteor, ptb, rouge, spice
from wordsight.metrics.captions import (
    TOKENISER,
    caption_metrics,
    caption_metrics_of_files,
    diversity,
    read_candidates,
    read_references,
)

WORDS = ("a", "dog", "cat", "man", "runs", "sits", "on", "the", "snow", "beach", "with", "red", "ball", "two")
PEERS = find_spec("pycocoevalcap") is not None and shutil.which("java") is not None
peers = pytest.mark.skipif(not PEERS, reason="pycocoevalcap or Java is not installed (extra 'metrics')")

# What Stanford's PTBTokenizer of coco-caption gave for these, punctuation dropped.
OFFICIAL = {
    "A man's dog, and the dogs' bowls.": "a man 's dog and the dogs bowls",
    "I don't, can't, won't; they've, he'd, we'll": "i do n't ca n't wo n't they 've he 'd we 'll",
    "shouldn't've cannot gonna wanna-be gimme": "should n't 've can not gon na wanna-be gim me",
    'a "quoted" sign says "-ependent", \'red\' too': "a quoted sign says ependent red too",
    "a black-and-white merry-go-round , close-up": "a black-and-white merry-go-round close-up",
    "refrigerator/freezer and/or w/ 1/2 dog/": "refrigerator/freezer and/or w / 1/2 dog /",
    "eggs,doughnuts eggs.doughnuts dog--cat dog - cat": "eggs doughnuts eggs.doughnuts dog cat dog cat",
    "(left) [right] {x}": "-lrb- left -rrb- -lsb- right -rsb- -lcb- x -rcb-",
    "wow! wow!! what?! ... .. end...": "wow wow !! what ?! end",
    "AT&T at&t R&B & b&w": "at&t at & t r&b & b & w",
    "at 1:20 or 12:30pm for $5.00 or 50% of 1,000": "at 1:20 or 12:30 pm for $ 5.00 or 50 % of 1,000",
    "in the '50s, 1950's and 80s at 5'10\"": "in the '50s 1950 's and 80s at 5 10",
    "Mr. Smith on Main St. in the U.S. at 3 p.m. on tv.": "mr. smith on main st. in the u.s. at 3 p.m. on tv",
    "get ready to bat., no. 5, no. He": "get ready to bat. no. 5 no he",
    "O'Neill's o'clock y'all ma'am rock'n'roll 'em": "o'neill 's o'clock y' all ma'am rock 'n' roll 'em",
    "the dog's-eye view of #1 #dog @home": "the dog 's eye view of # 1 #dog @home",
    "www.flickr.com me@x.com mp3 t-shirt 4x4 a_b": "www.flickr.com me@x.com mp3 t-shirt 4x4 a_b",
    "a man’s “café-style” piñata – 5€ … ½ 😀": "a man 's café-style piñata 5 $ 1/2",
    "*x* a+b = <b>bold</b> :) ;-)": "* x * a + b = <b> bold </b> :-rrb- ;--rrb-",
    " ' \" . , -- ": "",
    "plan b.": "plan b.",
    "Plan B. It works, Plan B. Dogs": "plan b it works plan b. dogs",
    "Ph.D. A. e.g.": "ph.d. a. e.g.",
    "etc.-b mr.-co., U.S.-based": "etc. b mr.-co. u.s.-based",
    "a .5-inch nail, 12-.5 and 1.5-2.5 or 1-2-3-4-5., 3-.7.": "a .5 inch nail 12 -.5 and 1.5-2 .5 or 1-2-3-4-5. 3 -.7",
    "2 1/2-inch (555) 555-1234": "2 1/2 inch -lrb-555-rrb- 555-1234",
    "^_^ a&nbsp;b <dog a=1> <b c='d'>": "^_^ a b < dog a = 1 > <b c='d'>",
    "me@x.com, x.com/a www.x.com/ab": "me@x.com, x.com / a www.x.com/ab",
    "d'Été „a“ ““b l'été": "d'été „ a ```` b l'été",
    "café/cafe cafe/chó": "café / cafe cafe/ch ó",
    "काला-सफेद दिन. ছবি-দিন நாய்.": "काला सफेद दिन ছবি দিন நாய்",
    "שָׁלוֹם כֶּלֶב. كَلْب، قِطَّة؟": "שָׁלוֹם כֶּלֶב كَلْب ، قِطَّة ؟",
    "❤ ☺ Ⅳ x² ⅔ №5 ⭐": "❤ ☺ x ² 2/3 № 5 ⭐",
}


def tokens(caption: str) -> list[str]:
    return caption.split()


def some(random: random.Random, least: int = 0, most: int = 9) -> list[str]:
    return random.choices(WORDS, k=random.randint(least, most))


def corpus(seed: int, pictures: int = 12) -> tuple[list[list[str]], list[list[list[str]]]]:
    """Random captions, some empty, and one to four references of each, some near."""
    lots = random.Random(seed)
    references = [[some(lots, 1) for _ in range(lots.randint(1, 4))] for _ in range(pictures)]
    candidates = [some(lots) if lots.random() < 0.6 else [*references[i][0][1:], "dog"] for i in range(pictures)]
    return candidates, references


def grams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def plain_cider(candidates: list[list[str]], references: list[list[list[str]]]) -> list[float]:
    """The paper's formula over whole vectors, one n at a time."""
    scores = np.zeros(len(candidates))
    for n in range(1, 5):
        sentences = [*candidates, *itertools.chain(*references)]
        column = {gram: i for i, gram in enumerate({gram for one in sentences for gram in grams(one, n)})}
        pictures = np.ones(len(column))
        for gram, i in column.items():
            pictures[i] = max(1, sum(any(gram in grams(one, n) for one in right) for right in references))
        for row, (candidate, right) in enumerate(zip(candidates, references, strict=True)):
            for reference in right:
                mine, other = np.zeros(len(column)), np.zeros(len(column))
                for vector, caption in ((mine, candidate), (other, reference)):
                    for gram in grams(caption, n):
                        vector[column[gram]] += math.log(len(references) / pictures[column[gram]])
                norms = np.linalg.norm(mine) * np.linalg.norm(other)
                apart = max(len(candidate), 1) - max(len(reference), 1)
                if norms:
                    cosine = np.minimum(mine, other) @ other / norms
                    scores[row] += 10 / 4 / len(right) * cosine * math.exp(-(apart**2) / 72)
    return scores.tolist()


@pytest.mark.parametrize("caption", OFFICIAL)
def test_tokens_are_those_of_coco_caption(caption: str) -> None:
    assert " ".join(ptb.tokenise(caption)) == OFFICIAL[caption]


def test_any_text_has_tokens() -> None:
    lots = random.Random(0)
    for _ in range(2000):
        caption = "".join(lots.choices("ab'1.,-!?/&$\"() <>:;@#_*+\n\té’–½😀\ud83d\x00", k=15))
        for token in ptb.tokenise(caption):
            assert token.encode(), "half an emoji, which Java cannot be told"
            assert token == token.lower() and token not in ptb.PUNCTUATION and token.split() == [token], caption


@pytest.mark.parametrize("joint", "-_.")
def test_a_long_chain_of_numbers_takes_no_time(joint: str) -> None:
    began = time.process_time()
    for end in ("", "!"):
        assert ptb.tokenise(joint.join(str(number % 10) for number in range(200)) + end)
    assert time.process_time() - began < 5


def test_bleu_by_hand() -> None:
    said, right = tokens("the the cat on"), [tokens("the cat sat on the mat"), tokens("a cat on it")]
    (one, two, three, four), _, _ = bleu.bleu([said], [right])
    assert one == pytest.approx(4 / 4)  # "the" is twice in the first reference
    assert two == pytest.approx(math.sqrt(2 / 3))  # "the cat", "cat on"
    assert three < 1e-4 and four < 1e-3  # none right; not quite 0, as in coco-caption


def test_bleu_takes_the_nearest_length_and_of_equals_the_shorter() -> None:
    said = ["a"] * 4
    for lengths, nearest in (((3, 5), 3), ((5, 9), 5), ((8, 7), 7)):
        (score, *_), _, (unpunished, *_) = bleu.bleu([said], [[["a"] * length for length in lengths]])
        assert score == pytest.approx(min(1, math.exp(1 - nearest / 4)) * min(1, max(lengths) / 4), rel=1e-6)
        assert unpunished == pytest.approx(min(1, max(lengths) / 4), rel=1e-6)


def test_bleu_counts_over_all_captions_first() -> None:
    said, right = [["a", "b"], ["c"] * 6], [[["a", "b"]], [["d"] * 6]]
    together, each, _ = bleu.bleu(said, right)
    assert together[0] == pytest.approx(2 / 8)
    assert [scores[0] for scores in each] == pytest.approx([1, 0], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_rouge_finds_the_longest_common_subsequence(seed: int) -> None:
    lots = random.Random(seed)
    for _ in range(30):
        one, other = some(lots, 0, 7), some(lots, 0, 7)
        kept = {part for size in range(8) for part in itertools.combinations(other, size)}
        longest = max(size for size in range(8) for part in itertools.combinations(one, size) if part in kept)
        assert rouge.common(one, other) == longest == rouge.common(other, one)


def test_rouge_by_hand() -> None:
    said, right = tokens("a dog in snow"), [tokens("a dog runs in the snow"), tokens("dog")]
    precision, recall = 4 / 4, 1.0  # the best of each, from different references
    assert rouge.rouge_l([said], [right]) == [(1 + 1.44) * precision * recall / (recall + 1.44 * precision)]
    precision, recall = 4 / 4, 4 / 6
    expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision)
    assert rouge.rouge_l([said], [right[:1]]) == [pytest.approx(expected)]


def test_rouge_of_captions_without_words() -> None:
    assert rouge.rouge_l([[], [], ["a"]], [[["a"], []], [["a"]], [[], ["a"]]]) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("seed", range(3))
def test_cider_equals_its_formula(seed: int) -> None:
    candidates, references = corpus(seed)
    assert cider.cider_d(candidates, references) == pytest.approx(plain_cider(candidates, references), abs=1e-9)


def test_a_perfect_caption_scores_one_and_ten() -> None:
    texts = ["a dog runs in the snow", "two men sit on a red bench", "the cat sleeps near an old ball"]
    figures = caption_metrics(dict(enumerate(texts)), {i: [text] for i, text in enumerate(texts)})
    assert figures.pop("CIDEr") == pytest.approx(10)
    bleus = [f"Bleu_{n}{name}" for name in ("", "_any_length") for n in (1, 2, 3, 4)]
    assert list(figures) == [*bleus, "ROUGE_L", "exact"]
    assert list(figures.values()) == pytest.approx([1] * 10)


def test_neither_order_nor_capitals_nor_full_stops_change_a_figure() -> None:
    candidates, references = corpus(0)
    said = {i: " ".join(words) for i, words in enumerate(candidates)}
    right = {i: [" ".join(words) for words in sentences] for i, sentences in enumerate(references)}
    loud = {i: f"{said[i].upper()} ." for i in reversed(said)}
    assert caption_metrics(loud, right) == caption_metrics(said, right)


def test_empty_captions_score_nothing() -> None:
    references = {1: ["a dog", "it"], 2: ["a cat"]}
    figures = caption_metrics({1: "", 2: " . "}, references)
    assert max(figures.values()) < 1e-5
    assert {value for name, value in figures.items() if "any_length" not in name} == {0.0}
    mixed = caption_metrics({1: "", 2: "a cat"}, references)
    assert mixed["ROUGE_L"] == mixed["exact"] == 0.5


def test_one_picture_alone_has_no_cider() -> None:
    assert caption_metrics({1: "a dog"}, {1: ["a dog"]})["CIDEr"] == 0


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        ({}, {}, "There are no pictures in the references"),
        ({1: "a", 7: "b"}, {1: ["a"]}, r"1 picture is \(7\) in the candidates and not in the references"),
        ({1: "a"}, {1: ["a"], 2: ["b"], 3: ["c"]}, r"2 pictures are \(2, 3\) in the references and without a caption"),
        ({"1": "a"}, {1: ["a"]}, "ids are numbers in one and text in the other"),
        ({1: "a"}, {1: []}, "Picture 1: expected a list of at least one reference"),
        ({1: "a"}, {1: "a dog"}, "Picture 1: expected a list of at least one reference, found 'a dog'"),
        ({1: "a"}, {1: ["...", " ! "]}, "No reference of picture 1 has a word in it: '...'"),
    ],
)
def test_what_does_not_fit_is_named(
    candidates: dict[int | str, str], references: dict[int | str, list[str]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        caption_metrics(candidates, references)


RESULTS = [{"image_id": 1, "caption": "a dog"}, {"image_id": 2, "caption": ""}]
CAPTIONS = {
    "images": [{"id": 1}, {"id": 2}],
    "annotations": [{"image_id": 2, "caption": "a cat"}, {"image_id": 1, "caption": "A dog."}],
}


def write(folder: Path, results: object, captions: object) -> tuple[Path, Path]:
    paths = folder / "results.json", folder / "captions.json"
    for path, content in zip(paths, (results, captions), strict=True):
        path.write_text(json.dumps(content))
    return paths


def test_coco_files_are_read(tmp_path: Path) -> None:
    results, captions = write(tmp_path, RESULTS, CAPTIONS)
    assert read_candidates(results) == {1: "a dog", 2: ""}
    assert read_references(captions) == {1: ["A dog."], 2: ["a cat"]}
    figures = caption_metrics({1: "a dog", 2: ""}, {1: ["A dog."], 2: ["a cat"]})
    assert caption_metrics_of_files(results, captions) == figures


@pytest.mark.parametrize(
    ("results", "captions", "message"),
    [
        ({}, CAPTIONS, "results.json: expected a list of captions"),
        ([*RESULTS, RESULTS[0]], CAPTIONS, r"results.json, \[2\], key 'image_id': picture 1 has a caption already"),
        ([{"image_id": 1}], CAPTIONS, r"results.json, \[0\]: the key 'caption' is missing"),
        ([{"image_id": 1.5, "caption": ""}], CAPTIONS, r"results.json, \[0\], key 'image_id': expected a whole number"),
        ([{"image_id": 1, "caption": None}], CAPTIONS, r"results.json, \[0\], key 'caption': expected text"),
        (RESULTS[:1], CAPTIONS, r"\(2\) in .*captions.json and without a caption in .*results.json"),
        ([*RESULTS, {"image_id": 3, "caption": ""}], CAPTIONS, r"\(3\) in .*results.json and not in .*captions.json"),
        (RESULTS, RESULTS, "captions.json: expected an object with the key 'images'"),
        (RESULTS, {**CAPTIONS, "images": [{"id": 1}] * 2}, r"captions.json, images\[1\], key 'id': 1 is there twice"),
        (RESULTS, {**CAPTIONS, "images": [{"id": 1}]}, r"annotations\[0\], key 'image_id': no image has the id 2"),
        (RESULTS, {**CAPTIONS, "annotations": []}, r"captions.json: 2 pictures are \(1, 2\) without a caption"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, results: object, captions: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        caption_metrics_of_files(*write(tmp_path, results, captions))


def test_meteor_is_left_out_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(meteor, "_jar", lambda: None)
    figures = caption_metrics({1: "a dog"}, {1: ["a dog"]}, meteor=True, say=said.append)
    assert "METEOR" not in figures and figures["Bleu_1"] == pytest.approx(1)
    monkeypatch.setattr(meteor, "_jar", lambda: Path("meteor.jar"))
    monkeypatch.setenv("PATH", "")
    caption_metrics({1: "a dog"}, {1: ["a dog"]}, meteor=True, say=said.append)
    assert len(said) == 2
    assert "-m pip install 'pycocoevalcap" in said[0] and "no 'java'" in said[1]


@pytest.mark.parametrize("does", ["exit 1", "exec sleep 100"])
def test_java_that_stops_or_hangs_is_no_endless_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str
) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{does}\n")
    java.chmod(0o755)
    (tmp_path / "lib").mkdir()
    for name in spice.PARSER:
        (tmp_path / "lib" / name).touch()
    monkeypatch.setattr(shutil, "which", lambda _: str(java))
    monkeypatch.setattr(meteor, "_jar", lambda: Path("meteor.jar"))
    monkeypatch.setattr(spice, "_folder", lambda: tmp_path)
    for metric in (meteor, spice):
        monkeypatch.setattr(metric, "START", 0.3)
        monkeypatch.setattr(metric, "EACH", 0.0)
    began = time.monotonic()
    with pytest.raises(InputError, match="METEOR gave no score: Java stopped, or took more than 0 s"):
        meteor.meteor([["a"]] * 5, [[["a"]]] * 5)
    with pytest.raises(InputError, match="SPICE gave no score: Java stopped, or took more than 0 s"):
        spice.spice([["a"]] * 5, [[["a"]]] * 5)
    assert time.monotonic() - began < 30


def test_spice_is_left_out_with_one_line_that_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setattr(spice, "_folder", lambda: None)
    assert "SPICE" not in caption_metrics({1: "a dog"}, {1: ["a dog"]}, spice=True, say=said.append)
    monkeypatch.setattr(spice, "_folder", lambda: tmp_path)
    assert "SPICE" not in caption_metrics({1: "a dog"}, {1: ["a dog"]}, spice=True, say=said.append)
    assert "pip install 'pycocoevalcap" in said[0] and "stanford-corenlp-3.6.0-models.jar" in said[1]
    assert len(said) == 2


def test_spice_is_the_mean_of_what_the_jar_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for name in spice.PARSER:
        (tmp_path / "lib" / name).touch()
    java = tmp_path / "java"  # gives each caption a tenth for each of its words, the last first
    java.write_text(
        f"""#!{sys.executable}
import json, os, sys
assert sys.argv[1:4] == ["-Xmx8G", "-jar", {str(tmp_path / "spice-1.0.jar")!r}]
assert "--add-opens" in os.environ["JDK_JAVA_OPTIONS"]
given = json.load(open(sys.argv[4]))
scores = [dict(image_id=one["image_id"], scores=dict(All=dict(f=len(one["test"].split()) / 10))) for one in given]
json.dump(scores[::-1], open(sys.argv[sys.argv.index("-out") + 1], "w"))
"""
    )
    java.chmod(0o755)
    monkeypatch.setattr(spice, "_folder", lambda: tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: str(java))
    assert spice.spice([["a"], ["a", "dog"]], [[["a"]], [["b"]]]) == [0.1, 0.2]
    figures = caption_metrics({1: "A dog.", 2: "a"}, {1: ["a dog"], 2: ["it"]}, spice=True)
    assert figures["SPICE"] == pytest.approx(0.15)
    java.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(InputError, match="Java stopped"):
        spice.spice([["a"]], [[["a"]]])


def test_diversity_counts() -> None:
    candidates = {1: "A dog runs.", 2: "a dog runs", 3: "two red cats sit", 4: ""}
    assert diversity(candidates, ["a dog runs .", "a cat sits"]) == {
        "captions": 4,
        "in_training": 0.5,
        "distinct_captions": 3,
        "vocabulary": 7,
        "mean_length": 2.5,
    }
    with pytest.raises(InputError, match="no captions"):
        diversity({}, ["a dog"])


def test_the_tokeniser_has_a_name() -> None:
    assert "PTB" in TOKENISER


def test_a_thousand_pictures_take_no_time() -> None:
    lots = random.Random(0)
    vocabulary = [f"{word}{number}" for word in WORDS for number in "bcdefghijk"]
    references = {i: [" ".join(lots.choices(vocabulary, k=11)) for _ in range(5)] for i in range(1000)}
    began = time.process_time()
    caption_metrics({i: right[0] for i, right in references.items()}, references)
    assert time.process_time() - began < 5  # half a second on a quiet machine


@pytest.fixture(scope="module")
def anchor() -> Path:
    """A thousand machine captions of COCO, their references and coco-caption's figures, where they are at hand."""
    from wordsight.data.find import find

    try:
        return find("anchors/coco_caption", "captions with official figures")
    except InputError:
        pytest.skip("anchors/coco_caption is not at hand; set WORDSIGHT_SHARED to the folder that has it")


def anchor_files(anchor: Path) -> tuple[Path, Path]:
    return anchor / "captions_val2014_fakecap_results.json", anchor / "captions_val2014_subset.json"


def test_figures_equal_the_official_ones(anchor: Path) -> None:
    expected = json.loads((anchor / "expected.json").read_text())
    figures = caption_metrics_of_files(*anchor_files(anchor))
    assert figures["exact"] == 0, "which coco-caption does not have"
    theirs = [key for key in figures if key != "exact" and not key.endswith("any_length")]
    assert len(theirs) == 6
    for key in theirs:
        assert round(figures[key], 3) == expected[key], key


def test_counts_equal_the_official_ones(anchor: Path) -> None:
    expected = json.loads((anchor / "expected.json").read_text())["bleu_counts"]
    said, right = read_candidates(anchor_files(anchor)[0]), read_references(anchor_files(anchor)[1])
    counts = [
        bleu.counts(ptb.tokenise(caption), [ptb.tokenise(one) for one in right[picture]])
        for picture, caption in said.items()
    ]
    assert sum(row[-2] for row in counts) == expected["testlen"]
    assert [sum(row[n] for row in counts) for n in range(4)] == expected["correct"]
    assert sum(row[-1] for row in counts) == expected["reflen"]


@peers
def test_every_picture_equals_pycocoevalcap(anchor: Path) -> None:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    said, right = read_candidates(anchor_files(anchor)[0]), read_references(anchor_files(anchor)[1])
    theirs = PTBTokenizer()
    hypotheses = theirs.tokenize({picture: [{"caption": said[picture]}] for picture in right})
    known = theirs.tokenize({picture: [{"caption": one} for one in right[picture]] for picture in right})
    candidates = [ptb.tokenise(said[picture]) for picture in right]
    references = [[ptb.tokenise(one) for one in sentences] for sentences in right.values()]
    assert [[" ".join(words)] for words in candidates] == [hypotheses[picture] for picture in right]
    assert [[" ".join(words) for words in sentences] for sentences in references] == [known[one] for one in right]
    _, theirs_each = Bleu(4).compute_score(known, hypotheses, verbose=0)
    assert np.allclose(np.array(bleu.bleu(candidates, references)[1]).T, theirs_each, atol=1e-12)
    assert np.allclose(rouge.rouge_l(candidates, references), Rouge().compute_score(known, hypotheses)[1], atol=1e-12)
    assert np.allclose(cider.cider_d(candidates, references), Cider().compute_score(known, hypotheses)[1], atol=1e-12)


@peers
def test_tokens_are_those_of_java() -> None:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    plain = [caption for caption in OFFICIAL if caption.isascii()]  # Java's reading of the rest is the machine's
    found = PTBTokenizer().tokenize({number: [{"caption": caption}] for number, caption in enumerate(plain)})
    theirs = [" ".join(found[number][0].split()) for number in range(len(plain))]  # some have spaces that do not break
    assert theirs == [OFFICIAL[caption] for caption in plain]


@peers
def test_rouge_without_words_is_the_official_one() -> None:
    from pycocoevalcap.rouge.rouge import Rouge

    for said, right in (([], [["a"], []]), ([], [["a"]]), (["a"], [[], ["a"]])):
        theirs = Rouge().calc_score([" ".join(said)], [" ".join(one) for one in right])
        assert rouge.rouge_l([said], [right]) == [theirs]


@peers
def test_hard_captions_have_the_tokens_of_java() -> None:
    said = subprocess.run(
        [sys.executable, "benchmarks/tokens.py", "--captions", "1200", "--show", "0"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(said.stdout.split("|")[-2]) <= 6  # of 1,197


@peers
def test_meteor_equals_the_official_one(anchor: Path) -> None:
    expected = json.loads((anchor / "expected.json").read_text())
    figures = caption_metrics_of_files(*anchor_files(anchor), meteor=True)
    assert round(figures["METEOR"], 3) == expected["METEOR"]

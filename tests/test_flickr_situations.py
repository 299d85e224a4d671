"""Situations made of captions: what the rules read, and what is written."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.data.flickr_situations.chunks import Chunk, pieces_of
from wordsight.data.flickr_situations.events import Reader
from wordsight.data.flickr_situations.noun_words import head_of
from wordsight.data.flickr_situations.verb_words import bases_of, markers, meanings
from wordsight.data.flickr_situations.write import LEAST, write_situations
from wordsight.data.load import read_dataset
from wordsight.data.situations import Situations, load_situations
from wordsight.data.verbs import Verb
from wordsight.errors import InputError

TEMPLATES = {  # as imSitu's
    "running": "AGENT runs at a PLACE",
    "jumping": "an AGENT jumps from a SOURCE over/through an OBSTACLE and will end up at a DESTINATION at a PLACE",
    "chasing": "an AGENT chases the CHASEE at a PLACE",
    "catching": "an AGENT catches a CAUGHTITEM with a TOOL at a PLACE",
    "riding": "an AGENT rides then VEHICLE at a PLACE",
    "skating": "an AGENT skates by using a VEHICLE at a PLACE",
    "sitting": "an AGENT sits on a CONTACT at a PLACE",
    "carrying": "an AGENT carries an ITEM on their AGENTPART at a PLACE",
    "performing": "the AGENT performing the EVENT on the STAGE using a TOOL at a PLACE.",
    "competing": "AGENT is competing in COMPETITION in PLACE.",
    "swinging": "an AGENT swings on a CARRIER at a PLACE.",
    "climbing": "the AGENT climbs an OBSTACLE with a TOOL at a PLACE.",
    "blocking": "the BLOCKER blocked the BLOCKED with a TOOL in PLACE.",
    "pasting": "the AGENT used a CONNECTOR to paste an ITEM to an OBJECT in a PLACE.",
}
VERBS = {
    name: Verb(name, "", text, tuple(one.lower() for one in re.findall(r"\b[A-Z]{2,}\b", text)))
    for name, text in TEMPLATES.items()
}
READER = Reader(
    meanings(VERBS),
    {name: markers(verb) for name, verb in VERBS.items()},
    frozenset(("grass", "street", "field", "park", "water", "snow")),
    frozenset([("tool", "rope")]),
)
BOXES = {"1": [[1, 1, 50, 40]], "2": [[11, 21, 30, 40], [51, 61, 70, 80]]}


def sentence(text: str) -> dict[str, Any]:
    """A record of entities.json for "[A dog/animals 1] chases [a ball/other 2]": kinds, and chains if any."""
    words, phrases = list[str](), []
    for inside, word in re.findall(r"\[([^\]]+)\]|(\S+)", text):
        if word:
            words.append(word)
            continue
        said, _, kind = inside.partition("/")
        kind, _, chain = kind.partition(" ")
        phrase = said.split()
        phrases.append({"chain": chain or "0", "types": [kind], "start": len(words), "len": len(phrase), "text": said})
        words += phrase
    return {"text": " ".join(words), "phrases": phrases}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[A dog/animals] is running on [the grass/scene] .", "running agent=dog place=grass"),
        ("[Two dogs/animals] run after [a ball/other]", "chasing agent=dog chasee=ball"),
        ("[A man/people] with [a dog/animals] runs in [a park/scene]", "running agent=man place=park"),
        ("[A man/people] in [a shirt/clothing] jumps off [a rock/other] into [the water/scene]",
         "jumping agent=man source=rock destination=water"),
        ("[A man/people] with [a dog/animals] is running", "running agent=man"),
        ("[A car/vehicles] behind [a man/people] running", "running agent=man"),
        ("There are [five boys/people] running", "running agent=boy"),
        ("[A dog/animals] jumping over [the grass/scene]", "jumping agent=dog"),
        ("[A boy/people] and [a girl/people] are sitting on [a bench/other]", "sitting agent=people contact=bench"),
        ("[A boy/people] sits in [the street/scene]", "sitting agent=boy place=street"),
        ("[A woman/people] watches [a child/people] riding [a bike/vehicles] down [the street/scene]",
         "riding agent=child vehicle=bike place=street"),
        ("[A man/people] rides [a skateboard/other]", "skating agent=man vehicle=skateboard"),
        ("[A man/people] does [a trick/notvisual] on [his skateboard/other]", "skating agent=man vehicle=skateboard"),
        ("[A girl/people] skateboards", "skating agent=girl vehicle=skateboard"),
        ("[A girl/people] plays on [a swing/other]", "swinging agent=girl carrier=swing"),
        ("[Men/people] play [soccer/other] on [a field/scene]", "competing agent=man competition=soccer place=field"),
        ("[A man/people] plays [the guitar/instruments]", "performing agent=man tool=guitar"),
        ("[A dog/animals] holds [a stick/other] in [its mouth/bodyparts]",
         "carrying agent=dog item=stick agentpart=mouth"),
        ("[A dog/animals] tries to catch [a ball/other]", ""),
        ("[A dog/animals] begins to climb [a wall/other]", "climbing agent=dog obstacle=wall"),
        ("[A man/people] climbs [a wall/other] with [a friend/people]", "climbing agent=man obstacle=wall"),
        ("[A man/people] climbs [a wall/other] with [a rope/other]", "climbing agent=man obstacle=wall tool=rope"),
        ("[A man/people] holds [a ball/other] .", ""),
        ("[A batter/people] swings [a bat/other]", ""),
        ("[A man/people] stands past [the wall/other]", ""),  # no "pasting"
        ("[A dog/animals] that is running in front of [the grass/scene]", "running agent=dog"),
        ("running in [the snow/scene]", ""),
    ],
)  # fmt: skip
def test_events(text: str, said: str) -> None:
    found = [
        " ".join(
            [event.verb]
            + [f"{role}={chunk.head}" for role, chunk in event.roles.items()]
            + [f"place={chunk.head}" for chunk in event.places[:1]]
        )
        for event in READER.events(pieces_of(sentence(text), "here"))
    ]
    assert found == ([said] if said else [])


@pytest.mark.parametrize(
    ("phrase", "head"),
    [
        ("a young boy", "boy"), ("a group of young boys", "boy"), ("a body of water", "water"), ("the women", "woman"),
        ("a golden retriever", "dog"), ("two puppies", "dog"), ("a black and white dog", "dog"), ("the grass", "grass"),
        ("a man with a hat", "man"), ("the other side", ""), ("a red", ""), ("a dirt bike", "motorcycle"),
        ("the top of the stairs", "steps"), ("a track outside", "track"), ("children", "child"), ("!", ""),
    ],
)  # fmt: skip
def test_head_nouns(phrase: str, head: str) -> None:
    assert head_of(phrase.split()) == head


def test_forms_of_verbs() -> None:
    assert bases_of("running")[0] == "run"
    assert "ride" in bases_of("riding")
    found = meanings(VERBS)
    for word in ("run", "runs", "running", "sprints", "sits", "sitting", "rides", "riding", "carries", "seated"):
        assert word in found, word
    assert found["leaps"].verb == "jumping"
    assert "past" not in found
    assert "skied" not in found


def test_markers_are_those_of_templates() -> None:
    assert markers(VERBS["blocking"]) == {
        "blocker": frozenset([""]),
        "blocked": frozenset(["-"]),
        "tool": frozenset(["with", "using"]),
    }
    assert markers(VERBS["running"]) == {"agent": frozenset([""])}


def test_pieces_name_the_place_of_a_fault() -> None:
    whole = sentence("[A dog/animals 7] runs")
    assert pieces_of(whole, "here") == [Chunk("animals", "dog", "7"), "runs"]
    whole["phrases"] *= 2
    with pytest.raises(InputError, match=r"here, phrases\[1\]: words 0 to 2"):
        pieces_of(whole, "here")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """imSitu's tables, small: "dog" has two synsets, of which one is used more."""
    folder = tmp_path / "imsitu"
    folder.mkdir()
    verbs = {
        name: {"abstract": verb.template, "def": "", "order": verb.roles, "roles": {role: {} for role in verb.roles}}
        for name, verb in VERBS.items()
    }
    nouns = {"n1": {"gloss": ["dog"]}, "n2": {"gloss": ["dog"]}, "n3": {"gloss": ["ball"]}}
    (folder / "imsitu_space.json").write_text(json.dumps({"verbs": verbs, "nouns": nouns}))
    frames = [{"agent": "n1", "place": ""}, {"agent": "n2", "place": ""}, {"agent": "n1", "place": "n3"}]
    (folder / "train.json").write_text(json.dumps({"x.jpg": {"verb": "running", "frames": frames}}))
    return folder


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    """A dataset in which dogs chase balls, and in its last pictures climb."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    chasing = [
        "[A dog/animals 1] is chasing [a ball/other 2] on [the grass/scene]",
        "[The brown puppy/animals 1] chases [two balls/other 2] .",
        "[A dog/animals 1] runs after [it/notvisual]",
        "[A dog/animals 1] runs on [the grass/scene]",
        "[A dog/animals 1] is climbing",
    ]
    climbing = [*["[A man/people] climbs [a wall/other]"] * 2, *["[A man/people 1] runs"] * 2]
    images, records = [], {}
    for number in range(LEAST + 4):
        name, split = f"{number}.jpg", "val" if number == 1 else "train"
        said = [sentence(text) for text in (climbing if number >= LEAST + 2 else chasing)]
        records[name] = {"w": 100, "h": 80, "sentences": said, "boxes_xyxy_1based": BOXES}
        images.append({"filename": name, "split": split, "sentences": [{"raw": one["text"]} for one in said]})
        Image.new("RGB", (10, 8)).save(folder / "images" / name)
    (folder / "dataset.json").write_text(json.dumps({"images": images}))
    (folder / "entities.json").write_text(json.dumps(records))
    return folder


def made(captioned: Path, tables: Path, out: Path) -> Situations:
    write_situations(read_dataset(captioned), load_situations(tables), out)
    return load_situations(out)


def test_five_sentences_are_annotators(captioned: Path, tables: Path, tmp_path: Path) -> None:
    found = made(captioned, tables, tmp_path / "out")
    assert found.faults == ()
    assert found.splits == {"train": LEAST + 1, "val": 1}
    assert list(found.verbs) == ["chasing"]  # climbing is too rare, and so is running
    (one,) = found.split("val")
    assert one.path == captioned / "images" / "1.jpg"
    assert found.verbs["chasing"] == load_situations(tables).verbs["chasing"]
    assert one.frames == ({"agent": "n1", "chasee": "n3", "place": "grass"},) * 3  # the second and third say less
    assert found.nouns == {"n1": "dog", "n3": "ball", "grass": "grass"}
    assert one.boxes == {"agent": (0.0, 0.0, 0.5, 0.5), "chasee": (0.1, 0.25, 0.7, 1.0)}


def test_the_same_is_made_again(captioned: Path, tables: Path, tmp_path: Path) -> None:
    made(captioned, tables, tmp_path / "a")
    made(captioned, tables, tmp_path / "b")
    for file in ("imsitu_space.json", "train.json", "dev.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_command(captioned: Path, tables: Path, tmp_path: Path) -> None:
    arguments = ["data", "situations", str(captioned), "-o", str(tmp_path / "out"), "--verbs", str(tables)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert f"train: {LEAST + 1} pictures, 1 verbs, {3 * LEAST + 3} frames, 3 nouns, 3.00 roles filled" in done.stdout
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "expected an empty or new folder" in again.stderr


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data, _: (data / "entities.json").unlink(), "entities.json is missing"),
        (lambda data, _: (data / "entities.json").write_text("[]"), "expected records by picture, found a list"),
        (lambda data, _: (data / "entities.json").write_text("{}"), "expected a verb of imSitu in the sentences"),
        (lambda data, _: (data / "entities.json").write_text('{"0.jpg": {"w": 1}}'), "0.jpg: the key 'sentences'"),
        (lambda _, tables: (tables / "imsitu_space.json").unlink(), "no table of verbs and roles"),
        (lambda _, tables: (tables / "train.json").unlink(), "has no situations"),
    ],
)
def test_what_is_missing_is_said(captioned: Path, tables: Path, tmp_path: Path, spoil: Any, said: str) -> None:
    spoil(captioned, tables)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["data", "situations", str(captioned), "-o", str(out), "--verbs", str(tables)])
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()

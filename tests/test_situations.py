"""Situations from data to answers: training, measuring, comparing, and the command."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import wordsight
from wordsight.cli.main import app
from wordsight.comparison.compare import compare
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.recipe import parse
from wordsight.runs.recognised import filled
from wordsight.runs.recogniser import Recogniser, load_recogniser
from wordsight.runs.role_connections import connections
from wordsight.text.agreement import is_plural, plural_verb
from wordsight.training.trainer import train

QUIET = Progress(quiet=True)
VERBS = {
    "jumping": {"abstract": "the AGENT jumps over an OBSTACLE at a PLACE", "roles": ["agent", "obstacle", "place"]},
    "raining": {"abstract": "it rains at a PLACE.", "roles": ["place"]},
}
NOUNS = {"n1": "dog", "n2": "elephant", "n3": "fence", "n4": "street", "n5": "zebra"}
COLOURS = {"n1": (200, 30, 30), "n2": (30, 30, 200), "n4": (40, 160, 40)}
RECIPE = """
data = {{path = "{data}", min_count = 2}}
regions = {{backbones = ["filters"], regions = 3, detections = 0, size = 64}}
train = {{epochs = {epochs}, batch = 8, lr = 1e-2}}
model = {{name = "{model}"{more}}}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain pictures: in red ones a dog jumps over a fence, in blue ones an elephant jumps, in green ones it rains."""
    folder = tmp_path_factory.mktemp("situations")
    space = {
        "verbs": {
            verb: {"framenet": "", "def": "", "abstract": one["abstract"], "order": one["roles"]}
            | {"roles": {role: {"framenet": "", "def": ""} for role in one["roles"]}}
            for verb, one in VERBS.items()
        },
        "nouns": {noun: {"gloss": [word], "def": ""} for noun, word in NOUNS.items()},
    }
    (folder / "imsitu_space.json").write_text(json.dumps(space))
    for file, first, count in (("train", 0, 21), ("dev", 21, 9)):
        rows = {}
        for number in range(first, first + count):
            noun = list(COLOURS)[number % 3]
            shade = np.array(COLOURS[noun]) + np.random.default_rng(number).integers(-20, 20, (48, 64, 3))
            Image.fromarray(shade.clip(0, 255).astype(np.uint8)).save(folder / f"p{number}.png")
            place = {"place": "n4"}
            frame = place if noun == "n4" else {"agent": noun, "obstacle": "n3" if noun == "n1" else "", **place}
            verb = "raining" if noun == "n4" else "jumping"
            rows[f"p{number}.png"] = {"verb": verb, "frames": [frame, frame], "width": 64, "height": 48}
            rows[f"p{number}.png"]["bb"] = {role: [1, 1, 60, 44] for role in frame}
        (folder / f"{file}.json").write_text(json.dumps(rows))
    return folder


def trained_run(data: Path, out: Path, model: str = "graph_net", more: str = ", hidden = 16", epochs: int = 12) -> Path:
    train(parse(RECIPE.format(data=data, model=model, more=more, epochs=epochs)), out, progress=QUIET)
    return out


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_run(data, tmp_path_factory.mktemp("runs") / "full")


@pytest.fixture(scope="module")
def nearest(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_run(data, tmp_path_factory.mktemp("runs") / "nearest", "nearest_situation", "")


def cli(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.output


def test_it_learns_and_says_what_is_done(run: Path, data: Path) -> None:
    found = wordsight.load_recogniser(run).recognise(data / "p21.png")
    assert found.verb == "jumping" and found.sure and found.confidence > 0.5
    assert [(one.role, one.word) for one in found.roles] == [
        ("agent", "dog"),
        ("obstacle", "fence"),
        ("place", "street"),
    ]
    assert found.sentence == "the dog jumps over a fence at a street"
    blue = load_recogniser(run).recognise(data / "p22.png")
    assert [one.word for one in blue.roles] == ["elephant", "", "street"]
    assert blue.sentence == "the elephant jumps at a street"
    rain = load_recogniser(run).recognise(data / "p22.png", verb="raining")
    assert [one.role for one in rain.roles] == ["place"] and not rain.sure


@pytest.mark.parametrize("model", ["situation_crf", "nearest_situation"])
def test_the_baselines_train_and_answer(model: str, data: Path, tmp_path: Path) -> None:
    more = ", hidden = 16" if model == "situation_crf" else ""
    made = load_recogniser(trained_run(data, tmp_path / "run", model, more))
    assert made.recognise(data / "p22.png").verb == "jumping"
    assert made.recognise(data / "p23.png").verb == "raining"


def test_a_resumed_training_is_the_same(run: Path, data: Path, tmp_path: Path) -> None:
    settings = parse(RECIPE.format(data=data, model="graph_net", more=", hidden = 16", epochs=12))
    shutil.copytree(run, tmp_path / "run")
    again = train(settings, tmp_path / "run", resume=True, progress=QUIET)
    assert again["best"] == load_recogniser(run).checkpoint.metrics["best"]


def test_eval_measures_verbs_nouns_and_boxes(run: Path, data: Path, trained: Path) -> None:
    code, said = cli("eval", run, "--grounding", "--alignment", trained, "--json")
    assert code == 0, said
    figures = json.loads(said[said.index("{") :])
    assert figures["verb_top1"] == 100 and figures["value_gold"] > 90
    assert figures["frequent_image_verb_top1"] == pytest.approx(100 * 6 / 9, abs=0.01)
    assert figures["grounded_roles"] > 10 and 0 <= figures["grounded_iou"] <= 100
    assert "dog" in (run / "report-val" / "report.html").read_text()
    code, said = cli("eval", run, "--no-report")
    assert "frequent" in said and "mean of pictures" in said


def test_compare_puts_runs_side_by_side(run: Path, nearest: Path, tmp_path: Path) -> None:
    found = compare([run, nearest], tmp_path / "out", progress=QUIET)
    shown = found.to_json()["situations"]
    assert {row["name"] for row in shown["rows"]} == {"full", "nearest"}
    assert set(shown["differences"]) == {"mean", "value_top1", "all_top1"}
    assert "jumping: agent dog" in "".join(path.read_text() for path in (tmp_path / "out" / "pictures").iterdir())


def test_the_command_draws_with_boxes(run: Path, data: Path, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    code, said = cli("situation", data / "p21.png", "--run", run, "--alignment", trained, "-o", out, "--json")
    assert code == 0, said
    (found,) = json.loads(said)["pictures"]
    assert found["verb"] == "jumping" and len(found["roles"][0]["box"]) == 4
    assert Image.open(out).size[0] == 900
    code, said = cli("situation", data / "p21.png", "--run", run, "--no-boxes")
    assert code == 0 and "dog" in said and " at " not in said.replace("at a", "")


def test_folders_and_many_pictures_are_looked_at(run: Path, data: Path, trained: Path, tmp_path: Path) -> None:
    for number in (21, 22):
        shutil.copy(data / f"p{number}.png", tmp_path)
    (tmp_path / "broken.png").write_text("no picture")
    code, said = cli("situation", tmp_path, data / "p23.png", "--run", run, "--alignment", trained, "--json")
    assert code == 0, said
    found = json.loads(said[said.index("{") :])
    assert [Path(one["picture"]).name for one in found["pictures"]] == ["p21.png", "p22.png", "p23.png"]
    assert [one["verb"] for one in found["pictures"]] == ["jumping", "jumping", "raining"]
    assert [*found["broken"]] == [str(tmp_path / "broken.png")] and "1 left out" in said
    alone = load_recogniser(run).recognise(data / "p21.png", aligner=wordsight.load(trained)).to_json()
    assert found["pictures"][0]["roles"][0]["box"] == pytest.approx(alone["roles"][0]["box"])
    assert found["pictures"][0]["confidence"] == pytest.approx(alone["confidence"], abs=1e-3)
    code, said = cli("situation", tmp_path / "p2*.png", "--run", run, "--no-boxes", "--verb", "raining")
    assert code == 0 and str(tmp_path / "p22.png") in said and said.count("raining") == 2


def test_a_clip_is_looked_at_in_its_middle(run: Path, data: Path, trained: Path, tmp_path: Path) -> None:
    frames = [Image.open(data / f"p{number}.png").convert("RGB").resize((128, 96)) for number in (23, 21, 23)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:], duration=500)
    asked = [tmp_path / "clip.gif#t=0.5,1", "--run", run, "--alignment", trained]
    code, said = cli("situation", *asked, "-o", tmp_path / "out.png")
    assert code == 0 and "jumping" in said, said
    assert Image.open(tmp_path / "out.png").getpixel((450, 300))[0] > 150  # type: ignore[index]


def test_it_says_when_it_does_not_know(run: Path, data: Path) -> None:
    recogniser = load_recogniser(run)
    recogniser.checkpoint.metrics["best"]["sure_verb"] = 1.1  # type: ignore[index]
    found = recogniser.recognise(data / "p21.png")
    assert not found.sure and str(found).startswith("I do not know what is done here; the likeliest is jumping")
    asked = recogniser.recognise(data / "p21.png", verb="jumping")
    assert str(asked).startswith("I do not know what is done here; jumping (") and "was asked for" in str(asked)


def test_connections_are_measured_and_drawn(run: Path, tmp_path: Path) -> None:
    found = connections(load_recogniser(run), "jumping", progress=QUIET)
    assert found.roles == ("agent", "obstacle", "place") and found.pictures == 6
    assert len(found.to_json()["connections"]) == 9  # from the verb and two others to each role
    out = tmp_path / "graph.png"
    code, said = cli("situation", "--connections", "jumping", "--run", run, "-o", out)
    assert code == 0 and "->" in said
    assert Image.open(out).size == (700, 700)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["p21.png", "--verb", "jmping"], "did you mean 'jumping'?"),
        (["p21.png", "-o", "out.nothing"], "expected a name that ends in .png or .jpg"),
        (["--connections", "raining", "--verb", "jumping"], "--verb and --alignment go with a picture"),
        (["p21.png", "--connections", "raining"], "one of the two"),
        (["p21.png", "p22.png", "-o", "out.png"], "out.png: expected one picture to draw on, found 2"),
        (["p21.png", "--no-boxes", "--alignment", "x"], "--alignment finds the boxes"),
        (["imsitu_space.json"], "not a picture that can be read"),
        (["imsitu_space.json", "nowhere.png"], "None of the 2 pictures can be used"),
        ([], "one of the two"),
        (["nowhere.png"], "nowhere.png"),
    ],
)
def test_bad_words_are_one_sentence(words: list[str], said: str, run: Path, data: Path) -> None:
    asked = [str(data / word) if (data / word).is_file() else word for word in words]
    code, found = cli("situation", *asked, "--run", run)
    assert code == 2 and said in found and "Traceback" not in found


def test_a_run_of_another_kind_is_refused(trained: Path, run: Path, nearest: Path, data: Path, tmp_path: Path) -> None:
    code, said = cli("situation", data / "p21.png", "--run", trained)
    assert code == 2 and "aligns words and regions" in said and "expected one that finds situations" in said
    code, said = cli("ground", data / "p21.png", "a dog", "--model", run)
    assert code == 2 and "this one is for `wordsight situation`" in said
    code, said = cli("compare", trained, run, "-o", tmp_path / "out")
    assert code == 2 and "compare runs of the same data" in said
    code, said = cli("situation", "--connections", "jumping", "--run", nearest)
    assert code == 2 and "expected a 'graph_net' with messages" in said
    code, said = cli("eval", run, "--alignment", trained)
    assert code == 2 and "expected with --grounding" in said


def changed(data: Path, tmp_path: Path, verb: str, frame: dict[str, str]) -> Path:
    """The data with a verb and frame for every picture."""
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    for file in ("train.json", "dev.json"):
        rows = json.loads((folder / file).read_text())
        for row in rows.values():
            row |= {"verb": verb, "frames": [frame]}
            row.pop("bb")
        (folder / file).write_text(json.dumps(rows))
    return folder


def test_one_verb_is_nothing_to_learn(data: Path, tmp_path: Path) -> None:
    folder = changed(data, tmp_path, "raining", {"place": "n4"})
    with pytest.raises(InputError, match="have one verb; expected two at least"):
        trained_run(folder, tmp_path / "run")


def test_data_without_boxes_measure_no_boxes(run: Path, data: Path, trained: Path, tmp_path: Path) -> None:
    folder = changed(data, tmp_path, "raining", {"place": "n5"})
    code, said = cli("eval", run, "--data", folder, "--grounding", "--alignment", trained)
    assert code == 2 and "have no boxes" in said
    code, said = cli("eval", run, "--data", folder, "--json", "--no-report")
    assert code == 0 and json.loads(said)["value_gold"] == 0  # a noun that the run does not know is never right


@pytest.mark.parametrize("key", ['data.also=["x"]', "text.vectors=x", "data.alignment=x", "train.reward_epochs=1"])
def test_keys_for_sentences_are_refused(key: str, data: Path, tmp_path: Path) -> None:
    content = RECIPE.format(data=data, model="graph_net", more="", epochs=1)
    with pytest.raises(InputError, match=key.partition("=")[0]):
        train(parse(content, [key]), tmp_path / "run", progress=QUIET)
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_checkpoint_of_other_nouns_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    config["config"]["glosses"] = config["config"]["glosses"][:-1]
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="glosses"):
        load_recogniser(tmp_path / "run")


@pytest.mark.parametrize(
    ("template", "words", "sentence", "spans"),
    [
        ("an AGENT rides a VEHICLE.", {"agent": "dog", "vehicle": "bus"}, "a dog rides a bus.", [(1, 2), (4, 5)]),
        ("AGENT sits on a CONTACT", {"agent": "elephant", "contact": ""}, "elephant sits", [(0, 1), None]),
        ("an AGENT cleans the SOURCE", {"agent": "man", "source": ""}, "a man cleans something", [(1, 2), None]),
        ("the AGENT eats FOOD with a TOOL at a PLACE",
         {"agent": "man", "food": "ice cream", "tool": "", "place": "park"},
         "the man eats ice cream at a park", [(1, 2), (3, 5), None, (7, 8)]),
        ("", {"agent": "man", "place": "beach"}, "man running beach", [(0, 1), (2, 3)]),
        ("an AGENT jumps (over AGENT)", {"agent": "elephant"}, "an elephant jumps", [(1, 2)]),
        ("an AGENT jumps from a SOURCE and will end up at a DESTINATION",
         {"agent": "boy", "source": "", "destination": ""}, "a boy jumps", [(1, 2), None, None]),
        ("an AGENT walks at a PLACE", {"agent": "people", "place": "beach"},
         "people walk at a beach", [(0, 1), (4, 5)]),
        ("AGENT is standing in PLACE.", {"agent": "dogs", "place": "street"},
         "dogs are standing in street.", [(0, 1), (4, 5)]),
        ("AGENT is standing in PLACE.", {"agent": "group of men", "place": ""},
         "group of men is standing.", [(0, 3), None]),
        ("the AGENT fetches the ITEM from SOURCE and brings it to DESTINATION",
         {"agent": "children", "item": "glass", "source": "house", "destination": "yard"},
         "the children fetch the glass from house and bring it to yard", [(1, 2), (4, 5), (6, 7), (11, 12)]),
        ("the AGENT throws an ITEM towards a DESTINATION", {"agent": "man", "item": "balls", "destination": "boys"},
         "the man throws balls towards boys", [(1, 2), (3, 4), (5, 6)]),
        ("it rains at the PLACE", {"place": "steps"}, "it rains at the steps", [(4, 5)]),
    ],
)  # fmt: skip
def test_a_template_is_filled(
    template: str, words: dict[str, str], sentence: str, spans: list[tuple[int, int] | None]
) -> None:
    said, found = filled(template, "running", words)
    assert said == sentence
    assert [found.get(role) for role in words] == spans


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        ("walks", "walk"), ("sits", "sit"), ("is", "are"), ("has", "have"), ("uses", "use"), ("carries", "carry"),
        ("ties", "tie"), ("pushes", "push"), ("catches", "catch"), ("attaches", "attach"), ("aches", "ache"),
        ("presses", "press"), ("fixes", "fix"), ("squeezes", "squeeze"), ("goes", "go"), ("sat", "sat"),
        ("press", "press"), ("focuses", "focus"), ("pauses", "pause"),
    ],
)  # fmt: skip
def test_a_verb_agrees_with_a_plural(verb: str, form: str) -> None:
    assert plural_verb(verb) == form


def test_plural_nouns_are_known() -> None:
    plural = [
        "people",
        "firemen",
        "children",
        "two dogs",
        "pandas",
        "glasses",
        "clothes",
        "cups of tea",
        "police",
        "skis",
    ]
    single = [
        "man",
        "bus",
        "grass",
        "tennis",
        "canvas",
        "cup of noodles",
        "outdoors",
        "gas",
        "specimen",
        "ramen",
        "",
        "gymnastics",
    ]
    assert all(map(is_plural, plural)) and not any(map(is_plural, single))


def test_a_recogniser_is_public() -> None:
    assert wordsight.Recogniser is Recogniser

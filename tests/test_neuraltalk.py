"""NeuralTalk's checkpoints: the same logits as its own equations, and nothing in a pickle is run."""

import codecs
import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from wordsight.batch import Regions
from wordsight.cli.main import app
from wordsight.errors import InputError
from wordsight.runs.captioner import load_captioner
from wordsight.runs.neuraltalk import import_neuraltalk

WORDS = ["a", "dog", "runs", "on", "snow"]
FEATURES, SIZE = 20, 8


def layout(generator: str, **params: Any) -> dict[str, Any]:
    """A checkpoint as NeuralTalk pickles it."""
    lots = np.random.default_rng(0)

    def weights(*shape: int) -> Any:
        return lots.normal(0, 0.4, shape)

    count = len(WORDS) + 1
    model = {"We": weights(FEATURES, SIZE), "be": weights(1, SIZE), "Ws": weights(count, SIZE)}
    model |= {"Wd": weights(SIZE, count), "bd": weights(1, count)}
    if generator == "lstm":
        model["WLSTM"] = weights(2 * SIZE + 1, 4 * SIZE)
    else:
        model |= {"Whh": weights(SIZE, SIZE), "bhh": weights(1, SIZE)}
        model |= {"Wxh": weights(SIZE, SIZE), "bxh": weights(1, SIZE)}
    return {
        "it": 5,
        "epoch": 0.5,
        "model": model,
        "params": {"generator": generator, **params},
        "perplexity": 16.2,
        "wordtoix": {"#START#": 0} | {word: number for number, word in enumerate(WORDS, 1)},
        "ixtoword": {0: "."} | dict(enumerate(WORDS, 1)),
    }


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def by_its_equations(content: dict[str, Any], feature: Any, words: list[int]) -> Any:
    """The logits after START and each word, step by step, as the layout's own program computes them."""
    m, params = content["model"], content["params"]
    picture, said = feature @ m["We"] + m["be"][0], m["Ws"][[0, *words]]
    h, c, states = np.zeros(SIZE), np.zeros(SIZE), []
    if params["generator"] == "lstm":
        for x in np.vstack([picture, said]):
            ifog = np.concatenate([[1.0], x, h]) @ m["WLSTM"]
            i, f, o = sigmoid(ifog[: 3 * SIZE]).reshape(3, SIZE)
            c = i * np.tanh(ifog[3 * SIZE :]) + f * c
            h = o * (np.tanh(c) if params.get("tanhC_version") else c)
            states.append(h)
        states = states[1:]  # the first is of the picture
    else:
        said = said @ m["Wxh"] + m["bxh"]
        if params.get("rnn_relu_encoders"):
            said, picture = np.maximum(said, 0), np.maximum(picture, 0)
        for number, x in enumerate(said):
            seen = picture if number == 0 or not params.get("rnn_feed_once") else 0
            h = np.maximum(seen + x + h @ m["Whh"] + m["bhh"][0], 0)
            states.append(h)
    return np.stack(states) @ m["Wd"] + m["bd"]


VARIANTS = [
    {"generator": "lstm"},
    {"generator": "lstm", "tanhC_version": 1, "rnn_feed_once": 0},
    {"generator": "rnn"},
    {"generator": "rnn", "rnn_feed_once": 1},
    {"generator": "rnn", "rnn_relu_encoders": 1},
]


@pytest.mark.parametrize("params", VARIANTS, ids=str)
@pytest.mark.parametrize("protocol", [0, 1, 2, 5])
def test_logits_are_those_of_its_equations(params: dict[str, Any], protocol: int, tmp_path: Path) -> None:
    content = layout(**params)
    (file := tmp_path / "model.p").write_bytes(pickle.dumps(content, protocol=protocol))
    import_neuraltalk(file, tmp_path / "run")
    run = load_captioner(tmp_path / "run")
    assert run.vocabulary.words == ("<end>", "<unk>", *WORDS)
    feature, words = np.random.default_rng(1).normal(size=FEATURES), [1, 2, 3, 5]
    seen = torch.tensor(feature, dtype=torch.float32)[None, None]
    with torch.no_grad():
        state, found = run.model.start(Regions(seen, torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, 4))), []
        for word in [0, *(number + 1 for number in words)]:
            logits, state = run.model.step(state, torch.tensor([word]))
            found.append(logits[0, [0, *range(2, len(WORDS) + 2)]].numpy())
    np.testing.assert_allclose(np.stack(found), by_its_equations(content, feature, words), atol=1e-5)
    with pytest.raises(InputError, match="a run is here already"):
        import_neuraltalk(file, tmp_path / "run")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.p", tmp_path):
        with pytest.raises(InputError, match=f"{path} cannot be read: "):
            import_neuraltalk(path, tmp_path / "run")


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_nothing_in_a_pickle_is_run(tmp_path: Path) -> None:
    (file := tmp_path / "evil.p").write_bytes(pickle.dumps({"model": Evil(tmp_path / "made")}, protocol=2))
    with pytest.raises(InputError, match="arrays and plain values alone are read"):
        import_neuraltalk(file, tmp_path / "run")
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "run").exists()


HUGE = b"cnumpy\nndarray\n((I100000\nI100000\ntS'f8'\ntR."
HUGE_EMPTY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I99999999999\ntS'b'\ntR."


@pytest.mark.parametrize("content", [HUGE, HUGE_EMPTY, b"(" + HUGE[:-1] * 50 + b"l."])
def test_a_small_pickle_takes_little_memory(content: bytes, tmp_path: Path) -> None:
    (file := tmp_path / "model.p").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match="not a"):
        import_neuraltalk(file, tmp_path / "run")
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["f2", ">f8", "O"])
def test_arrays_of_other_real_numbers_are_read(kind: str, tmp_path: Path) -> None:
    content = layout("lstm")
    content["model"] = {key: value.astype(kind) for key, value in content["model"].items()}
    content["ixtoword"][2] = "café".encode().decode("latin1")  # bytes of Python 2
    (file := tmp_path / "model.p").write_bytes(pickle.dumps(content, protocol=2))
    made = import_neuraltalk(file, tmp_path / "run")
    assert made.vocabulary.words[3] == "café"
    weights = made.model.state_dict()["picture.weight"]
    np.testing.assert_allclose(weights, layout("lstm")["model"]["We"].T, atol=1e-3)


def nested(levels: int = 5) -> Any:
    """A list of lists, each of them a hundred times the same: some hundred bytes in a pickle, 100**levels numbers."""
    value: Any = 1.0
    for _ in range(levels):
        value = [value] * 100
    return value


@pytest.mark.parametrize("change", ["model", "params", "ixtoword"])
def test_lists_in_lists_are_not_unfolded(change: str, tmp_path: Path) -> None:
    content = layout("lstm")
    content[change][{"model": "We", "params": "generator", "ixtoword": 1}[change]] = nested()
    (file := tmp_path / "model.p").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(InputError, match=r"not a checkpoint of NeuralTalk.* a list"):
        import_neuraltalk(file, tmp_path / "run")


class Calls:
    """What a pickle asks to be called with."""

    def __init__(self, function: Any, *given: Any) -> None:
        self.call = function, given

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("call", [Calls(np.dtype, nested()), Calls(codecs.encode, "a", nested())])
def test_what_a_pickle_asks_for_is_not_printed_at_length(call: Calls, tmp_path: Path) -> None:
    (file := tmp_path / "model.p").write_bytes(pickle.dumps(call, protocol=2))
    with pytest.raises(InputError, match="it asks for") as caught:
        import_neuraltalk(file, tmp_path / "run")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("generator", ["lstm", "rnn"])
@pytest.mark.parametrize("empty", ["We", "Wd", "Ws"])
def test_sizes_of_zero_are_refused(generator: str, empty: str, tmp_path: Path) -> None:
    content = layout(generator)
    model = content["model"]
    if empty == "Wd":  # no hidden state
        few = {"WLSTM": (1 + SIZE, 0), "Wxh": (SIZE, 0), "bxh": (1, 0), "Whh": (0, 0), "bhh": (1, 0)}
        few["Wd"] = (0, len(WORDS) + 1)
        few |= {"We": (FEATURES, 0), "be": (1, 0)} if generator == "rnn" else {}
    elif empty == "Ws":  # word vectors without numbers
        few = {"WLSTM": (1 + SIZE, 4 * SIZE), "Wxh": (0, SIZE), "Ws": (len(WORDS) + 1, 0)}
        few |= {"We": (FEATURES, 0), "be": (1, 0)} if generator == "lstm" else {}
    else:
        few = {"We": (0, SIZE)}
    content["model"] = model | {key: np.zeros(shape) for key, shape in few.items() if key in model}
    (file := tmp_path / "model.p").write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(InputError, match=r"has the shape \(.*0.*\), expected rows and columns"):
        import_neuraltalk(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("key", "inner"), [("perplexity", None), ("params", "drop_prob_decoder")])
def test_numbers_too_large_are_refused_in_a_sentence(key: str, inner: str | None, tmp_path: Path) -> None:
    content = layout("lstm")
    content[key] = content[key] | {inner: 10**400} if inner else 10**400
    (file := tmp_path / "model.p").write_bytes(pickle.dumps(content, protocol=2))
    result = CliRunner().invoke(app, ["import-neuraltalk", str(file), "-o", str(tmp_path / "run")])
    assert result.exit_code == 2 and f"{inner or key} is too large a number" in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


WRONG: list[tuple[str, Any, Any, str]] = [
    ("params", "generator", "gru", "the generator is 'gru', expected 'lstm' or 'rnn'"),
    ("params", "drop_prob_decoder", float("nan"), "drop_prob_decoder is nan"),
    ("model", "We", np.full((FEATURES, SIZE), 1e300), "We is not of finite numbers"),
    ("model", "be", np.array([["a"] * SIZE], dtype=object), "be is an array of object"),
    ("model", "WLSTM", np.zeros((3, 4 * SIZE)), r"WLSTM has the shape \(3, 32\), expected \(17, 32\)"),
    ("model", "Wd", np.zeros((10**5, len(WORDS) + 1)), r"WLSTM has the shape \(17, 32\), expected \(100009, 400000\)"),
    ("model", "be", [0.0] * SIZE, "be is a list, expected an array"),
    ("model", "Ws", np.zeros(SIZE), r"Ws has the shape \(8,\), expected rows and columns"),
    ("ixtoword", len(WORDS) + 1, "cat", "1 of the words in 'ixtoword' have no row in 'Ws', which has 6"),
    *(("ixtoword", 2, word, r"'ixtoword' has .* at 2, expected a word") for word in ("", 7, b"a")),
]


@pytest.mark.parametrize(("key", "inner", "value", "said"), WRONG)
def test_values_that_cannot_be_are_refused(key: str, inner: Any, value: Any, said: str, tmp_path: Path) -> None:
    content = layout("lstm")
    content[key][inner] = value
    (file := tmp_path / "model.p").write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(InputError, match=f"not a checkpoint of NeuralTalk.*{said}"):
        import_neuraltalk(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def lacking(key: str) -> bytes:
    content = layout("lstm")
    del content["model"][key]
    return pickle.dumps(content, protocol=2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a pickle"),
        (b"hello", "not a pickle"),
        (pickle.dumps([1, 2], protocol=2), "not a checkpoint of NeuralTalk"),
        (pickle.dumps(layout("lstm"), protocol=2)[:400], "not a pickle"),
        (lacking("Wd"), "not a checkpoint of NeuralTalk.*'Wd'"),
        (lacking("WLSTM"), "not a checkpoint of NeuralTalk.*'WLSTM'"),
    ],
)
def test_other_files_are_refused_in_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    (file := tmp_path / "model.p").write_bytes(content)
    with pytest.raises(InputError, match=said):
        import_neuraltalk(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()

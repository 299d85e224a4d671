"""Pretrained dual encoders, made tiny and random: they rank as transformers does, and show where words went."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.comparison.compare import compare
from wordsight.errors import InputError
from wordsight.evaluation.alignment import measure
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.search import compact
from wordsight.search.catalog import Catalog
from wordsight.search.find import Search
from wordsight.search.index import Index
from wordsight.search.options import SearchOptions
from wordsight.search.query import Like, terms
from wordsight.vision.dual_source import find_dual, is_dual
from wordsight.vision.dual_towers import DualTowers

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

KINDS = ("clip", "siglip", "siglip2")
SIDE, LONGEST = 32, 16
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SENTENCES = ["a red dog on the grass", "two cats", "A Blue bird, flying over a very long and winding road to the sea"]
QUIET = Progress(quiet=True)


def tokenizer(bare: bool) -> Any:
    """One that reads letters; `bare` gives no mask, as those of SigLIP."""
    letters = ["<pad>", "<unk>", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz0123456789,.'"]
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({it: n for n, it in enumerate(letters)}, "<unk>"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("\\s+|"), "removed")
    ends = [("<s>", 2), ("</s>", 3)]
    made.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    inputs = ["input_ids"] if bare else ["input_ids", "attention_mask"]
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=LONGEST, model_input_names=inputs, **names
    )


def make(kind: str, folder: Path, seed: int = 0) -> Path:
    """A tiny model of a kind, as it would be on the hub."""
    torch.manual_seed(seed)
    text = {"vocab_size": 60, "max_position_embeddings": LONGEST, "pad_token_id": 0, "bos_token_id": 2, **SIZES}
    vision = {"image_size": SIDE, "patch_size": 8, **SIZES}
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text | {"eos_token_id": 3}, vision_config=vision, projection_dim=8)
        model = transformers.CLIPModel(config)
        size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
        processor = transformers.CLIPImageProcessor(**size)
    elif kind == "siglip":
        config = transformers.SiglipConfig(text_config=text | {"projection_size": 16}, vision_config=vision)
        model = transformers.SiglipModel(config)
        processor = transformers.SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    else:
        vision = {"num_patches": 16, "patch_size": 8, **SIZES}
        config = transformers.Siglip2Config(text_config=text | {"projection_size": 16}, vision_config=vision)
        model = transformers.Siglip2Model(config)
        processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=20)
    with torch.no_grad():  # those of transformers are so small that all pictures look alike
        for name, value in model.named_parameters():
            if value.ndim > 1:
                value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(len(name))) * 0.3)
    for part in (model, processor, tokenizer(bare=kind != "clip")):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each kind; not to be changed."""
    home = tmp_path_factory.mktemp("dual")
    return {kind: make(kind, home / kind) for kind in KINDS}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of several shapes."""
    home = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    found = []
    for number, (width, height) in enumerate([(40, 40), (64, 30), (25, 90), (32, 32), (50, 48)]):
        small = random.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        found.append(home / f"{number}.png")
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(found[-1])
    return found


@pytest.fixture(scope="session")
def runs(folders: dict[str, Path]) -> dict[str, Aligner]:
    return {kind: load(folder, "cpu") for kind, folder in folders.items()}


@pytest.fixture(scope="session")
def indexes(
    folders: dict[str, Path], pictures: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Index]:
    """An index of the pictures by each kind; not to be changed."""
    home = tmp_path_factory.mktemp("indexes")
    found = {kind: Index.create(home / kind, folder, "cpu") for kind, folder in folders.items()}
    for index in found.values():
        index.build(pictures, progress=QUIET)
    return found


def own_scores(folder: Path, pictures: list[Path], sentences: list[str]) -> Tensor:
    """The cosines (I, N) as transformers itself gives them: its logits without scale and bias."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    images = processor(images=[Image.open(path).convert("RGB") for path in pictures], return_tensors="pt")
    padding = True if model.config.model_type == "clip" else "max_length"
    texts = reader(sentences, padding=padding, max_length=LONGEST, truncation=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**images, **texts).logits_per_image
    bias = getattr(model, "logit_bias", None)
    return (logits - (0 if bias is None else bias)).detach() / model.logit_scale.exp().detach()


@pytest.mark.parametrize("kind", KINDS)
def test_it_scores_as_transformers_does(
    kind: str, folders: dict[str, Path], runs: dict[str, Aligner], pictures: list[Path]
) -> None:
    run = runs[kind]
    expected = own_scores(folders[kind], pictures, SENTENCES)
    assert expected.std() > 0.01  # they are told apart at all
    assert torch.allclose(run.score(pictures, SENTENCES), expected, atol=1e-5)
    alone = torch.cat([run.score(pictures, sentence) for sentence in SENTENCES], dim=1)
    assert torch.allclose(alone, expected, atol=1e-5)  # padding changes nothing


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_ranks_as_transformers_does(
    kind: str, folders: dict[str, Path], pictures: list[Path], indexes: dict[str, Index]
) -> None:
    opened = indexes[kind]
    assert not (opened.folder / "model").exists()
    expected = own_scores(folders[kind], pictures, SENTENCES)
    for number, sentence in enumerate(SENTENCES):
        found = opened.search(sentence)
        order = expected[:, number].argsort(descending=True).tolist()
        assert [hit.path for hit in found.hits] == [pictures[place] for place in order]
        assert [hit.score for hit in found.hits] == pytest.approx(expected[order, number].tolist(), abs=1e-3)
        assert not found.unknown
    first = found.hits[0]
    assert [word.text for word in first.words][:3] == ["a", "blue", "bird"]
    assert {len(word.box) for word in first.words} == {4} and first.phrases
    assert len({word.box for word in first.words}) > 1
    assert first.words[0].strength == 0  # "a" is seen nowhere


def test_with_written_words_too_whole_pictures_are_scored(
    folders: dict[str, Path], pictures: list[Path], indexes: dict[str, Index]
) -> None:
    opened = indexes["clip"].opened
    with Catalog(opened.folder) as catalog:
        search = Search(opened, catalog, SearchOptions())
        standard = search._standard(terms(opened.run, SENTENCES[:1])[0], np.arange(len(pictures)))
    true = own_scores(folders["clip"], pictures, SENTENCES[:1])[:, 0]
    assert torch.allclose(standard, (true - true.mean()) / true.std(correction=0), atol=1e-2)


def test_a_compact_index_ranks_by_whole_pictures(
    folders: dict[str, Path], pictures: list[Path], indexes: dict[str, Index], tmp_path: Path, monkeypatch: Any
) -> None:
    """Only the first region of each is scored, and the others only show where words went."""
    monkeypatch.setattr(compact, "LEAST", 4)
    index = Index.create(tmp_path / "index", folders["clip"], "cpu")
    index.build(pictures, progress=QUIET)
    assert index.compact(256, QUIET) == len(pictures)
    for sentence in SENTENCES:
        true = {hit.path: hit for hit in indexes["clip"].search(sentence).hits}
        for hit in index.search(sentence).hits:
            assert hit.score == pytest.approx(true[hit.path].score, abs=0.02) and hit.words


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_and_boxes_are_searched_for(kind: str, pictures: list[Path], indexes: dict[str, Index]) -> None:
    index = indexes[kind]
    for picture in pictures:
        best = index.search(Like(picture)).hits[0]
        assert best.path == picture and best.score == pytest.approx(1, abs=1e-3)
        whole = index.search(Like(picture, (0.0, 0.0, 1.0, 1.0))).hits[0]
        assert whole.path == picture and whole.score == pytest.approx(1, abs=1e-3)
    assert index.search(Like(pictures[1], (0.2, 0.1, 0.21, 0.11))).hits[0].phrases


@pytest.mark.parametrize("kind", KINDS)
def test_words_go_to_boxes(kind: str, runs: dict[str, Aligner], pictures: list[Path]) -> None:
    run = runs[kind]
    found = run.align(pictures[1], SENTENCES[0])
    assert found.words == ("a", "red", "dog", "on", "the", "grass") and all(found.known)
    assert found.score == pytest.approx(run.score(pictures[1], SENTENCES[0]), abs=1e-6)
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    assert set(run.align(pictures[1], "dog", boxes).boxes) < {tuple(box) for box in boxes.tolist()}


def towers(folder: Path) -> DualTowers:
    return DualTowers(find_dual(folder), torch.device("cpu"))


def test_the_map_of_clip_is_the_last_block_without_mixing(folders: dict[str, Path]) -> None:
    """Where attention has nothing to mix, as all keys but its own are masked, nothing is left out."""
    both = towers(folders["clip"])
    vision, image = both.model.vision_model, Image.effect_noise((SIDE, SIDE), 90).convert("RGB")
    pixels = both._processor(images=[image], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        tokens = vision.pre_layrnorm(vision.embeddings(pixels))
        own = torch.full((1, 1, 17, 17), -torch.inf)
        own[..., range(17), range(17)] = 0
        for block in vision.encoder.layers[:-1]:
            tokens = block(tokens, None)
        single = vision.encoder.layers[-1](tokens, own)
        single = single if isinstance(single, Tensor) else single[0]
        expected = both.model.visual_projection(vision.post_layernorm(single[:, 1:]))[0]  # (P, D)
    found = both.pictures([image])[1][0]
    assert torch.allclose(torch.from_numpy(found), expected.T.reshape(-1, 4, 4), atol=1e-4)


@pytest.mark.parametrize("kind", ["siglip", "siglip2"])
def test_the_head_of_siglip_is_its_map_mixed(kind: str, folders: dict[str, Path]) -> None:
    """The head's own attention over the values gives what the head gives."""
    both = towers(folders[kind])
    head, tokens = both.model.vision_model.head, torch.randn(1, 12, 16)
    with torch.no_grad():
        shares = head.attention(head.probe, tokens, tokens, average_attn_weights=False)[1][0, :, 0]  # (heads, P)
        weight, bias = head.attention.in_proj_weight[32:], head.attention.in_proj_bias[32:]
        values = (tokens[0] @ weight.T + bias).view(12, 2, 8)
        mixed = head.attention.out_proj(torch.einsum("hp,phd->hd", shares, values).reshape(1, 16))
        assert torch.allclose(mixed + head.mlp(head.layernorm(mixed)), head(tokens), atol=1e-5)
        same = tokens[:, :1].expand(-1, 12, -1)  # where all patches are alike, each is the whole
        assert torch.allclose(both._siglip_patches(same)[0], head(same).expand(12, -1), atol=1e-5)


def test_the_map_lies_as_the_picture_does(folders: dict[str, Path]) -> None:
    """All of a picture is in the map, that too which CLIP's own look cuts off."""
    for kind in KINDS:
        both, plain = towers(folders[kind]), Image.new("RGB", (96, 32), "grey")
        changed = plain.copy()
        changed.paste(Image.effect_noise((10, 10), 200).convert("RGB"), (84, 2))
        (_, (before,)), (_, (after,)) = both.pictures([plain]), both.pictures([changed])
        moved = np.abs(after - before).sum(0)
        row, column = np.unravel_index(moved.argmax(), moved.shape)
        assert (row < moved.shape[0] / 2) and column == moved.shape[1] - 1, kind


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (3, 50), (1, 4000), (2000, 2)])
def test_pictures_of_any_shape_are_seen(size: tuple[int, int], runs: dict[str, Aligner]) -> None:
    for kind in KINDS:
        run = runs[kind]
        assert run.score([Image.new("RGB", size, "red")], "a red dog").isfinite().all()


def test_a_broken_picture_is_named(runs: dict[str, Aligner], pictures: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    run = runs["clip"]
    with pytest.raises(InputError, match=r"bad\.png"):
        run.score([pictures[0], bad], "a dog")
    with pytest.warns(UserWarning, match=r"bad\.png"):
        scores = run.score([pictures[0], bad], "a dog", errors="skip")
    assert scores.isfinite()[:, 0].tolist() == [True, False]


@pytest.mark.parametrize("text", ["", "\ud800 dog", "\0", "犬が走る", "x" * 5000, "the"])
def test_any_text_is_read(text: str, runs: dict[str, Aligner], pictures: list[Path]) -> None:
    for kind in KINDS:
        run = runs[kind]
        assert run.score(pictures[:1], text).isfinite().all()
        assert run.align(pictures[0], text).boxes


def test_it_is_measured_on_a_dataset(runs: dict[str, Aligner], world: Path) -> None:
    run = runs["siglip"]
    figures = measure(run, world, "val", grounding=True, progress=QUIET)
    assert 0 <= figures["t2i_R@1"] <= 100 and 0 <= figures["grounding_pointing"] <= 100
    assert measure(run, world, "val", progress=QUIET)["i2t_medr"] == figures["i2t_medr"]  # features from the cache
    with pytest.raises(InputError, match="--data"):
        measure(run, progress=QUIET)


def test_an_index_is_calibrated_on_a_dataset(
    folders: dict[str, Path], pictures: list[Path], world: Path, tmp_path: Path
) -> None:
    index = Index.create(tmp_path / "index", folders["siglip"], "cpu")
    index.build(pictures, progress=QUIET)
    with pytest.raises(InputError, match="no data of its own"):
        index.calibrate(None, QUIET)
    index.calibrate(world, QUIET)
    assert 0 <= (index.search("a dog").hits[0].confidence or 0) <= 1


def test_a_model_that_moved_is_found_again_and_one_that_changed_is_refused(
    folders: dict[str, Path], pictures: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "clip"
    shutil.copytree(folders["clip"], home)
    Index.create(tmp_path / "index", home, "cpu").build(pictures[:2], progress=QUIET)
    home.rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"is not at .*clip any more"):
        Index(tmp_path / "index", "cpu").search("a dog")
    index = Index.create(tmp_path / "index", tmp_path / "moved", "cpu")
    assert len(index.search("a dog").hits) == 2
    make("clip", tmp_path / "moved", seed=1)
    config = json.loads((tmp_path / "moved" / "config.json").read_text())
    (tmp_path / "moved" / "config.json").write_text(json.dumps(config | {"more": 1}))
    with pytest.raises(InputError, match="changed since"):
        Index(tmp_path / "index", "cpu").search("a dog")
    with pytest.raises(InputError, match="not the model of"):
        Index.create(tmp_path / "index", folders["siglip"], "cpu")


def spoilt(folder: Path, out: Path) -> Path:
    shutil.copytree(folder, out)
    return out


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "preprocessor_config.json"])
@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_damaged_folder_is_named(name: str, how: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = spoilt(folders["clip"], tmp_path / "damaged")
    if how == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes()[:40])
    with pytest.raises(InputError, match=r"damaged: damaged or incomplete, expected"):
        load(folder, "cpu")


def test_weights_that_are_missing_are_not_made_up(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = spoilt(folders["siglip"], tmp_path / "half")
    weights = load_file(folder / "model.safetensors")
    del weights["vision_model.head.probe"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"half: .*weights lack vision_model\.head\.probe"):
        load(folder, "cpu")


def test_other_kinds_are_named_with_those_that_are_supported(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match=r"kind 'bert'; supported are .* clip, siglip, siglip2"):
        load(folder)
    for name in ("hub:", "hub:clip", "hub:a/b/c", "hub:../x", "hub:a/b;rm"):
        with pytest.raises(InputError, match="expected hub:OWNER/NAME"):
            load(name)
    assert not is_dual(tmp_path)


def test_captioners_and_trainings_do_not_take_it_for_a_run(folders: dict[str, Path]) -> None:
    from wordsight.runs.captioner import load_captioner

    for name in (folders["clip"], "hub:openai/clip-vit-base-patch32"):
        with pytest.raises(InputError, match="expected a run here"):
            load_captioner(name)


def test_an_index_of_a_hub_model_calls_nobody_unasked(
    folders: dict[str, Path], pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wordsight.search.catalog import Catalog
    from wordsight.vision import hub

    index = Index.create(tmp_path / "index", folders["clip"], "cpu")
    index.build(pictures[:2], progress=QUIET)
    with index.writing() as catalog, catalog.change():
        catalog.set_fact("home", "hub:someone/clip@" + "a" * 40)
    asked: list[str] = []
    monkeypatch.setattr(hub, "fetched", lambda *told: asked.append(told[0]))
    with pytest.raises(InputError, match="--allow-hub"):
        Index(tmp_path / "index", "cpu").search("a dog")
    assert not asked
    monkeypatch.setattr(hub, "cached", lambda *told: str(folders["clip"]))  # it is on this machine already
    assert len(Index(tmp_path / "index", "cpu").search("a dog").hits) == 2
    with Catalog(tmp_path / "index") as catalog:
        assert catalog.fact("home").startswith("hub:")


def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from wordsight.vision import hub

    never = threading.Event()
    with pytest.raises(TimeoutError, match="no answer"):
        hub._in_time(never.wait, 0.05)
    never.set()
    assert hub._in_time(lambda: 1, 5) == 1
    with pytest.raises(InputError, match="cannot be fetched from the Hugging Face hub; without a network"):
        load("hub:openai/clip-vit-base-patch32")


def test_a_run_has_the_same_face(runs: dict[str, Aligner]) -> None:
    run = runs["clip"]
    assert isinstance(run, Aligner) and run.vocabulary.open and "zebra" in run.vocabulary


def said(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of a command in this process."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_commands_take_it(folders: dict[str, Path], pictures: list[Path], world: Path, tmp_path: Path) -> None:
    model, index = folders["clip"], tmp_path / "index"
    code, out, err = said("ground", pictures[0], "a red dog", "--model", model, "--json")
    assert code == 0 and json.loads(out)["words"] == ["a", "red", "dog"], err
    assert said("ground", model, pictures[0], "a red dog", "-o", tmp_path / "drawn.png")[0] == 0
    code, out, err = said("index", "build", index, *pictures, "--model", model, "--device", "cpu", "--json")
    assert code == 0 and json.loads(out)["added"] == len(pictures) and "no data of its own" in err
    code, out, err = said("search", index, "a red dog", "a cat^-0.5", "--json")
    assert code == 0 and len(json.loads(out)["hits"]) == len(pictures), err
    assert said("search", index, "a red dog", "--rerank", folders["siglip"])[0] == 0
    code, out, err = said("eval", model, "--data", world, "--json")
    assert code == 0 and json.loads(out)["pictures"] > 1 and not (model / "report-val").exists(), err
    code, _, err = said("eval", model)
    assert code == 2 and "--data" in err and err.count("\n") == 1


def test_every_command_says_in_a_sentence_that_the_hub_is_away(
    folders: dict[str, Path], pictures: list[Path], tmp_path: Path
) -> None:
    hub, picture = "hub:openai/clip-vit-base-patch32", pictures[0]
    index = Index.create(tmp_path / "index", folders["clip"], "cpu")
    index.build([picture], progress=QUIET)
    commands: list[list[str | Path]] = [
        ["ground", picture, "a dog", "--model", hub],
        ["ground", hub, picture, "a dog"],
        ["index", "build", tmp_path / "new", picture, "--model", hub],
        ["index", "build", index.folder, picture, "--model", hub],
        ["search", index.folder, "a dog", "--rerank", hub],
        ["eval", hub, "--data", tmp_path],
        ["caption", picture, "--model", hub],
        ["compare", hub, "-o", tmp_path / "compared"],
    ]
    for command in commands:
        code, out, err = said(*command)
        assert code == 2 and out == "" and err.count("\n") == 1 and hub in err, (command, err)
    assert not (tmp_path / "new").exists() and not (tmp_path / "compared").exists()


def test_a_server_shows_an_index_of_it(indexes: dict[str, Index]) -> None:
    from wordsight.web.engine import Engine
    from wordsight.web.schemas import SearchRequest

    engine = Engine(indexes["clip"], None, None)
    info = engine.info()
    assert info.words == 0 and info.examples and "a" not in info.examples
    found = engine.search(SearchRequest.model_validate({"sentences": [{"text": "a zebra"}]}))
    assert found.hits and not found.unknown and found.words[1].known


def test_compare_has_zero_shot_rows_beside_runs(
    folders: dict[str, Path], world: Path, trained: Path, tmp_path: Path
) -> None:
    found = compare([folders["clip"], folders["siglip"], trained], tmp_path, world, device="cpu", progress=QUIET)
    rows = {row["name"]: row for row in found.to_json()["ranking"]["rows"]}
    expected = measure(load(folders["clip"], "cpu"), world, progress=QUIET)
    assert rows["clip"]["figures"]["rsum"] == pytest.approx(expected["rsum"], abs=1e-3)
    assert "CLIP (Radford et al. 2021), zero-shot" in found.markdown() and "SigLIP (Zhai" in found.markdown()
    assert set(rows) == {"clip", "siglip", trained.name}

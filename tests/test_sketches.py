"""Sketches: pairs from files, drawings and edge maps, the subspaces learned from them, and search by drawing."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi import UploadFile
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from wordsight.cli.index_files import merge_all
from wordsight.cli.main import app
from wordsight.data.sketches import load_sketches
from wordsight.errors import InputError
from wordsight.files import read_json
from wordsight.matching.coupled_subspaces import CoupledSubspaces, agreement, targets
from wordsight.runs.sketcher import Sketcher
from wordsight.search.index import Index
from wordsight.search.sketch_search import answers, stroke_groups
from wordsight.search.sketch_view import cells
from wordsight.vision.drawings import SIDE, cropped, edges, square, strokes, thickened
from wordsight.web import schemas
from wordsight.web.engine import Engine

pytest.importorskip("skimage", reason="the extra 'sketch' (scikit-image) is not installed")
SHAPES = [(corners, side) for corners in (3, 4, 5, 6, 40) for side in ("left", "right")]


def corners_of(shape: tuple[int, str], size: int = 200, wobble: float = 0.0) -> list[tuple[float, float]]:
    count, side = shape
    random = np.random.default_rng(round(10 * wobble))
    x, y, radius = (0.3 if side == "left" else 0.7) * size, 0.5 * size, 0.25 * size
    turns = [2 * math.pi * one / count + random.normal(0, 0.02 * wobble) for one in range(count)]
    return [(x + radius * math.sin(turn), y - radius * math.cos(turn)) for turn in turns]


def photo(shape: tuple[int, str]) -> Image.Image:
    image = Image.new("RGB", (200, 200), (180, 190, 160))
    ImageDraw.Draw(image).polygon(corners_of(shape), fill=(30 * (shape[0] % 7), 60, 150))
    return image


def drawing(shape: tuple[int, str], wobble: float = 0.0) -> Image.Image:
    image, points = Image.new("RGB", (200, 200), "white"), corners_of(shape, wobble=wobble)
    ImageDraw.Draw(image).line([*points, points[0]], fill="black", width=3)
    return image


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photos of a shape, and two drawings of each."""
    folder = tmp_path_factory.mktemp("pairs")
    for kind in ("photo", "sketch"):
        (folder / kind).mkdir()
    for number, shape in enumerate(SHAPES):
        photo(shape).save(folder / "photo" / f"p{number}.png")
        for one in (1, 2):
            drawing(shape, one).save(folder / "sketch" / f"p{number}-{one}.png")
    return folder


@pytest.fixture(scope="module")
def run(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "sketches"
    done = CliRunner().invoke(app, ["sketch", "train", str(pairs), "-o", str(out)])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def sketched(pairs: Path, run: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = Index.create(tmp_path_factory.mktemp("sketched") / "index", trained)
    index.build(pairs / "photo")
    assert index.sketch(run) == {"added": 10, "pictures": 10, "broken": 0}
    return index


def test_sketches_find_their_photos_by_name(pairs: Path) -> None:
    data = load_sketches(pairs)
    assert len(data.photos) == 10
    assert [data.photos[one.photo].stem for one in data.sketches] == [one.path.stem[:-2] for one in data.sketches]


def test_a_table_of_pairs_is_read_and_names_the_line_without_a_photo(pairs: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    line = f"{pairs}/sketch/p1-1.png,{pairs}/photo/p1.png\n"
    table.write_text(f"sketch,photo\n{line}")
    assert len(load_sketches(table).sketches) == 1
    table.write_text(f"sketch,photo\n{line}{pairs}/sketch/p1-2.png,\n")
    with pytest.raises(InputError, match="line 3: a sketch without its photo"):
        load_sketches(table)
    table.write_text(f'sketch,photo\n{line}"{"x" * 140_000}')
    with pytest.raises(InputError, match=r"line 3: expected a photo and a sketch \(field larger"):
        load_sketches(table)
    table.write_text(f"drawing,photo\n{line}")
    with pytest.raises(InputError, match="line 1: expected the columns `photo` and `sketch`"):
        load_sketches(table)


def test_a_sketch_without_its_photo_is_told(pairs: Path, tmp_path: Path) -> None:
    shutil.copytree(pairs, tmp_path / "data")
    (tmp_path / "data" / "photo" / "p3.png").unlink()
    done = CliRunner().invoke(app, ["sketch", "train", str(tmp_path / "data"), "-o", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert "p3-1.png: a sketch without its photo" in done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("paper", ["white", "black"])
def test_an_empty_drawing_is_told(paper: str, tmp_path: Path) -> None:
    Image.new("RGB", (90, 90), paper).save(tmp_path / "empty.png")
    with pytest.raises(InputError, match=r"empty\.png: an empty drawing"):
        strokes(tmp_path / "empty.png")


def test_a_photograph_is_no_drawing(pairs: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    for image in (Image.fromarray(noise), photo(SHAPES[3])):
        with pytest.raises(InputError, match="looks like a photograph"):
            strokes(image)


def test_light_lines_on_dark_are_a_drawing_too() -> None:
    dark = Image.eval(drawing(SHAPES[2]), lambda value: 255 - value)
    assert np.abs(strokes(drawing(SHAPES[2])) - strokes(dark)).mean() < 0.01


def test_edges_of_a_photo_lie_where_its_drawing_has_lines() -> None:
    lines, ink = edges(square(photo(SHAPES[5]))), thickened(strokes(drawing(SHAPES[5])))
    assert (lines * ink).sum() > 0.7 * lines.sum()
    assert cropped(ink).sum() > 2 * ink.sum()


def test_views_that_pairs_share_have_nearly_all_weight_and_empty_ones_none() -> None:
    torch.manual_seed(0)
    views = {"good": slice(0, 20), "noise": slice(20, 40), "constant": slice(40, 50)}
    real, photo_of = torch.randn(60, 20), torch.arange(80) % 40
    photos = torch.cat((real, torch.randn(60, 20), torch.ones(60, 10)), 1)
    sketches = torch.cat((real[photo_of] + 0.3 * torch.randn(80, 20), torch.randn(80, 20), torch.zeros(80, 10)), 1)
    model = CoupledSubspaces(50, rank=32)
    found = model.fit(photos[:40], sketches, photo_of, views)
    assert found.shared["good"] + found.own["good"] > 0.9
    assert found.shared["constant"] == found.own["constant"] == 0
    assert not model.photo[40:].any()
    others = torch.cat((real[40:] + 0.3 * torch.randn(20, 20), torch.randn(20, 20), torch.zeros(20, 10)), 1)
    first = (model.encode_sketches(others) @ model.encode_photos(photos[40:]).T).argmax(1)
    assert (first == torch.arange(20)).float().mean() > 0.8


def test_agreement_is_that_of_training_without_the_photo() -> None:
    torch.manual_seed(1)
    x, photo_of = torch.randn(18, 6), torch.arange(12) % 6
    kernel, ranks = x @ x.T, []
    rows = torch.cat((torch.arange(6), photo_of))
    predicted = torch.zeros(18, 6)
    for one in range(6):
        left, kept = (rows == one).nonzero()[:, 0], (rows != one).nonzero()[:, 0]
        dual = torch.linalg.solve(kernel[kept][:, kept] + 2 * torch.eye(len(kept)), targets(6, photo_of)[kept])
        predicted[left] = kernel[left][:, kept] @ dual
    found = torch.nn.functional.normalize(predicted, dim=1)
    scores = found[6:] @ found[:6].T
    ranks = (scores >= scores.gather(1, photo_of[:, None]) - 1e-6).sum(1)
    assert agreement(kernel, photo_of, 2.0) == pytest.approx(float((1 / ranks).mean()), abs=0.03)


def test_a_run_tells_which_views_it_kept(run: Path) -> None:
    told = read_json(run / "metrics.json")
    assert sum(told["shared"].values()) + sum(told["own"].values()) == pytest.approx(1)
    assert "dropped" in (run / "views.svg").read_text()
    assert Sketcher(run).learned


def test_a_damaged_run_is_one_sentence(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    weights = tmp_path / "run" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"model\.safetensors: damaged"):
        Sketcher(tmp_path / "run")
    with pytest.raises(InputError, match="not a run for sketches"):
        Sketcher(tmp_path)


def test_a_drawing_finds_its_photo_and_shows_where(sketched: Index, pairs: Path) -> None:
    for number in (0, 3, 9):
        found = sketched.search_sketch(drawing(SHAPES[number], 5.0), top=3)
        assert found.total == 10
        assert f"p{number}.png" in {hit.path.name for hit in found.hits}
        x = [(phrase.box[0] + phrase.box[2]) / 2 for hit in found.hits[:1] for phrase in hit.phrases]
        assert (np.mean(x) < 0.5) == (SHAPES[number][1] == "left")


def test_strokes_go_where_the_photo_has_them() -> None:
    ink = strokes(drawing(SHAPES[2]))
    moved = np.roll(ink, SIDE // 8, axis=0)
    for phrase in answers(stroke_groups(ink), cells(moved)):
        assert phrase.strength > 0.8
        assert phrase.box[3] > 0.3


def test_filters_and_pages_hold_for_drawings(sketched: Index) -> None:
    drawn = drawing(SHAPES[1])
    everything = [hit.path for hit in sketched.search_sketch(drawn, top=10).hits]
    assert [hit.path for hit in sketched.search_sketch(drawn, top=3, page=2).hits] == everything[3:6]
    assert [hit.path.name for hit in sketched.search_sketch(drawn, where='path ~ "*p4.png"').hits] == ["p4.png"]


def test_an_index_keeps_its_sketch_view_up_to_date(sketched: Index, pairs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "index"
    shutil.copytree(sketched.folder, copy)
    extra = tmp_path / "more.png"
    photo((8, "right")).save(extra)
    again = Index(copy)
    again.build([extra])
    assert again.search_sketch(drawing((8, "right"))).total == 11
    view = copy / "sketch" / "pictures.bin"
    view.write_bytes(view.read_bytes()[:-1])
    for look in (lambda: Index(copy).search_sketch(drawing(SHAPES[0])), Index(copy).verify):
        with pytest.raises(InputError, match=r"pictures\.bin: damaged; `wordsight index sketch .*` makes it anew"):
            look()
    again.build([extra])
    assert again.verify() == []
    again.remove(extra)
    assert again.search_sketch(drawing((8, "right"))).total == 10


def test_a_merge_carries_the_sketch_view(
    sketched: Index, pairs: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, plain = (Index.create(tmp_path / name, trained) for name in ("other", "plain"))
    assert other.merge(sketched) == (10, 0)
    drawn = drawing(SHAPES[3])
    found = [hit.path.name for hit in sketched.search_sketch(drawn).hits]
    assert [hit.path.name for hit in other.search_sketch(drawn).hits] == found
    assert other.sketch() == {"added": 0, "pictures": 10, "broken": 0} and other.verify() == []
    photo((8, "right")).save(tmp_path / "more.png")
    plain.build(tmp_path / "more.png")
    plain.sketch()  # of no model: its views are not those of the other
    merge_all(other, [plain.folder])
    assert "1 of its pictures have no sketch view yet; the next `wordsight index build` makes it." in (
        capsys.readouterr().err
    )
    assert other.search_sketch(drawn).total == 10
    other.build(tmp_path / "more.png")
    assert other.search_sketch(drawn).total == 11


def test_search_by_drawing_from_the_shell(sketched: Index, indexed: Path, tmp_path: Path) -> None:
    file = tmp_path / "drawn.png"
    drawing(SHAPES[0]).save(file)
    done = CliRunner().invoke(app, ["search", str(sketched.folder), "--sketch", str(file), "--json"])
    assert done.exit_code == 0
    assert '"text": "strokes"' in done.output
    for wanted, said in (
        ([str(indexed), "--sketch", str(file)], "has no sketch view; `wordsight index sketch"),
        ([str(sketched.folder), "a dog", "--sketch", str(file)], "expected alone"),
        ([str(sketched.folder), "--sketch", str(tmp_path / "none.png")], "none.png"),
    ):
        failed = CliRunner().invoke(app, ["search", *wanted])
        assert (failed.exit_code, said in failed.output) == (2, True), failed.output


def test_a_server_opens_what_a_first_drawing_needs(sketched: Index, indexed: Path, tmp_path: Path) -> None:
    def asked() -> schemas.SketchSearch:
        drawing(SHAPES[0]).save(tmp_path / "drawn.png")
        return schemas.SketchSearch(sketch=UploadFile((tmp_path / "drawn.png").open("rb"), filename="drawn.png"), top=3)

    copy = tmp_path / "index"
    shutil.copytree(sketched.folder, copy)
    warm, cold, plain = (Engine(Index(folder), None, None) for folder in (copy, copy, indexed))
    warm.warm()
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("wordsight.search.sketch_view.Sketcher")
        patch.delattr("wordsight.runs.sketcher.SketchViews")
        assert warm.search_sketch(asked()).hits
        with pytest.raises(NameError, match="Sketcher"):  # it opens it only now
            cold.search_sketch(asked())
        plain.warm()  # there is no sketch view to open
    (copy / "sketch" / "pictures.bin").write_bytes(b"")
    cold.warm()  # what is wrong is told to whoever draws
    with pytest.raises(InputError, match="makes it anew"):
        cold.search_sketch(asked())


def test_a_frame_of_a_video_is_found_by_a_drawing(run: Path, trained: Path, tmp_path: Path) -> None:
    """With its time, as by a sentence."""
    pytest.importorskip("av", reason="the extra 'video' (PyAV) is not installed")
    from test_video_frames import film

    (tmp_path / "clips").mkdir()
    film(tmp_path / "clips" / "one.mp4", [photo(SHAPES[0]), photo(SHAPES[1])])
    index = Index.create(tmp_path / "index", trained)
    index.build(tmp_path / "clips")
    done = index.sketch(run)
    assert done["broken"] == 0 and done["added"] == done["pictures"] >= 1
    drawing(SHAPES[1], 1).save(tmp_path / "drawn.png")
    found = index.search_sketch(tmp_path / "drawn.png")
    hit = found.hits[0]
    assert found.total == 1 and hit.frames == done["pictures"]  # one hit, by its best frame
    assert index.search_sketch(tmp_path / "drawn.png", frames=True).total == done["pictures"]
    assert hit.path.name == "one.mp4" and hit.time in (0, 1) and hit.duration and hit.open_image().size

"""Three trained runs and the net that they see by into the box: `python -m wordsight.pack`.

Weights become float16, the net is called "sight" wherever it was, and cards say what all of it was made from.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from wordsight.boxed import BOX, CALIBRATION, CHECKSUMS, NET, checksum
from wordsight.captioning.certain import CERTAIN
from wordsight.command import verb
from wordsight.data import find, load_dataset
from wordsight.describe import Describer, load_captioner
from wordsight.errors import InputError
from wordsight.files import write_text
from wordsight.matching.align import Align
from wordsight.run import Run, load
from wordsight.search.calibrate import calibrate
from wordsight.search.split_scores import split_scores
from wordsight.training import checkpoint
from wordsight.training.checkpoint import Checkpoint
from wordsight.training.distil import METRICS
from wordsight.training.material import pictures_of, region_encoder
from wordsight.training.progress import Progress
from wordsight.vision.backbones import is_sight
from wordsight.vision.settings import RegionSettings
from wordsight.vision.sight import read

MOST = 25_000_000  # bytes, all files together
SIGHT = "sight"  # what the net in the box is called in recipes
NEEDS_NOTHING = {"", "filters", "blobs", SIGHT}
FIGURES = {"t2i_R@1": 1, "t2i_R@10": 1, "i2t_R@1": 1, "i2t_R@10": 1, "Bleu_4": 3, "CIDEr": 3, "perplexity": 2}

CARD = """# The small model in the box

`wordsight caption`, `ground`, `index`, `search` and `serve` use it where no model is named. It needs no network and no
other file. The net turns a picture into regions; three models are trained on what it sees.

| | what it does | on the val split | MB | SHA-256 of its weights |
|---|---|---|---|---|
{rows}

Each folder has a card of its own, with its recipe beside it. What lies outside the training pictures is known only as
far as it resembles them, and what is said of a picture is likely, not proven.
"""
MADE_FROM = """
## What it was made from

{sources}
Weights are float16. They were halved, and the sentences by which the aligner knows hubs replaced by some that the
captioner made up, after the figures above had been measured.
"""
SOURCES = {
    "flickr8k": "Flickr8K (Hodosh, Young and Hockenmaier 2013): pictures from Flickr, of people and dogs mostly,\n"
    "  outdoors, with five sentences each. The models learned from its 6,000 training pictures. It is research data:\n"
    "  as far as known, for non-commercial research and education. No picture or sentence of it is in the box.",
    "glove_300d.npz": "Word vectors began as GloVe's (Pennington, Socher and Manning 2014; public domain, PDDL).",
}
TEACHERS = {
    "mobilenet_edgetpu.onnx": "MobileNet EdgeTPU (Apache-2.0)",
    "googlenet.onnx": "BVLC GoogLeNet (unrestricted use)",
    "yolox_nano.onnx": "the detector YOLOX nano (Apache-2.0)",
}
UNTOLD = "its origin and licence are not told here"


def pack(net: Path, align: Path, captions: Path, regions: Path, out: Path = BOX) -> int:
    """Fill the box, in place of what was in it.

    Args:
        net: the file of weights of the net.
        align: a run that aligns.
        captions: a run that describes pictures.
        regions: a run that describes regions.
        out: the folder of the box.

    Returns:
        The size of all files together, bytes.

    Raises:
        InputError: `net` is no net; a run is of another kind, sees by another net or needs more than the net; the data
            that `align` was trained on are not at hand; a weight is too large for float16; all together are larger
            than 25 MB; or `out` holds something else. What was in it is then still there.
    """
    out = out.resolve()
    if out.exists() and not (out / CHECKSUMS).exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out}: expected a box or a new folder, found something else.")
    read(net)
    taught = _taught(net)
    aligned, captioner = load(align, "cpu"), _describer(captions)
    runs: dict[str, Run | Describer] = {"align": aligned, "captions": captioner}
    runs |= {"regions": _describer(regions, regions=True)}
    part, old = (out.with_name(f".{out.name}.{state}") for state in ("part", "old"))
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        regions_of = {name: _regions(run, net) for name, run in runs.items()}
        _invent(aligned, captioner)
        sure = calibrate(*split_scores(aligned, None, Progress()))
        packed = {name: _packed(run, regions_of[name]) for name, run in runs.items()}
        for name, trained in packed.items():
            checkpoint.save(part / name, trained)
            card = part / name / "README.md"
            write_text(card, card.read_text(encoding="utf-8") + MADE_FROM.format(sources=_sources([trained], taught)))
        if (captions / CERTAIN).exists():
            shutil.copyfile(captions / CERTAIN, part / "captions" / CERTAIN)
        write_text(part / "align" / CALIBRATION, sure.to_json() + "\n")
        shutil.copyfile(net, part / NET)
        write_text(part / "README.md", _card(part, packed, taught))
        sums = {path.relative_to(part).as_posix(): checksum(path) for path in _files(part)}
        write_text(part / CHECKSUMS, json.dumps({"sha256": sums}, indent=1) + "\n")
        size = _small_enough(part)
        if out.exists():
            out.rename(old)
        part.rename(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be filled ({error.strerror}: {error.filename}).") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return size


def _describer(run: Path, *, regions: bool = False) -> Describer:
    """A captioner of pictures, or of regions.

    Raises:
        InputError: it is of the other kind, or none.
    """
    found, kinds = load_captioner(run, "cpu"), ("whole pictures", "regions (data.alignment)")
    if found.of_regions != regions:
        does, expected = kinds[found.of_regions], kinds[regions]
        raise InputError(f"{run}: describes {does}, expected a run that describes {expected}.")
    return found


def _invent(aligned: Run, captioner: Describer) -> None:
    """Put sentences that the captioner makes up in place of strange ones, which are of the training split.

    They tell hubs as well, and so no sentence of the data is in the box.
    """
    if not isinstance(aligned.model, Align) or not aligned.model.strangers:
        return
    strangers, data = aligned.model.strangers, aligned.checkpoint.recipe.data
    count, pictures = len(strangers.said), pictures_of(load_dataset(find(data.path, "dataset")), data.train, data)
    some = [picture.path for picture in pictures[:: max(1, 2 * len(pictures) // count)]]
    made = [said.text for both in captioner.caption(some, sample=True, n_best=2) for said in both]
    strangers.hear([aligned.vocabulary.encode(made[:count])])


def _regions(run: Run | Describer, net: Path) -> RegionSettings:
    """How a run sees, by the net in the box.

    Raises:
        InputError: it sees by another net or needs other files.
    """
    trained = run.checkpoint
    regions = _seeing_by(SIGHT, trained.regions)
    if others := {*regions.backbones, regions.detector} - NEEDS_NOTHING:
        raise InputError(f"{run.folder}: sees by {', '.join(sorted(others))} too, expected by {net} alone.")
    if region_encoder(_seeing_by(str(net), trained.regions)).fingerprint != trained.fingerprint:
        raise InputError(f"{run.folder}: was trained by another net than {net}.")
    return regions


def _packed(run: Run | Describer, regions: RegionSettings) -> Checkpoint:
    """A run's checkpoint in float16, without a trace of where anything was.

    Raises:
        InputError: a weight is too large for float16.
    """
    trained = run.checkpoint
    before = trained.model.state_dict()
    finite = {name: tensor.isfinite() for name, tensor in before.items()}
    for name, tensor in trained.model.half().state_dict().items():
        if not tensor.isfinite().equal(finite[name]):
            raise InputError(f"{run.folder}: a number in {name} is too large for float16.")
    data, text = trained.recipe.data, trained.recipe.text
    data = replace(data, path=Path(data.path).name, alignment=data.alignment and "align")
    text = replace(text, vectors=Path(text.vectors).name)
    return replace(trained, regions=regions, recipe=replace(trained.recipe, data=data, text=text, regions=regions))


def _seeing_by(net: str, settings: RegionSettings) -> RegionSettings:
    """The settings with the net called `net`, wherever the file was."""
    backbones, detector = (
        tuple(net if is_sight(name) else name for name in names) for names in (settings.backbones, (settings.detector,))
    )
    return replace(settings, backbones=backbones, detector=detector[0], weights=RegionSettings.weights)


def _card(part: Path, packed: Mapping[str, Checkpoint], taught: Mapping[str, Any]) -> str:
    does = {"align": "aligns words and regions", "captions": "describes pictures", "regions": "describes regions"}
    rows = [_row(part / NET, "net", "sees; judged by CCA of its features alone", taught)]
    rows += [_row(part / name / "model.safetensors", name, does[name], one.metrics) for name, one in packed.items()]
    return CARD.format(rows="\n".join(rows)) + MADE_FROM.format(sources=_sources(packed.values(), taught))


def _taught(net: Path) -> Mapping[str, Any]:
    """What `wordsight distil` left beside the net: how it was taught, and how well; empty where there is nothing."""
    path = net.with_name(METRICS)
    return checkpoint.read_metrics(net.parent) if path.exists() else {}


def _sources(packed: Iterable[Checkpoint], taught: Mapping[str, Any]) -> str:
    """What some models were made from, an item each."""
    recipes = [one.recipe for one in packed]
    used = [*(one.data.path for one in recipes), *(one.text.vectors for one in recipes)]
    said = [SOURCES.get(name, f"{name}: {UNTOLD}.") for name in dict.fromkeys(used) if name]
    how = taught.get("settings", {})
    names = [name for name in (*how.get("backbones", ()), how.get("detector")) if name and how.get("taught")]
    teachers = ", ".join(TEACHERS.get(Path(name).name, f"{name} ({UNTOLD})") for name in names)
    learned = f"to see as others do, none of whose weights is in it:\n  {teachers}" if names else "from the words alone"
    passes = f" in {taught['best']['epoch']} passes" if taught.get("best") else ""
    return "".join(f"- {one}\n" for one in [*said, f"The net learned, from random weights{passes}, {learned}."])


def _row(weights: Path, name: str, does: str, metrics: Mapping[str, Any]) -> str:
    best = metrics.get("best", {})
    figures = ", ".join(f"{key} {best[key]:.{digits}f}" for key, digits in FIGURES.items() if key in best)
    return f"| {name} | {does} | {figures} | {weights.stat().st_size / 1e6:.1f} | `{checksum(weights)}` |"


def _small_enough(folder: Path) -> int:
    """The size of a folder.

    Raises:
        InputError: it is too large.
    """
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    size = sum(sizes.values())
    if size > MOST:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:4]
        said = ", ".join(f"{name} {sizes[name] / 1e6:.1f}" for name in largest)
        raise InputError(f"The box would be {size / 1e6:.1f} MB, expected at most {MOST / 1e6:g}: {said} MB.")
    return size


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@verb
def main(
    net: Annotated[Path, typer.Argument(metavar="NET.safetensors", help="The net.")],
    align: Annotated[Path, typer.Argument(metavar="ALIGN", help="A run that aligns.")],
    captions: Annotated[Path, typer.Argument(metavar="CAPTIONS", help="A run that describes pictures.")],
    regions: Annotated[Path, typer.Argument(metavar="REGIONS", help="A run that describes regions.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="BOX", help="The folder to fill.")] = BOX,
) -> None:
    """Fill the box with three trained runs and the net that they see by."""
    print(f"{out}: {pack(net, align, captions, regions, out) / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(main)

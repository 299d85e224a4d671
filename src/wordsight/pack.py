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
from wordsight.command import verb
from wordsight.describe import Describer, load_captioner
from wordsight.errors import InputError
from wordsight.files import write_text
from wordsight.run import Run, load
from wordsight.search.calibrate import calibrate
from wordsight.search.split_scores import split_scores
from wordsight.training import checkpoint
from wordsight.training.checkpoint import Checkpoint
from wordsight.training.material import region_encoder
from wordsight.training.progress import Progress
from wordsight.vision.backbones import is_sight
from wordsight.vision.settings import RegionSettings

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
Weights are float16, and were halved after the figures above had been measured.
"""
SOURCES = {
    "flickr8k": "- Flickr8K (Hodosh, Young and Hockenmaier 2013): pictures from Flickr, of people and dogs mostly,\n"
    "  outdoors, with five sentences each. The models learned from its 6,000 training pictures. It is research data:\n"
    "  as far as known, for non-commercial research and education. No picture or sentence of it is in the box.\n",
    NET: "- The net learned, from random weights, to see as others do: MobileNet EdgeTPU (Apache-2.0), BVLC GoogLeNet\n"
    "  (unrestricted use), and the detector YOLOX (Apache-2.0). None of their weights is in it.\n",
    "glove_300d.npz": "- Word vectors began as GloVe's (Pennington, Socher and Manning 2014; public domain, PDDL).\n",
}


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
        InputError: a run is of another kind, sees by another net or needs more than the net, the data that `align`
            was trained on are not at hand, a weight is too large for float16, or all together are larger than 25 MB;
            what was in the box is then still there.
    """
    runs: dict[str, Run | Describer] = {"align": load(align, "cpu"), "captions": _describer(captions)}
    runs |= {"regions": _describer(regions, regions=True)}
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        packed = {name: _packed(run, net) for name, run in runs.items()}
        for name, trained in packed.items():
            checkpoint.save(part / name, trained)
            card = part / name / "README.md"
            write_text(card, card.read_text(encoding="utf-8") + MADE_FROM.format(sources=_sources([trained])))
        sure = calibrate(*split_scores(load(align, "cpu"), None, Progress()))
        write_text(part / "align" / CALIBRATION, sure.to_json() + "\n")
        shutil.copyfile(net, part / NET)
        write_text(part / "README.md", _card(part, packed))
        sums = {path.relative_to(part).as_posix(): checksum(path) for path in _files(part)}
        write_text(part / CHECKSUMS, json.dumps({"sha256": sums}, indent=1) + "\n")
        size = _small_enough(part)
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be filled ({error.strerror}: {error.filename}).") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
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


def _packed(run: Run | Describer, net: Path) -> Checkpoint:
    """A run's checkpoint in float16, without a trace of where anything was.

    Raises:
        InputError: it sees by another net or needs other files, or a weight is too large for float16.
    """
    trained = run.checkpoint
    regions = _seeing_by(SIGHT, trained.regions)
    if others := {*regions.backbones, regions.detector} - NEEDS_NOTHING:
        raise InputError(f"{run.folder}: sees by {', '.join(sorted(others))} too, expected by {net} alone.")
    if region_encoder(_seeing_by(str(net), trained.regions)).fingerprint != trained.fingerprint:
        raise InputError(f"{run.folder}: was trained by another net than {net}.")
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


def _card(part: Path, packed: Mapping[str, Checkpoint]) -> str:
    does = {"align": "aligns words and regions", "captions": "describes pictures", "regions": "describes regions"}
    rows = [_row(part / NET, "net", "sees", {})]
    rows += [_row(part / name / "model.safetensors", name, does[name], one.metrics) for name, one in packed.items()]
    return CARD.format(rows="\n".join(rows)) + MADE_FROM.format(sources=_sources(packed.values()))


def _sources(packed: Iterable[Checkpoint]) -> str:
    """What some models were made from, an item each."""
    recipes = [one.recipe for one in packed]
    used = {NET, *(one.data.path for one in recipes), *(one.text.vectors for one in recipes)}
    return "".join(said for name, said in SOURCES.items() if name in used)


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

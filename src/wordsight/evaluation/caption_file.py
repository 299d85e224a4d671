"""Evaluate a file of captions by any system, with the metrics of a run's captions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.evaluation.captioning import Figures, table
from wordsight.files import read_json
from wordsight.metrics.captions import TOKENISER, Id, caption_metrics, diversity, read_references
from wordsight.metrics.coco_results import Said, by_picture, names_of, read_captions
from wordsight.progress import Progress
from wordsight.runs.features import pictures_of
from wordsight.runs.recipe import DataSettings


def measure_caption_file(
    captions: str | Path,
    data: str | Path | None = None,
    split: str = "val",
    *,
    meteor: bool = False,
    spice: bool = False,
) -> Figures:
    """The caption metrics of a captions file on one split of a dataset.

    Args:
        captions: COCO results, NeuralTalk's `result_struct.json` or NeuralTalk2's `vis.json`.
        data: a dataset in any known format, or a COCO captions file, whose ids then identify the captions' pictures;
            None for the references in a `result_struct.json`.
        split: the split's name; a COCO captions file is used whole.
        meteor: also METEOR, where it can run.
        spice: also SPICE, where it can run.

    Returns:
        Flat metrics with coco-caption's names and ranges; see the guide.

    Raises:
        InputError: a file is malformed, a caption belongs to no picture, or a picture of the split has no caption.
    """
    path, progress = Path(captions), Progress()
    said, right = captions_and_references(path, data, split, progress)
    figures: Figures = {"pictures": len(right), "sentences": sum(map(len, right.values()))}
    try:
        figures |= caption_metrics(said, right, meteor=meteor, spice=spice, say=progress.say)
    except InputError as error:
        raise InputError(f"{data or path}: {error}") from None
    varied = {f"diversity_{key}": value for key, value in diversity(said, []).items()}
    left_out = ("diversity_captions", "diversity_in_training")
    return figures | {"tokeniser": TOKENISER} | {key: varied[key] for key in varied if key not in left_out}


def captions_and_references(
    path: Path, data: str | Path | None, split: str, progress: Progress
) -> tuple[Mapping[Id, str], Mapping[Id, Sequence[str]]]:
    """Captions in a file, and references of the same pictures; see `measure_caption_file`."""
    said = read_captions(path)
    if data is None:
        return _own(path, said)
    where = find(str(data), "dataset")
    wanted: dict[Id, Sequence[str]]
    files = _coco_files(where) if where.suffix.lower() == ".json" and where.is_file() else None
    if files is not None:
        wanted = dict(read_references(where))
        captions = by_picture(said, names_of(list(wanted), files), str(path))
        split = str(where)
    else:
        dataset = load_dataset(where)
        captions = by_picture(said, names_of([picture.name for picture in dataset.pictures]), str(path))
        settings = DataSettings(str(where))
        wanted = {picture.name: picture.sentences for picture in pictures_of(dataset, split, settings)}
        split = f"the split '{split}'; another is chosen with --split"
    if lacking := [name for name in wanted if name not in captions]:
        raise InputError(
            f"{path}: no caption of {lacking[0]!r}, the first of {len(lacking):,} such among the {len(wanted):,} "
            f"pictures of {split}."
        )
    if len(captions) > len(wanted):
        progress.say(f"{len(captions) - len(wanted):,} captions are of other splits, and left out")
    return {name: captions[name] for name in wanted}, wanted


def _own(path: Path, said: Sequence[Said]) -> tuple[Mapping[Id, str], Mapping[Id, Sequence[str]]]:
    if not all(one.references for one in said):
        raise InputError(f"{path}: it has no references of its own; expected --data, a dataset with its pictures.")
    pictures = list(dict.fromkeys(one.pictures[0] for one in said))
    captions = by_picture(said, {picture: [picture] for picture in pictures}, str(path))
    return captions, {one.pictures[0]: one.references for one in said}


def _coco_files(path: Path) -> dict[Id, str] | None:
    """The file names by id in a COCO captions file, as far as it has them; None for any other file."""
    content = read_json(path)
    if not isinstance(content, dict) or "annotations" not in content:
        return None
    images = content["images"] if isinstance(content.get("images"), list) else []
    named = [one for one in images if isinstance(one, dict) and isinstance(one.get("file_name"), str)]
    return {one["id"]: one["file_name"] for one in named if isinstance(one.get("id"), int | str)}


def measured(
    captions: Path, data: Path | None, split: str, *, meteor: bool, spice: bool = False
) -> tuple[Figures, str]:
    """The metrics of `measure_caption_file`, and their table."""
    figures = measure_caption_file(captions, data, split, meteor=meteor, spice=spice)
    return figures, table(figures)

"""Evaluate a file of captions by any system, with the metrics of a run's captions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from wordsight.data.faults import Faults
from wordsight.data.find import find
from wordsight.data.layout import Json, read_json
from wordsight.data.load import load_dataset
from wordsight.data.records import no_split, split_name, split_of_file
from wordsight.data.webdataset import shards
from wordsight.errors import InputError
from wordsight.evaluation.captioning import Figures, table
from wordsight.metrics.captions import TOKENISER, Id, caption_metrics, diversity, references_in
from wordsight.metrics.coco_results import Said, by_picture, captions_of, names_of, read_captions
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
        split: the split's name; of a COCO captions file whose pictures have no splits all are measured.
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
    captions: Mapping[Id, str]
    wanted: Mapping[Id, Sequence[str]]
    if coco := _coco(str(data)):
        every = references_in(coco.content, coco.path)
        captions = by_picture(said, names_of(list(every), _files(coco)), str(path))
        wanted, split = _of_split(coco, every, split), str(coco.path)
    else:
        dataset = load_dataset(str(data))
        captions = captions_of(said, dataset.pictures, str(path))
        settings = DataSettings(str(data))
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


def _coco(data: str) -> Json | None:
    """The COCO captions file of that name; None if it names any other dataset."""
    if shards(Path(data)):
        return None
    where = find(data, "dataset")
    found = read_json(where, Faults()) if where.suffix.lower() == ".json" and where.is_file() else None
    return found if found and found.kind == "coco" else None


def _files(coco: Json) -> dict[Id, str]:
    """The names of the pictures' files by id in a COCO captions file, as far as it has them."""
    return {one["id"]: one["file_name"] for one in coco.content["images"] if isinstance(one.get("file_name"), str)}


def _of_split(coco: Json, every: Mapping[Id, list[str]], split: str) -> Mapping[Id, list[str]]:
    """The sentences of one split in a COCO captions file, of all its sentences; all if its pictures have no splits.

    Raises:
        InputError: there is no such split.
    """
    named = split_of_file(coco.path.stem)
    own = {one["id"]: one["split"] for one in coco.content["images"] if isinstance(one.get("split"), str)}
    splits = {picture: split_name(own.get(picture, "")) or named for picture in every}
    split = split_name(split)
    if own:
        if split not in splits.values():
            raise no_split(coco.path, split, dict(Counter(splits.values())))
        return {picture: some for picture, some in every.items() if splits[picture] == split}
    if split not in ("val", named):
        raise InputError(f"{coco.path}: its pictures have no splits, and all are measured; leave out --split {split}.")
    return every


def measured(
    captions: Path, data: Path | None, split: str, *, meteor: bool, spice: bool = False
) -> tuple[Figures, str]:
    """The metrics of `measure_caption_file`, and their table."""
    figures = measure_caption_file(captions, data, split, meteor=meteor, spice=spice)
    return figures, table(figures)

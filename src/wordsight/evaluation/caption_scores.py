"""Alignment as a caption metric: how well each caption fits its own picture, with or without references."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from wordsight.data.load import load_dataset
from wordsight.data.pictures import picture_files
from wordsight.data.records import Picture, with_words
from wordsight.errors import InputError, printable
from wordsight.metrics.cider import cider_d
from wordsight.metrics.coco_results import captions_of, read_captions
from wordsight.metrics.ptb import tokenise
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.vision.cache import FeatureCache, default_cache

ROWS = 64  # pictures at once


@torch.no_grad()
def alignment_scores(run: Aligner, pairs: Sequence[tuple[Path, str]], progress: Progress | None = None) -> list[float]:
    """The alignment score of each caption with its picture; it depends on no other picture or sentence.

    The score is the run's own, without hubness correction. It has no fixed range: compare only scores of one run.

    Args:
        run: the aligner; its query bank is emptied.
        pairs: path of a picture, and a caption of it.
        progress: receives updates; None prints to stderr.

    Raises:
        InputError: a picture cannot be opened.
    """
    progress = progress or Progress()
    run.model.clear_query_bank()
    members: dict[Path, list[int]] = {}
    for number, (path, _) in enumerate(pairs):
        members.setdefault(path, []).append(number)
    paths = list(members)
    with progress.task("features") as count:
        table = FeatureCache(default_cache(), run.encoder).regions(paths, progress=count)
    if table.broken:
        raise InputError(next(iter(table.broken.values())))
    scores = [0.0] * len(pairs)
    for rows in torch.arange(len(paths)).split(ROWS):
        numbers = [number for row in rows.tolist() for number in members[paths[row]]]
        owner = [place for place, row in enumerate(rows.tolist()) for _ in members[paths[row]]]
        images = run.model.image_vectors(table.gather(rows).to(run.device))
        texts = run.model.text_vectors(run.vocabulary.encode([pairs[n][1] for n in numbers]).to(run.device))
        found = run.model.score(images, texts)[owner, range(len(numbers))].tolist()
        for number, score in zip(numbers, found, strict=True):
            scores[number] = score
    return scores


def both(alignment: Sequence[float], cider: Sequence[float]) -> list[float]:
    """The mean of two metrics of the same captions, each standardised over them to mean 0, standard deviation 1."""
    standard = []
    for values in (alignment, cider):
        one = torch.tensor(values, dtype=torch.double)
        deviation = one.std(correction=0)
        standard.append((one - one.mean()) / deviation if deviation > 0 else one * 0)
    mean: list[float] = ((standard[0] + standard[1]) / 2).tolist()
    return mean


def score_captions(
    run: Aligner,
    captions: str | Path,
    data: str | Path | None = None,
    pictures: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score every caption of a captions file.

    Args:
        run: the aligner.
        captions: see `metrics.coco_results.read_captions`.
        data: a dataset with the pictures and their references; or
        pictures: their folder, without references.
        progress: receives updates; None prints to stderr.

    Returns:
        `captions`, for each its `picture`, `caption`, `alignment` and, with references, `cider` (0 to 10, document
        frequencies of these references) and `both`; the means `alignment` and `cider`; and `unknown`, the number
        of captions that have no word the run knows.

    Raises:
        InputError: a file is malformed, a caption belongs to no picture, or a picture cannot be opened.
    """
    if (data is None) == (pictures is None):
        raise InputError("score-captions: expected --data, a dataset, or --pictures, a folder.")
    said = read_captions(Path(captions))
    known = load_dataset(data).pictures if data is not None else _of_folder(str(pictures))
    places = {picture.name: picture.path for picture in known}
    references = {picture.name: with_words(picture).sentences for picture in known}
    chosen = captions_of(said, known, str(captions))
    names = [str(name) for name in chosen]
    if data is not None and (silent := [name for name in names if not references[name]]):
        raise InputError(f"{data}: picture {silent[0]!r} has no reference.")
    progress = progress or Progress()
    scores = alignment_scores(run, [(places[name], chosen[name]) for name in names], progress)
    unknown = [name for name in names if run.vocabulary.coverage([chosen[name]]) == 0]
    if unknown:
        progress.say(
            f"{len(unknown):,} of {len(names):,} captions have no word that the model knows, so that their scores mean "
            f"nothing; the first is of {printable(unknown[0])}"
        )
    rows = [
        {"picture": name, "caption": chosen[name], "alignment": score}
        for name, score in zip(names, scores, strict=True)
    ]
    result: dict[str, Any] = {"captions": rows, "alignment": sum(scores) / len(scores), "unknown": len(unknown)}
    if data is not None:
        tokens = [[tokenise(one) for one in references[name]] for name in names]
        cider = cider_d([tokenise(chosen[name]) for name in names], tokens)
        for row, one, mean in zip(rows, cider, both(scores, cider), strict=True):
            row |= {"cider": one, "both": mean}
        result["cider"] = sum(cider) / len(cider)
    return result


def _of_folder(folder: str) -> list[Picture]:
    """The pictures of a folder, without sentences."""
    if not Path(folder).exists():
        raise InputError(f"--pictures {folder}: expected a folder of pictures, and it is not there.")
    return [Picture(str(path), path, "", ()) for path in picture_files([folder])]


def table(result: Mapping[str, Any]) -> str:
    """The scores as text: a line per caption, then the means."""
    keys = [key for key in ("alignment", "cider", "both") if key in result["captions"][0]]
    lines = ["  ".join(f"{key:>9}" for key in keys)]
    for row in result["captions"]:
        figures = "  ".join(f"{row[key]:9.3f}" for key in keys)
        lines.append(f"{figures}  {printable(row['picture'])}: {printable(' '.join(row['caption'].split()))}")
    means = "  ".join(f"{result[key]:9.3f}" if key in result else " " * 9 for key in keys)
    return "\n".join([*lines, f"{means}  mean of {len(result['captions']):,}"])

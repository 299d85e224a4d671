"""What one run did with each picture of a split: all that a comparison needs, kept so that it is measured once."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from wordsight.batch import Vectors
from wordsight.data.parses import Parses
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import read_json, to_json, write_text
from wordsight.metrics.bleu import counts
from wordsight.metrics.captions import caption_metrics
from wordsight.metrics.cider import cider_d
from wordsight.metrics.ptb import tokenise
from wordsight.metrics.ranking import metrics, ranks, rsum, score_matrix
from wordsight.progress import Count, Progress
from wordsight.runs.aligner import Aligner
from wordsight.runs.captioner import Captioner
from wordsight.runs.features import featured
from wordsight.runs.pairs import encode, pairs
from wordsight.runs.tasks import part
from wordsight.vision.cache import FeatureTable

FORMAT = 1
SHOWN = 3  # sentences found for a picture that are kept
BLOCK = 50  # pictures described at once


@dataclass(frozen=True)
class Outcome:
    """What one run did; I pictures with N sentences.

    Attributes:
        ranks: whether it ranks; else it describes.
        figures: flat metrics, as `eval` has them; of one that ranks also `rsum`.
        speed: pictures a second of processor, from features at hand: encoded, or described.
        images: (I) the rank of the first of each picture's own sentences, 1 is best.
        texts: (N) the rank of each sentence's picture.
        found: (I, SHOWN) the numbers of the first sentences for each picture.
        captions: (I) what it said.
        cider: (I) CIDEr-D of each.
        counts: (I, 10) what BLEU counts in each; see `bleu.counts`.
    """

    ranks: bool
    figures: dict[str, float]
    speed: float
    images: list[int]
    texts: list[int]
    found: list[list[int]]
    captions: list[str]
    cider: list[float]
    counts: list[list[int]]

    @property
    def leading(self) -> float:
        """The figure that rows are ordered by: the sum of recalls, 0 to 600, or CIDEr, 0 to 10."""
        return self.figures["rsum" if self.ranks else "CIDEr"]


def outcome(
    run: Aligner | Captioner, pictures: Sequence[Picture], parses: Parses, beam: int, kept: Path, progress: Progress
) -> Outcome:
    """What a run does with some pictures, measured now or as it was kept.

    Args:
        run: a trained run.
        pictures: I pictures with their sentences.
        parses: of the sentences, where the run reads them.
        beam: of captions.
        kept: a folder for outcomes.
        progress: who is told how far it is.

    Raises:
        InputError: a picture has no features, or the folder cannot be written.
    """
    path = kept / f"{_key(run, pictures, parses, beam)}.json"
    if path.exists() and (known := _read(path)):
        return known
    name = run.folder.resolve().name
    seen, rows = featured(run.encoder, pictures, progress, name)
    if [picture.name for picture in seen] != [picture.name for picture in pictures]:
        raise InputError(f"{name}: {len(pictures) - len(seen)} of the pictures cannot be read; all runs need the same.")
    with progress.task(name) as count:
        found: Outcome = part(run.task.outcome)(run, pictures, rows, parses, beam, count)
    write_text(path, to_json({"format": FORMAT, **asdict(found)}) + "\n")
    return found


def ranked(
    run: Aligner, pictures: Sequence[Picture], rows: FeatureTable, parses: Parses, beam: int, count: Count
) -> Outcome:
    """How an aligner ranks; `beam` is not for it."""
    known = pairs(pictures, rows, run.vocabulary, parses)
    began = time.process_time()
    images, texts = encode(run.model, known)
    speed = len(pictures) / (time.process_time() - began)
    scores = score_matrix(run.model, images, _counted(texts, count))
    found = ranks(scores, known.picture)
    figures = metrics(found, len(pictures))
    return Outcome(
        ranks=True,
        figures=figures | {"rsum": rsum(figures)},
        speed=speed,
        images=found.images.tolist(),
        texts=found.texts.tolist(),
        found=scores.topk(min(SHOWN, scores.shape[1]), dim=1).indices.tolist(),
        captions=[],
        cider=[],
        counts=[],
    )


def _counted(texts: Sequence[Vectors], count: Count) -> Iterator[Vectors]:
    for number, block in enumerate(texts):
        count(number, len(texts))
        yield block


def described(
    run: Captioner, pictures: Sequence[Picture], rows: FeatureTable, parses: Parses, beam: int, count: Count
) -> Outcome:
    """What a captioner says; `parses` are not for it."""
    captions: list[str] = []
    began = time.process_time()
    blocks = (run.whole(rows.gather(some)) for some in torch.arange(len(pictures)).split(BLOCK))
    for said in run.say(blocks, beam=beam):
        captions.append(said[0].text)
        count(len(captions), len(pictures))
    speed = len(pictures) / (time.process_time() - began)
    said_words = [tokenise(caption) for caption in captions]
    right = [[tokenise(sentence) for sentence in picture.sentences] for picture in pictures]
    figures = caption_metrics(
        dict(enumerate(captions)), {row: picture.sentences for row, picture in enumerate(pictures)}
    )
    return Outcome(
        ranks=False,
        figures=figures | {"pictures": len(pictures), "beam": beam},
        speed=speed,
        images=[],
        texts=[],
        found=[],
        captions=captions,
        cider=cider_d(said_words, right),
        counts=[counts(one, several) for one, several in zip(said_words, right, strict=True)],
    )


def _key(run: Aligner | Captioner, pictures: Sequence[Picture], parses: Parses, beam: int) -> str:
    """A name for what would be measured: the same run, pictures, sentences, parses and beam have the same."""
    digest = hashlib.sha256((run.folder / "model.safetensors").read_bytes())
    for name in ("vocabulary.json", "config.json"):
        digest.update((run.folder / name).read_bytes())
    digest.update(repr([(picture.name, picture.sentences) for picture in pictures]).encode())
    if parses:
        digest.update(repr(sorted(parses.items())).encode())
    digest.update(str(beam if "beam" in run.task.options else 0).encode())
    return f"{run.folder.resolve().name}-{digest.hexdigest()[:16]}"


def _read(path: Path) -> Outcome | None:
    """What was kept; None where another version wrote it, or somebody else."""
    try:
        content = read_json(path)
        numbers = all(isinstance(one, int | float) for one in content["figures"].values())
        return Outcome(**content) if content.pop("format") == FORMAT and numbers else None
    except (InputError, AttributeError, KeyError, TypeError):
        return None


def hits(found: Outcome, sentences: Sequence[int]) -> np.ndarray:
    """What each picture adds to the six recalls.

    Args:
        found: of a run that ranks.
        sentences: (I) how many sentences each picture has, at least one.

    Returns:
        (I, 8): whether one of its sentences is among the first 1, 5, 10; how many of its sentences find it among the
        first 1, 5, 10; 1; how many sentences it has.
    """
    own = np.array(found.images)[:, None] <= (1, 5, 10)  # (I, 3)
    texts = np.array(found.texts)[:, None] <= (1, 5, 10)  # (N, 3)
    starts = np.concatenate([[0], np.cumsum(sentences)[:-1]])
    counted = np.add.reduceat(texts.astype(float), starts, axis=0)  # (I, 3)
    return np.column_stack([own, counted, np.ones(len(own)), sentences]).astype(float)

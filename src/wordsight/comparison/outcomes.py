"""Outcomes of a run on each picture of a split, kept on disk for comparisons."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch

from wordsight.batch import Vectors
from wordsight.comparison.hubness import TEMPERATURE, corrected
from wordsight.data.entities import Phrase
from wordsight.data.parses import Parses
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import read_json, to_json, write_text
from wordsight.matching.query_bank import SHARE
from wordsight.metrics.bleu import counts
from wordsight.metrics.captions import caption_metrics
from wordsight.metrics.cider import cider_d
from wordsight.metrics.grounding import judged
from wordsight.metrics.ptb import tokenise
from wordsight.metrics.ranking import Ranks, fold_means, fold_ranks, score_matrix
from wordsight.metrics.situations import situation_metrics, terms
from wordsight.progress import Count, Progress
from wordsight.runs.aligner import Aligner
from wordsight.runs.captioner import Captioner
from wordsight.runs.features import featured
from wordsight.runs.grounding import ground, looking
from wordsight.runs.opened import OpenedRun
from wordsight.runs.pairs import ROWS, Pairs, encode, pairs
from wordsight.runs.recogniser import Recogniser
from wordsight.runs.situation_task import answers
from wordsight.runs.situations import Situated, SituationExamples, frame_text
from wordsight.runs.tasks import part
from wordsight.vision.dual_source import content_of, find_dual, is_dual
from wordsight.vision.feature_table import FeatureTable
from wordsight.vision.stored import hashes

FORMAT = 4
SHOWN = 3  # first sentences kept for each picture
BLOCK = 50  # pictures captioned at once

LEADING = {"ranking": "rsum", "captions": "CIDEr", "situations": "mean"}  # at most 600, 10 and 100


@dataclass(frozen=True)
class Outcome:
    """A run's outputs on I pictures with N sentences.

    Attributes:
        kind: "ranking" of an aligner, "captions" of a captioner, "situations".
        figures: flat metrics, as `eval` prints them; of an aligner also `rsum`.
        speed: pictures per second of CPU time from cached features: encoded, captioned, or recognised.
        images: (I) the rank of the first of each picture's own sentences, 1 is best.
        texts: (N) the rank of each sentence's picture.
        found: (I, SHOWN) indices of the first-ranked sentences for each picture.
        captions: (I) generated captions; situations in words.
        cider: (I) CIDEr-D of each.
        counts: (I, 10) counts of BLEU; see `bleu.counts`.
        terms: (I, 8) terms of the metrics of situations; see `metrics.situations.terms`.
        verbs: (I) the true verb of each, by number.
        phrases: (I, 3) of each picture, how many phrases are right by pointing, how many by IoU, and how many it has;
            empty where grounding was not measured.
        measured: the day, as in 2026-11-30; empty until the outcome is kept.
    """

    kind: str
    figures: dict[str, float]
    speed: float
    images: list[int] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    found: list[list[int]] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    cider: list[float] = field(default_factory=list)
    counts: list[list[int]] = field(default_factory=list)
    terms: list[list[float]] = field(default_factory=list)
    verbs: list[int] = field(default_factory=list)
    phrases: list[list[float]] = field(default_factory=list)
    measured: str = ""

    @property
    def leading(self) -> float:
        """The metric for sorting rows: `LEADING` of its kind."""
        return self.figures[LEADING[self.kind]]


def outcome(
    run: OpenedRun,
    pictures: Sequence[Picture],
    parses: Parses,
    beam: int,
    kept: Path,
    progress: Progress,
    phrases: Sequence[Phrase] = (),
    bank: Sequence[Picture] = (),
    folds: int = 1,
) -> Outcome:
    """The outcome of a run on pictures, computed or as kept.

    Args:
        run: a trained run.
        pictures: I pictures with their sentences.
        parses: of the sentences, where the run reads them.
        beam: width of the beam of captioners.
        kept: a folder for outcomes.
        progress: receives updates.
        phrases: with boxes, for an aligner to locate; empty leaves grounding out.
        bank: pictures of the training split that correct an aligner's hubness; empty keeps its own scores.
        folds: the number of parts of the pictures that an aligner ranks, each by itself.

    Raises:
        InputError: a picture has no features, or the folder cannot be written.
    """
    if not isinstance(run, Aligner):
        phrases, bank, folds = (), (), 1
    path = kept / f"{_key(run, pictures, parses, beam, phrases, bank, folds)}.json"
    if path.exists() and (known := _read(path)):
        return known
    name = run.folder.resolve().name
    seen, rows = featured(run.encoder, pictures, progress, name)
    if [picture.name for picture in seen] != [picture.name for picture in pictures]:
        raise InputError(f"{name}: {len(pictures) - len(seen)} of the pictures cannot be read; all runs need the same.")
    more: dict[str, Any] = {"folds": folds} if folds > 1 else {}
    if bank:
        kept_pictures, table = featured(run.encoder, bank, progress, "the query bank")
        more["bank"] = pairs(kept_pictures, table, run.vocabulary, parses)
    with progress.task(name) as count:
        found: Outcome = part(run.task.outcome)(run, pictures, rows, parses, beam, count, **more)
    if isinstance(run, Aligner) and phrases:
        found = with_grounding(found, run, pictures, rows, phrases)
    found = replace(found, measured=date.today().isoformat())
    told = asdict(found)
    write_text(path, to_json({"format": FORMAT, "checksum": _checksum(told), "outcome": told}) + "\n")
    return found


def ranked(
    run: Aligner,
    pictures: Sequence[Picture],
    rows: FeatureTable,
    parses: Parses,
    beam: int,
    count: Count,
    bank: Pairs | None = None,
    folds: int = 1,
) -> Outcome:
    """The outcome of an aligner, its hubness corrected by the bank if there is one; `beam` is not used.

    With several folds, the metrics are means over folds, and each rank is within its own fold.
    """
    known = pairs(pictures, rows, run.vocabulary, parses)
    if bank is not None:
        run.model.clear_query_bank()
    began = time.process_time()
    images, texts = encode(run.model, known)
    speed = len(pictures) / (time.process_time() - began)
    scores = score_matrix(run.model, images, _counted(texts, count))
    if bank is not None:
        scores = corrected(scores, run.model, images, texts, bank)
    parts = fold_ranks(scores, known.picture, folds)
    found = Ranks(*(torch.cat(some) for some in zip(*parts, strict=True)))
    return Outcome(
        kind="ranking",
        figures=fold_means(parts, len(pictures)),
        speed=speed,
        images=found.images.tolist(),
        texts=found.texts.tolist(),
        found=scores.topk(min(SHOWN, scores.shape[1]), dim=1).indices.tolist(),
    )


def with_grounding(
    found: Outcome, run: Aligner, pictures: Sequence[Picture], rows: FeatureTable, phrases: Sequence[Phrase]
) -> Outcome:
    """An aligner's outcome with the metrics of grounding, and each picture's phrases."""
    figures, located = ground(run, phrases, looking(pictures, rows))
    number = {picture.name: row for row, picture in enumerate(pictures)}
    each = torch.zeros(len(pictures), 3)
    owner = torch.tensor([number[phrase.picture] for phrase in phrases])
    each.index_add_(0, owner, torch.nn.functional.pad(judged(located, phrases), (0, 1), value=1.0))
    return replace(found, figures=found.figures | figures, phrases=each.tolist())


def _counted(texts: Sequence[Vectors], count: Count) -> Iterator[Vectors]:
    for number, block in enumerate(texts):
        count(number, len(texts))
        yield block


def described(
    run: Captioner, pictures: Sequence[Picture], rows: FeatureTable, parses: Parses, beam: int, count: Count
) -> Outcome:
    """The outcome of a captioner; `parses` are not used."""
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
        kind="captions",
        figures=figures | {"pictures": len(pictures), "beam": beam},
        speed=speed,
        captions=captions,
        cider=cider_d(said_words, right),
        counts=[counts(one, several) for one, several in zip(said_words, right, strict=True)],
    )


def recognised(
    run: Recogniser, pictures: Sequence[Picture], rows: FeatureTable, parses: Parses, beam: int, count: Count
) -> Outcome:
    """The outcome of a run that finds situations; `parses` and `beam` are not used."""
    situated = [one for one in pictures if isinstance(one, Situated)]  # all of them
    truth = run.lexicon.encode([one.situation for one in situated])
    began = time.process_time()
    found = answers(run.model, SituationExamples(rows, truth))
    speed = len(pictures) / (time.process_time() - began)
    each = terms(found.verbs, found.nouns, truth)
    blocks = (rows.gather(some).to(run.device) for some in torch.arange(len(rows)).split(ROWS))
    said = [best for block in blocks for best in run.named(run.model.predict(block, 1))]
    count(len(said), len(pictures))
    names = [one.situation.verb for one in situated]
    number = {verb: place for place, verb in enumerate(dict.fromkeys(names))}
    verbs = [number[name] for name in names]
    return Outcome(
        kind="situations",
        figures=situation_metrics(each, torch.tensor(verbs)) | {"pictures": len(pictures)},
        speed=speed,
        captions=[frame_text(best.verb, [(one.role, one.word) for one in best.roles]) for best in said],
        terms=each.tolist(),
        verbs=verbs,
    )


def _key(
    run: OpenedRun,
    pictures: Sequence[Picture],
    parses: Parses,
    beam: int,
    phrases: Sequence[Phrase] = (),
    bank: Sequence[Picture] = (),
    folds: int = 1,
) -> str:
    """Cache key: equal for the same run, pictures, sentences, parses, beam, phrases, query bank and folds."""
    digest = hashlib.sha256()
    if is_dual(run.folder):
        digest.update(content_of(find_dual(run.folder)).encode())
    else:
        for name in ("model.safetensors", "vocabulary.json", "config.json"):
            digest.update((run.folder / name).read_bytes())
    digest.update(_content(pictures))
    if parses:
        digest.update(repr(sorted(parses.items())).encode())
    digest.update(str(beam if "beam" in run.task.options else 0).encode())
    if phrases:
        digest.update(repr(phrases).encode())
    if bank:
        digest.update(repr((SHARE, TEMPERATURE)).encode() + _content(bank))
    if folds > 1:
        digest.update(f"{folds} folds".encode())
    return f"{run.folder.resolve().name}-{digest.hexdigest()[:16]}"


def _content(pictures: Sequence[Picture]) -> bytes:
    """A description of pictures: equal for the same names, files and sentences."""
    keys = hashes([picture.path for picture in pictures])[0]
    return repr([(one.name, one.sentences, key) for one, key in zip(pictures, keys, strict=True)]).encode()


def _checksum(kept: object) -> str:
    """Checksum of an outcome as plain values."""
    return hashlib.sha256(to_json(kept).encode()).hexdigest()


def _read(path: Path) -> Outcome | None:
    """Read a kept outcome; None for a file of another version, a damaged one, or any other file."""
    try:
        content = read_json(path)
        sound = content["format"] == FORMAT and content["checksum"] == _checksum(content["outcome"])
        numbers = all(isinstance(one, int | float) for one in content["outcome"]["figures"].values())
        kept_on = date.fromtimestamp(path.stat().st_mtime).isoformat()  # older files do not say when
        return Outcome(**{"measured": kept_on} | content["outcome"]) if sound and numbers else None
    except (InputError, AttributeError, KeyError, TypeError, OSError):
        return None

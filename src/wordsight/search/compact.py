"""Compact index of a few KB a picture: a codebook is fitted to it, and codes replace its exact vectors.

The catalogue keeps the request as the fact `compact`, the number of bytes a region. Pictures are kept exactly until
there are enough to fit a codebook to. Then they are rewritten in codes, as `recoded.py` rewrites those of an older
wordsight in 8 bits, and later pictures are coded at once. After an interruption some pictures are in codes and some are
not; readers handle both, and the next build continues.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from wordsight.batch import Words
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.search.build import Builder
from wordsight.search.built import Built
from wordsight.search.catalog import Catalog
from wordsight.search.coarse_code import Floats, Ints
from wordsight.search.codebook import fit
from wordsight.search.opened import Opened
from wordsight.search.recoded import move

FACT = "compact"
REGION_BYTES = 112  # coarse and fine code of a region; its box takes 4 more
LEAST_BYTES, MOST_BYTES = 64, 1024
LEAST, MOST_PICTURES = 256, 2048  # minimum and maximum number of pictures that a codebook is fitted to
WORDS = 4096  # about how many words stand for those of future queries


def ask_for(catalog: Catalog, index: Opened, region_bytes: int | None) -> None:
    """Note that an index is to be compact; None stands for its present number of bytes, or else `REGION_BYTES`.

    Raises:
        InputError: it is compact already with another number of bytes, or they are too few or too many.
    """
    known = catalog.fact(FACT)
    if region_bytes is None:
        region_bytes = int(known or REGION_BYTES)
    if not LEAST_BYTES <= region_bytes <= MOST_BYTES:
        raise InputError(f"{region_bytes} bytes a region: expected {LEAST_BYTES} to {MOST_BYTES}.")
    if known and known != str(region_bytes) and index.segments.codebook is not None:
        raise InputError(f"{catalog.path.parent}: is compact already, with {known} bytes a region.")
    if known != str(region_bytes):
        with catalog.change():
            catalog.set_fact(FACT, str(region_bytes))


def begin(catalog: Catalog, index: Opened, files: Sequence[Path], progress: Progress) -> Built:
    """Before many files go into an index that is to be compact, add the first of them and fit its codebook.

    Raises:
        InputError: the index cannot be written; what was committed is kept.
    """
    if not catalog.fact(FACT) or index.segments.codebook is not None or len(files) <= MOST_PICTURES:
        return Built()
    with progress.task("the first pictures") as count:
        built = Builder(catalog, index).add(files[:MOST_PICTURES], count=count)
    bring_up(catalog, index, progress)
    return built


def bring_up(catalog: Catalog, index: Opened, progress: Progress) -> int:
    """Rewrite exact vectors as codes, if the index is to be compact and has enough pictures.

    Args:
        catalog: the catalogue of the index, open for writing.
        index: the index.
        progress: receives updates.

    Returns:
        The number of pictures rewritten.

    Raises:
        InputError: vectors cannot be read or written; what was committed is kept.
    """
    asked, segments = catalog.fact(FACT), index.segments
    exact = [number for number in catalog.segments() if not segments.is_compact(number)] if asked else []
    if exact and (segments.codebook is not None or _has(catalog, LEAST)):
        if segments.codebook is None:
            segments.keep(fit(*_sample(catalog, index), _words(index.run), int(asked)))
        done = move(catalog, segments, exact, "compact vectors", progress)
        segments.delete("steps", catalog.segments())
        return done
    return 0


def _has(catalog: Catalog, least: int) -> bool:
    """Whether the index has at least `least` pictures; equal ones share their rows and count once."""
    query = f"SELECT DISTINCT segment, first FROM pictures WHERE rows != 0 LIMIT {least}"
    return len(catalog.db.execute(query).fetchall()) >= least


def _sample(catalog: Catalog, index: Opened) -> tuple[Floats, Ints]:
    """The vectors of pictures from all over the index: (rows, D), and the number of rows of each picture."""
    snapshot = index.snapshot(catalog)
    places = np.unique(np.linspace(0, len(snapshot.spans) - 1, MOST_PICTURES).astype(np.int64))
    some = snapshot.spans[places]
    parts = zip(some.segment.tolist(), some.first.tolist(), some.count.tolist(), strict=True)
    vectors = [snapshot.vectors[segment][first : first + rows] for segment, first, rows in parts]
    return np.concatenate(vectors), some.count


@torch.inference_mode()
def _words(run: Aligner) -> Floats:
    """Words that stand for those of future queries, (W, D): from the model's query bank, or else its vocabulary."""
    bank = getattr(run.model, "query_bank", None)
    if bank is not None and len(bank.sentences):
        ids = bank.sentences.long().to(run.device)
        texts = run.model.encode_texts(Words(ids, ids != 0)).to("cpu")
    else:
        texts = run.encode_texts([word for word in run.vocabulary.closed().words if word.isalpha()][:WORDS]).to("cpu")
    mask = texts.mask.clone()
    if run.model.rule is not None and run.model.rule.whole:
        mask[:, 1:] = False
    found = texts.values[mask]
    return found[:: max(1, len(found) // WORDS)].numpy()

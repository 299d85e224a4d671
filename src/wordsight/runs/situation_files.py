"""Situations of picture files, one or thousands: the work of `wordsight situation`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wordsight.data.pictures import Listing
from wordsight.errors import InputError, printable
from wordsight.outputs import require_unread
from wordsight.progress import Progress
from wordsight.reports.draw import picture_format
from wordsight.runs.aligner import Aligner
from wordsight.runs.caption_files import say_left_out
from wordsight.runs.recognised import Recognised
from wordsight.runs.recogniser import Recogniser
from wordsight.vision.cache import FeatureCache, default_cache
from wordsight.vision.fragments import fragment


@dataclass(frozen=True)
class Situations:
    """The situations of some picture files.

    Attributes:
        found: path -> its situation.
        broken: path -> why it has none.
    """

    found: Mapping[Path, Recognised]
    broken: Mapping[Path, str]

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        found = [one.to_json() for one in self.found.values()]
        return {"pictures": found, "broken": {str(path): why for path, why in self.broken.items()}}

    def __str__(self) -> str:
        """Each path, and below it its situation."""
        return "\n".join(f"{printable(path)}\n{one}" for path, one in self.found.items())

    def draw(self, out: str | Path) -> None:
        """Draw the only picture.

        Raises:
            InputError: `out` cannot be written, or `check_drawing` would refuse it.
        """
        check_drawing(Path(out), list(self.found))
        next(iter(self.found.values())).draw(out)


def check_drawing(out: Path, pictures: Sequence[Path]) -> None:
    """Check that `Situations.draw` can write to a file.

    Raises:
        InputError: the name does not have a picture's suffix, there is not exactly one picture, or it is this picture.
    """
    picture_format(out)
    if len(pictures) != 1:
        raise InputError(f"{out}: expected one picture to draw on, found {len(pictures):,}.")
    require_unread(out, [fragment(pictures[0]).file])


@torch.inference_mode()
def situation_files(
    recogniser: Recogniser,
    paths: Sequence[Path],
    *,
    verb: str | None = None,
    aligner: Aligner | None = None,
    progress: Progress | None = None,
) -> Situations:
    """The situations of picture files; those that cannot be read are left out and listed.

    Args:
        recogniser: finds the situations.
        paths: the files; a video counts as its middle frame. Their features are kept in the feature cache.
        verb: fill the roles of this verb; None for the likeliest.
        aligner: locates the nouns that are sure; None for no boxes.
        progress: receives updates; None prints to stderr.

    Raises:
        InputError: none of the pictures can be used, or the run does not know the verb.
    """
    progress = progress or Progress()
    number = None if verb is None else recogniser.number(verb)
    seers: list[Recogniser | Aligner] = [recogniser]
    if aligner is not None and aligner.checkpoint.fingerprint != recogniser.checkpoint.fingerprint:
        seers.append(aligner)
    tables = []
    for seer in seers:
        with progress.task("features") as count:
            tables.append(FeatureCache(default_cache(), seer.encoder).regions(paths, progress=count))
    broken = {path: why for table in tables for path, why in table.broken.items()}
    broken |= paths.left_out if isinstance(paths, Listing) else {}
    rows = [{place: row for row, place in enumerate(table.kept)} for table in tables]
    found: dict[Path, Recognised] = {}
    for place, path in enumerate(paths):
        if path not in broken:
            views = [table.gather(torch.tensor([row[place]])) for table, row in zip(tables, rows, strict=True)]
            found[path] = recogniser.found(path, views[0], number, aligner, views[-1])
    say_left_out(broken, bool(found), progress)
    return Situations(found, broken)

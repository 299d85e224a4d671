"""What is done in picture files, one or thousands: what `wordsight situation` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wordsight.data.pictures import Listing
from wordsight.errors import InputError, printable
from wordsight.progress import Progress
from wordsight.reports.draw import picture_format
from wordsight.runs.aligner import Aligner
from wordsight.runs.caption_files import say_left_out
from wordsight.runs.recognised import Recognised
from wordsight.runs.recogniser import Recogniser
from wordsight.vision.cache import FeatureCache, default_cache


@dataclass(frozen=True)
class Situations:
    """The situations of some picture files.

    Attributes:
        found: path -> its situation.
        broken: path -> why there is none.
    """

    found: Mapping[Path, Recognised]
    broken: Mapping[Path, str]

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        found = [one.to_json() for one in self.found.values()]
        return {"pictures": found, "broken": {str(path): why for path, why in self.broken.items()}}

    def __str__(self) -> str:
        """Below each path its situation."""
        return "\n".join(f"{printable(path)}\n{one}" for path, one in self.found.items())

    def draw(self, out: str | Path) -> None:
        """Draw the only one.

        Raises:
            InputError: it cannot be written, or `check_drawing` would refuse it.
        """
        check_drawing(Path(out), len(self.found))
        next(iter(self.found.values())).draw(out)


def check_drawing(out: Path, pictures: int) -> None:
    """Whether `Situations.draw` will know what to do.

    Raises:
        InputError: a name that does not end as a picture's, or several pictures.
    """
    picture_format(out)
    if pictures != 1:
        raise InputError(f"{out}: expected one picture to draw on, found {pictures:,}.")


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
        recogniser: finds them.
        paths: the files, of videos the frame in the middle counts; what is seen of them is kept in the feature cache.
        verb: fill the roles of this verb; None for the likeliest.
        aligner: gives the nouns that are sure their boxes; None for no boxes.
        progress: who is told how far it is.

    Raises:
        InputError: none of the pictures can be used, or a verb that the run does not know.
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

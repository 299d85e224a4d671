"""Regions of many pictures, encoded a block at a time; pictures that cannot be read raise an error or are left out."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from wordsight.batch import Regions
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.arguments import Errors, Picture
from wordsight.vision.regions import RegionEncoder, Row, as_regions

ROWS = 64  # pictures in memory at once; with more, progress is printed


class Seeing:
    """The regions of some pictures, to be iterated once.

    Attributes:
        skipped: position of a picture -> why it is left out.
    """

    def __init__(
        self, encoder: RegionEncoder, pictures: Sequence[Picture], errors: Errors, progress: Progress | None
    ) -> None:
        """Take the pictures, without opening them yet.

        Raises:
            InputError: `errors` is neither `raise` nor `skip`.
        """
        if errors not in ("raise", "skip"):
            raise InputError(f"errors = {errors!r}: expected 'raise' or 'skip'.")
        self.skipped: dict[int, str] = {}
        self._encoder, self._pictures, self._errors = encoder, pictures, errors
        self._progress = progress or (Progress() if len(pictures) > ROWS else None)

    def blocks(self, name: str) -> Iterator[tuple[list[int], Regions]]:
        """The positions and the regions of the pictures that can be read, in order.

        Args:
            name: of the task, for progress messages.

        Raises:
            InputError: a picture cannot be read, and `errors` is `raise`.
        """
        places: list[int] = []
        rows: list[Row] = []
        with self._progress.task(name) if self._progress else nullcontext(lambda *_: None) as count:
            for place, row in enumerate(self._encoder.stream(self._pictures)):
                if isinstance(row, InputError):
                    self._leave_out(place, row)
                else:
                    places.append(place)
                    rows.append(row)
                if len(rows) == ROWS:
                    yield places, as_regions(rows, self._encoder.size)
                    places, rows = [], []
                count(place + 1, len(self._pictures))
            if rows:
                yield places, as_regions(rows, self._encoder.size)

    def _leave_out(self, place: int, why: InputError) -> None:
        if self._errors == "raise":
            if len(self._pictures) > 1 and not isinstance(self._pictures[place], str):
                raise type(why)(f"picture {place} of the list: {why}") from None
            raise why
        self.skipped[place] = str(why)

    def warn(self) -> None:
        """Warn if pictures were left out: how many, and why the first one was."""
        if self.skipped:
            first, more = next(iter(self.skipped.values())), len(self.skipped) - 1
            left_out = f"{len(self.skipped):,} of {len(self._pictures):,} pictures left out: {first}"
            warnings.warn(f"{left_out}; and {more:,} more" if more else left_out, stacklevel=3)

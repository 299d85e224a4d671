"""Interface to vector databases: what each of them does for an index."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Protocol, Self

from wordsight.errors import InputError
from wordsight.search.scan import Floats
from wordsight.search.stores.maxsim import width

COLLECTION = "wordsight"  # default name of a collection
FORMAT = 1


@dataclass(frozen=True)
class About:
    """Facts about a collection as a whole.

    Attributes:
        index: the id of the index that it was exported from.
        model: fingerprint of its model (`identity.fingerprint`).
        home: where the model is: `box` for the bundled one, `model` for the one in the index, or a dual encoder's home.
        folder: the index's folder.
        made: the folder that held the index when it was made.
        size: D of the model's vectors.
        whole: whether only the first region of a picture counts.
        calibration: as `Calibration.to_json` gives it; empty if the index is not calibrated.
        pictures: how many there are once all are written.
        format: version of these facts.
    """

    index: str
    model: str
    home: str
    folder: str
    made: str
    size: int
    whole: bool
    calibration: str
    pictures: int
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """The facts as `parse` reads them."""
        return asdict(self)

    @classmethod
    def parse(cls, found: object, where: str) -> Self:
        """Parse the result of `to_json`.

        Raises:
            InputError: it is something else, or of another version.
        """
        if not isinstance(found, dict) or "format" not in found:
            raise InputError(f"{where}: was not written by `wordsight index export`; name another with --collection.")
        if found["format"] != FORMAT:
            raise InputError(
                f"{where}: written by another version of wordsight (format {found['format']}, not {FORMAT})."
            )
        kinds = {field.name: field.type for field in fields(cls)}
        if found.keys() != kinds.keys() or any(type(found[name]) is not kind for name, kind in kinds.items()):
            raise InputError(f"{where}: what is written of it is damaged; `wordsight index export` writes it anew.")
        return cls(**found)


class Point(NamedTuple):
    """A picture in a vector database.

    Attributes:
        number: its number in the catalogue.
        vectors: (R, D + 1 or more), see `maxsim.py`.
        boxes: (R, 4) `xyxy` fractions.
        record: plain values to show and to filter by, see `record.py`.
        stamp: checksum of the record.
    """

    number: int
    vectors: Floats
    boxes: Floats
    record: dict[str, Any]
    stamp: int


class Store(Protocol):
    """A collection of pictures in a vector database; errors of the database become `InputError`.

    Attributes:
        name: the database and the collection, for messages.
    """

    name: str

    def about(self) -> About | None:
        """Facts about the collection; None if it does not exist.

        Raises:
            InputError: it cannot be reached, or was not written by wordsight.
        """

    def create(self, about: About) -> None:
        """Make the collection, without pictures."""

    def describe(self, about: About) -> None:
        """Replace the facts about the collection."""

    def stamps(self) -> dict[int, int]:
        """The stamp of each picture, by its number."""

    def write(self, points: Sequence[Point]) -> None:
        """Insert pictures, or replace those of the same numbers; they are stored for good when this returns."""

    def delete(self, numbers: Collection[int]) -> None:
        """Delete pictures."""

    def finish(self) -> None:
        """Tidy up after the writes, if the database needs it."""

    def count(self) -> int:
        """The number of pictures."""

    def nearest(self, query: Floats, count: int) -> list[Point]:
        """The pictures that score highest by MaxSim, best first.

        Args:
            query: (W, D + 1 or more).
            count: the maximum number.
        """

    def close(self) -> None:
        """Close it; then other processes can open it."""


def check_width(there: object, about: About, where: str) -> None:
    """Check that the vectors of a collection have the expected dimension.

    Raises:
        InputError: they have another one.
    """
    wanted = width(about.size, about.whole)
    if there != wanted:
        raise InputError(f"{where}: its vectors have {there} numbers, expected {wanted}; delete it and export again.")

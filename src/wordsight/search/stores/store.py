"""What every vector database does for an index, whichever it is."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Protocol, Self

from wordsight.errors import InputError
from wordsight.search.scan import Floats
from wordsight.search.stores.maxsim import width

COLLECTION = "wordsight"  # what pictures are put into where nobody says otherwise
FORMAT = 1


@dataclass(frozen=True)
class About:
    """What is written of a collection as a whole.

    Attributes:
        index: the id of the index that it was written from.
        model: what its model is known by (`identity.fingerprint`).
        home: where that is: `box` is the bundled model, `model` the one in the index.
        folder: the index's folder.
        made: the folder that held the index when it was made.
        size: D of the model's vectors.
        whole: whether the first region of a picture alone counts.
        calibration: how sure hits are, as `Calibration.to_json` gives it; empty where that is not known.
        pictures: how many there are once all are written.
        format: of all this.
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
        """As `parse` reads it."""
        return asdict(self)

    @classmethod
    def parse(cls, found: object, where: str) -> Self:
        """What `to_json` gave.

        Raises:
            InputError: this is something else, or of a newer version.
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
        number: what the catalogue calls it.
        vectors: (R, D + 1 or more), see `maxsim.py`.
        boxes: (R, 4) `xyxy` fractions.
        record: what is known of it, see `record.py`.
        stamp: changes when anything of it does.
    """

    number: int
    vectors: Floats
    boxes: Floats
    record: dict[str, Any]
    stamp: int


class Store(Protocol):
    """A collection of pictures in a vector database; `InputError` says what the database has to say.

    Attributes:
        name: the database and the collection, for messages.
    """

    name: str

    def about(self) -> About | None:
        """What is written of it; None where there is no such collection.

        Raises:
            InputError: it cannot be reached, or is no collection of ours.
        """

    def create(self, about: About) -> None:
        """Make the collection, without pictures."""

    def describe(self, about: About) -> None:
        """Write something else of it."""

    def stamps(self) -> dict[int, int]:
        """The stamp of each picture, by its number."""

    def write(self, points: Sequence[Point]) -> None:
        """Put pictures in, in place of those of the same numbers; they are kept when this returns."""

    def delete(self, numbers: Collection[int]) -> None:
        """Take pictures out."""

    def finish(self) -> None:
        """Put in order what was written in parts."""

    def count(self) -> int:
        """How many pictures there are."""

    def nearest(self, query: Floats, count: int) -> list[Point]:
        """The pictures that score highest by MaxSim, best first.

        Args:
            query: (W, D + 1 or more).
            count: how many.
        """

    def close(self) -> None:
        """Be done with it; others can open it then."""


def check_width(there: object, about: About, where: str) -> None:
    """That the vectors of a collection are as long as they must be.

    Raises:
        InputError: they are not.
    """
    wanted = width(about.size, about.whole)
    if there != wanted:
        raise InputError(f"{where}: its vectors have {there} numbers, expected {wanted}; delete it and export again.")

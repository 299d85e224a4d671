"""Captions of several pictures: a list for each picture, and which pictures have none."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wordsight.captioning.captions import Caption
from wordsight.runs.arguments import Picture
from wordsight.vision.images import name_of
from wordsight.vision.notebook import frame

if TYPE_CHECKING:
    from pandas import DataFrame


class Captions(list[list[Caption]]):
    """A list of captions for each picture, best first; empty for a picture that cannot be opened.

    Attributes:
        names: of the pictures: their files, or "picture given in memory".
        skipped: position of a picture that cannot be opened -> why it cannot.
    """

    def __init__(self, pictures: Sequence[Picture], skipped: dict[int, str]) -> None:
        super().__init__([] for _ in pictures)
        self.names, self.skipped = [name_of(picture) for picture in pictures], skipped

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, as `wordsight caption --json` prints them."""
        said = [picture_dict(name, captions) for name, captions in zip(self.names, self, strict=True) if captions]
        return {"pictures": said, "broken": {self.names[place]: why for place, why in self.skipped.items()}}

    def to_pandas(self) -> "DataFrame":
        """The same as a table, one row per caption.

        Raises:
            InputError: pandas is not installed.
        """
        named = zip(self.names, self, strict=True)
        return frame([{"picture": name} | one.to_dict() for name, captions in named for one in captions])

    def _repr_html_(self) -> str:
        """The first `SHOWN` pictures with their captions, for a notebook."""
        return "".join(one._repr_html_() for captions in self[:SHOWN] for one in captions)


SHOWN = 20  # pictures in a notebook


def picture_dict(name: str, said: Sequence[Caption]) -> dict[str, Any]:
    """A picture's captions as plain values, with the answer, the certainty and the things of the best one."""
    best = said[0]
    return {
        "picture": name,
        "captions": [one.to_dict() for one in said],
        "certain": best.certain,
        "answer": best.answer,
        "things": [asdict(thing) for thing in best.things],
    }

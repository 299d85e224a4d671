"""Which hits of a search are wanted, and how many."""

from dataclasses import dataclass

from wordsight.search import filters
from wordsight.search.calibrate import FIRST
from wordsight.search.duplicates import GROUPED


@dataclass(frozen=True, kw_only=True)
class SearchOptions(filters.Filter):
    """Which hits are wanted, and how many.

    Attributes:
        top: hits on a page; at least 1.
        page: the number of the page, 1 is the first.
        min_score: leave pictures out that score less.
        min_confidence: leave pictures out that are less sure, 0 to 1.
        group: show near-duplicates as one.
        frames: show each frame of a video, and not the video as one hit.
    """

    top: int = 10
    page: int = 1
    min_score: float | None = None
    min_confidence: float | None = None
    group: bool = False
    frames: bool = False

    @property
    def count(self) -> int:
        """How many of the best must be known for this page."""
        return max(self.top * self.page, FIRST, GROUPED if self.group else 0)


class SearchKeywords(filters.FilterKeywords, total=False):
    """The same as keywords of `Index.search`."""

    top: int
    page: int
    min_score: float | None
    min_confidence: float | None
    group: bool
    frames: bool

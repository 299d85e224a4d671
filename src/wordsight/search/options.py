"""Search options: filters, thresholds and pages."""

from dataclasses import dataclass

from wordsight.search import filters
from wordsight.search.calibrate import FIRST
from wordsight.search.duplicates import GROUPED


@dataclass(frozen=True, kw_only=True)
class SearchOptions(filters.Filter):
    """Search options: which hits are returned, and how many.

    Attributes:
        top: hits on a page; at least 1.
        page: the number of the page, 1 is the first.
        min_score: the lowest score of a hit; None for no limit.
        min_confidence: the lowest confidence of a hit, 0 to 1; None for no limit.
        group: show near-duplicates as one hit.
        frames: show each frame of a video as a hit, instead of the video as one.
    """

    top: int = 10
    page: int = 1
    min_score: float | None = None
    min_confidence: float | None = None
    group: bool = False
    frames: bool = False

    @property
    def count(self) -> int:
        """How many of the best hits must be scored exactly for this page."""
        return max(self.top * self.page, FIRST, GROUPED if self.group else 0)


class SearchKeywords(filters.FilterKeywords, total=False):
    """Search options as keywords of `Index.search`."""

    top: int
    page: int
    min_score: float | None
    min_confidence: float | None
    group: bool
    frames: bool

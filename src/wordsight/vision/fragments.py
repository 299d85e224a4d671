"""Names of clips and of parts of them, as in W3C Media Fragments; nothing is opened.

`clip.mp4#t=10,12.5` is what is shown from second 10 to 12.5, `clip.mp4#t=7` what is shown at second 7. Such a name
stands wherever that of a file does.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

VIDEO_SUFFIXES = frozenset(
    f".{ending}"
    for ending in ("mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg", "mpeg", "wmv", "flv", "3gp", "ogv", "ts")
)
_NAME = re.compile(r"(?as)(.+\.\w+)#t=(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?")


class Times(NamedTuple):
    """A name and the times in it.

    Attributes:
        file: the name of the whole clip.
        start: in seconds; None where the name has no times.
        end: likewise; None where it has one time or none.
    """

    file: str
    start: float | None = None
    end: float | None = None


class Fragment(NamedTuple):
    """A part of a clip.

    Attributes:
        file: of the whole clip.
        start: where the part begins, seconds.
        end: and where it ends; infinite for the end of the clip.
    """

    file: Path
    start: float = 0.0
    end: float = math.inf

    @property
    def whole(self) -> bool:
        """Whether it is the whole clip."""
        return self.start == 0 and self.end == math.inf

    @property
    def path(self) -> Path:
        """The name of the part, `FILE#t=START,END`; of the whole clip that of its file."""
        if self.whole:
            return self.file
        return self.file.with_name(f"{self.file.name}#t={self.times}")

    @property
    def times(self) -> str:
        """When it begins and ends, to the millisecond: `START,END`."""
        return ",".join(f"{time:.3f}".rstrip("0").rstrip(".") for time in (self.start, self.end))


def times_in(name: str) -> Times:
    """The file and the times that a name says."""
    found = _NAME.fullmatch(name) if name[-1:].isdecimal() else None
    if not found:
        return Times(name)
    return Times(found[1], float(found[2]), None if found[3] is None else float(found[3]))


def fragment(path: str | Path) -> Fragment:
    """The clip or the part of one that a name with two times, or with none, is of."""
    file, start, end = times_in(str(path))
    return Fragment(Path(path)) if start is None or end is None else Fragment(Path(file), start, end)


def is_video(name: str | Path) -> bool:
    """Whether a name is a video's, or of a part of one, by its ending, in capitals or not."""
    return fragment(name).file.suffix.lower() in VIDEO_SUFFIXES

"""Names of clips and of their parts, as in W3C Media Fragments; no file is opened.

`clip.mp4#t=10,12.5` is the part from second 10 to 12.5, `clip.mp4#t=7` the frame at second 7. Such a name may stand
wherever a file's name may.
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
    """A name, split into a file and times.

    Attributes:
        file: the name of the whole clip.
        start: in seconds; None if the name has no times.
        end: in seconds; None if the name has one time or none.
    """

    file: str
    start: float | None = None
    end: float | None = None


class Fragment(NamedTuple):
    """A part of a clip.

    Attributes:
        file: of the whole clip.
        start: beginning of the part, in seconds.
        end: end of the part, in seconds; infinite for the end of the clip.
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
        """The name of the part, `FILE#t=START,END`; for the whole clip, its file."""
        if self.whole:
            return self.file
        return self.file.with_name(f"{self.file.name}#t={self.times}")

    @property
    def times(self) -> str:
        """Its beginning and end, to the millisecond: `START,END`."""
        return ",".join(f"{time:.3f}".rstrip("0").rstrip(".") for time in (self.start, self.end))


def times_in(name: str) -> Times:
    """Split a name into its file and times."""
    found = _NAME.fullmatch(name) if name[-1:].isdecimal() else None
    if not found:
        return Times(name)
    return Times(found[1], float(found[2]), None if found[3] is None else float(found[3]))


def fragment(path: str | Path) -> Fragment:
    """Parse the name of a part, which has two times; any other name is taken as a whole clip's."""
    file, start, end = times_in(str(path))
    return Fragment(Path(path)) if start is None or end is None else Fragment(Path(file), start, end)


def is_video(name: str | Path) -> bool:
    """Whether a name is that of a video or a part of one, by its suffix, case-insensitively."""
    return fragment(name).file.suffix.lower() in VIDEO_SUFFIXES

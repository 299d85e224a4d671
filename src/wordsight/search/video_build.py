"""Indexing of videos: one frame per second, without near-duplicates.

A frame is left out if it is a near-duplicate (`duplicates.py`) of the last frame of its video that was kept. Frames are
committed as they come, with the progress of their video. So a build that was stopped continues at the last frame that
it kept, which is encoded again to compare the next ones with it.
"""

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor
from torch.nn.functional import normalize

from wordsight.batch import Vectors
from wordsight.search import frames
from wordsight.search.append import like
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.duplicates import ALIKE, likeness
from wordsight.search.frames import Video, frame_hash, frame_key, split
from wordsight.search.look import look_at_video
from wordsight.search.paths import Paths
from wordsight.vision.video_frames import Sample, sampled, step_of


@dataclass
class Sampling:
    """A video whose frames are being encoded.

    Attributes:
        entry: of the file as a whole.
        path: the file.
        seconds: length of the video.
        start: the time of the first frame that is encoded now.
        times: of the frames that are in the index, or will be.
        given: number of frames that went into the encoder.
        taken: number of frames that came out of it.
        until: all frames before this time are done, kept or left out.
        ended: whether there are no more frames to encode.
        failed: why it cannot be read to its end; empty if it can.
        last: the regions (R, D) of the last frame that was kept.
    """

    entry: Entry
    path: Path
    seconds: float
    start: int
    times: set[int]
    given: int = 0
    taken: int = 0
    until: int = 0
    ended: bool = False
    failed: str = ""
    last: Tensor | None = None

    @property
    def is_done(self) -> bool:
        """Whether every frame has come out of the encoder."""
        return self.ended and self.taken == self.given

    def of(self, sample: Sample) -> Entry:
        """The entry of a frame."""
        key, content = self.entry.path, self.entry.hash
        width, height = sample.size
        name, hashed = frame_key(key, sample.time), frame_hash(content, sample.time)
        return self.entry._replace(path=name, hash=hashed, width=width, height=height)

    def keeps(self, time: int, regions: Tensor) -> bool:
        """Whether to keep a frame, as it is no near-duplicate of the last kept one; then it becomes the last kept one.

        Args:
            time: of the frame, whole seconds.
            regions: (R, D) of the frame.
        """
        regions, self.until = normalize(regions, dim=1), time + step_of(self.seconds)
        if self.last is not None and likeness(regions, self.last) >= ALIKE:
            return False
        self.last = regions
        self.times.add(time)
        return True

    def progress(self) -> Video:
        """Its current row in the table `videos`."""
        until = max(self.until, -int(-self.seconds // 1), 1) if self.is_done and not self.failed else self.until
        return Video(self.entry.path, self.entry.hash, float(self.seconds), until, len(self.times))


class VideoBuilder:
    """Adds videos to an index that is open for writing.

    Attributes:
        open: videos whose frames are being encoded.
        left: former names of videos that were moved.
    """

    def __init__(self, catalog: Catalog, paths: Paths) -> None:
        self.open: list[Sampling] = []
        self.left: set[str] = set()
        self._catalog, self._paths = catalog, paths
        self._known = frames.videos(catalog)

    def look(
        self, key: str, path: Path, forced: bool, broken: Container[str]
    ) -> Sampling | Literal["unchanged", "moved", "copied"]:
        """Decide what to do with a video, and do it if it needs no encoding; no other change may be pending.

        Args:
            key: its name in the index.
            path: its file.
            forced: whether one of its frames is damaged.
            broken: names of files that could not be read the last time.

        Raises:
            OSError, InputError: it cannot be read.
        """
        found, was = os.stat(path), self._known.get(key)
        there = {time: one for time, one in frames.frames(self._catalog, key).items() if one.rows}
        sound = was is not None and not forced and self._has_all(was, there)
        same = {(one.bytes, one.mtime_ns) for one in there.values()} == {(found.st_size, found.st_mtime_ns)}
        if was and sound and was.is_complete and same and key not in broken:
            return "unchanged"
        new, header = look_at_video(key, path)
        new = new._replace(meta=next(iter(there.values())).meta) if there else new
        if was and sound and was.hash == new.hash:
            if was.is_complete:
                self._rename(was, new)
                return "unchanged"
            times = self._times(was, there)
            return self._open(Sampling(new, path, header.seconds, max(times), times - {max(times)}))
        if not forced and (other := self._same(new)):
            if key not in self._known and not there and self._paths.is_gone(other.path):
                self._rename(other, new)
                return "moved"
            self._copy(other, new)
            return "copied"
        return self._open(Sampling(new, path, header.seconds, 0, set()))

    def frames(self, sampling: Sampling) -> Iterator[tuple[Entry, Sample]]:
        """The frames of a video that must be encoded.

        Raises:
            InputError: it cannot be read to its end; earlier frames are kept.
        """
        try:
            for sample in sampled(sampling.path, sampling.start):
                sampling.given += 1
                yield sampling.of(sample), sample
        finally:
            sampling.ended = True

    def distinct(self, encoded: Sequence[tuple[Sampling | None, Entry]], images: Vectors) -> list[int]:
        """The rows to keep of encoded pictures and frames, in their order: all pictures, and distinct frames.

        Args:
            encoded: the entry of each, with its video if it is a frame; frames of one video in their order.
            images: their vectors.
        """
        return [
            row
            for row, (sampling, entry) in enumerate(encoded)
            if sampling is None or sampling.keeps(split(entry.path)[1] or 0, images.values[row][images.mask[row]])
        ]

    def commit(self, touched: Sequence[Sampling]) -> list[Sampling]:
        """Write the progress of videos; returns those that are done. To be called within `Catalog.change`."""
        done = [one for one in self.open if one.is_done]
        self.open = [one for one in self.open if not one.is_done]
        for one in {id(one): one for one in [*touched, *done] if one.until}.values():
            self._known[one.entry.path] = one.progress()
            frames.put(self._catalog, one.progress(), one.times)
        return [one for one in done if not one.failed]

    def _open(self, sampling: Sampling) -> Sampling:
        self.open.append(sampling)
        return sampling

    def _times(self, was: Video, there: Mapping[int, Entry]) -> set[int]:
        """The times of a video's valid frames: of the same content, and before its `until`."""
        return {time for time, one in there.items() if one.hash == frame_hash(was.hash, time) and time < was.until}

    def _has_all(self, was: Video, there: Mapping[int, Entry]) -> bool:
        return was.frames == len(self._times(was, there)) > 0

    def _same(self, new: Entry) -> Video | None:
        """A complete video of the same content and another name, preferably one whose file is gone."""
        same = [one for one in self._known.values() if one.hash == new.hash and one.is_complete]
        whole = [one for one in same if one.path != new.path and self._has_all(one, self._rows(one))]
        return min(whole, key=lambda one: not self._paths.is_gone(one.path), default=None)

    def _rows(self, video: Video) -> dict[int, Entry]:
        return {time: one for time, one in frames.frames(self._catalog, video.path).items() if one.rows}

    def _rename(self, was: Video, new: Entry) -> None:
        with self._catalog.change():
            frames.rename(self._catalog, was, new)
        del self._known[was.path]
        self.left |= {was.path} - {new.path}
        self._known[new.path] = was._replace(path=new.path)

    def _copy(self, other: Video, new: Entry) -> None:
        made = other._replace(path=new.path)
        copies = [
            like(new._replace(path=frame_key(new.path, time), hash=one.hash, width=one.width, height=one.height), one)
            for time, one in self._rows(other).items()
        ]
        with self._catalog.change():
            self._catalog.set_entries(copies)
            frames.put(self._catalog, made, self._rows(other))
        self._known[new.path] = made

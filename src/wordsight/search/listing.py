"""Files that go into an index: pictures, and videos if they can be read."""

from collections.abc import Iterable

from wordsight.data.pictures import Listing, Names, picture_files
from wordsight.errors import InputError, install
from wordsight.vision.fragments import is_video
from wordsight.vision.video_frames import reads_videos


def listed_files(names: Names, listed: Iterable[str | bytes] = (), *, empty: bool = False) -> Listing:
    """Resolve names to files of pictures and videos.

    Without the extra `video` all videos are left out, with one sentence that says so.

    Args:
        names: see `picture_files`.
        listed: see `picture_files`.
        empty: see `picture_files`.

    Raises:
        InputError: there is no file at all.
    """
    if isinstance(names, Listing):
        return names
    found = picture_files(names, listed, videos=True, empty=empty)
    videos = [] if reads_videos() else [path for path in found if is_video(path)]
    if not videos:
        return found
    others = f" and {len(videos) - 1:,} more" if len(videos) > 1 else ""
    why = f"{videos[0]}{others}: left out; reading videos needs PyAV: {install('video')}"
    kept = [path for path in found if not is_video(path)]
    if not kept:
        raise InputError(why)
    return Listing(kept, found.left_out | {videos[0]: why})

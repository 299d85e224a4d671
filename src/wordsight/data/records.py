"""Dataset records: pictures with sentences and splits."""

import difflib
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from wordsight.errors import InputError
from wordsight.vision.fragments import fragment

_SPLITS = {
    "train": ("train", "training", "restval"),
    "val": ("val", "valid", "validation", "validate", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {name: split for split, names in _SPLITS.items() for name in names}
_NAMES = "|".join(sorted(_SPLIT_OF, key=len, reverse=True))
_KINDS = "(?:images?|imgs?|pictures?|photos?|set|split|data|coco|captions?|annotations?)"  # around a folder's split
_BESIDE = frozenset(  # words that may follow the split in a file's name
    (
        *("of", "image", "images", "imgs", "data", "metadata", "caption", "captions", "annotations", "labels", "info"),
        *("set", "split", "list", "karpathy", "results", "raw", "clean", "final", "new", "en", "utf"),
    )
)


@dataclass(frozen=True)
class Picture:
    """A picture and its sentences.

    Attributes:
        name: unique in the dataset: the file name, with folders where it alone is not unique.
        path: the file, or a part of a clip (`clip.mp4#t=10,12`); it may be missing or broken.
        split: "train", "val", "test" or another name that the data gives.
        sentences: as written; there may be none, and some may be empty.
        ids: ids of the sentences in the data, if all are whole numbers; else empty.
        image_id: the picture's id in COCO's data; None in other formats.
    """

    name: str
    path: Path
    split: str
    sentences: tuple[str, ...]
    ids: tuple[int, ...] = field(default=(), compare=False, kw_only=True)
    image_id: int | str | None = field(default=None, compare=False, kw_only=True)


@dataclass(frozen=True)
class Dataset:
    """Pictures with sentences, as read from files.

    Attributes:
        name: for display.
        root: the folder.
        format: the format detected: "karpathy", "flickr", "coco", "imagefolder", "table", "webdataset", "pairs",
            "msvd", "msr-vtt" or "subtitles".
        pictures: all of them, in the order of the files.
        faults: sentences that report rows left out or repaired, and files skipped.
    """

    name: str
    root: Path
    format: str
    pictures: tuple[Picture, ...]
    faults: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, int]:
        """The names of the splits and the number of pictures in each."""
        return dict(Counter(picture.split for picture in self.pictures))

    def split(self, name: str) -> list[Picture]:
        """The pictures of a split that have sentences, without empty ones.

        Args:
            name: "train", "val", "test", a synonym ("dev", "validation"), or another name in the data.

        Raises:
            InputError: there is no such split, or it has no sentence; the message lists the splits.
        """
        name = split_name(name)
        if name not in self.splits:
            raise no_split(self.root, name, self.splits)
        spoken = [with_words(picture) for picture in self.pictures if picture.split == name]
        pictures = [picture for picture in spoken if picture.sentences]
        if not pictures:
            raise InputError(f"{self.root}: none of the {len(spoken)} pictures of the split '{name}' has a sentence.")
        return pictures


def no_split(root: Path, name: str, splits: dict[str, int]) -> InputError:
    """The error for a split that is not among `splits`, the numbers of pictures by split."""
    there = ", ".join(f"'{split}' ({count})" for split, count in splits.items())
    near = difflib.get_close_matches(name, splits, 1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return InputError(f"{root} has no split '{name}': there is {there}{hint}")


def split_name(name: str) -> str:
    """Canonical name of a split: "train" (also for restval, as usual), "val", "test", or the name itself."""
    return _SPLIT_OF.get(name.strip().lower(), name.strip())


def split_of_file(stem: str, default: str = "train") -> str:
    """The split at the end of a file's name: "val" for "captions_val2014" or "val-00000-of-00002", else `default`."""
    words = re.findall(r"[^\W\d_]+", stem.lower()) if " " not in stem.strip() else [stem.strip().lower()]
    while words and words[-1] in _BESIDE:
        words.pop()
    return _SPLIT_OF.get(words[-1], default) if words else default


def split_of_folder(name: str, default: str = "") -> str:
    """The split in a folder's name: "val" for "val2014" or "val_images", `default` for "Val Thorens"."""
    words = re.fullmatch(rf"(?:{_KINDS}[-_. ]?)?({_NAMES})(?:[-_. ]?(?:{_KINDS}|\d+))?", name.strip().lower())
    return _SPLIT_OF[words[1]] if words else default


def hold_out(dataset: Dataset, share: float) -> Dataset:
    """Hold out a share of the training pictures as "val", deterministically by their names.

    Args:
        dataset: one without a validation split.
        share: of the training pictures, above 0 and below 1; at least two pictures, as a single one is always found.

    Raises:
        InputError: the share is out of range, or leaves one of the two splits empty.
    """
    if not 0 < share < 1:
        raise InputError(f"The share of pictures to hold out must be above 0 and below 1, not {share}.")

    def lot(picture: Picture) -> int:
        name = str(fragment(picture.name).file)  # the parts of one clip stay together
        return int.from_bytes(hashlib.sha256(name.encode(errors="backslashreplace")).digest()[:8])

    lots = sorted(lot(picture) for picture in dataset.pictures if picture.split == "train")
    most = max(share * 2**64, lots[1] + 1 if len(lots) > 1 else 0)
    moved = tuple(
        replace(picture, split="val") if picture.split == "train" and lot(picture) < most else picture
        for picture in dataset.pictures
    )
    result = replace(dataset, pictures=moved)
    if not {"train", "val"} <= result.splits.keys():
        trained = ((old, new) for old, new in zip(dataset.pictures, moved, strict=True) if old.split == "train")
        said = [new.split for old, new in trained if with_words(old).sentences]
        expected = "a smaller share" if len(set(lots)) >= 4 else "at least 4 pictures or clips"
        raise InputError(
            f"{dataset.root}: of {len(said)} training pictures with sentences, {said.count('val')} are held out as "
            f"'val' (a share of {share}), which leaves one side empty; expected {expected}, or a split 'val'."
        )
    return result


def with_words(picture: Picture) -> Picture:
    """The picture with only those of its sentences that have a letter or a digit."""
    kept = [place for place, sentence in enumerate(picture.sentences) if any(map(str.isalnum, sentence))]
    if len(kept) == len(picture.sentences):
        return picture
    sentences = tuple(picture.sentences[place] for place in kept)
    return replace(picture, sentences=sentences, ids=tuple(picture.ids[place] for place in kept if picture.ids))

"""Sequences of photographs as clips: shots whose order is known, to measure what a video captioner looks at.

Two to four pictures of a dataset follow one another, each with a slow pan or zoom; the sentence of a clip is their
sentences joined by "then". So the features are real, and each word is known to be about one shot.
"""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from wordsight.data.made import Records, new_folder
from wordsight.data.records import Dataset, Picture
from wordsight.text.tokens import tokenise
from wordsight.vision.images import BadPicture, open_image

FRAMES, SIDE, MILLISECONDS = 28, 192, 120
SHOTS = (2, 4)
SENTENCES = 5
LONGEST = 14  # maximum words of a shot's sentence
JOIN = "then"


def write_sequences(
    dataset: Dataset, out: Path, seed: int = 0, most: int = 0, progress: Callable[[int, int], None] = lambda *_: None
) -> Path:
    """Write clips made of a dataset's pictures: `images/*.webp`, `dataset.json` and `shots.json`.

    Each picture is in at most one clip, of its own split. For each clip, `shots.json` gives the first frame of each
    shot; the word "then" divides its sentences in the same way.

    Args:
        dataset: with the splits train and val.
        out: the folder to make; it appears only when complete.
        seed: decides which pictures follow one another, how they move, and which sentences are joined.
        most: maximum number of clips of each split; 0 for as many as the pictures give.
        progress: receives the number of clips done, and the total.

    Returns:
        The folder.

    Raises:
        InputError: the dataset lacks a split, the folder is not empty, or it cannot be written.
    """
    out = Path(out)
    wanted: list[tuple[str, list[Picture]]] = []
    for split in ("train", "val"):
        clips = _grouped(_usable(dataset.split(split)), random.Random(f"{seed} {split}"))
        wanted += [(split, clip) for clip in clips[: most or None]]
    with new_folder(out) as folder:
        _write(wanted, folder, f"{dataset.name}-sequences-{seed}", seed, progress)
    return out


def _usable(pictures: Sequence[Picture]) -> list[Picture]:
    """Pictures with sentences that are short and do not say "then" themselves."""
    kept = []
    for picture in pictures:
        said = [one for one in picture.sentences if JOIN not in (words := tokenise(one)) and 0 < len(words) <= LONGEST]
        if said:
            kept.append(Picture(picture.name, picture.path, picture.split, tuple(said)))
    return kept


def _grouped(pictures: list[Picture], rng: random.Random) -> list[list[Picture]]:
    """The pictures in random groups of two to four; a single one that is left over is dropped."""
    rng.shuffle(pictures)
    groups, at = [], 0
    while len(pictures) - at >= SHOTS[0]:
        count = rng.randint(*SHOTS)
        groups.append(pictures[at : at + count])
        at += count
    return [group for group in groups if len(group) >= SHOTS[0]]


def _write(
    wanted: Sequence[tuple[str, list[Picture]]],
    folder: Path,
    name: str,
    seed: int,
    progress: Callable[[int, int], None],
) -> None:
    records, shots = Records(), {}
    for number, (split, pictures) in enumerate(wanted):
        progress(number, len(wanted))
        rng = random.Random(f"{seed} {number}")
        cuts = _cuts(len(pictures), rng)
        try:
            frames = [
                frame
                for picture, first, end in zip(pictures, cuts, [*cuts[1:], FRAMES], strict=True)
                for frame in _shot(open_image(picture.path, at_least=SIDE), end - first, rng)
            ]
        except BadPicture:
            continue
        file = f"sequence_{number:05d}.webp"
        frames[0].save(
            folder / "images" / file,
            save_all=True,
            append_images=frames[1:],
            duration=MILLISECONDS,
            quality=80,
            method=0,
        )
        shots[file] = {"first": cuts, "pictures": [picture.name for picture in pictures]}
        said = [rng.sample(picture.sentences, len(picture.sentences)) for picture in pictures]
        texts = [
            f" {JOIN} ".join(" ".join(tokenise(one[k % len(one)])) for one in said)
            for k in range(min(SENTENCES, max(map(len, said))))
        ]
        records.add(file, split, texts)
    (folder / "shots.json").write_text(json.dumps(shots), encoding="utf-8")
    records.write(folder, name)


def _cuts(shots: int, rng: random.Random) -> list[int]:
    """The first frame of each shot; a shot has at least four frames."""
    spare = FRAMES - 4 * shots
    marks = sorted(rng.randint(0, spare) for _ in range(shots - 1))
    return [0, *(mark + 4 * (place + 1) for place, mark in enumerate(marks))]


def _shot(image: Image.Image, count: int, rng: random.Random) -> list[Image.Image]:
    """Frames of one picture: a square window that moves and grows or shrinks slowly."""
    width, height = image.size
    side = min(width, height)
    sizes = [side * rng.uniform(0.78, 1.0) for _ in range(2)]
    lefts, tops = ([rng.uniform(0, room - size) for size in sizes] for room in (width, height))
    frames = []
    for frame in range(count):
        part = frame / max(1, count - 1)
        left, top, size = (one[0] + (one[1] - one[0]) * part for one in (lefts, tops, sizes))
        box = (left, top, min(left + size, width), min(top + size, height))
        frames.append(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))
    return frames

"""Painted world: a seeded dataset of coloured shapes with true sentences.

Tests and the demo use it. It is written in standard formats (Karpathy JSON, phrase boxes as in Flickr30k Entities), so
all other code treats it like any other dataset.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

from wordsight.data.made import Records, new_folder
from wordsight.data.painted.scene import Part, Scene, describe, paint_scene, spell
from wordsight.errors import InputError

SPLITS = ("train", "train", "val", "train", "train", "test")  # given to the pictures in turn


def paint_world(out: Path, pictures: int = 600, seed: int = 0) -> Path:
    """Write a painted dataset: `images/*.jpg`, `dataset.json`, `entities.json`, splits train, val and test (4:1:1).

    The same seed gives the same bytes. An existing world of the same size and seed is kept.

    Args:
        out: the folder to create; it appears only when complete.
        pictures: the number of pictures, at least 6.
        seed: any integer.

    Returns:
        The folder.

    Raises:
        InputError: too few pictures, the folder holds something else or a part of the world, or it cannot be written.
    """
    out = Path(out)
    if pictures < 6:
        raise InputError(f"A painted world needs at least 6 pictures, not {pictures}.")
    name = f"painted-{pictures}-{seed}"
    if _name(out) == name:
        _check_whole(out, pictures)
        return out
    with new_folder(out) as folder:
        _write(folder, name, pictures, seed)
    return out


def _name(folder: Path) -> str:
    """The name of the dataset in a folder; "" without one."""
    try:
        return str(json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["dataset"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _file(number: int) -> str:
    """The name of a picture."""
    return f"painted_{number:05d}.jpg"


def _check_whole(folder: Path, pictures: int) -> None:
    """Raise InputError if files of an existing world are gone."""
    files = ["entities.json", *(f"images/{_file(number)}" for number in range(pictures))]
    gone = [name for name in files if not (folder / name).exists()]
    if gone:
        raise InputError(
            f"{folder}: {len(gone)} of the {len(files)} files of this painted world are gone, such as {gone[0]}; "
            "delete the folder or name a new one to paint it again."
        )


def _write(folder: Path, name: str, pictures: int, seed: int) -> None:
    """Paint everything into a new folder."""
    records, entities = Records(), {}
    for number in range(pictures):
        filename, split = _file(number), SPLITS[number % len(SPLITS)]
        scene = paint_scene(seed, number)
        scene.image.save(folder / "images" / filename, quality=92, subsampling=0)
        said = describe(scene, random.Random(f"{seed} {number}"))
        texts = [spell(parts) for parts in said]
        records.add(filename, split, texts)
        entities[filename] = {"split": split} | _entities(scene, said, texts)
    (folder / "entities.json").write_text(json.dumps(entities), encoding="utf-8")
    records.write(folder, name)


def _entities(scene: Scene, said: Sequence[Sequence[Part]], texts: Sequence[str]) -> dict[str, object]:
    """A picture's phrases and their boxes, as in Flickr30k Entities (1-based inclusive pixels)."""
    boxes: dict[str, list[list[int]]] = {}
    sentences = []
    for parts, text in zip(said, texts, strict=True):
        phrases, start = [], 0
        for part in parts:
            words = (part if isinstance(part, str) else part[0]).split()
            if not isinstance(part, str):
                chain = "".join(str(which + 1) for which in part[1])
                boxes[chain] = [
                    [x + 1, y + 1, right, bottom] for x, y, right, bottom in (scene.things[i].box for i in part[1])
                ]
                phrases.append({"chain": chain, "types": ["shape"], "start": start, "len": len(words), "text": part[0]})
            start += len(words)
        sentences.append({"text": text, "phrases": phrases})
    return {
        "w": scene.image.width,
        "h": scene.image.height,
        "sentences": sentences,
        "boxes_xyxy_1based": boxes,
        "nobox": {},
        "flickr8k_caption_to_sentence": {str(i): i for i in range(len(texts))},
    }

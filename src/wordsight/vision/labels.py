"""Region labels: the detector's class, a group of that class, a part of a person, or the whole picture.

C classes give 2 C + 4 labels: the classes, groups of each class, head, torso, legs, whole picture. Windows have none.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.vision.proposals import Kind, Proposals

_PERSON = ("person", "man", "woman", "boy", "girl", "child")
_PEOPLE = ("people", "men", "women", "boys", "girls", "children", "group", "crowd")
_HEAD = ("head", "face", "hair", "hat", "helmet", "cap", "glasses", "mouth")
_TORSO = ("shirt", "jacket", "coat", "vest", "sweater", "hand", "arms", "uniform")
_LEGS = ("pants", "shorts", "jeans", "skirt", "legs", "feet", "shoes")
_WHOLE = ("field", "beach", "street", "mountain", "forest", "snow", "water", "grass", "park", "building")
_EXTRA = {Kind.HEAD: 0, Kind.TORSO: 1, Kind.LEGS: 2, Kind.WHOLE: 3}


def label_names(classes: Sequence[str]) -> list[tuple[str, ...]]:
    """The words of each label for a detector of these classes: 2 C + 4 tuples."""
    single = [_PERSON if name == "person" else tuple(name.split()) for name in classes]
    several = [_PEOPLE if name == "person" else tuple(f"{word}s" for word in name.split()) for name in classes]
    return [*single, *several, _HEAD, _TORSO, _LEGS, _WHOLE]


def label_titles(classes: Sequence[str]) -> list[str]:
    """Names of labels for word vectors: 2 C + 4, empty for parts of a person and the whole picture."""
    return [*classes, *classes, "", "", "", ""]


def countable(classes: int) -> NDArray[np.bool_]:
    """Mask (2 C + 4,) of labels whose presence varies independently; head, torso and legs come with a person."""
    counts = np.ones(2 * classes + 4, bool)
    counts[2 * classes : 2 * classes + 3] = False
    return counts


def held(proposals: Proposals) -> NDArray[np.float32]:
    """Label values of each region: (R, 2 C + 4), 0 to 1.

    They are the fourth root of the detector's score, which is too low if the detector was trained on few classes.
    """
    classes = proposals.classes.shape[1]
    rows = np.zeros((len(proposals), 2 * classes + 4), np.float32)
    rows[proposals.kinds == Kind.WHOLE, -1] = 1.0
    detected = np.flatnonzero(proposals.classes.any(axis=1) & (proposals.kinds != Kind.WHOLE))
    if len(detected):
        kinds, scores = proposals.kinds[detected], proposals.classes[detected]
        best = scores.argmax(axis=1)
        label = best + classes * (kinds == Kind.GROUP)
        for kind, extra in _EXTRA.items():
            label[kinds == kind] = 2 * classes + extra
        rows[detected, label] = scores[np.arange(len(detected)), best] ** 0.25
    return rows

"""Frames of one situation: the nouns in its roles, and their boxes."""

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from wordsight.data.faults import Faults
from wordsight.data.verbs import Verb
from wordsight.errors import InputError
from wordsight.files import describe, field

Box = tuple[float, float, float, float]


def frames_of(
    row: dict[str, Any], verb: Verb, path: Path, name: str, known: Collection[str], faults: Faults
) -> tuple[dict[str, str], ...]:
    """The frames of a row, one by each annotator, each with every role of the verb.

    Args:
        row: a row of the annotations, with the key "frames".
        verb: gives the roles; a role missing in a frame counts as empty, and a role of another verb is dropped.
        path: the file of the row.
        name: name of the picture.
        known: ids of the known nouns; an unknown noun leaves its role empty. If there are none, every noun is accepted.
        faults: collects repairs.

    Raises:
        InputError: there is no frame, or a frame is not an object of nouns by role.
    """
    where = f"{path}, {name}"
    frames = field(row, "frames", list, where)
    if not frames:
        raise InputError(f"{where}, key 'frames': expected at least one frame, found none.")
    found, wrong = [], list[str]()
    for number, frame in enumerate(frames):
        if not isinstance(frame, dict):
            raise InputError(f"{where}, frames[{number}]: expected nouns by roles, found {describe(frame)}.")
        nouns = {role: frame.get(role, "") for role in verb.roles}
        wrong += [f"the role '{role}' is missing" for role in verb.roles if role not in frame]
        wrong += [f"'{role}' is no role of '{verb.name}'" for role in frame if role not in verb.roles]
        for role, noun in nouns.items():
            if not isinstance(noun, str):
                raise InputError(f"{where}, frames[{number}], role '{role}': expected a noun, found {describe(noun)}.")
            if noun and known and noun not in known:
                wrong.append(f"the noun {describe(noun)} is unknown")
                nouns[role] = ""
        found.append(nouns)
    for what in dict.fromkeys(wrong):
        faults.mended(path, name, what)
    return tuple(found)


def boxes_of(row: dict[str, Any], verb: Verb, path: Path, name: str, faults: Faults) -> dict[str, Box] | None:
    """Role -> box in fractions, from SWiG's "bb" (pixels, -1 for no box), "width" and "height" in a row.

    None if "bb" is missing or these keys are malformed. Malformed boxes and those of other verbs' roles are dropped.

    Args:
        row: a row of the annotations.
        verb: gives the roles.
        path: the file of the row.
        name: name of the picture.
        faults: collects repairs.
    """
    if row.get("bb") is None:
        return None
    where = f"{path}, {name}"
    try:
        given = field(row, "bb", dict, where)
        width, height = (_side(row, key, where) for key in ("width", "height"))
    except InputError as error:
        faults.mended(path, name, f"without boxes: {str(error).removeprefix(where).lstrip(':, ').rstrip('.')}")
        return None
    found = {}
    for role, corners in given.items():
        if role not in verb.roles:
            faults.mended(path, name, f"the box of '{role}', which is no role of '{verb.name}', is dropped")
        elif not _are_pixels(corners):
            faults.mended(path, name, f"the box of '{role}': expected four numbers, found {describe(corners)}")
        elif any(value != -1 for value in corners):
            across, down = (tuple(min(max(one / side, 0.0), 1.0) for one in corners[at::2])
                            for at, side in enumerate((width, height)))  # fmt: skip
            if across[0] < across[1] and down[0] < down[1]:
                found[role] = (across[0], down[0], across[1], down[1])
            else:
                faults.mended(path, name, f"the box of '{role}' has no area")
    return found


def _side(row: dict[str, Any], key: str, where: str) -> float:
    side = row.get(key)
    if not isinstance(side, int | float) or isinstance(side, bool) or not 1 <= side < 2**31:
        raise InputError(f"{where}, key '{key}': expected pixels, found {describe(side)}.")
    return float(side)


def _are_pixels(corners: object) -> bool:
    return (
        isinstance(corners, list)
        and len(corners) == 4
        and all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in corners)
    )

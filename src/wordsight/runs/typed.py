"""Typed settings from tables of plain values (TOML or JSON): errors name the key and what was expected."""

import difflib
import inspect
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from wordsight.errors import InputError
from wordsight.text.tokens import without_surrogates

Settings = TypeVar("Settings")


def nearest(name: str, known: Collection[str]) -> str:
    """The end of an error about an unknown name: the nearest known name, or all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known)) or 'none'}."


def fill(kind: type[Settings], table: Mapping[str, Any], name: str, source: str) -> Settings:
    """A table as the dataclass `kind`, every key and type checked; errors name `source: name.key`."""
    hints = get_type_hints(kind)
    values = {}
    for key, value in table.items():
        check_known(key, hints, f"{source}: {name}.")
        values[key] = _typed(value, hints[key], f"{source}: {name}.{key}")
    for part in fields(kind):  # type: ignore[arg-type]
        if part.default is MISSING and part.default_factory is MISSING and part.name not in values:
            raise InputError(f"{source}: {name}.{part.name} is missing.")
    return kind(**values)


def keywords(
    function: Callable[..., object],
    table: Mapping[str, Any],
    name: str,
    source: str,
    *,
    hidden: Collection[str] = ("self",),
) -> dict[str, Any]:
    """A table as keywords of a function, every key and type checked; errors name `source: name.key`.

    Keywords that are `hidden` are not accepted as keys.
    """
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters.keys() - set(hidden)
    values = {}
    for key, value in table.items():
        check_known(key, parameters, f"{source}: {name}.")
        values[key] = _typed(value, hints[key], f"{source}: {name}.{key}")
    return values


def check_known(name: str, known: Collection[str], where: str) -> None:
    """Raise InputError for an unknown name, which follows `where`; the message names the nearest known one, or all."""
    if name not in known:
        raise InputError(f"{where}{name} is not known; {nearest(name, known)}")


def _typed(value: Any, hint: Any, where: str) -> Any:
    """The value, checked and converted to its key's type: whole numbers become floats, arrays become tuples."""
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            raise InputError(f"{where} = {value!r} is not known; {nearest(str(value), get_args(hint))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{where} = {value!r}: expected an array, as in [{value!r}].")
        return tuple(_typed(item, get_args(hint)[0], where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1000:
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
        raise InputError(f"{where} = {value!r}: expected {words.get(hint, hint.__name__)}.")
    if isinstance(value, str) and without_surrogates(value) != value:  # which TOML cannot hold
        raise InputError(f"{where} = {value!r}: expected UTF-8; if this is a file or folder, rename it.")
    return value


def toml(value: object) -> str:
    """One value in TOML; JSON's strings (but for the character "delete"), numbers and booleans are TOML's too."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

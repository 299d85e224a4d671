"""Upgrades: checkpoints and recipes of former formats, read as if they were of the current one.

Format 2 renamed keys and tensors to the literature's terms; nothing else differs from format 1.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from wordsight.errors import InputError

FORMAT = 2
KEYS: Mapping[str, Mapping[str, str]] = {  # table -> former key -> key
    "regions": {"evidence": "labels", "place": "geometry", "parts": "person_parts"},
    "model": {
        "strangers": "query_bank",
        "stranger_regions": "query_bank_regions",
        "glimpse": "sampled_regions",
        "lexicon": "lexicon_weight",
        "meaning": "meaning_weight",
        "bags": "infer_regions",
        "by": "matrices",
        "warm": "warmup",
    },
}
_TENSORS = {
    "strangers.seen": "query_bank.image_codes",
    "strangers.unit": "query_bank.scale",
    "strangers.said": "query_bank.sentences",
}


def upgrade_1_to_2(config: Mapping[str, Any]) -> dict[str, Any]:
    """A `config.json` of format 1 with the keys of format 2; its `format` stays 1, the format of the other files."""
    told: dict[str, Any] = {
        key: _renamed("model", config[key]) for key in ("config",) if isinstance(config.get(key), dict)
    }
    if isinstance(config.get("members"), list):
        told["members"] = [_renamed("model", one) if isinstance(one, dict) else one for one in config["members"]]
    if isinstance(config.get("regions"), dict):
        told["regions"] = _renamed("regions", config["regions"])
    return {**config, **told}


def tensor_1_to_2(name: str) -> str:
    """The name in format 2 of a tensor of format 1, such as `members.0.strangers.said`."""
    for former, now in _TENSORS.items():
        if name == former or name.endswith(f".{former}"):
            return name.removesuffix(former) + now
    return name.removesuffix("middle") + "mean" if name == "middle" or name.endswith(".middle") else name


def current_keys(tables: dict[str, Any], source: str, *, warn: bool) -> None:
    """Rename former keys in the tables of a recipe, in place.

    Args:
        tables: the recipe's tables, from TOML.
        source: where they are from, for messages.
        warn: warn about each former key; False for recipes that wordsight itself wrote.

    Raises:
        InputError: a key is given under both names.
    """
    for name, former in KEYS.items():
        table = tables.get(name)
        if not isinstance(table, dict):
            continue
        for key in former.keys() & table.keys():
            if former[key] in table:
                raise InputError(f"{source}: {name}.{key} is a former name of {name}.{former[key]}; give one of them.")
            if warn:
                told = f"{source}: {name}.{key} is now called {name}.{former[key]}; the former name works until 0.3."
                warnings.warn(told, FutureWarning, stacklevel=2)
        tables[name] = _renamed(name, table)


def _renamed(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {KEYS[table].get(key, key): value for key, value in values.items()}

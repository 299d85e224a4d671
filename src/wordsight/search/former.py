"""Former names in search results. They work until 0.3: attributes with a warning, JSON keys beside the present ones."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

FORMER = {
    "sure": "confidence",
    "doubtful": "poor_match",
    "alike": "near_duplicates",
    "common": "hubness",
    "boxed": "bundled",
    "min_sure": "min_confidence",
}


def with_former(plain: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with the former keys beside the present ones."""
    return plain | {former: plain[now] for former, now in FORMER.items() if now in plain}


class FormerNames:
    """Mixin for a class whose attributes are also found by their former names."""

    if not TYPE_CHECKING:  # a type checker knows the present names only

        def __getattr__(self, name: str) -> Any:
            """Look up a former name; Python calls this only for missing attributes."""
            now = FORMER.get(name, "")
            if now not in dir(type(self)) and now not in vars(self):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            warnings.warn(f"{name} is now called {now}; the former name works until 0.3.", FutureWarning, stacklevel=2)
            return getattr(self, now)


def keywords(told: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of a search under their present names; a former one gives a warning."""
    for name in told.keys() & {"min_sure"}:
        warnings.warn(
            f"{name} is now called {FORMER[name]}; the former name works until 0.3.", FutureWarning, stacklevel=3
        )
    return {FORMER.get(name, name): value for name, value in told.items()}

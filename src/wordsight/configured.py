"""Modules that keep their constructor's keywords, so that they can be rebuilt."""

import inspect
from collections.abc import Mapping
from typing import Any, Self

from torch import nn


class Configured(nn.Module):
    """A module whose `config` holds every keyword of its constructor, defaults included.

    Attributes:
        config: keyword -> value; `type(model)(**model.config)` is the same model, with new weights.
    """

    config: Mapping[str, Any]

    def __new__(cls, *told: Any, **keywords: Any) -> Self:
        """Store the keywords before the constructor runs."""
        made = super().__new__(cls)
        try:
            bound = inspect.signature(cls).bind(*told, **keywords)
        except TypeError:  # copying, which restores the state later; or wrong keywords, which the constructor rejects
            return made
        bound.apply_defaults()
        made.config = dict(bound.arguments)
        return made

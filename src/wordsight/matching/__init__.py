"""Image-sentence matching: does this sentence fit this picture? Each model has one file; `MODELS` lists them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.matching.matcher import Matcher

MODELS = {
    "align": "wordsight.matching.align:Align",
    "cca": "wordsight.matching.cca:CCA",
    "deep_cca": "wordsight.matching.deep_cca:DeepCCA",
    "defrag": "wordsight.matching.defrag:DeFrag",
    "sdt_rnn": "wordsight.matching.sdt_rnn:SDTRNN",
    "sm_lstm": "wordsight.matching.sm_lstm:SMLSTM",
    "stacked_attention": "wordsight.matching.stacked_attention:StackedAttention",
    "vse": "wordsight.matching.vse:VSE",
}


def model_class(name: str) -> type["Matcher"]:
    """The class of a model by its name; raises KeyError for a name that is not in `MODELS`."""
    module, _, attribute = MODELS[name].partition(":")
    found: type[Matcher] = getattr(import_module(module), attribute)
    return found

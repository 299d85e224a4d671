"""Image captioning. One model a file; `MODELS` lists them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.captioning.captioner import CaptionModel

GENERATORS = {  # captioners that generate word by word, with a probability
    "multimodal_rnn": "wordsight.captioning.multimodal_rnn:MultimodalRNN",
    "lstm": "wordsight.captioning.lstm:ShowAndTell",
    "concepts": "wordsight.captioning.concepts:Concepts",
    "m_rnn": "wordsight.captioning.m_rnn:MRNN",
    "lrcn": "wordsight.captioning.lrcn:LRCN",
    "log_bilinear": "wordsight.captioning.log_bilinear:LogBilinear",
    "language_cnn": "wordsight.captioning.language_cnn:LanguageCNN",
    "attend_and_tell": "wordsight.captioning.attend_and_tell:AttendAndTell",
    "s2vt": "wordsight.captioning.s2vt:S2VT",
    "neuraltalk": "wordsight.captioning.neuraltalk:NeuralTalk",
    "hlstmat": "wordsight.captioning.hlstmat:HLSTMat",
}
MODELS = GENERATORS | {  # baselines that copy or compose captions
    "nearest_caption": "wordsight.captioning.nearest_caption:NearestCaption",
    "consensus_caption": "wordsight.captioning.consensus_caption:ConsensusCaption",
    "template_caption": "wordsight.captioning.template_caption:TemplateCaption",
}


def model_class(name: str) -> type["CaptionModel"]:
    """The class of a model's name; raises KeyError for a name that is not in `MODELS`."""
    module, _, attribute = MODELS[name].partition(":")
    found: type[CaptionModel] = getattr(import_module(module), attribute)
    return found

"""wordsight: align words with regions of pictures, search, and caption.

`load(run)` returns a trained `Aligner`: `.encode_images`, `.encode_texts`, `.score`, `.align`. `load_captioner(run)`
returns a trained `Captioner`: `.caption`, `.caption_regions`. Without a run, both load the bundled model.
`load_recogniser(run)` returns a trained `Recogniser` of situations: `.recognise`. `Index(folder)` is a searchable
collection of pictures: `.build`, `.search`. Importing this package is cheap; each name is loaded at its first use.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.batch import Regions as Regions
    from wordsight.batch import Vectors as Vectors
    from wordsight.batch import Words as Words
    from wordsight.bundled import in_the_box as in_the_box
    from wordsight.captioning.captioner import CaptionModel as CaptionModel
    from wordsight.data.load import load_dataset as load_dataset
    from wordsight.errors import InputError as InputError
    from wordsight.evaluation.alignment import measure as evaluate
    from wordsight.matching.matcher import Matcher as Matcher
    from wordsight.runs.aligner import Aligner as Aligner
    from wordsight.runs.aligner import load as load
    from wordsight.runs.alignment import Alignment as Alignment
    from wordsight.runs.captioner import Captioner as Captioner
    from wordsight.runs.captioner import load_captioner as load_captioner
    from wordsight.runs.recogniser import Recogniser as Recogniser
    from wordsight.runs.recogniser import load_recogniser as load_recogniser
    from wordsight.search.index import Index as Index
    from wordsight.search.query import Like as Like
    from wordsight.search.query import Sentence as Sentence
    from wordsight.training.trainer import train as train

__version__ = "0.1.0"

_HOMES = {
    "Aligner": "wordsight.runs.aligner.Aligner",
    "Alignment": "wordsight.runs.alignment.Alignment",
    "CaptionModel": "wordsight.captioning.captioner.CaptionModel",
    "Captioner": "wordsight.runs.captioner.Captioner",
    "Index": "wordsight.search.index.Index",
    "InputError": "wordsight.errors.InputError",
    "Like": "wordsight.search.query.Like",
    "Matcher": "wordsight.matching.matcher.Matcher",
    "Recogniser": "wordsight.runs.recogniser.Recogniser",
    "Regions": "wordsight.batch.Regions",
    "Sentence": "wordsight.search.query.Sentence",
    "Vectors": "wordsight.batch.Vectors",
    "Words": "wordsight.batch.Words",
    "evaluate": "wordsight.evaluation.alignment.measure",
    "in_the_box": "wordsight.bundled.in_the_box",
    "load": "wordsight.runs.aligner.load",
    "load_captioner": "wordsight.runs.captioner.load_captioner",
    "load_dataset": "wordsight.data.load.load_dataset",
    "load_recogniser": "wordsight.runs.recogniser.load_recogniser",
    "train": "wordsight.training.trainer.train",
}
_FORMER = {"Run": "Aligner", "Describer": "Captioner"}  # until 0.3
__all__ = [
    "Aligner",
    "Alignment",
    "CaptionModel",
    "Captioner",
    "Index",
    "InputError",
    "Like",
    "Matcher",
    "Recogniser",
    "Regions",
    "Sentence",
    "Vectors",
    "Words",
    "evaluate",
    "in_the_box",
    "load",
    "load_captioner",
    "load_dataset",
    "load_recogniser",
    "train",
]


def __getattr__(name: str) -> object:
    """Load a public name at its first use; a former name works with a warning that gives the new one."""
    if name in _FORMER:
        warnings.warn(f"wordsight.{name} is now wordsight.{_FORMER[name]}", FutureWarning, stacklevel=2)
        name = _FORMER[name]
    if name not in _HOMES:
        raise AttributeError(f"module 'wordsight' has no attribute {name!r}")
    module, _, original = _HOMES[name].rpartition(".")
    return getattr(import_module(module), original)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

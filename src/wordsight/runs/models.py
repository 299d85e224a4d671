"""Every model that a recipe can name: matchers and captioners."""

from wordsight import captioning, matching
from wordsight.captioning.captioner import Captioner
from wordsight.matching.matcher import Matcher

Model = Matcher | Captioner
MODELS = {**matching.MODELS, **captioning.MODELS}


def model_class(name: str) -> type[Model]:
    """The class behind a model's name; a KeyError for a name that is not in `MODELS`."""
    return matching.model_class(name) if name in matching.MODELS else captioning.model_class(name)

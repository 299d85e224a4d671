"""Template captions from a detector's labels: the things and their number, as in "two dogs and a person".

Captions name neither actions nor positions, which the detector does not give. Nothing is trained.
"""

from collections.abc import Sequence

from torch import Tensor

from wordsight.batch import Regions
from wordsight.text.articles import article

NOTHING = "a picture"  # the caption if no thing is found
LEAST = 0.71  # least label value: a detector's score of 0.25, the best by CIDEr on 1,000 Flickr8K training pictures
KINDS = 3  # maximum number of kinds of things named
_NUMBERS = ("", "", "two", "three", "four", "five")
_IRREGULAR = {"person": "people", "mouse": "mice", "knife": "knives", "sheep": "sheep"}
_COUNTED_AS = {"skis": "pair of skis", "scissors": "pair of scissors", "broccoli": "piece of broccoli"}


def template_captions(regions: Regions, labels: slice, names: Sequence[str], *, least: float = LEAST) -> list[str]:
    """Template captions of pictures, the most confident kind of thing first.

    A thing is a region with a label of one thing; labels of groups are not counted.

    Args:
        regions: (I, R, F).
        labels: columns of label values (`vision/labels.py`).
        names: names of the detector's C classes; the first C labels are single things.
        least: least label value, 0 to 1.

    Returns:
        One caption per picture.
    """
    return [text for text, _ in rated_captions(regions, labels, names, least=least)]


def rated_captions(
    regions: Regions, labels: slice, names: Sequence[str], *, least: float = LEAST
) -> list[tuple[str, float]]:
    """Template captions, each with the mean detector score of its things; 0 if it has none."""
    things = regions.features[..., labels.start : labels.start + len(names)]  # (I, R, C)
    sure = things.masked_fill(~regions.mask[..., None], 0.0)
    return [_caption(one.amax(dim=0), (one >= least).sum(dim=0), names) for one in sure]


def _caption(sure: Tensor, counts: Tensor, names: Sequence[str]) -> tuple[str, float]:
    """A caption and its rating, from the greatest label value (C,) and the number of things (C,) of each class."""
    order = sure.argsort(descending=True, stable=True)
    there = [kind for kind in order.tolist() if counts[kind]][:KINDS]
    text = _listed([noun_phrase(names[kind], int(counts[kind])) for kind in there])
    return (text, float((sure[there] ** 4).mean())) if text else (NOTHING, 0.0)


def noun_phrase(name: str, count: int) -> str:
    """A noun phrase with its number: "an umbrella", "two wine glasses", "several people" from six on."""
    noun = _COUNTED_AS.get(name, name)
    if count == 1:
        return f"{article(noun.split()[0])} {noun}"
    return f"{_NUMBERS[count] if count < len(_NUMBERS) else 'several'} {plural(noun)}"


def plural(noun: str) -> str:
    """The plural of a noun: the last word changes, or the last before "of"."""
    thing, of, what = noun.partition(" of ")
    *before, last = thing.split()
    ending = "es" if last.endswith(("s", "x", "z", "ch", "sh")) else "s"
    return " ".join([*before, _IRREGULAR.get(last, last + ending)]) + of + what


def _listed(parts: Sequence[str]) -> str:
    """Parts joined by commas, and by "and" before the last; empty for none."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

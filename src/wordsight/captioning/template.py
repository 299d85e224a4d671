"""A caption by a plain grammar from what a detector names: how many of which things, and nothing else.

"two dogs and a person". Neither what they do nor where they are is said, since no detector told. Nothing is learned.
"""

from collections.abc import Sequence

from torch import Tensor

from wordsight.batch import Regions
from wordsight.text.articles import article

NOTHING = "a picture"  # where no thing is named
LEAST = (
    0.71  # of a label that counts: a detector's score of 0.25, the best by CIDEr on 1,000 Flickr8K training pictures
)
KINDS = 3  # of things that are named at most
_NUMBERS = ("", "", "two", "three", "four", "five")
_IRREGULAR = {"person": "people", "mouse": "mice", "knife": "knives", "sheep": "sheep"}
_COUNTED_AS = {"skis": "pair of skis", "scissors": "pair of scissors", "broccoli": "piece of broccoli"}


def template_captions(regions: Regions, labels: slice, names: Sequence[str], *, least: float = LEAST) -> list[str]:
    """What is there, the surest kind of thing first.

    A group of things needs no counting of its own: each thing in it is a region too.

    Args:
        regions: (I, R, F).
        labels: the columns that say how much a region holds of each label (`vision/labels.py`).
        names: of the detector's C classes; the first C of the labels are single things.
        least: of a label's value that counts, 0 to 1.

    Returns:
        A caption of each picture.
    """
    return [text for text, _ in rated_captions(regions, labels, names, least=least)]


def rated_captions(
    regions: Regions, labels: slice, names: Sequence[str], *, least: float = LEAST
) -> list[tuple[str, float]]:
    """The same, each with the mean of the detector's scores for what it names; 0 where it names nothing."""
    things = regions.features[..., labels.start : labels.start + len(names)]  # (I, R, C)
    sure = things.masked_fill(~regions.mask[..., None], 0.0)
    return [_caption(one.amax(dim=0), (one >= least).sum(dim=0), names) for one in sure]


def _caption(sure: Tensor, counts: Tensor, names: Sequence[str]) -> tuple[str, float]:
    """A caption and its rating from how sure (C,) the detector is of each class, and how many (C,) there are."""
    order = sure.argsort(descending=True, stable=True)
    there = [kind for kind in order.tolist() if counts[kind]][:KINDS]
    text = _listed([noun_phrase(names[kind], int(counts[kind])) for kind in there])
    return (text, float((sure[there] ** 4).mean())) if text else (NOTHING, 0.0)


def noun_phrase(name: str, count: int) -> str:
    """So many of a thing in words: "an umbrella", "two wine glasses", "several people" from six on."""
    noun = _COUNTED_AS.get(name, name)
    if count == 1:
        return f"{article(noun.split()[0])} {noun}"
    return f"{_NUMBERS[count] if count < len(_NUMBERS) else 'several'} {plural(noun)}"


def plural(noun: str) -> str:
    """Several of a thing: the last word changes, or the last before "of"."""
    thing, of, what = noun.partition(" of ")
    *before, last = thing.split()
    ending = "es" if last.endswith(("s", "x", "z", "ch", "sh")) else "s"
    return " ".join([*before, _IRREGULAR.get(last, last + ending)]) + of + what


def _listed(parts: Sequence[str]) -> str:
    """Commas, and an "and" before the last; nothing for none."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

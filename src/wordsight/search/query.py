"""Queries: weighted sentences, pictures and regions of pictures, whose scores are added up; and text in pictures."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image

from wordsight.batch import Vectors
from wordsight.errors import InputError
from wordsight.matching.query_bank import SHARE
from wordsight.matching.score import Rule, spans
from wordsight.matching.segments import Grouping
from wordsight.matching.written_words import WrittenWord, written_words
from wordsight.runs.aligner import Aligner, Box
from wordsight.runs.arguments import Picture, kind_of, picture_of
from wordsight.search.scan import EncodedQuery
from wordsight.search.suggest import meant
from wordsight.vision.images import open_image

_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]+)[\"“”„«»]")
WHOLE = (0.0, 0.0, 1.0, 1.0)
TOGETHER = 256  # sentences encoded at once


@dataclass(frozen=True)
class Sentence:
    """A sentence that the pictures fit; with a weight below 0, one that they do not fit."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Like:
    """An example picture that the pictures look like, or a region of it that they contain.

    Attributes:
        picture: a path, an encoded file, a PIL picture or an array of pixels.
        box: `xyxy` fractions; None for the whole picture with all its regions.
        weight: of its score in the sum.
    """

    picture: Picture
    box: Box | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Written:
    """Text that is written in the pictures: words in their order; `lond*` is the beginning of a word."""

    text: str


Part = Sentence | Like | Written
Ask = str | Picture | Part | Sequence[str | Picture | Part]


@dataclass(frozen=True)
class QueryTerm:
    """An encoded part of a query.

    Attributes:
        texts: (1, K, D): the vectors of a sentence, or those of a picture's regions in their place.
        words: T words as the model reads them; empty for a picture.
        unknown: those of the words that the model does not know.
        grouping: of the words into phrases.
        weight: of its score in the sum.
    """

    texts: Vectors
    words: tuple[str, ...]
    unknown: tuple[str, ...]
    grouping: Grouping
    weight: float


def terms(run: Aligner, asks: Sequence[Ask]) -> list[list[QueryTerm]]:
    """Encode the parts of each query, except `Written` parts.

    Raises:
        InputError: a query is empty, a sentence has no word that the model knows, a picture cannot be opened, a box
            is not inside its picture, or a weight is 0 or not finite.
    """
    queries = [parts_of(ask) for ask in asks]
    texts = dict.fromkeys(part.text for query in queries for part in query if isinstance(part, Sentence))
    encoded = dict(zip(texts, _sentences(run, list(texts)), strict=True))
    return [
        [
            replace(encoded[part.text], weight=part.weight) if isinstance(part, Sentence) else _like(run, part)
            for part in query
            if not isinstance(part, Written)
        ]
        for query in queries
    ]


def written(ask: Ask) -> list[tuple[WrittenWord, ...]]:
    """The words of each `Written` part of a query."""
    return [written_words(part.text) for part in parts_of(ask) if isinstance(part, Written)]


def needs_model(ask: Ask) -> bool:
    """Whether a query has a part other than `Written`, which the model must encode."""
    return not all(isinstance(part, Written) for part in parts_of(ask))


def with_texts(ask: Ask | None, texts: str | Sequence[str] | None) -> Ask:
    """Add texts to a query as `Written` parts; either may be None."""
    if texts is None:
        return () if ask is None else ask
    parts = [] if ask is None else ask if isinstance(ask, list | tuple) else [ask]
    return [*parts, *map(Written, [texts] if isinstance(texts, str) else texts)]


def without_quotes(ask: Ask) -> list[Part]:
    """Turn what is in double quotes in a query's sentences into `Written` parts; not where the weight is below 0."""
    found: list[Part] = []
    for part in parts_of(ask):
        quoted = _QUOTED.findall(part.text) if isinstance(part, Sentence) and part.weight > 0 else []
        quoted = [text for text in quoted if any(map(str.isalnum, text))]
        if not isinstance(part, Sentence) or not quoted:
            found.append(part)
            continue
        rest = _QUOTED.sub(" ", part.text)
        if any(map(str.isalnum, rest)):
            found.append(replace(part, text=" ".join(rest.split())))
        found += map(Written, quoted)
    return found


def parts_of(ask: Ask) -> Sequence[Part]:
    """The parts of a query.

    Raises:
        InputError: there are none, one is of another type, or a weight is 0 or not finite.
    """
    parts = [_part(one) for one in (ask if isinstance(ask, list | tuple) else [ask])]
    if not parts:
        raise InputError("The query is empty: expected a sentence, a picture or a text that is written in pictures.")
    for part in parts:
        if isinstance(part, Written):
            written_words(part.text)
        elif not math.isfinite(part.weight) or part.weight == 0:
            raise InputError(f"weight {part.weight:g}: expected a finite number other than 0.")
    return parts


def _part(ask: object) -> Part:
    """Make a part of a query of what is not one yet: a `str` is a sentence, never a path; anything else a picture."""
    if isinstance(ask, Part):
        return ask
    if isinstance(ask, str):
        return Sentence(ask)
    try:
        return Like(picture_of(ask))
    except InputError:
        raise InputError(
            f"expected a sentence, a picture, `Sentence` or `Like`, or several, found {kind_of(ask)}."
        ) from None


def _sentences(run: Aligner, texts: Sequence[str]) -> Iterator[QueryTerm]:
    """Encode sentences, each as a term of weight 1."""
    for text in texts:
        if not any(map(str.isalnum, text)):
            what = f"{text!r} has no word" if text.strip() else "The query is empty"
            raise InputError(f"{what}: expected a sentence of at least one word.")
        if not any(word in run.vocabulary for word in run.vocabulary.tokens(text)):
            known, near = len(run.vocabulary) - 2, meant(run.vocabulary, text)
            more = f"did you mean {near!r}?" if near else f"it has learned {known:,} others."
            raise InputError(f"{text!r}: the model knows none of these words; {more}")
    for first in range(0, len(texts), TOGETHER):
        some = texts[first : first + TOGETHER]
        said = run.encode_texts(some).to("cpu")
        for row, text in enumerate(some):
            words = tuple(run.vocabulary.tokens(text))
            unknown = tuple(dict.fromkeys(word for word in words if word not in run.vocabulary))
            one = said[row : row + 1]
            own = Vectors(one.values[one.mask][None], one.mask[one.mask][None], one.places[one.mask][None], one.hubness)
            yield QueryTerm(own, words, unknown, Grouping.of([text]), 1.0)


def _like(run: Aligner, part: Like) -> QueryTerm:
    whole = run.model.rule is not None and run.model.rule.whole
    if part.box is None or whole:
        images = run.encode_images([part.picture if part.box is None else _cut(part.picture, part.box)]).to("cpu")
        values = images.values[:, images.mask[0]]
    else:
        _check(part.box)
        seen = run.encode_images([part.picture], [torch.tensor([WHOLE, part.box])]).to("cpu")
        if seen.values.shape[1] == 1:  # the model has one vector per picture: encode the box alone
            seen = run.encode_images([part.picture], [torch.tensor([part.box])]).to("cpu")
        values = seen.values[:, -1:]  # the box is second, as a model may take the first region for the whole picture
    mask = torch.ones(values.shape[:2], dtype=torch.bool)
    return QueryTerm(Vectors(values, mask, spans(mask, whole)), (), (), Grouping.of([]), part.weight)


def _cut(picture: Picture, box: Box) -> Image.Image:
    """Crop a picture to a box, of at least one pixel."""
    _check(box)
    image = open_image(picture_of(picture))
    left, top = (min(int(edge * side), side - 1) for edge, side in zip(box[:2], image.size, strict=True))
    right, bottom = (math.ceil(edge * side) for edge, side in zip(box[2:], image.size, strict=True))
    return image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def _check(box: Box) -> None:
    if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
        raise InputError(f"box {box}: expected left, top, right, bottom as fractions of the picture, inside it.")


def encoded_query(queries: Sequence[Sequence[QueryTerm]], rule: Rule) -> EncodedQuery:
    """Pack queries for the scan.

    A picture's hubness is measured with sentences, so it is subtracted from scores with sentences only.

    Args:
        queries: Q queries of at least one term each.
        rule: how word-region products make a score.
    """
    words, shares = [], []
    hubness_weight, offset = torch.zeros(len(queries)), torch.zeros(len(queries))
    for number, query in enumerate(queries):
        for term in query:
            values = term.texts.values[0, : 1 if rule.whole else None]  # (K, D)
            share = torch.zeros(len(values), len(queries))
            share[:, number] = term.weight / (len(values) if rule.mean else 1)
            words.append(values)
            shares.append(share)
            if term.words:
                hubness_weight[number] += SHARE * term.weight
            if term.texts.hubness is not None:
                offset[number] += SHARE * term.weight * term.texts.hubness[0]
    return EncodedQuery(torch.cat(words), torch.cat(shares), hubness_weight, offset)


def divisor(query: Sequence[QueryTerm], rule: Rule) -> float:
    """Divisor, > 0, that normalises a query's scores for its length and weights."""
    return sum(abs(term.weight) * (1 if rule.mean else term.texts.values.shape[1]) for term in query)

"""Caption metrics: BLEU, ROUGE-L, CIDEr-D and METEOR as in coco-caption, and diversity.

Every metric is computed on tokens of `TOKENISER`: another tokeniser gives another BLEU.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import describe, field, read_json
from wordsight.metrics.bleu import bleu
from wordsight.metrics.cider import cider_d
from wordsight.metrics.meteor import meteor as meteor_scores
from wordsight.metrics.ptb import NAME, tokenise
from wordsight.metrics.rouge import rouge_l
from wordsight.metrics.spice import spice as spice_scores

TOKENISER = NAME
"""What makes tokens of captions here; named beside every BLEU."""

Id = int | str
Tokens = Sequence[Sequence[str]]  # tokenised sentences


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def caption_metrics(
    candidates: Mapping[Id, str],
    references: Mapping[Id, Sequence[str]],
    *,
    meteor: bool = False,
    spice: bool = False,
    say: Callable[[str], object] = _to_stderr,
) -> dict[str, float]:
    """The metrics of coco-caption over a set of pictures, with the same values.

    Captions are tokenised as in coco-caption, see `ptb.tokenise`. CIDEr is CIDEr-D, with document frequencies of these
    references: compare it only over the same pictures.

    Args:
        candidates: picture -> its caption; an empty one is allowed and scores 0.
        references: picture -> one sentence or more; for the same pictures.
        meteor: also compute METEOR, which is slow, if it can run.
        spice: also compute SPICE, by far the slowest, if it can run.
        say: receives one line on why METEOR or SPICE is left out.

    Returns:
        `Bleu_1` ... `Bleu_4`, `ROUGE_L` and, if asked for and possible, `METEOR` and `SPICE`, 0 to 1; `CIDEr`, 0 to 10.
        Beyond coco-caption: `Bleu_1_any_length` ... `Bleu_4_any_length`, without brevity penalty; `exact`, the share of
        captions, 0 to 1, that are a reference of their picture word for word.
        Papers print 100 times these values.

    Raises:
        InputError: the pictures differ, there are none, or one has no reference with a word.
    """
    _check(candidates, references, "the candidates", "the references")
    said = [tokenise(candidates[picture]) for picture in references]
    right = [[tokenise(sentence) for sentence in sentences] for sentences in references.values()]
    for picture, sentences in zip(references, right, strict=True):
        if not any(sentences):
            raise InputError(f"No reference of picture {picture!r} has a word in it: {references[picture][0]!r}.")
    scores, _, unpunished = bleu(said, right)
    figures = {f"Bleu_{n}": score for n, score in enumerate(scores, 1)}
    figures |= {f"Bleu_{n}_any_length": score for n, score in enumerate(unpunished, 1)}
    for name, wanted, measure in (("METEOR", meteor, _meteor), ("SPICE", spice, _spice)):
        try:
            figures |= {name: measure(said, right)} if wanted else {}
        except InputError as lacking:
            say(f"left out: {lacking}")
    figures["ROUGE_L"] = sum(rouge_l(said, right)) / len(said)
    figures["CIDEr"] = sum(cider_d(said, right)) / len(said)
    copies = (caption in sentences for caption, sentences in zip(said, right, strict=True) if caption)
    figures["exact"] = sum(copies) / len(said)
    return figures


def _meteor(said: Tokens, right: Sequence[Tokens]) -> float:
    return meteor_scores(said, right)[0]


def _spice(said: Tokens, right: Sequence[Tokens]) -> float:
    scores = spice_scores(said, right)
    return sum(scores) / len(scores)


def diversity(candidates: Mapping[Id, str], training_captions: Sequence[str]) -> dict[str, float]:
    """Diversity of captions, and the share copied from training captions.

    Captions are compared as tokens of `TOKENISER`, without case and punctuation.

    Args:
        candidates: picture -> its caption; not empty.
        training_captions: all captions that the model was trained on.

    Returns:
        `captions`, their number; `in_training`, the share, 0 to 1, that is word for word a training caption;
        `distinct_captions`, the number of distinct ones; `vocabulary`, the number of distinct words; `mean_length`,
        words a caption.

    Raises:
        InputError: there are no candidates.
    """
    if not candidates:
        raise InputError("There are no captions to measure.")
    said = [tuple(tokenise(caption)) for caption in candidates.values()]
    known = {tuple(tokenise(caption)) for caption in training_captions}
    return {
        "captions": len(said),
        "in_training": sum(caption in known for caption in said) / len(said),
        "distinct_captions": len(set(said)),
        "vocabulary": len({word for caption in said for word in caption}),
        "mean_length": sum(map(len, said)) / len(said),
    }


def caption_metrics_of_files(
    candidates: Path,
    references: Path,
    *,
    meteor: bool = False,
    spice: bool = False,
    say: Callable[[str], object] = _to_stderr,
) -> dict[str, float]:
    """`caption_metrics` of a COCO results file against a COCO captions file.

    Args:
        candidates: JSON list of `{"image_id", "caption"}`.
        references: JSON with `images` and `annotations`.
        meteor: also compute METEOR, if it can run.
        spice: also compute SPICE, if it can run.
        say: receives one line on why METEOR or SPICE is left out.

    Raises:
        InputError: a file is malformed (the message names it), or the two are not about the same pictures.
    """
    said, right = read_candidates(candidates), read_references(references)
    _check(said, right, str(candidates), str(references))
    return caption_metrics(said, right, meteor=meteor, spice=spice, say=say)


def read_candidates(path: Path) -> dict[Id, str]:
    """Read the captions of a COCO results file, a JSON list of `{"image_id", "caption"}`: picture -> caption.

    Raises:
        InputError: it cannot be read, a key is missing or of the wrong type, or a picture has two captions.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of captions with the key 'image_id', found {describe(content)}.")
    captions: dict[Id, str] = {}
    for number, record in enumerate(content):
        where = f"{path}, [{number}]"
        picture = picture_id(record, "image_id", where)
        if picture in captions:
            raise InputError(f"{where}, key 'image_id': picture {picture!r} has a caption already; one is expected.")
        captions[picture] = field(record, "caption", str, where)
    return captions


def read_references(path: Path) -> dict[Id, list[str]]:
    """Read the sentences of a COCO captions file: picture -> sentences.

    Raises:
        InputError: it cannot be read, or `references_in` refuses it.
    """
    return references_in(read_json(path), path)


def references_in(content: object, path: Path) -> dict[Id, list[str]]:
    """The sentences in COCO captions, an object with `images` and `annotations`: picture -> sentences.

    Args:
        content: the content of a JSON file.
        path: the file, for messages.

    Raises:
        InputError: a key is missing or of the wrong type, a picture is listed twice or has no sentence, or a sentence
            has no picture.
    """
    sentences: dict[Id, list[str]] = {}
    for number, record in enumerate(field(content, "images", list, str(path))):
        where = f"{path}, images[{number}]"
        picture = picture_id(record, "id", where)
        if picture in sentences:
            raise InputError(f"{where}, key 'id': {picture!r} is there twice.")
        sentences[picture] = []
    for number, record in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}, annotations[{number}]"
        picture = picture_id(record, "image_id", where)
        if picture not in sentences:
            raise InputError(f"{where}, key 'image_id': no image has the id {picture!r}.")
        sentences[picture].append(field(record, "caption", str, where))
    if silent := [picture for picture, some in sentences.items() if not some]:
        raise InputError(f"{path}: {_some(silent)} without a caption.")
    return sentences


def picture_id(record: object, key: str, where: str) -> Id:
    """A picture's id in a record of a file: a whole number or text."""
    value = field(record, key, object, where)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InputError(f"{where}, key '{key}': expected a whole number or text, found {describe(value)}.")
    return value


def _check(candidates: Mapping[Id, str], references: Mapping[Id, Sequence[str]], one: str, other: str) -> None:
    """Check that both are about the same pictures, and every picture has references."""
    if not references:
        raise InputError(f"There are no pictures in {other}.")
    if unknown := [picture for picture in candidates if picture not in references]:
        raise InputError(f"{_some(unknown)} in {one} and not in {other}{_hint(candidates, references)}.")
    if lacking := [picture for picture in references if picture not in candidates]:
        raise InputError(f"{_some(lacking)} in {other} and without a caption in {one}{_hint(candidates, references)}.")
    for picture, sentences in references.items():
        if isinstance(sentences, str) or not sentences:
            raise InputError(f"Picture {picture!r}: expected a list of at least one reference, found {sentences!r}.")


def _some(pictures: Sequence[Id]) -> str:
    shown = ", ".join(map(repr, pictures[:3])) + (", ..." if len(pictures) > 3 else "")
    return f"{len(pictures)} picture{'s are' if len(pictures) > 1 else ' is'} ({shown})"


def _hint(candidates: Mapping[Id, str], references: Mapping[Id, Sequence[str]]) -> str:
    if {type(picture) for picture in candidates}.isdisjoint(type(picture) for picture in references):
        return "; ids are numbers in one and text in the other" if candidates else ""
    return ""

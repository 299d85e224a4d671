"""Human judgments of captions: the files of Flickr8k-Expert and Flickr8k-CrowdFlower (Hodosh et al. 2013).

Lines have columns separated by tabs: the picture's file, the caption's id ("NAME#NUMBER", as in `Flickr8k.token.txt`),
and the judgments. Three experts give whole numbers, 1 (does not describe the picture) to 4 (describes it without
errors); for the crowd there are the share of "yes", 0 to 1, and the numbers of "yes" and "no".
"""

from pathlib import Path
from typing import NamedTuple

from wordsight.errors import InputError
from wordsight.files import describe, read_text


class Judgment(NamedTuple):
    """A caption judged with a picture.

    Attributes:
        picture: name of the picture's file.
        source: name of the picture that the caption was written for.
        number: the caption's index among that picture's sentences, from 0.
        scores: one by each expert, 1 to 4; or only the share of the crowd that said "yes", 0 to 1.
    """

    picture: str
    source: str
    number: int
    scores: tuple[float, ...]


def read_judgments(path: Path) -> list[Judgment]:
    """Read a file of either layout.

    Raises:
        InputError: it cannot be read, has no judgments, or a line is malformed; the message names the line.
    """
    found = [
        _judgment(line, f"{path}, line {number}")
        for number, line in enumerate(read_text(path).split("\n"), 1)
        if line.strip()
    ]
    if not found:
        raise InputError(f"{path}: there are no judgments in it.")
    return found


def _judgment(line: str, where: str) -> Judgment:
    columns = [column.strip() for column in line.split("\t")]
    expected = "expected a picture, a caption's id such as a.jpg#2, and three judgments, between tabs"
    if len(columns) != 5:
        raise InputError(f"{where}: {expected}, found {len(columns)} columns.")
    source, mark, number = columns[1].rpartition("#")
    if not mark or not source or not number.isdecimal() or len(number) > 9:
        raise InputError(f"{where}: {expected}, found the id {describe(columns[1])}.")
    try:
        scores = tuple(map(float, columns[2:]))
    except ValueError:
        raise InputError(f"{where}: {expected}, found {' '.join(columns[2:])!r}.") from None
    if all(score in (1, 2, 3, 4) for score in scores) and "." not in columns[2]:
        return Judgment(columns[0], source, int(number), scores)
    if 0 <= scores[0] <= 1:
        return Judgment(columns[0], source, int(number), scores[:1])
    raise InputError(
        f"{where}: expected three judgments from 1 to 4, or a share from 0 to 1 and two counts, found "
        f"{' '.join(columns[2:])!r}."
    )

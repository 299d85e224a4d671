"""Tolerant CSV reader: any delimiter, unclosed quotes, unquoted commas."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wordsight.data import columns as table
from wordsight.data import decode
from wordsight.data.columns import Row
from wordsight.data.faults import Faults
from wordsight.data.find import is_media
from wordsight.data.records import split_name
from wordsight.errors import InputError

DELIMITERS = ",;\t|"
_LINES = 50  # maximum lines of a quoted caption
_LOOKED_AT = 10  # lines read to detect a header


class Head(NamedTuple):
    """Dialect of a table.

    Attributes:
        delimiter: the character between columns.
        columns: their lower-case names; "" for unused columns.
        rows: the line number of the first row, from 0.
    """

    delimiter: str
    columns: list[str]
    rows: int


def columns(text: str) -> list[str]:
    """The columns of a table, from its beginning."""
    return [column for column in head(text.split("\n")).columns if column]


def rows(path: Path, faults: Faults) -> Iterator[Row]:
    """The rows of a CSV file, by column name.

    Raises:
        InputError: the file cannot be read; or reading is strict, and a row does not match the header.
    """
    lines = decode.read(path, faults).split("\n")
    form = head(lines)
    line, count = form.rows, len(form.columns)
    while line < len(lines):
        if not lines[line].strip():
            line += 1
            continue
        where = f"{path}, line {line + 1}"
        values, taken, wrong = _record(lines, line, form)
        line += taken
        if not any(value.strip() for value in values):
            continue
        try:
            if values[0].strip().lower() == form.columns[0] and [one.strip().lower() for one in values] == form.columns:
                raise InputError(f"{where}: expected a row, found the header again.")
            fitting = values if len(values) == count else _fitted(values, form, where)
            if len(fitting) != len(values):
                wrong = wrong or f"{len(values)} columns, expected {count}; put together"
            if wrong:
                faults.mended(path, f"line {line - taken + 1}", wrong)
        except InputError as error:
            faults.left_out(path, error)
        else:
            yield where, dict(zip(form.columns, map(str.strip, fitting), strict=True))


def head(lines: Sequence[str]) -> Head:
    """Detect the dialect from the first lines; Excel states the delimiter in a line "sep=;"."""
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    line = lines[first] if lines else ""
    named = re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n"), re.IGNORECASE)
    if named and first + 1 < len(lines):
        return Head(named[1], _names(lines[first + 1], named[1]), first + 2)
    for number, header in enumerate(lines[first : first + _LOOKED_AT], first):  # a title may precede the header
        for mark in DELIMITERS:
            if table.suitable(names := _names(header, mark)):
                return Head(mark, names, number + 1)
    if bare := _without_header(lines[first : first + _LOOKED_AT]):
        return Head(bare[0], bare[1], first)
    delimiter = max(DELIMITERS, key=line.count)
    return Head(delimiter, _names(line, delimiter), first + 1)


def _names(line: str, delimiter: str) -> list[str]:
    """The columns of a header; repeated names get a number."""
    names: list[str] = []
    for column in line.split(delimiter):
        name = re.sub(r'^"|"$', "", column.strip()).strip().lower()
        names.append(f"{name}_{len(names)}" if name and name in names else name)
    return names


def _without_header(lines: Sequence[str]) -> tuple[str, list[str]] | None:
    """The delimiter and columns of a table without a header; None for any other text."""
    lines = [line for line in lines[: len(lines) - 1 or 1] if line.strip()]  # the last may be truncated
    starts = [re.match(rf'"?([^"{re.escape(DELIMITERS)}]+)"?\s*([{re.escape(DELIMITERS)}])', line) for line in lines]
    fitting = [bool(start and is_media(start[1].strip())) for start in starts]
    if not fitting or not fitting[0] or sum(fitting) * 2 <= len(fitting) or not starts[0]:
        return None
    delimiter, names, said = starts[0][2], ["filepath"], False
    for cell in next(csv.reader(lines[:1], delimiter=delimiter), [])[1:]:
        value = cell.strip()
        if value.isdecimal():
            names.append("")
        elif said and split_name(value) in ("train", "val", "test"):
            names.append("split")
        elif not said:
            names.append("caption")
            said = True
    return (delimiter, names) if said else None


def _record(lines: Sequence[str], first: int, form: Head) -> tuple[list[str], int, str]:
    """The values of the row that begins at a line, the number of its lines, and its fault ("" for none)."""
    line = lines[first]
    if form.delimiter == "|" or '"' not in line:  # Flickr30k's results.csv: quotes are part of the captions
        return line.split(form.delimiter), 1, ""
    values, wrong = _parsed([line], form.delimiter)
    if not wrong:
        return values, 1, ""
    if wrong == "open":
        for last in range(first + 1, min(first + _LINES, len(lines))):
            if _begins_a_row(lines[last], form):
                break
            if '"' in lines[last]:
                values, wrong = _parsed(["\n".join(lines[first : last + 1])], form.delimiter)
                if not wrong and len(values) == len(form.columns):
                    return values, last + 1 - first, ""
                if wrong != "open":
                    break
        return [re.sub(r'^\s*"', "", value) for value in line.split(form.delimiter)], 1, "a quote is never closed"
    loose, _ = _parsed([line], form.delimiter, strict=False)
    if len(loose) != len(form.columns):
        loose = line.split(form.delimiter)
    return loose, 1, "quotes that are not doubled"


def _parsed(text: list[str], delimiter: str, *, strict: bool = True) -> tuple[list[str], str]:
    """The values of a row by the CSV rules, and its fault: "", "open" (unclosed quote) or "wrong" (invalid CSV)."""
    try:
        rows = list(csv.reader(text, delimiter=delimiter, strict=strict, skipinitialspace=True))
    except csv.Error as error:
        return [], "open" if "unexpected end" in str(error) else "wrong"
    return (rows[0], "") if len(rows) == 1 else ([], "wrong")


def _begins_a_row(line: str, form: Head) -> bool:
    """Whether a line is a whole row: it has enough columns, and a file name in a column for pictures."""
    values = line.split(form.delimiter)
    places = [form.columns.index(column) for column in table.pictures_in(form.columns)]
    return len(values) >= len(form.columns) and any(is_media(values[place].strip(' "')) for place in places)


def _fitted(values: list[str], form: Head, where: str) -> list[str]:
    """The values of a row, one for each column; a caption split at unquoted commas is joined again."""
    more = len(values) - len(form.columns)
    if more > 0 and not any(value.strip() for value in values[-more:]):
        return values[:-more]
    captions = table.captions_in(form.columns)
    if more > 0 and len(captions) == 1:
        place = form.columns.index(captions[0])
        return [*values[:place], form.delimiter.join(values[place : place + more + 1]), *values[place + more + 1 :]]
    if more:
        count = len(form.columns)
        raise InputError(f"{where}: expected {count} columns, as in the header, found {len(values)}.")
    return values

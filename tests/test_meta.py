"""What the user knows of pictures: what is taken is found again by a filter, and what could not be is refused."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from wordsight.errors import InputError
from wordsight.search import filters
from wordsight.search.annotations import read_meta
from wordsight.search.paths import Paths


def stored(values: list[dict[str, Any]]) -> sqlite3.Connection:
    """A catalogue of pictures with such metadata, written as the index writes it."""
    db = sqlite3.connect(":memory:")
    db.execute(
        "CREATE TABLE pictures (number INTEGER PRIMARY KEY, path TEXT, width, height, bytes, taken, added, meta)"
    )
    rows = [(f"{number}.jpg", json.dumps(one, ensure_ascii=False)) for number, one in enumerate(values)]
    db.executemany("INSERT INTO pictures (path, meta) VALUES (?, ?)", rows)
    return db


def found(db: sqlite3.Connection, tmp_path: Path, where: str) -> list[int]:
    return [number - 1 for number in filters.numbers(db, Paths(tmp_path, tmp_path), filters.Filter(where=where))]


def table(tmp_path: Path, text: str, name: str = "m.csv") -> list[dict[str, Any]]:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return [values for _, values in read_meta(path)]


def quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        *[("7", 7), ("-7", -7), ("0", 0), ("1.50", 1.5), ("1e3", 1000.0), ("-0.5", -0.5)],
        *[
            (text, text)
            for text in ("007", "1_000", "NaN", "inf", "1e999", "+5", "-0", " 7", "٣", "0x10", "1,5", "True")
        ],
        ("9007199254740993", 9007199254740993),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", "9223372036854775808"),
        ("9" * 400, "9" * 400),
    ],
)
def test_cells_of_csv(tmp_path: Path, cell: str, value: object) -> None:
    (row,) = table(tmp_path, f"path;x\na.jpg;{cell}\n")
    assert row == {"x": value} and type(row["x"]) is type(value)
    db = stored([row, {"x": "other"}, {"x": 5.25}, {}])
    assert found(db, tmp_path, f"x = {quoted(cell)}") == [0]
    assert found(db, tmp_path, f"x != {quoted(cell)}") == [1, 2]


@pytest.mark.parametrize(
    "value", ["a b", "é", "犬", 7, 7.25, True, False, "true", "", "7", "007", 2**62 + 1, -(2**63) + 1]
)
def test_values_of_json_are_found_again(tmp_path: Path, value: Any) -> None:
    (row,) = table(tmp_path, json.dumps([{"path": "a.jpg", "x": value}]), "m.json")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    assert found(stored([{"x": "no"}, row, {"x": 1}, {"x": None}]), tmp_path, f"x = {quoted(text)}") == [1]


@pytest.mark.parametrize(
    "name", ["a.b", 'a"b', "a'b", "a b", "a\\b", "$", "$.a", "[0]", "é", "a=b", "#", "and", "x~", "%", "犬"]
)
@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_names_of_columns_are_found_again(tmp_path: Path, name: str, kind: str) -> None:
    line = json.dumps({"path": "a.jpg", name: 3})
    cell = name.replace('"', '""')
    text = {"csv": f'path,"{cell}"\na.jpg,3\n', "json": f"[{line}]", "jsonl": line}[kind]
    (row,) = table(tmp_path, text, f"m.{kind}")
    db = stored([{"a": 3, "b": 3, "0": 3}, row])
    assert found(db, tmp_path, f"{quoted(name)} = 3") == [1]
    assert name in filters.columns(db)


def test_lists_and_objects_are_text_for_patterns(tmp_path: Path) -> None:
    (row,) = table(
        tmp_path, json.dumps([{"path": "a.jpg", "tags": ["dog", "Köter"], "who": {"name": "Ann"}}]), "m.json"
    )
    db = stored([row, {"tags": []}])
    assert found(db, tmp_path, 'tags ~ "*Köter*"') == found(db, tmp_path, "who ~ '*Ann*'") == [0]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ('"x": NaN', "NaN is not a number that can be kept"),
        ('"x": -Infinity', "-Infinity is not a number"),
        ('"x": 1e999', "1e999 is not a number"),
        ('"x": [1, {"y": 1e999}]', "1e999 is not a number"),
        ('"x": "\\ud800"', "column 'x': expected text of Unicode"),
        ('"x": "a\\u0000b"', "column 'x': expected text of Unicode without zero bytes"),
        ('"x": {"\\udfff": 1}', "column 'x': expected text of Unicode"),
        ('"\\ud800": 1', "cannot be named in a filter"),
        ('"a\\nb": 1', "cannot be named in a filter"),
        ('"a\\"b\'c": 1', "cannot be named in a filter"),
        ('"": 1', "a column has no name"),
        ('" ": 1', "a column has no name"),
        ('"x": 1, "x": 2', "the key 'x' is there twice"),
        ('"x": {"y": 1, "y": 2}', "the key 'y' is there twice"),
        ('"x": 9223372036854775808', "more than 64 bits"),
        ('"x": [-99999999999999999999]', "more than 64 bits"),
        (f'"x": {"9" * 5000}', "not usable JSON"),
        (f'"x": {"[" * 30}{"]" * 30}', "nested too deep"),
        (f'"x": {"[" * 3000}', "nested too deep|not valid JSON"),
        ('"width": 3', "'width' is a name of the index's own"),
        ('"date": "2024"', "'date' is a name of the index's own"),
    ],
)
@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_what_could_not_be_kept_or_found_is_refused(tmp_path: Path, values: str, says: str, kind: str) -> None:
    line = f'{{"file": "a.jpg", {values}}}'
    with pytest.raises(InputError, match=says) as error:
        table(tmp_path, line if kind == "jsonl" else f"[{line}]", f"m.{kind}")
    assert str(error.value).startswith(str(tmp_path / "m.json"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,x,x\na.jpg,1,2\n", "m.csv, line 1: the column 'x' is there twice"),
        ("path,x\na.jpg,1,2\n", "m.csv, line 2: expected 2 columns, as in the header, found 3"),
        ('path,x\na.jpg,"1\n', "m.csv, line 2: not a table"),
        ("path,a\0b\na.jpg,1\n", "cannot be named"),
        ("path,x\na.jpg,a\0b\n", "without zero bytes"),
        ("path,width\na.jpg,1\n", "a name of the index's own"),
        ("path,x\n,1\n", "expected a picture's name"),
        ("x,y\n1,2\n", "expected a column 'path'"),
        ("path,x\n" + "a.jpg,1\n" + "b.jpg," + "x" * 200_000, "line 3: not a table"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        table(tmp_path, text)


def test_columns_without_a_name_and_short_rows(tmp_path: Path) -> None:
    assert table(tmp_path, ",path,x,\n0,a.jpg,1,\n\n1,b.jpg\n") == [{"x": 1}, {"x": ""}]


def test_metadata_of_an_old_catalogue_stops_no_filter(tmp_path: Path) -> None:
    db = stored([{"x": 3}, {"x": 4}])
    db.execute("UPDATE pictures SET meta = '{\"x\": NaN' WHERE number = 1")
    assert found(db, tmp_path, "x = 4") == [1]


def test_a_column_where_there_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'foo' is no name that a filter knows; there are none\."):
        filters.numbers(stored([{}]), Paths(tmp_path, ""), filters.Filter(columns={"foo": "bar"}))


def test_a_pipe_is_no_metadata(tmp_path: Path) -> None:
    for name in ("m.csv", "m.json", "m.jsonl"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match="not a regular file"):
            read_meta(tmp_path / name)

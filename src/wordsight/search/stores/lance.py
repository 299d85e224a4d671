"""LanceDB: one row per picture, its regions a list of vectors; every picture is scored, by the dot product.

LanceDB's index of multi-vectors supports only cosine similarity, which is another score. So none is made, and an
existing one is bypassed.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import InputError, install
from wordsight.files import to_json
from wordsight.search.scan import Floats
from wordsight.search.stores.maxsim import width
from wordsight.search.stores.store import About, Point, check_width

URLS = ("s3://", "gs://", "az://")
OURS = "wordsight"  # key of `About` in the metadata of the column `number`
DELETED = 1000  # rows deleted in one call


class Lance:
    """A table of LanceDB."""

    def __init__(self, place: str, collection: str) -> None:
        """Open a database.

        Args:
            place: a folder, or the URL of an object store.
            collection: the name of the table, which need not exist yet.

        Raises:
            InputError: LanceDB is not installed, or the database cannot be opened.
        """
        try:
            import lancedb
        except ImportError:
            raise InputError(f"{place}: needs LanceDB: {install('lancedb')}") from None
        self.name, self.collection = f"{place} ({collection})", collection
        self._table: Any = None
        with self._said():
            self._db = lancedb.connect(place)
            if collection in _names(self._db):
                self._table = self._db.open_table(collection)

    def about(self) -> About | None:
        """Facts about the table; None if there is no table."""
        if self._table is None:
            return None
        with self._said():
            schema = self._table.schema
        place = schema.get_field_index("number")
        told = (schema.field(place).metadata or {}) if place >= 0 else {}
        about = About.parse(json.loads(told[OURS.encode()]) if OURS.encode() in told else None, self.name)
        vectors = schema.field("vectors").type.value_type
        check_width(vectors.list_size, about, self.name)
        return about

    def create(self, about: About) -> None:
        """Make the table."""
        with self._said():
            self._table = self._db.create_table(self.collection, schema=_schema(about))

    def describe(self, about: About) -> None:
        """Replace the facts about the table."""
        with self._said():
            self._table.update_field_metadata({"path": "number", "metadata": {OURS: to_json(about.to_json())}})

    def stamps(self) -> dict[int, int]:
        """The stamp of each picture."""
        with self._said():
            found = self._table.search().select(["number", "stamp"]).limit(self._table.count_rows()).to_arrow()
        return dict(zip(found["number"].to_pylist(), found["stamp"].to_pylist(), strict=True))

    def write(self, points: Sequence[Point]) -> None:
        """Insert or replace pictures, those of one call in one commit."""
        import pyarrow as pa

        with self._said():
            rows = pa.Table.from_pylist([], self._table.schema) if not points else _rows(points, self._table.schema)
            merge = self._table.merge_insert("number").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(rows)

    def delete(self, numbers: Collection[int]) -> None:
        """Delete pictures."""
        ordered = list(numbers)
        with self._said():
            for first in range(0, len(ordered), DELETED):
                self._table.delete(f"number IN ({', '.join(map(str, ordered[first : first + DELETED]))})")

    def finish(self) -> None:
        """Merge the small files of many writes."""
        with self._said():
            self._table.optimize()

    def count(self) -> int:
        """The number of pictures."""
        with self._said():
            return int(self._table.count_rows())

    def nearest(self, query: Floats, count: int) -> list[Point]:
        """The pictures that score highest."""
        with self._said():
            search = self._table.search(query, vector_column_name="vectors").distance_type("dot")
            found = search.bypass_vector_index().limit(count).to_arrow()
        return [_point(row) for batch in found.to_batches() for row in _plain(batch)]

    def close(self) -> None:
        """Nothing to do: no resource is held open."""

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Turn LanceDB's exceptions into `InputError`."""
        try:
            yield
        except (ValueError, RuntimeError, OSError) as error:
            text = " ".join(str(error).split())
            raise InputError(f"{self.name}: LanceDB says: {text[:300]}") from None


def is_there(folder: Path) -> bool:
    """Whether a folder is a LanceDB database with a table."""
    return any(folder.glob("*.lance"))


def _names(db: Any) -> list[str]:
    """The names of a database's tables."""
    found, token = list[str](), None
    while True:
        page = db.list_tables(page_token=token)
        found += page.tables
        token = page.page_token
        if not token:
            return found


def _schema(about: About) -> Any:
    """The schema of a table."""
    import pyarrow as pa

    whole, text, number = pa.int64(), pa.string(), pa.float64()
    kinds = {"path": text, "hash": text, "bytes": whole, "mtime_ns": whole, "width": whole, "height": whole}
    kinds |= {"taken": text, "taken_from": text, "camera": text, "added": text, "albums": pa.list_(text)}
    kinds |= {"hubness": number, "meta": text, "time": whole, "duration": number, "stamp": whole}
    kinds |= {"boxes": pa.list_(pa.list_(pa.float32(), 4))}
    kinds |= {"vectors": pa.list_(pa.list_(pa.float32(), width(about.size, about.whole)))}
    return pa.schema([pa.field("number", whole, metadata={OURS: to_json(about.to_json())}), *kinds.items()])


def _rows(points: Sequence[Point], schema: Any) -> Any:
    """Pictures as rows of a table."""
    import pyarrow as pa

    def lists(parts: Sequence[Floats]) -> Any:
        flat = np.concatenate(parts)
        each = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
        ends = np.cumsum([0, *map(len, parts)])
        return pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), each)

    columns: dict[str, Any] = {"number": [point.number for point in points], "stamp": [point.stamp for point in points]}
    columns |= {
        "boxes": lists([point.boxes for point in points]),
        "vectors": lists([point.vectors for point in points]),
    }
    for name in schema.names:
        if name not in columns:
            values = [point.record[name] for point in points]
            columns[name] = list(map(to_json, values)) if name == "meta" else values
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def _plain(batch: Any) -> Iterator[dict[str, Any]]:
    """The rows of a batch as dicts, with vectors and boxes as arrays."""
    import pyarrow as pa

    lists = {name: batch.column(name) for name in ("vectors", "boxes")}
    rest = pa.RecordBatch.from_pydict(
        {n: batch.column(n) for n in batch.schema.names if n not in (*lists, "_distance")}
    )
    for at, row in enumerate(rest.to_pylist()):
        for name, column in lists.items():
            values = column[at].values
            row[name] = values.flatten().to_numpy().reshape(len(values), -1).astype(np.float32)
        yield row


def _point(row: dict[str, Any]) -> Point:
    record = row | {"meta": json.loads(row["meta"])}
    number, vectors, boxes, stamp = (record.pop(name) for name in ("number", "vectors", "boxes", "stamp"))
    return Point(number, vectors, boxes, record, stamp)

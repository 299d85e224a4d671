"""Qdrant: one point per picture, its regions a multi-vector that is compared by `max_sim` of dot products.

The database is a server, or a folder that the client itself keeps ("local mode"), which scores every picture exactly.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import InputError, install
from wordsight.search.scan import Floats
from wordsight.search.stores.maxsim import width
from wordsight.search.stores.store import About, Point, check_width

URLS = ("http://", "https://")
DEFAULT = "http://localhost:6333"
KEY = "QDRANT_API_KEY"  # the environment variable with the key of a server that needs one
OURS = "wordsight"  # key of `About` in the collection's metadata
PATIENCE = 60  # seconds to wait for a server
PAGE = 10_000  # points whose stamps are read at once


class Qdrant:
    """A collection of Qdrant."""

    def __init__(self, place: str, collection: str) -> None:
        """Open a server or a folder; a server is not contacted yet.

        Args:
            place: a URL, or a folder.
            collection: its name; it need not exist yet.

        Raises:
            InputError: the client is not installed, or the folder cannot be opened.
        """
        try:
            from qdrant_client import QdrantClient, models
        except ImportError:
            raise InputError(f"{place}: needs the client of Qdrant: {install('qdrant')}") from None
        self.name, self.collection, self._models = f"{place} ({collection})", collection, models
        self._place = place
        with self._said():
            if place.startswith(URLS):
                key = os.environ.get(KEY)
                self._client = QdrantClient(place, api_key=key, timeout=PATIENCE, check_compatibility=False)
            else:
                self._client = QdrantClient(path=place)

    def about(self) -> About | None:
        """Facts about the collection; None if it does not exist."""
        with self._said():
            if not self._client.collection_exists(self.collection):
                return None
            config = self._client.get_collection(self.collection).config
        about = About.parse((config.metadata or {}).get(OURS), self.name)
        vectors: Any = config.params.vectors
        check_width(getattr(vectors, "size", None), about, self.name)
        if vectors.distance != self._models.Distance.DOT or vectors.multivector_config is None:
            raise InputError(f"{self.name}: expected multi-vectors and the dot product; delete it and export again.")
        return about

    def create(self, about: About) -> None:
        """Make the collection."""
        models = self._models
        vectors = models.VectorParams(
            size=width(about.size, about.whole),
            distance=models.Distance.DOT,
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
        )
        with self._said():
            self._client.create_collection(self.collection, vectors, metadata={OURS: about.to_json()})
            kept = self._client.get_collection(self.collection).config.metadata
        if not kept:
            with self._said():
                self._client.delete_collection(self.collection)
            raise InputError(f"{self._place}: does not keep metadata of collections; expected Qdrant 1.16 or newer.")

    def describe(self, about: About) -> None:
        """Replace the facts about the collection."""
        with self._said():
            self._client.update_collection(self.collection, metadata={OURS: about.to_json()})

    def stamps(self) -> dict[int, int]:
        """The stamp of each picture."""
        found: dict[int, int] = {}
        offset: Any = None
        with self._said():
            while True:
                points, offset = self._client.scroll(
                    self.collection, limit=PAGE, offset=offset, with_payload=["stamp"], with_vectors=False
                )
                found |= {int(point.id): int((point.payload or {}).get("stamp", -1)) for point in points}
                if offset is None:
                    return found

    def write(self, points: Sequence[Point]) -> None:
        """Insert or replace pictures."""
        batch = self._models.Batch(
            ids=[point.number for point in points],
            vectors=[point.vectors.tolist() for point in points],
            payloads=[{**point.record, "boxes": point.boxes.tolist(), "stamp": point.stamp} for point in points],
        )
        with self._said():
            self._client.upsert(self.collection, batch, wait=True)

    def delete(self, numbers: Collection[int]) -> None:
        """Delete pictures."""
        with self._said():
            self._client.delete(self.collection, self._models.PointIdsList(points=list(numbers)), wait=True)

    def finish(self) -> None:
        """Nothing to do: Qdrant tidies up by itself."""

    def count(self) -> int:
        """The number of pictures."""
        with self._said():
            return self._client.count(self.collection, exact=True).count

    def nearest(self, query: Floats, count: int) -> list[Point]:
        """The pictures that score highest."""
        with self._said():
            found = self._client.query_points(
                self.collection, query=query.tolist(), limit=count, with_payload=True, with_vectors=True
            ).points
        return [self._point(point.id, point.vector, dict(point.payload or {})) for point in found]

    def close(self) -> None:
        """Close the connection or the folder."""
        self._client.close()

    def _point(self, number: Any, vectors: Any, record: dict[str, Any]) -> Point:
        try:
            values, boxes = np.array(vectors, np.float32), np.array(record.pop("boxes"), np.float32)
            if boxes.shape != (len(values), 4):
                raise ValueError
            return Point(int(number), values, boxes, record, record.pop("stamp"))
        except (KeyError, ValueError, TypeError):
            raise InputError(f"{self.name}: point {number} was not written by `wordsight index export`.") from None

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Turn the client's exceptions into `InputError`."""
        from qdrant_client.http.exceptions import ApiException

        try:
            yield
        except (ApiException, ValueError, RuntimeError, OSError) as error:
            raise InputError(f"{self.name}: {_reason(error)}") from None


def is_there(folder: Path) -> bool:
    """Whether a folder is a local database of Qdrant."""
    return (folder / "meta.json").is_file() and (folder / "collection").is_dir()


def _reason(error: Exception) -> str:
    """Explain an error of the client, in one line."""
    text = " ".join(str(error).split())
    if "already accessed" in text:
        return "another process has this folder of Qdrant open; a server can be used by several."
    if "refused" in text or "timed out" in text or "resolution" in text or "Name or service" in text:
        return f"no Qdrant server answers there ({text})."
    if "401" in text[:40] or "403" in text[:40]:
        return f"the server wants a key; put it into the environment variable {KEY}."
    return f"Qdrant says: {text[:300]}"

"""Region encoder: proposes boxes, and computes pooled features, geometry and labels of each box."""

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from wordsight.batch import Regions
from wordsight.blas import one_thread
from wordsight.errors import InputError
from wordsight.vision.backbones import Backbone, backbone, find_weights
from wordsight.vision.blobs import Blobs
from wordsight.vision.boxes import area, to_xywh
from wordsight.vision.cache import FeatureCache, FeatureTable, Row, default_cache
from wordsight.vision.clips import still
from wordsight.vision.images import Source
from wordsight.vision.labels import held, label_names, label_titles
from wordsight.vision.lite2 import LITE2, Glance, Lite2
from wordsight.vision.meanings import Meanings
from wordsight.vision.onnx_session import cores
from wordsight.vision.openvino_session import Compute, compute_type
from wordsight.vision.pooling import Features, Pool, crop, even, roi, roi_align
from wordsight.vision.proposals import Detector, Kind, Proposals, Yolox, given, propose
from wordsight.vision.settings import RegionSettings

__all__ = ["FeatureCache", "FeatureTable", "RegionEncoder", "RegionSettings", "default_cache"]

_FORMAT = 1  # version of the values: a new one recomputes every cached feature
_DETAIL = 2048  # pixels that both sides keep of a picture reduced for `crop`, as several wait in memory
_PLACE = max(Kind) + 1 + 8


class RegionEncoder:
    """Region encoder: encodes pictures as regions.

    Attributes:
        settings: as given.
        size: F, features per region.
        rows: R, most regions per picture.
        blocks: columns by name: a backbone's (with ` crop` appended for crops besides `roi`), `place`, `meaning`,
            `labels`. For each region, a backbone's columns are square-rooted and of length 1.
        fingerprint: equal for encoders that give the same values, wherever their files are.
        revisions: commits of backbones from a hub.
        precision: numpy type of features in the cache.
        compute: the type that nets are run in.
    """

    precision = "<f2"
    compute: Compute = "float32"

    def __init__(
        self,
        settings: RegionSettings,
        weights: Path | None = None,
        threads: int | None = None,
        revisions: Mapping[str, str] | None = None,
        compute: Compute | None = None,
    ) -> None:
        """Load the nets.

        Args:
            settings: of regions.
            weights: the folder of weights, if not the one in the settings.
            threads: number of threads that encode pictures; by default the number of cores.
            revisions: commits of backbones from a hub; by default the cached or else the newest ones.
            compute: the type that ONNX nets are run in; by default $WORDSIGHT_COMPUTE, or float32.

        Raises:
            InputError: a net is missing or malformed, or settings conflict.
        """
        settings.check()
        folder = weights or Path(settings.weights)
        self.settings, self.rows = settings, settings.regions
        self.compute = compute or compute_type()
        self.detector = _detector(settings, folder, self.compute)
        self._nets = [self._net(name, folder, (revisions or {}).get(name, "")) for name in settings.backbones]
        found = zip(settings.backbones, self._nets, strict=True)
        self.revisions = {name: revision for name, net in found if (revision := getattr(net, "revision", ""))}
        self._namer = next((net for net in self._nets if isinstance(net, Lite2)), None)
        self._meanings = _meanings(settings, self._namer, self.detector)
        self._threads, self._group = threads or cores(), max(net.batch for net in self._nets)
        self.blocks = _blocks(settings, self._nets, self._meanings, self.detector)
        self.size = max(block.stop for block in self.blocks.values())
        self.fingerprint = _fingerprint(settings, self._nets, self._meanings, self.detector)

    def encode(self, images: Sequence[Source], boxes: Sequence[ArrayLike] | None = None) -> Regions:
        """Encode pictures as regions.

        Args:
            images: whatever `open_image` takes.
            boxes: for each picture, the boxes (R, 4) `xyxy` fractions to encode instead of proposals.

        Returns:
            `Regions` of (I, R, F), padded to the most regions.

        Raises:
            InputError: a picture or box cannot be used; the message names it.
        """
        if boxes is not None and (
            not isinstance(boxes, Sequence | torch.Tensor | np.ndarray) or len(boxes) != len(images)
        ):
            raise InputError(f"boxes: expected a list with the boxes of each picture, {len(images):,} in all.")
        rows = []
        for row in self.stream(images, boxes):
            if isinstance(row, InputError):
                raise row
            rows.append(row)
        return as_regions(rows, self.size)

    def stream(
        self, images: Iterable[Source], boxes: Sequence[ArrayLike] | None = None
    ) -> Iterator["Row | InputError"]:
        """Yield a row for each picture, in order, several computed at a time; for a broken one its error as a value."""
        work = enumerate(images)
        waiting: deque[Future[list[Row | InputError]]] = deque()
        with one_thread, ThreadPoolExecutor(self._threads) as pool:
            try:
                while True:
                    while len(waiting) < 2 * self._threads and (items := list(islice(work, self._group))):
                        wanted = [boxes[i] if boxes is not None else None for i, _ in items]
                        waiting.append(pool.submit(self._rows, [image for _, image in items], wanted))
                    if not waiting:
                        return
                    yield from waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _net(self, name: str, folder: Path, revision: str) -> Backbone:
        """The backbone of this name; the detector itself if it is the same net."""
        same = isinstance(self.detector, Lite2) and name == self.settings.detector
        return self.detector if same else backbone(name, folder, revision, self.compute)  # type: ignore[return-value]

    def _rows(self, sources: Sequence[Source], boxes: Sequence[ArrayLike | None]) -> list[Row | InputError]:
        looks: list[tuple[Image.Image, Proposals, Features | None] | InputError] = []
        for source, wanted in zip(sources, boxes, strict=True):
            try:
                looks.append(self._look(source, wanted))
            except InputError as error:
                looks.append(error)
        good = [look for look in looks if not isinstance(look, InputError)]
        rows = iter(self._describe(*zip(*good, strict=True)) if good else [])
        return [look if isinstance(look, InputError) else next(rows) for look in looks]

    def _look(self, source: Source, boxes: ArrayLike | None) -> tuple[Image.Image, Proposals, Features | None]:
        """Open a picture (of a video, its middle frame); its boxes, and the detector's feature map, if it has one."""
        settings = self.settings
        cut = 0 if settings.pooling == "roi" else max(_DETAIL, settings.crop)
        image = still(source, at_least=max(settings.size, cut))
        eye = Glance(self.detector) if isinstance(self.detector, Lite2) else self.detector
        proposals = propose(image, eye, settings.regions, settings.detections, settings.person_parts, settings.grid)
        seen = eye.seen if isinstance(eye, Glance) else None
        return image, proposals if boxes is None else given(boxes, proposals), seen

    def _describe(
        self, images: Sequence[Image.Image], proposals: Sequence[Proposals], maps: Sequence[Features | None]
    ) -> list[Row]:
        """Compute all columns for a batch of pictures, rounded to half precision as in the cache."""
        pooled: list[list[NDArray[np.float32]]] = [[] for _ in images]  # per picture, (R, F of the block) each
        likely: Sequence[NDArray[np.float32]] = []  # per picture, (R, classes)
        boxes = [proposal.boxes for proposal in proposals]
        for net, pool, side in _poolings(self.settings, self._nets):
            if net is self.detector and pool is roi and not self.settings.flip:  # the detector's map is reused
                found = [roi_align(seen, wanted) for seen, wanted in zip(maps, boxes, strict=True) if seen is not None]
            else:
                found = pool(net, images, boxes, side, self.settings.flip)
            for parts, values in zip(pooled, found, strict=True):
                parts.append(even(values))
            if self._meanings and isinstance(net, Lite2):
                likely = [net.classify(values) for values in found]
        for number, (parts, proposal) in enumerate(zip(pooled, proposals, strict=True)):
            if self.settings.geometry:
                parts.append(_place(proposal))
            labels = held(proposal) if self._meanings or self.settings.labels else None
            if self._meanings and labels is not None:
                parts.append(self._meanings.of(likely[number], labels))
            if self.settings.labels and labels is not None:
                parts.append(labels)
        features = (
            np.concatenate(parts, 1, dtype=np.float16, casting="same_kind").astype(np.float32) for parts in pooled
        )
        return [Row(row, found.boxes, found.kinds) for row, found in zip(features, proposals, strict=True)]


def as_regions(rows: Sequence[Row], size: int) -> Regions:
    """Join rows into one `Regions`, padded to the longest."""
    longest = max((len(row.boxes) for row in rows), default=0)
    features = np.zeros((len(rows), longest, size), np.float32)
    boxes = np.zeros((len(rows), longest, 4), np.float32)
    mask = np.zeros((len(rows), longest), bool)
    for i, row in enumerate(rows):
        count = len(row.boxes)
        features[i, :count], boxes[i, :count], mask[i, :count] = row.features, row.boxes, True
    return Regions(torch.from_numpy(features), torch.from_numpy(mask), torch.from_numpy(boxes))


def _place(proposal: Proposals) -> NDArray[np.float32]:
    """Geometry (R, 16): kind of box (8, one-hot), left, top, right, bottom, width, height, area, detector score."""
    kinds = np.eye(max(Kind) + 1, dtype=np.float32)[proposal.kinds]
    sides = to_xywh(proposal.boxes)[:, 2:]
    last = np.stack([area(proposal.boxes), proposal.scores], 1)
    return np.concatenate([kinds, proposal.boxes, sides, last], 1)


def _detector(settings: RegionSettings, weights: Path, compute: Compute) -> Detector | None:
    """The detector of the settings.

    Raises:
        InputError: there is no detector of that name, or it lacks the classes that the settings need.
    """
    found: Detector | None = None
    if settings.detector == "blobs":
        found = Blobs()
    elif settings.detector == LITE2:
        found = Lite2(settings.size, settings.threshold, settings.overlap, compute)
    elif settings.detector:
        found = Yolox(find_weights(settings.detector, weights), settings.threshold, settings.overlap, compute)
    if settings.labels and not (found and found.names):
        raise InputError("regions.labels needs a regions.detector that knows classes, such as a YOLOX ONNX file")
    return found


def _meanings(settings: RegionSettings, namer: Lite2 | None, detector: Detector | None) -> Meanings | None:
    """Word vectors of regions, if the settings ask for them.

    Raises:
        InputError: no backbone has classes.
    """
    if not settings.meaning:
        return None
    if namer is None:
        raise InputError(f"regions.meaning needs the backbone '{LITE2}', which knows classes")
    return Meanings(namer.classes, label_titles(detector.names if detector else ()))


def _poolings(settings: RegionSettings, nets: Sequence[Backbone]) -> list[tuple[Backbone, Pool, int]]:
    """Each net with each pooling and its input side, in column order."""
    ways: dict[str, list[tuple[Pool, int]]] = {"roi": [(roi, settings.size)], "crop": [(crop, settings.crop)]}
    ways["both"] = ways["roi"] + ways["crop"]
    return [(net, pool, side) for net in nets for pool, side in ways[settings.pooling]]


def _blocks(
    settings: RegionSettings, nets: Sequence[Backbone], meanings: Meanings | None, detector: Detector | None
) -> dict[str, slice]:
    sizes: list[tuple[str, int]] = []
    for net, pool, _ in _poolings(settings, nets):
        sizes.append((f"{net.name} crop" if pool is crop and settings.pooling == "both" else net.name, net.size))
    if settings.geometry:
        sizes.append(("place", _PLACE))
    if meanings:
        sizes.append(("meaning", meanings.size))
    if settings.labels and detector:
        sizes.append(("labels", len(label_names(detector.names))))
    blocks: dict[str, slice] = {}
    at = 0
    for name, size in sizes:
        if name in blocks:
            raise InputError(f"regions.backbones: '{name}' is there twice, expected different ones")
        blocks[name] = slice(at, at + size)
        at += size
    return blocks


def _fingerprint(
    settings: RegionSettings, nets: Sequence[Backbone], meanings: Meanings | None, detector: Detector | None
) -> str:
    former = {"person_parts": "parts", "geometry": "place", "labels": "evidence"}  # key names in the hash
    plain = {former.get(key, key): value for key, value in asdict(settings).items()} | {
        "weights": "",
        "format": _FORMAT,
        "backbones": [net.content for net in nets],
        "detector": detector.content if detector else "",
        "meaning": meanings.content if meanings else "",
    }
    for key, without in (("grid", 0), ("meaning", ""), ("frames", 0), ("cells", 1)):  # as before they existed
        if plain[key] == without:
            del plain[key]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

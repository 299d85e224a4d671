"""Region encoder of a dual encoder: the global embedding first, then boxes pooled from its feature map."""

import hashlib
from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from PIL import Image
from torch.nn.functional import normalize

from wordsight.errors import InputError
from wordsight.vision.dual_towers import DualTowers
from wordsight.vision.images import Source, open_image
from wordsight.vision.pooling import roi_align
from wordsight.vision.proposals import Proposals, given, propose, whole
from wordsight.vision.regions import RegionEncoder, Row
from wordsight.vision.settings import RegionSettings

BOXES = 40  # boxes per picture: the whole picture, then windows from large to small
_FORMAT = 1  # version of the values: a new one recomputes every cached feature


class DualRegions(RegionEncoder):
    """Encodes pictures as regions: row 0 is the vector that ranks the picture, the others are evidence.

    A region's vector is the mean of the feature map over its box, at length 1.
    """

    precision = "<f4"  # float32 in the feature cache, so that scores are exactly the model's

    def __init__(self, towers: DualTowers, content: str) -> None:
        """Use the towers of a model.

        Args:
            towers: of the model.
            content: a hash of all the model's files.
        """
        self.settings = RegionSettings(backbones=("dual",), regions=1 + BOXES, detections=0)
        self.rows = self.settings.regions
        self.detector, self.revisions = None, {}
        self.size, self.blocks = towers.size, {"dual": slice(0, towers.size)}
        self.fingerprint = hashlib.sha256(f"dual {_FORMAT} {BOXES} {content}".encode()).hexdigest()
        self._towers, self._threads, self._group = towers, 2, 8

    def _rows(self, sources: Sequence[Source], boxes: Sequence[ArrayLike | None]) -> list[Row | InputError]:
        looks: list[tuple[Image.Image, Proposals] | InputError] = []
        for source, wanted in zip(sources, boxes, strict=True):
            try:
                image = open_image(source)  # at full size, as for the model's own processor
                found = propose(image, None, BOXES, 0, parts=False)
                looks.append((image, found if wanted is None else given(wanted, found)))
            except InputError as error:
                looks.append(error)
        good = [look for look in looks if not isinstance(look, InputError)]
        rows = iter(self._seen(good))
        return [look if isinstance(look, InputError) else next(rows) for look in looks]

    def _seen(self, looks: Sequence[tuple[Image.Image, Proposals]]) -> list[Row]:
        if not looks:
            return []
        vectors, maps = self._towers.pictures([image for image, _ in looks])
        rows = []
        for vector, seen, (_, found) in zip(vectors.cpu(), maps, looks, strict=True):
            every = Proposals.join([whole(), found])
            regions = normalize(torch.from_numpy(roi_align(seen, found.boxes)), dim=1)
            rows.append(Row(torch.cat([vector[None], regions]).numpy(), every.boxes, every.kinds))
        return rows

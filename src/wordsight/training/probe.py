"""How much a net's features know of what is said of pictures, by the quickest judge: CCA in closed form."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wordsight.batch import Regions
from wordsight.data.records import Picture
from wordsight.evaluation.ranking import metrics, ranks, rsum, score_matrix
from wordsight.matching.cca import CCA
from wordsight.text.vocabulary import Vocabulary
from wordsight.training.batches import pairs
from wordsight.training.validation import encode
from wordsight.vision.images import open_image, pixels
from wordsight.vision.sight import SightNet

SIDE = 256  # pixels
BLOCK = 50


class Wholes:
    """A table of pictures as one region each."""

    def __init__(self, features: Tensor) -> None:
        self.features = features  # (I, F)

    def __len__(self) -> int:
        """I."""
        return len(self.features)

    def gather(self, indices: Tensor, places: Tensor | None = None) -> Regions:
        """See `batches.Table`."""
        features = self.features[indices][:, None]
        count = len(features)
        return Regions(features, torch.ones(count, 1, dtype=torch.bool), torch.tensor([[[0.0, 0, 1, 1]]] * count))


def probe(net: SightNet, train: Sequence[Picture], val: Sequence[Picture], sentences: int = 5) -> dict[str, float]:
    """Retrieval on val by CCA of pooled features and words, in percent, with the sum of the six recalls as `rsum`.

    Args:
        net: ready for use.
        train: CCA is fitted on these.
        val: the gallery.
        sentences: of each train picture that are used.
    """
    said = [sentence for picture in train for sentence in picture.sentences[:sentences]]
    vocabulary = Vocabulary.build(said, 5)
    known, asked = (pairs(some, Wholes(_seen(net, some)), vocabulary) for some in (train, val))
    model = CCA(len(vocabulary), known.table.gather(torch.tensor([0])).features.shape[2])
    model.fit(known.by_picture, torch.zeros(0, dtype=torch.bool), None)
    images, texts = encode(model.eval(), asked)
    found = metrics(ranks(score_matrix(model, images, texts), asked.picture), len(val))
    return {**found, "rsum": rsum(found)}


@torch.inference_mode()
def _seen(net: SightNet, pictures: Sequence[Picture]) -> Tensor:
    """(I, F): each picture's features as `pooling.roi` has them, square-rooted and of length 1."""
    rows = []
    for start in range(0, len(pictures), BLOCK):
        some = [pixels(open_image(picture.path), (SIDE, SIDE)) for picture in pictures[start : start + BLOCK]]
        batch = torch.from_numpy(np.stack(some)).contiguous(memory_format=torch.channels_last)
        rows.append(net(batch).features.float().mean((2, 3)).sqrt())
    return torch.nn.functional.normalize(torch.cat(rows), dim=1)

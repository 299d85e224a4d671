"""What every captioner is: a start from a picture, a step from word to word, and its own loss.

Number 0 of a vocabulary is "<end>". It is never said in the middle of a sentence, so as an input it is free to mean
START, with a row of the word embedding for itself: a sentence w_1 .. w_T is read as 0, w_1 .. w_T and predicted as
w_1 .. w_T, 0.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from wordsight.batch import Batch, LabelInfo, Regions, Words
from wordsight.configured import Configured
from wordsight.text.vocabulary import Vocabulary

END, UNKNOWN = 0, 1  # the same in every vocabulary; 0 as an input is START

State = Tensor | tuple[Tensor, ...]  # first axis: the row (a picture, a sentence, or one beam of a picture)


class CaptionModel(Configured):
    """Say what is there.

    A subclass writes `start` and `step`, names its parts as below, and inherits the rest. Its constructor's plain
    keywords are its hyper-parameters, which `config` holds.

    What it sees of a picture is one vector (S,): the features of the first `views` regions one after the other and,
    with `average`, the mean of all its regions.

    Args:
        vocabulary: V, how many words there are, "<end>" and "<unk>" among them.
        features: F, size of a region's features.
        views: 1 sees the whole picture, which is always the first region, or a region alone; a captioner of regions
            with 2 sees a region and, second, the whole picture. A region that is not there is seen as zeros.
        average: see the mean of all regions too.
        words: E, size of a word vector.
        hidden: H, size of what the last layer reads.
        image: when the picture is seen: at the `first` step or at `every` one.
        dropout: 0 to 1.
    """

    task = "caption"  # its kind, a key of `runs.tasks.TASKS`
    attends = False  # whether there is an `attention`
    generates = True  # word by word, with a probability; else there is a `lookup` in place of `start` and `step`
    requires: ClassVar[Mapping[str, object]] = {}  # keys of a recipe, as "data.min_count", that must have these values
    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        views: int,
        average: bool,
        words: int,
        hidden: int,
        image: Literal["first", "every"] = "every",
        dropout: float,
    ) -> None:
        super().__init__()
        if image not in ("first", "every"):
            raise ValueError(f"image = {image!r}: expected 'first' or 'every'")
        if views < 1:
            raise ValueError(f"views = {views}: expected at least 1")
        self.views, self.average, self.image, self.seen = views, average, image, features * (views + average)
        self.register_buffer("mean", torch.zeros(self.seen))  # see `fit`
        self.register_buffer("scale", torch.ones(()))
        self.words = nn.Embedding(vocabulary, words)
        self.output = nn.Linear(hidden, vocabulary)
        self.dropout = nn.Dropout(dropout)
        self._table: tuple[object, Tensor] | None = None

    def start(self, regions: Regions) -> State:
        """Regions (I, R, F) -> the state before any word, a row a picture."""
        raise TypeError(f"{type(self).__name__} has no start")

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further.

        Args:
            state: of B rows.
            words: (B,) numbers of the last words; 0 before the first one.

        Returns:
            (B, V) logits of the next words, and the state after `words`.
        """
        raise TypeError(f"{type(self).__name__} has no step")

    def attention(self, regions: Regions, ids: Tensor) -> Tensor:
        """Where a captioner that attends looks before each word of a finished caption.

        Args:
            regions: (1, R, F), of one picture.
            ids: (T,), the words.

        Returns:
            (T, R); every row sums to 1.
        """
        raise TypeError(f"{type(self).__name__} has no attention")

    def lookup(self, regions: Regions, vocabulary: Vocabulary, count: int) -> list[list[tuple[str, float]]]:
        """The captions of one that does not generate them.

        Args:
            regions: (I, R, F).
            vocabulary: that it was trained with.
            count: how many captions of each picture, at least 1.

        Returns:
            For each picture at most `count` different captions, best first, each with its confidence, 0 to 1.
        """
        raise TypeError(f"{type(self).__name__} has no lookup")

    def read(self, words: Tensor) -> Tensor:
        """Word vectors (..., E) -> (..., G), all that the recurrence takes from them."""
        raise TypeError(f"{type(self).__name__} has no read")

    def predict(self, batch: Batch) -> Tensor:
        """Teacher forcing: what is said after each word of the true sentences.

        Returns:
            (M, V) logits, sentence after sentence, T + 1 for a sentence of T words.
        """
        given, _, mask = framed(batch.words)
        state, logits = pick(self.start(batch.regions), batch.picture), []
        for words in given.unbind(dim=1):
            found, state = self.step(state, words)
            logits.append(found)
        return torch.stack(logits, dim=1)[mask]

    def loss(self, batch: Batch, weights: Tensor | None = None) -> Tensor:
        """The mean cross-entropy of a word in nats, "<end>" counted as one, a scalar.

        Args:
            batch: pictures and sentences.
            weights: (N,), what each sentence's words are multiplied by; None for 1.
        """
        _, right, mask = framed(batch.words)
        losses = functional.cross_entropy(full(self.predict(batch)), right[mask], reduction="none")
        if weights is not None:
            losses = losses * weights[:, None].expand(mask.shape)[mask]
        return losses.mean()

    @property
    def device(self) -> torch.device:
        """Where its weights are; the CPU where it has none."""
        return next((weight.device for weight in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def likelihood(self, batches: Iterable[Batch]) -> dict[str, float]:
        """`perplexity`; nothing of one that does not generate."""
        return {"perplexity": self.perplexity(batches)} if self.generates else {}

    @torch.no_grad()
    def perplexity(self, batches: Iterable[Batch]) -> float:
        """The exponential of the mean cross-entropy of a word over all the batches; leaves it in evaluation mode."""
        self.eval()
        total, count = 0.0, 0
        for batch in batches:
            words = int(batch.words.mask.sum()) + len(batch.words.mask)
            total, count = total + words * self.loss(batch).item(), count + words
        return float(torch.tensor(total / count, dtype=torch.double).exp())

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Before the first step of training: say words as often as they are said, and centre what is seen.

        The last layer's bias becomes the logarithm of the frequency of each word (DVSA, optimisation); what is seen
        gets mean 0 and, over all its columns together, variance 1.

        Args:
            batches: gives every picture of the training split with all its sentences, whenever it is called.
            labels: not used here.
        """
        said = torch.ones_like(self.output.bias)  # as if every word had been said once more
        count, total, squares = 0, torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        for batch in batches():
            _, right, mask = framed(batch.words)
            said += torch.bincount(right[mask], minlength=len(said))
            seen = self._view(batch.regions)
            count, total, squares = count + len(seen), total + seen.sum(0), squares + seen.square().sum(0)
        with torch.no_grad():
            self.output.bias.copy_((said / said.sum()).log())
        self.mean.copy_(total / count)
        self.scale.copy_((squares / count - self.mean.square()).mean().clamp(min=1e-12).rsqrt())

    def look(self, regions: Regions) -> Tensor:
        """What is seen of each picture, centred and scaled: regions (I, R, F) -> (I, S)."""
        return (self._view(regions) - self.mean) * self.scale

    def said(self, words: Tensor) -> Tensor:
        """What words (...) give the recurrence -> (..., G).

        Where nothing is trained this is looked up in a table of all words, which is made again when a weight changed.
        """
        if self.training or torch.is_grad_enabled():
            return self.read(self.dropout(self.words(words)))
        made_of = [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in self.parameters()]
        if self._table is None or self._table[0] != made_of:
            with torch.autocast(words.device.type, enabled=False):
                self._table = made_of, self.read(self.words.weight)  # (V, G)
        return functional.embedding(words, self._table[1])

    def _view(self, regions: Regions) -> Tensor:
        """Regions (I, R, F) -> (I, S) as they come."""
        features = regions.features.masked_fill(~regions.mask[..., None], 0.0)
        missing = max(0, self.views - features.shape[1])
        seen = functional.pad(features, (0, 0, 0, missing))[:, : self.views].flatten(1)
        if not self.average:
            return seen
        mean = features.sum(dim=1) / regions.mask.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.cat([seen, mean], dim=1)


def framed(words: Words) -> tuple[Tensor, Tensor, Tensor]:
    """Sentences (N, T) as a captioner reads and predicts them.

    Returns:
        START and the words; the words and END; a mask that is True where there is something to predict: (N, T + 1).
    """
    ids = words.ids * words.mask
    return functional.pad(ids, (1, 0)), functional.pad(ids, (0, 1)), functional.pad(words.mask, (1, 0), value=True)


def pick(state: State, rows: Tensor | slice) -> State:
    """Rows (B,) of a state, in that order."""
    return state[rows] if isinstance(state, Tensor) else tuple(part[rows] for part in state)


def run(recurrence: nn.RNNBase, values: Tensor, mask: Tensor, state: State | None = None) -> Tensor:
    """Run a recurrent network over (N, T, E) sequences, never through padding.

    Args:
        recurrence: of one direction and layer, batch first.
        values: its inputs.
        mask: (N, T), False in the padding, which is always at the end.
        state: (1, N, H) before the first step, two such for an LSTM; None for zero.

    Returns:
        (M, H), one row for each True of the mask.
    """
    packed = pack_padded_sequence(values, mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False)
    out, _ = pad_packed_sequence(recurrence(packed, state)[0], batch_first=True, total_length=mask.shape[1])
    return out[mask]


def full(logits: Tensor) -> Tensor:
    """In float32 at least: 8 bits are too few for a softmax over thousands of words."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))

"""Base class of captioners: an initial state from a picture, a step from word to word, and a loss.

Id 0 of a vocabulary is "<end>". As an input it means START, since "<end>" never occurs inside a sentence: a sentence
w_1 .. w_T is read as 0, w_1 .. w_T and predicted as w_1 .. w_T, 0.
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
    """Base class of image captioners.

    A subclass writes `start`, `step` and `read`, and inherits the rest. Its constructor's plain keywords are its
    hyper-parameters, which `config` holds.

    The input from a picture is one vector (S,): the concatenated features of the first `views` regions and, with
    `average`, the mean of all its regions.

    Args:
        vocabulary: V, number of words, "<end>" and "<unk>" included.
        features: F, size of a region's features.
        views: number of first regions that are input. 1: the whole picture, which is always the first region, or one
            region alone. 2, for a captioner of regions: a region, then the whole picture. Missing regions are zeros.
        average: whether the mean of all regions is input too.
        words: E, size of a word vector.
        hidden: H, size of the last layer's input.
        image: when the picture is seen: at the `first` step or at `every` step.
        dropout: probability, 0 to 1.
    """

    task = "caption"  # its kind, a key of `runs.tasks.TASKS`
    attends = False  # whether it has `attention`
    generates = True  # word by word, with probabilities; else it has `lookup` in place of `start` and `step`
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
        """Regions (I, R, F) -> the state before any word, one row per picture."""
        raise TypeError(f"{type(self).__name__} has no start")

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step of generation.

        Args:
            state: of B rows.
            words: (B,) ids of the last words; 0 before the first word.

        Returns:
            (B, V) logits of the next words, and the state after `words`.
        """
        raise TypeError(f"{type(self).__name__} has no step")

    def attention(self, regions: Regions, ids: Tensor) -> Tensor:
        """Attention weights before each word of a finished caption; only of a captioner that `attends`.

        Args:
            regions: (1, R, F), of one picture.
            ids: (T,), the words.

        Returns:
            (T, R); every row sums to 1.
        """
        raise TypeError(f"{type(self).__name__} has no attention")

    def gates(self, regions: Regions, ids: Tensor) -> Tensor | None:
        """Gate values: how much each word of a caption comes from regions, (T,), 0 to 1; None without a gate.

        Args:
            regions: (1, R, F), of one picture.
            ids: (T,), the words.
        """
        return None

    def lookup(self, regions: Regions, vocabulary: Vocabulary, count: int) -> list[list[tuple[str, float]]]:
        """Captions of a captioner that does not generate.

        Args:
            regions: (I, R, F).
            vocabulary: the model's.
            count: maximum number of captions per picture, at least 1.

        Returns:
            For each picture at most `count` distinct captions, best first, each with its confidence, 0 to 1.
        """
        raise TypeError(f"{type(self).__name__} has no lookup")

    def read(self, words: Tensor) -> Tensor:
        """Word vectors (..., E) -> (..., G), their input to the recurrence."""
        raise TypeError(f"{type(self).__name__} has no read")

    def predict(self, batch: Batch) -> Tensor:
        """Teacher forcing: predictions after each word of the true sentences.

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
        """Mean cross-entropy per word in nats, a scalar; "<end>" counts as a word.

        Args:
            batch: pictures and sentences.
            weights: (N,), weight of each sentence's words; None for 1.
        """
        _, right, mask = framed(batch.words)
        losses = functional.cross_entropy(full(self.predict(batch)), right[mask], reduction="none")
        if weights is not None:
            losses = losses * weights[:, None].expand(mask.shape)[mask]
        return losses.mean()

    @property
    def device(self) -> torch.device:
        """The device of its weights; the CPU if it has none."""
        return next((weight.device for weight in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def likelihood(self, batches: Iterable[Batch]) -> dict[str, float]:
        """`perplexity`; empty for a captioner that does not generate."""
        return {"perplexity": self.perplexity(batches)} if self.generates else {}

    @torch.no_grad()
    def perplexity(self, batches: Iterable[Batch]) -> float:
        """Perplexity: the exponential of the mean cross-entropy per word; leaves the model in evaluation mode."""
        self.eval()
        total, count = 0.0, 0
        for batch in batches:
            words = int(batch.words.mask.sum()) + len(batch.words.mask)
            total, count = total + words * self.loss(batch).item(), count + words
        return float(torch.tensor(total / count, dtype=torch.double).exp())

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Initialise the output bias and standardise features, before the first step of training.

        The last layer's bias becomes the logarithm of the frequency of each word (DVSA, optimisation); features get
        mean 0 and, over all columns together, variance 1.

        Args:
            batches: each call yields every picture of the training split with all its sentences.
            labels: not used here.
        """
        said = torch.ones_like(self.output.bias)  # add-one smoothing
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
        """Standardised input of each picture: regions (I, R, F) -> (I, S)."""
        return (self._view(regions) - self.mean) * self.scale

    def said(self, words: Tensor) -> Tensor:
        """Input of words (...) to the recurrence -> (..., G).

        Without gradients it is looked up in a table of all words, which is rebuilt after a weight changes.
        """
        if self.training or torch.is_grad_enabled():
            return self.read(self.dropout(self.words(words)))
        made_of = [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in self.parameters()]
        if self._table is None or self._table[0] != made_of:
            with torch.autocast(words.device.type, enabled=False):
                self._table = made_of, self.read(self.words.weight)  # (V, G)
        return functional.embedding(words, self._table[1])

    def _view(self, regions: Regions) -> Tensor:
        """Regions (I, R, F) -> (I, S), not standardised."""
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
        START and the words; the words and END; a mask, True where there is a target: (N, T + 1) each.
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
    """Logits in at least float32: bfloat16's 8 bits are too few for a softmax over thousands of words."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))

"""Data-parallel training: several processes take each step together, and learn what one process would.

A batch's negatives are in the batch, so it cannot simply be cut in pieces. Each process encodes its own share of the
pictures and of the sentences, all gather the sentences' vectors, each scores its own pictures with every sentence, all
gather the scores, and each computes the loss of the whole batch. Gradients go back the same way, and are added up.

The first process leads: it trains as one alone would, evaluates and saves. The others repeat its steps.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from wordsight.batch import Batch, Regions, Vectors
from wordsight.captioning.captioner import CaptionModel
from wordsight.matching.matcher import Matcher
from wordsight.runs.pairs import Pairs

if TYPE_CHECKING:
    from wordsight.runs.tasks import Model


class Team:
    """The processes of one training: `torch.distributed`, which is initialised.

    Attributes:
        rank: number of this process; 0 leads.
        size: number of processes.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def part(self, count: int) -> slice:
        """The rows of this process, out of `count` rows."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def send(self, message: Any) -> None:
        """Send a message from the leader to the other processes; see `receive`."""
        dist.broadcast_object_list([message])

    def receive(self) -> Any:
        """Wait for the next message of the leader."""
        message = [None]
        dist.broadcast_object_list(message)
        return message[0]

    def loss(self, model: "Model", pairs: Pairs, chosen: Tensor, device: torch.device) -> Tensor:
        """This process's part of the loss of a batch: the parts of all, and their gradients, add up to the whole.

        Args:
            model: one that `divides`, in training mode.
            pairs: of the training split.
            chosen: (N,) numbers of pairs, the whole batch.
            device: where to compute.
        """
        if isinstance(model, Matcher):
            return self._of_matcher(model, pairs, chosen, device)
        assert isinstance(model, CaptionModel)
        return self._of_captioner(model, pairs, chosen, device)

    def add_up(self, model: "Model", loss: Tensor) -> Tensor:
        """Replace each gradient by its sum over all processes; returns the sum of the losses."""
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        known = torch.tensor([weight.grad is not None for weight in weights], device=loss.device)
        grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        flat = torch.cat([loss.detach().float()[None], known.float(), *(grad.flatten() for grad in grads)])
        dist.all_reduce(flat)
        total, known, summed = flat.split([1, len(weights), len(flat) - 1 - len(weights)])
        shares = summed.split([weight.numel() for weight in weights])
        for weight, any_, share in zip(weights, known.tolist(), shares, strict=True):
            weight.grad = share.view_as(weight) if any_ else None  # None, and so out of the step, if no process has it
        return total[0]

    def _of_matcher(self, model: Matcher, pairs: Pairs, chosen: Tensor, device: torch.device) -> Tensor:
        rows, picture = pairs.picture[chosen].unique(return_inverse=True)
        words, mine = pairs.words[chosen].trimmed(), self.part(len(chosen))
        own: Regions = pairs.table.gather(rows[self.part(len(rows))]).to(device)
        with _DrawsOfBatch(self.part(len(rows)), len(rows)):
            images = model.encode_images(model.glimpse(own))
        with _DrawsOfBatch(mine, len(chosen)):
            texts = model.encode_texts(words[mine].to(device))
        every = Vectors(*(self.gather(part, mine, len(chosen)) for part in (texts.values, texts.mask, texts.places)))
        scores = self.gather(model.score(images, every), self.part(len(rows)), len(rows))  # (I, N)
        return model.loss_of_scores(scores, picture.to(device)) / self.size

    def _of_captioner(self, model: CaptionModel, pairs: Pairs, chosen: Tensor, device: torch.device) -> Tensor:
        """The mean loss over this process's own words, weighted by their share of all words in the batch."""
        if self.rank:  # different dropout from the leader's
            torch.manual_seed(int(torch.randint(2**62, ())) + self.rank)
        own = chosen[self.part(len(chosen))]
        batch: Batch = pairs.batch(own).to(device)
        targets, all_targets = (int(pairs.words.mask[some].sum()) + len(some) for some in (own, chosen))
        return model.loss(batch) * (targets / all_targets)

    def gather(self, own: Tensor, part: slice, count: int) -> Tensor:
        """All `count` rows, with gradient; `own` are this process's rows, and `part` their positions."""
        gathered: Tensor = _Gather.apply(own, part, count)
        return gathered


def divides(kind: "type[Model]") -> bool:
    """Whether several processes can train such a model together.

    They can if a matcher's loss is a function of its scores, or a captioner's loss is a mean over words.
    """
    if issubclass(kind, Matcher):
        return kind.loss is Matcher.loss and kind.loss_of_scores is not Matcher.loss_of_scores
    return issubclass(kind, CaptionModel) and kind.generates and not hasattr(kind, "lessons")


class _Gather(torch.autograd.Function):
    """Gathers the rows of all processes; the gradient of a row is the sum of its gradients in all processes."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, part: slice, count: int) -> Tensor:
        ctx.part = part
        wide = torch.uint8 if own.dtype == torch.bool else own.dtype
        whole = torch.zeros(count, *own.shape[1:], dtype=wide, device=own.device)
        whole[part] = own
        dist.all_reduce(whole)  # the other processes have zeros there
        return whole.to(own.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        summed = gradients[0].contiguous().clone()
        dist.all_reduce(summed)
        return summed[ctx.part], None, None


class _DrawsOfBatch(TorchFunctionMode):
    """Random draws for some rows of a batch, as if for all: dropout and `torch.rand` give what one process would.

    Args:
        part: the rows of this process.
        count: the number of rows of the batch.
    """

    def __init__(self, part: slice, count: int) -> None:
        super().__init__()
        self._part, self._count, self._own = part, count, part.stop - part.start

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function is functional.dropout:
            return self._dropout(*args, **kwargs)
        if function is torch.rand:
            shape = tuple(args[0]) if len(args) == 1 and not isinstance(args[0], int) else args
            if shape and shape[0] == self._own:
                return torch.rand((self._count, *shape[1:]), **kwargs)[self._part]
        return function(*args, **kwargs)

    def _dropout(self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or len(values) != self._own:
            return functional.dropout(values, p, training, inplace)
        drawn = functional.dropout(values.new_ones(self._count, *values.shape[1:]), p)
        return values * drawn[self._part]

"""Muon for convolutions (Jordan et al. 2024): a step turns every direction of a weight by the same amount.

The weight of a convolution is a matrix, its outputs by all that it sees; of the gradient's momentum only the directions
are kept, not how strong each is (its singular values become about 1). The directions that are seldom seen are then
learned as fast as the others, so that far fewer pictures are needed than with AdamW.
"""

from typing import Any

import torch
from torch import nn

LEAST = 5  # channels in and out that a weight has to have: pictures have 3, edges 4


class Muon:
    """Steps of a net's convolutions; all other weights are left to another optimiser.

    Args:
        net: whose weights lie in memory as `channels_last` has them.
        weight_decay: pulls on them.
    """

    def __init__(self, net: nn.Module, weight_decay: float) -> None:
        weights = [weight for weight in net.parameters() if weight.ndim == 4 and min(weight.shape[:2]) >= LEAST]
        # a view, or else (another memory format) an error: steps on a copy would teach nothing
        self.pairs = [(weight, weight.detach().permute(0, 2, 3, 1).view(len(weight), -1)) for weight in weights]
        self.optimiser = torch.optim.Muon([matrix for _, matrix in self.pairs], weight_decay=weight_decay)

    def step(self, lr: float) -> None:
        """Take a step and drop the gradients that it used, so that no other optimiser takes one with them."""
        for weight, matrix in self.pairs:
            matrix.grad = None if weight.grad is None else weight.grad.permute(0, 2, 3, 1).flatten(1)
            weight.grad = None
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        """See `torch.optim.Optimizer`."""
        return self.optimiser.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `torch.optim.Optimizer`."""
        self.optimiser.load_state_dict(state)

"""Learned connections of a verb's roles: how much each role's noun depends on the message of another node."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.arguments import path_of
from wordsight.runs.features import featured
from wordsight.runs.recogniser import Recogniser
from wordsight.runs.situations import gallery
from wordsight.situations.graph_net import GraphNet
from wordsight.situations.situation_model import Seen, known_only

MOST = 200  # most pictures that are used


@dataclass(frozen=True)
class Connections:
    """How much the roles of a verb depend on each other.

    Attributes:
        verb: its name.
        roles: E of them.
        strengths: (1 + E, 1 + E): how much the noun of the row's node changes without the messages of the column's
            node: the total variation of its probabilities, 0 to 1, mean over pictures. The first node is the verb. 0
            where two nodes are not joined, and in the verb's row.
        pictures: how many pictures of the verb were used.
    """

    verb: str
    roles: tuple[str, ...]
    strengths: Sequence[Sequence[float]]
    pictures: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain values: each connection from a node to a role."""
        nodes = (self.verb, *self.roles)
        found = [
            {"from": nodes[teller], "to": nodes[reader], "strength": value}
            for reader, row in enumerate(self.strengths)
            for teller, value in enumerate(row)
            if reader and teller != reader
        ]
        return {"verb": self.verb, "pictures": self.pictures, "connections": found}

    def __str__(self) -> str:
        """A line per connection, the strongest first."""
        found = sorted(self.to_json()["connections"], key=lambda one: -one["strength"])
        lines = [f"{100 * one['strength']:5.1f} %  {one['from']} -> {one['to']}" for one in found if one["strength"]]
        head = f"{self.verb}, {self.pictures} pictures: how much a role's noun changes without the message"
        return "\n".join([head, *lines])

    def draw(self, out: str | Path) -> None:
        """Write the graph as a picture.

        Raises:
            InputError: the file cannot be written.
        """
        from wordsight.reports.draw import save
        from wordsight.reports.situations import draw_connections

        save(draw_connections(self.verb, self.roles, self.strengths), path_of(out, "a picture to write"))


def connections(
    run: Recogniser, verb: str, data: str | Path | None = None, split: str = "val", *, progress: Progress | None = None
) -> Connections:
    """The learned connections between the roles of a verb.

    Args:
        run: of a graph network with messages.
        verb: one that it knows.
        data: situations, with pictures of that verb; None for the training data.
        split: its name.
        progress: receives updates; None prints to stderr.

    Raises:
        InputError: the run has no messages or does not know the verb, or the split has no picture of it.
    """
    model, number = run.model, run.number(verb)
    if not isinstance(model, GraphNet) or model.message is None:
        raise InputError(
            f"{run.folder}: no node of this model tells another anything; expected a 'graph_net' with messages."
        )
    dataset, every = gallery(run.checkpoint, run.folder, data, split)
    wanted = [one for one in every if one.situation.verb == verb][:MOST]
    if not wanted:
        raise InputError(f"{dataset.root}: the split '{split}' has no picture of {verb!r}.")
    pictures, rows = featured(run.encoder, wanted, progress or Progress(), split)
    model.eval()
    seen = model.look(rows.gather(torch.arange(len(rows))).to(run.device))
    roles = run.lexicon.frames[number][2:]
    return Connections(verb, roles, strengths(model, seen, number, len(roles)).tolist(), len(pictures))


@torch.inference_mode()
def strengths(model: GraphNet, seen: Seen, verb: int, roles: int) -> Tensor:
    """How much each role's probabilities change without each message: (1 + E, 1 + E), see `Connections`."""
    verbs = torch.full((len(seen.picture),), verb, device=seen.picture.device)
    joined = model.joined(verbs)
    whole = known_only(model.read(seen, verbs, joined)).softmax(2)  # (I, E, V)
    found = torch.zeros(1 + roles, 1 + roles)
    for reader in range(1, 1 + roles):
        for teller in range(1 + roles):
            if joined[0, reader, teller]:
                cut = joined.clone()
                cut[:, reader, teller] = False
                without = known_only(model.read(seen, verbs, cut)).softmax(2)
                found[reader, teller] = (whole - without)[:, reader - 1].abs().sum(1).mean() / 2
    return found

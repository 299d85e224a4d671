"""Opened run: what every kind of trained run has."""

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from wordsight.errors import InputError
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.encoder import encoder_of
from wordsight.runs.tasks import TASKS
from wordsight.vision.regions import RegionEncoder


class OpenedRun:
    """A trained model with its vocabulary and region encoder.

    Attributes:
        folder: the checkpoint's folder.
        checkpoint: everything in it.
        model: the model itself.
        vocabulary: the words it knows.
        device: where it computes.
    """

    kind: ClassVar[str]  # its key in `TASKS`
    model: Any

    def __init__(self, folder: Path, checkpoint: Checkpoint, device: torch.device) -> None:
        """Take a checkpoint of the right kind.

        Raises:
            InputError: its model is of another task.
        """
        self.task, expected = TASKS[checkpoint.model.task], TASKS[self.kind]
        if self.task is not expected:
            name, such_as = checkpoint.recipe.model["name"], next(iter(expected.models))
            raise InputError(
                f"{folder}: this run {self.task.does} ({name}), expected one that {expected.does}, such as "
                f"'{such_as}'; this one is for `{self.task.command}`."
            )
        self.folder, self.checkpoint, self.device = folder, checkpoint, device
        self.model, self.vocabulary = checkpoint.model, checkpoint.vocabulary

    @cached_property
    def encoder(self) -> RegionEncoder:
        """Pictures -> regions, as in training.

        Raises:
            InputError: its weights are missing, or are not those of the training.
        """
        return encoder_of(self.checkpoint, self.folder)

"""Open a run of any kind; its checkpoint says which kind."""

from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.runs import checkpoint
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.arguments import path_of
from wordsight.runs.device import device_named
from wordsight.runs.tasks import TASKS, part
from wordsight.vision.dual_source import is_dual

if TYPE_CHECKING:
    from wordsight.runs.captioner import Captioner


def load_run(run: str | Path, device: str = "auto") -> "Aligner | Captioner":
    """A trained model of any kind from its folder, or a dual encoder; see `load` and `load_captioner`."""
    where, folder = device_named(device), path_of(run, "the folder of a run")
    if is_dual(folder):
        return load(folder, device)
    found = checkpoint.load(folder, where)
    opened: Aligner | Captioner = part(TASKS[found.model.task].opened)(folder, found, where)
    return opened

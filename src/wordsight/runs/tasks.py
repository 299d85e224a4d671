"""Tasks: the one table of what differs between aligning, captioning and finding situations.

Code that trains, opens, evaluates, compares or describes a run asks its task, never the class of its model. A new kind
of model is one more `Task` here, with the functions that it names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from wordsight import captioning, matching, situations

if TYPE_CHECKING:
    from wordsight.captioning.captioner import CaptionModel
    from wordsight.matching.matcher import Matcher
    from wordsight.runs.pairs import Validation
    from wordsight.situations.situation_model import SituationModel

Model: TypeAlias = "Matcher | CaptionModel | SituationModel"
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Task:
    """A kind of model.

    Attributes:
        does: what its runs do, as in "this run aligns words and regions".
        command: the command that its runs are for.
        models: name in a recipe -> `module:Class`.
        prepare: `module:function` that reads the training data of a recipe.
        gallery: `module:function` that reads a dataset and the pictures of a split, with their ground truth.
        home: the module of `validate`, `selection_score`, `summary` and `card`.
        rewarded: whether its models can learn from their own captions (`train.reward_epochs`).
        opened: `module:Class` of a run that is ready to use.
        measure: `module:function` that evaluates such a run on a dataset, for `wordsight eval`: the metrics, and a text
            table of them.
        options: the options of `wordsight eval` for this task.
        outcome: `module:function` that evaluates such a run for `wordsight compare`.
    """

    does: str
    command: str
    models: Mapping[str, str]
    prepare: str
    gallery: str
    home: str
    rewarded: bool
    opened: str
    measure: str
    options: Sequence[str]
    outcome: str

    def validate(self, model: Any, data: "Validation") -> dict[str, float]:
        """A model's metrics on the val split; leaves it in evaluation mode."""
        return dict(self._part("validate")(model, data))

    def selection_score(self, figures: Figures) -> float:
        """The score that chooses the best checkpoint; greater is better."""
        return float(self._part("selection_score")(figures))

    def summary(self, figures: Figures) -> str:
        """The main metrics, in a line."""
        return str(self._part("summary")(figures))

    def card(self, regions: bool) -> Mapping[str, str]:
        """Passages of the model card, for whole pictures or for regions."""
        passages: Mapping[str, str] = self._part("card")(regions)
        return passages

    def _part(self, name: str) -> Any:
        return part(f"{self.home}:{name}")


TASKS = {
    "align": Task(
        does="aligns words and regions",
        command="wordsight ground",
        models=matching.MODELS,
        prepare="wordsight.training.prepare:prepare",
        gallery="wordsight.runs.features:gallery",
        home="wordsight.runs.align_task",
        rewarded=False,
        opened="wordsight.runs.aligner:Aligner",
        measure="wordsight.evaluation.alignment:evaluated",
        options=("grounding", "folds", "relevance"),
        outcome="wordsight.comparison.outcomes:ranked",
    ),
    "caption": Task(
        does="describes pictures",
        command="wordsight caption",
        models=captioning.MODELS,
        prepare="wordsight.training.prepare:prepare",
        gallery="wordsight.runs.features:gallery",
        home="wordsight.runs.caption_task",
        rewarded=True,
        opened="wordsight.runs.captioner:Captioner",
        measure="wordsight.evaluation.captioning:evaluated",
        options=("grounding", "beam", "meteor", "spice", "rank", "most", "alignment"),
        outcome="wordsight.comparison.outcomes:described",
    ),
    "situation": Task(
        does="finds situations",
        command="wordsight situation",
        models=situations.MODELS,
        prepare="wordsight.training.prepare_situations:prepare",
        gallery="wordsight.runs.situations:gallery",
        home="wordsight.runs.situation_task",
        rewarded=False,
        opened="wordsight.runs.recogniser:Recogniser",
        measure="wordsight.evaluation.situations:evaluated",
        options=("grounding", "alignment"),
        outcome="wordsight.comparison.outcomes:recognised",
    ),
}
MODELS = {model: where for task in TASKS.values() for model, where in task.models.items()}  # all that a recipe can name


def task_of(model: str) -> Task:
    """The task of a model, by its name in a recipe, one of `MODELS`."""
    return TASKS[next(name for name, task in TASKS.items() if model in task.models)]


def model_class(name: str) -> type[Model]:
    """The class of a model, by its name in a recipe, one of `MODELS`."""
    found: type[Model] = part(MODELS[name])
    return found


def part(where: str) -> Any:
    """The object at `module:name`, imported when called."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)

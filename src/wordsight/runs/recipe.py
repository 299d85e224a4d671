"""Recipe: one experiment in at most 25 lines of TOML, read into dataclasses that hold the default values.

Every key has a type; an unknown key, a wrong type or an unknown name is an error that says what was expected.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from wordsight.errors import InputError
from wordsight.files import read_text
from wordsight.matching.segments import BETA
from wordsight.runs.recipe_checks import check
from wordsight.runs.tasks import MODELS, model_class
from wordsight.runs.typed import check_known, fill, keywords, toml
from wordsight.runs.upgrade import current_keys
from wordsight.vision.regions import RegionSettings

BOX = "box"  # as `train.start`: the bundled aligner
GIVEN = (  # keywords that the trainer sets
    *("self", "vocabulary", "features", "labels", "meanings", "trained", "classes"),
    *("frames", "glosses", "triples"),
)


@dataclass(frozen=True)
class DataSettings:
    """Which pictures and sentences.

    Attributes:
        path: the dataset's folder or file; any format `wordsight data check` reads.
        also: further datasets; their splits are joined to those of `path`.
        sentences: a file of sentences without pictures, from which the captioner `concepts` learns too; see
            `data/sentences.py`. Empty for none.
        train: the split that is learned from; the vocabulary comes from it alone.
        val: the split that chooses the best checkpoint.
        val_share: if the data has no `val` split, this share of `train` becomes it, between 0 and 1.
        min_count: words seen less often become unknown.
        alignment: the folder of a trained matcher, for a captioner of regions: it learns from the words aligned with
            each region, and has the matcher's region encoder; empty for whole sentences.
        beta: with `alignment`, the reward of two neighbouring words for sharing a region, at least 0; see
            `matching/segments.py`.
        names: with `alignment`, learn the names in segments, not whole segments; see `training/region_words.py`.
    """

    path: str
    train: str = "train"
    val: str = "val"
    val_share: float = 0.1
    min_count: int = 5
    alignment: str = ""
    beta: float = BETA
    names: bool = True
    also: tuple[str, ...] = ()
    sentences: str = ""


@dataclass(frozen=True)
class TextSettings:
    """Word vectors and vocabulary.

    Attributes:
        vectors: a file of word vectors (npz, GloVe or word2vec text) to start from; empty for random ones.
        freeze: keep the vectors as they are; only with `vectors`.
        open: open vocabulary: the training's words and those of the package's word table; only for models that read
            the table (`align`, `concepts`), with `regions.meaning`.
    """

    vectors: str = ""
    freeze: bool = False
    open: bool = False


@dataclass(frozen=True)
class TrainSettings:
    """Training settings.

    Attributes:
        epochs: how often every sentence is seen.
        batch: sentence-picture pairs in a step.
        optimiser: `adamw`, `sgd` with `momentum` (the paper's for alignment) or `rmsprop` (the paper's for captions).
        lr: the highest learning rate.
        schedule: `cosine` falls to zero at the end, `step` to a tenth after half the time, `constant` stays.
        warmup: steps during which the rate rises from zero.
        clip_value: clip each number of the gradient to at most this size (5 in the paper); 0 for no clipping.
        clip_norm: clip the global norm of the gradient to this; 0 for no clipping.
        evaluate_every: epochs between two evaluations on the val split.
        patience: stop after this many evaluations without a better one; 0 for never.
        seed: the same seed gives the same result on the same machine.
        reward_epochs: how many epochs, the last ones, learn from the model's own captions; only for captioners of whole
            pictures. See `training/self_critical.py`.
        start: begin with the weights, words and regions of a trained model: `box` for the bundled one, or the folder of
            a run; empty for random weights. See `training/start.py`.
        start_share: with `start`, the share of its weights in the model that is evaluated and saved; the rest are the
            learned weights (WiSE-FT, Wortsman et al. 2022). 0 for the learned weights alone, at most 1.
        members: number of models, trained with seeds `seed`, `seed + 1`, ..., that form an ensemble.
        precision: `auto` computes in bf16 where the hardware is fast at it.
        device: `auto`, `cpu`, `cuda` or `mps`.
    """

    epochs: int = 10
    batch: int = 100
    optimiser: Literal["adamw", "sgd", "rmsprop"] = "adamw"
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: int = 0
    clip_value: float = 0.0
    clip_norm: float = 5.0
    evaluate_every: int = 1
    patience: int = 0
    seed: int = 0
    reward_epochs: int = 0
    start: str = ""
    start_share: float = 0.5
    members: int = 1
    precision: Literal["auto", "float32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"


@dataclass(frozen=True)
class Recipe:
    """One experiment. `model` holds the model's name and its constructor's keywords."""

    data: DataSettings
    regions: RegionSettings
    text: TextSettings = TextSettings()
    model: Mapping[str, object] = field(default_factory=lambda: {"name": "align"})
    train: TrainSettings = TrainSettings()

    def to_toml(self) -> str:
        """The recipe with every default spelt out; `parse` reads it back equal."""
        tables = []
        for name, table in to_dict(self).items():
            lines = [f"{key} = {toml(value)}" for key, value in table.items()]
            tables.append("\n".join([f"[{name}]", *lines]))
        return "\n\n".join(tables) + "\n"


def recipe_path(name: str) -> Path:
    """The path of a recipe that comes with the package: in the installed package, or in the checkout's `recipes`."""
    installed = Path(__file__).parents[1] / f"{name}.toml"
    return installed if installed.exists() else Path(__file__).parents[3] / "recipes" / f"{name}.toml"


def own(data: Path, settings: Sequence[str] = ()) -> Recipe:
    """The recipe for the user's own pictures, which starts from the bundled model; `data` is its `data.path`."""
    return read(recipe_path("own"), [f"data.path={toml(str(data))}", *settings])


def read(path: str | Path, settings: Sequence[str] = (), *, own: bool = False) -> Recipe:
    """A recipe file, with `table.key=value` settings laid over it.

    Args:
        path: the file.
        settings: each `table.key=value`.
        own: whether wordsight wrote it: if so, former names of keys give no warning.

    Raises:
        InputError: there is no such file, it is not TOML, or a key, type or name is wrong.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"expected a recipe or its file, found {type(path).__name__}.")
    return parse(read_text(Path(path), 1 << 20), settings, source=str(path), own=own)


def parse(content: str, settings: Sequence[str] = (), source: str = "recipe", *, own: bool = False) -> Recipe:
    """A recipe from TOML text; see `read`."""
    try:
        tables = tomllib.loads(content)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, or nested too deep
        raise InputError(f"{source}: not valid TOML: {error}.") from None
    for setting in settings:
        _lay_over(tables, setting)
    current_keys(tables, source, warn=not own)
    known = {part.name: part for part in fields(Recipe)}
    for name, table in tables.items():
        check_known(name, known, f"{source}: table ")
        if not isinstance(table, dict):
            raise InputError(f"{source}: {name} must be a table of keys, as in [{name}].")
    recipe = Recipe(
        data=fill(DataSettings, tables.get("data", {}), "data", source),
        regions=fill(RegionSettings, tables.get("regions", {}), "regions", source),
        text=fill(TextSettings, tables.get("text", {}), "text", source),
        model=_model(tables.get("model", {}), source),
        train=fill(TrainSettings, tables.get("train", {}), "train", source),
    )
    check(recipe, source)
    return recipe


def to_dict(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The recipe as plain tables of plain values."""
    plain = {}
    for part in fields(recipe):
        value = getattr(recipe, part.name)
        plain[part.name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else dict(value)
    return plain


def _model(table: Mapping[str, Any], source: str) -> dict[str, object]:
    """The model's name and keywords, checked against its constructor."""
    name = table.get("name", "align")
    check_known(str(name), MODELS, f"{source}: model.name = ")
    told = {key: value for key, value in table.items() if key != "name"}
    for key in told.keys() & set(GIVEN):
        raise InputError(f"{source}: model.{key} is not for a recipe; the training knows it.")
    return {"name": name, **keywords(model_class(str(name)).__init__, told, "model", source, hidden=GIVEN)}


def _lay_over(tables: dict[str, Any], setting: str) -> None:
    """Put one `table.key=value` into the tables; a value that is not TOML is taken as a string."""
    place, equals, value = setting.partition("=")
    table, dot, key = place.strip().partition(".")
    if not (equals and dot and key):
        raise InputError(f"--set {setting}: expected table.key=value, for example train.seed=1.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        parsed = value.strip()
    tables.setdefault(table, {})
    if isinstance(tables[table], dict):
        tables[table][key] = parsed

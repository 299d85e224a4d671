"""Training data of a recipe for situations: features, and frames as numbers."""

from pathlib import Path

from wordsight.data.find import find
from wordsight.data.situations import load_situations
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.encoder import region_encoder
from wordsight.runs.features import featured
from wordsight.runs.recipe import Recipe
from wordsight.runs.situations import Lexicon, Situated, SituationExamples, situated
from wordsight.situations.situation_model import UNKNOWN
from wordsight.training.origin import origin_of
from wordsight.training.prepare import TrainingData


def prepare(recipe: Recipe, progress: Progress, out: Path | None = None) -> TrainingData:
    """Read situations, extract features or read them from the cache, give verbs and nouns ids.

    Args:
        recipe: the experiment.
        progress: receives updates.
        out: the folder of the run, for a list of the pictures left out, if any.

    Raises:
        InputError: data or weights are missing or malformed, a key of the recipe is for sentences, or there are fewer
            than two verbs to tell apart.
    """
    _check_recipe(recipe)
    data = load_situations(find(recipe.data.path, "situations"))
    for sentence in data.faults:
        progress.say(sentence)
    encoder = region_encoder(recipe.regions)
    seen = []
    for split in (recipe.data.train, recipe.data.val):
        kept, table = featured(encoder, situated(data, split), progress, split, out)
        seen.append(([one for one in kept if isinstance(one, Situated)], table))
    lexicon = Lexicon.of(data, [one.situation for one in seen[0][0]], recipe.data.min_count)
    if len(lexicon.frames) < 2:
        raise InputError(f"{data.root}: all pictures of '{recipe.data.train}' have one verb; expected two at least.")
    train, val = (
        SituationExamples(table, lexicon.encode([one.situation for one in pictures])) for pictures, table in seen
    )
    splits = {name: pictures for name, (pictures, _) in zip((recipe.data.train, recipe.data.val), seen, strict=True)}
    progress.say(f"situations: {len(train):,} to train on, {len(lexicon.frames)} verbs, {len(lexicon.glosses):,} nouns")
    return TrainingData(
        encoder,
        lexicon.vocabulary,
        train,
        val,
        vectors=None,
        labels=None,
        origin=origin_of(splits, {}, lexicon.vocabulary),
        given={"frames": lexicon.frames, "glosses": lexicon.glosses, "triples": _triples(train)},
    )


def _check_recipe(recipe: Recipe) -> None:
    """Refuse keys that are for sentences."""
    data, text = recipe.data, recipe.text
    told = {
        "data.also": data.also,
        "data.alignment": data.alignment,
        "data.sentences": data.sentences,
        "text.vectors": text.vectors,
        "text.open": text.open,
        "train.start": recipe.train.start,
    }
    if wrong := next((key for key, value in told.items() if value), ""):
        raise InputError(f"{wrong}: a model of situations does not take it; leave the key out.")


def _triples(train: SituationExamples) -> int:
    """The number of different triples (verb, role, noun) in a training split."""
    verb, nouns = train.frames.verb, train.frames.nouns
    good = (nouns >= 0) & (nouns != UNKNOWN)
    _, _, role = good.nonzero(as_tuple=True)
    return len(
        set(zip(verb[:, None, None].expand_as(nouns)[good].tolist(), role.tolist(), nouns[good].tolist(), strict=True))
    )

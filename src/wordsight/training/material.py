"""What a recipe's training needs, made ready: features, encoded sentences, the vocabulary, word vectors."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordsight.batch import Words
from wordsight.data import find, load_dataset
from wordsight.data.check import require_trainable
from wordsight.data.parses import Parses, load_parses
from wordsight.data.records import Dataset, Picture, hold_out, split_name
from wordsight.data.sentences import load_sentences
from wordsight.errors import InputError
from wordsight.files import write_text
from wordsight.matching.matcher import Matcher
from wordsight.terminal import printable
from wordsight.text.tokens import tokenise
from wordsight.text.trees import letters
from wordsight.text.vectors import load_vectors, nearness
from wordsight.text.vocabulary import Vocabulary
from wordsight.text.word_table import word_table
from wordsight.training import checkpoint
from wordsight.training.batches import Pairs, pairs
from wordsight.training.checkpoint import Checkpoint
from wordsight.training.models import Model, model_class
from wordsight.training.origin import Origin, origin_of
from wordsight.training.progress import Count, Progress
from wordsight.training.recipe import DataSettings, Recipe
from wordsight.training.snippets import snippets
from wordsight.training.start import added, check_choice, load_start, start_folder
from wordsight.vision.backbones import check_foreign
from wordsight.vision.labels import countable, label_names
from wordsight.vision.regions import FeatureCache, FeatureTable, RegionEncoder, RegionSettings, default_cache

LONGEST = 20  # words of a sentence without a picture that is learned from
NAMED = 10  # pictures left out that are named on stderr


@dataclass(frozen=True)
class Texts:
    """Sentences whose pictures are not at hand.

    Attributes:
        words: (N, T).
        picture: (N,) int64, which picture each tells of, from 0 in order.
    """

    words: Words
    picture: Tensor


@dataclass(frozen=True)
class Material:
    """Everything a training reads.

    Attributes:
        encoder: turns pictures into regions.
        vocabulary: of the train split alone.
        train: the pairs to learn from.
        val: the pairs that choose the best checkpoint.
        vectors: (V, E) word vectors to start from, or None for random ones.
        counted: (L,) bool, the region labels that a picture has or has not by itself; L = 0 without a detector that
            knows classes.
        nearness: (L, V) cosine between what labels are called and words, 0 where unknown; None without vectors.
        references: the sentences of each val picture as they were written; none where only parts of them are learned.
        start: the trained model that is started from, or None.
        origin: a checksum of each part of the data that decides what is learned, by what the part is called.
        meanings: (V, M) what the word table says of each word, length 1 or 0; None where it is not asked.
        texts: sentences without pictures, or None.
    """

    encoder: RegionEncoder
    vocabulary: Vocabulary
    train: Pairs
    val: Pairs
    vectors: Tensor | None
    counted: Tensor
    nearness: Tensor | None
    references: Sequence[Sequence[str]] = ()
    start: Checkpoint | None = None
    origin: Origin = field(default_factory=dict)
    meanings: Tensor | None = None
    texts: Texts | None = None


def prepare(recipe: Recipe, progress: Progress, out: Path | None = None) -> Material:
    """Read the data, extract or find the features, encode the sentences.

    Args:
        recipe: says what.
        progress: who is told how far it is.
        out: the folder of the run, which gets a list of the pictures that are left out, if there are any.

    Raises:
        InputError: data, weights or vectors that are missing or not as they should be.
    """
    datasets = [load_dataset(find(path, "dataset")) for path in (recipe.data.path, *recipe.data.also)]
    train, val = (
        [picture for dataset in datasets for picture in pictures_of(dataset, split, recipe.data)]
        for split in (recipe.data.train, recipe.data.val)
    )
    require_trainable(train)
    alignment = Path(recipe.data.alignment)
    aligned = checkpoint.load(alignment) if recipe.data.alignment else None
    start = load_start(recipe.train.start) if recipe.train.start else None
    folder = start_folder(recipe.train.start) if start else alignment
    trained = start or aligned
    encoder = encoder_of(trained, folder) if trained else region_encoder(recipe.regions)
    cache = FeatureCache(default_cache(), encoder)
    told = _told(recipe.data)
    sentences = [sentence for picture in train for sentence in picture.sentences]
    sentences += [sentence for some in told for sentence in some]
    vocabulary = aligned.vocabulary if aligned else vocabulary_of(sentences, start, recipe, progress)
    splits = ((train, recipe.data.train), (val, recipe.data.val))
    seen = [featured(cache, pictures, progress, name, out) for pictures, name in splits]
    if start:
        check_choice(seen[1][0], recipe.data.val)
    parses = parses_of(datasets[0].root, model_class(str(recipe.model["name"])), train, progress)
    made = [pairs(*one, vocabulary, parses) for one in seen]
    references = [picture.sentences for picture in seen[1][0]]
    if aligned:
        with progress.task("snippets") as count:
            made, references = snippets_of(aligned, made, recipe.data, count), []
        vocabulary = vocabulary.closed()
    classes = encoder.detector.names if encoder.settings.evidence and encoder.detector else ()
    counted = torch.from_numpy(countable(len(classes))) if classes else torch.zeros(0, dtype=torch.bool)
    vectors = near = path = None
    if recipe.text.vectors:
        path = find(recipe.text.vectors, "word vectors")
        own = vocabulary.closed()
        vectors, found = load_vectors(path, own, seed=recipe.train.seed)
        progress.say(f"word vectors: {int(found.sum()):,} of {len(own):,} words found in {path}")
        near = nearness(path, label_names(classes), own) if classes else None
    said = {name: kept for (kept, _), (_, name) in zip(seen, splits, strict=True)}
    origin = origin_of(said, parses, vocabulary, path, alignment if aligned else None, folder if start else None, told)
    meanings = word_table().of(vocabulary.words) if recipe.text.open else None
    texts = _texts(told, vocabulary)
    return Material(
        encoder, vocabulary, made[0], made[1], vectors, counted, near, references, start, origin, meanings, texts
    )


def vocabulary_of(sentences: Sequence[str], start: Checkpoint | None, recipe: Recipe, progress: Progress) -> Vocabulary:
    """The words of the sentences that are to be known: with a start all of its words, and the others behind them."""
    if start is None:
        built = Vocabulary.build(sentences, recipe.data.min_count)
        speaks = not issubclass(model_class(str(recipe.model["name"])), Matcher)  # who speaks has learned its words
        return built.opened(word_table().words) if recipe.text.open and not speaks else built
    vocabulary = start.vocabulary.extended(sentences, recipe.data.min_count)
    progress.say(added(recipe.train.start, start.vocabulary, vocabulary, sentences))
    return vocabulary


def _told(settings: DataSettings) -> list[list[str]]:
    """The sentences of each picture that is not at hand, as `data.sentences` says."""
    return load_sentences(find(settings.sentences, "file of sentences")) if settings.sentences else []


def _texts(told: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Texts | None:
    """The same as numbers of words, a picture's one after the other, long ones left out."""
    kept = [(row, sentence) for row, some in enumerate(told) for sentence in some if len(tokenise(sentence)) <= LONGEST]
    if not kept:
        return None
    _, picture = torch.tensor([row for row, _ in kept]).unique(return_inverse=True)
    return Texts(vocabulary.encode([sentence for _, sentence in kept]), picture)


def parses_of(folder: Path, model: Model | type[Model], pictures: Sequence[Picture], progress: Progress) -> Parses:
    """The parses beside a dataset's captions, where the model reads them; says how many sentences have one.

    Raises:
        InputError: the file is not as it should be.
    """
    parses = load_parses(folder) if getattr(model, "parsed", False) else {}
    if parses:
        said = [letters(sentence) in parses for picture in pictures for sentence in picture.sentences]
        progress.say(f"parses: {sum(said):,} of {len(said):,} sentences have one; the others are read as chains")
    return parses


def snippets_of(aligned: Checkpoint, splits: Sequence[Pairs], settings: DataSettings, count: Count) -> list[Pairs]:
    """The snippets of each split, as a trained matcher infers them.

    Raises:
        InputError: the run is no matcher.
    """
    if not isinstance(aligned.model, Matcher):
        raise InputError(f"data.alignment: expected a run that aligns, found one of {aligned.recipe.model['name']!r}.")
    aligned.model.forget()
    made = []
    for split in splits:
        made.append(snippets(aligned.model, aligned.vocabulary, split, beta=settings.beta, names=settings.names))
        count(len(made), len(splits))
    return made


def region_encoder(settings: RegionSettings, revisions: Mapping[str, str] | None = None) -> RegionEncoder:
    """The encoder, its weights found where weights are; of models of a hub those of some commits, or the newest.

    Raises:
        InputError: weights that are nowhere.
    """
    files = [name for name in (*settings.backbones, settings.detector) if name.endswith((".onnx", ".safetensors"))]
    absent = any(not os.path.isfile(name) for name in files)
    folder = find(settings.weights, "folder of weights") if absent else None
    return RegionEncoder(settings, folder, revisions=revisions)


def encoder_of(trained: Checkpoint, folder: Path) -> RegionEncoder:
    """The encoder that a model was trained with.

    Raises:
        InputError: its weights are missing, are not those of the training, or would have to be fetched.
    """
    check_foreign(trained.regions, str(folder / "config.json"))
    encoder = region_encoder(trained.regions, trained.revisions)
    if encoder.fingerprint != trained.fingerprint:
        raise InputError(f"{folder}: was trained with other weights of its backbones or detector than are here.")
    config: Mapping[str, Any] = trained.model.config
    if any(one["features"] != encoder.size for one in config.get("members", [config])):
        raise InputError(f"{folder / 'config.json'}: its model expects other features than its regions have.")
    return encoder


def pictures_of(dataset: Dataset, split: str, settings: DataSettings) -> list[Picture]:
    """The pictures of a split. Where the data has no `val`, a share of `train` is it: the same pictures every time.

    Raises:
        InputError: the split is missing or empty.
    """
    if split_name(settings.val) == "val" and "val" not in dataset.splits and "train" in dataset.splits:
        dataset = hold_out(dataset, settings.val_share)
    return dataset.split(split)


def featured(
    cache: FeatureCache, pictures: Sequence[Picture], progress: Progress, name: str, out: Path | None = None
) -> tuple[list[Picture], FeatureTable]:
    """Features of some pictures, from the cache or made now; broken pictures are left out, and the first are named.

    Args:
        cache: where features are kept.
        pictures: whose.
        progress: who is told how far it is.
        name: of their split.
        out: a folder for the list of all that are left out, `left_out-NAME.txt`; None for no list.

    Returns:
        The pictures that have features, and their table, in the same order.

    Raises:
        InputError: none of the pictures can be read.
    """
    with progress.task(f"features of {name}") as count:
        table = cache.regions([picture.path for picture in pictures], progress=count)
    if table.broken:
        _tell_left_out(table.broken, len(pictures), progress, name, out)
    if not len(table):
        raise InputError(
            f"{name}: none of the {len(pictures):,} pictures can be read; the first is {pictures[0].path}."
        )
    return [pictures[row] for row in table.kept], table


def _tell_left_out(broken: Mapping[Path, str], pictures: int, progress: Progress, name: str, out: Path | None) -> None:
    """How many pictures are left out, why the first of them are, and where all are listed."""
    why = [str(one) for one in broken.values()]
    progress.say(f"{name}: {len(broken):,} of {pictures:,} pictures left out:")
    for one in why[:NAMED]:
        progress.say(f"  {one}")
    if len(why) > NAMED:
        progress.say(f"  and {len(why) - NAMED:,} more")
    if out:
        listed = out / f"left_out-{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.txt"
        try:
            write_text(listed, "".join(f"{printable(one)}\n" for one in why))
            progress.say(f"  all are listed in {listed}")
        except InputError as error:
            progress.say(f"  no list of them: {error}")

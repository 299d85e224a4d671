"""Training data of a recipe: features, encoded sentences, the vocabulary, word vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordsight.batch import LabelInfo, Words
from wordsight.data.check import require_trainable
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.data.records import Dataset, Picture, split_name
from wordsight.data.sentences import load_sentences
from wordsight.errors import InputError
from wordsight.matching.matcher import Matcher
from wordsight.progress import Count, Progress
from wordsight.runs import checkpoint
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.encoder import encoder_of, region_encoder
from wordsight.runs.features import featured, parses_of, pictures_of
from wordsight.runs.pairs import Examples, Pairs, Validation, pairs
from wordsight.runs.recipe import DataSettings, Recipe
from wordsight.runs.tasks import model_class
from wordsight.text.tokens import tokenise
from wordsight.text.vectors import label_similarity, load_vectors
from wordsight.text.vocabulary import Vocabulary
from wordsight.text.word_table import word_table
from wordsight.training.origin import Origin, origin_of
from wordsight.training.region_words import snippets
from wordsight.training.start import added, check_choice, load_start, start_folder
from wordsight.vision.labels import countable, label_names
from wordsight.vision.regions import RegionEncoder


@dataclass(frozen=True)
class Texts:
    """Sentences without pictures.

    Attributes:
        words: (N, T).
        picture: (N,) int64, the missing picture of each, from 0 in order.
    """

    words: Words
    picture: Tensor


@dataclass(frozen=True)
class TrainingData:
    """Training data: everything a training reads.

    Attributes:
        encoder: turns pictures into regions.
        vocabulary: of the train split alone.
        train: the training pairs, or situations.
        val: those that select the best checkpoint.
        vectors: (V, E) word vectors to start from, or None for random ones.
        labels: the detector's labels of regions; None without a detector.
        references: the sentences of each val picture as they were written; empty for captioners of regions.
        start: the trained model to start from, or None.
        origin: checksums of the data, by part.
        meanings: (V, M) vectors of the word table, length 1 or 0; None for models that do not read it.
        texts: sentences without pictures, or None.
        given: further keywords of the model that the data decides.
    """

    encoder: RegionEncoder
    vocabulary: Vocabulary
    train: Examples
    val: Examples
    vectors: Tensor | None
    labels: LabelInfo | None
    references: Sequence[Sequence[str]] = ()
    start: Checkpoint | None = None
    origin: Origin = field(default_factory=dict)
    meanings: Tensor | None = None
    texts: Texts | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def validation(self) -> Validation:
        """The validation set. With a start its query bank is kept: few pictures cannot estimate hubness."""
        query_bank = self.train.query_bank if self.start is None and isinstance(self.train, Pairs) else None
        return Validation(self.val, self.references, self.vocabulary, query_bank)


def prepare(recipe: Recipe, progress: Progress, out: Path | None = None) -> TrainingData:
    """Read the data, extract features or read them from the cache, encode the sentences.

    Args:
        recipe: the experiment.
        progress: receives updates.
        out: the folder of the run, for a list of the pictures left out, if any.

    Raises:
        InputError: data, weights or vectors are missing or malformed.
    """
    datasets = [load_dataset(path) for path in (recipe.data.path, *recipe.data.also)]
    train, val = _pictures(datasets, recipe.data)
    alignment = Path(recipe.data.alignment)
    aligned = checkpoint.load(alignment) if recipe.data.alignment else None
    start = load_start(recipe.train.start) if recipe.train.start else None
    folder = start_folder(recipe.train.start) if start else alignment
    trained = start or aligned
    encoder = encoder_of(trained, folder) if trained else region_encoder(recipe.regions)
    told = _told(recipe.data)
    sentences = [sentence for picture in train for sentence in picture.sentences]
    sentences += [sentence for some in told for sentence in some]
    vocabulary = aligned.vocabulary if aligned else vocabulary_of(sentences, start, recipe, progress)
    splits = ((train, recipe.data.train), (val, recipe.data.val))
    seen = [featured(encoder, pictures, progress, name, out) for pictures, name in splits]
    require_trainable(seen[0][0])  # of those that can be read
    if start:
        check_choice(seen[1][0], recipe.data.val)
    folders = [dataset.root for dataset in datasets]
    parses = parses_of(folders, model_class(str(recipe.model["name"])), train, progress)
    made = [pairs(*one, vocabulary, parses) for one in seen]
    references = [picture.sentences for picture in seen[1][0]]
    if aligned:
        with progress.task("snippets") as count:
            made, references = snippets_of(aligned, made, recipe.data, count), []
        vocabulary = vocabulary.closed()
    if model_class(str(recipe.model["name"])).task == "caption":
        vocabulary = vocabulary.spanning(made[0].words.mask.sum(dim=1))
    classes = encoder.detector.names if encoder.settings.labels and encoder.detector else ()
    path = find(recipe.text.vectors, "word vectors") if recipe.text.vectors else None
    vectors = _vectors(path, vocabulary.closed(), recipe.train.seed, progress) if path else None
    said = {name: kept for (kept, _), (_, name) in zip(seen, splits, strict=True)}
    origin = origin_of(said, parses, vocabulary, path, alignment if aligned else None, folder if start else None, told)
    labels = _labels(classes, path, vocabulary.closed()) if classes else None
    meanings = word_table().of(vocabulary.words) if recipe.text.open else None
    texts = _texts(told, vocabulary)
    return TrainingData(
        encoder, vocabulary, made[0], made[1], vectors, labels, references, start, origin, meanings, texts
    )


def _pictures(datasets: Sequence[Dataset], settings: DataSettings) -> tuple[list[Picture], list[Picture]]:
    """The pictures to train on, and those to choose the best checkpoint by."""
    train, val = (
        [picture for dataset in datasets for picture in pictures_of(dataset, split, settings)]
        for split in (settings.train, settings.val)
    )
    given = any(split_name(settings.val) in dataset.splits for dataset in datasets)
    require_trainable(train, () if given else val)
    return train, val


def _vectors(path: Path, vocabulary: Vocabulary, seed: int, progress: Progress) -> Tensor:
    """The word vectors (V, E) of a file; words that it lacks get random ones."""
    vectors, found = load_vectors(path, vocabulary, seed=seed)
    progress.say(f"word vectors: {int(found.sum()):,} of {len(vocabulary):,} words found in {path}")
    return vectors


def _labels(classes: Sequence[str], path: Path | None, vocabulary: Vocabulary) -> LabelInfo:
    """A detector's labels; the similarity of their names to words needs a file of word vectors."""
    similarity = label_similarity(path, label_names(classes), vocabulary) if path else None
    return LabelInfo(torch.from_numpy(countable(len(classes))), similarity)


def vocabulary_of(sentences: Sequence[str], start: Checkpoint | None, recipe: Recipe, progress: Progress) -> Vocabulary:
    """The vocabulary of sentences: with a start all of its words first, then the new ones."""
    if start is None:
        built = Vocabulary.build(sentences, recipe.data.min_count)
        speaks = not issubclass(model_class(str(recipe.model["name"])), Matcher)  # a captioner has trained output words
        return built.opened(word_table().words) if recipe.text.open and not speaks else built
    vocabulary = start.vocabulary.extended(sentences, recipe.data.min_count)
    progress.say(added(recipe.train.start, start.vocabulary, vocabulary, sentences))
    return vocabulary


def _told(settings: DataSettings) -> list[list[str]]:
    """The sentences of `data.sentences`, by missing picture."""
    return load_sentences(find(settings.sentences, "file of sentences")) if settings.sentences else []


def _texts(told: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Texts | None:
    """Sentences without pictures as word ids, grouped by picture, without those longer than a caption."""
    every = ((row, sentence) for row, some in enumerate(told) for sentence in some)
    kept = [(row, sentence) for row, sentence in every if len(tokenise(sentence)) <= vocabulary.longest]
    if not kept:
        return None
    _, picture = torch.tensor([row for row, _ in kept]).unique(return_inverse=True)
    return Texts(vocabulary.encode([sentence for _, sentence in kept]), picture)


def snippets_of(aligned: Checkpoint, splits: Sequence[Pairs], settings: DataSettings, count: Count) -> list[Pairs]:
    """Region captions of each split, inferred by a trained matcher.

    Raises:
        InputError: the run is not a matcher.
    """
    if not isinstance(aligned.model, Matcher):
        raise InputError(f"data.alignment: expected a run that aligns, found one of {aligned.recipe.model['name']!r}.")
    aligned.model.clear_query_bank()
    made = []
    for split in splits:
        made.append(snippets(aligned.model, aligned.vocabulary, split, beta=settings.beta, names=settings.names))
        count(len(made), len(splits))
    return made

"""Situations as tensors: a model's verbs and nouns, frames as their ids, and epochs of pictures."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from wordsight.batch import Frames, SituationBatch
from wordsight.data.find import find
from wordsight.data.records import Picture
from wordsight.data.situations import Situation, Situations, load_situations
from wordsight.errors import InputError
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.features import data_of
from wordsight.runs.pairs import ROWS, Table
from wordsight.text.vocabulary import SPECIAL, UNKNOWN, Vocabulary


@dataclass(frozen=True)
class Situated(Picture):
    """A picture with a situation; its sentences are the annotators' frames in words.

    Attributes:
        situation: its verb and frames.
    """

    situation: Situation


@dataclass(frozen=True)
class Lexicon:
    """The verbs and nouns that a model knows.

    Attributes:
        frames: of each verb its name, its template and its roles, in order.
        vocabulary: the ids of the nouns.
        glosses: the name of each noun; "" for the empty noun, "something" for an unknown one.
    """

    frames: tuple[tuple[str, ...], ...]
    vocabulary: Vocabulary
    glosses: tuple[str, ...]

    @classmethod
    def of(cls, data: Situations, situations: Sequence[Situation], min_count: int) -> "Lexicon":
        """From training data: its verbs, and the nouns that fill at least `min_count` roles, most frequent first.

        Raises:
            InputError: no noun is that frequent.
        """
        said = Counter(noun for one in situations for frame in one.frames for noun in frame.values() if noun)
        known = sorted((noun for noun in said if said[noun] >= min_count), key=lambda noun: (-said[noun], noun))
        if not known:
            raise InputError(
                f"{data.root}: no noun fills {min_count} roles or more; expected a smaller data.min_count."
            )
        verbs = [data.verbs[name] for name in sorted({one.verb for one in situations})]
        frames = tuple((verb.name, verb.template, *verb.roles) for verb in verbs)
        return cls(frames, Vocabulary((*SPECIAL, *known)), ("", "something", *(data.nouns[noun] for noun in known)))

    def encode(self, situations: Sequence[Situation]) -> Frames:
        """Situations as ids; an unknown verb is -1, an unknown noun 1."""
        verbs = {frame[0]: place for place, frame in enumerate(self.frames)}
        annotators = max((len(one.frames) for one in situations), default=1)
        most = max(map(len, self.frames)) - 2
        nouns = torch.full((len(situations), annotators, most), -1)
        for row, one in enumerate(situations):
            if one.verb not in verbs:
                continue
            roles = self.frames[verbs[one.verb]][2:]
            for annotator, frame in enumerate(one.frames):
                nouns[row, annotator, : len(roles)] = torch.tensor(
                    [self._number(frame.get(role, "")) for role in roles]
                )
        return Frames(torch.tensor([verbs.get(one.verb, -1) for one in situations]), nouns)

    def _number(self, noun: str) -> int:
        return self.vocabulary.number.get(noun, self.vocabulary.number[UNKNOWN]) if noun else 0


@dataclass(frozen=True)
class SituationExamples:
    """The situations of a split with their pictures.

    Attributes:
        table: features, one row per picture.
        frames: of the same pictures.
    """

    table: Table
    frames: Frames

    def __len__(self) -> int:
        """I, the number of pictures."""
        return len(self.frames.verb)

    def batch(self, chosen: Tensor) -> SituationBatch:
        """The pictures numbered `chosen` (B,)."""
        return SituationBatch(self.table.gather(chosen), self.frames[chosen])

    def epoch(self, number: int, size: int, seed: int) -> list[Tensor]:
        """The batches of one epoch, as numbers of pictures: the same for the same seed and epoch.

        The pictures left over when `size` does not divide I are left out, different ones in each epoch.
        """
        chance = torch.Generator().manual_seed(seed * 1_000_003 + number)
        return list(torch.randperm(len(self), generator=chance)[: self.steps(size) * size].split(size))

    def steps(self, size: int) -> int:
        """How many batches an epoch has."""
        return max(1, len(self) // size)

    def by_picture(self, size: int = ROWS) -> Iterator[SituationBatch]:
        """All pictures in order, `size` at a time."""
        return (self.batch(some) for some in torch.arange(len(self)).split(size))


def situated(data: Situations, split: str) -> list[Situated]:
    """The pictures of a split, with their frames in words as sentences.

    Raises:
        InputError: there is no such split.
    """
    return [
        Situated(
            one.name,
            one.path,
            one.split,
            tuple(dict.fromkeys(in_words(data, one, n) for n in range(len(one.frames)))),
            one,
        )
        for one in data.split(split)
    ]


def in_words(data: Situations, situation: Situation, annotator: int) -> str:
    """One annotator's frame: "riding: agent man, vehicle bicycle, place street"."""
    frame = situation.frames[annotator]
    return frame_text(situation.verb, [(role, data.nouns.get(noun, noun)) for role, noun in frame.items()])


def frame_text(verb: str, filled: Sequence[tuple[str, str]]) -> str:
    """A frame in words; roles that nothing fills are left out."""
    said = ", ".join(f"{role} {noun}" for role, noun in filled if noun)
    return f"{verb}: {said}" if said else verb


def gallery(
    trained: Checkpoint, folder: Path, data: str | Path | None, split: str
) -> tuple[Situations, list[Situated]]:
    """The situations `data`, or by default those of the run's training, and the pictures of one of their splits.

    Raises:
        InputError: none are named and the run has none of its own; or they cannot be used.
    """
    found = load_situations(find(data_of(trained, folder, data), "situations"))
    return found, situated(found, split)


def lexicon_of(trained: Checkpoint) -> Lexicon:
    """The verbs and nouns of a trained run."""
    config = trained.model.config
    return Lexicon(config["frames"], trained.vocabulary, config["glosses"])

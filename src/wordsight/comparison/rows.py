"""Rows of a comparison: runs that differ only in the seed are one row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any

import numpy as np

from wordsight.comparison.bootstrap import (
    Difference,
    Floats,
    bleu_4,
    by_verb,
    differences,
    mean,
    mean_of_verbs,
    recalls,
)
from wordsight.comparison.outcomes import LEADING, Outcome
from wordsight.comparison.published import Published, published
from wordsight.data.records import Picture
from wordsight.runs.features import learnt_from_parses
from wordsight.runs.opened import OpenedRun
from wordsight.runs.recipe import Recipe, to_dict

RECALLS = tuple(f"{way}_R@{k}" for way in ("i2t", "t2i") for k in (1, 5, 10))
SITUATIONS = {"mean": list(range(8)), "value_top1": [1], "all_top1": [2]}  # figure -> its terms
BLEUS = tuple(f"Bleu_{n}" for n in range(1, 5))
PRETRAINED = {  # dual encoders, by kind
    "clip": "CLIP (Radford et al. 2021), zero-shot",
    "siglip": "SigLIP (Zhai et al. 2023), zero-shot",
    "siglip2": "SigLIP 2 (Tschannen et al. 2025), zero-shot",
}
BESIDE = {"average": "sees the mean of its regions too", "rewarded": "rewarded"}  # keyword -> what papers lack
NO_SEED = (("data", "path"), ("regions", "weights"), ("train", "device"), ("train", "seed"))


@dataclass(frozen=True)
class Member:
    """One run and its outcome.

    Attributes:
        words: its vocabulary, which tells training data apart.
        differs: what it read unlike its paper's system: chains in place of parses; empty if nothing.
    """

    name: str
    recipe: Recipe
    config: dict[str, Any]
    metrics: dict[str, Any]
    outcome: Outcome
    words: tuple[str, ...]
    differs: str = ""

    @classmethod
    def of(cls, run: OpenedRun, outcome: Outcome, parsed: bool = False) -> "Member":
        """From a loaded run; `parsed` says whether its outcome is of sentences with parses."""
        checkpoint, differs = run.checkpoint, ""
        if getattr(run.model, "parsed", False) and not parsed:
            learnt = learnt_from_parses(checkpoint)
            differs = "learnt from parses, measured on chains" if learnt else "chains, no parses"
        return cls(
            run.folder.resolve().name,
            checkpoint.recipe,
            dict(run.model.config),
            dict(checkpoint.metrics),
            outcome,
            tuple(getattr(checkpoint.vocabulary, "words", ())),
            differs,
        )


@dataclass(frozen=True)
class Row:
    """Runs of one recipe, one per seed.

    Attributes:
        members: at least one.
    """

    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """Name of the first run."""
        return self.members[0].name

    @property
    def kind(self) -> str:
        """The kind of their outcomes, a key of `outcomes.LEADING`."""
        return self.members[0].outcome.kind

    @property
    def keywords(self) -> dict[str, Any]:
        """Keywords of the model, and `rewarded`, whether it learned from its own captions."""
        first = self.members[0]
        config = first.config.get("members", [first.config])[0]
        return {**config, "rewarded": first.recipe.train.reward_epochs > 0}

    @property
    def published(self) -> Published | None:
        """The matching published system."""
        return published(str(self.members[0].recipe.model["name"]), self.keywords)

    @property
    def system(self) -> str:
        """The system that it matches and its paper, or its model's name; then what differs from the paper."""
        first, known = self.members[0], self.published
        model = str(first.recipe.model["name"])
        if model in PRETRAINED:
            return PRETRAINED[model]
        name = f"{known.system} ({known.paper})" if known else model
        differs = [first.differs] if first.differs else []
        if known:
            given = [key for key in BESIDE if self.keywords.get(key) and key not in known.keywords]
            differs += [BESIDE[key] for key in given]
        return f"{name} ({', '.join(differs)})" if differs else name

    @property
    def seeds(self) -> list[int]:
        """Seeds of the members."""
        return [member.recipe.train.seed for member in self.members]

    @property
    def features(self) -> str:
        """The features, in a line."""
        regions = self.members[0].recipe.regions
        names = [name.removesuffix(".onnx") for name in (*regions.backbones, regions.detector) if name]
        return f"{' + '.join(names)}, {regions.regions} regions"

    @property
    def minutes(self) -> float:
        """Mean training time, from cached features."""
        return float(np.mean([member.metrics.get("seconds", 0.0) for member in self.members])) / 60

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return int(self.members[0].metrics.get("parameters", 0))

    @property
    def speed(self) -> float:
        """Mean speed, pictures per second."""
        return float(np.mean([member.outcome.speed for member in self.members]))

    def has(self, key: str) -> bool:
        """Whether a metric was measured."""
        return all(key in member.outcome.figures for member in self.members)

    def figure(self, key: str) -> float:
        """Mean of a metric over seeds."""
        return float(np.mean([member.outcome.figures[key] for member in self.members]))

    def deviation(self, key: str) -> float:
        """Standard deviation of a metric over seeds (n - 1); 0 for one seed."""
        found = [member.outcome.figures[key] for member in self.members]
        return stdev(found) if len(found) > 1 else 0.0

    @property
    def leading(self) -> float:
        """The metric for sorting rows."""
        return float(np.mean([member.outcome.leading for member in self.members]))

    def to_json(self) -> dict[str, Any]:
        """The contents of the tables."""
        known = self.published
        keys = list(self.members[0].outcome.figures)
        return {
            "name": self.name,
            "runs": [member.name for member in self.members],
            "seeds": self.seeds,
            "system": known.system if known else None,
            "paper": known.paper if known else None,
            "published": str(known) if known else "",
            "published_note": known.note if known else "",
            "model": str(self.members[0].recipe.model["name"]),
            "features": self.features,
            "figures": {key: self.figure(key) for key in keys},
            "deviation": {key: self.deviation(key) for key in keys},
            "minutes": self.minutes,
            "parameters": self.parameters,
            "pictures_per_second": self.speed,
        }


def rows(members: Sequence[Member]) -> list[Row]:
    """Members grouped by recipe, vocabulary and use of parses: aligners, then captioners, then situations; best first.

    In a row each seed counts once: a second run of the same seed is not another draw, and begins a row of its own.
    """
    groups: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        learnt, again = (_recipe_without_seed(member.recipe), member.words, member.differs), 0
        while member.recipe.train.seed in [one.recipe.train.seed for one in groups.get((*learnt, again), ())]:
            again += 1
        groups.setdefault((*learnt, again), []).append(member)
    found = [Row(tuple(sorted(group, key=lambda member: member.recipe.train.seed))) for group in groups.values()]
    return sorted(found, key=lambda row: (list(LEADING).index(row.kind), -row.leading))


def _recipe_without_seed(recipe: Recipe) -> str:
    tables = to_dict(recipe)
    for table, key in NO_SEED:
        tables[table].pop(key)
    return json.dumps(tables, sort_keys=True)


def compared(some: Sequence[Row], pictures: Sequence[Picture], folds: int = 1) -> dict[str, list[list[Difference]]]:
    """Differences between rows of one kind, by the name of the metric; `folds` are those of the rankings.

    A row of several seeds has the mean terms of its seeds; BLEU, which is not a mean of terms, has the terms of all.
    """
    if some[0].kind == "situations":
        verbs = some[0].members[0].outcome.verbs
        each = [_mean([np.array(member.outcome.terms) for member in row.members]) for row in some]  # (I, 8)
        return {
            key: differences([by_verb(one[:, columns].mean(1), verbs) for one in each], mean_of_verbs)
            for key, columns in SITUATIONS.items()
        }
    if some[0].kind == "ranking":
        sentences = [len(picture.sentences) for picture in pictures]
        added = [_mean([hits(member.outcome, sentences, folds) for member in row.members]) for row in some]
        found = {"rsum": differences(added, recalls)}
        if all(member.outcome.phrases for row in some for member in row.members):
            each = [_mean([np.array(member.outcome.phrases) for member in row.members]) for row in some]
            each = [one[each[0][:, 2] > 0] for one in each]  # (pictures with phrases, 3)
            found["grounding_pointing"] = differences([one[:, [0, 2]] for one in each], mean)
            found["grounding_iou"] = differences([one[:, [1, 2]] for one in each], mean)
        return found
    ones = np.ones(len(pictures))
    cider = [_mean([np.column_stack([member.outcome.cider, ones]) for member in row.members]) for row in some]
    bleu = [np.concatenate([np.array(member.outcome.counts, float) for member in row.members], 1) for row in some]
    return {"CIDEr": differences(cider, mean), "Bleu_4": differences(bleu, bleu_4)}


def _mean(several: Sequence[Floats]) -> Floats:
    return np.mean(several, axis=0)


def hits(found: Outcome, sentences: Sequence[int], folds: int = 1) -> Floats:
    """Each picture's terms of the six recalls.

    Args:
        found: of an aligner.
        sentences: (I) how many sentences each picture has, at least one.
        folds: those of the ranks; each weighs the same, however many pictures and sentences it has.

    Returns:
        (I, 8): whether one of its sentences is among the first 1, 5, 10; how many of its sentences find it among the
        first 1, 5, 10; 1; how many sentences it has.
    """
    own = np.array(found.images)[:, None] <= (1, 5, 10)  # (I, 3)
    texts = np.array(found.texts)[:, None] <= (1, 5, 10)  # (N, 3)
    starts = np.concatenate([[0], np.cumsum(sentences)[:-1]])
    counted = np.add.reduceat(texts.astype(float), starts, axis=0)  # (I, 3)
    each = np.column_stack([own, counted, np.ones(len(own)), sentences])
    for some in np.array_split(each, folds):  # as `fold_ranks` splits them
        some[:, [0, 1, 2, 6]] *= len(each) / folds / len(some)
        some[:, [3, 4, 5, 7]] *= sum(sentences) / folds / some[:, 7].sum()
    return each

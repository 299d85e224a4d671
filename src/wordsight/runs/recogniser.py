"""Recogniser: a trained situation model, ready to use: what is done in a picture, by whom, with what and where."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch

from wordsight.batch import Regions
from wordsight.data.entities import Phrase
from wordsight.errors import InputError
from wordsight.matching.alignment import Box
from wordsight.metrics.localise import predictor
from wordsight.runs import checkpoint
from wordsight.runs.aligner import Aligner
from wordsight.runs.arguments import Picture, path_of, picture_of
from wordsight.runs.device import device_named
from wordsight.runs.opened import OpenedRun
from wordsight.runs.recognised import Recognised, Role
from wordsight.runs.situations import Lexicon, lexicon_of
from wordsight.runs.typed import nearest
from wordsight.situations.situation_model import VERBS, Predicted, SituationModel


class Recogniser(OpenedRun):
    """A trained situation model with its verbs, nouns and region encoder."""

    kind = "situation"
    model: SituationModel

    @cached_property
    def lexicon(self) -> Lexicon:
        """The verbs and nouns that it knows."""
        return lexicon_of(self.checkpoint)

    @torch.inference_mode()
    def recognise(self, picture: Picture, *, verb: str | None = None, aligner: Aligner | None = None) -> Recognised:
        """The situation of a picture.

        Args:
            picture: a path, an encoded file, a PIL picture or an array of pixels.
            verb: fill the roles of this verb; None for the likeliest.
            aligner: locates the nouns that are sure; None for no boxes.

        Raises:
            InputError: the picture cannot be opened, or the run does not know the verb.
        """
        picture = picture_of(picture)
        number = None if verb is None else self.number(verb)
        regions = self.encoder.encode([picture])
        seen = regions
        if aligner is not None and aligner.checkpoint.fingerprint != self.checkpoint.fingerprint:
            seen = aligner.encoder.encode([picture])
        return self.found(picture, regions, number, aligner, seen)

    def found(
        self, picture: Picture, regions: Regions, verb: int | None, aligner: Aligner | None, aligned: Regions
    ) -> Recognised:
        """The situation of a picture with known regions: `regions` of this run, and `aligned` of the aligner."""
        found = replace(self.look(regions.to(self.device), verb), picture=picture)
        return found if aligner is None else found.boxed(boxes(aligner, aligned, found))

    def look(self, regions: Regions, verb: int | None = None) -> Recognised:
        """The situation of one picture's regions (1, R, F), for the likeliest verb or the one numbered `verb`."""
        every = self.model.predict(regions, len(self.model.verbs) if verb is not None else VERBS)
        if verb is None:
            return self.named(every)[0]
        place = int((every.verbs[0] == verb).nonzero())
        return self.named(Predicted(*(part[:, place : place + 1] for part in every)))[0]

    def named(self, predicted: Predicted) -> list[Recognised]:
        """Predictions of I pictures in words: the first verb of each with its roles, and the other verbs."""
        sure = self.checkpoint.metrics.get("best", {}).get("sure_verb", 1.0)
        found = []
        for verbs, shares, nouns, noun_shares in zip(*(part.tolist() for part in predicted), strict=True):
            others = [(self.model.verbs[one], share) for one, share in zip(verbs[1:], shares[1:], strict=True)]
            name, template, *_ = self.lexicon.frames[verbs[0]]
            roles = self.roles(verbs[0], nouns[0], noun_shares[0])
            found.append(Recognised(name, shares[0], shares[0] >= sure, roles, template, tuple(others)))
        return found

    def roles(self, verb: int, nouns: Sequence[int], shares: Sequence[float]) -> tuple[Role, ...]:
        """The roles of a verb, filled with nouns (E,) of given probabilities; surplus nouns at the end are ignored."""
        sure = self.checkpoint.metrics.get("best", {}).get("sure_noun", 1.0)
        return tuple(
            Role(role, self.vocabulary.words[noun] if noun else "", self.lexicon.glosses[noun], share, share >= sure)
            for role, noun, share in zip(self.lexicon.frames[verb][2:], nouns, shares, strict=False)
        )

    def number(self, verb: str) -> int:
        """The number of a verb by its name.

        Raises:
            InputError: the run does not know it.
        """
        if verb not in self.model.verbs:
            raise InputError(f"{self.folder}: does not know the verb {verb!r}; {nearest(verb, self.model.verbs)}")
        return self.model.verbs.index(verb)


def boxes(aligner: Aligner, regions: Regions, found: Recognised, *, doubtful: bool = False) -> list[Box | None]:
    """The boxes of a situation's nouns by an aligner: of the sure ones, or with `doubtful` of all; None for the others.

    The nouns are phrases of the situation's sentence, each on the region of the greatest sum of its words' evidence.

    Args:
        aligner: any that scores words and regions.
        regions: of one picture (1, R, F), as the aligner sees it.
        found: its situation.
        doubtful: also locate nouns that are not sure.
    """
    said, spans = found.sentence, found.spans()
    places = [n for n, one in enumerate(found.roles) if any(spans[n]) and (one.sure or doubtful)]
    phrases = [Phrase("", said, *spans[place], found.roles[place].word, (), ()) for place in places]
    located = predictor(aligner.model, aligner.vocabulary, lambda names: regions)(phrases).best if phrases else ()
    rows: list[Box | None] = [None] * len(found.roles)
    for place, box in zip(places, located, strict=True):
        rows[place] = tuple(box.tolist())
    return rows


def load_recogniser(run: str | Path, device: str = "auto") -> Recogniser:
    """Load a situation model from the folder that `wordsight train -o` wrote.

    Args:
        run: the folder.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        InputError: there is no checkpoint, or it is of another format, damaged, or of another kind of model.
    """
    where, folder = device_named(device), path_of(run, "the folder of a run")
    return Recogniser(folder, checkpoint.load(folder, where), where)

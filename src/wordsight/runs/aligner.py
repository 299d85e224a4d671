"""Aligner: a trained alignment model, ready to use from Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from wordsight.batch import Vectors
from wordsight.bundled import in_the_box
from wordsight.errors import InputError
from wordsight.matching.alignment import align
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import BETA
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.alignment import Alignment
from wordsight.runs.arguments import (
    Errors,
    Picture,
    Pictures,
    Sentences,
    formerly_on_broken,
    is_single,
    path_of,
    picture_of,
    pictures_of,
    sentences_of,
)
from wordsight.runs.blocks import Seeing
from wordsight.runs.device import device_named
from wordsight.runs.opened import OpenedRun
from wordsight.runs.pretrained import pretrained
from wordsight.text.vocabulary import SPECIAL
from wordsight.vision.dual_source import find_dual, is_dual

Box = tuple[float, ...]
UNKNOWN = 1  # id of the unknown word in a vocabulary


class Scores(Tensor):
    """Scores of I pictures with N sentences, (I, N) on the CPU; a picture that cannot be opened has a row of NaN.

    Attributes:
        skipped: position of such a picture -> why it cannot be opened.
    """

    skipped: dict[int, str]
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # operations return plain tensors

    @classmethod
    def of(cls, scores: Tensor, skipped: dict[int, str]) -> "Scores":
        """`Scores` from a tensor and the skipped pictures."""
        found = scores.as_subclass(cls)
        found.skipped = skipped
        return found


class Aligner(OpenedRun):
    """A trained aligner with its vocabulary and region encoder."""

    kind = "align"
    model: Matcher

    @torch.inference_mode()
    def encode_images(self, pictures: Pictures, boxes: Sequence[Tensor] | None = None) -> Vectors:
        """Encode pictures as vectors, one per region.

        Args:
            pictures: I paths, encoded files, PIL pictures or arrays of pixels; a single one counts as a list of one.
            boxes: I tensors (R, 4) of `xyxy` fractions, the regions; None for the proposals of the run's recipe.

        Returns:
            Vectors (I, R, D), whose places are boxes.

        Raises:
            InputError: a picture cannot be opened, or an item is not a picture.
        """
        return self.model.image_vectors(self.encoder.encode(pictures_of(pictures), boxes).to(self.device))

    @torch.inference_mode()
    def encode_texts(self, sentences: Sentences) -> Vectors:
        """Encode N sentences as vectors (N, T, D), one per word, whose places are spans of words.

        Raises:
            InputError: a sentence is not text.
        """
        texts = sentences_of(sentences)
        found = self.model.text_vectors(self.vocabulary.encode(texts or [""]).to(self.device))
        return found if texts else found[:0]

    @overload  # an array is one picture or several, depending on its axes
    def score(  # type: ignore[overload-overlap]
        self, pictures: Picture, sentences: str, *, errors: Errors = ..., progress: Progress | None = ...
    ) -> float: ...

    @overload
    def score(
        self,
        pictures: Pictures | Vectors,
        sentences: Sentences | Vectors,
        *,
        errors: Errors = ...,
        progress: Progress | None = ...,
    ) -> Tensor: ...

    @formerly_on_broken
    @torch.inference_mode()
    def score(
        self,
        pictures: Pictures | Vectors,
        sentences: Sentences | Vectors,
        *,
        errors: Errors = "raise",
        progress: Progress | None = None,
    ) -> Tensor | float:
        """How well each sentence fits each picture.

        Args:
            pictures: I pictures, as for `encode_images`, or their vectors.
            sentences: N texts, or their vectors; a single text counts as a list of one.
            errors: `skip` gives a picture that cannot be opened a row of NaN, lists it in `.skipped`, and warns.
            progress: receives updates; None prints to stderr if there are more than 64 pictures.

        Returns:
            A number for one picture and one sentence, neither in a list; else `Scores` (I, N), or a tensor (I, N) if
            the pictures are given as vectors.

        Raises:
            InputError: a picture cannot be opened (`raise`), or an item is not a picture or not text.
        """
        texts = sentences if isinstance(sentences, Vectors) else self.encode_texts(sentences)
        if isinstance(pictures, Vectors):
            return self.model.score(pictures, texts)
        seeing = Seeing(self.encoder, wanted := pictures_of(pictures), errors, progress)
        scores = torch.full((len(wanted), len(texts.mask)), torch.nan)
        for places, regions in seeing.blocks("scores"):
            if len(texts.mask) == 0:
                continue
            scores[places] = self.model.score(self.model.image_vectors(regions.to(self.device)), texts).cpu()
        seeing.warn()
        if is_single(pictures) and isinstance(sentences, str):
            return scores.item()
        return Scores.of(scores, seeing.skipped)

    @torch.inference_mode()
    def align(self, picture: Picture, sentence: str, boxes: Tensor | None = None, *, beta: float = BETA) -> Alignment:
        """The box of each word of a sentence, and the phrases that share one.

        Args:
            picture: a path, an encoded file, a PIL picture or an array of pixels.
            sentence: any text; unknown words are read as "<unk>".
            boxes: (R, 4) `xyxy` fractions to choose from; None for the proposals of the run's recipe.
            beta: reward of two neighbouring words for sharing a region, >= 0 (`matching/segments.py`, whose `BETA` was
                chosen on a val split); 0 gives each word its own best box.

        Raises:
            InputError: the picture cannot be opened, or beta is below 0 or not finite.
        """
        if not isinstance(beta, int | float) or not 0 <= beta < float("inf"):
            raise InputError(f"beta: expected a finite number of at least 0, found {beta!r}.")
        picture, (sentence,) = picture_of(picture), sentences_of([sentence])
        regions = self.encoder.encode([picture], None if boxes is None else [boxes])
        found = align(self.model, self.vocabulary, regions, sentence, beta=beta)
        return Alignment(
            words=found.words,
            known=tuple(word in self.vocabulary and word not in SPECIAL for word in found.words),
            boxes=found.boxes,
            strengths=found.strengths,
            score=found.score,
            segments=found.segments,
            beta=beta,
            glances=found.glances,
            picture=picture,
        )


def load(run: str | Path | None = None, device: str = "auto") -> Aligner:
    """Load an aligner from the folder that `wordsight train -o` wrote, or a pretrained dual encoder of transformers.

    Args:
        run: the folder of either, or `hub:ID` of a dual encoder of the Hugging Face hub (CLIP, SigLIP, SigLIP 2); None
            for the bundled model.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        InputError: there is no model, or it is of another format or kind, damaged, or cannot be fetched.
    """
    where, folder = device_named(device), in_the_box("align") if run is None else path_of(run, "the folder of a run")
    if is_dual(folder):
        made, encoder = pretrained(find_dual(folder), where)
        dual = Aligner(folder, made, where)
        dual.encoder = encoder
        return dual
    return Aligner(folder, checkpoint.load(folder, where), where)

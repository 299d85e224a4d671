"""Captioner: a trained caption model, ready to use, for pictures and their regions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Unpack

import torch

from wordsight.batch import Regions
from wordsight.bundled import in_the_box
from wordsight.captioning.captioner import CaptionModel
from wordsight.captioning.captions import Caption, RegionCaption, distinct, in_words
from wordsight.captioning.certain import CERTAIN, Calibration, Judge
from wordsight.captioning.decode import Hypothesis
from wordsight.captioning.decoding import Decoder, Decoding, decoder
from wordsight.captioning.word_probs import word_log_probs
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.reports.attention_maps import Attention
from wordsight.runs import checkpoint
from wordsight.runs.arguments import (
    Errors,
    Picture,
    Pictures,
    formerly_on_broken,
    path_of,
    picture_of,
    pictures_of,
    sentences_of,
)
from wordsight.runs.blocks import Seeing
from wordsight.runs.captions import Captions
from wordsight.runs.device import device_named
from wordsight.runs.opened import OpenedRun
from wordsight.runs.typed import keywords
from wordsight.runs.views import at, beside
from wordsight.vision.classes import reads


class Captioner(OpenedRun):
    """A trained captioner with its vocabulary and region encoder.

    To describe a region, a captioner of pictures sees the region as if it were the whole picture; a captioner of
    regions sees the region and, second, the whole picture. The latter describes a whole picture by seeing it twice.
    """

    kind = "caption"
    model: CaptionModel

    @property
    def of_regions(self) -> bool:
        """Whether it learned to describe regions."""
        return bool(self.checkpoint.recipe.data.alignment)

    @property
    def _name(self) -> str:
        return str(self.checkpoint.recipe.model["name"])

    @formerly_on_broken
    def caption(
        self,
        pictures: Pictures,
        *,
        errors: Errors = "raise",
        progress: Progress | None = None,
        **decoding: Unpack[Decoding],
    ) -> Captions:
        """Describe whole pictures.

        Args:
            pictures: I paths, encoded files, PIL pictures or arrays of pixels; a single one counts as a list of one.
            errors: `skip` gives a picture that cannot be opened no captions, lists it in `.skipped`, and warns.
            progress: receives updates; None prints to stderr if there are more than 64 pictures.
            **decoding: decoding settings, see `Decoding`.

        Returns:
            For each picture `n_best` captions, best first; fewer if there are no more.

        Raises:
            InputError: a picture cannot be opened (`raise`), or a number is out of range.
        """
        self._choice(decoding)  # refuse a number out of range before the work
        seeing = Seeing(self.encoder, wanted := pictures_of(pictures), errors, progress)
        found = Captions(wanted, seeing.skipped)
        places: list[int] = []

        def blocks() -> Iterator[Regions]:
            for some, regions in seeing.blocks("captions"):
                places.extend(some)
                yield regions

        for number, said in enumerate(self.captions(blocks(), **decoding)):
            found[places[number]] = [replace(one, picture=wanted[places[number]]) for one in said]
        seeing.warn()
        return found

    def caption_regions(
        self, picture: Picture, boxes: Sequence[Sequence[float]] | None = None, **decoding: Unpack[Decoding]
    ) -> list[RegionCaption]:
        """Describe regions of a picture, each by its best caption.

        Args:
            picture: a path, an encoded file, a PIL picture or an array of pixels.
            boxes: (R, 4) `xyxy` fractions; None for the proposals of the run's recipe except the whole picture, of
                which the surest and clearly different ones are kept (`captions.distinct`).
            **decoding: decoding settings, see `Decoding`.

        Returns:
            A caption for each box, in order; without `boxes`, the captions kept, surest first.

        Raises:
            InputError: the picture cannot be opened, a region is outside it, or a number is out of range.
        """
        picture = picture_of(picture)
        if boxes is None:
            said = self.snippets(self.encoder.encode([picture]), **decoding)
        else:
            seen = self.encoder.encode([picture], [boxes])
            said = self.each(seen, self.encoder.encode([picture]) if self.of_regions else seen, **decoding)[0]
        return [replace(one, picture=picture) for one in said]

    def snippets(self, seen: Regions, **decoding: Unpack[Decoding]) -> list[RegionCaption]:
        """The region captions worth showing of one picture's proposals (1, R, F), surest first.

        Raises:
            InputError: the only proposal is the whole picture.
        """
        mask = seen.mask.clone()
        mask[:, 0] = False  # the whole picture
        if not mask.any():
            only = "looks at whole pictures only (regions.regions = 1); give boxes of your own."
            raise InputError(f"{self.folder}: {only}")
        return distinct(self.each(Regions(seen.features, mask, seen.boxes), seen, **decoding)[0])

    def each(self, seen: Regions, wholes: Regions, **decoding: Unpack[Decoding]) -> list[list[RegionCaption]]:
        """Describe every region.

        Args:
            seen: (I, R, F), the regions.
            wholes: (I, ...), whose first regions are the whole pictures.
            **decoding: decoding settings, see `Decoding`; only the best of `n_best` is returned.

        Returns:
            For each picture, a caption of each of its regions.
        """
        picture, place = seen.mask.nonzero(as_tuple=True)  # (S,) each
        views = at(seen, picture, place)
        if self.of_regions:
            views = beside(views, at(wholes, picture, torch.zeros_like(place)))  # (S, 2, F)
        found: list[list[RegionCaption]] = [[] for _ in range(len(seen.mask))]
        said = zip(picture.tolist(), views.boxes[:, 0].tolist(), self.say([views], **decoding), strict=True)
        for row, box, (best, *_) in said:
            found[row].append(RegionCaption(best.text, best.log_prob, best.confidence, box=tuple(box)))
        return found

    def attention(self, picture: Picture, text: str) -> Attention:
        """Attention over regions before each word of a caption, of a captioner that attends.

        Args:
            picture: a path, an encoded file, a PIL picture or an array of pixels.
            text: the caption, of words that it knows.

        Raises:
            InputError: the picture cannot be opened, or the captioner does not attend.
        """
        if not self.model.attends:
            expected = f"expected a captioner that attends, such as 'attend_and_tell', not {self._name!r}."
            raise InputError(f"{self.folder}: {expected}")
        (text,) = sentences_of([text])
        return self.attend(self.whole(self.encoder.encode([picture_of(picture)])), text)

    def attend(self, seen: Regions, text: str) -> Attention:
        """As `attention`, for a picture as the model sees it, (1, R, F)."""
        seen, ids = seen.to(self.device), self.vocabulary.encode([text]).ids[0].to(self.device)
        weights, gates = self.model.attention(seen, ids), self.model.gates(seen, ids)
        words, there = tuple(self.vocabulary.tokens(text)), seen.mask[0]
        plain, boxes = weights[:, there].cpu().numpy(), seen.boxes[0, there].cpu().numpy()
        return Attention(words, plain, boxes, None if gates is None else gates.cpu().numpy())

    def whole(self, seen: Regions) -> Regions:
        """The model's input for whole pictures: (I, R, F), for a captioner of regions (I, 2, F)."""
        if not self.of_regions:
            return seen
        rows = torch.arange(len(seen.mask))
        first = at(seen, rows, torch.zeros_like(rows))
        return beside(first, first)

    def captions(self, blocks: Iterable[Regions], **decoding: Unpack[Decoding]) -> Iterator[list[Caption]]:
        """Captions of whole pictures, rated by `judge` if the run is calibrated.

        Args:
            blocks: (I, R, F), pictures as the encoder sees them; random draws continue from block to block.
            **decoding: see `Decoding`.

        Returns:
            For each picture `n_best` captions, best first.

        Raises:
            InputError: a number is out of range, or the run's calibration is damaged.
        """
        choose, judge = self._choice(decoding), self.judge
        if not judge:
            return (yield from self.say(map(self.whole, blocks), **decoding))
        for block in blocks:
            views = self.whole(block).to(self.device)
            found = self._chosen(choose, views)
            log_probs = word_log_probs(self.model, views, found)
            for row, (captions, sure) in enumerate(zip(found, log_probs, strict=True)):
                there = block.mask[row]
                seen = judge.look(block.features[row, there].numpy(), block.boxes[row, there].numpy())
                said = [in_words(caption, self.vocabulary) for caption in captions]
                pairs = zip(said, sure, strict=True)
                yield [replace(one, **judge.verdict(one.text.split(" "), words, seen)) for one, words in pairs]

    @cached_property
    def judge(self) -> Judge | None:
        """Judges how sure captions are; None if the run is not calibrated, or its model does not generate.

        Raises:
            InputError: the calibration is damaged, or needs other regions than the run's.
        """
        path, blocks = self.folder / CERTAIN, self.checkpoint.blocks
        if not path.exists() or not self.model.generates:
            return None
        if not reads(blocks):
            raise InputError(f"{path}: for runs whose regions have the columns `meaning` and `labels`; delete it.")
        return Judge(Calibration.read(path), blocks, self.encoder.detector.names if self.encoder.detector else ())

    def say(self, views: Iterable[Regions], **decoding: Unpack[Decoding]) -> Iterator[list[Caption]]:
        """Captions of the model's input.

        Args:
            views: blocks of (I, R, F), the model's input; random draws continue from block to block.
            **decoding: see `Decoding`.

        Returns:
            For each picture `n_best` captions, best first.

        Raises:
            InputError: a number is out of range, now or at the first block.
        """
        choose = self._choice(decoding)
        if not self.model.generates:
            return self._looked_up(views, decoding.get("n_best", 1))
        return (
            [in_words(caption, self.vocabulary) for caption in captions]
            for block in views
            for captions in self._chosen(choose, block.to(self.device))
        )

    def _looked_up(self, views: Iterable[Regions], count: int) -> Iterator[list[Caption]]:
        for block in views:
            for some in self.model.lookup(block.to(self.device), self.vocabulary, count):
                yield [Caption(text, 0.0, confidence) for text, confidence in some]

    def require_likelihood(self, what: str) -> None:
        """Check that the model gives words probabilities, which `what` needs.

        Raises:
            InputError: it generates no captions.
        """
        if not self.model.generates:
            expected = f"expected a captioner that says how probable words are, such as 'lstm', not {self._name!r}."
            raise InputError(f"{self.folder}: {what}: {expected}")

    def _choice(self, decoding: Decoding) -> Decoder:
        """A decoder from keywords, whose names and types are checked."""
        chosen = decoder(**keywords(decoder, decoding, "decoding", "captions"))
        if decoding.get("sample") or decoding.get("length_normalise"):
            self.require_likelihood("sample and length_normalise")
        return chosen

    def _chosen(self, choose: Decoder, block: Regions) -> list[list[Hypothesis]]:
        try:
            return choose(self.model, block, self.vocabulary)
        except ValueError as error:
            raise InputError(f"{error}.") from None


def load_captioner(run: str | Path | None = None, device: str = "auto") -> Captioner:
    """Load a captioner from the folder that `wordsight train -o` wrote.

    Args:
        run: the folder; None for the bundled model that describes pictures.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        InputError: there is no checkpoint, or it is of another format, damaged, or of another kind of model.
    """
    where, folder = device_named(device), in_the_box("captions") if run is None else path_of(run, "the folder of a run")
    return Captioner(folder, checkpoint.load(folder, where), where)

"""Captions and situations of a picture, in the API's schemas."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wordsight.captioning.captions import RegionCaption
from wordsight.runs.aligner import Aligner, Picture, load
from wordsight.runs.captioner import Captioner
from wordsight.runs.recogniser import Recogniser, load_recogniser
from wordsight.web import schemas
from wordsight.web.situation_schemas import SituationResponse

CAPTIONS = 3  # captions per picture


class Situations(NamedTuple):
    """Situation recognition: a recogniser, and an aligner for the boxes of nouns."""

    recogniser: Recogniser
    aligner: Aligner

    def of(self, picture: Picture) -> SituationResponse:
        """The situation in a picture."""
        return SituationResponse.model_validate(self.recogniser.recognise(picture, aligner=self.aligner).to_json())


def load_situations(run: Path, index: Aligner, device: str) -> Situations:
    """Load a situation run; boxes come from the index's model if both use one encoder, else from the bundled model.

    Raises:
        InputError: the run or the bundled model cannot be opened, or the run does not recognise situations.
    """
    recogniser = load_recogniser(run, device)
    recogniser.encoder  # noqa: B018 - report a missing part now, not at the first picture
    alike = index.checkpoint.fingerprint == recogniser.checkpoint.fingerprint
    return Situations(recogniser, index if alike else load(None, device))


def whole(captioner: Captioner | None, region_captioner: Captioner | None, picture: Picture) -> schemas.CaptionResponse:
    """Captions of a whole picture and of its regions, each if there is a captioner for it."""
    snippets = [] if region_captioner is None else _snippets(region_captioner.caption_regions(picture))
    if captioner is None:
        return schemas.CaptionResponse(captions=[], snippets=snippets)
    said = captioner.caption([picture], beam=CAPTIONS, n_best=CAPTIONS)[0]
    captions = [schemas.Caption(text=one.text, confidence=one.confidence, certain=one.certain) for one in said]
    things = [schemas.Thing(name=one.name, confidence=one.confidence) for one in said[0].things]
    return schemas.CaptionResponse(captions=captions, answer=said[0].answer, things=things, snippets=snippets)


def region(captioner: Captioner, picture: Picture, box: list[float]) -> schemas.CaptionResponse:
    """A caption of a region.

    Raises:
        InputError: the region is invalid.
    """
    return schemas.CaptionResponse(captions=[], snippets=_snippets(captioner.caption_regions(picture, [box])))


def _snippets(said: Sequence[RegionCaption]) -> list[schemas.RegionCaption]:
    return [schemas.RegionCaption(text=one.text, confidence=one.confidence, box=list(one.box)) for one in said]

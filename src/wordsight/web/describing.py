"""A picture in words, as it goes over the wire."""

from collections.abc import Sequence

from wordsight.captioning.captions import RegionCaption
from wordsight.runs.aligner import Picture
from wordsight.runs.captioner import Captioner
from wordsight.web import schemas

CAPTIONS = 3  # how many are given


def whole(captioner: Captioner | None, region_captioner: Captioner | None, picture: Picture) -> schemas.CaptionResponse:
    """Captions of a whole picture and of its regions, as far as there are captioners for them."""
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
        InputError: the region cannot be used.
    """
    return schemas.CaptionResponse(captions=[], snippets=_snippets(captioner.caption_regions(picture, [box])))


def _snippets(said: Sequence[RegionCaption]) -> list[schemas.RegionCaption]:
    return [schemas.RegionCaption(text=one.text, confidence=one.confidence, box=list(one.box)) for one in said]

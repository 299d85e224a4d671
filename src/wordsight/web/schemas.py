"""API schemas: models that check and describe the JSON of the API."""

from typing import Annotated, Any, Self

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, Json, model_validator

from wordsight.search.origins import From
from wordsight.web.filter_fields import SEVERAL, Chosen, ChosenJson, Strict, Text, Value

PARTS, TOP, PAGES = 8, 100, 100_000  # maximum number of sentences, of hits on a page, of pages
OLD = "Now called {}; goes in 0.3."

Edge = Annotated[FiniteFloat, Field(ge=0, le=1)]
Box = Annotated[list[Edge], Field(min_length=4, max_length=4, description="left, top, right, bottom; fractions")]
Number = Annotated[int, Field(ge=1, le=2**53, description="of a picture in the index")]
Weight = Annotated[FiniteFloat, Field(ge=-100, le=100, description="how much it counts; not 0")]


class Sentence(Strict):
    """A sentence to search by; a weight below 0 prefers pictures that it does not describe."""

    text: Text
    weight: Weight = 1.0


class Like(Strict):
    """A picture of the index to search by, or the region in a box of it."""

    picture: Number
    box: Box | None = None
    weight: Weight = 1.0


class SearchOptions(Chosen):
    """Which hits to return, and how many."""

    top: Annotated[int, Field(ge=1, le=TOP, description="hits on a page")] = 24
    page: Annotated[int, Field(ge=1, le=PAGES)] = 1
    min_score: Annotated[FiniteFloat | None, Field(description="leave out what scores less")] = None
    min_confidence: Annotated[Edge | None, Field(description="leave out hits of less confidence")] = None
    min_sure: Annotated[
        Edge | None, Field(description=OLD.format("min_confidence"), json_schema_extra={"deprecated": True})
    ] = None
    group: Annotated[bool, Field(description="show near-duplicates as one")] = False
    frames: Annotated[bool, Field(description="show each frame of a video, and not the video as one hit")] = False


class SearchRequest(SearchOptions, ChosenJson):
    """A query: sentences, texts and a picture of the index, whose weighted scores are added up."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"sentences": [{"text": "a dog on the beach"}], "top": 12}]},
    )

    sentences: Annotated[list[Sentence], Field(default_factory=list, max_length=PARTS)]
    texts: Annotated[
        list[Text], Field(default_factory=list, max_length=PARTS, description="each is written in the pictures")
    ]
    like: Like | None = None

    @model_validator(mode="after")
    def something(self) -> Self:
        """Check that the query is not empty."""
        if not self.sentences and not self.texts and self.like is None:
            raise ValueError("expected a sentence, a text, or a picture to be like")
        return self


class FormSearch(SearchOptions):
    """Options of every search that uploads a file."""

    columns: Annotated[
        Json[dict[Text, Value]],
        Field(
            default_factory=dict,
            max_length=SEVERAL,
            description='values of columns of metadata, as JSON: {"place": "the lake"}',
        ),
    ]

    def pairs(self) -> dict[str, str | float]:
        """Values to match in metadata columns, by column."""
        return dict(self.columns)


class UploadSearch(FormSearch):
    """A query: a picture file or a box of it, sentences and texts, whose weighted scores are added up."""

    picture: Annotated[UploadFile, Field(description="a picture file")]
    box: Box | None = None
    weight: Weight = 1.0
    sentences: Annotated[
        list[Json[Sentence]],
        Field(default_factory=list, max_length=PARTS, description='each as JSON: {"text": "on the beach"}'),
    ]
    texts: Annotated[
        list[Text], Field(default_factory=list, max_length=PARTS, description="each is written in the pictures")
    ]


class SketchSearch(FormSearch):
    """A query: a drawing."""

    sketch: Annotated[UploadFile, Field(description="a picture of lines on plain paper")]


class PictureRequest(Strict):
    """A picture: a file or one of the index."""

    picture: Annotated[UploadFile | None, Field(description="a picture file")] = None
    number: Number | None = None

    @model_validator(mode="after")
    def one(self) -> Self:
        """Check that there is exactly one picture."""
        if (self.picture is None) == (self.number is None):
            raise ValueError("expected either a picture file or the number of a picture in the index")
        return self


class CaptionRequest(PictureRequest):
    """A picture to describe, a file or one of the index; with a box, only the region in it."""

    box: Box | None = None


class Error(BaseModel):
    """What went wrong, in one sentence."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"error": "The query is empty: expected a sentence."}]})

    error: str


class Health(BaseModel):
    """The server answers."""

    status: str


class Info(BaseModel):
    """The server's functions, limits and index."""

    name: str
    version: Annotated[str, Field(description="of wordsight")]
    pictures: int
    videos: int
    albums: int
    reveal: Annotated[bool, Field(description="whether it shows files in the file manager of its machine")]
    folders: Annotated[list[str], Field(description="that may be indexed from the page")]
    regions: int
    broken: Annotated[int, Field(description="pictures that could not be read when the index was built")]
    calibrated: Annotated[bool, Field(description="whether hits say how sure they are")]
    captions: Annotated[bool, Field(description="whether it describes whole pictures")]
    snippets: Annotated[bool, Field(description="whether it describes regions of pictures")]
    situations: Annotated[bool, Field(description="whether it says what is done in pictures")]
    text: Annotated[bool, Field(description="whether the text in pictures is known, to search by it")]
    sketches: Annotated[bool, Field(description="whether it finds photos by drawing")]
    words: Annotated[int, Field(description="how many words the model knows; 0 where it knows every word")]
    examples: Annotated[list[str], Field(description="some of them, the most frequent")]
    names: Annotated[list[str], Field(description="what pictures can be chosen by in `where`")]
    max_bytes: Annotated[int, Field(description="of a picture that is sent")]
    max_pixels: Annotated[int, Field(description="of a picture that is sent")]


class QueryWord(BaseModel):
    """A word of the query, the same for all hits."""

    text: str
    known: Annotated[bool, Field(description="whether the model knows it")]
    naming: Annotated[bool, Field(description="whether it may name something in a picture, unlike 'a' and 'of'")]
    weight: Annotated[float, Field(description="of its sentence")]


class Word(BaseModel):
    """The box of a query word in a picture."""

    box: Box
    strength: Annotated[float, Field(description="what it adds to the score, before weights and means")]


class Phrase(BaseModel):
    """A phrase: neighbouring words of the query that share a box; or a region of the query."""

    text: Annotated[str, Field(description="of a region 'this'")]
    start: Annotated[int, Field(description="its first word among the words of the query")]
    end: Annotated[int, Field(description="behind its last; of a region as `start`")]
    box: Box
    strength: float
    weight: float
    written: Annotated[bool, Field(description="whether it is text that is written there, as likely as `strength`")] = (
        False
    )


class NearDuplicate(BaseModel):
    """A near-duplicate that is not shown."""

    number: int
    path: Annotated[str, Field(description="as of a hit")]
    time: Annotated[int | None, Field(description="likewise")] = None


class Moment(BaseModel):
    """Another frame of a video that was found; see `Hit`."""

    number: int
    time: int
    score: float


class Hit(BaseModel):
    """A picture that was found."""

    rank: int
    number: int
    name: Annotated[str, Field(description="of its file")]
    path: Annotated[str, Field(description="its name in the index; the whole path if the server shows paths")]
    score: Annotated[float, Field(description="only comparable within one query; it may be below 0")]
    hubness: Annotated[
        float, Field(description="what is taken from it, as the picture and the sentences fit all kinds of others")
    ]
    confidence: Annotated[
        float | None,
        Field(description="of such hits, what share were the picture the sentence was written for, 0 to 1"),
    ]
    words: Annotated[list[Word], Field(description="each word of the query on its own best box")]
    phrases: list[Phrase]
    missing: Annotated[bool, Field(description="whether the file is gone")]
    unreadable: Annotated[str, Field(description="why the file is there and cannot be read; empty where it can")] = ""
    width: int
    height: int
    taken: str
    taken_from: Annotated[From, Field(description="what says so: EXIF, a video's container, the file's name or time")]
    camera: Annotated[str, Field(description="make and model; empty where nobody knows")]
    meta: dict[str, Any]
    near_duplicates: list[NearDuplicate]
    time: Annotated[int | None, Field(description="of a frame of a video, seconds; null of a picture")] = None
    duration: Annotated[float | None, Field(description="how long the video is, seconds; null of a picture")] = None
    frames: Annotated[int, Field(description="frames of the video that match, this one with them; 0 of a picture")] = 0
    moments: Annotated[list[Moment], Field(description="the best of the others, best first")] = []
    common: Annotated[float, Field(deprecated=OLD.format("hubness"))]
    sure: Annotated[float | None, Field(deprecated=OLD.format("confidence"))]
    alike: Annotated[list[NearDuplicate], Field(deprecated=OLD.format("near_duplicates"))]


class NotSearched(BaseModel):
    """A part of the index that did not answer."""

    part: str
    pictures: Annotated[int, Field(description="how many files it has")]


class SearchResponse(BaseModel):
    """A page of hits, best first."""

    total: Annotated[int, Field(description="how many pictures there are to page through")]
    words: list[QueryWord]
    unknown: Annotated[list[str], Field(description="words that the model does not know")]
    poor_match: Annotated[bool, Field(description="whether nothing matches well, by the confidence of the best hit")]
    doubtful: Annotated[bool, Field(deprecated=OLD.format("poor_match"))]
    hits: list[Hit]
    not_searched: Annotated[list[NotSearched], Field(description="of a server of many processes: what is missing")] = []


class Caption(BaseModel):
    """A caption; its confidence is the geometric mean of the probabilities of its words."""

    text: str
    confidence: float
    certain: Annotated[bool | None, Field(description="whether it may be given as a fact; null where nobody knows")] = (
        None
    )


class RegionCaption(Caption):
    """A caption of a region."""

    box: Box


class Thing(BaseModel):
    """A thing seen in a picture, and the probability that people would mention it."""

    name: str
    confidence: float


class CaptionResponse(BaseModel):
    """Captions of a picture and its regions; a field without a captioner is empty."""

    captions: list[Caption]
    answer: Annotated[str, Field(description="the best caption; what is probably there, or 'cannot tell'")] = ""
    things: Annotated[list[Thing], Field(description="what is seen, likeliest first")] = []
    snippets: list[RegionCaption]

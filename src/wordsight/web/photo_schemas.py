"""API schemas of the photos: the timeline, facets, metadata of a picture, suggested words."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from wordsight.search.origins import From
from wordsight.web.filter_fields import Strict


class Photos(BaseModel):
    """Pictures, newest first: columns in the same order."""

    total: int
    numbers: list[int]
    ratios: Annotated[list[int], Field(description="100 times width through height, 1 to 10,000")]
    days: Annotated[
        list[Annotated[list[str | int], Field(min_length=2, max_length=2)]],
        Field(description="each day with how many were taken on it, in the order of `numbers`; '' without a date"),
    ]
    videos: Annotated[dict[str, float], Field(description="the seconds of each video, by its number in `numbers`")]


class AlbumName(BaseModel):
    """An album."""

    id: int
    name: str


class PictureInfo(BaseModel):
    """Metadata of a picture."""

    number: int
    name: Annotated[str, Field(description="of its file")]
    path: Annotated[str, Field(description="its name in the index; the whole path if the server shows paths")]
    folder: Annotated[str, Field(description="as `under` takes it")]
    taken: Annotated[str, Field(description="local time; empty where nobody knows")]
    taken_from: Annotated[From, Field(description="what says so: EXIF, a video's container, the file's name or time")]
    camera: str
    width: int
    height: int
    bytes: int
    meta: dict[str, Any]
    missing: Annotated[bool, Field(description="whether the file is gone")]
    unreadable: Annotated[str, Field(description="why the file is there and cannot be read; empty where it can")]
    albums: list[AlbumName]
    time: Annotated[int | None, Field(description="of a frame of a video, seconds; null of a picture")] = None
    duration: Annotated[float | None, Field(description="how long the video is, seconds")] = None
    media_type: Annotated[str, Field(description="of the video; empty of a picture")] = ""


class Numbers(Strict):
    """Numbers of pictures."""

    numbers: Annotated[
        list[Annotated[int, Field(ge=1, le=2**53)]],
        Field(max_length=10_000, description="of pictures in the index, at most 10,000"),
    ]


class Paths(BaseModel):
    """Names of pictures, in the order of the request; unknown numbers are left out."""

    paths: Annotated[list[str], Field(description="names in the index; whole paths if the server shows paths")]


class FolderTree(BaseModel):
    """A folder and the folders in it."""

    name: str
    path: Annotated[str, Field(description="as `under` takes it")]
    count: Annotated[int, Field(description="pictures in it and below")]
    folders: list["FolderTree"]


class Camera(BaseModel):
    """A camera and the number of pictures that it took."""

    name: str
    count: int


class ColumnValue(BaseModel):
    """A value of a column and the number of pictures that have it."""

    value: str | int | float
    count: int


class Column(BaseModel):
    """A column of metadata."""

    name: str
    kind: Literal["number", "text"]
    least: int | float | None
    most: int | float | None
    values: Annotated[list[ColumnValue], Field(description="the most frequent, at most 50")]


class Facets(BaseModel):
    """Facets: values to filter pictures by, with the number of pictures of each."""

    first: Annotated[str, Field(description="the earliest day; empty where no picture has a date")]
    last: str
    folders: list[FolderTree]
    cameras: list[Camera]
    orientations: dict[str, int]
    sizes: dict[str, int]
    kinds: dict[str, int]
    columns: list[Column]


class SuggestedWord(BaseModel):
    """A word that the model knows."""

    text: str
    count: Annotated[int, Field(description="pictures of the index with it in their names or metadata")]


class Suggestions(BaseModel):
    """Completions of a query, and corrections of unknown words."""

    words: list[SuggestedWord]
    spelling: dict[str, str]

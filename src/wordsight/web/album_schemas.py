"""API schemas of albums, of downloads and of indexing."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, RootModel, StringConstraints

from wordsight.web.filter_fields import Strict

MANY, SENT = 100_000, 10_000  # maximum number of pictures put into an album at once, or sent as one file
Number = Annotated[int, Field(ge=1, le=2**53)]
Numbers = Annotated[list[Number], Field(max_length=MANY, description="of pictures in the index")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _few(numbers: str) -> str:
    if numbers.count(",") >= SENT:
        raise ValueError(f"expected at most {SENT:,} pictures")
    return numbers


class Album(BaseModel):
    """An album, kept in the catalogue; the files are never touched."""

    id: int
    name: str
    count: int
    cover: Annotated[int | None, Field(description="the number of its newest picture; null where it is empty")]


class Albums(RootModel[list[Album]]):
    """Every album, by name."""


class NewAlbum(Strict):
    """An album to create."""

    name: Name
    numbers: Numbers = Field(default_factory=list)


class AlbumChange(Strict):
    """Changes of an album: a new name, pictures to add and to remove."""

    name: Name | None = None
    add: Numbers = Field(default_factory=list)
    remove: Numbers = Field(default_factory=list)


class Download(Strict):
    """Pictures to send as one zip file."""

    numbers: Annotated[
        str,
        StringConstraints(max_length=2**17, pattern=r"^[1-9][0-9]{0,14}(,[1-9][0-9]{0,14})*$"),
        AfterValidator(_few),
        Field(description="numbers of pictures in the index, at most 10,000, with commas between"),
    ]

    @property
    def several(self) -> list[int]:
        """The numbers, each once."""
        return list(dict.fromkeys(map(int, self.numbers.split(","))))


class Reveal(Strict):
    """A picture to show in the file manager."""

    number: Number


class IndexFolder(Strict):
    """A folder to index: one of `folders`, or one below."""

    folder: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class Broken(BaseModel):
    """A picture that cannot be read."""

    path: str
    why: str


class IndexState(BaseModel):
    """Progress of the indexing that was started from the page."""

    state: Literal["idle", "running", "done", "failed"]
    done: int
    total: int
    seconds_left: float | None
    message: str
    broken: Annotated[list[Broken], Field(description="pictures of the index that cannot be read, at most 1,000")]
    folders: Annotated[list[str], Field(description="that may be indexed, with all below")]

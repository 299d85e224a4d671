"""The filter of a request: which pictures are shown or found, in the JSON of a search or in a URL."""

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints

from wordsight.search.filters import Filter, Kind, Orientation, Size

TEXT = 500  # maximum number of characters in a sentence or an expression
SEVERAL = 50  # maximum number of cameras or columns

Text = Annotated[str, StringConstraints(max_length=TEXT)]
Id = Annotated[int, Field(ge=1, le=2**53)]


def _day(text: str) -> str:
    try:
        good = not text or date.fromisoformat(text).isoformat() == text
    except ValueError:
        good = False
    if not good:
        raise ValueError("expected a day such as 2024-05-17")
    return text


Day = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"anyOf": [{"format": "date"}, {"maxLength": 0}]})]
Value = Annotated[Text | FiniteFloat, Field(union_mode="left_to_right")]


class Strict(BaseModel):
    """Base of what a client sends: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class Chosen(Strict):
    """Filter: a picture must meet every condition given."""

    since: Annotated[Day, Field(description="taken on this day or later")] = ""
    until: Annotated[Day, Field(description="taken on this day or earlier")] = ""
    under: Annotated[Text, Field(description="only pictures in this folder and below")] = ""
    camera: Annotated[list[Text], Field(max_length=SEVERAL, description="taken by one of these")] = []
    orientation: Orientation | None = None
    size: Annotated[Size | None, Field(description="less than 1 megapixel is small, 8 and more are large")] = None
    kind: Annotated[Kind | None, Field(description="only photos, or only videos")] = None
    album: Annotated[Id | None, Field(description="the id of an album")] = None
    where: Annotated[Text, Field(description="an expression such as: width >= 800 and date > 2024-05")] = ""

    def pairs(self) -> dict[str, str | float]:
        """Values to match in metadata columns, by column."""
        return {}

    def filter(self, under: str) -> dict[str, Any]:
        """Keyword arguments of a `Filter`; `under` is a folder's whole path, or empty."""
        names = ("since", "until", "orientation", "size", "kind", "album", "where")
        chosen = {name: getattr(self, name) for name in names}
        return chosen | {"under": under, "camera": tuple(self.camera), "columns": self.pairs()}


class ChosenJson(Chosen):
    """Filter in JSON."""

    columns: Annotated[
        dict[Text, Value], Field(max_length=SEVERAL, description="values of columns of metadata, by name")
    ] = {}

    def pairs(self) -> dict[str, str | float]:
        """Values to match in metadata columns, by column."""
        return dict(self.columns)


Pair = Annotated[str, StringConstraints(max_length=2 * TEXT, pattern=r"^[^:]+:")]


class ChosenQuery(Chosen):
    """Filter in a URL."""

    column: Annotated[
        list[Pair], Field(max_length=SEVERAL, description="`name:value` of a column of metadata; repeatable")
    ] = []

    def pairs(self) -> dict[str, str | float]:
        """Values to match in metadata columns, by column."""
        return {name: value for name, _, value in (one.partition(":") for one in self.column)}


__all__ = ["Chosen", "ChosenJson", "ChosenQuery", "Filter", "Id", "Strict", "Text"]

"""API schemas of situations."""

from typing import Annotated

from pydantic import BaseModel, Field

from wordsight.web.schemas import Box


class VerbShare(BaseModel):
    """A verb and its probability, 0 to 1."""

    verb: str
    confidence: float


class Role(BaseModel):
    """A role of a verb and the noun that fills it."""

    role: str
    noun: Annotated[str, Field(description="the id of what fills it; empty for nothing")]
    word: Annotated[str, Field(description="what that is called")]
    confidence: Annotated[float, Field(description="its probability, given the verb; 0 to 1")]
    sure: Annotated[bool, Field(description="whether 60 % of answers about as probable were right")]
    box: Annotated[Box | None, Field(description="where it is; null where it is not sure, or nothing")]


class SituationResponse(VerbShare):
    """The situation in a picture: a verb, and the noun that fills each of its roles."""

    sure: Annotated[bool, Field(description="whether 60 % of verbs about as probable were right")]
    sentence: str
    roles: list[Role]
    others: Annotated[list[VerbShare], Field(description="the next likely verbs")]

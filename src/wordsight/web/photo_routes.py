"""Routes of the photos: the timeline, facets, each picture's metadata and name, and suggested words."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from wordsight.web.filter_fields import ChosenQuery, Text
from wordsight.web.pages import etag, is_known
from wordsight.web.photo_schemas import Facets, Numbers, Paths, Photos, PictureInfo, Suggestions
from wordsight.web.photos import Library
from wordsight.web.schemas import Number
from wordsight.web.work import Workers


def photo_routes(api: APIRouter, library: Library, readable: Callable[..., Any], errors: dict[int | str, Any]) -> None:
    """Add the routes of the photos to the API.

    Args:
        api: receives the routes.
        library: answers the requests.
        readable: calls a function, and raises its errors as the index's.
        errors: descriptions of responses, by status.
    """
    workers = Workers(2, 64)
    same: dict[int | str, dict[str, Any]] = {304: {"description": "It is what `If-None-Match` says."}}

    async def tagged(request: Request, work: Callable[..., bytes], *given: Any) -> Response:
        """The answer, or 304 if the client has it already."""
        dumped = [one.model_dump_json() for one in given]
        tag = etag(await workers.run(request, readable, library.tag, work.__name__, *dumped))
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if is_known(request.headers, tag):
            return Response(status_code=304, headers=headers)
        return Response(await workers.run(request, work, *given), media_type="application/json", headers=headers)

    @api.get("/photos", operation_id="photos", response_model=Photos, responses=same)
    async def photos(asked: Annotated[ChosenQuery, Query()], request: Request) -> Response:
        """Every picture that passes a filter, newest first."""
        return await tagged(request, library.photos, asked)

    @api.get("/facets", operation_id="facets", response_model=Facets, responses=same)
    async def facets(request: Request) -> Response:
        """Values to filter pictures by, with the number of pictures of each."""
        return await tagged(request, library.facets)

    @api.get("/pictures/{number}/info", operation_id="picture_info", responses={404: errors[404]})
    async def picture_info(number: Number, request: Request) -> PictureInfo:
        """Metadata of a picture."""
        return await workers.run(request, readable, library.picture, number)

    @api.post("/paths", operation_id="paths", responses={status: errors[status] for status in (403, 413)})
    async def paths(asked: Numbers, request: Request) -> Paths:
        """Names of pictures."""
        return await workers.run(request, readable, library.paths, asked.numbers)

    @api.get("/suggest", operation_id="suggest")
    async def suggest(request: Request, q: Annotated[Text, Query(description="what is typed")] = "") -> Suggestions:
        """Completions of the last word, and corrections of unknown words."""
        return await workers.run(request, readable, library.suggest, q)

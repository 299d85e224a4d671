"""Web app: an index as JSON under `/api/v1`, and the page that shows it.

A client that sends something wrong gets `{"error": "one sentence"}` and a status of 400 to 422.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, FastAPI, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

import wordsight
from wordsight.errors import InputError
from wordsight.runs.captioner import Captioner
from wordsight.search.frames import file_of
from wordsight.search.index import Index
from wordsight.vision.headers import media_type
from wordsight.vision.images import TooManyPixels
from wordsight.web.album_routes import album_routes, file_routes, index_routes
from wordsight.web.describing import Situations
from wordsight.web.engine import Damaged, Engine
from wordsight.web.guard import Guard, is_local
from wordsight.web.indexing import Conflict, Forbidden
from wordsight.web.pages import Pages, etag, is_known
from wordsight.web.photo_routes import photo_routes
from wordsight.web.pictures import Gone, NotAPicture, blocks
from wordsight.web.ranges import ranged, video_type
from wordsight.web.schemas import (
    CaptionRequest,
    CaptionResponse,
    Error,
    Health,
    Info,
    Number,
    PictureRequest,
    SearchRequest,
    SearchResponse,
    SketchSearch,
    UploadSearch,
)
from wordsight.web.searching import Scan
from wordsight.web.situation_schemas import SituationResponse
from wordsight.web.work import Busy, Left, Workers

API = "/api/v1"
PAGES = {"/": "index.html", f"{API}/docs": "docs.html"}
FRESH = 1.0  # seconds for which the answer of `/info` is cached
Responses = dict[int | str, dict[str, Any]]
STATUS = {Gone: 404, Forbidden: 403, Conflict: 409, InputError: 400, NotAPicture: 415, TooManyPixels: 413, Damaged: 500}
SAYS = {
    400: "It cannot be used.",
    401: "The token is missing or wrong.",
    403: "It comes from another page, or the server was not started for this.",
    404: "There is none.",
    408: "It came too slowly.",
    409: "Something else is being written.",
    413: "It is too large.",
    415: "It is no picture that can be read.",
    422: "It is not of the form that is described here.",
    500: "The index cannot be read, or something went wrong.",
    503: "Too much is asked at the moment; `Retry-After` says when to ask again.",
}


def create_app(
    index: Index,
    captioner: Captioner | None = None,
    region_captioner: Captioner | None = None,
    token: str = "",
    host: str = "127.0.0.1",
    names: Collection[str] = (),
    show_paths: bool = False,
    photos: Sequence[Path] = (),
    trusted: Collection[str] = (),
    ahead: bool = False,
    situations: Situations | None = None,
    scan: Scan | None = None,
) -> FastAPI:
    """Create the web app.

    Args:
        index: the index to search.
        captioner: describes whole pictures.
        region_captioner: describes regions of pictures.
        token: required of every client; empty for none, which is for this machine alone.
        host: where the server is bound: only this, the names of this machine and `names` may be in `Host`.
        names: further names of the server: of a proxy in front of it, or in the network.
        show_paths: name pictures by their whole paths, not by their names in the index.
        photos: folders that may be indexed from the page, with all below.
        trusted: addresses of proxies whose forwarded headers are believed, or networks of them.
        ahead: prepare the page's first answers at once, in a thread.
        situations: recognises situations in pictures.
        scan: other processes that search for this one.
    """
    app = FastAPI(
        title="wordsight",
        version=wordsight.__version__,
        description="Pictures by sentence, by picture or by region, with the box that matched each word.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    alone = is_local(host) and not (token or names or trusted)
    engine = Engine(index, captioner, region_captioner, show_paths, alone, photos, situations, scan)
    if ahead:
        Thread(target=engine.warm, daemon=True).start()
    app.add_middleware(Pages, names=PAGES)
    app.add_middleware(Guard, host=host, token=token, names=names, trusted=trusted)
    api = APIRouter(responses={status: _error(status) for status in (400, 401, 408, 422, 500, 503)})
    _knowledge(api, engine)
    _model_routes(api, engine)
    _picture_routes(api, engine)
    errors: Responses = {status: _error(status) for status in SAYS}
    photo_routes(api, engine.photos, engine.read, errors)
    for more in (album_routes, file_routes, index_routes):
        more(api, engine, errors)
    app.include_router(api, prefix=API)
    for kind, status in STATUS.items():
        app.add_exception_handler(kind, _sentence(status, engine.private))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(Left, _left)
    return app


def _knowledge(api: APIRouter, engine: Engine) -> None:
    """Add the routes about the server itself, which need no model."""
    workers, turn, last = Workers(1, 2), asyncio.Lock(), (0.0, b"")

    @api.get("/health", operation_id="health")
    async def health() -> Health:
        """Whether the server answers; nothing is looked up."""
        return Health(status="ok")

    @api.get("/info", operation_id="info", response_model=Info)
    async def info(request: Request) -> Response:
        """The server's functions, limits and index."""
        nonlocal last
        async with turn:
            if time.monotonic() - last[0] > FRESH or not last[1]:
                last = 0.0, b""
                last = time.monotonic(), await workers.run(request, _as_json, engine.info)
            return Response(last[1], media_type="application/json")


def _model_routes(api: APIRouter, engine: Engine) -> None:
    """Add the routes that use the model: sentences in one thread; pictures, which take far longer, in another."""
    sentences, pictures = Workers(1, 48), Workers(1, 12)
    sends: Responses = {status: _error(status) for status in (403, 404, 413)}
    uploads = sends | {415: _error(415)}

    @api.post("/search", operation_id="search", response_model=SearchResponse, responses=uploads)
    async def search(asked: SearchRequest, request: Request) -> Response:
        """The pictures that fit sentences, texts, a picture of the index or a region of it, best first."""
        workers = pictures if asked.like else sentences
        return _json(await workers.run(request, _as_json, engine.search, asked))

    @api.post("/search/upload", operation_id="search_upload", response_model=SearchResponse, responses=uploads)
    async def search_upload(
        asked: Annotated[UploadSearch, Form(media_type="multipart/form-data")], request: Request
    ) -> Response:
        """The pictures that fit an uploaded picture or a region of it, and sentences, best first."""
        return _json(await pictures.run(request, _as_json, engine.search_upload, asked))

    @api.post("/search/sketch", operation_id="search_sketch", response_model=SearchResponse, responses=uploads)
    async def search_sketch(
        asked: Annotated[SketchSearch, Form(media_type="multipart/form-data")], request: Request
    ) -> Response:
        """The photos that fit a drawing, best first."""
        return _json(await pictures.run(request, _as_json, engine.search_sketch, asked))

    @api.post("/caption", operation_id="caption", response_model=CaptionResponse, responses=uploads)
    async def caption(
        asked: Annotated[CaptionRequest, Form(media_type="multipart/form-data")], request: Request
    ) -> Response:
        """Captions of a picture and of its regions, or of one region."""
        return _json(await pictures.run(request, _as_json, engine.caption, asked))

    @api.post("/situation", operation_id="situation", response_model=SituationResponse, responses=uploads)
    async def situation(
        asked: Annotated[PictureRequest, Form(media_type="multipart/form-data")], request: Request
    ) -> Response:
        """The situation in a picture: a verb, and the noun that fills each of its roles."""
        return _json(await pictures.run(request, _as_json, engine.situation, asked))


def _picture_routes(api: APIRouter, engine: Engine) -> None:
    """Add the routes of the indexed files."""
    workers = Workers(2, 256)
    bytes_: Responses = {
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "It is what `If-None-Match` says."},
        **{status: _error(status) for status in (404, 413, 415)},
    }

    async def known(number: int, request: Request, kind: str) -> tuple[dict[str, str], bool]:
        """A picture's response headers, by its content, and whether the client has it already."""
        entry = await workers.run(request, engine.entry, number)
        tag = etag(entry.hash.hex() + kind)
        return {"ETag": tag, "Cache-Control": "private, no-cache"}, is_known(request.headers, tag)

    @api.get("/pictures/{number}", operation_id="picture", response_class=Response, responses=bytes_)
    async def picture(number: Number, request: Request) -> Response:
        """The file of an indexed picture, if it is still what was indexed; for a video, the frame as a JPEG."""
        headers, old = await known(number, request, "")
        if old:
            return Response(status_code=304, headers=headers)
        if frame := await workers.run(request, engine.frame, number):
            return Response(frame, media_type="image/jpeg", headers=headers)
        entry, file = await workers.run(request, engine.pictures.open, number)
        kind = await workers.run(request, media_type, file)
        file.seek(0)
        headers |= {"ETag": etag(entry.hash.hex()), "Content-Length": str(entry.bytes)}
        kind = kind if kind.startswith("image/") else "application/octet-stream"
        return StreamingResponse(_closing(file), media_type=kind, headers=headers)

    parts: Responses = {
        206: {"description": "A part of it, as `Range` says."},
        416: {"description": "There is no such part."},
    }
    parts |= bytes_ | {200: {"content": {"video/*": {"schema": {"type": "string", "format": "binary"}}}}}

    @api.get("/pictures/{number}/video", operation_id="video", response_class=Response, responses=parts)
    async def video(number: Number, request: Request) -> Response:
        """The file of an indexed frame's video, or the requested range of it."""
        entry, file = await workers.run(request, engine.video, number)
        tag = etag(entry.hash.hex() + "-video")
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if is_known(request.headers, tag):
            file.close()
            return Response(status_code=304, headers=headers | {"Accept-Ranges": "bytes"})
        kind, head = video_type(file_of(entry.path)), bool(request.scope.get("head"))
        return ranged(file, request.headers, entry.bytes, kind, headers, head)

    @api.get("/pictures/{number}/thumb", operation_id="thumb", response_class=Response, responses=bytes_)
    async def thumb(number: Number, request: Request) -> Response:
        """An indexed picture as a JPEG of at most 512 pixels a side."""
        headers, old = await known(number, request, "-512")
        small = b"" if old else await workers.run(request, engine.thumbnail, number)
        return Response(small, 304 if old else 200, headers, None if old else "image/jpeg")


def _as_json(work: Callable[..., BaseModel], *args: Any) -> bytes:
    return work(*args).model_dump_json().encode()


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _closing(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from blocks(file)


def _error(status: int) -> dict[str, Any]:
    return {"model": Error, "description": SAYS[status]}


def _sentence(status: int, private: Callable[[str], str]) -> Any:
    def answer(request: Request, error: Exception) -> JSONResponse:
        return _said(status, private(str(error)))

    return answer


def _busy(request: Request, error: Exception) -> JSONResponse:
    why = "Too much is asked of this server at the moment; try again in a few seconds."
    return _said(503, why, {"Retry-After": "2"})


def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # no client is left to see it


def _invalid(request: Request, error: Exception) -> JSONResponse:
    """The first error in a request, without the value that was sent."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "The request"
    return _said(422, f"{where}: {first['msg'].removeprefix('Value error, ')}.")


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    said = {404: f"There is nothing at {request.url.path[:200]}.", 405: "This cannot be done here: see the docs."}
    return _said(error.status_code, said.get(error.status_code, str(error.detail)), error.headers)


def _said(status: int, sentence: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": sentence.encode(errors="replace").decode()}, status, headers)

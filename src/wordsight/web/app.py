"""The app: an index as JSON under `/api/v1`, and the page that shows it.

A client that sends something wrong gets `{"error": "one sentence"}` and a status of 400 to 422.
"""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import wordsight
from wordsight.describe import Describer
from wordsight.errors import InputError
from wordsight.search.index import Index
from wordsight.vision.images import TooManyPixels, media_type
from wordsight.web.engine import Engine, NotAPicture
from wordsight.web.guard import Guard
from wordsight.web.pictures import Gone
from wordsight.web.schemas import (
    CaptionRequest,
    CaptionResponse,
    Error,
    Info,
    Number,
    SearchRequest,
    SearchResponse,
    UploadSearch,
)

API = "/api/v1"
STATIC = Path(__file__).with_name("static")
PAGES = {"/": "index.html", f"{API}/docs": "docs.html"}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
Responses = dict[int | str, dict[str, Any]]
STATUS = {Gone: 404, InputError: 400, NotAPicture: 415, TooManyPixels: 413}
SAYS = {
    400: "It cannot be used.",
    401: "The token is missing or wrong.",
    403: "It comes from another page.",
    404: "There is none.",
    413: "It is too large.",
    415: "It is no picture that can be read.",
    422: "It is not of the form that is described here.",
}


def create_app(
    index: Index,
    captioner: Describer | None = None,
    region_captioner: Describer | None = None,
    token: str = "",
    host: str = "127.0.0.1",
) -> FastAPI:
    """The app.

    Args:
        index: what is searched.
        captioner: describes whole pictures.
        region_captioner: describes regions of pictures.
        token: asked of everyone; empty for none, which is for this machine alone.
        host: where the server is bound: only this and the names of this machine may be in `Host`.
    """
    app = FastAPI(
        title="wordsight",
        version=wordsight.__version__,
        description="Pictures by sentence, by picture or by region, with the box that matched each word.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Guard, host=host, token=token)
    app.include_router(_api(Engine(index, captioner, region_captioner)), prefix=API)
    for path in sorted(STATIC.iterdir()):
        _serve(app, f"/{path.name}", path)
    for address, name in PAGES.items():
        _serve(app, address, STATIC / name)
    for kind, status in STATUS.items():
        app.add_exception_handler(kind, _sentence(status))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    return app


def _api(engine: Engine) -> APIRouter:
    """The routes of the API; they run in threads of their own."""
    api = APIRouter(responses={400: _error(400), 401: _error(401), 422: _error(422)})
    sends: Responses = {status: _error(status) for status in (403, 404, 413)}
    uploads = sends | {415: _error(415)}
    bytes_: Responses = {
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        404: _error(404),
    }

    @api.get("/info", operation_id="info")
    def info() -> Info:
        """What this server can do, and with what."""
        return engine.info()

    @api.post("/search", operation_id="search", responses=sends)
    def search(asked: SearchRequest) -> SearchResponse:
        """The pictures that fit sentences, a picture of the index or a region of it, best first."""
        return engine.search(asked)

    @api.post("/search/upload", operation_id="search_upload", responses=uploads)
    def search_upload(asked: Annotated[UploadSearch, Form(media_type="multipart/form-data")]) -> SearchResponse:
        """The pictures that fit one that is sent, or what is in a box of it, and sentences, best first."""
        return engine.search_upload(asked)

    @api.post("/caption", operation_id="caption", responses=uploads)
    def caption(asked: Annotated[CaptionRequest, Form(media_type="multipart/form-data")]) -> CaptionResponse:
        """A picture in words: captions of the whole and snippets of its regions, or of one region."""
        return engine.caption(asked)

    @api.get("/pictures/{number}", operation_id="picture", response_class=Response, responses=bytes_)
    def picture(number: Number) -> Response:
        """The file of an indexed picture, if it is still what was indexed."""
        content = engine.pictures.read(number)[1]
        kind = media_type(content)
        return _bytes(content, kind if kind.startswith("image/") else "application/octet-stream")

    @api.get("/pictures/{number}/thumb", operation_id="thumb", response_class=Response, responses=bytes_)
    def thumb(number: Number) -> Response:
        """An indexed picture as a JPEG of at most 512 pixels a side."""
        return _bytes(engine.pictures.thumbnail(number), "image/jpeg")

    return api


def _bytes(content: bytes, kind: str) -> Response:
    return Response(content, media_type=kind, headers={"Cache-Control": "private, max-age=60"})


def _error(status: int) -> dict[str, Any]:
    return {"model": Error, "description": SAYS[status]}


def _serve(app: FastAPI, address: str, path: Path) -> None:
    """One file at one address: no other can be reached, however it is asked for."""
    content, kind = path.read_bytes(), TYPES[path.suffix]

    def page() -> Response:
        return Response(content, headers={"Content-Type": kind, "Cache-Control": "no-cache"})

    app.add_api_route(address, page, include_in_schema=False)


def _sentence(status: int) -> Any:
    def answer(request: Request, error: Exception) -> JSONResponse:
        return _said(status, str(error))

    return answer


def _invalid(request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong with a request, without what was sent."""
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

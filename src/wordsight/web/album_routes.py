"""Routes of albums, of downloads, of the file manager and of indexing."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from wordsight.web.album_schemas import (
    Album,
    AlbumChange,
    Albums,
    Download,
    IndexFolder,
    IndexState,
    NewAlbum,
    Reveal,
)
from wordsight.web.desk import Desk
from wordsight.web.engine import Engine
from wordsight.web.filter_fields import Id
from wordsight.web.work import Workers

Errors = dict[int | str, dict[str, Any]]


def album_routes(api: APIRouter, engine: Engine, errors: Errors) -> None:
    """Add the routes of albums to the API.

    Args:
        api: receives the routes.
        engine: answers the requests.
        errors: descriptions of responses, by status.
    """
    workers, shelf = Workers(1, 32), engine.shelf
    writes: Errors = {status: errors[status] for status in (403, 404, 409, 413)}
    AlbumId = Annotated[Id, Path(description="of an album")]

    @api.get("/albums", operation_id="albums")
    async def albums(request: Request) -> Albums:
        """Every album, by name."""
        return await workers.run(request, engine.read, shelf.all)

    @api.post("/albums", operation_id="new_album", status_code=201, responses=writes)
    async def new_album(asked: NewAlbum, request: Request) -> Album:
        """Create an album with pictures."""
        return await workers.run(request, shelf.create, asked)

    @api.patch("/albums/{album}", operation_id="change_album", responses=writes)
    async def change_album(album: AlbumId, asked: AlbumChange, request: Request) -> Album:
        """Rename an album, or add or remove pictures."""
        return await workers.run(request, shelf.change, album, asked)

    @api.delete("/albums/{album}", operation_id="delete_album", status_code=204, responses=writes)
    async def delete_album(album: AlbumId, request: Request) -> None:
        """Delete an album; its pictures stay."""
        await workers.run(request, shelf.delete, album)

    text: Errors = {200: {"content": {"application/json": {}, "text/csv": {}}}, 404: errors[404]}

    @api.get("/albums/{album}/export", operation_id="export_album", response_class=Response, responses=text)
    async def export_album(
        album: AlbumId, request: Request, format: Annotated[Literal["json", "csv"], Query()] = "json"
    ) -> Response:
        """Metadata of the pictures in an album, as a file."""
        name, content = await workers.run(request, engine.read, shelf.export, album, format)
        kind = "application/json" if format == "json" else "text/csv; charset=utf-8"
        return Response(content, media_type=kind, headers=_attached(f"{name}.{format}"))


def file_routes(api: APIRouter, engine: Engine, errors: Errors) -> None:
    """Add the routes of files: download several as one, and show one in its folder."""
    workers, desk = Workers(1, 8), Desk(engine)
    refused: Errors = {status: errors[status] for status in (403, 413)}
    zipped: Errors = {200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}}

    @api.post("/download", operation_id="download", response_class=Response, responses=refused | zipped)
    async def download(asked: Annotated[Download, Form()], request: Request) -> Response:
        """Pictures as one zip file; its `left_out.txt` lists those that are gone."""
        parts = await workers.run(request, desk.archive, asked.several)
        return StreamingResponse(parts, media_type="application/zip", headers=_attached("photos.zip"))

    @api.post("/reveal", operation_id="reveal", status_code=204, responses=refused | {404: errors[404]})
    async def reveal(asked: Reveal, request: Request) -> None:
        """Show a picture in the file manager of the server's machine; only if the server is for this machine alone."""
        await workers.run(request, desk.reveal, asked.number)


def index_routes(api: APIRouter, engine: Engine, errors: Errors) -> None:
    """Add the routes that index pictures from the folders that the server was started with."""
    workers, desk = Workers(1, 32), Desk(engine)
    writes: Errors = {status: errors[status] for status in (403, 409, 413)}

    @api.get("/index", operation_id="index_state")
    async def index_state(request: Request) -> IndexState:
        """Progress of the indexing, and the pictures that could not be read."""
        return await workers.run(request, desk.index_state)

    @api.post("/index", operation_id="index", status_code=202, responses=writes)
    async def index(asked: IndexFolder, request: Request) -> IndexState:
        """Start to index a folder; searches work meanwhile."""
        await workers.run(request, engine.indexing.start, asked.folder)
        return await workers.run(request, desk.index_state)

    @api.post("/index/stop", operation_id="stop_index", responses={403: errors[403]})
    async def stop_index(request: Request) -> IndexState:
        """Stop the indexing; pictures added so far are kept."""
        engine.indexing.stop()
        return await workers.run(request, desk.index_state)


def _attached(name: str) -> dict[str, str]:
    """Response headers that make a browser save the file."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}

"""The reader's page: its document, its scripts, and the list of what is to be read."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from nbannot.errors import NbannotError, ServiceError
from nbannot.hub.guard import NOTE
from nbannot.hub.login import Visitor
from nbannot.hub.observe import tell
from nbannot.hub.telling import my_tasks

STATIC = Path(__file__).resolve().parents[1] / "viewer" / "static"
"""Where `make js` puts the browser modules."""

_FILES = ("page.js", "page.css", "viewer.js", "viewer.css", "decode.js", "forms.js", "live.js", "volume3d.js")
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_READING = "/api/v1/projects/{project}/reading"


def page_routes() -> Sequence[BaseRoute]:
    """Return the routes of the page, below the service's prefix."""
    return (
        Route("/", _page, methods=["GET"]),
        Route("/static/{name}", _static, methods=["GET"]),
        Route(_READING, _reading, methods=["GET"]),
    )


@cache
def _files() -> dict[str, tuple[str, bytes]]:
    """Return the page's files by their plain name: the name with their hash, and their bytes."""
    found = {}
    for name in _FILES:
        try:
            data = (STATIC / name).read_bytes()
        except OSError as cause:
            raise ServiceError(
                f"The browser part of the page is missing: {name}",
                hint='Run "make js", or install the wheel.',
            ) from cause
        stem, _, ending = name.rpartition(".")
        found[name] = f"{stem}-{hashlib.sha256(data).hexdigest()[:16]}.{ending}", data
    return found


def prepare() -> None:
    """Read and pack the page's files, so that the first reader does not wait for it.

    Raises
    ------
    ServiceError
        When one is missing.
    """
    for name in _files():
        _packed(name)


@cache
def _packed(name: str) -> bytes:
    """Return a file of the page in gzip's form; made once."""
    return gzip.compress(_files()[name][1], mtime=0)


def shell(prefix: str) -> tuple[str, str]:
    """Return the page's HTML up to what this reader has to read, and from there on.

    Parameters
    ----------
    prefix
        Path of the service, with a slash at both ends.
    """
    places = {name: f"static/{hashed}" for name, (hashed, _) in _files().items()}
    at = {name: html.escape(prefix + place, quote=True) for name, place in places.items()}
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>nbannot</title>'
        '<link rel="icon" href="data:,">'
        f'<link rel="modulepreload" href="{at["page.js"]}"><link rel="modulepreload" href="{at["viewer.js"]}">'
        f'<link rel="stylesheet" href="{at["viewer.css"]}"><link rel="stylesheet" href="{at["page.css"]}">',
        f'<script type="module" src="{at["page.js"]}"></script></head>'
        f'<body data-nbannot-base="{html.escape(prefix, quote=True)}" '
        f'data-nbannot-files="{html.escape(json.dumps(places), quote=True)}"',
    )


async def _page(request: Request) -> Response:
    request.scope[NOTE]["route"] = "/"
    service = request.app.state.service
    visitor = await service.login.visitor(request)
    if visitor is None:
        service.spend_as_stranger(request)
        answer: Response = await service.login.begin(request)
        return answer
    head, body = await to_thread.run_sync(shell, service.place.prefix)
    return StreamingResponse(_told(request, visitor, head, body), media_type="text/html; charset=utf-8")


async def _told(request: Request, visitor: Visitor, head: str, body: str) -> AsyncIterator[str]:
    """Give the page in two parts: the browser fetches the scripts while the store is asked for the list."""
    yield head
    service, project = request.app.state.service, request.query_params.get("project", "")
    try:
        mine = await to_thread.run_sync(_begin_with, service, visitor, project, limiter=service.threads)
    except Exception as error:
        # The page asks for it itself, and says what it is answered.
        tell("page", kind=type(error).__name__)
        mine = None
    told = "" if mine is None else f' data-nbannot-mine="{html.escape(json.dumps(mine), quote=True)}"'
    yield f"{body}{told}><noscript>This page needs JavaScript.</noscript></body></html>"


def _begin_with(service: Any, visitor: Visitor, asked: str) -> dict[str, Any]:
    """Return what a page begins with: the token against forged requests, the projects, the list of one.

    No name of a person is in it.
    """
    names = [name for name in sorted(service.projects) if service.roles(name, visitor.person)]
    mine: dict[str, Any] = {"csrf": visitor.csrf, "projects": [{"name": name} for name in names]}
    if names:
        name = asked if asked in names else names[0]
        _, project = service.project(name, visitor.person)
        mine |= {"project": name, "tasks": my_tasks(project)}
    return mine


async def _static(request: Request) -> Response:
    request.scope[NOTE]["route"] = "/static"
    wanted = request.path_params["name"]
    for name, (hashed, data) in (await to_thread.run_sync(_files)).items():
        if hashed == wanted:
            # The name changes with the content.
            headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
            if "gzip" in request.headers.get("accept-encoding", ""):
                headers["content-encoding"] = "gzip"
                data = await to_thread.run_sync(_packed, name)
            return Response(data, media_type=_TYPES[Path(hashed).suffix], headers=headers)
    raise HTTPException(404)


async def _reading(request: Request) -> Response:
    """Answer with the tasks of the one who asks, under neutral names."""
    request.scope[NOTE]["route"] = _READING
    service, visitor = request.app.state.service, None
    try:
        visitor = await service.let_in(request)
        tasks = await to_thread.run_sync(_look, service, request, visitor.person, limiter=service.threads)
    except NbannotError as error:
        await service.refused(error, request, visitor)
        raise
    return JSONResponse({"tasks": tasks})


def _look(service: Any, request: Request, person: str) -> list[dict[str, Any]]:
    _, project = service.project(request.path_params["project"], person)
    return my_tasks(project)

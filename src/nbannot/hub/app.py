"""The service as an ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from nbannot.errors import NbannotError
from nbannot.hub import api, replies
from nbannot.hub.endpoints import ENDPOINTS
from nbannot.hub.guard import NOTE, Guard, TooLargeError
from nbannot.hub.limits import Limits
from nbannot.hub.live import Rooms, live_route
from nbannot.hub.login import Login
from nbannot.hub.openapi import document
from nbannot.hub.origin import Place
from nbannot.hub.service import Service


def make_app(
    projects: Mapping[str, Any],
    *,
    login: Login,
    rooms: Rooms | None = None,
    pages: Sequence[BaseRoute] = (),
    place: Place | None = None,
    limits: Limits | None = None,
    index_from: Mapping[str, Sequence[str]] | None = None,
) -> ASGIApp:
    """Return the service.

    Parameters
    ----------
    projects
        By the name in their URL.
    login
        Decides who is let in.
    rooms
        Serves the websockets of tasks.
    pages
        Routes of the reader's page, below the prefix.
    place
        Where the service is for browsers; at ``/`` when missing.
    limits
        Bounds for requests.
    index_from
        Paths and URLs that programs may have indexed, by project; none when missing.
    """
    place = place or Place()
    service = Service(projects, login=login, place=place, limits=limits or Limits(), index_from=index_from)
    if hasattr(login, "ended"):
        login.ended = service.ended
    routes: list[BaseRoute] = [
        Route("/health", _health(service)),
        Route("/metrics", _metrics(service)),
        Route("/openapi.json", _openapi(place)),
        *(endpoint.route(service) for endpoint in ENDPOINTS),
        *([live_route(service, rooms)] if rooms is not None else []),
        *login.routes,
        *pages,
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(service.jobs.close)
        await login.close()

    prefix = place.prefix.rstrip("/")
    app = Starlette(
        routes=[Mount(prefix, routes=routes)] if prefix else routes,
        middleware=[Middleware(Guard, limits=service.limits, metrics=service.metrics)],
        exception_handlers={
            NbannotError: _told, HTTPException: _plain, TooLargeError: _too_large, Exception: api.failed,
        },
        lifespan=lifespan,
    )  # fmt: skip
    app.state.service = service
    return app


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, NbannotError)
    return replies.of_error(error)


async def _plain(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return replies.not_found()
    words = {405: "This address does not take that method"}
    return replies.refusal(status, "ServiceError", words.get(status, "The request was refused"))


async def _too_large(request: Request, error: Exception) -> Response:
    return replies.refusal(413, "ServiceError", "The request is too large")


def _health(service: Service) -> Any:
    def look() -> bool:
        return all(project.people.roles() is not None for project in service.projects.values())

    async def health(request: Request) -> Response:
        request.scope[NOTE]["route"] = "/health"
        try:
            await to_thread.run_sync(look)
        except (NbannotError, OSError):
            return JSONResponse({"status": "the store does not answer"}, 503)
        return JSONResponse({"status": "ok"})

    return health


def _metrics(service: Service) -> Any:
    async def metrics(request: Request) -> Response:
        request.scope[NOTE]["route"] = "/metrics"
        service.metrics.snapshots.set(sum(one.snapshots_waiting for one in service.projects.values()))
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    return metrics


def _openapi(place: Place) -> Any:
    async def openapi(request: Request) -> Response:
        request.scope[NOTE]["route"] = "/openapi.json"
        return JSONResponse(document(ENDPOINTS, place.prefix))

    return openapi

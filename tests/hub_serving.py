"""The service in this process, over real HTTP, with a login that needs no Hub."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from nbannot.hub import Visitor, make_app
from nbannot.hub.limits import Limits
from nbannot.hub.origin import Place

CSRF = "csrf-token-of-the-tests"
PREFIX = "/services/nbannot/"


class FixedLogin:
    """Lets in whoever says a name: `Authorization: token NAME`, or a cookie `name=NAME`."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.away: Exception | None = None

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return ()

    async def visitor(self, connection: HTTPConnection) -> Visitor | None:
        if self.away is not None:
            raise self.away
        header = connection.headers.get("authorization", "")
        if header.startswith("token "):
            name = header.removeprefix("token ")
            return None if name in self.gone else Visitor(name)
        name = connection.cookies.get("name", "")
        return Visitor(name, f"session of {name}", CSRF) if name and name not in self.gone else None

    async def begin(self, request: Request) -> Response:
        return PlainTextResponse("log in", 401)

    async def close(self) -> None:
        return None


class Served:
    """A running service: `url`, its `login`, and the `service` object."""

    def __init__(self, url: str, login: Any, app: Any) -> None:
        self.url, self.login, self.app = url, login, app


LIMITS = Limits(per_second=100_000, burst=100_000, stranger_per_second=100_000, stranger_burst=100_000)


@contextlib.contextmanager
def serving(projects: dict[str, Any], *, login: Any = None, **options: Any) -> Iterator[Served]:
    """Run the service on a free port of the loopback interface."""
    login = login or FixedLogin()
    options.setdefault("place", Place(PREFIX))
    options.setdefault("limits", LIMITS)
    app = make_app(projects, login=login, **options)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, access_log=False, ws="websockets-sansio",
        ws_max_size=options["limits"].edit_bytes, server_header=False, timeout_graceful_shutdown=2,
        ws_per_message_deflate=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < end, "The service did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(f"http://127.0.0.1:{port}{options['place'].prefix.rstrip('/')}", login, app)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "The service did not end"

"""The service for the reader's page in a process of its own: `python reader_service.py FOLDER PORT`.

A folder `second` beside it is served as a project of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import nbannot as nb
from hub_serving import CSRF, LIMITS, PREFIX, FixedLogin
from nbannot.hub import make_app
from nbannot.hub.origin import Place
from nbannot.hub.page import page_routes
from nbannot.hub.rooms import Rooms


class Login(FixedLogin):
    """Lets in whoever says a name, until they log out."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: Callable[[str], None] = lambda key: None

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (Route("/logout", self._logout, methods=["POST"]),)

    async def _logout(self, request: Request) -> Response:
        visitor = await self.visitor(request)
        if visitor is None or request.headers.get("x-csrf-token") != CSRF:
            return Response(status_code=403)
        self.gone.add(visitor.person)
        self.ended(str(visitor.session))
        return Response(status_code=204)


def main(place: str, port: int) -> None:
    """Serve a project, a folder or a URL, and the folder "second" beside it where there is one."""
    places = {"study": place}
    second = Path(place).parent / "second"
    if "://" not in place and second.exists():
        places["second"] = str(second)
    projects = {name: nb.open_project(one, author="boss") for name, one in places.items()}
    app = make_app(
        projects,
        login=Login(),
        rooms=Rooms(projects),
        pages=page_routes(),
        place=Place(PREFIX),
        limits=LIMITS,
    )
    uvicorn.run(
        app, host="127.0.0.1", port=port, ws="websockets-sansio", ws_max_size=LIMITS.edit_bytes,
        ws_per_message_deflate=False, log_level="warning", timeout_graceful_shutdown=2,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

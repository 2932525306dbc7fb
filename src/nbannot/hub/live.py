"""The websocket of a task: let in before it is accepted, asked again while it is open."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from nbannot.errors import NbannotError, ServiceError
from nbannot.hub import replies
from nbannot.hub.guard import NOTE
from nbannot.hub.limits import SlowDownError
from nbannot.hub.login import Visitor
from nbannot.hub.observe import tell
from nbannot.hub.service import Service

PROTOCOL = "nbannot.v1"
ROUTE = "/api/v1/projects/{project}/tasks/{task}/live"
RECHECK_S = 3.0
GRACE_S = 60.0
LOGIN_GONE = 4401


class Rooms(Protocol):
    """Where people and sessions meet."""

    async def live(self, websocket: WebSocket, person: str, project: str, task: str) -> None:
        """Serve an accepted socket until it ends."""
        ...


def live_route(
    service: Service, rooms: Rooms, *, recheck: float = RECHECK_S, grace: float = GRACE_S
) -> WebSocketRoute:
    """Return the route of the websocket.

    Parameters
    ----------
    service
        What lets in.
    rooms
        Serves the socket once it is accepted.
    recheck
        Seconds from one look at the login to the next.
    grace
        Seconds that a socket stays open while the Hub cannot be asked.
    """

    async def live(websocket: WebSocket) -> None:
        websocket.scope[NOTE]["route"] = ROUTE
        visitor: Visitor | None = None
        try:
            visitor = await service.let_in(websocket)
            if PROTOCOL not in websocket.scope.get("subprotocols", ()):
                raise NbannotError(f"The socket must offer the protocol {PROTOCOL}")
            if service.sockets[visitor.person] >= service.limits.sockets:
                raise SlowDownError(10)
            await service.find_task(
                websocket.path_params["project"], visitor.person, websocket.path_params["task"]
            )
        except NbannotError as error:
            await service.refused(error, websocket, visitor)
            await websocket.send_denial_response(_denial(error))
            return
        await websocket.accept(subprotocol=PROTOCOL)
        await _serve(websocket, visitor, service, rooms, _Watch(service, visitor, recheck, grace))

    return WebSocketRoute(ROUTE, live)


def _denial(error: NbannotError) -> Response:
    return replies.of_error(error)


class _Watch:
    """Ends when the login of an open socket is over."""

    def __init__(self, service: Service, visitor: Visitor, recheck: float, grace: float) -> None:
        self._service, self._visitor = service, visitor
        self._recheck, self._grace = recheck, grace
        self._now = asyncio.Event()

    def end(self) -> None:
        """Look at once: the login was ended in this process."""
        self._now.set()

    async def over(self, connection: HTTPConnection) -> str:
        """Return why the login is over, when it is."""
        known = time.monotonic()
        while True:
            try:
                await asyncio.wait_for(self._now.wait(), self._recheck)
                return "logged out"
            except TimeoutError:
                pass
            try:
                visitor = await self._service.login.visitor(connection)
            except ServiceError:
                if time.monotonic() - known > self._grace:
                    return "the Hub does not answer"
                continue
            except Exception as error:
                # A database that is away for a moment must not end people's work, nor let it go on for ever.
                tell("recheck", kind=type(error).__name__, person=self._visitor.person)
                if time.monotonic() - known > self._grace:
                    return "the login cannot be checked"
                continue
            if visitor is None or visitor.person != self._visitor.person:
                return "the login is over"
            known = time.monotonic()


async def _serve(
    websocket: WebSocket, visitor: Visitor, service: Service, rooms: Rooms, watch: _Watch
) -> None:
    person, key = visitor.person, visitor.session
    service.sockets[person] += 1
    service.metrics.sockets.inc()
    if key is not None:
        service.endings.setdefault(key, set()).add(watch.end)
    project, task = websocket.path_params["project"], websocket.path_params["task"]
    working = asyncio.create_task(rooms.live(websocket, person, project, task))
    watching = asyncio.create_task(watch.over(websocket))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            reason = watching.result()
            tell("socket closed", person=person, reason=reason)
            working.cancel()
            await asyncio.wait((working,))
            await _close(websocket, reason)
        elif not working.cancelled() and (error := working.exception()) is not None:
            raise error
    finally:
        for task_ in (working, watching):
            task_.cancel()
        service.sockets[person] -= 1
        if not service.sockets[person]:
            del service.sockets[person]
        service.metrics.sockets.dec()
        if key is not None and key in service.endings:
            service.endings[key].discard(watch.end)
            if not service.endings[key]:
                del service.endings[key]


async def _close(websocket: WebSocket, reason: str) -> None:
    try:
        await websocket.close(LOGIN_GONE, reason)
    except RuntimeError:
        return  # it was closed already

"""Who is asking: what the service needs to know of any kind of login."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is let in.

    Parameters
    ----------
    person
        Name at the Hub; the actor in projects.
    session
        Key of the browser's session, for finding its sockets; None for a program with a token.
    csrf
        Token that unsafe requests of the browser's session must bring; None for a program.
    """

    person: str
    session: str | None = None
    csrf: str | None = None


class Login(Protocol):
    """Decides who is let in; asked again with every request and while a socket is open."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The pages of the login itself, below the service's prefix."""
        ...

    async def visitor(self, connection: HTTPConnection) -> Visitor | None:
        """Return who asks, or None for a stranger.

        Raises
        ------
        ServiceError
            When it cannot be known now, because the Hub does not answer.
        """
        ...

    async def begin(self, request: Request) -> Response:
        """Return what sends a browser to the login and back to the page it asked for."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

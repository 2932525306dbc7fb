"""Where the service is for browsers, and whether a request comes from its own pages."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from nbannot.errors import AccessError

CSRF_PROTOCOL = "csrf."
CSRF_HEADER = "x-csrf-token"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service is for browsers.

    Parameters
    ----------
    prefix
        Path of the service, with a slash at both ends.
    public_url
        ``https://host`` as browsers see it; where it is empty, a request's own Host counts.
    """

    prefix: str = "/"
    public_url: str = ""

    def origin(self, connection: HTTPConnection) -> str:
        """Return the origin (``https://host:port``) of the service's pages."""
        if self.public_url:
            parts = urlsplit(self.public_url)
            return f"{parts.scheme}://{parts.netloc}".lower()
        scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
        return f"{scheme}://{connection.headers.get('host', '')}".lower()

    def is_https(self, connection: HTTPConnection) -> bool:
        """Return whether browsers reach the service by https."""
        return self.origin(connection).startswith("https:")

    def inside(self, path: str) -> str:
        """Return the path when it is of this service, else its first page."""
        plain = path.startswith(self.prefix) and "\\" not in path and not path.startswith("//")
        return path if plain and path.isprintable() else self.prefix

    def check_origin(self, connection: HTTPConnection) -> None:
        """Refuse what another site's page sends.

        Raises
        ------
        AccessError
            When the Origin is missing or another one.
        """
        given = connection.headers.get("origin", "").lower()
        mine = self.origin(connection)
        # Behind a proxy that ends TLS and does not say so, the host still has to be the same.
        same_host = not self.public_url and urlsplit(given).netloc == urlsplit(mine).netloc
        if not given or not (given == mine or (same_host and given.startswith("https:"))):
            raise AccessError("This request does not come from a page of this service")

    def check_page(self, connection: HTTPConnection, csrf: str | None) -> None:
        """Refuse an unsafe request that no page of this service sent.

        Raises
        ------
        AccessError
            When the Origin or the token against forged requests is missing or wrong.
        """
        self.check_origin(connection)
        if connection.scope["type"] == "websocket":
            offered = connection.scope.get("subprotocols", ())
            given = [name[len(CSRF_PROTOCOL) :] for name in offered if name.startswith(CSRF_PROTOCOL)]
        else:
            given = [connection.headers.get(CSRF_HEADER, "")]
        if not csrf or not any(hmac.compare_digest(csrf.encode(), token.encode()) for token in given):
            raise AccessError(
                "This request does not carry the token of its page", hint="Load the page again."
            )

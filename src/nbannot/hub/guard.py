"""Around every request: a number, security headers, limits, one line in the log, and figures."""

from __future__ import annotations

import time
from secrets import token_hex
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nbannot.hub.limits import Limits
from nbannot.hub.observe import Metrics, tell

NOTE = "nbannot"
"""Where a request's own notes are in its scope: route, person, project, body limit."""

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "x-robots-tag": "noindex",
}


def policy(socket_origin: str) -> str:
    """Return the Content-Security-Policy: only what this service sends runs, and nobody frames it."""
    return (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
        "img-src 'self' data: blob:; font-src 'self'; worker-src 'self' blob:; manifest-src 'self'; "
        f"connect-src 'self' {socket_origin}; "
        "frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
    )


class TooLargeError(Exception):
    """The body is larger than it may be."""


class Guard:
    """An ASGI middleware.

    Parameters
    ----------
    app
        What it guards.
    limits
        How large bodies may be, how often strangers may ask.
    metrics
        Where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, metrics: Metrics) -> None:
        self.app, self.limits, self.metrics = app, limits, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, guarded."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        note: dict[str, Any] = {"request": token_hex(8), "route": "other", "limit": self.limits.json_bytes}
        scope[NOTE] = note
        start = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                self._dress(scope, message, note)
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self.app(scope, self._bounded(scope, receive), answer)
        finally:
            self._note(scope, note, status, time.perf_counter() - start)

    def _dress(self, scope: Scope, message: Message, note: dict[str, Any]) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        # Firefox and older browsers do not count sockets of the same host as 'self'.
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        plain = host and all(letter.isalnum() or letter in ".-:[]" for letter in host)
        headers["content-security-policy"] = policy(f"ws://{host} wss://{host}" if plain else "")
        headers.setdefault("cache-control", "no-store")
        headers["x-request-id"] = note["request"]

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        if scope["type"] != "http":
            return receive
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > scope[NOTE]["limit"]:
                    raise TooLargeError
            return message

        return bounded

    def _note(self, scope: Scope, note: dict[str, Any], status: int, seconds: float) -> None:
        method = scope.get("method", "WEBSOCKET")
        method = method if method in ("GET", "POST", "PUT", "DELETE", "HEAD", "WEBSOCKET") else "OTHER"
        self.metrics.requests.labels(method, note["route"], str(status)).inc()
        if method != "WEBSOCKET":
            self.metrics.seconds.labels(note["route"]).observe(seconds)
        shown = {key: note[key] for key in ("request", "route", "person", "project") if key in note}
        tell("request", method=method, status=status, ms=round(seconds * 1000, 1), **shown)

"""Talks to the service: one place for the token, timeouts, tries and errors."""

from __future__ import annotations

import json
import os
import random
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from nbannot import errors
from nbannot.errors import LoginError, NbannotError, ServiceError, StoreError, need
from nbannot.store.wire import FRAME, pack, unpack

if TYPE_CHECKING:
    import httpx

TRIES = 5
PATIENCE_S = 90.0
"""No further try after so long: a service that takes requests and never answers must not hold a program for ever."""
REQUEST_HEADER = "nbannot-request"
"""Where a request says in JSON what its file is for: addresses are logged, this header is not."""
_AWAY = (429, 502, 503, 504)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ServiceClient:
    """Requests to one project of a service.

    Every request may be sent again: the service does nothing twice.

    Parameters
    ----------
    url
        ``https://host/services/nbannot`` or that with ``/projects/NAME``.
    token
        A token of the Hub; of the notebook server when missing.

    Raises
    ------
    StoreError
        When the address is not safe to send a token to.
    LoginError
        When there is no token.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        library = need("httpx", extra="hub")
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise StoreError("A token is not sent over plain http", hint="Use the https:// address.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise StoreError(
                "The address of a service carries no token, name or query",
                hint='Give the token apart: storage_options={"token": …}.',
            )
        token = token or os.environ.get("JUPYTERHUB_API_TOKEN", "")
        if not token:
            raise LoginError(
                "There is no token for the service",
                hint='Run this in a notebook of the Hub, or give storage_options={"token": …} with a token '
                "from the Hub's page Token.",
            )
        path, _, project = parts.path.partition("/projects/")
        self.root = f"{parts.scheme}://{parts.netloc}{path.rstrip('/')}"
        self.project = project.strip("/")
        self._client: httpx.Client = library.Client(
            headers={"Authorization": f"token {token}"}, follow_redirects=False,
            timeout=library.Timeout(60, connect=10),
        )  # fmt: skip

        # Sessions outlive their project object: the connections are closed with the last of them.
        self._close = weakref.finalize(self, self._client.close)

    def close(self) -> None:
        """Close the connections."""
        self._close()

    def get(self, path: str) -> Any:
        """Return the JSON at a path of the project."""
        return self._json(self._send("GET", path))

    def post(self, path: str, **fields: Any) -> Any:
        """Send fields and return the JSON of the answer."""
        return self._json(self._send("POST", path, **_body(fields)))

    def file(self, path: str) -> bytes:
        """Return the bytes of a file at a path of the project."""
        return self._send("GET", path).content

    def frame(self, path: str) -> tuple[Any, list[memoryview]]:
        """Return message and buffers at a path of the project."""
        return unpack(self._send("GET", path).content)

    def fetch(self, path: str, **fields: Any) -> tuple[Any, list[memoryview]]:
        """Send fields and return message and buffers of the answer."""
        return unpack(self._send("POST", path, **_body(fields)).content)

    def post_frame(self, path: str, message: Any, buffers: Sequence[bytes]) -> Any:
        """Send a message with buffers and return the JSON of the answer."""
        content = pack(message, buffers)
        return self._json(self._send("POST", path, content=content, headers={"Content-Type": FRAME}))

    def post_file(self, path: str, file: Any, **fields: Any) -> Any:
        """Send an open file, from its start, and return the JSON of the answer."""

        def pieces() -> Iterable[bytes]:
            file.seek(0)
            while piece := file.read(1 << 20):
                yield piece

        headers = {"Content-Type": "application/octet-stream", REQUEST_HEADER: quote(json.dumps(fields))}
        return self._json(self._send("POST", path, pieces=pieces, headers=headers, timeout=600))

    def fetch_file(self, path: str, target: Any, **fields: Any) -> None:
        """Write the file that the answer to these fields is to an open file; asked once.

        Raises
        ------
        StoreError
            When it breaks off.
        ServiceError
            When the service does not answer.
        """
        import httpx

        where = f"{self.root}/api/v1/projects/{self.project}{path}"
        begun = False
        try:
            with self._client.stream("POST", where, **_body(fields), timeout=600) as answer:
                begun = answer.is_success
                if not begun:
                    answer.read()
                    raise self._error(answer)
                for piece in answer.iter_bytes(1 << 20):
                    target.write(piece)
        except httpx.TransportError as cause:
            if begun:
                raise StoreError(
                    "The service broke off in the middle",
                    hint="Nothing was written. Perhaps a file of an image is missing there; its log says more.",
                ) from cause
            raise self._away() from cause

    def _send(self, method: str, path: str, *, pieces: Any = None, **options: Any) -> httpx.Response:
        import httpx

        where = f"/projects/{self.project}{path}" if path != "/me" else path
        problem: Exception | None = None
        end = time.monotonic() + PATIENCE_S
        for attempt in range(TRIES):
            if attempt:
                if time.monotonic() > end:
                    break
                time.sleep(random.uniform(0.5, 1) * 0.3 * 2**attempt)
            given = {**options, "content": pieces()} if pieces is not None else options
            try:
                answer = self._client.request(method, f"{self.root}/api/v1{where}", **given)
            except httpx.TransportError as cause:
                problem = cause
                continue
            except RuntimeError as cause:
                if self._client.is_closed:
                    raise StoreError("The project is closed", hint="Open it again.") from cause
                raise
            if answer.status_code in _AWAY and attempt + 1 < TRIES:
                continue
            if answer.is_success:
                return answer
            raise self._error(answer)
        raise self._away() from problem

    def _away(self) -> ServiceError:
        return ServiceError(
            f"The service at {urlsplit(self.root).netloc} does not answer",
            hint="This was not kept; everything kept before is safe. Try again when it is back.",
        )

    def _error(self, answer: httpx.Response) -> NbannotError:
        try:
            return self.error_of(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            if answer.is_redirect:
                return ServiceError(
                    "There is a login page where the service should be", hint="Check the address."
                )
            return ServiceError(
                f"The service answered {answer.status_code}", hint="Check the address, or try later."
            )

    def error_of(self, told: Mapping[str, Any]) -> NbannotError:
        """Return the error that the service tells."""
        kind, message, hint = (str(told[key]) for key in ("kind", "message", "hint"))
        cls = getattr(errors, kind, None)
        if isinstance(cls, type) and issubclass(cls, NbannotError):
            return cls(message, hint=hint)
        return ServiceError(message, hint=hint)

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as cause:
            raise ServiceError(
                "The answer does not come from an nbannot service", hint="Check the address."
            ) from cause


def _body(fields: Mapping[str, Any]) -> dict[str, Any]:
    # Also what JSON has no number for: the service says what is wrong with it.
    return {"content": json.dumps(fields), "headers": {"Content-Type": "application/json"}}

"""Errors as answers: one JSON shape, and nothing in it about the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from nbannot import errors
from nbannot.errors import NbannotError
from nbannot.hub.limits import SlowDownError

# The first that fits counts, so the narrower ones come first.
_STATUS: tuple[tuple[type[NbannotError], int], ...] = (
    (SlowDownError, 429),
    (errors.LoginError, 401),
    (errors.UnknownItemError, 404),
    (errors.UnknownLabelError, 404),
    (errors.LockedError, 423),
    (errors.AccessError, 403),
    (errors.HeaderRefusedError, 403),
    (errors.ConflictError, 409),
    (errors.ReadOnlyError, 403),
    (errors.ServiceError, 503),
    (errors.NewerVersionError, 500),
    (errors.MissingDependencyError, 500),
    (errors.StoreError, 409),
    (NbannotError, 422),
)
_PATH = re.compile(r"(?<![\w.])(?:[a-z][a-z0-9+]*://|[A-Za-z]:[\\/]|/)[^\s'\",;)]+")


def payload(error: NbannotError) -> dict[str, str]:
    """Return kind, message and hint of an error, without paths and addresses of the machine."""
    return {key: _PATH.sub("…", text) for key, text in error.payload.items()}


def status_of(error: NbannotError) -> int:
    """Return the HTTP status of an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def refusal(
    status: int, kind: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error as an answer."""
    body: dict[str, Any] = {"error": {"kind": kind, "message": message, "hint": hint}}
    return JSONResponse(body, status, headers=dict(headers or {}))


def of_error(error: NbannotError, said: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an error of nbannot as an answer, in its own words or in those given."""
    headers = {"retry-after": str(error.seconds)} if isinstance(error, SlowDownError) else None
    body = {"error": payload(error) if said is None else dict(said)}
    return JSONResponse(body, status_of(error), headers=headers)


def not_found() -> JSONResponse:
    """Return the one answer for what is not there and for what is somebody else's."""
    return refusal(404, "UnknownItemError", "There is nothing here for you")


def stranger() -> JSONResponse:
    """Return the answer for who is not logged in."""
    hint = "Open the page to log in; a program sends its Hub token in the Authorization header."
    return refusal(401, "LoginError", "Nobody is logged in here", hint)

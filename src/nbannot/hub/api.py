"""REST: what an endpoint is, who may call it, and how a call is read, run and answered."""

from __future__ import annotations

import json
import logging
import math
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from anyio import to_thread
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from nbannot.errors import NbannotError, StoreError
from nbannot.hub import replies
from nbannot.hub.guard import NOTE
from nbannot.hub.login import Visitor
from nbannot.hub.neutral import named_case
from nbannot.hub.observe import tell
from nbannot.hub.service import Service
from nbannot.hub.telling import for_reader
from nbannot.store.remote_client import REQUEST_HEADER
from nbannot.store.served import check
from nbannot.store.wire import FRAME, pack, unpack

Kind = Literal["text", "int", "names", "number", "bool", "texts", "list", "object", "any"]
REQUIRED: Any = object()
_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,), "list": (list,), "int": (int,), "number": (int, float), "bool": (bool,),
    "texts": (list,), "names": (str, list),
    "object": (dict,), "any": (object,),
}  # fmt: skip
_MOST_TEXT = 20_000
_MOST_TEXTS = 200_000


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a query or of a JSON body.

    Parameters
    ----------
    kind
        What it must be.
    default
        Its value when missing; `REQUIRED` for none.
    most
        Longest text.
    """

    kind: Kind = "text"
    default: Any = REQUIRED
    most: int = _MOST_TEXT

    def read(self, name: str, value: Any) -> Any:
        """Return the value when it is of the kind.

        Raises
        ------
        NbannotError
            When it is not.
        """
        if value is None and self.default is not REQUIRED:
            return self.default
        right = isinstance(value, _TYPES[self.kind]) and (self.kind == "bool" or not isinstance(value, bool))
        if self.kind in ("int", "number"):
            right = right and math.isfinite(value) and abs(value) < 2**53
        elif self.kind == "text":
            right = right and len(value) <= self.most
        elif self.kind in ("texts", "names"):
            right = right and _names(value)
        elif self.kind == "any":
            right = True
        if not right:
            raise NbannotError(f"{name!r} must be {_WORDS[self.kind]}")
        if self.kind in ("text", "texts", "names") and "\0" in "".join(value):
            raise StoreError(f"{name!r} holds characters that cannot be kept")
        return value

    def parse(self, name: str, text: str) -> Any:
        """Return the value that a text of a query stands for."""
        if self.kind == "bool":
            return self.read(
                name, {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
            )
        if self.kind in ("int", "number"):
            with suppress(ValueError):
                return self.read(name, int(text) if self.kind == "int" else float(text))
            raise NbannotError(f"{name!r} must be {_WORDS[self.kind]}")
        return self.read(name, text)


_WORDS = {
    "text": "a text that is not too long", "int": "a whole number", "number": "a number",
    "bool": "true or false", "texts": "a list of texts", "names": "a name, a pattern or a list of names",
    "list": "a list", "object": "an object", "any": "JSON",
}  # fmt: skip


@dataclass(slots=True)
class Call:
    """A call that was read and may be run: in a thread, with the project acting as the person."""

    service: Service
    visitor: Visitor
    params: Mapping[str, Any]
    data: Mapping[str, Any] = field(default_factory=dict)
    buffers: Sequence[memoryview] = ()
    file: Path | None = None
    name: str = ""
    # What is done after the answer.
    afterwards: list[Callable[[], object]] = field(default_factory=list)
    # The project as the person's; None for endpoints beside all projects.
    project: Any = None

    @property
    def person(self) -> str:
        """Who calls."""
        return self.visitor.person


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and a path of the service.

    Parameters
    ----------
    method, path
        Path below ``/api/v1``.
    run
        Does it and returns what `gives` says: JSON, (message, buffers) of a frame, the bytes of a file, or their
        pieces as they are made.
    summary
        One sentence for the OpenAPI document.
    query, body
        Fields that are taken; others are refused.
    takes
        "json", "frame" (message of the fields, and buffers) or "file".
    gives
        "json", "frame", "file" or "pieces" (of a file).
    needs
        Action that is asked for before a file is taken, so that not everybody can fill the disk.
    """

    method: str
    path: str
    run: Callable[[Call], Any]
    summary: str
    query: Mapping[str, Field] = field(default_factory=dict)
    body: Mapping[str, Field] = field(default_factory=dict)
    takes: Literal["json", "frame", "file"] = "json"
    gives: Literal["json", "frame", "file", "pieces"] = "json"
    needs: str = ""

    def route(self, service: Service) -> Route:
        """Return the route of the endpoint."""

        async def answer(request: Request) -> Response:
            return await handled(request, self, service)

        return Route(f"/api/v1{self.path}", answer, methods=[self.method])


async def handled(request: Request, endpoint: Endpoint, service: Service) -> Response:
    """Let in, read, run and answer; every failure becomes an answer in the one shape."""
    note = request.scope[NOTE]
    note["route"] = f"/api/v1{endpoint.path}"
    visitor: Visitor | None = None
    try:
        visitor = await service.let_in(request)
        call = await _read(request, endpoint, service, visitor)
        try:
            return await to_thread.run_sync(_run, endpoint, call, limiter=service.threads)
        finally:
            if call.file is not None:
                await to_thread.run_sync(_unlink, call.file)
    except NbannotError as error:
        await service.refused(error, request, visitor)
        if visitor is None:
            return replies.of_error(error)
        name, person = request.path_params.get("project", ""), visitor.person
        return await to_thread.run_sync(_told, service, name, person, error, limiter=service.threads)


def _told(service: Service, name: str, person: str, error: NbannotError) -> Response:
    """Return an error as an answer; who may not know the names of cases is told none."""
    project = service.projects.get(name)
    return replies.of_error(error, None if project is None else for_reader(project.acting_as(person), error))


def _needed(service: Service, name: str, person: str, action: str) -> None:
    check(service.project(name, person)[1], action)


def _run(endpoint: Endpoint, call: Call) -> Response:
    if "project" in call.params:
        call.name, call.project = call.service.project(call.params["project"], call.person)
        if call.data.get("case") is not None:
            call.data = {**call.data, "case": named_case(call.project, call.data["case"])}
    found = endpoint.run(call)
    later = BackgroundTasks([BackgroundTask(_later, work) for work in call.afterwards])
    if endpoint.gives == "frame":
        message, buffers = found
        return Response(pack(message, buffers), media_type=FRAME, background=later)
    if endpoint.gives == "file":
        return Response(found, media_type="application/octet-stream")
    if endpoint.gives == "pieces":
        return StreamingResponse(found, media_type="application/octet-stream")
    return JSONResponse({} if found is None else found, background=later)


def _later(work: Callable[[], object]) -> None:
    try:
        work()
    except NbannotError as error:
        tell("later", level=logging.WARNING, kind=type(error).__name__)


async def _read(request: Request, endpoint: Endpoint, service: Service, visitor: Visitor) -> Call:
    call = Call(service, visitor, request.path_params)
    call.data = _query(request, endpoint.query)
    if endpoint.method == "GET":
        return call
    limits, note = service.limits, request.scope[NOTE]
    if endpoint.takes == "file":
        asked = (service, request.path_params["project"], visitor.person, endpoint.needs)
        await to_thread.run_sync(_needed, *asked, limiter=service.threads)
        note["limit"] = limits.upload_bytes
        call.data = {**call.data, **_fields(_asked(request), endpoint.body)}
        call.file = await _kept(request)
        return call
    if endpoint.takes == "frame":
        note["limit"] = limits.edit_bytes
        message, call.buffers = unpack(await request.body())
    else:
        raw = await request.body()
        try:
            message = json.loads(raw) if raw else {}
        except (ValueError, RecursionError) as cause:
            raise NbannotError("The request is not JSON") from cause
    call.data = {**call.data, **_fields(message, endpoint.body)}
    return call


def _query(request: Request, known: Mapping[str, Field]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if name not in known or name in given:
            raise NbannotError("The query has an entry that is not known, or one twice")
        given[name] = known[name].parse(name, text)
    return _whole(given, known)


def _fields(message: Any, known: Mapping[str, Field]) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise NbannotError("The request must be a JSON object")
    strange = [name for name in message if name not in known]
    if strange:
        raise NbannotError("The request has an entry that is not known", hint=f"Known: {', '.join(known)}.")
    return _whole({name: known[name].read(name, value) for name, value in message.items()}, known)


def _whole(given: dict[str, Any], known: Mapping[str, Field]) -> dict[str, Any]:
    for name, kind in known.items():
        if name not in given:
            if kind.default is REQUIRED:
                raise NbannotError(f"{name!r} is missing")
            given[name] = kind.default
    return given


def _names(value: Any) -> bool:
    """Whether this is a pattern, or a list of names."""
    given = [value] if isinstance(value, str) else value
    return len(given) <= _MOST_TEXTS and all(isinstance(v, str) and len(v) <= 1000 for v in given)


def _asked(request: Request) -> Any:
    """Return what a request with a file asks for: in a header, because addresses are logged."""
    try:
        return json.loads(unquote(request.headers.get(REQUEST_HEADER, "{}")))
    except (ValueError, RecursionError) as cause:
        raise NbannotError("The request is not JSON") from cause


async def _kept(request: Request) -> Path:
    """Write the body to a temporary file, piece by piece."""
    handle, name = await to_thread.run_sync(lambda: tempfile.mkstemp(prefix="nbannot-upload-"))
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            async for piece in request.stream():
                await to_thread.run_sync(file.write, piece)
    except BaseException:
        _unlink(path)
        raise
    return path


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def failed(request: Request, error: Exception) -> Awaitable[Response] | Response:
    """Answer what nobody expected, and tell only its kind."""
    note = request.scope.get(NOTE, {})
    tell(
        "failed", level=logging.ERROR, request=note.get("request", ""), route=note.get("route", ""),
        kind=type(error).__name__, exc_info=True,
    )  # fmt: skip
    hint = f"Tell the keepers of the service this number: {note.get('request', '')}."
    return replies.refusal(500, "ServiceError", "Something went wrong in the service", hint)

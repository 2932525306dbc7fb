"""Endpoints of cases, their images and sessions: for programs of members, not for readers from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbannot.errors import NbannotError, StoreError, UnknownItemError
from nbannot.hub.api import Call, Endpoint, Field
from nbannot.hub.neutral import neutral
from nbannot.hub.uploads import images_of, labels_of, unpacked
from nbannot.model.image import Image
from nbannot.session.files import load
from nbannot.session.pixels import describe, headers
from nbannot.session.state import capture
from nbannot.store.served import (
    SessionParts,
    Wanted,
    adopt_session,
    case_key,
    case_name,
    cases_to_build,
    check,
    lease_of,
    open_session,
    session_told,
)  # fmt: skip
from nbannot.store.wire import table_to_json

P = "/projects/{project}"
SNAPSHOT_EVERY = 200
MOST_SLICES = 64
MOST_BYTES = 64 << 20


def _cases(call: Call) -> Any:
    return table_to_json(call.project.cases)


def _names(call: Call) -> Any:
    return {"names": call.project.case_names}


def _member(call: Call, case: str) -> None:
    """Refuse raw images and sessions to readers from outside: theirs is the page, after the policy."""
    check(call.project, "case.headers", case)


def _open_case(call: Call) -> Any:
    case = call.data["case"]
    _member(call, case)
    images = call.service.pictures.open(call.name, call.project, case)
    return {
        "key": case_key(call.project, case),
        "images": [{**describe(image), **headers(image)} for image in images],
        "references": [reference.to_json() for reference in call.project.references(case)],
    }


def _references(call: Call) -> Any:
    case = call.data["case"]
    _member(call, case)
    return {"references": [reference.to_json() for reference in call.project.references(case)]}


def _slices(call: Call) -> tuple[Any, Sequence[bytes]]:
    import zstandard

    case = case_name(call.project, call.params["case"])
    _member(call, case)
    images: tuple[Image, ...] = call.service.pictures.get(call.name, call.project, case)
    n, t, first, count = (call.params[name] for name in ("image", "frame", "first", "count"))
    if not (n < len(images) and t < images[n].frames and count >= 1 and first + count <= images[n].shape[0]):
        raise UnknownItemError("There is nothing here for you")
    parts: list[bytes] = []
    size = 0
    packer = zstandard.ZstdCompressor(level=1)
    for k in range(first, first + count):
        plane = np.ascontiguousarray(images[n].plane_array(k, t=t))
        size += plane.nbytes
        if count > MOST_SLICES or (parts and size > MOST_BYTES):
            raise NbannotError("These are too many slices at once", hint="Ask for fewer.")
        parts.append(packer.compress(plane.tobytes()))
    return {"first": first}, parts


def _add_case(call: Call) -> None:
    assert call.file is not None
    check(call.project, "case.add")
    labels = labels_of(call.data["labels"])
    with unpacked(call.file, most=call.service.limits.unpacked_bytes) as folder:
        images = images_of(folder, call.data["images"])
        call.project.add_case(call.data["case"], images=images, copy=True, labels=labels)


def _open_session(call: Call) -> Any:
    _member(call, call.data["case"])
    return open_session(call.project, Wanted(**call.data))


def _session(call: Call) -> SessionParts:
    parts = SessionParts(call.project, call.params["session"])
    _member(call, parts.case)
    return parts


def _state(call: Call) -> tuple[Any, Sequence[bytes]]:
    step, state = _session(call).state(call.params["upto"])
    message = {"step": step, "state": dict(state.manifest), "voxels": list(state.voxels)}
    return message, list(state.voxels.values())


def _edits(call: Call) -> tuple[Any, Sequence[bytes]]:
    bodies, buffers = _session(call).edits(call.params["after"], call.params["upto"])
    return {"edits": bodies}, buffers


def _append(call: Call) -> Any:
    parts, data = _session(call), call.data
    lease = [str(mark) for mark in data["lease"]]
    if len(lease) != 2 or data["base"] < 0:
        raise NbannotError("'lease' must be two texts, 'base' a step")
    head = parts.append(data["base"], data["edit"], call.buffers, view=data["view"], lease=lease)
    call.service.metrics.edits.inc()
    if head % SNAPSHOT_EVERY == 0:
        call.afterwards.append(parts.snapshot_newest)
    return {"head": head}


def _save(call: Call) -> None:
    _session(call).save(call.data["view"])


def _adopt(call: Call) -> None:
    assert call.file is not None
    case = call.data["case"]
    _member(call, case)
    images = call.project.images(case)
    wanted = {image.id: image for image in images}
    order = call.data["images"]
    if not all(isinstance(entry, str) and entry in wanted for entry in order):
        raise StoreError(f"An image of the session is not an image of case {case!r}")
    session = load(call.file, images=[wanted[entry] for entry in order], author=call.person)
    reader = call.data["reader"]
    if reader is None:
        call.project.save(session, case=case)
    else:
        adopt_session(call.project, session, {one: one for one in order}, case=case, reader=reader)


def _to_build(call: Call) -> Any:
    readers = call.data["readers"]
    if not all(
        isinstance(some, list) and all(isinstance(one, str) for one in some) for some in readers.values()
    ):
        raise NbannotError("'readers' must be lists of names by case")
    return {"known": cases_to_build(call.project, readers)}


def _sessions(call: Call) -> Any:
    if call.data["case"] is not None:
        check(call.project, "project.read")
    return table_to_json(neutral(call.project, call.project.sessions(call.data["case"])))


def _take_over(call: Call) -> Any:
    given = dict(call.data)
    case = given.pop("case")
    _member(call, case)
    session = call.project.take_over(case, **given)
    return {**session_told(call.project, session.key), "lease": lease_of(call.project, session)}


def _document(call: Call) -> tuple[Any, Sequence[bytes]]:
    given = dict(call.data)
    case = given.pop("case")
    _member(call, case)
    state = capture(call.project.case(case).document(given.pop("reader"), **given))
    return {"state": dict(state.manifest), "voxels": list(state.voxels)}, list(state.voxels.values())


def _mask(call: Call) -> tuple[Any, Sequence[bytes]]:
    import zstandard

    given = dict(call.data)
    case = given.pop("case")
    _member(call, case)
    array = np.asarray(call.project.case(case).mask(given.pop("reader"), given.pop("label"), **given))
    packed = zstandard.ZstdCompressor(level=1).compress(np.packbits(array).tobytes())
    return {"shape": list(array.shape)}, [packed]


def _readers(call: Call) -> Any:
    return {"readers": list(call.project.case(call.data["case"]).readers)}


def _page(call: Call) -> Any:
    return table_to_json(call.project.page(**call.data))


def _history(call: Call) -> Any:
    given = dict(call.data)
    case = given.pop("case")
    check(call.project, "project.read")
    return table_to_json(call.project.history(case, **given))


_CASE = {"case": Field(most=300)}
_WHICH = {
    **_CASE, "reader": Field(default=None, most=300), "session": Field("int", None), "repeat": Field("int", 1)
}  # fmt: skip
_S = f"{P}/sessions/{{session}}"

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", f"{P}/cases", _cases, "The cases as a table"),
    Endpoint("GET", f"{P}/cases/names", _names, "The names of the cases"),
    Endpoint(
        "POST", f"{P}/cases", _add_case, "Add a case with its images, as a zip",
        body={**_CASE, "labels": Field("list", ()), "images": Field("list")}, takes="file", needs="case.add",
    ),
    Endpoint("POST", f"{P}/cases/open", _open_case, "The images of a case, without pixels", body=_CASE),
    Endpoint("POST", f"{P}/cases/references", _references, "Where the images of a case are", body=_CASE),
    Endpoint(
        "GET", f"{P}/cases/{{case:int}}/images/{{image:int}}/{{frame:int}}/{{first:int}}/{{count:int}}", _slices,
        "Slices of an image, each compressed with zstd", gives="frame",
    ),
    Endpoint("POST", f"{P}/sessions/open", _open_session, "Open a session, or begin it", body=_WHICH),
    Endpoint("POST", f"{P}/sessions/find", _sessions, "Sessions", body={"case": Field(default=None)}),
    Endpoint("POST", f"{P}/sessions/history", _history, "The edits of a session as a table", body=_WHICH),
    Endpoint(
        "POST", f"{P}/sessions/adopt", _adopt, "Take a session in that was made elsewhere (.nbs)",
        body={**_CASE, "images": Field("texts"), "reader": Field(default=None, most=300)}, takes="file",
        needs="project.read",
    ),
    Endpoint(
        "POST", f"{P}/sessions/to-build", _to_build, "Whether sessions can be built for readers, by case",
        body={"readers": Field("object")},
    ),
    Endpoint("POST", f"{P}/sessions/take-over", _take_over, "Be the only one who writes", body=_WHICH),
    Endpoint("POST", f"{P}/cases/document", _document, "What a reader marked", body=_WHICH, gives="frame"),
    Endpoint(
        "POST", f"{P}/cases/mask", _mask, "Where a reader saw a label, as packed bits",
        body={**_WHICH, "reader": Field(), "label": Field()}, gives="frame",
    ),
    Endpoint("POST", f"{P}/cases/readers", _readers, "Who has a session of a case", body=_CASE),
    Endpoint(
        "POST", f"{P}/cases/page", _page, "Some rows of the cases",
        body={"match": Field(default="*"), "after": Field(default=None), "limit": Field("int", 100)},
    ),
    Endpoint("GET", f"{_S}/state/{{upto:int}}", _state, "The newest snapshot up to a step", gives="frame"),
    Endpoint("GET", f"{_S}/edits/{{after:int}}/{{upto:int}}", _edits, "Edits after a step", gives="frame"),
    Endpoint(
        "POST", f"{_S}/edits", _append, "Keep an edit before it takes effect", takes="frame",
        body={
            "base": Field("int"), "edit": Field("object"), "view": Field("object", {}),
            "lease": Field("texts"),
        },
    ),
    Endpoint("POST", f"{_S}/save", _save, "Keep the view and a snapshot", body={"view": Field("object", {})}),
)  # fmt: skip

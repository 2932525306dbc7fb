"""Endpoints of long work for programs: index, associate, relink, merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from nbannot.errors import NbannotError
from nbannot.formats.progress import Progress
from nbannot.hub.api import Call, Endpoint, Field
from nbannot.hub.places import check_place
from nbannot.store import StoredProject
from nbannot.store.rules import rules_from_json
from nbannot.store.served import check, job_rows, merge_upload
from nbannot.store.wire import table_to_json

P = "/projects/{project}"
Work = Callable[[Progress], Any]


def _told(call: Call, key: str) -> Any:
    found = asdict(job_rows(call.project).get(key, call.person))
    return {name: found[name] for name in ("key", "kind", "state", "part", "text", "result", "error")}


def _start(call: Call) -> Any:
    kind, options = call.data["kind"], call.data["options"]
    if kind not in _KINDS:
        raise NbannotError(f"There is no work {kind[:20]!r}", hint=f"Choose: {', '.join(_KINDS)}.")
    call.service.jobs.start(call.project, call.data["job"], kind, _KINDS[kind](call, options))
    return _told(call, call.data["job"])


def _index(call: Call, options: Mapping[str, Any]) -> Work:
    check(call.project, "case.add")
    url, rules = _text(options, "url"), options.get("rules")
    given = None if rules is None else rules_from_json(rules)
    check_place(call.project, url, call.service.places(call.name))
    project: StoredProject = call.project

    def work(progress: Progress) -> Any:
        found = asdict(project.index(url, rules=given, progress=progress))
        return {**found, "bad": table_to_json(found["bad"])}

    return work


def _associate(call: Call, options: Mapping[str, Any]) -> Work:
    check(call.project, "case.add")
    patterns, rows = options.get("patterns"), options.get("table")
    right = patterns is None or (
        isinstance(patterns, dict) and all(isinstance(one, str) for one in patterns.values())
    )
    if not right or not isinstance(rows, list | None) or not all(isinstance(row, dict) for row in rows or ()):
        raise NbannotError("'patterns' must be texts by texts, 'table' a list of rows")
    project, dry = call.project, options.get("dry_run") is not False

    def work(progress: Progress) -> Any:
        return table_to_json(project.associate(dry_run=dry, patterns=patterns, table=rows))

    return work


def _relink(call: Call, options: Mapping[str, Any]) -> Work:
    case, image, path = (_text(options, name) for name in ("case", "image", "path"))
    check(call.project, "case.add", case)
    check_place(call.project, path, call.service.places(call.name))
    project = call.project
    return lambda progress: project.relink(case, image, path)


def _text(options: Mapping[str, Any], name: str) -> str:
    value = options.get(name)
    if not isinstance(value, str) or len(value) > 2000 or "\0" in value:
        raise NbannotError(f"{name!r} must be a text that is not too long")
    return value


_KINDS: Mapping[str, Callable[[Call, Mapping[str, Any]], Work]] = {
    "index": _index, "associate": _associate, "relink": _relink
}  # fmt: skip


def _merge(call: Call) -> Any:
    assert call.file is not None
    check(call.project, "case.add")
    # The file is the job's from now on.
    path, call.file = call.file, None
    project, most, done = call.project, call.service.limits.unpacked_bytes, False

    def work(progress: Progress) -> Any:
        try:
            return table_to_json(merge_upload(project, path, most=most, progress=progress))
        finally:
            path.unlink(missing_ok=True)

    try:
        done = call.service.jobs.start(project, call.data["job"], "merge", work)
    finally:
        if not done:
            path.unlink(missing_ok=True)
    return _told(call, call.data["job"])


def _job(call: Call) -> Any:
    return _told(call, call.params["job"])


def _stop(call: Call) -> None:
    job_rows(call.project).stop(call.params["job"], call.person)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST", f"{P}/jobs", _start, "Begin long work: index, associate or relink", takes="frame",
        body={"job": Field(most=32), "kind": Field(most=20), "options": Field("object", {})},
    ),
    Endpoint(
        "POST", f"{P}/jobs/merge", _merge, "Begin to take another copy of the project in, as export made it",
        body={"job": Field(most=32)}, takes="file", needs="project.manage",
    ),
    Endpoint("GET", f"{P}/jobs/{{job}}", _job, "How far my work is, and what came of it"),
    Endpoint("POST", f"{P}/jobs/{{job}}/stop", _stop, "Stop my work; what it has kept stays"),
)  # fmt: skip

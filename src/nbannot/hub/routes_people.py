"""Endpoints of people, tasks, comments, configurations, results and the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nbannot.errors import AccessError, UnknownItemError
from nbannot.hub.api import Call, Endpoint, Field
from nbannot.hub.neutral import knows_names, neutral, neutral_task
from nbannot.session.state import capture
from nbannot.store.served import check, export_pieces, session_told
from nbannot.store.tasks import Task
from nbannot.store.wire import table_to_json

P = "/projects/{project}"
_TEXT, _CASE = Field(), Field(default=None)


def _me(call: Call) -> Any:
    mine = {name: call.service.roles(name, call.person) for name in sorted(call.service.projects)}
    projects = [{"name": name, "roles": roles} for name, roles in mine.items() if roles]
    return {"person": call.person, "csrf": call.visitor.csrf, "projects": projects}


def _people(call: Call) -> Any:
    return table_to_json(call.project.people.table)


def _roles(call: Call) -> Any:
    return {"roles": list(call.project.people.roles(call.data["person"]))}


def _grant(call: Call) -> None:
    call.project.people.grant(call.data["person"], call.data["role"], cases=call.data["cases"])


def _revoke(call: Call) -> None:
    call.project.people.revoke(call.data["person"], call.data["role"])


def _allowed(call: Call) -> Any:
    found = call.project.people.allowed(call.data["action"], call.data["case"], person=call.data["person"])
    # A reason names the cases that a role holds for.
    return {"allowed": found.allowed, "reason": found.reason if knows_names(call.project) else ""}


def _tasks(call: Call) -> Any:
    return table_to_json(neutral(call.project, call.project.tasks.table(**call.data)))


def _one(call: Call) -> Task:
    """Return the task of a call; somebody else's looks like one that is not there."""
    try:
        found: Task = call.project.tasks.get(call.params["task"])
    except AccessError as error:
        raise UnknownItemError("There is nothing here for you") from error
    return found


def _task(call: Call) -> Any:
    return neutral_task(call.project, asdict(_one(call)))


def _assign(call: Call) -> Any:
    given = dict(call.data)
    cases, people = given.pop("cases"), given.pop("people")
    return table_to_json(call.project.tasks.assign(cases, people, **given))


def _begin(call: Call) -> Any:
    task = _one(call)
    check(call.project, "case.headers", task.case)
    session = call.project.tasks.begin(task.task)
    return session_told(call.project, session.key)


def _prepare(call: Call) -> Any:
    task = _one(call)
    check(call.project, "case.headers", task.case)
    session = call.project.tasks.prepare(task.task)
    return session_told(call.project, session.key)


def _readings(call: Call) -> tuple[Any, Sequence[bytes]]:
    task = _one(call)
    check(call.project, "case.headers", task.case)
    states = {who: capture(found) for who, found in call.project.tasks.readings(task.task).items()}
    told = {who: {"state": dict(one.manifest), "voxels": list(one.voxels)} for who, one in states.items()}
    return {"case": task.case, "readings": told}, [
        data for one in states.values() for data in one.voxels.values()
    ]


def _submit(call: Call) -> None:
    call.project.tasks.submit(_one(call).task, comment=call.data["comment"])


def _review(call: Call) -> None:
    call.project.tasks.review(_one(call).task, call.data["verdict"], reason=call.data["reason"])


def _flag(call: Call) -> None:
    call.project.tasks.flag(_one(call).task, call.data["on"])


def _unassign(call: Call) -> None:
    call.project.tasks.unassign(_one(call).task, reason=call.data["reason"])


def _reclaim(call: Call) -> Any:
    return table_to_json(call.project.tasks.reclaim(call.data["idle"]))


def _active(call: Call) -> None:
    call.project.tasks.active(_one(call).task, call.data["seconds"])


def _progress(call: Call) -> Any:
    return table_to_json(call.project.tasks.progress())


def _comments(call: Call) -> Any:
    return table_to_json(neutral(call.project, call.project.comments.table(call.data["case"])))


def _comment(call: Call) -> Any:
    given = dict(call.data)
    return {"id": call.project.comments.add(given.pop("case"), given.pop("text"), **given)}


def _resolve(call: Call) -> None:
    call.project.comments.resolve(call.params["comment"])


def _set_config(call: Call) -> Any:
    given = dict(call.data)
    return {"version": call.project.configs.set(given.pop("text"), **given)}


def _config_history(call: Call) -> Any:
    check(call.project, "project.read")
    return table_to_json(call.project.configs.history(call.data["level"], role=call.data["role"]))


def _levels(call: Call) -> Any:
    check(call.project, "project.read")
    return {"levels": call.project.configs.levels(call.data["case"], role=call.data["role"])}


def _audit(call: Call) -> Any:
    return table_to_json(call.project.audit.table(**call.data))


def _audit_file(call: Call) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        call.project.audit.export(path)
        return path.read_bytes()


def _export(call: Call) -> Iterator[bytes]:
    return export_pieces(call.project, images=call.data["images"])


def _verify(call: Call) -> Any:
    found = call.project.audit.verify()
    return {"ok": found.ok, "rows": found.rows, "first_bad": found.first_bad, "reason": found.reason}


def _results(call: Call) -> Any:
    check(call.project, "project.read")
    return table_to_json(call.project.results(call.data["case"], names=call.data["names"]))


def _presence(call: Call) -> Any:
    return table_to_json(neutral(call.project, call.project.presence(call.data["case"])))


def _be(call: Call) -> None:
    call.project.be(call.data["case"], call.data["place"])


_ASSIGN = {
    "cases": Field("names"), "people": Field("names"), "kind": Field(default="read"),
    "overlap": Field("int", None), "order": Field(default="given"), "seed": Field("int", 0),
    "batch": Field(default=""), "due": Field("any", None), "repeat": Field("int", 1),
}  # fmt: skip
_FIND = {
    "person": _CASE, "case": _CASE, "status": _CASE, "mine": Field("bool", False), "kind": _CASE, "batch": _CASE,
    "limit": Field("int", None), "after": Field("int", 0),
}  # fmt: skip
_PAGE = {"mine": Field("bool", True), "limit": Field("int", None), "after": Field("int", 0)}
_COMMENT = {"case": _TEXT, "text": _TEXT, "task": _CASE, "place": Field("object", None)}
_LEVEL = {"level": Field(default="project"), "role": Field(default="")}
_REVIEW = {"verdict": _TEXT, "reason": Field(default="")}

ENDPOINTS = (
    Endpoint("GET", "/me", _me, "Who I am, and my roles in which projects"),
    Endpoint("GET", f"{P}/people", _people, "People and their roles"),
    Endpoint(
        "POST", f"{P}/people", _grant, "Give a person a role",
        body={"person": _TEXT, "role": _TEXT, "cases": Field(default="*")},
    ),
    Endpoint(
        "POST", f"{P}/people/revoke", _revoke, "Take a role, or all, from a person",
        body={"person": _TEXT, "role": _CASE},
    ),
    Endpoint(
        "POST", f"{P}/people/allowed", _allowed, "Whether an action is allowed, and why",
        body={"action": _TEXT, "case": _CASE, "person": _CASE},
    ),
    Endpoint("GET", f"{P}/tasks", _tasks, "My tasks, or all that I may see", query=_PAGE),
    Endpoint("POST", f"{P}/tasks/find", _tasks, "Tasks; a case is named in the body", body=_FIND),
    Endpoint("POST", f"{P}/tasks", _assign, "Give cases to people", body=_ASSIGN),
    Endpoint("POST", f"{P}/tasks/reclaim", _reclaim, "Take idle tasks back", body={"idle": Field("number")}),
    Endpoint("GET", f"{P}/progress", _progress, "How far the tasks are"),
    Endpoint("GET", f"{P}/tasks/{{task}}", _task, "One task"),
    Endpoint("POST", f"{P}/tasks/{{task}}/begin", _begin, "Begin a task"),
    Endpoint("POST", f"{P}/tasks/{{task}}/prepare", _prepare, "Open the session of a task, without beginning it"),
    Endpoint("POST", f"{P}/tasks/{{task}}/submit", _submit, "Submit", body={"comment": Field(default="")}),
    Endpoint("POST", f"{P}/tasks/{{task}}/review", _review, "Accept, return or reject", body=_REVIEW),
    Endpoint("POST", f"{P}/tasks/{{task}}/flag", _flag, "Flag a task", body={"on": Field("bool", True)}),
    Endpoint("POST", f"{P}/tasks/{{task}}/unassign", _unassign, "Take back", body={"reason": Field(default="")}),
    Endpoint("POST", f"{P}/tasks/{{task}}/active", _active, "Count time", body={"seconds": Field("number")}),
    Endpoint("POST", f"{P}/comments/find", _comments, "Comments of a case or of all", body={"case": _CASE}),
    Endpoint("POST", f"{P}/comments", _comment, "Comment on a case", body=_COMMENT),
    Endpoint("POST", f"{P}/comments/{{comment:int}}/resolve", _resolve, "Resolve a comment"),
    Endpoint(
        "POST", f"{P}/configs", _set_config, "Set a configuration",
        body={"text": Field(most=500_000), **_LEVEL},
    ),
    Endpoint(
        "POST", f"{P}/configs/levels", _levels, "What applies to a case",
        body={"case": _TEXT, "role": Field(default="")},
    ),
    Endpoint("POST", f"{P}/configs/history", _config_history, "Its versions", body=_LEVEL),
    Endpoint(
        "POST", f"{P}/audit/find", _audit, "Rows of the audit log",
        body={
            "actor": _CASE, "action": _CASE, "case": _CASE, "outcome": _CASE, "after": Field("int", 0),
            "limit": Field("int", None),
        },
    ),
    Endpoint("GET", f"{P}/audit/export", _audit_file, "The audit log, one JSON object a line", gives="file"),
    Endpoint(
        "POST", f"{P}/export", _export, "The whole project as a zip, as it is made",
        body={"images": Field("bool", False)}, gives="pieces",
    ),
    Endpoint("GET", f"{P}/audit/verify", _verify, "Whether the audit log is whole"),
    Endpoint(
        "POST", f"{P}/results", _results, "One row per answer and measure",
        body={"case": _CASE, "names": Field("bool", True)},
    ),
    Endpoint("POST", f"{P}/presence", _presence, "Who is in which case now", body={"case": _CASE}),
    Endpoint("POST", f"{P}/presence/me", _be, "Where I am", body={"case": _TEXT, "place": Field("any", None)}),
    Endpoint("POST", f"{P}/people/roles", _roles, "Roles of a person, or mine", body={"person": _CASE}),
    Endpoint("GET", f"{P}/tasks/{{task}}/readings", _readings, "What a review is about", gives="frame"),
)  # fmt: skip

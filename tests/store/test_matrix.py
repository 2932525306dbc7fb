"""The table of roles and actions, tried on a project and written into the docs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moves import phantom
from nbannot.store import StoredProject, open_project
from nbannot.store.access import ACTIONS, ROLES, Asked, decide
from nbannot.store.served import allowed_cases

DOC = Path(__file__).resolve().parents[2] / "docs" / "store.md"
BEGIN = "<!-- The table of roles is written by tests/store/test_matrix.py: NBANNOT_WRITE_DOCS=1. -->"
END = "<!-- End of the table. -->"

WORDS = {"any": "yes", "own": "own", "task": "own open tasks", "given": "own tasks"}
ABOUT = {
    "project.read": "see cases, people, progress",
    "project.manage": "people, configurations",
    "case.add": "add and move cases, merge",
    "case.read": "see the images of a case",
    "case.headers": "see the headers of files",
    "own.read": "see again what one handed in",
    "session.write": "annotate",
    "session.read": "see what others marked",
    "task.assign": "give out, take back",
    "task.submit": "hand in",
    "review": "accept, return, reject",
    "adjudicate": "decide between readings",
    "comment": "comment on a case",
    "audit.read": "see, verify, export the log",
    "export": "the whole project as a file",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    found = open_project(tmp_path_factory.mktemp("matrix"), author="own")
    for case in ("mine", "done", "other"):
        found.add_case(case, images=phantom(), copy=True)
    found.people.grant("own", "owner")
    for role in ROLES:
        found.people.grant(f"a {role}", role)
    found.tasks.assign(["mine", "done"], [f"a {role}" for role in ROLES if role != "auditor"])
    for row in found.tasks.table(case="done").itertuples():
        found.acting_as(row.person).tasks.submit(row.task)
    return found


def tried(project: StoredProject, role: str, action: str) -> str:
    """What a role may do, found by asking about one's own and others' work, with a task and without."""

    def asks(case: str, of: str) -> bool:
        with project._core.database.reading() as connection:
            return decide(connection, Asked(f"a {role}", action, case, of)).allowed

    me, them = f"a {role}", "somebody"
    if asks("other", them):
        return "yes"
    if asks("other", me):
        return "own"
    if asks("done", me):
        return "own tasks"
    return "own open tasks" if asks("mine", me) else ""


def test_every_role_may_do_what_the_table_says(project: StoredProject) -> None:
    for action, roles in ACTIONS.items():
        for role in ROLES:
            scope = roles.get(role)
            assert tried(project, role, action) == (WORDS[scope] if scope else ""), (role, action)


def test_of_many_cases_the_same_are_allowed(project: StoredProject) -> None:
    project.people.grant("two roles", "reader")
    project.people.grant("two roles", "annotator", cases="oth*")
    for person in ["two roles", "a stranger", *(f"a {role}" for role in ROLES)]:
        mine = project.acting_as(person)
        for action in ACTIONS:
            one_by_one = {case for case in ("mine", "other") if mine.people.allowed(action, case)}
            assert allowed_cases(mine, action, ("mine", "other")) == one_by_one, (person, action)


def test_nobody_else_may_do_anything(project: StoredProject) -> None:
    for action in [*ACTIONS, "anything"]:
        assert not project.people.allowed(action, "mine", person="a stranger")
    assert not project.people.allowed("anything", person="a owner")


def test_the_table_is_in_the_docs(project: StoredProject) -> None:
    lines = [f"| action | what | {' | '.join(ROLES)} |", "|---" * (2 + len(ROLES)) + "|"]
    for action in ACTIONS:
        cells = " | ".join(tried(project, role, action) for role in ROLES)
        lines.append(f"| `{action}` | {ABOUT[action]} | {cells} |")
    table = "\n".join([BEGIN, "", *lines, "", END])
    text = DOC.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    if os.environ.get("NBANNOT_WRITE_DOCS"):
        DOC.write_text(f"{before}{table}{after}", encoding="utf-8")
    assert DOC.read_text(encoding="utf-8") == f"{before}{table}{after}"

"""The service, and its database, killed while people work: nothing acknowledged is lost, nothing comes twice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbannot as nb
from hub_faults import PATIENCE_S, Reader, reading
from nbannot.store.tables import tables
from servers import running_postgres

KILLS = int(os.environ.get("NBANNOT_KILLS", "4"))
"""How often the service is killed; `make test-slow` does it 50 times."""

pytestmark = pytest.mark.timeout(300 + 30 * KILLS)

PEOPLE = ("rita", "rolf")


def build(place: str, shared_data: Path, **options: Any) -> Any:
    project = nb.open_project(place, author="boss", **options)
    project.add_case("c1", images=shared_data / "phi" / "ct_header_phi_homer.dcm", labels=["lesion"])
    project.people.grant("boss", "owner")
    for person in PEOPLE:
        project.people.grant(person, "reader")
    project.tasks.assign(["c1"], list(PEOPLE))
    return project


def tasks(project: Any) -> dict[str, str]:
    table = project.tasks.table()
    return dict(zip(table["person"], table["task"], strict=True))


def kept(project: Any) -> dict[str, list[str]]:
    """Ids of the edits in the store, in order, by reader."""
    sessions, edits = tables().sessions, tables().edits
    with project._core.database.reading() as connection:
        readers = {row.id: row.reader for row in connection.execute(sessions.select())}
        rows = connection.execute(edits.select().order_by(edits.c.session_id, edits.c.seq)).all()
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(readers[row.session_id], []).append(row.edit_id)
    return found


def progress(readers: list[Reader]) -> None:
    """Wait until every reader has had an answer more."""
    before = [len(one.acknowledged) for one in readers]
    end = time.monotonic() + PATIENCE_S
    while any(len(one.acknowledged) <= was for one, was in zip(readers, before, strict=True)):
        assert time.monotonic() < end, "The readers get no answers"
        assert all(one.is_alive() for one in readers), [one.wrong for one in readers]
        time.sleep(0.005)


def nothing_lost(project: Any, readers: list[Reader]) -> None:
    told = {one.person: one.told for one in readers}
    found = kept(project)
    for person, ids in told.items():
        assert ids <= set(found.get(person, [])), f"edits of {person} that were acknowledged are not there"


def all_there(project: Any, readers: list[Reader]) -> None:
    for one in readers:
        one.finish()
        assert not one.refused
    found = kept(project)
    assert {one.person: found[one.person] for one in readers} == {one.person: one.ids for one in readers}
    assert project.audit.verify().ok
    for one in readers:
        # What is opened anew is what these edits make: every fifth takes one box back.
        boxes = project.start("c1", reader=one.person).document.boxes
        assert {box.id for box in boxes} == {
            f"b{n}" for n in range(1, one.made + 1) if n % 5 and not (n % 5 == 4 and n < one.made)
        }


def test_the_service_is_killed_at_any_moment(tmp_path: Path, shared_data: Path) -> None:
    place, chance = str(tmp_path / "project"), random.Random(6)
    with build(place, shared_data) as project, reading(place, tasks(project), seed=1) as (service, readers):
        for _ in range(KILLS):
            progress(readers)
            time.sleep(chance.uniform(0, 0.3))
            service.kill()
            nothing_lost(project, readers)
            service.start()
        progress(readers)
        all_there(project, readers)
        assert not {4404, 4409} & {code for one in readers for code in one.codes}


@pytest.mark.parametrize("kills", [max(1, KILLS // 6)])
def test_the_database_is_killed_and_the_service_goes_on(
    tmp_path: Path, shared_data: Path, kills: int
) -> None:
    chance = random.Random(7)
    with running_postgres(durable=True) as server:
        place = server.url(project="faults")
        project = build(place, shared_data, files=str(tmp_path / "files"))
        with project, reading(place, tasks(project), seed=2) as (service, readers):
            crashes: list[Callable[[], None]] = [
                lambda: crash_database(server),
                lambda: crash_service(service),
            ]
            for _ in range(kills):
                for crash in crashes:
                    progress(readers)
                    time.sleep(chance.uniform(0, 0.3))
                    crash()
                    nothing_lost(project, readers)
            progress(readers)
            all_there(project, readers)


def crash_database(server: Any) -> None:
    server.stop()
    server.start()


def crash_service(service: Any) -> None:
    service.kill()
    service.start()

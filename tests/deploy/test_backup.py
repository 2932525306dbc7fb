"""The commands of docs/hub.md for backup and restore, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy_files import ROOT
from moves import phantom
from nbannot.store import open_project
from servers import PASSWORD, Postgres, running_postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


def block(mark: str) -> str:
    text = (ROOT / "docs" / "hub.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"<!-- {mark} -->\n```\w+\n(.*?)```", text, re.S)
    return str(found)


def run(mark: str, folder: Path, environment: dict[str, str]) -> str:
    code = block(mark)
    command = [sys.executable, "-c", code] if mark == "verify" else ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def work(project: Any) -> None:
    """Two cases with their images, two readers, a mask that is in a file and one that is only in the journal."""
    for name in ("c1", "c2"):
        project.add_case(name, images=phantom(uid=name), labels=["liver"], copy=True)
    project.people.grant("ada", "owner")
    project.people.grant("bob", "annotator")
    project.tasks.assign(["c1", "c2"], ["bob"])
    session = project.start("c1")
    session.document.masks["liver"].paint((0, 0, 0))
    project.save(session)
    session.document.masks["liver"].paint((1, 1, 1))


def held(project: Any) -> dict[str, Any]:
    return {
        "mask": project.case("c1").mask("ada", "liver"),
        "images": [project.images(name)[0].array.copy() for name in ("c1", "c2")],
        "tables": [
            table.astype(str).to_csv()
            for table in (project.people.table, project.tasks.table(), project.sessions()[["case", "reader", "edits"]])
        ],
    }  # fmt: skip


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["mask"].sum() > 0
    assert np.array_equal(one["mask"], other["mask"])
    assert all(np.array_equal(*pair) for pair in zip(one["images"], other["images"], strict=True))
    assert one["tables"] == other["tables"]


def check_restored(place: str, folder: Path, before: dict[str, Any], rows: int) -> None:
    """It says of itself that it is whole, it is what it was, and work goes on."""
    said = run("verify", folder, {"PROJECT": place, "PYTHONPATH": str(ROOT / "src")})
    assert "Verified(ok=True" in said
    assert "2 cases, 1 sessions" in said
    with open_project(place, author="ada") as project:
        assert project.audit.verify().rows >= rows
        same(before, held(project))
        project.start("c1").document.masks["liver"].paint((0, 1, 1))
        assert project.audit.verify().ok


def test_a_project_in_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "nb", "PGPASSWORD": PASSWORD,
             "PGDATABASE": "nb", "PATH": f"{postgres.bin}:{os.environ['PATH']}"}  # fmt: skip
    with open_project(postgres.url(project="liver"), author="ada", files=tmp_path / "files") as project:
        work(project)
        before, rows = held(project), project.audit.verify().rows
        run("backup postgres", tmp_path, place)  # while it is open
        project.start("c2").document.masks["liver"].paint((0, 0, 0))  # too late for the backup
    shutil.rmtree(tmp_path / "files")
    postgres.execute("CREATE DATABASE again", database="postgres")
    run("restore postgres", tmp_path, place | {"PGDATABASE": "again"})
    check_restored(postgres.url("again", project="liver"), tmp_path, before, rows)


def test_a_project_in_a_folder(tmp_path: Path) -> None:
    with open_project(tmp_path / "liver", author="ada") as project:
        work(project)
        before, rows = held(project), project.audit.verify().rows
        run("backup folder", tmp_path, {})  # while it is open
        project.start("c2").document.masks["liver"].paint((0, 0, 0))
    shutil.rmtree(tmp_path / "liver")
    run("restore folder", tmp_path, {})
    check_restored(str(tmp_path / "liver"), tmp_path, before, rows)


def test_a_restore_over_what_is_there_changes_nothing(postgres: Postgres, tmp_path: Path) -> None:
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "nb", "PGPASSWORD": PASSWORD,
             "PGDATABASE": "twice", "PATH": f"{postgres.bin}:{os.environ['PATH']}"}  # fmt: skip
    postgres.execute("CREATE DATABASE twice", database="postgres")
    url = postgres.url("twice", project="liver")
    with open_project(url, author="ada", files=tmp_path / "files") as project:
        work(project)
        run("backup postgres", tmp_path, place)
        before = held(project)
    with pytest.raises(AssertionError, match="already exists"):
        run("restore postgres", tmp_path, place)
    with open_project(url, author="ada") as project:
        same(before, held(project))

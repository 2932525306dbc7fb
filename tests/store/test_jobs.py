from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from nbannot.errors import ConflictError, StoreError, UnknownItemError
from nbannot.store import StoredProject, jobs, open_project
from nbannot.store.served import job_rows


def test_jobs_are_kept_where_every_process_sees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = open_project(tmp_path, author="ada")
    assert isinstance(project, StoredProject)
    rows, key, other = job_rows(project), uuid4().hex, uuid4().hex
    with pytest.raises(StoreError, match="32 hexadecimal"):
        rows.begin("../x", "ada", "index")
    assert rows.begin(key, "ada", "index") and not rows.begin(key, "ada", "index")
    for strange in (lambda: rows.begin(key, "eve", "index"), lambda: rows.get(key, "eve"),
                    lambda: rows.stop(key, "eve"), lambda: rows.get(other, "ada")):  # fmt: skip
        with pytest.raises(UnknownItemError):
            strange()
    with pytest.raises(ConflictError, match="busy with another index"):
        rows.begin(other, "ada", "index")
    assert rows.told(key, 0.5, "half") and rows.get(key, "ada").part == 0.5
    rows.stop(key, "ada")
    assert not rows.told(key, 0.6, "more")
    rows.end(key, "stopped")
    rows.end(key, "done", result=1)
    assert rows.get(key, "ada").state == "stopped"
    # One whose process was killed is lost after a while, and keeps nobody out.
    assert rows.begin(other, "ada", "index")
    late = jobs.time.time() + jobs.LOST_S + 1
    monkeypatch.setattr(jobs.time, "time", lambda: late)
    lost = rows.get(other, "ada")
    assert (
        lost.state == "failed" and lost.error is not None and "stopped in the middle" in lost.error["message"]
    )
    assert rows.begin(uuid4().hex, "ada", "index")
    project.close()

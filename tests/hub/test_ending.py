"""Programs and services end: also where nobody called close(), and where a thread is stuck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from hub_help import ROOT, free_port
from hub_serving import PREFIX, serving
from moves import phantom
from nbannot.errors import ServiceError
from nbannot.hub.rooms import Rooms
from nbannot.store import open_project

FORGETFUL = """
import sys
from nbannot.store import open_project
kept = []
for person in ("own", "bob"):
    project = open_project(sys.argv[1], storage_options={"token": person})
    session = project.start("c1")
    session.document.masks["liver"].paint((0, 0, 0))
    session.document.images[0].array
    kept += [project, session]
print("last line", flush=True)
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}


def test_a_program_that_forgets_close_ends_and_so_does_the_service(tmp_path: Path) -> None:
    stored = open_project(tmp_path, author="own")
    stored.people.grant("own", "owner")
    stored.people.grant("bob", "annotator")
    stored.add_case("c1", images=phantom(), copy=True, labels=["liver"])
    with serving({"study": stored}, rooms=Rooms({"study": stored})) as served:
        command = [sys.executable, "-c", FORGETFUL, served.url]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (0, "last line\n"), done.stderr
        assert stored.sessions("c1")["edits"].tolist() == [1, 1]
        # These stay open here, with their connections, beyond the end of the service.
        left = [open_project(served.url, storage_options={"token": person}) for person in ("own", "bob")]
        assert [project.case_names for project in left] == [["c1"], ["c1"]]
    # `serving` saw that the service ended.
    stored.close()


def test_a_service_with_a_stuck_thread_ends() -> None:
    port = free_port()
    command = [sys.executable, str(ROOT / "tests" / "hub" / "stuck_service.py"), str(port)]
    service = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 90
        url = f"http://127.0.0.1:{port}{PREFIX}"
        while True:
            try:
                httpx.get(f"{url}openapi.json", trust_env=False)
                break
            except httpx.TransportError:
                assert service.poll() is None and time.monotonic() < end
                time.sleep(0.1)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{url}health", timeout=1, trust_env=False)
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) != 0
    finally:
        service.kill()


def test_a_service_that_takes_requests_and_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = open_project(tmp_path, author="own")
    stored.people.grant("own", "owner")
    asked = []

    def silent(*_: object, **__: object) -> httpx.Response:
        asked.append(1)
        raise httpx.ReadTimeout("no answer")

    with serving({"study": stored}) as served:
        project = open_project(served.url, storage_options={"token": "own"})
        monkeypatch.setattr("nbannot.store.remote_client.PATIENCE_S", 0)
        monkeypatch.setattr(httpx.Client, "request", silent)
        with pytest.raises(ServiceError, match="does not answer"):
            _ = project.case_names
        assert len(asked) == 1

"""`make hub`: a whole Hub on this machine only. Its last command is run here, on a free port."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from hub_help import NAVIGATION, ROOT, proxy_command

WAIT_S = 240


def free_ports() -> int:
    """The first of the ports that the demo takes; all of them are free."""
    for port in range(20_000 + os.getpid() % 10_000, 65_000, 100):
        try:
            for offset in (0, 1, 10, 20, 81):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise AssertionError("No ports are free")


class Demo:
    """A running `make hub`: its port, what it printed, its process."""

    def __init__(self, folder: Path) -> None:
        self.port, self.log = free_ports(), folder / "log"
        command = [sys.executable, str(ROOT / "deploy" / "local_hub.py"), "--folder", str(folder / "hub"),
                   "--port", str(self.port)]  # fmt: skip
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("NBANNOT_HUB")
        }
        environment |= {"PYTHONPATH": str(ROOT / "src"), "NBANNOT_PROXY_COMMAND": proxy_command()}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait(self) -> None:
        end = time.monotonic() + WAIT_S
        health = f"http://127.0.0.1:{self.port}/services/nbannot/health"
        while True:
            try:
                if httpx.get(health, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.3)

    def stop(self) -> None:
        """As Ctrl+C does: the whole group gets it. Nothing is left over."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        _, left = psutil.wait_procs(family, timeout=30)
        names = [one.name() for one in left if one.is_running()]
        for one in left:
            one.kill()
        assert names == []
        assert self.process.returncode == 0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    one = Demo(tmp_path_factory.mktemp("demo"))
    try:
        one.wait()
        yield one
    finally:
        one.stop()


def test_the_address_and_the_password_are_printed(demo: Demo) -> None:
    text = demo.log.read_text()
    assert re.search(rf"^http://127\.0\.0\.1:{demo.port}/  password: \S{{12,}}$", text, re.M)
    assert "ada and ben are researchers, eva and finn are experts." in text


def test_everything_listens_on_loopback_only(demo: Demo) -> None:
    family = [psutil.Process(demo.process.pid)]
    family += family[0].children(recursive=True)
    heard = [
        link.laddr
        for one in family
        for link in one.net_connections("tcp")
        if link.status == psutil.CONN_LISTEN
    ]
    assert {demo.port, demo.port + 1, demo.port + 10, demo.port + 81} <= {address.port for address in heard}
    assert {address.ip for address in heard} == {"127.0.0.1"}


def test_an_expert_logs_in_and_has_tasks(demo: Demo) -> None:
    password = re.search(r"password: (\S+)", demo.log.read_text())
    assert password is not None
    hub = f"http://127.0.0.1:{demo.port}"
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=60) as browser:
        page = browser.get(f"{hub}/hub/login")
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert xsrf is not None
        form = {"username": "eva", "password": password[1], "_xsrf": xsrf[1]}
        landed = browser.post(f"{hub}/hub/login?_xsrf={xsrf[1]}", data=form, headers=NAVIGATION)
        assert (landed.status_code, landed.url.path) == (200, "/services/nbannot/")
        me = browser.get(f"{hub}/services/nbannot/api/v1/me").json()
        assert me["person"] == "eva"
        tasks = browser.get(f"{hub}/services/nbannot/api/v1/projects/demo/tasks").json()
        assert len(tasks["rows"]) == 2
        assert "chest-ct" not in str(tasks)  # experts see numbers, not names
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=60) as browser:
        wrong = browser.post(f"{hub}/hub/login", data={"username": "eva", "password": "guess"})
        assert wrong.status_code in (401, 403)

"""A real JupyterHub on loopback, as `make hub` starts it, and people who use it by HTTP."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "a password of the tests"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def proxy_command() -> str:
    """The proxy's program: of deploy/, or of the machine; installed where it is missing."""
    own = ROOT / "deploy" / "node_modules" / ".bin" / "configurable-http-proxy"
    if not own.exists() and (found := shutil.which("configurable-http-proxy")):
        return found
    if not own.exists():
        install = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefix", str(ROOT / "deploy")]
        subprocess.run(install, check=True, timeout=240)
    return str(own)


class LocalHub:
    """A Hub in a folder; its people log in with `LocalHub.login`.

    With ``host``, such as "hub.localhost", it has subdomains, which browsers find by themselves.
    """

    def __init__(self, folder: Path, *, base: str = "/", host: str = "", **environment: str) -> None:
        self.folder, self.base, self.host = folder, base, host
        self.port, self.api_port, proxy_port, self.service_port = (free_port() for _ in range(4))
        self.url = f"http://{host or '127.0.0.1'}:{self.port}{base}"
        self.service = f"{self.url}services/nbannot/"
        self.log = folder / "hub.log"
        self.environment = {
            **os.environ, "PYTHONPATH": str(ROOT / "src"), "NBANNOT_HUB_FOLDER": str(folder),
            "NBANNOT_HUB_PORT": str(self.port), "NBANNOT_HUB_API_PORT": str(self.api_port),
            "NBANNOT_PROXY_API_PORT": str(proxy_port), "NBANNOT_SERVICE_PORT": str(self.service_port),
            "NBANNOT_HUB_PASSWORD": PASSWORD, "NBANNOT_BASE_URL": base,
            "NBANNOT_PROXY_COMMAND": proxy_command(), "NBANNOT_PYTHON": sys.executable, **environment,
        }  # fmt: skip
        if host:
            self.environment["NBANNOT_SUBDOMAIN_HOST"] = f"http://{host}:{self.port}"
            self.service = f"http://nbannot--service.{host}:{self.port}{base}services/nbannot/"
        self.process: subprocess.Popen[bytes] | None = None
        self.browsers: list[httpx.Client] = []

    def start(self) -> None:
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        python = os.environ.get("NBANNOT_TEST_HUB_PYTHON", sys.executable)  # of another Hub version
        command = [python, "-m", "jupyterhub", "-f", str(ROOT / "deploy" / "jupyterhub_config.py")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        health = f"http://127.0.0.1:{self.port}{self.base}hub/health"
        named = {"Host": f"{self.host}:{self.port}"} if self.host else {}
        self.wait(lambda: httpx.get(health, headers=named, trust_env=False).status_code == 200)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
            self.process = None

    def close_browsers(self) -> None:
        while self.browsers:
            self.browsers.pop().close()

    def wait(self, ready: Any, *, seconds: float = 90) -> None:
        """Wait until something is true; what cannot be reached is not yet."""
        end = time.monotonic() + seconds
        while True:
            try:
                if ready():
                    return
            except (httpx.HTTPError, OSError):
                pass
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"The Hub ended:\n{self.log.read_text()[-4000:]}")
            if time.monotonic() > end:
                raise AssertionError(f"Waited in vain:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.2)

    def login(self, person: str) -> httpx.Client:
        """A browser in which the person is logged in at the Hub."""
        client = httpx.Client(follow_redirects=True, trust_env=False, timeout=30)
        self.browsers.append(client)
        page = client.get(f"{self.url}hub/login")
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert xsrf is not None
        form = {"username": person, "password": PASSWORD, "_xsrf": xsrf[1]}
        client.post(f"{self.url}hub/login?_xsrf={xsrf[1]}&next=%2Fhub%2Fhome", data=form)
        return client

    def enter(self, person: str) -> httpx.Client:
        """A browser in which the person is logged in at the service."""
        client = self.login(person)
        page = client.get(self.service, headers=NAVIGATION)
        assert page.status_code == 200, (page.status_code, str(page.url), page.text[:500])
        me = client.get(f"{self.service}api/v1/me").json()
        client.headers.update({"X-CSRF-Token": me["csrf"], "Origin": origin(self.url)})
        return client

    def admin(self) -> httpx.Client:
        """A program with the rights of the test's own admin service."""
        headers = {"Authorization": f"token {self.environment['NBANNOT_TEST_TOKEN']}"}
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.api_port}{self.base}hub/api", headers=headers, trust_env=False
        )


NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

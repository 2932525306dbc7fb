"""A project with readers, its service in a process that can be killed, and a reader's browser."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

import nbannot as nb
from nbannot.model.attributes import Attribute

TESTS = Path(__file__).resolve().parents[1]
PREFIX = "/services/nbannot/"
CASE = "[data-nbannot-case]:not(.page-waiting)"
"""The case on top; another may be ready behind it."""

# What a cut connection or a machine without a GPU makes the browser say.
CUT = (
    "WebSocket connection", "net::ERR_CONNECTION_", "net::ERR_EMPTY_RESPONSE", "net::ERR_INTERNET_DISCONNECTED",
    "GPU stall", "swiftshader", "software WebGL",
)  # fmt: skip

LABELS = [
    nb.Label("Lesion", color="#ff5252"),
    nb.Label(
        "Report",
        scope=["case"],
        attributes=[
            Attribute("Finding", "choice", options=["none", "benign", "suspicious"], required=True),
            Attribute(
                "Margin",
                "choice",
                options=["smooth", "spiculated"],
                required=True,
                when={"Finding": ["suspicious"]},
            ),
            Attribute("Signs", "choices", options=["calcification", "distortion", "asymmetry"]),
            Attribute("Confidence", "number", range=(0, 100), unit="%"),
            Attribute("Remark", "text"),
        ],
    ),
]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def build_study(folder: Path, cases: dict[str, Any], *, config: str = "", reader: str = "rita") -> None:
    """A project in which a reader has all the cases to read."""
    with nb.open_project(folder, author="boss") as project:
        for name, images in cases.items():
            project.add_case(name, images=images, labels=LABELS)
        project.people.grant("boss", "owner")
        project.people.grant(reader, "reader")
        if config:
            project.configs.set(config)
        project.tasks.assign(list(cases), [reader])


class ReaderService:
    """The service in a process of its own; it can be killed and started again at the same place."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}{PREFIX}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            str(TESTS / "browser" / "reader_service.py"),
            str(self.folder),
            str(self.port),
        ]
        paths = [str(TESTS.parent / "src"), str(TESTS), os.environ.get("PYTHONPATH", "")]
        with (self.folder.parent / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, stdout=log, stderr=log
            )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    f"{self.url}openapi.json", timeout=5
                )
                return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, self.log
                time.sleep(0.1)
        raise AssertionError(self.log)

    @property
    def log(self) -> str:
        return (self.folder.parent / "service.log").read_text()[-4000:]

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None


class ReaderPage:
    """The page of a reader; notes everything that comes over the wire and the console."""

    def __init__(
        self, browser: Browser, service: ReaderService, *, person: str = "rita", **options: Any
    ) -> None:
        self.service = service
        self.context: BrowserContext = browser.new_context(
            **{"viewport": {"width": 1400, "height": 900}, "device_scale_factor": 1, **options}
        )
        self.context.set_default_timeout(40_000)
        self.context.add_cookies([{"name": "name", "value": person, "url": service.url}])
        self.frames: list[bytes] = []
        self.outside: list[str] = []
        self.console: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("websocket", self._watch)
        self.page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        self.page.on("request", lambda one: self._inside(one.url))
        self.page.goto(service.url)

    def _inside(self, url: str) -> None:
        if not url.startswith((self.service.url, "data:", "blob:")):
            self.outside.append(url)

    def _watch(self, socket: Any) -> None:
        def note(payload: Any) -> None:
            self.frames.append(payload if isinstance(payload, bytes) else str(payload).encode())

        socket.on("framereceived", note)

    @property
    def problems(self) -> list[str]:
        """Errors of the page; that a connection is cut is none."""
        return [
            one for one in self.console if one.startswith("error") and not any(word in one for word in CUT)
        ]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def shown(self) -> None:
        """Wait until the case on top is drawn as a whole."""
        self.page.wait_for_selector(f"{CASE} [data-nbannot-root][data-nbannot-complete=true]")

    def first_case(self) -> None:
        """Open the case that the list offers first, and wait until it is shown."""
        self.page.wait_for_selector("[data-nbannot-task]:focus")
        self.press("Enter")
        self.shown()

    def chosen(self, question: str, option: str) -> None:
        """Wait until an option is the answer; "" for none."""
        field = f"{CASE} [data-nbannot-field={question}]"
        if option:
            self.page.wait_for_selector(f"{field} [data-nbannot-option={option}]:checked")
        else:
            # Not by :has(:checked), which Chromium may not look at again after a script's change.
            unchecked = "(at) => [...document.querySelectorAll(at)].every((input) => !input.checked)"
            self.page.wait_for_selector(field)
            self.page.wait_for_function(unchecked, arg=f"{field} input")

    def saving(self, text: str) -> None:
        """Wait until the bar says how things are kept."""
        self.page.wait_for_selector(f"[data-nbannot-page=saving]:has-text('{text}')")

    def title(self, text: str) -> None:
        self.page.wait_for_selector(f".page-title:has-text('{text}')")

    def close(self) -> None:
        self.context.close()

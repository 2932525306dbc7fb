"""Firefox without a screen, driven by its own WebDriver BiDi."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from websockets.sync.client import connect

PATIENCE_S = 90.0
PREFERENCES = {
    "app.update.disabledForTesting": True, "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore", "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
    "focusmanager.testmode": True, "extensions.getAddons.cache.enabled": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1", "toolkit.telemetry.enabled": False,
    "webgl.force-enabled": True,
}  # fmt: skip
_KEYS = {"Control": "\ue009", "Shift": "\ue008", "Alt": "\ue00a", "Enter": "\ue007", "Escape": "\ue00c"}


def find_firefox() -> str:
    """The path of a Firefox."""
    found = shutil.which("firefox-esr") or shutil.which("firefox")
    assert found, "No Firefox. Run: tests/install-packages 'for the test in Firefox' firefox-esr"
    return found


class Firefox:
    """A Firefox with one page; `errors` are those of the page's console."""

    def __init__(self, *, width: int = 1400, height: int = 900) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="nbannot-firefox-"))
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()
        )
        (self._folder / "user.js").write_text("\n".join(lines))
        command = [find_firefox(), "--headless", "--no-remote", "--profile", str(self._folder)]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--remote-debugging-port", "0"], stdout=log, stderr=log
            )
        self.errors: list[str] = []
        self._open = ExitStack()
        self._number = 0
        try:
            road = connect(f"ws://127.0.0.1:{self._port()}/session", max_size=None, proxy=None)
            self._socket = self._open.enter_context(road)
            self.ask("session.new", capabilities={})
            self.ask("session.subscribe", events=["log.entryAdded"])
            # The tab that it starts with keeps the keyboard in its address bar.
            self.context = self.ask("browsingContext.create", type="tab")["context"]
            viewport = {"width": width, "height": height}
            self.ask("browsingContext.setViewport", context=self.context, viewport=viewport)
        except BaseException:
            self.close()
            raise

    def _port(self) -> int:
        told, end = self._folder / "WebDriverBiDiServer.json", time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            try:
                return int(json.loads(told.read_text())["ws_port"])
            except (OSError, ValueError, KeyError):
                time.sleep(0.1)
        raise AssertionError((self._folder / "log").read_text())

    def close(self) -> None:
        """End it, and remove its profile."""
        self._open.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(PATIENCE_S))
            if message.get("method") == "log.entryAdded" and message["params"]["level"] == "error":
                self.errors.append(str(message["params"]["text"]))
            if message.get("id") == self._number:
                assert message["type"] == "success", (method, message)
                return message["result"]

    def open(self, url: str, *, cookies: Mapping[str, str]) -> None:
        """Open a page with these cookies of its host."""
        host = url.split("/")[2].split(":")[0]
        for name, value in cookies.items():
            cookie = {"name": name, "value": {"type": "string", "value": value}, "domain": host, "path": "/"}
            self.ask("storage.setCookie", cookie=cookie)
        self.ask("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return what an expression gives, by way of JSON."""
        found = self.ask(
            "script.evaluate", expression=f"JSON.stringify({expression}) ?? 'null'", awaitPromise=True,
            target={"context": self.context},
        )  # fmt: skip
        assert found["type"] == "success", found
        return json.loads(found["result"]["value"])

    def wait(self, expression: str) -> Any:
        """Wait until an expression gives something, and return it."""
        end = time.monotonic() + PATIENCE_S
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < end, (expression, self.errors, self.evaluate("document.body.innerText"))
            time.sleep(0.1)
        return found

    def wait_for(self, selector: str) -> Any:
        """Wait until an element is there, and return its box: left, top, width, height in CSS pixels."""
        return self.wait(
            f"((one) => one && ((box) => [box.left, box.top, box.width, box.height])(one.getBoundingClientRect()))"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    def press(self, *chords: str) -> None:
        """Press keys, such as "Enter", "3", "Control+Shift+Enter"."""
        actions: list[dict[str, str]] = []
        for chord in chords:
            keys = [_KEYS.get(key, key) for key in chord.split("+")]
            actions += [{"type": "keyDown", "value": key} for key in keys]
            actions += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._perform({"type": "key", "id": "keyboard", "actions": actions})

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        left, top, width, height = self.wait_for(selector)
        self.drag((left + width / 2, top + height / 2))

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse at the first point, move it over the others and let go."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 20} for x, y in points]
        actions = [
            moves[0],
            {"type": "pointerDown", "button": 0},
            *moves[1:],
            {"type": "pointerUp", "button": 0},
        ]
        self._perform({"type": "pointer", "id": "mouse", "actions": actions})

    def _perform(self, source: Mapping[str, Any]) -> None:
        self.ask("input.performActions", context=self.context, actions=[source])

    def pixels(self, selector: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The grey levels of an element as it stands on the screen."""
        left, top, width, height = self.wait_for(selector)
        clip = {"type": "box", "x": left, "y": top, "width": width, "height": height}
        shot = self.ask("browsingContext.captureScreenshot", context=self.context, clip=clip)
        with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as picture:
            return np.asarray(picture.convert("L"))

"""A real JupyterLab and one page in it, driven like a person would: run a cell, look, press keys, reload."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import numpy as np
import numpy.typing as npt
from PIL import Image
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page
from playwright.sync_api import TimeoutError as LateError

READY_S = 90
REOPEN_S = 20
CELL_S = 120
# What a page that goes has told its kernel last needs a moment to be taken in.
SETTLE_MS = 50

# JupyterLab's own noise: nothing here comes from a widget.
KNOWN_NOISE = (
    r"favicon",
    r"ResizeObserver loop",
    r"/api/(contents|sessions|kernels|terminals|workspaces|settings|translations|lsp)[^ ]* .*(404|409|400)",
    r"Failed to load resource: .*(404|409).*(/api/|/lab/|/static/lab|/lsp/|/custom)",
    r"the server responded with a status of 404 .*(translations|workspaces|lsp|custom\.css)",
    r"net::ERR_(CONNECTION_REFUSED|ABORTED|NETWORK_CHANGED|INTERNET_DISCONNECTED)",
    r"WebSocket connection to .* failed",
    r"Connection lost, reconnecting",
    r"Kernel.*(is dead|restart|not exist|disposed)",
    r"Canceled future for",
    r"GPU stall due to ReadPixels",
    r"Automatic fallback to software WebGL",
    r"GroupMarkerNotSet",
    # JupyterLab's own React, when the theme changes while its toolbar redraws.
    r"(?s)removeChild.*/static/lab/",
)

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/extensionmanager-extension:plugin": {"enabled": False},
}

# The text that a cell with this code would show below itself.
EXECUTE = """
async ({code, settle, ms}) => {
  await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)));
  // A viewer gathers changes of its view for a while, unless the page goes.
  window.dispatchEvent(new Event('pagehide'));
  await new Promise(done => setTimeout(done, settle));
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error(`not within ${ms} ms: ${code}`)), ms));
  // After a cut link or a restart the page finds its kernel anew.
  const find = async () => {
    for (;;) {
      const kernel = window.jupyterapp.shell.currentWidget?.sessionContext.session?.kernel;
      if (kernel) return kernel;
      await new Promise(done => setTimeout(done, 50));
    }
  };
  const kernel = await Promise.race([find(), late]);
  const future = kernel.requestExecute({code, allow_stdin: false, stop_on_error: false});
  const shown = [];
  future.onIOPub = ({header, content}) => {
    const {name} = content, last = shown.at(-1);
    if (header.msg_type === 'stream' && last?.name === name) last.text += content.text;
    else if (header.msg_type === 'stream') shown.push({name, text: content.text});
    else if (header.msg_type === 'error') shown.push({text: content.traceback.join('\\n')});
    else if (content.data && !content.data['application/vnd.jupyter.widget-view+json'])
      shown.push({text: content.data['text/plain'] ?? ''});
  };
  await Promise.race([future.done, late]);
  await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)));
  return shown.map(({text}) => text).join('\\n').replace(/\\x1b\\[[0-9;]*m/g, '').trim();
}
"""

# Open a notebook in a page that is there already, in place of the one it shows.
OPEN = """
async path => {
  const app = window.jupyterapp;
  for (const widget of [...app.shell.widgets('main')]) widget.dispose();
  await app.serviceManager.sessions.refreshRunning();
  await app.commands.execute('docmanager:open', {path, factory: 'Notebook'});
}
"""

# Wait until nothing in the viewers has changed for six frames: neither an element nor a picture.
STILL = """
async () => {
  const small = document.createElement("canvas"), SIZE = 32, FRAMES = 6, QUIET_MS = 100, LATEST_MS = 30000;
  small.width = small.height = SIZE;
  const context = small.getContext("2d", {willReadFrequently: true});
  const look = () => [...document.querySelectorAll("[data-nbannot-root]")].map(root => [
    root.dataset.nbannotProgress, root.dataset.nbannotComplete,
    ...[...root.querySelectorAll("canvas")].map(canvas => {
      context.clearRect(0, 0, SIZE, SIZE);
      if (canvas.width && canvas.height) context.drawImage(canvas, 0, 0, SIZE, SIZE);
      return [canvas.width, canvas.height, ...context.getImageData(0, 0, SIZE, SIZE).data].join();
    }),
  ]).join();
  let changed = true;
  const watcher = new MutationObserver(() => { changed = true; });
  for (const root of document.querySelectorAll("[data-nbannot-root]"))
    watcher.observe(root, {attributes: true, characterData: true, childList: true, subtree: true});
  const begun = performance.now();
  let before = "", frames = 0, since = begun;
  while (frames < FRAMES || performance.now() - since < QUIET_MS) {
    await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)));
    const now = look();
    if (changed || now !== before) { frames = 0; since = performance.now(); }
    else frames += 1;
    changed = false;
    before = now;
    if (performance.now() - begun > LATEST_MS) return false;
  }
  watcher.disconnect();
  return true;
}
"""

# Close everything and return whether the page is as good as new.
LEAVE = """
async () => {
  const app = window.jupyterapp;
  for (const widget of [...app.shell.widgets('main')]) widget.dispose();
  const {sessions} = app.serviceManager;
  await sessions.refreshRunning();
  await Promise.all([...sessions.running()].map(({id}) => sessions.shutdown(id)));
  for (const key of Object.keys(localStorage)) if (key.startsWith('nbannot')) localStorage.removeItem(key);
  performance.clearResourceTimings();
  if (document.body.dataset.jpThemeLight !== 'true')
    await app.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'});
  return !document.querySelector('[data-nbannot-root], .jp-Dialog, .lm-Menu');
}
"""


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`jupyter lab` on a free loopback port, with its own settings and its own root folder.

    `extension` switches nbannot's server extension (the HTTP path of the voxels) on or off.
    """

    def __init__(
        self, folder: Path, *, extension: bool, args: tuple[str, ...] = (), env: dict[str, str] | None = None
    ) -> None:
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.log = folder / "jupyter.log"
        self._folder = folder
        (folder / "settings").mkdir()
        (folder / "settings" / "overrides.json").write_text(json.dumps(SETTINGS))
        switch = folder / "config" / "jupyter_server_config.d" / "nbannot.json"
        switch.parent.mkdir(parents=True)
        switch.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"nbannot.jupyter": extension}}}))
        self._process = self._start(args, env or {})

    @property
    def url(self) -> str:
        """The address of the server, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def _start(self, args: tuple[str, ...], extra_env: dict[str, str]) -> subprocess.Popen[bytes]:
        folder = self._folder
        env = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_PREFER_ENV_PATH": "0",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **extra_env,
        }
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.root}",
            "--ServerApp.open_browser=False", "--ServerApp.terminals_enabled=False",
            f"--LabApp.app_settings_dir={folder / 'settings'}",
            f"--LabApp.workspaces_dir={folder / 'workspaces'}",
            f"--LabApp.user_settings_dir={folder / 'user-settings'}",
            "--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=",
            "--LabApp.collaborative=False",
            *args,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=self.root, env=env, stdout=log, stderr=subprocess.STDOUT)

    def wait(self) -> None:
        """Return when the server answers; raise with the end of its log when it does not."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                self.api("/api/status")
                return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()[-4000:]}")

    def api(self, path: str, *, method: str = "GET") -> Any:
        """Return what the server's REST interface answers."""
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def stop(self) -> None:
        """Stop the kernels and the server."""
        for _ in range(2):
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    self._process.wait(15)
                except subprocess.TimeoutExpired:
                    self._process.kill()
        self._process.wait(15)


class Lab:
    """One browser page with one notebook of the server.

    `page` is a page that an earlier one left (see `leave`); without it, each notebook is opened by loading
    JupyterLab anew.
    """

    def __init__(
        self, server: Server, context: BrowserContext, out: Path, *, page: Page | None = None
    ) -> None:
        self.server = server
        self.context = context
        self.page: Page = page or context.new_page()
        self.out = out
        self.console_errors: list[str] = []
        self.outside_requests: list[str] = []
        self._asked: list[str] = []
        self.allowed: list[str] = list(KNOWN_NOISE)
        self._path = ""
        self._kept = page is not None
        self._size = self.page.viewport_size
        self._heard: dict[Any, Callable[[Any], None]] = {
            "console": self._on_console,
            "pageerror": lambda error: self.console_errors.append(f"page error: {error} {error.stack}"),
            "request": self._on_request,
            "dialog": lambda dialog: dialog.accept(),
        }
        for event, heard in self._heard.items():
            self.page.on(event, heard)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            where = message.location.get("url", "") if message.location else ""
            self.console_errors.append(f"{message.text} [{where}]")

    def _on_request(self, request: Any) -> None:
        if not re.match(r"(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|data:|blob:", request.url):
            self.outside_requests.append(request.url)
        self._asked.append(urlsplit(request.url).path)

    def asked(self, pattern: str) -> int:
        """Return how many requests of the page had a path with `pattern` in it (the page's own list is cut at 250)."""
        return sum(re.search(pattern, path) is not None for path in self._asked)

    def allow_console(self, pattern: str) -> None:
        """Accept console errors that match `pattern` in this test."""
        self.allowed.append(pattern)

    def problems(self) -> list[str]:
        """Return the console errors that are neither Jupyter's own noise nor allowed by the test."""
        return [text for text in self.console_errors if not any(re.search(p, text) for p in self.allowed)]

    # -- the notebook ---------------------------------------------------------------------------------------

    def open_notebook(self, cells: list[str], *, name: str = "test.ipynb") -> None:
        """Write a notebook with these code cells, open it and wait for its kernel."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        target = self.server.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
        self.open_path(name)

    def open_path(self, path: str) -> None:
        """Open a notebook that already lies in the server's root and wait for its kernel."""
        self._path = path
        self._goto()

    def _goto(self) -> None:
        if self._kept and self.page.evaluate("() => Boolean(window.jupyterapp)"):
            self.page.evaluate(OPEN, self._path)
            try:
                self._wait_open(timeout=REOPEN_S)
            except LateError:
                # JupyterLab did not come to rest after what it showed before: load it anew.
                self._kept = False
            else:
                return
        address = f"{self.server.url}/doc/tree/{self._path}?token={self.server.token}&reset"
        self.page.goto(address, wait_until="domcontentloaded", timeout=READY_S * 1000)
        self._wait_open()

    def _wait_open(self, *, timeout: float = READY_S) -> None:
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=timeout * 1000)
        # Cells are made anew while the notebook loads; the spinner lies over them until they are final.
        self.page.wait_for_function(
            "() => !document.querySelector('.jp-MainAreaWidget .jp-Spinner, #jupyterlab-splash')",
            timeout=timeout * 1000,
        )
        self.wait_idle(timeout=timeout)

    def wait_idle(self, *, timeout: float = CELL_S) -> None:
        """Return when the kernel is idle and no cell waits for its turn."""
        # A cell that is run before the kernel's socket is open is silently left undone.
        self.page.wait_for_function(
            """() => {
              const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
              const kernel = context?.isReady && context.session?.kernel;
              const prompts = [...document.querySelectorAll('.jp-InputArea-prompt')];
              return kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle'
                && !prompts.some(p => p.textContent.includes('[*]'));
            }""",
            timeout=timeout * 1000,
        )

    def cell_element(self, n: int) -> Locator:
        """Return cell number `n`, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(n)

    def output(self, n: int) -> Locator:
        """Return the output area of cell `n`."""
        return self.cell_element(n).locator(".jp-Cell-outputArea")

    def set_cell(self, n: int, source: str) -> None:
        """Replace the text of cell `n`, as typing would."""
        editor = self.cell_element(n).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(source)

    def run_cell(self, n: int, *, wait: bool = True, timeout: float = CELL_S) -> str:
        """Run cell `n`, wait until it is done (unless told not to) and return the text of its output."""
        cell = self.cell_element(n)
        prompt = cell.locator(".jp-InputArea-prompt")
        # A kernel that was started anew counts from 1 again: only an emptied prompt tells a new run.
        prompt.evaluate("prompt => { prompt.textContent = '[ ]:'; }")
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        if not wait:
            return ""
        self.page.wait_for_function(
            r"prompt => /\[\d+\]/.test(prompt.textContent)",
            arg=prompt.element_handle(),
            timeout=timeout * 1000,
        )
        self.wait_idle(timeout=timeout)
        return self.output_text(n)

    def run_all(self, *, timeout: float = CELL_S) -> None:
        """Run every cell in order."""
        for n in range(self.page.locator(".jp-Notebook .jp-Cell").count()):
            if "jp-CodeCell" in (self.cell_element(n).get_attribute("class") or ""):
                self.run_cell(n, timeout=timeout)

    def output_text(self, n: int) -> str:
        """Return the text of the output of cell `n`, without what is drawn by widgets."""
        parts = self.cell_element(n).locator(".jp-RenderedText, .jp-RenderedHTMLCommon").all_inner_texts()
        return "\n".join(parts).strip()

    def run_python(self, source: str) -> str:
        """Run `source` in the kernel as a cell would, without one, and return its output text."""
        found: str = self.page.evaluate(EXECUTE, {"code": source, "settle": SETTLE_MS, "ms": CELL_S * 1000})
        return found

    def type_python(self, source: str) -> str:
        """Type `source` into the last cell, run it there and return its output text."""
        last = self.page.locator(".jp-Notebook .jp-Cell").count() - 1
        self.set_cell(last, source)
        return self.run_cell(last)

    def reload(self) -> None:
        """Reload the page, as F5 does; the kernel lives on."""
        self.page.reload(wait_until="domcontentloaded", timeout=READY_S * 1000)
        self._wait_open()

    def save(self) -> None:
        """Save the notebook and return when the file is written."""
        target = self.server.root / self._path
        before = target.stat().st_mtime_ns
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.until(lambda: target.stat().st_mtime_ns != before, "the notebook is saved")

    # -- the kernel -----------------------------------------------------------------------------------------

    def kernel_id(self) -> str:
        """Return the server's id of this notebook's kernel."""
        for session in self.server.api("/api/sessions"):
            if session["path"] == self._path:
                found: str = session["kernel"]["id"]
                return found
        raise RuntimeError(f"{self._path} has no kernel")

    def kernel_pid(self) -> int:
        """Return the process number of this notebook's kernel."""
        kernel = self.kernel_id()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if kernel.encode() in command and b"ipykernel" in command:
                    return int(entry.name)
        raise RuntimeError(f"no process runs kernel {kernel}")

    def kill_kernel(self, *, wait: bool = True) -> None:
        """End the kernel as a crash would (SIGKILL) and wait for the empty one that Jupyter starts instead."""
        before = self.kernel_pid()
        os.kill(before, signal.SIGKILL)
        if wait:
            self.await_restart(before)

    def await_restart(self, before: int) -> None:
        """Wait for the kernel that Jupyter starts in place of process `before`, and close what it says of it."""
        self.until(lambda: self._other_kernel(before), "Jupyter started the kernel anew", timeout=READY_S)
        self.wait_idle(timeout=READY_S)
        # Not always there: JupyterLab says nothing where it takes the death for a restart.
        for button in self.page.locator(".jp-Dialog .jp-mod-accept").all():
            button.click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")

    def _other_kernel(self, before: int) -> bool:
        try:
            return self.kernel_pid() != before
        except RuntimeError:
            return False

    def restart_kernel(self) -> None:
        """Start the kernel anew and wait for it."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )
        self.wait_idle(timeout=READY_S)

    # -- looking --------------------------------------------------------------------------------------------

    def canvas_pixels(self, canvas: Locator) -> npt.NDArray[np.uint8]:
        """Return the RGBA pixels of a canvas, rows by columns by 4, in device pixels."""
        found = canvas.evaluate(
            """canvas => {
              const copy = document.createElement('canvas');
              copy.width = canvas.width; copy.height = canvas.height;
              const context = copy.getContext('2d');
              context.drawImage(canvas, 0, 0);
              const bytes = context.getImageData(0, 0, copy.width, copy.height).data;
              let text = '';
              for (let n = 0; n < bytes.length; n += 32768)
                text += String.fromCharCode(...bytes.subarray(n, n + 32768));
              return {width: copy.width, height: copy.height, data: btoa(text)};
            }"""
        )
        flat = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
        return flat.reshape(found["height"], found["width"], 4)

    def shown_pixels(self, element: Locator) -> npt.NDArray[np.uint8]:
        """Return the RGB pixels of an element as they stand on the screen."""
        with Image.open(io.BytesIO(element.screenshot())) as picture:
            return np.asarray(picture.convert("RGB"))

    def screenshot(self, name: str, *, element: Locator | None = None) -> Path:
        """Save a picture of the page or of one element in test-output and return its path."""
        self.out.mkdir(parents=True, exist_ok=True)
        target = self.out / (name if name.endswith(".png") else f"{name}.png")
        if element is None:
            self.page.screenshot(path=target)
        else:
            element.screenshot(path=target)
        return target

    def still(self) -> None:
        """Return when the kernel is idle and the viewers' pictures and elements have come to rest."""
        self.wait_idle()
        assert self.page.evaluate(STILL), "the viewers do not come to rest"

    def until(self, true: Callable[[], bool], what: str, *, timeout: float = 30) -> None:
        """Return when `true()` holds; fail naming `what` when it does not within `timeout` seconds."""
        end = time.monotonic() + timeout
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout} s: {what}")
            self.page.wait_for_timeout(50)

    def set_theme(self, name: str) -> None:
        """Choose "light" or "dark"."""
        title = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[name]
        self.page.evaluate(
            "theme => window.jupyterapp?.commands.execute('apputils:change-theme', {theme})", title
        )
        self.page.wait_for_function(
            "name => document.body.dataset.jpThemeLight === String(name === 'light')",
            arg=name,
            timeout=30_000,
        )

    def leave(self) -> bool:
        """Close the notebook and its kernel; return whether the page can be used for another one."""
        for event, heard in self._heard.items():
            self.page.remove_listener(event, heard)
        self.page.unroute_all()
        self.context.clear_permissions()
        self.page.mouse.move(0, 0)
        if self._size and self.page.viewport_size != self._size:
            self.page.set_viewport_size(self._size)
        clean: bool = self.page.evaluate(LEAVE)
        return clean

    def close(self) -> None:
        """Shut the notebook's kernel down and close the page."""
        for session in self.server.api("/api/sessions"):
            try:
                self.server.api(f"/api/sessions/{session['id']}", method="DELETE")
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
        self.page.close(run_before_unload=False)

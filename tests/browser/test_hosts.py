"""The same scenario in each host: JupyterLab, Notebook 7 and Voilà, each a real server of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page

from browser.conftest import ROOT, running_server
from browser.lab import READY_S, Lab, Server, free_port

SHOW = """
import numpy as np, nbannot as nb, ipywidgets
random = np.random.default_rng(3)
array = random.integers(-400, 400, (20, 12, 12)).repeat(8, 1).repeat(8, 2).astype(np.int16)
grid = nb.Geometry(np.diag([1.0, 1, 2, 1])[[2, 1, 0, 3]], array.shape)
image = nb.Image(array, grid, modality="CT", unit="HU", windows=[nb.Window(0, 900)])
viewer = nb.Viewer(image, labels=["liver"], height=420)
viewer.label = "liver"
mask = viewer.document.masks["liver"]
count = ipywidgets.Label("painted 0")
def tell(edit, revision):
    count.value = f"painted {int((mask.array > 0).sum())}"
viewer.document.edited.connect(tell)
ipywidgets.VBox([count])
"""
CELLS = [SHOW, "viewer", "0"]


class NotebookServer(Server):
    """`jupyter notebook`, version 7."""

    def _start(self, args: tuple[str, ...], extra_env: dict[str, str]) -> subprocess.Popen[bytes]:
        folder = self._folder
        env = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_PREFER_ENV_PATH": "0",
            **extra_env,
        }
        command = [
            sys.executable, "-m", "notebook", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.root}",
            "--ServerApp.terminals_enabled=False",
            f"--JupyterNotebookApp.app_settings_dir={folder / 'settings'}",
            f"--JupyterNotebookApp.workspaces_dir={folder / 'workspaces'}",
            f"--JupyterNotebookApp.user_settings_dir={folder / 'user-settings'}",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            *args,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=self.root, env=env, stdout=log, stderr=subprocess.STDOUT)


class Notebook7(Lab):
    """One page of Notebook 7; its cells are those of JupyterLab."""

    def _goto(self) -> None:
        address = f"{self.server.url}/notebooks/{self._path}?token={self.server.token}"
        self.page.goto(address, wait_until="domcontentloaded", timeout=READY_S * 1000)
        self._wait_open()


@contextmanager
def notebook_server(folder: Path) -> Iterator[Server]:
    env = {"PYTHONPATH": os.pathsep.join(p for p in (str(ROOT / "src"), os.environ.get("PYTHONPATH")) if p)}
    server = NotebookServer(folder, extension=True, env=env)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@contextmanager
def voila(folder: Path, cells: list[str]) -> Iterator[str]:
    """`voila notebook.ipynb` without a login, with these cells; yields its address."""
    port, log = free_port(), folder / "voila.log"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "show.ipynb")
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in (str(ROOT / "src"), os.environ.get("PYTHONPATH")) if p),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    command = [
        sys.executable, "-m", "voila", str(folder / "show.ipynb"), "--no-browser", f"--port={port}",
        "--Voila.ip=127.0.0.1", "--Voila.port_retries=0", "--show_tracebacks=True",
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        _await_port(port, process, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"Voilà did not start:\n{log.read_text()[-3000:]}")


# -- the scenario -----------------------------------------------------------------------------------------------


def view(page: Page, name: str = "axial") -> Locator:
    return page.locator(f'[data-nbannot-view="{name}"]').first


def ready(page: Page) -> None:
    page.locator('[data-nbannot-root][data-nbannot-complete="true"]').first.wait_for(timeout=60_000)


def picture(page: Page) -> str:
    found: str = view(page).locator("canvas").first.evaluate("canvas => canvas.toDataURL()")
    return found


def until(page: Page, true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        page.wait_for_timeout(50)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    canvas = view(page).locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=10)
    page.mouse.up()


def look(page: Page) -> None:
    """Scroll by wheel and keys, and change the window by dragging."""
    canvas = view(page).locator("canvas").first
    canvas.scroll_into_view_if_needed()
    canvas.hover()
    before = view(page).get_attribute("data-nbannot-slice")
    page.mouse.wheel(0, 100)
    until(page, lambda: view(page).get_attribute("data-nbannot-slice") != before, "the wheel scrolled")
    for key, end in (("Home", "0"), ("End", "19"), ("ArrowUp", "18")):
        page.keyboard.press(key)
        until(page, lambda end=end: view(page).get_attribute("data-nbannot-slice") == end, f"{key} scrolled")
    ready(page)
    seen = picture(page)
    page.keyboard.press("w")
    drag(page, (0.4, 0.4), (0.6, 0.6))
    until(page, lambda: picture(page) != seen, "the window changed the picture")


def paint_and_undo(page: Page) -> int:
    """Paint one stroke, take it back, do it again; Python says each time what it has."""
    told = page.get_by_text("painted ").last

    def count() -> int:
        return int((told.text_content() or "painted -1").split()[-1])

    assert count() == 0
    view(page).locator("canvas").first.hover()
    page.keyboard.press("b")
    drag(page, (0.4, 0.5), (0.6, 0.5))
    until(page, lambda: count() > 0, "the stroke is in Python")
    painted = count()
    page.keyboard.press("Control+z")
    until(page, lambda: count() == 0, "undo reached Python")
    page.keyboard.press("Control+y")
    until(page, lambda: count() == painted, "redo reached Python")
    return painted


@pytest.mark.parametrize("host", ["lab", "notebook7"])
def test_a_notebook_host(host: str, browser: Browser, tmp_path: Path) -> None:
    server_of = notebook_server if host == "notebook7" else lambda at: running_server(at, extension=True)
    with server_of(tmp_path / "server") as server:
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, device_scale_factor=1)
        context.set_default_timeout(30_000)
        lab = (Notebook7 if host == "notebook7" else Lab)(server, context, ROOT / "test-output")
        # Settings that JupyterLab knows and Notebook 7 does not.
        lab.allow_console(r"(?s)reading 'schema'.*/static/notebook/")
        try:
            lab.open_notebook(CELLS)
            lab.run_cell(0)
            lab.run_cell(1)
            ready(lab.page)
            look(lab.page)
            painted = paint_and_undo(lab.page)
            assert lab.run_python("print(int((mask.array > 0).sum()))") == str(painted)
            fetched = lab.asked(r"nbannot/v1.*\d-\d+$")
            assert fetched > 0, "voxels come by HTTP where the server extension runs"
            lab.screenshot(f"host-{host}")
            lab.save()
            lab.reload()
            ready(lab.page)
            assert lab.run_python("print(int((mask.array > 0).sum()))") == str(painted)
            view(lab.page).locator("canvas").first.hover()
            lab.page.keyboard.press("Control+z")
            lab.until(
                lambda: lab.run_python("print(int((mask.array > 0).sum()))") == "0",
                "undo works after the reload",
            )
            assert not lab.problems(), lab.problems()
            assert not lab.outside_requests, lab.outside_requests
        except BaseException:
            lab.screenshot(f"failed-host-{host}")
            raise
        finally:
            lab.close()
            context.close()


def test_voila(browser: Browser, tmp_path: Path) -> None:
    errors: list[str] = []
    with voila(tmp_path, CELLS[:2]) as address:
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, device_scale_factor=1)
        context.set_default_timeout(30_000)
        # Voilà's page asks a CDN for a font; no test goes there.
        context.route(lambda url: "//127.0.0.1" not in url, lambda route: route.abort())
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
        try:
            page.goto(address, timeout=READY_S * 1000)
            ready(page)
            look(page)
            assert paint_and_undo(page) > 0
            page.screenshot(path=_output("host-voila.png"))
            # Voilà gives each visit a kernel of its own: all is as at the start.
            page.reload(timeout=READY_S * 1000)
            ready(page)
            look(page)
            assert paint_and_undo(page) > 0
            assert not [text for text in errors if "nbannot" in text], errors
        except BaseException:
            page.screenshot(path=_output("failed-host-voila.png"))
            raise
        finally:
            context.close()


def _output(name: str) -> Path:
    folder = ROOT / "test-output"
    folder.mkdir(exist_ok=True)
    return folder / name

"""Edits over a link that is cut, a kernel that is busy and a page that is left: each arrives once, in order."""

from __future__ import annotations

import copy
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser

from browser.conftest import opened_page
from browser.lab import Lab, Server

SHOW = """
import numpy as np
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.viewer.widget import Viewer
pixels = np.zeros((20, 96, 96), np.int16)
image = Image(pixels, Geometry(np.eye(4)[[2, 1, 0, 3]], pixels.shape), modality="CT", unit="HU")
viewer = Viewer(image, labels=["liver"], layout="axial")
viewer.tool, viewer.label = "brush", "liver"
viewer
"""
HISTORY = "print([edit.id for edit in viewer.document.history])"


class Proxy:
    """Forwards a loopback port to another; its websockets can be cut.

    Requests pass all the time: without them JupyterLab covers the page with messages of its own.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._live: set[socket.socket] = set()
        self._up = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if b"upgrade: websocket" in data[:4096].lower():
                    if not self._up:
                        break
                    self._live |= {source, sink}
                sink.sendall(data)
        for one in (source, sink):
            self._live.discard(one)
            one.close()

    def cut(self) -> None:
        """Break the websockets and take no new ones."""
        self._up = False
        for one in list(self._live):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Take websockets again."""
        self._up = True

    def close(self) -> None:
        """Stop for good."""
        self._listener.close()
        self.cut()


@pytest.fixture
def proxy(lab_server: Server) -> Iterator[Proxy]:
    proxy = Proxy(lab_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def cut_lab(
    lab_server: Server, proxy: Proxy, browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """A page that reaches the server through the proxy."""
    near = copy.copy(lab_server)
    near.port = proxy.port
    with opened_page(near, browser, request) as lab:
        yield lab


def show(lab: Lab) -> None:
    lab.open_notebook([SHOW, ""])
    lab.run_cell(0)
    lab.page.locator("[data-nbannot-ready=true]").first.wait_for()
    lab.still()


def stroke(lab: Lab, n: int) -> None:
    """Paint at a place of its own."""
    box = lab.page.locator(".nbannot canvas").first.bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2 + 60 * (n % 6 - 3)
    y = box["y"] + box["height"] / 2 + 60 * (n // 6 - 2)
    lab.page.mouse.move(x, y)
    lab.page.mouse.down()
    lab.page.mouse.move(x + 8, y, steps=2)
    lab.page.mouse.up()


def waiting(lab: Lab) -> int:
    """Return how many edits the page has kept for later."""
    count: int = lab.page.evaluate(
        "() => Object.keys(localStorage).filter(key => key.startsWith('nbannot/pending/')).length"
    )
    return count


def numbers(history: str) -> list[int]:
    """Return the numbers of the edits of one page, in the order in which they were applied."""
    ids = [text.strip(" '") for text in history.strip("[] \n").split(",")]
    assert len({text.split(":")[0] for text in ids}) == 1
    return [int(text.split(":")[1]) for text in ids]


@pytest.mark.parametrize("seconds", [1, 10])
def test_a_cut_link_loses_nothing(cut_lab: Lab, proxy: Proxy, seconds: int) -> None:
    lab = cut_lab
    lab.allow_console(r".*")
    show(lab)
    for n in range(4):
        stroke(lab, n)
    proxy.cut()
    for n in range(4, 8):
        stroke(lab, n)
    lab.page.wait_for_timeout(seconds * 1000)
    proxy.mend()
    for n in range(8, 12):
        stroke(lab, n)
    lab.until(lambda: waiting(lab) == 0, "every edit is acknowledged", timeout=90)
    assert numbers(lab.run_python(HISTORY)) == list(range(1, 13))


def test_strokes_reach_python_while_a_cell_runs(lab: Lab) -> None:
    show(lab)
    lab.set_cell(
        1,
        "import time\nmask = viewer.document.masks['liver']\nend = time.time() + 60\n"
        "while not mask.array.any() and time.time() < end: time.sleep(0.05)\n"
        "print(bool(mask.array.any()))",
    )
    lab.run_cell(1, wait=False)
    lab.until(
        lambda: "*" in lab.cell_element(1).locator(".jp-InputArea-prompt").inner_text(), "the cell runs"
    )
    stroke(lab, 1)
    lab.wait_idle()
    assert lab.output_text(1) == "True"


def test_the_next_page_delivers_what_the_last_one_could_not(lab: Lab) -> None:
    show(lab)
    stroke(lab, 0)
    lab.until(lambda: waiting(lab) == 0, "the first stroke is acknowledged")
    # Inside the viewer the key would not be the notebook's.
    lab.cell_element(1).locator(".cm-content").click()
    lab.save()
    kernel = lab.kernel_pid()
    os.kill(kernel, signal.SIGSTOP)
    try:
        for n in (1, 2, 3):
            stroke(lab, n)
        assert waiting(lab) == 3
        lab.page.goto("about:blank")
    finally:
        os.kill(kernel, signal.SIGCONT)
    lab.open_path("test.ipynb")
    lab.page.locator("[data-nbannot-ready=true]").first.wait_for()
    lab.until(lambda: waiting(lab) == 0, "the next page delivers them", timeout=60)
    assert numbers(lab.run_python(HISTORY)) == [1, 2, 3, 4]


def test_without_the_extension_the_voxels_come_through_the_kernel(plain_lab: Lab) -> None:
    show(plain_lab)
    assert plain_lab.asked("nbannot/v1") == 0
    assert plain_lab.run_python("print(len(list(viewer._spool.folder.iterdir())))") == "0"

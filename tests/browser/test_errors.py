"""What fails is seen in the cell, with its cause and what to do, and the rest goes on."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Locator, expect

from browser.lab import Lab

IMAGE = """
import json, numpy as np, nbannot as nb
random = np.random.default_rng(5)
array = random.integers(-500, 500, (12, 10, 11)).repeat(4, 1).repeat(4, 2).astype(np.int16)
grid = nb.Geometry(np.diag([2.0, 1, 1, 1])[[2, 1, 0, 3]], array.shape)
image = nb.Image(array, grid, modality="CT", unit="HU", name="test")
def show(image=image, **options):
    viewer = nb.Viewer(image, labels=["liver"], window=(0, 900), **options)
    viewer.label = "liver"
    viewer.view = {**viewer.view, "tool": "brush", "size_mm": 6, "crosshair": False}
    return viewer
"""
PLAIN = IMAGE + "viewer = show(backend='cpu')\nviewer"
NO_WEBGL = """
for (const canvas of [OffscreenCanvas, HTMLCanvasElement]) {
  const { getContext } = canvas.prototype;
  canvas.prototype.getContext = function (kind, ...rest) {
    return window.hasWebgl || !/webgl/.test(kind) ? getContext.call(this, kind, ...rest) : null;
  };
}
"""
LOSE = """() => new Promise(done => {
  const { canvas, gl } = globalThis[Symbol.for('nbannot.gl.1')];
  canvas.addEventListener('webglcontextlost', () => done());
  gl.getExtension('WEBGL_lose_context').loseContext();
})"""


def open_lab(lab: Lab, cells: list[str]) -> None:
    lab.open_notebook([*cells, "0"])
    lab.run_cell(0)


def ready(lab: Lab, cell: int = 0) -> Locator:
    root = lab.output(cell).locator('[data-nbannot-root][data-nbannot-complete="true"]').first
    root.wait_for(timeout=60_000)
    return root


def view(lab: Lab, name: str = "axial", cell: int = 0) -> Locator:
    return lab.output(cell).locator(f'[data-nbannot-view="{name}"]').first


def picture(lab: Lab, cell: int = 0) -> npt.NDArray[np.uint8]:
    return lab.canvas_pixels(view(lab, cell=cell).locator("canvas"))


def until_near(lab: Lab, wanted: npt.NDArray[np.uint8], cell: int, what: str) -> None:
    """Wait until a picture is the wanted one; WebGL and CPU may differ by one grey level."""

    def is_near() -> bool:
        now = picture(lab, cell)
        return now.shape == wanted.shape and int(np.abs(now.astype(int) - wanted).max()) <= 1

    lab.until(is_near, what)


def error(lab: Lab, kind: str, cell: int = 0) -> Locator:
    return lab.output(cell).locator(f'[role="alert"][data-nbannot-error="{kind}"]').first


def strip(lab: Lab, status: str) -> Locator:
    return lab.output(0).locator(f'.nbannot-strip[data-nbannot-status="{status}"]').first


def stroke(lab: Lab, across: float = 0.5) -> None:
    box = view(lab).locator("canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * across, box["y"] + box["height"] * 0.5
    lab.page.mouse.move(x, y)
    lab.page.mouse.down()
    lab.page.mouse.move(x + 3, y)
    lab.page.mouse.up()


def scroll_to(lab: Lab, k: int, cell: int = 0) -> None:
    lab.run_python(f"viewer.goto(index=({k}, 20, 20))")
    lab.output(cell).locator(f'[data-nbannot-view="axial"][data-nbannot-slice="{k}"]').wait_for()


def test_without_webgl_the_cpu_draws_and_says_so(fresh_lab: Lab) -> None:
    lab = fresh_lab
    lab.page.add_init_script(NO_WEBGL)
    open_lab(lab, [PLAIN, "other = show(backend='webgl2')\nother", "auto = show()\nauto"])
    ready(lab)
    lab.run_cell(1)
    root = ready(lab, 1)
    note = error(lab, "RendererError", 1)
    note.wait_for()
    assert "no WebGL2" in note.inner_text() and "The CPU draws instead" in note.inner_text()
    assert root.get_attribute("data-nbannot-backend") == "cpu"
    until_near(lab, picture(lab), 1, "the picture of the CPU")
    lab.run_cell(2)
    assert ready(lab, 2).get_attribute("data-nbannot-backend") == "cpu"
    assert lab.output(2).locator("[data-nbannot-error]").count() == 0


def test_a_lost_webgl_context_is_made_anew_or_the_cpu_takes_over(fresh_lab: Lab) -> None:
    lab = fresh_lab
    lab.page.add_init_script("window.hasWebgl = true;" + NO_WEBGL)
    linked = "viewer = show(backend='webgl2')\nviewer"
    open_lab(lab, [IMAGE + "first = show(backend='cpu')\nfirst", linked])
    lab.run_cell(1)
    ready(lab)
    root = ready(lab, 1)
    assert root.get_attribute("data-nbannot-backend") == "webgl2"

    def scroll_both(k: int) -> None:
        lab.run_python(f"first.goto(index=({k}, 20, 20))")
        scroll_to(lab, k, 1)
        lab.output(0).locator(f'[data-nbannot-view="axial"][data-nbannot-slice="{k}"]').wait_for()

    scroll_both(3)
    until_near(lab, picture(lab), 1, "the GPU draws")
    lab.page.evaluate(LOSE)
    until_near(lab, picture(lab), 1, "the picture stays")
    scroll_both(8)
    until_near(lab, picture(lab), 1, "a new context draws")
    assert root.get_attribute("data-nbannot-backend") == "webgl2"
    lab.page.evaluate("window.hasWebgl = false")
    lab.page.evaluate(LOSE)
    scroll_both(2)
    until_near(lab, picture(lab), 1, "the CPU draws")
    assert root.get_attribute("data-nbannot-backend") == "cpu"
    note = error(lab, "RendererError", 1)
    note.wait_for()
    assert "The CPU draws instead" in note.inner_text()


def test_a_stopped_kernel_is_called_busy_and_goes_on(lab: Lab) -> None:
    open_lab(lab, [PLAIN])
    ready(lab)
    kernel = lab.kernel_pid()
    os.kill(kernel, signal.SIGSTOP)
    try:
        stroke(lab)
        strip(lab, "busy").wait_for()
        text = strip(lab, "busy").inner_text()
        assert "The kernel is busy" in text and "1 edit is kept here" in text
    finally:
        os.kill(kernel, signal.SIGCONT)
    expect(lab.output(0).locator(".nbannot-strip").first).to_be_hidden()
    assert lab.run_python("print(len(viewer.document.history))") == "1"


def test_a_dead_kernel_is_named_and_the_cell_brings_the_viewer_back(lab: Lab) -> None:
    open_lab(lab, [PLAIN])
    ready(lab)
    lab.kill_kernel()
    stroke(lab)
    strip(lab, "disconnected").wait_for()
    text = strip(lab, "disconnected").inner_text()
    assert "No connection to the kernel" in text and "run the cell again" in text
    lab.run_cell(0)
    ready(lab)
    expect(lab.output(0).locator(".nbannot-strip").first).to_be_hidden()
    stroke(lab)
    lab.until(
        lambda: lab.run_python("print(len(viewer.document.history))") == "1", "the new viewer takes strokes"
    )


def test_another_version_in_the_kernel_is_named(lab: Lab) -> None:
    skew = "import nbannot.host.channel\nnbannot.host.channel.PROTOCOL = 'nbannot-protocol/0'\n"
    open_lab(lab, [skew + PLAIN])
    strip(lab, "skew").wait_for()
    text = strip(lab, "skew").inner_text()
    assert "nbannot-protocol/0" in text and "nbannot-protocol/1" in text
    assert "reload the page" in text
    assert lab.output(0).locator('[data-nbannot-ready="true"]').count() == 0


SOURCE = """
class Source:
    shape, dtype = array.shape, array.dtype
    def plane(self, k, t=0):
        if k == 7:
            raise RuntimeError("Jane Doe, value 4711")
        return array[k]
    def load(self):
        return array
viewer = show(nb.Image(Source(), grid, modality="CT", unit="HU"), backend="cpu")
viewer
"""


def test_an_exception_in_python_is_named_without_its_data(lab: Lab) -> None:
    lab.allow_console("RuntimeError")
    open_lab(lab, [IMAGE + SOURCE])
    root = ready(lab)
    error(lab, "SliceError").wait_for()
    text = error(lab, "SliceError").inner_text()
    assert "RuntimeError" in text and "doctor" in text
    assert "Jane" not in lab.output(0).inner_text() and "4711" not in lab.output(0).inner_text()
    lab.until(lambda: root.get_attribute("data-nbannot-progress") == "11/11", "the other slices are here")
    scroll_to(lab, 7)
    expect(view(lab)).to_contain_text("This slice cannot be shown")
    scroll_to(lab, 8)
    expect(view(lab)).not_to_contain_text("This slice cannot be shown")
    assert len(np.unique(picture(lab)[..., 0])) > 20


def test_an_exception_while_an_edit_is_taken_takes_it_back(lab: Lab) -> None:
    open_lab(lab, [PLAIN])
    ready(lab)
    before = picture(lab)
    lab.run_python(
        "def broken(edit, revision):\n    raise KeyError('Jane Doe')\nviewer.document.journal = broken"
    )
    stroke(lab)
    error(lab, "KeyError").wait_for()
    assert "Jane" not in lab.output(0).inner_text()
    until_near(lab, before, 0, "the stroke is taken back")
    lab.run_python("viewer.document.journal = None")
    stroke(lab)
    lab.until(lambda: lab.run_python("print(len(viewer.document.history))") == "1", "strokes work again")


def test_a_damaged_slice_shows_an_error_and_the_others_work(
    lab: Lab, shared_data: Any, tmp_path: Path
) -> None:
    files = sorted((shared_data / "mr_prostatex0000" / "t2_tra").iterdir())
    for file in files:
        shutil.copyfile(file, tmp_path / file.name)
    show = (
        f"import nbannot as nb, numpy as np\nfrom pathlib import Path\nimage = nb.read({str(tmp_path)!r})\n"
        "file = Path(image.sources[5].path)\nfile.write_bytes(file.read_bytes()[:-20000])\n"
        f"viewer = nb.Viewer(image, labels=['x'])\n"
        "viewer.goto(index=(5, 100, 100))\nviewer"
    )
    open_lab(lab, [show])
    root = ready(lab)
    error(lab, "SliceError").wait_for()
    text = error(lab, "SliceError").inner_text()
    assert "damaged" in text or "cut off" in text, text
    expect(view(lab)).to_contain_text("This slice cannot be shown")
    count = f"{len(files) - 1}/{len(files) - 1}"
    lab.until(lambda: root.get_attribute("data-nbannot-progress") == count, "the other slices are here")
    scroll_to(lab, 6)
    expect(view(lab)).not_to_contain_text("This slice cannot be shown")
    assert len(np.unique(picture(lab)[..., 0])) > 50
    assert lab.output(0).locator("[data-nbannot-error]").count() == 1

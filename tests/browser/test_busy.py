"""A cell runs for a minute: the viewer scrolls, fetches, paints, and Python has every stroke in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator

from browser.conftest import opened_page, running_server
from browser.lab import Lab

SLEEP_S = 60

SHOW = """
import time, numpy as np, nbannot as nb
shape = (300, 512, 512)
noise = np.random.default_rng(1).integers(-300, 300, (512, 512), dtype=np.int16)

class Source:
    shape, dtype = shape, np.dtype(np.int16)
    read = []
    def plane(self, k, t=0):
        self.read.append(k)
        time.sleep({pause})
        return np.roll(noise, 7 * k, axis=0) + np.int16(k)
    def load(self):
        raise AssertionError("a viewer never loads everything")

source = Source()
grid = nb.Geometry(np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]], shape)
image = nb.Image(source, grid, modality="CT", unit="HU", windows=[nb.Window(0, 800)])
viewer = nb.Viewer(image, labels=["liver"], layout="axial")
viewer.label = "liver"
viewer.view = {{**viewer.view, "size_mm": 30, "crosshair": False}}
mask = viewer.document.masks["liver"]
viewer
"""
# Busy until the test is through, however slow the machine is.
UNTIL = """
from pathlib import Path
while not Path("go").exists(): time.sleep(0.1)
print(len(viewer.document.history))
"""
MINUTE = f"time.sleep({SLEEP_S})\n{UNTIL}"
NO_SUBSHELLS = """
from ipykernel.ipkernel import IPythonKernel
IPythonKernel._supports_kernel_subshells = property(lambda kernel: False)
"""
HISTORY = "print([int(edit.id.split(':')[1]) for edit in viewer.document.history])"


def view(lab: Lab) -> Locator:
    return lab.output(0).locator('[data-nbannot-view="axial"]').first


def show(lab: Lab, pause: float, busy: str) -> None:
    """Show a large image and begin the long cell while most of its slices are not here yet."""
    lab.open_notebook([SHOW.format(pause=pause), busy, ""])
    lab.run_cell(0)
    lab.output(0).locator('[data-nbannot-view="axial"][data-nbannot-complete="true"]').wait_for()
    lab.run_cell(1, wait=False)
    lab.until(lambda: running(lab), "the cell runs")


def running(lab: Lab) -> bool:
    return "*" in lab.cell_element(1).locator(".jp-InputArea-prompt").inner_text()


def have(lab: Lab) -> int:
    root = lab.output(0).locator("[data-nbannot-root]").first
    return int((root.get_attribute("data-nbannot-progress") or "0/").split("/")[0])


def waiting(lab: Lab) -> int:
    count: int = lab.page.evaluate(
        "() => Object.keys(localStorage).filter(key => key.startsWith('nbannot/pending/')).length"
    )
    return count


def scroll(lab: Lab) -> None:
    """One notch of the wheel shows another slice, of those that are here."""
    canvas = view(lab).locator("canvas")
    canvas.scroll_into_view_if_needed()
    canvas.hover()
    at = view(lab).get_attribute("data-nbannot-slice")
    before = lab.canvas_pixels(canvas)
    lab.page.mouse.wheel(0, 100)
    lab.until(lambda: view(lab).get_attribute("data-nbannot-slice") != at, "the wheel scrolled")
    lab.until(lambda: bool((lab.canvas_pixels(canvas) != before).any()), "another picture")


def stroke(lab: Lab, n: int) -> None:
    """Paint at a place of its own and see it at once."""
    canvas = view(lab).locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * (0.3 + 0.1 * n), box["y"] + box["height"] * 0.5
    lab.page.mouse.move(x, y)
    lab.page.keyboard.press("b")
    lab.page.mouse.down()
    lab.page.mouse.move(x + 6, y, steps=3)
    lab.page.mouse.up()

    def painted() -> bool:
        pixels = lab.canvas_pixels(canvas).astype(int)
        part = pixels[:, int(pixels.shape[1] * (0.3 + 0.1 * n)) :][:, :8]
        return bool((np.ptp(part[..., :3], axis=-1) > 20).any())

    lab.until(painted, "the stroke is seen")


def look_and_paint(lab: Lab) -> None:
    """Scroll, paint, go where no slice is yet, paint there: all while the cell runs."""
    for _ in range(3):
        scroll(lab)
    for n in range(2):
        stroke(lab, n)
    early = have(lab)
    assert early < 280
    lab.page.keyboard.press("End")
    lab.output(0).locator(
        '[data-nbannot-view="axial"][data-nbannot-slice="299"][data-nbannot-complete="true"]'
    ).wait_for(timeout=15_000)
    stroke(lab, 2)
    lab.until(lambda: have(lab) > early + 5, "slices go on coming")
    # Over subshells they reach Python beside the running cell.
    lab.until(lambda: waiting(lab) == 0, "Python has the strokes", timeout=15)
    assert running(lab), "all of this happened while the cell ran"


def all_is_in_python(lab: Lab) -> None:
    assert lab.run_python(HISTORY) == "[1, 2, 3]"
    assert lab.run_python("print(int(np.nonzero(mask.array)[0].max()))") == "299"
    assert lab.page.locator(".nbannot-strip:visible").count() == 0


def test_a_cell_that_sleeps_for_a_minute(plain_lab: Lab) -> None:
    """Takes more than a minute; slices and strokes both need the kernel's messages here."""
    show(plain_lab, 0.15, MINUTE)
    look_and_paint(plain_lab)
    (plain_lab.server.root / "go").touch()
    plain_lab.wait_idle(timeout=SLEEP_S + 60)
    assert plain_lab.output_text(1) == "3"
    all_is_in_python(plain_lab)


def test_a_busy_kernel_and_slices_by_http(lab: Lab) -> None:
    show(lab, 0.15, UNTIL)
    look_and_paint(lab)
    (lab.server.root / "go").touch()
    lab.wait_idle()
    assert lab.output_text(1) == "3"
    all_is_in_python(lab)


def test_without_subshells_everything_is_kept_until_the_cell_ends(
    browser: Browser, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with running_server(tmp_path / "server", extension=True) as server:
        # A kernel like those before ipykernel 7: it offers no subshells, so nobody uses any.
        profile = tmp_path / "server" / "ipython" / "profile_default"
        profile.mkdir(parents=True)
        (profile / "ipython_kernel_config.py").write_text(NO_SUBSHELLS)
        with opened_page(server, browser, request) as lab:
            show(lab, 0, UNTIL)
            lab.until(lambda: have(lab) > 20, "some slices are here, by HTTP")
            for _ in range(3):
                scroll(lab)
            for n in range(3):
                stroke(lab, n)
            lab.page.locator('.nbannot-strip[data-nbannot-status="busy"]').wait_for(timeout=15_000)
            assert waiting(lab) == 3 and running(lab), "Python cannot have them yet"
            (server.root / "go").touch()
            lab.wait_idle()
            lab.until(lambda: waiting(lab) == 0, "every stroke is acknowledged", timeout=60)
            assert lab.run_python(HISTORY) == "[1, 2, 3]"

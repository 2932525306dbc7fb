"""An image larger than the memory that the page may use: it scrolls, with the right pixels, and stays inside."""

from __future__ import annotations

import numpy as np

from browser.lab import Lab

IMAGE = """
import numpy as np, nbannot as nb
shape = (60, 128, 128)

class Source:
    shape, dtype = shape, np.dtype(np.int16)
    def plane(self, k, t=0):
        return np.full((128, 128), 4 * k, np.int16)
    def load(self):
        raise AssertionError("a viewer never loads everything")

grid = nb.Geometry([[0, 0, 0.7, 0], [0, 0.7, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]], shape)
image = nb.Image(Source(), grid, modality="CT", unit="HU", windows=[nb.Window(128, 256)])
viewer = nb.Viewer(image, layout="axial", backend="cpu")
viewer
"""
SLICE = 128 * 128 * 2
BUDGET = 12 * SLICE

# The ledger is made when the first viewer is: its budget is set then, and the most that was used is noted.
SMALL = """
budget => {
  const key = Symbol.for("nbannot.memory.1");
  let ledger;
  window.memory = {most: 0, ledger: () => ledger};
  Object.defineProperty(globalThis, key, {
    configurable: true,
    get: () => ledger,
    set(made) {
      ledger = made;
      ledger.budget = budget;
      setInterval(() => { memory.most = Math.max(memory.most, ledger.used); }, 1);
    },
  });
}
"""


def centre(lab: Lab) -> int:
    pixels = lab.canvas_pixels(lab.output(0).locator('[data-nbannot-view="axial"] canvas').first)
    return int(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2, 0])


def test_an_image_larger_than_the_budget_scrolls_end_to_end(fresh_lab: Lab) -> None:
    lab = fresh_lab
    lab.open_notebook([IMAGE, "0"])
    lab.page.evaluate(SMALL, BUDGET)
    lab.run_cell(0)
    output = lab.output(0)
    output.locator('[data-nbannot-view="axial"][data-nbannot-complete="true"]').wait_for()
    output.locator('[data-nbannot-error="MemoryLimit"]').wait_for()
    output.locator('[data-nbannot-view="axial"] canvas').first.hover()
    lab.page.keyboard.press("Home")
    at = 0
    for k in [*range(0, 60, 6), 59, 50, 30, 40]:
        for _ in range(abs(k - at)):
            lab.page.keyboard.press("ArrowDown" if at < k else "ArrowUp")
        at = k
        output.locator(
            f'[data-nbannot-view="axial"][data-nbannot-slice="{k}"][data-nbannot-complete="true"]'
        ).wait_for()
        expected = np.clip(round(4 * k / 255 * 255), 0, 255)
        assert abs(centre(lab) - expected) <= 2, k
    state = lab.page.evaluate(
        "() => ({most: memory.most, used: memory.ledger().used, budget: memory.ledger().budget})"
    )
    print(f"\nof a budget of {BUDGET} bytes, {state['most']} were used at most")
    assert state["budget"] == BUDGET
    assert SLICE < state["used"] <= BUDGET
    assert state["most"] <= BUDGET
    lab.run_python("viewer.close()")
    output.locator("[data-nbannot-root]").wait_for(state="detached")
    assert lab.page.evaluate("() => memory.ledger().used") == 0

"""What the page holds of a large study: a CT of 512 × 512 × 1000 with 104 labels, in JupyterLab."""

from __future__ import annotations

from measure import memory_mb
from playwright.sync_api import Error

from viewer.notebook import lab, prepare, run
from viewer.plain import heap_mb, why
from viewer.report import MASKS, MEMORY, OURS, Result

IMAGE = """
import numpy as np, nbannot as nb
shape = (1000, 512, 512)
j, i = np.ogrid[-1:1:512j, -1:1:512j]
body = np.where(j**2 / 0.5 + i**2 / 0.8 < 1, 40, -1000)
noise = np.random.default_rng(1).integers(-8, 8, (512, 512))

class Source:
    shape, dtype = shape, np.dtype(np.int16)
    def plane(self, k, t=0):
        return (body + np.roll(noise, 7 * k)).astype(np.int16)
    def load(self):
        raise AssertionError("a viewer never loads everything")

grid = nb.Geometry([[0, 0, 0.8, 0], [0, 0.8, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]], shape)
image = nb.Image(Source(), grid, modality="CT", unit="HU")

def organ(n):
    row, column = divmod(n % 52, 8)
    k = (n // 52) * 480 + 20 * (n % 13)
    return slice(k, k + 300), slice(60 + 60 * row, 100 + 60 * row), slice(40 + 54 * column, 80 + 54 * column)
"""
ONE = """
seg = np.zeros(shape, np.uint8)
for n in range(104):
    seg[organ(n)] = n + 1
masks = [nb.Mask("organs", image, array=seg, segments={n + 1: f"organ {n + 1}" for n in range(104)})]
"""
MANY = """
masks = []
for n in range(10):
    seg = np.zeros(shape, np.uint8)
    seg[:, organ(n)[1], organ(n)[2]] = 1
    masks.append(nb.Mask(f"organ {n + 1}", image, array=seg, segments={1: f"organ {n + 1}"}))
"""
WATCH = """() => {
  window.held = { most: 0, longest: 0 };
  const ledger = () => globalThis[Symbol.for("nbannot.memory.1")];
  setInterval(() => { held.most = Math.max(held.most, ledger()?.used ?? 0); }, 20);
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) held.longest = Math.max(held.longest, one.duration);
  }).observe({ entryTypes: ["longtask"] });
  // Everything that fits is here when nothing more has come for three seconds.
  let last = -1;
  let since = performance.now();
  setInterval(() => {
    const used = ledger()?.used ?? 0;
    if (used !== last || !used) { last = used; since = performance.now(); }
    held.still = performance.now() - since > 3000;
  }, 100);
}"""


def study(*, quick: bool, gpu: bool) -> list[Result]:
    """The memory of the page when all that fits is here, with one mask of 104 labels and with masks that do not fit."""
    del quick
    rows: list[Result] = []
    for masks, cell in (("one mask of 104 labels", ONE), (MASKS, MANY)):
        with lab(gpu=gpu) as (page, _):
            names = [
                MEMORY.format(masks=masks, what=what)
                for what in ("most counted", "JS heap and array buffers")
            ]
            names += [f"{masks}: private memory of the browser, added", f"{masks}: longest task of the page"]
            try:
                prepare(page, IMAGE + cell, "viewer = nb.Viewer(image, masks=masks)\nviewer")
                page.page.evaluate(WATCH)
                before = memory_mb()
                run(page, seconds=300, wanted="held.still")
                held = page.page.evaluate("() => held")
                told = page.page.locator('[data-nbannot-error="MemoryLimit"]').count()
                note = "a message says that not all fits" if told else "all of it"
                values = [held["most"] / 2**20, heap_mb(page.page), memory_mb() - before]
                rows += [
                    Result(name, OURS, [value], "MB", note)
                    for name, value in zip(names, values, strict=False)
                ]
                rows.append(Result(names[3], OURS, [held["longest"]], "ms"))
            except (Error, RuntimeError) as error:
                rows += [Result(name, OURS, note=why(error)) for name in names]
    return rows

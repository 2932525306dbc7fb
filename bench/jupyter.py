"""The viewer in a real JupyterLab: strokes to numpy and back, Python edits to pixels, both carriers.

What is compared with other viewers is in bench/viewer.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
from measure import Row, memory_mb
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser.conftest import FLAGS, running_server  # noqa: E402
from browser.lab import Lab  # noqa: E402

# Any WebGL canvas must be readable after its frame, for both viewers alike.
KEEP_PIXELS = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return original.call(this, kind, kind.startsWith('webgl') ? {...options, preserveDrawingBuffer: true} : options);
};
window.__firstPicture = () => new Promise((resolve) => {
  const probe = document.createElement('canvas');
  probe.width = probe.height = 48;
  const context = probe.getContext('2d', {willReadFrequently: true});
  const look = () => {
    for (const canvas of document.querySelectorAll('.jp-OutputArea canvas')) {
      if (canvas.width < 64 || canvas.height < 64) continue;
      context.fillStyle = 'black'; context.fillRect(0, 0, 48, 48);
      context.drawImage(canvas, 0, 0, 48, 48);
      const data = context.getImageData(0, 0, 48, 48).data;
      const greys = new Set();
      for (let n = 0; n < data.length; n += 4) greys.add(data[n]);
      if (greys.size > 24) return resolve(performance.now());
    }
    requestAnimationFrame(look);
  };
  look();
});
"""

SETUP = """
import numpy as np, nbannot as nb
image = nb.read({path!r})
"""
NBANNOT = "viewer = nb.Viewer(image, labels=['lesion'])\nviewer"


def make_volume(folder: Path) -> Path:
    """Write a 512 × 512 × 300 int16 volume that looks like a noisy body (157 MB)."""
    random = np.random.default_rng(1)
    k, j, i = np.ogrid[-1:1:300j, -1:1:512j, -1:1:512j]
    body = ((j / 0.7) ** 2 + (i / 0.9) ** 2 < 1) & (abs(k) < 0.97)
    lungs = ((j / 0.45) ** 2 + ((abs(i) - 0.42) / 0.3) ** 2 + (k / 0.8) ** 2) < 1
    values = np.where(body, 40, -1000).astype(np.int16)
    values[lungs] = -850
    values += random.integers(-20, 20, values.shape, dtype=np.int16)
    path = folder / "volume.nii"
    affine = np.diag([0.8, 0.8, 1.2, 1.0])
    nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), affine), path)
    return path


@contextmanager
def jupyter(*, extension: bool = True) -> Iterator[Lab]:
    """A page in a JupyterLab of its own."""
    folder = Path(tempfile.mkdtemp())
    chromium = next(p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists())
    with running_server(folder, extension=extension) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        context = browser.new_context(viewport={"width": 1400, "height": 1100})
        context.add_init_script(KEEP_PIXELS)
        try:
            yield Lab(server, context, folder)
        finally:
            browser.close()


def first_picture(lab: Lab, setup: str, cell: str) -> float:
    """Return seconds from the key that runs the cell to the first picture in its output."""
    lab.open_notebook([setup, cell, "0"], name=f"n{time.monotonic_ns()}.ipynb")
    lab.run_cell(0)
    lab.cell_element(1).locator(".cm-content").click()
    lab.page.wait_for_timeout(300)
    lab.page.evaluate(
        "() => { addEventListener('keydown', () => window.__start ??= performance.now(), true); "
        "window.__shown = window.__firstPicture(); }"
    )
    lab.page.keyboard.press("Control+Enter")
    shown = lab.page.evaluate("async () => (await window.__shown) - window.__start")
    return float(shown) / 1000


STROKES = """
import time, json
arrived = []
viewer.document.edited.connect(lambda edit, revision: arrived.append((time.time() * 1000, len(edit.runs.data))))
viewer.tool = "brush"; viewer.label = "lesion"
array = viewer.document.masks["lesion"].array
"""


def strokes(path: Path, count: int) -> list[Row]:
    """(c) Mouse up → voxels in the ndarray, and the bytes of the stroke."""
    with jupyter() as lab:
        first_picture(lab, SETUP.format(path=str(path)), NBANNOT)
        lab.page.wait_for_timeout(3000)
        lab.run_python(STROKES)
        canvas = lab.page.locator(".jp-OutputArea canvas").first
        box = canvas.bounding_box()
        assert box is not None
        sent = []
        for n in range(count):
            x, y = box["x"] + 60 + (n * 37) % 200, box["y"] + 60 + (n * 23) % 120
            lab.page.mouse.move(x, y)
            lab.page.mouse.down()
            lab.page.mouse.move(x + 60, y + 25, steps=40)
            sent.append(lab.page.evaluate("() => Date.now() + performance.now() % 1"))
            lab.page.mouse.up()
            lab.page.wait_for_timeout(250)
        found = json.loads(lab.run_python("print(json.dumps([arrived, int((array > 0).sum())]))"))
    times = [at - start for (at, _), start in zip(found[0], sent, strict=True)]
    sizes = [size for _, size in found[0]]
    return [
        Row("stroke → ndarray changed", times, "ms", goal="p95 ≤ 100 ms", note=f"{found[1]} voxels painted"),
        Row("bytes of a stroke (40 moves)", sizes, "B", goal="≤ 2048 B"),
    ]


SHOWN = """(before) => new Promise((done) => {
  const canvas = document.querySelector('.jp-OutputArea canvas');
  const sum = () => { const d = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let s = 0; for (let n = 0; n < d.length; n += 16) s += d[n] * 3 + d[n + 1]; return s; };
  const start = sum();
  const look = () => sum() !== start ? done(Date.now()) : requestAnimationFrame(look);
  look();
})"""


def python_edits(path: Path, count: int) -> list[Row]:
    """(d) A Python edit of one slice, and of a million voxels → pixels."""
    rows = []
    edits = {
        "Python edit of one slice → pixels": "mask[150, 100:400, 100:400] = 1 - int(mask.array[150, 200, 200])",
        "Python edit of 1 M voxels → pixels": "mask[140:165, 150:350, 150:350] = 1 - int(mask.array[150, 200, 200])",
    }
    for name, edit in edits.items():
        with jupyter() as lab:
            first_picture(lab, SETUP.format(path=str(path)), NBANNOT)
            lab.page.wait_for_timeout(5000)
            lab.run_python("import time; mask = viewer.document.masks['lesion']")
            times = []
            for _ in range(count):
                lab.page.evaluate(f"() => {{ window.__changed = ({SHOWN})(); }}")
                started = float(lab.run_python(f"start = time.time(); {edit}; print(start * 1000)"))
                times.append(lab.page.evaluate("() => window.__changed") - started)
        rows.append(Row(name, times, "ms"))
    return rows


def whole_volume(path: Path) -> list[Row]:
    """(e) Time until all slices are in the browser, and its memory, over both carriers."""
    rows = []
    for carrier, extension in (("HTTP", True), ("comm", False)):
        with jupyter(extension=extension) as lab:
            lab.open_notebook([SETUP.format(path=str(path)), NBANNOT])
            lab.run_cell(0)
            before = memory_mb()
            start = time.perf_counter()
            lab.run_cell(1, wait=False)
            lab.page.locator('[data-nbannot-progress="300/300"]').wait_for(timeout=120_000, state="attached")
            seconds = time.perf_counter() - start
            rows.append(Row(f"whole volume (157 MB) by {carrier}", [seconds], "s"))
            rows.append(Row(f"browser memory added, {carrier}", [memory_mb() - before], "MB"))
    return rows


def run(*, quick: bool = False) -> list[Row]:
    """Return the rows of every part."""
    count = 5 if quick else 30
    with tempfile.TemporaryDirectory() as folder:
        path = make_volume(Path(folder))
        rows = strokes(path, count)
        rows += python_edits(path, max(count // 3, 3))
        rows += whole_volume(path)
    return rows

"""Time and memory of operations on a mask of 512 × 512 × 300: what a person waits for after a click.

Each operation runs in a process of its own, on a body of noise made there: image and mask are in memory
before, and the peak that is told is what the operation adds. The edit is made and recorded in a document.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from measure import Row, markdown

SHAPE = (300, 512, 512)

PREPARE = f"""
import json, sys, threading, time
import numpy as np, psutil, nbannot as nb
shape, runs, name = {SHAPE}, int(sys.argv[1]), sys.argv[2]
chance = np.random.default_rng(1)
y, x = np.mgrid[-1:1:512j, -1:1:512j]
values = np.empty(shape, np.int16)
for k in range(shape[0]):
    body = x**2 + (y / (0.6 + k / 900)) ** 2 < 0.8
    organ = (x - 0.3) ** 2 + y**2 + (k / 150 - 1) ** 2 < 0.16
    values[k] = np.where(organ, 140, np.where(body, 40, -1000)) + chance.normal(0, 15, body.shape)
affine = np.array([[0, 0, .78, -200], [0, .78, 0, -200], [1.0, 0, 0, 0], [0, 0, 0, 1]])
image = nb.Image(values, nb.Geometry(affine, shape), modality="CT", unit="HU")
truth = np.zeros(shape, bool)
for k in range(shape[0]):
    truth[k] = (x - 0.3) ** 2 + y**2 + (k / 150 - 1) ** 2 < 0.16
"""
MEASURE = """
times, peaks, this = [], [], psutil.Process()
for _ in range(runs):
    mask = nb.Mask("m", image, segments=["organ", "rest"])
    document = nb.Document(image, masks=[mask])
    prepare(mask)
    mask.refresh()
    before = peak = this.memory_info().rss
    stop = threading.Event()
    def watch():
        global peak
        while not stop.wait(0.005):
            peak = max(peak, this.memory_info().rss)
    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    edit = work(mask)
    times.append(time.perf_counter() - start)
    stop.set()
    watcher.join()
    peaks.append((peak - before) / 2**20)
    changed = edit.runs.size
    del mask, document, edit
print(json.dumps([times, peaks, changed]))
"""

NOISY = "mask.array[:] = (values > 140) & truth"
PAINTED = "mask.array[60:241:10] = truth[60:241:10]"
SOLID = "mask.array[:] = truth"
SEEDS = "mask.array[150, 250:262, 325:340] = 1; mask.array[150, 250:262, 180:200] = 2"
CASES: dict[str, tuple[str, str, str]] = {
    "flood fill, one slice": ("pass", 'nb.ops.flood_fill(mask, 60, index=(150, 256, 332), segment="organ")', "≤ 0.5"),
    "region growing, volume": ("pass", 'nb.ops.region_grow(mask, 60, index=(150, 256, 332), segment="organ")', "≤ 5"),
    "fill between 19 slices": (PAINTED, 'nb.ops.fill_between(mask)', "≤ 5"),
    "islands, keep largest": (NOISY, 'nb.ops.islands(mask, segment="organ")', "≤ 5"),
    "threshold": ("pass", 'nb.ops.threshold(mask, 100, 400, segment="organ")', "≤ 5"),
    "margin 5 mm": (SOLID, 'nb.ops.margin(mask, 5, segment="organ")', "≤ 5"),
    "median 3 mm": (NOISY, 'nb.ops.smooth(mask, 3, segment="organ")', "≤ 5"),
    "fill holes": (NOISY, 'nb.ops.fill_holes(mask, segment="organ")', "≤ 5"),
    "grow from seeds": (SEEDS, 'nb.ops.grow_cut(mask, room=40)', "≤ 30"),
}  # fmt: skip


def once(prepare: str, work: str, runs: int) -> tuple[list[float], list[float], int]:
    """Return seconds, added peak memory (MB) and voxels changed, of runs in one fresh process."""
    code = f"{PREPARE}\ndef prepare(mask):\n    {prepare}\ndef work(mask):\n    return {work}\n{MEASURE}"
    source = str(Path(__file__).resolve().parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", code, str(runs), "run"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    times, peaks, changed = json.loads(done.stdout.splitlines()[-1])
    return times, peaks, changed


def run(*, quick: bool, gpu: bool) -> list[Row]:
    """Return a row for each operation."""
    rows = []
    for name, (prepare, work, goal) in CASES.items():
        times, peaks, changed = once(prepare, work, 2 if quick else 9)
        note = f"{changed} voxels changed"
        rows.append(Row(f"{name}, 512×512×300", times, "s", note=note, goal=goal, peak=max(peaks)))
        print(markdown(rows[-1:]).splitlines()[-1], flush=True)
    return rows

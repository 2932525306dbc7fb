"""Memory of the history: what 100 gestures and their undoing keep, against a mask of 512 × 512 × 300.

Counted are all bytes that the edits hold, measured by tracemalloc between before the first gesture and after the last undo,
without what the mask itself keeps of its slices. What older steps keep in the temporary file is told beside it.

The work of operations is not what is measured: each is done a few times, from result to result, and the gestures go
through these results and back again, each as an edit of its own.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from measure import Row

import nbannot as nb
from nbannot.model.document import Document
from nbannot.model.edits import Paint
from nbannot.model.masks import Mask
from nbannot.model.runs import Runs

SHAPE = (300, 512, 512)
STEPS = 100
DONE = 4
"""How often an operation is done."""


def stroke(mask: Mask, chance: np.random.Generator) -> Paint:
    """A brush stroke of 40 moves with a disc of 20 voxels in one slice."""
    k = int(chance.integers(0, SHAPE[0]))
    rows, columns = np.ogrid[:512, :512]
    inside = np.zeros((512, 512), dtype=bool)
    at, way = chance.uniform(100, 400, 2), chance.normal(0, 4, 2)
    for _ in range(40):
        way = way + chance.normal(0, 1, 2)
        at = np.clip(at + way, 30, 480)
        inside |= (rows - at[0]) ** 2 + (columns - at[1]) ** 2 < 100
    flat = np.flatnonzero(inside)
    old = mask.array[k].ravel()[flat]
    runs = Runs.of_voxels(flat, old, np.ones_like(old))
    return Paint(mask.id, ((k, 0, 0), (k + 1, 512, 512)), runs, origin="hand", tool="brush")


def ball(n: int) -> np.ndarray:
    """An organ of about 1.4 million voxels, another one each time."""
    organ = np.zeros(SHAPE, np.uint8)
    k, j, i = (
        np.arange(*ends, dtype=np.float32).reshape(shape) for ends, shape in zip(NEAR, AXES, strict=True)
    )
    wave = 1 + 0.08 * np.sin(k / 9 + n) * np.sin(j / 11) * np.cos(i / 13)
    inside = ((k - 150) / 60) ** 2 + ((j - 256) / 75) ** 2 + ((i - 256) / 75) ** 2 < wave
    organ[tuple(slice(*ends) for ends in NEAR)] = inside
    return organ


NEAR = ((80, 220), (170, 342), (170, 342))
"""Where the organ can be."""
AXES = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))


def measured(
    name: str,
    gesture: Callable[[Document, Mask, int], object],
    steps: int,
    image: nb.Image | None = None,
    organ: np.ndarray | None = None,
) -> Row:
    """Make gestures, undo all of them, and return what the history keeps in memory, in percent of the mask."""
    if image is None:
        image = nb.Image(np.zeros(SHAPE, np.int16), nb.Geometry(np.diag([1.0, 0.8, 0.8, 1.0]), SHAPE))
    mask = nb.Mask(
        "organ", image, array=np.zeros(SHAPE, np.uint8) if organ is None else organ.astype(np.uint8)
    )
    document = nb.Document(image, masks=[mask])
    gesture(document, mask, 0)
    document.undo()
    kept = sum(len(data) for data in mask._recorded.values())
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(1, steps + 1):
        gesture(document, mask, n)
    start = time.perf_counter()
    document.jump("")
    took = (time.perf_counter() - start) / steps
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    if mask.array.any() if organ is None else not np.array_equal(mask.array, organ):
        raise AssertionError("Undoing all does not give the start")
    held -= sum(len(data) for data in mask._recorded.values()) - kept
    part = 100 * held / mask.array.nbytes
    note = (
        f"{held / steps / 1024:.1f} KB a gesture, undone, and {document._spill.away / steps / 1024:.1f} KB in a file; "
        f"undo {1000 * took:.1f} ms while traced"
    )
    return Row(f"{name}: {steps} gestures and their undoing", [part], "% of the mask", note, goal="≤ 5")


WORKS: dict[str, Callable[[Mask, int], object]] = {
    "smooth 3 mm, another size each time": lambda mask, n: nb.ops.smooth(mask, 3 + 0.8 * (n % 3)),
    "margin of 2 mm, to and fro": lambda mask, n: nb.ops.margin(mask, 2 if n % 2 else -2),
    "threshold, another limit each time": lambda mask, n: nb.ops.threshold(mask, 150 + 10 * (n % 7)),
}


def run(*, quick: bool, gpu: bool) -> list[Row]:
    """Measure the memory of the history, two rows at once: their bytes are counted, not their time."""
    steps = 2 if quick else STEPS
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        rows = [pool.submit(strokes), pool.submit(organs, steps)]
        if FOLDER.is_dir():
            rows += [pool.submit(real, name, steps) for name in WORKS]
        return [row.result() for row in rows]


def strokes() -> Row:
    """Measure brush strokes."""
    chance = np.random.default_rng(1)
    return measured("Brush strokes", lambda document, mask, _: document.apply(stroke(mask, chance)), STEPS)


def organs(steps: int) -> Row:
    """Measure an organ that is another one each time."""
    return measured("An organ painted anew", lambda _, mask, n: repaint(mask, ball(n)), steps)


FOLDER = Path(os.environ.get("NBANNOT_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
FOLDER /= "nifti_totalsegmentator"


def real(name: str, steps: int) -> Row:
    """Measure an operation on the vertebrae of a real CT (`shared/data`), scaled to the size of a whole body."""
    from scipy import ndimage

    small = np.asarray(nb.read(FOLDER / "ct.nii.gz").array, np.float32)
    bones = np.asarray(nb.read(FOLDER / "ct_vertebrae_labels.nii.gz").array) > 0
    scale = [large / n for large, n in zip(SHAPE, small.shape, strict=True)]
    values = ndimage.zoom(small, scale, order=1).astype(np.int16)
    organ = ndimage.zoom(bones.astype(np.float32), scale, order=1) > 0.5
    image = nb.Image(values, nb.Geometry(np.diag([1.0, 0.8, 0.8, 1.0]), SHAPE), modality="CT", unit="HU")
    ways = ways_of(image, organ, WORKS[name])

    def gesture(document: Document, mask: Mask, n: int) -> None:
        document.apply(again(mask, ways[(max(n, 1) - 1) % len(ways)]))

    row = measured(f"Vertebrae of a real CT, {name}", gesture, steps, image, organ)
    return replace(row, note=f"{row.note}; {DONE} operations, to and fro")


def ways_of(image: nb.Image, organ: np.ndarray, work: Callable[[Mask, int], object]) -> list[Paint]:
    """Return the edits of an operation on an organ, on what it makes of it, and so on, and then of the way back."""
    mask = nb.Mask("organ", image, array=organ.astype(np.uint8))
    document = nb.Document(image, masks=[mask])
    for n in range(1, DONE + 1):
        work(mask, n)
    edits = [edit for edit in document.history if isinstance(edit, Paint)]
    ways = [*edits, *(edit.inverse() for edit in reversed(edits))]
    return [replace(way, runs=Runs(way.runs.data, way.runs.count)) for way in ways]


def again(mask: Mask, way: Paint) -> Paint:
    """Return an edit as a new one, which shares no bytes with it."""
    runs = Runs(bytes(bytearray(way.runs.data)), way.runs.count)
    return Paint(mask.id, way.box, runs, origin=way.origin, tool=way.tool)


def repaint(mask: Mask, organ: np.ndarray) -> None:
    """Give the mask another organ, as an operation does."""
    with mask.edit(tool="op:example") as array:
        array[:] = organ

"""Memory of the history: what 100 gestures and their undoing keep, against a mask of 512 × 512 × 300.

Counted are all bytes that the edits hold, measured by tracemalloc between before the first gesture and after the last undo,
without what the mask itself keeps of its slices. What older steps keep in the temporary file is told beside it.

The work of operations is not what is measured: each is done a few times, from result to result, and all gestures after
those go through the same results again, each as an edit of its own.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
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
RESULTS = 5
"""Results of an operation, the start among them, that its gestures go through."""


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


def run(*, quick: bool, gpu: bool) -> list[Row]:
    """Measure the memory of the history."""
    chance = np.random.default_rng(1)
    return [
        measured("Brush strokes", lambda document, mask, _: document.apply(stroke(mask, chance)), STEPS),
        measured("An organ painted anew", lambda _d, mask, n: repaint(mask, ball(n)), 2 if quick else STEPS),
        *real(quick),
    ]


def real(quick: bool) -> list[Row]:
    """Measure operations on the vertebrae of a real CT (`shared/data`), scaled to the size of a whole body."""
    from scipy import ndimage

    named = os.environ.get("NBANNOT_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    folder /= "nifti_totalsegmentator"
    if not folder.is_dir():
        return []
    small = np.asarray(nb.read(folder / "ct.nii.gz").array, np.float32)
    bones = np.asarray(nb.read(folder / "ct_vertebrae_labels.nii.gz").array) > 0
    scale = [large / n for large, n in zip(SHAPE, small.shape, strict=True)]
    values = ndimage.zoom(small, scale, order=1).astype(np.int16)
    organ = ndimage.zoom(bones.astype(np.float32), scale, order=1) > 0.5
    image = nb.Image(values, nb.Geometry(np.diag([1.0, 0.8, 0.8, 1.0]), SHAPE), modality="CT", unit="HU")
    works: dict[str, Callable[[Mask, int], object]] = {
        "smooth 3 mm, another size each time": lambda mask, n: nb.ops.smooth(mask, 3 + 0.8 * (n % 3)),
        "margin of 2 mm, to and fro": lambda mask, n: nb.ops.margin(mask, 2 if n % 2 else -2),
        "threshold, another limit each time": lambda mask, n: nb.ops.threshold(mask, 150 + 10 * (n % 7)),
    }
    rows = []
    for name, work in works.items():
        states = results(image, organ, work)
        row = measured(
            f"Vertebrae of a real CT, {name}",
            lambda _, mask, n, states=states: repaint(mask, states[to_and_fro(n or 1)]),
            2 if quick else STEPS,
            image,
            organ,
        )
        rows.append(replace(row, note=f"{row.note}; {RESULTS - 1} operations, their results to and fro"))
    return rows


def results(image: nb.Image, organ: np.ndarray, work: Callable[[Mask, int], object]) -> list[np.ndarray]:
    """Return an organ and what an operation makes of it, of that, and so on."""
    mask = nb.Mask("organ", image, array=organ.astype(np.uint8))
    nb.Document(image, masks=[mask])
    states = [mask.array.copy()]
    for n in range(1, RESULTS):
        work(mask, n)
        states.append(mask.array.copy())
    return states


def to_and_fro(n: int) -> int:
    """Return the number of the result after `n` gestures: neighbours differ by one operation."""
    last = RESULTS - 1
    return last - abs(n % (2 * last) - last)


def repaint(mask: Mask, organ: np.ndarray) -> None:
    """Give the mask another organ, as an operation does."""
    with mask.edit(tool="op:example") as array:
        array[:] = organ

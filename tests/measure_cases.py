"""Write the measures that pytest and vitest both check.

Run ``python tests/measure_cases.py`` after a deliberate change of a definition.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from nbannot.model.annotations import Box
from nbannot.model.codec import encode_item
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image, Suv
from nbannot.model.measures import Measures, measure
from nbannot.model.shapes import Shape

FILE = Path(__file__).parent / "fixtures" / "measures.json"
SHAPE = (6, 40, 50)
AFFINES = {
    "plain": [[0, 0, 0.7, -20], [0, 0.7, 0, 5], [2.5, 0, 0, 30], [0, 0, 0, 1]],
    "tilted": [[0.1, 0, 0.7, -20], [-0.9, 0.8, 0.05, 5], [2.5, 0.1, 0, 30], [0, 0, 0, 1]],
}


def volume() -> np.ndarray:
    """Values from a formula that JavaScript computes too."""
    k, j, i = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return ((k * 37 + j * 13 + i * 29 + (j * i) % 17) % 211 - 60).astype(np.int16)


def images() -> dict[str, Image]:
    """One image of each kind of geometry."""
    suv = Suv({"bw": 0.25})
    made = {
        name: Image(
            volume(), Geometry(affine, SHAPE), id=name, unit="HU" if name == "plain" else "BQML", suv=suv
        )
        for name, affine in AFFINES.items()
    }
    planes = [Plane((1, 2, 3 + k * k), (0.5, 0.1, 0), (-0.1, 0.5, 0), SHAPE[1:]) for k in range(SHAPE[0])]
    made["stack"] = Image(volume(), Stack(planes), id="stack")
    made["pixels"] = Image(volume()[:1], Stack.picture(SHAPE[1:]), id="pixels")
    return made


def outlines() -> dict[str, tuple[str, list[tuple[float, float]]]]:
    """Shapes as (kind, points (j, i)) on a slice."""
    ring = [(20 + (9 + 4 * (n % 2)) * np.sin(n * 0.6), 22 + 13 * np.cos(n * 0.6)) for n in range(10)]
    return {
        "ruler": ("ruler", [(3.2, 4.1), (30.7, 41.3)]),
        "bidirectional": ("bidirectional", [(5, 5), (25, 35), (21, 12.5), (9, 27.5)]),
        "angle": ("angle", [(5, 30), (20, 8), (31, 33)]),
        "cobb": ("cobb", [(5, 5), (9, 40), (35, 6), (22, 44)]),
        "rectangle": ("rectangle", [(5.3, 6.2), (5.3, 31.4), (22.9, 31.4), (22.9, 6.2)]),
        "turned": ("rectangle", [(10, 5), (20, 25), (32, 19), (22, -1)]),
        "on centres": ("rectangle", [(5, 6), (5, 16), (15, 16), (15, 6)]),
        "ellipse": ("ellipse", [(20, 8), (20, 40), (9.5, 24), (30.5, 24)]),
        "skew ellipse": ("ellipse", [(12, 8), (28, 40), (9.5, 27), (30.5, 21)]),
        "polygon": ("polygon", [(4, 6), (9, 41), (33, 35), (18, 20), (36, 3)]),
        "star": ("polygon", [(5, 25), (35, 34), (14, 8), (14, 42), (35, 16)]),
        "bow": ("freehand", [(8, 8), (30, 40), (8, 40), (30, 8)]),
        "twice": ("polygon", [(8, 8), (8, 20), (20, 20), (20, 8), (8, 8), (8, 20), (20, 20), (20, 8)]),
        "touching": (
            "livewire",
            [(8, 8), (8, 20), (20, 20), (20, 32), (32, 32), (32, 20), (20, 20), (20, 8)],
        ),
        "freehand": ("freehand", ring),
        "closed spline": ("closed-spline", ring),
        "small": ("polygon", [(5.2, 5.2), (5.2, 5.8), (5.8, 5.5)]),
        "curve": ("curve", ring[:5]),
        "spline": ("spline", ring[:5]),
        "straight spline": ("spline", [(3, 3), (30, 20)]),
        "repeated spline": ("spline", [(3, 3), (3, 3), (30, 20), (20, 30), (20, 30)]),
        "probe": ("probe", [(12.3, 17.8)]),
        "keypoint": ("points", [(39.4, 49.4)]),
        "landmarks": ("points", [(12, 17), (20, 30)]),
        "arrow": ("arrow", [(3, 3), (20, 20)]),
        "text": ("text", [(3, 3)]),
    }


def items(image: Image) -> dict[str, Shape | Box]:
    """What is measured on one image."""
    grid = image.geometry
    k = 0 if image.shape[0] == 1 else 3
    found: dict[str, Shape | Box] = {}
    for name, (kind, places) in outlines().items():
        world = grid.to_world([(k, j, i) for j, i in places])
        slice_ = None if grid.kind == "grid" else k
        found[name] = Shape(kind, "lesion", world.tolist(), id=name, image=image.id, slice=slice_)
    found["flat box"] = Box("lesion", ((k, 4.5, 6), (k, 20, 30.25)), id="b1", image=image.id)
    if grid.kind == "stack":
        return found
    found["box"] = Box("lesion", ((1, 4.5, 6), (4.5, 20, 30.25)), id="b2", image=image.id)
    found["upright box"] = Box("lesion", ((0.5, 7, 6), (4.5, 7, 30.25)), id="b3", image=image.id)
    places = {
        "coronal": [(0.4, 20, 5), (4.6, 20, 9), (4.2, 20, 40), (1, 20, 33)],
        "free": [(0, 5, 5), (2.4, 5, 40), (5, 30, 40), (2.6, 30, 5)],
        "between": [(2.5, 5.2, 5.1), (2.5, 5.3, 40.7), (2.5, 30.9, 33.2)],
        "beyond": [(-3, 5, 5), (2.4, 5, 40), (9.4, 30, 40), (4, 30, 5)],
    }
    for name, index in places.items():
        found[name] = Shape("polygon", "lesion", grid.to_world(index).tolist(), id=name, image=image.id)
    oval = [(0.5, 18, 8), (4.5, 18, 40), (1.5, 8, 26), (3.5, 28, 22)]
    found["free ellipse"] = Shape(
        "ellipse", "lesion", grid.to_world(oval).tolist(), id="oval", image=image.id
    )
    between = grid.to_world([(2.3, 11.6, 40.2)]).tolist()
    found["probe between"] = Shape("probe", "lesion", between, id="between slices", image=image.id)
    return found


def plain(measures: Measures) -> dict[str, Any]:
    """Return what is known, as JSON."""
    known = {f.name: getattr(measures, f.name) for f in fields(measures)}
    return {name: value for name, value in known.items() if value is not None}


def cases() -> list[dict[str, Any]]:
    """Every item on every image."""
    found = []
    for name, image in images().items():
        unit = "bw" if name == "tilted" else None
        for title, item in items(image).items():
            expected = plain(measure(item, image, unit=unit))
            found.append({"image": name, "name": title, "item": encode_item(item), "expected": expected})
    return found


def geometries() -> dict[str, Any]:
    """The images as the browser gets them."""
    found: dict[str, Any] = {}
    for name, image in images().items():
        grid = image.geometry
        unit = {"name": "HU" if name == "plain" else "", "factor": 1}
        meta: dict[str, Any] = {"kind": grid.kind, "shape": list(grid.shape)}
        if isinstance(grid, Geometry):
            meta["affine"] = grid.affine.tolist()
        else:
            meta |= {"unit": grid.unit, "patient_space": grid.patient_space}
            meta["planes"] = [
                {key: getattr(plane, key).tolist() for key in ("origin", "row_step", "column_step")}
                for plane in grid.planes
            ]
        if name == "tilted":
            unit = {"name": "SUVbw", "factor": 0.25}
        found[name] = {"geometry": meta, "unit": unit}
    return found


if __name__ == "__main__":
    rows = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases())
    head = json.dumps(geometries(), ensure_ascii=False)
    FILE.write_text(f'{{"images": {head},\n"cases": [\n{rows}\n]}}\n', encoding="utf-8")

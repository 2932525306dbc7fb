"""Write what pytest and vitest both check: colours, planes and cells.

Run ``python tests/viewer/pictures.py`` after a deliberate change of one of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from nbannot.host.colormaps import COLORMAPS, colormap
from nbannot.host.frames import Frame, free_axes, free_frame, slice_frame, view_axes
from nbannot.host.panes import INFO, arrange, cells
from nbannot.model.geometry import Geometry

FILE = Path(__file__).parents[1] / "fixtures" / "pictures.json"

# Axial, sagittal and sheared, with signs and spacings of their own.
GRIDS = {
    "axial": ([[0, 0, 0.5, -10], [0, 0.5, 0, 5], [3, 0, 0, 7], [0, 0, 0, 1]], (9, 20, 30)),
    "sagittal": ([[-3.6, 0, 0, 40], [0, 0.1, 0.55, -80], [0, -0.55, 0.1, 60], [0, 0, 0, 1]], (7, 30, 28)),
    "sheared": ([[0, 0, -0.8, 12], [1.5, 0.8, 0, -5], [5, 0, 0, 7], [0, 0, 0, 1]], (6, 24, 18)),
}
TURNS = ({"quarter": 0, "flip": False}, {"quarter": 1, "flip": True}, {"quarter": 3, "flip": False})
ROTATION = [0.1, -0.2, 0.3, float(np.sqrt(0.86))]
PLACES = ((0.0, 0.0), (4.5, -2.25))
LAYOUTS = (
    "auto", "mpr", "single", "coronal", "four-up", "oblique", "3d-primary", "compare-2x2", "compare-1x3",
    "longitudinal",
)  # fmt: skip
SIZES = ((900, 540), (640, 600), (400, 700))


def numbers(values: Any) -> Any:
    """Return numbers with the digits that both sides keep."""
    return np.round(np.asarray(values, dtype=float) + 0.0, 9).tolist()


def frame(made: Frame) -> dict[str, Any]:
    axes = made.axes
    return {
        "right": numbers(axes.right), "down": numbers(axes.down), "normal": numbers(axes.normal),
        "centre": numbers(made.centre), "extent": numbers(made.extent), "thickness": numbers(made.thickness),
        "slice": made.slice, "count": made.count, "index": numbers(made.to_index(PLACES)),
    }  # fmt: skip


def planes() -> list[dict[str, Any]]:
    """Slices and free planes of each grid."""
    found = []
    for name, (affine, shape) in GRIDS.items():
        grid = Geometry(affine, shape)
        point = grid.to_world((2, 11, 7))
        for plane in ("axial", "coronal", "sagittal", "acquisition"):
            for turn in TURNS:
                axes = view_axes(grid, plane).turned(int(turn["quarter"]), bool(turn["flip"]))
                made = frame(slice_frame(grid, axes, 3))
                found.append({"grid": name, "plane": plane, "turn": turn, "free": False, **made})
        for plane in ("axial", "coronal", "sagittal", "oblique"):
            axes = free_axes(plane, ROTATION).turned(1, True)
            made = frame(free_frame(grid, axes, point))
            found.append(
                {
                    "grid": name,
                    "plane": plane,
                    "turn": TURNS[1],
                    "free": True,
                    "point": numbers(point),
                    **made,
                }
            )
    return found


def layouts() -> list[dict[str, Any]]:
    """Cells of layouts in several sizes."""
    found = []
    for name in LAYOUTS:
        made = arrange(name, planes=True, images=["a", "b"])
        for width, height in SIZES:
            boxes = [[one.pane, one.x, one.y, one.width, one.height] for one in cells(made, width, height)]
            images = {one.id: one.image for one in made.panes if one.image}
            found.append({"layout": name, "width": width, "height": height, "cells": boxes, "images": images})
    return found


def everything() -> dict[str, Any]:
    """All that the file holds."""
    grids = {name: {"affine": affine, "shape": shape} for name, (affine, shape) in GRIDS.items()}
    return {
        "colormaps": {name: colormap(name)[::15].tolist() for name in COLORMAPS},
        "grids": grids, "rotation": ROTATION, "places": PLACES, "planes": planes(),
        "info": INFO, "layouts": layouts(),
    }  # fmt: skip


if __name__ == "__main__":
    FILE.write_text(json.dumps(everything()) + "\n", encoding="utf-8")

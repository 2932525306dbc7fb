"""Which panes a layout has, and where they go: the rules of js/src/layout.ts for pictures made in Python."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tree = Mapping[str, Any]
"""``{"plane", "image"?, "id"?}``, ``{"row": [tree…], "sizes"?}`` or ``{"column": [tree…], "sizes"?}``."""

GAP = 2
# Below this width (px) the panes stand in one column.
ONE_COLUMN = 520
# Cells in one column that are lower than this part of their width are too flat to read.
FLAT = 0.4
# From this ratio of width to height on the axial view is large, with the other two beside it.
WIDE = 1.5

INFO = "info"
"""Id of the cell of facts beside three planes; it is no pane."""


@dataclass(frozen=True, slots=True)
class PaneSpec:
    """One pane of a layout: its plane, and the id of its image (empty: the main one)."""

    id: str
    plane: str
    image: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """The rectangle of a pane, px."""

    pane: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A layout with its panes named; the tree None is that of three planes, which adapts to its space."""

    panes: tuple[PaneSpec, ...]
    tree: Tree | None


def _pane(plane: str, image: str = "") -> Tree:
    return {"plane": plane, "image": image} if image else {"plane": plane}


_MPR: Tree = {"column": [_pane("axial"), _pane("coronal"), _pane("sagittal")]}


def _quad(last: str) -> Tree:
    left, right = {"column": [_pane("axial"), _pane("coronal")]}, {"column": [_pane("sagittal"), _pane(last)]}
    return {"row": [left, right]}


_PRESETS: dict[str, Tree | None] = {
    "auto": None,
    "mpr": None,
    "axial": _pane("axial"),
    "coronal": _pane("coronal"),
    "sagittal": _pane("sagittal"),
    "single": _pane("axial"),
    "four-up": _quad("volume"),
    "3d-primary": {"row": [_pane("volume"), _MPR], "sizes": [2, 1]},
    "3d": _pane("volume"),
    "oblique": _quad("oblique"),
    "acquisition": _pane("acquisition"),
}


def arrange(layout: str | Tree, *, planes: bool, images: Sequence[str]) -> Arrangement:
    """Return the panes of a layout; an unknown name gives those of "auto".

    Parameters
    ----------
    layout
        A preset or a tree, as in the view state.
    planes
        Whether the main image has axial, coronal and sagittal planes.
    images
        Ids of the images, the main one first.
    """
    tree = _tree(layout, planes, images)
    named: list[PaneSpec] = []
    taken: set[str] = {INFO}

    def visit(node: Tree) -> Tree:
        for side in ("row", "column"):
            if side in node:
                return {**node, side: [visit(part) for part in node[side]]}
        wanted = id = str(node.get("id") or node["plane"])
        n = 1
        while id in taken:
            n += 1
            id = f"{wanted}-{n}"
        taken.add(id)
        named.append(PaneSpec(id, str(node["plane"]), str(node.get("image") or "")))
        return {**node, "id": id}

    placed = visit(_MPR if tree is None else tree)
    return Arrangement(tuple(named), None if tree is None else placed)


def _tree(layout: str | Tree, planes: bool, images: Sequence[str]) -> Tree | None:
    if not isinstance(layout, str):
        return layout
    size = re.fullmatch(r"compare-([1-3])x([1-3])", layout)
    if size:
        rows, columns = int(size[1]), int(size[2])
        cells = [images[min(n, len(images) - 1)] for n in range(rows * columns)]
        lines = [cells[n : n + columns] for n in range(0, len(cells), columns)]
        return {"column": [{"row": [_pane("axial", image) for image in line]} for line in lines]}
    if layout == "longitudinal":
        sides = (images[0], images[min(1, len(images) - 1)])
        return {"row": [{"column": [_pane("axial", one), _pane("coronal", one)]} for one in sides]}
    return _PRESETS.get(layout) if planes else _pane("acquisition")


def cells(arrangement: Arrangement, width: int, height: int, *, only: str | None = None) -> list[Cell]:
    """Return the rectangles that tile a space; ``only`` names a pane that has it for itself."""
    box = (0, 0, width, height)
    ids = [pane.id for pane in arrangement.panes]
    if only is not None:
        return _place(_leaf(only), box)
    own = _place(_mpr(ids, width, height) if arrangement.tree is None else arrangement.tree, box)
    if width >= ONE_COLUMN or len(ids) < 2:
        return own
    stacked = _place({"column": [_leaf(id) for id in ids]}, box)
    flat = stacked[0].height < FLAT * width
    return own if flat and _smallest(own) > _smallest(stacked) else stacked


def _smallest(found: Sequence[Cell]) -> int:
    """Return the shortest side of any cell."""
    return min(min(cell.width, cell.height) for cell in found)


def _mpr(ids: Sequence[str], width: int, height: int) -> Tree:
    axial, coronal, sagittal = (_leaf(id) for id in ids)
    if width / height >= WIDE:
        return {"row": [axial, {"column": [coronal, sagittal]}], "sizes": [0.58, 0.42]}
    return {"column": [{"row": [axial, sagittal]}, {"row": [coronal, _leaf(INFO)]}]}


def _leaf(id: str) -> Tree:
    return {"plane": "axial", "id": id}


def _place(tree: Tree, box: tuple[int, int, int, int]) -> list[Cell]:
    x, y, width, height = box
    if "plane" in tree:
        return [Cell(tree["id"], x, y, width, height)]
    across = "row" in tree
    parts = tree["row"] if across else tree["column"]
    sizes = tree.get("sizes") or [1] * len(parts)
    found: list[Cell] = []
    for part, (at, size) in zip(parts, _cut(width if across else height, sizes), strict=True):
        found += _place(part, (x + at, y, size, height) if across else (x, y + at, width, size))
    return found


def _cut(length: int, sizes: Sequence[float]) -> list[tuple[int, int]]:
    """Cut a length into parts by size, with gaps between."""
    room = length - GAP * (len(sizes) - 1)
    parts: list[tuple[int, int]] = []
    at, before = 0, 0.0
    for n, size in enumerate(sizes):
        before += size
        end = math.floor(room * before / sum(sizes) + 0.5) + GAP * n
        parts.append((at, max(end - at, 1)))
        at = end + GAP
    return parts

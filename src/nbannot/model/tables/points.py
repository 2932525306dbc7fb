"""The points of shapes as rows, and moved points back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nbannot.errors import EditError
from nbannot.model.document import Document
from nbannot.model.edits import Edit, Put
from nbannot.model.geometry import Grid
from nbannot.model.measures.sampling import index_of
from nbannot.model.shapes import Shape, WorldPoint

POINT_COLUMNS = ("shape", "n", "kind", "label", "image", "name", "x", "y", "z", "k", "j", "i")
_WORLD, _INDEX = ("x", "y", "z"), ("k", "j", "i")


def point_rows(document: Document) -> list[tuple[object, ...]]:
    """Return one row for each point of each shape."""
    rows: list[tuple[object, ...]] = []
    for shape in document.shapes:
        index = index_of(document.image(shape.image).geometry, shape.world(), shape.slice).tolist()
        for n, (point, place) in enumerate(zip(shape.points, index, strict=True)):
            name = shape.names[n] if n < len(shape.names) else ""
            rows.append((shape.id, n, shape.kind, shape.label, shape.image, name, *point, *place))
    return rows


def point_edits(document: Document, rows: list[dict[str, Any]]) -> list[Edit]:
    """Return the edits that give shapes the points of a table.

    Rows of a shape are its points, in the order of ``n``; shapes without rows stay as they are. Where
    x, y, z are as they were and k, j, i are not, the point moves to that index.

    Raises
    ------
    EditError
        When a shape is not known, two rows have one number, or a coordinate is missing.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row["shape"]), []).append(row)
    edits: list[Edit] = []
    for id, given in groups.items():
        shape = document.shapes.get(id)
        if shape is None:
            raise EditError(f"The table of points has rows of shape {id!r}, which the document does not hold")
        changed = _changed(document, shape, given)
        if changed != shape:
            edits.append(Put(changed))
    return edits


def _changed(document: Document, shape: Shape, rows: list[dict[str, Any]]) -> Shape:
    numbers = [None if row.get("n") is None else int(row["n"]) for row in rows]
    known = [n for n in numbers if n is not None]
    if len(set(known)) != len(known):
        raise EditError(f"The table of points has a number of shape {shape.id!r} twice")
    order = sorted(range(len(rows)), key=lambda at: (numbers[at] is None, numbers[at] or 0))
    grid = document.image(shape.image).geometry
    places = index_of(grid, shape.world(), shape.slice).tolist()
    points = tuple(_point(grid, shape, places, numbers[at], rows[at]) for at in order)
    place = {n: row for row, n in enumerate(numbers[at] for at in order) if n is not None}
    edges = tuple((place[a], place[b]) for a, b in shape.edges if a in place and b in place)
    told = all("name" in row for row in rows)
    names = _trimmed(str(rows[at]["name"] or "") if told else _name(shape, numbers[at]) for at in order)
    if names == _trimmed(shape.names) and len(points) >= len(shape.names):
        names = shape.names
    if points == shape.points and edges == shape.edges and names == shape.names:
        return shape
    try:
        return replace(shape, points=points, edges=edges, names=names)
    except EditError:
        if not shape.closed:
            raise
        return replace(
            shape, points=points, edges=edges, names=names, normal=None
        )  # turned into another plane


def _trimmed(names: Iterable[str]) -> tuple[str, ...]:
    """Return names without the empty ones at the end."""
    found = list(names)
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _name(shape: Shape, n: int | None) -> str:
    return shape.names[n] if n is not None and n < len(shape.names) else ""


def _point(
    grid: Grid, shape: Shape, places: list[list[float]], n: int | None, row: dict[str, Any]
) -> WorldPoint:
    world, index = (_read(row, names) for names in (_WORLD, _INDEX))
    if n is not None and n < len(shape.points) and (world is None or _same(world, shape.points[n])):
        if index is None or _same(index, places[n]):
            return shape.points[n]
        world = None
    if world is None:
        if index is None:
            raise EditError(f"A new point of shape {shape.id!r} lacks coordinates", hint="Give x, y and z.")
        if grid.kind == "stack" and round(index[0]) != (shape.slice or 0):
            raise EditError(
                f"A point of shape {shape.id!r} cannot leave its slice",
                hint='Change "slice" in the table of shapes.',
            )
        world = grid.to_world(np.array(index)).tolist()
    return float(world[0]), float(world[1]), float(world[2])


def _same(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(abs(one - other) <= 1e-9 * max(1.0, abs(other)) for one, other in zip(a, b))


def _read(row: dict[str, Any], names: tuple[str, str, str]) -> list[float] | None:
    values = [row.get(name) for name in names]
    return (
        None
        if any(value is None for value in values)
        else [float(value) for value in values if value is not None]
    )

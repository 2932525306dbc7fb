"""Layouts: the forms that people write, read into one tree.

A tree is ``{"plane", "image"?, "id"?}``, ``{"row": [tree…], "sizes"?}`` (side by side) or
``{"column": [tree…], "sizes"?}`` (one above the other).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nbannot.errors import LayoutError
from nbannot.model.image import Image
from nbannot.session.problems import Misfit, join, nearest, shown

Tree = dict[str, Any]
Pick = Callable[[Any, str], Any]
"""Reads the image of a cell, given its path; returns what the tree keeps, None for any image."""

PLANES = ("axial", "coronal", "sagittal", "acquisition", "oblique", "volume")
COMPARE = tuple(f"compare-{r}x{c}" for r in (1, 2, 3) for c in (1, 2, 3) if r * c > 1)
PRESETS = (
    "auto", "single", "mpr", "axial", "coronal", "sagittal", "acquisition", "four-up", "3d", "3d-primary",
    "oblique", "longitudinal", *COMPARE,
)  # fmt: skip
"""Layouts that the page knows by name."""
VIEW_TYPES = {"2D": "axial", "3D": "volume", "Oblique": "oblique"}
"""VolView's types of views, with the plane that stands for each."""

_ALIASES = {"3d": "volume", "3-d": "volume", "single": "acquisition"}
_LEAF = ("plane", "image", "id")
_OBJECT = ("type", "orientation", "name", "viewDirection", "viewUp", "image", "id")
_MAX_DEPTH = 12
_MAX_PANES = 64


def read_layout(
    value: Any,
    *,
    images: Iterable[Image] | None = None,
    names: Iterable[str] = (),
    key: str = "layout",
) -> str | Tree:
    """Read a layout in any of the accepted forms.

    Parameters
    ----------
    value
        A preset or one of ``names``; a tree; a list of rows, in each a list of cells (deeper lists
        take turns); VolView's ``{"gridSize": [columns, rows]}`` or ``{"direction", "items"}``. A
        cell is a plane, (plane, image), ``{"plane", "image"?, "id"?}`` or VolView's
        ``{"type", "orientation"?, "name"?}``.
    images
        The images that a cell may name, by id, name or the `Image` itself.
    names
        Names of layouts that the configuration defines.
    key
        What to call the layout in an error.

    Returns
    -------
    str or dict
        The name, or the tree with ids of images.

    Raises
    ------
    LayoutError
        When it is not understood; the path of the wrong part is named.
    """
    known = [*names, *PRESETS]
    pick = None if images is None else picker(list(images))
    try:
        if isinstance(value, str):
            return _name(value, known, key)
        return read_tree(value, key, pick=pick)
    except Misfit as misfit:
        raise LayoutError(f"{misfit.key}: {misfit.message}", hint=misfit.hint) from None


def read_tree(value: Any, key: str, *, pick: Pick | None = None, also: Iterable[str] = ()) -> Tree:
    """Read a layout that is no name; ``also`` are further keys that a cell keeps.

    Raises
    ------
    Misfit
        When it is not understood.
    """
    reader = _Reader(pick or _name_of_image, tuple(also))
    tree = reader.tree(value, key, 0, stacked=True)
    ids = [leaf["id"] for leaf in leaves(tree) if "id" in leaf]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice is not None:
        raise Misfit(f"Two panes have the id {twice!r}", hint="Give each its own.", key=key, value=twice)
    return tree


def leaves(tree: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cells of a tree in reading order."""
    for side in ("row", "column"):
        if side in tree:
            for part in tree[side]:
                yield from leaves(part)
            return
    yield tree  # type: ignore[misc]


def pane_ids(tree: Mapping[str, Any]) -> list[str]:
    """Return the ids of the panes in reading order: their own or the plane's name, numbered as the page does."""
    taken = {"info"}
    ids = []
    for cell in leaves(tree):
        wanted = cell.get("id") or cell["plane"]
        id, n = wanted, 1
        while id in taken:
            n += 1
            id = f"{wanted}-{n}"
        taken.add(id)
        ids.append(id)
    return ids


def without(tree: Tree, disabled: Iterable[str]) -> Tree:
    """Return a tree whose cells of VolView's disabled view types show another type."""
    off = set(disabled)
    left = [plane for kind, plane in VIEW_TYPES.items() if kind not in off]
    if not left:
        return tree

    def change(part: Tree) -> Tree:
        for side in ("row", "column"):
            if side in part:
                return {**part, side: [change(one) for one in part[side]]}
        kind = {"volume": "3D", "oblique": "Oblique"}.get(part["plane"], "2D")
        return {**part, "plane": left[0]} if kind in off else part

    return change(tree)


def picker(images: Sequence[Image]) -> Pick:
    """Return what turns an id, a name or an `Image` into the id of one of the images."""

    def pick(value: Any, key: str) -> str:
        if isinstance(value, Image):
            value = value.id
        if not isinstance(value, str):
            raise Misfit(f"{shown(value)} is no image", hint="Give its name or its id.", key=key, value=value)
        named = [image.id for image in images if image.name == value]
        if any(image.id == value for image in images):
            return value
        if len(named) == 1:
            return named[0]
        if named:
            raise Misfit(
                f"{len(named)} images are named {value!r}", hint="Name it by its id.", key=key, value=value
            )
        there = [image.name or image.id for image in images]
        hint = nearest(value, there)
        names = ", ".join(repr(one) for one in there)
        hint = f"There are: {names}." if hint.startswith("Choose") else f"{hint} There are: {names}."
        raise Misfit(f"There is no image {value!r}", hint=hint, key=key, value=value)

    return pick


def _name_of_image(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise Misfit(f"{shown(value)} is no image", hint="Give its name.", key=key, value=value)
    return value


def _name(value: str, known: Sequence[str], key: str) -> str:
    if value in known:
        return value
    folded = {one.casefold(): one for one in reversed(known)}
    found = folded.get(value.casefold())
    if found is None:
        raise Misfit(f"Unknown layout {value!r}", hint=nearest(value, known), key=key, value=value)
    return found


class _Reader:
    """Reads one layout."""

    def __init__(self, pick: Pick, also: tuple[str, ...]) -> None:
        self._pick = pick
        self._also = also
        self._panes = 0

    def tree(self, value: Any, key: str, depth: int, *, stacked: bool) -> Tree:
        """Read a part; ``stacked`` says whether a list here is one above the other."""
        if depth > _MAX_DEPTH:
            raise Misfit("The layout is nested too deeply", hint=f"{_MAX_DEPTH} levels at most.", key=key)
        if isinstance(value, str):
            return self._leaf({"plane": self._plane(value, key)}, key)
        if isinstance(value, Mapping):
            return self._mapping(value, key, depth, stacked)
        if isinstance(value, list | tuple):
            if _is_cell(value):
                plane, image = value
                cell = {"plane": self._plane(plane, join(key, 0))}
                return self._leaf(cell, key, image=image, image_key=join(key, 1))
            # A flat list at the top is one row.
            rows = stacked and not (depth == 0 and all(_is_flat(one) for one in value))
            return self._split("column" if rows else "row", value, key, depth, key)
        raise Misfit(
            f"{shown(value)} is no layout",
            hint="Write a name, a list of rows, or a tree of row and column.",
            key=key,
            value=value,
        )

    def _mapping(self, value: Mapping[Any, Any], key: str, depth: int, stacked: bool) -> Tree:
        del stacked
        for way in ("row", "column"):
            if way in value:
                self._known(value, (way, "sizes"), key)
                return self._split(way, value[way], join(key, way), depth, key, sizes=value.get("sizes"))
        if "gridSize" in value:
            self._known(value, ("gridSize", "name"), key)
            return self._grid(value["gridSize"], join(key, "gridSize"))
        if "direction" in value or "items" in value:
            self._known(value, ("direction", "items", "sizes", "name"), key)
            side = value.get("direction")
            if side not in ("row", "column"):
                raise Misfit(
                    f"The direction is {shown(side)}",
                    hint="Write row (side by side) or column (one above the other).",
                    key=join(key, "direction"),
                    value=side,
                )
            items = value.get("items")
            return self._split(side, items, join(key, "items"), depth, key, sizes=value.get("sizes"))
        if "type" in value:
            return self._object(value, key)
        if "plane" in value:
            self._known(value, (*_LEAF, *self._also), key)
            cell = {"plane": self._plane(value["plane"], join(key, "plane"))}
            extra = {one: value[one] for one in ("id", *self._also) if one in value}
            return self._leaf({**cell, **extra}, key, image=value.get("image"))
        raise Misfit(
            "This is no part of a layout",
            hint="It needs one of: plane, row, column, gridSize, direction, type.",
            key=key,
            value=dict(value),
        )

    def _object(self, value: Mapping[Any, Any], key: str) -> Tree:
        """Read VolView's description of a view; its name and camera are not used."""
        self._known(value, (*_OBJECT, *self._also), key)
        kind = value["type"]
        if kind not in tuple(VIEW_TYPES):
            hint = nearest(str(kind), VIEW_TYPES)
            raise Misfit(f"Unknown type {shown(kind)}", hint=hint, key=join(key, "type"), value=kind)
        plane = VIEW_TYPES[kind]
        if kind == "2D" and "orientation" in value:
            plane = self._plane(value["orientation"], join(key, "orientation"))
        extra = {one: value[one] for one in ("id", *self._also) if one in value}
        return self._leaf({"plane": plane, **extra}, key, image=value.get("image"))

    def _grid(self, size: Any, key: str) -> Tree:
        good = isinstance(size, list | tuple) and len(size) == 2
        if not good or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in size):
            raise Misfit(f"The grid is {shown(size)}", hint="Write [columns, rows].", key=key, value=size)
        columns, rows = size
        if columns * rows > _MAX_PANES:
            self._too_many(key)
        return self._split("column", [["axial"] * columns] * rows, key, 0, key)

    def _split(self, side: str, items: Any, key: str, depth: int, whole: str, *, sizes: Any = None) -> Tree:
        if not isinstance(items, list | tuple) or not items:
            raise Misfit(
                f"{shown(items)} is no list of panes", hint="Write at least one.", key=key, value=items
            )
        parts = [
            self.tree(item, join(key, n), depth + 1, stacked=side == "row") for n, item in enumerate(items)
        ]
        if len(parts) == 1:
            return parts[0]
        tree: Tree = {side: parts}
        if sizes is not None:
            tree["sizes"] = _sizes(sizes, len(parts), join(whole, "sizes"))
        return tree

    def _leaf(self, cell: Tree, key: str, *, image: Any = None, image_key: str = "") -> Tree:
        self._panes += 1
        if self._panes > _MAX_PANES:
            self._too_many(key)
        if "id" in cell and (not isinstance(cell["id"], str) or not 0 < len(cell["id"]) <= 64):
            raise Misfit(
                f"The id is {shown(cell['id'])}",
                hint="Write a short text.",
                key=join(key, "id"),
                value=cell["id"],
            )
        picked = None if image is None else self._pick(image, image_key or join(key, "image"))
        return cell if picked is None else {**cell, "image": picked}

    def _plane(self, value: Any, key: str) -> str:
        name = str(value).casefold()
        name = _ALIASES.get(name, name)
        if not isinstance(value, str) or name not in PLANES:
            hint = nearest(str(value), PLANES)
            raise Misfit(f"Unknown plane {shown(value)}", hint=hint, key=key, value=value)
        return name

    def _known(self, value: Mapping[Any, Any], known: Sequence[str], key: str) -> None:
        for one in value:
            if one not in known:
                hint = nearest(str(one), known)
                raise Misfit(
                    f"Unknown key {shown(one)}", hint=hint, key=join(key, str(one)), value=value[one]
                )

    def _too_many(self, key: str) -> None:
        raise Misfit("The layout has too many panes", hint=f"{_MAX_PANES} at most.", key=key)


def _is_cell(value: Sequence[Any]) -> bool:
    """Whether a pair is (plane, image) rather than two cells."""
    if len(value) != 2 or not isinstance(value[0], str):
        return False
    if isinstance(value[1], Image):
        return True
    return (
        isinstance(value, tuple)
        and isinstance(value[1], str)
        and value[1].casefold() not in (*PLANES, *_ALIASES)
    )


def _is_flat(value: Any) -> bool:
    return isinstance(value, str | Mapping) or (isinstance(value, list | tuple) and _is_cell(value))


def _sizes(value: Any, count: int, key: str) -> list[float]:
    good = isinstance(value, list | tuple) and len(value) == count
    if not good or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) and one > 0
        for one in value
    ):
        raise Misfit(
            f"The sizes are {shown(value)}", hint=f"Write {count} numbers above 0.", key=key, value=value
        )
    return [float(one) for one in value]

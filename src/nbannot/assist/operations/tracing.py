"""Masks from outlines and boxes, and outlines from masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations.grids import Array, Box, Flags, box_of, common, joined, whole, within
from nbannot.assist.operations.job import segment_value
from nbannot.assist.operations.running import MODES, Mode, Overwrite, check_overwrite, owner
from nbannot.errors import GeometryError, LockedError, OperationError
from nbannot.formats.contours import contours_from_mask, mask_from_contours
from nbannot.formats.progress import Progress, following
from nbannot.model.annotations import Box as DrawnBox
from nbannot.model.checks import locked_values
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Paint, Put
from nbannot.model.geometry import Geometry, Grid, Stack
from nbannot.model.image import Image
from nbannot.model.labels import new_id
from nbannot.model.masks import Mask
from nbannot.model.measures.lines import path
from nbannot.model.runs import Runs
from nbannot.model.shapes import Shape

Points = NDArray[np.float64]
Closed = Shape | DrawnBox
Into = str | Mask | tuple[Mask, int | str]

FILL = "op:fill_shapes"
OUTLINE = "op:outline_segments"

NEAR = 0.05
"""So far from a slice, in parts of the slice distance, an outline still lies on it."""


def fill_shapes(
    document: Document,
    shapes: Iterable[Closed | str] | None = None,
    *,
    label: str | None = None,
    lesion: str | None = None,
    into: Into | None = None,
    mode: Mode = "add",
    overwrite: Overwrite = "mask",
    progress: Progress | None = None,
) -> Edit | None:
    """Give the voxels whose centres lie inside outlines to the masks of their labels; the shapes stay.

    Outlines of one label, lesion, image and frame on one slice make one region by the even-odd rule: an
    outline within another is a hole. Regions of several lesions, slices and boxes are joined. Slices may
    lie along any axis of the grid. A label without a mask gets one.

    Parameters
    ----------
    document
        Where the shapes and masks are: one edit, one undo step.
    shapes
        Outlines (polygons, freehand outlines, livewires, closed splines, ellipses, rectangles) and boxes,
        or their ids; those that are neither are left out. None: all outlines, or those of ``label`` or
        ``lesion``; boxes are only filled where they are named.
    label, lesion
        Name or id of a label, id of a lesion: its outlines only.
    into
        Where all goes instead: name or id of a label, a `Mask` of one segment, or (mask, segment).
    mode
        How the voxels meet the segment: "add", "subtract", "intersect" or "replace".
    overwrite
        Which other labels lose the voxels added, as in `Options`.
    progress
        Called with the part done (0 to 1) and a text; what it raises ends the work, and nothing is changed.

    Returns
    -------
    Edit or None
        None where no voxel changes.

    Raises
    ------
    OperationError
        When nothing closed is there, or an outline lies on a turned plane, between slices or outside.
    GeometryError
        When ``into`` lies on another grid.
    LockedError
        When the label is locked.
    """
    with following(progress) as tell, document.lock:
        document.refresh()
        rules: dict[str, Any] = {"into": into, "mode": mode, "overwrite": overwrite}
        edit = shapes_filled(document, shapes, label=label, lesion=lesion, **rules, progress=tell)
        return None if edit is None else document.apply(edit)


def outline_segments(
    mask: Mask,
    segment: int | str | Sequence[int | str] | None = None,
    *,
    axis: int = 0,
    tolerance: float = 0.0,
    progress: Progress | None = None,
) -> Edit | None:
    """Draw the outlines of segments as polygons on every slice; the mask stays as it is.

    Holes are polygons of their own (even-odd). The polygons have the segment's label, and those of one
    segment are one lesion. At ``tolerance`` 0 `fill_shapes` makes of them the same voxels again.

    Parameters
    ----------
    mask
        A mask of a document, which gets the polygons: one edit, one undo step.
    segment
        Label or value, or several; None: all that have voxels.
    axis
        The slices lie across this axis of the grid: 0 (k), 1 (j) or 2 (i).
    tolerance
        Largest distance in voxels of points that are left out from the outline (Douglas & Peucker 1973).
    progress
        Called with the part done (0 to 1) and a text; what it raises ends the work, and nothing is changed.

    Returns
    -------
    Edit or None
        None where no segment is named and the mask is empty.

    Raises
    ------
    OperationError
        When the segment is empty, the mask is in no document, or there is no such axis.
    GeometryError
        When the slices form no grid and the axis is not 0.
    LockedError
        When the label is locked.
    """
    document = owner(mask)
    if document is None:
        raise OperationError("The mask is in no document", hint="Add it first: document.add(mask).")
    with following(progress) as tell, document.lock:
        mask.refresh()
        edit = segments_outlined(mask, segment, axis=axis, tolerance=tolerance, progress=tell)
        return None if edit is None else document.apply(edit)


_Changes = dict[str, tuple[Mask, Box, Array]]
"""By the id of a mask: its box that changes, and the labels to be there."""

# From outlines to voxels --------------------------------------------------------------------------


@dataclass(slots=True)
class _Target:
    """A segment that voxels go to, and what is filled into it."""

    mask: Mask
    value: int
    fresh: bool
    levels: list[tuple[int, int, list[Points]]] = field(default_factory=list)
    """Axis, slice, and the outlines that make one region there."""
    boxes: list[Box] = field(default_factory=list)


def shapes_filled(
    document: Document,
    shapes: Iterable[Closed | str] | None = None,
    *,
    label: str | None = None,
    lesion: str | None = None,
    into: Into | None = None,
    mode: Mode = "add",
    overwrite: Overwrite = "mask",
    progress: Progress,
) -> Batch | Paint | None:
    """Return the edit of `fill_shapes`, not applied."""
    if mode not in MODES:
        raise OperationError(f"mode={mode!r} is not known", hint=f"Choose one of: {', '.join(MODES)}.")
    check_overwrite(overwrite)
    targets = _targets(document, _chosen(document, shapes, label, lesion), into)
    count, done = sum(len(one.levels) for one in targets) or 1, 0
    fresh = [one.mask for one in targets if one.fresh]
    changes: _Changes = {}
    for target in targets:
        inside = np.zeros(target.mask.array.shape, dtype=bool)
        for axis, n, rings in target.levels:
            progress(done / count, "Filling outlines")
            here: list[slice | int] = [slice(None)] * 3
            here[axis] = n
            inside[tuple(here)] |= mask_from_contours(rings, target.mask.geometry, n, axis=axis)
            done += 1
        for one in target.boxes:
            inside[one] = True
        found = box_of(inside)
        if mode in ("replace", "intersect"):
            old = box_of(target.mask.array, target.value)
            found = joined(found, old) if found and old else found or old
        if found is None:
            continue
        box, inside = found, inside[found]
        others = [one for one in (*document.masks, *fresh) if one.image.id == target.mask.image.id]
        _meet(_Meeting(document, changes, others, overwrite), target, box, inside, mode)
    paints = [paint for change in changes.values() if (paint := _paint(*change)) is not None]
    if not paints:
        return None
    made = [Put(mask.info) for mask in fresh if mask.id in {paint.mask for paint in paints}]
    if not made and len(paints) == 1:
        return paints[0]
    return Batch((*made, *paints), "Fill outlines", tool=FILL)


@dataclass(frozen=True, slots=True)
class _Meeting:
    """What outlines meet: the masks of their image as they will be, and who may lose voxels."""

    document: Document
    changes: _Changes
    masks: Sequence[Mask]
    overwrite: Overwrite

    def labels(self, mask: Mask, box: Box) -> Array:
        """Return the labels of a box as they are to be, to be changed in place."""
        before = self.changes.get(mask.id)
        room = box if before is None else joined(before[1], box)
        labels = mask.array[room].copy()
        if before is not None:
            labels[within(before[1], room)] = before[2]
        self.changes[mask.id] = (mask, room, labels)
        return np.asarray(labels[within(box, room)])

    def values(self, mask: Mask, target: _Target, *, locked: bool) -> list[int]:
        """Return the other segments of a mask that may lose voxels, or that only their lock keeps from it."""
        own = next(one.label for one in target.mask.segments if one.value == target.value)
        fixed = locked_values(self.document, mask)
        return [
            one.value
            for one in mask.segments
            if one.label != own and (one.value in fixed) == locked and self._may_lose(mask, target, one.label)
        ]

    def _may_lose(self, mask: Mask, target: _Target, label: str) -> bool:
        if isinstance(self.overwrite, str):
            return self.overwrite == "all" or (self.overwrite == "mask" and mask is target.mask)
        return label in self.overwrite


def _meet(meeting: _Meeting, target: _Target, box: Box, inside: Flags, mode: str) -> None:
    """Put what is inside of outlines into its segment, and take it from others where they may lose it."""
    labels = meeting.labels(target.mask, box)
    own = labels == target.value
    gone = {"add": None, "subtract": own & inside}.get(mode, own & ~inside)
    if gone is not None:
        labels[gone] = 0
    if mode not in ("add", "replace"):
        return
    may_lose = meeting.values(target.mask, target, locked=False)
    added = inside & ~own & ((labels == 0) | np.isin(labels, may_lose))
    others = [mask for mask in meeting.masks if mask is not target.mask]
    for mask in others:
        if fixed := meeting.values(mask, target, locked=True):
            added &= ~np.isin(mask.array[box], fixed)
    labels[added] = target.value
    for mask in others:
        if values := meeting.values(mask, target, locked=False):
            theirs = meeting.labels(mask, box)
            theirs[added & np.isin(theirs, values)] = 0


def _paint(mask: Mask, box: Box, labels: Array) -> Paint | None:
    old = mask.array[box]
    flat = np.flatnonzero(old != labels)
    if not flat.size:
        return None
    k, j, i = box
    runs = Runs.of_voxels(flat, old.ravel()[flat], labels.ravel()[flat])
    return Paint(mask.id, ((k.start, j.start, i.start), (k.stop, j.stop, i.stop)), runs, tool=FILL)


def _chosen(
    document: Document, shapes: Iterable[Closed | str] | None, label: str | None, lesion: str | None
) -> list[Closed]:
    if shapes is None:
        found: list[Closed] = [shape for shape in document.shapes if shape.closed]
        if label is not None:
            name = document.labels[label].name
            found = [shape for shape in found if shape.label == name]
        if lesion is not None:
            found = [shape for shape in found if shape.lesion == lesion]
    elif label is not None or lesion is not None:
        raise OperationError("Shapes are given as shapes, or by label and lesion, not by both")
    else:
        given = [_item(document, one) if isinstance(one, str) else one for one in shapes]
        found = [one for one in given if isinstance(one, DrawnBox) or one.closed]
    if not found:
        raise OperationError(
            "There is nothing to fill: no closed outline and no box",
            hint="Give polygons, freehand outlines, ellipses, rectangles or boxes; lines have no inside.",
        )
    return found


def _item(document: Document, id: str) -> Closed:
    box = document.boxes.get(id)
    return document.shapes[id] if box is None else box


def _targets(document: Document, items: Sequence[Closed], into: Into | None) -> list[_Target]:
    """Return what goes where: one target for each segment."""
    targets: dict[tuple[str, str], _Target] = {}
    rings: dict[tuple[str, str, str, int | None, int, int], tuple[_Target, list[Points]]] = {}
    for item in items:
        image = document.image(item.image)
        name = item.label if into is None else into if isinstance(into, str) else ""
        target = targets.get((name, image.id))
        if target is None:
            target = _target(document, name, image, into)
            same = (one for one in targets.values() if (one.mask, one.value) == (target.mask, target.value))
            target = targets[name, image.id] = next(same, target)
        if isinstance(item, DrawnBox):
            target.boxes.append(_voxels(item, image))
            continue
        points = path(item)
        axis, n = _level(item, points, image.geometry)
        key = (item.label, item.lesion, image.id, item.frame, axis, n)
        rings.setdefault(key, (target, []))[1].append(points)
    for (*_, axis, n), (target, outlines) in rings.items():
        target.levels.append((axis, n, outlines))
    return list({id(one): one for one in targets.values()}.values())


def _target(document: Document, name: str, image: Image, into: Into | None) -> _Target:
    if into is None or isinstance(into, str):
        label = document.labels[name]
        masks = [mask for mask in document.masks if mask.image.id == image.id]
        having = [mask for mask in masks if any(one.label == label.name for one in mask.segments)]
        if having:
            target = _Target(having[0], having[0].info.value_of(label.name), fresh=False)
        else:
            target = _Target(Mask(_free(document, label.name), image, segments=[label.name]), 1, fresh=True)
    else:
        mask, segment = into if isinstance(into, tuple) else (into, None)
        if owner(mask) is not document:
            raise OperationError("The mask is not in this document", hint="Add it first: document.add(mask).")
        if mask.image.id != image.id and mask.geometry != image.geometry:
            raise GeometryError(
                f"The mask {mask.name!r} and the shapes lie on different grids",
                hint="Give a mask of the image that the shapes are drawn on.",
            )
        target = _Target(mask, segment_value(mask, segment), fresh=False)
    by_value = {one.value: one.label for one in target.mask.segments}
    _refuse_locked(document, by_value[target.value])
    return target


def _refuse_locked(document: Document, label: str) -> None:
    if document.labels[label].locked:
        raise LockedError(f"The label {label!r} is locked", hint="Unlock it first.")


def _free(document: Document, name: str) -> str:
    taken, n, free = {mask.name for mask in document.masks}, 1, name
    while free in taken:
        n += 1
        free = f"{name} {n}"
    return free


def _voxels(box: DrawnBox, image: Image) -> Box:
    found = common(box.slices(), whole(image.shape))
    if found is None:
        raise OperationError(
            f"A box of {box.label!r} holds the centre of no voxel",
            hint="It lies between slices or is thinner than a voxel: move it onto a slice.",
        )
    return found


def _level(shape: Shape, points: Points, geometry: Grid) -> tuple[int, int]:
    """Return axis and number of the slice that an outline lies on."""
    axis, at = _heights(shape, points, geometry)
    what = f"A {shape.kind} of {shape.label!r}"
    n = round(float(at.mean()))
    if np.ptp(at) > 2 * NEAR:
        raise OperationError(
            f"{what} lies on a turned plane: voxels have no slice there",
            hint="Only outlines on slices along an axis of the grid can be filled: choose those.",
        )
    if abs(float(at.mean()) - n) > NEAR:
        raise OperationError(
            f"{what} lies between slices, at {float(at.mean()):.2f} along axis {axis}",
            hint="Pull it to a slice first (in the viewer: Pull to this slice), or choose others.",
        )
    if not 0 <= n < geometry.shape[axis]:
        raise OperationError(
            f"{what} lies outside the image, at {n} along axis {axis}",
            hint=f"There are slices 0…{geometry.shape[axis] - 1}.",
        )
    return axis, n


def _heights(shape: Shape, points: Points, geometry: Grid) -> tuple[int, Points]:
    """Return the axis nearest to the normal of an outline, and where its points lie along it."""
    if isinstance(geometry, Stack):
        k = int(geometry.to_index(points.mean(axis=0))[0]) if shape.slice is None else shape.slice
        if not 0 <= k < geometry.shape[0]:
            return 0, np.full(len(points), float(k))
        plane = geometry.plane(k)
        return 0, k + (points - plane.origin) @ plane.normal / geometry.spacing[0]
    steps = geometry.affine[:3, :3]
    normals = np.cross(np.roll(steps, -1, axis=1).T, np.roll(steps, -2, axis=1).T)
    along = np.abs(normals @ np.asarray(shape.normal)) / np.linalg.norm(normals, axis=1)
    axis = int(np.argmax(along))
    return axis, geometry.to_index(points)[:, axis]


# From voxels to outlines --------------------------------------------------------------------------


def segments_outlined(
    mask: Mask,
    segment: int | str | Sequence[int | str] | None = None,
    *,
    axis: int = 0,
    tolerance: float = 0.0,
    progress: Progress,
) -> Batch | None:
    """Return the edit of `outline_segments`, not applied."""
    document = owner(mask)
    if axis not in (0, 1, 2):
        raise OperationError(f"There is no axis {axis}: 0 is k, 1 is j, 2 is i")
    if axis and not isinstance(mask.geometry, Geometry):
        raise GeometryError(
            "The slices of this image form no regular grid", hint="Work slice by slice: axis=0."
        )
    if segment is None:
        values = mask.used_values()
    else:
        several = [segment] if isinstance(segment, str | int | np.integer) else segment
        values = [segment_value(mask, one) for one in several]
    names = {one.value: one.label for one in mask.segments}
    made: list[Put] = []
    for m, value in enumerate(values):
        if document is not None:
            _refuse_locked(document, names[value])
        box = box_of(mask.array, value)
        if box is None:
            raise OperationError(f"The segment {names[value]!r} is empty", hint="Paint something first.")
        lesion, slices = new_id(), range(box[axis].start, box[axis].stop)
        for n in slices:
            done = (n - slices.start) / len(slices)
            progress((m + done) / len(values), "Outlining the slices")
            made += [Put(shape) for shape in _outlines(mask, value, names[value], lesion, n, axis, tolerance)]
    return Batch(tuple(made), "Outlines of the slices", tool=OUTLINE) if made else None


def _outlines(
    mask: Mask, value: int, label: str, lesion: str, n: int, axis: int, tolerance: float
) -> list[Shape]:
    """Return the polygons around a segment on one slice."""
    geometry = mask.geometry
    if isinstance(geometry, Geometry):
        one, other = (geometry.affine[:3, a] for a in range(3) if a != axis)
        normal, k = np.cross(other, one), None
    else:
        normal, k = geometry.plane(n).normal, n
    x, y, z = (float(part) for part in normal / np.linalg.norm(normal))
    rings = contours_from_mask(mask.array.take(n, axis) == value, geometry, n, axis=axis, tolerance=tolerance)
    return [
        Shape(
            "polygon", label, tuple(map(tuple, ring.tolist())), image=mask.image.id, slice=k,
            normal=(x, y, z), lesion=lesion,
        )
        for ring in rings
    ]  # fmt: skip

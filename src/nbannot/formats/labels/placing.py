"""Put the voxels of a labelmap where they belong in its image: by world position, never by guess."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError
from nbannot.formats.labels.findings import Findings
from nbannot.model.geometry import Geometry, Grid, Plane, Stack
from nbannot.model.image import Image

Voxels = NDArray[Any]

# How far a voxel may lie from a voxel of the image, in voxels of the image.
TOLERANCE = 1e-3


def place(array: Voxels, geometry: Grid, findings: Findings, image: Image) -> Voxels:
    """Return the voxels of a labelmap on the grid of an image.

    Axes in another order or direction are turned, a part is put at its place (0 around it), and what
    lies outside the image is left out; each is noted. With `findings.resample` another grid is sampled
    at the centres of the image's voxels (nearest neighbour, noted). A grid or image without a place in
    the patient fits by its size alone.

    Parameters
    ----------
    array
        Voxels (k, j, i); 0 is background.
    geometry
        Where they lie.
    findings
        Takes the notes, and says whether resampling is allowed.
    image
        Gives the grid of the result.

    Returns
    -------
    Voxels
        A new array (k, j, i) of the image's shape and the dtype of `array`.

    Raises
    ------
    GeometryError
        When the voxels do not lie on voxels of the image (farther than 1/1000 of a voxel) and must not
        be resampled, or lie wholly outside.
    """
    if array.shape != geometry.shape:
        raise GeometryError(f"{findings.path}: voxels {array.shape} do not fit a grid {geometry.shape}")
    target = image.geometry
    if not (geometry.patient_space and target.patient_space):
        return _by_size(array, geometry, findings, image)
    if isinstance(geometry, Geometry) and isinstance(target, Geometry):
        found = _onto_grid(array, geometry, target)
    else:
        found = _onto_planes(array, geometry, target)
    if found is None:
        if not findings.resample:
            raise GeometryError(
                f"{findings.path} does not lie on the voxels of {image.name or 'the image'}: "
                + difference(geometry, target),
                hint="Give resample=True to resample it to the nearest voxels.",
            )
        return _resampled(array, geometry, findings, image)
    placed, turned = found
    _tell(array, placed, turned, geometry, findings, image)
    return placed


def _tell(
    array: Voxels, placed: Voxels, turned: bool, geometry: Grid, findings: Findings, image: Image
) -> None:
    lost = np.count_nonzero(array) - np.count_nonzero(placed)
    if lost:
        findings.note(f"{lost} labelled voxels lie outside the image {image.name} and are left out")
    if turned:
        findings.note("the axes of the mask were turned to those of its image; no voxel was changed")
    if sorted(geometry.shape) != sorted(image.shape):
        sizes = " × ".join(map(str, geometry.shape[::-1]))
        findings.note(f"the mask covers {sizes} voxels and was put at its place in the image")


def _by_size(array: Voxels, geometry: Grid, findings: Findings, image: Image) -> Voxels:
    if geometry.shape != image.shape:
        raise GeometryError(
            f"{findings.path} has {_sizes(geometry)} pixels, {image.name or 'its image'} has "
            f"{_sizes(image.geometry)}, and there is no place in the patient to match them by",
            hint="Give a mask of the size of its image.",
        )
    if geometry.patient_space or image.geometry.patient_space:
        findings.note("the mask and its image were matched by size: one has no place in the patient")
    return array.copy()


def _onto_grid(array: Voxels, geometry: Geometry, target: Geometry) -> tuple[Voxels, bool] | None:
    """Return the voxels on the grid and whether axes were turned; None where they do not lie on it."""
    matrix = np.linalg.inv(target.affine) @ geometry.affine
    found = _permutation(matrix[:3, :3], geometry.shape)
    if found is None:
        return None
    order, signs = found
    corners = np.array(list(itertools.product(*((0, n - 1) for n in geometry.shape))), dtype=np.float64)
    turned = corners[:, np.argsort(order)] * signs
    exact = corners @ matrix[:3, :3].T + matrix[:3, 3]
    offset = np.rint((exact - turned).mean(axis=0))
    if not np.abs(exact - turned - offset).max() <= TOLERANCE:
        return None
    # Axis a of the result is axis inverse[a] of the array.
    inverse = np.argsort(order)
    view = array.transpose(inverse)[tuple(slice(None, None, int(sign)) for sign in signs)]
    low = offset - np.where(signs < 0, np.array(view.shape) - 1, 0)
    placed = _put(view, low.astype(np.int64), target)
    return placed, bool((order != np.arange(3)).any() or (signs < 0).any())


def _permutation(
    linear: NDArray[np.floating[Any]], shape: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.int64]] | None:
    """Return for each axis of the array the axis of the image, and for each of those its sign.

    The step along an axis of one voxel says nothing; it takes the axis that is left.
    """
    size = linear.shape[0]
    order, signs = np.full(size, -1, dtype=np.intp), np.ones(size, dtype=np.int64)
    for axis in sorted(range(size), key=lambda one: shape[one] == 1):
        column = np.abs(linear[:, axis])
        free = [one for one in range(size) if one not in order]
        best = free[int(np.argmax(column[free]))]
        order[axis] = best
        if shape[axis] > 1:
            if abs(column[best] - 1) > 0.5:
                return None
            signs[best] = 1 if linear[best, axis] > 0 else -1
    return order, signs


def _put(view: Voxels, low: NDArray[np.int64], target: Grid) -> Voxels:
    """Return zeros of the target's shape with the view put at `low`, cut where it reaches outside."""
    placed = np.zeros(target.shape, dtype=view.dtype)
    into, part = [], []
    for start, size, limit in zip(low.tolist(), view.shape, target.shape, strict=True):
        first, last = max(start, 0), min(start + size, limit)
        if first >= last:
            raise GeometryError(
                "The mask lies wholly outside its image", hint="Is it the mask of another image?"
            )
        into.append(slice(first, last))
        part.append(slice(first - start, last - start))
    placed[tuple(into)] = view[tuple(part)]
    return placed


def _onto_planes(array: Voxels, geometry: Grid, target: Grid) -> tuple[Voxels, bool] | None:
    """Match plane by plane; None where a plane that holds labels lies on no plane of the image."""
    turned = False
    if isinstance(geometry, Geometry):
        normal = target.plane(0).normal
        steps = geometry.affine[:3, :3] / np.linalg.norm(geometry.affine[:3, :3], axis=0)
        along = int(np.argmax(np.abs(normal @ steps)))
        if along:
            order = (along, *(axis for axis in range(3) if axis != along))
            affine = np.array(geometry.affine)[:, (*order, 3)]
            geometry = Geometry(affine, [geometry.shape[axis] for axis in order])
            array, turned = array.transpose(order), True
    placed = np.zeros(target.shape, dtype=array.dtype)
    planes = [target.plane(k) for k in range(target.shape[0])]
    origins = np.array([plane.origin for plane in planes])
    normals = np.array([plane.normal for plane in planes])
    for k in range(geometry.shape[0]):
        if not array[k].any():
            continue
        plane = geometry.plane(k)
        middle = plane.origin + (plane.row_step * plane.shape[0] + plane.column_step * plane.shape[1]) / 2
        apart = np.abs(((middle - origins) * normals).sum(axis=1))
        near = np.flatnonzero(apart <= 2 * TOLERANCE * max(target.spacing[1:]))
        fits = [(int(n), fit) for n in near if (fit := _fit(plane, planes[n])) is not None]
        if not fits:
            return None
        n, fit = _of_same_number(fits, k, same=geometry.shape[0] == target.shape[0])
        order2, signs, offset = fit
        view = array[k].transpose(np.argsort(order2))[tuple(slice(None, None, int(s)) for s in signs)]
        low = offset - np.where(signs < 0, np.array(view.shape) - 1, 0)
        put = _put(view[None], np.array([0, *low]), Stack([planes[n]]))[0]
        np.maximum(placed[n], put, out=placed[n])
        turned = turned or bool((order2 != np.arange(2)).any() or (signs < 0).any())
    return placed, turned


_Fit = tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]


def _of_same_number(fits: list[tuple[int, _Fit]], k: int, *, same: bool) -> tuple[int, _Fit]:
    if len(fits) > 1:
        numbered = next((one for one in fits if same and one[0] == k), None)
        if numbered is None:
            raise GeometryError(
                f"Plane {k} of the mask lies on {len(fits)} planes of its image at once",
                hint="Give a mask with as many planes as the image.",
            )
        return numbered
    return fits[0]


def _fit(plane: Plane, target: Plane) -> _Fit | None:
    """Return order, signs and offset of a plane's (j, i) on another; None where its pixels lie elsewhere."""
    basis = np.stack((target.row_step, target.column_step), axis=1)
    size = min(np.linalg.norm(basis, axis=0))
    corners = np.array(list(itertools.product(*((0, n - 1) for n in plane.shape))), dtype=np.float64)
    world = plane.origin + corners @ np.stack((plane.row_step, plane.column_step))
    if np.abs((world - target.origin) @ target.normal).max() > TOLERANCE * size:
        return None
    exact = np.linalg.lstsq(basis, (world - target.origin).T, rcond=None)[0].T
    steps = np.stack((plane.row_step, plane.column_step), axis=1)
    found = _permutation(np.linalg.lstsq(basis, steps, rcond=None)[0], plane.shape)
    if found is None:
        return None
    order, signs = found
    turned = corners[:, np.argsort(order)] * signs
    offset = np.rint((exact - turned).mean(axis=0))
    if not np.abs(exact - turned - offset).max() <= TOLERANCE:
        return None
    return order, signs, offset.astype(np.int64)


def _resampled(array: Voxels, geometry: Grid, findings: Findings, image: Image) -> Voxels:
    """Take for each voxel centre of the image the voxel of the labelmap that it lies in."""
    if not isinstance(geometry, Geometry):
        raise GeometryError(
            f"{findings.path} is a stack of planes without a regular grid, which cannot be resampled",
            hint="Read it for the image that it was made on.",
        )
    placed = np.zeros(image.shape, dtype=array.dtype)
    j, i = (np.arange(n, dtype=np.float64) for n in image.shape[1:])
    inverse = np.linalg.inv(geometry.affine)
    limits = np.array(array.shape)[:, None, None]
    for k in range(image.shape[0]):
        plane = image.geometry.plane(k)
        start = inverse[:3, :3] @ plane.origin + inverse[:3, 3]
        row, column = inverse[:3, :3] @ plane.row_step, inverse[:3, :3] @ plane.column_step
        at = start[:, None, None] + row[:, None, None] * j[:, None] + column[:, None, None] * i
        index = np.floor(at + 0.5).astype(np.int64)
        inside = ((index >= 0) & (index < limits)).all(axis=0)
        placed[k][inside] = array[tuple(index[:, inside])]
    lost = sorted(set(np.unique(array).tolist()) - set(np.unique(placed).tolist()) - {0})
    findings.note(
        f"the mask was resampled to its image (nearest neighbour): {difference(geometry, image.geometry)}"
    )
    if lost:
        findings.note(f"segments that vanished in resampling: {', '.join(map(str, lost[:20]))}")
    return placed


def difference(geometry: Grid, target: Grid) -> str:
    """Return in words how a grid differs from an image's: voxel size, directions, or a shift."""
    if not (isinstance(geometry, Geometry) and isinstance(target, Geometry)):
        return f"its planes are not those of the image ({geometry!r}, {target!r})"
    found = _permutation(np.linalg.inv(target.affine[:3, :3]) @ geometry.affine[:3, :3], (2, 2, 2))
    order = np.arange(3) if found is None else found[0]
    steps = np.array(geometry.spacing), np.array(target.spacing)[order]
    apart = np.abs(steps[0] - steps[1]) * (np.array(geometry.shape) - 1) / steps[1]
    if found is None or apart.max() > TOLERANCE:
        sizes = (" × ".join(f"{s:.6g}" for s in grid.spacing[::-1]) for grid in (geometry, target))
        return "its voxels measure {} mm, those of the image {} mm".format(*sizes)
    units = [grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0) for grid in (geometry, target)]
    cosines = np.abs((units[0] * units[1][:, order]).sum(axis=0)).clip(0, 1)
    angle = float(np.degrees(np.arccos(cosines.min())))
    if angle * np.pi / 180 * max(geometry.shape) > TOLERANCE:
        return f"its axes are turned by {angle:.3g}°"
    at = target.to_index(geometry.affine[:3, 3])
    k, j, i = (float(one) for one in at - np.rint(at))
    return f"it is shifted by {i:.3g}, {j:.3g}, {k:.3g} of a voxel (columns, rows, slices)"


def _sizes(grid: Grid) -> str:
    return " × ".join(map(str, grid.shape[::-1]))

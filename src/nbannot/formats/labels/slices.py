"""Which slice of which image a plane belongs to: by the instance it refers to, else by place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError
from nbannot.model.geometry import Geometry, Grid, Plane, Stack
from nbannot.model.image import Image

# How far, in voxels, a plane may lie from the slice it belongs to: rounding in headers, never a slice.
ROUNDED = 0.05


@dataclass(frozen=True, slots=True)
class Hit:
    """A slice of an image, and how far the plane lies from it in voxels."""

    image: Image
    t: int
    k: int
    apart: float


class Slices:
    """The slices of some images, found by instance or place.

    Parameters
    ----------
    images
        Where to look, in this order.
    """

    def __init__(self, images: Iterable[Image]) -> None:
        self._by_reference: dict[tuple[str, int], tuple[Image, int, int]] = {}
        self._corners: dict[str, NDArray[np.float64]] = {}
        self._known: dict[tuple[str, int], tuple[Plane, NDArray[np.float64]]] = {}
        for image in images:
            depth = image.shape[0]
            for n, source in enumerate(image.sources):
                if source.sop_instance_uid:
                    key = (source.sop_instance_uid, source.frame or 0)
                    self._by_reference.setdefault(key, (image, n // depth, n % depth))

    def of(self, uid: str, frame: int = 0) -> tuple[Image, int, int] | None:
        """Return image, t and k of an instance, or of its frame (from 1); frame 0 means an only one."""
        return self._by_reference.get((uid, frame)) or self._by_reference.get((uid, 0 if frame == 1 else 1))

    def referenced(
        self, references: Iterable[tuple[str, int]], plane: Plane | None, shape: tuple[int, int]
    ) -> Hit | None:
        """Return the one slice that a frame refers to, if it lies there and has its size."""
        found = {(one[0].id, one[1], one[2]): one for ref in references if (one := self.of(*ref)) is not None}
        if len(found) != 1:
            return None
        ((image, t, k),) = found.values()
        if image.shape[1:] != shape:
            return None
        if plane is None or not image.geometry.patient_space:
            return Hit(image, t, k, 0.0)
        apart = float(self._apart(plane, image)[k])
        return Hit(image, t, k, apart) if apart <= ROUNDED else None

    def at(self, plane: Plane, images: Iterable[Image]) -> Hit | None:
        """Return the slice of one of the images that has the pixels of a plane at their places."""
        for image in images:
            if image.shape[1:] != plane.shape or not image.geometry.patient_space:
                continue
            apart = self._apart(plane, image)
            k = int(apart.argmin())
            if apart[k] <= ROUNDED:
                return Hit(image, 0, k, float(apart[k]))
        return None

    def _apart(self, plane: Plane, image: Image) -> NDArray[np.float64]:
        """Return for each slice how far the plane's corners lie from the slice's, in voxels."""
        key = (image.id, id(plane))
        if key not in self._known:
            # The plane is kept with its answer, so that its id stays its own.
            self._known[key] = plane, self._measured(plane, image)
        return self._known[key][1]

    def _measured(self, plane: Plane, image: Image) -> NDArray[np.float64]:
        if image.id not in self._corners:
            planes = [image.geometry.plane(k) for k in range(image.shape[0])]
            self._corners[image.id] = np.array([corners(one) for one in planes])
        away = self._corners[image.id] - corners(plane)
        across = np.abs(away @ plane.normal)[..., None]
        inside = np.linalg.norm(
            away - across * plane.normal * np.sign(away @ plane.normal)[..., None], axis=-1
        )
        gap, *pixel = image.geometry.spacing
        return np.asarray(np.maximum(across[..., 0] / gap, inside / min(pixel)).max(axis=-1))


def corners(plane: Plane) -> NDArray[np.float64]:
    """Return the world places (3, 3) of the first pixel, the last of its row, and that of its column."""
    rows, columns = plane.shape
    ends = (plane.origin, plane.origin + columns * plane.column_step, plane.origin + rows * plane.row_step)
    return np.array(ends)


def grid_of(
    planes: Mapping[int, Plane], frame_of_reference: str | None = None
) -> tuple[Grid, dict[int, int]]:
    """Return the grid of planes, some of which may lie on each other or be missing, and the slice of each.

    A Stack where the distances are no multiples of the smallest one.

    Raises
    ------
    GeometryError
        When the planes differ in direction or pixel size.
    """
    first = next(iter(planes.values()))
    heights = {n: float((plane.origin - first.origin) @ first.normal) for n, plane in planes.items()}
    ordered = sorted(planes, key=lambda n: heights[n])
    groups: list[list[int]] = []
    for n in ordered:
        if groups and _same(planes[groups[-1][0]], planes[n]):
            groups[-1].append(n)
        else:
            groups.append([n])
    kept = [planes[group[0]] for group in groups]
    grid, places = _regular(kept, frame_of_reference)
    return grid, {n: k for group, k in zip(groups, places, strict=True) for n in group}


def _same(one: Plane, other: Plane) -> bool:
    size = min(np.linalg.norm(one.row_step), np.linalg.norm(one.column_step))
    return bool(np.abs(corners(one) - corners(other)).max() <= ROUNDED * size)


def _regular(planes: Sequence[Plane], reference: str | None) -> tuple[Grid, Sequence[int]]:
    if len(planes) == 1:
        return Stack(planes, frame_of_reference=reference), [0]
    origins = np.array([plane.origin for plane in planes])
    gaps = np.linalg.norm(np.diff(origins, axis=0), axis=1)
    counts = np.rint(gaps / gaps.min())
    places = np.concatenate(([0], np.cumsum(counts))).astype(int)
    step = (origins[-1] - origins[0]) / places[-1]
    filled = [
        Plane(origins[0] + k * step, planes[0].column_step, planes[0].row_step, planes[0].shape)
        for k in range(int(places[-1]) + 1)
    ]
    try:
        # Every plane must be where the grid has it.
        for plane, k in zip(planes, places.tolist(), strict=True):
            if not _same(filled[k], plane):
                raise GeometryError("irregular")
        return Geometry.from_planes(filled, frame_of_reference=reference), places.tolist()
    except GeometryError:
        return Stack(planes, frame_of_reference=reference), list(range(len(planes)))


__all__ = ["ROUNDED", "Hit", "Slices", "corners", "grid_of"]

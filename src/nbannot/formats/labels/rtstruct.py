"""DICOM RTSTRUCT in: contours become shapes on their slices, or masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError, GeometryError, OperationError
from nbannot.formats.contours import mask_from_contours
from nbannot.formats.dicom.structures import (
    INTERPRETED,
    Contour,
    Roi,
    StructureSet,
    is_structure_set,
    read_structures,
)
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.layers import FlatPart, flat_part, layers_of
from nbannot.formats.labels.slices import ROUNDED, Slices
from nbannot.model.annotations import Tag
from nbannot.model.attributes import Attribute
from nbannot.model.geometry import Plane
from nbannot.model.image import Image
from nbannot.model.labels import new_id
from nbannot.model.schema import segment_key
from nbannot.model.shapes import Shape, ShapeKind

Points = NDArray[np.float64]

# How far, in parts of the distance of slices, points of one contour may lie from its plane.
_FLAT = 0.05


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A contour on its image: the nearest slice, and whether it lies on it (None: across the slices)."""

    contour: Contour
    image: Image
    k: int
    on_slice: bool | None


def matches(path: str, start: bytes) -> bool:
    """Whether a file is an RT Structure Set."""
    return start[128:132] == b"DICM" and is_structure_set(path)


def read_rtstruct(path: str, findings: Findings) -> None:
    """Read an RTSTRUCT into polygons, points and curves, a lesion for each region; or into masks.

    Raises
    ------
    FormatError
        When the file is damaged.
    GeometryError
        When none of its regions belongs to an image.
    """
    structures = read_structures(path)
    reader = _Reader(structures, findings)
    drawn = {roi.number: list(reader.drawn(roi)) for roi in structures.rois}
    if reader.foreign and not any(drawn.values()):
        raise GeometryError(
            f"{path} was made on other images: neither its instances nor its series nor its frame of reference "
            "is that of an image",
            hint="Give the image that it was made on as image=.",
        )
    for roi in structures.rois:
        name = findings.label(roi.name, color=roi.color, code=roi.code)
        if not drawn[roi.number]:
            reader.notes["regions without a contour on the image"] += 1
        elif not findings.rasterize:
            reader.add_shapes(roi, name, drawn[roi.number])
    if findings.rasterize:
        reader.add_masks({roi.number: roi for roi in structures.rois}, drawn)
    for text, count in reader.notes.items():
        findings.note(f"{text}: {count}")


class _Reader:
    """Finds the slices of contours, and counts what to tell."""

    def __init__(self, structures: StructureSet, findings: Findings) -> None:
        self._findings = findings
        self._series = structures.series
        self._slices = Slices(findings.images)
        self._planes: dict[str, tuple[list[Plane], Points, Points]] = {}
        self.notes: Counter[str] = Counter()
        self.foreign = 0

    def drawn(self, roi: Roi) -> Iterator[_Drawn]:
        """Yield the contours that lie on an image."""
        if roi.broken:
            self.notes["contours without finite coordinates, left out"] += roi.broken
        for contour in roi.contours:
            image, k = self._image(roi, contour)
            if image is None:
                self.foreign += 1
                self.notes["contours of another frame of reference, left out"] += 1
                continue
            found = self._on(contour, image, k)
            if found is None:
                self.notes["contours outside the image, left out"] += 1
                continue
            if found.on_slice is False:
                self.notes["contours between slices"] += 1
            yield found

    def _image(self, roi: Roi, contour: Contour) -> tuple[Image | None, int | None]:
        """Return the image of a contour, and the slice that it refers to."""
        found = [hit for ref in contour.references if (hit := self._slices.of(*ref)) is not None]
        if len({(id(hit[0]), hit[2]) for hit in found}) == 1:
            return found[0][0], found[0][2]
        images = self._findings.images
        own = [one for one in images if one.series_uid in self._series and one.series_uid]
        reference = roi.frame_of_reference
        shared = [one for one in images if reference and one.frame_of_reference == reference]
        unknown = [one for one in images if not (reference and one.frame_of_reference)]
        image = next((one for one in (*own, *shared, *unknown) if one.geometry.patient_space), None)
        if image is not None and contour.references:
            how = "series" if image in own else "frame of reference" if image in shared else "place alone"
            self.notes[f"contours whose instances are not there, matched by {how}"] += 1
        elif image is not None and image in unknown:
            self.notes["contours without a frame of reference, matched by place alone"] += 1
        return image, None

    def _on(self, contour: Contour, image: Image, k: int | None) -> _Drawn | None:
        """Return the contour on its nearest slice; None outside the image."""
        geometry, points = image.geometry, contour.points
        if image.id not in self._planes:
            planes = [geometry.plane(n) for n in range(image.shape[0])]
            self._planes[image.id] = (
                planes, np.array([plane.normal for plane in planes]), np.array([plane.origin for plane in planes])
            )  # fmt: skip
        planes, normals, origins = self._planes[image.id]
        away = np.abs(points @ normals.T - (origins * normals).sum(axis=1))
        gap = geometry.spacing[0]
        if k is None or away[:, k].max() > gap / 2:
            k = int(away.max(axis=0).argmin())
        across = float(np.ptp((points - origins[k]) @ normals[k])) > max(_FLAT * gap, 0.1)
        off = float(away[:, k].max())
        inside = _on_plane(points, planes[k])
        reach = np.array(image.shape[1:]) - 0.5
        if (inside.max(axis=0) < -0.5).any() or (inside.min(axis=0) > reach).any():
            return None
        if not across and off > gap / 2 + 1e-6:
            return None
        if across and geometry.kind == "grid":
            index = geometry.to_index(points)[:, 0]
            if index.max() < -0.5 or index.min() > image.shape[0] - 0.5:
                return None
        return _Drawn(contour, image, k, None if across else off <= max(ROUNDED * gap, 1e-3))

    def add_shapes(self, roi: Roi, label: str, drawn: list[_Drawn]) -> None:
        """Add a shape for each contour of a region."""
        lesion = new_id()
        shapes = [shape for one in drawn for shape in self._shapes(one, label, lesion)]
        self._findings.add(shapes)
        if roi.interpreted and shapes:
            self._tag(label, roi.interpreted, lesion, shapes[0].image)

    def _shapes(self, one: _Drawn, label: str, lesion: str) -> Iterator[Shape]:
        points, plane = one.contour.points, one.image.geometry.plane(one.k)
        closed = one.contour.type in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "")
        if closed and len(points) > 1 and np.array_equal(points[0], points[-1]):
            points = points[:-1]
        kind: ShapeKind = "polygon" if closed else "curve"
        if one.contour.type == "CLOSED_NONPLANAR":
            points = np.concatenate((points, points[:1]))
            self.notes["closed contours that are not flat, kept as curves"] += 1
        if one.contour.type == "POINT" or len(points) == 1:
            kind = "points"
        elif closed and len(points) == 2:
            kind = "curve"
        if closed and kind != "polygon":
            self.notes["closed contours of one or two points, kept as points and lines"] += 1
        normal = None if one.on_slice is None else plane.normal
        if kind == "polygon":
            points, normal = self._flat(points, normal)
        grid = one.image.geometry.kind == "grid"
        try:
            yield Shape(
                kind,
                label,
                tuple((x, y, z) for x, y, z in points.tolist()),
                image=one.image.id,
                slice=None if grid else one.k,
                normal=None if normal is None else (float(normal[0]), float(normal[1]), float(normal[2])),
                lesion=lesion,
            )
        except EditError:
            self.notes["contours that are not flat or without an area, left out"] += 1

    def _flat(self, points: Points, normal: Points | None) -> tuple[Points, Points | None]:
        """Return points moved into their plane where rounding left them beside it."""
        middle = points.mean(axis=0)
        if normal is None:
            _, sizes, axes = np.linalg.svd(points - middle, full_matrices=True)
            if sizes[1] <= 1e-9 * max(sizes[0], 1e-9):
                return points, None
            normal = axes[2]
        heights = (points - middle) @ normal
        if 1e-4 < np.abs(heights).max() <= 0.05:
            points = points - heights[:, None] * normal
        return points, normal

    def _tag(self, label: str, interpreted: str, lesion: str, image: str) -> None:
        known = self._findings.labels[label]
        if INTERPRETED not in {one.name for one in known.attributes}:
            more = (*known.attributes, Attribute(INTERPRETED))
            self._findings.labels[label] = replace(known, attributes=more)
        answers: dict[str, bool | float | str | tuple[str, ...]] = {INTERPRETED: interpreted}
        self._findings.add([Tag(label, scope="lesion", image=image, lesion=lesion, attributes=answers)])

    def add_masks(self, rois: dict[int, Roi], drawn: dict[int, list[_Drawn]]) -> None:
        """Add the regions as masks; what has no area stays a shape."""
        findings = self._findings
        names = {
            roi.number: findings.label(roi.name, color=roi.color, code=roi.code) for roi in rois.values()
        }
        for image in {id(one.image): one.image for some in drawn.values() for one in some}.values():
            here = [number for number in rois if any(one.image is image for one in drawn[number])]
            values = dict(enumerate(here, start=1))
            parts = (
                (
                    value,
                    self._voxels([one for one in drawn[number] if one.image is image], names[number], image),
                )
                for value, number in values.items()
            )
            wide = np.uint8 if len(values) <= 255 else np.uint16
            for layer in layers_of(parts, image.shape, wide):
                segments = {value: names[values[value]] for value in layer.numbers}
                title = next(iter(segments.values())) if len(segments) == 1 else "Structures"
                mask = findings.mask(title, image, layer.array, segments)
                for value in layer.numbers:
                    roi = rois[values[value]]
                    if roi.interpreted:
                        self._tag(segments[value], roi.interpreted, segment_key(mask.id, value), image.id)

    def _voxels(self, drawn: list[_Drawn], label: str, image: Image) -> list[FlatPart]:
        """Return the voxels inside the closed contours of a region, by the even-odd rule on each slice."""
        slices: dict[int, list[Points]] = {}
        lesion = new_id()
        for one in drawn:
            closed = (
                one.contour.type in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "") and len(one.contour.points) >= 3
            )
            if closed and one.on_slice is not None:
                slices.setdefault(one.k, []).append(one.contour.points)
                continue
            self.notes["points, lines and contours across the slices, kept as shapes beside the masks"] += 1
            self._findings.add(self._shapes(one, label, lesion))
        parts = []
        for k, contours in sorted(slices.items()):
            try:
                part = flat_part(k, mask_from_contours(contours, image.geometry, k))
            except OperationError:
                self.notes["slices whose contours cannot be filled, left out"] += 1
                continue
            if part is not None:
                parts.append(part)
        return parts


def _on_plane(points: Points, plane: Plane) -> Points:
    """Return points (n, 3) as (j, i) on a plane."""
    basis = np.stack((plane.row_step, plane.column_step), axis=1)
    return np.asarray(np.linalg.lstsq(basis, (points - plane.origin).T, rcond=None)[0].T)


__all__ = ["matches", "read_rtstruct"]

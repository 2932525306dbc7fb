"""What becomes of each kind of annotation in a measurement report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.labels.own import record_of
from nbannot.formats.labels.sr import building as make
from nbannot.formats.labels.sr import concepts
from nbannot.formats.labels.sr.building import own_code, uid_of
from nbannot.formats.labels.sr.coded import code_in
from nbannot.formats.labels.sr.places import source_of
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import AttributeValue
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Code
from nbannot.model.measures import Measures, Reader, measure_item, path
from nbannot.model.shapes import Shape

Item = Box | Shape | Tag
Points = NDArray[np.float64]

# Kinds whose coordinates belong to a measured value; all others are image regions.
MEASURED: dict[str, tuple[Code, str]] = {
    "ruler": (concepts.LENGTH, "length"),
    "angle": (concepts.ANGLE, "angle"),
    "cobb": (concepts.COBB_ANGLE, "angle"),
}
POINTS = ("points", "probe", "text")
SPLINES = {"spline": "curve", "closed-spline": "polygon"}
"""Kinds that are written as the line they are drawn with, and come back as these."""

# A point this far from a slice, in voxels, is not on it.
_ON_SLICE = 1e-3
_SQUARE = 1e-6


class Groups:
    """Makes the measurement groups of a document's items.

    Parameters
    ----------
    document
        The document.
    classes
        SOP Class UID of the instances of each image, by the image's id.
    """

    def __init__(self, document: Document, classes: Mapping[str, str]) -> None:
        self.document = document
        self.classes = classes
        self.used: dict[tuple[str, str], None] = {}
        self.lost: Counter[str] = Counter()
        self._readers = {image.id: Reader(image) for image in document.images}
        self._labels = {label.name: label for label in document.labels}

    def of(self, item: Item) -> list[Any]:
        """Return the groups of an item: several for a set of landmarks, none for what cannot be written."""
        if isinstance(item, Tag):
            return [self._tag(item)]
        if isinstance(item, Shape) and item.kind == "points" and len(item.points) > 1:
            return self._landmarks(item)
        record = self._record(item)
        regions = self._regions(item, record)
        if regions is None:
            kind = "box" if isinstance(item, Box) else item.kind
            self.lost[f"{kind}: neither on a slice of a DICOM file nor in a frame of reference"] += 1
            return []
        return [self._group(item, regions, record)]

    def _group(self, item: Item, regions: list[Any], record: dict[str, Any]) -> Any:
        several = isinstance(item, Box) and len(regions) > 1
        bare = isinstance(item, Tag) or _is_measured(item)
        template = "1411" if several else "1501" if bare else "1410"
        children = [*self._about(item), *regions, *self._answers(item)]
        if not isinstance(item, Tag):
            children += self._sizes(item)
        return make.group(concepts.GROUP, template, children, json.dumps(record))

    def _about(self, item: Item) -> list[Any]:
        """Return tracking, finding and sites."""
        label = self._labels[item.label]
        tracked = item.lesion or item.id
        named = getattr(item, "name", "") or item.lesion or item.id
        about = [
            make.text("HAS OBS CONTEXT", concepts.TRACKING_ID, named),
            make.uid(concepts.TRACKING_UID, uid_of(tracked)),
            make.coded(concepts.FINDING, label.code or own_code(label.name)),
        ]
        sites = item.attributes.get("Finding site", ())
        for text in (sites,) if isinstance(sites, str) else sites if isinstance(sites, tuple) else ():
            about.append(make.coded(concepts.SITE, code_in(text) or own_code(text), "HAS CONCEPT MOD"))
        return about

    def _answers(self, item: Item) -> list[Any]:
        """Return attributes, and the value of a tag, as qualitative evaluations and numbers."""
        made = []
        for name, value in item.attributes.items():
            if name != "Finding site" or not isinstance(value, str | tuple):
                made += self._answer(code_in(name) or own_code(name), value, item.label, name)
        text = item.text if isinstance(item, Shape) else ""
        if text:
            made.append(make.text("CONTAINS", concepts.COMMENT, text))
        if isinstance(item, Tag) and item.value is not None:
            concept = self._labels[item.label].code or own_code(item.label)
            made += self._answer(concept, item.value, item.label, "")
        return made

    def _answer(self, concept: Code, value: AttributeValue, label: str, name: str) -> list[Any]:
        if isinstance(value, bool):
            return [make.coded(concept, concepts.YES if value else concepts.NO)]
        if isinstance(value, str):
            code = code_in(value)
            if code is not None:
                return [make.coded(concept, code)]
            asked = next((one for one in self._labels[label].attributes if one.name == name), None)
            if asked is not None and asked.type in ("choice", "choices") and len(value) <= 64:
                return [make.coded(concept, own_code(value))]
            return [make.text("CONTAINS", concept, value)]
        if isinstance(value, tuple | list):
            return [made for one in value for made in self._answer(concept, one, label, name)]
        asked = next((one for one in self._labels[label].attributes if one.name == name), None)
        unit = asked.unit if asked is not None else ""
        return [make.number(concept, value, Code(unit, "UCUM", unit) if unit else concepts.NUMBER)]

    def _sizes(self, item: Box | Shape) -> list[Any]:
        """Return what is measured of an item and has not been written with its coordinates."""
        taken = {"length", "angle", "long_axis", "short_axis"} if _is_measured(item) else set()
        sizes = self._measures(item)
        made = []
        for field, concept, power in concepts.QUANTITIES:
            value = getattr(sizes, field)
            if value is not None and field not in taken:
                made.append(make.number(concept, value, concepts.UNITS[sizes.unit, power]))
        return made

    def _measures(self, item: Box | Shape) -> Measures:
        return measure_item(item, self._readers[item.image], values=False)

    def _tag(self, tag: Tag) -> Any:
        image = self.document.image(tag.image)
        k, t = (tag.index or 0, None) if tag.scope == "slice" else (0, None)
        if tag.scope == "frame":
            k, t = (0, tag.index) if image.frames > 1 else (tag.index or 0, None)
        shown = self._image(image, min(k, image.shape[0] - 1), t, "CONTAINS", concepts.SOURCE)
        regions = [] if shown is None else [shown]
        return self._group(tag, regions, self._record(tag))

    def _landmarks(self, shape: Shape) -> list[Any]:
        """Return one group for each point of a set, whose regions hold one point only (TID 1410)."""
        groups, points = [], shape.world()
        for n in range(len(points)):
            record = self._record(shape)
            record["item"]["edges"] = []
            record |= {"part": [n, len(points)], "edges": shape.edges}
            region = self._line(shape, "POINT", points[n : n + 1], "CONTAINS", concepts.REGION)
            if region is None:
                self.lost["points: neither on a slice of a DICOM file nor in a frame of reference"] += 1
                return []
            groups.append(self._group(shape, [region], record))
        return groups

    def _record(self, item: Item) -> dict[str, Any]:
        return record_of(item, self._labels[item.label])

    def _regions(self, item: Box | Shape, record: dict[str, Any]) -> list[Any] | None:
        if isinstance(item, Box):
            return self._box(item, record)
        points = item.world()
        if item.kind in MEASURED:
            concept, field = MEASURED[item.kind]
            drawn = self._line(item, "POLYLINE", points, "INFERRED FROM", concepts.PATH)
            return self._value(item, concept, field, drawn)
        if item.kind == "bidirectional":
            return self._axes(item, record)
        if item.kind == "ellipse" and _is_square(points):
            long, short = np.linalg.norm(points[1] - points[0]), np.linalg.norm(points[3] - points[2])
            record["swapped"] = bool(short > long)
            ordered = points[[2, 3, 0, 1]] if short > long else points
            return _listed(self._line(item, "ELLIPSE", ordered, "CONTAINS", concepts.REGION))
        if item.kind in POINTS:
            return _listed(self._line(item, "POINT", points, "CONTAINS", concepts.REGION))
        return self._outline(item, record)

    def _outline(self, item: Shape, record: dict[str, Any]) -> list[Any] | None:
        """Return a line or an outline; splines and slanted ellipses as the line they are drawn with."""
        became = "polygon" if item.kind == "ellipse" else SPLINES.get(item.kind, item.kind)
        points = item.world() if became == item.kind else path(item)
        if became != item.kind:
            record["item"]["kind"] = became
            self.lost[f"{item.kind}: written as the {became} it is drawn with"] += 1
        if item.closed:
            record["closed"] = True
            points = np.concatenate((points, points[:1]))
        return _listed(self._line(item, "POLYLINE", points, "CONTAINS", concepts.REGION))

    def _axes(self, item: Shape, record: dict[str, Any]) -> list[Any] | None:
        points = item.world()
        first, second = np.linalg.norm(points[1] - points[0]), np.linalg.norm(points[3] - points[2])
        record["swapped"] = bool(second > first)
        ordered = points[[2, 3, 0, 1]] if second > first else points
        regions: list[Any] = []
        pairs = ((concepts.LONG_AXIS, "long_axis"), (concepts.SHORT_AXIS, "short_axis"))
        for (concept, field), ends in zip(pairs, (ordered[:2], ordered[2:]), strict=True):
            drawn = self._line(item, "POLYLINE", ends, "INFERRED FROM", concepts.PATH)
            made = self._value(item, concept, field, drawn)
            if made is None:
                return None
            regions += made
        return regions

    def _value(self, item: Shape, concept: Code, field: str, drawn: Any) -> list[Any] | None:
        if drawn is None:
            return None
        sizes = self._measures(item)
        value = getattr(sizes, field)
        unit = concepts.UNITS[sizes.unit, 0 if field == "angle" else 1]
        return [make.number(concept, 0.0 if value is None else value, unit, [drawn])]

    def _box(self, box: Box, record: dict[str, Any]) -> list[Any] | None:
        """Return a rectangle for each slice of a box; in the world where it is not on whole slices."""
        image = self.document.image(box.image)
        low, high = (np.array(corner) for corner in box.index)
        ks = range(int(np.ceil(low[0] - _ON_SLICE)), int(np.floor(high[0] + _ON_SLICE)) + 1)
        flat = [axis for axis in range(3) if high[axis] == low[axis]]
        if ks and flat in ([], [0]):
            record["depth"] = [float(low[0]), float(high[0])]
            j, i = (np.array(pair)[[0, 0, 1, 1, 0]] for pair in ((low[1], high[1]), (low[2], high[2])))
            pixels = np.column_stack((i[[0, 2, 2, 0, 0]], j))
            regions = []
            for k in ks:
                shown = self._image(image, k, box.frame, "SELECTED FROM", None)
                if shown is None:
                    return self._slanted(box, image, record)
                regions.append(make.on_picture("CONTAINS", concepts.REGION, "POLYLINE", pixels, shown))
            return regions
        return self._slanted(box, image, record)

    def _slanted(self, box: Box, image: Image, record: dict[str, Any]) -> list[Any] | None:
        """Return a box that is flat along one axis as a polygon in the world."""
        low, high = (np.array(corner) for corner in box.index)
        flat = [axis for axis in range(3) if high[axis] == low[axis]]
        if len(flat) != 1 or not image.frame_of_reference or image.geometry.kind != "grid":
            return None
        record.pop("depth", None)
        record["flat"] = flat
        a, b = (axis for axis in range(3) if axis not in flat)
        corners = np.tile(low, (5, 1))
        corners[[1, 2], a], corners[[2, 3], b] = high[a], high[b]
        world = image.geometry.to_world(corners)
        made = make.in_world("CONTAINS", concepts.REGION, "POLYGON", world, image.frame_of_reference)
        return [made]

    def _line(self, shape: Shape, graphic: str, points: Points, relation: str, concept: Code) -> Any:
        """Return points as coordinates on the slice they all lie on, else in the world; None for neither."""
        image = self.document.image(shape.image)
        index = _index(image, points, shape.slice)
        k = round(float(index[0, 0]))
        if np.abs(index[:, 0] - k).max() < _ON_SLICE and 0 <= k < image.shape[0]:
            shown = self._image(image, k, shape.frame, "SELECTED FROM", None)
            if shown is not None:
                return make.on_picture(relation, concept, graphic, index[:, [2, 1]], shown)
        if not image.frame_of_reference:
            return None
        closed = len(points) > 3 and bool(np.array_equal(points[0], points[-1]))
        kind = "POLYGON" if graphic == "POLYLINE" and closed else graphic
        return make.in_world(relation, concept, kind, points, image.frame_of_reference)

    def _image(self, image: Image, k: int, t: int | None, relation: str, concept: Code | None) -> Any:
        source = source_of(image, k, t) if 0 <= k < image.shape[0] else None
        if source is None or image.id not in self.classes:
            return None
        instance = source.sop_instance_uid or ""
        self.used[image.id, instance] = None
        return make.image(relation, concept, self.classes[image.id], instance, source.frame)


def _listed(made: Any) -> list[Any] | None:
    return None if made is None else [made]


def _is_measured(item: Item) -> bool:
    return isinstance(item, Shape) and (item.kind in MEASURED or item.kind == "bidirectional")


def _is_square(points: Points) -> bool:
    """Whether the axes of an ellipse are at right angles."""
    u, v = points[1] - points[0], points[3] - points[2]
    sizes = float(np.linalg.norm(u) * np.linalg.norm(v))
    return (
        sizes > 0
        and abs(float(u @ v)) <= _SQUARE * sizes
        and bool(
            np.abs(points[:2].mean(axis=0) - points[2:].mean(axis=0)).max()
            < 1e-6 * (1 + np.abs(points).max())
        )
    )


def _index(image: Image, points: Points, k: int | None) -> Points:
    """Return points as (k, j, i); on the slice k of a stack."""
    if image.geometry.kind == "grid" or k is None:
        return image.geometry.to_index(points)
    plane = image.geometry.plane(k)
    basis = np.stack((plane.row_step, plane.column_step), axis=1)
    flat = np.linalg.lstsq(basis, (points - plane.origin).T, rcond=None)[0].T
    return np.column_stack((np.full(len(flat), float(k)), flat))

"""COCO's annotations (boxes, polygons, run-length masks, keypoints) in and out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nbannot.errors import EditError, FormatError, NbannotError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.fitting import Fitting
from nbannot.formats.labels.flat.layers import Layers
from nbannot.formats.labels.flat.pictures import Picture, Pictures
from nbannot.formats.labels.flat.rle import mask_of
from nbannot.model.annotations import Box
from nbannot.model.attributes import Attributes
from nbannot.model.shapes import Shape

Json = dict[str, Any]
_KNOWN = {"id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd", "keypoints", "num_keypoints",
          "attributes"}  # fmt: skip


def is_coco(path: str, start: bytes) -> bool:
    """Whether a file is JSON with the members of COCO."""
    if not path.lower().endswith(".json") or not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def read_coco(path: str, findings: Findings) -> None:
    """Read the annotations of all pictures that are among the images.

    Raises
    ------
    FormatError
        When a member is missing or of another type.
    """
    content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    try:
        images = {one["id"]: one for one in content["images"]}
        categories = {one["id"]: one for one in content["categories"]}
        annotations = list(content["annotations"])
    except (KeyError, TypeError) as cause:
        raise FormatError(f"{path} is no COCO file: images and categories need ids") from cause
    reader = _Reader(findings, images, categories)
    for annotation in annotations:
        reader.take(annotation)
    reader.finish()


class _Reader:
    def __init__(
        self, findings: Findings, images: Mapping[Any, Json], categories: Mapping[Any, Json]
    ) -> None:
        self.findings, self.images, self.categories = findings, images, categories
        self.pictures, self.fitting = Pictures(findings.images), Fitting(findings.images)
        self.layers = Layers(findings, "coco")
        self.lost: Counter[str] = Counter()
        self.places: dict[Any, Picture | None] = {}
        self.labels: dict[Any, str] = {}
        for id, category in categories.items():
            parent = str(category.get("supercategory") or "")
            parent = findings.label(parent) if parent not in ("", "none", category.get("name")) else ""
            self.labels[id] = findings.label(str(category.get("name") or id), parent=parent)

    def take(self, annotation: Any) -> None:
        """Read one annotation."""
        try:
            picture = self._picture(annotation["image_id"])
            if picture is None:
                self.lost["lies on a picture that was not given"] += 1
                return
            label = self.labels[annotation["category_id"]]
            for item in self._items(annotation, picture, label):
                refused = self.fitting.take(self.findings, item)
                if refused:
                    self.lost[refused] += 1
        except NbannotError as error:
            self.lost[error.message] += 1
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
            self.lost["is damaged"] += 1

    def _picture(self, id: Any) -> Picture | None:
        if id not in self.places:
            entry = self.images[id]
            name = str(entry.get("file_name", ""))
            found = self.pictures.find(name, alone=len(self.images) == 1)
            size = (int(entry.get("width") or 0), int(entry.get("height") or 0))
            if found is not None and size not in ((0, 0), found.size):
                self.lost["lies on a picture of another size than the image"] += 1
                found = None
            self.places[id] = found
        return self.places[id]

    def _items(self, annotation: Json, picture: Picture, label: str) -> list[Box | Shape]:
        """Return boxes and shapes of an annotation; a run-length mask goes to the layers."""
        shared: Json = {"label": label, "attributes": _attributes(annotation)}
        items: list[Box | Shape] = []
        drawn = annotation.get("segmentation")
        if isinstance(drawn, dict):
            mask = mask_of(drawn)
            if mask.shape != picture.size[::-1]:
                raise EditError("is a mask of another size than its picture")
            self.layers.add(picture.image, picture.k, mask, label)
        elif drawn:
            rings = [np.array(ring, dtype=np.float64).reshape(-1, 2) for ring in drawn]
            lesion = f"coco-{annotation.get('id')}" if len(rings) > 1 else ""
            items += [
                Shape("polygon", **shared, **picture.shape_fields(ring), lesion=lesion) for ring in rings
            ]
        if annotation.get("keypoints"):
            items += self._keypoints(annotation, picture, shared)
        if annotation.get("bbox") and not drawn:
            x, y, w, h = (float(value) for value in annotation["bbox"])
            items.append(Box(**shared, **picture.box_fields(x, y, x + w, y + h)))
        return items

    def _keypoints(self, annotation: Json, picture: Picture, shared: Json) -> list[Box | Shape]:
        """Return the points that are marked (v above 0), with names and the skeleton."""
        category = self.categories[annotation["category_id"]]
        table = np.array(annotation["keypoints"], dtype=np.float64).reshape(-1, 3)
        kept = np.flatnonzero(table[:, 2] > 0).tolist()
        if not kept:
            return []
        names = [str(name) for name in category.get("keypoints", ())]
        edges = [(int(a) - 1, int(b) - 1) for a, b in category.get("skeleton", ())]
        fields = picture.shape_fields(table[kept, :2])
        named = tuple(names[n] for n in kept) if len(names) == len(table) else ()
        joined = tuple((kept.index(a), kept.index(b)) for a, b in edges if a in kept and b in kept)
        return [Shape("points", **shared, **fields, names=named, edges=joined)]

    def finish(self) -> None:
        """Hand over masks and notes."""
        self.layers.finish()
        for text, count in self.lost.items():
            self.findings.note(f"not read: {count} × an annotation {text}")


def _attributes(annotation: Json) -> Attributes:
    found: Attributes = {}
    given = annotation.get("attributes")
    extra = {name: value for name, value in annotation.items() if name not in _KNOWN}
    for name, value in {**extra, **(given if isinstance(given, dict) else {})}.items():
        if isinstance(value, bool | str) or (isinstance(value, int | float) and np.isfinite(value)):
            found[name] = value
    if annotation.get("iscrowd"):
        found["iscrowd"] = True
    return found

"""COCO out."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.flat.coco import read_coco
from nbannot.formats.labels.flat.objects import Object, check_same, objects_of, tell
from nbannot.formats.labels.flat.pictures import Picture, name_of
from nbannot.formats.labels.flat.rle import counts_of, packed
from nbannot.model.document import Document
from nbannot.model.labels import Label

Json = dict[str, Any]


def write_coco(
    path: str,
    document: Document,
    labels: Mapping[str, Label],
    *,
    ending: str = ".png",
    compressed: bool = True,
) -> None:
    """Write the boxes, outlines, points and masks of a document as COCO, and check it by reading it back.

    Parameters
    ----------
    ending
        Of the names of the pictures, which are not written.
    compressed
        Run-length masks as text; False: as lists of numbers.

    Raises
    ------
    FormatError
        When there is nothing to write.
    StoreError
        When it does not read back equal.
    """
    lost: Counter[str] = Counter()
    objects = objects_of(document, lost, points=True)
    if not objects:
        raise FormatError(f"There is nothing to write into {path}")
    content = coco_of(objects, document.labels, ending=ending, compressed=compressed)
    partial = Path(f"{path}.{os.getpid()}.part")
    try:
        partial.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        findings = Findings(path, document.images)
        read_coco(str(partial), findings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NbannotWarning)
            back = objects_of(findings.document(), Counter(), points=True)
        check_same(path, merged(objects), merged(back), within=1e-4)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    tell(path, lost)


def merged(objects: list[Object]) -> list[Object]:
    """Return objects with the masks of one label on one picture as one."""
    found: dict[tuple[Any, ...], Object] = {}
    for n, one in enumerate(objects):
        key = (name_of(one.picture), one.label) if one.mask is not None else (n,)
        other = found.get(key)
        if other is None:
            found[key] = one
        else:
            low = np.minimum(one.edges, other.edges)[:2].tolist()
            high = np.maximum(one.edges, other.edges)[2:].tolist()
            found[key] = Object(one.picture, one.label, (*low, *high), mask=one.mask)
    return list(found.values())


def coco_of(
    objects: Iterable[Object],
    labels: Iterable[Label],
    *,
    ending: str = ".png",
    compressed: bool = True,
    named: Mapping[Picture, str] | None = None,
) -> Json:
    """Return objects as COCO: ids from 1, each picture once, each label a category; `named` calls pictures."""
    numbers = {label.name: n for n, label in enumerate(labels, start=1)}
    parents = {label.name: label.parent for label in labels}
    pictures: dict[Picture, int] = {}
    annotations: list[Json] = []
    keypoints: dict[str, list[str]] = {}
    for one in objects:
        number = pictures.setdefault(one.picture, len(pictures) + 1)
        x0, y0, x1, y1 = one.edges
        made: Json = {
            "id": len(annotations) + 1,
            "image_id": number,
            "category_id": numbers[one.label],
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": (x1 - x0) * (y1 - y0),
            "iscrowd": 0,
        }
        if one.attributes:
            made["attributes"] = dict(one.attributes)
        if one.ring is not None:
            made["segmentation"] = [one.ring.ravel().tolist()]
            made["area"] = _area(one)
        elif one.mask is not None:
            counts = counts_of(one.mask)
            made["segmentation"] = {
                "size": list(one.mask.shape),
                "counts": packed(counts) if compressed else counts,
            }
            made["area"] = int(one.mask.sum())
        elif one.points is not None:
            made["keypoints"] = np.column_stack((one.points, np.full(len(one.points), 2))).ravel().tolist()
            made["num_keypoints"] = len(one.points)
            del made["bbox"]
            keypoints.setdefault(one.label, list(one.names))
        annotations.append(made)
    categories = [
        {"id": n, "name": name, "supercategory": parents.get(name, "")}
        | ({"keypoints": keypoints[name], "skeleton": []} if keypoints.get(name) else {})
        for name, n in numbers.items()
    ]
    images = [
        {
            "id": n,
            "file_name": (named or {}).get(picture, name_of(picture)) + ending,
            "width": picture.size[0],
            "height": picture.size[1],
        }
        for picture, n in pictures.items()
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def _area(one: Object) -> float:
    assert one.ring is not None
    x, y = one.ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2

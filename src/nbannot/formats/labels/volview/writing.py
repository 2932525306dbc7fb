"""VolView's sessions (version 6.4.0) and annotations (schemaVersion 1) out."""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, NbannotWarning, StoreError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.flat.pictures import safe
from nbannot.formats.labels.volview.reading import MANIFEST, read_volview
from nbannot.formats.nifti import write_nifti
from nbannot.formats.places import whole_paths
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.measures import path as drawn
from nbannot.model.shapes import Shape

Json = dict[str, Any]
Points = NDArray[np.float64]

VERSION = "6.4.0"
_ON_SLICE = 1e-3
_UNSAFE = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
_STROKE = 2


def write_session(path: str, document: Document, labels: Mapping[str, Label], *, images: bool = True) -> None:
    """Write a document as a session of VolView with its images, and check it by reading it back.

    Rulers, rectangles (boxes), outlines and masks are kept; what else there is, is told.

    Parameters
    ----------
    images
        Put the files of the images into the archive; False names them by their path only.

    Raises
    ------
    FormatError
        When there is nothing to write.
    StoreError
        When a file of an image is gone, or what was written does not read back equal.
    """
    lost: Counter[str] = Counter()
    partial = Path(f"{path}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            manifest: Json = {"version": VERSION, "dataSources": [], "datasets": [], "datasetFilePath": {}}
            datasets = {}
            for number, image in enumerate(document.images, start=1):
                datasets[image.id] = _dataset(archive, manifest, image, number, images)
            manifest["segmentGroups"] = [
                group
                for mask in document.masks
                for group in _group(archive, mask, datasets[mask.image.id], labels, lost)
            ]
            tools = _tools(document, labels, lost)
            if not any(tools.values()) and not manifest["segmentGroups"]:
                raise FormatError(f"There is nothing to write into {path}")
            manifest["tools"] = {kind: _entry(held, datasets) for kind, held in tools.items()}
            manifest["tools"] |= {"crop": {}, "current": "WindowLevel"}
            archive.writestr(MANIFEST, json.dumps(manifest, allow_nan=False))
        _check(path, partial, document, tools)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _tell(path, lost)


def write_annotations(path: str, document: Document, labels: Mapping[str, Label]) -> None:
    """Write the rulers, rectangles and outlines on the first image as VolView's annotations, and check it.

    Raises
    ------
    FormatError
        When there is nothing to write.
    StoreError
        When what was written does not read back equal.
    """
    lost: Counter[str] = Counter()
    tools = _tools(document, labels, lost)
    first = document.images[0].id
    for kind, held in tools.items():
        lost["tools on other images than the first"] += sum(image != first for _, _, image in held)
        tools[kind] = [one for one in held if one[2] == first]
    if not any(tools.values()):
        raise FormatError(f"There is nothing to write into {path}")
    lost["masks: write them into a session"] += len([mask for mask in document.masks if mask.used_values()])
    styles = {
        kind: {
            label.name: {"color": label.color, "strokeWidth": _STROKE}
            | ({"fillColor": label.color + "33"} if kind == "rectangles" else {})
            for label in {id(label): label for _, label, _ in held}.values()
        }
        for kind, held in tools.items()
        if held
    }
    listed = {
        kind: [{**tool, "labelName": label.name} for tool, label, _ in held]
        for kind, held in tools.items()
        if held
    }
    content = {"schemaVersion": 1, "space": "LPS", "labels": styles, "tools": listed}
    partial = Path(f"{path}.{os.getpid()}.part")
    try:
        partial.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        _check(path, partial, document, tools, masks=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _tell(path, lost)


Tools = dict[str, list[tuple[Json, Label, str]]]


def _tools(document: Document, labels: Mapping[str, Label], lost: Counter[str]) -> Tools:
    """Return what each kind of tool holds: the tool, its label, and the id of its image."""
    tools: Tools = {"rulers": [], "rectangles": [], "polygons": []}
    for box in document.boxes:
        image = document.image(box.image)
        rectangles = _rectangles(box, image)
        if not rectangles:
            lost["boxes that lie on no slice"] += 1
        tools["rectangles"] += [(tool, labels[box.label], image.id) for tool in rectangles]
    for shape in document.shapes:
        image = document.image(shape.image)
        points = drawn(shape) if shape.closed else shape.world()
        kind = "rulers" if shape.kind == "ruler" else "polygons" if shape.closed else ""
        frame = _frame(image, points, shape.slice) if kind else None
        if frame is None:
            lost[f"{shape.kind}" + (": on no slice" if kind else "")] += 1
            continue
        corners = points.tolist()
        place = (
            {"points": corners}
            if kind == "polygons"
            else {"firstPoint": corners[0], "secondPoint": corners[1]}
        )
        extra = {"frame": shape.frame} if shape.frame is not None and image.frames > 1 else {}
        tools[kind].append((place | frame | extra | _about(shape), labels[shape.label], image.id))
    lost["tags"] += len(document.tags)
    return tools


def _about(item: Box | Shape) -> Json:
    """Return name and metadata, which hold texts only."""
    answers = {
        name: ", ".join(value) if isinstance(value, tuple | list) else str(value)
        for name, value in item.attributes.items()
        if name != "__proto__"
    }
    return ({"name": item.name} if item.name else {}) | ({"metadata": answers} if answers else {})


def _frame(image: Image, points: Points, stacked: int | None) -> Json | None:
    """Return plane and slice that all points lie on, along any axis of the grid; None where there is none."""
    geometry = image.geometry
    if geometry.kind == "stack":
        k = stacked or 0
        plane = geometry.planes[k]
        frame = {"planeOrigin": plane.origin.tolist(), "planeNormal": plane.normal.tolist()}
        return {"frameOfReference": frame, "slice": k} | ({"frame": k} if image.frame_times else {})
    index = geometry.to_index(points)
    for axis in range(3):
        number = round(float(index[0, axis]))
        if np.abs(index[:, axis] - number).max() < _ON_SLICE and 0 <= number < image.shape[axis]:
            direction = geometry.affine[:3, axis] / np.linalg.norm(geometry.affine[:3, axis])
            corner = np.zeros(3)
            corner[axis] = number
            frame = {"planeOrigin": geometry.to_world(corner).tolist(), "planeNormal": direction.tolist()}
            return {"frameOfReference": frame, "slice": number}
    return None


def _rectangles(box: Box, image: Image) -> list[Json]:
    """Return a rectangle for each slice of a box."""
    low, high = (np.array(corner) for corner in box.index)
    flat = [axis for axis in range(3) if low[axis] == high[axis]]
    axis = flat[0] if flat else 0
    if axis and image.geometry.kind == "stack":
        return []
    numbers = range(int(np.ceil(low[axis] - _ON_SLICE)), int(np.floor(high[axis] + _ON_SLICE)) + 1)
    found = []
    for number in numbers:
        ends = np.stack((low, high))
        ends[:, axis] = number
        points = image.geometry.to_world(ends)
        frame = _frame(image, points, number if image.geometry.kind == "stack" else None)
        if frame is None or frame["slice"] != number:
            continue
        place = {"firstPoint": points[0].tolist(), "secondPoint": points[1].tolist()}
        found.append(place | frame | _about(box))
    return found


def _entry(held: list[tuple[Json, Label, str]], datasets: Mapping[str, str]) -> Json:
    styles = {
        label.id: {
            "labelName": label.name,
            "color": label.color,
            "strokeWidth": _STROKE,
            "fillColor": label.color + "33",
        }
        for _, label, _ in held
    }
    tools = [
        {**tool, "id": str(number), "imageID": datasets[image], "label": label.id, "color": label.color,
         "name": tool.get("name", label.name)}
        for number, (tool, label, image) in enumerate(held, start=1)
    ]  # fmt: skip
    return {"tools": tools, "labels": styles}


def _dataset(archive: zipfile.ZipFile, manifest: Json, image: Image, number: int, embed: bool) -> str:
    """Put the files of an image into the archive and the manifest; return the id of its dataset."""
    sources: list[Json] = manifest["dataSources"]
    # Of an image from an archive its files are put in, or the archive is named.
    files = whole_paths(image) if embed else [source.path for source in image.sources]
    paths = [path for path in dict.fromkeys(files) if path]
    if not paths and image.uri and Path(image.uri).is_file():
        paths = [image.uri]
    parts = []
    if paths and not embed:
        for path in paths:
            sources.append(
                {
                    "id": len(sources) + 1,
                    "type": "uri",
                    "uri": Path(path).absolute().as_uri(),
                    "name": Path(path).name,
                }
            )
            parts.append(len(sources))
    else:
        for name, data in _files(image, paths):
            file = len(manifest["datasetFilePath"]) + 1
            inside = f"data/{file}/{_UNSAFE.sub(' ', name)}"
            archive.writestr(inside, data)
            manifest["datasetFilePath"][str(file)] = inside
            mime = "application/dicom" if data[128:132] == b"DICM" else "application/octet-stream"
            sources.append({"id": len(sources) + 1, "type": "file", "fileId": file, "fileType": mime})
            parts.append(len(sources))
    if len(parts) > 1:
        sources.append({"id": len(sources) + 1, "type": "collection", "sources": parts})
    id = str(number)
    manifest["datasets"].append({"id": id, "dataSourceId": sources[-1]["id"]})
    return id


def _files(image: Image, paths: list[str]) -> Any:
    """Yield names and bytes of the files of an image; one without files becomes NIfTI."""
    if paths:
        for path in paths:
            try:
                yield Path(path).name, Path(path).read_bytes()
            except OSError as cause:
                raise StoreError(
                    f"A source image is gone: {cause.filename}", hint="Put it back, or read the image anew."
                ) from cause
        return
    if not isinstance(image.geometry, Geometry):
        raise FormatError(f"{image.name!r} has no file to put into a session, and no grid to make one of")
    yield f"{safe(image)}.nii.gz", _nifti(image.array, image.geometry)


def _nifti(array: Any, geometry: Geometry) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voxels.nii.gz"
        write_nifti(str(path), array, geometry)
        return path.read_bytes()


def _group(
    archive: zipfile.ZipFile, mask: Mask, dataset: str, labels: Mapping[str, Label], lost: Counter[str]
) -> list[Json]:
    """Return the segment group of a mask; none for what VolView cannot hold."""
    geometry = mask.image.geometry
    if not isinstance(geometry, Geometry) or any(segment.value > 255 for segment in mask.segments):
        lost["masks on no regular grid, or with values above 255"] += 1
        return []
    name = _UNSAFE.sub(" ", mask.name).strip(". ") or "mask"
    taken = {one.lower() for one in archive.namelist()}
    inside, number = f"segmentations/{name}.nii.gz", 2
    while inside.lower() in taken:
        inside, number = f"segmentations/{name} ({number}).nii.gz", number + 1
    archive.writestr(inside, _nifti(mask.array.astype(np.uint8), geometry))
    described = {}
    for segment in mask.segments:
        color = labels[segment.label].color or "#ffff00"
        rgb = [int(color[n : n + 2], 16) for n in (1, 3, 5)]
        described[str(segment.value)] = {
            "value": segment.value, "name": segment.label, "color": [*rgb, 255], "visible": True,
        }  # fmt: skip
    order = [segment.value for segment in mask.segments]
    metadata = {"name": mask.name, "parentImage": dataset, "segments": {"order": order, "byValue": described}}
    return [{"id": mask.id, "path": inside, "metadata": metadata}]


def _check(path: str, partial: Path, document: Document, tools: Tools, *, masks: bool = True) -> None:
    findings = Findings(str(partial), document.images)
    read_volview(str(partial), findings)
    count = sum(len(held) for held in tools.values())
    back = sum(isinstance(item, Box | Shape) for item in findings.items)
    same = back == count
    if masks:
        held = {mask.name: mask.array for mask in findings.masks}
        for mask in document.masks:
            if isinstance(mask.image.geometry, Geometry) and all(one.value < 256 for one in mask.segments):
                same = same and mask.name in held and np.array_equal(held[mask.name], mask.array)
    if not same:
        raise StoreError(f"{path} does not read back as it was written")


def _tell(path: str, lost: Counter[str]) -> None:
    texts = [f"{count} × {text}" for text, count in lost.items() if count]
    if texts:
        warnings.warn(f"{path} has no place for {', '.join(texts)}", NbannotWarning, stacklevel=5)

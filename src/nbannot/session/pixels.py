"""A file for images that were made in memory: one zip of JSON and compressed values."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from nbannot.errors import FormatError, NewerVersionError
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image, Suv, VoiLut, Window

SUFFIX = ".nbimage"
VERSION = 1
_PLAIN = (
    "series_description", "laterality", "view_position", "burned_in", "frame_label", "frame_values",
)  # fmt: skip


def write_pixels(file: IO[bytes], image: Image) -> None:
    """Write an image with its geometry to an open file."""
    import zstandard

    header = {
        "version": VERSION, "dtype": image.array.dtype.name, "shape": list(image.array.shape),
        "id": image.id, "name": image.name, "modality": image.modality, "unit": image.unit,
        "photometric": image.photometric,
        "windows": [[w.center, w.width, w.name, w.function] for w in image.windows],
        "frame_times": image.frame_times, "orientation_labels": image.orientation_labels,
        "rescale": list(image.rescale), "notes": list(image.notes),
        "geometry": _describe(image.geometry), **_more(image),
    }  # fmt: skip
    values = np.ascontiguousarray(image.array).tobytes()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("image.json", json.dumps(header))
        archive.writestr("pixels.zst", zstandard.ZstdCompressor(level=3).compress(values))


def read_pixels(path: Path) -> Image:
    """Return the image of a file made by `write_pixels`.

    Raises
    ------
    FormatError
        When the file is damaged.
    NewerVersionError
        When a newer nbannot wrote it.
    """
    import zstandard

    try:
        with zipfile.ZipFile(path) as archive:
            header: dict[str, Any] = json.loads(archive.read("image.json"))
            packed = archive.read("pixels.zst")
        if header["version"] > VERSION:
            raise NewerVersionError(f"{path} was written by a newer nbannot", hint="Update nbannot.")
        values = zstandard.ZstdDecompressor().decompress(packed)
        array = np.frombuffer(values, dtype=header["dtype"]).reshape(header["shape"])
    except (zipfile.BadZipFile, zstandard.ZstdError, KeyError, ValueError) as cause:
        raise FormatError(f"{path} is damaged: {cause}", hint="Use another copy of it.") from cause
    labels, times = header["orientation_labels"], header["frame_times"]
    return Image(
        array, _geometry(header["geometry"]), id=header["id"], name=header["name"],
        modality=header["modality"], unit=header["unit"], photometric=header["photometric"],
        windows=[Window(*window) for window in header["windows"]], frame_times=times,
        orientation_labels=(labels[0], labels[1]) if labels else None, uri=str(path),
        rescale=(header["rescale"][0], header["rescale"][1]), notes=header["notes"],
        voi_luts=[VoiLut(np.array(lut[0], np.uint16), *lut[1:]) for lut in header.get("voi_luts", ())],
        suv=Suv(header["suv"][0], header["suv"][1], tuple(header["suv"][2])) if "suv" in header else None,
        **{name: header[name] for name in _PLAIN if name in header},
    )  # fmt: skip


def _more(image: Image) -> dict[str, Any]:
    """Return what few images have, where this one has it."""
    found: dict[str, Any] = {name: getattr(image, name) for name in _PLAIN if getattr(image, name)}
    if image.voi_luts:
        found["voi_luts"] = [[lut.values.tolist(), lut.first, lut.bits, lut.name] for lut in image.voi_luts]
    if image.suv is not None:
        found["suv"] = [dict(image.suv.factors), dict(image.suv.reasons), list(image.suv.notes)]
    return found


def _describe(grid: Geometry | Stack) -> dict[str, Any]:
    if isinstance(grid, Geometry):
        return {
            "kind": "grid", "affine": grid.affine.tolist(), "shape": list(grid.shape),
            "frame_of_reference": grid.frame_of_reference,
        }  # fmt: skip
    planes = [
        [np.asarray(p.origin).tolist(), np.asarray(p.column_step).tolist(),
         np.asarray(p.row_step).tolist(), list(p.shape)]
        for p in grid.planes
    ]  # fmt: skip
    return {
        "kind": "stack", "planes": planes, "unit": grid.unit, "patient_space": grid.patient_space,
        "frame_of_reference": grid.frame_of_reference,
    }  # fmt: skip


def _geometry(data: dict[str, Any]) -> Geometry | Stack:
    frame = data["frame_of_reference"]
    if data["kind"] == "grid":
        return Geometry(data["affine"], data["shape"], frame_of_reference=frame)
    planes = [
        Plane(np.array(origin), np.array(column), np.array(row), (shape[0], shape[1]))
        for origin, column, row, shape in data["planes"]
    ]
    return Stack(planes, frame_of_reference=frame, unit=data["unit"], patient_space=data["patient_space"])

"""A file for images that were made in memory: one zip of JSON and compressed values."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, NewerVersionError
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image, PixelSource, SliceSource, Suv, VoiLut, Window

SUFFIX = ".nbimage"
VERSION = 1
_PLAIN = (
    "series_description", "laterality", "view_position", "burned_in", "frame_label", "frame_values",
)  # fmt: skip
_UIDS = ("series_uid", "study_uid", "study_date")


def write_pixels(file: IO[bytes], image: Image) -> None:
    """Write an image with its geometry to an open file."""
    import zstandard

    header = {**describe(image), "shape": list(image.array.shape)}
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
    return described(header, array, uri=str(path))


def describe(image: Image) -> dict[str, Any]:
    """Return all of an image but its pixels, its files and what its headers say about the patient."""
    frames = (image.frames,) if image.frames > 1 else ()
    return {
        "version": VERSION, "dtype": image.dtype.name, "id": image.id, "name": image.name,
        "shape": [*frames, *image.shape, *((3,) if image.is_color else ())],
        "modality": image.modality, "unit": image.unit, "photometric": image.photometric,
        "windows": [[w.center, w.width, w.name, w.function] for w in image.windows],
        "frame_times": image.frame_times, "orientation_labels": image.orientation_labels,
        "rescale": list(image.rescale), "notes": list(image.notes),
        "geometry": _describe(image.geometry), **_more(image),
    }  # fmt: skip


def described(
    header: Mapping[str, Any], pixels: NDArray[Any] | PixelSource, *, uri: str | None = None
) -> Image:
    """Return the image that `describe` described, with these pixels."""
    labels, times = header["orientation_labels"], header["frame_times"]
    sources = [SliceSource(uid, frame) for uid, frame in header.get("sources", ())]
    return Image(
        pixels, _geometry(header["geometry"]), id=header["id"], name=header["name"],
        modality=header["modality"], unit=header["unit"], photometric=header["photometric"],
        windows=[Window(*window) for window in header["windows"]], frame_times=times,
        orientation_labels=(labels[0], labels[1]) if labels else None, uri=uri,
        rescale=(header["rescale"][0], header["rescale"][1]), notes=header["notes"],
        voi_luts=[VoiLut(np.array(lut[0], np.uint16), *lut[1:]) for lut in header.get("voi_luts", ())],
        suv=Suv(header["suv"][0], header["suv"][1], tuple(header["suv"][2])) if "suv" in header else None,
        sources=sources, **{name: header[name] for name in (*_PLAIN, *_UIDS) if name in header},
    )  # fmt: skip


def headers(image: Image) -> dict[str, Any]:
    """Return what the files say of study, series and slices: only for who may see headers."""
    found: dict[str, Any] = {name: getattr(image, name) for name in _UIDS if getattr(image, name)}
    if image.sources:
        found["sources"] = [[source.sop_instance_uid, source.frame] for source in image.sources]
    return found


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

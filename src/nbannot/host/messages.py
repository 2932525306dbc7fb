"""The JSON that the host sends: images, state, edits, errors (see docs/protocol.md)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from nbannot.errors import EditError, NbannotError
from nbannot.formats import header, image_info
from nbannot.model.codec import encode_edit, encode_item
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Paint
from nbannot.model.geometry import Geometry, Grid
from nbannot.model.image import Image, Window

Json = dict[str, Any]

PROTOCOL = "nbannot-protocol/1"
"""Name of the message protocol; js/src/model/protocol.ts must say the same."""

MAX_RUNS = 256 * 1024
"""Bytes of runs above which an edit names its slices instead."""


def image_json(image: Image, windows: Sequence[Window]) -> Json:
    """Return what the browser must know of an image; nothing in it says who the patient is."""
    reference = image.frame_of_reference
    return {
        "id": image.id,
        "name": image.name,
        "shape": list(image.shape),
        "frames": image.frames,
        "dtype": image.dtype.name,
        "color": image.is_color,
        "modality": image.modality,
        "unit": image.unit,
        "photometric": image.photometric,
        "windows": [asdict(window) for window in windows],
        "geometry": geometry_json(image.geometry),
        "frame_times": None if image.frame_times is None else list(image.frame_times),
        "orientation_labels": image.orientation_labels and list(image.orientation_labels),
        "frame_of_reference": reference and hashlib.sha256(reference.encode()).hexdigest()[:16],
        "laterality": image.laterality,
        "view_position": image.view_position,
        "luts": [
            {"name": lut.name, "first": lut.first, "values": lut.greys().tolist()} for lut in image.voi_luts
        ],
        "frame_label": image.frame_label,
        "frame_values": None if image.frame_values is None else list(image.frame_values),
        "burned_in": image.burned_in,
        "suv": image.suv and {**image.suv.factors, "reason": dict(image.suv.reasons)},
    }


def geometry_json(geometry: Grid) -> Json:
    """Return a grid or stack as JSON."""
    if isinstance(geometry, Geometry):
        affine = np.asarray(geometry.affine, dtype=float).tolist()
        return {"kind": "grid", "affine": affine, "shape": list(geometry.shape)}
    planes = [
        {
            "origin": np.asarray(plane.origin, dtype=float).tolist(),
            "row_step": np.asarray(plane.row_step, dtype=float).tolist(),
            "column_step": np.asarray(plane.column_step, dtype=float).tolist(),
        }
        for plane in geometry.planes
    ]
    return {
        "kind": "stack",
        "planes": planes,
        "shape": list(geometry.shape),
        "unit": geometry.unit,
        "patient_space": geometry.patient_space,
    }


def header_bytes(image: Image, k: int, t: int) -> bytes:
    """Return the header of a slice's file as UTF-8 JSON: [[depth, tag, name, vr, value], …]."""
    return json.dumps(header(image, k, t=t), ensure_ascii=False).encode("utf-8", "replace")


def info_bytes(image: Image) -> bytes:
    """Return what is known of an image, without names, as UTF-8 JSON: [[what, value], …]."""
    return json.dumps(image_info(image), ensure_ascii=False).encode("utf-8", "replace")


def document_json(document: Document) -> Json:
    """Return the annotations of a document; call it with the document's lock held."""
    masks = [
        {**encode_item(mask.info), "nonzero": [int(k) for k in mask.nonzero_slices()]}
        for mask in document.masks
    ]
    return {
        "document": document.id,
        "run": document.run,
        "revision": document.revision,
        "labels": [encode_item(label) for label in document.labels],
        "masks": masks,
        "boxes": [encode_item(box) for box in document.boxes],
        "shapes": [encode_item(shape) for shape in document.shapes],
        "tags": [encode_item(tag) for tag in document.tags],
        "can_undo": document.can_undo,
        "can_redo": document.can_redo,
        "author": document.author,
    }


def edit_json(edit: Edit) -> tuple[Json, list[bytes]]:
    """Return an edit as JSON and buffers; runs of more than `MAX_RUNS` become a list of slices."""
    data, buffers = encode_edit(edit)
    kept: list[bytes] = []
    _thin(data, edit, buffers, kept)
    return data, kept


def by_hand(edit: Edit) -> Edit:
    """Return an edit of the browser, whose place it is not to say who made it, how, or that it comes later."""
    if isinstance(edit, Batch):
        edit = replace(edit, edits=tuple(by_hand(part) for part in edit.edits))
    return replace(edit, author="", origin="hand", undoes=None, time=min(edit.time, time.time()))


def short(text: Any, most: int) -> str:
    """Return a text of the browser that is kept until it is answered.

    Raises
    ------
    EditError
        When it is too long for what it names.
    """
    found = str(text)
    if len(found) > most:
        raise EditError("A message of the browser holds a name that is too long")
    return found


def _thin(data: Json, edit: Edit, buffers: Sequence[bytes], kept: list[bytes]) -> None:
    if isinstance(edit, Batch):
        for part, inner in zip(data["edits"], edit.edits, strict=True):
            _thin(part, inner, buffers, kept)
    elif isinstance(edit, Paint):
        runs = buffers[data.pop("buffer")]
        if len(runs) > MAX_RUNS:
            del data["count"]
            data["stale"] = _painted_slices(edit)
        else:
            data["buffer"] = len(kept)
            kept.append(runs)


def _painted_slices(edit: Paint) -> list[int]:
    """Return the slices k that the runs reach."""
    (k0, j0, i0), (_, j1, i1) = edit.box
    size = max((j1 - j0) * (i1 - i0), 1)
    table = edit.runs.table()
    first = table[:, 0] // size
    last = (table[:, 0] + table[:, 1] - 1) // size
    found = set(first.tolist()) | set(last.tolist())
    for a, b in zip(first[last - first > 1], last[last - first > 1], strict=True):
        found.update(range(int(a), int(b)))
    return sorted(int(k) + k0 for k in found)


def error_json(error: BaseException) -> Json:
    """Return an error for the browser: ours in full, others by their kind only.

    The text of a foreign error may hold data, so it stays in the kernel.
    """
    if isinstance(error, NbannotError):
        return error.payload
    return {
        "kind": type(error).__name__,
        "message": f"The kernel could not do this ({type(error).__name__})",
        "hint": "Run nbannot.doctor(); the kernel's log names the place.",
    }

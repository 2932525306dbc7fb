"""Segmentations of 3D Slicer (.seg.nrrd): named, coloured and coded segments, in layers where they overlap.

The header fields are described at
https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbannot.errors import FormatError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.labelmaps import place_on_one, values_in, whole
from nbannot.formats.nrrd import is_nrrd, is_segmentation, read_nrrd, read_nrrd_header
from nbannot.model.labels import Code

_FIELD = re.compile(r"Segment(\d+)_(.+)", re.DOTALL)


def is_seg_nrrd(path: str, start: bytes) -> bool:
    """Whether a file is an NRRD file that names segments."""
    return is_nrrd(start) and is_segmentation(path)


def read_seg_nrrd(path: str, findings: Findings) -> None:
    """Read a segmentation: each layer becomes a mask, each segment a label with its colour and code.

    Raises
    ------
    FormatError
        When a segment names a layer or value that cannot be.
    GeometryError
        When it does not lie on an image's voxels.
    """
    segments = _segments(path, read_nrrd_header(path).keys)
    stored, _ = read_nrrd(path)
    values = whole(path, stored.array)
    lost: set[str] = set()
    for layer in range(stored.frames):
        voxels = values[layer] if stored.frames > 1 else values
        names: dict[int, str] = {}
        for number, fields in segments.items():
            if _whole(path, fields, "Layer", number if _is_old(fields) and stored.frames > 1 else 0) != layer:
                continue
            value = _whole(path, fields, "LabelValue", 1)
            if not 1 <= value <= 65535 or value in names:
                findings.note(f"segment {number + 1} was left out: its value {value} cannot be or is taken")
                continue
            code, more = _code(fields.get("Tags", ""))
            lost |= more
            name = fields.get("Name") or fields.get("ID") or f"Segment {number + 1}"
            names[value] = findings.label(name, color=_color(fields.get("Color", "")), code=code)
        unnamed = sorted({*values_in(voxels)} - {*names})
        if unnamed:
            findings.note(f"values without a segment: {', '.join(map(str, unnamed[:20]))}")
            names |= {value: findings.label(f"{stored.name} {value}") for value in unnamed}
        if names:
            array, image = place_on_one(voxels, stored.geometry, findings)
            wide = np.uint8 if max(names) < 256 else np.uint16
            findings.mask(stored.name, image, array.astype(wide), names)
    if max((_whole(path, fields, "Layer", 0) for fields in segments.values()), default=0) >= stored.frames:
        findings.note("segments of layers that the file does not hold were left out")
    if lost:
        findings.note(f"of the codes, only the type is kept, not the {' and the '.join(sorted(lost))}")


def _is_old(fields: Mapping[str, str]) -> bool:
    """Whether a segment is of a file from before layers: each segment had one of its own."""
    return "Layer" not in fields


def _segments(path: str, keys: Mapping[str, str]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for key, value in keys.items():
        match = _FIELD.fullmatch(key)
        if match:
            found.setdefault(int(match.group(1)[:9]), {})[match.group(2)] = value
    if not found:
        raise FormatError(f"{path} names no segments")
    return dict(sorted(found.items()))


def _whole(path: str, fields: Mapping[str, Any], name: str, default: int) -> int:
    try:
        return int(fields.get(name, default))
    except ValueError as cause:
        raise FormatError(f"{path} has a segment whose {name} is no number") from cause


def _color(text: str) -> str:
    words = text.split()
    try:
        parts = [float(word) for word in words]
    except ValueError:
        return ""
    if len(parts) != 3 or not np.isfinite(parts).all():
        return ""
    return "#" + "".join(f"{round(min(max(part, 0), 1) * 255):02x}" for part in parts)


def _code(tags: str) -> tuple[Code | None, set[str]]:
    """Return the type that a terminology entry names, and what it says besides."""
    for tag in tags.split("|"):
        name, _, value = tag.strip().partition(":")
        parts = value.split("~")
        if name in ("TerminologyEntry", "Terminology") and len(parts) >= 3:
            code = _triple(parts[2])
            rest = {
                what
                for what, n in (("modifier", 3), ("anatomic region", 5), ("modifier of the region", 6))
                if n < len(parts) and _triple(parts[n])
            }
            return code, rest if code else set()
    return None, set()


def _triple(text: str) -> Code | None:
    words = text.split("^")
    if len(words) != 3 or not all(word.strip() for word in words):
        return None
    return Code(words[1], words[0], words[2])

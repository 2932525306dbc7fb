"""Where an image lies, from its header alone: the box around the centres of its voxels, LPS mm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.dicom.frames import Frame

Box = tuple[float, float, float, float, float, float]
"""The least and the greatest x, y and z."""

_RAS = np.diag([-1.0, -1.0, 1.0])


def of_frames(frames: Iterable[Frame]) -> Box | None:
    """Return the box around slices; None where one has no place."""
    points = []
    for frame in frames:
        if not frame.has_place or frame.orientation is None:
            return None
        axes = np.array(frame.orientation, dtype=np.float64).reshape(2, 3)
        sides = axes * np.array(
            [[frame.size.column * (frame.header.columns - 1)], [frame.size.row * (frame.header.rows - 1)]]
        )
        origin = np.array(frame.position, dtype=np.float64)
        points += [origin, origin + sides[0], origin + sides[1], origin + sides[0] + sides[1]]
    return _around(np.array(points)) if points else None


def of_nifti(start: bytes, *, new: bool) -> Box | None:
    """Return the box of a NIfTI image from its header; RAS is turned."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    kind = Nifti2Header if new else Nifti1Header
    try:
        header = kind.from_fileobj(BytesIO(start), check=False)
        if int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
            return None
        affine = np.array(header.get_best_affine(), dtype=np.float64)
        shape = [int(n) for n in header.get_data_shape()[:3]]
    except Exception:  # nibabel raises many kinds for damaged headers
        return None
    return _of_axes(_RAS @ affine[:3, :3], _RAS @ affine[:3, 3], shape)


def of_nrrd(fields: Mapping[str, str], axes: Sequence[Sequence[float]], shape: Sequence[int]) -> Box | None:
    """Return the box of a NRRD image from the fields of its header."""
    origin = _numbers(fields.get("space origin", ""))
    space = fields.get("space", "").lower()
    if len(axes) != 3 or len(origin) != 3 or len(shape) < 3:
        return None
    turn = np.eye(3)
    if space in ("right-anterior-superior", "ras"):
        turn = _RAS
    elif space in ("left-anterior-superior", "las"):
        turn = np.diag([1.0, -1.0, 1.0])
    return _of_axes(turn @ np.array(axes, dtype=np.float64).T, turn @ np.array(origin), shape[:3])


def of_meta_image(fields: Mapping[str, str], spacing: Sequence[float], shape: Sequence[int]) -> Box | None:
    """Return the box of a MetaImage from the fields of its header."""
    origin = _numbers(fields.get("offset", fields.get("position", fields.get("origin", ""))))
    matrix = _numbers(fields.get("transformmatrix", fields.get("rotation", fields.get("orientation", ""))))
    if len(shape) < 3 or len(spacing) != 3 or len(origin) != 3:
        return None
    axes = np.array(matrix if len(matrix) == 9 else np.eye(3).ravel(), dtype=np.float64).reshape(3, 3).T
    return _of_axes(axes * np.array(spacing), np.array(origin), shape[:3])


def joined(one: Box | None, other: Box | None) -> Box | None:
    """Return the box around both."""
    if one is None or other is None:
        return one or other
    return _around(np.array([one[:3], one[3:], other[:3], other[3:]]))


def _of_axes(axes: NDArray[np.float64], origin: NDArray[np.float64], shape: Sequence[int]) -> Box | None:
    corners = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], dtype=np.float64)
    return _around(origin + (corners * (np.array(shape, dtype=np.float64) - 1)) @ axes.T)


def _around(points: NDArray[np.float64]) -> Box | None:
    if not np.isfinite(points).all():
        return None
    low, high = points.min(axis=0).round(3), points.max(axis=0).round(3)
    return (float(low[0]), float(low[1]), float(low[2]), float(high[0]), float(high[1]), float(high[2]))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.strip("() ").replace(",", " ").split())
    except ValueError:
        return ()

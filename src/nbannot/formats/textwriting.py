"""NRRD and MetaImage files, attached and detached: written and read back."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError
from nbannot.formats.fresh import check_same, fresh
from nbannot.formats.metaimage import read_metaimage
from nbannot.formats.nrrd import read_nrrd
from nbannot.model.geometry import Geometry, Grid, Stack

Voxels = NDArray[Any]

_NRRD = {
    "uint8": "unsigned char", "int8": "signed char", "uint16": "unsigned short", "int16": "short", "int32": "int",
    "float32": "float",
}  # fmt: skip
_META = {
    "uint8": "MET_UCHAR", "int8": "MET_CHAR", "uint16": "MET_USHORT", "int16": "MET_SHORT", "int32": "MET_INT",
    "float32": "MET_FLOAT",
}  # fmt: skip
# Of deflate: little is gained above.
_LEVEL = 3


def _vector(numbers: Sequence[float] | NDArray[np.float64], mark: str = " ") -> str:
    return mark.join(repr(float(number) + 0.0) for number in numbers)


def _place(path: str, geometry: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return the steps along i, j (and k) as rows, the origin, and whether they are in the patient.

    Raises
    ------
    GeometryError
        For planes without a regular grid.
    """
    if isinstance(geometry, Geometry):
        return geometry.affine[:3, 2::-1].T, geometry.affine[:3, 3], True
    if len(geometry.planes) > 1:
        raise GeometryError(
            f"{path} cannot hold a stack of planes without a regular grid",
            hint="Write its planes one by one.",
        )
    plane = geometry.planes[0]
    return np.stack((plane.column_step, plane.row_step)), plane.origin, geometry.patient_space


def _even(times: Sequence[float] | None, frames: int) -> float | None:
    """Return the step of times that are evenly spaced from 0."""
    if times is None or len(times) != frames or frames < 2 or times[0] != 0:
        return None
    step = times[1]
    return step if step > 0 and np.allclose(times, np.arange(frames) * step) else None


def write_nrrd(
    path: str,
    array: Voxels,
    geometry: Grid,
    *,
    frame_times: Sequence[float] | None = None,
    compress: bool = True,
    keys: Mapping[str, str] | None = None,
    layers: bool = False,
) -> None:
    """Write voxels (k, j, i), (t, k, j, i) or with colour last as NRRD, and read them back.

    Parameters
    ----------
    path
        Ends with ``.nhdr`` for voxels in a file of their own beside it.
    frame_times
        Kept when they are evenly spaced from 0.
    compress
        Whether the voxels are packed with gzip.
    keys
        Key/value pairs for the header.
    layers
        Whether the first axis are layers, which 3D Slicer expects to change fastest.

    Raises
    ------
    FormatError
        When what was written does not read back equal; no file is left behind.
    GeometryError
        For planes without a regular grid.
    """
    color = array.ndim > 3 and array.shape[-4:-1] == geometry.shape
    frames = array.ndim - color == 4
    place = _place(path, geometry)
    data = array if isinstance(geometry, Geometry) else array.squeeze(-3 - color)
    data = np.moveaxis(data, 0, -1) if layers else data
    step = _even(frame_times, len(array)) if frames and not (color or layers) else None
    lead = (["RGB-color"] if color else []) + (["list"] if layers else [])
    lines = [
        "NRRD0005",
        f"type: {_NRRD[array.dtype.name]}",
        f"dimension: {data.ndim}",
        f"sizes: {' '.join(map(str, data.shape[::-1]))}",
        "endian: little",
        f"encoding: {'gzip' if compress else 'raw'}",
        *_nrrd_space(place, lead, trailing=frames and not layers, step=step),
        *(f"{_plain(key)}:={_plain(value)}" for key, value in (keys or {}).items()),
    ]
    packed = _little(data)
    packed = gzip.compress(packed, _LEVEL, mtime=0) if compress else packed
    with fresh(path) as made:
        if path.lower().endswith(".nhdr"):
            beside = made.with_suffix(".raw.gz" if compress else ".raw")
            beside.write_bytes(packed)
            made.write_text("\n".join([*lines, f"data file: {beside.name}"]) + "\n", encoding="utf-8")
        else:
            made.write_bytes("\n".join([*lines, "", ""]).encode() + packed)
        check_same(path, read_nrrd(str(made))[0], array, geometry)


def _nrrd_space(
    place: tuple[NDArray[np.float64], NDArray[np.float64], bool],
    lead: Sequence[str],
    *,
    trailing: bool,
    step: float | None,
) -> list[str]:
    """Return the fields that say where the axes lie.

    Parameters
    ----------
    lead
        Kinds of the axes before those in space.
    trailing
        Whether there is an axis of frames after them.
    step
        Time between the frames in s, when it is known.
    """
    steps, origin, patient = place
    numbers = 3 if patient else 2
    timed = step is not None and patient and trailing
    rows = [f"({_vector(one[:numbers], ',')}{',0' if timed else ''})" for one in steps]
    kinds = ["domain"] * len(steps)
    if timed:
        rows.append(f"(0,0,0,{_vector([step or 0.0])})")
        kinds.append("time")
    elif trailing:
        rows.append("none")
        kinds.append("list")
    start = [*origin[:numbers], *([0.0] if timed else [])]
    space = f"space: left-posterior-superior{'-time' if timed else ''}" if patient else "space dimension: 2"
    units = ['"mm"'] * 3 + (['"s"'] if timed else [])
    return [
        space,
        f"space directions: {' '.join([*(['none'] * len(lead)), *rows])}",
        f"kinds: {' '.join([*lead, *kinds])}",
        f"space origin: ({_vector(start, ',')})",
        *([f"space units: {' '.join(units)}"] if patient else []),
    ]


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\r", " ").replace("\n", "\\n")


def _little(data: Voxels) -> bytes:
    return np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("<")).tobytes()


def write_metaimage(
    path: str,
    array: Voxels,
    geometry: Grid,
    *,
    frame_times: Sequence[float] | None = None,
    compress: bool = True,
) -> None:
    """Write voxels (k, j, i), (t, k, j, i) or with colour last as MetaImage, and read them back.

    Parameters
    ----------
    path
        Ends with ``.mhd`` for voxels in a file of their own beside it.
    frame_times
        Even ones give the spacing of the fourth axis.
    compress
        Whether the voxels are packed.

    Raises
    ------
    FormatError
        When what was written does not read back equal; no file is left behind.
    GeometryError
        For planes without a regular grid, and a single plane in the patient.
    """
    color = array.ndim > 3 and array.shape[-4:-1] == geometry.shape
    frames = array.ndim - color == 4
    steps, origin, patient = _place(path, geometry)
    if isinstance(geometry, Stack) and patient:
        raise GeometryError(
            f"{path} cannot hold a single plane in the patient: MetaImage needs a thickness",
            hint="Write it as .nrrd.",
        )
    data = array if isinstance(geometry, Geometry) else array.squeeze(-3 - color)
    packed = _little(data)
    packed = zlib.compress(packed, _LEVEL) if compress else packed
    local = not path.lower().endswith(".mhd")
    sizes = data.shape[: data.ndim - color]
    step = (_even(frame_times, len(array)) or 1.0) if frames else None
    with fresh(path) as made:
        beside = made.with_suffix(".zraw" if compress else ".raw")
        lines = [
            "ObjectType = Image",
            f"NDims = {len(sizes)}",
            "BinaryData = True",
            "BinaryDataByteOrderMSB = False",
            f"CompressedData = {compress}",
            *([f"CompressedDataSize = {len(packed)}"] if compress else []),
            *_meta_space(steps, origin, step),
            f"DimSize = {' '.join(map(str, sizes[::-1]))}",
            *(["ElementNumberOfChannels = 3"] if color else []),
            f"ElementType = {_META[array.dtype.name]}",
            f"ElementDataFile = {'LOCAL' if local else beside.name}",
        ]
        text = ("\n".join(lines) + "\n").encode()
        if not local:
            beside.write_bytes(packed)
        made.write_bytes(text + packed if local else text)
        check_same(path, read_metaimage(str(made)), array, geometry)


def _meta_space(steps: NDArray[np.float64], origin: NDArray[np.float64], step: float | None) -> list[str]:
    """Return the fields that say where the axes lie; with a step there is an axis of frames."""
    size, dims = len(steps), len(steps) + (step is not None)
    spacing, directions, start = np.ones(dims), np.eye(dims), np.zeros(dims)
    spacing[:size] = np.linalg.norm(steps, axis=1)
    directions[:size, :size] = steps[:, :size] / spacing[:size, None]
    start[:size] = origin[:size]
    if step is not None:
        spacing[-1] = step
    return [
        f"TransformMatrix = {_vector(directions.ravel())}",
        f"Offset = {_vector(start)}",
        f"CenterOfRotation = {_vector(np.zeros(dims))}",
        f"ElementSpacing = {_vector(spacing)}",
    ]

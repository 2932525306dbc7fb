"""The labelmaps of sessions: NIfTI, NRRD, MetaImage and VTK's image data."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.labels.flat.voc import parsed
from nbannot.formats.nifti import read_nifti
from nbannot.model.geometry import Geometry, Grid

Voxels = NDArray[Any]

_TYPES = {
    "Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4",
    "Float32": "f4", "Float64": "f8",
}  # fmt: skip
_LARGEST = 1 << 32


def read_labelmap(path: Path) -> tuple[Voxels, Grid]:
    """Return the voxels (k, j, i) of a labelmap, and where they lie.

    Raises
    ------
    FormatError
        When it is damaged, or of a format that is not read.
    """
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        image, _ = read_nifti(str(path))
        return np.array(image.array), image.geometry
    if name.endswith((".nrrd", ".nhdr", ".mha")):
        return _itk(path)
    if name.endswith(".vti"):
        return _vti(path)
    raise FormatError(f"labelmaps like {path.suffix} are not read")


def _itk(path: Path) -> tuple[Voxels, Geometry]:
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
        array = sitk.GetArrayFromImage(image)
    except RuntimeError as cause:
        raise FormatError("its labelmap is damaged") from cause
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise FormatError("its labelmap has several layers: read it by itself")
    directions = np.array(image.GetDirection()).reshape(3, 3)
    return array, _grid(array, directions, np.array(image.GetSpacing()), np.array(image.GetOrigin()))


def _grid(array: Voxels, directions: Voxels, spacing: Voxels, origin: Voxels) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = (directions * spacing)[:, ::-1]
    affine[:3, 3] = origin
    return Geometry(affine, array.shape)


def _vti(path: Path) -> tuple[Voxels, Geometry]:
    """Read VTK's XML image data: inline or appended base64, packed by zlib or not."""
    root = parsed(path)
    image = root.find("ImageData")
    data = root.find(".//PointData/DataArray")
    if image is None or data is None:
        raise FormatError("its labelmap holds no image data")
    try:
        extent = [int(n) for n in image.get("WholeExtent", "").split()]
        shape = tuple(extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in (2, 1, 0))
        spacing, origin = (
            np.array([float(n) for n in image.get(key, "").split()]) for key in ("Spacing", "Origin")
        )
        directions = np.array(
            [float(n) for n in image.get("Direction", "1 0 0 0 1 0 0 0 1").split()]
        ).reshape(3, 3)
        order = ">" if root.get("byte_order") == "BigEndian" else "<"
        dtype = np.dtype(order + _TYPES[data.get("type", "")])
        if min(shape) < 1 or int(np.prod(shape, dtype=object)) * dtype.itemsize > _LARGEST:
            raise ValueError
        raw = _bytes(root, data, order)
        array = np.frombuffer(raw, dtype).reshape(shape).astype(dtype.newbyteorder("="))
        first = origin + directions @ (spacing * extent[::2])
        return array, _grid(array, directions, spacing, first)
    except (KeyError, ValueError, IndexError, struct.error, zlib.error) as cause:
        if isinstance(cause, GeometryError | FormatError):
            raise
        raise FormatError("its labelmap is damaged") from cause


def _bytes(root: ElementTree.Element, data: ElementTree.Element, order: str) -> bytes:
    text = "".join((data.text or "").split())
    kind = data.get("format", "ascii")
    if kind == "ascii":
        numbers = np.array((data.text or "").split(), dtype=np.float64)
        return numbers.astype(order + _TYPES[data.get("type", "")]).tobytes()
    if kind == "appended":
        appended = root.find("AppendedData")
        if appended is None or appended.get("encoding") != "base64":
            raise FormatError("its labelmap has raw appended data, which are not read")
        text = "".join((appended.text or "").split()).lstrip("_")[int(data.get("offset", "0")) :]
    size = 8 if root.get("header_type") == "UInt64" else 4
    letter = order + ("Q" if size == 8 else "I")
    if not root.get("compressor"):
        blob = base64.b64decode(_whole(text, size))
        (length,) = struct.unpack_from(letter, blob)
        return base64.b64decode(_whole(text, size + length))[size : size + length]
    if root.get("compressor") != "vtkZLibDataCompressor":
        raise FormatError(f"its labelmap is packed by {root.get('compressor')}, which is not read")
    (blocks,) = struct.unpack_from(letter, base64.b64decode(_whole(text, size)))
    if blocks > 1 << 20:
        raise ValueError
    head = size * (3 + blocks)
    sizes = struct.unpack_from(f"{order}{blocks}{letter[1]}", base64.b64decode(_whole(text, head)), 3 * size)
    rest = text[len(_whole(text, head)) :]
    packed = base64.b64decode(_whole(rest, sum(sizes)))
    found, at = [], 0
    for length in sizes:
        unpacker = zlib.decompressobj()
        found.append(unpacker.decompress(packed[at : at + length], _LARGEST))
        at += length
    return b"".join(found)


def _whole(text: str, size: int) -> str:
    """Return the base64 letters that hold so many bytes."""
    return text[: (size + 2) // 3 * 4]

"""MetaImage files, attached (.mha) and detached (.mhd): read lazily.

The format is described at https://itk.org/Wiki/MetaIO/Documentation; each row of TransformMatrix is the
direction of one axis, in LPS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError
from nbannot.formats.placed import grid, image_of
from nbannot.formats.rawdata import RawData, beside
from nbannot.model.image import Image

_TYPES = {
    "CHAR": "i1", "ASCII_CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4",
    "LONG": "i4", "ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip
_SAME = {
    "origin": "offset", "position": "offset", "rotation": "transformmatrix", "orientation": "transformmatrix",
    "elementbyteordermsb": "binarydatabyteordermsb",
}  # fmt: skip
_UNITS = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "": 1.0, "?": 1.0}
_FIRST = re.compile(rb"(ObjectType|Comment|NDims|ObjectSubType|TransformType|Name|ID)\s*=")
_MOST_LINES, _LONGEST = 10_000, 1 << 16


def is_metaimage(start: bytes) -> bool:
    """Whether a file that begins with `start` is MetaImage."""
    return _FIRST.match(start) is not None and (b"NDims" in start or b"ObjectType" in start)


class MetaHeader:
    """The fields of a file by name (lower case, one name for those that mean the same)."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fields: dict[str, str] = {}
        self.listed: list[str] = []
        with Path(path).open("rb") as file:
            for _ in range(_MOST_LINES):
                line = file.readline(_LONGEST)
                name, equals, value = line.decode("latin-1").partition("=")
                if not equals:
                    raise FormatError(
                        f"{path} is not a sound MetaImage file: its header names no ElementDataFile",
                        hint="Copy it again from its source.",
                    )
                key = name.strip().lower()
                self.fields[_SAME.get(key, key)] = value.strip()
                if key == "elementdatafile":
                    break
            self.start = file.tell()
            if self.fields.get("elementdatafile", "").upper().startswith("LIST"):
                rest = file.read(_LONGEST * 100).decode("latin-1").splitlines()
                self.listed = [line.strip() for line in rest if line.strip()]

    def need(self, name: str) -> str:
        """Return a field that every file has."""
        if name not in self.fields:
            raise FormatError(f"{self.path} is not a sound MetaImage file: it has no {name}")
        return self.fields[name]

    def wrong(self, name: str) -> FormatError:
        """Return the error for a field that is not understood."""
        return FormatError(f"{self.path} has a {name} that is not understood: {self.fields[name][:80]!r}")

    def numbers(self, name: str, count: int) -> NDArray[np.float64] | None:
        """Return a field of at least so many numbers; None where there is no such field."""
        if name not in self.fields:
            return None
        try:
            found = np.array([float(word) for word in self.fields[name].split()])
        except ValueError as cause:
            raise self.wrong(name) from cause
        if found.size < count:
            raise self.wrong(name)
        return found[:count]

    def whole(self, name: str, default: int) -> int:
        """Return a field of one whole number."""
        try:
            return int(self.fields.get(name, default))
        except ValueError as cause:
            raise self.wrong(name) from cause

    def true(self, name: str, *, default: bool) -> bool:
        """Return a field that is true or false."""
        text = self.fields.get(name, "True" if default else "False").lower()
        return text[:1] in ("t", "1", "y")


def read_metaimage(path: str) -> Image:
    """Return the image of a MetaImage file.

    Raises
    ------
    FormatError
        When the file is damaged, of an unsupported kind, or its voxels are missing or outside its folder.
    GeometryError
        When its place is not finite or singular.
    """
    header = MetaHeader(path)
    if header.fields.get("objecttype", "Image").lower() != "image":
        raise FormatError(f"{path} holds no image but a MetaIO {header.fields['objecttype'][:40]}")
    dims = header.whole("ndims", 0)
    header.need("ndims")
    sizes = header.numbers("dimsize", dims)
    if sizes is None or not 2 <= dims <= 8 or not (sizes == np.rint(sizes)).all() or sizes.min() < 1:
        header.need("dimsize")
        raise header.wrong("dimsize")
    shape = [int(one) for one in sizes]
    data = _data(header, shape)
    data.check()
    roles, space = _roles(header, shape, data)
    notes = []
    slope = header.numbers("elementtointensityfunctionslope", 1)
    if slope is not None and slope[0] != 1:
        notes.append("its intensity function is not applied")
    unit = header.fields.get("distanceunits", "mm").lower()
    if unit not in _UNITS:
        raise header.wrong("distanceunits")
    steps = _steps(header, dims)[:space, :space] * _UNITS[unit]
    offset = header.numbers("offset", dims)
    origin = np.zeros(space) if offset is None else offset[:space] * _UNITS[unit]
    place = grid(path, steps, origin, shape[:space], unit="mm")
    return image_of(path, data, roles[::-1], place, notes=notes)


def _steps(header: MetaHeader, dims: int) -> NDArray[np.float64]:
    spacing = header.numbers("elementspacing", dims)
    if spacing is None:
        spacing = header.numbers("elementsize", dims)
    spacing = np.ones(dims) if spacing is None else spacing
    matrix = header.numbers("transformmatrix", dims * dims)
    directions = np.eye(dims) if matrix is None else matrix.reshape(dims, dims)
    steps: NDArray[np.float64] = directions * spacing[:, None]
    return steps


def _data(header: MetaHeader, shape: Sequence[int]) -> RawData:
    kind = header.need("elementtype").upper().removeprefix("MET_").removesuffix("_ARRAY")
    if kind not in _TYPES:
        raise FormatError(f"{header.path} holds {kind[:40]} numbers, which are not shown")
    channels = header.whole("elementnumberofchannels", 1)
    if channels < 1:
        raise header.wrong("elementnumberofchannels")
    big = header.true("binarydatabyteordermsb", default=False)
    packed = header.true("compresseddata", default=False)
    files, local = _files(header, shape)
    skip = header.whole("headersize", 0)
    if skip < -1 or (skip < 0 and packed):
        raise header.wrong("headersize")
    text = not header.true("binarydata", default=True)
    whole = (*reversed(shape), *((channels,) if channels > 1 else ()))
    length = header.whole("compresseddatasize", -1)
    return RawData(
        header.path,
        files,
        np.dtype((">" if big else "<") + _TYPES[kind]),
        whole,
        "text" if text else "zlib" if packed else "raw",
        header.start if local else -1 if skip < 0 else skip,
        length=length if packed and length >= 0 and len(files) == 1 else None,
    )


def _files(header: MetaHeader, shape: Sequence[int]) -> tuple[tuple[str, ...], bool]:
    """Return the files of the voxels, and whether it is this one."""
    named = header.need("elementdatafile")
    if named.upper() == "LOCAL":
        return (header.path,), True
    if named.upper().startswith("LIST"):
        if not header.listed:
            raise header.wrong("elementdatafile")
        return tuple(beside(header.path, name) for name in header.listed), False
    words = named.split()
    if len(words) == 4 and re.fullmatch(r"[^%]*%0?\d*[di][^%]*", words[0]):
        try:
            first, last, step = (int(word) for word in words[1:])
            if step < 1 or (last - first) // step >= 1_000_000:
                raise ValueError
        except ValueError as cause:
            raise header.wrong("elementdatafile") from cause
        numbers = range(first, last + 1, step)
        return tuple(beside(header.path, words[0] % number) for number in numbers), False
    return (beside(header.path, named),), False


def _roles(
    header: MetaHeader, shape: Sequence[int], data: RawData
) -> tuple[list[Literal["i", "j", "k", "t", "c"]], int]:
    """Return what each axis is, in the order of the file, and how many are in space."""
    roles: list[Literal["i", "j", "k", "t", "c"]] = ["i", "j"]
    if len(shape) > 2:
        roles.append("k")
    space = len(roles)
    roles += ["t"] * (len(shape) - space)
    if len(data.shape) > len(shape):
        color = data.shape[-1] in (3, 4) and data.dtype.name in ("uint8", "uint16")
        roles.insert(0, "c" if color else "t")
    if roles.count("t") > 1:
        raise FormatError(
            f"{header.path} has {roles.count('t')} axes besides those in space; one is read",
            hint="Split it, for example with SimpleITK.",
        )
    return roles, space

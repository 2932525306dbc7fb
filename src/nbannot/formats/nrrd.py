"""NRRD files, attached (.nrrd) and detached (.nhdr): read lazily.

The format is defined at https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError
from nbannot.formats.nifti import flipped
from nbannot.formats.placed import grid, header_lines, image_of
from nbannot.formats.rawdata import Packing, RawData, beside
from nbannot.model.geometry import Grid
from nbannot.model.image import Image

Role = Literal["i", "j", "k", "t", "c"]

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}  # fmt: skip
_CODES = {name: code for code, names in _TYPES.items() for name in names}
_PACKINGS: dict[str, Packing] = {
    "raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2", "ascii": "text",
    "text": "text", "txt": "text", "hex": "hex",
}  # fmt: skip
_SAME = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip", "centers": "centerings"}
_SPACES = {
    "ras": "right-anterior-superior",
    "las": "left-anterior-superior",
    "lps": "left-posterior-superior",
}
_DIMENSIONS = {
    "scanner-xyz": 3,
    "3d-right-handed": 3,
    "3d-left-handed": 3,
    **dict.fromkeys(_SPACES.values(), 3),
}
_UNITS = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3}
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "msec": 1e-3}


@dataclass(frozen=True, slots=True)
class NrrdHeader:
    """The fields of a file (by name, lower case), its key/value pairs, and where the voxels begin."""

    path: str
    fields: dict[str, str]
    keys: dict[str, str]
    files: tuple[str, ...]
    start: int | None

    def need(self, name: str) -> str:
        """Return a field that every file has."""
        if name not in self.fields:
            raise FormatError(f"{self.path} is not a sound NRRD file: it has no {name!r}")
        return self.fields[name]

    def wrong(self, name: str) -> FormatError:
        """Return the error for a field that is not understood."""
        return FormatError(f"{self.path} has a {name!r} that is not understood: {self.fields[name][:80]!r}")

    def numbers(self, name: str, count: int) -> NDArray[np.float64] | None:
        """Return a field of so many numbers; None where there is no such field."""
        if name not in self.fields:
            return None
        try:
            found = np.array([float(word) for word in self.fields[name].split()])
        except ValueError as cause:
            raise self.wrong(name) from cause
        if found.shape != (count,):
            raise self.wrong(name)
        return found

    def whole(self, name: str, default: int) -> int:
        """Return a field of one whole number."""
        try:
            return int(self.fields.get(name, default))
        except ValueError as cause:
            raise self.wrong(name) from cause

    def vectors(self, name: str) -> list[NDArray[np.float64] | None]:
        """Return a field of vectors; None for "none"."""
        found: list[NDArray[np.float64] | None] = []
        rest = re.sub(r"\(([^()]*)\)|none", "", self.fields.get(name, ""), flags=re.IGNORECASE)
        if rest.strip():
            raise self.wrong(name)
        for match in re.finditer(r"\(([^()]*)\)|none", self.fields.get(name, ""), re.IGNORECASE):
            try:
                text = match.group(1)
                found.append(None if text is None else np.array([float(one) for one in text.split(",")]))
            except ValueError as cause:
                raise self.wrong(name) from cause
        return found

    def words(self, name: str, count: int) -> list[str]:
        """Return a field of so many words or quoted texts; empty where there is no such field."""
        found = re.findall(r'"(?:[^"\\]|\\.)*"|\S+', self.fields.get(name, ""))
        return [word.strip('"') for word in found] if len(found) == count else []


def is_nrrd(start: bytes) -> bool:
    """Whether a file that begins with `start` is NRRD."""
    return re.match(rb"NRRD000[1-9]", start) is not None


def read_nrrd_header(path: str) -> NrrdHeader:
    """Return the header of a file.

    Raises
    ------
    FormatError
        When it is damaged, or names voxels that are not there or outside its folder.
    """
    lines, start = header_lines(path)
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    files: tuple[str, ...] = ()
    for n, line in enumerate(lines[1:], start=1):
        if line.startswith("#"):
            continue
        key = re.match(r"([^:]*?):=(.*)", line, re.DOTALL)
        field = re.match(r"([^:]*?):\s*(.*)", line, re.DOTALL)
        if key and (not field or len(key.group(1)) <= len(field.group(1))):
            keys[_plain(key.group(1))] = _plain(key.group(2))
        elif field:
            name = field.group(1).strip().lower()
            fields[_SAME.get(name, name)] = field.group(2).strip()
            if _SAME.get(name, name) == "data file":
                files = _files(path, field.group(2).strip(), lines[n + 1 :])
                if field.group(2).startswith("LIST"):
                    break
        else:
            raise FormatError(f"{path} is not a sound NRRD file: line {n + 1} of its header is no field")
    return NrrdHeader(path, fields, keys, files, start)


def _plain(text: str) -> str:
    return re.sub(r"\\([\\n])", lambda match: "\n" if match.group(1) == "n" else "\\", text)


def _files(path: str, named: str, following: Sequence[str]) -> tuple[str, ...]:
    if named.startswith("LIST"):
        names = [line.strip() for line in following if line.strip()]
        return tuple(beside(path, name) for name in names)
    words = named.split()
    numbered = re.fullmatch(r"[^%]*%0?\d*[di][^%]*", words[0]) if len(words) >= 4 else None
    if numbered is None:
        return (beside(path, named),)
    try:
        first, last, step = (int(word) for word in words[1:4])
        if step == 0 or abs((last - first) // step) >= 1_000_000:
            raise ValueError
    except ValueError as cause:
        raise FormatError(f"{path} has a 'data file' that is not understood: {named[:80]!r}") from cause
    count = range(first, last + (1 if step > 0 else -1), step)
    return tuple(beside(path, words[0] % number) for number in count)


def read_nrrd(path: str) -> tuple[Image, list[str]]:
    """Return the image of an NRRD file, and warnings about its geometry.

    Raises
    ------
    FormatError
        When the file is damaged, of an unsupported kind, or its voxels are missing or outside its folder.
    GeometryError
        When its place is not finite or singular.
    """
    header = read_nrrd_header(path)
    data = _data(header)
    roles = _roles(header, data)
    data.check()
    place, times, warnings = _place(header, roles)
    more: dict[str, Any] = {}
    if times is not None:
        more = {"frame_times": times, "frame_label": "time", "frame_values": times}
    return image_of(path, data, roles[::-1], place, **more), warnings


def _data(header: NrrdHeader) -> RawData:
    dimension = header.whole("dimension", 0)
    header.need("dimension")
    sizes = header.need("sizes").split()
    if not 1 <= dimension <= 16 or len(sizes) != dimension or not all(n.isdigit() and int(n) for n in sizes):
        raise header.wrong("sizes")
    kind = header.need("type").lower()
    if kind not in _CODES:
        raise FormatError(f"{header.path} holds {kind!r} numbers, which are not shown")
    encoding = header.need("encoding").lower()
    if encoding not in _PACKINGS:
        raise FormatError(
            f"{header.path} is packed as {encoding[:40]!r}, which is not known",
            hint=f"Known: {', '.join(sorted(_PACKINGS))}.",
        )
    code = _CODES[kind]
    endian = header.fields.get("endian", "").lower()
    if code[1] != "1" and _PACKINGS[encoding] != "text" and endian not in ("little", "big"):
        raise FormatError(f"{header.path} is not a sound NRRD file: it does not state its byte order")
    skip, lines = header.whole("byte skip", 0), header.whole("line skip", 0)
    packing = _PACKINGS[encoding]
    if skip < -1 or (skip == -1 and packing != "raw"):
        raise header.wrong("byte skip")
    if header.files:
        files, offset = header.files, 0
    elif header.start is None:
        raise FormatError(f"{header.path} ends within its header", hint="Copy it again from its source.")
    else:
        files, offset = (header.path,), header.start
    return RawData(
        header.path, files, np.dtype((">" if endian == "big" else "<") + code),
        tuple(int(n) for n in reversed(sizes)), packing, -1 if skip == -1 else offset, lines, max(skip, 0),
    )  # fmt: skip


def _roles(header: NrrdHeader, data: RawData) -> list[Role]:
    """Return what each axis is, in the order of the file; axes of one value are taken for frames."""
    sizes = data.shape[::-1]
    kinds = [kind.lower() for kind in header.words("kinds", len(sizes))]
    directions = header.vectors("space directions")
    if directions and len(directions) != len(sizes):
        raise header.wrong("space directions")
    space = _spatial(header, sizes, kinds, directions)
    others = [axis for axis in range(len(sizes)) if axis not in space]
    color = [
        axis
        for axis in others
        if (
            kinds
            and kinds[axis] in ("rgb-color", "rgba-color", "3-color", "4-color")
            and sizes[axis] in (3, 4)
        )
        or (
            axis == 0 and sizes[axis] == 3 and data.dtype == np.uint8 and kinds[axis : axis + 1] == ["vector"]
        )
    ][:1]
    frames = [axis for axis in others if axis not in color]
    roles: list[Role] = ["t"] * len(sizes)
    names: tuple[Role, ...] = ("i", "j", "k")
    for axis, role in zip(space, names, strict=False):
        roles[axis] = role
    for axis in color:
        roles[axis] = "c"
    if len(frames) > 1 or len(space) not in (2, 3):
        raise FormatError(
            f"{header.path} has {len(space)} axes in space and {len(frames)} others; 2 or 3 and one more are read",
            hint="Split it, for example with pynrrd.",
        )
    return roles


def _spatial(
    header: NrrdHeader, sizes: Sequence[int], kinds: Sequence[str], directions: Sequence[Any]
) -> list[int]:
    if directions:
        named = [axis for axis, one in enumerate(directions) if one is not None and not np.isnan(one).all()]
        timed = [axis for axis in named if kinds and kinds[axis] == "time"] or [
            axis for axis in named if len(directions[axis]) == 4 and not np.any(directions[axis][:3])
        ]
        return [axis for axis in named if axis not in timed]
    if kinds and any(kind in ("domain", "space") for kind in kinds):
        return [axis for axis, kind in enumerate(kinds) if kind in ("domain", "space")]
    return list(range(min(len(sizes), 3)))


def _place(header: NrrdHeader, roles: Sequence[Role]) -> tuple[Grid, tuple[float, ...] | None, list[str]]:
    """Return the place, the times of frames, and warnings."""
    sizes = [int(one) for one in header.fields["sizes"].split()]
    axes = [axis for axis, role in enumerate(roles) if role in "ijk"]
    shape = [sizes[axis] for axis in axes]
    directions = header.vectors("space directions")
    name = header.fields.get("space", "").lower()
    timed = name.endswith("-time") or name in ("rast", "last", "lpst")
    name = name.removesuffix("-time")
    name = _SPACES.get(name.removesuffix("t") if len(name) == 4 else name, name)
    dimension = _DIMENSIONS.get(name, header.whole("space dimension", 3 if not directions else 0)) + timed
    scale = _units(header, dimension)
    times = _times(header, roles, sizes, directions if timed else ())
    unit: Literal["mm", "px"] = "mm"
    if not directions:
        spacing = header.numbers("spacings", len(sizes))
        steps = np.ones(len(axes)) if spacing is None else spacing[axes]
        least = header.numbers("axis mins", len(sizes))
        origin = np.zeros(len(axes)) if least is None else np.nan_to_num(least[axes], nan=0.0)
        if spacing is None:
            unit = "px"
        warnings = [f"{header.path} does not say where it lies in the patient: its axes are taken as "
                    "right-left, front-back and foot-head"] if len(axes) == 3 else []  # fmt: skip
        return grid(header.path, np.diag(steps), origin, shape, unit=unit), times, warnings
    rows = np.array([directions[axis] for axis in axes if directions[axis] is not None], dtype=object)
    if any(len(row) != len(rows[0]) for row in rows) or len(rows[0]) not in (2, 3, 4):
        raise header.wrong("space directions")
    steps = np.array(rows.tolist(), dtype=np.float64)
    start = header.vectors("space origin")
    warnings = []
    if len(start) == 1 and start[0] is not None and len(start[0]) == steps.shape[1]:
        corner = start[0]
    elif start:
        raise header.wrong("space origin")
    else:
        corner = np.zeros(steps.shape[1])
        warnings.append(f"{header.path} does not state its origin: 0, 0, 0 is taken")
    if steps.shape[1] == 4:
        steps, corner = steps[:, :3], corner[:3]
    steps, corner = steps * scale, corner * scale
    if steps.shape[1] == 3:
        steps, corner = _lps(name, steps, corner)
        if name not in _SPACES.values():
            warnings.append(
                f"{header.path} does not name its patient space: left-posterior-superior is taken"
            )
    return grid(header.path, steps, corner, shape, unit=unit), times, warnings


def _lps(
    name: str, steps: NDArray[np.float64], origin: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    signs = np.ones(3)
    if name.endswith("anterior-superior"):
        signs = np.diag(flipped(np.eye(4)))[:3].copy()
    if name == "left-anterior-superior":
        signs[0] = 1.0
    return steps * signs, origin * signs


def _units(header: NrrdHeader, dimension: int) -> float:
    units = header.words("space units", dimension)
    known = {_UNITS.get(unit.lower(), 1.0) for unit in units[:3]}
    return known.pop() if len(known) == 1 else 1.0


def _times(
    header: NrrdHeader, roles: Sequence[Role], sizes: Sequence[int], directions: Sequence[Any]
) -> tuple[float, ...] | None:
    """Return the times of the frames where the file names a step and its unit."""
    axis = roles.index("t") if "t" in roles else -1
    kinds = header.words("kinds", len(sizes))
    if axis < 0 or sizes[axis] < 2 or not (directions or (kinds and kinds[axis].lower() == "time")):
        return None
    if directions:
        if directions[axis] is None or len(directions[axis]) != 4:
            return None
        step, units = float(directions[axis][3]), header.words("space units", 4)
        unit = _SECONDS.get(units[3].lower()) if units else None
    else:
        spacing, units = header.numbers("spacings", len(sizes)), header.words("units", len(sizes))
        step = float("nan") if spacing is None else float(spacing[axis])
        unit = _SECONDS.get(units[axis].lower()) if units else None
    if unit is None or not (np.isfinite(step) and step > 0):
        return None
    return tuple(n * step * unit for n in range(sizes[axis]))


def is_segmentation(path: str) -> bool:
    """Whether an NRRD file names segments, as 3D Slicer writes them."""
    with Path(path).open("rb") as file:
        if not is_nrrd(file.read(8)):
            return False
    return any(re.match(r"Segment\d+_", key) for key in read_nrrd_header(path).keys)

"""NIfTI files: read lazily, written and read back."""

from __future__ import annotations

import gzip
import math
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.identity import content_id
from nbannot.formats.quiet import quiet
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, SliceSource

Pixels = NDArray[Any]

_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_KEPT = ("uint8", "int8", "uint16", "int16", "int32", "float32")
# Corner distance above which qform and sform are said to disagree, share of a voxel.
_DISAGREEMENT = 0.1
# Bytes of voxels above which nothing looks at or keeps all of them.
_LARGE = 1 << 30
# Deflate never packs more than this many bytes into one.
_MOST_DEFLATED = 1040
_LENGTH = {1: 1000.0, 2: 1.0, 3: 0.001}
_TIME = {8: 1.0, 16: 1e-3, 24: 1e-6}


def flipped(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn an affine between RAS (NIfTI) and LPS (DICOM, ours): x and y change sign.

    This is the only place where the two conventions meet.
    """
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def is_nifti(path: str, start: bytes) -> bool:
    """Whether a file that begins with `start` is NIfTI-1 or NIfTI-2, compressed or not."""
    if start[:2] == b"\x1f\x8b":
        try:
            start = zlib.decompressobj(31).decompress(start, 600)
            if len(start) < 352:
                with gzip.open(path, "rb") as file:
                    start = file.read(600)
        except (OSError, EOFError, zlib.error):
            return path.lower().endswith(".nii.gz")
    if len(start) < 8:
        return False
    sizes = struct.unpack("<i", start[:4])[0], struct.unpack(">i", start[:4])[0]
    if 540 in sizes:
        return start[4:7] in (b"n+2", b"ni2")
    return 348 in sizes and (start[344:347] in (b"n+1", b"ni1") or len(start) < 348)


def read_nifti(path: str) -> tuple[Image, list[str]]:
    """Return the image of a NIfTI file, and warnings about its geometry.

    Raises
    ------
    FormatError
        When the file is damaged or of an unsupported data type.
    GeometryError
        When its affine is not finite or singular.
    """
    import nibabel

    if not path.lower().endswith(_SUFFIXES):
        raise FormatError(
            f"{path} holds NIfTI data under another name",
            hint="Rename it to end with .nii or .nii.gz.",
        )
    try:
        with quiet():
            volume: Any = nibabel.load(path)
            header, affine = volume.header, volume.affine
            shape = tuple(int(n) for n in volume.shape)
    except Exception as cause:  # nibabel raises many kinds for damaged headers
        raise FormatError(
            f"{path} is not a sound NIfTI file", hint="Copy it again from its source."
        ) from cause
    _check_length(path, volume)
    pixels = _NiftiPixels(path, volume, _plain_shape(path, shape))
    geometry, warnings = _geometry(path, header, affine, pixels.grid)
    frames = pixels.frames
    times = _times(header, frames)
    image = Image(
        pixels,
        geometry,
        name=_stem(path),
        id=content_id(path),
        photometric="RGB" if pixels.color else "MONOCHROME2",
        sources=[SliceSource(None, None, path)] * (pixels.grid[0] * frames),
        frame_times=times,
        frame_label="time" if times else "",
        frame_values=times,
        uri=path,
        rescale=pixels.rescale,
        notes=pixels.notes,
    )
    return image, warnings


def _stem(path: str) -> str:
    name = Path(path).name
    for suffix in (".gz", ".nii", ".hdr", ".img"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name or Path(path).name


def _plain_shape(path: str, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return (x, y, z, t); further axes must be 1, save that a vector axis may stand for t."""
    full = (*shape, 1, 1, 1)[: max(len(shape), 4)]
    extra = [n for n in full[3:] if n != 1]
    if len(extra) > 1 or min(full) < 1:
        raise FormatError(
            f"{path} has {len(shape)} axes of sizes {shape}; up to 4 are read",
            hint="Split it, for example with nibabel.",
        )
    return full[0], full[1], full[2], extra[0] if extra else 1


def _check_length(path: str, volume: Any) -> None:
    """Find cut-off files without reading their voxels."""
    proxy = volume.dataobj
    needed = int(proxy.offset) + math.prod(volume.shape) * proxy.dtype.itemsize
    data = volume.file_map["image"].filename or path
    try:
        size = Path(data).stat().st_size
    except OSError as cause:
        raise FormatError(f"{data}, which holds the voxels of {path}, is missing") from cause
    if not data.lower().endswith(".gz"):
        if size < needed:
            raise FormatError(f"{data} is cut off: {size} bytes instead of {needed}", hint="Copy it again.")
        return
    if size * _MOST_DEFLATED < needed:
        raise FormatError(f"{data} is cut off: {size} bytes cannot hold {needed}", hint="Copy it again.")
    with Path(data).open("rb") as file:
        file.seek(-4, os.SEEK_END)
        stated = struct.unpack("<I", file.read(4))[0]
    if stated == needed % 2**32:
        return
    # several gzip members, or a cut-off file: only reading it tells
    try:
        count = 0
        with gzip.open(data, "rb") as stream:
            while block := stream.read(1 << 20):
                count += len(block)
    except (OSError, EOFError, zlib.error) as cause:
        raise FormatError(f"{data} is cut off or damaged", hint="Copy it again.") from cause
    if count < needed:
        raise FormatError(f"{data} is cut off: {count} bytes instead of {needed}", hint="Copy it again.")


def _geometry(
    path: str, header: Any, affine: NDArray[np.float64], grid: Sequence[int]
) -> tuple[Geometry, list[str]]:
    scale = _LENGTH.get(int(header["xyzt_units"]) & 7, 1.0)
    world = flipped(np.array(affine, dtype=np.float64))
    world[:3] *= scale
    try:
        geometry = Geometry(world[:, (2, 1, 0, 3)], grid)
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", hint=error.hint) from error
    warnings = []
    with quiet():
        sform, qform = header.get_sform(coded=True), header.get_qform(coded=True)
    if not sform[1] and not qform[1]:
        warnings.append(
            f"{path} does not say where it lies in the patient (sform and qform are 0): "
            "its axes are taken as left-right, front-back and foot-head"
        )
    elif sform[1] and qform[1]:
        corners = np.array([[i, j, k, 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        corners[:, :3] *= [n - 1 for n in reversed(grid)]
        apart = np.linalg.norm((corners @ (sform[0] - qform[0]).T)[:, :3], axis=1).max() * scale
        if not apart <= _DISAGREEMENT * min(geometry.spacing):
            warnings.append(
                f"{path} states two places: sform and qform differ by up to {apart:.3g} mm; "
                "the sform is used, other programs may use the qform"
            )
    return geometry, warnings


def _times(header: Any, frames: int) -> tuple[float, ...] | None:
    unit = _TIME.get(int(header["xyzt_units"]) & 56)
    step = float(header["pixdim"][4])
    if frames == 1 or unit is None or not (np.isfinite(step) and step > 0):
        return None
    return tuple(n * step * unit for n in range(frames))


class _NiftiPixels:
    """Voxels as (t,) k, j, i.

    Uncompressed files are mapped, so that a slice is read alone. Compressed ones are unpacked once at
    the first slice: in memory, those above 1 GiB into a temporary file that is mapped.
    """

    def __init__(self, path: str, volume: Any, shape: tuple[int, int, int, int]) -> None:
        self._path = path
        self._proxy = volume.dataobj
        self._size = shape
        self._lock = Lock()
        self._stored: Pixels | None = None
        self.notes: list[str] = []
        self._bytes = int(np.prod(shape, dtype=np.int64)) * self._proxy.dtype.itemsize
        x, y, z, self.frames = shape
        self.grid = (z, y, x)
        stored: np.dtype[Any] = self._proxy.dtype
        self.color = stored.names is not None
        slope, intercept = float(self._proxy.slope), float(self._proxy.inter)
        self.rescale = (1.0, 0.0) if self.color else (slope, intercept)
        if not (np.isfinite(slope) and np.isfinite(intercept)):
            raise FormatError(f"{path} has a damaged scaling: {slope}, {intercept}")
        self._dtype = np.dtype(np.uint8) if self.color else self._choose(stored)
        base = self.grid if self.frames == 1 else (self.frames, *self.grid)
        self._shape: tuple[int, ...] = (*base, 3) if self.color else base

    def _choose(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        slope, intercept = self.rescale
        if stored.kind not in "iuf":
            raise FormatError(
                f"{self._path} holds {stored} numbers, which are not shown",
                hint="Convert it to real numbers first.",
            )
        if stored.kind == "f" or slope != int(slope) or intercept != int(intercept):
            if stored.itemsize > 4:
                self.notes.append("64-bit numbers shown as 32-bit ones")
            return np.dtype(np.float32)
        if (slope, intercept) == (1.0, 0.0) and stored.name in _KEPT:
            return np.dtype(stored.name)
        limits = np.iinfo(stored)
        ends = [slope * float(limits.min) + intercept, slope * float(limits.max) + intercept]
        if stored.itemsize > 2 and self._bytes > _LARGE:
            self.notes.append(f"{stored.name} shown as 32-bit floating point: the file is too large to look")
            return np.dtype(np.float32)
        if stored.itemsize > 2:  # the range says little: look at the numbers
            raw = self._raw()
            ends = [slope * float(raw.min()) + intercept, slope * float(raw.max()) + intercept]
        for name in _KEPT[:-1]:
            span = np.iinfo(name)
            if span.min <= min(ends) and max(ends) <= span.max:
                return np.dtype(name)
        self.notes.append("large numbers shown as 32-bit floating point")
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    def _raw(self) -> Pixels:
        with self._lock:
            if self._stored is None:
                try:
                    with quiet():
                        stored = self._read()
                except FormatError:
                    raise
                except Exception as cause:  # gzip, OS and nibabel errors of damaged files
                    raise FormatError(
                        f"{self._path} is damaged: its voxels cannot be read",
                        hint="Copy it again from its source.",
                    ) from cause
                self._stored = stored.reshape(self._size, order="F").T
            return self._stored

    def _read(self) -> Pixels:
        """Map the voxels, or read compressed ones; large compressed ones go to a temporary file."""
        data = str(getattr(self._proxy.file_like, "name", self._proxy.file_like))
        if not data.lower().endswith(".gz") or self._bytes <= _LARGE:
            return np.asanyarray(self._proxy.get_unscaled())
        folder = tempfile.gettempdir()
        if shutil.disk_usage(folder).free < self._bytes:
            raise FormatError(
                f"{self._path} needs {self._bytes / 1e9:.1f} GB in {folder} to be unpacked",
                hint="Unpack it with gunzip, or set TMPDIR to a folder with more room.",
            )
        with gzip.open(data, "rb") as packed, tempfile.TemporaryFile() as plain:
            packed.seek(int(self._proxy.offset))
            shutil.copyfileobj(packed, plain, 1 << 22)
            if plain.tell() < self._bytes:
                raise EOFError
            plain.flush()
            size, dtype = self._bytes // self._proxy.dtype.itemsize, self._proxy.dtype
            return np.memmap(plain, dtype, mode="r", shape=(size,))

    def plane(self, k: int, t: int = 0) -> Pixels:
        return self._values(self._raw()[t, k])

    def load(self) -> Pixels:
        raw = self._raw()
        values = self._values(raw if self.frames > 1 else raw[0])
        with self._lock:
            self._stored = None
        return values

    def _values(self, stored: Pixels) -> Pixels:
        if self.color:
            return np.stack([stored[name] for name in ("R", "G", "B")], axis=-1)
        slope, intercept = self.rescale
        if (slope, intercept) == (1.0, 0.0):
            return np.array(stored, dtype=self._dtype, order="C")
        if self._dtype.kind != "f":
            wide = stored.astype(np.int64) * int(slope) + int(intercept)
            return np.ascontiguousarray(wide.astype(self._dtype))
        scaled = stored.astype(np.float64) * slope + intercept
        return np.ascontiguousarray(scaled.astype(np.float32))


def write_nifti(
    path: str, array: Pixels, geometry: Geometry, frame_times: Sequence[float] | None = None
) -> None:
    """Write voxels (k, j, i), (t, k, j, i) or with colour last, and read them back.

    Raises
    ------
    FormatError
        When what was written does not read back equal; no file is left behind.
    """
    import nibabel

    color = array.ndim > 3 and array.shape[-1] == 3 and array.dtype == np.uint8
    color = color and array.shape[-4:-1] == geometry.shape
    data = array
    if color:
        kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
        data = np.ascontiguousarray(array).view(kind)[..., 0]
    affine = flipped(np.asarray(geometry.affine)[:, (2, 1, 0, 3)])
    nifti: Any = nibabel.Nifti1Image
    volume = nifti(data.T, affine, dtype=data.dtype)
    volume.header.set_xyzt_units("mm", "sec")
    volume.set_sform(affine, code=1)
    volume.set_qform(affine if geometry.is_orthogonal else None, code=int(geometry.is_orthogonal))
    if frame_times is not None and len(frame_times) > 1 and data.ndim == 4:
        volume.header["pixdim"][4] = frame_times[1] - frame_times[0]
    suffix = ".nii.gz" if path.lower().endswith(".gz") else ".nii"
    partial = f"{path}.part{suffix}"
    try:
        with quiet():
            nibabel.save(volume, partial)
        _verify(partial, array, geometry)
        Path(partial).replace(path)
    finally:
        Path(partial).unlink(missing_ok=True)


def _verify(path: str, array: Pixels, geometry: Geometry) -> None:
    back, _ = read_nifti(path)
    corners = np.array([[0, 0, 0], [n - 1 for n in geometry.shape]], dtype=np.float64)
    same_place = np.allclose(
        back.geometry.to_world(corners), geometry.to_world(corners), atol=1e-3, rtol=1e-6
    )
    if not same_place or not np.array_equal(
        np.squeeze(back.array), np.squeeze(array), equal_nan=array.dtype.kind == "f"
    ):
        raise FormatError(f"{path} did not read back as it was written", hint="Is the disk full?")

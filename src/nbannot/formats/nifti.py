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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.fresh import check_same, fresh
from nbannot.formats.identity import content_id
from nbannot.formats.places import by_range
from nbannot.formats.quiet import quiet
from nbannot.formats.stored import LARGE, PlanesByRange, StoredPixels
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, SliceSource

Pixels = NDArray[Any]

_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
# Corner distance above which qform and sform are said to disagree, share of a voxel.
_DISAGREEMENT = 0.1
# Deflate never packs more than this many bytes into one.
_MOST_DEFLATED = 1040
# Codes of header extensions with the XML of Connectome Workbench; TotalSegmentator writes it as 0.
_CARET = (0, 30)
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
    pixels = _pixels(path, volume, _plain_shape(path, shape))
    geometry, warnings = nifti_place(path, header, affine, pixels.grid)
    frames = pixels.frames
    times = nifti_times(header, frames)
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


def nifti_texts(path: str) -> list[str]:
    """Return the header extensions of a NIfTI file that may hold a label table; none for other files."""
    import nibabel

    if not path.lower().endswith(_SUFFIXES):
        return []
    try:
        with quiet():
            volume: Any = nibabel.load(path)
            found = [one.get_content() for one in volume.header.extensions if one.get_code() in _CARET]
    except Exception:  # a file of another format under this name
        return []
    return [one.decode("utf-8", "replace") for one in found if isinstance(one, bytes)]


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
    apart = by_range(str(data))
    try:
        size = apart.size if apart else Path(data).stat().st_size
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


def nifti_place(
    path: str, header: Any, affine: NDArray[np.float64], grid: Sequence[int]
) -> tuple[Geometry, list[str]]:
    """Return the grid (k, j, i) that a header and an affine (i, j, k, to RAS) tell, and warnings."""
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


def nifti_times(header: Any, frames: int) -> tuple[float, ...] | None:
    """Return the times of the frames in s, where the header tells their distance and its unit."""
    unit = _TIME.get(int(header["xyzt_units"]) & 56)
    step = float(header["pixdim"][4])
    if frames == 1 or unit is None or not (np.isfinite(step) and step > 0):
        return None
    return tuple(n * step * unit for n in range(frames))


def _pixels(path: str, volume: Any, size: tuple[int, int, int, int]) -> StoredPixels:
    """Return the voxels of a file whose axes are (x, y, z, t).

    Uncompressed files are mapped, so that a slice is read alone, or lie at a URL and are read there.
    Compressed ones are unpacked once at the first slice: in memory, those above 1 GiB into a temporary
    file that is mapped.
    """
    proxy = volume.dataobj
    color = proxy.dtype.names is not None
    if color and not {"R", "G", "B"} <= set(proxy.dtype.names):
        raise FormatError(f"{path} holds {proxy.dtype} numbers, which are not shown")

    def fetch() -> Any:
        apart = by_range(path)
        if apart is not None:
            return PlanesByRange(apart.part, int(proxy.offset), proxy.dtype, size[::-1], color=color)
        stored = _stored(path, proxy, int(np.prod(size, dtype=object)) * proxy.dtype.itemsize)
        stored = stored.reshape(size, order="F").T
        return stored.view(np.uint8).reshape(*size[::-1], -1)[..., :3] if color else stored

    scale = (1.0, 0.0) if color else (float(proxy.slope), float(proxy.inter))
    dtype = np.dtype(np.uint8) if color else proxy.dtype
    x, y, z, t = size
    return StoredPixels(path, fetch, (t, z, y, x), dtype, rescale=scale, color=color)


def _stored(path: str, proxy: Any, size: int) -> Pixels:
    """Map the voxels, or read compressed ones; large compressed ones go to a temporary file."""
    data = str(getattr(proxy.file_like, "name", proxy.file_like))
    if not data.lower().endswith(".gz") or size <= LARGE:
        return np.asanyarray(proxy.get_unscaled())
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < size:
        raise FormatError(
            f"{path} needs {size / 1e9:.1f} GB in {folder} to be unpacked",
            hint="Unpack it with gunzip, or set TMPDIR to a folder with more room.",
        )
    with gzip.open(data, "rb") as packed, tempfile.TemporaryFile() as plain:
        packed.seek(int(proxy.offset))
        shutil.copyfileobj(packed, plain, 1 << 22)
        if plain.tell() < size:
            raise EOFError
        plain.flush()
        return np.memmap(plain, proxy.dtype, mode="r", shape=(size // proxy.dtype.itemsize,))


def nifti_of(array: Pixels, geometry: Geometry, frame_times: Sequence[float] | None = None) -> Any:
    """Return voxels (k, j, i), (t, k, j, i) or with colour last as a nibabel image."""
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
    # The header holds 32-bit numbers; the image itself keeps the exact affine.
    orthogonal = geometry.is_orthogonal
    volume.set_sform(affine, code=1, update_affine=False)
    volume.set_qform(affine if orthogonal else None, code=int(orthogonal), update_affine=False)
    if frame_times is not None and len(frame_times) > 1 and data.ndim == 4:
        volume.header["pixdim"][4] = frame_times[1] - frame_times[0]
    return volume


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

    volume = nifti_of(array, geometry, frame_times)
    with fresh(path) as made:
        with quiet():
            nibabel.save(volume, made)
        check_same(path, read_nifti(str(made))[0], array, geometry)

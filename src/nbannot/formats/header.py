"""What a file says about an image: its header as rows of text, and a summary without names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from nbannot.errors import FormatError, UnknownItemError
from nbannot.formats.dicom.listing import dicom_rows
from nbannot.formats.metaimage import MetaHeader, is_metaimage
from nbannot.formats.nifti import is_nifti
from nbannot.formats.nrrd import is_nrrd, read_nrrd_header
from nbannot.formats.places import source_paths
from nbannot.formats.quiet import quiet
from nbannot.formats.raster import is_raster
from nbannot.formats.rows import Row, elided, shortened
from nbannot.formats.tiff import is_tiff
from nbannot.model.geometry import Geometry, direction_letter
from nbannot.model.image import Image

_MOST = 20_000


def header(image: Image, k: int = 0, *, t: int = 0) -> list[Row]:
    """Return the header of the file that a slice was read from.

    It may hold the patient's name. Pixels are left out; long and binary values are given by their size.

    Parameters
    ----------
    image
        An image read from a file.
    k, t
        Slice and frame.

    Returns
    -------
    list[Row]
        (depth, tag, name, vr, value): elements in the order of the file, sequences followed by their
        items. ``pandas.DataFrame(header(image))`` makes a table of them.

    Raises
    ------
    UnknownItemError
        When the image has no such slice.
    FormatError
        When the image was made in memory, or its file cannot be read.
    """
    if not (0 <= k < image.shape[0] and 0 <= t < image.frames):
        raise UnknownItemError(f"Slice k={k}, frame t={t} does not exist")
    n = t * image.shape[0] + k
    source = image.sources[n] if n < len(image.sources) else None
    path = source_paths(image)[n] if source is not None else None
    if source is None or path is None:
        raise FormatError("The image was made in memory and has no header", hint="Read it from a file.")
    try:
        with Path(path).open("rb") as file:
            start = file.read(512)
    except OSError as cause:
        raise FormatError(f"{path} cannot be read: {cause.strerror}") from cause
    if is_raster(start) or is_tiff(start):
        found = _raster(path)
    elif is_nrrd(start) or is_metaimage(start):
        found = _text(path, start)
    elif is_nifti(path, start):
        found = _nifti(path)
    else:
        found = dicom_rows(path, source.frame)
    rows = list(islice(found, _MOST + 1))
    return rows if len(rows) <= _MOST else [*rows[:_MOST], Row(0, "", "…", "", "more elements are left out")]


def _text(path: str, start: bytes) -> Iterator[Row]:
    if is_metaimage(start):
        fields, keys = MetaHeader(path).fields, {}
    else:
        stored = read_nrrd_header(path)
        fields, keys = stored.fields, stored.keys
    for kind, found in (("", fields), ("key", keys)):
        for name, value in found.items():
            yield Row(0, "", name, kind, shortened(value))


def _nifti(path: str) -> Iterator[Row]:
    import nibabel

    volume: Any
    with quiet():
        try:
            volume = nibabel.load(path)
        except Exception as cause:  # nibabel raises many kinds for damaged headers
            raise FormatError(f"{path} has a header that cannot be read") from cause
    for name in volume.header.keys():  # noqa: SIM118 - a header is no mapping
        field = volume.header[name]
        if field.dtype.kind == "S":
            value = bytes(field.item()).rstrip(b"\0").decode("latin-1")
        else:
            value = ", ".join(f"{number:.7g}" for number in field.ravel().tolist())
        yield Row(0, "", str(name), field.dtype.name, shortened(value))
    for extension in volume.header.extensions:
        size = len(extension.get_content()) if isinstance(extension.get_content(), bytes) else 0
        yield Row(0, "", f"extension {extension.get_code()}", "", elided(size) if size else "present")


def _raster(path: str) -> Iterator[Row]:
    from PIL import ExifTags
    from PIL import Image as Pictures

    with quiet():
        try:
            with Pictures.open(path) as picture:
                facts: dict[str, Any] = {
                    "format": picture.format or "",
                    "size": f"{picture.width} × {picture.height}",
                    "mode": picture.mode,
                    **{str(key): value for key, value in picture.info.items() if key != "exif"},
                }
                tags = {ExifTags.TAGS.get(key, f"{key}"): value for key, value in picture.getexif().items()}
        except Exception as cause:  # PIL raises many kinds for damaged files
            raise FormatError(f"{path} is damaged and cannot be decoded") from cause
    for kind, found in (("", facts), ("EXIF", tags)):
        for name, value in found.items():
            text = elided(len(value)) if isinstance(value, bytes) else shortened(str(value))
            yield Row(0, "", name, kind, text)


def image_info(image: Image) -> list[tuple[str, str]]:
    """Return what is known of an image as (what, value), without anything that names the patient."""
    columns, rows = image.shape[2], image.shape[1]
    unit = getattr(image.geometry, "unit", "mm")
    spacing = image.geometry.spacing
    steps = f"{spacing[2]:.4g} × {spacing[1]:.4g}"
    is_volume = isinstance(image.geometry, Geometry)
    count = math.prod((image.frames, *image.shape)) * (3 if image.is_color else 1)
    found = {
        "Modality": image.modality,
        "Side and view": " ".join(filter(None, (image.laterality, image.view_position))),
        "Size": f"{columns} × {rows} × {image.shape[0]}" if image.shape[0] > 1 else f"{columns} × {rows}",
        "Frames": f"{image.frames} by {image.frame_label or 'frame'}" if image.frames > 1 else "",
        "Voxel" if is_volume else "Pixel": f"{steps} × {spacing[0]:.4g} {unit}"
        if is_volume
        else f"{steps} {unit}",
        "Places": _places(image),
        "Axes": _axes(image),
        "Numbers": f"{image.dtype.name}{', colour' if image.is_color else ''}",
        "Unit": image.unit,
        "Rescale": _rescale(*image.rescale),
        "Grey": "" if image.is_color else image.photometric,
        "SUV": _suv(image),
        "Files": str(len({source.path for source in image.sources if source.path}) or ""),
        "Memory": _size(count * image.dtype.itemsize),
    }
    return [(what, value) for what, value in found.items() if value] + [
        ("Note", note) for note in image.notes
    ]


def _rescale(slope: float, intercept: float) -> str:
    sign = "−" if intercept < 0 else "+"
    return "" if (slope, intercept) == (1, 0) else f"× {slope:g} {sign} {abs(intercept):g} (first slice)"


def _places(image: Image) -> str:
    geometry = image.geometry
    if isinstance(geometry, Geometry):
        return "regular grid" if geometry.is_orthogonal else "regular grid, sheared"
    if not geometry.patient_space:
        return "no place in the patient"
    return "single plane" if len(geometry.planes) == 1 else "separate planes, not evenly spaced"


def _axes(image: Image) -> str:
    geometry = image.geometry
    if isinstance(geometry, Geometry):
        k, j, i = geometry.orientation
        return f"columns to {i}, rows to {j}, slices to {k}"
    if geometry.patient_space:
        plane = geometry.planes[0]
        return f"columns to {direction_letter(plane.column_step)}, rows to {direction_letter(plane.row_step)}"
    return ""


def _suv(image: Image) -> str:
    if image.suv is None:
        return ""
    if not image.suv.factors:
        return "; ".join(dict.fromkeys(image.suv.reasons.values()))
    names = {"bw": "body weight", "lbm": "lean body mass (Janmahasatian)", "bsa": "body surface (DuBois)"}
    kinds = ", ".join(names[kind] for kind in image.suv.factors)
    return "; ".join((f"by {kinds}", *image.suv.notes, *dict.fromkeys(image.suv.reasons.values())))


def _size(size: int) -> str:
    for name, unit in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} B"

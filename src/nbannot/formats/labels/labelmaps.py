"""Labelmaps: NIfTI, NRRD and MetaImage files of which each value is a label, one or a folder of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError, NbannotError
from nbannot.formats.identity import content_id
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.placing import place
from nbannot.formats.labels.tables import Entry, table_of
from nbannot.formats.metaimage import is_metaimage, read_metaimage
from nbannot.formats.nifti import is_nifti, nifti_texts, read_nifti
from nbannot.formats.nrrd import is_nrrd, read_nrrd
from nbannot.formats.placed import stem
from nbannot.model.geometry import Geometry, Grid
from nbannot.model.image import Image

Voxels = NDArray[Any]

_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_LARGEST = 65535
_MANY = 500
"""More values than any table of organs has: an image that nobody called a labelmap."""

_Values = tuple[Image, NDArray[np.uint16], dict[int, str]]


def is_labelmap(path: str, start: bytes) -> bool:
    """Whether a file is NIfTI, NRRD or MetaImage."""
    return bool(start) and (is_nrrd(start) or is_metaimage(start) or is_nifti(path, start))


def is_folder_of_labelmaps(path: str, start: bytes) -> bool:
    """Whether a folder holds NIfTI, NRRD or MetaImage files."""
    return Path(path).is_dir() and any(_in_folder(path))


def _in_folder(path: str) -> Iterator[str]:
    for file in sorted(Path(path).iterdir()):
        if file.name.lower().endswith(_SUFFIXES) and not file.name.startswith(".") and file.is_file():
            yield str(file)


def _open(path: str, findings: Findings) -> Image:
    """Return a NIfTI, NRRD or MetaImage file as an image; doubts about its place are noted."""
    with Path(path).open("rb") as file:
        start = file.read(512)
    if is_metaimage(start):
        return read_metaimage(path)
    image, texts = read_nrrd(path) if is_nrrd(start) else read_nifti(path)
    findings.notes += [text for text in texts if text not in findings.notes]
    return image


def read_labelmap(path: str, findings: Findings) -> None:
    """Read a labelmap; its names come from the table that was given, lies beside it, or stands in its header.

    A file with one value above 0 and no table is named by its file. Of several frames each becomes a mask.

    Raises
    ------
    FormatError
        When the values are not whole numbers from 0 on.
    GeometryError
        When it does not lie on an image's voxels.
    """
    stored = _open(path, findings)
    table = table_of(findings.lut, path, stem(path), nifti_texts(path))
    values = whole(path, stored.array)
    for t in range(stored.frames):
        frame = values[t] if stored.frames > 1 else values
        array, image = place_on_one(frame, stored.geometry, findings)
        name = stored.name if stored.frames == 1 else f"{stored.name} {t + 1}"
        array, segments = named(array, name, table, findings)
        findings.mask(name, image, array, segments)
    if stored.frames > 1:
        findings.note(f"each of the {stored.frames} frames became a mask")


def read_folder_of_labelmaps(path: str, findings: Findings) -> None:
    """Read every labelmap of a folder, such as one file for each organ.

    Masks of one value that do not overlap become the segments of one mask.

    Raises
    ------
    FormatError, GeometryError
        When one cannot be read, or does not lie on an image's voxels.
    """
    read_labelmaps(_in_folder(path), Path(path).name, findings)


def read_labelmaps(
    files: Iterable[str],
    name: str,
    findings: Findings,
    *,
    refused: Callable[[NbannotError], None] | None = None,
) -> None:
    """Read labelmaps that belong together; see `read_folder_of_labelmaps`.

    A file that is one of the images is none of the labelmaps. With `refused` those that cannot be read, or
    look like an image, are given to it.
    """
    layers: list[_Values] = []
    own = {image.id for image in findings.images}
    for file in files:
        if content_id(file) in own:
            continue
        path, findings.path = findings.path, file
        try:
            _read_one(file, findings, layers, sure=refused is None)
        except (FormatError, GeometryError) as error:
            if refused is None:
                raise
            refused(error)
        finally:
            findings.path = path
    for image, voxels, segments in layers:
        kind = np.uint8 if len(segments) < 256 else np.uint16
        findings.mask(name or "masks", image, voxels.astype(kind), segments)


def _read_one(file: str, findings: Findings, layers: list[_Values], *, sure: bool) -> None:
    stored = _open(file, findings)
    values = whole(file, stored.array)
    present = values_in(values)
    if not sure and len(present) > _MANY:
        raise FormatError(f"{file} has {len(present)} values and looks like an image")
    if len(present) > 1 or stored.frames > 1:
        read_labelmap(file, findings)
        return
    if not present:
        findings.note(f"{Path(file).name} is empty: it has no voxel above 0")
    array, image = place_on_one(values, stored.geometry, findings)
    where = array > 0
    layer = next((one for one in layers if one[0] is image and not one[1][where].any()), None)
    if layer is None:
        layer = (image, np.zeros(image.shape, np.uint16), {})
        layers.append(layer)
    value = len(layer[2]) + 1
    layer[1][where] = value
    layer[2][value] = findings.label(stem(file))


def whole(path: str, array: Voxels) -> Voxels:
    """Return the values of a labelmap as uint8, uint16 or larger whole numbers.

    Raises
    ------
    FormatError
        When one is negative or no whole number, or there is colour.
    """
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            if not (np.isfinite(array).all() and (array == np.rint(array)).all()):
                raise FormatError(
                    f"{path} is no labelmap: its values are not all whole numbers",
                    hint="Is it an image or a map of probabilities? Read it without image=.",
                )
            if array.max(initial=0) > 2**24:
                raise FormatError(f"{path} holds labels above 16777216 as real numbers, which are not exact")
        array = array.astype(np.int64)
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if low < 0:
        raise FormatError(f"{path} is no labelmap: it has the negative value {low}")
    return array.astype(np.uint8 if high < 256 else np.uint16 if high <= _LARGEST else np.int64, copy=False)


def values_in(array: Voxels) -> list[int]:
    """Return the values above 0 that occur, in order."""
    if array.dtype.itemsize > 2:
        return [int(one) for one in np.unique(array) if one]
    seen = np.zeros(_LARGEST + 1, dtype=bool)
    for plane in array:
        seen[plane] = True
    return [int(one) for one in np.flatnonzero(seen) if one]


def place_on_one(array: Voxels, geometry: Grid, findings: Findings) -> tuple[Voxels, Image]:
    """Return voxels on the grid of the image they fit, and that image: the first that needs no resampling.

    Raises
    ------
    GeometryError
        When they fit none.
    """
    refused: GeometryError | None = None
    for image in findings.images:
        trial = Findings(findings.path, (image,))
        try:
            placed = place(array, geometry, trial, image)
        except GeometryError as error:
            refused = refused or error
            continue
        findings.notes += trial.notes
        return placed, image
    if findings.resample and isinstance(geometry, Geometry):
        return place(array, geometry, findings, findings.images[0]), findings.images[0]
    raise refused or GeometryError(f"{findings.path} was read for no image")


def named(
    array: Voxels, name: str, table: Mapping[int, Entry], findings: Findings
) -> tuple[Voxels, dict[int, str]]:
    """Return the voxels as uint8 or uint16, and the labels of the values that occur."""
    present = values_in(array)
    segments: dict[int, str] = {}
    unnamed = []
    for value in present:
        entry = table.get(value)
        if entry is None:
            unnamed.append(value)
            plain = name if len(present) == 1 and not table else f"{name} {value}"
            entry = Entry(plain)
        segments[value] = findings.label(entry.name, color=entry.color, code=entry.code)
    if table and unnamed:
        findings.note(f"values without a name in the table: {', '.join(map(str, unnamed[:20]))}")
    if present and present[-1] > _LARGEST:
        array = np.searchsorted(np.array([0, *present]), array).astype(np.uint16)
        segments = {n + 1: segments[value] for n, value in enumerate(present)}
        findings.note("labels were numbered anew, because some were above 65535")
    if not present:
        findings.note(f"{name} is empty: it has no voxel above 0")
        segments = {1: findings.label(name)}
    return array.astype(np.uint8 if max(segments) < 256 else np.uint16), segments

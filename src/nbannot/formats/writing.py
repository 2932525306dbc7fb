"""One way out: `write` stores an image or a mask in a format chosen by the suffix."""

from __future__ import annotations

import os

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.nifti import write_nifti
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.masks import Mask


def write(path: str | os.PathLike[str], item: Image | Mask) -> None:
    """Write an image or a mask as NIfTI (``.nii`` or ``.nii.gz``), and check it by reading it.

    The place in the world (LPS in memory, RAS in the file) and every value are kept. A file of
    that name is replaced only when the new one is complete.

    Raises
    ------
    FormatError
        When the suffix is not known, or the disk is full.
    GeometryError
        When the planes form no regular grid.
    """
    name = os.fspath(path)
    if not name.lower().endswith((".nii", ".nii.gz")):
        raise FormatError(
            f"No format is known for {name}", hint="Use a name that ends with .nii or .nii.gz."
        )
    geometry = item.geometry
    if not isinstance(geometry, Geometry):
        raise GeometryError(
            f"{item.name!r} is a stack of planes without a regular grid, which NIfTI cannot hold"
        )
    times = item.frame_times if isinstance(item, Image) else None
    try:
        write_nifti(name, item.array, geometry, times)
    except OSError as cause:
        raise FormatError(f"{name} cannot be written: {cause.strerror}") from cause

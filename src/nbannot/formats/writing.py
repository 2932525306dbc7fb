"""One way out: `write` stores an image or a mask in a format chosen by the suffix."""

from __future__ import annotations

import os
from collections.abc import Iterable

from nbannot.errors import FormatError, GeometryError, NbannotError
from nbannot.formats.dicom.segmentation import write_segmentation
from nbannot.formats.nifti import write_nifti
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask


def write(path: str | os.PathLike[str], item: Image | Mask, *, labels: Iterable[Label] = ()) -> None:
    """Write an image or a mask as NIfTI, or a mask as DICOM SEG, and check it by reading it.

    Every value and its place in the world are kept. A file of that name is replaced only when the
    new one is complete.

    Parameters
    ----------
    path
        Ends with ``.nii``, ``.nii.gz``, or for a mask ``.dcm``.
    item
        What to write. A SEG refers to the DICOM instances its image was read from.
    labels
        For a SEG: labels with the codes and colours of the segments, e.g. ``document.labels``.

    Raises
    ------
    FormatError
        When the suffix is not known, the disk is full, or a SEG is asked for without DICOM sources.
    GeometryError
        When NIfTI is asked for and the planes form no regular grid.
    """
    name = os.fspath(path)
    try:
        if name.lower().endswith(".dcm") and isinstance(item, Mask):
            write_segmentation(name, item, labels)
        elif name.lower().endswith((".nii", ".nii.gz")):
            _write_nifti(name, item)
        else:
            raise FormatError(
                f"No format is known for {name}",
                hint="Use a name that ends with .nii or .nii.gz, or for a mask .dcm.",
            )
    except NbannotError:
        raise
    except OSError as cause:
        raise FormatError(f"{name} cannot be written: {cause.strerror}") from cause


def _write_nifti(name: str, item: Image | Mask) -> None:
    if not isinstance(item.geometry, Geometry):
        raise GeometryError(
            f"{item.name!r} is a stack of planes without a regular grid, which NIfTI cannot hold"
        )
    times = item.frame_times if isinstance(item, Image) else None
    write_nifti(name, item.array, item.geometry, times)

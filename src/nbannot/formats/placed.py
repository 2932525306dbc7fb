"""Where the voxels of a file with a text header lie: a grid, a plane, or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.identity import content_id
from nbannot.formats.rawdata import RawData
from nbannot.formats.stored import StoredPixels
from nbannot.model.geometry import Geometry, Grid, Plane, Stack
from nbannot.model.image import Image, SliceSource

Vectors = NDArray[np.float64]


def grid(
    path: str, steps: Vectors, origin: Vectors, sizes: Sequence[int], *, unit: Literal["mm", "px"]
) -> Grid:
    """Return the place of voxels.

    Two axes in a plane of their own have no place in the patient.

    Parameters
    ----------
    steps
        Step along each axis (i first) as rows, LPS mm: (3, 3), (2, 3) or (2, 2).
    origin
        Of voxel 0, of as many numbers as a step.
    sizes
        Along each axis, i first.
    unit
        Of a picture.

    Raises
    ------
    GeometryError
        When a number is not finite or the steps do not span their space.
    """
    try:
        if len(sizes) == 3:
            affine = np.eye(4)
            affine[:3, :3], affine[:3, 3] = steps[::-1].T, origin
            return Geometry(affine, sizes[::-1])
        flat = steps.shape[1] == 2
        corner, column, row = (np.append(one, 0.0) if flat else one for one in (origin, *steps))
        plane = Plane(corner, column, row, (sizes[1], sizes[0]))
        return Stack([plane], unit=unit, patient_space=not flat)
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", hint=error.hint) from error


def image_of(
    path: str,
    data: RawData,
    roles: Sequence[Literal["i", "j", "k", "t", "c"]],
    place: Grid,
    *,
    rescale: tuple[float, float] = (1.0, 0.0),
    notes: Sequence[str] = (),
    **more: Any,
) -> Image:
    """Return the image of voxels.

    Parameters
    ----------
    data
        The voxels; their sizes must have been checked.
    roles
        What each axis of the data is, in C order.
    place
        Grid or plane.
    """
    size = dict(zip(roles, data.shape, strict=True))
    color = size.get("c", 0) in (3, 4)
    order = [roles.index(role) for role in "tkji" if role in roles] + ([roles.index("c")] if color else [])
    four = (size.get("t", 1), size.get("k", 1), size.get("j", 1), size.get("i", 1))

    def fetch() -> NDArray[Any]:
        arranged = data.array().transpose(order)
        return arranged.reshape(*four, size["c"])[..., :3] if color else arranged.reshape(four)

    pixels = StoredPixels(path, fetch, four, data.dtype, rescale=rescale, color=color)
    more_bytes = data.surplus()
    surplus = [f"the file holds {more_bytes} bytes more than its header states"] if more_bytes > 0 else []
    alpha = ["transparency dropped"] if size.get("c") == 4 else []
    return Image(
        pixels,
        place,
        name=stem(path),
        id=content_id(path),
        photometric="RGB" if color else "MONOCHROME2",
        sources=[SliceSource(None, None, path)] * (four[0] * four[1]),
        uri=path,
        rescale=rescale,
        notes=[*notes, *surplus, *alpha, *pixels.notes],
        **more,
    )


def stem(path: str) -> str:
    """Return the name of a file without its endings."""
    name = Path(path).name
    for suffix in (".nrrd", ".nhdr", ".seg", ".mha", ".mhd", ".gz", ".nii", ".hdr", ".img"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name or Path(path).name


def header_lines(path: str) -> tuple[list[str], int | None]:
    """Return the lines of a text header up to the first empty one, and where what follows begins.

    None where there is no empty line.

    Raises
    ------
    FormatError
        When it is longer than 16 MB.
    """
    lines: list[str] = []
    with Path(path).open("rb") as file:
        while file.tell() < _LONGEST:
            line = file.readline(_LONGEST)
            if not line:
                return lines, None
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if not text:
                return lines, file.tell()
            lines.append(text)
    raise FormatError(f"{path} has a header that does not end", hint="Copy it again from its source.")


_LONGEST = 1 << 24

"""Masks as PNG pictures on 2-D images: one, or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.labelmaps import named
from nbannot.formats.labels.tables import Entry, table_of
from nbannot.formats.quiet import quiet
from nbannot.formats.raster import is_raster
from nbannot.model.image import Image

_PNG = b"\x89PNG"
# More values than this in a picture are shades, not labels.
_MOST = 64


def is_mask_picture(path: str, start: bytes) -> bool:
    """Whether a file is a picture."""
    return is_raster(start)


def is_folder_of_pictures(path: str, start: bytes) -> bool:
    """Whether a folder holds PNG pictures, and no file of another kind."""
    found = False
    for file in Path(path).rglob("*"):
        if file.is_file() and not _hidden(file, path):
            if file.suffix.lower() != ".png":
                return False
            found = True
    return found


def _hidden(file: Path, folder: str) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def read_mask_picture(path: str, findings: Findings) -> None:
    """Read a PNG mask of the size of its image.

    One value above 0 is one label, named by the file (without the image's name before it); several are
    labels of their own, named by a table. Indices of a palette are values with its colours.

    Raises
    ------
    FormatError
        When it is no PNG, or has shades or colours instead of labels.
    GeometryError
        When no image has its size.
    """
    _read(Path(path), Path(path).stem, findings)


def read_folder_of_pictures(path: str, findings: Findings) -> None:
    """Read every PNG mask of a folder; in folders within it, the folder's name is the label's.

    Raises
    ------
    FormatError, GeometryError
        As for one.
    """
    for file in sorted(Path(path).rglob("*")):
        if file.suffix.lower() == ".png" and file.is_file() and not _hidden(file, path):
            _read(
                file, file.stem if file.parent == Path(path) else f"{file.parent.name} {file.stem}", findings
            )


def _read(file: Path, name: str, findings: Findings) -> None:
    values, colors = _values(str(file))
    image = _image(file, values.shape, findings)
    label = file.stem
    if image.name and file.stem.lower().startswith(image.name.lower()):
        label = file.stem[len(image.name) :].strip(" _-.") or file.parent.name
    elif file.parent != Path(findings.path) and Path(findings.path).is_dir():
        label = file.parent.name
    table = table_of(findings.lut, str(file), file.stem)
    present = [int(one) for one in np.unique(values) if one]
    if len(present) == 1 and not table:
        table = {present[0]: Entry(label, colors.get(present[0], ""))}
    elif not table:
        table = {value: Entry(f"{label} {value}", colors.get(value, "")) for value in present}
    array, segments = named(values, label, table, findings)
    findings.mask(name, image, array[None], segments)


def _image(file: Path, shape: tuple[int, ...], findings: Findings) -> Image:
    """Return the image that a mask belongs to: of its size, and by its name where several are."""
    fits = [image for image in findings.images if image.shape == (1, *shape)]
    if not fits:
        sizes = ", ".join(sorted({" × ".join(map(str, image.shape[::-1])) for image in findings.images}))
        raise GeometryError(
            f"{file} has {shape[1]} × {shape[0]} pixels, its image has {sizes}",
            hint="A picture can be a mask of a single 2-D image of its size.",
        )
    if len(fits) == 1:
        return fits[0]
    alike = [image for image in fits if image.name and file.stem.lower().startswith(image.name.lower())]
    if not alike:
        raise FormatError(
            f"{file} fits {len(fits)} images",
            hint="Let its name begin with that of its image, or give one image.",
        )
    return max(alike, key=lambda image: len(image.name))


def _values(path: str) -> tuple[NDArray[Any], dict[int, str]]:
    """Return the values (j, i) and the colours of a palette."""
    from PIL import Image as Pictures

    with Path(path).open("rb") as file:
        if not file.read(8).startswith(_PNG):
            raise FormatError(
                f"{path} is no PNG: other pictures do not keep labels exactly", hint="Save it as PNG."
            )
    colors: dict[int, str] = {}
    with quiet():
        try:
            with Pictures.open(path) as picture:
                if picture.mode == "P":
                    table = picture.getpalette("RGB") or []
                    colors = {
                        n: "#" + "".join(f"{one:02x}" for one in table[3 * n : 3 * n + 3])
                        for n in range(len(table) // 3)
                    }
                found = np.array(picture)
        except Exception as cause:  # PIL raises many kinds for damaged files
            raise FormatError(f"{path} is damaged and cannot be decoded", hint="Copy it again.") from cause
    if found.ndim == 3:
        grey = found[..., 0]
        count = found.shape[2] - (found.shape[2] in (2, 4))
        if not all(np.array_equal(grey, found[..., n]) for n in range(1, count)):
            raise FormatError(
                f"{path} marks labels by colours, which have no names",
                hint="Save one mask for each label, or a grey picture of label numbers.",
            )
        found = grey
    if found.dtype == bool:
        found = found.astype(np.uint8)
    if not 0 <= found.min(initial=0) <= found.max(initial=0) <= 65535 or len(np.unique(found)) > _MOST:
        raise FormatError(
            f"{path} is no mask: it has more than {_MOST} shades", hint="Save it with one value a label."
        )
    return found.astype(np.uint8 if found.max(initial=0) < 256 else np.uint16), colors

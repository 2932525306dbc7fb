"""One way in: `read` finds out what a path holds and opens it."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import overload

from nbannot.errors import (
    FormatError,
    GeometryError,
    GeometryWarning,
    NbannotWarning,
    SeveralSeriesWarning,
    UnknownItemError,
)
from nbannot.formats.archives import Unpacked, archive_kind
from nbannot.formats.convert import way_in
from nbannot.formats.dicom import Found, read_dicom
from nbannot.formats.labels import format_of, read_labels
from nbannot.formats.labels.fractions import fraction_images
from nbannot.formats.metaimage import is_metaimage, read_metaimage
from nbannot.formats.nifti import is_nifti, read_nifti
from nbannot.formats.nrrd import is_nrrd, read_nrrd
from nbannot.formats.raster import is_raster, read_raster
from nbannot.formats.remote import Options, held, is_url
from nbannot.formats.remote.urls import local_path
from nbannot.formats.sources import PathLike, Sources, must_exist, sources_of, start_of_file
from nbannot.formats.tiff import is_tiff, read_tiff
from nbannot.model.document import Document
from nbannot.model.image import Image, Images

_MANY = 8
_READ = "DICOM, NIfTI, NRRD, MetaImage, TIFF, PNG and JPEG"
# Of files beside DICOM that are looked at in a folder.
_SUFFIXES = (
    ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".tif", ".tiff", ".png", ".jpg", ".jpeg",
)  # fmt: skip
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


@overload
def read(
    path: PathLike | Iterable[PathLike],
    *,
    series: str | None = None,
    storage_options: Options | None = None,
) -> Image | Images: ...


@overload
def read(
    path: PathLike,
    *,
    image: Image | Images | Sequence[Image],
    resample: bool = False,
    masks: bool = False,
    lut: PathLike | Mapping[int, str] | None = None,
    storage_options: Options | None = None,
) -> Document: ...


def read(
    path: PathLike | Iterable[PathLike],
    *,
    series: str | None = None,
    image: Image | Images | Sequence[Image] | None = None,
    resample: bool = False,
    masks: bool = False,
    lut: PathLike | Mapping[int, str] | None = None,
    storage_options: Options | None = None,
) -> Image | Images | Document:
    """Return the image, or the images by name, of a file, folder or list of files; or annotations.

    With ``image`` the path holds annotations of that image or those images; `Document.add` takes them.
    Content tells formats apart. DICOM slices are put in order by position; what forms no regular grid
    becomes a Stack, with a warning that names the files. Pixels are read when they are needed.

    Parameters
    ----------
    path
        A file, folder, ZIP or tar archive, DICOMDIR, several files, or a URL (see docs/cases.md).
    series
        Name, id or Series Instance UID of the one image to return when there are several.
    image
        What the annotations were made on.
    resample
        Let a mask on another grid be resampled to its image (nearest neighbour, noted).
    masks
        Let outlines become masks (of voxels whose centres lie inside) instead of polygons.
    lut
        Names by value, or the file of a look-up table; the one beside a labelmap when missing.
    storage_options
        What opens a URL: keys, passwords, endpoints; the environment when missing. Never kept.

    Returns
    -------
    Image | Images | Document
        One image, or a mapping of several by name; with ``image`` a document.

    Raises
    ------
    FormatError, GeometryError, UnknownItemError, RemoteError
        When nothing can be read, or the one file named is damaged or of another kind; when slices
        contradict each other, or a mask does not fit; when no image is named `series`; when a URL is away.

    Warns
    -----
    NbannotWarning
        SeveralSeriesWarning: several images; GeometryWarning: no regular, complete grid; else: parts left out.
    """
    if image is not None:
        return _read_labels(path, image, resample=resample, masks=masks, lut=lut, options=storage_options)
    sources = sources_of(path, storage_options)
    inside = sources.inside
    if inside is None:
        return _chosen(_found(sources), series, sources.uri)
    with inside.used():
        result = _chosen(_found(sources).reworded(inside.plain), series, inside.plain(sources.uri))
        for one in [result] if isinstance(result, Image) else result.values():
            inside.keep_for(one)
    return result


def _found(sources: Sources) -> Found:
    one = sources.files[0] if sources.alone else ""
    found = _read_one(one, sources.uri) if one else _read_many(sources.files, sources.uri)
    found.warnings[:0] = sources.warnings
    if not found.images:
        raise _nothing(found, sources.uri)
    return found


def _read_labels(
    path: PathLike | Iterable[PathLike],
    image: Image | Images | Sequence[Image],
    *,
    resample: bool,
    masks: bool,
    lut: PathLike | Mapping[int, str] | None,
    options: Options | None,
) -> Document:
    if not isinstance(path, (str, os.PathLike)):
        raise FormatError("Annotations are read from one file or folder at a time", hint=way_in(path))
    name = local_path(os.fspath(path))
    images = (
        [image]
        if isinstance(image, Image)
        else list(image.values())
        if isinstance(image, Images)
        else list(image)
    )
    table = os.fspath(lut) if isinstance(lut, (str, os.PathLike)) else lut
    if is_url(name):
        files = held(name, options)
        alone = len(files.entries) == 1 and "/" not in files.entries[0].name
        with files.used():
            place = files.files[0] if alone else str(files.folder)
            return read_labels(place, images, resample=resample, masks=masks, lut=table)
    must_exist(name, "path")
    kind = "" if Path(name).is_dir() else archive_kind(name, start_of_file(name))
    if not kind or format_of(name):
        return read_labels(name, images, resample=resample, masks=masks, lut=table)
    inside = Unpacked(name, kind)
    with inside.used():
        return read_labels(inside.folder, images, resample=resample, masks=masks, lut=table)


def _read_one(path: str, uri: str, *, check: bool = True) -> Found:
    start = start_of_file(path)
    found = Found()
    if is_raster(start):
        image = read_raster(path, check=check)
        found.images = {image.name: image}
    elif is_nrrd(start) or is_nifti(path, start):
        image, texts = read_nrrd(path) if is_nrrd(start) else read_nifti(path)
        found.images, found.geometry = {image.name: image}, {image.name: texts}
    elif is_metaimage(start):
        image = read_metaimage(path)
        found.images = {image.name: image}
    elif is_tiff(start):
        found.images = {image.name: image for image in read_tiff(path, check=check)}
    elif start[128:132] != b"DICM" and _known_other(path, start):
        raise FormatError(f"{path} is {_known_other(path, start)}, which is not read")
    else:
        try:
            return read_dicom([path], alone=True, uri=uri)
        except FormatError as error:
            if type(error).__name__ == "NotAnImageError" and (fractions := fraction_images(path)):
                found.images = fractions
                return found
            if type(error).__name__ != "NotDicomError":
                raise
            form = format_of(path)
            if form is not None:
                raise FormatError(
                    f"{path} is not an image but annotations: {form.name}",
                    hint="Give the image they were made on: nbannot.read(path, image=…).",
                ) from None
            raise FormatError(
                f"{path} is not an image of a known format",
                hint=f"{_READ} are read.",
            ) from None
    return found


def _known_other(path: str, start: bytes) -> str:
    kinds = (
        (b"GIF8", "a GIF picture"),
        (b"BM", "a BMP picture"),
        (b"%PDF", "a PDF document"),
        (b"\x1f\x8b", "a gzip archive without a NIfTI image"),
    )
    return next((name for magic, name in kinds if start.startswith(magic)), "")


def _read_many(files: list[str], uri: str) -> Found:
    found = read_dicom(files, alone=False, uri=uri)
    volumes: list[tuple[str, Image, list[str]]] = []
    for path in found.rest:
        if path.lower().endswith(_ARCHIVES):
            found.warnings.append(f"{path} is an archive; it is left out: read it by itself")
        if not path.lower().endswith(_SUFFIXES):
            continue
        try:
            extra = _read_one(path, path, check=False)
        except (FormatError, GeometryError) as error:
            found.warnings.append(f"{error.message}; it is left out")
            continue
        volumes += [(path, image, extra.geometry.get(name, [])) for name, image in extra.images.items()]
    counts = Counter(image.name for _, image, _ in volumes)
    by_path = any(name in found.images or count > 1 for name, count in counts.items())
    for path, image, texts in volumes:
        name = _path_name(path, image.name, uri) if by_path else image.name
        image.name = name if name not in found.images else os.path.relpath(path, uri)
        found.images[image.name] = image
        found.geometry[image.name] = texts
    return found


def _path_name(path: str, name: str, uri: str) -> str:
    """Return the name of a volume with the folders that it lies in, which are the cases of many data sets."""
    folder = os.path.relpath(Path(path).parent, uri)
    return name if folder == os.curdir else f"{Path(folder).as_posix()}/{name}"


def _nothing(found: Found, uri: str) -> FormatError:
    kinds = ", ".join(f"{count} × {kind}" for kind, count in found.others.items())
    details = "; ".join(found.warnings[:3])
    reasons = "; ".join(filter(None, (f"only {kinds}" if kinds else "", details)))
    return FormatError(
        f"{uri} holds no image{f' ({reasons})' if reasons else ''}",
        hint=f"{_READ} are read.",
    )


def _chosen(found: Found, series: str | None, uri: str) -> Image | Images:
    names = list(found.images)
    if series is not None:
        names = _matching(found, series)
    if found.others:
        note = "left out: " + ", ".join(f"{n} × {kind}" for kind, n in found.others.items())
        for name in names:
            found.images[name].notes += (note,)
    if len(found.warnings) > _MANY:
        shown = "; ".join(found.warnings[:_MANY])
        warnings.warn(
            f"{len(found.warnings)} files of {uri} are left out: {shown}; …",
            NbannotWarning,
            stacklevel=3,
        )
    for text in found.warnings if len(found.warnings) <= _MANY else ():
        warnings.warn(text, NbannotWarning, stacklevel=3)
    for failure in found.failures if series is None else ():
        warnings.warn(f"A series is left out. {failure}", GeometryWarning, stacklevel=3)
    for name in names:
        for text in found.geometry.get(name, ()):
            warnings.warn(text, GeometryWarning, stacklevel=3)
    if len(names) == 1:
        return found.images[names[0]]
    listed = "; ".join(f"{name!r}" for name in names[:20]) + ("; …" if len(names) > 20 else "")
    warnings.warn(
        f"{uri} holds {len(names)} images: {listed}. Choose one with "
        f"images[{names[0]!r}] or read(…, series={names[0]!r})",
        SeveralSeriesWarning,
        stacklevel=3,
    )
    return Images({name: found.images[name] for name in names})


def _matching(found: Found, series: str) -> list[str]:
    if series in found.images:
        return [series]
    matching = [name for name, image in found.images.items() if image.id == series] or [
        name for name, image in found.images.items() if image.series_uid == series
    ]
    if matching:
        return matching
    raise UnknownItemError(f"No image is named {series!r}", hint=f"There are: {', '.join(found.images)}.")

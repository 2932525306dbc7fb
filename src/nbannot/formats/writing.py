"""One way out: `write` stores images, masks and whole documents, in a format chosen by name or suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import signature
from typing import Any

from nbannot.errors import FormatError, GeometryError, NbannotError
from nbannot.formats.convert import way_in
from nbannot.formats.dicom.rtstruct import write_rtstruct
from nbannot.formats.dicom.segmentation import write_segmentation
from nbannot.formats.labels.flat.boxes import write_boxes
from nbannot.formats.labels.flat.coco_writing import write_coco
from nbannot.formats.labels.flat.frames import write_table
from nbannot.formats.labels.flat.voc import write_voc
from nbannot.formats.labels.flat.yolo import write_yolo
from nbannot.formats.labels.markups.writing import write_markups
from nbannot.formats.labels.segnrrd_writing import write_seg_nrrd
from nbannot.formats.labels.sr.writing import write_report
from nbannot.formats.labels.tables_writing import beside
from nbannot.formats.labels.volview.writing import write_annotations, write_session
from nbannot.formats.nifti import write_nifti
from nbannot.formats.textwriting import write_metaimage, write_nrrd
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask

Writable = Image | Mask | Document


@dataclass(frozen=True, slots=True)
class Output:
    """A format that is written.

    Parameters
    ----------
    kind
        Its name for ``kind=``.
    suffixes
        Endings of file names that choose it (lower case); the first format that fits counts.
    takes
        What it can hold.
    write
        Called with the path, the thing, the labels by name, and further options.
    suits
        Whether the ending alone chooses it for a thing.
    """

    kind: str
    suffixes: tuple[str, ...]
    takes: tuple[type, ...]
    write: Callable[..., None]
    suits: Callable[[Writable], bool] = lambda item: True


def write(
    path: str | os.PathLike[str],
    item: Writable,
    *,
    kind: str = "",
    labels: Iterable[Label] = (),
    **options: Any,
) -> None:
    """Write an image, a mask or a document of annotations, and check it by reading it.

    Every value and its place in the world are kept. A file of that name is replaced only when the
    new one is complete.

    Parameters
    ----------
    path
        Its ending chooses the format: for images and masks ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``,
        ``.mha``, ``.mhd``; for masks and documents ``.seg.nrrd``, ``.dcm`` (DICOM SEG, of a document
        without masks SR) and ``.rtstruct.dcm``; for documents ``.mrk.json``, ``.volview.zip``,
        ``.annotations.json``, ``.json`` (COCO), ``.xml`` (Pascal VOC), ``.csv`` and ``.parquet``.
    item
        What to write. DICOM refers to the instances that the image was read from.
    kind
        Name of the format where the ending leaves a choice, e.g. "seg".
    labels
        Labels with the codes and colours of a mask's segments, e.g. ``document.labels``; a document
        brings its own.
    **options
        What the format offers besides (see docs/formats.md).

    Raises
    ------
    FormatError
        When no format fits or has such an option, the disk is full, or DICOM is asked for without DICOM sources.
    GeometryError
        When the format cannot hold the geometry.
    """
    name = os.fspath(path)
    output = _output(name, item, kind)
    _check_options(output, options)
    named = {label.name: label for label in (item.labels if isinstance(item, Document) else labels)}
    try:
        output.write(name, item, named, **options)
    except NbannotError:
        raise
    except OSError as cause:
        raise FormatError(f"{name} cannot be written: {cause.strerror}") from cause


def _output(name: str, item: Writable, kind: str) -> Output:
    fits = [one for one in OUTPUTS if isinstance(item, one.takes) and (not kind or one.kind == kind)]
    for one in fits:
        if kind or (name.lower().endswith(one.suffixes) and one.suits(item)):
            return one
    what = type(item).__name__.lower()
    takers = [one for one in OUTPUTS if isinstance(item, one.takes)]
    if not takers:
        raise FormatError(
            f"{type(item).__name__} is not what nbannot.write takes",
            hint=way_in(item)
            or "Give an image, a mask or a document: image, document.masks[…], viewer.document.",
        )
    if kind and kind not in [one.kind for one in takers]:
        raise FormatError(
            f"No format of a {what} is called {kind!r}",
            hint=f"Known: {', '.join(one.kind for one in takers)}.",
        )
    endings = dict.fromkeys(suffix for one in takers for suffix in one.suffixes)
    for_masks = any(Mask in one.takes and name.lower().endswith(one.suffixes) for one in OUTPUTS)
    raise FormatError(
        f"No format is known for the {what} in {name}",
        hint=f"For a {what} use a name that ends with {', '.join(endings)}"
        + ("; or write one of its masks: document.masks[…]." if for_masks and what == "document" else "."),
    )


def _check_options(output: Output, options: dict[str, Any]) -> None:
    known = [one.name for one in signature(output.write).parameters.values() if one.kind is one.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise FormatError(
                f"The format {output.kind!r} has no option {option!r}",
                hint=f"It has {', '.join(known)}." if known else "It has none.",
            )


def _write_nifti(name: str, item: Image | Mask, labels: dict[str, Label], *, lut: bool = True) -> None:
    if not isinstance(item.geometry, Geometry):
        raise GeometryError(
            f"{item.name!r} is a stack of planes without a regular grid, which NIfTI cannot hold"
        )
    with beside(name, item, lut=lut):
        write_nifti(name, item.array, item.geometry, _times(item))


def _write_nrrd(
    name: str, item: Image | Mask, labels: dict[str, Label], *, compress: bool = True, lut: bool = True
) -> None:
    with beside(name, item, lut=lut):
        write_nrrd(name, item.array, item.geometry, frame_times=_times(item), compress=compress)


def _write_metaimage(
    name: str, item: Image | Mask, labels: dict[str, Label], *, compress: bool = True, lut: bool = True
) -> None:
    with beside(name, item, lut=lut):
        write_metaimage(name, item.array, item.geometry, frame_times=_times(item), compress=compress)


def _times(item: Image | Mask) -> tuple[float, ...] | None:
    return item.frame_times if isinstance(item, Image) else None


def _without_masks(item: Writable) -> bool:
    return isinstance(item, Document) and not item.masks


OUTPUTS: tuple[Output, ...] = (
    Output("segnrrd", (".seg.nrrd",), (Mask, Document), write_seg_nrrd),
    Output("markups", (".mrk.json",), (Document,), write_markups),
    Output("volview", (".volview.zip",), (Document,), write_session),
    Output("annotations", (".annotations.json",), (Document,), write_annotations),
    Output("coco", (".json",), (Document,), write_coco),
    Output("voc", (".xml",), (Document,), write_voc),
    Output("yolo", (), (Document,), write_yolo),
    Output("boxes", (".csv",), (Document,), write_boxes),
    Output("table", (".parquet",), (Document,), write_table),
    Output("nifti", (".nii", ".nii.gz"), (Image, Mask), _write_nifti),
    Output("nrrd", (".nrrd", ".nhdr"), (Image, Mask), _write_nrrd),
    Output("metaimage", (".mha", ".mhd"), (Image, Mask), _write_metaimage),
    Output("rtstruct", (".rtstruct.dcm", ".rtss.dcm"), (Mask, Document), write_rtstruct),
    Output("sr", (".dcm",), (Document,), write_report, _without_masks),
    Output("seg", (".dcm",), (Mask, Document), write_segmentation),
)

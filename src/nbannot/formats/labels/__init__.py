"""Annotations from files: told apart by content, put on the images they were made on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbannot.errors import FormatError
from nbannot.formats.labels import rtstruct, segmentation
from nbannot.formats.labels.cases import read_cases
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.flat.boxes import is_boxes, read_boxes
from nbannot.formats.labels.flat.coco import is_coco, read_coco
from nbannot.formats.labels.flat.voc import is_voc, read_voc
from nbannot.formats.labels.flat.yolo import is_yolo, read_yolo
from nbannot.formats.labels.labelmaps import (
    is_folder_of_labelmaps,
    is_labelmap,
    read_folder_of_labelmaps,
    read_labelmap,
)
from nbannot.formats.labels.markups.reading import is_markups, read_markups
from nbannot.formats.labels.pictures import (
    is_folder_of_pictures,
    is_mask_picture,
    read_folder_of_pictures,
    read_mask_picture,
)
from nbannot.formats.labels.segnrrd import is_seg_nrrd, read_seg_nrrd
from nbannot.formats.labels.sr.reading import is_report, read_report
from nbannot.formats.labels.volview.reading import is_volview, read_volview
from nbannot.model.document import Document
from nbannot.model.image import Image


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """A format of annotations.

    Parameters
    ----------
    name
        As users know it, e.g. "DICOM SEG".
    matches
        Whether a path (a file or folder) with these first 512 bytes is of this format.
    read
        Reads the path into findings, or raises FormatError or GeometryError.
    """

    name: str
    matches: Callable[[str, bytes], bool]
    read: Callable[[str, Findings], None]


# First match counts: the special before the general.
FORMATS: tuple[LabelFormat, ...] = (
    LabelFormat("DICOM SEG", segmentation.matches, segmentation.read_segmentation),
    LabelFormat("DICOM RTSTRUCT", rtstruct.matches, rtstruct.read_rtstruct),
    LabelFormat("DICOM SR", is_report, read_report),
    LabelFormat("Slicer markups", is_markups, read_markups),
    LabelFormat("VolView", is_volview, read_volview),
    LabelFormat("COCO", is_coco, read_coco),
    LabelFormat("boxes (CSV, JSON)", is_boxes, read_boxes),
    LabelFormat("3D Slicer segmentation (.seg.nrrd)", is_seg_nrrd, read_seg_nrrd),
    LabelFormat("labelmap (NIfTI, NRRD, MetaImage)", is_labelmap, read_labelmap),
    LabelFormat("PNG mask", is_mask_picture, read_mask_picture),
    LabelFormat("folder of labelmaps", is_folder_of_labelmaps, read_folder_of_labelmaps),
    LabelFormat("Pascal VOC", is_voc, read_voc),
    LabelFormat("YOLO", is_yolo, read_yolo),
    LabelFormat("folder of PNG masks", is_folder_of_pictures, read_folder_of_pictures),
)


def format_of(path: str) -> LabelFormat | None:
    """Return the format of annotations that a file or folder is of."""
    start = b""
    if Path(path).is_file():
        with Path(path).open("rb") as file:
            start = file.read(512)
    return next((form for form in FORMATS if form.matches(path, start)), None)


def _in_trees(path: str) -> tuple[str, Callable[[str, Findings], None]] | None:
    """Return the format of a file that is read where it lies in a tree of cases."""
    form = format_of(path)
    if form is None or form.read in (read_boxes, read_coco, read_mask_picture, read_voc, read_yolo):
        return None
    return "labelmap" if form.read is read_labelmap else form.name, form.read


def read_labels(
    path: str,
    images: Sequence[Image],
    *,
    resample: bool,
    masks: bool,
    lut: Mapping[int, str] | str | None = None,
) -> Document:
    """Return the annotations in a file or folder as a document on the images.

    Raises
    ------
    FormatError
        When the format is not known, or the file is damaged or holds nothing that can be read.
    GeometryError
        When a mask does not fit its image.
    """
    form = format_of(path)
    findings = Findings(path, images, resample=resample, masks=masks, lut=lut)
    tree = Path(path).is_dir() and any(one.is_dir() for one in Path(path).iterdir())
    if tree and (form is None or form.read is read_folder_of_labelmaps):
        read_cases(path, findings, _in_trees)
        return findings.document()
    if form is not None:
        form.read(path, findings)
        return findings.document()
    within = [one for one in Path(path).iterdir() if one.name[:1] != "."] if Path(path).is_dir() else []
    if len(within) == 1:
        # Archives give each DICOM object a folder of its own.
        return read_labels(str(within[0]), images, resample=resample, masks=masks, lut=lut)
    known = ", ".join(dict.fromkeys(form.name for form in FORMATS))
    raise FormatError(f"{path} holds no annotations of a known format", hint=f"Known: {known}.")

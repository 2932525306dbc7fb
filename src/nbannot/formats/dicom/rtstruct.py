"""Outlines and masks as DICOM RT Structure Set (PS3.3 A.19.3)."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError, NbannotWarning, StoreError
from nbannot.formats.contours import contours_from_mask, keyholed
from nbannot.formats.dicom.algorithms import algorithms_of
from nbannot.formats.dicom.derived import (
    Instance,
    Sources,
    code_item,
    derived_dataset,
    keep,
    sop_item,
    sources_of,
)  # fmt: skip
from nbannot.formats.dicom.structures import INTERPRETED, STRUCTURES, read_structures
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.measures.lines import path as drawn_line
from nbannot.model.schema import segment_key
from nbannot.model.shapes import Shape

Points = NDArray[np.float64]

# Study Component Management, which the standard still names for the study here (retired).
_STUDY = "1.2.840.10008.3.1.2.3.1"
# Decimals of a coordinate in mm: outlines run half-way between voxel centres, so this moves no voxel.
_DECIMALS = 4
_OPEN = ("curve", "open-freehand", "spline", "ruler")
_POINTS = ("points", "probe")


@dataclass(slots=True)
class _Roi:
    name: str
    lesion: str
    algorithm: str = ""
    contours: list[tuple[str, Points, int | None]] = field(default_factory=list)


def write_rtstruct(
    path: str,
    item: Mask | Document,
    labels: Mapping[str, Label],
    *,
    image: Image | None = None,
    keyholes: bool = True,
    tolerance: float = 0.0,
) -> None:
    """Write masks and drawn shapes on one image as an RTSTRUCT, and check it.

    Parameters
    ----------
    path
        File to write.
    item
        A mask, or a document. Closed shapes become CLOSED_PLANAR contours, curves and rulers open ones,
        points POINT; each segment becomes a region with the outlines of its slices.
    labels
        Labels by name, for codes and colours.
    image
        Of a document on several images, the one whose annotations to write.
    keyholes
        Whether a hole is joined to its outline, as most programs need it; else it is a contour of its own.
    tolerance
        Largest distance in voxels of points that are left out of the outlines of masks.

    Raises
    ------
    FormatError
        When the image is not from DICOM files, or there is nothing to write.
    GeometryError
        When the image has no place in the patient.
    StoreError
        When a source file is gone, or what was written does not read back equal.

    Warns
    -----
    NbannotWarning
        Shapes that RTSTRUCT does not know are left out.
    """
    target = _target(item, image)
    if not target.geometry.patient_space:
        raise GeometryError(f"{target.name!r} has no place in the patient, which RTSTRUCT needs")
    rois = list(_mask_rois(item, target, keyholes=keyholes, tolerance=tolerance))
    if isinstance(item, Document):
        rois += _shape_rois(item, target)
    rois = [roi for roi in rois if roi.contours]
    if not rois:
        raise FormatError("There is no outline, point or labelled voxel to write")
    sources = sources_of(target)
    ds = derived_dataset(sources, STRUCTURES, "RTSTRUCT", "Structures")
    _describe(ds, target, sources)
    interpreted = {
        tag.lesion: str(tag.attributes[INTERPRETED])
        for tag in (item.tags if isinstance(item, Document) else ())
        if tag.scope == "lesion" and INTERPRETED in tag.attributes
    }
    _put_rois(ds, rois, labels, sources, interpreted)
    keep(ds, path, lambda written: _check(written, path, rois))


def _target(item: Mask | Document, image: Image | None) -> Image:
    if isinstance(item, Mask):
        return item.image
    used = {mask.image.id for mask in item.masks if mask.used_values()} | {
        shape.image for shape in item.shapes
    }
    if image is not None:
        return item.image(image.id)
    if len(used) > 1:
        raise FormatError(
            "The annotations lie on several images, but an RTSTRUCT is of one",
            hint="Give image= the one whose annotations to write.",
        )
    return item.image(next(iter(used), ""))


def _mask_rois(item: Mask | Document, image: Image, *, keyholes: bool, tolerance: float) -> Iterator[_Roi]:
    made = algorithms_of(item, "")
    masks = [item] if isinstance(item, Mask) else [mask for mask in item.masks if mask.image.id == image.id]
    for mask in masks:
        for segment in mask.segments:
            key = segment_key(mask.id, segment.value)
            algorithm = made[key].type if key in made else ""
            roi = _Roi(segment.label, key, algorithm)
            for k in range(image.shape[0]):
                flags = mask.array[k] == segment.value
                if not flags.any():
                    continue
                outlines = contours_from_mask(flags, image.geometry, k, tolerance=tolerance)
                if keyholes:
                    outlines = keyholed(outlines, image.geometry, k)
                roi.contours += [("CLOSED_PLANAR", outline, k) for outline in outlines]
            yield roi


def _shape_rois(document: Document, image: Image) -> list[_Roi]:
    rois: dict[tuple[str, str], _Roi] = {}
    left: Counter[str] = Counter()
    for shape in document.shapes:
        if shape.image != image.id:
            continue
        contours = list(_contours(shape, image))
        if not contours:
            left[shape.kind] += 1
            continue
        roi = rois.setdefault((shape.label, shape.lesion), _Roi(shape.label, shape.lesion))
        roi.contours += contours
    if left:
        kinds = ", ".join(f"{count} × {kind}" for kind, count in left.items())
        warnings.warn(f"RTSTRUCT has no {kinds}: left out", NbannotWarning, stacklevel=5)
    return list(rois.values())


def _contours(shape: Shape, image: Image) -> Iterator[tuple[str, Points, int | None]]:
    if shape.kind in _POINTS:
        for point in shape.world():
            yield "POINT", point[None], _slice(point[None], shape, image)
        return
    line = drawn_line(shape)
    if shape.closed:
        yield "CLOSED_PLANAR", line, _slice(line, shape, image)
    elif shape.kind in _OPEN:
        k = _slice(line, shape, image)
        yield "OPEN_NONPLANAR" if k is None else "OPEN_PLANAR", line, k


def _slice(points: Points, shape: Shape, image: Image) -> int | None:
    """Return the slice that points lie on; None where they lie on none."""
    if shape.slice is not None:
        return shape.slice
    ks = image.geometry.to_index(points)[:, 0]
    k = round(float(ks[0]))
    return k if np.abs(ks - k).max() < 0.05 and 0 <= k < image.shape[0] else None


def _describe(ds: Any, image: Image, sources: Sources) -> None:
    from pydicom import Dataset
    from pydicom.uid import generate_uid

    ds.OperatorsName, ds.InstanceNumber = "", 1
    ds.StructureSetLabel, ds.StructureSetName = "NBANNOT", "Structures"
    ds.StructureSetDate, ds.StructureSetTime = ds.InstanceCreationDate, ds.InstanceCreationTime
    ds.ApprovalStatus = "UNAPPROVED"
    ds.FrameOfReferenceUID = image.frame_of_reference or generate_uid()
    if "PositionReferenceIndicator" not in ds:
        ds.PositionReferenceIndicator = ""
    series = Dataset()
    series.SeriesInstanceUID = sources.header.SeriesInstanceUID
    instances = {one.uid: one for one in sources.slices}
    series.ContourImageSequence = [sop_item(one) for one in instances.values()]
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = _STUDY, ds.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    world = Dataset()
    world.FrameOfReferenceUID = ds.FrameOfReferenceUID
    world.RTReferencedStudySequence = [study]
    ds.ReferencedFrameOfReferenceSequence = [world]


def _put_rois(
    ds: Any, rois: list[_Roi], labels: Mapping[str, Label], sources: Sources, interpreted: Mapping[str, str]
) -> None:
    from pydicom import Dataset

    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = [], [], []
    for number, roi in enumerate(rois, start=1):
        label = labels.get(roi.name)
        entry = Dataset()
        entry.ROINumber, entry.ROIName = number, roi.name[:64]
        entry.ReferencedFrameOfReferenceUID = ds.FrameOfReferenceUID
        entry.ROIGenerationAlgorithm = roi.algorithm
        ds.StructureSetROISequence.append(entry)
        drawn = Dataset()
        if label is not None and label.color:
            drawn.ROIDisplayColor = [int(label.color[n : n + 2], 16) for n in (1, 3, 5)]
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = [_contour(one, sources) for one in roi.contours]
        ds.ROIContourSequence.append(drawn)
        said = Dataset()
        said.ObservationNumber = said.ReferencedROINumber = number
        if label is not None and label.code is not None:
            said.RTROIIdentificationCodeSequence = [code_item(label.code)]
        said.RTROIInterpretedType, said.ROIInterpreter = interpreted.get(roi.lesion, "")[:16], ""
        ds.RTROIObservationsSequence.append(said)


def _contour(contour: tuple[str, Points, int | None], sources: Sources) -> Any:
    from pydicom import Dataset

    kind, points, k = contour
    item = Dataset()
    if k is not None:
        item.ContourImageSequence = [_drawn_on(sources.slices[k])]
    item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
    item.ContourData = [_number(value) for value in points.ravel().tolist()]
    return item


def _drawn_on(source: Instance) -> Any:
    item = sop_item(source)
    if source.frame is not None:
        item.ReferencedFrameNumber = source.frame
    return item


def _number(value: float) -> str:
    text = f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _check(written: str, path: str, rois: list[_Roi]) -> None:
    found = read_structures(written)
    same = len(found.rois) == len(rois) and all(
        len(kept.contours) == len(roi.contours)
        and all(
            one.type == kind
            and one.points.shape == points.shape
            and np.abs(one.points - points).max() <= 1e-4
            for one, (kind, points, _) in zip(kept.contours, roi.contours, strict=True)
        )
        for kept, roi in zip(found.rois, rois, strict=True)
    )
    if not same:
        raise StoreError(f"{path} does not read back as it was written")

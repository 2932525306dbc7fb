"""Masks as DICOM Segmentation (PS3.3 A.51), slice by slice, so that no grid is needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nbannot.errors import FormatError, StoreError
from nbannot.formats.places import source_paths
from nbannot.formats.quiet import quiet
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import LabelArray, Mask

# SNOMED CT codes for a label without one: what it is made of is not known.
_CATEGORY = ("85756007", "SCT", "Tissue")
# Type 2 attributes that a segmentation copies from its source (PS3.3 C.7.1.1, C.7.2.1).
_COPIED = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "StudyID", "ReferringPhysicianName",
)  # fmt: skip


def write_segmentation(path: str, mask: Mask, labels: Iterable[Label] = ()) -> None:
    """Write a mask as BINARY DICOM SEG that refers to the instances it was drawn on, and check it.

    Raises
    ------
    FormatError
        When the image is not from DICOM files, has frames in time, or the mask is empty.
    StoreError
        When a source file is gone, or what was written does not read back equal.
    """
    import highdicom as hd

    segments = [s for s in mask.segments if s.value in set(mask.used_values())]
    if not segments:
        raise FormatError(f"Mask {mask.name!r} is empty", hint="A DICOM SEG needs at least one voxel.")
    with quiet():
        datasets, array = _sources(mask.image, mask.array)
        numbered = np.zeros(array.shape, np.uint16)
        for number, segment in enumerate(segments, start=1):
            numbered[array == segment.value] = number
        by_name = {label.name: label for label in labels}
        written = hd.seg.Segmentation(
            source_images=datasets,
            pixel_array=numbered,
            segmentation_type="BINARY",
            segment_descriptions=[
                _describe(number, segment.label, by_name) for number, segment in enumerate(segments, start=1)
            ],
            series_instance_uid=hd.UID(),
            series_number=1000,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="nbannot",
            manufacturer_model_name="nbannot",
            software_versions="1",
            device_serial_number="1",
            content_label="NBANNOT",
        )
        _store(written, path, [str(ds.SOPInstanceUID) for ds in datasets], numbered)


def _describe(number: int, name: str, labels: Mapping[str, Label]) -> Any:
    import highdicom as hd

    label = labels.get(name)
    code = label.code if label is not None else None
    kind = (code.value, code.scheme, code.meaning) if code is not None else _CATEGORY
    color = None
    if label is not None and label.color:
        rgb = [int(label.color[n : n + 2], 16) for n in (1, 3, 5)]
        color = hd.color.CIELabColor.from_rgb(*rgb)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=hd.sr.CodedConcept(*_CATEGORY),
        segmented_property_type=hd.sr.CodedConcept(*kind),
        algorithm_type="MANUAL",
        display_color=color,
    )


def _sources(image: Image, array: LabelArray) -> tuple[list[Any], LabelArray]:
    """Return the source data sets (headers), and the labels in the order of their frames."""
    import pydicom

    paths = source_paths(image)
    uids = [source.sop_instance_uid for source in image.sources]
    frames = {(source.sop_instance_uid, source.frame) for source in image.sources}
    whole = (
        image.frames == 1 and len(frames) == len(paths) == image.shape[0]
    )  # the slices of a mosaic share one
    if not whole or not all(uids) or not all(paths):
        raise FormatError(
            f"{image.name!r} does not have one DICOM instance or frame for each slice",
            hint="Write the mask as .nii.gz.",
        )
    try:
        files = {path: pydicom.dcmread(str(path), stop_before_pixels=True) for path in dict.fromkeys(paths)}
    except OSError as cause:
        raise StoreError(
            f"A source image is gone: {cause.filename}", hint="Put it back, or read the image anew."
        ) from cause
    _complete(list(files.values()), image.geometry.spacing[0])
    if len(files) == len(paths):
        return list(files.values()), array
    (dataset,) = files.values()
    ordered = np.zeros((int(dataset.NumberOfFrames), *array.shape[1:]), array.dtype)
    for k, source in enumerate(image.sources):
        ordered[(source.frame or 1) - 1] = array[k]
    return [dataset], ordered


def _complete(datasets: list[Any], distance: float) -> None:
    """Give the headers in memory what the standard demands and bad exports leave out."""
    from pydicom.uid import generate_uid

    world = generate_uid()
    for dataset in datasets:
        for keyword in _COPIED:
            if keyword not in dataset:
                setattr(dataset, keyword, "")
        if "ImagePositionPatient" in dataset and not dataset.get("FrameOfReferenceUID"):
            dataset.FrameOfReferenceUID = world
        if "PixelSpacing" in dataset and not dataset.get("SliceThickness"):
            dataset.SliceThickness = round(distance, 6)


def _store(written: Any, path: str, uids: list[str], expected: LabelArray) -> None:
    """Write beside the target, read back, compare, and only then take the name."""
    import highdicom as hd

    partial = Path(f"{path}.{os.getpid()}.part")
    try:
        written.save_as(partial)
        found = hd.seg.segread(partial)
        options: dict[str, Any] = {
            "combine_segments": True,
            "assert_missing_frames_are_empty": True,
            "ignore_spatial_locations": True,
            "skip_overlap_checks": True,
        }
        if len(uids) == len(expected):
            back = found.get_pixels_by_source_instance(uids, **options)
        else:
            frames = list(range(1, len(expected) + 1))
            back = found.get_pixels_by_source_frame(uids[0], frames, **options)
        if not np.array_equal(back, expected):
            raise StoreError(f"{path} does not read back as it was written")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

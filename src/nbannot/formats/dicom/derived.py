"""New DICOM objects that describe images: the source headers they need, and what they all begin with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nbannot.errors import FormatError, StoreError
from nbannot.formats.dicom import elements as el
from nbannot.formats.places import source_paths
from nbannot.formats.quiet import quiet
from nbannot.model.image import Image
from nbannot.model.labels import Code

# What an object takes over from its source: type 2 attributes are empty where the source has none
# (PS3.3 C.7.1.1, C.7.2.1); the rest is left out then.
_PATIENT = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
_MORE = (
    "IssuerOfPatientID", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "StudyDescription",
    "PositionReferenceIndicator",
)  # fmt: skip
_CLASS, _POSITION, _ORIENTATION = 0x00080016, 0x00200032, 0x00200037


@dataclass(frozen=True, slots=True)
class Instance:
    """A slice's source: instance, SOP class, frame number from 1 or None, place as written there."""

    uid: str
    sop_class: str
    frame: int | None
    position: tuple[str, ...]
    orientation: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """The header of an image's first file, and the source of each slice."""

    header: Any
    slices: tuple[Instance, ...]


def sources_of(image: Image) -> Sources:
    """Read the headers that an image came from; of several time points, those of the first.

    Raises
    ------
    FormatError
        When the image is not from DICOM files.
    StoreError
        When a source file is gone or damaged.
    """
    import pydicom

    sources = image.sources[: image.shape[0]]
    paths = [path or "" for path in source_paths(image)[: image.shape[0]]]
    # The slices of a mosaic share one instance.
    apart = len({(one.sop_instance_uid, one.frame) for one in sources}) == image.shape[0]
    if not apart or not all(paths) or not all(one.sop_instance_uid for one in sources):
        raise FormatError(
            f"{image.name!r} does not have one DICOM instance or frame for each slice",
            hint="Write masks as .nii.gz or .seg.nrrd.",
        )
    instances: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {}
    with quiet():
        try:
            header = pydicom.dcmread(paths[0], stop_before_pixels=True)
            for path in dict.fromkeys(paths):
                tags = [_CLASS, _POSITION, _ORIENTATION, 0x00080018]
                ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags))
                instances[path] = (
                    el.text(ds, 0x00080018), el.text(ds, _CLASS), el.words(ds, _POSITION), el.words(ds, _ORIENTATION)
                )  # fmt: skip
        except OSError as cause:
            raise StoreError(
                f"A source image is gone: {cause.filename}", hint="Put it back, or read the image anew."
            ) from cause
        except Exception as cause:  # pydicom raises many kinds for damaged headers
            raise StoreError("A source image cannot be read any more", hint="Read the image anew.") from cause
    slices = []
    for one, path in zip(sources, paths, strict=True):
        uid, sop_class, position, orientation = instances[path]
        if uid != one.sop_instance_uid:
            raise StoreError(f"{one.path} is another image than before", hint="Read the image anew.")
        slices.append(Instance(uid, sop_class, one.frame, position, orientation))
    return Sources(header, tuple(slices))


def derived_dataset(sources: Sources, sop_class: str, modality: str, description: str) -> Any:
    """Return a new data set with patient and study of the sources, a series and equipment of its own."""
    from pydicom import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

    source, ds = sources.header, Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = UID(sop_class)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in (*_PATIENT, *_MORE):
        element = _sound(source, keyword)
        if element is not None and (element.value or keyword in _PATIENT):
            ds[keyword] = element
        elif keyword in _PATIENT:
            setattr(ds, keyword, "")
    # Whatever the source's character set was, it was decoded.
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.StudyInstanceUID = el.text(source, 0x0020000D) or generate_uid()
    ds.SeriesInstanceUID, ds.SeriesNumber = generate_uid(), 1000
    ds.Modality, ds.SeriesDescription = modality, description
    ds.Manufacturer = ds.ManufacturerModelName = "nbannot"
    ds.SoftwareVersions, ds.DeviceSerialNumber = version("nbannot"), "1"
    now = time.localtime()
    ds.SeriesDate = ds.InstanceCreationDate = time.strftime("%Y%m%d", now)
    ds.SeriesTime = ds.InstanceCreationTime = time.strftime("%H%M%S", now)
    return ds


def _sound(source: Any, keyword: str) -> Any:
    """Return an element that can be decoded and written again, or None."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_data_element

    if keyword not in source:
        return None
    try:
        element = source[keyword]
        stream = DicomBytesIO()
        stream.is_little_endian, stream.is_implicit_VR = True, False
        write_data_element(stream, element, ["utf8"])
        return element
    except Exception:  # a damaged element of the source is the same as none
        return None


def code_item(code: Code) -> Any:
    """Return a code as the item of a sequence (PS3.3 8.8)."""
    from pydicom import Dataset

    item = Dataset()
    setattr(item, "CodeValue" if len(code.value) <= 16 else "LongCodeValue", code.value)
    item.CodingSchemeDesignator, item.CodeMeaning = code.scheme[:16], code.meaning[:64]
    return item


def sop_item(instance: Instance) -> Any:
    """Return a reference to an instance, without its frame."""
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = instance.sop_class, instance.uid
    return item


def decimal(value: float) -> str:
    """Return a number as a decimal string of at most 16 characters (PS3.5 6.2), as exact as fits."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value) + 0.0)


def keep(ds: Any, path: str, check: Callable[[str], None], rest: Iterable[bytes | memoryview] = ()) -> None:
    """Write beside the target, let `check` read it, and only then take the name.

    Parameters
    ----------
    rest
        Encoded elements that follow those of the data set.
    """
    partial = Path(f"{path}.{os.getpid()}.part")
    try:
        with quiet():
            ds.save_as(partial, enforce_file_format=True)
        with partial.open("ab") as file:
            file.writelines(rest)
        check(str(partial))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

"""Measurement reports out: a document's boxes, shapes and tags as Comprehensive 3D SR by TID 1500."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from nbannot.errors import FormatError, NbannotWarning, StoreError
from nbannot.formats.dicom.encoding import wrapped
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.sr.building import encoded, text_element
from nbannot.formats.labels.sr.concepts import SCHEME
from nbannot.formats.labels.sr.mapping import Groups
from nbannot.formats.labels.sr.reading import read_report
from nbannot.formats.places import source_paths
from nbannot.formats.quiet import quiet
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.labels import Label
from nbannot.model.shapes import Shape

_PROCEDURE = ("363679005", "SCT", "Imaging procedure")
_CONTENT = 0x0040A730
_DEIDENTIFIED = (0x0062, 0x0063, 0x0064)
"""Elements of group 0012 that belong to the patient, not to a trial."""
_MARK = "groups of nbannot"
# Attributes that a report takes from its images, and that bad exports leave out (PS3.3 C.7.1.1, C.7.2.1).
_TYPE_2 = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "StudyID", "ReferringPhysicianName",
)  # fmt: skip
# Coordinates are kept with 24 bits (PS3.5, FL).
_RELATIVE = 2.0**-22


def write_report(
    path: str,
    document: Document,
    labels: Mapping[str, Label],
    *,
    description: str = "Annotations",
    series_number: int = 1001,
) -> None:
    """Write the boxes, shapes and tags of a document as a DICOM SR, and check it by reading it back.

    Parameters
    ----------
    description
        Series Description of the report.
    series_number
        Its Series Number.

    Raises
    ------
    FormatError
        When no image is from DICOM files, or there is nothing that can be written.
    StoreError
        When a source file is gone, or what was written does not read back equal.
    """
    import highdicom as hd

    with quiet():
        headers = _headers(document)
        groups = Groups(document, {id: str(header.SOPClassUID) for id, header in headers.items()})
        items = (*document.boxes, *document.shapes, *document.tags)
        made = {item.id: groups.of(item) for item in items}
        written = b"".join(wrapped(encoded(group)) for parts in made.values() for group in parts)
        if not written:
            reasons = f" ({'; '.join(groups.lost)})" if groups.lost else ""
            raise FormatError(f"There is nothing to write into {path}{reasons}")
        report = _report(document)
        dataset = hd.sr.Comprehensive3DSR(
            evidence=list(headers.values()),
            content=report,
            series_instance_uid=hd.UID(),
            series_number=series_number,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="nbannot",
            manufacturer_model_name="nbannot",
            software_versions="1",
            device_serial_number="1",
            series_description=description[:64],
            is_complete=True,
            is_final=False,
            specific_character_set="ISO_IR 192",
        )
        _refer(dataset, groups, headers)
        kept = [item for item in items if made[item.id]]
        _store(_with_groups(dataset, written), path, document, kept)
    _tell(path, document, groups)


def _headers(document: Document) -> dict[str, Any]:
    """Return one header of each image that was read from DICOM, by the id of the image."""
    import pydicom

    found = {}
    for image in document.images:
        paths = zip(image.sources, source_paths(image), strict=True)
        path = next((path for one, path in paths if one.sop_instance_uid and path), None)
        if path is None:
            continue
        try:
            found[image.id] = pydicom.dcmread(path, stop_before_pixels=True)
        except OSError as cause:
            raise StoreError(
                f"A source image is gone: {cause.filename}", hint="Put it back, or read the image anew."
            ) from cause
    if not found:
        raise FormatError(
            "A DICOM SR refers to DICOM images, and none of the images is from DICOM files",
            hint="Write .json or .csv instead.",
        )
    for header in found.values():
        for keyword in _TYPE_2:
            if keyword not in header or not _sound(keyword, header.get(keyword)):
                setattr(header, keyword, "")
        if not header.get("ClinicalTrialSponsorName"):
            # Without a sponsor the module of the trial is no module (PS3.3 C.7.1.3); the rest would be copied.
            for element in [
                one for one in header if one.tag.group == 0x0012 and one.tag.element not in _DEIDENTIFIED
            ]:
                del header[element.tag]
    return found


def _sound(keyword: str, value: Any) -> bool:
    """Whether a date, a time or the sex is what DICOM allows; otherwise a report leaves it empty."""
    text = str(value or "")
    if keyword.endswith("Date"):
        return not text or (len(text) == 8 and _readable("%Y%m%d", text))
    if keyword.endswith("Time"):
        plain = text.partition(".")[0]
        return not text or (len(plain) in (2, 4, 6) and _readable("%H%M%S"[: len(plain)], plain))
    return keyword != "PatientSex" or text in ("", "M", "F", "O")


def _readable(form: str, text: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _report(document: Document) -> Any:
    """Return the content of a report without measurement groups (TID 1500)."""
    import highdicom as hd

    person = hd.sr.ObserverContext(
        observer_type=hd.sr.CodedConcept("121006", "DCM", "Person"),
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
            name=f"{document.author or 'Unknown'}^".replace("=", " ").replace("\\", " ")[:64]
        ),
    )
    empty = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "empty"),
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(
                hd.sr.CodedConcept("121071", "DCM", "Finding"), hd.sr.CodedConcept("empty", SCHEME, "empty")
            )
        ],
    )
    return hd.sr.MeasurementReport(
        imaging_measurements=[empty],
        observation_context=hd.sr.ObservationContext(observer_person_context=person),
        procedure_reported=hd.sr.CodedConcept(*_PROCEDURE),
        title=hd.sr.CodedConcept("126000", "DCM", "Imaging Measurement Report"),
    )


def _with_groups(dataset: Any, groups: bytes) -> bytes:
    """Return the file with the groups in the place of the one that highdicom made the report round."""
    from pydicom import DataElement, Dataset, Sequence

    mark = Dataset()
    mark.TextValue = _MARK
    container = dataset.ContentSequence[-1]
    for owner, inside in ((container, [mark]), (dataset, list(dataset.ContentSequence))):
        owner["ContentSequence"] = DataElement(_CONTENT, "SQ", Sequence(inside))
        owner["ContentSequence"].is_undefined_length = True
    container.is_undefined_length_sequence_item = True
    buffer = BytesIO()
    dataset.save_as(buffer)
    data = buffer.getvalue()
    text = text_element(0x0040A160, _MARK)
    before, found, after = data.partition(wrapped(text))
    if not found:
        raise StoreError("The report cannot be put together: its place for groups is missing")
    return before + groups + after


def _refer(dataset: Any, groups: Groups, headers: Mapping[str, Any]) -> None:
    """List the instances that the content refers to, by study and series (PS3.3 C.17.2)."""
    from pydicom import Dataset, Sequence

    studies: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    firsts = [(id, str(header.SOPInstanceUID)) for id, header in headers.items()]
    for id, instance in dict.fromkeys((*firsts, *groups.used)):
        header = headers[id]
        series = studies[str(header.StudyInstanceUID)][str(header.SeriesInstanceUID)]
        series[instance] = str(header.SOPClassUID)

    def listed(study: str) -> Dataset:
        item = Dataset()
        item.StudyInstanceUID = study
        item.ReferencedSeriesSequence = Sequence([_series(uid, held) for uid, held in studies[study].items()])
        return item

    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        if keyword in dataset:
            del dataset[keyword]
    own = str(dataset.StudyInstanceUID)
    dataset.CurrentRequestedProcedureEvidenceSequence = Sequence([listed(own)])
    others = [listed(study) for study in studies if study != own]
    if others:
        dataset.PertinentOtherEvidenceSequence = Sequence(others)


def _series(uid: str, instances: Mapping[str, str]) -> Any:
    from pydicom import Dataset, Sequence

    series = Dataset()
    series.SeriesInstanceUID = uid
    items = []
    for instance, sop_class in instances.items():
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        items.append(item)
    series.ReferencedSOPSequence = Sequence(items)
    return series


def _store(data: bytes, path: str, document: Document, kept: list[Box | Shape | Tag]) -> None:
    """Write beside the target, read back, compare, and only then take the name."""
    partial = Path(f"{path}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        findings = Findings(str(partial), document.images)
        read_report(str(partial), findings)
        back = {item.id: item for item in findings.items}
        for item in kept:
            if item.id not in back or not _equal(item, back[item.id]):
                raise StoreError(f"{path} does not read back as it was written")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _equal(item: Box | Shape | Tag, back: Box | Shape | Tag) -> bool:
    if (item.label, item.attributes, item.lesion, type(item)) != (
        back.label, back.attributes, back.lesion, type(back)
    ):  # fmt: skip
        return False
    pairs = list(_numbers(item, back))
    return all(
        one.shape == other.shape and np.allclose(one, other, rtol=_RELATIVE, atol=1e-4)
        for one, other in pairs
    )


def _numbers(item: Box | Shape | Tag, back: Box | Shape | Tag) -> Iterator[tuple[Any, Any]]:
    if isinstance(item, Box) and isinstance(back, Box):
        yield np.array(item.index), np.array(back.index)
    elif isinstance(item, Shape) and isinstance(back, Shape) and item.kind == back.kind:
        yield item.world(), back.world()


def _tell(path: str, document: Document, groups: Groups) -> None:
    """Warn of what is not in the report, or not as it was."""
    texts = [text if count == 1 else f"{text} ({count} times)" for text, count in groups.lost.items()]
    if any(mask.used_values() for mask in document.masks):
        texts.append("masks: write them as DICOM SEG")
    if texts:
        warnings.warn(f"{path}: {'; '.join(texts)}", NbannotWarning, stacklevel=4)

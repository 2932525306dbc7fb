"""Codes of foreign reports are kept: scheme, value and meaning, of questions and of answers."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from nbannot.errors import NbannotWarning
from nbannot.formats import read, write
from nbannot.formats.labels.sr.coded import code_in, words_of
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Code

MARGIN = ("129738002", "SCT", "Margin")
SPICULATED = ("129742005", "SCT", "Spiculated lesion")
# A value too long for a Code Value, as RadLex and private schemes have them.
LONG = ("RID0123456789012345678", "RADLEX", "Likely malignant")
CHANCE = ("RID39484", "RADLEX", "Malignancy")
QUALITY = ("111050", "DCM", "Image Quality Assessment")
GOOD = ("20572008", "SCT", "Good")


def triple(code: Any) -> tuple[str, str, str]:
    return str(code.value), str(code.scheme_designator), str(code.meaning)


@pytest.fixture
def foreign(shared_data: Path, tmp_path: Path) -> Path:
    """A report by highdicom: one polygon with two coded evaluations, and one about the case."""
    import highdicom as hd
    from highdicom.sr import CodedConcept

    folder = shared_data / "seg_dcmqi_liver/ct_3slice"
    source = pydicom.dcmread(sorted(folder.iterdir())[0], stop_before_pixels=True)
    source.SpecificCharacterSet = "ISO_IR 100"
    for name in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
                 "ReferringPhysicianName", "PatientID", "PatientName"):  # fmt: skip
        if name not in source:
            setattr(source, name, "")

    def said(question: tuple[str, str, str], answer: tuple[str, str, str]) -> Any:
        return hd.sr.QualitativeEvaluation(CodedConcept(*question), CodedConcept(*answer))

    corners = np.array([[10.5, 10.5], [40.5, 10.5], [40.5, 50.5], [10.5, 10.5]])
    drawn_on = hd.sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID)
    region = hd.sr.ImageRegion("POLYLINE", corners, drawn_on)
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(hd.UID(), "lesion 1"),
        referenced_region=region,
        finding_type=CodedConcept("52988006", "SCT", "Lesion"),
        qualitative_evaluations=[said(MARGIN, SPICULATED), said(CHANCE, LONG)],
    )
    observer = hd.sr.ObserverContext(
        CodedConcept("121006", "DCM", "Person"), hd.sr.PersonObserverIdentifyingAttributes("Reader^One")
    )
    content = hd.sr.MeasurementReport(
        hd.sr.ObservationContext(observer_person_context=observer),
        CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[group],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = hd.sr.Comprehensive3DSR(
            [source], content, hd.UID(), 1, hd.UID(), 1, manufacturer="somebody else"
        )
        report.save_as(tmp_path / "foreign.dcm")
    return tmp_path / "foreign.dcm"


def opened(path: Path, image: Image) -> Document:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        found = read(path, image=image)
    assert isinstance(found, Document)
    return found


def test_codes_of_evaluations_go_through_whole(foreign: Path, shared_data: Path, tmp_path: Path) -> None:
    import highdicom as hd

    ct = read(shared_data / "seg_dcmqi_liver/ct_3slice")
    document = opened(foreign, ct)
    (shape,) = document.shapes
    assert shape.attributes == {
        "Margin [SCT 129738002]": "Spiculated lesion [SCT 129742005]",
        "Malignancy [RADLEX RID39484]": "Likely malignant [RADLEX RID0123456789012345678]",
    }
    write(tmp_path / "ours.dcm", document)
    (group,) = hd.sr.srread(tmp_path / "ours.dcm").content.get_planar_roi_measurement_groups()
    found = {triple(one.name): triple(one.value) for one in group.get_qualitative_evaluations()}
    assert found == {MARGIN: SPICULATED, CHANCE: LONG}


@pytest.mark.slow
def test_dcmtk_finds_the_codes(foreign: Path, shared_data: Path, tmp_path: Path) -> None:
    program = shutil.which("dsr2xml")
    assert program, "dsr2xml is missing: make pytest installs it (Debian: apt-get install dcmtk)"
    write(tmp_path / "ours.dcm", opened(foreign, read(shared_data / "seg_dcmqi_liver/ct_3slice")))
    done = subprocess.run([program, tmp_path / "ours.dcm"], capture_output=True, text=True, check=True)
    for value, scheme, meaning in (MARGIN, SPICULATED, CHANCE):
        assert f"<value>{value}</value>" in done.stdout
        assert f"<designator>{scheme}</designator>" in done.stdout
        assert f"<meaning>{meaning}</meaning>" in done.stdout


@pytest.mark.parametrize("text", ["Liver", "see [below]", "nodule [of page 3]", "[SCT 12]", "a [SCT 12] b"])
def test_plain_words_hold_no_code(text: str) -> None:
    assert code_in(text) is None


@pytest.mark.parametrize(
    "code", [Code("12", "SCT", "Liver [left]"), Code("a.b-c", "99LOCAL", "x"), Code("N0", "NCIt", "é")]
)
def test_words_keep_a_code(code: Code) -> None:
    assert code_in(words_of(code)) == code

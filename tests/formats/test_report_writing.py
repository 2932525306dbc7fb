"""Measurement reports out: read by highdicom, checked by dciodvfy, and read back as they were."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest

from dicom_checks import complaints
from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import read, write
from nbannot.formats.codes import code
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attribute
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.shapes import Shape, ShapeKind

QUAD = ((100.0, 100.0), (100.0, 150.25), (140.0, 150.25), (140.0, 100.0))
LINES: dict[ShapeKind, tuple[tuple[float, float], ...]] = {
    "points": ((10, 20),),
    "ruler": ((10, 10), (20.5, 40)),
    "bidirectional": ((50, 10), (50, 60), (10, 50), (90, 50)),
    "angle": ((10, 10), (10, 40), (40, 40)),
    "cobb": ((10, 10), (10, 40), (40, 40), (60, 90)),
    "rectangle": QUAD,
    "ellipse": ((80, 125), (120, 125), (100, 100), (100, 150)),
    "polygon": (*QUAD, (120, 90)),
    "freehand": QUAD,
    "livewire": QUAD,
    "curve": QUAD,
    "open-freehand": QUAD,
    "arrow": ((1, 2), (30, 40)),
    "text": ((1, 2),),
    "probe": ((10, 12),),
}


@pytest.fixture(scope="module")
def ct(shared_data: Path) -> Image:
    image = read(shared_data / "petct_acrin042/ct")
    assert isinstance(image, Image)
    return image


def shape(image: Image, kind: ShapeKind, *places: tuple[float, float], k: float = 5, **more: object) -> Shape:
    world = image.geometry.to_world([(k, j, i) for j, i in places])
    return Shape(kind, "lesion", tuple(map(tuple, world.tolist())), **more)  # type: ignore[arg-type]


def document(image: Image) -> Document:
    grid = image.geometry
    shapes = [shape(image, kind, *places) for kind, places in LINES.items()]
    shapes += [
        shape(image, "points", (10, 20), (30, 40), (50, 50), names=("p", "q", "r"), edges=((0, 1), (1, 2))),
        shape(image, "ruler", (1, 1), (9, 9), name="first", lesion="L1", text="largest", status="done"),
        Shape("ruler", "lesion", tuple(map(tuple, grid.to_world([(2.3, 10, 10), (7, 30, 30)]).tolist()))),
        Shape("polygon", "lesion", tuple(map(tuple, grid.to_world(
            [(1, 50, 50), (8, 50, 50), (8, 50, 90), (1, 50, 90)]).tolist()))),
    ]  # fmt: skip
    answers = {"margin": "spiculated", "count": 3, "sure": True, "near": ("vessel", "wall"),
               "Finding site": "Right Lung [SCT 39607008]"}  # fmt: skip
    boxes = [
        Box("lesion", ((3, 10, 20), (3, 40.5, 60)), attributes=answers, lesion="1.2.3.4"),
        Box("lesion", ((2, 10, 10), (5, 40, 40))),
        Box("lesion", ((2, 10.5, 10), (5, 10.5, 40))),
    ]
    tags = [
        Tag("quality", "poor"),
        Tag("quality", True, scope="slice", index=4),
        Tag("grade", 3.5, scope="lesion", lesion="L1"),
    ]
    asked = (
        Attribute("margin", "choice", options=("smooth", "spiculated")),
        Attribute("count", "number", unit="mm"),
    )
    labels = [
        Label("lesion", "#112233", code=code("SCT", "Neoplasm"), attributes=asked),
        Label("quality"),
        Label("grade", parent="above"),
        Label("above"),
    ]
    return Document(image, labels=labels, masks=(), shapes=shapes, boxes=boxes, tags=tags)


@pytest.fixture(scope="module")
def written(ct: Image, tmp_path_factory: pytest.TempPathFactory) -> tuple[Document, Path]:
    made = document(ct)
    path = tmp_path_factory.mktemp("report") / "report.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("error", NbannotWarning)
        write(path, made, kind="sr")
    return made, path


def test_everything_reads_back_as_it_was(written: tuple[Document, Path], ct: Image) -> None:
    made, path = written
    back = read(path, image=ct)
    assert isinstance(back, Document) and back.notes == ()
    for item in made.boxes:
        found = back.boxes[item.id]
        np.testing.assert_allclose(found.index, item.index, atol=1e-4)
        same = ("label", "lesion", "attributes", "name", "status", "locked", "frame", "image")
        assert [getattr(found, name) for name in same] == [getattr(item, name) for name in same]
    for drawn in made.shapes:
        got = back.shapes[drawn.id]
        np.testing.assert_allclose(got.world(), drawn.world(), atol=1e-4)
        same = ("kind", "label", "lesion", "attributes", "name", "text", "names", "edges", "status", "image")
        assert [getattr(got, name) for name in same] == [getattr(drawn, name) for name in same]
    assert [(t.label, t.value, t.scope, t.index, t.lesion) for t in back.tags] == [
        (t.label, t.value, t.scope, t.index, t.lesion) for t in made.tags
    ]
    for label in made.labels:
        held = back.labels[label.name]
        assert (held.code, held.attributes, held.parent) == (label.code, label.attributes, label.parent)
        assert held.color == label.color or label.name == "above"


def test_highdicom_finds_groups_regions_and_values(written: tuple[Document, Path], ct: Image) -> None:
    import highdicom as hd

    made, path = written
    report = hd.sr.srread(path)
    content = report.content
    planar = content.get_planar_roi_measurement_groups()
    assert len(content.get_volumetric_roi_measurement_groups()) == 1
    # Tags, and what has its points in measured values (rulers, angles, axes), are groups without a region.
    measured = [one for one in made.shapes if one.kind in ("ruler", "angle", "cobb", "bidirectional")]
    assert len(content.get_image_measurement_groups()) == len(made.tags) + len(measured)
    (box,) = content.get_planar_roi_measurement_groups(tracking_uid="1.2.3.4")
    assert box.finding_type.value == code("SCT", "Neoplasm").value
    assert [site.value.value for site in box.finding_sites] == ["39607008"]
    evaluations = {one.name.meaning: one.value.meaning for one in box.get_qualitative_evaluations()}
    assert evaluations["margin"] == "spiculated" and evaluations["sure"] == "Yes"
    areas = {one.name.meaning: (one.value, one.unit.value) for one in box.get_measurements()}
    spacing = ct.geometry.spacing
    assert areas["Area"] == (pytest.approx(30.5 * 40 * spacing[1] * spacing[2]), "mm2")
    region = box.roi
    # 0.5, 0.5 is the centre of the first pixel.
    np.testing.assert_allclose(
        region.value, [(20.5, 10.5), (60.5, 10.5), (60.5, 41), (20.5, 41), (20.5, 10.5)], atol=1e-4
    )
    refer = region.ContentSequence[0].ReferencedSOPSequence[0]
    assert refer.ReferencedSOPInstanceUID == ct.sources[3].sop_instance_uid
    assert len(planar) == 17


def test_writing_again_gives_the_same_tracking(
    written: tuple[Document, Path], ct: Image, tmp_path: Path
) -> None:
    import pydicom

    _, path = written
    back = read(path, image=ct)
    assert isinstance(back, Document)
    write(tmp_path / "again.dcm", back, kind="sr")
    uids = []
    for one in (path, tmp_path / "again.dcm"):
        groups = pydicom.dcmread(one).ContentSequence[-1].ContentSequence
        uids.append([group.ContentSequence[1].UID for group in groups])
        assert all(uid.is_valid for uid in uids[-1])
    assert sorted(uids[0]) == sorted(uids[1])


def test_splines_are_written_as_they_are_drawn_and_told(ct: Image, tmp_path: Path) -> None:
    made = Document(ct, labels=["lesion"], masks=(), shapes=[shape(ct, "closed-spline", *QUAD)])
    with pytest.warns(NbannotWarning, match="closed-spline: written as the polygon it is drawn with"):
        write(tmp_path / "spline.dcm", made, kind="sr")
    back = read(tmp_path / "spline.dcm", image=ct)
    assert isinstance(back, Document)
    assert [one.kind for one in back.shapes] == ["polygon"]


def test_a_clip_and_a_radiograph_have_their_places(shared_data: Path, tmp_path: Path) -> None:
    for entry, k in (("us/echo_ybr_30frames.dcm", 7), ("xray/hand_cr_kodak_j2k.dcm", 0)):
        image = read(shared_data / entry)
        assert isinstance(image, Image)
        made = Document(
            image, labels=["lesion"], masks=(),
            shapes=[shape(image, "polygon", *QUAD, k=k, slice=k), shape(image, "ruler", *QUAD[:2], k=k, slice=k)],
            boxes=[Box("lesion", ((k, 10.5, 20), (k, 30, 44.25)))],
        )  # fmt: skip
        write(tmp_path / "flat.dcm", made, kind="sr")
        back = read(tmp_path / "flat.dcm", image=image)
        assert isinstance(back, Document)
        assert [one.slice for one in back.shapes] == [k, k]
        for one, other in zip(made.shapes, back.shapes, strict=True):
            np.testing.assert_allclose(one.world(), other.world(), atol=1e-4)
        np.testing.assert_allclose(
            back.boxes[made.boxes.keys()[0]].index, next(iter(made.boxes)).index, atol=1e-4
        )


def test_an_image_without_instances_is_refused(tmp_path: Path) -> None:
    image = Image(np.zeros((2, 4, 4), np.int16), Geometry(np.eye(4), (2, 4, 4)))
    made = Document(image, labels=["a"], masks=(), boxes=[Box("a", ((0, 0, 0), (0, 2, 2)))])
    with pytest.raises(FormatError, match="none of the images is from DICOM"):
        write(tmp_path / "no.dcm", made, kind="sr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_dciodvfy_finds_no_error(written: tuple[Document, Path]) -> None:
    done = subprocess.run(["dciodvfy", written[1]], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []
    assert "Comprehensive3DSR" in done.stderr


@pytest.mark.slow
def test_dcmtk_reads_it_without_error(written: tuple[Document, Path]) -> None:
    done = subprocess.run(["dsrdump", written[1]], capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))] == []
    assert done.stdout.count('"Measurement Group"') == 17 + 1 + 9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("charset", ["", "ISO_IR 144", ["", "ISO 2022 IR 87"]])
def test_odd_headers_of_the_images_do_no_harm(shared_data: Path, tmp_path: Path, charset: str) -> None:
    import pydicom

    name = "Люкceмбypг" if charset == "ISO_IR 144" else "Doe^Jane"
    for file in sorted((shared_data / "seg_dcmqi_liver/ct_3slice").iterdir()):
        ds = pydicom.dcmread(file)
        ds.SpecificCharacterSet = charset
        ds.PatientName, ds.PatientSex = name, "female"
        for keyword, text in (
            ("PatientBirthDate", "19581340"),
            ("StudyDate", "unknown"),
            ("StudyTime", "9:15"),
        ):
            element = pydicom.DataElement(keyword, "LO", text)
            element.VR = pydicom.datadict.dictionary_VR(keyword)
            ds[keyword] = element
        ds.save_as(tmp_path / file.name)
    image = read(tmp_path)
    assert isinstance(image, Image)
    made = Document(
        image, labels=["lesion"], masks=(), shapes=[shape(image, "ruler", (10, 10), (20, 40), k=1)]
    )
    write(tmp_path / "report.dcm", made, kind="sr")
    report = pydicom.dcmread(tmp_path / "report.dcm")
    assert report.SpecificCharacterSet == "ISO_IR 192"
    assert str(report.PatientName) == name
    assert not any((report.PatientSex, report.PatientBirthDate, report.StudyDate, report.StudyTime))
    assert complaints(tmp_path / "report.dcm") == []
    (back,) = read(tmp_path / "report.dcm", image=image).shapes
    np.testing.assert_allclose(back.world(), next(iter(made.shapes)).world(), atol=1e-4)

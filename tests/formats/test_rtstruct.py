"""DICOM RTSTRUCT in and out: facts, IBSI's reference masks, plastimatch, dciodvfy, and what is odd."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from dicom_checks import complaints
from nbannot.errors import FormatError, GeometryError, NbannotError, NbannotWarning
from nbannot.formats import read, write
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Code, Label
from nbannot.model.masks import Mask
from nbannot.model.schema import problems
from nbannot.model.shapes import Shape

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")]

STS = "rtstruct_sts003"
PHANTOM = "rtstruct_rtutils_phantom"
CASES = {
    f"{STS}/labels/rtstruct_ct.dcm": f"{STS}/ct",
    f"{STS}/labels/rtstruct_mr_t1.dcm": f"{STS}/mr_t1",
    f"{STS}/labels/rtstruct_pet_suv.dcm": f"{STS}/pet_suv",
    f"{PHANTOM}/labels/rt.dcm": f"{PHANTOM}/ct",
    f"{PHANTOM}/labels/invalid_reference_rt.dcm": f"{PHANTOM}/ct",
    f"{PHANTOM}/labels/non_existent_reference_rt.dcm": f"{PHANTOM}/ct",
}


def only(path: Path) -> Image:
    found = read(path)
    assert isinstance(found, Image)
    return found


def by_label(document: Document) -> dict[str, NDArray[np.bool_]]:
    return {s.label: mask.array == s.value for mask in document.masks for s in mask.segments}


@pytest.mark.parametrize("name", CASES)
def test_contours_points_and_colours_are_those_of_the_file(
    shared_data: Path, facts: dict[str, Any], name: str
) -> None:
    image = only(shared_data / CASES[name])
    document = read(shared_data / name, image=image)
    ds = pydicom.dcmread(shared_data / name)
    index = {
        roi.ReferencedROINumber: [
            points
            for one in roi.ContourSequence
            if -0.5
            <= image.geometry.to_index(points := np.array(one.ContourData, float).reshape(-1, 3))[0, 0]
            <= image.shape[0] - 0.5
        ]
        for roi in ds.ROIContourSequence
    }
    whole = 0
    for fact in facts[name]["facts"]["rois"]:
        expected = index[fact["number"]]
        shapes = [shape for shape in document.shapes if shape.label == fact["name"]]
        assert len(shapes) == len(expected) and {shape.kind for shape in shapes} == {"polygon"}
        for shape, points in zip(shapes, expected, strict=True):
            assert np.abs(shape.world() - points).max() < 1e-4
        assert len({shape.lesion for shape in shapes}) == 1
        assert document.labels[fact["name"]].color == "#{:02x}{:02x}{:02x}".format(*fact["color"])
        if fact["contours"] == len(shapes):
            assert sum(len(shape.points) for shape in shapes) == fact["points"]
        else:
            whole += fact["contours"] - len(shapes)
    assert any(f"outside the image, left out: {whole}" in note for note in document.notes) == bool(whole)
    assert not problems(document)


@pytest.mark.parametrize(("what", "name"), [("ct", "CT"), ("mr_t1", "MR_T1"), ("pet_suv", "PET")])
def test_masks_equal_the_reference_voxel_for_voxel(shared_data: Path, what: str, name: str) -> None:
    image = only(shared_data / STS / what)
    document = read(shared_data / STS / f"labels/rtstruct_{what}.dcm", image=image, masks=True)
    (found,) = by_label(document).values()
    reference = only(shared_data / STS / f"nifti/{name}_mask.nii.gz").array > 0
    assert (found == reference).all()
    assert any("matched by series: 20" in note for note in document.notes)
    (tag,) = document.tags
    assert tag.attributes == {"interpreted type": "GTV"}


def test_the_series_decides_between_images_of_one_frame_of_reference(shared_data: Path) -> None:
    images = [only(shared_data / STS / what) for what in ("ct", "pet_suv")]
    document = read(shared_data / STS / "labels/rtstruct_pet_suv.dcm", image=images)
    assert {shape.image for shape in document.shapes} == {images[1].id}
    mr = only(shared_data / STS / "mr_t1")
    document = read(shared_data / STS / "labels/rtstruct_ct.dcm", image=mr)
    assert any("matched by frame of reference: 20" in note for note in document.notes)
    grid = mr.geometry
    assert isinstance(grid, Geometry)
    affine = grid.affine.copy()
    affine[2, 3] += 1
    moved = Image(mr.array, Geometry(affine, grid.shape, frame_of_reference=grid.frame_of_reference))
    document = read(shared_data / STS / "labels/rtstruct_ct.dcm", image=moved)
    assert any("contours between slices: 20" in note for note in document.notes)


def changed(source: Path, target: Path, change: Callable[[Any], object]) -> Path:
    ds = pydicom.dcmread(source)
    change(ds)
    ds.save_as(target)
    return target


def contour(kind: str, points: list[list[float]]) -> Any:
    item = pydicom.Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
    item.ContourData = [value for point in points for value in point]
    return item


def test_holes_keyholes_points_and_lines(shared_data: Path, tmp_path: Path) -> None:
    image = only(shared_data / PHANTOM / "ct")
    source = shared_data / PHANTOM / "labels/rt.dcm"
    square = [[-50.0, -50, 60], [50, -50, 60], [50, 50, 60], [-50, 50, 60]]
    hole = [[-20.0, -20, 60], [20, -20, 60], [20, 20, 60], [-20, 20, 60]]
    keyhole = [*square, square[0], hole[0], hole[3], hole[2], hole[1], hole[0], square[0]]

    def of(*contours: Any) -> Path:
        def change(ds: Any) -> None:
            ds.ROIContourSequence[0].ContourSequence = list(contours)

        return changed(source, tmp_path / "a.dcm", change)

    apart = of(contour("CLOSED_PLANAR", square), contour("CLOSED_PLANAR", hole))
    first = by_label(read(apart, image=image, masks=True))["ROI-1"]
    second = by_label(read(of(contour("CLOSED_PLANAR", keyhole)), image=image, masks=True))["ROI-1"]
    assert (first == second).all()
    area = first.sum() * np.prod(image.geometry.spacing[1:])
    assert area == pytest.approx(100**2 - 40**2, rel=0.02) and not first[1].any()

    mixed = of(
        contour("POINT", [[1, 2, 60]]), contour("OPEN_PLANAR", hole),
        contour("OPEN_NONPLANAR", [[0, 0, 60], [9, 9, 65]]),
        contour("CLOSED_PLANAR", hole[:2]), contour("CLOSED_PLANAR", [*hole, hole[0]]),
        contour("CLOSED_PLANAR", [[0, -9, 60], [0, 9, 60], [0, 9, 65], [0, -9, 65]]),
    )  # fmt: skip
    document = read(mixed, image=image)
    kinds = [(shape.kind, len(shape.points)) for shape in document.shapes]
    assert kinds == [("points", 1), ("curve", 4), ("curve", 2), ("curve", 2), ("polygon", 4), ("polygon", 4)]
    document = read(mixed, image=image, masks=True)
    assert by_label(document)["ROI-1"].sum() > 0 and len(document.shapes) == 5


def test_what_is_of_no_use_is_told_or_refused(shared_data: Path, tmp_path: Path) -> None:
    image = only(shared_data / PHANTOM / "ct")
    source = shared_data / PHANTOM / "labels/rt.dcm"
    path = tmp_path / "a.dcm"

    def not_a_number(ds: Any) -> None:
        one = ds.ROIContourSequence[0].ContourSequence[0]
        element = pydicom.DataElement(0x30060050, "DS", None)
        one[0x30060050] = element
        raw = b"nan\\1\\60\\2\\2\\60\\3\\3\\60 "
        one._dict[element.tag] = pydicom.dataelem.RawDataElement(
            element.tag, "DS", len(raw), raw, 0, True, True
        )

    document = read(changed(source, path, not_a_number), image=image)
    assert len(document.shapes) == 1
    assert any("without finite coordinates, left out: 1" in note for note in document.notes)

    def empty(ds: Any) -> None:
        del ds.ROIContourSequence[0].ContourSequence

    with pytest.raises(FormatError, match="holds no annotations"):
        read(changed(source, path, empty), image=image)

    def nowhere(ds: Any) -> None:
        del ds.ReferencedFrameOfReferenceSequence
        ds.pop("FrameOfReferenceUID", None)
        for roi in ds.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = ""
        for one in ds.ROIContourSequence[0].ContourSequence:
            del one.ContourImageSequence

    document = read(changed(source, path, nowhere), image=image)
    assert any("matched by place alone: 2" in note for note in document.notes)

    def elsewhere(ds: Any) -> None:
        nowhere(ds)
        ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3"

    with pytest.raises(GeometryError, match="made on other images"):
        read(changed(source, path, elsewhere), image=image)

    data = source.read_bytes()
    for length in range(140, len(data), 53):
        path.write_bytes(data[:length])
        with contextlib.suppress(NbannotError):
            read(path, image=image)
    chance = np.random.default_rng(1)
    for _ in range(60):
        noisy = bytearray(data)
        for at in chance.integers(132, len(data), 12):
            noisy[at] = int(chance.integers(256))
        path.write_bytes(noisy)
        with contextlib.suppress(NbannotError):
            read(path, image=image, masks=bool(chance.integers(2)))


def holed(image: Image) -> NDArray[np.uint8]:
    array = np.zeros(image.shape, np.uint8)
    rows, columns = image.shape[1:]
    array[::2, rows // 4 : rows // 2, columns // 4 : columns // 2] = 1
    array[::2, rows // 4 + 5 : rows // 4 + 9, columns // 4 + 3 : columns // 4 + 9] = 0
    array[::2, rows // 4 + 6 : rows // 4 + 8, columns // 4 + 5 : columns // 4 + 7] = 1
    array[1, :60, :50] = (np.random.default_rng(2).random((60, 50)) > 0.6) * 2
    return array


@pytest.mark.parametrize(
    "name",
    [
        "rtstruct_sts003/ct",
        "odd/gantry_tilt_dicom2nifti",
        "odd/missing_slice_prostatex0000_bcalc",
        "enhanced/mr_BRTUM003_flair.dcm",
    ],
)
def test_masks_come_back_voxel_for_voxel(shared_data: Path, tmp_path: Path, name: str) -> None:
    image = only(shared_data / name)
    array = holed(image)
    label = Label("liver", "#e69f00", code=Code("10200004", "SCT", "Liver"))
    mask = Mask("m", image, array=array, segments={1: "liver", 2: "noise"})
    path = tmp_path / "a.rtstruct.dcm"
    for keyholes in (True, False):
        write(path, mask, labels=[label], keyholes=keyholes)
        document = read(path, image=image, masks=True)
        found = by_label(document)
        assert (found["liver"] == (array == 1)).all() and (found["noise"] == (array == 2)).all()
        assert document.notes == () and document.labels["liver"].code == label.code
        assert complaints(path) == []
    assert list(tmp_path.iterdir()) == [path]


def test_plastimatch_fills_the_same_voxels(shared_data: Path, tmp_path: Path) -> None:
    import SimpleITK as sitk

    folder = shared_data / STS / "ct"
    image = only(folder)
    array = holed(image)
    array[array == 2] = 0
    write(tmp_path / "a.rtstruct.dcm", Mask("m", image, array=array, segments={1: "ring"}))
    program = Path(sys.executable).with_name("plastimatch")
    subprocess.run(
        [program, "convert", "--input", tmp_path / "a.rtstruct.dcm", "--referenced-ct", folder,
         "--output-prefix", tmp_path / "out", "--prefix-format", "nii.gz"], check=True, capture_output=True,
    )  # fmt: skip
    theirs = sitk.ReadImage(str(tmp_path / "out/ring.nii.gz"))
    found = np.zeros(image.shape, dtype=bool)
    for k, j, i in np.argwhere(sitk.GetArrayFromImage(theirs) > 0).tolist():
        at = image.geometry.to_index(theirs.TransformIndexToPhysicalPoint((i, j, k)))
        found[tuple(np.rint(at).astype(int))] = True
    assert 2 * (found & (array > 0)).sum() / (found.sum() + (array > 0).sum()) > 0.97


def test_shapes_come_back(shared_data: Path, tmp_path: Path) -> None:
    image = only(shared_data / PHANTOM / "ct")

    def at(*places: tuple[float, float]) -> tuple[tuple[float, float, float], ...]:
        world = image.geometry.to_world([(1, j, i) for j, i in places]).tolist()
        return tuple((x, y, z) for x, y, z in world)

    shapes = [
        Shape("polygon", "tumour", at((10, 10), (10, 60), (50, 60)), lesion="L1"),
        Shape("ellipse", "tumour", at((100, 80), (100, 140), (80, 110), (120, 110)), lesion="L1"),
        Shape("points", "mark", at((5, 5), (9, 9))),
        Shape("curve", "line", at((5, 5), (9, 9), (20, 9))),
        Shape("angle", "line", at((5, 5), (9, 9), (20, 9))),
    ]
    document = Document(image, labels=["tumour", "mark", "line"], masks=[], shapes=shapes)
    path = tmp_path / "a.rtstruct.dcm"
    with pytest.warns(NbannotWarning, match="no 1 × angle: left out"):
        write(path, document)
    assert complaints(path) == []
    back = read(path, image=image)
    kinds = [(shape.kind, shape.label) for shape in back.shapes]
    assert kinds == [
        ("polygon", "tumour"), ("polygon", "tumour"), ("points", "mark"), ("points", "mark"), ("curve", "line"),
    ]  # fmt: skip
    first = next(iter(back.shapes))
    assert np.abs(first.world() - shapes[0].world()).max() <= 1e-4
    picture = only(shared_data / "seg_on_cr/cr_CR1_6154")
    with pytest.raises(GeometryError, match="no place in the patient"):
        write(path, Mask("m", picture, array=np.ones(picture.shape, np.uint8)), kind="rtstruct")
    with pytest.raises(FormatError, match="no outline"):
        write(tmp_path / "b.rtstruct.dcm", Mask("m", image))

"""What is written as NRRD, MetaImage, .seg.nrrd and NIfTI, read by independent readers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
import slicerio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats_reference import one, same_as_sitk, sitk_affine
from nbannot.errors import FormatError, GeometryError, NbannotError, NbannotWarning
from nbannot.formats import read, write
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image
from nbannot.model.labels import Code, Label
from nbannot.model.masks import Mask

OBLIQUE = Geometry(
    [[0.3, -0.5, 1.9, -10.1], [0.2, 1.9, 0.5, -20.7], [2.9, -0.1, -0.3, 5.3], [0, 0, 0, 1]], (4, 5, 6)
)
TURN = sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.9).GetMatrix()
RIGID = np.eye(4)
RIGID[:3, 2::-1] = np.array(TURN).reshape(3, 3) @ np.diag((0.7, 0.8, 2.5))
RIGID[:3, 3] = -100.5, 20.25, 1 / 3
GRID = Geometry(RIGID, (4, 5, 6))
TEXTS = [".nrrd", ".nhdr", ".mha", ".mhd"]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("suffix", TEXTS)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32"])
def test_simpleitk_reads_the_same(tmp_path: Path, suffix: str, dtype: str, compress: bool) -> None:
    voxels = np.random.default_rng(0).integers(0, 99, GRID.shape).astype(dtype)
    path = tmp_path / f"a{suffix}"
    write(path, Image(voxels, GRID), compress=compress)
    image = same_as_sitk(path)
    assert image.dtype == dtype
    np.testing.assert_array_equal(image.array, voxels)
    np.testing.assert_allclose(image.geometry.affine, GRID.affine, atol=1e-12)
    if suffix in (".nrrd", ".nhdr"):
        data, fields = nrrd.read(str(path))
        np.testing.assert_array_equal(data.T, voxels)
        np.testing.assert_allclose(fields["space directions"], GRID.affine[:3, 2::-1].T)
    assert len(list(tmp_path.iterdir())) == (2 if suffix in (".nhdr", ".mhd") else 1)


@pytest.mark.parametrize("suffix", TEXTS)
def test_sheared_grids_are_exact(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a{suffix}", Image(np.zeros(OBLIQUE.shape, np.int16), OBLIQUE))
    np.testing.assert_allclose(one(tmp_path / f"a{suffix}").geometry.affine, OBLIQUE.affine, atol=1e-12)


@pytest.mark.parametrize("suffix", TEXTS)
def test_frames_and_colour(tmp_path: Path, suffix: str) -> None:
    frames = np.arange(240, dtype=np.int16).reshape(2, *GRID.shape)
    path = tmp_path / f"a{suffix}"
    write(path, Image(frames, GRID, frame_times=(0, 0.5)))
    reference = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(reference), frames)
    assert reference.GetSpacing()[3] == 0.5
    np.testing.assert_allclose(sitk_affine(reference), GRID.affine)
    np.testing.assert_array_equal(one(path).array, frames)
    if suffix in (".nrrd", ".nhdr"):
        assert one(path).frame_times == (0, 0.5)
    path = tmp_path / f"b{suffix}"
    write(path, Image(frames, GRID))
    np.testing.assert_array_equal(one(path).array, frames)
    colour = np.arange(360).reshape(*GRID.shape, 3).astype(np.uint8)
    path = tmp_path / f"c{suffix}"
    write(path, Image(colour, GRID, photometric="RGB"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), colour)
    np.testing.assert_array_equal(one(path).array, colour)


@pytest.mark.parametrize("suffix", TEXTS)
def test_pictures_and_planes(tmp_path: Path, suffix: str) -> None:
    picture = Image(
        np.arange(30, dtype=np.uint8).reshape(1, 5, 6), Stack.picture((5, 6), spacing=(0.5, 0.25), unit="mm")
    )
    path = tmp_path / f"a{suffix}"
    write(path, picture)
    reference = sitk.ReadImage(str(path))
    assert reference.GetSpacing() == (0.25, 0.5)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(reference), picture.array[0])
    plane = Stack([Plane(np.array((1.0, 2, 3)), np.array((0, 2.0, 0)), np.array((0, 0, -3.0)), (5, 6))])
    path = tmp_path / f"b{suffix}"
    if suffix in (".nrrd", ".nhdr"):
        write(path, Image(picture.array, plane))
        assert one(path).geometry == plane
    else:
        with pytest.raises(GeometryError, match="single plane"):
            write(path, Image(picture.array, plane))
    both = Stack([plane.planes[0], Plane(np.zeros(3), np.array((0, 2.0, 0)), np.array((0, 0, -3.0)), (5, 6))])
    with pytest.raises(GeometryError, match="regular grid"):
        write(path, Image(np.zeros((2, 5, 6), np.int16), both))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("name", ["rtstruct_sts003/mr_t1", "seg_dcmqi_24x38x3/ct", "mr_prostatex0000/adc"])
def test_dicom_as_nrrd_and_metaimage_equals_simpleitk(
    shared_data: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    image = one(shared_data / name)
    path = tmp_path / f"a{suffix}"
    write(path, image)
    ours = sitk.ReadImage(str(path))
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(shared_data / name))
    reference = sitk.ReadImage(files)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(reference))
    last = [n - 1 for n in reference.GetSize()]
    for index in ([0, 0, 0], last):
        np.testing.assert_allclose(ours.TransformIndexToPhysicalPoint(index),
                                   reference.TransformIndexToPhysicalPoint(index), atol=5e-3)  # fmt: skip


def test_a_file_is_only_replaced_by_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.nrrd"
    path.write_text("old")
    monkeypatch.setattr("nbannot.formats.textwriting.gzip.compress", lambda data, level, mtime: data[:-5])
    with pytest.raises(NbannotError):
        write(path, Image(np.zeros(GRID.shape, np.int16), GRID))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FormatError, match="cannot be written"):
        write(tmp_path / "no" / "a.mha", Image(np.zeros(GRID.shape, np.int16), GRID))


CT = Image(np.zeros(GRID.shape, np.int16), GRID, name="ct")
LIVER = Label("liver", "#aa5500", code=Code("10200004", "SCT", "Liver"))
MASS = Label("mass ~|^", "#00ff10", code=Code("4147007", "SCT", "Mass|x"))
PLAIN = Label("Läsion 3", "#123456")


def ascii_of(text: str) -> str:
    """Return what pynrrd, and so slicerio, leaves of a text; 3D Slicer itself reads UTF-8."""
    return text.encode("ascii", "ignore").decode()


def two_masks() -> list[Mask]:
    first, second = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    first[1:3, 1:4], first[0, 0, 0] = 1, 3
    second[2, 2:] = 2
    return [Mask("organs", CT, array=first, segments={1: "liver", 3: "Läsion 3"}),
            Mask("lesions", CT, array=second, segments={2: "mass ~|^"})]  # fmt: skip


def test_a_document_as_segmentation_of_slicer(tmp_path: Path) -> None:
    document = Document(CT, labels=[LIVER, MASS, PLAIN], masks=two_masks())
    path = tmp_path / "a.seg.nrrd"
    write(path, document)
    stored = slicerio.read_segmentation(str(path))
    np.testing.assert_allclose(stored["ijkToLPS"], np.array(GRID.affine)[:, (2, 1, 0, 3)])
    for layer, mask in enumerate(document.masks):
        np.testing.assert_array_equal(stored["voxels"][layer].T, mask.array)
    found = [
        (s["name"], s["layer"], s["labelValue"], s["terminology"]["type"][:2]) for s in stored["segments"]
    ]
    assert found == [("liver", 0, 1, ["SCT", "10200004"]), (ascii_of("Läsion 3"), 0, 3, ["SCT", "85756007"]),
                     ("mass ~|^", 1, 2, ["SCT", "4147007"])]  # fmt: skip
    assert [round(c * 255) for c in stored["segments"][0]["color"]] == [0xAA, 0x55, 0]
    assert stored["segments"][0]["extent"] == [0, 5, 1, 3, 1, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = read(path, image=CT)
    assert isinstance(back, Document)
    for ours, mask in zip(back.masks, document.masks, strict=True):
        np.testing.assert_array_equal(ours.array, mask.array)
        assert ours.segments == mask.segments
    assert back.labels["liver"].code == LIVER.code
    assert [label.color for label in back.labels] == ["#aa5500", "#123456", "#00ff10"]


def test_a_mask_as_segmentation_of_slicer(tmp_path: Path) -> None:
    mask = two_masks()[0]
    write(tmp_path / "a.seg.nrrd", mask, labels=[LIVER])
    stored = slicerio.read_segmentation(str(tmp_path / "a.seg.nrrd"))
    np.testing.assert_array_equal(stored["voxels"].T, mask.array)
    assert [s["name"] for s in stored["segments"]] == ["liver", ascii_of("Läsion 3")]
    same_as_sitk(tmp_path / "a.seg.nrrd")


def test_what_a_segmentation_of_slicer_cannot_hold(tmp_path: Path) -> None:
    document = Document(CT, labels=[LIVER], masks=two_masks(), boxes=[Box("liver", ((0, 0, 0), (1, 2, 2)))])
    with pytest.warns(NbannotWarning, match="left out: 1 box"):
        write(tmp_path / "a.seg.nrrd", document)
    with pytest.raises(FormatError, match="no mask"):
        write(tmp_path / "b.seg.nrrd", Document(CT, masks=[]))
    other = Image(np.zeros((2, 5, 6), np.int16), Geometry(np.eye(4), (2, 5, 6)))
    with pytest.raises(FormatError, match="several images"):
        write(tmp_path / "b.seg.nrrd", Document([CT, other], masks=[two_masks()[0], Mask("b", other)]))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", *TEXTS])
def test_masks_come_with_their_names(tmp_path: Path, suffix: str) -> None:
    mask = two_masks()[0]
    path = tmp_path / f"a{suffix}"
    write(path, mask)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"1": "liver", "3": "Läsion 3"}
    if suffix.startswith(".nii"):
        voxels = np.asarray(nibabel.load(path).dataobj).T
    else:
        voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(voxels, mask.array)
    back = read(path, image=CT)
    assert isinstance(back, Document)
    np.testing.assert_array_equal(back.masks["a"].array, mask.array)
    assert back.masks["a"].segments == mask.segments
    single = Mask("mass", CT, array=(mask.array == 1).astype(np.uint8))
    write(tmp_path / f"mass{suffix}", single)
    write(tmp_path / f"b{suffix}", mask, lut=False)
    assert not [name for name in ("mass.json", "b.json") if (tmp_path / name).exists()]
    (tmp_path / "c.json").write_text('{"EchoTime": 0.1}')
    with pytest.raises(FormatError, match="in the way"):
        write(tmp_path / f"c{suffix}", mask)
    assert (tmp_path / "c.json").read_text() == '{"EchoTime": 0.1}'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.data())
def test_any_grid_comes_back(tmp_path: Path, data: Any) -> None:
    numbers = st.floats(-1e4, 1e4, allow_subnormal=False)
    affine = np.eye(4)
    affine[:3] = np.array(data.draw(st.lists(numbers, min_size=12, max_size=12))).reshape(3, 4)
    try:
        geometry = Geometry(affine, data.draw(st.tuples(*[st.integers(1, 4)] * 3)))
    except GeometryError:
        return
    voxels = np.random.default_rng(1).integers(-9, 9, geometry.shape).astype(np.int16)
    path = tmp_path / f"a{data.draw(st.sampled_from(TEXTS))}"
    write(path, Image(voxels, geometry))
    np.testing.assert_allclose(one(path).geometry.affine, geometry.affine, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(one(path).array, voxels)

"""Labelmaps and their look-up tables against nibabel, SimpleITK, pynrrd and slicerio."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from formats_reference import one
from nbannot.errors import FormatError, GeometryError, NbannotWarning
from nbannot.formats import read, write
from nbannot.formats.labels.tables import Entry, read_table, table_in_header
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.labels import Code

GRID = Geometry([[0, 0, 2, -10], [0, 2, 0, -20], [3, 0, 0, 5], [0, 0, 0, 1]], (4, 5, 6))
CT = Image(np.zeros(GRID.shape, np.int16), GRID, name="ct")


def labels_of(path: Path, image: Any, **options: Any) -> Document:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        found = read(path, image=image, **options)
    assert isinstance(found, Document)
    return found


def save(path: Path, voxels: np.ndarray, geometry: Geometry = GRID) -> Path:
    write(path, Image(voxels, geometry))
    return path


def blobs() -> np.ndarray:
    voxels = np.zeros(GRID.shape, np.uint8)
    voxels[1, 1, 1:3], voxels[2, 3, 3:], voxels[3] = 1, 2, 5
    return voxels


@pytest.mark.parametrize(
    ("image", "labelmap"),
    [
        ("nifti_totalsegmentator/ct_sm.nii.gz", "nifti_totalsegmentator/ct_sm_labels.nii.gz"),
        ("nifti_totalsegmentator/ct.nii.gz", "nifti_totalsegmentator/ct_vertebrae_labels.nii.gz"),
        ("nifti_misc/FLAIR.nii.gz", "nifti_misc/lesion.nii.gz"),
        ("mha/3DCT_lung.mha", "mha/3DCT_lung_baseline_mask.mha"),
        ("mha/CT_2D_head_fixed.mha", "mha/CT_2D_head_fixed_mask.mha"),
        ("nrrd_pyradiomics/brain1_image.nrrd", "nrrd_pyradiomics/brain1_label.nrrd"),
        ("nrrd_pyradiomics/prostate_phantom_subvolume.nrrd", "nrrd_pyradiomics/prostate_phantom_subvolume-label.nrrd"),
        ("rtstruct_sts003/nifti/PET_image.nii.gz", "rtstruct_sts003/nifti/PET_mask.nii.gz"),
        ("rtstruct_sts003/ct", "rtstruct_sts003/nifti/CT_mask.nii.gz"),
        ("rtstruct_sts003/mr_t1", "rtstruct_sts003/nifti/MR_T1_mask.nii.gz"),
        ("seg_dcmqi_24x38x3/ct", "seg_dcmqi_24x38x3/labels/label.nrrd"),
    ],
)  # fmt: skip
def test_real_labelmaps_have_the_voxels_of_the_facts(
    shared_data: Path, facts: dict[str, Any], image: str, labelmap: str
) -> None:
    document = labels_of(shared_data / labelmap, one(shared_data / image))
    (mask,) = document.masks
    expected = {
        int(value): count for value, count in facts[labelmap]["facts"]["labels"].items() if int(value)
    }
    values, counts = np.unique(mask.array[mask.array > 0], return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == expected
    reference = sitk.ReadImage(str(shared_data / labelmap))
    if reference.GetDimension() == 3 and isinstance(mask.geometry, Geometry):
        chance = np.random.default_rng(2)
        index = np.stack([chance.integers(0, n, 500) for n in mask.array.shape], axis=-1)
        where = np.argwhere(mask.array)[:: max(1, np.count_nonzero(mask.array) // 500)]
        for at in np.concatenate((index, where)):
            there = reference.TransformPhysicalPointToIndex(mask.geometry.to_world(at).tolist())
            inside = all(0 <= n < size for n, size in zip(there, reference.GetSize(), strict=True))
            assert mask.array[tuple(at)] == (reference[there] if inside else 0)


def test_the_table_beside_names_the_segments(shared_data: Path) -> None:
    folder = shared_data / "nifti_totalsegmentator"
    document = labels_of(folder / "ct_sm_labels.nii.gz", one(folder / "ct_sm.nii.gz"))
    (mask,) = document.masks
    table = json.loads((folder / "ct_sm_labels.json").read_text())
    for segment in mask.segments:
        assert segment.label == table[str(segment.value)]
    assert "liver" in document.labels


@pytest.mark.parametrize("name", ["ct_sm", "ct_vertebrae"])
def test_the_table_in_the_header_names_the_segments(shared_data: Path, tmp_path: Path, name: str) -> None:
    folder = shared_data / "nifti_totalsegmentator"
    path = tmp_path / f"{name}_labels.nii.gz"
    path.write_bytes((folder / path.name).read_bytes())
    image = one(folder / ("ct_sm.nii.gz" if name == "ct_sm" else "ct.nii.gz"))
    document = labels_of(path, image)
    table = json.loads((folder / f"{name}_labels.json").read_text())
    colors = {}
    for key, *rgb in re.findall(
        rb'Key="(\d+)" Red="([\d.]+)" Green="([\d.]+)" Blue="([\d.]+)"',
        nibabel.load(path).header.extensions[0].get_content(),
    ):
        colors[int(key)] = "#" + "".join(f"{round(float(part) * 255):02x}" for part in rgb)
    (mask,) = document.masks
    for segment in mask.segments:
        assert segment.label == table[str(segment.value)]
        assert document.labels[segment.label].color == colors[segment.value]
    value = mask.segments[0].value
    (tmp_path / f"{name}_labels.json").write_text(json.dumps({value: "beside"}))
    assert labels_of(path, image).masks[mask.name].segments[0].label == "beside"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ('<Label Key="2" Red="1" Green="0" Blue="0.5" Alpha="1">a &amp; b</Label>', {2: Entry("a & b", "#ff0080")}),
        ("<Label Green='9' Key='2'><![CDATA[a]]></Label>", {2: Entry("a")}),
        ('<Label Key="0" Red="0"><![CDATA[background]]></Label>', {}),
        ('<Label Key="-1"><![CDATA[a]]></Label><Label><![CDATA[b]]></Label><Label Key="3"></Label>', {}),
    ],
)  # fmt: skip
def test_label_tables_of_connectome_workbench(label: str, expected: dict[int, Entry]) -> None:
    assert table_in_header("a.nii", f"<CaretExtension><LabelTable>{label}</LabelTable>") == expected
    assert table_in_header("a.nii", label) == {}


def test_a_slicer_segmentation_equals_slicerio(shared_data: Path) -> None:
    path = shared_data / "nrrd_slicer/Segmentation.seg.nrrd"
    document = labels_of(path, one(shared_data / "nrrd_slicer/CTChest4.nrrd"))
    (mask,) = document.masks
    reference = slicerio.read_segmentation(str(path))
    np.testing.assert_array_equal(mask.array, reference["voxels"].T)
    assert len(mask.segments) == len(reference["segments"])
    for segment, stored in zip(mask.segments, reference["segments"], strict=True):
        label = document.labels[segment.label]
        assert (segment.value, label.name) == (stored["labelValue"], stored["name"])
        scheme, value, meaning = stored["terminology"]["type"]
        assert label.code == Code(value, scheme, meaning)
        assert label.color == "#" + "".join(f"{round(c * 255):02x}" for c in stored["color"])
    assert any("modifier" in note for note in document.notes)


def slicer_file(path: Path, layers: np.ndarray, segments: list[dict[str, Any]]) -> Path:
    affine = np.array(GRID.affine)[:, (2, 1, 0, 3)]
    slicerio.write_segmentation(str(path), {"voxels": layers, "ijkToLPS": affine, "segments": segments})
    return path


def segment(name: str, layer: int, value: int, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "layer": layer, "labelValue": value, "color": [1, 0.5, 0], **more}


def test_overlapping_layers_become_masks(tmp_path: Path) -> None:
    layers = np.zeros((2, *GRID.shape[::-1]), np.uint8)
    layers[0, 1:4, 1, 1], layers[1, 2:5, 1, 1], layers[1, 0, 0, 0] = 1, 1, 2
    terms = {"contextName": "c", "category": ["SCT", "49755003", "Morphologically Altered Structure"],
             "type": ["SCT", "4147007", "Mass"]}  # fmt: skip
    path = slicer_file(tmp_path / "a.seg.nrrd", layers, [
        segment("organ", 0, 1), segment("mass", 1, 1, terminology=terms), segment("other", 1, 2)])  # fmt: skip
    document = labels_of(path, CT)
    assert [mask.name for mask in document.masks] == ["a", "a (2)"]
    for n, mask in enumerate(document.masks):
        np.testing.assert_array_equal(mask.array, layers[n].T)
    assert [s.label for s in document.masks["a (2)"].segments] == ["mass", "other"]
    assert document.labels["mass"].code == Code("4147007", "SCT", "Mass")
    assert document.labels["organ"].color == "#ff8000"


SNAP = '    0     0    0    0        0  0  0    "Clear Label"\n    2   255  128    0        1  1  1    "left kidney"\n'
FREESURFER = "#No. Label Name:  R G B A\n0 Unknown 0 0 0 0\n2   Left-Cerebral-White-Matter   245 245 245 0\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "################\n# ITK-SnAP Label Description File\n" + SNAP, ("left kidney", "#ff8000")),
        ("a.label", SNAP, ("left kidney", "#ff8000")),
        ("a.txt", FREESURFER, ("Left-Cerebral-White-Matter", "#f5f5f5")),
        ("a.ctbl", "# Color table file x\n0 Background 0 0 0 0\n2 left_kidney 10 20 30 255\n",
         ("left kidney", "#0a141e")),
        ("a.csv", "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n2,left kidney,10,20,30,255\n",
         ("left kidney", "#0a141e")),
        ("a.json", '{"2": "left kidney"}', ("left kidney", "")),
        ("a.json", '{"labels": {"background": 0, "left kidney": 2}}', ("left kidney", "")),
        ("a.json", '[{"value": 2, "name": "left kidney", "color": [255, 128, 0]}]', ("left kidney", "#ff8000")),
        ("a.tsv", "index\tname\tcolor\n0\tbackground\t\n2\tleft kidney\t#FF8000\n", ("left kidney", "#ff8000")),
    ],
)  # fmt: skip
def test_tables(tmp_path: Path, name: str, text: str, expected: tuple[str, str]) -> None:
    (tmp_path / name).write_text(text)
    entry = read_table(str(tmp_path / name))[2]
    assert (entry.name, entry.color) == expected
    assert set(read_table(str(tmp_path / name))) == {2}
    save(tmp_path / "a.nii.gz", blobs())
    document = labels_of(tmp_path / "a.nii.gz", CT)
    found = {segment.value: segment.label for segment in document.masks["a"].segments}
    assert found == {1: "a 1", 2: expected[0], 5: "a 5"}
    assert "values without a name in the table: 1, 5" in document.notes


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", '{"a": {"b": 1}}', '{"1": "a", "01": "b"}', "just words", "1 2 3", "\0\1\2",
             '{"x": NaN}']
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(FormatError, match=r"t\.json"):
        labels_of(save(tmp_path / "a.nii", blobs()), CT, lut=tmp_path / "t.json")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
def test_given_tables_and_number_types(tmp_path: Path, suffix: str, dtype: str) -> None:
    path = save(tmp_path / f"seg{suffix}", blobs().astype(dtype))
    (mask,) = labels_of(path, CT, lut={1: "liver", 2: "spleen", 5: "bone"}).masks
    np.testing.assert_array_equal(mask.array, blobs())
    assert [s.label for s in mask.segments] == ["liver", "spleen", "bone"]


def test_one_label_is_named_by_its_file(tmp_path: Path) -> None:
    document = labels_of(save(tmp_path / "liver.nii.gz", (blobs() > 0) * np.uint8(255)), CT)
    assert [label.name for label in document.labels] == ["liver"]
    assert document.masks["liver"].segments[0].value == 255


def test_a_folder_of_organs_is_one_mask_where_they_do_not_overlap(tmp_path: Path) -> None:
    for value, name in ((1, "liver"), (2, "spleen"), (5, "bone")):
        save(tmp_path / f"{name}.nii.gz", (blobs() == value).astype(np.uint8))
    (mask,) = labels_of(tmp_path, CT).masks
    for segment_ in mask.segments:
        value = {"liver": 1, "spleen": 2, "bone": 5}[segment_.label]
        np.testing.assert_array_equal(mask.array == segment_.value, blobs() == value)
    save(tmp_path / "body.nii.gz", np.ones(GRID.shape, np.uint8))
    assert len(labels_of(tmp_path, CT).masks) == 2


def test_other_grids(tmp_path: Path) -> None:
    flipped = Geometry(
        np.array(GRID.affine) @ [[-1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], GRID.shape
    )
    path = save(tmp_path / "a.nii", blobs()[::-1].copy(), flipped)
    document = labels_of(path, CT)
    np.testing.assert_array_equal(document.masks["a"].array, blobs())
    assert any("turned" in note for note in document.notes)
    coarse = Geometry(np.array(GRID.affine) @ np.diag([2, 1, 1, 1]), (2, 5, 6))
    path = save(tmp_path / "b.nii", blobs()[::2].copy(), coarse)
    with pytest.raises(GeometryError, match=r"b\.nii.*2 × 2 × 6 mm") as caught:
        labels_of(path, CT)
    assert "resample=True" in caught.value.hint
    np.testing.assert_array_equal(labels_of(path, CT, resample=True).masks["b"].array[1], blobs()[2])
    np.testing.assert_array_equal(labels_of(path, [CT, Image(np.zeros((2, 5, 6), np.int16), coarse)]).masks["b"].array,
                                  blobs()[::2])  # fmt: skip


def test_what_is_no_labelmap(tmp_path: Path) -> None:
    for values, says in ((np.full(GRID.shape, 0.5, np.float32), "whole numbers"),
                         (np.full(GRID.shape, np.nan, np.float32), "whole numbers"),
                         (np.full(GRID.shape, -1, np.int16), "negative")):  # fmt: skip
        with pytest.raises(FormatError, match=says):
            labels_of(save(tmp_path / "a.nii", values), CT)


def test_frames_and_large_numbers(tmp_path: Path) -> None:
    both = np.stack((blobs(), blobs() * 2))
    document = labels_of(save(tmp_path / "a.nii", both), CT)
    assert [mask.name for mask in document.masks] == ["a 1", "a 2"]
    np.testing.assert_array_equal(document.masks["a 2"].array, both[1])
    large = blobs().astype(np.int32) * 100_000
    document = labels_of(save(tmp_path / "b.nii", large), CT, lut={200_000: "cortex"})
    np.testing.assert_array_equal(document.masks["b"].array, np.array([0, 1, 2, 0, 0, 3])[blobs()])
    assert [s.label for s in document.masks["b"].segments] == ["b 100000", "cortex", "b 500000"]
    assert nibabel.load(tmp_path / "b.nii").get_data_dtype() == np.int32


def picture(path: Path, values: np.ndarray, mode: str | None = None, palette: Any = None) -> Path:
    from PIL import Image as Pictures

    made = Pictures.fromarray(values)
    if palette:
        made = made.convert("P") if made.mode != "L" else made
        made.putpalette(palette)
    (made.convert(mode) if mode else made).save(path)
    return path


XRAY = Image(np.zeros((1, 5, 6), np.uint8), Stack.picture((5, 6)), name="chest")


def test_mask_pictures(tmp_path: Path) -> None:
    flat = blobs()[2] > 0
    for name, values, mode in (("heart.png", flat * np.uint8(255), None), ("bits.png", flat, None),
                               ("colour.png", flat * np.uint8(255), "RGBA")):  # fmt: skip
        document = labels_of(picture(tmp_path / name, values, mode), XRAY)
        (mask,) = document.masks
        np.testing.assert_array_equal(mask.array[0] > 0, flat)
        assert mask.segments[0].label == name.removesuffix(".png")
    document = labels_of(picture(tmp_path / "chest_lung.png", flat * np.uint8(1)), XRAY)
    assert [label.name for label in document.labels] == ["lung"]
    index = np.array([[0, 1, 2, 0, 0, 0]] * 5, np.uint8)
    document = labels_of(picture(tmp_path / "i.png", index, palette=[0, 0, 0, 255, 0, 0, 0, 255, 0]), XRAY,
                         lut={1: "left", 2: "right"})  # fmt: skip
    np.testing.assert_array_equal(document.masks["i"].array[0], index)
    assert [label.name for label in document.labels] == ["left", "right"]


def test_a_folder_of_mask_pictures(tmp_path: Path) -> None:
    other = Image(np.zeros((1, 5, 6), np.uint8), Stack.picture((5, 6)), name="wrist")
    for part in ("bone", "soft"):
        (tmp_path / part).mkdir()
        for image in (XRAY, other):
            picture(tmp_path / part / f"{image.name}.png", np.eye(5, 6, dtype=np.uint8) * 255)
    document = labels_of(tmp_path, [XRAY, other])
    assert len(document.masks) == 4
    assert {(mask.image.name, mask.segments[0].label) for mask in document.masks} == {
        (image.name, part) for image in (XRAY, other) for part in ("bone", "soft")
    }


def test_pictures_that_are_no_masks(tmp_path: Path) -> None:
    shades = np.arange(30, dtype=np.uint8).reshape(5, 6) * 8
    with pytest.raises(GeometryError, match="7 × 5 pixels"):
        labels_of(picture(tmp_path / "a.png", np.ones((5, 7), np.uint8)), XRAY)
    with pytest.raises(FormatError, match="colours"):
        labels_of(picture(tmp_path / "b.png", np.stack((shades, shades.T.reshape(5, 6), shades), -1)), XRAY)
    with pytest.raises(FormatError, match="no PNG"):
        labels_of(picture(tmp_path / "c.jpg", shades), XRAY)
    wide = Image(np.zeros((1, 10, 10), np.uint8), Stack.picture((10, 10)))
    with pytest.raises(FormatError, match="64 shades"):
        labels_of(picture(tmp_path / "d.png", np.arange(100, dtype=np.uint8).reshape(10, 10)), wide)

"""Headers as rows, and what is told of an image without names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import nbannot as nb
from formats_making import write_slice
from nbannot.errors import FormatError, UnknownItemError
from nbannot.formats import Row, header, image_info
from nbannot.model.image import Image


def one(path: Path) -> Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = nb.read(path)
    assert isinstance(image, Image)
    return image


def named(rows: list[Row], name: str) -> list[Row]:
    return [row for row in rows if row.name == name]


def test_every_element_of_a_real_file_is_listed(shared_data: Path) -> None:
    image = one(shared_data / "petct_acrin042/pet_ac")
    rows = header(image, 20)
    path = image.sources[20].path
    assert path is not None
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    tags = [f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in map(int, [*ds.file_meta.keys(), *ds.keys()])]
    assert [row.tag for row in rows if row.depth == 0] == tags
    [weight] = named(rows, "Patient's Weight")
    assert weight == (0, "(0010,1030)", "Patient's Weight", "DS", "91.0")
    [dose] = named(rows, "Radionuclide Total Dose")
    assert (dose.depth, float(dose.value)) == (2, 588802304.0)
    [syntax] = named(rows, "Transfer Syntax UID")
    assert syntax.value == "1.2.840.10008.1.2.4.80 (JPEG-LS Lossless Image Compression)"
    [private] = [row for row in rows if row.tag == "(0009,100D)"]
    assert private.name.endswith("GEMS_PETD_01")


def test_nested_long_binary_and_private_elements(tmp_path: Path) -> None:
    from pydicom import Dataset

    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "T-1"
    outer.ConceptNameCodeSequence = [inner, inner]
    path = write_slice(
        tmp_path / "a.dcm", ContentSequence=[outer], ImageComments="word " * 200, PatientName="Doe^Jane",
        DeviceSerialNumber="a\r\nb", WindowCenter=[1.0] * 40, WindowWidth=[2.0] * 40,
    )  # fmt: skip
    ds = pydicom.dcmread(path)
    block = ds.private_block(0x0011, "ACME", create=True)
    block.add_new(1, "LO", "kept")
    block.add_new(2, "OB", bytes(range(200)) * 2)
    block.add_new(3, "UN", b"\x01\x02")
    block.add_new(4, "OB", bytes(100_000))
    ds.save_as(path)
    rows = header(one(path))
    assert [(row.depth, row.name, row.value) for row in rows if row.depth > 0] == [
        (1, "Item 1", ""), (2, "Concept Name Code Sequence", "2 items"),
        (3, "Item 1", ""), (4, "Code Value", "T-1"), (3, "Item 2", ""), (4, "Code Value", "T-1"),
    ]  # fmt: skip
    assert named(rows, "Content Sequence")[0].value == "1 item"
    assert named(rows, "Patient's Name")[0].value == "Doe^Jane"
    assert named(rows, "Image Comments")[0].value.endswith("… (999 characters)")
    assert named(rows, "Window Center")[0].value.endswith("… (40 values)")
    private = [row for row in rows if row.tag.startswith("(0011,")]
    assert [(row.name, row.value) for row in private] == [
        ("Private Creator", "ACME"), ("private · ACME", "kept"), ("private · ACME", "400 bytes"),
        ("private · ACME", "01 02"), ("private · ACME", "100000 bytes"),
    ]  # fmt: skip
    assert not named(rows, "Pixel Data")


def test_a_frame_of_an_enhanced_file_shows_its_own_groups(shared_data: Path) -> None:
    path = shared_data / "enhanced/mr_BRTUM003_flair.dcm"
    image = one(path)
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    for k in (0, 7):
        rows = header(image, k)
        frame = image.sources[k].frame
        assert frame is not None
        assert [row.name for row in rows if row.depth == 1 and row.name.startswith("Frame")] == [
            f"Frame {frame}"
        ]
        place = ds.PerFrameFunctionalGroupsSequence[frame - 1].PlanePositionSequence[0].ImagePositionPatient
        assert named(rows, "Image Position (Patient)")[-1].value == "\\".join(map(str, place))


@pytest.mark.parametrize("name", ["badVR.dcm", "MR_small_bigendian.dcm", "vlut_04.dcm"])
def test_odd_files_are_listed(shared_data: Path, name: str) -> None:
    assert len(header(one(shared_data / "odd/pydicom" / name))) > 20


def test_nifti_and_pictures(shared_data: Path) -> None:
    rows = header(one(shared_data / "nifti_misc/example4d.nii.gz"), 3, t=1)
    assert named(rows, "dim")[0].value == "4, 128, 96, 24, 2, 1, 1, 1"
    assert named(rows, "extension 6")[0].value == "11 bytes"
    picture = header(one(shared_data / "xray_nih_boxes/00013125_000.png"))
    assert named(picture, "size")[0].value == "1024 × 1024"


def test_no_header() -> None:
    image = Image(np.zeros((2, 4, 4), np.uint8), nb.Geometry(np.eye(4), (2, 4, 4)))
    with pytest.raises(FormatError, match="in memory"):
        header(image)
    with pytest.raises(UnknownItemError, match="k=2"):
        header(image, 2)
    assert ("Memory", "32 B") in image_info(image)


def test_a_file_that_went_away(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm")
    image = one(path)
    path.unlink()
    with pytest.raises(FormatError, match="cannot be read"):
        header(image)


def test_what_is_known_names_nobody(series: Callable[..., Path]) -> None:
    tags: dict[str, Any] = {"PatientName": "Doe^Jane", "PatientID": "4711", "StudyDate": "20240301",
                            "SeriesDescription": "Jane's chest", "ImageLaterality": "R"}  # fmt: skip
    image = one(series([0.0, 2.0, 4.0], **tags))
    found = dict(image_info(image))
    assert found["Size"] == "4 × 3 × 3" and found["Voxel"] == "3 × 2 × 2 mm"
    assert found["Places"] == "regular grid" and found["Axes"] == "columns to L, rows to P, slices to S"
    assert (found["Modality"], found["Unit"], found["Side and view"]) == ("CT", "HU", "R")
    assert found["Memory"] == "72 B" and found["Files"] == "3"
    assert not any(word in str(found) for word in ("Doe", "Jane", "4711", "2024"))


def test_what_is_known_of_real_images(shared_data: Path) -> None:
    pet = dict(image_info(one(shared_data / "petct_acrin042/pet_ac")))
    assert pet["SUV"].startswith("by body weight, lean body mass (Janmahasatian), body surface (DuBois); ")
    tilted = image_info(one(shared_data / "odd/gantry_tilt_dicom2nifti"))
    assert ("Places", "regular grid, sheared") in tilted and ("Note", "gantry tilt 14.0°") in tilted
    assert dict(image_info(one(shared_data / "mr_prostatex0000/dwi")))["Frames"] == "3 by b-value"
    colour = dict(image_info(one(shared_data / "us/us_no_pixel_spacing_regions.dcm")))
    assert colour["Places"] == "no place in the patient" and "colour" in colour["Numbers"]

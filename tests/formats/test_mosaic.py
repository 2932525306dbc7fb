"""Siemens mosaics become volumes, at the places where an independent converter puts them."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import read, scan, write
from nbannot.formats.dicom.csa import csa_values
from nbannot.model.geometry import Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask

MOSAIC = "odd/mosaic_siemens_axasc35"


@pytest.fixture
def copy(shared_data: Path, tmp_path: Path) -> Path:
    shutil.copytree(shared_data / MOSAIC, tmp_path / "mosaic")
    return tmp_path / "mosaic"


def changed(folder: Path, **private: object) -> Path:
    """Change each file: values of CSA fields by name, "csa" None takes the header away."""
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        if "csa" in private:
            del ds[0x0029, 0x1010]
        if "normal" in private:
            raw = bytearray(ds[0x0029, 0x1010].value)
            for number in csa_values(ds)["SliceNormalVector"]:
                at = raw.index(number.encode())
                turned = number[1:] if number.startswith("-") else f"-{number}"
                raw[at : at + len(number) + 1] = turned.encode().ljust(len(number) + 1, b"\0")
            ds[0x0029, 0x1010].value = bytes(raw)
        if "count" in private:
            del ds[0x0029, 0x1010]
            del ds[0x0019, 0x100A]
        ds.save_as(path)
    return folder


def image_of(path: Path) -> Image:
    found = read(path)
    assert isinstance(found, Image)
    return found


def test_a_mosaic_is_the_volume_of_the_reference(shared_data: Path) -> None:
    image = image_of(shared_data / MOSAIC)
    reference = nibabel.load(shared_data / "odd/mosaic_siemens_axasc35_dcm2niix.nii")
    assert (image.frames, image.shape) == (2, (35, 64, 64))
    assert image.frame_label == "time"
    assert image.frame_values == pytest.approx((0.0, 3.01), abs=1e-3)
    assert image.array.dtype == np.uint16 or image.array.dtype == np.int16
    np.testing.assert_array_equal(image.array, np.asarray(reference.dataobj)[:, ::-1].T)
    corners = np.array([(k, j, i) for k in (0, 34) for j in (0, 63) for i in (0, 63)])
    there = nibabel.affines.apply_affine(reference.affine, corners[:, ::-1] * (1, -1, 1) + (0, 63, 0))
    np.testing.assert_allclose(image.geometry.to_world(corners), there * (-1, -1, 1), atol=1e-3)
    assert any("mosaic of 35 slices" in note for note in image.notes)
    assert any("phase encoding COL" in note for note in image.notes)
    assert len(image.sources) == 70


def test_planes_read_alone_are_those_of_the_whole(shared_data: Path) -> None:
    lazy, image = image_of(shared_data / MOSAIC), image_of(shared_data / MOSAIC)
    for k, t in ((0, 0), (5, 1), (6, 0), (34, 1)):
        np.testing.assert_array_equal(lazy.plane_array(k, t=t), image.array[t, k])


def test_the_normal_of_the_header_decides_the_order(shared_data: Path, copy: Path) -> None:
    plain, turned = image_of(shared_data / MOSAIC), image_of(changed(copy, normal="turned"))
    np.testing.assert_array_equal(turned.array, plain.array[:, ::-1])
    assert isinstance(plain.geometry.to_world([0, 0, 0]), np.ndarray)
    np.testing.assert_allclose(
        turned.geometry.to_world([34, 5, 6]), plain.geometry.to_world([0, 5, 6]), atol=1e-6
    )


def test_without_the_header_the_normal_is_taken_and_told(shared_data: Path, copy: Path) -> None:
    image = image_of(changed(copy, csa=None))
    np.testing.assert_array_equal(image.array, image_of(shared_data / MOSAIC).array)
    assert any("no CSA header" in note for note in image.notes)


def test_a_mosaic_of_unknown_tiles_stays_a_picture(copy: Path) -> None:
    with pytest.warns(NbannotWarning, match="mosaic that does not say"):
        image = image_of(changed(copy, count=None))
    assert isinstance(image.geometry, Stack)
    assert not image.geometry.patient_space
    assert scan(copy).geometry[0] == "mosaic"


def test_a_compressed_mosaic(shared_data: Path, copy: Path) -> None:
    for path in copy.iterdir():
        ds = pydicom.dcmread(path)
        ds.compress(RLELossless)
        ds.save_as(path)
    np.testing.assert_array_equal(image_of(copy).array, image_of(shared_data / MOSAIC).array)


def test_damaged_private_headers_do_no_harm(copy: Path) -> None:
    chance = np.random.default_rng(5)
    for path in copy.iterdir():
        whole = pydicom.dcmread(path)
        sound = whole[0x0029, 0x1010].value
        for _ in range(60):
            raw = bytearray(sound)
            for at in chance.integers(0, 2000, 8):
                raw[at] = chance.integers(256)
            whole[0x0029, 0x1010].value = bytes(raw[: chance.integers(20, len(raw))])
            assert isinstance(csa_values(whole), dict)


def test_masks_on_a_mosaic_are_not_written_as_if_slices_were_instances(copy: Path, tmp_path: Path) -> None:
    min(copy.iterdir()).unlink()
    image = image_of(copy)
    assert scan(copy).slices[0] == image.shape[0] == 35
    mask = Mask("all", image, array=np.ones(image.shape, np.uint8), segments={1: "all"})
    with pytest.raises(FormatError, match="one DICOM instance or frame for each slice"):
        write(tmp_path / "mask.dcm", mask)
    write(tmp_path / "mask.nii.gz", mask)

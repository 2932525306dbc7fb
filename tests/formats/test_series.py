"""Real DICOM series against SimpleITK (voxels) and against their headers (places)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from nbannot.errors import NbannotWarning
from nbannot.formats import read
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Images

pytestmark = pytest.mark.slow

# Series that the series reader of SimpleITK is known to assemble rightly.
REGULAR = [
    "petct_acrin042/ct",
    "petct_acrin042/pet_ac",
    "mr_prostatex0000/t2_tra",
    "mr_prostatex0000/t2_sag",
    "mr_prostatex0000/adc",
    "mr_prostatex0000/dwi_bcalc",
    "longitudinal_cmbcrc06489_adc/t0_19591209",
    "longitudinal_cmbcrc06489_adc/t1_19600413",
    "rtstruct_sts003/ct",
    "rtstruct_sts003/mr_t1",
    "rtstruct_sts003/pet_suv",
    "rtstruct_rtutils_phantom/ct",
    "odd/non_isotropic_dicom2nifti",
    "odd/oriented_nonsquare_rtutils",
    "seg_dcmqi_liver/ct_3slice",
    "seg_dcmqi_24x38x3/ct",
]
# All series, also those that SimpleITK gets wrong.
EVERY = [
    *REGULAR,
    "petct_acrin042/ct_scout",
    "mr_prostatex0000/dwi",
    "odd/missing_slice_prostatex0000_bcalc",
    "odd/gantry_tilt_dicom2nifti",
    "odd/mixed_orientation_dicom2nifti",
    "odd/rgb_mr_dicom2nifti",
    "odd/time_series_ge_fmri",
    "seg_highdicom_ct/ct",
]


def read_all(path: Path) -> list[Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        found = read(path)
    return list(found.values()) if isinstance(found, Images) else [found]


def corners(shape: tuple[int, int, int]) -> np.ndarray:
    k, j, i = (n - 1 for n in shape)
    return np.array([[a, b, c] for a in (0, k) for b in (0, j) for c in (0, i)], dtype=float)


@pytest.mark.parametrize("name", REGULAR)
def test_grid_and_voxels_equal_simpleitk(shared_data: Path, name: str) -> None:
    image = read(shared_data / name)
    assert isinstance(image, Image)
    assert isinstance(image.geometry, Geometry)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(shared_data / name)))
    reference = reader.Execute()
    assert image.shape == reference.GetSize()[::-1]
    for corner in corners(image.shape):
        world = reference.TransformContinuousIndexToPhysicalPoint([float(v) for v in corner[::-1]])
        # SimpleITK takes the step from the first two slices: header rounding adds up over the stack
        assert image.geometry.to_world(corner) == pytest.approx(world, abs=2e-2)
    tolerance = 0 if image.dtype.kind != "f" else 1e-6
    np.testing.assert_allclose(image.array, sitk.GetArrayFromImage(reference), rtol=tolerance)


@pytest.mark.parametrize("name", EVERY)
def test_every_slice_is_where_its_header_says(shared_data: Path, name: str) -> None:
    used = []
    for image in read_all(shared_data / name):
        count = image.shape[0]
        assert len(image.sources) == count * image.frames
        for n, source in enumerate(image.sources):
            assert source.path is not None
            used.append(source.sop_instance_uid)
            header = pydicom.dcmread(source.path, stop_before_pixels=True)
            assert source.sop_instance_uid == header.SOPInstanceUID
            axes = np.array(header.ImageOrientationPatient, dtype=float)
            rows, columns = (float(v) for v in header.PixelSpacing)
            last = (header.Rows - 1, header.Columns - 1)
            for j, i in ((0, 0), last):
                expected = np.array(header.ImagePositionPatient, dtype=float)
                expected = expected + axes[:3] * columns * i + axes[3:] * rows * j
                found = image.geometry.to_world([n % count, j, i])
                assert np.linalg.norm(found - expected) < 0.025
    assert len(used) == len(set(used))


@pytest.mark.parametrize(
    "name",
    [
        "mr_prostatex0000/dwi",
        "odd/gantry_tilt_dicom2nifti",
        "odd/mixed_orientation_dicom2nifti",
        "odd/rgb_mr_dicom2nifti",
        "odd/missing_slice_prostatex0000_bcalc",
        "odd/time_series_ge_fmri",
        "seg_highdicom_ct/ct",
    ],
)
def test_each_plane_equals_its_own_file(shared_data: Path, name: str) -> None:
    for image in read_all(shared_data / name):
        count = image.shape[0]
        for n, source in enumerate(image.sources):
            if n % 7 and n > 4:
                continue
            own = sitk.GetArrayFromImage(sitk.ReadImage(source.path))[0]
            plane = image.plane_array(n % count, t=n // count)
            np.testing.assert_array_equal(plane, own)


def test_gantry_tilt_is_a_sheared_grid(shared_data: Path) -> None:
    image = read(shared_data / "odd/gantry_tilt_dicom2nifti")
    assert isinstance(image, Image)
    assert isinstance(image.geometry, Geometry)
    assert not image.geometry.is_orthogonal
    assert image.notes == ("gantry tilt 14.0°",)


def test_missing_slice_is_named_and_never_closed_up(shared_data: Path) -> None:
    with pytest.warns(NbannotWarning, match=r"6 mm between IM0006.dcm and IM0005.dcm"):
        image = read(shared_data / "odd/missing_slice_prostatex0000_bcalc")
    assert isinstance(image, Image)
    assert isinstance(image.geometry, Stack)
    assert image.geometry.patient_space


def test_diffusion_series_has_a_frame_for_each_b_value(shared_data: Path) -> None:
    image = read(shared_data / "mr_prostatex0000/dwi")
    assert isinstance(image, Image)
    assert (image.frames, image.shape) == (3, (19, 128, 84))
    assert image.notes == ("3 frames by b-value: 50, 400, 800",)
    means = image.array.reshape(3, -1).mean(axis=1)
    assert means[0] > means[1] > means[2]


def test_functional_series_keeps_time_order(shared_data: Path) -> None:
    image = read(shared_data / "odd/time_series_ge_fmri")
    assert isinstance(image, Image)
    assert (image.frames, image.shape) == (10, (15, 64, 64))
    numbers = [
        pydicom.dcmread(str(source.path), stop_before_pixels=True).InstanceNumber for source in image.sources
    ]
    by_frame = np.array(numbers).reshape(10, 15)
    assert (np.diff(by_frame.min(axis=1)) > 0).all()
    assert (by_frame.max(axis=1)[:-1] < by_frame.min(axis=1)[1:]).all()


def test_mixed_orientations_become_separate_grids(shared_data: Path) -> None:
    images = read_all(shared_data / "odd/mixed_orientation_dicom2nifti")
    assert [image.geometry.kind for image in images] == ["grid", "grid"]
    assert {image.name.split(" · ")[1].split()[0] for image in images} == {"sagittal", "axial"}


def test_several_series_are_listed_and_chosen_by_name(shared_data: Path) -> None:
    folder = shared_data / "petct_acrin042"
    with pytest.warns(NbannotWarning, match="'CT IMAGES'"):
        images = read(folder)
    assert isinstance(images, Images)
    assert set(images) == {"CT IMAGES", "PET AC", "SCOUT"}
    assert any("left out" in note for note in images["PET AC"].notes)
    pet = read(folder, series="PET AC")
    assert isinstance(pet, Image)
    assert (pet.unit, pet.dtype, pet.id) == ("BQML", np.float32, images["PET AC"].id)


def test_the_order_of_files_does_not_matter(shared_data: Path) -> None:
    files = sorted((shared_data / "mr_prostatex0000/adc").iterdir())
    one, other = read(files), read(files[::-1])
    assert isinstance(one, Image)
    assert isinstance(other, Image)
    assert one.geometry == other.geometry
    assert one.id == other.id
    np.testing.assert_array_equal(one.array, other.array)

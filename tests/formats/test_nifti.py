"""NIfTI against nibabel, and written files read back by SimpleITK."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import map_coordinates

from nbannot.errors import FormatError, GeometryError, GeometryWarning, NbannotWarning
from nbannot.formats import read, write
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
AFFINE = np.array([[-2.0, 0, 0, 10], [0, 3, 0, -20], [0, 0, 4, 5], [0, 0, 0, 1]])


def one(path: Path) -> Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        image = read(path)
    assert isinstance(image, Image)
    return image


def save(path: Path, data: np.ndarray, affine: Any = AFFINE, **fields: Any) -> Path:
    image = nibabel.Nifti1Image(data, affine)
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(
    "name",
    ["nifti_misc/shear.nii.gz", "nifti_misc/FLAIR.nii.gz", "nifti_misc/example4d.nii.gz",
     "nifti_misc/anatomical.nii", "nifti_misc/avg152T1_RL_nifti.nii.gz",
     "nifti_totalsegmentator/ct_sm.nii.gz", "rtstruct_sts003/nifti/PET_image.nii.gz",
     "odd/mosaic_siemens_axasc35_dcm2niix.nii"],
)  # fmt: skip
def test_places_and_voxels_equal_nibabel(shared_data: Path, name: str) -> None:
    image, reference = one(shared_data / name), nibabel.load(shared_data / name)
    voxels = np.asarray(reference.dataobj)
    expected = voxels.T
    np.testing.assert_array_equal(image.array, expected.astype(image.dtype))
    k, j, i = (n // 2 for n in image.shape)
    last = tuple(n - 1 for n in image.shape)
    for index in ((0, 0, 0), (k, j, i), last):
        world = RAS_TO_LPS @ reference.affine @ [*index[::-1], 1]
        assert image.geometry.to_world(index) == pytest.approx(world[:3], abs=1e-4)
    plane = one(shared_data / name).plane_array(k, t=image.frames - 1)
    full = image.array[-1] if image.frames > 1 else image.array
    np.testing.assert_array_equal(plane, full[k])


def test_24_orientations_show_the_same_world(shared_data: Path) -> None:
    points = np.random.default_rng(1).uniform(-40, 40, (2000, 3))
    pictures = []
    for path in sorted((shared_data / "nifti_orientations").iterdir()):
        image = one(path)
        index = image.geometry.to_index(points)
        pictures.append(map_coordinates(image.array, index.T, order=1, cval=0.0))
    assert len(pictures) == 24
    assert np.ptp(pictures[0]) > 50
    for picture in pictures[1:]:
        np.testing.assert_allclose(picture, pictures[0], atol=0.01)


def test_colour(shared_data: Path) -> None:
    image = one(shared_data / "nifti_misc/ct_perfusion.nii.gz")
    stored = np.asarray(nibabel.load(shared_data / "nifti_misc/ct_perfusion.nii.gz").dataobj)
    assert image.is_color
    np.testing.assert_array_equal(image.array[..., 1], stored["G"].T)


def test_two_stated_places_warn(shared_data: Path) -> None:
    with pytest.warns(GeometryWarning, match="the sform is used"):
        read(shared_data / "nifti_misc/shear.nii.gz")


def test_no_stated_place_warns(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.zeros((2, 3, 4), np.int16), None)
    with pytest.warns(GeometryWarning, match="does not say where"):
        read(path)


@pytest.mark.parametrize(
    ("data", "slope", "intercept", "dtype"),
    [
        (np.arange(8, dtype=np.int16), 1, 0, "int16"),
        (np.arange(8, dtype=">i2"), 1, 0, "int16"),
        (np.arange(8, dtype=np.uint8), 1, -1024, "int16"),
        (np.arange(8, dtype=np.int16), 0.25, 3, "float32"),
        (np.arange(8, dtype=np.float64), 1, 0, "float32"),
        (np.arange(8, dtype=np.uint32), 1, 0, "uint8"),
        (np.arange(8, dtype=np.int64) * 100_000, 1, 0, "int32"),
    ],
)
def test_scaling_and_dtypes(
    tmp_path: Path, data: np.ndarray, slope: float, intercept: float, dtype: str
) -> None:
    image = nibabel.Nifti1Image(data.reshape(2, 2, 2), AFFINE, dtype=data.dtype)
    image.header.set_slope_inter(slope, intercept)
    header = image.header.copy()
    header["vox_offset"] = 352
    if data.dtype.byteorder == ">":
        header = header.as_byteswapped(">")
    path = tmp_path / "a.nii"
    with path.open("wb") as file:
        file.write(header.binaryblock)
        file.write(b"\0" * 4)
        file.write(data.astype(header.get_data_dtype()).tobytes())
    found = one(path)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.array.ravel(order="C"), data.astype(float) * slope + intercept)


def test_units_and_times(tmp_path: Path) -> None:
    data = np.zeros((2, 3, 4, 5), np.int16)
    image = nibabel.Nifti1Image(data, AFFINE / 1000)
    image.header.set_xyzt_units("meter", "msec")
    image.header["pixdim"][4] = 500
    nibabel.save(image, tmp_path / "a.nii")
    found = one(tmp_path / "a.nii")
    assert found.geometry.spacing == pytest.approx((4, 3, 2))
    assert found.frame_times == pytest.approx((0, 0.5, 1, 1.5, 2))


def test_an_affine_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.zeros((2, 3, 4), np.int16))
    raw = bytearray(path.read_bytes())
    raw[280:284] = np.float32(np.nan).tobytes()
    path.write_bytes(raw)
    with pytest.raises(GeometryError, match=r"a\.nii"):
        read(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("keep", [0, 100, 352, 400])
def test_cut_off_files_are_refused(tmp_path: Path, name: str, keep: int) -> None:
    data = np.random.default_rng(1).integers(0, 100, (9, 9, 9)).astype(np.int16)
    path = save(tmp_path / name, data)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match=name):
        read(path)


def test_complex_numbers_and_five_axes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="complex"):
        read(save(tmp_path / "a.nii", np.zeros((2, 2, 2), np.complex64)))
    with pytest.raises(FormatError, match="axes"):
        read(save(tmp_path / "b.nii", np.zeros((2, 2, 2, 3, 3), np.int16)))


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
def test_written_images_read_back_equal_here_and_in_simpleitk(tmp_path: Path, name: str, dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([4.0, 3.0, 2.0])[:, (2, 1, 0)]
    affine[:3, 3] = (-7, 8, 9)
    geometry = Geometry(affine[:, [2, 1, 0, 3]][:, [0, 1, 2, 3]], array.shape)
    path = tmp_path / name
    write(path, Image(array, geometry, name="x"))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    back = one(path)
    np.testing.assert_array_equal(back.array, array)
    assert back.dtype == dtype
    reference = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(reference), array)
    for index in ((0, 0, 0), (1, 2, 3)):
        world = reference.TransformIndexToPhysicalPoint(index[::-1])
        assert geometry.to_world(index) == pytest.approx(world, abs=1e-4)
        assert back.geometry.to_world(index) == pytest.approx(world, abs=1e-4)


def test_sheared_colour_and_time_survive_writing(tmp_path: Path) -> None:
    affine = np.array([[0, 0, 2.0, 0], [1.0, 2.0, 0, 0], [4.0, 0, 0, 0], [0, 0, 0, 1]])
    colors = np.random.default_rng(1).integers(0, 255, (2, 3, 4, 3)).astype(np.uint8)
    write(tmp_path / "c.nii", Image(colors, Geometry(affine, (2, 3, 4)), photometric="RGB"))
    back = one(tmp_path / "c.nii")
    np.testing.assert_array_equal(back.array, colors)
    assert not back.geometry.is_orthogonal
    times = np.zeros((5, 2, 3, 4), np.int16)
    write(tmp_path / "t.nii", Image(times, Geometry(affine, (2, 3, 4)), frame_times=range(5)))
    assert one(tmp_path / "t.nii").frame_times == (0, 1, 2, 3, 4)


def test_masks_are_written(tmp_path: Path, shared_data: Path) -> None:
    image = one(shared_data / "nifti_totalsegmentator/ct_sm.nii.gz")
    mask = Mask("bone", image=image, array=(image.array > 100).astype(np.uint8))
    write(tmp_path / "m.nii.gz", mask)
    back = one(tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(back.array, image.array > 100)
    assert back.geometry.to_world([9, 8, 7]) == pytest.approx(image.geometry.to_world([9, 8, 7]))


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    picture = Image(np.zeros((1, 2, 2), np.uint8), Stack.picture((2, 2)))
    with pytest.raises(GeometryError, match="stack of planes"):
        write(tmp_path / "a.nii", picture)
    with pytest.raises(FormatError, match=r"\.nii"):
        write(tmp_path / "a.xyz", picture)
    assert not list(tmp_path.iterdir())


def test_other_data_under_a_nifti_name(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(b"not an image" * 100))
    with pytest.raises(FormatError, match=r"a\.nii\.gz"):
        read(path)

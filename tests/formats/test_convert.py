"""Images to the objects of other libraries and back, exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import xarray
from hypothesis import given
from hypothesis import strategies as st

from formats_reference import one, sitk_affine
from nbannot.errors import FormatError, GeometryError
from nbannot.formats import convert
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask

TURN = np.array(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.9).GetMatrix()).reshape(3, 3)
AFFINE = np.eye(4)
AFFINE[:3, 2::-1] = TURN @ np.diag((0.7, 0.8, 2.5))
AFFINE[:3, 3] = -100.5, 20.25, 1 / 3
GRID = Geometry(AFFINE, (3, 4, 5), frame_of_reference="1.2.3")
SHEARED = Geometry(AFFINE + np.outer((0, 0, 1, 0), (0, 0.4, 0, 0)), (3, 4, 5))

WAYS: dict[str, tuple[Callable[..., Any], Callable[..., Image]]] = {
    "sitk": (convert.to_sitk, convert.from_sitk),
    "nibabel": (convert.to_nibabel, convert.from_nibabel),
    "highdicom": (convert.to_highdicom, convert.from_highdicom),
    "xarray": (convert.to_xarray, convert.from_xarray),
}
EACH = pytest.mark.parametrize("way", WAYS)


def numbers(dtype: str = "int16", *shape: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 99, shape or GRID.shape).astype(dtype)


def equal(image: Image, expected: Image) -> None:
    np.testing.assert_array_equal(image.array, expected.array)
    assert image.array.dtype == expected.array.dtype
    np.testing.assert_allclose(image.geometry.affine, expected.geometry.affine, rtol=0, atol=1e-12)
    assert image.is_color == expected.is_color


@EACH
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32"])
def test_there_and_back(way: str, dtype: str) -> None:
    to, back = WAYS[way]
    image = Image(numbers(dtype), GRID, name="ct")
    equal(back(to(image), name="ct"), image)


@EACH
def test_frames_colour_and_masks(way: str) -> None:
    to, back = WAYS[way]
    frames = Image(numbers("int16", 2, *GRID.shape), GRID)
    equal(back(to(frames)), frames)
    colour = Image(numbers("uint8", *GRID.shape, 3), GRID, photometric="RGB")
    equal(back(to(colour)), colour)
    mask = Mask("m", colour, array=numbers("uint8"), segments={n: f"{n}" for n in range(1, 99)})
    np.testing.assert_array_equal(back(to(mask)).array, mask.array)


@given(
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.tuples(*[st.floats(0.1, 9)] * 3),
    st.tuples(*[st.floats(-999, 999)] * 3),
)
def test_any_rotation(angles: Any, spacing: Any, origin: Any) -> None:
    affine = np.eye(4)
    turn = np.array(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix()).reshape(3, 3)
    affine[:3, 2::-1], affine[:3, 3] = turn @ np.diag(spacing), origin
    image = Image(numbers(), Geometry(affine, GRID.shape))
    for to, back in WAYS.values():
        np.testing.assert_allclose(back(to(image)).geometry.affine, affine, atol=1e-9)


def test_their_own_view_of_the_places() -> None:
    image = Image(numbers(), GRID)
    made = convert.to_sitk(image)
    np.testing.assert_allclose(sitk_affine(made), GRID.affine)
    world = GRID.to_world((1, 2, 3))
    np.testing.assert_allclose(made.TransformIndexToPhysicalPoint((3, 2, 1)), world)
    assert made[3, 2, 1] == image.array[1, 2, 3]
    volume = convert.to_highdicom(image)
    assert volume.frame_of_reference_uid == "1.2.3"
    np.testing.assert_allclose(volume.map_indices_to_reference(np.array([[1, 2, 3]]))[0], world)
    ras = nibabel.affines.apply_affine(convert.to_nibabel(image).affine, (3, 2, 1))
    np.testing.assert_allclose(ras * (-1, -1, 1), world)
    assert convert.from_highdicom(volume).frame_of_reference == "1.2.3"


def test_sheared_grids() -> None:
    image = Image(numbers(), SHEARED, name="tilted")
    for way in ("nibabel", "xarray"):
        to, back = WAYS[way]
        equal(back(to(image)), image)
    for way in ("sitk", "highdicom"):
        with pytest.raises(GeometryError, match="sheared"):
            WAYS[way][0](image)


@EACH
def test_planes_without_a_grid_are_refused(way: str) -> None:
    planes = [
        Plane(np.array((0.0, 0, z)), np.array((1.0, 0, 0)), np.array((0, 1.0, 0)), (4, 5)) for z in (0, 1, 5)
    ]
    with pytest.raises(GeometryError, match="stack of planes"):
        WAYS[way][0](Image(numbers(), Stack(planes)))


@pytest.mark.parametrize("way", ["sitk", "xarray"])
def test_pictures(way: str) -> None:
    to, back = WAYS[way]
    place = Stack.picture((4, 5), spacing=(0.5, 0.25), unit="mm")
    for picture in (Image(numbers("uint8", 1, 4, 5), place),
                    Image(numbers("uint8", 1, 4, 5, 3), place, photometric="RGB")):  # fmt: skip
        found = back(to(picture))
        assert found.geometry == place
        np.testing.assert_array_equal(found.array, picture.array)


def test_a_part_of_an_array_keeps_its_place() -> None:
    image = Image(numbers("int16", 2, *GRID.shape), GRID, frame_times=(0, 0.5))
    array = convert.to_xarray(image)
    part = convert.from_xarray(array.transpose("i", "t", "k", "j")[::-2, :, 1:, 2:])
    np.testing.assert_array_equal(part.array, image.array[:, 1:, 2:, ::-2])
    np.testing.assert_allclose(part.geometry.to_world((0, 0, 0)), GRID.to_world((1, 2, 4)))
    np.testing.assert_allclose(part.geometry.to_world((1, 1, 2)), GRID.to_world((2, 3, 0)))
    assert part.frame_times == (0, 0.5)
    slice_ = convert.from_xarray(array.isel(t=0, k=2))
    np.testing.assert_array_equal(slice_.array[0], image.array[0, 2])
    np.testing.assert_allclose(slice_.geometry.to_world((0, 1, 1)), GRID.to_world((2, 1, 1)))


def test_arrays_with_coordinates_in_mm() -> None:
    array = xarray.DataArray(numbers(), dims=("z", "y", "x"), attrs={"direction": TURN}, coords={
        "z": 7 + 2.5 * np.arange(3), "y": 20 + 0.8 * np.arange(4), "x": -10 + 0.7 * np.arange(5)})  # fmt: skip
    image = convert.from_xarray(array)
    reference = sitk.GetImageFromArray(numbers())
    reference.SetSpacing((0.7, 0.8, 2.5))
    reference.SetOrigin((-10, 20, 7))
    reference.SetDirection(TURN.ravel().tolist())
    np.testing.assert_allclose(image.geometry.affine, sitk_affine(reference), atol=1e-9)
    for bad in ({"z": [0, 1, 5]}, {"z": [0, 1, np.nan]}, {"z": [1, 1, 1]}):
        with pytest.raises(GeometryError, match="coordinates of k"):
            convert.from_xarray(array.assign_coords(bad))
    with pytest.raises(GeometryError, match="does not say where"):
        convert.from_xarray(array.drop_vars("z"))
    with pytest.raises(FormatError, match="not understood"):
        convert.from_xarray(array.rename(x="width"))


def test_what_is_not_shown() -> None:
    with pytest.raises(FormatError, match="complex"):
        convert.from_nibabel(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.complex64), np.eye(4)))
    with pytest.raises(FormatError, match="shape"):
        convert.from_nibabel(nibabel.Nifti1Image(np.zeros((2, 2, 2, 2, 2), np.int16), np.eye(4)))
    with pytest.raises(GeometryError, match="slide"):
        convert.from_highdicom(hd.Volume(numbers(), np.diag((2.0, 1, 1, 1)), "SLIDE"))
    wide = convert.from_sitk(sitk.GetImageFromArray(numbers("int64")))
    assert wide.dtype == np.uint8


@pytest.mark.parametrize(
    "name", ["mha/epi_64x64x37.mha", "nrrd_slicer/CTChest4.nrrd", "mha/CT_2D_head_fixed.mha"]
)
def test_real_images_from_simpleitk_are_as_from_their_files(shared_data: Path, name: str) -> None:
    image = one(shared_data / name)
    found = convert.from_sitk(sitk.ReadImage(str(shared_data / name)))
    np.testing.assert_array_equal(found.array, image.array)
    np.testing.assert_allclose(found.geometry.to_world((0, 1, 1)), image.geometry.to_world((0, 1, 1)))

"""Registration: what was moved is found back; what cannot be registered is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbannot.assist import register, simpleitk_transform
from nbannot.assist.registration import _square
from nbannot.errors import GeometryError, GeometryWarning, MaskError
from nbannot.formats import read
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask
from nbannot.model.transform import Transform

pytestmark = pytest.mark.slow


def rigid(image: Image, degrees: float, shift: tuple[float, float, float]) -> Transform:
    """A turn about two axes through the middle of the image, and a shift."""
    import SimpleITK as sitk

    middle = image.geometry.to_world((np.array(image.shape) - 1) / 2)
    euler = sitk.Euler3DTransform(
        [float(x) for x in middle], np.deg2rad(degrees / 2), 0, np.deg2rad(degrees), shift
    )
    return Transform.from_simpleitk(euler).inverse()


def moved(image: Image, by: Transform) -> Image:
    assert isinstance(image.geometry, Geometry)
    return Image(image.array, Geometry(by.matrix @ image.geometry.affine, image.shape))


def errors(image: Image, found: Transform, by: Transform) -> tuple[float, float]:
    """Degrees and mm (at the middle of the image) by which a move was not found back."""
    rest = by.then(found)
    middle = image.geometry.to_world((np.array(image.shape) - 1) / 2)
    return rest.angle, float(np.linalg.norm(rest.apply(middle) - middle))


@pytest.mark.parametrize("path", ["nifti_totalsegmentator/ct.nii.gz", "mr_prostatex0000/t2_tra"])
def test_a_moved_image_is_found_back(shared_data: Path, path: str) -> None:
    image = read(shared_data / path)
    by = rigid(image, 7, (9, -12, 6))
    steps: list[float] = []
    found = register(moved(image, by), image, spacing=2.5, progress=lambda done, _: steps.append(done))
    degrees, mm = errors(image, found, by)
    assert (degrees < 0.5, mm < 0.5) == (True, True), (degrees, mm)
    assert found.metric is not None
    assert found.before is not None
    assert found.metric > found.before
    assert (found.kind, found.fixed) == ("rigid", image.id)
    assert steps == sorted(steps)
    assert steps[-1] == 1.0


def test_the_same_call_gives_the_same_numbers(shared_data: Path) -> None:
    image = read(shared_data / "mr_prostatex0000/t2_tra")
    by = rigid(image, 3, (4, 2, -3))
    one, two = (register(moved(image, by), image, spacing=4, kind="affine") for _ in range(2))
    assert np.array_equal(one.matrix, two.matrix)


def test_two_time_points_match_better_afterwards(shared_data: Path) -> None:
    folder = shared_data / "longitudinal_cmbcrc06489_adc"
    prior, current = read(folder / "t0_19591209"), read(folder / "t1_19600413")
    found = register(prior, current)
    assert found.metric is not None
    assert found.before is not None
    assert found.metric > 1.2 * found.before
    assert found.angle < 5
    assert correlation(prior, current, found) > correlation(prior, current, Transform(np.eye(4))) + 0.05


def correlation(moving: Image, fixed: Image, found: Transform) -> float:
    from scipy.ndimage import map_coordinates

    index = np.moveaxis(np.indices(fixed.shape)[:, ::2, ::4, ::4], 0, -1)
    there = moving.geometry.to_index(found.inverse().apply(fixed.geometry.to_world(index)))
    values = map_coordinates(moving.array.astype(float), np.moveaxis(there, -1, 0), order=1, cval=0)
    return float(np.corrcoef(values.ravel(), fixed.array[::2, ::4, ::4].ravel())[0, 1])


def test_a_shift_alone_in_a_mask(shared_data: Path) -> None:
    image = read(shared_data / "nifti_totalsegmentator/ct.nii.gz")
    inside = np.zeros(image.shape, dtype=np.uint8)
    inside[30:90, 20:80, 20:100] = 1
    by = Transform.from_matrix([[1, 0, 0, 5], [0, 1, 0, -7], [0, 0, 1, 3], [0, 0, 0, 1]])
    found = register(moved(image, by), image, kind="translation", mask=Mask("in", image, array=inside))
    assert np.allclose(found.matrix, by.inverse().matrix, atol=0.3)


def test_a_tilted_series_is_resampled_and_says_so(shared_data: Path) -> None:
    image = read(shared_data / "odd/gantry_tilt_dicom2nifti")
    by = Transform.from_matrix([[1, 0, 0, 6], [0, 1, 0, 4], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.warns(GeometryWarning, match="sheared"):
        found = register(moved(image, by), image, kind="translation")
    assert np.allclose(found.matrix, by.inverse().matrix, atol=0.5)


def test_resampling_to_right_angles_keeps_values_where_they_are() -> None:
    affine = np.array([[0, 0, 2.0, -10], [0.8, 1.5, 0, 5], [3.0, 0, 0, 7], [0, 0, 0, 1]])
    sheared = Geometry(affine, (6, 8, 5))
    assert not sheared.is_orthogonal
    values = sheared.to_world(np.moveaxis(np.indices(sheared.shape), 0, -1)) @ (1.0, 10.0, 100.0)
    with pytest.warns(GeometryWarning):
        array, squared = _square(values, sheared, linear=True)
    grid = Geometry(squared, array.shape)
    assert grid.is_orthogonal
    places = grid.to_world(np.moveaxis(np.indices(grid.shape), 0, -1))
    index = sheared.to_index(places)
    inside = ((index >= -1e-9) & (index <= np.array(sheared.shape) - 1 + 1e-9)).all(axis=-1)
    assert inside.sum() > 0.5 * values.size
    assert np.allclose(array[inside], (places @ (1.0, 10.0, 100.0))[inside])


def test_cancelled_by_the_one_who_follows(shared_data: Path) -> None:
    image = read(shared_data / "mr_prostatex0000/t2_tra")
    calls: list[float] = []

    def stop(done: float, _: str) -> None:
        calls.append(done)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        register(image, image, spacing=4, start="centre", progress=stop)
    assert len(calls) == 3


def test_the_simpleitk_transform_resamples_the_moving_image() -> None:
    matrix = np.array([[0, -1, 0, 3], [1, 0, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1.0]])
    transform = Transform.from_matrix(matrix, moving="a", fixed="b")
    back = simpleitk_transform(transform)
    assert np.allclose(back.TransformPoint(tuple(transform.apply((1.0, 2.0, 3.0)))), (1, 2, 3))
    again = Transform.from_simpleitk(back, moving="a", fixed="b")
    assert np.allclose(again.matrix, matrix)
    assert (again.kind, transform.kind) == ("rigid", "rigid")


GRID = Geometry(np.array([[0, 0, 2.0, 0], [0, 2.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]]), (4, 6, 5))


def noise(**more: Any) -> Image:
    values = np.random.default_rng(1).normal(size=(4, 6, 5)).astype(np.float32)
    return Image(values, GRID, **more)


def picture() -> Image:
    return Image(np.zeros((1, 4, 4), np.uint8), Stack.picture((4, 4)))


def colour() -> Image:
    return Image(np.zeros((4, 6, 5, 3), np.uint8), GRID, photometric="RGB")


def flat() -> Image:
    return Image(np.ones((4, 6, 5), np.uint8), GRID)


REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "picture": (lambda: register(picture(), noise()), GeometryError, "moving image is no volume"),
    "colour": (lambda: register(noise(), colour()), GeometryError, "fixed image is in colour"),
    "one value": (lambda: register(noise(), flat()), GeometryError, "one value only"),
    "kind": (lambda: register(noise(), noise(), kind="warp"), GeometryError, "translation, rigid, affine"),
    "start": (lambda: register(noise(), noise(), start="left"), GeometryError, "Unknown start"),
    "spacing": (lambda: register(noise(), noise(), spacing=0), GeometryError, "above 0 mm"),
    "shape": (lambda: register(noise(), noise(), mask=np.ones((2, 2, 2))), MaskError, "has the shape"),
    "empty": (lambda: register(noise(), noise(), mask=np.zeros((4, 6, 5))), MaskError, "empty"),
    "far": (lambda: register(far(), noise(), start="as-is"), GeometryError, "do not meet"),
}


def far() -> Image:
    affine = GRID.affine.copy()
    affine[:3, 3] = 1000
    return Image(noise().array, Geometry(affine, GRID.shape))


@pytest.mark.parametrize(("call", "error", "text"), list(REFUSED.values()), ids=list(REFUSED))
def test_what_cannot_be_registered_is_refused(
    call: Callable[[], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call()


def test_nothing_heavy_is_loaded_by_the_package() -> None:
    code = "import sys, nbannot.assist; print([m for m in ('SimpleITK', 'scipy') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"

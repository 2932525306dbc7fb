"""Margin, hollow, smooth, holes, islands: the voxels of an independent computation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from nbannot.assist import operations as ops
from nbannot.errors import GeometryError, OperationError
from nbannot.formats import read
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask
from operations_making import SPACING, blobs, grid, image_of, mask_of

Flags = NDArray[np.bool_]


def near(flags: Flags, mm: float, geometry: Any, *, flat: bool = False) -> Flags:
    """By the definition: the distance of every voxel centre to every one that is set, in the world."""
    index = np.moveaxis(np.indices(flags.shape), 0, -1).reshape(-1, 3)
    every = geometry.to_world(index)
    if flat:  # slices so far apart that they do not meet
        every = every + np.outer(index[:, 0], (1e4, 1e4, 1e4))
    away, _ = cKDTree(every[flags.ravel()]).query(every)
    return np.asarray(away <= mm + 1e-6).reshape(flags.shape)


def sitk_of(flags: Any, spacing: tuple[float, ...] = SPACING) -> Any:
    image = sitk.GetImageFromArray(np.asarray(flags).astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    return image


@pytest.fixture(scope="module")
def bones(shared_data: Path) -> tuple[Image, NDArray[np.uint8]]:
    """A real CT and its vertebrae, three of them with labels of their own."""
    folder = shared_data / "nifti_totalsegmentator"
    image = read(folder / "ct.nii.gz")
    labels = np.asarray(read(folder / "ct_vertebrae_labels.nii.gz").array)
    kept = np.unique(labels)[1:4]
    return image, np.searchsorted(kept, labels, side="left").astype(np.uint8) * np.isin(
        labels, kept
    ) + np.isin(labels, kept).astype(np.uint8)


@pytest.mark.parametrize("tilt", [0.0, 1.1])
@pytest.mark.parametrize("dimension", ["3d", "2d"])
@pytest.mark.parametrize("mm", [0.8, 1.25, 3.0, 4.6, -0.9, -2.5, -3.0])
def test_a_margin_is_a_distance_in_the_world(mm: float, dimension: Any, tilt: float) -> None:
    flags = blobs((7, 14, 16), 3, 0.7 if mm > 0 else -0.7)
    mask, _ = mask_of(flags, tilt=tilt)
    flat = dimension == "2d"
    geometry = mask.geometry
    wanted = (
        near(flags, mm, geometry, flat=flat) if mm > 0 else flags & ~near(~flags, -mm, geometry, flat=flat)
    )
    edit = ops.margin(mask, mm, dimension=dimension)
    assert np.array_equal(mask.array == 1, wanted)
    assert (edit is None) == np.array_equal(flags, wanted)


def test_a_wide_margin_on_a_real_ct_is_that_of_scipy(bones: tuple[Image, NDArray[np.uint8]]) -> None:
    image, labels = bones
    for mm in (7.5, 60.0):  # by sweeps, and by ITK's distance map
        mask, _ = mask_of(labels == 1, image=image)
        ops.margin(mask, mm)
        away = ndimage.distance_transform_edt(labels != 1, sampling=image.geometry.spacing)
        assert np.array_equal(mask.array == 1, away <= mm + 1e-3)


@pytest.mark.parametrize("side", ["inside", "outside", "both"])
def test_a_shell(side: Any) -> None:
    flags = blobs((7, 14, 16), 5, -0.4)
    mask, _ = mask_of(flags)
    ops.hollow(mask, 3.0, side=side)
    geometry = mask.geometry

    def grown(mm: float) -> Flags:
        return near(flags, mm, geometry)

    def shrunk(mm: float) -> Flags:
        return flags & ~near(~flags, mm, geometry)

    wanted = {
        "inside": flags & ~shrunk(3),
        "outside": grown(3) & ~flags,
        "both": grown(1.5) & ~shrunk(1.5),
    }
    assert np.array_equal(mask.array == 1, wanted[side])


def test_median_is_that_of_itk(bones: tuple[Image, NDArray[np.uint8]]) -> None:
    image, labels = bones
    for flags, source, mm in ((blobs(), None, 4.1), (blobs(seed=7), None, 9.0), (labels == 1, image, 9.0)):
        mask, _ = mask_of(flags, image=source)
        ops.smooth(mask, mm)
        spacing = mask.geometry.spacing
        radius = [int((mm / step + 1e-6 - 1) // 2) for step in spacing]
        method = sitk.BinaryMedianImageFilter()
        method.SetRadius([max(r, 0) for r in radius[::-1]])
        method.SetForegroundValue(1)
        wanted = sitk.GetArrayFromImage(method.Execute(sitk_of(flags, spacing)))
        assert np.array_equal(mask.array, wanted)


@pytest.mark.parametrize(("method", "diameter"), [("opening", 3.2), ("closing", 6.5), ("opening", 6.4)])
def test_opening_and_closing_with_a_ball(method: Any, diameter: float) -> None:
    flags = blobs((7, 14, 16), 9, -0.2)
    mask, _ = mask_of(flags)
    ops.smooth(mask, diameter, method=method)
    r, geometry = diameter / 2, mask.geometry
    if method == "opening":
        wanted = near(flags & ~near(~flags, r, geometry), r, geometry)
    else:
        grew = near(flags, r, geometry)
        wanted = grew & ~near(~grew, r, geometry)
    assert np.array_equal(mask.array == 1, wanted)


def test_gaussian_is_that_of_scipy(bones: tuple[Image, NDArray[np.uint8]]) -> None:
    image, labels = bones
    for flags, source, sd in ((blobs(), None, 1.7), (labels == 2, image, 4.0)):
        mask, _ = mask_of(flags, image=source)
        ops.smooth(mask, sd, method="gaussian")
        spacing = mask.geometry.spacing
        whole = ndimage.gaussian_filter(flags.astype(float), [sd / s for s in spacing], mode="nearest")
        assert np.array_equal(mask.array[abs(whole - 0.5) > 1e-5], (whole > 0.5)[abs(whole - 0.5) > 1e-5])


def test_joint_smoothing_leaves_no_gap(bones: tuple[Image, NDArray[np.uint8]]) -> None:
    image, labels = bones
    mask, _ = mask_of(labels, "one", "two", "three", image=image)
    ops.smooth(mask, 3.0, method="joint")
    sigma = [3.0 / step for step in image.geometry.spacing]
    shares = np.stack(
        [ndimage.gaussian_filter((labels == v) * 1.0, sigma, mode="nearest") for v in (1, 2, 3)]
    )
    union = ndimage.gaussian_filter((labels > 0) * 1.0, sigma, mode="nearest")
    sure = (abs(union - 0.5) > 1e-5) & (np.diff(np.sort(shares, axis=0), axis=0)[-1] > 1e-5)
    wanted = np.where(union > 0.5, shares.argmax(axis=0) + 1, 0)
    assert np.array_equal(mask.array[sure], wanted[sure])
    assert sure[wanted > 0].mean() > 0.99


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_holes_are_those_of_scipy(axis: Any) -> None:
    flags = blobs(seed=11, level=-0.6)
    mask, document = mask_of(flags)
    ops.fill_holes(mask, "2d", axis=axis)
    slices = [ndimage.binary_fill_holes(plane) for plane in np.moveaxis(flags, axis, 0)]
    assert np.array_equal(mask.array == 1, np.moveaxis(np.stack(slices), 0, axis))
    while document.can_undo and not np.array_equal(mask.array, flags):
        document.undo()
    ops.fill_holes(mask)
    assert np.array_equal(mask.array == 1, ndimage.binary_fill_holes(flags))


def test_islands_are_those_of_itk(bones: tuple[Image, NDArray[np.uint8]]) -> None:
    image, _ = bones
    flags = image.array > 200
    connected = sitk.ConnectedComponent(sitk_of(flags), False)
    ordered = sitk.GetArrayFromImage(sitk.RelabelComponent(connected))
    sizes = np.bincount(ordered.ravel())
    assert sizes[1] > sizes[2] > sizes[3] > sizes[4]
    mask, document = mask_of(flags, image=image)
    ops.islands(mask, n=3)
    assert np.array_equal(mask.array == 1, (ordered > 0) & (ordered <= 3))
    document.undo()
    voxel = float(np.prod(image.geometry.spacing))
    ops.islands(mask, "minimum", minimum=20 * voxel)
    assert np.array_equal(mask.array == 1, (sizes[ordered] >= 20) & (ordered > 0))
    document.undo()
    place = tuple(int(x) for x in np.argwhere(ordered == 2)[0])
    ops.islands(mask, "selected", index=place)
    assert np.array_equal(mask.array == 1, ordered == 2)
    document.undo()
    ops.islands(mask, "remove", world=image.geometry.to_world(place))
    assert np.array_equal(mask.array == 1, (ordered != 2) & (ordered > 0))


def test_islands_become_segments_in_one_edit(bones: tuple[Image, NDArray[np.uint8]]) -> None:
    image, _ = bones
    flags = image.array > 200
    mask, document = mask_of(flags, "bone", image=image)
    before = document.revision
    edit = ops.islands(mask, "split", minimum=6, unit="voxels")
    assert edit is not None
    assert document.revision == before + 1
    numbers, _ = ndimage.label(flags)
    sizes = np.sort(np.bincount(numbers.ravel())[1:])[::-1]
    large = sizes[sizes >= 6]
    found = np.bincount(mask.array.ravel())[1:]
    assert len(found) == len(large) > 5
    assert np.array_equal(found[1:], large[1:])
    assert found[0] == sizes[0] + sizes[len(large) :].sum()
    assert [s.label for s in mask.segments][:3] == ["bone", "bone 2", "bone 3"]
    assert "bone 3" in document.labels
    document.undo()
    assert np.array_equal(mask.array, flags)
    assert len(mask.segments) == 1


def test_more_than_255_islands() -> None:
    flags = np.zeros((8, 24, 24), dtype=bool)
    flags[::2, ::2, ::2] = True
    flags[0, 0, 1] = True
    mask, document = mask_of(flags)
    ops.islands(mask, "split")
    assert mask.array.dtype == np.uint16
    assert len(mask.segments) == int(flags.sum()) - 2
    assert np.array_equal(mask.array > 0, flags)
    document.undo()
    assert np.array_equal(mask.array > 0, flags)
    assert mask.array.max() == 1
    loose = Mask("m", mask.image, array=flags.astype(np.uint8), segments=["a"])
    assert ops.islands(loose, "split") is not None
    assert len(loose.segments) == int(flags.sum()) - 2
    assert np.unique(loose.array).size == int(flags.sum()) - 1


def test_corners_join_islands() -> None:
    flags = np.zeros((3, 3, 3), dtype=bool)
    flags[0, 0, 0] = flags[1, 1, 1] = flags[1, 1, 2] = True
    mask, document = mask_of(flags)
    ops.islands(mask)
    assert mask.array.sum() == 2
    document.undo()
    assert ops.islands(mask, connectivity="corners") is None


def clip(frames: int = 3) -> tuple[Mask, Document]:
    stack = Stack.picture((20, 30), frames=frames, spacing=(0.5, 0.25), unit="mm")
    image = Image(np.zeros((frames, 20, 30), dtype=np.uint8), stack)
    flags = np.zeros(image.shape, dtype=bool)
    flags[1, 8:12, 10:20] = True
    flags[1, 9:11, 12] = False
    return mask_of(flags, image=image)


WORK: dict[str, Callable[[Mask], object]] = {
    "margin": lambda m: ops.margin(m, 1),
    "smooth": lambda m: ops.smooth(m, 2),
    "islands": lambda m: ops.islands(m),
    "fill_holes": lambda m: ops.fill_holes(m),
    "fill_between": lambda m: ops.fill_between(m),
    "region_grow": lambda m: ops.region_grow(m, 1, index=(1, 1, 1)),
    "level_set": lambda m: ops.level_set(m),
    "islands in mm³": lambda m: ops.islands(m, "minimum", minimum=1, dimension="2d"),
}


@pytest.mark.parametrize("name", WORK)
def test_no_distance_across_slices_that_form_no_grid(name: str) -> None:
    mask, _ = clip()
    before = mask.array.copy()
    with pytest.raises(GeometryError, match="form no regular grid"):
        WORK[name](mask)
    assert np.array_equal(mask.array, before)


def test_slices_without_a_grid_are_worked_on_one_by_one() -> None:
    mask, document = clip()
    ops.margin(mask, 1, dimension="2d")
    assert np.array_equal(np.flatnonzero(mask.array.any(axis=(1, 2))), [1])
    assert mask.array[1, 6, 15] == 1
    assert mask.array[1, 5, 15] == 0
    document.undo()
    ops.fill_holes(mask, "2d")
    assert mask.array[1].sum() == 40
    pixels = Image(np.zeros((20, 30), dtype=np.uint8)[None], Stack.picture((20, 30)))
    mask, _ = mask_of(np.ones((1, 20, 30), dtype=bool), image=pixels)
    with pytest.raises(GeometryError, match="no size in mm"):
        ops.margin(mask, -1, dimension="2d")


def test_a_real_tilted_series_grows_in_the_world(shared_data: Path) -> None:
    image = read(shared_data / "odd" / "gantry_tilt_dicom2nifti")
    assert isinstance(image.geometry, Geometry)
    assert not image.geometry.is_orthogonal
    flags = np.zeros(image.shape, dtype=bool)
    flags[1, 250, 250] = True
    mask, _ = mask_of(flags, image=image)
    ops.margin(mask, 5.5)
    box = np.s_[:, 230:271, 230:271]
    places = image.geometry.to_world(np.moveaxis(np.indices(image.shape)[(slice(None), *box)], 0, -1))
    away = np.linalg.norm(places - image.geometry.to_world((1, 250, 250)), axis=-1)
    assert np.array_equal(mask.array[box] == 1, away <= 5.5)
    assert mask.array[box].sum() == mask.array.sum() > 500
    assert mask.array[0].any()
    assert mask.array[2].any()


def test_a_median_of_one_voxel_is_refused() -> None:
    mask, _ = mask_of(blobs())
    with pytest.raises(OperationError, match="one voxel only"):
        ops.smooth(mask, 1.0)


def test_the_grids_of_these_tests_are_what_they_say() -> None:
    assert grid((2, 3, 4)).spacing == SPACING
    assert not grid((2, 3, 4), tilt=1).is_orthogonal
    assert image_of(np.zeros((2, 3, 4), dtype=np.int16)).geometry.is_orthogonal

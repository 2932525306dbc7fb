"""Operations on intensities, from seeds and between slices: the voxels of an independent computation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from skimage.filters import threshold_multiotsu, threshold_otsu
from skimage.segmentation import flood

from nbannot.assist import operations as ops
from nbannot.errors import OperationError
from nbannot.formats import read
from nbannot.model.image import Image
from operations_making import SPACING, blobs, image_of, mask_of


@pytest.fixture(scope="module")
def prostate(shared_data: Path) -> Image:
    """An MR with thick slices: 3 × 0.5 × 0.5 mm."""
    return read(shared_data / "mr_prostatex0000" / "t2_tra")


@pytest.fixture(scope="module")
def ct(shared_data: Path) -> Image:
    return read(shared_data / "nifti_totalsegmentator" / "ct.nii.gz")


def empty(image: Image, *names: str) -> Any:
    return mask_of(np.zeros(image.shape, dtype=np.uint8), *names, image=image)


def itk(image: Image) -> Any:
    result = sitk.GetImageFromArray(image.array)
    result.SetSpacing(image.geometry.spacing[::-1])
    return result


def test_threshold(prostate: Image) -> None:
    mask, _ = empty(prostate)
    ops.threshold(mask, 200.5, 430)
    assert np.array_equal(mask.array == 1, (prostate.array >= 200.5) & (prostate.array <= 430))
    ops.threshold(mask, None, 100, mode="add")
    wanted = ((prostate.array >= 200.5) & (prostate.array <= 430)) | (prostate.array <= 100)
    assert np.array_equal(mask.array == 1, wanted)


def test_a_threshold_of_numbers_that_are_none() -> None:
    values = np.array([[[np.nan, 1, 2, np.inf]]], dtype=np.float32)
    mask, _ = empty(image_of(values))
    ops.threshold(mask, None, 5)
    assert mask.array.ravel().tolist() == [0, 1, 1, 0]
    ops.threshold(mask, 1.5, None)
    assert mask.array.ravel().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("classes", [2, 3])
def test_otsu_is_that_of_skimage(ct: Image, classes: int) -> None:
    mask, document = empty(ct)
    real = ct.array.astype(np.float64)  # of whole numbers, each value would be a bin
    edges = np.histogram_bin_edges(real, 256)
    found = threshold_multiotsu(real, classes) if classes > 2 else [threshold_otsu(real)]
    cuts = [edges[np.searchsorted(edges, cut)] for cut in found]
    for pick in range(1, classes + 1):
        ops.otsu(mask, classes, pick=pick)
        assert np.array_equal(mask.array == 1, np.digitize(ct.array, cuts, right=True) == pick - 1)
    ops.otsu(mask, classes, pick=1)
    assert ops.otsu(mask, classes, pick=1) is None
    assert document.can_undo


def test_otsu_of_four_classes_divides_as_well_as_skimage(ct: Image) -> None:
    mask, _ = empty(ct, "a", "b", "c", "d")
    for pick, name in enumerate("abcd", 1):
        ops.otsu(mask, 4, pick=pick, segment=name)
    assert (mask.array > 0).all()

    def between(classes: NDArray[Any]) -> float:
        sizes = np.bincount(classes.ravel(), minlength=4)
        means = np.bincount(classes.ravel(), ct.array.ravel().astype(float), minlength=4) / sizes
        return float((sizes * (means - ct.array.mean()) ** 2).sum() / ct.array.size)

    # skimage sums in float32: of limits that are equally good to six digits it finds one.
    cuts = threshold_multiotsu(ct.array.astype(float), 4)
    assert between(mask.array - 1) > (1 - 1e-4) * between(np.digitize(ct.array, cuts))


def test_region_growing_is_that_of_itk(prostate: Image) -> None:
    mask, document = empty(prostate)
    place = (9, 200, 190)
    here = float(prostate.array[place])
    for tolerance in (30, 60):
        ops.region_grow(mask, tolerance, index=place)
        wanted = sitk.ConnectedThreshold(itk(prostate), [place[::-1]], here - tolerance, here + tolerance)
        assert np.array_equal(mask.array, sitk.GetArrayFromImage(wanted))
        assert mask.array.sum() > 20
        document.undo()
    ops.region_grow(mask, lo=here - 60, hi=here + 60, index=place, dimension="2d")
    assert np.array_equal(
        mask.array[9] == 1, flood(prostate.array[9], place[1:], tolerance=60, connectivity=1)
    )
    assert mask.nonzero_slices() == [9]
    document.undo()
    ops.region_grow(mask, 60, index=place, connectivity="corners", radius=12)
    full = sitk.ConnectedThresholdImageFilter.FullConnectivity
    grown = sitk.ConnectedThreshold(itk(prostate), [place[::-1]], here - 60, here + 60, 1, full)
    inside = sitk.GetArrayFromImage(grown)
    places = prostate.geometry.to_world(np.argwhere(mask.array))
    assert np.linalg.norm(places - prostate.geometry.to_world(place), axis=1).max() <= 12.001
    assert (inside[mask.array == 1] == 1).all()


def test_confidence_is_about_that_of_itk(ct: Image) -> None:
    mask, _ = empty(ct)
    place = tuple(int(x) for x in np.argwhere((ct.array > 60) & (ct.array < 120))[4000])
    ops.region_grow(mask, method="confidence", index=place, multiplier=2.5, iterations=2)
    wanted = sitk.GetArrayFromImage(
        sitk.ConfidenceConnected(itk(ct), [[int(n) for n in place[::-1]]], 2, 2.5, 1, 1)
    )
    overlap = 2 * np.count_nonzero(wanted & mask.array) / (wanted.sum() + mask.array.sum())
    assert overlap > 0.98, overlap


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flood_fill_in_a_slice(prostate: Image, axis: Any) -> None:
    mask, document = empty(prostate)
    place = (9, 200, 190)
    ops.flood_fill(mask, 50, index=place, axis=axis)
    plane = np.take(prostate.array, place[axis], axis=axis)
    start = tuple(p for a, p in enumerate(place) if a != axis)
    wanted = flood(plane, start, tolerance=50, connectivity=1)
    assert np.array_equal(np.take(mask.array, place[axis], axis=axis) == 1, wanted)
    assert mask.array.sum() == wanted.sum()
    # Without a tolerance it fills what is painted around.
    ops.flood_fill(mask, index=place, axis=axis, mode="subtract")
    assert not mask.array.any()
    document.undo()
    assert mask.array.sum() == wanted.sum()


def seeds_of(shape: tuple[int, int, int], count: int = 3) -> NDArray[np.uint8]:
    seeds = np.zeros(shape, dtype=np.uint8)
    chance = np.random.default_rng(5)
    for value in range(1, count + 1):
        seeds[tuple(chance.integers(0, n, 4) for n in shape)] = value
    return seeds


def costs_by_dijkstra(values: NDArray[Any], seeds: NDArray[Any], locality: float) -> NDArray[Any]:
    """For each segment the least cost of a way from its seeds, on the graph of all voxels."""
    number = np.arange(values.size).reshape(values.shape)
    span = float(values.max() - values.min())
    rows, columns, weights = [], [], []
    for axis, step in enumerate(SPACING):
        a, b = np.moveaxis(number, axis, 0)[:-1].ravel(), np.moveaxis(number, axis, 0)[1:].ravel()
        loss = abs(values.ravel()[a].astype(float) - values.ravel()[b]) / span
        rows.append(a), columns.append(b)
        weights.append(-np.log(np.maximum(1 - loss, 1e-6)) + locality * step)
    graph = coo_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))))
    full = coo_matrix((graph.data, (graph.row, graph.col)), shape=(values.size,) * 2).tocsr()
    return np.stack(
        [
            dijkstra(full, directed=False, indices=np.flatnonzero(seeds == v), min_only=True).reshape(
                values.shape
            )
            for v in np.unique(seeds)[1:]
        ]
    )


def test_grow_cut_is_the_shortest_way() -> None:
    values = (ndimage.gaussian_filter(blobs().astype(float), 1) * 400).astype(np.int16)
    seeds = seeds_of(values.shape)
    mask, _ = mask_of(seeds, "a", "b", "c", image=image_of(values))
    ops.grow_cut(mask, room=1000, locality=0.01)
    costs = costs_by_dijkstra(values, seeds, 0.01)
    ordered = np.sort(costs, axis=0)
    sure = ordered[1] - ordered[0] > 1e-3
    assert sure.mean() > 0.9
    assert np.array_equal(mask.array[sure], (costs.argmin(axis=0) + 1)[sure])
    assert (mask.array > 0).all()


def two_balls() -> tuple[Image, NDArray[np.bool_]]:
    """A bright ball of 9 mm in a dark, noisy place, on anisotropic voxels."""
    shape = (12, 30, 44)
    index = np.moveaxis(np.indices(shape), 0, -1) * np.array(SPACING)
    ball = np.linalg.norm(index - np.array((16.5, 18.0, 17.0)), axis=-1) < 9
    values = ball * 200 + np.random.default_rng(0).normal(0, 12, shape)
    return image_of(values.astype(np.int16)), ball


@pytest.mark.parametrize("name", ["grow_cut", "random_walker", "watershed"])
def test_seeds_find_a_ball(name: str) -> None:
    image, ball = two_balls()
    seeds = np.zeros(image.shape, dtype=np.uint8)
    seeds[5:7, 13:16, 20:23] = 1
    seeds[0, :, :] = seeds[-1] = seeds[:, 0] = seeds[:, -1] = seeds[:, :, 0] = seeds[:, :, -1] = 2
    mask, document = mask_of(seeds, "ball", "air", image=image)
    ops.run(name, mask, background="air")
    found = mask.array == 1
    assert 2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.9
    assert np.array_equal(mask.array == 2, seeds == 2)
    document.undo()
    assert np.array_equal(mask.array, seeds)
    ops.run(name, mask)
    assert (mask.array > 0).all()
    assert (mask.array[seeds > 0] == seeds[seeds > 0]).all()


def test_a_front_goes_its_distance_where_nothing_stops_it() -> None:
    image = image_of(np.zeros((21, 41, 61), dtype=np.int16), (2.0, 1.0, 0.7))
    mask, document = empty(image)
    ops.fast_marching(mask, 11.0, index=(10, 20, 30))
    places = image.geometry.to_world(np.moveaxis(np.indices(image.shape), 0, -1))
    away = np.linalg.norm(places - image.geometry.to_world((10, 20, 30)), axis=-1)
    # The first-order scheme arrives late by less than two voxels off the axes, and never early.
    assert (mask.array[away <= 9] == 1).all()
    assert (mask.array[away > 11] == 0).all()
    document.undo()
    ball, truth = two_balls()
    mask, _ = empty(ball)
    ops.fast_marching(mask, 13.0, edge=40.0, sigma=1.2, index=(5, 14, 21))
    found = mask.array == 1
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85
    assert (found & ~truth).sum() < 0.1 * truth.sum()


def test_a_level_set_finds_a_ball() -> None:
    image, ball = two_balls()
    seed = np.zeros(image.shape, dtype=np.uint8)
    seed[4:8, 11:18, 17:26] = 1
    mask, _ = mask_of(seed, image=image)
    ops.level_set(mask, iterations=200, edge=15.0, curvature=0.5)
    found = mask.array == 1
    assert 2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.9


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_fill_between_is_the_mean_of_distances(axis: Any) -> None:
    flags = np.zeros((12, 26, 34), dtype=np.uint8)
    view = np.moveaxis(flags, axis, 0)
    grid = np.indices(view.shape[1:])
    for n, radius in ((1, 3.0), (5, 5.5), (9, 2.5)):
        view[n] = ((grid[0] - 6) / 1.2) ** 2 + (grid[1] - 8 - n / 3) ** 2 < radius**2
    mask, document = mask_of(flags)
    ops.fill_between(mask, axis)
    steps = [s for a, s in enumerate(SPACING) if a != axis]
    wanted = view.copy()
    for first, last in ((1, 5), (5, 9)):
        fields = []
        for n in (first, last):
            shape = sitk.GetImageFromArray(np.pad(view[n], 1))
            shape.SetSpacing(steps[::-1])
            out = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(shape, False, False, True))
            deep = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(1 - shape, False, False, True))
            fields.append((np.maximum(out, 0) - np.maximum(deep, 0))[1:-1, 1:-1])
        for n in range(first + 1, last):
            t = (n - first) / (last - first)
            wanted[n] = (1 - t) * fields[0] + t * fields[1] <= 1e-5
    found = np.moveaxis(mask.array, axis, 0)
    assert np.array_equal(found, wanted)
    assert (found[[1, 5, 9]] == view[[1, 5, 9]]).all()
    document.undo()
    assert np.array_equal(mask.array, flags)


def test_shapes_that_do_not_overlap_are_joined() -> None:
    flags = np.zeros((9, 20, 40), dtype=np.uint8)
    flags[0, 3:8, 3:8] = 1
    flags[8, 12:17, 30:35] = 1
    mask, _ = mask_of(flags)
    ops.fill_between(mask)
    assert (mask.array.reshape(9, -1).sum(axis=1) >= 20).all()
    centre = ndimage.center_of_mass(mask.array[4])
    assert np.allclose(centre, (9.5, 18.5), atol=0.6)


def test_each_segment_is_filled_by_itself(shared_data: Path, ct: Image) -> None:
    labels = read(shared_data / "nifti_totalsegmentator" / "ct_vertebrae_labels.nii.gz").array
    one, two = (int(v) for v in np.unique(labels)[1:3])
    truth = ((labels == one) * 1 + (labels == two) * 2).astype(np.uint8)
    painted = truth.copy()
    kept = np.arange(len(painted)) % 3 == 0
    painted[~kept] = 0
    mask, _ = mask_of(painted, "one", "two", image=ct)
    ops.fill_between(mask)
    assert np.array_equal(mask.array[kept], painted[kept])
    for value in (1, 2):
        ks = np.flatnonzero((painted == value).any(axis=(1, 2)))
        part = slice(ks[0], ks[-1] + 1)
        found, wanted = mask.array[part] == value, truth[part] == value
        assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.75
    with pytest.raises(OperationError, match="nothing to fill between"):
        ops.fill_between(mask)

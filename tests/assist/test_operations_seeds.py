"""What grows from seeds, on real images, against independent computations with a stated tolerance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from skimage.segmentation import random_walker, watershed

from nbannot.assist import operations as ops
from nbannot.formats import read
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.masks import Mask
from operations_making import mask_of

pytestmark = pytest.mark.slow

Array = NDArray[Any]


def part(image: Image, low: tuple[int, int, int], size: tuple[int, int, int]) -> Image:
    """A block of an image, on its grid."""
    affine = np.array(image.geometry.affine)
    affine[:3, 3] = image.geometry.to_world(low)
    block = np.asarray(image.array)[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))]
    return Image(block.copy(), Geometry(affine, size), modality=image.modality, unit=image.unit)


@pytest.fixture(scope="module")
def pelvis(shared_data: Path) -> Image:
    """A prostate in an MR of thick slices: 3 × 0.5 × 0.5 mm."""
    whole = read(shared_data / "mr_prostatex0000" / "t2_tra")
    return part(whole, (4, 130, 130), (12, 90, 90))


@pytest.fixture(scope="module")
def chest(shared_data: Path) -> Image:
    """Lung, heart and spine in a CT of 3 mm."""
    return part(read(shared_data / "nifti_totalsegmentator" / "ct.nii.gz"), (50, 20, 25), (40, 50, 60))


def seeded(image: Image) -> tuple[Mask, Array]:
    """Seeds of three kinds: balls at places drawn by lot."""
    chance = np.random.default_rng(4)
    seeds = np.zeros(image.shape, dtype=np.uint8)
    index = np.moveaxis(np.indices(image.shape), 0, -1) * np.array(image.geometry.spacing)
    for n in range(15):
        middle = [chance.uniform(2, size - 2) for size in image.shape] * np.array(image.geometry.spacing)
        seeds[np.linalg.norm(index - middle, axis=-1) < 2 * max(image.geometry.spacing)] = 1 + n % 3
    return mask_of(seeds, "a", "b", "c", image=image)[0], seeds


def gradient(image: Image, sigma: float) -> Array:
    """Length of the gradient per mm."""
    spacing = image.geometry.spacing
    smooth = ndimage.gaussian_filter(
        image.array.astype(np.float64), [sigma / s for s in spacing], mode="nearest"
    )
    return np.asarray(np.sqrt(sum(np.gradient(smooth, s, axis=a) ** 2 for a, s in enumerate(spacing))))


IMAGES = ("pelvis", "chest")


@pytest.mark.parametrize("name", IMAGES)
def test_a_random_walk_is_that_of_scikit_image(name: str, request: pytest.FixtureRequest) -> None:
    """More than 99.9 % of voxels; all of those that go one way more often by 0.002."""
    whole = request.getfixturevalue(name)
    image = part(whole, (0, 0, 0), (8, 36, 40))
    mask, seeds = seeded(image)
    told: list[float] = []
    ops.random_walker(mask, room=1000, progress=lambda done, _: told.append(done))
    values = image.array.astype(np.float64)
    values = (values - values.min()) / np.ptp(values)
    shares = random_walker(
        values, seeds.astype(np.int32), tol=1e-6, spacing=image.geometry.spacing, return_full_prob=True
    )
    assert (mask.array == shares.argmax(axis=0) + 1).mean() > 0.999
    ordered = np.sort(shares, axis=0)
    sure = ordered[-1] - ordered[-2] > 0.002
    assert sure.mean() > 0.95
    assert np.array_equal(mask.array[sure], (shares.argmax(axis=0) + 1)[sure])
    assert len(told) > 20
    assert told == sorted(told)
    assert told[-1] < 1


@pytest.mark.parametrize("name", IMAGES)
def test_a_watershed_is_that_of_scikit_image(name: str, request: pytest.FixtureRequest) -> None:
    """More than 99.5 % of voxels: in 65,536 steps of height, some plateaus are flooded from another side."""
    image = request.getfixturevalue(name)
    mask, seeds = seeded(image)
    ops.watershed(mask, room=1000, sigma=1.5)
    wanted = watershed(gradient(image, 1.5), seeds.astype(np.int32), connectivity=1)
    assert (mask.array == wanted).mean() > 0.995


@pytest.mark.parametrize("name", IMAGES)
def test_growcut_is_the_shortest_way(name: str, request: pytest.FixtureRequest) -> None:
    """All voxels whose two shortest ways (Dijkstra, SciPy) differ by more than rounding."""
    image = request.getfixturevalue(name)
    mask, seeds = seeded(image)
    ops.grow_cut(mask, room=1000)
    values, number = image.array.astype(np.float64), np.arange(seeds.size).reshape(seeds.shape)
    rows, columns, costs = [], [], []
    for axis, step in enumerate(image.geometry.spacing):
        a, b = (np.moveaxis(number, axis, 0)[cut].ravel() for cut in (slice(None, -1), slice(1, None)))
        loss = abs(values.ravel()[a] - values.ravel()[b]) / np.ptp(values)
        rows.append(a)
        columns.append(b)
        costs.append(-np.log(np.maximum(1 - loss, 1e-6)) + 0.001 * step)
    graph = coo_matrix(
        (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), shape=(seeds.size,) * 2
    ).tocsr()
    ways = np.stack(
        [
            dijkstra(graph, directed=False, indices=np.flatnonzero(seeds == n), min_only=True)
            for n in (1, 2, 3)
        ]
    ).reshape(3, *seeds.shape)
    ordered = np.sort(ways, axis=0)
    sure = ordered[1] - ordered[0] > 1e-3
    assert sure.mean() > 0.8
    assert np.array_equal(mask.array[sure], (ways.argmin(axis=0) + 1)[sure])


def arrival(speed: Array, start: Array, spacing: tuple[float, float, float]) -> Array:
    """Solve |∇T| · speed = 1 by Godunov's upwind scheme, all voxels again and again until nothing changes."""
    times = np.where(start, 0.0, np.inf)
    while True:
        low = []
        for axis in range(3):
            padded = np.pad(
                times, [(1, 1) if n == axis else (0, 0) for n in range(3)], constant_values=np.inf
            )
            moved = np.moveaxis(padded, axis, 0)
            low.append(np.moveaxis(np.minimum(moved[:-2], moved[2:]), 0, axis))
        order = np.argsort(low, axis=0)
        t = np.take_along_axis(np.array(low), order, axis=0)
        w = 1 / np.array(spacing)[order] ** 2
        new = np.full(times.shape, np.inf)
        a, b, c = np.zeros(times.shape), np.zeros(times.shape), -1 / speed**2
        with np.errstate(invalid="ignore"):
            for n in range(3):
                use = np.isfinite(t[n]) & (t[n] < new)
                value = np.where(use, t[n], 0)
                a, b, c = a + use * w[n], b + use * w[n] * value, c + use * w[n] * value**2
                new = np.where(use, (b + np.sqrt(np.maximum(b * b - a * c, 0))) / a, new)
        new = np.minimum(new, times)
        if np.allclose(new, times, rtol=0, atol=1e-9, equal_nan=True):
            return times
        times = new


@pytest.mark.parametrize(("name", "at", "mm"), [("pelvis", (6, 45, 45), 9.0), ("chest", (20, 25, 30), 30.0)])
def test_a_front_arrives_when_the_eikonal_equation_says(
    name: str, at: tuple[int, int, int], mm: float, request: pytest.FixtureRequest
) -> None:
    """All voxels whose time of arrival is not within 0.1 % of the limit."""
    image = request.getfixturevalue(name)
    mask, _ = mask_of(np.zeros(image.shape, np.uint8), image=image)
    edge = float(np.percentile(gradient(image, 1.0), 80))
    ops.fast_marching(mask, mm, index=at, edge=edge)
    start = np.zeros(image.shape, bool)
    start[at] = True
    speed = 1 / (1 + (gradient(image, 1.0) / edge) ** 2)
    times = arrival(speed, start, image.geometry.spacing)
    sure = abs(times - mm) > 0.001 * mm
    found = mask.array == 1
    assert found.sum() > 500
    assert np.array_equal(found[sure], (times <= mm)[sure])


def contoured(start: Array, potential: Array, spacing: tuple[float, float, float], steps: int) -> Array:
    """Move a surface by ∂φ/∂t = g (κ − 1) |∇φ| + ∇g · ∇φ (Caselles 1997), explicitly; φ < 0 inside.

    φ is made a distance again every few steps.
    """

    def distance(inside: Array) -> Array:
        out, deep = (ndimage.distance_transform_edt(one, sampling=spacing) for one in (~inside, inside))
        return np.asarray(out - deep + np.where(inside, 0.5, -0.5) * min(spacing))

    phi = distance(start)
    pull = np.gradient(potential, *spacing)
    time = 0.1 * min(spacing) ** 2 / 2
    for n in range(steps):
        if n % 20 == 19:
            phi = distance(phi <= 0)
        back, forth, middle = [], [], []
        for axis, step in enumerate(spacing):
            wide = np.pad(phi, [(1, 1) if m == axis else (0, 0) for m in range(3)], mode="edge")
            moved = np.moveaxis(wide, axis, 0)
            back.append(np.moveaxis(moved[1:-1] - moved[:-2], 0, axis) / step)
            forth.append(np.moveaxis(moved[2:] - moved[1:-1], 0, axis) / step)
            middle.append((back[-1] + forth[-1]) / 2)
        size = np.sqrt(sum(m**2 for m in middle)) + 1e-9
        bend = sum(
            np.gradient(m / size, s, axis=a) for a, (m, s) in enumerate(zip(middle, spacing, strict=True))
        )
        rise = np.sqrt(
            sum(np.maximum(b, 0) ** 2 + np.minimum(f, 0) ** 2 for b, f in zip(back, forth, strict=True))
        )
        drift = sum(np.where(p > 0, p * f, p * b) for p, b, f in zip(pull, back, forth, strict=True))
        limit = 1 / max(spacing)
        phi = phi + time * (-potential * rise + potential * np.clip(bend, -limit, limit) * size + drift)
    return np.asarray(phi <= 0)


def test_a_level_set_stops_where_another_program_of_it_does(shared_data: Path) -> None:
    """Dice > 0.98 of a body whose skin is found from 9 mm below it: ITK's narrow band and plain differences."""
    image = part(read(shared_data / "nifti_totalsegmentator" / "ct.nii.gz"), (50, 0, 0), (10, 101, 122))
    parts = ndimage.label(ndimage.binary_opening(image.array > -300, iterations=2))[0]
    largest = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    body = np.stack([ndimage.binary_fill_holes(plane) for plane in largest])
    start = np.stack([ndimage.binary_erosion(plane, iterations=3) for plane in body])
    mask, _ = mask_of(start.astype(np.uint8), image=image)
    ops.level_set(mask, iterations=100, edge=20, sigma=1.0, room=15)
    potential = 1 / (1 + (gradient(image, 1.0) / 20) ** 2)
    wanted = contoured(start, potential, image.geometry.spacing, 80)
    found = mask.array == 1

    def dice(one: Array, other: Array) -> float:
        return float(2 * (one & other).sum() / (one.sum() + other.sum()))

    assert dice(found, wanted) > 0.98
    assert dice(found, body) > 0.98 > dice(start, body)

"""Measures of shapes, boxes and segments against independent computations."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ellipe
from skimage.draw import ellipse as sk_ellipse
from skimage.measure import points_in_poly

import nbannot as nb
from measure_cases import cases, geometries, images
from nbannot.errors import MaskError, SuvError, UnknownItemError, UnknownLabelError
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.measures import Measures
from nbannot.model.measures.lines import (
    area_of,
    ellipse_perimeter,
    length_of,
    max_distance,
    spline,
)
from nbannot.model.measures.sampling import inside_polygon

GOLDEN = json.loads((Path(__file__).parents[1] / "fixtures" / "measures.json").read_text(encoding="utf-8"))
place = st.floats(0, 30).map(lambda v: round(v, 3))
outlines = st.lists(st.tuples(place, place), min_size=3, max_size=9).map(np.array)


def test_the_golden_file_is_up_to_date() -> None:
    found = cases()
    assert [(c["image"], c["name"]) for c in GOLDEN["cases"]] == [(c["image"], c["name"]) for c in found]
    assert GOLDEN["images"] == json.loads(json.dumps(geometries()))
    for old, new in zip(GOLDEN["cases"], found, strict=True):
        numbers = {k: v for k, v in new["expected"].items() if isinstance(v, float)}
        assert {k: old["expected"][k] for k in numbers} == pytest.approx(numbers, rel=1e-10), new["name"]
        assert old["expected"].keys() == new["expected"].keys()


def covered(outline: np.ndarray, fine: int) -> float:
    """The even-odd area by counting small squares."""
    steps = (np.arange(30 * fine) + 0.4973) / fine
    x, y = np.meshgrid(steps, steps)
    inside = points_in_poly(np.column_stack((x.ravel(), y.ravel())), outline)
    return float(inside.sum()) / fine**2


@settings(max_examples=40)
@given(outlines)
def test_areas_equal_counted_squares(outline: np.ndarray) -> None:
    assert area_of(outline).area == pytest.approx(
        covered(outline, 8), abs=0.04 * length_of(outline, closed=True)
    )


@settings(max_examples=60)
@given(outlines)
def test_pixels_inside_equal_a_test_of_each_point(outline: np.ndarray) -> None:
    moved = outline + np.array((0.00137, 0.00213))  # no centre on an edge
    y, x = np.mgrid[0:30, 0:32]
    expected = points_in_poly(np.column_stack((x.ravel(), y.ravel())), moved).reshape(30, 32)
    found = np.zeros((30, 32), dtype=bool)
    pixels = inside_polygon(moved, (32, 30))
    found[pixels[:, 1], pixels[:, 0]] = True
    # Both are exact but on edges, where rounding decides.
    assert (found != expected).sum() <= 1
    assert len(pixels) == found.sum()


def test_regions_that_touch_share_no_pixel() -> None:
    whole = np.array([(3, 3), (20, 3), (20, 17), (3, 17)])
    for cut in (9.0, 9.5):
        left = inside_polygon(np.array([(3, 3), (cut, 3), (cut, 17), (3, 17)]), (30, 30))
        right = inside_polygon(np.array([(cut, 3), (20, 3), (20, 17), (cut, 17)]), (30, 30))
        assert len(left) + len(right) == len(inside_polygon(whole, (30, 30))) == 17 * 14


@given(st.lists(st.tuples(place, place), min_size=2, max_size=40).map(np.array))
def test_the_largest_diameter_is_that_of_all_pairs(points: np.ndarray) -> None:
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert max_distance(points) == pytest.approx(gaps.max(), abs=1e-12)


@pytest.mark.parametrize(("long", "short"), [(10, 10), (30, 7), (50, 0.01), (12, 0)])
def test_the_perimeter_of_an_ellipse(long: float, short: float) -> None:
    reference = 2 * long * ellipe(1 - (short / long) ** 2)
    assert ellipse_perimeter(long, short) == pytest.approx(reference, rel=1e-12)


def test_a_pentagram() -> None:
    turns = np.arange(5) * (4 * math.pi / 5)
    outline = 10 * np.column_stack((np.cos(turns), np.sin(turns)))
    inner = 10 * math.cos(2 * math.pi / 5) / math.cos(math.pi / 5)
    star = 5 * 10 * inner * math.sin(math.pi / 5)
    core = 2.5 * inner**2 * math.sin(2 * math.pi / 5)
    assert area_of(outline).area == pytest.approx(star - core, rel=1e-12)
    assert area_of(outline).crosses


@pytest.mark.parametrize("closed", [False, True])
def test_a_spline_is_the_centripetal_curve(closed: bool) -> None:
    points = np.array([(0, 0, 0), (10, 2, 1), (11, 9, 0), (25, 12, 3), (24, 30, 2.0)])
    rows = (
        [points[-1], *points, points[0], points[1]]
        if closed
        else [2 * points[0] - points[1], *points, 2 * points[-1] - points[-2]]
    )
    fine = []
    for p in zip(rows, rows[1:], rows[2:], rows[3:]):
        knots = np.concatenate(([0], np.cumsum([np.sqrt(np.linalg.norm(b - a)) for a, b in pairwise(p)])))
        fine += [neville(list(p), list(knots), t) for t in np.linspace(knots[1], knots[2], 500)]
    reference = length_of(np.array(fine))
    drawn = spline(points, closed=closed)
    assert length_of(drawn, closed=closed) == pytest.approx(reference, rel=5e-4)
    away = np.linalg.norm(drawn[:, None] - np.array(fine)[None], axis=2).min(axis=1)
    assert away.max() < 0.1  # the fine points are up to 0.1 mm apart
    assert np.abs(np.linalg.norm(drawn[:, None] - points[None], axis=2).min(axis=0)).max() < 1e-9


def neville(points: list[np.ndarray], knots: list[float], t: float) -> np.ndarray:
    """Barry and Goldman's pyramid, written step by step."""
    a1, a2, a3 = (mix(points[n], points[n + 1], knots[n], knots[n + 1], t) for n in range(3))
    b1, b2 = mix(a1, a2, knots[0], knots[2], t), mix(a2, a3, knots[1], knots[3], t)
    return mix(b1, b2, knots[1], knots[2], t)


def mix(a: np.ndarray, b: np.ndarray, low: float, high: float, t: float) -> np.ndarray:
    return a + (b - a) * ((t - low) / (high - low))


# Real images: values of an outline against masks that scikit-image draws and SimpleITK reads.

REAL = {
    "ct": ("petct_acrin042/ct", 60, None),
    "pet": ("petct_acrin042/pet_ac", 60, "bw"),
    "tilted ct": ("odd/gantry_tilt_dicom2nifti", 2, None),
    "mr": ("mr_prostatex0000/t2_tra", 9, None),
    "sheared": ("nifti_misc/shear.nii.gz", 20, None),
    "cr": ("xray/chest_cr_RG1_J2KI.dcm", 0, None),
}
OUTLINE = np.array(
    [(0.31, 0.42), (0.55, 0.36), (0.71, 0.61), (0.52, 0.55), (0.37, 0.68)]
)  # (j, i) of the size


def described(values: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Count, mean, sd, min, median and max by SimpleITK."""
    image = sitk.GetImageFromArray(values.astype(np.float64)[None])
    mask = sitk.GetImageFromArray(inside.astype(np.uint8)[None])
    reader = sitk.LabelIntensityStatisticsImageFilter()
    reader.SetNumberOfBins(1 << 16)
    reader.Execute(mask, image)
    n = reader.GetNumberOfPixels(1)
    sd = reader.GetStandardDeviation(1) * math.sqrt((n - 1) / n)  # ITK divides by n - 1
    return {
        "count": n,
        "mean": reader.GetMean(1),
        "sd": sd,
        "min": reader.GetMinimum(1),
        "max": reader.GetMaximum(1),
    }


@pytest.mark.parametrize("name", REAL)
@pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")
def test_real_values_equal_simpleitk(shared_data: Path, name: str) -> None:
    path, k, unit = REAL[name]
    image = nb.read(shared_data / path)
    plane = image.plane_array(k).astype(np.float64) * (image.suv_factor("bw") if unit else 1)
    corners = OUTLINE * plane.shape
    world = image.geometry.to_world(np.column_stack((np.full(5, k), corners)))
    shape = nb.Shape("polygon", "x", world.tolist(), slice=k)
    found = nb.measure(shape, image, unit=unit)
    j, i = np.indices(plane.shape)
    inside = points_in_poly(np.column_stack((j.ravel(), i.ravel())), corners).reshape(plane.shape)
    assert vars_of(found, described(plane, inside)) == pytest.approx(described(plane, inside), rel=1e-6)
    assert found.median == pytest.approx(np.median(plane[inside]))
    edges = np.roll(world, -1, axis=0) - world
    assert found.perimeter == pytest.approx(np.linalg.norm(edges, axis=1).sum())
    spans = np.cross(world - world[0], np.roll(world, -1, axis=0) - world[0]).sum(axis=0)
    assert found.area == pytest.approx(np.linalg.norm(spans) / 2, rel=1e-9)
    voxel = np.linalg.norm(np.cross(image.geometry.plane(k).row_step, image.geometry.plane(k).column_step))
    assert found.area == pytest.approx(inside.sum() * voxel, rel=0.02)


def vars_of(found: Measures, like: dict[str, float]) -> dict[str, float]:
    return {key: getattr(found, key) for key in like}


def test_a_real_ellipse_equals_scikit_image(shared_data: Path) -> None:
    image = nb.read(shared_data / "petct_acrin042/ct")
    k, (j, i), (a, b) = 60, (250.2, 260.4), (40.3, 71.6)
    ends = [(k, j, i - b), (k, j, i + b), (k, j - a, i), (k, j + a, i)]
    shape = nb.Shape("ellipse", "x", image.geometry.to_world(ends).tolist())
    found = nb.measure(shape, image)
    values = image.plane_array(k)[sk_ellipse(j, i, a, b)]
    assert (found.count, found.min, found.max) == (len(values), values.min(), values.max())
    assert (found.mean, found.sd) == pytest.approx((values.mean(), values.std()))
    spacing = image.geometry.spacing[2]
    assert (found.long_axis, found.short_axis) == pytest.approx((2 * b * spacing, 2 * a * spacing))
    assert found.area == pytest.approx(math.pi * a * b * spacing**2)


def test_a_free_plane_equals_simpleitk(shared_data: Path) -> None:
    image = nb.read(shared_data / "mr_prostatex0000/t2_tra")
    grid = image.geometry
    shape = nb.Shape(
        "polygon", "x", grid.to_world([(4, 150, 150), (7, 150, 240), (14, 230, 240), (11, 230, 150)]).tolist()
    )
    found = nb.measure(shape, image)
    assert "free plane" in found.note
    reference = sitk.GetImageFromArray(image.array.astype(np.float64))
    world = shape.world()
    u, v = world[1] - world[0], world[3] - world[0]
    steps = (np.arange(200) + 0.5) / 200
    points = world[0] + (steps[:, None, None] * u + steps[None, :, None] * v).reshape(-1, 3)
    index = grid.to_index(points)[:, ::-1]
    values = np.array([reference.EvaluateAtContinuousIndex(p.tolist(), sitk.sitkLinear) for p in index])
    assert found.mean == pytest.approx(values.mean(), rel=0.01)
    assert found.sd == pytest.approx(values.std(), rel=0.03)
    probe = nb.Shape("probe", "x", (tuple(points[777]),))
    assert nb.measure(probe, image).linear == pytest.approx(values[777], rel=1e-9)


def test_segments_equal_simpleitk(shared_data: Path) -> None:
    image = nb.read(shared_data / "nifti_totalsegmentator/ct_sm.nii.gz")
    labels = np.array(nb.read(shared_data / "nifti_totalsegmentator/ct_sm_labels.nii.gz").array)
    mask = nb.Mask("organs", image, array=labels)
    table = nb.table(nb.Document(image, masks=[mask]), "segments").set_index("value")
    affine = image.geometry.affine
    where = sitk.GetImageFromArray(labels)
    where.SetSpacing(image.geometry.spacing[::-1])
    where.SetOrigin(affine[:3, 3].tolist())
    where.SetDirection((affine[:3, 2::-1] / image.geometry.spacing[::-1]).ravel().tolist())
    values = sitk.GetImageFromArray(image.array.astype(np.float64))
    values.CopyInformation(where)
    shapes, stats = sitk.LabelShapeStatisticsImageFilter(), sitk.LabelIntensityStatisticsImageFilter()
    shapes.Execute(where)
    stats.Execute(where, values)
    assert set(table.index) == set(shapes.GetLabels()) and len(table) > 10
    for value, row in table.iterrows():
        n = shapes.GetNumberOfPixels(value)
        assert row["voxels"] == n
        assert row["volume_mm3"] == pytest.approx(shapes.GetPhysicalSize(value))
        assert list(row[["x", "y", "z"]]) == pytest.approx(shapes.GetCentroid(value), abs=1e-3)
        i, j, k, ni, nj, nk = shapes.GetBoundingBox(value)
        assert list(row[["k0", "j0", "i0"]]) == [k, j, i]
        assert list(row[["k1", "j1", "i1"]]) == [k + nk - 1, j + nj - 1, i + ni - 1]
        assert (row["min"], row["max"]) == (stats.GetMinimum(value), stats.GetMaximum(value))
        assert row["mean"] == pytest.approx(stats.GetMean(value), rel=1e-9)
        assert row["sd"] == pytest.approx(
            stats.GetStandardDeviation(value) * math.sqrt((n - 1) / n), rel=1e-9
        )
        inside = image.array[labels == value]
        percentiles = np.percentile(inside, (5, 25, 50, 75, 95))
        assert list(row[["p05", "p25", "median", "p75", "p95"]]) == pytest.approx(percentiles)


def test_a_rectangle_in_coronal_and_a_box_hold_the_voxels_between() -> None:
    image = images()["tilted"]
    box = nb.Box("x", ((1, 20, 5), (4, 20, 30)))
    found = nb.measure(box, image, unit="bw")
    values = image.array[1:5, 20, 5:31] * 0.25
    assert (found.count, found.mean, found.sd) == pytest.approx((values.size, values.mean(), values.std()))
    solid = nb.measure(nb.Box("x", ((1, 4, 5), (4, 20, 30))), image)
    assert solid.volume == pytest.approx(3 * 16 * 25 * abs(np.linalg.det(image.geometry.affine[:3, :3])))
    assert solid.value_unit == "Bq/ml"


def test_what_cannot_be_measured_is_none_and_said() -> None:
    everything = images()
    image = everything["plain"]
    empty = nb.measure(
        nb.Shape(
            "polygon", "x", image.geometry.to_world([(3, 5.2, 5.2), (3, 5.2, 5.8), (3, 5.8, 5.5)]).tolist()
        ),
        image,
    )
    assert (empty.count, empty.mean, empty.note) == (0, None, "no voxel centre inside")
    colour = Image(np.zeros((1, 40, 50, 3), np.uint8), Stack.picture((40, 50)), photometric="RGB")
    square = nb.Shape("polygon", "x", ((1, 1, 0), (20, 1, 0), (20, 20, 0)), slice=0)
    found = nb.measure(square, colour)
    assert (found.unit, found.count, found.area) == ("px", None, pytest.approx(180.5))
    assert "colour" in found.note
    holes = Image(
        np.where(np.arange(2000).reshape(1, 40, 50) % 2, np.nan, 5).astype(np.float32),
        Stack.picture((40, 50)),
    )
    found = nb.measure(square, holes)
    assert found.mean == 5 and "without a value" in found.note
    outside = nb.Shape("probe", "x", ((1e3, 0, 0),))
    assert nb.measure(outside, image).note == "outside the image"
    crossed = nb.Shape("bidirectional", "x", ((0, 0, 0), (10, 0, 0), (0, 1, 0), (4, 3, 0)))
    assert nb.measure(crossed, image).note == "the axes are at 27°"
    with pytest.raises(SuvError):
        nb.measure(square, colour, unit="bw")
    with pytest.raises(UnknownItemError, match="image"):
        nb.measure(square)


def test_a_segment_is_named() -> None:
    image = images()["plain"]
    mask = nb.Mask("m", image, segments=["a", "b"])
    mask.array[2, 3:5, 7:9] = 2
    with pytest.raises(MaskError, match="segments"):
        nb.measure(mask)
    with pytest.raises(UnknownLabelError):
        nb.measure(mask, segment=7)
    assert nb.measure(mask, segment="a").note == "no voxel centre inside"
    found = nb.measure(mask, segment="b")
    assert (found.count, found.bounds) == (4, ((2, 3, 7), (2, 4, 8)))
    assert found.centroid == pytest.approx(image.geometry.to_world((2, 3.5, 7.5)))


@pytest.mark.parametrize(("angle", "expected"), [(0, 0), (30, 30), (90, 90), (120, 60), (179, 1)])
def test_a_cobb_angle_is_that_of_the_lines(angle: float, expected: float) -> None:
    image = Image(np.zeros((2, 9, 9), np.int16), Geometry(np.eye(4), (2, 9, 9)))
    turned = math.radians(angle)
    ends = ((0, 0, 0), (5, 0, 0), (1, 3, 0), (1 + 4 * math.cos(turned), 3 + 4 * math.sin(turned), 0))
    assert nb.measure(nb.Shape("cobb", "x", ends), image).angle == pytest.approx(expected)

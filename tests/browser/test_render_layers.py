"""Slabs, fused images, tables and outlines of both renderers in Chromium against scipy.

Tolerances, of 255: one grey level for one opaque layer, two where layers are blended. Left out are pixels
within TIE voxels of a place where rounding decides, as in render_reference.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from scipy.ndimage import map_coordinates

from browser.render_reference import (
    AFFINES,
    AXIAL,
    CORONAL,
    GREY,
    KINDS,
    OBLIQUE,
    PLANES,
    SHAPE,
    TIE,
    VIEWS,
    Array,
    Look,
    Request,
    bundle,
    draw,
    image_layer,
    inside,
    mask_layer,
    page,
    put,
    reference,
    sure,
    volume,
)

__all__ = ["bundle", "page"]

Slab = tuple[str, tuple[float, float, float], int]
JOIN = {"mip": np.nanmax, "minip": np.nanmin, "mean": np.nanmean}


def steps(request: Request, slab: Slab | None) -> list[Array]:
    """Index of all pixels at each sample of the slab."""
    _, step, count = slab or ("mip", (0.0, 0.0, 0.0), 1)
    shifts = (np.arange(count) - (count - 1) / 2)[:, None] * np.array(step)
    return [request.index() + shift[:, None, None] for shift in shifts]


def sampled(
    array: Array, indices: list[Array], mode: str, order: int, missing: tuple[int, ...] = ()
) -> Array:
    """Values of the picture; no number where nothing is."""
    samples = []
    for index in indices:
        values = map_coordinates(array.astype(float), index, order=order, mode="nearest")
        near = np.clip(np.floor(index[0] + 0.5), 0, array.shape[0] - 1)
        values[~inside(index, array.shape) | np.isin(near, missing)] = np.nan
        samples.append(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels beside the volume have no sample
        return np.asarray(JOIN[mode](np.array(samples), axis=0))


def settled(indices: list[Array], shape: tuple[int, ...], look: Look) -> Array:
    return np.logical_and.reduce([sure(index, shape, look) for index in indices])


def greys(values: Array, look: Look) -> Array:
    levels = np.clip(np.floor((values - look.lower) / (look.upper - look.lower) * 255 + 0.5), 0, 255)
    out = np.zeros((*values.shape, 4), int)
    here = ~np.isnan(values)
    out[here, :3] = levels[here, None]
    out[here, 3] = 255
    return out


def with_slab(layer: dict[str, Any], slab: Slab) -> dict[str, Any]:
    mode, step, count = slab
    return {**layer, "plane": {**layer["plane"], "slab": {"mode": mode, "step": step, "count": count}}}


SLABS = {
    "across slices": ((0.913, 0, 0), 4),
    "along rows": ((0, 1.137, 0), 5),
    "slanted": ((0.71, -0.43, 0.52), 5),
}


@pytest.mark.parametrize("mode", JOIN)
@pytest.mark.parametrize("plane", PLANES)
def test_slab_within_one_grey_level(page: Page, plane: str, mode: str) -> None:
    request, array = PLANES[plane], volume()
    put(page, "image", array)
    for step, count in SLABS.values():
        indices = steps(request, (mode, step, count))
        for interpolate in (True, False):
            look = Look(interpolate=interpolate)
            good = settled(indices, SHAPE, look)
            assert good.mean() > 0.7
            expected = greys(sampled(array, indices, mode, int(interpolate)), look)
            for kind in KINDS:
                layer = with_slab(image_layer(request, look), (mode, step, count))
                shown, missing = draw(page, kind, request, [layer])
                worst = np.abs(shown - expected).max(axis=-1)
                assert worst[good].max() <= 1, (kind, interpolate, step, np.argwhere(good & (worst > 1))[:5])
                assert not missing


@pytest.mark.parametrize("mode", JOIN)
def test_slab_skips_what_is_not_here_and_what_is_no_number(page: Page, mode: str) -> None:
    array = volume("float32")
    array[4, 3:9] = np.nan
    put(page, "image", array, missing=(3, 5))
    look = Look(-4, 9, interpolate=False)
    for request in (AXIAL, CORONAL, OBLIQUE):
        for count in (3, 1):
            slab = (mode, (1.0, 0.0, 0.0), count)
            indices = steps(request, slab)
            values = sampled(array, indices, mode, 0, (3, 5))
            near = [np.clip(np.floor(index[0] + 0.5), 0, SHAPE[0] - 1) for index in indices]
            covered = [inside(index, SHAPE) for index in indices]
            here = np.logical_or.reduce([c & ~np.isin(n, (3, 5)) for c, n in zip(covered, near, strict=True)])
            expected = greys(values, look)
            expected[here & np.isnan(values)] = (0, 0, 0, 255)
            expected[~here & np.logical_or.reduce(covered)] = (GREY, GREY, GREY, 255)
            good = settled(indices, SHAPE, look)
            for kind in KINDS:
                shown, missing = draw(page, kind, request, [with_slab(image_layer(request, look), slab)])
                assert missing == (request is not AXIAL or count == 3)
                assert np.abs(shown - expected).max(axis=-1)[good].max() <= 1, (kind, count)


def test_slab_of_colour_takes_each_channel(page: Page) -> None:
    array = volume("uint8", (*SHAPE, 3))
    put(page, "image", array)
    for request in (AXIAL, OBLIQUE):
        for mode in JOIN:
            slab = (mode, (1.0, 0.0, 0.0), 3)
            indices = steps(request, slab)
            look = Look()
            channels = [sampled(array[..., c], indices, mode, 1) for c in range(3)]
            expected = np.floor(np.nan_to_num(np.stack(channels, -1)) + 0.5)
            good = settled(indices, SHAPE, look)
            for kind in KINDS:
                shown = draw(page, kind, request, [with_slab(image_layer(request, look), slab)])[0]
                assert np.abs(shown[..., :3] - expected).max(axis=-1)[good].max() <= 1, (kind, mode)


# Another grid over the middle of the first: other spacing, shifted by parts of voxels, a little turned.
OTHER = (6, 12, 14)


def other_grid(matrix: Array, turned: bool) -> Array:
    change = np.diag([1.63, 1.91, 2.23, 1.0])
    change[:3, 3] = (-0.37, -1.21, 0.83)
    if turned:
        change[:3, :3] += np.array([[0, 0.031, -0.02], [0.3, 0, 0.1], [-0.2, 0.15, 0]])
    return np.asarray(matrix @ change)


def moved(request: Request, matrix: Array, other: Array) -> Request:
    """The same plane in the index of another grid."""
    change = np.linalg.inv(other) @ matrix
    return replace(
        request,
        origin=change[:3, :3] @ request.origin + change[:3, 3],
        du=change[:3, :3] @ request.du,
        dv=change[:3, :3] @ request.dv,
    )


def words(colors: Array) -> list[int]:
    return [int(x) for x in np.ascontiguousarray(colors.astype(np.uint8)).view("<u4").ravel()]


def laid_over(under: Array, over: Array, alpha: Array) -> Array:
    out = under.astype(float)
    out[..., :3] += (over[..., :3] - out[..., :3]) * alpha[..., None]
    return out


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", AFFINES)
def test_fused_grids_within_two_levels(page: Page, name: str, turned: bool) -> None:
    """An image in colours over another, each in its own grid, with opacity, threshold and swipe."""
    matrix, base, over = AFFINES[name], volume(), volume("float32", OTHER, seed=3)
    other = other_grid(matrix, turned)
    put(page, "image", base)
    put(page, "over", over)
    ramp = np.arange(256)
    table = np.stack([ramp, 255 - ramp, (ramp * 7) // 8, np.minimum(2 * ramp, 255)], -1)
    for view in VIEWS:
        request = PLANES[view]
        inner = moved(request, matrix, other)
        for interpolate, lower, clip in ((True, None, None), (True, 0.5, (11, 50)), (False, 1.5, None)):
            look, top = Look(), Look(-6, 11, interpolate=interpolate)
            layer = {
                **image_layer(inner, top, "over"),
                "table": words(table), "opacity": 0.7, "lower": lower, "clip": clip,
            }  # fmt: skip
            values = sampled(over, [inner.index()], "mip", int(interpolate))
            level = np.nan_to_num(np.clip(np.floor((values + 6) / 17 * 255 + 0.5), 0, 255)).astype(int)
            alpha = np.where(np.isnan(values), 0, table[level, 3] / 255 * 0.7)
            under = reference(base, request.index(), look)
            if lower is not None:
                alpha[~(values >= lower)] = 0
            if clip:
                alpha[:, : clip[0]] = alpha[:, clip[1] :] = 0
            expected = laid_over(under, table[level], alpha)
            good = (
                sure(request.index(), SHAPE, look) & sure(inner.index(), OTHER, top) & (under[..., 3] == 255)
            )
            if lower is not None:
                good &= ~(np.abs(values - lower) < 1e-2)
            assert good.mean() > 0.2 and (alpha[good] > 0).mean() > 0.2
            for kind in KINDS:
                shown, missing = draw(page, kind, request, [image_layer(request, look), layer])
                worst = np.abs(shown - expected)[..., :3].max(axis=-1)
                assert worst[good].max() <= 2, (kind, view, np.argwhere(good & (worst > 2))[:5])
                assert not missing


@pytest.mark.parametrize("length", [2, 300, 5000, 65536])
def test_tables_of_any_length_are_exact(page: Page, length: int) -> None:
    array = np.random.default_rng(1).integers(-20, length + 20, SHAPE).astype(np.int32)
    put(page, "image", array)
    table = np.random.default_rng(2).integers(0, 256, (length, 4))
    table[:, 3] = 255
    look = Look(0, length - 1, interpolate=False)
    for request in (AXIAL, OBLIQUE):
        index = request.index()
        values = map_coordinates(array, index, order=0, mode="nearest")
        expected = table[np.clip(values, 0, length - 1)]
        good = sure(index, SHAPE, look) & inside(index, SHAPE)
        for kind in KINDS:
            shown = draw(page, kind, request, [{**image_layer(request, look), "table": words(table)}])[0]
            assert (shown == expected).all(axis=-1)[good].all(), kind


def nearest_labels(mask: Array, index: Array) -> Array:
    found = map_coordinates(mask, index, order=0, mode="nearest")
    found[~inside(index, mask.shape)] = 0
    return np.asarray(found)


def blobs() -> Array:
    k, j, i = np.indices(SHAPE)
    inner = np.where((k - 4) ** 2 * 6 + (j - 11) ** 2 + (i - 15) ** 2 < 90, 1, 0)
    return np.asarray(inner + 2 * (i > 24), dtype=np.uint8)


@pytest.mark.parametrize("width", [1, 1.5, 2, 3.7, 8])
def test_outlines_have_their_width_within_two_levels(page: Page, width: float) -> None:
    array, mask = volume(), blobs()
    put(page, "image", array)
    put(page, "mask", mask, mask=True)
    colors = {1: (255, 0, 0), 2: (0, 200, 40)}
    reach = int(width)
    for request in (AXIAL, OBLIQUE):
        index = request.index(border=reach)
        labels = nearest_labels(mask, index)
        middle = labels[reach : reach + request.height, reach : reach + request.width]
        unsure = ~sure(index, SHAPE, Look(interpolate=False))
        edge, good = np.zeros(middle.shape, bool), np.ones(middle.shape, bool)
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                if dx * dx + dy * dy <= width * width:
                    part = np.s_[
                        reach + dy : reach + dy + request.height, reach + dx : reach + dx + request.width
                    ]
                    edge |= (labels[part] != middle) & ~unsure[part]
                    good &= ~unsure[part]
        good = (good | edge) & ~unsure[reach : reach + request.height, reach : reach + request.width]
        alpha = np.where(middle == 0, 0, np.where(edge, 0.8, 0.3))
        color = np.array([(0, 0, 0), *colors.values()])[middle]
        under = reference(array, request.index(), Look())
        expected = laid_over(under, color, alpha)
        good &= under[..., 3] == 255
        assert good.mean() > 0.1
        for kind in KINDS:
            layers = [image_layer(request, Look()), mask_layer(request, "mask", colors, 0.3, 0.8, width)]
            shown = draw(page, kind, request, layers)[0]
            assert np.abs(shown - expected)[..., :3].max(axis=-1)[good].max() <= 2, kind


@pytest.mark.parametrize("plane", ["axial", "coronal", "slanted", "oblique"])
def test_mask_in_a_slab_is_the_segment_nearest_to_its_middle(page: Page, plane: str) -> None:
    request = PLANES[plane]
    mask = np.random.default_rng(4).choice(4, SHAPE, p=(0.7, 0.1, 0.1, 0.1)).astype(np.uint8)
    put(page, "mask", mask, mask=True)
    colors = {1: (255, 0, 0), 2: (0, 200, 40)}
    for step, count in (((1.0, 0.0, 0.0), 5), ((0.71, -0.43, 0.52), 4)):
        slab = ("mip", step, count)
        indices = steps(request, slab)
        order = sorted(range(count), key=lambda n: (abs(n - (count - 1) / 2), n))
        labels = np.zeros((request.height, request.width), int)
        for n in order:
            found = nearest_labels(mask, indices[n])
            labels = np.where((labels == 0) & np.isin(found, (1, 2)), found, labels)
        good = settled(indices, SHAPE, Look(interpolate=False))
        assert good.mean() > 0.7 and (labels > 0).mean() > 0.3
        expected = np.array([(0, 0, 0, 0), (255, 0, 0, 255), (0, 200, 40, 255)])[labels]
        for kind in KINDS:
            layer = with_slab(mask_layer(request, "mask", colors, 1.0, 0.0), slab)
            shown = draw(page, kind, request, [layer])[0]
            assert (shown == expected).all(axis=-1)[good].all(), (kind, step)


def test_layers_on_their_way_and_beside_their_grid(page: Page) -> None:
    """Grey where a layer hides what is below it, nothing where one sees through it, nothing beside the grid."""
    array = volume()
    put(page, "image", array)
    put(page, "late", array, missing=tuple(range(SHAPE[0])))
    base, late = image_layer(AXIAL, Look()), image_layer(AXIAL, Look(), "late")
    beside = image_layer(replace(AXIAL, origin=np.array([40.0, 0, 0])), Look(), "late")
    here = inside(AXIAL.index(), SHAPE, -TIE)
    for kind in KINDS:
        plain = draw(page, kind, AXIAL, [base])[0]
        covered, missing = draw(page, kind, AXIAL, [base, late])
        assert missing and (covered[here] == (GREY, GREY, GREY, 255)).all()
        through, missing = draw(page, kind, AXIAL, [base, {**late, "opacity": 0.5}])
        assert missing and (through == plain).all()
        same, missing = draw(page, kind, AXIAL, [base, beside])
        assert not missing and (same == plain).all()
        nothing, missing = draw(page, kind, AXIAL, [beside])
        assert not missing and (nothing == 0).all()
        assert (draw(page, kind, AXIAL, [])[0] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_make_no_sense_are_refused(page: Page, kind: str) -> None:
    put(page, "image", volume())
    good = image_layer(AXIAL, Look())
    bad = ({"table": [1]}, {"table": [0] * 65537}, {"plane": {**AXIAL.json(), "width": 9}})
    for change in bad:
        given = json.dumps([kind, AXIAL.width, AXIAL.height, [{**good, **change}]])
        told = page.evaluate(
            "(given) => { try { picture(...JSON.parse(given)); } catch (error) { return error.name; } }",
            given,
        )
        assert told == "RangeError"

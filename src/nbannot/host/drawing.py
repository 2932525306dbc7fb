"""Pixels of a pane in numpy and SciPy: images sampled in their own grids, laid over each other, masks on top.

It draws what the browser draws (js/src/render), written anew, so that each can be checked against
the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbannot.host.colormaps import HEAT, colormap
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, SuvKind, Window

Values = NDArray[np.float64]
Rgb = NDArray[np.uint8]

# How far (in voxels) a sample may lie outside a boundary and still count as on it, as in the browser.
SNAP = 1.17e-3
# Widest edge of a segment, px.
WIDEST = 8
# Slices of the thickest slab.
MOST_SAMPLES = 1024
# Steps of the table of a sigmoid window, over four widths.
SIGMOID = 4096


@dataclass(frozen=True, slots=True)
class Slab:
    """Samples along the normal that become one: ``offsets`` in steps of ``step`` (world, LPS mm)."""

    mode: Literal["mip", "minip", "mean"]
    step: NDArray[np.float64]
    offsets: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """How values become colours.

    Parameters
    ----------
    lower, upper
        Values of the first and the last entry of the table.
    table
        Colours (n, 3) uint8.
    opacity
        0 to 1.
    cut
        Values below are not drawn; None: all are.
    ramp
        Clear at the low end of the table, as opaque as ``opacity`` from its middle on.
    """

    lower: float
    upper: float
    table: Rgb
    opacity: float = 1.0
    cut: float | None = None
    ramp: bool = False


def shown_colormap(image: Image, view: Mapping[str, Any]) -> str:
    """Return the colour map of an image that stands alone: as chosen, else dark on white for PET."""
    usual = "PET" if image.modality == "PT" and not image.is_color else "grey"
    return str(view.get("colormaps", {}).get(image.id, usual))


def shown_unit(image: Image, view: Mapping[str, Any]) -> SuvKind | None:
    """Return the SUV that a PET is shown in: as chosen, else "bw" where it can be computed; None: as stored."""
    kind: SuvKind = view.get("units", {}).get(image.id, "bw")
    return kind if image.suv is not None and kind in image.suv.factors else None


def shown_lut(image: Image, view: Mapping[str, Any]) -> int | None:
    """Return the number of the file's table in use: the chosen one; the first of a file without a window."""
    luts, chosen = image.voi_luts, view.get("luts", {}).get(image.id)
    if chosen is not None and 0 <= chosen < len(luts):
        return int(chosen)
    ranges = {(one.first + (len(one.values) - 1) / 2, max(len(one.values) - 1, 1)) for one in luts}
    bare = all((one.center, one.width) in ranges for one in image.windows)
    return 0 if luts and bare and image.id not in view.get("windows", {}) else None


def look_of(image: Image, view: Mapping[str, Any], name: str = "", *, opacity: float = 1.0,
            cut: float | None = None) -> Look:  # fmt: skip
    """Return how the view state shows an image, in a colour map or in the one it has there."""
    # Black and white are exchanged where the image stands alone; over another one its colours stay.
    inverted = (image.photometric == "MONOCHROME1") != (not name and image.id in view.get("inverted", ()))
    ramp = name == HEAT
    name = name or shown_colormap(image, view)
    chosen = view.get("windows", {}).get(image.id)
    lower, upper = window_bounds(image, chosen)
    table = colormap(name)
    luts, number = image.voi_luts, shown_lut(image, view)
    own = () if image.windows == () else (image.windows[0],)
    if number is not None:
        greys = np.asarray(luts[number].greys())
        table, lower = table[255 - greys if inverted else greys], float(luts[number].first)
        upper = lower + len(greys) - 1
    elif name == "grey" and chosen is None and own and own[0].function == "SIGMOID":
        steps = np.linspace(-2, 2, SIGMOID)
        greys = np.floor(255 / (1 + np.exp(-4 * steps)) + 0.5).astype(np.uint8)
        table = np.stack([greys] * 3, axis=1)
        lower, upper = own[0].center - 2 * own[0].width, own[0].center + 2 * own[0].width
    return Look(lower, upper, table[::-1] if inverted and number is None else table, opacity, cut, ramp)


def window_of(image: Image, chosen: Any) -> tuple[float, float]:
    """Return centre and width of what is shown: those of the view state, else the image's own."""
    if chosen:
        return float(chosen[0]), float(chosen[1])
    if image.is_color:
        return 128.0, 256.0
    own = image.default_window()
    return own.center, own.width


def window_bounds(image: Image, chosen: Any) -> tuple[float, float]:
    """Return the values shown black and white; an image whose file says LINEAR keeps to it."""
    center, width = window_of(image, chosen)
    linear = bool(image.windows) and image.windows[0].function == "LINEAR" and width >= 1
    window = Window(center, width, function="LINEAR" if linear else "LINEAR_EXACT")
    return window.lower, window.upper


# Voxels under pixels ------------------------------------------------------------------------------


def sample(image: Image, frame: int, index: Values, *, smooth: bool) -> tuple[Values, NDArray[np.bool_]]:
    """Return the values at index points, and which of these lie in the image.

    Parameters
    ----------
    index
        (rows, columns, 3) as (k, j, i).
    smooth
        Trilinear interpolation; False takes the nearest voxel.

    Returns
    -------
    values
        (rows, columns), or with a last axis of 3 for colour.
    inside
        (rows, columns).
    """
    shape = np.array(image.shape)
    inside = _inside(index, shape)
    if not inside.any():
        return np.zeros((*index.shape[:2], *((3,) if image.is_color else ()))), inside
    index = index if smooth else np.floor(index + 0.5 + SNAP)
    index = np.clip(index, 0, shape - 1)
    first = float(index[0, 0, 0])
    if first.is_integer() and (index[..., 0] == first).all():
        # One slice is enough; the rest of the image need not be read.
        return _interpolated(image.plane_array(int(first), t=frame), index[..., 1:]), inside
    whole = image.array[frame] if image.array.ndim == 4 + image.is_color else image.array
    flat = [axis for axis in (1, 2) if (index[..., axis] == index[0, 0, axis]).all()]
    if flat and index[0, 0, flat[0]] == int(index[0, 0, flat[0]]):
        sheet = np.take(whole, int(index[0, 0, flat[0]]), axis=flat[0])
        return _interpolated(sheet, np.delete(index, flat[0], axis=-1)), inside
    return _interpolated(whole, index), inside


def _inside(index: Values, shape: NDArray[Any]) -> NDArray[np.bool_]:
    reached = (index >= -0.5 - SNAP) & (index <= shape - 0.5 + SNAP)
    return np.asarray(reached.all(axis=-1), dtype=np.bool_)


def _interpolated(values: NDArray[Any], index: Values) -> Values:
    from scipy.ndimage import map_coordinates

    places = np.moveaxis(index, -1, 0)
    if values.ndim == len(places):
        return np.asarray(map_coordinates(values, places, output=np.float64, order=1, mode="nearest"))
    channels = [map_coordinates(values[..., c], places, output=np.float64, order=1, mode="nearest")
                for c in range(values.shape[-1])]  # fmt: skip
    return np.stack(channels, axis=-1)


def sampled(
    image: Image, frame: int, index: Values, slab: Slab | None, *, smooth: bool
) -> tuple[Values, NDArray[np.bool_]]:
    """Return what `sample` does, along a slab where there is one."""
    if slab is None or not isinstance(image.geometry, Geometry):
        return sample(image, frame, index, smooth=smooth)
    step = np.linalg.solve(image.geometry.affine[:3, :3], slab.step)
    kept: Values | None = None
    hits = np.zeros(index.shape[:2])
    for offset in slab.offsets:
        moved = index + offset * step
        values, inside = sample(image, frame, moved, smooth=smooth)
        here = inside if values.ndim == 2 else inside[..., None]
        if kept is None:
            empty = {"mip": -np.inf, "minip": np.inf, "mean": 0.0}[slab.mode]
            kept = np.full(values.shape, empty)
        if slab.mode == "mean":
            kept += np.where(here, values, 0)
        else:
            best = np.fmax if slab.mode == "mip" else np.fmin
            kept = np.where(here, best(kept, values), kept)
        hits += inside
    assert kept is not None
    if slab.mode == "mean":
        kept /= np.maximum(hits, 1) if kept.ndim == 2 else np.maximum(hits, 1)[..., None]
    return kept, hits > 0


def slab_count(mm: float, thickness: float) -> int:
    """Return the number of slices, ``thickness`` mm apart, that a slab of ``mm`` joins: whole ones, one at least."""
    return min(MOST_SAMPLES, max(1, int(np.floor(mm / thickness + 0.5))))


def aligned_step(
    geometry: Geometry, normal: NDArray[np.float64], thickness: float, axis: int | None
) -> NDArray[np.float64]:
    """Return the world step between the samples of a slab; across a slice it ends exactly on the next one."""
    step = np.linalg.solve(geometry.affine[:3, :3], normal * thickness)
    if axis is not None:
        step[axis] = np.sign(step[axis])
    return np.asarray(geometry.affine[:3, :3] @ step)


# Values to colours --------------------------------------------------------------------------------


def colored(values: Values, look: Look, *, color: bool) -> Rgb:
    """Return the colours (rows, columns, 3) of values."""
    if color:
        return np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)
    last = len(look.table) - 1
    factor = min(last / (look.upper - look.lower), 1e30) if look.upper > look.lower else 1e30
    with np.errstate(invalid="ignore", over="ignore"):
        level = np.nan_to_num((values - look.lower) * factor + 0.5, nan=0.0)
    return np.asarray(look.table[np.clip(level, 0, last).astype(np.intp)])


def lay(under: Rgb, over: Rgb, part: NDArray[Any]) -> None:
    """Lay colours over a picture, in place; ``part`` is the opacity of each pixel."""
    weight = part[..., None]
    under[:] = np.floor(under + (over.astype(np.float64) - under) * weight + 0.5).astype(np.uint8)


def lay_image(under: Rgb, values: Values, inside: NDArray[np.bool_], look: Look, *, color: bool) -> None:
    """Lay an image over a picture, in place."""
    part = np.where(inside, look.opacity, 0.0)
    if look.cut is not None and not color:
        with np.errstate(invalid="ignore"):
            part = np.where(values >= look.cut, part, 0.0)
    if look.ramp and not color and look.upper > look.lower:
        place = np.nan_to_num((values - look.lower) / (look.upper - look.lower))
        part = part * np.clip(2 * place, 0.0, 1.0)
    lay(under, colored(values, look, color=color), part)


# Masks --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SegmentStyle:
    """Colour, opacity inside and at the edge (0 to 1), and width of the edge in px."""

    color: tuple[int, int, int]
    fill: float
    outline: float
    width: int


def sample_labels(array: NDArray[Any], index: Values, step: NDArray[Any] | None, offsets: tuple[float, ...],
                  shown: NDArray[np.bool_]) -> NDArray[np.intp]:  # fmt: skip
    """Return the values of a mask at index points, 0 outside; in a slab the first shown from the middle outward."""
    found = np.zeros(index.shape[:2], dtype=np.intp)
    shape = np.array(array.shape)
    for offset in sorted(offsets, key=lambda one: (abs(one), one)):
        at = index if step is None else index + offset * step
        inside = _inside(at, shape)
        k, j, i = np.moveaxis(np.clip(np.floor(at + 0.5 + SNAP), 0, shape - 1).astype(np.intp), -1, 0)
        values = np.where(inside, array[k, j, i], 0).astype(np.intp)
        values[values >= len(shown)] = 0
        values[~shown[values]] = 0
        found = np.where(found == 0, values, found)
    return found


def lay_mask(under: Rgb, labels: NDArray[np.intp], border: int, styles: Mapping[int, SegmentStyle]) -> None:
    """Lay a mask over a picture, in place; ``labels`` reach ``border`` px further on each side."""
    from scipy.ndimage import binary_dilation

    for value, style in styles.items():
        mine = labels == value
        if not mine.any():
            continue
        width = min(style.width, WIDEST) if style.outline > 0 else 0
        edge = np.zeros_like(mine)
        if width > 0:
            span = np.arange(-width, width + 1)
            circle = span[:, None] ** 2 + span[None, :] ** 2 <= width**2
            edge = mine & binary_dilation(~mine, structure=circle)
        part = np.where(edge, style.outline, np.where(mine, style.fill, 0.0))
        inner = part[border : border + under.shape[0], border : border + under.shape[1]]
        lay(under, np.broadcast_to(np.array(style.color, dtype=np.uint8), under.shape), inner)


# 3-D ----------------------------------------------------------------------------------------------


def projection(
    image: Image, frame: int, origin: Values, steps: Values, shape: tuple[int, int, int]
) -> Values:
    """Return the largest value along each ray (rows, columns), NaN where a ray misses the image.

    It is taken from a copy of at most about 200 voxels a side, each the largest of its block.

    Parameters
    ----------
    origin
        World point (LPS mm) of the nearest sample of the first ray.
    steps
        World steps (3 × 3, as columns) along a ray, to the next row and to the next column.
    shape
        Samples along a ray, rows, columns.
    """
    from scipy.ndimage import affine_transform

    assert isinstance(image.geometry, Geometry)
    whole = image.array[frame] if image.array.ndim == 4 + image.is_color else image.array
    if image.is_color:
        whole = whole.mean(axis=-1)
    factors = np.array([max(1, round(n / 200)) for n in image.shape])
    small = _block_max(whole, [int(factor) for factor in factors]).astype(np.float32)
    start = (image.geometry.to_index(origin) + 0.5) / factors - 0.5
    matrix = np.linalg.solve(image.geometry.affine[:3, :3], steps) / factors[:, None]
    rays = affine_transform(small, matrix, start, shape, order=1, mode="constant", cval=-np.inf)
    best = np.asarray(rays.max(axis=0), dtype=np.float64)
    return np.where(np.isfinite(best), best, np.nan)


def _block_max(values: NDArray[Any], factors: list[int]) -> NDArray[Any]:
    for axis, factor in enumerate(factors):
        if factor > 1:
            values = np.maximum.reduceat(values, np.arange(0, values.shape[axis], factor), axis=axis)
    return values

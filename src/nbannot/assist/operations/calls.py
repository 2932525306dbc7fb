"""The operations as functions. Each makes one edit of a mask and returns it, or None when nothing changes.

All take what `Options` lists as well, by name: the segment, where the result goes, limits, a place and
progress. All raise OperationError, MaskError, UnknownLabelError, GeometryError, OutsideImageError or
LockedError when they cannot be done as asked, and change nothing then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Unpack

from nbannot.assist.operations.running import Options, run
from nbannot.model.edits import Edit
from nbannot.model.masks import Mask

Dimension = Literal["3d", "2d"]
Connectivity = Literal["faces", "corners"]
Axis = Literal[0, 1, 2]
Segments = int | str | Iterable[int | str] | None

# Intensities --------------------------------------------------------------------------------------


def threshold(
    mask: Mask, lo: float | None = None, hi: float | None = None, **options: Unpack[Options]
) -> Edit | None:
    """Make a segment of the voxels with lo ≤ value ≤ hi, in the image's unit.

    Parameters
    ----------
    mask
        The mask.
    lo, hi
        The range; None leaves an end open.
    options
        See `Options`.
    """
    return run("threshold", mask, lo=lo, hi=hi, **options)


def otsu(mask: Mask, classes: int = 2, *, pick: int | None = None, **options: Unpack[Options]) -> Edit | None:
    """Make a segment of one class of the image's values, divided by Otsu's method.

    The limits are those between which the variance of the classes' means is largest, in a histogram
    of 256 bins of the voxels that may change (Otsu 1979).

    Parameters
    ----------
    mask
        The mask.
    classes
        2 to 5.
    pick
        Which class, 1 being the darkest; None: the brightest.
    options
        See `Options`.
    """
    return run("otsu", mask, classes=classes, pick=pick, **options)


def region_grow(
    mask: Mask,
    tolerance: float | None = None,
    *,
    method: Literal["range", "confidence"] = "range",
    lo: float | None = None,
    hi: float | None = None,
    multiplier: float = 2.5,
    iterations: int = 4,
    radius: float | None = None,
    dimension: Dimension = "3d",
    connectivity: Connectivity = "faces",
    **options: Unpack[Options],
) -> Edit | None:
    """Add the connected voxels around places (``index`` or ``world``) whose values are like theirs.

    Parameters
    ----------
    mask
        The mask.
    tolerance
        Largest difference from the value of the place (of several: below the lowest, above the highest).
    method
        "range": one range; "confidence": mean ± ``multiplier`` deviations of what was found, first of the
        3 × 3 × 3 voxels around each place, again for so many ``iterations`` (as ITK's ConfidenceConnected).
    lo, hi
        The range, in place of a tolerance.
    multiplier, iterations
        Of "confidence".
    radius
        mm from a place that is gone at most; None: no limit.
    dimension
        "3d", or "2d": in the places' slices only.
    connectivity
        "faces" (6 neighbours; 4 in a slice) or "corners" (26; 8).
    options
        See `Options`.
    """
    return run(
        "region_grow", mask, tolerance=tolerance, method=method, lo=lo, hi=hi, multiplier=multiplier,
        iterations=iterations, radius=radius, dimension=dimension, connectivity=connectivity, **options,
    )  # fmt: skip


def flood_fill(
    mask: Mask,
    tolerance: float | None = None,
    *,
    dimension: Dimension = "2d",
    axis: Axis = 0,
    connectivity: Connectivity = "faces",
    **options: Unpack[Options],
) -> Edit | None:
    """Add the connected voxels that have the label of a place (``index`` or ``world``).

    Parameters
    ----------
    mask
        The mask.
    tolerance
        Also: their values differ at most so much from that of the place; None: values do not matter.
    dimension
        "2d": in the slice across ``axis`` that holds the place; "3d": in the volume.
    axis
        0 (k), 1 (j) or 2 (i).
    connectivity
        "faces" or "corners".
    options
        See `Options`.
    """
    return run(
        "flood_fill",
        mask,
        tolerance=tolerance,
        dimension=dimension,
        axis=axis,
        connectivity=connectivity,
        **options,
    )


# Seeds --------------------------------------------------------------------------------------------


def grow_cut(
    mask: Mask,
    segments: Segments = None,
    *,
    background: int | str | None = None,
    room: float = 10.0,
    locality: float = 0.001,
    **options: Unpack[Options],
) -> Edit | None:
    """Grow two segments or more from their voxels until they meet where values change (GrowCut).

    A voxel goes to the seed with the largest product of 1 - |difference| / largest difference along a
    way across faces (Vezhnevets & Konouchine 2005, when nothing changes any more).

    Parameters
    ----------
    mask
        The mask.
    segments
        Which segments are seeds; None: all that have voxels.
    background
        One of them that only holds the others back: what it wins is left as it was.
    room
        mm around the box of the seeds that is filled.
    locality
        Cost of a way per mm, against -ln(1 - difference / largest difference).
    options
        See `Options`.
    """
    return run(
        "grow_cut", mask, segments=segments, background=background, room=room, locality=locality, **options
    )


def random_walker(
    mask: Mask,
    segments: Segments = None,
    *,
    background: int | str | None = None,
    room: float = 10.0,
    beta: float = 130.0,
    **options: Unpack[Options],
) -> Edit | None:
    """Give each voxel to the segment that a random walk most probably meets first (Grady 2006).

    Computed by scikit-image in the box of the seeds, of at most 3 million voxels.

    Parameters
    ----------
    mask
        The mask.
    segments, background, room
        As for `grow_cut`.
    beta
        How hard edges are to cross.
    options
        See `Options`.
    """
    return run(
        "random_walker", mask, segments=segments, background=background, room=room, beta=beta, **options
    )


def watershed(
    mask: Mask,
    segments: Segments = None,
    *,
    background: int | str | None = None,
    room: float = 10.0,
    sigma: float = 1.0,
    **options: Unpack[Options],
) -> Edit | None:
    """Flood the image's gradient from the segments, which meet on its ridges.

    Computed by scikit-image on the length of the gradient per mm.

    Parameters
    ----------
    mask
        The mask.
    segments, background, room
        As for `grow_cut`.
    sigma
        Standard deviation in mm of the Gaussian before the gradient.
    options
        See `Options`.
    """
    return run("watershed", mask, segments=segments, background=background, room=room, sigma=sigma, **options)


def fast_marching(
    mask: Mask, mm: float = 10.0, *, edge: float | None = None, sigma: float = 1.0, **options: Unpack[Options]
) -> Edit | None:
    """Add what a front reaches from the segment, or from places, that slows down at edges.

    Its speed is 1 / (1 + (gradient / edge)²), so it goes ``mm`` where nothing changes (Sethian 1996; ITK).

    Parameters
    ----------
    mask
        The mask.
    mm
        Distance gone.
    edge
        Change of value per mm at which it is half as fast; None: the 90th percentile around.
    sigma
        Standard deviation in mm of the Gaussian before the gradient.
    options
        See `Options`.
    """
    return run("fast_marching", mask, mm=mm, edge=edge, sigma=sigma, **options)


def level_set(
    mask: Mask,
    *,
    growth: float = 1.0,
    curvature: float = 1.0,
    attraction: float = 1.0,
    iterations: int = 100,
    edge: float | None = None,
    sigma: float = 1.0,
    room: float = 10.0,
    **options: Unpack[Options],
) -> Edit | None:
    """Move the segment's surface to edges, as a geodesic active contour (Caselles 1997; ITK).

    Parameters
    ----------
    mask
        The mask.
    growth
        How strongly it grows; below 0 it shrinks.
    curvature
        How smooth it becomes.
    attraction
        How strongly edges pull.
    iterations
        Steps, at most.
    edge, sigma
        As for `fast_marching`.
    room
        mm around the segment in which it moves.
    options
        See `Options`.
    """
    return run(
        "level_set", mask, growth=growth, curvature=curvature, attraction=attraction, iterations=iterations,
        edge=edge, sigma=sigma, room=room, **options,
    )  # fmt: skip


# Slices -------------------------------------------------------------------------------------------


def fill_between(
    mask: Mask, axis: Axis = 0, *, segments: Segments = None, **options: Unpack[Options]
) -> Edit | None:
    """Fill the empty slices between painted ones; painted slices stay as they are.

    Between two slices a voxel is set where the weighted mean of their signed distances in mm is at most
    0 (Raya & Udupa 1990); shapes that do not overlap are first moved onto the line between their centres.
    Where segments meet, the lower mean wins.

    Parameters
    ----------
    mask
        The mask.
    axis
        The slices lie across 0 (k), 1 (j) or 2 (i).
    segments
        None: each that has voxels.
    options
        See `Options`.
    """
    return run("fill_between", mask, axis=axis, segments=segments, **options)


def copy_slice(
    mask: Mask,
    source: int,
    *,
    to: int | Iterable[int],
    axis: Axis = 0,
    keep: bool = False,
    **options: Unpack[Options],
) -> Edit | None:
    """Copy a segment's slice to others.

    Parameters
    ----------
    mask
        The mask.
    source
        Number of the slice.
    to
        Numbers of the others: one, several, or a `range`.
    axis
        The slices lie across 0 (k), 1 (j) or 2 (i).
    keep
        Whether the segment's voxels there stay, too.
    options
        See `Options`.
    """
    return run("copy_slice", mask, source=source, to=to, axis=axis, keep=keep, **options)


def move_slice(
    mask: Mask,
    source: int,
    *,
    to: int | Iterable[int],
    axis: Axis = 0,
    keep: bool = False,
    **options: Unpack[Options],
) -> Edit | None:
    """Move a segment's slice; parameters as for `copy_slice`."""
    return run("move_slice", mask, source=source, to=to, axis=axis, keep=keep, **options)


# Shape --------------------------------------------------------------------------------------------


def margin(
    mask: Mask, mm: float = 3.0, *, dimension: Dimension = "3d", **options: Unpack[Options]
) -> Edit | None:
    """Grow or shrink a segment by a length.

    Above 0, voxels are added whose centre is at most ``mm`` from the centre of one of the segment; below
    0, voxels are taken away whose centre is at most that far from one outside it (inside the image).

    Parameters
    ----------
    mask
        The mask.
    mm
        The length.
    dimension
        "3d", or "2d": each slice k by itself.
    options
        See `Options`.
    """
    return run("margin", mask, mm=mm, dimension=dimension, **options)


def hollow(
    mask: Mask,
    mm: float = 3.0,
    *,
    side: Literal["inside", "outside", "both"] = "inside",
    dimension: Dimension = "3d",
    **options: Unpack[Options],
) -> Edit | None:
    """Leave a shell along the surface.

    Parameters
    ----------
    mask
        The mask.
    mm
        Its thickness.
    side
        "inside": the shell is what shrinking takes away; "outside": what growing adds; "both": half and half.
    dimension
        "3d", or "2d": each slice k by itself.
    options
        See `Options`.
    """
    return run("hollow", mask, mm=mm, side=side, dimension=dimension, **options)


def smooth(
    mask: Mask,
    mm: float = 3.0,
    *,
    method: Literal["median", "opening", "closing", "gaussian", "joint"] = "median",
    dimension: Dimension = "3d",
    segments: Segments = None,
    **options: Unpack[Options],
) -> Edit | None:
    """Take away roughness.

    Parameters
    ----------
    mask
        The mask.
    mm
        "median": edge of a box of an odd number of voxels, set where more than half is; "opening" and
        "closing": diameter of a ball; "gaussian": standard deviation, set where the blurred segment is at
        least 0.5; "joint": the same of the union of segments, each voxel of which goes to the segment with
        the largest share, so that no gap and no overlap arises.
    method
        As above.
    dimension
        "3d", or "2d": each slice k by itself.
    segments
        Of "joint"; None: all that have voxels.
    options
        See `Options`.
    """
    return run("smooth", mask, mm=mm, method=method, dimension=dimension, segments=segments, **options)


def fill_holes(
    mask: Mask, dimension: Dimension = "3d", *, axis: Axis = 0, **options: Unpack[Options]
) -> Edit | None:
    """Fill what a segment encloses: voxels that no way across faces joins with the image's border.

    Parameters
    ----------
    mask
        The mask.
    dimension
        "3d", or "2d": in each slice across ``axis`` by itself.
    axis
        0 (k), 1 (j) or 2 (i), for "2d".
    options
        See `Options`.
    """
    return run("fill_holes", mask, dimension=dimension, axis=axis, **options)


def islands(
    mask: Mask,
    method: Literal["largest", "minimum", "split", "selected", "remove"] = "largest",
    *,
    n: int = 1,
    minimum: float | None = None,
    unit: Literal["mm3", "voxels"] = "mm3",
    dimension: Dimension = "3d",
    connectivity: Connectivity = "faces",
    **options: Unpack[Options],
) -> Edit | None:
    """Keep, remove or split the connected parts of a segment.

    Parameters
    ----------
    mask
        The mask.
    method
        "largest": keeps the ``n`` largest (of equal ones those that come first); "minimum": removes those
        smaller than ``minimum``; "split": the largest stays, each other one of the minimum size becomes a
        segment of its own, "NAME 2" and so on; "selected", "remove": keeps only, or removes, those at the
        places ``index`` or ``world``.
    n, minimum, unit
        As above; the minimum in "mm3" or "voxels".
    dimension
        "3d", or "2d": parts of each slice k by itself.
    connectivity
        "faces" (6 neighbours) or "corners" (26).
    options
        See `Options`.
    """
    return run(
        "islands", mask, method=method, n=n, minimum=minimum, unit=unit, dimension=dimension,
        connectivity=connectivity, **options,
    )  # fmt: skip


# Combining ----------------------------------------------------------------------------------------


def boolean(
    mask: Mask,
    method: Literal["union", "intersect", "subtract", "copy", "invert", "fill", "clear"] = "union",
    *,
    other: int | str | Mask | tuple[Mask, int | str | None] | None = None,
    **options: Unpack[Options],
) -> Edit | None:
    """Combine a segment with another one.

    Parameters
    ----------
    mask
        The mask.
    method
        "union", "intersect", "subtract", "copy" (becomes the other); "invert", "fill" and "clear" need no other.
    other
        A segment of the mask, a `Mask` of the same grid with one segment, or (mask, segment). Segments of
        one mask do not overlap: what one takes, the other loses.
    options
        See `Options`.
    """
    return run("boolean", mask, method=method, other=other, **options)


def mirror(
    mask: Mask, axis: Axis | None = None, *, move: bool = False, **options: Unpack[Options]
) -> Edit | None:
    """Add a segment's mirror image, at a plane across a grid axis.

    Parameters
    ----------
    mask
        The mask.
    axis
        0 (k), 1 (j) or 2 (i); None: the one nearest to the patient's left and right.
    move
        Whether only the mirror image stays.
    options
        See `Options`; ``index`` or ``world`` is a place in the plane, else it is the middle of the image.
    """
    return run("mirror", mask, axis=axis, move=move, **options)


FUNCTIONS: dict[str, Any] = {
    function.__name__: function
    for function in (
        threshold, otsu, region_grow, flood_fill, grow_cut, random_walker, watershed, fast_marching, level_set,
        fill_between, copy_slice, move_slice, margin, hollow, smooth, fill_holes, islands, boolean, mirror,
    )
}  # fmt: skip
"""The functions, by name."""

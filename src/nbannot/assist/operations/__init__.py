"""Operations on the voxels of masks, and on outlines: each computes a whole change and makes it one edit.

``ops.NAME(mask, …)`` makes it; ``ops.preview("NAME", mask, …)`` only computes it. `OPERATIONS` is the table
that forms are made from.
"""

from nbannot.assist.operations.calls import (
    boolean,
    copy_slice,
    fast_marching,
    fill_between,
    fill_holes,
    flood_fill,
    grow_cut,
    hollow,
    islands,
    level_set,
    margin,
    mirror,
    move_slice,
    otsu,
    random_walker,
    region_grow,
    smooth,
    threshold,
    watershed,
)
from nbannot.assist.operations.catalogue import OPERATIONS
from nbannot.assist.operations.forms import Operation, Parameter
from nbannot.assist.operations.outlines import fill_between_shapes
from nbannot.assist.operations.running import Options, Preview, preview, run
from nbannot.assist.operations.tracing import fill_shapes, outline_segments
from nbannot.formats.contours import contours_from_mask, mask_from_contours

__all__ = [
    "OPERATIONS",
    "Operation",
    "Options",
    "Parameter",
    "Preview",
    "boolean",
    "contours_from_mask",
    "copy_slice",
    "fast_marching",
    "fill_between",
    "fill_between_shapes",
    "fill_holes",
    "fill_shapes",
    "flood_fill",
    "grow_cut",
    "hollow",
    "islands",
    "level_set",
    "margin",
    "mask_from_contours",
    "mirror",
    "move_slice",
    "otsu",
    "outline_segments",
    "preview",
    "random_walker",
    "region_grow",
    "run",
    "smooth",
    "threshold",
    "watershed",
]

"""The table of operations: what each is called, what it takes, and how its form looks."""

from __future__ import annotations

from typing import Any

from nbannot.assist.operations import combine, intensity, islands, seeds, shape
from nbannot.assist.operations.between import fill_between
from nbannot.assist.operations.forms import Operation, Parameter

_AXES: tuple[tuple[Any, str], ...] = ((0, "slices (k)"), (1, "rows (j)"), (2, "columns (i)"))
_DIMENSION = Parameter(
    "dimension", "Dimension", "choice", "3d", options=(("3d", "volume"), ("2d", "each slice by itself"))
)
_CONNECTIVITY = Parameter(
    "connectivity", "Neighbours", "choice", "faces",
    options=(("faces", "across faces (6)"), ("corners", "across faces, edges and corners (26)")),
)  # fmt: skip
_SEGMENTS = Parameter("segments", "Segments", "segments", help="All that have voxels, unless chosen.")
_LO = Parameter("lo", "From", "number", unit="value", help="Lowest value taken in; empty: no limit.")
_HI = Parameter("hi", "To", "number", unit="value", help="Highest value taken in; empty: no limit.")
_ROOM = Parameter("room", "Room", "number", 10.0, "mm", 0, 1000, help="How far around the seeds it may grow.")
_BACKGROUND = Parameter(
    "background", "Background", "segment",
    help="What this segment wins is left as it was; its seeds only hold the others back.",
)  # fmt: skip
_SIGMA = Parameter(
    "sigma",
    "Smoothing of the image",
    "number",
    1.0,
    "mm",
    0,
    50,
    help="Standard deviation, before edges are measured.",
)
_EDGE = Parameter(
    "edge", "Edge", "number", None, "value", 0,
    help="Change of value per mm at which the front is half as fast; empty: the 90th percentile around.",
)  # fmt: skip


def _axis(title: str, default: int | None = 0) -> Parameter:
    return Parameter("axis", title, "choice", default, options=_AXES)


_INTENSITY = (
    Operation(
        "threshold", "Threshold", "intensity", "Voxels whose value lies in a range.", (_LO, _HI),
        intensity.threshold, needs_image=True, needs_voxels=False,
    ),
    Operation(
        "otsu", "Otsu threshold", "intensity",
        "Divides the values into classes as well as can be, and takes one of them.",
        (
            Parameter("classes", "Classes", "integer", 2, low=2, high=5),
            Parameter("pick", "Class", "integer", None, low=1, high=5, help="1 is the darkest; empty: the brightest."),
        ),
        intensity.otsu, needs_image=True, needs_voxels=False,
    ),
    Operation(
        "region_grow", "Region growing", "intensity", "Connected voxels with values like those of a place.",
        (
            Parameter(
                "method", "Method", "choice", "range",
                options=(("range", "range or tolerance"), ("confidence", "mean and deviation of what was found")),
            ),
            Parameter("tolerance", "Tolerance", "number", None, "value", 0, when={"method": ("range",)},
                      help="Largest difference from the value of the place."),
            Parameter("lo", "From", "number", unit="value", when={"method": ("range",)}),
            Parameter("hi", "To", "number", unit="value", when={"method": ("range",)}),
            Parameter("multiplier", "Deviations", "number", 2.5, "", 0.1, 20, when={"method": ("confidence",)}),
            Parameter("iterations", "Rounds", "integer", 4, "", 0, 50, when={"method": ("confidence",)}),
            Parameter("radius", "Farthest", "number", None, "mm", 0, help="From the place; empty: no limit."),
            _DIMENSION, _CONNECTIVITY,
        ),
        intensity.region_grow, needs_image=True, needs_point="yes", needs_voxels=False, mode="add",
        needs_grid="depends",
    ),
    Operation(
        "flood_fill", "Flood fill", "intensity",
        "Connected voxels that have the label of a place and, with a tolerance, about its value.",
        (
            Parameter("tolerance", "Tolerance", "number", None, "value", 0, help="Empty: values are not looked at."),
            Parameter("dimension", "Dimension", "choice", "2d", options=(("2d", "one slice"), ("3d", "volume"))),
            Parameter("axis", "Slice across", "choice", 0, options=_AXES, when={"dimension": ("2d",)}),
            _CONNECTIVITY,
        ),
        intensity.flood_fill, needs_point="yes", needs_voxels=False, mode="add", needs_grid="depends",
    ),
)  # fmt: skip

_SEEDS = (
    Operation(
        "grow_cut", "Grow from seeds", "seeds", "Segments grow from their seeds until they meet (GrowCut).",
        (
            _SEGMENTS, _BACKGROUND, _ROOM,
            Parameter("locality", "Nearness", "number", 0.001, "mm⁻¹", 0, 10,
                      help="How much a long way counts against a change of value."),
        ),
        seeds.grow_cut, "segments", needs_image=True, needs_grid="yes",
    ),
    Operation(
        "random_walker", "Random walker", "seeds",
        "Each voxel goes to the seeds that a random walk most probably meets first.",
        (
            _SEGMENTS, _BACKGROUND, _ROOM,
            Parameter("beta", "Edges", "number", 130.0, "", 0, 1e6, help="How hard edges are to cross."),
        ),
        seeds.random_walker, "segments", needs_image=True, needs_grid="yes",
    ),
    Operation(
        "watershed", "Watershed", "seeds", "Segments grow from their seeds and meet where the image changes most.",
        (_SEGMENTS, _BACKGROUND, _ROOM, _SIGMA), seeds.watershed, "segments", needs_image=True, needs_grid="yes",
    ),
    Operation(
        "fast_marching", "Fast marching", "seeds",
        "A front runs out from the segment or a place, slowly across edges, until it has gone a distance.",
        (Parameter("mm", "Distance", "number", 10.0, "mm", 0.01, 1000), _EDGE, _SIGMA),
        seeds.fast_marching, needs_image=True, needs_point="depends", starts="the segment", needs_voxels=False,
        needs_grid="yes", mode="add",
    ),
    Operation(
        "level_set", "Level set", "seeds", "The segment's surface moves to edges and becomes smooth.",
        (
            Parameter("growth", "Growth", "number", 1.0, "", -100, 100, help="Below 0 shrinks."),
            Parameter("curvature", "Smoothness", "number", 1.0, "", 0, 100),
            Parameter("attraction", "Pull of edges", "number", 1.0, "", 0, 100),
            Parameter("iterations", "Steps", "integer", 100, "", 1, 5000),
            _EDGE, _SIGMA,
            Parameter("room", "Room", "number", 10.0, "mm", 0, 1000, help="How far around the segment it may move."),
        ),
        seeds.level_set, needs_image=True, needs_grid="yes",
    ),
)  # fmt: skip

_SLICES = (
    Operation(
        "fill_between", "Fill between slices", "slices",
        "Empty slices between painted ones get the shapes in between; painted slices stay.",
        (_axis("Slices across"), _SEGMENTS), fill_between, "segments", needs_grid="yes",
    ),
    Operation(
        "copy_slice", "Copy slice", "slices", "Copies a segment's slice to others.",
        (
            Parameter("source", "Slice", "slice", required=True), Parameter("to", "To", "slices", required=True),
            _axis("Slices across"),
            Parameter("keep", "Keep what is there", "yesno", False),
        ),
        combine.copy_slice,
    ),
    Operation(
        "move_slice", "Move slice", "slices", "Moves a segment's slice to another place.",
        (
            Parameter("source", "Slice", "slice", required=True), Parameter("to", "To", "slices", required=True),
            _axis("Slices across"),
            Parameter("keep", "Keep what is there", "yesno", False),
        ),
        combine.move_slice,
    ),
)  # fmt: skip

_SHAPE = (
    Operation(
        "margin", "Margin", "shape", "Grows or shrinks a segment by a length.",
        (Parameter("mm", "Margin", "number", 3.0, "mm", -500, 500, help="Below 0 shrinks."), _DIMENSION),
        shape.margin, needs_grid="depends",
    ),
    Operation(
        "hollow", "Hollow", "shape", "Leaves a shell along the surface.",
        (
            Parameter("mm", "Thickness", "number", 3.0, "mm", 0.01, 500),
            Parameter(
                "side", "The surface is", "choice", "inside",
                options=(
                    ("inside", "the shell's outside"), ("outside", "the shell's inside"), ("both", "its middle"),
                ),
                help="inside: the shell lies inside the segment.",
            ),
            _DIMENSION,
        ),
        shape.hollow, needs_grid="depends",
    ),
    Operation(
        "smooth", "Smooth", "shape", "Takes away roughness.",
        (
            Parameter(
                "method", "Method", "choice", "median",
                options=(
                    ("median", "median"), ("opening", "opening: removes what is thin"),
                    ("closing", "closing: fills what is narrow"), ("gaussian", "Gaussian"),
                    ("joint", "all segments together"),
                ),
            ),
            Parameter("mm", "Size", "number", 3.0, "mm", 0.01, 100,
                      help="Median, opening, closing: diameter; Gaussian and together: standard deviation."),
            _DIMENSION,
            Parameter("segments", "Segments", "segments", when={"method": ("joint",)}),
        ),
        shape.smooth, needs_grid="depends",
    ),
    Operation(
        "fill_holes", "Fill holes", "shape", "Fills what a segment encloses.",
        (_DIMENSION, Parameter("axis", "Slices across", "choice", 0, options=_AXES, when={"dimension": ("2d",)})),
        shape.fill_holes, needs_grid="depends",
    ),
)  # fmt: skip

_ISLANDS = (
    Operation(
        "islands", "Islands", "islands", "Keeps, removes or splits the connected parts of a segment.",
        (
            Parameter(
                "method", "Method", "choice", "largest",
                options=(
                    ("largest", "keep the largest"), ("minimum", "remove small ones"),
                    ("split", "each a segment"), ("selected", "keep the one at a place"),
                    ("remove", "remove the one at a place"),
                ),
            ),
            Parameter("n", "How many", "integer", 1, "", 1, 65535, when={"method": ("largest",)}),
            Parameter("minimum", "Smallest kept", "number", None, "", 0, when={"method": ("minimum", "split")}),
            Parameter("unit", "Unit", "choice", "mm3", options=(("mm3", "mm³"), ("voxels", "voxels")),
                      when={"method": ("minimum", "split")}),
            _DIMENSION, _CONNECTIVITY,
        ),
        islands.islands, needs_point="depends", needs_grid="depends",
    ),
)  # fmt: skip

_COMBINE = (
    Operation(
        "boolean", "Combine segments", "combine", "Combines a segment with another one.",
        (
            Parameter(
                "method", "Method", "choice", "union",
                options=(
                    ("union", "add the other"), ("intersect", "keep what both share"),
                    ("subtract", "take the other away"), ("copy", "become the other"),
                    ("invert", "everything else"), ("fill", "everything"), ("clear", "nothing"),
                ),
            ),
            Parameter("other", "Other", "segment", when={"method": ("union", "intersect", "subtract", "copy")}),
        ),
        combine.boolean, needs_voxels=False,
    ),
    Operation(
        "mirror", "Mirror", "combine", "Adds the mirror image of a segment.",
        (
            Parameter("axis", "Across", "choice", None, options=_AXES, help="Empty: left and right of the patient."),
            Parameter("move", "Only the mirror image", "yesno", False),
        ),
        combine.mirror, needs_point="depends", starts="the middle of the image",
    ),
)  # fmt: skip

OPERATIONS: dict[str, Operation] = {
    operation.name: operation for operation in (*_INTENSITY, *_SEEDS, *_SLICES, *_SHAPE, *_ISLANDS, *_COMBINE)
}
"""Every operation, by name, in the order of a menu."""

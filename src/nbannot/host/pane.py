"""What one pane shows, computed from a document and the view state (js/src/ui/pane.ts, composition.ts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbannot.host import drawing
from nbannot.host.chestwall import hung_turn, meets
from nbannot.host.colormaps import colormap
from nbannot.host.drawing import Look, Rgb, SegmentStyle, Slab
from nbannot.host.frames import Frame, camera_axes, free_axes, free_frame, rotate, slice_frame, view_axes
from nbannot.host.panes import Arrangement, Cell, PaneSpec, arrange
from nbannot.host.spaces import Spaces, bounds, has_planes, overlap
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask

View = Mapping[str, Any]
# Fields of view that differ by more than the factor are fitted each by itself; by which part sizes of panes may differ.
ALIKE, SAME_SIZE = 1.3, 0.05
PLANES = ("axial", "coronal", "sagittal", "acquisition", "oblique", "volume")

# Colours and fill of the voxels that only the first mask has, only the second, and both.
DIFFERENCE: Mapping[int, tuple[tuple[int, int, int], float]] = {
    1: ((226, 71, 61), 0.6),
    2: ((64, 132, 255), 0.6),
    3: ((70, 190, 90), 0.25),
}


class Camera(NamedTuple):
    """Mm (or px of the picture) per CSS px, and the place in the middle, mm right and down of the slice's."""

    mm_per_px: float
    pan: tuple[float, float]


class Scene:
    """A document as the view state shows it."""

    def __init__(self, document: Document, view: View) -> None:
        self.document = document
        self.view = view
        self.images = document.images
        self.spaces = Spaces(self.images, view.get("transforms", {}))
        self.main = self.image(view.get("image")) or self.images[0]

    def image(self, id: str | None) -> Image | None:
        """Return the image of an id, or None."""
        return next((image for image in self.images if image.id == id), None)

    @cached_property
    def arrangement(self) -> Arrangement:
        """The layout with its panes."""
        others = [image.id for image in self.images if image is not self.main]
        layout = self.view.get("layout", "auto")
        return arrange(layout, planes=has_planes(self.main.geometry), images=[self.main.id, *others])

    def pane(self, id: str, width: int, height: int) -> Pane:
        """Return a pane of a size in CSS px."""
        spec = next(one for one in self.arrangement.panes if one.id == id)
        return Pane(self, spec, width, height)

    def place(self, cells: Sequence[Cell]) -> list[Pane]:
        """Return the panes that lie in some cells (CSS px); they know of each other."""
        specs = {one.id: one for one in self.arrangement.panes}
        panes: list[Pane] = []
        for cell in cells:
            panes.append(Pane(self, specs[cell.pane], cell.width, cell.height, (cell.x, cell.y), panes))
        return panes


@dataclass(frozen=True)
class Pane:
    """One pane of a size in CSS px."""

    scene: Scene
    spec: PaneSpec
    width: int
    height: int
    corner: tuple[int, int] = (0, 0)
    panes: Sequence[Pane] = field(default=(), repr=False, compare=False)
    """The panes on the screen, itself among them."""

    @property
    def cell(self) -> Cell:
        """Where the pane lies."""
        return Cell(self.spec.id, *self.corner, self.width, self.height)

    @property
    def view(self) -> View:
        """The view state."""
        return self.scene.view

    @cached_property
    def image(self) -> Image:
        """The image shown: what was put into the pane, else what the layout names, else the main one."""
        chosen = self.view.get("panes", {}).get(self.spec.id, {}).get("image")
        return self.scene.image(chosen or self.spec.image) or self.scene.main

    @cached_property
    def plane(self) -> str:
        """The plane shown; images without patient planes show their slices as stored."""
        plane = self.view.get("panes", {}).get(self.spec.id, {}).get("plane", self.spec.plane)
        return plane if plane in PLANES and has_planes(self.image.geometry) else "acquisition"

    @property
    def time(self) -> int:
        """The frame shown."""
        return min(int(self.view.get("frame", 0)), self.image.frames - 1)

    @cached_property
    def from_main(self) -> NDArray[np.float64] | None:
        """The way from the main image's world to this one's, or None."""
        return self.scene.spaces.between(self.scene.main, self.image)

    @property
    def cursor(self) -> NDArray[np.float64]:
        """The crosshair in the world of this image."""
        own = self.view.get("cursors", {}).get(self.image.id)
        if own is not None:
            return np.array(own, dtype=float)
        way, cursor = self.from_main, self.view.get("cursor")
        if way is None:
            return _middle_voxel(self.image)
        point = _middle_voxel(self.scene.main) if cursor is None else np.array(cursor, dtype=float)
        return np.asarray(way[:3, :3] @ point + way[:3, 3])

    @property
    def turn(self) -> tuple[int, bool]:
        """Quarter turns clockwise after the exchange of left and right, and whether they are exchanged."""
        stored = self.view.get("turns", {}).get(self.spec.id)
        if stored is not None:
            return int(stored.get("quarter", 0)) % 4, bool(stored.get("flip", False))
        return hung_turn(self.image)

    @property
    def number(self) -> int:
        """The slice shown."""
        geometry = self.image.geometry
        if isinstance(geometry, Stack):
            stored = self.view.get("slice", {}).get(self.image.id)
            wanted, axis = (_first_plane(geometry) if stored is None else stored), 0
        else:
            axis = view_axes(geometry, self.plane).axis or 0
            wanted = geometry.to_index(self.cursor)[axis]
        return int(min(max(np.floor(wanted + 0.5), 0), geometry.shape[axis] - 1))

    @property
    def free(self) -> bool:
        """Whether the plane follows no grid axis."""
        if self.plane in ("oblique", "volume"):
            return True
        if self.plane == "acquisition" or self.view.get("rotation") is None or self.from_main is None:
            return False
        return all(one.plane != "oblique" for one in self.scene.arrangement.panes)

    @cached_property
    def frame(self) -> Frame:
        """The plane in the world."""
        geometry, (quarter, flip) = self.image.geometry, self.turn
        if self.plane == "volume" and isinstance(geometry, Geometry):
            camera = self.view.get("volume", {}).get("camera")
            return free_frame(geometry, camera_axes(camera), self.cursor)
        if self.free and isinstance(geometry, Geometry):
            rotation = self.view.get("rotation")
            axes = free_axes(self.plane, _grid_rotation(geometry) if rotation is None else rotation)
            return free_frame(geometry, axes.turned(quarter, flip), self.cursor)
        axes = view_axes(geometry, self.plane, self.number)
        return slice_frame(geometry, axes.turned(quarter, flip), self.number)

    @property
    def camera(self) -> Camera:
        """Zoom and pan; a fitted breast has its chest wall at that of the other one beside it."""
        if self.plane == "volume":
            return Camera(self._fit / (self.view.get("volume", {}).get("zoom") or 1), (0.0, 0.0))
        wall = meets(self, self.panes)
        fit = max(one._fit for one in self._scaled_with(wall))
        mm_per_px = float(self.view.get("zoom", {}).get(self.spec.id, fit))
        middle = (wall * (self.frame.extent[0] - self.width * mm_per_px) / 2, 0.0)
        x, y = self.view.get("pan", {}).get(self.spec.id, middle)
        return Camera(mm_per_px, (float(x), float(y)))

    def _scaled_with(self, wall: int) -> Sequence[Pane]:
        """Return the panes that are fitted in one scale with this one (js/src/ui/onescale.ts)."""
        if wall:
            unit = self.image.geometry.unit
            return [one for one in self.panes if one.image.geometry.unit == unit and meets(one, self.panes)]
        if len(self.panes) < 2 or not self.view.get("links", {}).get("camera", True):
            return [self]
        alike = [one for one in self.panes if one is self or self._shows_the_same(one)]
        scales = [one._fit for one in alike]
        return alike if max(scales) <= ALIKE * min(scales) else [self]

    def _shows_the_same(self, other: Pane) -> bool:
        """Whether another pane of this size shows the same plane of an image of the same space."""
        sizes = ((self.width, other.width), (self.height, other.height))
        return (
            other.plane == self.plane
            and all(abs(a - b) <= SAME_SIZE * max(a, b) for a, b in sizes)
            and self.scene.spaces.between(self.image, other.image) is not None
        )

    @property
    def _fit(self) -> float:
        across, along = self.frame.extent
        return max(across / self.width, along / self.height) or 1.0

    # Pixels --------------------------------------------------------------------------------------

    def paint(self, ratio: float, *, labels: bool = True) -> Rgb:
        """Return the picture (rows, columns, 3) with ``ratio`` pixels per CSS px; outside it is black."""
        rows, columns = round(self.height * ratio), round(self.width * ratio)
        if self.plane == "volume":
            return self._paint_volume(rows, columns)
        flat = self._places(rows, columns, 0)
        out = np.zeros((rows, columns, 3), dtype=np.uint8)
        index, slab = self.frame.to_index(flat), self._slab()
        self._lay(out, self.image, index, slab, drawing.look_of(self.image, self.view), None)
        for layer in self.view.get("layers", {}).get(self.image.id, ()):
            other = self.scene.image(layer["image"])
            if other is not None and layer.get("visible", True):
                look = drawing.look_of(other, self.view, layer.get("colormap", ""),
                                       opacity=float(layer.get("opacity", 0.5)), cut=layer.get("lower"))  # fmt: skip
                self._over(out, other, look, None, ratio, labels)
        self._compared(out, ratio, labels)
        if labels:
            self._lay_masks(out, self.image, None, ratio)
        return out

    def _places(self, rows: int, columns: int, border: int) -> NDArray[np.float64]:
        """Return the places (rows, columns, 2) of the pixels' centres in mm right and down of the plane's centre."""
        step = self.camera.mm_per_px * self.width / columns
        (_, pan) = self.camera
        across = (np.arange(-border, columns + border) + 0.5 - columns / 2) * step + pan[0]
        along = (np.arange(-border, rows + border) + 0.5 - rows / 2) * step + pan[1]
        return np.stack(np.meshgrid(across, along), axis=-1)

    def _slab(self) -> Slab | None:
        stored, geometry, frame = (
            self.view.get("slabs", {}).get(self.spec.id),
            self.image.geometry,
            self.frame,
        )
        if stored is None or not isinstance(geometry, Geometry) or not has_planes(geometry):
            return None
        count = drawing.slab_count(float(stored["mm"]), frame.thickness)
        if count < 2:
            return None
        axis = frame.axes.axis
        step = drawing.aligned_step(geometry, frame.axes.normal, frame.thickness, axis)
        # An even number of slices has its middle between two.
        half = 0.5 if axis is not None and count % 2 == 0 else 0.0
        offsets = tuple(n - (count - 1) / 2 + half for n in range(count))
        mode: Literal["mip", "minip", "mean"] = stored["mode"]
        return Slab(mode, step, offsets)

    def _lay(self, out: Rgb, image: Image, index: NDArray[np.float64], slab: Slab | None, look: Look,
             columns: slice | None) -> None:  # fmt: skip
        smooth = bool(self.view.get("interpolate", True))
        frame = min(self.time, image.frames - 1)
        values, inside = drawing.sampled(image, frame, index, slab, smooth=smooth)
        if columns is not None:
            inside = inside.copy()
            inside[:, : columns.start] = False
        drawing.lay_image(out, values, inside, look, color=image.is_color)

    def _over(
        self, out: Rgb, other: Image, look: Look, columns: slice | None, ratio: float, labels: bool
    ) -> None:
        """Lay another image and its masks over the picture, where it can be placed."""
        way = self.way_to(other)
        if way is None:
            return
        index = self._index_in(other, way, self._places(out.shape[0], out.shape[1], 0))
        self._lay(out, other, index, self._moved(self._slab(), way), look, columns)
        if labels:
            self._lay_masks(out, other, way, ratio)

    def way_to(self, other: Image) -> NDArray[np.float64] | None:
        """Return the way from this image's world to another's, None where it cannot lie over this one."""
        here, there = self.image.geometry, other.geometry
        if isinstance(here, Stack) and isinstance(there, Stack):
            return np.eye(4) if here.shape == there.shape else None
        way = self.scene.spaces.between(self.image, other)
        if way is None or not isinstance(here, Geometry) or not isinstance(there, Geometry):
            return None
        return way if overlap(bounds(here, way), bounds(there)) > 0 else None

    def _index_in(
        self, other: Image, way: NDArray[np.float64], places: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if isinstance(other.geometry, Stack) or other is self.image:
            return self.frame.to_index(places)
        # By way of the slice, so that the layer is taken exactly there.
        world = self.image.geometry.to_world(self.frame.to_index(places))
        return other.geometry.to_index(world @ way[:3, :3].T + way[:3, 3])

    @staticmethod
    def _moved(slab: Slab | None, way: NDArray[np.float64]) -> Slab | None:
        return None if slab is None else Slab(slab.mode, way[:3, :3] @ slab.step, slab.offsets)

    def _compared(self, out: Rgb, ratio: float, labels: bool) -> None:
        compare = self.view.get("compare")
        other = self.scene.image(compare["image"]) if compare else None
        if compare is None or other is None or other is self.image or isinstance(self.image.geometry, Stack):
            return
        at = float(compare.get("at", 0.5))
        look = drawing.look_of(other, self.view)
        if compare.get("mode") == "swipe":
            # Masks of the other image would lie over both sides.
            self._over(out, other, look, slice(int(np.floor(at * out.shape[1] + 0.5)), None), ratio, False)
        elif at >= 0.5:
            self._over(out, other, look, None, ratio, labels)

    # Masks ---------------------------------------------------------------------------------------

    def _lay_masks(self, out: Rgb, image: Image, way: NDArray[np.float64] | None, ratio: float) -> None:
        if not self.view.get("overlay", True):
            return
        masks = [mask for mask in self.scene.document.masks if mask.image is image]
        pair = [mask for id in self.view.get("difference") or () for mask in masks if mask.id == id]
        compared = pair if len(pair) == 2 else []
        for mask in masks:
            if mask not in compared:
                self._lay_labels(out, image, way, mask.array, self._styles(mask, ratio))
        if compared:
            a, b = (mask.array != 0 for mask in compared)
            width = max(1, round(ratio))
            styles = {
                value: SegmentStyle(color, fill, 1.0, width) for value, (color, fill) in DIFFERENCE.items()
            }
            self._lay_labels(out, image, way, a.astype(np.uint8) + 2 * b.astype(np.uint8), styles)

    def _styles(self, mask: Mask, ratio: float) -> dict[int, SegmentStyle]:
        view, styles = self.view, {}
        labels = {label.name: label for label in self.scene.document.labels}
        for segment in mask.segments:
            label = labels.get(segment.label)
            if label is None or label.id in view.get("hidden", ()):
                continue
            own = view.get("segments", {}).get(label.id, {})
            width = own.get("width", view.get("outline_width", 1))
            styles[segment.value] = SegmentStyle(
                rgb(label.color),
                float(own.get("fill", view.get("opacity", 0.35))),
                float(own.get("outline", view.get("outline", 1))),
                max(0, int(np.floor(width * ratio + 0.5))),
            )
        return styles

    def _lay_labels(self, out: Rgb, image: Image, way: NDArray[np.float64] | None, array: NDArray[Any],
                    styles: Mapping[int, SegmentStyle]) -> None:  # fmt: skip
        if not styles:
            return
        border = max(1, *(style.width for style in styles.values()))
        places = self._places(out.shape[0], out.shape[1], border)
        index = self.frame.to_index(places) if way is None else self._index_in(image, way, places)
        slab = self._slab() if way is None else self._moved(self._slab(), way)
        shown = np.zeros(max(styles) + 1, dtype=np.bool_)
        shown[list(styles)] = True
        step = None
        if slab is not None and isinstance(image.geometry, Geometry):
            step = np.linalg.solve(image.geometry.affine[:3, :3], slab.step)
        offsets = (0.0,) if slab is None else slab.offsets
        drawing.lay_mask(out, drawing.sample_labels(array, index, step, offsets, shown), border, styles)

    # 3-D -----------------------------------------------------------------------------------------

    def _paint_volume(self, rows: int, columns: int) -> Rgb:
        """Return the largest values along the line of sight, from a reduced copy and with as many rays."""
        from scipy.ndimage import zoom

        geometry, frame = self.image.geometry, self.frame
        middle = geometry.to_world((np.array(geometry.shape) - 1) / 2)
        part = min(1.0, 256 / max(rows, columns))
        low, high = max(2, round(rows * part)), max(2, round(columns * part))
        depth = frame.count * frame.thickness
        count = min(256, max(2, round(depth / min(geometry.spacing))))
        across = self.camera.mm_per_px * self.width / high
        down = self.camera.mm_per_px * self.height / low
        axes = frame.axes
        steps = np.stack((axes.normal * depth / count, axes.down * down, axes.right * across), axis=1)
        origin = middle - steps @ ((np.array((count, low, high)) - 1) / 2)
        values = drawing.projection(self.image, self.time, origin, steps, (count, low, high))
        inside = np.isfinite(values)
        if not inside.any():
            return np.zeros((rows, columns, 3), dtype=np.uint8)
        lower, upper = np.percentile(values[inside], (2, 99))
        grown = (rows / values.shape[0], columns / values.shape[1])
        values = zoom(np.where(inside, values, lower), grown, order=1, mode="nearest", grid_mode=True)
        table = colormap(drawing.shown_colormap(self.image, self.view))
        return drawing.colored(values, Look(float(lower), float(upper), table), color=False)


def rgb(color: str) -> tuple[int, int, int]:
    """Return the three parts of "#rrggbb"."""
    value = int(color.lstrip("#")[:6] or "0", 16)
    return value >> 16 & 255, value >> 8 & 255, value & 255


def _middle_voxel(image: Image) -> NDArray[np.float64]:
    return np.asarray(image.geometry.to_world([n // 2 for n in image.shape]))


def _first_plane(geometry: Stack) -> int:
    """Cine starts at its first plane, a series of separate planes in the middle."""
    last = geometry.shape[0] - 1
    still = np.array_equal(geometry.plane(0).origin, geometry.plane(last).origin)
    return 0 if still else (last + 1) // 2


def _grid_rotation(geometry: Geometry) -> NDArray[np.float64]:
    """Return the quaternion that turns the patient's axes to those of the grid's axial plane."""
    axes = view_axes(geometry, "axial")
    m = np.stack((axes.right, axes.down, axes.normal), axis=1)
    t = np.trace(m)
    k = np.array([
        [2 * m[0, 0] - t, m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
        [m[1, 0] + m[0, 1], 2 * m[1, 1] - t, m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
        [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], 2 * m[2, 2] - t, m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], t],
    ])  # fmt: skip
    _, vectors = np.linalg.eigh(k)
    found: NDArray[np.float64] = vectors[:, -1]
    assert np.allclose(rotate(found, np.array((1.0, 0, 0))), axes.right, atol=1e-3)
    return found

"""What a viewer shows now, for code: plane, cursor and the slice as an array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import UnknownLabelError
from nbannot.host.drawing import sample
from nbannot.host.pane import Pane, Scene
from nbannot.host.panes import PaneSpec
from nbannot.model.document import Document
from nbannot.model.geometry import Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask, Segment

Index = tuple[int, int, int]
World = tuple[float, float, float]


class Current:
    """What the pane used last showed when it was asked for; it does not follow later.

    Attributes
    ----------
    image
        Image of the pane.
    pane
        Id of the pane, such as "axial".
    plane
        "axial", "coronal", "sagittal", "acquisition" or "oblique".
    axis
        Axis of the voxels that the plane lies across: 0 (k), 1 (j), 2 (i); None for a turned plane.
    number
        Number of the slice along `axis`, 0-based.
    frame
        Frame in time, 0-based.
    world
        The crosshair in LPS mm (x, y, z), in the world of `image`.
    index
        The crosshair's voxel (k, j, i), the nearest one inside the image.
    """

    def __init__(
        self,
        document: Document,
        view: Mapping[str, Any],
        *,
        pane: str | None = None,
        world: World | None = None,
    ) -> None:
        shown = _pane(document, view, pane or view.get("active"))
        self._document = document
        self._pane = shown
        self._label = view.get("label") or ""
        self.image: Image = shown.image
        self.pane: str = shown.spec.id
        self.plane: str = shown.plane
        self.axis: int | None = shown.frame.axes.axis
        self.number: int = int(shown.frame.slice)
        self.frame: int = shown.time
        point = shown.cursor if world is None else np.array(world, dtype=float)
        self.world: World = (float(point[0]), float(point[1]), float(point[2]))
        self.index: Index = self._nearest(point)

    def __repr__(self) -> str:
        where = "turned" if self.axis is None else f"slice {self.number}"
        return f"Current({self.plane}, {where}, index={self.index})"

    def _nearest(self, point: NDArray[Any]) -> Index:
        geometry, shape = self.image.geometry, self.image.shape
        index = np.array(geometry.to_index(point), dtype=float)
        if isinstance(geometry, Stack):
            # The planes of a stack may lie in one place: the number says which it is.
            index[0] = self.number
        index = np.clip(np.floor(np.nan_to_num(index) + 0.5), 0, np.array(shape) - 1)
        return int(index[0]), int(index[1]), int(index[2])

    @property
    def where(self) -> tuple[Any, ...]:
        """Index of the slice in arrays (k, j, i): ``mask[current.where] = …``; all of it for a turned plane."""
        at: list[Any] = [slice(None)] * 3
        if self.axis is not None:
            at[self.axis] = self.number
        return tuple(at)

    @property
    def slice(self) -> NDArray[Any]:
        """The slice shown as a 2-D array (with a last axis of 3 in colour).

        Along the voxels it is a view of the image's array, in the order of the axes that are left.
        On a turned plane it is sampled anew, rows down and columns right on the screen, as far apart
        as the smallest voxel side; outside the image it is 0.
        """
        image = self.image
        if self.axis == 0:
            return image.plane_array(self.number, t=self.frame)
        if self.axis is not None:
            array = image.array[self.frame] if image.array.ndim == 4 + image.is_color else image.array
            view: NDArray[Any] = array[self.where]
            return view
        values, inside = sample(image, self.frame, self._grid(), smooth=True)
        return np.where(inside if values.ndim == 2 else inside[..., None], values, 0)

    @property
    def label(self) -> str | None:
        """Name of the label that tools draw with."""
        labels = self._document.labels
        found = labels.get(self._label) or next(iter(labels), None)
        return None if found is None else found.name

    @property
    def mask(self) -> Mask | None:
        """The mask of `label` on the image."""
        found = None if self.label is None else segment_of(self._document, self.image, self.label)
        return None if found is None else found[0]

    @property
    def segment(self) -> int | None:
        """The value of `label` in `mask`."""
        found = None if self.label is None else segment_of(self._document, self.image, self.label)
        return None if found is None else found[1].value

    def mask_slice(self, label: str | None = None) -> NDArray[np.bool_]:
        """Return where a label is in the slice shown, in the form of `slice`; always a copy.

        Parameters
        ----------
        label
            Name of the label; None takes the one that tools draw with.

        Raises
        ------
        UnknownLabelError
            When no mask of the image has it.
        """
        name = self.label if label is None else label
        found = None if name is None else segment_of(self._document, self.image, name)
        if found is None:
            raise UnknownLabelError(f"No mask of this image has the label {name!r}", hint="Add it first.")
        mask, segment = found
        if self.axis is not None:
            return np.asarray(mask.array[self.where] == segment.value)
        index = self._grid()
        near = np.floor(index + 0.5).astype(int)
        shape = np.array(mask.array.shape)
        inside = ((near >= 0) & (near < shape)).all(axis=-1)
        k, j, i = np.moveaxis(np.clip(near, 0, shape - 1), -1, 0)
        return np.asarray(inside & (mask.array[k, j, i] == segment.value))

    def _grid(self) -> NDArray[np.float64]:
        """Return the index points (rows, columns, 3) of a turned plane."""
        frame, step = self._pane.frame, min(self.image.geometry.spacing)
        across, along = (max(1, round(length / step)) for length in frame.extent)
        x = (np.arange(across) - (across - 1) / 2) * step
        y = (np.arange(along) - (along - 1) / 2) * step
        return np.asarray(frame.to_index(np.stack(np.meshgrid(x, y), axis=-1)))


def segment_of(document: Document, image: Image, label: str) -> tuple[Mask, Segment] | None:
    """Return the first mask on an image with a segment of a label, and that segment."""
    for mask in document.masks:
        if mask.image.id == image.id:
            for segment in mask.segments:
                if segment.label == label:
                    return mask, segment
    return None


def _pane(document: Document, view: Mapping[str, Any], wanted: str | None) -> Pane:
    """Return the pane of an id where it shows slices, else the first that does."""
    scene = Scene(document, view)
    panes = [Pane(scene, spec, 256, 256) for spec in scene.arrangement.panes]
    flat = [pane for pane in panes if pane.plane != "volume"]
    alone = view.get("maximized")
    for id in (wanted, alone):
        for pane in flat:
            if pane.spec.id == id and (alone is None or id == alone):
                return pane
    return flat[0] if flat else Pane(scene, PaneSpec("axial", "axial"), 256, 256)

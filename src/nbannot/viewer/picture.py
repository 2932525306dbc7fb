"""A static picture of what a viewer shows: pixels and a few numbers, nothing of the patient."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import ViewerError
from nbannot.host.chestwall import turned_labels
from nbannot.host.drawing import shown_lut, shown_unit, slab_count, window_of
from nbannot.host.frames import letters, opposite
from nbannot.host.pane import Pane, Scene, rgb
from nbannot.host.panes import INFO, cells
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.viewer.outlines import draw_shapes
from nbannot.viewer.pen import WHITE, Pen, show_number

# Width and height of a picture, as parts of each other, and what is between the panes.
RATIO = 0.6
TALLEST, LOWEST = 1.5, 0.4
BETWEEN = (58, 62, 68)

AMBER = (255, 217, 160)
TITLES: Mapping[str, tuple[str, tuple[int, int, int]]] = {
    "axial": ("Axial", (255, 107, 107)),
    "coronal": ("Coronal", (95, 211, 95)),
    "sagittal": ("Sagittal", (245, 213, 71)),
    "oblique": ("Oblique", (216, 222, 230)),
    "acquisition": ("", (216, 222, 230)),
    "volume": ("3-D, maximum intensity", (216, 222, 230)),
}
_UNITS = {"bw": "g/ml (SUV bw)", "lbm": "g/ml (SUV lbm)", "bsa": "cm²/ml (SUV bsa)"}


class Picture:
    """Pixels of a viewer, which stay in a saved notebook and need no kernel to be read.

    Attributes
    ----------
    array
        (rows, columns, 3), uint8.
    mm_per_px
        Size of a pixel in the patient where all panes have the same one, else None.
    """

    def __init__(
        self, array: NDArray[np.uint8], *, mm_per_px: float | None = None, ratio: float = 1.0
    ) -> None:
        self.array = array
        self.mm_per_px = mm_per_px
        self._ratio = ratio

    def __repr__(self) -> str:
        scale = "" if self.mm_per_px is None else f", {self.mm_per_px:.3g} mm per px"
        return f"Picture({self.array.shape[1]} × {self.array.shape[0]} px{scale})"

    def png(self) -> bytes:
        """Return the picture as PNG, with its scale and no other data about it."""
        from PIL import Image as Pillow

        out = io.BytesIO()
        # PNG keeps a scale as whole pixels per metre.
        scale = {} if self.mm_per_px is None else {"dpi": (25.4 / self.mm_per_px, 25.4 / self.mm_per_px)}
        Pillow.fromarray(self.array).save(out, format="PNG", **scale)
        return out.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the picture as PNG and return its path.

        Raises
        ------
        ViewerError
            When the name does not end in ``.png``.
        """
        target = Path(path)
        if target.suffix.lower() != ".png":
            raise ViewerError(f"A picture is saved as PNG, got {target.name!r}", hint="Let it end in .png.")
        target.write_bytes(self.png())
        return target

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        height, width = self.array.shape[:2]
        return self.png(), {"width": round(width / self._ratio), "height": round(height / self._ratio)}


def draw(
    document: Document,
    view: Mapping[str, Any],
    *,
    width: int = 900,
    height: int | None = None,
    pane: str | None = None,
    ratio: float = 1.0,
    labels: bool = True,
    scale_bar: bool = True,
    allow_burned_in: bool = False,
) -> Picture:
    """Return what a view state shows of a document; `Viewer.picture` tells more.

    Raises
    ------
    ViewerError
        When the size is impossible, there is no such pane, or an image says that its pixels show
        who the patient is.
    """
    if not (100 <= width <= 8000 and (height is None or 100 <= height <= 8000) and 0.25 <= ratio <= 4):
        raise ViewerError(
            f"A picture of {width} × {height} px at {ratio} pixels per px cannot be made",
            hint="Width and height are 100 to 8000, the ratio 0.25 to 4.",
        )
    scene = Scene(document, view)
    ids = [one.id for one in scene.arrangement.panes]
    only = pane if pane is not None else view.get("maximized")
    if pane is not None and pane not in ids:
        raise ViewerError(f"The layout has no pane {pane!r}", hint=f"It has: {', '.join(ids)}.")
    only = (only if only in ids else None) or (ids[0] if len(ids) == 1 else None)
    height = height or _height(scene, only, width)
    found = cells(scene.arrangement, width, height, only=only)
    found = [cell for cell in found if cell.pane != INFO]
    panes = scene.place(found)
    if not allow_burned_in:
        _refuse_burned_in(panes)
    array = np.full((round(height * ratio), round(width * ratio), 3), BETWEEN, dtype=np.uint8)
    scales = set()
    for cell, one in zip(found, panes, strict=True):
        picture = _finished(one, ratio, labels, scale_bar)
        top, left = round(cell.y * ratio), round(cell.x * ratio)
        part = array[top : top + picture.shape[0], left : left + picture.shape[1]]
        part[:] = picture[: part.shape[0], : part.shape[1]]
        scales.add(one.camera.mm_per_px / ratio if one.image.geometry.unit == "mm" else None)
    return Picture(array, mm_per_px=scales.pop() if len(scales) == 1 else None, ratio=ratio)


def _height(scene: Scene, only: str | None, width: int) -> int:
    """Return the height for a width: that of the slice where there is one pane."""
    if only is None:
        count = len(scene.arrangement.panes)
        return round(width * RATIO) if width >= 520 or count < 2 else round(width * RATIO * count)
    across, along = scene.pane(only, width, width).frame.extent
    return round(width * min(max(along / across, LOWEST), TALLEST))


def _refuse_burned_in(panes: Sequence[Pane]) -> None:
    for pane in panes:
        compare = pane.view.get("compare") or {}
        layers = [one["image"] for one in pane.view.get("layers", {}).get(pane.image.id, ())]
        shown = [pane.image, *map(pane.scene.image, [*layers, compare.get("image")])]
        if any(image.burned_in for image in shown if image is not None):
            raise ViewerError(
                "The file says that the pixels of an image show who the patient is, so no picture is made",
                hint="Look at it first; then picture(allow_burned_in=True) makes one all the same.",
            )


# What is written on a pane ------------------------------------------------------------------------


def _finished(pane: Pane, ratio: float, labels: bool, scale_bar: bool) -> NDArray[np.uint8]:
    from PIL import Image as Pillow

    picture = Pillow.fromarray(pane.paint(ratio, labels=labels))
    pen = Pen(picture, ratio)
    if labels and pane.plane != "volume" and pane.view.get("overlay", True):
        _boxes(pen, pane)
        draw_shapes(pen, pane)
    if scale_bar and pane.width >= 160 and pane.height >= 120:
        _scale_bar(pen, pane)
    _words(pen, pane)
    return np.asarray(picture)


def _words(pen: Pen, pane: Pane) -> None:
    width, height, frame = pane.width, pane.height, pane.frame
    title, color = TITLES[pane.plane]
    pen.text((7, 6), title, "la", color)
    note = _note(pane)
    pen.text((7, 22 if title else 6), note, "la")
    patient = pane.image.geometry.patient_space
    if pane.plane != "volume":
        small = width < 230 or height < 170
        number = f"{frame.slice + 1}/{frame.count}" if frame.count > 1 else ""
        place = "" if small else _place(pane)
        pen.text((7, height - 6), "  ".join(filter(None, (number, place))), "ld")
        if not small:
            pen.text((width - 7, height - 6), _window_text(pane, pane.image), "rd")
    axes, given = frame.axes, pane.image.orientation_labels
    if pane.plane == "acquisition" and given:
        right, down = turned_labels(given, *pane.turn)
    elif patient:
        right, down = letters(axes.right), letters(axes.down)
    else:
        return
    pen.text((7, height / 2), opposite(right), "lm", AMBER, 13)
    pen.text((width - 7, height / 2), right, "rm", AMBER, 13)
    pen.text((width / 2, 6), opposite(down), "ma", AMBER, 13)
    pen.text((width / 2, height - 6), down, "md", AMBER, 13)


def _note(pane: Pane) -> str:
    """Return what else one must know: the frame, a slab, the windows of layers."""
    parts = []
    if pane.image.frames > 1:
        parts.append(f"frame {pane.time + 1}/{pane.image.frames}")
    slab = pane.view.get("slabs", {}).get(pane.spec.id)
    if slab and pane.plane != "volume" and pane.frame.thickness > 0:
        parts.append(slab_text(str(slab["mode"]), float(slab["mm"]), pane.frame.thickness))
    lines = [" · ".join(parts)]
    for layer in pane.view.get("layers", {}).get(pane.image.id, ()) if pane.plane != "volume" else ():
        other = pane.scene.image(layer["image"])
        if other is not None and layer.get("visible", True) and pane.way_to(other) is not None:
            lines.append(f"{other.modality or 'layer'} {_window_text(pane, other)}".rstrip())
    return "\n".join(line for line in lines if line)


def slab_text(mode: str, mm: float, thickness: float) -> str:
    """Return how thick a slab is: as asked for, or what its whole slices take up where that is not the same."""
    name = {"mip": "MIP", "minip": "MinIP", "mean": "mean"}.get(mode, mode)
    count = slab_count(mm, thickness)
    real = count * thickness
    if abs(real - mm) <= 0.05 * mm:
        return f"{name} {show_number(mm)} mm"
    size = f"{float(f'{real:.3g}'):g} mm"
    return f"{name} {size} ({count} slices)" if count > 1 else f"One slice, {size}"


def _place(pane: Pane) -> str:
    """Return how far the slice lies along its normal, seen from the origin of the world."""
    if not pane.image.geometry.patient_space:
        return ""
    axes = pane.frame.axes
    mm = float(pane.frame.centre @ axes.normal)
    return f"{letters(axes.normal if mm >= -0.05 else -axes.normal)} {abs(mm):.1f} mm"


def _window_text(pane: Pane, image: Image) -> str:
    if image.is_color or shown_lut(image, pane.view) is not None:
        return ""
    center, width = window_of(image, pane.view.get("windows", {}).get(image.id))
    unit, factor = suv_of(image, pane.view)
    if unit:
        center, width = center * factor, width * factor
    elif image.unit == "HU":
        unit = "HU"
    return f"C {show_number(center)}  W {show_number(width)} {unit}".rstrip()


def suv_of(image: Image, view: Mapping[str, Any]) -> tuple[str, float]:
    """Return the unit that an image is shown in and the factor to it; an empty unit means as stored."""
    kind = shown_unit(image, view)
    return ("", 1.0) if kind is None or image.suv is None else (_UNITS[kind], image.suv_factor(kind))


def _scale_bar(pen: Pen, pane: Pane) -> None:
    scale, unit = pane.camera.mm_per_px, pane.image.geometry.unit
    length, text = bar(scale, min(140.0, pane.width * 0.3), unit)
    right, bottom = pane.width - 10, pane.height - 30
    left = right - length
    pen.line([(left, bottom - 5), (left, bottom), (right, bottom), (right, bottom - 5)], WHITE, 1.5)
    pen.text((right, bottom - 8), text, "rd")


def bar(mm_per_px: float, room: float, unit: str) -> tuple[float, str]:
    """Return the px and the words of the largest round length whose bar is at most ``room`` px long."""
    most = mm_per_px * room
    power = 10.0 ** math.floor(math.log10(most))
    length = max(step for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)) * power
    text = f"{length / 10:g} cm" if unit == "mm" and length >= 10 else f"{length:g} {unit}"
    return length / mm_per_px, text


def _boxes(pen: Pen, pane: Pane) -> None:
    document, frame, camera = pane.scene.document, pane.frame, pane.camera
    labels = {label.name: label for label in document.labels}
    hidden = set(pane.view.get("hidden", ()))
    axis = frame.axes.axis
    if axis is None:
        return
    for box in document.boxes:
        label = labels.get(box.label)
        if label is None or not hidden.isdisjoint((label.id, box.id)) or not _box_shown(box, pane, axis):
            continue
        low, high = np.array(box.index)
        u, v = (n for n in range(3) if n != axis)
        corners = np.tile(low, (5, 1))
        corners[:, u], corners[:, v] = (
            (low[u], high[u], high[u], low[u], low[u]),
            (low[v], low[v], high[v], high[v], low[v]),
        )
        places = (frame.from_index(corners) - camera.pan) / camera.mm_per_px + (
            pane.width / 2,
            pane.height / 2,
        )
        pen.line([(float(x), float(y)) for x, y in places], rgb(label.color), 1.5)
        x, y = places.min(axis=0)
        pen.text((float(x), float(y) - 4), box.label, "ld", rgb(label.color))


def _box_shown(box: Box, pane: Pane, axis: int) -> bool:
    first = pane.scene.images[0].id
    if (box.image or first) != pane.image.id or box.frame not in (None, pane.time):
        return False
    low, high = box.index
    return low[axis] - 0.5 - 1e-6 <= pane.frame.slice <= high[axis] + 0.5 + 1e-6

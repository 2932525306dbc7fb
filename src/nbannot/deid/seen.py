"""An image as a reader sees it: masked where the policy says so, and without what names the patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from nbannot.deid.origin import Origin, origin_of
from nbannot.deid.policy import Policy, Rectangle
from nbannot.errors import DeidentificationError
from nbannot.model.geometry import Geometry, direction_letter
from nbannot.model.image import Image, Suv, Window

Values = NDArray[Any]
Hidden = NDArray[np.bool_]

_PLANES = {"S": "axial", "I": "axial", "A": "coronal", "P": "coronal", "L": "sagittal", "R": "sagittal"}
# Words of machines for windows, such as "LUNG" or "WINDOW2"; anything else might be a name.
_WINDOW_WORDS = frozenset({
    "abdomen", "algo", "angio", "bone", "brain", "cerebrum", "chest", "default", "harder", "liver", "lung",
    "mediastinum", "narrow", "neck", "normal", "pelvis", "sharp", "soft", "softer", "spine", "standard", "thorax",
    "tissue", "vessel", "wide", "window",
})  # fmt: skip
_MADE: WeakKeyDictionary[Image, SeenPixels] = WeakKeyDictionary()
_CODE = re.compile(r"[A-Z0-9]{0,8}")
_UNIT = re.compile(r"[A-Za-z0-9/%^*²³µ°. ·-]{0,10}")
_SIDES = re.compile(r"[RLAPHF]{0,3}")


def seen_by_reader(image: Image, policy: Policy, *, name: str) -> Image:
    """Return an image as a reader sees it; it has the same id and grid.

    Slices, sketches, copies and operations are all made of its pixels, so what is masked never leaves.

    Parameters
    ----------
    image
        As it was opened.
    policy
        What is hidden.
    name
        A neutral name, such as "Image 1"; modality and plane are added.

    Raises
    ------
    DeidentificationError
        When the file says that its pixels show who the patient is and nothing masks them, or its header
        cannot be read.
    """
    origin = origin_of(image)
    size = (image.shape[1], image.shape[2])
    rules = [
        rule
        for rule in policy.areas
        if rule.matches(
            modality=image.modality, manufacturer=origin.manufacturer, model=origin.model, size=size
        )
    ]
    regions = origin.regions if policy.ultrasound_regions else {}
    covered = bool(rules) or len(regions) == image.shape[0] * image.frames
    if image.burned_in and policy.burned_in == "refuse" and not covered:
        raise DeidentificationError(
            f"{name} is not shown to readers: its file says that the pixels show who the patient is, and no "
            "rule of the project masks them",
            hint="Write a rule for it under reader: mask: in the configuration.",
        )
    rectangles = [rectangle for rule in rules for rectangle in rule.rectangles]
    pixels = SeenPixels(image, rectangles, replace(origin, regions=regions))
    seen = _renamed(image, pixels, " · ".join(filter(None, (name, _what(image)))))
    _MADE[seen] = pixels
    return seen


def original_of(image: Image) -> Image:
    """Return the image that a reader's one was made of, for rules that look at more than the reader; else itself."""
    pixels = _MADE.get(image)
    return image if pixels is None else pixels.image


class SeenPixels:
    """The pixels of an image with what is hidden replaced by its darkest grey.

    Parameters
    ----------
    image
        The image.
    rectangles
        Hidden in every slice.
    origin
        Its regions are all that is shown of their slices.
    """

    def __init__(self, image: Image, rectangles: Sequence[Rectangle], origin: Origin) -> None:
        self.image = image
        self._rectangles = tuple(rectangles)
        self._regions = origin.regions
        self._kept: dict[tuple[Rectangle, ...] | None, Hidden | None] = {}
        self._lock = Lock()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (k, j, i), with t before and colour after."""
        frames = (self.image.frames,) if self.image.frames > 1 else ()
        return (*frames, *self.image.shape, *((3,) if self.image.is_color else ()))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return self.image.dtype

    def plane(self, k: int, t: int = 0) -> Values:
        """Return slice k of frame t as (j, i) or (j, i, 3)."""
        plane = self.image.plane_array(k, t=t)
        hidden = self._hidden(t * self.image.shape[0] + k)
        return plane if hidden is None else self._masked(plane, hidden)

    def load(self) -> Values:
        """Return everything."""
        if not self._rectangles and not self._regions:
            return self.image.array
        frames, (slices, _, _) = self.image.frames, self.image.shape
        planes = [[self.plane(k, t) for k in range(slices)] for t in range(frames)]
        whole: Values = np.asarray(planes)
        return whole if len(self.shape) == whole.ndim else whole[0]

    def _hidden(self, n: int) -> Hidden | None:
        regions = self._regions.get(n)
        with self._lock:
            if regions not in self._kept:
                self._kept[regions] = self._area(regions)
            return self._kept[regions]

    def _area(self, regions: tuple[Rectangle, ...] | None) -> Hidden | None:
        if regions is None and not self._rectangles:
            return None
        hidden = np.full(self.image.shape[1:], regions is not None)
        for row, column, rows, columns in regions or ():
            hidden[max(row, 0) : max(row + rows, 0), max(column, 0) : max(column + columns, 0)] = False
        for row, column, rows, columns in self._rectangles:
            hidden[row : row + rows, column : column + columns] = True
        return hidden

    def _masked(self, plane: Values, hidden: Hidden) -> Values:
        masked = np.array(plane)
        shown = plane[~hidden]
        shown = shown[np.isfinite(shown)] if shown.dtype.kind == "f" else shown
        if shown.size == 0 or self.image.is_color:
            dark: Any = 0
        else:
            dark = shown.max() if self.image.photometric == "MONOCHROME1" else shown.min()
        masked[hidden] = dark
        return masked


def _renamed(image: Image, pixels: SeenPixels, name: str) -> Image:
    """Return the image with other pixels and nothing of its file that a name could hide in."""
    windows = [replace(window, name=_window_name(window, n)) for n, window in enumerate(image.windows, 1)]
    luts = [replace(lut, name=f"Table {n}") for n, lut in enumerate(image.voi_luts, 1)]
    labels = image.orientation_labels
    return Image(
        pixels,
        image.geometry,
        name=name,
        id=image.id,
        modality=_matching(_CODE, image.modality),
        unit=_matching(_UNIT, image.unit),
        photometric=image.photometric,
        windows=windows,
        frame_times=image.frame_times,
        orientation_labels=labels and (_matching(_SIDES, labels[0]), _matching(_SIDES, labels[1])),
        rescale=image.rescale,
        laterality=_matching(_CODE, image.laterality),
        view_position=_matching(_CODE, image.view_position),
        voi_luts=luts,
        frame_label=image.frame_label,
        frame_values=image.frame_values,
        suv=image.suv and Suv(image.suv.factors, image.suv.reasons),
    )


def _matching(pattern: re.Pattern[str], text: str) -> str:
    return text if pattern.fullmatch(text) else ""


def _window_name(window: Window, n: int) -> str:
    words = [word.casefold() for word in re.findall(r"[A-Za-z]+", window.name)]
    known = words and all(word in _WINDOW_WORDS for word in words) and len(window.name) <= 24
    return window.name if known else f"Window {n}"


def _what(image: Image) -> str:
    """Return the modality and the plane, such as "CT axial"."""
    geometry = image.geometry
    plane = ""
    if isinstance(geometry, Geometry):
        plane = _PLANES.get(geometry.orientation[0], "")
    elif geometry.patient_space:
        first = geometry.planes[0]
        plane = _PLANES.get(direction_letter(np.cross(first.column_step, first.row_step)), "")
    if image.view_position or image.laterality:
        plane = f"{_matching(_CODE, image.laterality)} {_matching(_CODE, image.view_position)}".strip()
    return f"{_matching(_CODE, image.modality)} {plane}".strip()

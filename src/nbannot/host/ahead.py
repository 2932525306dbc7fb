"""What a page asks for first, so that it can be sent before the page asks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nbannot.host.pane import Pane, Scene
from nbannot.host.pixels import LARGE
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image

# What the page begins with (js/src/ui/scene.ts), and how it asks for coarse looks (js/src/volumes/sketches.ts).
_ACTIVE = "axial"
_EDGE = 64
_LEAST_SLICES = 32


def first_keys(document: Document, view: Mapping[str, Any]) -> list[str]:
    """Return the keys that a page showing this view state asks for first: a slice, and perhaps a sketch.

    It is the choice of js/src/ui/wants.ts. A wrong one costs a message that nobody takes, no more; so
    whatever is unusual gives fewer keys or none.
    """
    scene = Scene(document, view)
    panes = [scene.pane(spec.id, 1, 1) for spec in scene.arrangement.panes]
    maximized = view.get("maximized")
    if any(pane.spec.id == maximized for pane in panes):
        panes = [pane for pane in panes if pane.spec.id == maximized]
    flat = [pane for pane in panes if pane.plane != "volume"]
    if not flat:
        return []
    active = next((pane for pane in flat if pane.spec.id == _ACTIVE), flat[0])
    fellows = [pane for pane in flat if pane.image is active.image]
    straight = next((pane for pane in fellows if _axis(pane) == 0), None)
    image, frame = active.image, active.time
    k = straight.number if straight else _crossed(active)
    small = math.prod(image.shape[1:]) * (3 if image.is_color else 1) * image.dtype.itemsize > LARGE
    keys = [f"{'small' if small else 'image'}/{image.id}/{frame}/{k}"]
    if any(_axis(pane) != 0 for pane in fellows) and _sketched(image):
        keys.append(f"s/{image.id}/{frame}/{_EDGE}")
    return keys


def _axis(pane: Pane) -> int | None:
    """Return the grid axis that a pane's slices follow; None for a free plane."""
    return None if pane.free else pane.frame.axes.axis


def _crossed(pane: Pane) -> int:
    """Return the slice nearest to the crosshair of a pane across the slices."""
    at = float(pane.image.geometry.to_index(pane.cursor)[0])
    return int(min(max(math.floor(at + 0.5), 0), pane.image.shape[0] - 1))


def _sketched(image: Image) -> bool:
    return isinstance(image.geometry, Geometry) and not image.is_color and image.shape[0] >= _LEAST_SLICES

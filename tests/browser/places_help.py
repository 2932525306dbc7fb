"""Two images of one space with different grids, and what numpy shows of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Locator
from scipy.ndimage import map_coordinates

from browser.lab import Lab
from browser.test_viewer import SCREEN, ask

IMAGES = """
import json, numpy as np, nbannot as nb
random = np.random.default_rng(8)
def image(name, blocks, repeat, steps, origin):
    array = random.integers(-400, 400, blocks)
    for axis, times in enumerate(repeat):
        array = array.repeat(times, axis)
    array = (array + random.integers(-40, 40, array.shape)).astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(steps[::-1])[:, ::-1]
    affine[:3, 3] = origin
    return nb.Image(array, nb.Geometry(affine, array.shape), modality="CT", unit="HU", name=name)
one = image("one", (8, 10, 9), (3, 4, 4), (2.5, 1.1, 0.9), (-16, -22, -30))
two = image("two", (10, 10, 10), (3, 3, 3), (2.0, 1.5, 1.3), (-20, -24, -32))
far = image("far", (8, 8, 8), (3, 3, 3), (3.0, 1.2, 1.2), (900, 900, 900))
grids = {one.id: "one", two.id: "two", far.id: "far"}
def view(**change):
    viewer.view = {**viewer.view, **change}
"""


def pair(images: str = "one, two", *, backend: str = "cpu", more: str = "") -> str:
    """A cell that shows images in the window 0 ± 450, without the side panel."""
    return f"""{IMAGES}
viewer = nb.Viewer([{images}], labels=["lesion", "other"], backend={backend!r}, height=560)
{more}
view(windows={{one.id: [0, 900], two.id: [0, 900], far.id: [0, 900]}}, panel=False)
viewer
"""


Array = npt.NDArray[Any]


def window(values: Array) -> Array:
    """Grey levels of the window 0 ± 450."""
    return np.clip((values + 450) / 900 * 255, 0, 255)


def pixels_to_world(plane: str, size: tuple[int, int], mm: float, centre: Array) -> Array:
    """World points of the pixels of a view whose middle shows `centre`."""
    right, down = (np.array(d, float) for d in SCREEN[plane])
    rows, columns = size
    y, x = np.mgrid[:rows, :columns]
    across = ((x + 0.5 - columns / 2) * mm)[..., None] * right
    return np.asarray(centre + across + ((y + 0.5 - rows / 2) * mm)[..., None] * down)


def image_of(lab: Lab, name: str) -> tuple[Array, Array]:
    """Voxels and affine of an image of the cell."""
    found = ask(lab, f"[{name}.array.tolist(), {name}.geometry.affine.tolist()]")
    return np.array(found[0]), np.array(found[1])


def centre_of(array: Array, affine: Array, axis: int, slice_: int) -> Array:
    """World point in the middle of a slice."""
    middle = (np.array(array.shape) - 1) / 2
    middle[axis] = slice_
    return np.asarray(affine[:3, :3] @ middle + affine[:3, 3])


def sampled(array: Array, affine: Array, world: Array) -> tuple[Array, Array]:
    """Values at world points, linear, and where they lie well inside the grid."""
    index = (world - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    top = np.array(array.shape) - 1
    inside = ((index > 0.01) & (index < top - 0.01)).all(axis=-1)
    values = map_coordinates(array.astype(float), np.moveaxis(index, -1, 0), order=1, mode="nearest")
    return values, inside


def pane(lab: Lab, name: str) -> Locator:
    """A pane of the viewer in the first cell."""
    return lab.output(0).locator(f'[data-nbannot-view="{name}"]').first


def panes(lab: Lab) -> list[tuple[str, str]]:
    """Id and plane of the panes on the screen."""
    found = lab.output(0).locator("[data-nbannot-view]").all()
    return [
        (one.get_attribute("data-nbannot-view") or "", one.get_attribute("data-nbannot-plane") or "")
        for one in found
    ]


def middle(element: Locator) -> tuple[float, float]:
    """The middle of an element on the page."""
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag_onto(lab: Lab, start: Locator, end: Locator) -> None:
    """Drag with the left button from the middle of one element to that of another."""
    lab.page.mouse.move(*middle(start))
    lab.page.mouse.down()
    lab.page.mouse.move(*middle(end), steps=8)
    lab.page.mouse.up()

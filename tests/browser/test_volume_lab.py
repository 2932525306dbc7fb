"""The 3-D view of a real CT with segments in JupyterLab: what is seen, presets, picking, turning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Locator

import nbannot as nb
from browser.lab import Lab
from browser.test_viewer import ask, show, until_equal, view

Array = npt.NDArray[Any]
FOLDER = "nifti_totalsegmentator"
OPEN = """
import json, nbannot as nb
image = nb.read({path!r})
found = nb.read({labels!r}, image=image)
viewer = nb.Viewer(image, layout="four-up", backend="cpu", height=700)
viewer.document.add(found)
viewer.view = {{**viewer.view, "panel": False, "volume": {{"preset": "segments"}}}}
viewer
"""


def rest(lab: Lab) -> Locator:
    """The 3-D pane once its picture is sharp."""
    lab.still()
    found = view(lab, "volume")
    lab.until(lambda: found.get_attribute("data-nbannot-complete") == "true", "the 3-D picture is sharp")
    lab.still()
    return found


def pixels(lab: Lab) -> Array:
    return lab.canvas_pixels(rest(lab).locator("canvas").first)[..., :3].astype(int)


def seen(pixels: Array) -> Array:
    return np.asarray(pixels.max(axis=-1) > 24)


def projected(labels: Array, geometry: nb.Geometry, size: tuple[int, ...], right: Array) -> Array:
    """What parallel rays see of the labels, from where `right` (LPS) is to the right and the head up."""
    corners = geometry.to_world(
        np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in labels.shape])).T.reshape(-1, 3)
    )
    x, y, z = np.ptp(corners, axis=0)
    height, width = size[:2]
    mm = max(max(x, y) / width, z / height) / 0.9
    # Voxels are cubes of a few pixels: eight points of each are enough for an outline of it.
    k, j, i = np.nonzero(labels)
    part = np.array(np.meshgrid(*[(-0.33, 0, 0.33)] * 3)).T.reshape(-1, 1, 3)
    world = geometry.to_world((np.stack([k, j, i], axis=-1) + part).reshape(-1, 3)) - corners.mean(axis=0)
    columns = np.floor(width / 2 + world @ right / mm).astype(int)
    rows = np.floor(height / 2 - world[:, 2] / mm).astype(int)
    picture = np.zeros((height, width), bool)
    picture[rows.clip(0, height - 1), columns.clip(0, width - 1)] = True
    return picture


def alike(one: Array, two: Array) -> float:
    """Dice of two pictures of yes and no."""
    return float(2 * (one & two).sum() / (one.sum() + two.sum()))


def test_a_ct_with_segments(lab: Lab, shared_data: Path) -> None:
    path = shared_data / FOLDER / "ct.nii.gz"
    labels = shared_data / FOLDER / "ct_vertebrae_labels.nii.gz"
    image = nb.read(path)
    assert isinstance(image, nb.Image)
    array = np.stack([mask.array for mask in nb.read(labels, image=image).masks]).max(axis=0)
    root = show(lab, [OPEN.format(path=str(path), labels=str(labels))])
    front = pixels(lab)
    wanted = projected(array, image.geometry, front.shape, np.array([1, 0, 0]))
    assert alike(seen(front), wanted) > 0.93, "the vertebrae from the front, where they lie"
    hues = {tuple(np.rint(one / one.max() * 3).astype(int)) for one in front[seen(front)] if one.max() > 120}
    assert len(hues) >= 4, "each label has its colour"
    lab.screenshot("volume-segments", element=root)

    # A click on a surface puts the crosshair there, in all planes.
    rows, columns = np.nonzero(wanted)
    row = int(np.median(rows))
    column = int(np.median(columns[rows == row]))
    canvas = view(lab, "volume").locator("canvas").first
    canvas.click(position={"x": column + 0.5, "y": row + 0.5})
    until_equal(lab, "viewer.view['cursor'] is not None", True)
    x, y, z = ask(lab, "viewer.view['cursor']")
    corners = image.geometry.to_world(np.array([(-0.5,) * 3, np.array(array.shape) - 0.5]))
    mm = (
        max(np.ptp(corners[:, :2], axis=0).max() / front.shape[1], np.ptp(corners[:, 2]) / front.shape[0])
        / 0.9
    )
    middle = corners.mean(axis=0)
    assert abs(middle[0] + (column + 0.5 - front.shape[1] / 2) * mm - x) < 0.1
    assert abs(middle[2] - (row + 0.5 - front.shape[0] / 2) * mm - z) < 0.1
    k, _, i = np.rint(image.geometry.to_index((x, y, z))).astype(int)
    along = np.nonzero(array[k, :, i])[0]
    first = min(image.geometry.to_world(np.array([k, j, i]))[1] for j in along)
    assert abs(y - first) <= 4.5, "on the front of the vertebra, to one voxel and a half"
    lab.until(
        lambda: view(lab, "axial").get_attribute("data-nbannot-slice") == str(k), "the axial plane follows"
    )

    # Another appearance: bones of all kinds, not only those with labels.
    view(lab, "volume").get_by_label("Appearance of the volume").select_option("ct-bone")
    until_equal(lab, "viewer.view['volume']['preset']", "ct-bone")
    bone = pixels(lab)
    assert (np.abs(bone - front).max(axis=-1) > 40).mean() > 0.05
    assert seen(bone).sum() > 1.3 * seen(front).sum()
    view(lab, "volume").get_by_label("Appearance of the volume").select_option("segments")
    until_equal(lab, "viewer.view['volume']['preset']", "segments")

    # The cube: turned a little by keys, then to the side that was clicked.
    canvas.focus()
    for _ in range(2):
        lab.page.keyboard.press("ArrowRight")
    cube = view(lab, "volume").locator('[data-nbannot-side="R"]')
    lab.until(lambda: cube.get_attribute("visibility") == "visible", "the cube shows the right side")
    cube.locator("polygon").click()
    until_equal(lab, "[round(abs(q), 3) for q in viewer.view['volume']['camera']]", [0.5] * 4)
    wanted = projected(array, image.geometry, front.shape, np.array([0, -1, 0]))
    assert alike(seen(pixels(lab)), wanted) > 0.93, "the vertebrae from the right"

"""Large pictures: what is drawn smaller is the mean of the pixels it stands for, as numpy has it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator
from scipy.ndimage import map_coordinates

from browser.lab import Lab

# Sides that no power of two divides; fine stripes that alias where pixels are left out.
PICTURE = """
import json, numpy as np, nbannot as nb
random = np.random.default_rng(5)
shape = {shape}
j, i = np.ogrid[:shape[1], :shape[2]]
soft = 2000 + 900 * np.cos(j / 130) * np.sin(i / 170) + 600 * ((i + j) % 3 == 0)
if len(shape) == 4:
    array = (soft[..., None] / 16 + random.integers(0, 40, shape)).clip(0, 255).astype(np.uint8)
else:
    array = (soft + random.integers(-90, 90, shape)).astype(np.{dtype})
grid = nb.Geometry([[0, 0, 0.2, 0], [0, 0.2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], shape[:3])
image = nb.Image(array, grid, modality="DX", windows=[] if len(shape) == 4 else [nb.Window(2000, 4000)])
viewer = nb.Viewer(image, layout="axial", backend={backend!r}, height=420)
viewer
"""
ZOOMS = (1.5, 2.0, 2.9, 4.7, 8.3)
Array = npt.NDArray[Any]


def show(lab: Lab, backend: str, shape: tuple[int, ...], dtype: str = "uint16") -> tuple[Locator, Array]:
    lab.open_notebook([PICTURE.format(shape=shape, dtype=dtype, backend=backend), "0"])
    lab.run_cell(0)
    lab.output(0).locator('[data-nbannot-root][data-nbannot-complete="true"]').first.wait_for(timeout=60_000)
    path = lab.run_python("import os; np.save('picture.npy', array); print(os.path.abspath('picture.npy'))")
    array: Array = np.load(path.strip())[0]
    return lab.output(0).locator('[data-nbannot-view="axial"]').first, array


def drawn(lab: Lab, view: Locator, step: float) -> Array:
    """The pixels of the view where one of them is `step` pixels of the image wide."""
    lab.run_python(f"viewer.view = {{**viewer.view, 'crosshair': False, 'zoom': {{'axial': {0.2 * step}}}}}")
    lab.page.wait_for_timeout(500)
    data = view.locator("canvas").first.evaluate(
        "c => [c.width, c.height, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    width, height, *values = data
    return np.array(values).reshape(height, width, 4)[..., :3].astype(float)


def means(picture: Array, factor: int) -> Array:
    """Means of blocks, those at the edges of the pixels that they have."""
    for axis in (0, 1):
        starts = np.arange(0, picture.shape[axis], factor)
        sizes = np.diff(np.append(starts, picture.shape[axis]))
        picture = np.add.reduceat(picture.astype(float), starts, axis=axis)
        picture = picture / np.expand_dims(sizes, tuple(n for n in range(picture.ndim) if n != axis))
    return picture


def expected(picture: Array, step: float, size: tuple[int, int]) -> tuple[Array, Array]:
    """Values under each pixel, and where it lies in the image."""
    factor = max((f for f in (1, 2, 4, 8) if f <= step + 1e-9), default=1)
    small = means(picture, factor) if factor > 1 else picture.astype(float)
    places = [
        (n - 1) / 2 + (np.arange(count) + 0.5 - count / 2) * step
        for n, count in zip(picture.shape, size, strict=False)
    ]
    j, i = np.meshgrid(*places, indexing="ij")
    inside = (j > -0.5) & (j < picture.shape[0] - 0.5) & (i > -0.5) & (i < picture.shape[1] - 0.5)
    at = [((one + 0.5) / factor - 0.5).clip(0, n - 1) for one, n in zip((j, i), small.shape, strict=False)]
    channels = [small[..., c] for c in range(3)] if small.ndim == 3 else [small]
    values = [map_coordinates(one, at, order=1, mode="nearest") for one in channels]
    return np.stack(values, axis=-1), inside


@pytest.mark.parametrize("backend", ["cpu", "webgl2"])
@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_a_radiograph_made_smaller_is_made_of_means(lab: Lab, backend: str, dtype: str) -> None:
    view, picture = show(lab, backend, (1, 1501, 2011), dtype)
    for step in ZOOMS:
        seen = drawn(lab, view, step)
        values, inside = expected(picture, step, seen.shape[:2])
        wanted = np.clip(values / 4000 * 255, 0, 255)
        assert inside.sum() > 10_000
        assert np.abs(seen - wanted)[inside].max() <= 1.01, step
        # Beyond the last row and column there is nothing, though blocks of pixels end there.
        assert not seen[~inside].any(), step


def test_colours_are_means_of_each_channel(lab: Lab) -> None:
    view, picture = show(lab, "cpu", (1, 1301, 1403, 3))
    for step in (1.5, 3.3, 6.1):
        seen = drawn(lab, view, step)
        values, inside = expected(picture, step, seen.shape[:2])
        assert np.abs(seen - values)[inside].max() <= 1.01, step


def test_the_value_under_the_pointer_is_that_of_the_image(lab: Lab) -> None:
    view, picture = show(lab, "cpu", (1, 1501, 2011))
    drawn(lab, view, 4.0)
    canvas = view.locator("canvas").first
    box = canvas.bounding_box()
    assert box is not None
    lab.page.mouse.move(box["x"] + box["width"] / 2 + 20.5, box["y"] + box["height"] / 2 + 10.5)
    width, height = canvas.evaluate("c => [c.width, c.height]")
    x, y = round(box["width"] / 2 + 20.5), round(box["height"] / 2 + 10.5)
    j = (1501 - 1) / 2 + (y - height / 2) * 4
    i = (2011 - 1) / 2 + (x - width / 2) * 4
    near = picture[int(j) - 4 : int(j) + 5, int(i) - 4 : int(i) + 5]
    texts = lab.output(0).locator("[data-nbannot-root]").first.inner_text()
    assert any(str(value) in texts for value in np.unique(near)), json.dumps(texts)

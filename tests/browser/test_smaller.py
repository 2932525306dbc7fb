"""Large pictures: what is drawn smaller is the mean of the pixels it stands for, as numpy has it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Locator, Page
from scipy.ndimage import map_coordinates

from browser.lab import Lab

# Sides that no power of two divides; fine stripes that alias where pixels are left out.
PICTURE = """
import json, numpy as np, nbannot as nb
random = np.random.default_rng(5)
shape = {shape}
j, i = np.ogrid[:shape[1], :shape[2]]
soft = 2000 + 900 * np.cos(j / 130) * np.sin(i / 170) + 600 * ((i + j) % 3 == 0)
array = (soft + random.integers(-90, 90, shape)).astype(np.uint16)
grid = nb.Geometry([[0, 0, 0.2, 0], [0, 0.2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], shape)
image = nb.Image(array, grid, modality="DX", windows=[nb.Window(2000, 4000)])
viewer = nb.Viewer(image, backend={backend!r}, height=420)
viewer
"""
ZOOMS = (1.5, 2.0, 2.9, 4.7, 8.3)
SIZE = (300, 420)
JS = Path(__file__).resolve().parents[2] / "js"
Array = npt.NDArray[Any]


def show(lab: Lab, backend: str, shape: tuple[int, int, int]) -> tuple[Locator, Array]:
    lab.open_notebook([PICTURE.format(shape=shape, backend=backend), "0"])
    lab.run_cell(0)
    lab.output(0).locator('[data-nbannot-root][data-nbannot-complete="true"]').first.wait_for(timeout=60_000)
    path = lab.run_python("import os; np.save('picture.npy', array); print(os.path.abspath('picture.npy'))")
    array: Array = np.load(path.strip())[0]
    return lab.output(0).locator("[data-nbannot-view]").first, array


def drawn(lab: Lab, view: Locator, step: float) -> Array:
    """The pixels of the view where one of them is `step` pixels of the image wide."""
    pane = view.get_attribute("data-nbannot-view")
    lab.run_python(f"viewer.view = {{**viewer.view, 'crosshair': False, 'zoom': {{{pane!r}: {0.2 * step}}}}}")
    lab.still()
    return lab.canvas_pixels(view.locator("canvas").first)[..., :3].astype(float)


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


def script(*names: str) -> str:
    """Return parts of the viewer as one script with the global `nb`."""
    folders = [str(folder / "node_modules" / ".bin") for folder in (JS, *JS.parents)]
    esbuild = shutil.which("esbuild", path=os.pathsep.join(folders))
    assert esbuild, "No esbuild: run npm ci in js/."
    done = subprocess.run(
        [esbuild, "--bundle", "--format=iife", "--global-name=nb", "--log-level=error"],
        input="".join(f'export * from "./src/{name}";' for name in names),
        cwd=JS, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


@pytest.fixture(scope="module")
def bundle() -> str:
    """Volumes with their copies, and the renderers, as one script with the global `nb`."""
    return script("render/renderer", "render/colormaps", "decode", "volumes/volume", "ui/composition")


PAINT = """([kind, picture, shape, dtype, size, step, smooth]) => {
  const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0));
  const values = new {uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array}[dtype](bytes.buffer);
  const [rows, columns] = shape;
  const color = shape.length === 3;
  const volume = new nb.Volume({id: "x", shape: [1, rows, columns], dtype, color}, 0);
  volume.put(0, values, nb.reduced(values, volume.reduce(0, rows)));
  const [height, width] = size;
  const at = (n, count) => (n - 1) / 2 + (0.5 - count / 2) * step;
  const plane = {width, height, origin: [0, at(rows, height), at(columns, width)], du: [0, 0, step], dv: [0, step, 0]};
  const layer = {kind: "image", store: volume, plane, window: color ? {lower: 0, upper: 255} : {lower: 0, upper: 4000},
    table: nb.greyTable(false), interpolate: smooth, opacity: 1, lower: null, clip: null};
  const renderer = nb.createRenderer(kind).renderer;
  const canvas = document.createElement("canvas");
  renderer.draw(canvas, width, height, [nb.reducedLayer(layer, volume.reduced)]);
  let seen = "";
  for (const one of canvas.getContext("2d").getImageData(0, 0, width, height).data) seen += String.fromCharCode(one);
  renderer.dispose();
  return btoa(seen);
}"""


def painted(page: Page, kind: str, picture: Array, step: float, *, smooth: bool = True) -> Array:
    data = base64.b64encode(np.ascontiguousarray(picture).tobytes()).decode()
    seen = page.evaluate(PAINT, [kind, data, picture.shape, str(picture.dtype), SIZE, step, smooth])
    return np.frombuffer(base64.b64decode(seen), np.uint8).reshape(*SIZE, 4)[..., :3].astype(float)


@pytest.mark.parametrize("kind", ["cpu", "webgl2"])
@pytest.mark.parametrize(
    ("shape", "dtype"), [((1031, 1203), "uint16"), ((1203, 1031), "int16"), ((1029, 1101, 3), "uint8")]
)
def test_what_is_drawn_smaller_is_made_of_means(
    browser: Browser, bundle: str, kind: str, shape: tuple[int, ...], dtype: str
) -> None:
    page = browser.new_page()
    page.add_script_tag(content=bundle)
    j, i = np.ogrid[: shape[0], : shape[1]]
    random = np.random.default_rng(5)
    # Stripes that alias where pixels are left out.
    soft = 2000 + 900 * np.cos(j / 130) * np.sin(i / 170) + 600 * ((i + j) % 3 == 0)
    if len(shape) == 3:
        picture = (soft[..., None] / 16 + random.integers(0, 40, shape)).clip(0, 255).astype(dtype)
    else:
        picture = (soft + random.integers(-90, 90, shape)).astype(dtype)
    for step in ZOOMS:
        seen = painted(page, kind, picture, step)
        values, inside = expected(picture, step, SIZE)
        wanted = values if picture.ndim == 3 else np.clip(values / 4000 * 255, 0, 255)
        assert inside.sum() > 10_000
        assert np.abs(seen - wanted)[inside].max() <= 1.01, step
        # Beyond the last row and column there is nothing, though blocks of pixels end there.
        assert not seen[~inside].any(), step
    # Raw pixels: those of the image itself from half size on.
    raw = painted(page, kind, picture, 1.5, smooth=False)
    assert set(np.unique(np.floor(raw + 0.5))) <= set(np.unique(grey(picture)))
    page.close()


def grey(picture: Array) -> Array:
    return picture.astype(float) if picture.ndim == 3 else np.floor(picture / 4000 * 255 + 0.5).clip(0, 255)


def test_a_radiograph_in_jupyterlab_is_made_of_means(lab: Lab) -> None:
    view, picture = show(lab, "cpu", (1, 1501, 2011))
    for step in (1.5, 4.7):
        seen = drawn(lab, view, step)
        values, inside = expected(picture, step, seen.shape[:2])
        assert np.abs(seen - np.clip(values / 4000 * 255, 0, 255))[inside].max() <= 1.01, step


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

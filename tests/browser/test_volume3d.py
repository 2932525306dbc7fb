"""The 3-D view in Chromium: sides, projection, picking, segments, layers and messages, by pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Page

from browser.volume import CSS, Pane, prepare, volume_bundle
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.masks import Mask

Array = npt.NDArray[Any]
SHAPE = (40, 48, 56)
# Voxels of 2 x 1.5 x 1 mm, axes head, back, left; the planes shear a little.
AFFINE = np.array([[0, 0, 1.0, -28], [0.3, 1.5, 0, -36], [2.0, 0, 0, -40], [0, 0, 0, 1]])
STRAIGHT = np.array([[0, 0, 1.0, -28], [0, 1.0, 0, -24], [1.0, 0, 0, -20], [0, 0, 0, 1]])
LEFT = [0.5, 0.5, 0.5, 0.5]


@pytest.fixture(scope="module")
def bundle() -> str:
    return volume_bundle()


@pytest.fixture
def page(browser: Browser, bundle: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 340, "height": 340})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
    prepare(page, bundle)
    yield page
    page.close()
    known = ("GPU stall", "software WebGL", "willReadFrequently", "CONTEXT_LOST")
    assert not [text for text in problems if not any(noise in text for noise in known)]


def phantom() -> Array:
    """A body, and a bright marker on the patient's left, at the front, near the head."""
    values = np.full(SHAPE, -1000, np.int16)
    values[4:36, 8:40, 8:48] = 0
    values[28:32, 10:14, 40:44] = 1200
    return values


def image_of(values: Array, affine: Array = AFFINE, **more: Any) -> Image:
    return Image(values, Geometry(affine, values.shape), id="img", modality="CT", unit="HU", **more)


def middle(bright: Array) -> tuple[float, float]:
    """Return the middle (x, y) of what is set, as parts of the picture."""
    rows, columns = np.nonzero(bright)
    assert len(rows) > 10
    return float(columns.mean()) / bright.shape[1], float(rows.mean()) / bright.shape[0]


def test_left_is_right_and_a_click_finds_the_marker(page: Page) -> None:
    image = image_of(phantom())
    pane = Pane(page, Document(image))
    pane.mount(image, size=(320, 320))
    x, y = middle(pane.picture().sum(axis=2) > 150)
    assert x > 0.6 and y < 0.4
    pane.page.mouse.click(320 * x, 320 * y)
    cursor = page.evaluate("host.cursor")
    k, j, i = image.geometry.to_index(cursor)
    # The face of the marker that looks to the front.
    assert abs(j - 9.5) <= 1 and 27.5 <= k <= 31.5 and 39.5 <= i <= 43.5
    # From the left: the front is at the left of the picture, the head still up.
    pane.set(camera=LEFT)
    x, y = middle(pane.picture().sum(axis=2) > 150)
    assert x < 0.4 and y < 0.4
    assert page.locator("[data-nbannot-side=L]").get_attribute("visibility") == "visible"
    page.evaluate("document.querySelector('[aria-label=\"Look from\"]').focus()")
    page.select_option("[aria-label='Look from']", "P")
    pane.wait()
    x, y = middle(pane.picture().sum(axis=2) > 150)
    assert x < 0.4 and y < 0.4
    assert page.locator("[data-nbannot-side=P]").get_attribute("visibility") == "visible"


@pytest.mark.parametrize("tilt", [-0.5, 0.0, 0.7])
def test_a_tilted_series_is_not_distorted(page: Page, tilt: float) -> None:
    affine = STRAIGHT.copy()
    affine[1, 0] = tilt  # each slice lies further back by this much
    place = Geometry(affine, SHAPE).to_world(np.moveaxis(np.indices(SHAPE), 0, -1))
    # 20 mm from front to back, 28 mm high, parallel to the axes of the world.
    inside = np.abs(place - Geometry(affine, SHAPE).to_world([20, 24, 28])) <= (8, 10, 14)
    image = image_of(np.where(inside.all(axis=-1), 1000, -1000).astype(np.int16), affine)
    pane = Pane(page, Document(image))
    pane.mount(image, size=(320, 320), settings={"camera": LEFT})
    rows, columns = np.nonzero(pane.picture().sum(axis=2) > 60)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert abs(width / height - 20 / 28) < 0.05 and len(rows) / (height * width) > 0.94


def test_a_projection_is_that_of_numpy(page: Page) -> None:
    random = np.random.default_rng(3)
    # Smooth: between the samples of the ray a single voxel would lose its peak.
    values = random.normal(0, 1, SHAPE)
    for axis in range(3):
        for _ in range(4):
            values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    values = (values * 4000).astype(np.int16)
    image = image_of(values, STRAIGHT)
    low, high = -200, int(values.max())
    pane = Pane(page, Document(image))
    # Parallel rays from the front, one pixel for each voxel: the volume fills 90 % of the pane.
    settings = {"preset": "mip", "mode": "mip"}
    pane.mount(image, size=(280, 280), window={"lower": low, "upper": high}, settings=settings)
    picture = pane.picture()[..., 0]
    expected = values.max(axis=1)[::-1]
    mm = SHAPE[2] / (0.9 * 280)
    shown = np.rint((expected - low) / (high - low) * 255).clip(0, 255)
    worst = []
    for k in range(2, SHAPE[0] - 2):
        for i in range(2, SHAPE[2] - 2):
            x = 140 + (i + 0.5 - SHAPE[2] / 2) / mm - 0.5
            y = 140 + (k + 0.5 - SHAPE[0] / 2) / mm - 0.5
            worst.append(abs(picture[round(y), round(x)] - shown[k, i]))
    assert np.mean(worst) < 4 and np.percentile(worst, 99) < 16
    assert picture[2, 2] == 0


def test_segments_have_their_colours_and_follow_edits(page: Page) -> None:
    image = image_of(np.full(SHAPE, -1000, np.int16))
    array = np.zeros(SHAPE, np.uint8)
    array[10:20, 10:30, 8:20] = 1  # on the right of the patient: at the left of the picture
    array[22:34, 10:30, 36:48] = 2
    document = Document(image, masks=[Mask("organs", image, array=array, segments=["one", "two"])])
    mask = document.masks["organs"]
    pane = Pane(page, document)
    segments = [{"mask": mask.id, "version": 1, "colors": [[1, [255, 0, 0]], [2, [0, 255, 0]]]}]
    pane.mount(image, size=(200, 200), segments=segments)
    r, g, b = np.moveaxis(pane.picture(), 2, 0)
    red, green = middle((r > 150) & (g < 90) & (b < 90)), middle((g > 150) & (r < 90) & (b < 90))
    assert red[0] < 0.45 and red[1] > 0.5 and green[0] > 0.55 and green[1] < 0.5
    mask[22:34, 10:30, 36:48] = 1
    pane.put(f"q/{mask.id}/256")
    page.evaluate("host.segments[0].version++; host.repaint()")
    pane.wait()
    r, g, b = np.moveaxis(pane.picture(), 2, 0)
    assert not ((g > 150) & (r < 90)).any() and middle((r > 150) & (g < 90))[0] > 0.5
    pane.set(segments=False)
    assert pane.picture().max() == 0


def test_the_crop_box_cuts_in_voxels_of_the_image(page: Page) -> None:
    image = image_of(phantom())
    pane = Pane(page, Document(image))
    pane.mount(image, size=(200, 200))
    assert (pane.picture().sum(axis=2) > 150).any()
    pane.set(crop=[[-0.5, -0.5, -0.5], [39.5, 47.5, 38.5]])
    assert pane.picture().max() < 30
    page.click("[data-nbannot-volume=crop]")
    slider = page.get_by_label("Cut from the right (voxels)")
    assert page.get_by_label("Cut from the left (voxels)").input_value() == "17"
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("host.settings.crop[0]") == [-0.5, -0.5, 0.5]
    page.get_by_role("button", name="Show all").click()
    assert page.evaluate("host.settings.crop") is None


def test_another_image_lies_where_the_world_says(page: Page) -> None:
    image = image_of(np.full(SHAPE, -1000, np.int16))
    # A coarse grid of its own, 30 mm away in its own world; the transform brings it back.
    values = np.zeros((20, 20, 20), np.float32)
    values[14:17, 8:12, 14:17] = 10
    affine = np.array([[0, 0, 3.0, -30 + 30], [0, 3.0, 0, -30], [4.0, 0, 0, -40], [0, 0, 0, 1]])
    hot = Image(values, Geometry(affine, values.shape), id="hot", modality="PT")
    pane = Pane(page, Document([image, hot]))
    back = np.eye(4)
    back[0, 3] = -30
    layer = {
        "image": "hot", "name": "hot", "frame": 0, "window": {"lower": 0, "upper": 10}, "opacity": 1, "lower": 3,
        "table": [0xFF000000, 0xFF0000FF], "toBase": back.ravel().tolist(),
    }  # fmt: skip
    pane.mount(image, size=(200, 200), layers=[layer])
    r, g, _ = np.moveaxis(pane.picture(), 2, 0)
    x, y = middle((r > 80) & (g < 60))
    # Its middle in the world: x = 3 * 15 - 30 = 15 of -28…28, z = 4 * 15 - 40 = 20 of -40…40.
    mm = 80 / (0.9 * 200)
    assert abs(200 * x - (100 + 15 / mm)) < 6 and abs(200 * y - (100 - 20 / mm)) < 6
    page.evaluate("host.layers[0].toBase = new Array(16).fill(0); host.repaint()")
    pane.wait()
    assert pane.picture().max() == 0


def test_eight_layers_are_drawn_and_the_others_named(page: Page) -> None:
    image = image_of(np.full(SHAPE, -1000, np.int16), STRAIGHT)
    colours = [(255 if n & 1 else 0, 255 if n & 2 else 0, 255 if n & 4 else 0) for n in range(1, 8)]
    colours += [(255, 128, 0), (128, 128, 255)]
    others, layers = [], []
    for n, (r, g, b) in enumerate(colours):
        values = np.zeros(SHAPE, np.float32)
        values[16:24, 18:30, 6 * n + 1 : 6 * n + 5] = 10
        others.append(Image(values, image.geometry, id=f"layer{n}", modality="PT", name=f"L{n}"))
        layers.append(
            {
                "image": f"layer{n}", "name": f"L{n}", "frame": 0, "window": {"lower": 0, "upper": 10},
                "opacity": 1, "lower": 3, "table": [0, 0xFF000000 | b << 16 | g << 8 | r],
                "toBase": np.eye(4).ravel().tolist(),
            }
        )  # fmt: skip
    pane = Pane(page, Document([image, *others]))
    for mode in ("render", "mip"):
        settings = {"mode": mode, "preset": "mip" if mode == "mip" else None}
        missing = ["L9 does not overlap this image."]
        pane.mount(image, size=(280, 200), layers=layers, settings=settings, missing=missing)
        picture = pane.picture()
        mm = SHAPE[2] / (0.9 * 280)
        for n, colour in enumerate(colours):
            seen = picture[96:104, round(140 + (6 * n + 3 - SHAPE[2] / 2) / mm)].mean(axis=0)
            # The lowest of the nine is left out, and said to be.
            wanted = np.array(colour) if n > 0 else np.zeros(3)
            assert seen.max() > 60 if n else seen.max() < 20, (mode, n, seen)
            if n:
                assert np.abs(seen / seen.max() - wanted / wanted.max()).max() < 0.15, (mode, n, seen)
        note = page.locator(".nbannot-volume > .nbannot-corner")
        assert note.inner_text().split("\n") == [*missing, "L0: 3-D draws the upper 8 layers."]
    pane.set(layers=False)
    assert pane.picture().max() == 0 and note.inner_text() == ""


def test_points_are_edited_by_keys_and_double_click(page: Page) -> None:
    image = image_of(phantom())
    pane = Pane(page, Document(image))
    pane.mount(image, size=(280, 280), unit={"name": "SUVbw", "factor": 0.5})
    page.click("[data-nbannot-volume=edit]")
    page.wait_for_selector(".nbannot-transfer-text:has-text('65 SUVbw, opacity 0 %')")  # 130 as stored
    point = page.locator("[data-nbannot-point='1']")
    point.focus()
    before = page.evaluate("host.settings.points")
    page.keyboard.press("ArrowUp")
    points = page.evaluate("host.settings.points")
    assert before is None and points[1][1] == pytest.approx(0.2) and len(points) == 5
    pane.wait()
    page.keyboard.press("Delete")
    assert len(page.evaluate("host.settings.points")) == 4
    pane.wait()
    box = page.locator(".nbannot-transfer").bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + box["width"] * 0.5, box["y"] + 6)
    points = page.evaluate("host.settings.points")
    assert len(points) == 5 and max(opacity for _, opacity, _ in points[1:-1]) > 0.9
    page.locator("[data-nbannot-volume=reset]").click()
    assert page.evaluate("host.settings.points") is None
    pane.wait()


def test_turning_zooming_and_cancelling(page: Page) -> None:
    image = image_of(phantom())
    pane = Pane(page, Document(image))
    pane.mount(image, size=(200, 200))
    page.mouse.move(100, 150)
    page.mouse.down()
    page.mouse.move(140, 150, steps=4)
    camera = page.evaluate("host.settings.camera")
    assert camera is not None and page.evaluate("host.cursor") is None
    assert page.evaluate("host.pane.cancel()") and not page.evaluate("host.pane.cancel()")
    page.mouse.up()
    assert page.evaluate("host.settings.camera")[1] == pytest.approx(0, abs=1e-9)
    page.mouse.wheel(0, -200)
    page.wait_for_function("host.settings.zoom > 1.1")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("host.pan[0]") > 0
    page.mouse.dblclick(100, 150)
    assert page.evaluate("host.maximized") == 1
    pane.wait()


def test_a_lost_context_is_recovered_once_and_then_told(page: Page) -> None:
    image = image_of(phantom())
    pane = Pane(page, Document(image))
    pane.mount(image, size=(120, 120))
    before = pane.picture()
    shared = "globalThis[Symbol.for('nbannot.volume3d.1')]"
    lose = f"globalThis.lost = {shared}; lost.gl.getExtension('WEBGL_lose_context').loseContext()"
    page.evaluate(lose)
    page.wait_for_function(f"{shared} && {shared} !== lost")
    pane.wait()
    assert np.abs(pane.picture() - before).max() <= 2
    page.evaluate(lose)
    alert = page.locator(".nbannot-volume-message")
    alert.get_by_text("The GPU took the 3-D picture away.").wait_for()
    alert.get_by_role("button", name="Try again").click()
    pane.wait()
    assert alert.is_hidden()


def test_without_webgl_the_pane_says_so(page: Page) -> None:
    page.evaluate(
        """() => { const get = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
          return kind === "webgl2" ? null : get.call(this, kind, ...rest); }; }"""
    )
    image = image_of(phantom())
    pane = Pane(page, Document(image))
    pane.mount(image, size=(200, 200))
    assert "offers no WebGL2" in page.locator(".nbannot-volume-message").inner_text()


def test_the_built_module_opens_the_view(page: Page) -> None:
    text = (CSS.parent / "volume3d.js").read_text(encoding="utf-8")
    found = page.evaluate(
        """async text => { const url = URL.createObjectURL(new Blob([text], {type: "text/javascript"}));
        return typeof (await import(url)).default().open; }""",
        text,
    )
    assert found == "function" and len(text) < 60 * 1024


def test_what_has_no_volume_says_so(page: Page) -> None:
    image = image_of(phantom())
    pane = Pane(page, Document(image))
    pane.mount(image, size=(200, 200))
    page.evaluate("host.image = {...host.image, id: 'gone'}; host.repaint()")
    page.wait_for_function(
        "document.querySelector('.nbannot-volume-message').innerText.includes('no p/gone/0/256')"
    )
    page.evaluate("host.image = {...host.image, id: 'rgb', color: true}; host.repaint()")
    page.wait_for_function(
        "document.querySelector('.nbannot-volume-message').innerText.includes('no 3-D view')"
    )

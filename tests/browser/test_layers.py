"""How images look: layers, colour maps, SUV, tables of the file and styles of labels, against SciPy and pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from playwright.sync_api import Locator
from pydicom.pixels import apply_voi
from scipy.ndimage import map_coordinates

from browser.lab import Lab
from browser.test_viewer import SCREEN, ask, show, until_equal, view

MM = 0.25
HOT_IRON = ([0, 0.5, 0.75, 1], [(0, 0, 0), (255, 0, 0), (255, 128, 0), (255, 255, 255)])
FUSED = """
import json, numpy as np, nbannot as nb
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from nbannot.model.image import Suv
random = np.random.default_rng(5)
def blobs(shape, top):
    noise = gaussian_filter(random.normal(size=shape), 2)
    return (noise - noise.min()) / np.ptp(noise) * top
def grid(steps, angles, origin, shape):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.array(steps)
    affine[:3, 3] = origin
    return nb.Geometry(affine, shape)
ct = nb.Image((blobs((30, 60, 64), 1200) - 600).astype(np.int16),
              grid([[0, 0, 0.9], [0, 1.0, 0], [2.0, 0, 0]], (0, 0, 0), (0, 0, 0), (30, 60, 64)),
              modality="CT", unit="HU", name="ct")
pet = nb.Image(blobs((18, 22, 20), 20_000).astype(np.float32),
               grid([[0, 0, 2.6], [0, 2.7, 0], [3.1, 0, 0]], (6, -4, 9), (2, 3, 4), (18, 22, 20)),
               modality="PT", unit="BQML", name="pet", suv=Suv({{"bw": 1 / 2000}}))
viewer = nb.Viewer({images}, labels=["liver"], backend={backend!r}, layout="mpr", height=520, window=(0, 900))
viewer.view = {{**viewer.view, "panel": True, "zoom": {{"axial": .25, "coronal": .25, "sagittal": .25}}}}
viewer.goto(index=(14, 31, 30))
viewer
"""


def hot_iron(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Colours 0 to 255 of places 0 to 1, from a table of 256 as the viewer has it."""
    at, colors = HOT_IRON
    entries = np.floor(np.clip(part, 0, 1) * 255 + 0.5) / 255
    channels = [np.interp(entries, at, [color[n] for color in colors]) for n in range(3)]
    return np.floor(np.stack(channels, axis=-1) + 0.5)


def sampled(
    array: npt.NDArray[Any], affine: npt.NDArray[Any], world: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Values at world points; what lies surely inside the voxels' centres; what lies surely outside the image."""
    index = (world - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    top = np.array(array.shape) - 1
    inside = ((index > 0.01) & (index < top - 0.01)).all(axis=-1)
    outside = ((index < -0.51) | (index > top + 0.51)).any(axis=-1)
    values = map_coordinates(array.astype(float), np.moveaxis(index, -1, 0), order=1, mode="nearest")
    return values, inside, outside


def plane(
    affine: npt.NDArray[Any], shape: tuple[int, ...], name: str, at: list[int], size: tuple[int, int]
) -> npt.NDArray[Any]:
    """World points of the pixels of a view that is centred on an upright grid."""
    right, down = (np.array(d, float) for d in SCREEN[name])
    middle = (np.array(shape) - 1) / 2
    axis = {"axial": 0, "coronal": 1, "sagittal": 2}[name]
    middle[axis] = at[axis]
    center = affine[:3, :3] @ middle + affine[:3, 3]
    rows, columns = size
    y, x = np.mgrid[:rows, :columns]
    across, along = (x + 0.5 - columns / 2) * MM, (y + 0.5 - rows / 2) * MM
    return np.asarray(center + across[..., None] * right + along[..., None] * down)


def add_layer(lab: Lab, root: Locator, name: str) -> None:
    root.locator('[data-nbannot-action="layer.add"]').click()
    root.locator(".nbannot-addlayer button").get_by_text(name, exact=True).click()
    lab.still()


def pixels_of(lab: Lab, name: str) -> npt.NDArray[Any]:
    return lab.canvas_pixels(view(lab, name).locator("canvas").first)


def close(shown: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> bool:
    """Equal to two levels; a value on the edge of two entries of the table may take the other one."""
    off = np.abs(shown.astype(float) - wanted).max(axis=-1)
    return bool(np.quantile(off, 0.999) <= 2 and off.max() <= 5)


@pytest.mark.parametrize("backend", ["cpu", "webgl2"])
def test_a_pet_over_a_ct_equals_scipy(lab: Lab, backend: str) -> None:
    later = backend == "webgl2"
    root = show(lab, [FUSED.format(backend=backend, images="ct" if later else "[ct, pet]")])
    if later:
        lab.run_python("viewer.add_image(pet)")
    add_layer(lab, root, "pet")
    layers = ask(lab, "viewer.view['layers'][ct.id]")
    assert [(one["image"], one["colormap"], one["lower"]) for one in layers] == [
        (ask(lab, "pet.id"), "hot iron", None)
    ]
    assert ask(lab, "viewer.view['windows'][pet.id]") == [10_000, 20_000], "SUV 0 to 10, in stored units"
    lab.run_python(
        "viewer.view = {**viewer.view, 'layers': {ct.id: [{**viewer.view['layers'][ct.id][0], 'opacity': 0.6}]}}"
    )
    lab.still()
    array, affine = np.array(ask(lab, "ct.array.tolist()")), np.array(ask(lab, "ct.geometry.affine.tolist()"))
    over, moved = np.array(ask(lab, "pet.array.tolist()")), np.array(ask(lab, "pet.geometry.affine.tolist()"))
    for name in ("axial", "coronal", "sagittal"):
        shown = pixels_of(lab, name)
        world = plane(affine, array.shape, name, [14, 31, 30], shown.shape[:2])
        base, here, _ = sampled(array, affine, world)
        grey = np.clip((base + 450) / 900 * 255, 0, 255)[..., None]
        values, inside, outside = sampled(over, moved, world)
        fused = grey * 0.4 + hot_iron(values / 20_000) * 0.6
        assert (here & inside).mean() > 0.05
        assert close(shown[..., :3][here & inside], fused[here & inside]), name
        alone = here & outside
        assert close(shown[..., :3][alone], np.broadcast_to(grey, fused.shape)[alone]), name


def test_layers_are_set_in_the_panel(lab: Lab) -> None:
    root = show(lab, [FUSED.format(backend="cpu", images="[ct, pet]")])
    add_layer(lab, root, "pet")
    row = root.locator("[data-nbannot-layer]")
    state = "viewer.view['layers'][ct.id][0]"
    row.locator('[data-nbannot-field="threshold"]').fill("4")
    row.locator('[data-nbannot-field="threshold"]').press("Enter")
    until_equal(lab, f"{state}['lower']", 8000)
    row.locator('[data-nbannot-field="upper"]').fill("5")
    row.locator('[data-nbannot-field="upper"]').press("Enter")
    until_equal(lab, "viewer.view['windows'][pet.id]", [5000, 10_000])
    row.locator("input[type=range]").fill("0.8")
    until_equal(lab, f"{state}['opacity']", 0.8)
    row.locator(".nbannot-mapbutton").click()
    lab.output(0).locator('[data-nbannot-map="viridis"]').click()
    until_equal(lab, f"{state}['colormap']", "viridis")
    bar = view(lab, "axial").locator("[data-nbannot-bar]")
    assert bar.inner_text().split() == ["5", "0", "SUVbw"]
    row.locator("select").select_option("stored")
    until_equal(lab, "viewer.view['units']", {ask(lab, "pet.id"): "stored"})
    assert bar.inner_text().split() == ["10000", "0", "Bq/ml"]
    options = row.locator("select option").all_inner_texts()
    assert any(text.startswith("SUV by lean body mass:") for text in options), options
    row.locator('[data-nbannot-action="layer.hide"]').click()
    until_equal(lab, f"{state}['visible']", False)
    bar.wait_for(state="detached")
    row.locator('[data-nbannot-action="layer.remove"]').click()
    until_equal(lab, "viewer.view['layers']", {})


def test_a_colour_map_and_numbers_of_the_window(lab: Lab) -> None:
    root = show(lab, [FUSED.format(backend="cpu", images="[ct, pet]")])
    root.locator(".nbannot-window").click()
    popup = root.locator(".nbannot-windows")
    popup.locator('[data-nbannot-field="lower"]').fill("-300")
    popup.locator('[data-nbannot-field="lower"]').press("Enter")
    popup.locator('[data-nbannot-field="upper"]').fill("500")
    popup.locator('[data-nbannot-field="upper"]').press("Enter")
    until_equal(lab, "list(viewer.view['windows'][ct.id])", [100, 800])
    popup.locator('[data-nbannot-map="hot iron"]').click()
    until_equal(lab, "viewer.view['colormaps'][ct.id]", "hot iron")
    lab.still()
    array, affine = np.array(ask(lab, "ct.array.tolist()")), np.array(ask(lab, "ct.geometry.affine.tolist()"))
    shown = pixels_of(lab, "axial")
    values, here, _ = sampled(
        array, affine, plane(affine, array.shape, "axial", [14, 31, 30], shown.shape[:2])
    )
    assert close(shown[..., :3][here], hot_iron((values[here] + 300) / 800) * 1.0)
    if popup.count() == 0:
        root.locator(".nbannot-window").click()
    popup.locator('[data-nbannot-item="here-5"]').click()
    lab.still()
    low, high = np.percentile(array, (5, 95))
    center, width = ask(lab, "list(viewer.view['windows'][ct.id])")
    assert [center - width / 2, center + width / 2] == pytest.approx([low, high], abs=6)
    if popup.count() == 0:
        root.locator(".nbannot-window").click()
    lab.page.keyboard.press("Escape")
    popup.wait_for(state="detached")


def under_crosshair(lab: Lab, name: str) -> str:
    """What the viewer says of the voxel under the crosshair of a view."""
    view(lab, name).scroll_into_view_if_needed()
    box = view(lab, name).bounding_box()
    assert box is not None
    lab.page.mouse.move(box["x"] + 3, box["y"] + 3)
    lab.still()
    cross = view(lab, name).evaluate(
        "(el) => [...el.querySelectorAll('.nbannot-handles circle')].slice(0, 2)"
        ".map((c) => [Number(c.getAttribute('cx')), Number(c.getAttribute('cy'))])"
    )
    x, y = np.mean(cross, axis=0)
    lab.page.mouse.move(box["x"] + x, box["y"] + y)
    lab.still()
    return view(lab, name).locator(".nbannot-value").inner_text()


def test_the_probe_tells_suv(lab: Lab, shared_data: Path, facts: dict[str, Any]) -> None:
    folder = str(shared_data / "petct_acrin042")
    cell = f"""import json, numpy as np, nbannot as nb
ct, pet = nb.read({folder + "/ct"!r}), nb.read({folder + "/pet_ac"!r})
"""
    show(lab, [cell + "viewer = nb.Viewer([pet, ct], layout='mpr', height=520)\nviewer"])
    factor = facts["petct_acrin042/pet_ac"]["facts"]["suvbw_factor_seriestime"]
    assert view(lab, "axial").get_attribute("data-nbannot-inverted") is not None, "dark on white"
    assert lab.output(0).locator(".nbannot-window").inner_text().split() == ["C", "3.5", "W", "7", "SUVbw"]
    for index in ((68, 60, 50), (80, 64, 64)):
        lab.run_python(f"viewer.goto(index={index})")
        lab.still()
        stored = ask(lab, f"float(pet.array[{index}])")
        number, unit = under_crosshair(lab, "axial").split()
        assert unit == "SUVbw"
        assert float(number) == pytest.approx(stored * factor, rel=2e-3, abs=1e-3)
    lab.run_python("viewer.view = {**viewer.view, 'units': {pet.id: 'stored'}}")
    lab.still()
    number, unit = under_crosshair(lab, "axial").split()
    assert unit == "Bq/ml"
    assert float(number) == pytest.approx(ask(lab, "float(pet.array[80, 64, 64])"), rel=2e-3)


def test_labels_have_their_own_outlines(lab: Lab) -> None:
    plain = FUSED.format(backend="cpu", images="[ct, pet]").replace(
        'labels=["liver"]', 'labels=["liver", "lesion"]'
    )
    root = show(lab, [plain])
    lab.run_python(
        "block = np.zeros(ct.shape, bool); block[:, 10:30, 10:50] = True; viewer.document.masks['liver'].paint(block)\n"
        "block = np.zeros(ct.shape, bool); block[:, 35:50, 10:50] = True; viewer.document.masks['lesion'].paint(block)"
    )
    root.locator('[data-nbannot-action="label.style"]').click()
    popup = root.locator(".nbannot-style")
    popup.locator('[data-nbannot-style="scope"]').select_option("liver")
    for part, value in (("fill", "0"), ("outline", "1"), ("width", "3")):
        popup.locator(f'[data-nbannot-style="{part}"]').fill(value)
    liver = ask(lab, "viewer.document.labels['liver'].id")
    until_equal(lab, "viewer.view['segments']", {liver: {"fill": 0, "outline": 1, "width": 3}})
    lab.page.keyboard.press("Escape")
    lab.still()
    shown = pixels_of(lab, "axial")[..., :3].astype(int)
    color = str(root.locator("[data-nbannot-label] input[type=color]").first.input_value())
    rgb = np.array([int(color[n : n + 2], 16) for n in (1, 3, 5)])
    alike = (np.abs(shown - rgb) <= 1).all(axis=-1)
    rows, columns = np.nonzero(alike)
    inside = alike[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert inside.shape == pytest.approx((20 * 1.0 / MM, 40 * 0.9 / MM), abs=2)
    assert inside[:3].all() and inside[-3:].all() and inside[:, :3].all() and inside[:, -3:].all()
    assert not inside[4:-4, 4:-4].any(), "three pixels of outline, and nothing within"
    within = shown[rows.min() + 5 : rows.max() - 5, columns.min() + 5 : columns.max() - 5]
    assert (np.ptp(within, axis=-1) <= 1).all(), "grey as below"
    root.locator('[data-nbannot-action="label.style"]').click()
    popup.locator('[data-nbannot-style="reset"]').click()
    until_equal(lab, "viewer.view['segments']", {})


def test_a_table_of_the_file_equals_pydicom(lab: Lab, shared_data: Path, tmp_path: Path) -> None:
    file = pydicom.dcmread(shared_data / "odd/pydicom/vlut_04.dcm")
    curve = np.round(65535 * (np.arange(256) / 255) ** 0.45).astype(int)
    file.VOILUTSequence[0].LUTData = curve.tolist()
    file.VOILUTSequence[0].LUTExplanation = "SOFT"
    file.save_as(tmp_path / "table.dcm")
    cell = f"import json, nbannot as nb\nimage = nb.read({str(tmp_path / 'table.dcm')!r})\n"
    root = show(lab, [cell + "viewer = nb.Viewer(image, height=600, backend='cpu')\nviewer"])
    zoom = "viewer.view = {**viewer.view, 'interpolate': False, 'zoom': {'acquisition': image.geometry.spacing[1] / 2}}"
    lab.run_python(zoom)
    lab.still()
    wanted = apply_voi(file.pixel_array, file).astype(float) / 257

    def off() -> float:
        """Most grey levels between the picture, two of its pixels to a voxel, and pydicom's."""
        shown = pixels_of(lab, "acquisition")[..., 0].astype(float)
        # between two voxels the upper one is drawn
        row, column = (
            np.floor((np.arange(n) + 0.5 - n / 2) / 2 + (m - 1) / 2 + 0.501).astype(int)
            for n, m in zip(shown.shape, wanted.shape, strict=True)
        )
        assert row.size > 300 and column.size > 300
        y, x = (row >= 0) & (row < wanted.shape[0]), (column >= 0) & (column < wanted.shape[1])
        return float(np.abs(shown[np.ix_(y, x)] - wanted[np.ix_(row[y], column[x])]).max())

    assert root.locator(".nbannot-window").inner_text() == "SOFT", (
        "a file without a window is shown by its table"
    )
    assert off() <= 1
    root.locator(".nbannot-window").click()
    root.locator('[data-nbannot-item="full"]').click()
    until_equal(lab, "list(viewer.view['windows'])", [ask(lab, "image.id")])
    assert off() > 30
    root.locator(".nbannot-window").click()
    root.locator('[data-nbannot-item="lut-0"]').click()
    until_equal(lab, "dict(viewer.view['luts'])", {ask(lab, "image.id"): 0})
    lab.still()
    assert off() <= 1


def test_what_cannot_lie_over_the_image_says_why(lab: Lab) -> None:
    steps = "[[0, 0, 1], [0, 1, 0], [1, 0, 0]]"
    place = f"grid({steps}, (0, 0, 0), (9000, 0, 0), (4, 5, 6))"
    far = f"far = nb.Image(np.zeros((4, 5, 6), np.int16), {place}, name='far')\n"
    cell = FUSED.format(backend="cpu", images="[ct, pet]").replace(
        "viewer = nb.Viewer([ct, pet]", far + "viewer = nb.Viewer([ct, pet, far]"
    )
    root = show(lab, [cell])
    root.locator('[data-nbannot-action="layer.add"]').click()
    item = root.locator(".nbannot-addlayer button").filter(has_text="far")
    assert item.get_attribute("aria-disabled") == "true"
    assert "frame of reference" in item.inner_text()
    lab.page.keyboard.press("Escape")
    layer = "{'image': far.id, 'colormap': 'heat', 'opacity': 0.5, 'visible': True, 'lower': None}"
    lab.run_python(f"viewer.view = {{**viewer.view, 'layers': {{ct.id: [{layer}]}}}}")
    view(lab, "axial").locator(".nbannot-warn").get_by_text("far is in another frame of reference").wait_for()
    root.locator("[data-nbannot-layer] .nbannot-warn").get_by_text("another frame of reference").wait_for()

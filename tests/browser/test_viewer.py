"""The viewer in a real JupyterLab: pictures equal numpy's, and every gesture is an edit in Python."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator
from scipy.ndimage import map_coordinates

from browser.lab import Lab

VIEWS = ("axial", "coronal", "sagittal")
# Screen right and down of each plane, LPS: the radiological convention.
SCREEN = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
IMAGE = """
import json, numpy as np, nbannot as nb
from scipy.spatial.transform import Rotation
random = np.random.default_rng(3)
coarse = random.integers(-500, 500, (9, 11, 10))
array = coarse.repeat(3, 0).repeat(4, 1).repeat(5, 2).astype(np.int16)
array += random.integers(-40, 40, array.shape, dtype=np.int16)
steps = np.array({steps})
turn = Rotation.from_euler("xyz", {angles}, degrees=True).as_matrix()
affine = np.eye(4)
affine[:3, :3] = turn @ steps
affine[:3, 3] = (-30, 12, 7)
image = nb.Image(array, nb.Geometry(affine, array.shape), modality="CT", unit="HU", name="test")
viewer = nb.Viewer(image, labels=["liver", "lesion"], backend={backend!r}, height=500)
viewer.window = (0, 900)
viewer.goto(index=(13, 20, 26))
viewer
"""
PLAIN = IMAGE.format(steps="[[0, 0, 0.9], [0, 1.1, 0], [2.5, 0, 0]]", angles=(0, 0, 0), backend="cpu")
GRIDS = {
    "anisotropic": ("[[0, 0, 0.7], [0, 0.9, 0], [3.0, 0, 0]]", (0, 0, 0)),
    "oblique": ("[[0, 0, 0.9], [0, 0.9, 0], [2.5, 0, 0]]", (14, -9, 21)),
    "flipped": ("[[0, 0, -0.8], [0, -1.2, 0], [-2.0, 0, 0]]", (0, 0, 0)),
    "sagittal slices": ("[[2.0, 0, 0], [0, 0, 0.8], [0, -1.1, 0]]", (3, 4, -5)),
}


def view(lab: Lab, name: str, cell: int = 0) -> Locator:
    return lab.output(cell).locator(f'[data-nbannot-view="{name}"]').first


def ready(lab: Lab, cell: int = 0) -> Locator:
    """The root of the viewer in a cell, once all its views are drawn."""
    root = lab.output(cell).locator('[data-nbannot-root][data-nbannot-complete="true"]').first
    root.wait_for(timeout=60_000)
    return root


def show(lab: Lab, cells: list[str]) -> Locator:
    lab.open_notebook([*cells, "0"])
    lab.run_cell(0)
    return ready(lab)


def ask(lab: Lab, expression: str) -> Any:
    """The value of a Python expression in the kernel, by way of the last cell."""
    return json.loads(lab.run_python(f"print(json.dumps({expression}))"))


def until_equal(lab: Lab, expression: str, expected: Any) -> None:
    def holds() -> bool:
        try:
            return bool(ask(lab, expression) == expected)
        except json.JSONDecodeError:
            return False  # a key that is not there yet

    lab.until(holds, f"{expression} == {expected}", timeout=20)


def slice_of(lab: Lab, name: str, cell: int = 0) -> int:
    return int(view(lab, name, cell).get_attribute("data-nbannot-slice") or -1)


def drag(lab: Lab, name: str, start: tuple[float, float], end: tuple[float, float], cell: int = 0) -> None:
    """Drag with the left button between two points of a view, in parts of its size."""
    canvas = view(lab, name, cell).locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    at = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
    lab.page.mouse.move(*at[0])
    lab.page.mouse.down()
    lab.page.mouse.move(*at[1], steps=12)
    lab.page.mouse.up()


def hover(lab: Lab, name: str, cell: int = 0) -> None:
    view(lab, name, cell).locator("canvas").hover()


def expected_picture(
    array: npt.NDArray[Any],
    affine: npt.NDArray[Any],
    name: str,
    at: list[int],
    mm: float,
    size: tuple[int, int],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Grey levels that numpy and SciPy give for a view, and where they count."""
    steps = affine[:3, :3]
    unit = steps / np.linalg.norm(steps, axis=0)
    right, down = (np.array(d, float) for d in SCREEN[name])
    axis = int(np.argmax(np.abs(unit.T @ np.cross(right, down))))
    across, along = (n for n in range(3) if n != axis), None
    plane = [unit[:, n] for n in across]
    # the in-plane grid directions nearest to right and down, at right angles (no shear here)
    u = max(plane, key=lambda d: abs(d @ right))
    along = next(d for d in plane if d is not u)
    u, v = u * np.sign(u @ right), along * np.sign(along @ down)
    middle = (np.array(array.shape) - 1) / 2
    middle[axis] = at[axis]
    center = affine[:3, :3] @ middle + affine[:3, 3]
    rows, columns = size
    y, x = np.mgrid[:rows, :columns]
    world = (
        center + ((x + 0.5 - columns / 2) * mm)[..., None] * u + ((y + 0.5 - rows / 2) * mm)[..., None] * v
    )
    index = (world - affine[:3, 3]) @ np.linalg.inv(steps).T
    top = np.array(array.shape) - 1
    inside = ((index > 0.01) & (index < top - 0.01))[..., [n for n in range(3) if n != axis]].all(axis=-1)
    values = map_coordinates(array.astype(float), np.moveaxis(index, -1, 0), order=1, mode="nearest")
    return np.clip((values + 450) / 900 * 255, 0, 255), inside


@pytest.mark.parametrize("grid", list(GRIDS))
@pytest.mark.parametrize("backend", ["cpu", "webgl2"])
def test_planes_equal_numpy(lab: Lab, grid: str, backend: str) -> None:
    steps, angles = GRIDS[grid]
    root = show(lab, [IMAGE.format(steps=steps, angles=angles, backend=backend)])
    assert root.get_attribute("data-nbannot-backend") == backend
    lab.run_python("viewer.view = {**viewer.view, 'zoom': {'axial': .1, 'coronal': .1, 'sagittal': .1}}")
    lab.still()
    array = np.array(ask(lab, "array.tolist()"))
    affine = np.array(ask(lab, "affine.tolist()"))
    for name in VIEWS:
        pixels = lab.canvas_pixels(view(lab, name).locator("canvas"))
        wanted, inside = expected_picture(array, affine, name, [13, 20, 26], 0.1, pixels.shape[:2])
        assert inside.mean() > 0.15, "too little of the picture is compared"
        assert (pixels[..., 3][inside] == 255).all()
        assert np.abs(pixels[..., 0].astype(float) - wanted)[inside].max() <= 1.01, name


def test_scroll_zoom_pan_window_and_reset(lab: Lab) -> None:
    show(lab, [PLAIN])
    hover(lab, "axial")
    lab.page.mouse.wheel(0, 100)
    lab.until(lambda: slice_of(lab, "axial") in (12, 14), "the wheel scrolled")
    for key, end in (("Home", 0), ("End", 26)):
        lab.page.keyboard.press(key)
        lab.until(lambda end=end: slice_of(lab, "axial") == end, f"{key} shows slice {end}")
    before = lab.canvas_pixels(view(lab, "coronal").locator("canvas"))
    lab.page.keyboard.press("w")
    drag(lab, "axial", (0.4, 0.4), (0.6, 0.5))
    until_equal(lab, "viewer.window.width != 900 and viewer.window.center != 0", True)
    assert (lab.canvas_pixels(view(lab, "coronal").locator("canvas")) != before).any()
    hover(lab, "axial")
    for key, part in (("+", "zoom"), ("p", "pan")):
        lab.page.keyboard.press(key)
        if key == "p":
            drag(lab, "axial", (0.5, 0.5), (0.7, 0.6))
        until_equal(lab, f"bool(viewer.view.get('{part}'))", True)
    hover(lab, "axial")
    lab.page.keyboard.press("r")
    until_equal(
        lab, "[viewer.view.get('zoom'), viewer.view.get('pan'), viewer.view.get('windows')]", [{}, {}, {}]
    )


def test_the_crosshair_links_the_planes_in_mm(lab: Lab) -> None:
    show(lab, [PLAIN])
    lab.page.locator('[data-nbannot-command="tool.crosshair"]').click()
    drag(lab, "axial", (0.5, 0.5), (0.55, 0.58))
    lab.still()
    cursor = ask(lab, "viewer.cursor")
    index = ask(lab, f"image.geometry.to_index({cursor}).tolist()")
    assert index[0] == pytest.approx(13, abs=1e-6)
    assert slice_of(lab, "coronal") == round(index[1]) and slice_of(lab, "sagittal") == round(index[2])
    lab.run_python("viewer.goto(index=(5, 7, 9))")
    lab.until(lambda: [slice_of(lab, name) for name in VIEWS] == [5, 7, 9], "Python moved the crosshair")


def test_a_stroke_is_in_the_array_and_undo_works_from_both_sides(lab: Lab) -> None:
    show(lab, [PLAIN, "mask = viewer.document.masks['liver']; array_before = mask.array; print(0)"])
    lab.run_cell(1)
    hover(lab, "axial")
    lab.page.keyboard.press("b")
    lab.output(0).locator("[data-nbannot-paintbar=options]").wait_for()
    hover(lab, "axial")
    empty = lab.canvas_pixels(view(lab, "axial").locator("canvas"))
    drag(lab, "axial", (0.45, 0.5), (0.55, 0.5))
    until_equal(lab, "int((mask.array > 0).sum()) > 0 and mask.array is array_before", True)
    painted = ask(lab, "int((mask.array > 0).sum())")
    assert ask(lab, "np.unique(np.nonzero(mask.array)[0]).tolist()") == [13]
    assert (lab.canvas_pixels(view(lab, "axial").locator("canvas")) != empty).any()
    drag(lab, "coronal", (0.45, 0.4), (0.55, 0.4))
    until_equal(lab, f"int((mask.array > 0).sum()) > {painted}", True)
    assert ask(lab, "len(viewer.document.history)") == 2
    hover(lab, "axial")
    lab.page.keyboard.press("Control+z")
    until_equal(lab, "int((mask.array > 0).sum())", painted)
    lab.run_python("viewer.document.undo()")
    assert ask(lab, "int(mask.array.sum())") == 0
    lab.until(
        lambda: bool((lab.canvas_pixels(view(lab, "axial").locator("canvas")) == empty).all()),
        "undone picture",
    )
    hover(lab, "axial")
    lab.page.keyboard.press("Control+y")
    until_equal(lab, "int((mask.array > 0).sum())", painted)
    hover(lab, "axial")
    lab.page.keyboard.press("e")
    drag(lab, "axial", (0.42, 0.5), (0.58, 0.5))
    until_equal(lab, "int((mask.array > 0).sum())", 0)
    assert ask(lab, "[edit.tool for edit in viewer.document.history][:2]") == ["brush", "brush"]
    assert ask(lab, "viewer.document.history[0].origin") == "hand"


def test_the_brush_is_round_in_mm(lab: Lab) -> None:
    show(lab, [PLAIN])
    lab.run_python("viewer.view = {**viewer.view, 'tool': 'brush', 'size_mm': 16}")
    drag(lab, "coronal", (0.5, 0.5), (0.5, 0.5))
    until_equal(lab, "bool(viewer.document.masks['liver'].array.any())", True)
    extent = (
        "np.ptp(image.geometry.to_world(np.argwhere(viewer.document.masks['liver'].array)), axis=0).tolist()"
    )
    x, y, z = ask(lab, extent)
    assert y == 0 and 13 <= x <= 16 and 12 <= z <= 16


def test_python_edits_repaint_the_picture(lab: Lab) -> None:
    show(lab, [PLAIN])
    lab.run_python("viewer.view = {**viewer.view, 'opacity': 1, 'crosshair': False}")
    lab.run_python("mask = viewer.document.masks['lesion']; mask.array[13, 10:30, 20:35] = 1")
    color = ask(lab, "viewer.document.labels['lesion'].color")
    rgb = [int(color[n : n + 2], 16) for n in (1, 3, 5)]
    canvas = view(lab, "axial").locator("canvas")

    def is_painted() -> bool:
        pixels = lab.canvas_pixels(canvas)
        middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2, :3]
        return bool((np.abs(middle.astype(int) - rgb) <= 2).all())

    lab.until(is_painted, "the in-place edit is on the screen in its colour")
    lab.run_python("mask.array[:] = 0")
    lab.until(lambda: not is_painted(), "the erased voxels are gone from the screen")
    lab.run_python("mask.paint((slice(12, 15), slice(10, 30), slice(20, 35)))")
    lab.until(is_painted, "the explicit edit is on the screen")


def test_boxes_by_mouse_and_by_python(lab: Lab) -> None:
    show(lab, [PLAIN])
    hover(lab, "axial")
    lab.page.keyboard.press("x")
    drag(lab, "axial", (0.4, 0.4), (0.6, 0.6))
    until_equal(lab, "len(viewer.document.boxes)", 1)
    row = ask(lab, "nb.table(viewer.document, 'boxes').iloc[0][['label', 'k0', 'k1']].tolist()")
    assert row[0] == "liver" and row[1] == row[2] == 13
    lab.run_python("viewer.document.add(nb.Box('lesion', ((13, 5, 5), (13, 15, 15)), id='mine'))")
    shape = view(lab, "axial").locator('[data-nbannot-box="mine"]')
    shape.first.wait_for(state="attached")
    lab.run_python("viewer.document.remove('mine')")
    shape.first.wait_for(state="detached")
    drag(lab, "axial", (0.6, 0.6), (0.65, 0.62))
    until_equal(lab, "len(viewer.document.history)", 4)
    moved = ask(lab, "nb.table(viewer.document, 'boxes').iloc[0][['k0', 'k1']].tolist()")
    assert moved == [13, 13]
    hover(lab, "axial")
    lab.page.keyboard.press("Delete")
    until_equal(lab, "len(viewer.document.boxes)", 0)


def test_labels_can_be_added_renamed_hidden_and_locked(lab: Lab) -> None:
    root = show(lab, [PLAIN])
    root.locator('[data-nbannot-action="label.add"]').click()
    lab.page.keyboard.type("nodule")
    lab.page.keyboard.press("Enter")
    until_equal(lab, "'nodule' in viewer.document.labels and 'nodule' in viewer.document.masks", True)
    row = root.locator("[data-nbannot-label]").first
    row.locator('[data-nbannot-action="label.lock"]').click()
    until_equal(lab, "viewer.document.labels['liver'].locked", True)
    row.click(position={"x": 60, "y": 10})
    hover(lab, "axial")
    lab.page.keyboard.press("b")
    drag(lab, "axial", (0.45, 0.5), (0.55, 0.5))
    lab.output(0).locator(".nbannot-toast").first.wait_for()
    assert "locked" in lab.output(0).locator(".nbannot-toast").first.inner_text().lower()
    assert ask(lab, "int(viewer.document.masks['liver'].array.sum())") == 0
    row.locator('[data-nbannot-action="label.hide"]').click()
    until_equal(lab, "viewer.view['hidden'] == [viewer.document.labels['liver'].id]", True)


def test_two_viewers_of_one_document_and_one_viewer_shown_twice_stay_equal(lab: Lab) -> None:
    show(
        lab,
        [
            PLAIN,
            "second = nb.Viewer(viewer.document, backend='cpu'); second.goto(index=(13, 20, 26)); second",
            "viewer",
        ],
    )
    lab.run_cell(1)
    lab.run_cell(2)
    ready(lab, 1)
    ready(lab, 2)
    view(lab, "axial").scroll_into_view_if_needed()
    hover(lab, "axial")
    lab.page.keyboard.press("b")
    # The row of the brush's options takes some of the room of the pictures.
    lab.still()
    before = {n: lab.canvas_pixels(view(lab, "axial", n).locator("canvas")) for n in (0, 1, 2)}
    drag(lab, "axial", (0.45, 0.5), (0.55, 0.5))
    for n in (0, 1, 2):
        canvas = view(lab, "axial", n).locator("canvas")
        lab.until(
            lambda n=n, canvas=canvas: bool((lab.canvas_pixels(canvas) != before[n]).any()), f"cell {n}"
        )
    assert ask(lab, "len(viewer.document.history)") == 1


def test_two_viewers_of_two_documents_share_nothing(lab: Lab) -> None:
    other = "other = nb.Viewer(image, labels=['liver'], backend='cpu'); other.goto(index=(13, 20, 26)); other"
    show(lab, [PLAIN, other])
    lab.run_cell(1)
    ready(lab, 1)
    before = lab.canvas_pixels(view(lab, "axial", 1).locator("canvas"))
    view(lab, "axial").scroll_into_view_if_needed()
    hover(lab, "axial")
    lab.page.keyboard.press("b")
    drag(lab, "axial", (0.45, 0.5), (0.55, 0.5))
    until_equal(lab, "len(viewer.document.history)", 1)
    assert ask(lab, "[len(other.document.history), int(other.document.masks['liver'].array.sum())]") == [0, 0]
    assert (lab.canvas_pixels(view(lab, "axial", 1).locator("canvas")) == before).all()
    assert ask(lab, "other.tool") == "crosshair"


def test_the_aspect_is_right_at_any_width(lab: Lab) -> None:
    show(lab, [PLAIN])
    for width in (1400, 700, 520, 1100):
        lab.page.set_viewport_size({"width": width, "height": 900})
        lab.still()
        for name in VIEWS:
            canvas = view(lab, name).locator("canvas")
            box = canvas.bounding_box()
            pixels = lab.canvas_pixels(canvas)
            assert box is not None
            assert pixels.shape[1] == pytest.approx(box["width"], abs=1.5)
            assert pixels.shape[0] == pytest.approx(box["height"], abs=1.5)
            rows = np.flatnonzero(pixels[..., 3].any(axis=1))
            columns = np.flatnonzero(pixels[..., 3].any(axis=0))
            size = {
                "axial": (44 * 1.1, 50 * 0.9),
                "coronal": (27 * 2.5, 50 * 0.9),
                "sagittal": (27 * 2.5, 44 * 1.1),
            }
            high, wide = size[name]
            assert np.ptp(rows) / np.ptp(columns) == pytest.approx(high / wide, rel=0.03), (name, width)


def test_help_themes_and_layouts(lab: Lab) -> None:
    root = show(lab, [PLAIN])
    hover(lab, "axial")
    lab.page.keyboard.press("?")
    help_panel = lab.output(0).locator("[data-nbannot-help]")
    help_panel.wait_for()
    assert "Brush" in help_panel.inner_text() and "Undo" in help_panel.inner_text()
    lab.page.keyboard.press("Escape")
    help_panel.wait_for(state="hidden")
    light = root.evaluate("e => getComputedStyle(e).backgroundColor")
    lab.set_theme("dark")
    assert root.evaluate("e => getComputedStyle(e).backgroundColor") != light
    lab.set_theme("light")
    view(lab, "coronal").dblclick(position={"x": 30, "y": 60})
    lab.until(lambda: not view(lab, "axial").is_visible(), "one view is shown large")
    assert view(lab, "coronal").is_visible()
    lab.run_python("viewer.planes = 'mpr'")
    lab.until(lambda: view(lab, "axial").is_visible(), "all views are back")


def test_the_value_under_the_cursor_names_the_label(lab: Lab) -> None:
    root = show(lab, [PLAIN])
    lab.run_python("viewer.document.masks['liver'][:] = 1")
    hover(lab, "axial")
    lab.until(lambda: "liver" in view(lab, "axial").inner_text(), "the label is named")
    text = view(lab, "axial").inner_text()
    assert "HU" in text
    assert {"R", "L", "A", "P"} <= set(text.split())
    assert "14/27" in text and root.is_visible()


def test_a_closed_viewer_leaves_nothing(lab: Lab) -> None:
    show(lab, [PLAIN])
    assert len(lab.page.workers) > 0
    lab.run_python("viewer.close()")
    lab.until(lambda: len(lab.page.workers) == 0, "the decoders are gone")
    assert lab.output(0).locator("canvas").count() == 0
    assert ask(lab, "[repr(nb.Viewer(image)), len(viewer.document.masks)]")[1] == 2


def test_errors_in_python_show_in_the_cell_without_data(lab: Lab) -> None:
    show(
        lab,
        [PLAIN, "viewer.document.add(nb.Box('spleen', ((1, 1, 1), (1, 5, 5))))", "nb.read('missing.dcm')"],
    )
    assert "UnknownLabelError" in lab.run_cell(1) and "There are: liver, lesion" in lab.output_text(1)
    assert "missing.dcm" in lab.run_cell(2)


def test_nothing_of_the_patient_is_in_the_saved_notebook(lab: Lab, shared_data: Any) -> None:
    folder = shared_data / "petct_acrin042" / "ct"
    lab.open_notebook(
        [
            f"import json, nbannot as nb\nviewer = nb.Viewer(nb.read({str(folder)!r}), labels=['x'])\nviewer",
            "0",
        ]
    )
    lab.run_cell(0)
    ready(lab)
    hover(lab, "axial")
    lab.page.keyboard.press("b")
    drag(lab, "axial", (0.45, 0.5), (0.55, 0.5))
    until_equal(lab, "int(viewer.document.masks['x'].array.any())", 1)
    lab.save()
    state = json.loads(lab.run_python("import json; print(json.dumps(viewer.get_state(['uid', 'view'])))"))
    assert len(json.dumps(state)) < 10_000
    text = (lab.server.root / "test.ipynb").read_text() + json.dumps(state)
    for secret in ("ACRIN-NSCLC-FDG-PET-042", "CT IMAGES", "19600116", "GE MEDICAL"):
        assert secret not in text

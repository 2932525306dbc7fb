"""Shapes drawn with a real mouse on a real CT lie in Python where the mouse was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from browser.lab import Lab
from browser.test_planes import directions
from browser.test_viewer import SCREEN, ask, ready, until_equal, view

Px = tuple[float, float]
Points = npt.NDArray[np.float64]

CT = """
import json, warnings, numpy as np, nbannot as nb
warnings.simplefilter("ignore")
images = nb.read({folder!r})
ct = next(one for one in images.values() if one.modality == "CT" and one.shape[0] > 1)
viewer = nb.Viewer(ct, labels=["lesion", "node"], layout={layout!r}, hanging=False, height=700)
viewer.window = (40, 400)
viewer.goto(index=(80, 250, 260))
viewer.view = {{**viewer.view, "zoom": {zoom}, "panel": False}}
viewer
"""
MM = 0.9


class Plane:
    """One pane, driven by px of its own and read back in world mm."""

    def __init__(self, lab: Lab, name: str, rotation: Rotation | None = None) -> None:
        self.lab, self.name = lab, name
        self.canvas = view(lab, name).locator("canvas")
        box = self.canvas.bounding_box()
        assert box is not None
        self.size = (box["width"], box["height"])
        if rotation is None:
            self.right, self.down = (np.array(d, float) for d in SCREEN[name])
        else:
            self.right, self.down = directions(name, rotation)
        self.refresh()

    def refresh(self) -> None:
        """Ask for the plane's middle again, after it was scrolled."""
        affine = np.array(ask(self.lab, "ct.geometry.affine.tolist()"))
        shape = np.array(ask(self.lab, "list(ct.shape)"))
        at = np.array(ask(self.lab, "list(viewer.cursor)"))
        middle = affine[:3, :3] @ ((shape - 1) / 2) + affine[:3, 3]
        normal = np.cross(self.right, self.down)
        self.center = middle + normal * ((at - middle) @ normal)

    def page(self, at: Px) -> Px:
        # Asking Python scrolls the notebook to its last cell.
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        assert box is not None
        return box["x"] + at[0], box["y"] + at[1]

    def world(self, *places: Px) -> Points:
        """World points of px of the pane; the camera stands on the middle."""
        off = (np.array(places, float) - np.array(self.size) / 2) * MM
        return self.center + off[:, :1] * self.right + off[:, 1:] * self.down

    def move(self, at: Px) -> None:
        self.lab.page.mouse.move(*self.page(at), steps=3)

    def click(self, *places: Px, modifiers: str = "") -> None:
        keyboard, mouse = self.lab.page.keyboard, self.lab.page.mouse
        if modifiers:
            keyboard.down(modifiers)
        for at in places:
            self.move(at)
            mouse.down()
            mouse.up()
        if modifiers:
            keyboard.up(modifiers)

    def drag(self, start: Px, *to: Px) -> None:
        self.move(start)
        self.lab.page.mouse.down()
        for at in to:
            self.move(at)
        self.lab.page.mouse.up()

    def tool(self, name: str) -> None:
        """Choose a tool in the menu of shapes."""
        root = self.lab.output(0)
        root.locator('[data-nbannot-menu="shapes"]').click()
        root.locator(f'[data-nbannot-item="tool.{name}"]').click()

    def key(self, *keys: str) -> None:
        for one in keys:
            self.lab.page.keyboard.press(one)


def shown(lab: Lab, shared_data: Path, layout: str = "axial") -> None:
    zoom = dict.fromkeys(SCREEN, MM)
    cell = CT.format(folder=str(shared_data / "petct_acrin042"), layout=layout, zoom=zoom)
    lab.open_notebook([cell, "0"])
    lab.run_cell(0)
    ready(lab)


def shapes(lab: Lab) -> list[dict[str, Any]]:
    """The shapes that Python has."""
    return ask(  # type: ignore[no-any-return]
        lab,
        "[dict(kind=s.kind, label=s.label, points=s.points, normal=s.normal, text=s.text, id=s.id, frame=s.frame, "
        "slice=s.slice, locked=s.locked, edges=s.edges) for s in viewer.document.shapes]",
    )


def near(found: Any, wanted: Points) -> None:
    """Points lie within 0.6 px of where the mouse was."""
    assert np.shape(found) == wanted.shape
    assert np.abs(np.array(found) - wanted).max() <= 0.6 * MM


def settles(lab: Lab, n: int, wanted: Points) -> None:
    """Shape n comes to lie within 0.6 px of where the mouse was."""

    def there() -> bool:
        found = [np.array(one["points"]) for one in shapes(lab)]
        return (
            len(found) > n
            and found[n].shape == wanted.shape
            and bool(np.abs(found[n] - wanted).max() <= 0.6 * MM)
        )

    lab.until(there, f"shape {n} is at {wanted.round(1).tolist()}", timeout=15)


class Places:
    """Where the outlines and lines are drawn, px around the middle of the pane."""

    def __init__(self, at: Plane) -> None:
        x, y = at.size[0] / 2, at.size[1] / 2
        self.x, self.y = x, y
        self.polygon = [(x + 90, y - 60), (x + 150, y - 50), (x + 140, y), (x + 100, y - 5)]
        self.ring = [(x - 170 + 35 * np.cos(a), y + 50 + 25 * np.sin(a)) for a in np.linspace(0, 6.1, 30)]
        self.spline = [(x - 100, y + 30), (x - 50, y + 30), (x - 45, y + 70), (x - 95, y + 75)]
        self.wire = [(x + 10, y + 30), (x + 60, y + 30), (x + 35, y + 75)]
        self.curve = [(x + 100, y + 30), (x + 140, y + 60), (x + 190, y + 30)]
        self.line = [(x - 200 + 4 * n, y + 120 + 10 * np.sin(n / 3)) for n in range(20)]
        self.marks = [(x - 40, y + 120), (x, y + 110), (x + 30, y + 130)]


def draw_measures(at: Plane, to: Places) -> None:
    x, y = to.x, to.y
    at.key("d")
    at.drag((x - 200, y - 120), (x - 120, y - 150))
    at.key("Shift+D")
    at.drag((x - 90, y - 150), (x - 10, y - 120))
    at.key("Shift+G")
    at.drag((x + 30, y - 150), (x + 60, y - 110))
    at.click((x + 100, y - 150))
    at.tool("cobb")
    at.click((x + 130, y - 150), (x + 190, y - 160), (x + 140, y - 100), (x + 200, y - 80))
    at.tool("rectangle")
    at.drag((x - 200, y - 60), (x - 140, y - 20))
    at.key("Shift+E")
    at.drag((x - 110, y - 70), (x - 40, y - 20))
    at.key("Shift+Q")
    at.drag((x + 20, y - 40), (x + 45, y - 40))


def draw_outlines(lab: Lab, at: Plane, to: Places) -> None:
    at.key("Shift+P")
    at.click(*to.polygon)
    at.key("Enter")
    at.key("v")
    at.drag(to.ring[0], *to.ring[1:])
    at.key("Shift+Y")
    at.click(*to.spline, to.spline[0])
    at.key("Shift+L")
    # Held, Shift keeps the anchors from going to edges.
    at.click(*to.wire, modifiers="Shift")
    at.key("Enter")
    at.key("Shift+U")
    at.click(*to.curve[:-1])
    at.move(to.curve[-1])
    lab.page.mouse.dblclick(*at.page(to.curve[-1]))


def draw_marks(lab: Lab, at: Plane, to: Places) -> None:
    x, y = to.x, to.y
    at.key("Shift+V")
    at.drag(to.line[0], *to.line[1:])
    at.tool("keypoint")
    at.click((x - 80, y + 120))
    at.tool("landmarks")
    at.click(*to.marks)
    at.key("Enter")
    at.tool("arrow")
    at.drag((x + 70, y + 150), (x + 110, y + 115))
    lab.page.locator("[data-nbannot-typein]:visible").first.wait_for()
    lab.page.keyboard.type("calcified")
    at.key("Enter")
    at.key("Shift+X")
    at.click((x + 160, y + 130))
    lab.page.locator("[data-nbannot-typein]:visible").first.wait_for()
    lab.page.keyboard.type("see report")
    at.key("Enter")
    at.key("Shift+Z")
    at.click((x, y))


def assert_places(points: list[Points], at: Plane, to: Places) -> None:
    x, y = to.x, to.y
    near(points[0], at.world((x - 200, y - 120), (x - 120, y - 150)))
    near(points[1][:2], at.world((x - 90, y - 150), (x - 10, y - 120)))
    long, short = points[1][1] - points[1][0], points[1][3] - points[1][2]
    assert abs(long @ short) < 1e-2
    near(points[2], at.world((x + 30, y - 150), (x + 60, y - 110), (x + 100, y - 150)))
    near(points[3], at.world((x + 130, y - 150), (x + 190, y - 160), (x + 140, y - 100), (x + 200, y - 80)))
    near(points[4][[0, 2]], at.world((x - 200, y - 60), (x - 140, y - 20)))
    near(points[5], at.world((x - 110, y - 45), (x - 40, y - 45), (x - 75, y - 70), (x - 75, y - 20)))
    near(points[6].mean(axis=0, keepdims=True), at.world((x + 20, y - 40)))
    assert np.allclose(np.linalg.norm(points[6] - points[6].mean(axis=0), axis=1), 25 * MM, atol=0.6 * MM)
    near(points[7], at.world(*to.polygon))
    drawn = at.world(*to.ring)
    assert all(np.linalg.norm(points[8] - p, axis=1).min() < 12 * MM for p in drawn)
    near(points[9], at.world(*to.spline))
    for anchor in at.world(*to.wire):
        assert np.linalg.norm(points[10] - anchor, axis=1).min() < 0.6 * MM
    near(points[11], at.world(*to.curve))
    near(points[12][[0, -1]], at.world(to.line[0], to.line[-1]))
    near(points[13], at.world((x - 80, y + 120)))
    near(points[14], at.world(*to.marks))
    near(points[15], at.world((x + 70, y + 150), (x + 110, y + 115)))
    near(points[17], at.world((x, y)))


def test_every_kind_lies_where_the_mouse_was(lab: Lab, shared_data: Path) -> None:
    shown(lab, shared_data)
    at = Plane(lab, "axial")
    to = Places(at)
    at.move((to.x, to.y))
    draw_measures(at, to)
    draw_outlines(lab, at, to)
    draw_marks(lab, at, to)
    lab.until(lambda: len(shapes(lab)) == 18, "all shapes are in Python", timeout=20)
    lab.page.screenshot(path=str(lab.out / "shapes.png"))
    every = shapes(lab)
    kinds = [
        "ruler", "bidirectional", "angle", "cobb", "rectangle", "ellipse", "ellipse", "polygon", "freehand",
        "closed-spline", "livewire", "curve", "open-freehand", "points", "points", "arrow", "text", "probe",
    ]  # fmt: skip
    assert [one["kind"] for one in every] == kinds
    points = [np.array(one["points"]) for one in every]
    assert_places(points, at, to)
    assert [one["text"] for one in every if one["text"]] == ["calcified", "see report"]
    captions = lab.output(0).locator("[data-nbannot-caption]").all_text_contents()
    assert f"lesion  {np.linalg.norm(points[0][1] - points[0][0]):.1f} mm" in captions
    value = ask(
        lab, f"float(ct.array[tuple(int(round(v)) for v in ct.geometry.to_index({points[17][0].tolist()}))])"
    )
    assert any(f"{value:.0f} HU".replace("-", "−") in text for text in captions)


def test_shapes_are_changed_copied_and_undone(lab: Lab, shared_data: Path) -> None:
    shown(lab, shared_data)
    at = Plane(lab, "axial")
    x, y = at.size[0] / 2, at.size[1] / 2
    outline = [(x - 60, y - 60), (x + 60, y - 60), (x + 60, y + 60), (x - 60, y + 60)]
    at.move((x, y))
    at.key("Shift+P")
    at.click(*outline, outline[0])
    at.drag(outline[2], (x + 90, y + 80))
    changed = [*outline[:2], (x + 90, y + 80), outline[3]]
    lab.until(lambda: len(shapes(lab)) == 1, "the polygon is in Python", timeout=20)
    settles(lab, 0, at.world(*changed))
    at.move((x, y))
    at.click((x, y - 60))
    settles(lab, 0, at.world(changed[0], (x, y - 60), *changed[1:]))
    at.click((x, y - 60), modifiers="Alt")
    settles(lab, 0, at.world(*changed))
    at.drag((x - 60, y), (x - 40, y - 10))
    moved = [(px + 20, py - 10) for px, py in changed]
    settles(lab, 0, at.world(*moved))
    at.move((x, y))
    at.key("Shift+ArrowRight", "Control+Shift+ArrowDown")
    settles(lab, 0, at.world(*[(px + 1, py + 10) for px, py in moved]))
    at.move((x, y))
    at.key("Control+z", "Control+z")
    settles(lab, 0, at.world(*moved))
    at.move((x, y))
    at.key("Control+z")
    settles(lab, 0, at.world(*changed))
    at.move((x, y))
    at.key("Control+Shift+Z")
    settles(lab, 0, at.world(*moved))
    at.move((x, y))
    slice_before = int(view(lab, "axial").get_attribute("data-nbannot-slice") or -1)
    at.key("Control+ArrowDown")
    lab.until(lambda: len(shapes(lab)) == 2, "the copy is in Python", timeout=20)
    at.refresh()
    settles(lab, 1, at.world(*moved))
    assert int(view(lab, "axial").get_attribute("data-nbannot-slice") or -1) == slice_before + 1
    at.move((x, y))
    at.key("Shift+K")
    until_equal(lab, "[s.locked for s in viewer.document.shapes]", [False, True])
    at.move((x, y))
    at.key("Delete")
    lab.output(0).locator(".nbannot-toast").get_by_text("is locked").wait_for()
    at.key("Shift+K", "Shift+N")
    until_equal(lab, "[s.locked for s in viewer.document.shapes]", [False, False])
    assert lab.output(0).locator("path[data-nbannot-shape]").count() == 0
    at.move((x, y))
    at.key("Shift+N")
    lab.output(0).locator("path[data-nbannot-shape]").wait_for(state="attached")
    at.click((x - 40, y - 10))
    at.key("Delete")
    until_equal(lab, "len(viewer.document.shapes)", 1)
    at.move((x, y))
    at.key("Shift+P")
    at.click((x, y), (x + 30, y))
    at.key("Backspace", "Escape")
    assert ask(lab, "[len(viewer.document.shapes), viewer.view['selected']]") == [1, []]


def test_shapes_lie_in_coronal_and_turned_planes(lab: Lab, shared_data: Path) -> None:
    shown(lab, shared_data, "mpr")
    at = Plane(lab, "coronal")
    x, y = at.size[0] / 2, at.size[1] / 2
    at.move((x, y))
    at.key("Shift+P")
    outline = [(x - 50, y - 80), (x + 50, y - 80), (x + 20, y + 40)]
    at.click(*outline, outline[0])
    lab.until(lambda: len(shapes(lab)) == 1, "the polygon is in Python", timeout=20)
    near(shapes(lab)[0]["points"], at.world(*outline))
    assert np.allclose(np.abs(shapes(lab)[0]["normal"]), (0, 1, 0), atol=1e-6)
    # The axial plane cuts it, seen there as one faint line without handles.
    assert view(lab, "axial").locator("path[data-nbannot-aside]").count() == 1
    assert view(lab, "axial").locator(".nbannot-shape-handles circle").count() == 0
    assert view(lab, "coronal").locator(".nbannot-shape-handles circle").count() == 3
    rotation = Rotation.from_euler("xyz", (17, -23, 11), degrees=True)
    turn = [float(v) for v in rotation.as_quat()]
    lab.run_python(f"viewer.view = {{**viewer.view, 'rotation': {turn}}}")
    lab.still()
    free = Plane(lab, "axial", rotation)
    x, y = free.size[0] / 2, free.size[1] / 2
    free.move((x, y))
    free.key("Shift+D")
    free.drag((x - 60, y), (x + 40, y - 30))
    free.key("Shift+E")
    free.drag((x - 40, y + 20), (x + 40, y + 60))
    lab.until(lambda: len(shapes(lab)) == 3, "three shapes are in Python", timeout=20)
    every = shapes(lab)
    near(every[1]["points"][:2], free.world((x - 60, y), (x + 40, y - 30)))
    near(every[2]["points"], free.world((x - 40, y + 40), (x + 40, y + 40), (x, y + 20), (x, y + 60)))
    normal = np.cross(free.right, free.down)
    assert np.allclose(np.abs(np.array(every[2]["normal"]) @ normal), 1, atol=1e-6)
    assert np.abs((np.array(every[2]["points"]) - free.center) @ normal).max() < 1e-2
    lab.page.screenshot(path=str(lab.out / "shapes-free.png"))


CLIP = """
import json, warnings, nbannot as nb
warnings.simplefilter("ignore")
clip = nb.read({file!r})
viewer = nb.Viewer(clip, labels=["valve"], height=600)
viewer
"""


def test_a_shape_of_a_clip_belongs_to_its_picture(lab: Lab, shared_data: Path) -> None:
    lab.open_notebook([CLIP.format(file=str(shared_data / "us" / "echo_ybr_30frames.dcm")), "0"])
    lab.run_cell(0)
    root = ready(lab)
    canvas = root.locator("canvas").first
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    lab.page.mouse.move(x, y)
    lab.page.keyboard.press(".")
    lab.page.keyboard.press("d")
    lab.page.mouse.down()
    lab.page.mouse.move(x + 80, y + 40, steps=4)
    lab.page.mouse.up()
    until_equal(
        lab,
        "[(s.kind, s.frame if s.frame is not None else s.slice) for s in viewer.document.shapes]",
        [["ruler", 1]],
    )
    shape = root.locator("path[data-nbannot-shape]")
    assert shape.count() == 1
    lab.page.mouse.move(x, y)
    lab.page.keyboard.press(".")
    lab.still()
    assert shape.count() == 0
    lab.page.keyboard.press(",")
    shape.wait_for(state="attached")
    lab.page.keyboard.press("Control+ArrowDown")
    until_equal(lab, "[s.frame if s.frame is not None else s.slice for s in viewer.document.shapes]", [1, 2])


@pytest.mark.parametrize("width", [620])
def test_the_menu_of_shapes_fits_a_narrow_viewer(lab: Lab, shared_data: Path, width: int) -> None:
    shown(lab, shared_data)
    root = lab.output(0).locator("[data-nbannot-root]").first
    root.evaluate(f"el => {{ el.style.width = '{width}px'; }}")
    lab.still()
    button = root.locator('[data-nbannot-menu="shapes"]')
    button.click()
    menu = root.locator("[data-nbannot-shapes-menu]")
    menu.wait_for()
    lab.page.screenshot(path=str(lab.out / "shapes-menu.png"))
    toolbar = root.locator(".nbannot-toolbar")
    assert toolbar.evaluate("el => el.scrollWidth <= el.clientWidth")
    box = menu.bounding_box()
    assert box is not None and box["width"] <= width
    for one in menu.locator("button").all():
        size = one.bounding_box()
        assert size is not None and size["height"] >= 24
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Enter")
    lab.until(lambda: root.get_attribute("data-nbannot-tool") != "crosshair", "a tool is chosen")


def place_in(lab: Lab, name: str) -> list[float]:
    """Where a view lies in its viewer, and its size."""
    place: list[float] = view(lab, name).evaluate(
        "v => { const [a, b] = [v, v.closest('[data-nbannot-root]')].map(e => e.getBoundingClientRect());"
        " return [a.x - b.x, a.y - b.y, a.width, a.height]; }"
    )
    return place


def test_several_shapes_move_together_and_are_filled_between(lab: Lab, shared_data: Path) -> None:
    shown(lab, shared_data)
    root = lab.output(0)
    place = place_in(lab, "axial")
    for tool, shows in (("brush", "options"), ("scissors", "options"), ("ruler", "tip"), ("select", "tip")):
        lab.run_python(f"viewer.tool = {tool!r}")
        root.locator(f'[data-nbannot-tool="{tool}"] [data-nbannot-paintbar="{shows}"]').wait_for()
        assert place_in(lab, "axial") == place, "the picture stands still"
    at = Plane(lab, "axial")
    x, y = at.size[0] / 2, at.size[1] / 2
    outline = [(x - 40, y - 40), (x + 40, y - 40), (x + 40, y + 40), (x - 40, y + 40)]
    lab.run_python(
        f"square = np.array({at.world(*outline).tolist()}); up = 4 * ct.geometry.affine[:3, 0]\n"
        "made = [nb.Shape('polygon', 'lesion', tuple(map(tuple, square + n * up))) for n in (0, 1)]\n"
        "made.append(nb.Shape('points', 'node', (tuple(square[0] + 20),)))\n"
        "made.append(nb.Box('node', ((80, 90, 90), (80, 120, 120))))\n"
        "for one in made: viewer.document.add(one)\n"
        "viewer.view = {**viewer.view, 'selected': [made[0].id, made[3].id]}; steps = len(viewer.document.history)"
    )
    root.locator("path.nbannot-shape-selected").first.wait_for(state="attached")
    at.drag((x - 40, y), (x - 30, y + 10), (x - 20, y + 20))
    settles(lab, 0, at.world(*[(a + 20, b + 20) for a, b in outline]))
    assert ask(lab, "len(viewer.document.history) - steps") == 1
    box = ask(lab, "[list(corner) for corner in viewer.document.boxes[made[3].id].index]")
    by = 20 * MM / ask(lab, "list(ct.geometry.spacing)")[1]
    assert np.allclose(box, [[80, 90 + by, 90 + by], [80, 120 + by, 120 + by]], atol=1)
    at.move((x, y))
    at.key("Control+Z")
    settles(lab, 0, at.world(*outline))
    operations_on_outlines_are_looked_at_first(lab, at, (x - 40, y))


def operations_on_outlines_are_looked_at_first(lab: Lab, at: Plane, line: Px) -> None:
    """Fill between slices, into the mask, and outline the mask, from the menus; `line`: px on an outline."""
    root = lab.output(0)
    lab.page.mouse.click(*at.page(line), button="right")
    root.locator('[data-nbannot-item="between"]').click()
    # Looked at first: dashed, in no document and no history; Escape leaves nothing, Enter makes one step of it.
    status = root.locator('[data-nbannot-live="operations"] [data-nbannot-status="ready"]')
    status.get_by_text("Fill between slices: +3 polygons on 3 slices").wait_for()
    steps = ask(lab, "[len(viewer.document.history), len(viewer.document.shapes)]")
    lab.run_python("viewer.goto(index=(82, 250, 260))")
    root.locator("path.nbannot-shape-coming").wait_for(state="attached")
    lab.screenshot("outlines-preview", element=root)
    lab.run_python("viewer.goto(index=(80, 250, 260))")
    root.locator("path.nbannot-shape-coming").wait_for(state="detached")
    at.move(line)
    at.key("Escape")
    root.locator("[data-nbannot-dock]").wait_for(state="hidden")
    assert ask(lab, "[len(viewer.document.history), len(viewer.document.shapes)]") == steps
    lab.page.mouse.click(*at.page(line), button="right")
    root.locator('[data-nbannot-item="between"]').click()
    status.wait_for()
    at.key("Enter")
    root.locator(".nbannot-toast").get_by_text("Filled between").wait_for()
    assert ask(lab, "len(viewer.document.history)") == steps[0] + 1
    slices = (
        "[round(4 * (s.points[0][2] - square[0, 2]) / up[2]) for s in viewer.document.shapes if s.closed]"
    )
    until_equal(lab, f"sorted({slices})", [0, 1, 2, 3, 4])
    at.move((line[0] + 40, line[1]))
    at.key("Control+Z")
    until_equal(lab, "len(viewer.document.shapes)", 3)
    # Into the mask, and outlines of the mask on its slices.
    lab.page.mouse.click(*at.page(line), button="right")
    root.locator('[data-nbannot-item="fill"]').click()
    status.get_by_text("Fill into mask: lesion +").wait_for()
    lab.screenshot("outlines-fill", element=root)
    assert not ask(lab, "bool(viewer.document.masks['lesion'].array.any())")
    root.locator('[data-nbannot-action="operation.apply"]').click()
    root.locator(".nbannot-toast").get_by_text("Filled into the mask").wait_for()
    last = "viewer.document.history[-1]"
    until_equal(lab, f"[{last}.tool, {last}.origin]", ["op:fill_shapes", "hand"])
    lab.run_python("viewer.view = {**viewer.view, 'panel': True}")
    root.locator("[data-nbannot-label] .nbannot-name").first.click(button="right")
    root.locator('[data-nbannot-item="outlines"]').click()
    status.get_by_text("Outlines of the slices: +").wait_for()
    root.locator('[data-nbannot-action="operation.apply"]').click()
    root.locator(".nbannot-toast").get_by_text("are on its slices").wait_for()
    until_equal(lab, "len(viewer.document.shapes)", 4)

"""Segmentation tools with mouse and keyboard on a real CT, against numpy and SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import CDPSession, Locator

from browser.lab import Lab
from browser.test_viewer import PLAIN, ask, hover, ready, show, until_equal, view

CT = """
import json, warnings, numpy as np, nbannot as nb
from scipy import ndimage
from scipy.spatial.transform import Rotation
warnings.simplefilter("ignore")
whole = nb.read({folder!r})
affine = whole.geometry.affine.copy()
affine[:3, 3] = whole.geometry.to_world([40, 156, 156])
block = np.asarray(whole.array)[40:80, 156:356, 156:356].copy()
ct = nb.Image(block, nb.Geometry(affine, block.shape), modality="CT", unit="HU", name="chest")
viewer = nb.Viewer(ct, labels=["tumour", "organ"], height=620)
zoom = 1.1
viewer.goto(index=[n // 2 for n in ct.shape])
viewer.view = {{**viewer.view, "zoom": {{one: zoom for one in ("axial", "coronal", "sagittal")}}, "size_mm": 42}}
viewer
"""

# What the tools should do, by the world position of every voxel.
REFERENCE = """
g = ct.geometry
hounsfield = block
tumour, organ = (viewer.document.masks[name] for name in ("tumour", "organ"))
index = np.indices(ct.shape).reshape(3, -1).T
world = g.to_world(index)
middle = g.to_world([(n - 1) / 2 for n in ct.shape])
SCREEN = {"axial": ((1, 0, 0), (0, 1, 0)), "coronal": ((1, 0, 0), (0, 0, -1)), "sagittal": ((0, 1, 0), (0, 0, -1))}
AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}
slices = [n // 2 for n in ct.shape]

def at(view, mm):
    "World of a place in a view, mm right and down of its middle."
    right, down = np.array(SCREEN[view], float)
    index = (np.array(ct.shape) - 1) / 2
    index[AXIS[view]] = slices[AXIS[view]]
    return g.to_world(index) + right * mm[0] + down * mm[1]

def along(points, a, b):
    "Distance of points from the line a-b."
    d = b - a
    t = np.clip((points - a) @ d / max(d @ d, 1e-12), 0, 1)
    return np.linalg.norm(points - a - t[:, None] * d, axis=1)

def on(view):
    return (index[:, AXIS[view]] == slices[AXIS[view]]).reshape(ct.shape)

def tube(view, a, b, radius):
    return (along(world, at(view, a), at(view, b)) <= radius).reshape(ct.shape)

def inside(view, outline):
    "Even-odd, voxel by voxel."
    right, down = np.array(SCREEN[view], float)
    x, y = (world - at(view, (0, 0))) @ right, (world - at(view, (0, 0))) @ down
    odd = np.zeros(len(world), bool)
    for (x1, y1), (x2, y2) in zip(outline, outline[1:] + outline[:1]):
        if y1 != y2:
            odd ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return odd.reshape(ct.shape)

def same(mask, wanted):
    "Voxels that differ, and voxels that should be there."
    return [int((np.asarray(mask.array > 0) != wanted).sum()), int(wanted.sum())]

def joined(view, mm, low, high):
    "What is 4-connected to a place on its slice, and from low to high."
    k, j, i = np.round(g.to_index(at(view, mm))).astype(int)
    place, axis = (k, j, i), AXIS[view]
    flat = np.take(hounsfield, place[axis], axis)
    parts, _ = ndimage.label((flat >= low) & (flat <= high))
    here = parts == parts[tuple(n for m, n in enumerate(place) if m != axis)]
    out = np.zeros(ct.shape, bool)
    out[tuple(place[axis] if m == axis else slice(None) for m in range(3))] = here
    return out

def alike(mm, radius, tolerance):
    "What the adaptive brush paints at a press: joined to its middle, and like the 3 x 3 voxels there."
    k, j, i = np.round(g.to_index(at("axial", mm))).astype(int)
    mean = hounsfield[k, j - 1 : j + 2, i - 1 : i + 2].mean()
    may = tube("axial", mm, mm, radius)[k] & (abs(hounsfield[k] - mean) <= tolerance)
    parts, _ = ndimage.label(may)
    out = np.zeros(ct.shape, bool)
    out[k] = parts == parts[j, i]
    return out
0
"""
MM_PER_PX = 1.1


class Mouse:
    """Places in a view in px from its middle: whole numbers, so that mm are exact."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.mouse = lab.page.mouse
        self.view = view(lab, name)
        self.middle = (0.0, 0.0)

    def look(self) -> None:
        """Find the view on the page: the row of options and the notebook move it."""
        self.view.scroll_into_view_if_needed()
        box = self.view.bounding_box()
        assert box is not None
        self.middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def place(self, px: tuple[int, int]) -> tuple[float, float]:
        """The place on the page."""
        return (round(self.middle[0] + px[0]), round(self.middle[1] + px[1]))

    def mm(self, px: tuple[int, int]) -> tuple[float, float]:
        """The place in mm of the plane: right and down of its middle."""
        x, y = self.place(px)
        return ((x - self.middle[0]) * MM_PER_PX, (y - self.middle[1]) * MM_PER_PX)

    def drag(self, *way: tuple[int, int]) -> list[tuple[float, float]]:
        """Drag along a way; returns it in mm."""
        self.look()
        self.mouse.move(*self.place(way[0]))
        self.mouse.down()
        for stop in way[1:]:
            self.mouse.move(*self.place(stop))
        self.mouse.up()
        return [self.mm(one) for one in way]

    def click(self, *places: tuple[int, int]) -> list[tuple[float, float]]:
        """Click at places, one after the other; returns them in mm."""
        self.look()
        for one in places:
            self.mouse.click(*self.place(one))
        return [self.mm(one) for one in places]


def option(root: Locator, name: str) -> Locator:
    """A control of the row of options."""
    return root.locator(f'[data-nbannot-rule="{name}"]')


def until_same(lab: Lab, mask: str, wanted: str) -> None:
    """A mask becomes exactly what an expression of the reference says, which is not nothing."""
    found: list[int] = []

    def equal() -> bool:
        found[:] = ask(lab, f"same({mask}, {wanted})")
        return found[0] == 0 and found[1] > 20

    lab.until(equal, f"{mask} == {wanted}", timeout=20)


@pytest.fixture
def root(lab: Lab, shared_data: Path) -> Locator:
    """A CT in three planes, and the reference in the kernel."""
    lab.open_notebook([CT.format(folder=str(shared_data / "petct_acrin042" / "ct")), REFERENCE, "0"])
    lab.run_cell(0)
    lab.run_cell(1)
    found = ready(lab)
    found.scroll_into_view_if_needed()
    return found


def undo(lab: Lab) -> None:
    """Take the last gesture back, and see that nothing is left."""
    hover(lab, "axial")
    lab.page.keyboard.press("Control+z")
    until_equal(lab, "int(tumour.array.any())", 0)
    hover(lab, "axial")


def test_brushes(lab: Lab, root: Locator) -> None:
    axial, coronal = Mouse(lab, "axial"), Mouse(lab, "coronal")
    hover(lab, "axial")
    lab.page.keyboard.press("b")
    option(root, "size").wait_for()
    # A ball in space: the ring of the other views is where it cuts them.
    lab.page.keyboard.press("Shift+B")
    a, b = axial.drag((-20, -10), (30, -10))
    until_same(lab, "tumour", f"tube('axial', {a}, {b}, 21)")
    axial.drag((30, -10))
    ring = view(lab, "coronal").locator(".nbannot-ring circle").last
    off = ask(lab, f"float(abs((at('axial', {b}) - at('coronal', (0, 0)))[1]))")
    assert float(ring.get_attribute("r") or 0) == pytest.approx((21**2 - off**2) ** 0.5 / MM_PER_PX, abs=0.1)
    assert ask(lab, "len(viewer.document.history)") == 1
    lab.screenshot("segment-ball", element=root)
    undo(lab)
    # A disc on one coronal slice, kept to a range typed into the row of options.
    lab.page.keyboard.press("Shift+B")
    option(root, "range").click()
    option(root, "low").fill("-150")
    option(root, "high").fill("60")
    option(root, "high").press("Enter")
    a, b = coronal.drag((10, -20), (10, 40))
    gated = "(hounsfield >= -150) & (hounsfield <= 60)"
    until_same(lab, "tumour", f"tube('coronal', {a}, {b}, 21) & on('coronal') & {gated}")
    lab.screenshot("segment-gated", element=root)
    # The eraser while its key is held; then the brush is back.
    hover(lab, "coronal")
    lab.page.keyboard.down("e")
    coronal.drag((10, -20), (10, 10))
    c = coronal.mm((10, 10))
    lab.page.keyboard.up("e")
    until_same(
        lab,
        "tumour",
        f"tube('coronal', {a}, {b}, 21) & on('coronal') & {gated} & ~tube('coronal', {a}, {c}, 21)",
    )
    until_equal(lab, "viewer.tool", "brush")
    # Another label takes voxels from the first, in one step.
    hover(lab, "coronal")
    lab.page.keyboard.press("2")
    lab.page.keyboard.press("]")
    coronal.drag((10, 30), (10, 30))
    d = coronal.mm((10, 30))
    size = ask(lab, "viewer.view['size_mm']") / 2
    until_same(lab, "organ", f"tube('coronal', {d}, {d}, {size}) & on('coronal') & {gated}")
    assert ask(lab, "int(((tumour.array > 0) & (organ.array > 0)).sum())") == 0
    assert ask(lab, "[type(one).__name__ for one in viewer.document.history][-1]") == "Batch"
    # A hidden label says why it cannot be painted.
    lab.run_python("viewer.view = {**viewer.view, 'hidden': [viewer.document.labels['organ'].id]}")
    coronal.drag((0, 0), (0, 5))
    root.locator(".nbannot-toast").get_by_text("hidden").wait_for()


def test_scissors_and_fill(lab: Lab, root: Locator) -> None:
    axial, sagittal = Mouse(lab, "axial"), Mouse(lab, "sagittal")
    hover(lab, "axial")
    lab.page.keyboard.press("s")
    corners = [(-50, -40), (60, -30), (10, 5), (40, 50), (-45, 38)]
    root.locator('[data-nbannot-outline="polygon"]').click()
    outline = axial.click(*corners, (70, 70))
    lab.screenshot("segment-polygon", element=root)
    lab.page.keyboard.press("Backspace")
    lab.page.keyboard.press("Enter")
    until_same(lab, "tumour", f"inside('axial', {outline[:-1]}) & on('axial')")
    undo(lab)
    option(root, "through").click()
    axial.click(*corners[:-1])
    axial.mouse.dblclick(*axial.place(corners[-1]))
    until_same(lab, "tumour", f"inside('axial', {outline[:-1]})")
    # Erase what is outside of a rectangle, through the volume, and what is inside of a circle on one slice.
    root.locator('[data-nbannot-outline="rectangle"]').click()
    option(root, "scissors").select_option("erase-outside")
    (x1, y1), (x2, y2) = sagittal.drag((-40, -60), (30, 50))
    box = f"inside('sagittal', [({x1}, {y1}), ({x2}, {y1}), ({x2}, {y2}), ({x1}, {y2})])"
    until_same(lab, "tumour", f"inside('axial', {outline[:-1]}) & {box}")
    option(root, "through").click()
    option(root, "scissors").select_option("erase-inside")
    root.locator('[data-nbannot-outline="circle"]').click()
    a, b = axial.drag((0, 0), (20, 0))
    hole = f"(tube('axial', {a}, {a}, {b[0] - a[0]}) & on('axial'))"
    until_same(lab, "tumour", f"inside('axial', {outline[:-1]}) & {box} & ~{hole}")
    lab.screenshot("segment-scissors", element=root)
    lab.run_python("tumour[...] = 0")
    # A lasso that crosses itself is filled by the even-odd rule, and says so.
    root.locator('[data-nbannot-outline="lasso"]').click()
    option(root, "scissors").select_option("fill")
    bow = axial.drag((-41, -38), (37, 43), (45, -36), (-39, 41))
    root.locator(".nbannot-toast").get_by_text("even-odd").wait_for()
    until_same(lab, "tumour", f"inside('axial', {bow}) & on('axial')")
    undo(lab)
    lab.page.keyboard.press("y")
    option(root, "tolerance").fill("90")
    option(root, "tolerance").press("Enter")
    (place,) = axial.click((0, -10))
    k, j, i = ask(lab, f"[int(n) for n in np.round(g.to_index(at('axial', {place})))]")
    value = ask(lab, f"int(hounsfield[{k}, {j}, {i}])")
    until_same(lab, "tumour", f"joined('axial', {place}, {value - 90}, {value + 90})")
    lab.screenshot("segment-fill", element=root)


def test_rules_wheel_pen_and_fingers(lab: Lab, root: Locator) -> None:
    axial = Mouse(lab, "axial")
    # Whole px in the middle: what CDP is told is what the mouse would be.
    axial.look()
    cdp = lab.page.context.new_cdp_session(lab.page)
    hover(lab, "axial")
    lab.page.keyboard.press("b")
    # Shift and the wheel: a tenth more or less for each notch.
    option(root, "size").wait_for()
    lab.page.keyboard.down("Shift")
    lab.page.mouse.wheel(0, -120)
    until_equal(lab, "round(viewer.view['size_mm'], 3)", 46.2)
    lab.page.mouse.wheel(0, 120)
    lab.page.keyboard.up("Shift")
    until_equal(lab, "round(viewer.view['size_mm'], 3)", 42)
    # A pen pressed by half paints with 5/8 of the size.
    axial.look()
    x, y = axial.place((4, -6))
    press = {"x": x, "y": y, "button": "left", "pointerType": "pen", "force": 0.5, "clickCount": 1}
    cdp.send("Input.dispatchMouseEvent", {"type": "mousePressed", **press})
    cdp.send("Input.dispatchMouseEvent", {"type": "mouseReleased", **press})
    pen = axial.mm((4, -6))
    until_same(lab, "tumour", f"tube('axial', {pen}, {pen}, {21 * 0.625}) & on('axial')")
    undo(lab)
    # The adaptive brush.
    option(root, "adaptive").click()
    option(root, "tolerance").fill("60")
    option(root, "tolerance").press("Enter")
    (place,) = axial.click((30, 8))
    until_same(lab, "tumour", f"alike({place}, 21, 60)")
    lab.screenshot("segment-adaptive", element=root)
    undo(lab)
    option(root, "adaptive").click()
    areas(lab, root, axial)
    fingers(lab, root, axial, cdp)


def areas(lab: Lab, root: Locator, axial: Mouse) -> None:
    """Where the brush may paint, and which segments lose voxels to it."""
    # Only inside another segment; then only outside of all others.
    lab.run_python("organ[..., :100] = 1")
    area = option(root, "area")
    area.select_option(label="Inside organ")
    inside, outside = "(organ.array > 0)", "(organ.array == 0)"
    option(root, "overwrite").select_option("none")
    (place,) = axial.click((0, 0))
    disc = f"tube('axial', {place}, {place}, 21) & on('axial')"
    until_same(lab, "tumour", f"{disc} & {inside}")
    lab.run_python("tumour[...] = 0")
    area.select_option("outside")
    axial.click((0, 0))
    until_same(lab, "tumour", f"{disc} & {outside}")
    lab.run_python("tumour[...] = 0")
    # A hidden segment keeps its voxels where only visible ones are overwritten; then it does not.
    area.select_option("everywhere")
    lab.run_python("kept = organ.array.copy(); hide = [viewer.document.labels['organ'].id]")
    lab.run_python("viewer.view = {**viewer.view, 'hidden': hide}")
    option(root, "overwrite").select_option("visible")
    axial.click((0, 0))
    until_same(lab, "tumour", disc)
    assert ask(lab, "bool((organ.array == kept).all())")
    lab.run_python("tumour[...] = 0")
    option(root, "overwrite").select_option("all")
    axial.click((0, 0))
    until_same(lab, "tumour", disc)
    until_equal(lab, f"bool((organ.array == (kept & ~({disc}))).all())", True)
    lab.run_python("tumour[...] = 0; organ[...] = 0; viewer.view = {**viewer.view, 'hidden': []}")


def fingers(lab: Lab, root: Locator, axial: Mouse, cdp: CDPSession) -> None:
    """Tap the corners of a polygon; between them two fingers move the picture, and the outline stays."""

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    hover(lab, "axial")
    lab.page.keyboard.press("s")
    root.locator('[data-nbannot-outline="polygon"]').click()
    axial.look()
    corners = [(-50, -40), (60, -30), (45, 50), (-45, 38)]
    for n, corner in enumerate(corners):
        touch("touchStart", axial.place(corner))
        touch("touchEnd")
        if n == 1:
            # Both fingers go the same way and back again.
            one, two = axial.place((-30, 0)), axial.place((30, 0))
            touch("touchStart", one)
            touch("touchStart", one, two)
            for step in (10, 20, 10, 0):
                touch("touchMove", (one[0] + step, one[1]), (two[0] + step, two[1]))
            touch("touchEnd", one)
            touch("touchEnd")
    hover(lab, "axial")
    lab.page.keyboard.press("Enter")
    outline = [axial.mm(corner) for corner in corners]
    # The picture is back but for some px: without the first corners there would be nothing, without one a triangle.
    wanted = f"(inside('axial', {outline}) & on('axial'))"
    both = f"int(((tumour.array > 0) & {wanted}).sum())"
    until_equal(lab, f"2 * {both} > 0.9 * (int((tumour.array > 0).sum()) + int({wanted}.sum()))", True)
    lab.screenshot("segment-fingers", element=root)
    undo(lab)


def test_painting_on_a_free_plane(lab: Lab, root: Locator) -> None:
    lab.run_python("viewer.view = {**viewer.view, 'rotation': [0.2, 0.1, 0.05, 0.973], 'tool': 'brush'}")
    axial = Mouse(lab, "axial")
    a, b = axial.drag((-20, 10), (35, 10))
    lab.run_python(
        """
turn = Rotation.from_quat([0.2, 0.1, 0.05, 0.973])
normal = turn.apply([0, 0, 1.0])
axis = np.cross([0, 0, 1.0], normal)
swing = Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.arccos(normal[2]))
right, down = swing.apply([1.0, 0, 0]), swing.apply([0, 1.0, 0])
through = np.array(viewer.cursor if viewer.cursor else g.to_world(slices))
centre = middle + normal * ((through - middle) @ normal)
steps = np.stack([g.to_world(np.eye(3)[n]) - g.to_world([0, 0, 0]) for n in range(3)])
half = np.abs(steps @ normal).sum() / 2
off = (world - centre) @ normal
flat = world - off[:, None] * normal
def free(a, b, radius):
    a, b = (centre + right * p[0] + down * p[1] for p in (a, b))
    return ((along(flat, a, b) <= radius) & (np.abs(off) <= half)).reshape(ct.shape)
def poured(mm, tolerance):
    "What the plane cuts, is joined there over faces to the voxel at a place, and about as bright."
    k, j, i = np.round(g.to_index(centre + right * mm[0] + down * mm[1])).astype(int)
    alike = np.abs(hounsfield.astype(int) - int(hounsfield[k, j, i])) <= tolerance
    parts, _ = ndimage.label(alike & (np.abs(off) <= half * (1 + 1e-9)).reshape(ct.shape))
    return parts == parts[k, j, i]
0"""
    )
    until_same(lab, "tumour", f"free({a}, {b}, 21)")
    lab.screenshot("segment-free", element=root)
    undo(lab)
    lab.run_python("viewer.view = {**viewer.view, 'tool': 'fill', 'rules': {'tolerance': 60}}")
    [place] = axial.click((-20, 10))
    until_same(lab, "tumour", f"poured({place}, 60)")
    lab.screenshot("segment-free-fill", element=root)


MANY = """
import dataclasses
from nbannot.model.edits import Put
from nbannot.model.masks import Segment
names = {n: f"part {n}" for n in range(1, 256)}
parts = nb.Mask("parts", image, segments=names)
labels = [nb.Label(f"part {n}", color="#00c800" if n == 300 else "#c80000") for n in range(1, 301)]
viewer = nb.Viewer(image, labels=labels, masks=[parts], height=500, backend="BACKEND", layout="axial")
viewer.goto(index=(13, 20, 26))
parts = viewer.document.masks["parts"]
viewer
"""
MORE = """
parts[13, 18:22, 24:28] = 44
more = (*parts.segments, *(Segment(n, f"part {n}") for n in range(256, 301)))
viewer.document.apply(Put(dataclasses.replace(parts.info, segments=more)))
last = viewer.document.labels["part 300"].id
viewer.view = {**viewer.view, "label": last, "tool": "brush", "size_mm": 6, "opacity": 1.0}
"""


@pytest.mark.parametrize("backend", ["cpu", "webgl2"])
def test_more_than_255_segments(lab: Lab, backend: str) -> None:
    show(lab, [PLAIN.rsplit("viewer = ", 1)[0] + MANY.replace("BACKEND", backend)])
    # The 256th segment makes the mask one of 16 bits; what it held stays.
    lab.run_python(MORE)
    until_equal(lab, "str(parts.array.dtype)", "uint16")
    axial = Mouse(lab, "axial")
    axial.drag((60, 60), (100, 60))
    until_equal(lab, "int(parts.array.max())", 300)
    assert ask(lab, "[int((parts.array == n).sum()) for n in (44, 300 - 256)]") == [16, 16]

    def shown() -> set[tuple[int, ...]]:
        pixels = lab.canvas_pixels(view(lab, "axial").locator("canvas"))[..., :3]
        return {tuple(int(n) for n in one) for one in np.unique(pixels.reshape(-1, 3), axis=0)}

    lab.until(lambda: {(200, 0, 0), (0, 200, 0)} <= shown(), "both segments in their colours")
    axial.drag((60, 60), (60, 60))
    lab.page.keyboard.press("Control+z")
    until_equal(lab, "sorted(int(n) for n in np.unique(parts.array))", [0, 44])

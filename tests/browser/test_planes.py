"""Free planes, slabs, turned pictures and the magnifier in JupyterLab, against SciPy and numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from browser.lab import Lab
from browser.test_viewer import (
    GRIDS,
    IMAGE,
    PLAIN,
    SCREEN,
    ask,
    drag,
    hover,
    show,
    slice_of,
    until_equal,
    view,
)

VIEWS = ("axial", "coronal", "sagittal")
SHEARED = ("[[0, 0, 0.9], [0.8, 0.9, 0], [2.5, 0, 0]]", (0, 0, 0))
FREE = {"oblique": GRIDS["oblique"], "sheared": SHEARED, "flipped": GRIDS["flipped"]}


def shortest(start: npt.NDArray[Any], end: npt.NDArray[Any]) -> Rotation:
    """The rotation of least angle that takes one unit vector to another."""
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis)
    if sine < 1e-12:
        return Rotation.identity()
    return Rotation.from_rotvec(axis / sine * np.arctan2(sine, start @ end))


def directions(name: str, rotation: Rotation) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Right and down (LPS) of a turned plane."""
    right, down = (np.array(d, float) for d in SCREEN[name])
    upright = np.cross(right, down)
    swing = shortest(upright, rotation.apply(upright))
    return swing.apply(right), swing.apply(down)


def resampled(
    array: npt.NDArray[Any],
    affine: npt.NDArray[Any],
    at: npt.NDArray[Any],
    mm: float,
    size: tuple[int, int],
    u: npt.NDArray[Any],
    v: npt.NDArray[Any],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Grey levels of the plane through `at` (world) that is centred on the volume, and what lies inside."""
    middle = affine[:3, :3] @ ((np.array(array.shape) - 1) / 2) + affine[:3, 3]
    normal = np.cross(u, v)
    center = middle + normal * ((at - middle) @ normal)
    rows, columns = size
    y, x = np.mgrid[:rows, :columns]
    world = (
        center + ((x + 0.5 - columns / 2) * mm)[..., None] * u + ((y + 0.5 - rows / 2) * mm)[..., None] * v
    )
    index = (world - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    inside = ((index > 0.01) & (index < np.array(array.shape) - 1.01)).all(axis=-1)
    values = map_coordinates(array.astype(float), np.moveaxis(index, -1, 0), order=1, mode="nearest")
    return np.clip((values + 450) / 900 * 255, 0, 255), inside


def assert_free_planes(lab: Lab, rotation: Rotation, names: tuple[str, ...] = VIEWS) -> None:
    """Each canvas equals the plane that SciPy gives; tolerance 1 grey level."""
    array, affine = np.array(ask(lab, "array.tolist()")), np.array(ask(lab, "affine.tolist()"))
    at = np.array(ask(lab, "list(viewer.cursor)"))
    for name in names:
        pixels = lab.canvas_pixels(view(lab, name).locator("canvas"))
        wanted, inside = resampled(array, affine, at, 0.1, pixels.shape[:2], *directions(name, rotation))
        assert inside.mean() > 0.1, "too little of the picture is compared"
        assert (pixels[..., 3][inside] == 255).all()
        assert np.abs(pixels[..., 0].astype(float) - wanted)[inside].max() <= 1.01, name


@pytest.mark.parametrize("backend", ["cpu", "webgl2"])
@pytest.mark.parametrize("grid", list(FREE))
def test_free_planes_equal_scipy(lab: Lab, grid: str, backend: str) -> None:
    steps, angles = FREE[grid]
    show(lab, [IMAGE.format(steps=steps, angles=angles, backend=backend)])
    rotation = Rotation.from_euler("xyz", (17, -23, 11), degrees=True)
    turn = [float(x) for x in rotation.as_quat()]
    lab.run_python(
        f"viewer.view = {{**viewer.view, 'rotation': {turn}, "
        "'zoom': {'axial': .1, 'coronal': .1, 'sagittal': .1}}"
    )
    lab.still()
    assert_free_planes(lab, rotation)


def test_the_line_of_a_plane_turns_it(lab: Lab) -> None:
    show(lab, [PLAIN])
    lab.run_python(
        "viewer.goto(index=(13, 22, 25)); viewer.view = {**viewer.view, "
        "'zoom': {'axial': .1, 'coronal': .1, 'sagittal': .1}}"
    )
    lab.still()
    view(lab, "axial").scroll_into_view_if_needed()
    box = view(lab, "axial").bounding_box()
    assert box is not None
    cross = view(lab, "axial").evaluate(
        "(el) => [...el.querySelectorAll('.nbannot-handles circle')].slice(0, 2)"
        ".map((c) => [Number(c.getAttribute('cx')), Number(c.getAttribute('cy'))])"
    )
    center = np.mean(cross, axis=0)
    arm = np.array(cross[0]) - center
    angle = np.deg2rad(30)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ arm + center
    mouse = lab.page.mouse
    mouse.move(box["x"] + cross[0][0], box["y"] + cross[0][1])
    mouse.down()
    mouse.move(box["x"] + turned[0], box["y"] + turned[1], steps=10)
    mouse.up()
    lab.until(lambda: bool(ask(lab, "viewer.view.get('rotation')")), "Python knows the turn")
    rotation = Rotation.from_quat(ask(lab, "list(viewer.view['rotation'])"))
    # clockwise on the axial screen is from right to down: about +z in LPS
    assert np.allclose(rotation.as_rotvec(degrees=True), (0, 0, 30), atol=0.7)
    assert_free_planes(lab, rotation)
    hover(lab, "coronal")
    lab.page.keyboard.press("a")
    until_equal(lab, "viewer.view.get('rotation')", None)


def test_a_box_on_a_turned_plane_holds_the_rectangle_that_was_drawn(lab: Lab) -> None:
    show(lab, [PLAIN])
    lab.run_python("viewer.view = {**viewer.view, 'rotation': [0.1, 0, 0, 0.995]}")
    hover(lab, "axial")
    lab.page.keyboard.press("x")
    drag(lab, "axial", (0.45, 0.45), (0.55, 0.55))
    until_equal(lab, "len(viewer.document.boxes)", 1)
    low, high = np.array(ask(lab, "[list(end) for end in next(iter(viewer.document.boxes)).index]"))
    shape = np.array(ask(lab, "list(array.shape)"))
    assert ask(lab, "viewer.document.revision") == 1
    assert (high - low >= 0.99).all()
    assert ((low >= -0.51) & (high <= shape - 0.49)).all()
    # The plane is turned about x: the rectangle climbs through the slices as it goes down the picture.
    down = (high - low)[1] * 1.1
    assert np.isclose((high - low)[0] * 2.5, np.tan(2 * np.arctan2(0.1, 0.995)) * down, atol=2.6)


@pytest.mark.parametrize("backend", ["cpu", "webgl2"])
def test_slabs_equal_numpy(lab: Lab, backend: str) -> None:
    show(lab, [PLAIN.replace("backend='cpu'", f"backend={backend!r}")])
    thin = lab.canvas_pixels(view(lab, "axial").locator("canvas"))
    array = np.array(ask(lab, "array.tolist()")).astype(float)
    for mode, join in {"mip": np.max, "minip": np.min, "mean": np.mean}.items():
        lab.run_python(
            f"viewer.view = {{**viewer.view, 'interpolate': False, 'zoom': {{'axial': .1}}, "
            f"'slabs': {{'axial': {{'mode': {mode!r}, 'mm': 12.5}}}}}}"
        )
        lab.still()
        pixels = lab.canvas_pixels(view(lab, "axial").locator("canvas"))
        slab = join(array[11:16], axis=0)  # 12.5 mm are five slices of 2.5 mm about slice 13
        rows, columns = pixels.shape[:2]
        y, x = np.mgrid[:rows, :columns]
        j = ((y + 0.5 - rows / 2) * 0.1) / 1.1 + (array.shape[1] - 1) / 2
        i = ((x + 0.5 - columns / 2) * 0.1) / 0.9 + (array.shape[2] - 1) / 2
        away = (np.abs(j - np.floor(j) - 0.5) > 0.02) & (np.abs(i - np.floor(i) - 0.5) > 0.02)
        inside = (j > -0.4) & (j < array.shape[1] - 0.6) & (i > -0.4) & (i < array.shape[2] - 0.6) & away
        wanted = slab[
            np.clip(np.rint(j), 0, array.shape[1] - 1).astype(int),
            np.clip(np.rint(i), 0, array.shape[2] - 1).astype(int),
        ]
        grey = np.clip((wanted + 450) / 900 * 255, 0, 255)
        assert inside.mean() > 0.15
        assert np.abs(pixels[..., 0].astype(float) - grey)[inside].max() <= 1.01, mode
        assert (pixels != thin).any()


def test_keys_change_the_slab(lab: Lab) -> None:
    show(lab, [PLAIN])
    hover(lab, "axial")
    lab.page.keyboard.press("t")
    until_equal(lab, "dict(viewer.view['slabs'].get('axial', {})).get('mode')", "mip")
    hover(lab, "axial")
    lab.page.keyboard.press("}")
    until_equal(lab, "viewer.view['slabs']['axial']['mm']", 12.5)
    hover(lab, "axial")
    for _ in range(3):
        lab.page.keyboard.press("t")
    until_equal(lab, "viewer.view['slabs']", {})


def test_a_picture_is_turned_and_mirrored(lab: Lab) -> None:
    root = show(lab, [PLAIN])
    lab.run_python("viewer.view = {**viewer.view, 'layout': 'axial', 'zoom': {'axial': .1}, 'height': 600}")
    lab.still()
    canvas = view(lab, "axial").locator("canvas")
    upright = lab.canvas_pixels(canvas)[..., 0].astype(int)
    edges = [root.locator(f".nbannot-edge-{side}").first.text_content() for side in "wens"]
    assert edges == ["R", "L", "A", "P"]
    hover(lab, "axial")
    lab.page.keyboard.press("Shift+F")
    until_equal(lab, "viewer.view['turns']['axial']['flip']", True)
    lab.run_python("viewer.view = {**viewer.view, 'zoom': {'axial': .1}}")
    lab.still()
    mirrored = lab.canvas_pixels(canvas)[..., 0].astype(int)
    assert np.abs(mirrored - upright[:, ::-1]).mean() < 1
    assert [root.locator(f".nbannot-edge-{side}").first.text_content() for side in "we"] == ["L", "R"]
    hover(lab, "axial")
    lab.page.keyboard.press("Shift+R")
    lab.run_python("viewer.view = {**viewer.view, 'zoom': {'axial': .1}}")
    lab.still()
    turned = lab.canvas_pixels(canvas)[..., 0].astype(int)
    wanted = np.rot90(mirrored, -1)
    h, w = (min(a, b) for a, b in zip(turned.shape, wanted.shape, strict=True))

    def middle(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        top, left = ((n - m) // 2 for n, m in zip(picture.shape, (h, w), strict=True))
        return picture[top : top + h, left : left + w]

    assert np.abs(middle(turned) - middle(wanted)).mean() < 3
    assert (middle(wanted) > 0).mean() > 0.1


def test_the_magnifier_shows_what_lies_below_it(lab: Lab) -> None:
    show(lab, [PLAIN])
    lab.run_python("viewer.view = {**viewer.view, 'interpolate': False}")
    hover(lab, "axial")
    lab.page.keyboard.press("g")
    box = view(lab, "axial").bounding_box()
    assert box is not None
    at = (round(box["width"] * 0.45), round(box["height"] * 0.55))
    lab.page.mouse.move(box["x"] + at[0], box["y"] + at[1])
    glass = view(lab, "axial").locator(".nbannot-glass canvas")
    glass.wait_for()
    under = lab.canvas_pixels(view(lab, "axial").locator("canvas.nbannot-canvas"))
    large = lab.canvas_pixels(glass)
    center = large[large.shape[0] // 2, large.shape[1] // 2, 0]
    assert int(center) in under[at[1] - 1 : at[1] + 2, at[0] - 1 : at[0] + 2, 0].astype(int)
    assert len(np.unique(large[..., 0])) > 3
    assert slice_of(lab, "axial") == 13
    lab.page.keyboard.press("c")
    glass.wait_for(state="detached")

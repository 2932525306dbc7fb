"""Where images are shown: layouts, menus of panes, thumbnails, links and reference lines."""

from __future__ import annotations

import re

import numpy as np
import pytest

from browser.lab import Lab
from browser.places_help import (
    Array,
    centre_of,
    drag_onto,
    image_of,
    middle,
    pair,
    pane,
    panes,
    pixels_to_world,
    sampled,
    window,
)  # fmt: skip
from browser.test_viewer import ask, hover, ready, show, slice_of, until_equal

MM = 0.15
ZOOM = "zoom={name: 0.15 for name in ('axial', 'axial-2', 'coronal', 'sagittal')}"


def shown(lab: Lab, name: str) -> Array:
    """Grey levels of a pane."""
    return lab.canvas_pixels(pane(lab, name).locator("canvas").first)[..., 0].astype(float)


def expected(
    lab: Lab, image: str, plane: str, axis: int, slice_: int, size: tuple[int, int]
) -> tuple[Array, Array]:
    """Grey levels that numpy gives for a slice of an image, fitted at `MM` per pixel, and where they count."""
    array, affine = image_of(lab, image)
    world = pixels_to_world(plane, size, MM, centre_of(array, affine, axis, slice_))
    values, inside = sampled(array, affine, world)
    return window(values), inside


def test_the_layout_menu_by_mouse_and_by_keyboard(lab: Lab) -> None:
    root = show(lab, [pair()])
    root.get_by_role("button", name="Layout").click()
    menu = root.get_by_role("dialog", name="Layout")
    assert menu.locator("svg rect").count() > 20
    lab.page.keyboard.press("Escape")
    assert menu.count() == 0
    root.get_by_role("button", name="Layout").click()
    lab.page.locator('[data-nbannot-grid="1x2"]').hover()
    assert menu.locator("[data-marked]").count() == 2
    lab.page.locator('[data-nbannot-grid="1x1"]').focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowLeft", "ArrowRight"):
        lab.page.keyboard.press(key)
    assert menu.locator("[data-marked]").count() == 4
    lab.page.keyboard.press("ArrowUp")
    lab.page.keyboard.press("Enter")
    until_equal(lab, "viewer.view['layout']", "compare-1x2")
    ready(lab)
    assert panes(lab) == [("axial", "axial"), ("axial-2", "axial")]


def test_the_menu_of_a_pane_chooses_plane_and_image(lab: Lab) -> None:
    root = show(lab, [pair(more="view(layout='compare-1x2')")])
    pane(lab, "axial-2").locator("[data-nbannot-pane-menu]").click()
    lab.page.locator('.nbannot-menu [data-nbannot-item="plane-coronal"]').click()
    until_equal(lab, "viewer.view['panes']", {"axial-2": {"plane": "coronal"}})
    pane(lab, "axial-2").locator("canvas").first.hover()
    lab.page.keyboard.press("Shift+F10")
    lab.page.locator('.nbannot-menu [data-nbannot-item^="image-"]').first.press("Enter")
    until_equal(lab, "grids[viewer.view['panes']['axial-2']['image']]", "one")
    assert pane(lab, "axial-2").get_attribute("data-nbannot-plane") == "coronal"
    lab.run_python(
        "view(layout={'row': [{'plane': 'axial'}, {'plane': 'axial', 'image': 'nowhere'}]}, panes={})"
    )
    problem = pane(lab, "axial-2").locator(".nbannot-problem")
    problem.wait_for()
    assert "not here" in problem.inner_text()
    assert pane(lab, "axial").get_attribute("data-nbannot-complete") == "true"
    pane(lab, "axial-2").locator("[data-nbannot-pane-menu]").click()
    lab.page.locator('.nbannot-menu [data-nbannot-item^="image-"]').nth(1).click()
    problem.wait_for(state="hidden")
    lab.run_python("view(layout='tumour board')")
    root.locator('[data-nbannot-error="LayoutError"]').wait_for()
    assert "tumour board" in root.locator('[data-nbannot-error="LayoutError"]').inner_text()
    assert ready(lab).get_attribute("data-nbannot-layout") == "mpr"


def test_a_thumbnail_dragged_onto_a_pane_is_shown_there(lab: Lab) -> None:
    root = show(lab, [pair()])
    lab.run_python(f"view({ZOOM}); viewer.goto(index=(13, 20, 16))")
    lab.still()
    before = shown(lab, "axial")
    drag_onto(lab, root.locator("[data-nbannot-thumb]").nth(1), pane(lab, "coronal"))
    until_equal(
        lab,
        "[grids[viewer.view['panes']['coronal']['image']], list(viewer.view['panes'])]",
        ["two", ["coronal"]],
    )
    assert root.locator(".nbannot-ghost").count() == 0
    # Where it lay before the picture changed, in mm.
    assert ask(lab, "abs(viewer.view['pan']['coronal'][0]) + abs(viewer.view['pan']['coronal'][1]) > 1")
    lab.run_python(f"view({ZOOM}, pan={{}})")
    lab.still()
    assert (shown(lab, "axial") == before).all()
    pixels = shown(lab, "coronal")
    y = ask(lab, "one.geometry.to_world((13, 20, 16))[1]")
    slice_ = ask(lab, f"round(two.geometry.to_index((0, {y}, 0))[1])")
    wanted, inside = expected(lab, "two", "coronal", 1, slice_, pixels.shape)
    assert inside.mean() > 0.1
    assert np.abs(pixels - wanted)[inside].max() <= 1.01


def test_thumbnails_by_keyboard_with_the_picture_of_the_middle_slice(lab: Lab) -> None:
    root = show(lab, [pair(more="view(layout='compare-1x2')")])
    strip = root.locator("[data-nbannot-thumbs]")
    assert strip.is_visible()
    assert root.locator("[data-nbannot-thumb]").all_inner_texts()[0].split("\n")[0] == "one"
    picture = root.locator("[data-nbannot-thumb][data-nbannot-drawn] canvas").nth(1)
    picture.wait_for()
    pixels = lab.canvas_pixels(picture)[..., 0].astype(float)
    array, affine = image_of(lab, "two")
    mm = max(30 * 1.3 / pixels.shape[1], 30 * 1.5 / pixels.shape[0])
    world = pixels_to_world("axial", pixels.shape, mm, centre_of(array, affine, 0, 15))
    values, inside = sampled(array, affine, world)
    assert np.abs(pixels - window(values))[inside].max() <= 1.01
    lab.page.mouse.click(*middle(pane(lab, "axial-2")))
    thumb = root.locator("[data-nbannot-thumb]").first
    thumb.focus()
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("ArrowUp")
    lab.page.keyboard.press("Enter")
    until_equal(lab, "{k: grids[v['image']] for k, v in viewer.view['panes'].items()}", {"axial-2": "one"})
    assert thumb.get_attribute("aria-current") == "true"
    root.locator('[data-nbannot-command="view.thumbnails"]').click()
    assert not strip.is_visible()
    until_equal(lab, "viewer.view['thumbnails']", False)
    lab.run_python("view(thumbnails=True)")
    lab.page.set_viewport_size({"width": 620, "height": 900})
    lab.until(lambda: root.evaluate("root => root.clientWidth") < 620, "JupyterLab made the viewer narrow")

    def is_below() -> bool:
        below, stage = strip.bounding_box(), root.locator(".nbannot-stage").bounding_box()
        return bool(below and stage and below["y"] >= stage["y"] + stage["height"] - 1)

    lab.until(is_below, "the strip lies below the picture")


@pytest.mark.parametrize("layout", ["compare-2x2", "oblique", "longitudinal", "mpr"])
def test_double_click_shows_one_pane_alone_in_every_layout(lab: Lab, layout: str) -> None:
    show(lab, [pair(more=f"view(layout={layout!r})")])
    everything = panes(lab)
    assert len(everything) > 2
    last = everything[-1]
    lab.page.locator('[data-nbannot-command="tool.pan"]').click()
    pane(lab, last[0]).locator("canvas").first.dblclick(position={"x": 60, "y": 60})
    lab.until(lambda: panes(lab) == [last], "one pane is left")
    assert pane(lab, last[0]).get_attribute("data-nbannot-active") is None
    until_equal(lab, "viewer.view['maximized']", last[0])
    pane(lab, last[0]).locator("canvas").first.dblclick(position={"x": 60, "y": 60})
    lab.until(lambda: sorted(panes(lab)) == sorted(everything), "all panes are back")
    assert pane(lab, last[0]).get_attribute("data-nbannot-active") is not None


def test_images_of_one_space_scroll_by_mm(lab: Lab) -> None:
    show(lab, [pair(more="view(layout='compare-1x2')")])
    lab.run_python("viewer.goto(index=(8, 20, 16))")
    for key in ("ArrowDown", "ArrowDown", "PageDown"):
        hover(lab, "axial")
        lab.page.keyboard.press(key)
        k = {"ArrowDown": None, "PageDown": 20}[key]
        lab.until(lambda k=k: k is None or slice_of(lab, "axial") == k, "scrolled")
    wanted = ask(lab, "round(two.geometry.to_index(one.geometry.to_world((20, 20, 16)))[0])")
    lab.until(lambda: slice_of(lab, "axial-2") == wanted, f"the other image shows slice {wanted}")
    hover(lab, "axial-2")
    lab.page.keyboard.press("Home")
    wanted = ask(lab, "round(one.geometry.to_index(two.geometry.to_world((0, 0, 0)))[0])")
    lab.until(lambda: slice_of(lab, "axial") == max(0, wanted), "the first image follows")


def test_images_of_two_spaces_scroll_by_as_many_mm_and_align_again(lab: Lab) -> None:
    root = show(lab, [pair("one, far", more="view(layout='compare-1x2')")])
    one, far = slice_of(lab, "axial"), slice_of(lab, "axial-2")
    hover(lab, "axial")
    for _ in range(6):
        lab.page.keyboard.press("ArrowDown")
    lab.until(lambda: slice_of(lab, "axial") == one + 6, "scrolled by 15 mm")
    assert slice_of(lab, "axial-2") == far + 5
    root.get_by_role("button", name="Links between images").click()
    lab.page.locator('[data-nbannot-item="link-slice"]').click()
    hover(lab, "axial")
    lab.page.keyboard.press("ArrowUp")
    lab.until(lambda: slice_of(lab, "axial") == one + 5, "scrolled")
    assert slice_of(lab, "axial-2") == far + 5
    until_equal(lab, "viewer.view['links']['slice']", False)
    root.get_by_role("button", name="Links between images").click()
    lab.page.locator('[data-nbannot-item="align"]').click()
    until_equal(lab, "viewer.view['cursors']", {})
    # With a transform the two are one space.
    shift = "[1,0,0,-900, 0,1,0,-900, 0,0,1,-900, 0,0,0,1]"
    lab.run_python(
        f"view(transforms={{far.id: {{'to': one.id, 'matrix': {shift}}}}}, links={{}}); viewer.goto(world=(0, 0, 0))"
    )
    lab.until(
        lambda: slice_of(lab, "axial") == 12 and slice_of(lab, "axial-2") == 0, "both show the same place"
    )
    hover(lab, "axial")
    lab.page.keyboard.press("End")
    lab.until(
        lambda: slice_of(lab, "axial-2") == round((-30 + 23 * 2.5) / 3), "the other follows the transform"
    )


def test_reference_lines_stand_where_the_other_plane_cuts(lab: Lab) -> None:
    show(
        lab,
        [
            pair(
                more="view(layout={'row': [{'plane': 'axial'}, {'plane': 'coronal', 'image': two.id}]}, "
                "crosshair=False)"
            )
        ],
    )
    lab.run_python("view(zoom={'axial': 0.2}); viewer.goto(index=(13, 26, 16))")
    line = pane(lab, "axial").locator('[data-nbannot-reference="coronal"]')
    line.wait_for(state="attached")
    lab.still()
    x1, y1, x2, y2 = (float(n) for n in re.findall(r"-?[\d.]+", line.get_attribute("d") or ""))
    box = pane(lab, "axial").bounding_box()
    assert box is not None
    j = slice_of(lab, "coronal")
    array, affine = image_of(lab, "one")
    centre = centre_of(array, affine, 0, 13)
    wanted_y = box["height"] / 2 + (-24 + 1.5 * j - centre[1]) / 0.2
    wanted_x = [box["width"] / 2 + (-20 + 1.3 * i - centre[0]) / 0.2 for i in (-0.5, 29.5)]
    assert [y1, y2] == pytest.approx([wanted_y] * 2, abs=0.11)
    assert sorted([x1, x2]) == pytest.approx(wanted_x, abs=0.11)
    hover(lab, "coronal")
    lab.page.keyboard.press("ArrowDown")
    lab.until(
        lambda: (
            (line.get_attribute("d") or "").split()[0] and f"{y1:.1f}" not in (line.get_attribute("d") or "")
        ),
        "it moved",
    )
    lab.run_python("view(references=False)")
    lab.until(lambda: line.count() == 0, "reference lines can be switched off")

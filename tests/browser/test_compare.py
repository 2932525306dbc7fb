"""Two images compared in one pane, two masks, and a lesion followed into the prior image."""

from __future__ import annotations

import numpy as np

from browser.lab import Lab
from browser.places_help import (
    centre_of,
    image_of,
    pair,
    pane,
    pixels_to_world,
    sampled,
    window,
)
from browser.test_viewer import ask, ready, show, slice_of, until_equal

MM = 0.1
SINGLE = "view(layout='axial', zoom={'axial': 0.1}, crosshair=False)"


def test_a_swipe_shows_one_image_at_each_side(lab: Lab) -> None:
    for backend in ("cpu", "webgl2"):
        root = show(lab, [pair(backend=backend, more=SINGLE)])
        root.get_by_role("button", name="Compare", exact=True).click()
        root.locator('[data-nbannot-compare="swipe"]').click()
        lab.page.keyboard.press("Escape")
        handle = pane(lab, "axial").locator("[data-nbannot-swipe]")
        handle.wait_for()
        assert handle.get_attribute("aria-valuenow") == "50"
        box = handle.bounding_box()
        assert box is not None
        lab.page.mouse.move(box["x"] + 12, box["y"] + 60)
        lab.page.mouse.down()
        lab.page.mouse.move(box["x"] + 112, box["y"] + 80, steps=5)
        lab.page.mouse.up()
        lab.page.keyboard.press("ArrowLeft")
        lab.until(lambda h=handle: 51 < int(h.get_attribute("aria-valuenow") or 0) < 70, "the handle moved")
        ready(lab)
        lab.still()
        percent = int(handle.get_attribute("aria-valuenow") or 0)
        # What is dragged reaches Python after a while.
        until_equal(lab, "round(100 * viewer.view['compare']['at'])", percent)
        at = ask(lab, "viewer.view['compare']['at']")
        pixels = lab.canvas_pixels(pane(lab, "axial").locator("canvas").first)[..., 0].astype(float)
        edge = round(at * pixels.shape[1])
        one, affine = image_of(lab, "one")
        world = pixels_to_world("axial", pixels.shape, MM, centre_of(one, affine, 0, slice_of(lab, "axial")))
        columns = np.arange(pixels.shape[1])
        for name, side in (("one", columns < edge), ("two", columns >= edge)):
            array, its = image_of(lab, name)
            values, inside = sampled(array, its, world)
            inside &= side
            assert inside.mean() > 0.02
            assert np.abs(pixels - window(values))[inside].max() <= 1.01, (backend, name)


def test_a_flicker_changes_by_itself_and_by_key(lab: Lab) -> None:
    root = show(lab, [pair(more=SINGLE)]).page.locator("[data-nbannot-root]").first
    canvas = pane(lab, "axial").locator("canvas").first
    one = lab.canvas_pixels(canvas)
    root.get_by_role("button", name="Compare", exact=True).click()
    root.locator('[data-nbannot-compare="flicker"]').click()
    lab.page.keyboard.press("Escape")
    bar = root.locator("[data-nbannot-flicker]")
    for name in ("two", "one", "two"):
        lab.until(lambda name=name: bar.locator("span").inner_text() == name, f"{name} is shown", timeout=10)
    bar.get_by_role("button", name="Pause").click()
    lab.still()
    shown = bar.locator("span").inner_text()
    lab.page.wait_for_timeout(1200)
    assert bar.locator("span").inner_text() == shown
    canvas.hover()
    pictures = {}
    for _ in range(2):
        before = bar.locator("span").inner_text()
        lab.page.keyboard.press("Shift+O")
        lab.until(
            lambda before=before: bar.locator("span").inner_text() != before, "the other image is shown"
        )
        lab.still()
        pictures[bar.locator("span").inner_text()] = lab.canvas_pixels(canvas)
    assert (pictures["one"] == one).all()
    assert (pictures["two"] != one).any()
    until_equal(lab, "viewer.view['compare']['mode']", "flicker")


def test_the_difference_of_two_masks_is_counted(lab: Lab) -> None:
    paint = """
a, b = (viewer.document.masks[name] for name in ("lesion", "other"))
first, second = np.zeros(one.shape, bool), np.zeros(one.shape, bool)
first[10:16, 10:20, 10:20] = second[12:18, 15:25, 10:20] = True
a.paint(first), b.paint(second)
"""
    root = show(lab, [pair("one", more=paint)])
    root.get_by_role("button", name="Compare", exact=True).click()
    root.locator("[data-nbannot-difference]").click()
    legend = root.locator("[data-nbannot-legend]")
    only_a, only_b, both = ask(
        lab,
        "[int((first & ~second).sum()), int((second & ~first).sum()), int((first & second).sum())]",
    )
    lab.until(lambda: f"{only_a} voxels" in legend.inner_text(), "the legend counts")
    rows = legend.inner_text()
    assert f"{only_b} voxels" in rows and f"{both} voxels" in rows
    assert f"Dice {2 * both / (2 * both + only_a + only_b):.3f}" in rows
    ml = both * 2.5 * 1.1 * 0.9 / 1000
    assert f"{float(f'{ml:.3g}')} ml" in rows
    for backend in ("cpu", "webgl2"):
        lab.run_python(f"view(backend={backend!r}, layout='axial', zoom={{'axial': 0.1}}, crosshair=False)")
        lab.run_python("viewer.goto(index=(14, 18, 15))")
        painted_as_said(lab, backend)
    lab.run_python("view(difference=None)")
    legend.wait_for(state="hidden")


def painted_as_said(lab: Lab, backend: str) -> None:
    """Red for the first mask alone, blue for the second alone, green for both, grey elsewhere; to the pixel."""
    lab.until(lambda: slice_of(lab, "axial") == 14, "the slice where both are")
    ready(lab)
    lab.still()
    pixels = lab.canvas_pixels(pane(lab, "axial").locator("canvas").first)[..., :3].astype(int)
    array, affine = image_of(lab, "one")
    world = pixels_to_world("axial", pixels.shape[:2], MM, centre_of(array, affine, 0, 14))
    k, j, i = np.moveaxis(
        np.rint((world - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(int), -1, 0
    )
    first = (k == 14) & (j >= 10) & (j < 20) & (i >= 10) & (i < 20)
    second = (k == 14) & (j >= 15) & (j < 25) & (i >= 10) & (i < 20)
    # Colour of the most, and by how much it leads the next.
    kind = np.where(pixels.max(axis=-1) - pixels.min(axis=-1) < 12, 0, 1 + pixels.argmax(axis=-1))
    wanted = np.select([first & second, first, second], [2, 1, 3], 0)
    inside = (j >= 0) & (j < array.shape[1]) & (i >= 0) & (i < array.shape[2])
    assert {0, 1, 2, 3} == set(wanted[inside].tolist())
    assert (kind == wanted)[inside].all(), (
        backend,
        [(kind != wanted)[inside & (wanted == n)].mean() for n in range(4)],
    )


def test_a_lesion_is_followed_into_the_prior_image(lab: Lab) -> None:
    boxes = """
for image, k in ((one, 15), (far, 20)):
    viewer.document.add(nb.Box("lesion", index=((k - 1, 10, 10), (k + 1, 15, 15)), image=image.id))
view(layout="longitudinal")
"""
    root = show(lab, [pair("one, far", more=boxes)])
    lab.run_python("view(panel=True)")
    row = root.locator("[data-nbannot-box-row] .nbannot-name")
    row.first.click()
    lab.until(lambda: [slice_of(lab, "axial"), slice_of(lab, "axial-2")] == [15, 20], "both show it")
    matrix = "[1,0,0,-900, 0,1,0,-900, 0,0,1,-900, 0,0,0,1]"
    lab.run_python(f"view(cursors={{}}, transforms={{far.id: {{'to': one.id, 'matrix': {matrix}}}}})")
    row.first.click()
    wanted = ask(lab, "round(one.geometry.to_world((15, 12.5, 12.5))[2] / 3)")
    assert 0 < wanted < 20
    lab.until(lambda: slice_of(lab, "axial-2") == wanted, "the same place of the registered image")

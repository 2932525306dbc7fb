"""Each link between images, switched on and off: what the other image then shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from browser.lab import Lab
from browser.places_help import Array, pair, pane
from browser.test_viewer import ask, drag, hover, show, slice_of, until_equal

THREE = (
    "view(layout={'row': [{'plane': 'axial'}, {'plane': 'axial', 'image': two.id}, "
    "{'plane': 'sagittal', 'image': two.id}]}, crosshair=False, references=False)"
)
START = (
    "viewer.goto(index=(12, 20, 16)); view(cursors={{}}, zoom={{}}, pan={{}}, "
    "windows={{one.id: [0, 900], two.id: [0, 900]}}, links={{**viewer.view.get('links', {{}}), {name!r}: {on}}})"
)
OTHERS = ("axial-2", "sagittal")


def scroll(lab: Lab) -> None:
    hover(lab, "axial")
    for _ in range(4):
        lab.page.keyboard.press("ArrowDown")
    lab.until(lambda: slice_of(lab, "axial") == 16, "scrolled")


def point(lab: Lab) -> None:
    hover(lab, "axial")
    lab.page.keyboard.press("c")
    drag(lab, "axial", (0.5, 0.5), (0.42, 0.4))


def pan_and_zoom(lab: Lab) -> None:
    hover(lab, "axial")
    lab.page.keyboard.down("Control")
    lab.page.mouse.wheel(0, -300)
    lab.page.keyboard.up("Control")
    lab.page.keyboard.press("p")
    drag(lab, "axial", (0.5, 0.5), (0.6, 0.55))
    until_equal(lab, "'axial' in viewer.view['zoom'] and 'axial' in viewer.view['pan']", True)


def window(lab: Lab) -> None:
    hover(lab, "axial")
    lab.page.keyboard.press("w")
    drag(lab, "axial", (0.4, 0.4), (0.55, 0.6))
    until_equal(lab, "viewer.view['windows'][one.id] != [0, 900]", True)


def pictures(lab: Lab) -> dict[str, Array]:
    lab.still()
    return {name: lab.canvas_pixels(pane(lab, name).locator("canvas").first) for name in ("axial", *OTHERS)}


def same_place(lab: Lab) -> None:
    wanted = ask(lab, "round(two.geometry.to_index(one.geometry.to_world((16, 20, 16)))[0])")
    lab.until(lambda: slice_of(lab, "axial-2") == wanted, "the other axial view shows the same place")


def same_point(lab: Lab) -> None:
    until_equal(lab, "viewer.view['cursors']", {})
    wanted = ask(lab, "round(two.geometry.to_index(viewer.cursor)[2])")
    assert slice_of(lab, "sagittal") == wanted, "the sagittal view of the other image goes there"


def same_camera(lab: Lab) -> None:
    zoom = ask(lab, "[viewer.view['zoom'][name] for name in ('axial', 'axial-2')]")
    assert abs(zoom[0] - zoom[1]) < 1e-9
    # The middle of both is one place: the centre of the slice, and the shift from it.
    centres = ask(
        lab,
        "[[image.geometry.to_world([(n - 1) / 2 for n in image.shape])[a] + viewer.view['pan'][name][a] "
        "for a in (0, 1)] for image, name in ((one, 'axial'), (two, 'axial-2'))]",
    )
    assert np.allclose(*centres, atol=0.01), centres


def same_window(lab: Lab) -> None:
    assert ask(lab, "viewer.view['windows'][one.id] == viewer.view['windows'][two.id]")


Step = Callable[[Lab], None]
LINKS: dict[str, tuple[Step, Step, tuple[str, ...]]] = {
    "slice": (scroll, same_place, ("axial-2",)),
    "cursor": (point, same_point, ("sagittal",)),
    "camera": (pan_and_zoom, same_camera, ("axial-2",)),
    "window": (window, same_window, OTHERS),
}


def test_each_link_by_what_the_other_image_shows(lab: Lab) -> None:
    root = show(lab, [pair(more=THREE)])
    for name, (gesture, holds, changed) in LINKS.items():
        for on in (False, True):
            # The other way round first: the menu switches it.
            lab.run_python(START.format(name=name, on=not on))
            until_equal(lab, f"viewer.view['links'][{name!r}]", not on)
            root.get_by_role("button", name="Links between images").click()
            item = lab.page.locator(f'[data-nbannot-item="link-{name}"]')
            assert item.get_attribute("aria-checked") == str(not on).lower()
            item.click()
            until_equal(lab, f"viewer.view['links'][{name!r}]", on)
            before = pictures(lab)
            gesture(lab)
            after = pictures(lab)
            for one, pixels in after.items():
                differs = bool((pixels != before[one]).any())
                follows = one == "axial" or (on and one in changed)
                if name == "cursor" and one != "sagittal":
                    continue  # the crosshair itself is hidden: only the plane through the point changes
                assert differs == follows, (name, on, one)
            if on:
                holds(lab)

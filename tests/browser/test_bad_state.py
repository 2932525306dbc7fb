"""What cannot be shown is told in its pane, and the rest goes on."""

from __future__ import annotations

from browser.lab import Lab
from browser.test_viewer import hover, ready, slice_of, view

TWO = """
import json, numpy as np, nbannot as nb
random = np.random.default_rng(1)
def volume(origin, name, modality):
    affine = np.array([[0, 0, 1.0, origin[0]], [0, 1.0, 0, origin[1]], [2.0, 0, 0, origin[2]], [0, 0, 0, 1]])
    array = random.integers(-300, 300, (20, 30, 40), dtype=np.int16)
    return nb.Image(array, nb.Geometry(affine, array.shape), name=name, modality=modality)
here, there = volume((0, 0, 0), "here", "CT"), volume((900, 900, 900), "there", "PT")
viewer = nb.Viewer([here, there], hanging=False, height=500)
viewer
"""


def state(lab: Lab, change: str) -> None:
    lab.run_python(f"viewer.view = {{**viewer.view, {change}}}")
    lab.still()


def grey(lab: Lab, pane: str) -> int:
    """How many grey levels a pane shows."""
    return len(set(lab.canvas_pixels(view(lab, pane).locator("canvas"))[..., 0].ravel().tolist()))


def test_a_pane_without_its_image_says_so_and_the_others_go_on(lab: Lab) -> None:
    lab.open_notebook([TWO, "0"])
    lab.run_cell(0)
    ready(lab)
    state(lab, "'layout': {'row': [{'plane': 'axial'}, {'plane': 'coronal', 'image': 'gone'}]}")
    view(lab, "coronal").locator('[role="alert"]').get_by_text("names an image that is not here").wait_for()
    assert grey(lab, "axial") > 100
    before = slice_of(lab, "axial")
    hover(lab, "axial")
    lab.page.keyboard.press("ArrowDown")
    lab.until(lambda: slice_of(lab, "axial") == before + 1, "the other pane scrolls")
    view(lab, "coronal").locator('[role="alert"]').hover()
    lab.page.keyboard.press("ArrowDown")
    state(lab, "'layout': 'mpr'")
    assert grey(lab, "coronal") > 100


def test_layers_that_cannot_lie_over_the_image_are_told(lab: Lab) -> None:
    lab.open_notebook([TWO, "0"])
    lab.run_cell(0)
    ready(lab)
    layer = "{'image': there.id, 'colormap': 'hot iron', 'opacity': 1.0, 'visible': True, 'lower': None}"
    state(lab, f"'layout': 'axial', 'layers': {{here.id: [{layer}]}}")
    note = view(lab, "axial").locator(".nbannot-note")
    note.get_by_text("there is in another frame of reference").wait_for()
    before = lab.canvas_pixels(view(lab, "axial").locator("canvas"))
    same = "[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]"
    state(lab, f"'transforms': {{there.id: {{'to': here.id, 'matrix': {same}}}}}")
    note.get_by_text("there does not overlap").wait_for()
    flat = "[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]"
    state(lab, f"'transforms': {{there.id: {{'to': here.id, 'matrix': {flat}}}}}")
    note.get_by_text("there has a transform that cannot be inverted").wait_for()
    state(lab, "'layers': {here.id: [{'image': 'gone', 'colormap': 'no such map'}]}")
    note.get_by_text("not here").wait_for()
    note.get_by_text("no such map").wait_for()
    assert (lab.canvas_pixels(view(lab, "axial").locator("canvas")) == before).all()
    # brought over each other, the layer hides what is below
    shift = "[1, 0, 0, -900, 0, 1, 0, -900, 0, 0, 1, -900, 0, 0, 0, 1]"
    state(
        lab,
        f"'transforms': {{there.id: {{'to': here.id, 'matrix': {shift}}}}}, 'layers': {{here.id: [{layer}]}}",
    )
    lab.until(lambda: note.text_content() in ("", None, "here"), "nothing is left to tell")
    lab.until(
        lambda: bool((lab.canvas_pixels(view(lab, "axial").locator("canvas")) != before).any()),
        "the layer is drawn",
    )


def test_nonsense_in_the_state_becomes_the_default(lab: Lab) -> None:
    lab.open_notebook([TWO, "0"])
    lab.run_cell(0)
    ready(lab)
    state(
        lab,
        "'layout': 7, 'rotation': [0, 0, 0, 0], 'slabs': {'axial': 3}, 'zoom': 'big', 'links': None, "
        "'compare': {'mode': 'swipe'}, 'volume': 'x', 'turns': [1], 'segments': {'a': {'fill': 'red'}}",
    )
    assert grey(lab, "axial") > 100
    assert grey(lab, "coronal") > 100

"""What is shown comes back as it was: every part of the view state goes through a saved session."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from browser.lab import Lab
from browser.test_viewer import ready

PETCT = """
import json, warnings, nbannot as nb
warnings.simplefilter("ignore")
images = nb.read({folder!r})
ct = next(one for one in images.values() if one.modality == "CT" and one.shape[0] > 1)
pet = next(one for one in images.values() if one.modality == "PT")
viewer = nb.Viewer([ct, pet], labels=["nodule", "node"], hanging=False, height=520)
one, two = viewer.document.masks
one.array[60:70, 200:260, 200:260] = 1
two.array[62:75, 230:280, 180:240] = 1
viewer.document.refresh()
nodule, node = viewer.document.labels
shift = [1, 0, 0, 6.0, 0, 1, 0, -4.0, 0, 0, 1, 2.5, 0, 0, 0, 1]
viewer.view = {{**viewer.view,
    "layout": {{"sizes": [2, 1], "row": [
        {{"plane": "axial"}}, {{"column": [{{"plane": "sagittal"}}, {{"plane": "coronal", "image": pet.id}}]}}]}},
    "panes": {{"sagittal": {{"plane": "oblique"}}}}, "rotation": [0.1, 0.05, 0.0, 0.9937303457],
    "cursor": [-20.0, -30.5, -150.0], "windows": {{ct.id: [-200, 1400], pet.id: [4000, 8000]}},
    "zoom": {{"axial": 0.7}}, "pan": {{"axial": [12.0, -8.5]}},
    "layers": {{ct.id: [
        {{"image": pet.id, "colormap": "viridis", "opacity": 0.35, "visible": True, "lower": 1500.0}}]}},
    "colormaps": {{pet.id: "PET"}}, "units": {{pet.id: "bw"}},
    "transforms": {{pet.id: {{"to": ct.id, "matrix": shift}}}},
    "links": {{"slice": True, "cursor": False, "camera": False, "window": True}},
    "slabs": {{"axial": {{"mode": "mip", "mm": 15.0}}}}, "turns": {{"axial": {{"quarter": 1, "flip": True}}}},
    "opacity": 0.6, "outline": 0.4, "outline_width": 3, "segments": {{nodule.id: {{"fill": 0.1, "width": 2}}}},
    "compare": {{"image": pet.id, "mode": "swipe", "at": 0.7}}, "difference": [one.id, two.id],
    "rules": {{"range": [-50, 200], "area": "inside", "area_label": node.id, "overwrite": "none", "sphere": True,
              "through": True, "scissors": "erase-inside", "outline": "polygon", "adaptive": True, "tolerance": 12}},
    "fps": 12, "bounce": True, "inverted": [pet.id], "active": "coronal",
    "hidden": [node.id], "interpolate": False, "crosshair": False, "references": False,
    "tool": "window", "size_mm": 7.5, "label": node.id, "shortcuts": {{"tool.brush": ["q"]}},
    "volume": {{"preset": "bone", "mode": "mip", "crop": [[10, 100, 100], [90, 400, 400]], "points": None,
               "segments": False, "layers": True, "camera": [0.0, 0.0, 1.0, 0.0], "zoom": 1.5}}}}
viewer
"""
AGAIN = """
nb.save("reading.nbs", viewer.session())
again = nb.Viewer(nb.load("reading.nbs"))
again
"""
ALONE = """
again.view = {**again.view, "maximized": "sagittal", "panel": False,
    "compare": {"image": again.document.images[1].id, "mode": "flicker", "at": 1.0}}
"""
THIRD = """
nb.save("alone.nbs", again.session())
third = nb.Viewer(nb.load("alone.nbs"))
third
"""
FULL = json.loads((Path(__file__).parents[1] / "fixtures" / "view.json").read_text(encoding="utf-8"))
PANES = ("axial", "sagittal", "coronal")


def parts(view: dict[str, Any]) -> dict[str, Any]:
    """The parts of a view state that say something, images and labels being the same in both."""
    return {key: value for key, value in view.items() if value not in (None, {}, [])}


@pytest.mark.parametrize("backend", ["cpu"])
def test_everything_shown_comes_back(lab: Lab, shared_data: Path, backend: str) -> None:
    lab.open_notebook([PETCT.format(folder=str(shared_data / "petct_acrin042")), AGAIN, THIRD, "0"])
    lab.run_cell(0)
    ready(lab, 0)
    before = [lab.canvas_pixels(lab.output(0).locator(f'[data-nbannot-view="{id}"] canvas')) for id in PANES]
    lab.run_cell(1)
    ready(lab, 1)
    after = [lab.canvas_pixels(lab.output(1).locator(f'[data-nbannot-view="{id}"] canvas')) for id in PANES]
    for name, one, two in zip(PANES, before, after, strict=True):
        assert one.shape == two.shape
        assert np.array_equal(one, two), name
        assert len(np.unique(one.reshape(-1, 4), axis=0)) > 50, f"{name} shows too little to compare"
    views = json.loads(lab.run_python("print(json.dumps([viewer.view, again.view]))"))
    assert parts(views[0]) == parts(views[1])
    wanted = set(FULL) - {
        "cursors",
        "luts",
        "selected",
        "slice",
        "frame",
        "image",
        "maximized",
        "overlay",
        "panel",
        "thumbnails",
    }
    assert wanted <= set(parts(views[1]))
    # One pane alone with its volume, the other image of a flicker, another frame of its own size.
    lab.run_python(ALONE)
    lab.run_cell(2)
    ready(lab, 2)
    root = lab.output(2).locator("[data-nbannot-root]").first
    expect(root.locator("[data-nbannot-view]")).to_have_count(1)
    expect(root.locator("[data-nbannot-view]")).to_have_attribute("data-nbannot-view", "sagittal")
    expect(root.locator("[data-nbannot-flicker] span")).to_have_text(re.compile("."))
    views = json.loads(lab.run_python("print(json.dumps([again.view, third.view]))"))
    assert parts(views[0]) == parts(views[1])
    assert {"maximized", "compare", "panel"} <= set(parts(views[1]))

"""A configuration beside the images arrives in the viewer: layout, keys, window, and what was left out."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import expect

from browser.lab import Lab
from browser.test_viewer import ask, until_equal

CELL = """
import json, warnings, numpy as np, nbannot as nb
warnings.simplefilter("ignore")
array = np.arange(12 * 40 * 44).reshape(12, 40, 44).astype(np.int16)
grid = nb.Geometry(np.diag([2.0, 1, 1, 1])[[2, 1, 0, 3]], array.shape)
images = [
    nb.Image(array + n, grid, modality="CT", unit="HU", name=name, id=name) for n, name in enumerate(("now", "then"))
]
viewer = nb.Viewer(images, labels=["liver"], height=560, hanging=False, config={
    "layouts": {
        "Two": [[{"plane": "axial", "image": "now"}, {"plane": "axial", "image": "then"}]],
        "Wrong": [["axail"]],
    },
    "shortcuts": {"paint": "Ctrl+b", "pan": "v", "zom": "y"},
    "windowing": {"level": 40, "width": 400},
})
viewer
"""


def test_a_configuration_arrives_and_keys_can_be_changed(lab: Lab) -> None:
    lab.open_notebook([CELL])
    lab.run_cell(0)
    root = lab.output(0).locator('[data-nbannot-root][data-nbannot-complete="true"]').first
    root.wait_for(timeout=60_000)
    expect(root).to_have_attribute("data-nbannot-layout", "Two")
    expect(root.locator("[data-nbannot-view]")).to_have_count(2)
    told = root.locator('[data-nbannot-error="ConfigError"]')
    expect(told).to_contain_text("2 parts of the configuration left out")
    expect(told).to_contain_text("layouts.Wrong[0][0]: Unknown plane 'axail'. Did you mean 'axial'?")
    expect(told).to_contain_text('shortcuts.zom: Unknown action. Did you mean "zoom"?')
    expect(root.locator('[data-nbannot-command="tool.brush"]')).to_have_attribute("title", "Brush (Ctrl+B)")
    keep(lab, "config-problems")
    told.get_by_role("button").click()
    root.locator('[data-nbannot-view="axial"]').hover()
    lab.page.keyboard.press("b")
    expect(root).to_have_attribute("data-nbannot-tool", "crosshair")
    lab.page.keyboard.press("Control+b")
    expect(root).to_have_attribute("data-nbannot-tool", "brush")
    lab.page.keyboard.press("v")
    expect(root).to_have_attribute("data-nbannot-tool", "pan")
    lab.page.keyboard.press("?")
    help_panel = root.locator("[data-nbannot-help]")
    help_panel.locator('[data-nbannot-key="tool.box"]').click()
    lab.page.keyboard.press("v")
    expect(help_panel.get_by_role("status")).to_contain_text('V is "Pan".')
    keep(lab, "config-keys")
    help_panel.get_by_role("button", name="Use it here").click()
    expect(help_panel.locator('[data-nbannot-key="tool.box"]')).to_have_text("V")
    expect(help_panel.locator('[data-nbannot-key="tool.pan"]')).to_have_text("none")
    lab.page.keyboard.press("Escape")
    expect(help_panel).to_have_count(0)
    lab.page.keyboard.press("v")
    expect(root).to_have_attribute("data-nbannot-tool", "box")
    until_equal(lab, "viewer.view.get('shortcuts')", {"tool.pan": [], "tool.box": ["v"]})
    assert ask(lab, "viewer.planes") == "Two"


def keep(lab: Lab, name: str) -> None:
    folder = os.environ.get("NBANNOT_PICTURES")
    if folder:
        lab.output(0).screenshot(path=Path(folder) / f"{name}.png")

"""Operations with a preview, a user's own tool, the history and the selection, in a real JupyterLab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator

from browser.lab import Lab
from browser.test_viewer import ask, hover, ready, show, until_equal, view

REAL = """
import json, nbannot as nb
image = nb.read({path!r})
viewer = nb.Viewer(image, labels=["organ", "vessel"], backend="cpu", height=560)
viewer.window = (40, 400)
mask = viewer.document.masks["organ"]
viewer
"""


def real(shared_data: Path) -> str:
    return REAL.format(path=str(shared_data / "nifti_totalsegmentator" / "ct.nii.gz"))


def panel(lab: Lab, name: str = "operations") -> Locator:
    return lab.output(0).locator(f'[data-nbannot-live="{name}"]')


def state(lab: Lab, wanted: str) -> None:
    lab.output(0).locator(f'[data-nbannot-live="operations"][data-nbannot-state="{wanted}"]').wait_for()


def fill(lab: Lab, **values: Any) -> None:
    for name, value in values.items():
        control = panel(lab).locator(f'[data-nbannot-field="{name}"]')
        if control.evaluate("one => one.tagName") == "SELECT":
            control.select_option(label=str(value))
        else:
            control.fill(str(value))


def pixels(lab: Lab, name: str = "axial") -> Any:
    return lab.canvas_pixels(view(lab, name).locator("canvas"))


def test_an_operation_is_previewed_applied_and_undone(lab: Lab, shared_data: Path) -> None:
    show(lab, [real(shared_data)])
    hover(lab, "axial")
    lab.page.keyboard.press("Control+o")
    panel(lab).locator('[data-nbannot-parameter="lo"]').wait_for()
    ready(lab)
    lab.still()
    before = pixels(lab)
    fill(lab, lo=150, hi=400)
    panel(lab).get_by_role("button", name="Preview").click()
    state(lab, "ready")
    ready(lab)
    lab.until(lambda: bool((pixels(lab) != before).any()), "the preview is drawn")
    lab.screenshot("live-threshold", element=lab.output(0))
    assert ask(lab, "[int(mask.array.sum()), len(viewer.document.history)]") == [0, 0]
    hover(lab, "axial")
    lab.page.keyboard.press("Enter")
    state(lab, "idle")
    until_equal(lab, "len(viewer.document.history)", 1)
    same = "bool((mask.array == ((image.array >= 150) & (image.array <= 400))).all())"
    assert ask(lab, f"[{same}, viewer.document.history[0].tool]") == [True, "op:threshold"]

    # A second one takes voxels away: hatched until it is given up.
    panel(lab).locator("[data-nbannot-operation]").select_option("islands")
    panel(lab).get_by_role("button", name="Preview").click()
    state(lab, "ready")
    ready(lab)
    lab.screenshot("live-islands", element=lab.output(0))
    assert "−" in panel(lab).locator("[data-nbannot-status]").inner_text()
    hover(lab, "axial")
    lab.page.keyboard.press("Escape")
    state(lab, "idle")
    assert ask(lab, f"[{same}, len(viewer.document.history)]") == [True, 1]
    hover(lab, "axial")
    lab.page.keyboard.press("Control+z")
    until_equal(lab, "int(mask.array.sum())", 0)
    lab.until(lambda: bool((pixels(lab) == before).all()), "the picture is as before")


TOOL = """
@viewer.add_tool(key="ctrl+shift+k", version="2", icon="Br")
def bright(context):
    context.progress(0.5, "Looking")
    return context.slice > 300

@viewer.add_tool(key="b")
def broken(context):
    return 1 / 0

heard = []
off = viewer.document.on(lambda edit, revision: heard.append(edit.tool), kind="mask", label="organ")
chosen = []
viewer.selection_changed.connect(lambda items: chosen.append([item.label for item in items]))
"""


def test_an_own_tool_has_a_key_a_preview_and_a_place_in_the_record(lab: Lab, shared_data: Path) -> None:
    show(lab, [real(shared_data)])
    lab.run_python(TOOL)
    # The brush keeps its key, and the viewer says so.
    banner = lab.output(0).locator(".nbannot-banner")
    banner.wait_for()
    assert "B is" in banner.inner_text() and "Brush" in banner.inner_text()
    banner.get_by_role("button").click()
    hover(lab, "coronal")
    lab.page.mouse.down()
    lab.page.mouse.up()
    until_equal(lab, "viewer.current.plane", "coronal")
    hover(lab, "coronal")
    lab.page.keyboard.press("Control+Shift+k")
    state(lab, "ready")
    ready(lab)
    lab.screenshot("live-own-tool", element=lab.output(0))
    assert ask(lab, "int(mask.array.sum())") == 0
    hover(lab, "coronal")
    lab.page.keyboard.press("Enter")
    until_equal(lab, "[edit.tool for edit in viewer.document.history]", ["tool:bright 2"])
    where = "viewer.current.where"
    assert ask(lab, f"bool((mask.array[{where}] == (image.array[{where}] > 300)).all())")
    assert ask(lab, "[viewer.current.axis, heard]") == [1, ["tool:bright 2"]]
    assert ask(lab, "int(viewer.current.mask_slice().sum()) == int(mask.array.sum())")
    panel(lab).locator('[data-nbannot-tool="broken"]').click()
    status = panel(lab).locator('[data-nbannot-status="error"]')
    status.wait_for()
    assert "ZeroDivisionError: division by zero" in status.inner_text()


def test_the_history_leads_back_and_forth_and_the_selection_goes_both_ways(
    lab: Lab, shared_data: Path
) -> None:
    show(lab, [real(shared_data)])
    lab.run_python(
        TOOL
        + """
box = nb.Box("vessel", ((50, 30, 30), (60, 60, 70)))
viewer.document.add(box)
mask.paint((slice(40, 70), slice(30, 60), slice(40, 80)))
_ = nb.ops.margin(mask, mm=-6)
viewer.goto(index=(55, 45, 50))
"""
    )
    lab.until(lambda: lab.output(0).locator("[data-nbannot-box-row]").count() == 1, "the box is listed")
    ready(lab)
    hover(lab, "axial")
    lab.page.keyboard.press("u")
    rows = panel(lab, "history").locator("[data-nbannot-step]")
    lab.until(lambda: rows.count() == 4, "three steps and the start")
    lab.screenshot("live-history", element=lab.output(0))
    assert "margin" in rows.nth(0).inner_text() and "added box vessel" in rows.nth(2).inner_text()
    full = pixels(lab)
    rows.nth(3).click()
    until_equal(
        lab, "[len(viewer.document.boxes), int(mask.array.sum()), len(viewer.document.history)]", [0, 0, 6]
    )
    ready(lab)
    lab.until(lambda: rows.nth(3).get_attribute("aria-selected") == "true", "the start is shown")
    lab.screenshot("live-history-start", element=lab.output(0))
    assert bool((pixels(lab) != full).any())
    # By keyboard: up to the newest, Enter.
    rows.nth(3).focus()
    for _ in range(3):
        lab.page.keyboard.press("ArrowUp")
    lab.page.keyboard.press("Enter")
    until_equal(lab, "[len(viewer.document.boxes), len(viewer.document.history)]", [1, 9])
    lab.until(lambda: bool((pixels(lab) == full).all()), "the picture is as before")

    assert ask(lab, "[list(viewer.selected), chosen]") == [[], []]
    lab.output(0).locator("[data-nbannot-box-row] .nbannot-name").click()
    until_equal(lab, "[[one.id == box.id for one in viewer.selected], chosen]", [[True], [["vessel"]]])
    lab.run_python("viewer.selected = ()")
    lab.until(
        lambda: lab.output(0).locator('[data-nbannot-box-row][aria-selected="true"]').count() == 0,
        "nothing is selected",
    )
    lab.run_python("viewer.selected = box")
    lab.output(0).locator('[data-nbannot-box-row][aria-selected="true"]').wait_for()


def test_an_operation_starts_where_one_clicks_also_beside_a_running_cell(lab: Lab, shared_data: Path) -> None:
    show(lab, [real(shared_data)])
    lab.run_python("viewer.goto(index=(56, 40, 60))")
    hover(lab, "axial")
    lab.page.keyboard.press("Control+o")
    panel(lab).locator('[data-nbannot-parameter="lo"]').wait_for()
    panel(lab).locator("[data-nbannot-operation]").select_option("region_grow")
    fill(lab, tolerance=40, radius=30)
    last = lab.page.locator(".jp-Notebook .jp-Cell").count() - 1
    lab.set_cell(
        last, "import time\nwhile len(viewer.document.history) < 1:\n    time.sleep(0.1)\nprint('seen')"
    )
    lab.run_cell(last, wait=False)
    panel(lab).get_by_role("button", name="Preview").click()
    state(lab, "picking")
    box = view(lab, "axial").bounding_box()
    assert box is not None
    lab.page.mouse.click(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.55)
    state(lab, "ready")
    ready(lab)
    lab.screenshot("live-grow", element=lab.output(0))
    lab.page.keyboard.press("Enter")
    state(lab, "idle")
    lab.wait_idle(timeout=60)
    assert lab.output_text(last) == "seen"
    seed = "viewer.current.index"
    assert ask(lab, f"[bool(mask.array[{seed}]), viewer.document.history[0].tool]") == [
        True,
        "op:region_grow",
    ]
    same = "nb.ops.preview('region_grow', other, index=viewer.current.index, tolerance=40, radius=30).apply()"
    lab.run_python(f"other = nb.Mask('organ', image); _ = {same}")
    assert ask(lab, "bool((other.array == mask.array).all())")

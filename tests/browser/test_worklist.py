"""A work list in JupyterLab, by keyboard alone: next, paint, submit, accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator

from browser.lab import Lab

CT = "nifti_totalsegmentator/ct_sm.nii.gz"
CELL = """
import json, shutil, nbannot as nb
shutil.rmtree("listed", ignore_errors=True)
project = nb.open_project("listed", author="ann")
project.people.grant("ann", "owner")
project.people.grant("rev", "reviewer")
for name in ("secret-1", "secret-2", "secret-3"):
    project.add_case(name, images={image!r}, labels=["liver", "lesion"])
project.tasks.assign("*", "ann", due="2031-05-01")
listed = project.worklist()
listed
"""
REVIEW = """
reviewed = project.acting_as("rev").worklist(mine=False)
reviewed
"""
PANEL = """
panel = project.panel()
panel
"""
ABOUT = """
for name, value in dict(title="Livers of the pilot", description="Mark every lesion.", thumbnail="secret-1").items():
    panel.sections["about"].rows[0][name].widget.value = value
row = panel.sections["labels"].add({"name": "lesion", "color": "#ff0000"})
panel.sections["labels"].add({"name": "quality", "scope": "case"})
panel.sections["questions"].add({"label": "quality", "name": "grade", "type": "choice", "options": "good, bad"})
panel.sections["questions"].add({"label": "qality", "name": "why", "type": "text"})
"""


def ready(lab: Lab, cell: int, case: str) -> Locator:
    """The list, when a case is open and its picture is there."""
    root = lab.output(cell).locator(".nbannot-worklist")
    root.locator("[aria-current] strong", has_text=case).wait_for(timeout=60_000)
    root.locator('[data-nbannot-root][data-nbannot-complete="true"]').wait_for(timeout=60_000)
    return root


def ask(lab: Lab, expression: str) -> Any:
    return json.loads(lab.run_python(f"print(json.dumps({expression}))"))


def test_a_list_is_worked_through_by_keyboard(lab: Lab, shared_data: Path) -> None:
    lab.open_notebook([CELL.format(image=str(shared_data / CT)), REVIEW, PANEL, "0"])
    lab.run_cell(0)
    root = ready(lab, 0, "secret-1")
    lab.until(lambda: root.locator(".nbannot-board-picture img").count() == 3, "three small pictures")
    root.scroll_into_view_if_needed()
    root.locator("[data-nbannot-root]").focus()
    lab.page.keyboard.press("Alt+n")
    ready(lab, 0, "secret-2")
    lab.until(
        lambda: lab.page.evaluate("() => document.activeElement?.matches('[data-nbannot-root]')"),
        "the keyboard is at the viewer",
    )
    lab.run_python("listed.viewer.label = 'liver'; listed.viewer.tool = 'brush'")
    root.locator('[data-nbannot-root][data-nbannot-tool="brush"]').wait_for()
    canvas = root.locator('[data-nbannot-view="axial"] canvas').first
    box = canvas.bounding_box()
    assert box is not None
    lab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lab.page.mouse.down()
    lab.page.mouse.move(box["x"] + box["width"] / 2 + 20, box["y"] + box["height"] / 2)
    lab.page.mouse.up()
    lab.until(lambda: ask(lab, "len(listed.viewer.document.history)") == 1, "the stroke is kept")
    lab.run_python("project.acting_as('rev').be('secret-2', {'image': listed.viewer.image.id})")
    root.locator("[data-nbannot-person=rev]").wait_for()
    lab.page.keyboard.press("Alt+m")
    root.locator("[aria-current] .nbannot-board-flag").wait_for()
    lab.page.screenshot(path=lab.out / "worklist.png")
    lab.page.keyboard.press("Control+Shift+Enter")
    ready(lab, 0, "secret-3")
    root.locator('[data-nbannot-status="submitted"] strong', has_text="secret-2").wait_for()
    assert "1 of 3 done" in root.inner_text()
    lab.page.keyboard.press("Alt+c")
    lab.page.keyboard.insert_text("<img src=x> strange")
    root.get_by_role("button", name="Comment", exact=True).click()
    root.locator(".nbannot-board-remark", has_text="<img src=x> strange").wait_for()

    lab.run_cell(1)
    second = lab.output(1).locator(".nbannot-worklist")
    second.locator('[data-nbannot-status="submitted"]').click()
    ready(lab, 1, "secret-2")
    second.locator("[data-nbannot-root]").focus()
    lab.page.screenshot(path=lab.out / "worklist-review.png")
    lab.page.keyboard.press("Control+Shift+Enter")
    second.locator('[data-nbannot-status="accepted"]').wait_for()
    assert ask(lab, "project.tasks.table(case='secret-2')['status'].tolist()") == ["accepted"]

    lab.run_cell(2)
    panel = lab.output(2)
    lab.run_python(ABOUT)
    panel.locator(".nbannot-board-picture img").wait_for()
    panel.get_by_role("button", name="Save", exact=True).click()
    panel.get_by_role("alert").filter(has_text="no label of this name").wait_for()
    panel.get_by_text("Nothing is saved: 1 to put right.").wait_for()
    panel.scroll_into_view_if_needed()
    panel.screenshot(path=lab.out / "panel.png")
    panel.get_by_role("tab", name="Project").click()
    panel.get_by_role("tab", name="YAML").click()
    assert "title: Livers of the pilot" in panel.locator("textarea:visible").input_value()

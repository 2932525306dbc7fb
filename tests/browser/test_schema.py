"""Labels that ask: forms by keyboard, the check, status, the editor, and a label deleted with its uses."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator

from browser.lab import Lab
from browser.test_viewer import ask, ready, until_equal

CELL = """
import json, numpy as np, nbannot as nb
from nbannot.model.attributes import Attribute as A
array = (np.indices((24, 64, 64)).sum(0) * 3 - 100).astype(np.int16)
affine = [[0, 0, 1, 0], [0, 1, 0, 0], [3, 0, 0, 0], [0, 0, 0, 1]]
image = nb.Image(array, nb.Geometry(affine, array.shape), modality="CT", unit="HU")
nodule = nb.Label("nodule", "#e69f00", parent="lung", scope=("lesion",), attributes=(
    A("texture", "choice", options=("solid", "part-solid"), required=True),
    A("core", "number", range=(0, 50), unit="mm", required=True, when={"texture": "part-solid"}),
    A("sides", "choices", options=("left", "right")), A("note", "text"), A("old", "yesno"),
))
grade = A("grade", "choice", options=("good", "poor"), required=True)
quality = nb.Label("quality", scope=("case",), attributes=(grade,))
labels = nb.LabelSet(["lung", nodule, quality], name="chest", version=1)
mask = nb.Mask("all", image, segments=["lung", "nodule"])
document = nb.Document(image, labels=labels, masks=[mask])
mask[2:5, 10:40, 10:40] = 1
mask[20, 5:9, 5:9] = 2
document.add(nb.Box("nodule", ((4, 10, 10), (4, 30, 30)), id="b1"))
document.add(nb.Box("nodule", ((17, 10, 10), (17, 30, 30)), id="b2", attributes={"texture": "solid"}))
viewer = nb.Viewer(document, layout="axial", height=720)
viewer
"""


def show(lab: Lab) -> Locator:
    lab.open_notebook([CELL, "0"])
    lab.run_cell(0)
    return ready(lab)


def box(name: str) -> str:
    return f"viewer.document.boxes[{name!r}].attributes"


def field(root: Locator, name: str) -> Locator:
    return root.locator(f'[data-nbannot-field="{name}"]')


def test_a_form_is_filled_by_keyboard_and_each_answer_is_one_edit(lab: Lab) -> None:
    root = show(lab)
    start: int = ask(lab, "viewer.document.revision")
    root.locator('[data-nbannot-box-row="b1"] .nbannot-name').click()
    form = root.locator('[data-nbannot-subject="b1"]')
    form.wait_for()
    assert field(form, "core").is_hidden()
    form.locator('[data-nbannot-option="solid"]').focus()
    lab.page.keyboard.press("ArrowDown")
    until_equal(lab, box("b1"), {"texture": "part-solid"})
    core = field(form, "core").locator("input")
    core.wait_for()
    form.locator('[data-nbannot-option="part-solid"]').focus()
    lab.page.keyboard.press("Tab")
    assert core.evaluate("one => one === document.activeElement"), "the next field is one Tab away"
    # Digits are typed, not taken as keys of labels; what is out of range is not kept.
    lab.page.keyboard.type("72")
    lab.page.keyboard.press("Enter")
    note = field(form, "core").locator(".nbannot-form-note")
    assert "from 0 to 50 mm" in note.inner_text()
    lab.page.keyboard.press("Control+A")
    lab.page.keyboard.type("7,5")
    lab.page.keyboard.press("Tab")
    until_equal(lab, box("b1"), {"texture": "part-solid", "core": 7.5})
    assert note.is_hidden() and ask(lab, "viewer.label") in (None, "lung")
    lab.screenshot("schema-form", element=root)
    form.locator('[data-nbannot-option="left"]').focus()  # reading the value took the focus away
    lab.page.keyboard.press("Space")
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.type("near the hilum")
    lab.page.keyboard.press("Tab")
    full: dict[str, Any] = {
        "texture": "part-solid", "core": 7.5, "sides": ["left"], "note": "near the hilum",
    }  # fmt: skip
    until_equal(lab, box("b1"), full)
    assert ask(lab, "viewer.document.revision") == start + 4
    # The core is not asked of a solid nodule: it goes in the same step, and comes back with it.
    form.locator('[data-nbannot-option="solid"]').check()
    until_equal(lab, box("b1"), {"texture": "solid", "sides": ["left"], "note": "near the hilum"})
    root.focus()
    lab.page.keyboard.press("Control+z")
    until_equal(lab, box("b1"), full)
    assert core.input_value() == "7.5"


def test_the_check_shows_what_is_missing_and_where(lab: Lab) -> None:
    root = show(lab)
    view = root.locator('[data-nbannot-view="axial"]')
    root.locator('[data-nbannot-action="labels.check"]').click()
    rows = root.locator("[data-nbannot-problem]")
    rows.first.wait_for()
    assert rows.all_inner_texts() == ["nodule\ntexture is required", "quality\ngrade is required"]
    lab.until(lambda: view.get_attribute("data-nbannot-slice") == "4", "the first is shown on its slice")
    form = root.locator('[data-nbannot-subject="b1"]')
    assert form.locator(".nbannot-form-note:visible").all_inner_texts() == ["texture is required"]
    lab.screenshot("schema-check", element=root)
    # The cursor is in its field.
    lab.page.keyboard.press("Space")
    until_equal(lab, box("b1"), {"texture": "solid"})
    lab.until(lambda: rows.all_inner_texts() == ["quality\ngrade is required"], "one is left")
    rows.first.click()
    poor = root.locator('[data-nbannot-answers="case"] [data-nbannot-option="poor"]')
    lab.until(poor.is_visible, "the question of the case is shown")
    poor.check()
    tags = "[[t.label, t.scope, t.attributes] for t in viewer.document.tags]"
    until_equal(lab, tags, [["quality", "case", {"grade": "poor"}]])
    lab.until(lambda: rows.count() == 0, "nothing is left")
    assert ask(lab, "len(nb.table(viewer.document, 'problems'))") == 0
    # A new tag of the segment needs nothing else; undo takes the answer back as a whole.
    root.focus()
    lab.page.keyboard.press("Control+z")
    until_equal(lab, tags, [])
    lab.until(lambda: rows.count() == 1, "it is missing again")


def test_status_editor_and_a_label_that_goes_with_its_uses(lab: Lab) -> None:
    root = show(lab)
    nodule = root.locator("[data-nbannot-label]").filter(has_text="nodule")
    nodule.locator(".nbannot-name").click()
    nodule.locator('[data-nbannot-action="label.status"]').click()
    root.focus()
    lab.page.keyboard.press("Shift+W")
    states = "[s.status for s in viewer.document.masks['all'].segments]"
    until_equal(lab, states, ["", "doing"])
    # The editor: another name, a code, and one question more, as one edit.
    revision: int = ask(lab, "viewer.document.revision")
    nodule.hover()
    nodule.locator('[data-nbannot-action="label.edit"]').click()
    dialog = root.locator('[data-nbannot-dialog="label"]')
    dialog.wait_for()
    for name, text in {"name": "lump", "scheme": "SCT", "code": "27925004"}.items():
        dialog.locator(f'[data-nbannot-edit="{name}"]').fill(text)
    dialog.locator('[data-nbannot-edit="save"]').click()
    assert "scheme, value and meaning" in dialog.locator(".nbannot-form-note").inner_text()
    dialog.locator('[data-nbannot-edit="meaning"]').fill("Nodule")
    dialog.locator('[data-nbannot-edit="add"]').click()
    lab.page.keyboard.type("margin")
    row = dialog.locator("[data-nbannot-question]").last
    row.locator('[data-nbannot-edit="options"]').fill("smooth, lobulated")
    lab.screenshot("schema-editor", element=root)
    dialog.locator('[data-nbannot-edit="save"]').click()
    label = "(lambda l: [l.code.meaning, l.attributes[-1].name, l.schema, l.version])(viewer.document.labels['lump'])"
    until_equal(lab, label, ["Nodule", "margin", "chest", 1])
    assert ask(lab, "viewer.document.revision") == revision + 1
    # Deleting asks with counts; the mask it shares keeps the other label; one undo brings all back.
    lump = root.locator("[data-nbannot-label]").filter(has_text="lump")
    lump.hover()
    lump.locator('[data-nbannot-action="label.remove"]').click()
    toast = root.locator(".nbannot-toast")
    lab.until(lambda: "16 voxels and 2 boxes" in toast.inner_text(), "it asks")
    toast.locator("button").click()
    uses = "[len(document.boxes), *(int((mask.array == n).sum()) for n in (2, 1)), len(mask.segments)]"
    until_equal(lab, uses, [0, 0, 2700, 1])
    root.focus()
    lab.page.keyboard.press("Control+z")
    until_equal(lab, uses, [2, 16, 2700, 2])
    lab.until(lambda: lump.count() == 1, "the label is in the list again")


def test_three_hundred_labels_are_found_and_folded(lab: Lab) -> None:
    lab.open_notebook(
        [
            """
import json, numpy as np, nbannot as nb
image = nb.Image(np.zeros((4, 32, 32), np.int16), nb.Geometry(np.eye(4)[[2, 1, 0, 3]], (4, 32, 32)), modality="CT")
labels = [nb.Label(f"organ {n}") for n in range(20)]
labels += [nb.Label(f"part {n}", parent=f"organ {n % 20}") for n in range(280)]
viewer = nb.Viewer(nb.Document(image, labels=labels, masks=[nb.Mask("all", image, segments=[l.name for l in labels])]))
viewer
""",
            "0",
        ]
    )
    lab.run_cell(0)
    root = ready(lab)
    rows = root.locator("[data-nbannot-label]")
    lab.until(lambda: rows.count() == 300, "all labels are in the list")
    root.locator('[data-nbannot-action="label.fold"]').first.click()
    lab.until(lambda: rows.count() == 286, "a branch is folded")
    find = root.locator('[data-nbannot-labels="filter"]')
    find.focus()
    lab.page.keyboard.type("part 21")
    lab.until(lambda: rows.count() == 22, "what matches, and what is above it")
    # Another choice makes two rows anew, not the whole list.
    root.evaluate(
        "root => root.querySelectorAll('[data-nbannot-label]').forEach(row => { row.kept = true; })"
    )
    chosen = rows.filter(has_text="part 213").locator(".nbannot-name")
    chosen.click()
    lab.until(lambda: chosen.get_attribute("aria-checked") == "true", "it is chosen")
    count = "root => [...root.querySelectorAll('[data-nbannot-label]')].filter(row => !row.kept).length"
    assert root.evaluate(count) <= 2
    assert ask(lab, "int(viewer.document.masks['all'].info.value_of('part 210'))") == 231

"""The list of annotations and the menu of the right button, by mouse and keyboard."""

from __future__ import annotations

from playwright.sync_api import Locator

from browser.lab import Lab
from browser.places_help import pair
from browser.test_reading import press_over
from browser.test_viewer import ask, show, slice_of, until_equal, view

MORE = """
first = nb.Box("lesion", index=((6, 10, 10), (6, 15, 15)), image=one.id, name="first")
second = nb.Box("other", index=((12, 20, 20), (12, 25, 25)), image=one.id, name="second")
third = nb.Box("lesion", index=((18, 20, 20), (18, 25, 25)), image=one.id, name="third")
for box in (first, second, third):
    viewer.document.add(box)
names = lambda: sorted(box.name for box in viewer.document.boxes)
view(panel=True)
"""


def row(root: Locator, name: str) -> Locator:
    return root.locator("[data-nbannot-annotation]", has_text=name)


def item(root: Locator, id: str) -> Locator:
    return root.locator(f'[data-nbannot-item="{id}"]')


def test_the_list_finds_goes_renames_joins_locks_and_deletes(lab: Lab) -> None:
    root = show(lab, [pair("one", more=MORE).replace("panel=False", "panel=True")])
    row(root, "second").click()
    lab.until(lambda: slice_of(lab, "axial") == 12, "the box's slice is shown")
    lab.page.keyboard.press("ArrowDown")
    lab.until(lambda: slice_of(lab, "axial") == 18, "the next one")
    lab.page.keyboard.press("F2")
    lab.page.keyboard.insert_text("last")
    lab.page.keyboard.press("Enter")
    until_equal(lab, "names()", ["first", "last", "second"])
    until_equal(lab, "viewer.view['selected'] == [third.id]", True)
    root.get_by_label("Filter the annotations").fill("lesion")
    assert root.locator("[data-nbannot-annotation]").count() == 2
    row(root, "first").click()
    row(root, "last").click(modifiers=["Shift"])
    root.locator('[data-nbannot-action="annotation.menu"]').click()
    item(root, "lesion").click()
    until_equal(lab, "[len({b.lesion for b in viewer.document.boxes}), second.lesion]", [2, ""])
    root.locator('[data-nbannot-action="annotation.menu"]').click()
    item(root, "lock").click()
    until_equal(lab, "sorted(b.name for b in viewer.document.boxes if b.locked)", ["first", "last"])
    press_over(lab, "axial", "Delete")
    root.get_by_text("2 annotations are locked. Unlock to delete.").wait_for()
    assert ask(lab, "names()") == ["first", "last", "second"]
    root.get_by_label("Filter the annotations").fill("")
    row(root, "second").click()
    press_over(lab, "axial", "Delete")
    until_equal(lab, "names()", ["first", "last"])
    press_over(lab, "axial", "j")
    lab.until(lambda: slice_of(lab, "axial") == 6, "the first annotation by key")


def right_click_edge(lab: Lab, pane: Locator) -> None:
    pane.scroll_into_view_if_needed()
    edge = pane.locator("[data-nbannot-box] polygon").first.bounding_box()
    assert edge
    lab.page.mouse.click(edge["x"] + 1, edge["y"] + edge["height"] / 2, button="right")


def test_the_right_button_opens_the_menu_of_what_lies_there(lab: Lab) -> None:
    root = show(lab, [pair("one", more=MORE).replace("panel=False", "panel=True")])
    row(root, "first").click()
    pane = view(lab, "axial")
    right_click_edge(lab, pane)
    item(root, "status-flagged").click()
    until_equal(lab, "[b.status for b in viewer.document.boxes]", ["flagged", "", ""])
    right_click_edge(lab, pane)
    item(root, "hide").click()
    lab.until(lambda: pane.locator("[data-nbannot-box]").count() == 0, "the box is hidden")
    until_equal(lab, "viewer.view['hidden'] == [first.id]", True)
    whole = pane.bounding_box()
    assert whole
    lab.page.mouse.click(whole["x"] + 30, whole["y"] + whole["height"] / 2, button="right")
    item(root, "plane-coronal").wait_for()
    assert item(root, "segment-lock").count() == 0, "nothing is painted there"
    lab.page.keyboard.press("Escape")
    assert item(root, "plane-coronal").count() == 0
    # On a segment its label comes first.
    lab.run_python("viewer.document.masks['other'][:] = 1")
    middle = (whole["x"] + whole["width"] / 2 + 30, whole["y"] + whole["height"] / 2 + 30)
    lab.until(lambda: ask(lab, "viewer.document.revision") > 3, "it is painted")
    pane.locator("canvas").first.hover()
    root.locator(".nbannot-value").filter(has_text="other").first.wait_for()
    lab.page.mouse.click(*middle, button="right")
    item(root, "segment-lock").click()
    until_equal(lab, "[one.locked for one in viewer.document.labels]", [False, True])

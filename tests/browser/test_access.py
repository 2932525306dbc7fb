"""Everyone can use it: by keyboard, with names, enough contrast, at any zoom, with fingers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

from browser.conftest import ROOT, clear
from browser.lab import Lab, Server

SHOW = """
import numpy as np, nbannot as nb
array = np.random.default_rng(3).integers(-400, 400, (20, 12, 12)).repeat(8, 1).repeat(8, 2).astype(np.int16)
grid = nb.Geometry(np.diag([1.0, 1, 2, 1])[[2, 1, 0, 3]], array.shape)
make = lambda name: nb.Image(array, grid, modality="CT", unit="HU", windows=[nb.Window(0, 900, "SOFT")], name=name)
liver = nb.Label("liver", attributes=[
    nb.Attribute("margin", "choice", options=("smooth", "spiculated"), required=True),
    nb.Attribute("size", "number", unit="mm"),
    nb.Attribute("seen", "yesno"), nb.Attribute("note", "text"),
])
viewer = nb.Viewer([make("one"), make("two")], labels=[liver, "lesion"], height=620)
viewer.document.add(nb.Box("liver", index=((9, 30, 30), (10, 50, 50))))
viewer.label = "liver"
viewer.view = {**viewer.view, "tool": "brush", "size_mm": 12, "panel": True}
mask = viewer.document.masks["liver"]
viewer
"""

# What is looked at in the page: names, sizes, contrast, focus, what is cut off.
LOOK = (Path(__file__).parent / "access_page.js").read_text(encoding="utf-8")


def show(lab: Lab) -> None:
    lab.open_notebook([SHOW, "0"])
    lab.run_cell(0)
    lab.page.locator('[data-nbannot-root][data-nbannot-complete="true"]').first.wait_for(timeout=60_000)


@contextmanager
def page_of(server: Server, browser: Browser, **options: Any) -> Iterator[Lab]:
    """Open a page with a scale or a touch screen of its own and show the viewer."""
    options = {"viewport": {"width": 1400, "height": 1000}, "device_scale_factor": 1, **options}
    context = browser.new_context(**options)
    context.set_default_timeout(30_000)
    context.add_init_script(LOOK)
    lab = Lab(server, context, ROOT / "test-output")
    try:
        show(lab)
        yield lab
    finally:
        lab.close()
        context.close()
        clear(server.root)


@pytest.fixture
def shown(lab: Lab) -> Lab:
    show(lab)
    lab.page.evaluate(LOOK)
    return lab


MENUS = ("Window", "Layout", "Thick slices", "Links", "Compare", "Shapes", "More")
# What keys open, the element that is then there, and the key that closes it (a panel: its button).
PARTS = {
    "the help": ("?", ".nbannot-help", "Escape"),
    "operations": ("Control+o", '[data-nbannot-live="operations"] [data-nbannot-parameter]', ""),
    "the history": ("u", '[data-nbannot-live="history"] [data-nbannot-step]', "u"),
    "the header": ("Shift+H", '[data-nbannot-dialog="header"]', "Escape"),
    "about the image": ("Shift+I", '[data-nbannot-dialog="info"]', "Escape"),
    "the picture": ("Shift+S", '[data-nbannot-dialog="screenshot"] [data-nbannot-save]', "Escape"),
    "the menu of a view": ("Shift+F10", ".nbannot-menu", "Escape"),
}


def everything_open(page: Page) -> Iterator[str]:
    """Open each menu, panel, dialog and the 3-D view's own controls in turn."""
    yield "as it stands"
    for name in MENUS:
        button = page.locator(f'.nbannot-toolbar button[aria-haspopup][title^="{name}"]:visible').first
        if button.count():
            button.click()
            page.locator(".nbannot-menu").wait_for()
            yield f"the menu {name}"
            page.keyboard.press("Escape")
            page.locator(".nbannot-menu").wait_for(state="detached")
    for button in page.locator(".nbannot-panel button[aria-haspopup]:visible").all():
        button.click()
        page.locator(".nbannot-menu").wait_for()
        yield f"the menu {button.get_attribute('title')}"
        page.keyboard.press("Escape")
        page.locator(".nbannot-menu").wait_for(state="detached")
    root = page.locator("[data-nbannot-root]")
    for name, (keys, there, end) in PARTS.items():
        root.focus()
        page.keyboard.press(keys)
        page.locator(there).first.wait_for()
        yield name
        if end:
            page.keyboard.press(end)
        else:  # the focus is in a form, which has its own keys
            page.locator("[data-nbannot-live] button[title=Close]").click()
        page.locator(there).first.wait_for(state="detached")
    if page.locator("[data-nbannot-label]:visible").count():
        page.locator("[data-nbannot-label]").first.hover()
        page.locator('[data-nbannot-action="label.edit"]').first.click()
        page.locator('[data-nbannot-dialog="label"]').wait_for()
        yield "the label editor"
        page.keyboard.press("Escape")
        page.mouse.move(5, 5)
    yield from volume_open(page)


def volume_open(page: Page) -> Iterator[str]:
    """Open the controls of the 3-D view."""
    panel = page.locator("[data-nbannot-panel]")
    if panel.is_visible():  # in a narrow viewer it lies over the pictures
        page.locator('[data-nbannot-command="panel.toggle"]').click()
        panel.wait_for(state="hidden")
    page.locator('.nbannot-toolbar button[title="Layout"]').click()
    page.locator('.nbannot-menu [data-nbannot-item="four-up"]').click()
    page.locator('[data-nbannot-view="volume"][data-nbannot-complete="true"]').wait_for(timeout=60_000)
    page.mouse.move(5, 5)
    yield "the 3-D view"
    for name in ("edit", "crop"):
        page.locator(f'[data-nbannot-volume="{name}"]').click()
        page.locator(".nbannot-volume-editor, .nbannot-volume-crop").locator("visible=true").first.wait_for()
        page.mouse.move(5, 5)
        yield f"3-D: {name}"
        page.locator(f'[data-nbannot-volume="{name}"]').click()


def test_every_control_has_a_name_and_the_size_of_a_finger(shown: Lab) -> None:
    wrong = []
    for where in everything_open(shown.page):
        controls = shown.page.evaluate("() => access.names()")
        assert len(controls) > 15
        wrong += [f"{where}: no name: {one['html']}" for one in controls if not one["name"]]
        wrong += [
            f"{where}: {one['width']} × {one['height']}: {one['html']}"
            for one in controls
            if min(one["width"], one["height"]) < 23.9
        ]
    assert not wrong, "\n".join(wrong)


def hold(element: Locator) -> None:
    """Focus an element for good: JupyterLab takes the focus once where its cell becomes the active one."""
    element.focus()
    element.evaluate(
        """element => new Promise(done => {
          const settled = () => element.closest('.jp-Cell').classList.contains('jp-mod-active')
            ? requestAnimationFrame(() => setTimeout(done)) : requestAnimationFrame(settled);
          requestAnimationFrame(settled);
        })"""
    )
    element.focus()


def tabbed_through(page: Page, within: str) -> list[str]:
    """Press Tab through what is there; return what it does not reach."""
    wanted = dict(page.evaluate("within => access.reachable(within)", within))
    assert wanted, within
    reached: set[int] = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        now = page.evaluate("() => access.focus()")
        print("?", now)
        if now is None or now["at"] in reached:
            break
        assert now["ring"], f"no visible focus: {now['html']}"
        assert now["seen"], f"the focus is somewhere unseen: {now['html']}"
        reached.add(now["at"])
    return [html for n, html in wanted.items() if n not in reached]


def test_every_control_is_reached_by_keyboard_with_a_visible_focus(shown: Lab) -> None:
    page = shown.page
    root = page.locator("[data-nbannot-root]")
    page.mouse.move(5, 5)
    for name in ("operations", "the history"):
        hold(root)
        page.keyboard.press(PARTS[name][0])
        page.locator(PARTS[name][1]).first.wait_for()
    hold(root)
    assert tabbed_through(page, "[data-nbannot-root]") == []
    # In a dialog Tab goes round, and Escape gives the focus back.
    for name in ("the header", "about the image", "the picture"):
        keys, there, end = PARTS[name]
        hold(root)
        page.keyboard.press(keys)
        page.locator(there).first.wait_for()
        assert tabbed_through(page, "[data-nbannot-dialog]") == [], name
        page.keyboard.press(end)
        page.locator(there).first.wait_for(state="detached")
        assert page.evaluate(
            "() => document.querySelector('[data-nbannot-root]').contains(document.activeElement)"
        )
    label_editor(page)
    page.keyboard.press("l")
    for name in volume_open(page):
        if name != "the 3-D view":
            hold(root)
            assert tabbed_through(page, '[data-nbannot-view="volume"]') == [], name


def label_editor(page: Page) -> None:
    """The label editor opens, is gone through, changed and left by keyboard; the focus is where it was."""
    button = page.locator('[data-nbannot-action="label.edit"]').first
    dialog = page.locator('[data-nbannot-dialog="label"]')
    focused = "button => document.activeElement === button"

    def opened() -> None:
        # Tab goes from the name to the button, which is there while its row has the focus.
        hold(page.locator("[data-nbannot-label] .nbannot-name").first)
        page.keyboard.press("Tab")
        assert button.evaluate(focused)
        page.keyboard.press("Enter")
        dialog.locator('[data-nbannot-edit="group"] option').nth(1).wait_for(state="attached")

    opened()
    assert page.evaluate("() => document.activeElement.dataset.nbannotEdit") == "name", "the name comes first"
    dialog.locator('[data-nbannot-edit="find"]').fill("liver")
    dialog.locator('[data-nbannot-edit="found"] option').first.wait_for(state="attached")
    assert tabbed_through(page, '[data-nbannot-dialog="label"]') == []
    order = page.evaluate(
        """() => { const all = [...document.querySelectorAll('[data-nbannot-dialog] :is(button, input, select)')]
          .filter(e => e.checkVisibility()); all.at(-1).focus(); return all.length; }"""
    )
    assert order > 20
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.title") == "Close (Esc)", "Tab goes round"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Cancel"
    # Escape closes it from any kind of field and changes nothing.
    for field in ("name", "find", "found", "parent", "type"):
        if not dialog.count():
            opened()
        if field == "found":
            dialog.locator('[data-nbannot-edit="find"]').fill("liver")
        dialog.locator(f'[data-nbannot-edit="{field}"]').first.focus()
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        assert button.evaluate(focused), f"the focus goes back from {field}"
    # Questions are added and removed, and the label is saved, without a mouse.
    opened()
    rows = dialog.locator("[data-nbannot-question]")
    count = rows.count()
    dialog.locator('[data-nbannot-edit="add"]').focus()
    page.keyboard.press("Enter")
    assert rows.count() == count + 1
    assert rows.last.locator('[data-nbannot-edit="question"]').evaluate(focused), (
        "the new question has the focus"
    )
    rows.last.locator("button").focus()
    page.keyboard.press("Enter")
    assert rows.count() == count
    assert dialog.locator('[data-nbannot-edit="add"]').evaluate(focused)
    dialog.locator('[data-nbannot-edit="name"]').focus()
    page.keyboard.press("End")
    page.keyboard.type("s")
    page.keyboard.press("Enter")
    dialog.wait_for(state="detached")
    page.locator("[data-nbannot-label]").first.get_by_text("livers").wait_for()
    assert button.evaluate(focused), "the focus goes back to the label that was saved"


def test_menus_open_move_and_close_by_keyboard(shown: Lab) -> None:
    page = shown.page
    button = page.locator('.nbannot-toolbar button[title="Layout"]')
    button.focus()
    page.mouse.move(5, 5)
    page.keyboard.press("Enter")
    page.locator(".nbannot-menu").wait_for()
    first = page.evaluate("() => document.activeElement.textContent")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("() => document.activeElement.textContent") != first
    page.keyboard.press("Escape")
    page.locator(".nbannot-menu").wait_for(state="detached")
    assert button.evaluate("button => document.activeElement === button"), "the focus goes back"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_aa(shown: Lab, theme: str) -> None:
    shown.set_theme(theme)
    shown.page.mouse.move(5, 5)
    found = {where: shown.page.evaluate("() => access.contrast()") for where in everything_open(shown.page)}
    shown.screenshot(f"access-{theme}")
    shown.set_theme("light")  # the server keeps it for the pages that follow
    assert not any(found.values()), found


@pytest.mark.parametrize("percent", [125, 150, 200])
def test_browser_zoom(lab_server: Server, browser: Browser, percent: int) -> None:
    scale = percent / 100
    viewport = {"width": round(1400 / scale), "height": round(1000 / scale)}
    with page_of(lab_server, browser, viewport=viewport, device_scale_factor=scale) as lab:
        lab.screenshot(f"access-zoom-{percent}")
        found = {where: lab.page.evaluate("() => access.cutOff()") for where in everything_open(lab.page)}
        assert not any(found.values()), found
        canvas = lab.page.locator("[data-nbannot-view] canvas").first
        # Pictures keep the sharpness of the screen.
        css, device = canvas.evaluate("canvas => [canvas.getBoundingClientRect().width, canvas.width]")
        assert device == pytest.approx(css * scale, abs=2)


class Fingers:
    """Touches of a page, as a touch screen sends them."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def __call__(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def test_a_touch_screen(lab_server: Server, browser: Browser) -> None:
    with page_of(lab_server, browser, has_touch=True) as lab:
        page = lab.page
        canvas = page.locator('[data-nbannot-view="axial"] canvas').first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = Fingers(page)
        page.locator('[data-nbannot-command="tool.brush"]').tap()
        touch("touchStart", (x - 30, y))
        for n in range(6):
            touch("touchMove", (x - 30 + 10 * n, y))
        touch("touchEnd")
        lab.until(lambda: lab.run_python("print(int((mask.array > 0).sum()))") != "0", "one finger paints")
        painted = lab.run_python("print(int((mask.array > 0).sum()), len(viewer.document.history))")
        canvas.scroll_into_view_if_needed()
        zoom = "print(viewer.view.get('zoom', {}).get('axial'))"
        assert lab.run_python(zoom) == "None"
        touch("touchStart", (x - 40, y))
        touch("touchStart", (x - 40, y), (x + 40, y))
        for n in range(1, 8):
            touch("touchMove", (x - 40 - 8 * n, y), (x + 40 + 8 * n, y))
        touch("touchEnd")
        lab.until(lambda: lab.run_python(zoom) != "None", "two fingers zoom")
        where = "print(viewer.view.get('pan', {}).get('axial'))"
        lab.still()
        before = lab.run_python(zoom), lab.run_python(where)
        touch("touchStart", (x - 40, y), (x + 40, y))
        for n in range(1, 6):
            touch("touchMove", (x - 40 + 8 * n, y + 5 * n), (x + 40 + 8 * n, y + 5 * n))
        touch("touchEnd")
        lab.until(lambda: lab.run_python(where) != before[1], "two fingers shift")
        assert float(lab.run_python(zoom)) == pytest.approx(float(before[0]), rel=0.05), "and do not zoom"
        assert lab.run_python("print(int((mask.array > 0).sum()), len(viewer.document.history))") == painted
        undo = page.locator('[data-nbannot-command="edit.undo"]')
        undo.tap()
        lab.until(lambda: lab.run_python("print(int((mask.array > 0).sum()))") == "0", "a tap undoes")
        canvas.scroll_into_view_if_needed()
        page.locator('[data-nbannot-menu="shapes"]').tap()
        page.locator('[data-nbannot-item="tool.ruler"]').tap()
        touch("touchStart", (x - 60, y - 40))
        for n in range(1, 8):
            touch("touchMove", (x - 60 + 12 * n, y - 40 + 5 * n))
        touch("touchEnd")
        rulers = "print([one.kind for one in viewer.document.shapes])"
        lab.until(lambda: lab.run_python(rulers) == "['ruler']", "one finger draws a ruler")
        canvas.scroll_into_view_if_needed()
        before = lab.run_python(zoom)
        touch("touchStart", (x - 70, y + 60))
        touch("touchStart", (x - 70, y + 60), (x + 70, y + 60))
        for n in range(1, 6):
            touch("touchMove", (x - 70 + 8 * n, y + 60), (x + 70 - 8 * n, y + 60))
        touch("touchEnd")
        lab.until(lambda: lab.run_python(zoom) != before, "two fingers zoom with the ruler, too")
        assert lab.run_python(rulers) == "['ruler']"
        lab.screenshot("access-touch")

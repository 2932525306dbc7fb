"""Everyone can use it: by keyboard, with names, enough contrast, at any zoom, with fingers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from browser.conftest import ROOT, clear
from browser.lab import Lab, Server

SHOW = """
import numpy as np, nbannot as nb
array = np.random.default_rng(3).integers(-400, 400, (20, 12, 12)).repeat(8, 1).repeat(8, 2).astype(np.int16)
grid = nb.Geometry(np.diag([1.0, 1, 2, 1])[[2, 1, 0, 3]], array.shape)
make = lambda name: nb.Image(array, grid, modality="CT", unit="HU", windows=[nb.Window(0, 900, "SOFT")], name=name)
viewer = nb.Viewer([make("one"), make("two")], labels=["liver", "lesion"], height=520)
viewer.document.add(nb.Box("liver", index=((9, 30, 30), (10, 50, 50))))
viewer.label = "liver"
viewer.view = {**viewer.view, "tool": "brush", "size_mm": 12, "panel": True}
mask = viewer.document.masks["liver"]
viewer
"""

CONTROLS = """() => [...document.querySelectorAll('[data-nbannot-root] :is(button, input, select, textarea, a[href], [tabindex], '
  + '[role=slider], [role=button], [role=menuitemradio])')].filter(e => e.checkVisibility({visibilityProperty: false}))"""

NAMES = f"""() => ({CONTROLS})().map(e => ({{
  html: e.outerHTML.slice(0, 140),
  name: (e.getAttribute('aria-label') || e.getAttribute('title') || [...(e.labels ?? [])].map(l => l.textContent).join(' ')
    || e.textContent || '').trim(),
  width: e.getBoundingClientRect().width, height: e.getBoundingClientRect().height,
}}))"""

# Text against what lies behind it, with the opacity of everything around it; pictures are not judged: their
# words have a dark shadow of their own.
CONTRAST = """() => {
  const parse = (text) => {
    const n = (text.match(/[\\d.]+/g) ?? []).map(Number);
    const scale = text.startsWith('color(') ? 255 : 1;
    return [n[0] * scale, n[1] * scale, n[2] * scale, n.length > 3 ? n[3] : 1];
  };
  const over = (top, under, alpha) => top.map((v, n) => n < 3 ? v * alpha + under[n] * (1 - alpha) : 1);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const behind = (element) => {
    const chain = [];
    for (let e = element; e; e = e.parentElement) chain.push(e);
    let color = [255, 255, 255, 1];
    for (const e of chain.reverse()) {
      const own = parse(getComputedStyle(e).backgroundColor);
      color = over(own, color, own[3]);
    }
    return color;
  };
  const faded = (element) => {
    let all = 1;
    for (let e = element; e && !e.matches('[data-nbannot-root]'); e = e.parentElement) all *= Number(getComputedStyle(e).opacity);
    return all;
  };
  const found = [];
  const judge = (element, text, least) => {
    if (!element.checkVisibility({visibilityProperty: true}) || element.closest(':disabled, .nbannot-view, [aria-disabled=true]')) return;
    const under = behind(element);
    const own = parse(getComputedStyle(element).color);
    const seen = over(own, under, own[3] * faded(element));
    const value = ratio(seen, under);
    if (value < least) found.push(`${value.toFixed(2)} < ${least}: ${text} ${element.className?.baseVal ?? element.className}`);
  };
  for (const root of document.querySelectorAll('[data-nbannot-root]')) {
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      if (node.data.trim()) judge(node.parentElement, `"${node.data.trim()}"`, 4.5);
    }
    for (const field of root.querySelectorAll('input[type=number], input:not([type]), select')) judge(field, 'field', 4.5);
    for (const icon of root.querySelectorAll('svg.nbannot-icon')) judge(icon, `icon of ${icon.closest('button')?.title}`, 3);
  }
  return found;
}"""

FOCUS = """() => {
  const e = document.activeElement;
  const root = e?.closest('[data-nbannot-root]');
  if (!root) return null;
  const style = getComputedStyle(e);
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1.5;
  const all = [...root.querySelectorAll('*')];
  return {at: all.indexOf(e), html: e.outerHTML.slice(0, 120), ring: ring || style.boxShadow !== 'none' || e === root,
    seen: e.checkVisibility({visibilityProperty: true, opacityProperty: true})};
}"""

REACHABLE = """() => {
  const root = document.querySelector('[data-nbannot-root]');
  const all = [...root.querySelectorAll('*')];
  return all.map((e, n) => [n, e]).filter(([, e]) => e.matches('button:not(:disabled), input:not(:disabled), select')
    && e.checkVisibility({visibilityProperty: false}) && e.tabIndex >= 0).map(([n, e]) => [n, e.outerHTML.slice(0, 120)]);
}"""

CUT_OFF = """() => {
  const root = document.querySelector('[data-nbannot-root]');
  const edge = root.getBoundingClientRect();
  const found = [];
  for (const e of root.querySelectorAll('.nbannot-toolbar :is(button, input, select), .nbannot-panel, .nbannot-view, .nbannot-menu')) {
    if (!e.checkVisibility()) continue;
    const box = e.getBoundingClientRect();
    if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.bottom > edge.bottom + 1) found.push(`outside: ${e.outerHTML.slice(0, 100)}`);
    if (e.matches('button') && e.scrollWidth > e.clientWidth + 1) found.push(`too narrow: ${e.outerHTML.slice(0, 100)}`);
  }
  const controls = [...root.querySelectorAll('.nbannot-toolbar :is(button, input, select)')].filter(e => e.checkVisibility());
  for (const [n, one] of controls.entries()) {
    const a = one.getBoundingClientRect();
    for (const other of controls.slice(n + 1)) {
      const b = other.getBoundingClientRect();
      const lap = Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
      if (lap) found.push(`${one.title} lies over ${other.title}`);
    }
  }
  if (root.scrollWidth > root.clientWidth + 1) found.push('the viewer is wider than its cell');
  return found;
}"""


@contextmanager
def page_of(server: Server, browser: Browser, **options: Any) -> Iterator[Lab]:
    """Open a page with a scale or a touch screen of its own and show the viewer."""
    options = {"viewport": {"width": 1400, "height": 1000}, "device_scale_factor": 1, **options}
    context = browser.new_context(**options)
    context.set_default_timeout(30_000)
    lab = Lab(server, context, ROOT / "test-output")
    try:
        lab.open_notebook([SHOW, "0"])
        lab.run_cell(0)
        lab.page.locator('[data-nbannot-root][data-nbannot-complete="true"]').first.wait_for(timeout=60_000)
        yield lab
    finally:
        lab.close()
        context.close()
        clear(server.root)


@pytest.fixture
def shown(lab_server: Server, browser: Browser) -> Iterator[Lab]:
    with page_of(lab_server, browser) as lab:
        yield lab


def everything_open(page: Page) -> Iterator[str]:
    """Open each menu and the help in turn."""
    yield "as it stands"
    for name in ("Window", "Layout", "More"):
        button = page.locator(f'.nbannot-toolbar button[aria-haspopup="menu"][title^="{name}"]').first
        if button.count():
            button.click()
            page.locator(".nbannot-menu").wait_for()
            yield f"the menu {name}"
            page.keyboard.press("Escape")
            page.locator(".nbannot-menu").wait_for(state="detached")
    page.locator('[data-nbannot-command="help.toggle"]').click()
    page.locator(".nbannot-help").wait_for()
    yield "the help"
    page.keyboard.press("Escape")


def test_every_control_has_a_name_and_the_size_of_a_finger(shown: Lab) -> None:
    wrong = []
    for where in everything_open(shown.page):
        controls = shown.page.evaluate(NAMES)
        assert len(controls) > 15
        wrong += [f"{where}: no name: {one['html']}" for one in controls if not one["name"]]
        wrong += [
            f"{where}: {one['width']} × {one['height']}: {one['html']}"
            for one in controls
            if min(one["width"], one["height"]) < 23.9
        ]
    assert not wrong, "\n".join(wrong)


def test_every_control_is_reached_by_keyboard_with_a_visible_focus(shown: Lab) -> None:
    page = shown.page
    wanted = dict(page.evaluate(REACHABLE))
    page.evaluate("() => document.querySelector('[data-nbannot-root]').focus()")
    page.mouse.move(5, 5)
    reached: dict[int, str] = {}
    for _ in range(2 * len(wanted) + 10):
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUS)
        if now is None:
            break
        assert now["ring"], f"no visible focus: {now['html']}"
        assert now["seen"], f"the focus is somewhere unseen: {now['html']}"
        reached[now["at"]] = now["html"]
    missed = [html for n, html in wanted.items() if n not in reached]
    assert not missed, missed


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
    found = {where: shown.page.evaluate(CONTRAST) for where in everything_open(shown.page)}
    shown.screenshot(f"access-{theme}")
    assert not any(found.values()), found


@pytest.mark.parametrize("percent", [125, 150, 200])
def test_browser_zoom(lab_server: Server, browser: Browser, percent: int) -> None:
    scale = percent / 100
    viewport = {"width": round(1400 / scale), "height": round(1000 / scale)}
    with page_of(lab_server, browser, viewport=viewport, device_scale_factor=scale) as lab:
        lab.screenshot(f"access-zoom-{percent}")
        found = {where: lab.page.evaluate(CUT_OFF) for where in everything_open(lab.page)}
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
        assert lab.run_python("print(int((mask.array > 0).sum()), len(viewer.document.history))") == painted
        undo = page.locator('[data-nbannot-command="edit.undo"]')
        undo.tap()
        lab.until(lambda: lab.run_python("print(int((mask.array > 0).sum()))") == "0", "a tap undoes")
        lab.screenshot("access-touch")

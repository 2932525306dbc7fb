"""The tools used most, in Voilà: mouse and keyboard on a real CT, read back from what Python says it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from browser.conftest import ROOT, new_context
from browser.lab import READY_S
from browser.test_hosts import ready, until, view, voila

CT = """
import json, warnings, ipywidgets, numpy as np, nbannot as nb
warnings.simplefilter("ignore")
ct = nb.read({folder!r})
viewer = nb.Viewer(ct, labels=["liver"], layout="axial", hanging=False, height=700)
viewer.label = "liver"
viewer.goto(index=(60, 256, 256))
viewer.view = {{**viewer.view, "panel": False, "size_mm": 30, "zoom": {{"axial": 0.8}}}}
mask = viewer.document.masks["liver"]
told = ipywidgets.Label("")
def length(one):
    return round(float(np.linalg.norm(np.subtract(one.points[1], one.points[0]))), 1)
def tell(*_):
    painted = np.asarray(ct.array)[60][np.asarray(mask.array)[60] > 0]
    shapes = list(viewer.document.shapes)
    told.value = "told " + json.dumps(dict(
        voxels=int((mask.array > 0).sum()), low=int(painted.min(initial=9999)), high=int(painted.max(initial=-9999)),
        boxes=len(list(viewer.document.boxes)), kinds=[one.kind for one in shapes],
        points=[len(one.points) for one in shapes], texts=[one.text for one in shapes if one.text],
        mm=[length(one) for one in shapes if one.kind == "ruler"],
    ))
viewer.document.edited.connect(tell)
tell()
ipywidgets.VBox([told])
"""
MM_PER_PX = 0.8
Px = tuple[int, int]


class Hand:
    """Mouse and keyboard over the axial view, in px from its middle."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator("[data-nbannot-root]").first

    def at(self, px: Px) -> tuple[float, float]:
        canvas = view(self.page).locator("canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        return box["x"] + round(box["width"] / 2) + px[0], box["y"] + round(box["height"] / 2) + px[1]

    def take(self, key: str, tool: str) -> None:
        """Choose a tool by its key."""
        self.page.mouse.move(*self.at((0, 0)))
        self.page.keyboard.press(key)
        self.page.locator(f'[data-nbannot-root][data-nbannot-tool="{tool}"]').first.wait_for()

    def drag(self, *way: Px) -> None:
        self.page.mouse.move(*self.at(way[0]))
        self.page.mouse.down()
        for stop in way[1:]:
            self.page.mouse.move(*self.at(stop), steps=3)
        self.page.mouse.up()

    def click(self, *places: Px) -> None:
        for place in places:
            self.page.mouse.click(*self.at(place))

    def option(self, name: str, value: str) -> None:
        field = self.root.locator(f'[data-nbannot-rule="{name}"]')
        field.fill(value)
        field.press("Enter")

    def told(self) -> dict[str, Any]:
        """What Python has."""
        text = self.page.get_by_text("told {").last.text_content() or ""
        found: dict[str, Any] = json.loads(text.removeprefix("told "))
        return found

    def until(self, what: str, **wanted: Any) -> None:
        until(self.page, lambda: {key: self.told()[key] for key in wanted} == wanted, f"{what}: {wanted}")

    def until_painted(self, what: str, *, more_than: int = 0) -> int:
        until(self.page, lambda: self.told()["voxels"] > more_than, what)
        return int(self.told()["voxels"])

    def undo(self) -> None:
        self.page.mouse.move(*self.at((0, 0)))
        self.page.keyboard.press("Control+z")


def paint(hand: Hand) -> None:
    """Brush, eraser, brush in a range, lasso, fill: each is in the mask, and taken back."""
    hand.take("b", "brush")
    hand.drag((-60, 0), (60, 0))
    painted = hand.until_painted("the brush")
    hand.take("e", "eraser")
    hand.drag((20, 0), (60, 0))
    until(hand.page, lambda: 0 < hand.told()["voxels"] < painted, "the eraser")
    hand.undo()
    hand.until("the eraser is taken back", voxels=painted)
    hand.undo()
    hand.until("the brush is taken back", voxels=0)
    hand.take("b", "brush")
    hand.root.locator('[data-nbannot-rule="range"]').click()
    hand.option("low", "-100")
    hand.option("high", "80")
    hand.drag((-60, 0), (60, 0))
    assert hand.until_painted("the brush in a range") < painted
    assert -100 <= hand.told()["low"] <= hand.told()["high"] <= 80
    hand.undo()
    hand.until("the brush in a range is taken back", voxels=0)
    hand.root.locator('[data-nbannot-rule="range"]').click()
    hand.take("s", "scissors")
    hand.root.locator('[data-nbannot-outline="lasso"]').click()
    hand.drag((-50, -50), (50, -50), (50, 50), (-50, 50), (-50, -45))
    lasso = hand.until_painted("the lasso")
    hand.take("y", "fill")
    hand.click((90, 0))
    hand.until_painted("fill", more_than=lasso)
    hand.undo()
    hand.until("the fill is taken back", voxels=lasso)
    hand.undo()
    hand.until("the lasso is taken back", voxels=0)


def draw(hand: Hand) -> None:
    """A box, a ruler, a bidirectional measure, an ellipse, a polygon, an angle, a text and a probe."""
    hand.take("x", "box")
    hand.drag((-200, -200), (-140, -150))
    hand.until("the box", boxes=1)
    hand.take("d", "ruler")
    hand.drag((-100, -200), (0, -200))
    hand.take("Shift+D", "bidirectional")
    hand.drag((40, -200), (120, -180))
    hand.take("Shift+E", "ellipse")
    hand.drag((-200, -100), (-120, -40))
    hand.take("Shift+P", "polygon")
    hand.click((-60, -100), (0, -90), (-10, -40))
    hand.page.keyboard.press("Enter")
    hand.take("Shift+G", "angle")
    hand.drag((60, -100), (90, -60))
    hand.click((130, -100))
    hand.take("Shift+X", "text")
    hand.click((-100, 120))
    hand.page.locator("[data-nbannot-typein]:visible").first.wait_for()
    hand.page.keyboard.type("see report")
    hand.page.keyboard.press("Enter")
    hand.take("Shift+Z", "probe")
    hand.click((100, 120))
    kinds = ["ruler", "bidirectional", "ellipse", "polygon", "angle", "text", "probe"]
    hand.until("every shape", kinds=kinds, boxes=1, texts=["see report"], points=[2, 4, 4, 3, 3, 1, 1])
    # As long as the way of the mouse, to half a pixel at each end.
    assert abs(hand.told()["mm"][0] - 100 * MM_PER_PX) <= MM_PER_PX
    for left in range(len(kinds) - 1, -1, -1):
        hand.undo()
        hand.until("one step back", kinds=kinds[:left])
    hand.undo()
    hand.until("all is taken back", boxes=0, kinds=[], voxels=0)


def test_the_tools_in_voila(browser: Browser, tmp_path: Path, shared_data: Path) -> None:
    errors: list[str] = []
    cells = [CT.format(folder=str(shared_data / "petct_acrin042" / "ct")), "viewer"]
    with voila(tmp_path, cells) as address:
        context = new_context(browser)
        # Voilà's page asks a CDN for a font; no test goes there.
        context.route(lambda url: "//127.0.0.1" not in url, lambda route: route.abort())
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
        try:
            page.goto(address, timeout=READY_S * 1000)
            ready(page)
            hand = Hand(page)
            paint(hand)
            draw(hand)
            assert not [text for text in errors if "nbannot" in text], errors
        except BaseException:
            page.screenshot(path=ROOT / "test-output" / "failed-voila-tools.png")
            raise
        finally:
            context.close()

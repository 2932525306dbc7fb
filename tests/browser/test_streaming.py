"""A large image comes slice by slice: what is looked at first, and nobody waits meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator

from browser.lab import Lab

# After `most` slices reading waits, so that "in the middle" lasts until the test has done its part.
LARGE = """
import json, time, numpy as np, nbannot as nb
shape = (300, 512, 512)
k, j, i = np.ogrid[:300, :512, :512]
plane = (2000 * np.exp(-((j - 256) ** 2 + (i - 256) ** 2) / 20000) - 1000)[0].astype(np.int16)
noise = np.random.default_rng(1).integers(-30, 30, (512, 512), dtype=np.int16)

class Source:
    shape, dtype = shape, np.dtype(np.int16)
    def __init__(self):
        self.read, self.most = [], {most}
    def plane(self, k, t=0):
        self.read.append(k)
        while len(self.read) > self.most:
            time.sleep(0.01)
        return plane + np.roll(noise, 7 * k, axis=0) + np.int16(k)
    def load(self):
        raise AssertionError("a viewer never loads everything")

source = Source()
grid = nb.Geometry([[0, 0, 0.7, 0], [0, 0.7, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]], shape)
image = nb.Image(source, grid, modality="CT", unit="HU", windows=[nb.Window(40, 400)])
viewer = nb.Viewer(image, labels=["liver"])
viewer
"""
GAPS = """() => {
window.gaps = {longest: 0, last: 0, task: 0};
const notebook = document.querySelector('.jp-Notebook');
const tasks = new PerformanceObserver(list => {
  for (const entry of list.getEntries()) gaps.task = Math.max(gaps.task, entry.duration);
});
tasks.observe({entryTypes: ['longtask']});
(function tick(now) {
  if (!notebook.isConnected) return tasks.disconnect();
  if (gaps.last) gaps.longest = Math.max(gaps.longest, now - gaps.last);
  gaps.last = now;
  requestAnimationFrame(tick);
})(0);
}"""


@pytest.fixture(params=["http", "comm"])
def road(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A page where voxels come by HTTP, and one where they come through the kernel's messages."""
    lab: Lab = request.getfixturevalue("lab" if request.param == "http" else "plain_lab")
    yield lab


def view(lab: Lab) -> Locator:
    return lab.output(0).locator('[data-nbannot-view="axial"]').first


def have(lab: Lab) -> int:
    root = lab.output(0).locator("[data-nbannot-root]").first
    return int((root.get_attribute("data-nbannot-progress") or "0/").split("/")[0])


def ask(lab: Lab, expression: str) -> Any:
    return json.loads(lab.run_python(f"print(json.dumps({expression}))"))


def carrier(lab: Lab) -> int:
    """How many answers with slices came by HTTP."""
    return lab.asked(r"nbannot/v1.*\d+-\d+$")


def begin(lab: Lab, most: int = 10_000) -> None:
    lab.open_notebook([LARGE.replace("{most}", str(most)), "0"])
    lab.page.evaluate(GAPS)
    lab.run_cell(0)
    lab.output(0).locator('[data-nbannot-view="axial"][data-nbannot-complete="true"]').wait_for()


def test_the_whole_image_comes_and_nobody_waits(road: Lab, request: pytest.FixtureRequest) -> None:
    begin(road)
    assert road.run_python("print(6 * 7)") == "42"
    early = have(road)
    road.until(lambda: have(road) == 300, "every slice is here", timeout=120)
    gaps = road.page.evaluate("gaps")
    print(
        f"\nslices here when a cell had answered: {early} of 300; longest frame {gaps['longest']:.0f} ms,"
        f" longest task {gaps['task']:.0f} ms"
    )
    read = ask(road, "source.read")
    assert sorted(set(read)) == list(range(300))
    # Once each: what one road has read, the other does not read again.
    assert len(read) <= 300 + 5
    # The slice in view, a coarse look at the whole (each fifth slice or so), the slices beside.
    assert read[0] == 150
    coarse = {int((n + 0.5) * 300 / 64) for n in range(64)}
    beside = [k for k in read if k not in coarse]
    assert {148, 149, 151} - coarse <= set(beside[:12]), beside[:12]
    assert (carrier(road) > 0) == ("http" in request.node.name)


def test_what_is_looked_at_comes_first_and_closing_stops_reading(road: Lab) -> None:
    begin(road, 100)
    view(road).locator("canvas").hover()
    at = ask(road, "len(source.read)")
    assert at < 300, "a cell ran while slices came"
    view(road).locator("canvas").hover()
    road.page.keyboard.press("End")
    last = road.output(0).locator('[data-nbannot-view="axial"][data-nbannot-slice="299"]')
    last.wait_for()
    road.run_python("source.most = len(source.read) + 90")
    last.and_(road.page.locator("[data-nbannot-complete=true]")).wait_for()
    # What was on its way goes on; a scroll does not wait for the queue.
    assert 299 in ask(road, "source.read")[at:], "the slice in view is read"
    place = ask(road, "source.read.index(299)")
    assert place < 200, f"slice 299 was only read as number {place}"
    # 297 came with the coarse look.
    road.until(
        lambda: {298, 296} <= set(ask(road, "source.read")[place : place + 60]), "those beside it come next"
    )
    count = ask(road, "setattr(source, 'most', 10_000) or viewer.close() or len(source.read)")
    road.output(0).locator("[data-nbannot-root]").wait_for(state="detached")
    assert count < 300
    again = ask(road, "time.sleep(0.3) or len(source.read)")
    assert ask(road, "time.sleep(0.5) or len(source.read)") == again <= count + 1
    assert (
        ask(
            road,
            "[thread.name for thread in __import__('threading').enumerate()"
            " if thread.name.startswith('nbannot')]",
        )
        == []
    )


def test_a_coarse_look_at_the_whole_comes_before_its_slices(road: Lab) -> None:
    begin(road, 130)
    root = road.output(0).locator("[data-nbannot-root]").first
    coronal = road.output(0).locator('[data-nbannot-view="coronal"] canvas')
    red = "c => [...c.getContext('2d').getImageData({}, c.height).data].filter((_, n) => n % 4 === 0)"
    middle, whole = red.format("c.width >> 1, 0, 1"), red.format("0, 0, c.width")
    # The middle column is bone white; slices on their way are dim grey without the coarse look.
    road.until(
        lambda: np.count_nonzero(np.array(coronal.evaluate(middle)) == 24) == 0,
        "no slice is grey",
        timeout=60,
    )
    assert have(road) < 150
    assert root.get_attribute("data-nbannot-complete") == "false"
    coarse = np.array(coronal.evaluate(whole), dtype=int)
    road.run_python("source.most = 10_000")
    road.until(lambda: have(road) == 300, "every slice is here", timeout=120)
    root.and_(road.page.locator("[data-nbannot-complete=true]")).wait_for()
    road.still()
    exact = np.array(coronal.evaluate(whole), dtype=int)
    # The noise of +-30 HU is 19 grey levels at this window; the coarse look has next to none of it.
    difference = np.abs(coarse - exact)
    print(f"\ncoarse and exact picture: {difference.mean():.2f} grey levels apart")
    assert 0 < difference.mean() < 5
    read = ask(road, "source.read")
    assert len(read) <= 300 + 5, "what the coarse look has read is not read again"


def test_a_viewer_that_left_the_page_asks_for_nothing(road: Lab) -> None:
    begin(road, 130)
    road.page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    road.output(0).locator("[data-nbannot-root]").wait_for(state="detached")
    again = ask(road, "setattr(source, 'most', 10_000) or time.sleep(0.5) or len(source.read)")
    assert again < 300
    assert ask(road, "time.sleep(0.5) or len(source.read)") <= again + 1

"""The network is away while a reader works: nothing is lost, nothing counts twice, and the page says so."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from scipy import ndimage

import nbannot as nb
from browser.reader import CASE, PREFIX, ReaderPage, ReaderService, build_study
from roads import Road

AWAY_S = float(os.environ.get("NBANNOT_OFFLINE_S", "8"))
CONFIG = """
layouts: {one: {direction: row, items: [axial]}}
reader: {tools: [brush]}
"""
ROW, ROWS, APART = 12, 7, 60
OPTIONS = ("none", "benign")


@pytest.fixture
def service(tmp_path: Path, shared_data: Path) -> Iterator[ReaderService]:
    image = shared_data / "nifti_totalsegmentator" / "ct_sm.nii.gz"
    build_study(tmp_path / "project", {"one": image}, config=CONFIG)
    running = ReaderService(tmp_path / "project")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def road(service: ReaderService) -> Iterator[Road]:
    made = Road(service.port)
    service.url = f"{made.url}{PREFIX}"
    yield made
    made.cut()


def kept(service: ReaderService) -> tuple[list[str], Any, list[dict[str, Any]]]:
    """What the store holds: ids of the edits in their order, the mask, and the answers."""
    with nb.open_project(service.folder, author="boss", read_only=True) as project:
        session = project.start("one", reader="rita")
        edits = [edit.id for edit in session.edits()]
        mask = next(iter(session.document.masks)).array > 0
        return edits, mask, [dict(tag.attributes) for tag in session.document.tags]


def kept_are(service: ReaderService, count: int) -> None:
    """Wait until the store holds so many edits."""
    end = time.monotonic() + 60
    while (found := len(kept(service)[0])) != count:
        assert time.monotonic() < end, found
        time.sleep(0.2)


def stroke(page: Any, n: int) -> None:
    """A short stroke at a place of its own, apart from the others."""
    box = page.locator(f"{CASE} .nbannot-view").bounding_box()
    x = box["x"] + 120 + n % ROW * APART
    y = box["y"] + 120 + n // ROW * APART
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 6, y)
    page.mouse.up()


def test_work_goes_on_while_the_network_is_away(browser: Browser, service: ReaderService, road: Road) -> None:
    reader = ReaderPage(browser, service)
    page = reader.page
    page.wait_for_selector("[data-nbannot-task]:focus")
    reader.press("Enter")
    reader.shown()
    page.click(f"{CASE} [data-nbannot-command='tool.brush']")
    page.wait_for_selector(f"{CASE} [data-nbannot-command='tool.brush'][aria-pressed=true]")
    # Far from the others: what the page says while it is offline makes the view smaller.
    stroke(page, ROW * ROWS + ROW)
    page.wait_for_selector(f"{CASE} [data-nbannot-command='edit.undo']:enabled")
    reader.saving("Saved")
    kept_are(service, 1)
    reader.context.set_offline(True)
    road.cut()
    page.wait_for_selector("[data-notice=road]:has-text('No connection')")
    strokes, answers, end = 0, 0, time.monotonic() + AWAY_S
    while time.monotonic() < end or strokes < 4:
        if strokes == ROW * ROWS:
            page.wait_for_timeout(200)
            continue
        stroke(page, strokes)
        strokes += 1
        if strokes % 3 == 0:
            answers += 1
            reader.press("Alt+a", "12"[answers % 2])
            reader.chosen("Finding", OPTIONS[answers % 2])
            reader.press("Alt+i")
        done = strokes + answers
        reader.saving(f"Offline, {done} change")
    waiting = re.search(r"(\d+) changes? waiting", page.inner_text("[data-nbannot-page=saving]"))
    assert waiting is not None and int(waiting[1]) == done
    # The connection comes back, is lost at once, and comes back: whatever was on its way is sent again.
    road.mend()
    reader.context.set_offline(False)
    page.wait_for_selector("[data-notice=road]", state="hidden")
    road.cut()
    road.mend()
    reader.saving("Saved")
    page.wait_for_selector("[data-notice=road]", state="hidden")
    edits, mask, given = kept(service)
    assert len(edits) == len(set(edits)) == 1 + done
    assert ndimage.label(mask)[1] == strokes + 1
    assert given == ([{"Finding": OPTIONS[answers % 2]}] if answers else [])
    assert not reader.problems
    # And the page goes on as if nothing had been.
    stroke(page, ROW * ROWS + ROW + 2)
    kept_are(service, len(edits) + 1)
    reader.close()

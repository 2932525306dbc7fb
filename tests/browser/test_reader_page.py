"""The reader's page in Chromium, against the real service in a process of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

import nbannot as nb
from browser.reader import CASE, ReaderPage, ReaderService, build_study
from nbannot.store.wire import unpack

CONFIG = """
layouts:
  one:
    direction: row
    items: [axial]
windowing: {level: 300, width: 900}
reader:
  tools: [brush, box]
"""
# Names, ids, dates and makers in the headers, pixels, paths and names of the cases of these tests.
SEEDED = (
    "ZZZ", "PATIENTFIVE", "00079241539", "19510829", "08/29/1951", "CLEVELAN", "Philips", "EPIQ", "us_greyscale",
    "SIMPSON", "HOMER", "Homer", "ct_header", "SIEMENS", "Definition", "1.2.840", "1.3.12", "/project", "secret case",
)  # fmt: skip


@pytest.fixture
def service(tmp_path: Path, shared_data: Path) -> Iterator[ReaderService]:
    phi = shared_data / "phi"
    cases: dict[str, Any] = {
        "secret case ZZZ": phi / "us_greyscale_burned_in.dcm",
        "secret case HOMER": phi / "ct_header_phi_homer.dcm",
        "secret case volume": shared_data / "nifti_totalsegmentator" / "ct_sm.nii.gz",
    }
    build_study(tmp_path / "project", cases, config=CONFIG)
    running = ReaderService(tmp_path / "project")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def reader(service: ReaderService, browser: Browser) -> Iterator[ReaderPage]:
    page = ReaderPage(browser, service)
    yield page
    page.close()


def clean(reader: ReaderPage) -> None:
    assert not reader.problems, reader.problems
    assert not reader.outside, reader.outside
    told = [unpack(frame) for frame in reader.frames]
    words = json.dumps([message for message, _ in told], ensure_ascii=False)
    assert [word for word in SEEDED if word in words] == []
    # A short word may be in compressed voxels by chance.
    long = [word.encode() for word in SEEDED if len(word) > 7]
    assert not any(word in bytes(one) for _, buffers in told for one in buffers for word in long)
    html = reader.page.content()
    assert [word for word in SEEDED if word in html] == []


def answers(service: ReaderService) -> dict[str, Any]:
    """What the store holds of the answers to the first case."""
    with nb.open_project(service.folder, author="boss", read_only=True) as project:
        document = project.start(project.tasks.table("rita")["case"][0], reader="rita").document
        return {name: value for tag in document.tags for name, value in tag.attributes.items()}


def test_two_cases_by_keyboard_only(reader: ReaderPage, service: ReaderService) -> None:
    page = reader.page
    page.wait_for_selector("[data-nbannot-task]:focus")
    reader.press("Enter")
    reader.title("Case 1 of 3")
    reader.shown()
    # The tools are those of the configuration, and nothing is there to take pictures or headers away.
    assert page.locator(f"{CASE} [data-nbannot-command='tool.brush']:visible").count() == 1
    assert page.locator(f"{CASE} [data-nbannot-command='tool.scissors']:visible").count() == 0
    reader.press("Shift+h", "Shift+s")
    assert page.locator("dialog[open], [role=dialog]:visible").count() == 0
    # Something is missing: the page says what, and the cursor is in the list of it.
    reader.press("Control+Shift+Enter")
    page.wait_for_selector("[data-notice=submit]:has-text('Case 1 cannot be submitted')")
    page.wait_for_selector("[data-nbannot-problem]:has-text('Finding')")
    # A digit chooses, Enter goes on; what is asked depends on the answer.
    reader.press("Alt+a", "3")
    page.wait_for_selector("[data-nbannot-field=Margin]:visible")
    reader.press("Enter", "2", "Enter", "1")
    reader.chosen("Margin", "spiculated")
    reader.chosen("Signs", "calcification")
    reader.press("Alt+c")
    page.keyboard.type("Look <img src=x onerror=alert(1)> here")
    reader.press("Control+Enter")
    page.wait_for_selector("[data-nbannot-page=comment]:has-text('Comments (1)')")
    reader.press("Alt+m")
    page.wait_for_selector("[data-nbannot-page=flag][aria-pressed=true]")
    reader.saving("Saved")
    reader.press("Control+Shift+Enter")
    reader.title("Case 2 of 3")
    page.wait_for_selector("[data-notice=submitted]:has-text('Case 1 is submitted')")
    reader.shown()
    reader.press("Alt+a", "1", "Alt+i")
    page.wait_for_selector(f"{CASE} [data-nbannot-command='edit.undo']:enabled")
    reader.press("Control+z")
    reader.chosen("Finding", "")
    reader.press("Control+Shift+z")
    reader.chosen("Finding", "none")
    reader.press("Control+Shift+Enter")
    reader.title("Case 3 of 3")
    reader.shown()
    # The layout and the window are those of the configuration.
    assert page.locator(f"{CASE} .nbannot-view").count() == 1
    assert "300" in page.locator(f"{CASE} .nbannot-window").inner_text()
    page.wait_for_selector(".page-status[data-status='in work']")
    reader.press("Alt+l")
    page.wait_for_selector("[data-nbannot-list]:has-text('2 of 3 done')")
    page.wait_for_selector("[data-nbannot-task]:focus:has-text('Case 3')")
    clean(reader)
    with nb.open_project(service.folder, author="boss") as project:
        table = project.tasks.table("rita")
        assert list(table["status"]) == ["submitted", "submitted", "in work"]
        assert list(table["flagged"]) == [True, False, False]
        tags = [project.start(case, reader="rita").document.tags for case in table["case"][:2]]
        assert [dict(tag.attributes) for (tag,) in tags] == [
            {"Finding": "suspicious", "Margin": "spiculated", "Signs": ("calcification",)},
            {"Finding": "none"},
        ]


def test_nothing_is_lost_offline_or_when_the_service_is_killed(
    reader: ReaderPage, service: ReaderService
) -> None:
    page = reader.page
    reader.first_case()
    reader.press("Alt+a", "1")
    reader.saving("Saved")
    # The network is cut: reading goes on, and the page says so.
    service.stop()
    page.wait_for_selector("[data-notice=road]:has-text('No connection')")
    reader.press("2")
    reader.press("Enter", "Enter")
    reader.saving("Offline, 1 change waiting")
    page.keyboard.type("42")
    reader.press("Tab")
    reader.saving("Offline, 2 changes waiting")
    # What waits outlives a reload of the page as well.
    kept = page.evaluate(
        "Object.keys(localStorage).filter((key) => key.startsWith('nbannot/pending/')).length"
    )
    assert kept == 2
    reader.press("Control+Shift+Enter")
    page.wait_for_selector("[data-notice=road], [data-notice=submit]")
    service.start()
    reader.saving("Saved")
    page.wait_for_selector("[data-notice=road]", state="hidden")
    reader.chosen("Finding", "benign")
    assert answers(service) == {"Finding": "benign", "Confidence": 42}
    # Killed in the middle of work, then the page is loaded anew before anything was sent.
    service.stop()
    reader.press("Alt+a", "3")
    reader.saving("1 change waiting")
    service.start()
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    reader.shown()
    reader.saving("Saved")
    reader.chosen("Finding", "suspicious")
    clean(reader)
    assert answers(service) == {"Finding": "suspicious", "Confidence": 42}
    with nb.open_project(service.folder, author="boss") as project:
        assert project.audit.verify().ok


def greys(page: Page) -> int:
    """How many grey levels the middle of the first view has."""
    with Image.open(io.BytesIO(page.locator(f"{CASE} .nbannot-view").first.screenshot())) as picture:
        grey = np.asarray(picture.convert("L"))
    rows, columns = grey.shape
    return len(np.unique(grey[rows // 4 : -rows // 4, columns // 4 : -columns // 4]))


def test_a_stricter_policy_takes_what_it_hides_off_the_page(
    reader: ReaderPage, service: ReaderService
) -> None:
    page = reader.page
    reader.first_case()
    reader.press("Alt+a", "1")
    reader.saving("Saved")
    assert greys(page) > 5
    page.evaluate("document.querySelector('[data-nbannot-case]:not(.page-waiting)').dataset.before = 'yes'")
    with nb.open_project(service.folder, author="boss") as project:
        project.configs.set(CONFIG + "  mask: [{modality: US, rectangles: [[0, 0, 5000, 5000]]}]\n")
    # The viewer that had the voxels is gone, and what the reader did is there.
    page.wait_for_selector("[data-nbannot-case][data-before]", state="detached")
    reader.shown()
    reader.chosen("Finding", "none")
    assert greys(page) == 1
    clean(reader)

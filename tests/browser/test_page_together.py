"""Several people at the readers' page: presence, following, take-over, review, adjudication, log-out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

import nbannot as nb
from browser.reader import CASE, LABELS, ReaderPage, ReaderService

ROLES = {
    "boss": "owner", "rita": "reader", "ann": "annotator", "rev": "reviewer", "adj": "adjudicator",
}  # fmt: skip
ANSWERS = {"rita": {"Finding": "benign", "Confidence": 30}, "ann": {"Finding": "none"}}

Enter = Callable[[str], ReaderPage]


@pytest.fixture
def folder(tmp_path: Path, shared_data: Path) -> Path:
    image = shared_data / "nifti_totalsegmentator" / "ct_sm.nii.gz"
    for name in ("study", "second"):
        with nb.open_project(tmp_path / name, author="boss") as project:
            for case in ("liver 07", "liver 08"):
                project.add_case(case, images=image, labels=LABELS)
            for person, role in ROLES.items():
                if name == "study" or role in ("owner", "reader"):
                    project.people.grant(person, role)
    return tmp_path / "study"


@pytest.fixture
def enter(folder: Path, browser: Browser) -> Iterator[Enter]:
    """Opens the page for somebody; the service starts with the first."""
    service = ReaderService(folder)
    with ExitStack() as stack:
        stack.callback(service.stop)

        def opened(person: str) -> ReaderPage:
            if service.process is None:
                service.start()
            page = ReaderPage(browser, service, person=person)
            stack.callback(page.close)
            return page

        yield opened


def read(project: Any, case: str, person: str) -> None:
    """Read a case to its end by program."""
    acting = project.acting_as(person)
    task = str(acting.tasks.table(mine=True, case=case)["task"].iloc[0])
    document = acting.tasks.begin(task).document
    mask = document.masks["Lesion"]
    mask.array[12:18, 30:60, 40 : 80 if person == "ann" else 60] = 1
    mask.refresh()
    document.add(nb.Tag("Report", scope="case", attributes=ANSWERS[person]))
    acting.tasks.submit(task)


def look_again(rita: ReaderPage) -> None:
    """What one handed in can be looked at again, and not be changed."""
    rita.page.click("[data-nbannot-project=study]:has-text('nothing to do')")
    rita.page.wait_for_selector("[data-nbannot-list]:has-text('2 of 2 done')")
    rita.first_case()
    rita.title("Case 1 of 2")
    rita.page.wait_for_selector("[data-notice=locked]:has-text('it can only be looked at')")
    rita.chosen("Finding", "benign")
    assert rita.page.is_disabled("[data-nbannot-page=submit]")


def test_two_in_one_case_and_one_person_in_two_windows(folder: Path, enter: Enter) -> None:
    with nb.open_project(folder, author="boss") as project:
        project.tasks.assign("liver 07", ["rita", "rev"])
    rita, rev = enter("rita"), enter("rev")
    # Of several projects one is chosen.
    rita.page.wait_for_selector("[data-nbannot-project=second]:has-text('nothing to do')")
    rita.page.click("[data-nbannot-project=study]:has-text('1 to do')")
    rita.first_case()
    rev.first_case()
    # A reader does not learn the name of the reviewer, who follows them.
    rita.page.wait_for_selector("[data-nbannot-person='Study team']")
    rev.page.wait_for_selector("[data-nbannot-person=rita]")
    assert "rev" not in rita.page.inner_text("header.page-bar").split()
    rev.press("Alt+w")
    rev.page.wait_for_selector("[data-nbannot-person=rita][aria-pressed=true]")
    rita.press("PageUp", "PageUp", "PageUp")
    for one in (rita, rev):
        one.page.wait_for_selector(f"{CASE} [data-nbannot-plane=axial][data-nbannot-slice='0']")
    rev.press("PageDown")
    rev.page.wait_for_selector("[data-nbannot-person=rita][aria-pressed=false]")
    # Another window of the same person takes the case over.
    again = enter("rita")
    again.page.click("[data-nbannot-project=study]")
    again.first_case()
    again.page.click("[data-notice=elsewhere] .page-main")
    rita.page.wait_for_selector("[data-notice=road]:has-text('opened in another window')")
    again.page.wait_for_selector("[data-nbannot-page=submit]:enabled")
    again.shown()
    again.press("Alt+a", "2")
    again.chosen("Finding", "benign")
    again.saving("Saved")
    # Undo takes an answer back from within the form, and from the bar.
    again.press("Control+z")
    again.chosen("Finding", "")
    again.press("Control+Shift+z")
    again.chosen("Finding", "benign")
    again.page.focus("[data-nbannot-page=flag]")
    again.press("Control+z")
    again.chosen("Finding", "")
    again.saving("Saved")
    again.press("Alt+l")
    again.page.click("[data-nbannot-page=logout]")
    again.page.wait_for_selector("[data-notice=road]:has-text('You are logged out')")
    rev.page.wait_for_selector("[data-nbannot-person]", state="detached")
    for one in (rita, rev, again):
        assert not one.problems, one.problems


def test_review_adjudication_and_looking_again(folder: Path, enter: Enter) -> None:
    with nb.open_project(folder, author="boss") as project:
        for case in ("liver 07", "liver 08"):
            project.tasks.assign(case, ["rita", "ann"])
            read(project, case, "rita")
            read(project, case, "ann")
        project.tasks.assign("liver 07", "adj", kind="adjudicate")
        for row in project.tasks.assign("*", "rev", kind="review").itertuples():
            if row.subject == "rita":
                project.tasks.unassign(row.task)
        first, second = project.tasks.table("rev")["task"]
        rev = enter("rev")
        rev.first_case()
        # The next review is made ready, but not begun.
        rev.page.wait_for_selector(".page-case.page-waiting [data-nbannot-complete=true]", state="attached")
        ahead = project.tasks.get(second)
        assert (ahead.status, ahead.started, ahead.active_s) == ("to do", None, 0)
        assert project.tasks.get(first).status == "in work"
        rev.press("Alt+r")
        rev.page.keyboard.type("The lower edge is missing")
        rev.press("Control+Enter")
        rev.page.wait_for_selector("[data-notice=submitted]:has-text('is reviewed')")
        rev.title("liver 08 · 2 of 2")
        rev.shown()
        rev.press("Control+Shift+Enter")
        rev.page.wait_for_selector("[data-nbannot-list]:has-text('2 of 2 done')")
        of = {row.case: row for row in project.tasks.table("ann").itertuples()}
        assert (of["liver 07"].status, of["liver 08"].status) == ("returned", "accepted")
        assert of["liver 07"].reason == "The lower edge is missing"
        project.acting_as("ann").tasks.submit(of["liver 07"].task)

        # The readings stand side by side; one of them becomes the result, and is put right.
        adj = enter("adj")
        adj.first_case()
        for n in (1, 2):
            adj.page.wait_for_selector(f"[data-nbannot-reading='{n}'] [data-nbannot-complete=true]")
        shown = adj.page.inner_text("[data-nbannot-readings]")
        assert "benign" in shown and "30" in shown and "rita" not in shown and "ann" not in shown
        adj.press("Alt+g", "Alt+g")
        adj.page.wait_for_selector("[data-nbannot-choose='2']:focus")
        adj.press("Enter")
        adj.page.wait_for_selector("[data-notice=chosen]:has-text('Reader 2 is your result')")
        adj.chosen("Finding", "benign")
        adj.press("Alt+a", "1")
        adj.chosen("Finding", "none")
        adj.saving("Saved")
        adj.press("Control+Shift+Enter")
        adj.page.wait_for_selector("[data-nbannot-list]:has-text('1 of 1 done')")
        result = project.case("liver 07").document("adj")
        assert result.masks["Lesion"].array.sum() == 6 * 30 * 20
        assert [dict(tag.attributes) for tag in result.tags] == [{"Finding": "none", "Confidence": 30}]

        rita = enter("rita")
        look_again(rita)
        for one in (rev, adj, rita):
            assert not one.problems, one.problems
        assert not any(b"liver 0" in frame for frame in rita.frames)

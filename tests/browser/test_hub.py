"""An expert from the Hub's login to the next case, and the researcher who reads what came of it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from browser.hub_reading import EXPERT, ExpertPage, study_at_hub


def test_from_the_login_to_the_results(tmp_path: Path, shared_data: Path, browser: Browser) -> None:
    folder = shared_data / "nifti_totalsegmentator"
    cases = {"liver 17": folder / "ct_sm.nii.gz", "liver 18": folder / "ct.nii.gz"}
    with study_at_hub(tmp_path, cases) as study:
        expert = ExpertPage(browser, study)
        expert.enter()
        assert expert.page.url.startswith(study.hub.service)
        expert.title("Case 1 of 2")
        first = expert.pixels()
        assert first.std() > 10 and len(set(first.ravel().tolist())) > 50
        expert.answer_and_submit("1", "Case 2 of 2")
        expert.page.wait_for_selector(".page-status[data-status='in work']")
        second = expert.pixels()
        assert second.std() > 10 and second.tobytes() != first.tobytes()
        assert not expert.problems and all(one.startswith(study.hub.url) for one in expert.outside)
        assert not any("liver" in one for one in expert.console)
        expert.close()
        with study.project() as project:
            table = project.tasks.table(EXPERT)
            assert table["status"].tolist() == ["submitted", "in work"]
            answers = project.results("liver 17")
            row = answers[answers["question"] == "Finding"].iloc[0]
            assert (row["reader"], row["answer"]) == (EXPERT, "none")

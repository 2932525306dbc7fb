"""The reader's page: from the Hub's login to the picture and from case to case; and many readers at one service.

A part of ``python bench reader``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
sys.path[:0] = [str(HERE), str(TESTS)]

import crowd  # noqa: E402
from measure import Row  # noqa: E402
from parts import Suite  # noqa: E402

from browser.conftest import FLAGS  # noqa: E402
from browser.hub_reading import EXPERT, ExpertPage, Study, study_at_hub  # noqa: E402
from conftest import shared_folder  # noqa: E402
from hub_help import PASSWORD  # noqa: E402

# Notes when something first happened, ms since 1970; once for each document of the page.
STAGES = """
(() => {
  const seen = (globalThis.benchStages = {});
  const note = (name) => { seen[name] ??= performance.timeOrigin + performance.now(); };
  const look = () => {
    if (document.querySelector("[data-nbannot-task]")) note("list");
    const shown = document.querySelector("[data-nbannot-case]:not(.page-waiting)");
    if (!shown) return;
    note("case");
    if (document.querySelector("[data-nbannot-shown-ms]")) note("picture");
    if (shown.querySelector("[data-nbannot-complete=true]")) note("whole");
  };
  const attributeFilter = ["class", "data-nbannot-shown-ms", "data-nbannot-complete"];
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter });
  globalThis.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      note("socket");
      this.addEventListener("message", ({ data }) => {
        const header = new TextDecoder().decode(new Uint8Array(data, 4, Math.min(200, data.byteLength - 4)));
        const type = /"type": ?"(\\w+)"/.exec(header)?.[1];
        if (type === "opened" || type === "state" || type === "bytes") note(type);
      });
    }
  };
})();
"""
STEPS = {
    "page": "page begins (Hub's login, redirects)", "socket": "case asked for", "opened": "case opened by the service",
    "state": "its state is there", "bytes": "first voxels are there", "list": "list to be seen",
    "picture": "first picture", "whole": "all of the first picture",
}  # fmt: skip


def cts() -> list[Path]:
    """Return two real CTs."""
    folder = shared_folder() / "nifti_totalsegmentator"
    return [folder / "ct_sm.nii.gz", folder / "ct.nii.gz"]


class Timed(ExpertPage):
    """The expert's browser, which notes each stage from the login to the picture."""

    def __init__(self, browser: Browser, study: Study) -> None:
        super().__init__(browser, study)
        self.shown_ms: list[float] = []

    def enter(self, pause: float = 0.0) -> dict[str, float]:
        """Log in, open the first case after a pause (s), and return the stages in s from the login on."""
        page = self.page
        self.context.add_init_script(STAGES)
        page.fill("input[name=username]", EXPERT)
        page.fill("input[name=password]", PASSWORD)
        start = time.time()
        page.press("input[name=password]", "Enter")
        page.wait_for_selector("[data-nbannot-task]:focus")
        page.wait_for_timeout(pause * 1000)
        pressed = time.time()
        self.press("Enter")
        self.shown()
        page.wait_for_selector("[data-nbannot-shown-ms]")
        found: dict[str, float] = page.evaluate("benchStages")
        first = page.evaluate(
            "performance.timeOrigin + performance.getEntriesByType('navigation')[0].responseStart"
        )
        stages = {name: at / 1000 - start for name, at in {"page": first, **found}.items()}
        return {**stages, "pressed": pressed - start}

    def answer_and_submit(self, key: str, after: str) -> None:
        """Submit once the next case is ready behind this one, as it is when somebody has read it."""
        ready = "[data-nbannot-case].page-waiting [data-nbannot-complete=true]"
        self.page.wait_for_selector(ready, state="attached")
        super().answer_and_submit(key, after)
        shown = self.page.locator("[data-nbannot-shown-ms]").get_attribute("data-nbannot-shown-ms")
        self.shown_ms.append(float(shown or "nan"))


def through_the_hub(*, logins: int, cases: int) -> list[Row]:
    """Measure an expert's browser at a real Hub."""
    chromium = subprocess.run(
        [TESTS / "browser" / "find-chromium"], capture_output=True, text=True, check=True
    )
    images = {f"case {n}": cts()[n % 2] for n in range(cases)}
    with (
        tempfile.TemporaryDirectory() as folder,
        study_at_hub(Path(folder), images) as study,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium.stdout.strip(), args=FLAGS)
        stages: list[dict[str, float]] = []
        waited: list[float] = []
        for n in range(logins + 1):
            expert = Timed(browser, study)
            if n < logins:
                stages.append(expert.enter())
            else:  # somebody who looks at the list first
                found = expert.enter(pause=2.0)
                waited.append((found["picture"] - found["pressed"]) * 1000)
            if n < logins:
                expert.close()
        for n in range(2, cases + 1):
            expert.answer_and_submit("1", f"Case {n} of {cases}")
        browser.close()
    rows = [
        Row(f"login → {words}", [one[name] for one in stages if name in one], "s",
            goal="≤ 1.2" if name == "picture" else "")
        for name, words in STEPS.items()
    ]  # fmt: skip
    return [
        *rows,
        Row("list looked at for 2 s, Enter → first picture", waited, "ms"),
        Row("next case asked for → painted, as the page counts", expert.shown_ms, "ms", goal="≤ 200"),
        Row("submit pressed → submitted, and all of the next case", [1000 * one for one in expert.seconds["next case"]], "ms"),
    ]  # fmt: skip


def page(*, quick: bool, gpu: bool = False) -> list[Row]:
    """Measure the page at a real Hub."""
    return through_the_hub(logins=1 if quick else 5, cases=3 if quick else 16)


def many(what: str) -> Callable[..., list[Row]]:
    """Return what measures many readers on a kind of store."""

    def measure(*, quick: bool, gpu: bool = False) -> list[Row]:
        readers, seconds = (5, 10) if quick else (crowd.READERS, crowd.SECONDS)
        return crowd.measure(what, readers=readers, seconds=seconds)

    return measure


SUITE = Suite(
    {"page": page, "readers-sqlite": many("SQLite"), "readers-postgresql": many("PostgreSQL + S3")},
    HERE / "RESULTS-reader.md",
    """# Readers, measured

Made by `make bench ARGS="reader"` (`--only PART` repeats one part). `page` is Chromium without a GPU at a real JupyterHub with
its proxy, `readers-…` are simulated readers at the same: `nbannot serve` with two workers, each reader with a login of its own.
Hub, proxy, service, database, storage and readers share this machine's processors.""",
)

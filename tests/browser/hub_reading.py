"""A Hub, the service beside it and a study with readers; an expert's browser that comes from the Hub's login."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from playwright.sync_api import Browser

import nbannot as nb
from browser.reader import CASE, ReaderPage, build_study
from hub_help import PASSWORD, LocalHub
from hub_token import token_of
from hub_world import SERVICE_TOKEN, Service

EXPERT, RESEARCHER = "eva", "ada"


@dataclass(frozen=True, slots=True)
class Study:
    """A Hub with a study that the expert reads."""

    hub: LocalHub
    service: Service

    def project(self) -> Any:
        """The project as the researcher's program opens it, with a token of the Hub."""
        token = token_of(self.hub, RESEARCHER)
        return nb.open_project(self.hub.service, storage_options={"token": token})


@contextmanager
def study_at_hub(folder: Path, cases: dict[str, Any]) -> Iterator[Study]:
    """Run a Hub and the service with a study."""
    build_study(folder / "study", cases, reader=EXPERT)
    with nb.open_project(folder / "study", author="boss") as project:
        project.people.grant(RESEARCHER, "owner")
    hub = LocalHub(folder / "hub", NBANNOT_SERVICE="external", NBANNOT_SERVICE_TOKEN=SERVICE_TOKEN)
    service = Service(hub, folder / "study", folder)
    try:
        service.launch()
        hub.start()
        service.ready()
        yield Study(hub, service)
    finally:
        hub.close_browsers()
        service.stop()
        hub.stop()


class ExpertPage(ReaderPage):
    """The expert's browser; it starts at the Hub, and `seconds` says how long the steps took."""

    def __init__(self, browser: Browser, study: Study) -> None:
        super().__init__(browser, SimpleNamespace(url=study.hub.url))  # type: ignore[arg-type]
        self.seconds: dict[str, list[float]] = {"login → first picture": [], "next case": []}

    def enter(self) -> None:
        """Log in, land on the list, and open the first case."""
        page = self.page
        page.fill("input[name=username]", EXPERT)
        page.fill("input[name=password]", PASSWORD)
        start = time.perf_counter()
        page.press("input[name=password]", "Enter")
        page.wait_for_selector("[data-nbannot-task]:focus")
        self.press("Enter")
        self.shown()
        self.seconds["login → first picture"].append(time.perf_counter() - start)

    def answer_and_submit(self, key: str, after: str) -> None:
        """Choose an answer by its digit, submit, and wait for the next case: its title begins with ``after``."""
        self.press("Alt+a", key)
        self.saving("Saved")
        start = time.perf_counter()
        self.press("Control+Shift+Enter")
        self.title(after)
        self.shown()
        self.seconds["next case"].append(time.perf_counter() - start)

    def pixels(self) -> npt.NDArray[np.uint8]:
        """The first view of the case on top, as it stands on the screen."""
        shot = self.page.locator(f"{CASE} .nbannot-view").first.screenshot()
        with Image.open(io.BytesIO(shot)) as picture:
            return np.asarray(picture.convert("L"))

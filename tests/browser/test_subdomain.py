"""A Hub whose service and servers have hosts of their own: from the login to the picture."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from browser.hub_reading import EXPERT, ExpertPage
from browser.reader import build_study
from hub_help import LocalHub
from hub_world import SERVICE_TOKEN, Service


def test_the_service_has_a_host_of_its_own(tmp_path: Path, shared_data: Path, browser: Browser) -> None:
    image = shared_data / "nifti_totalsegmentator" / "ct_sm.nii.gz"
    build_study(tmp_path / "study", {"liver 17": image}, reader=EXPERT)
    hub = LocalHub(
        tmp_path / "hub",
        host="hub.localhost",
        NBANNOT_SERVICE="external",
        NBANNOT_SERVICE_TOKEN=SERVICE_TOKEN,
    )
    service = Service(hub, tmp_path / "study", tmp_path)
    # As docs/hub.md says for an external service.
    service.environment |= {
        "JUPYTERHUB_HOST": f"http://hub.localhost:{hub.port}",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{hub.service}oauth_callback",
    }
    try:
        service.launch()
        hub.start()
        service.ready()
        study: Any = SimpleNamespace(hub=hub)
        expert = ExpertPage(browser, study)
        sockets: list[str] = []
        expert.page.on("websocket", lambda one: sockets.append(one.url))
        expert.enter()
        # The case came by a socket of the service's own host, and its login is for that host alone.
        host = urlsplit(hub.service).netloc
        assert expert.page.url.startswith(hub.service) and host.startswith("nbannot--service.hub.localhost")
        assert {urlsplit(one).netloc for one in sockets} == {host}
        cookies = {one["name"]: one["domain"] for one in expert.context.cookies()}
        assert cookies["nbannot-login"] == urlsplit(hub.service).hostname
        expert.press("Alt+a", "1")
        expert.saving("Saved")
        assert not expert.problems
        expert.close()
    finally:
        service.stop()
        hub.stop()

"""One Hub for all tests of a session, with the service beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub_help import LocalHub
from hub_rooms import Service as RoomsService
from hub_rooms import rooms_of, study
from hub_world import SERVICE_TOKEN, Service, World, make_project


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hub")
    project = folder / "study"
    make_project(project, shared_data)
    hub = LocalHub(
        folder / "hub", NBANNOT_SERVICE="external", NBANNOT_SERVICE_TOKEN=SERVICE_TOKEN,
        NBANNOT_TEST_TOKEN="a-token-of-the-tests-0123456789",
    )  # fmt: skip
    service = Service(hub, project, folder)
    try:
        service.launch()  # the Hub waits for it as it starts
        hub.start()
        service.ready()
        yield World(hub, service, project)
    finally:
        service.stop()
        hub.stop()


@pytest.fixture
def project(tmp_path: Path, shared_data: Path) -> Iterator[Any]:
    with study(tmp_path / "project", shared_data) as project:
        yield project


@pytest.fixture
def service(project: Any) -> Iterator[RoomsService]:
    with rooms_of(project) as service:
        yield service

"""The project at the service: the contract of every project, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub_serving import Served, serving
from nbannot.store import Project, StoredProject, open_project
from project_contract import ProjectContract


class Houses:
    """A service for each place that a test asks for."""

    def __init__(self) -> None:
        self.known: dict[Path, tuple[Served, Any]] = {}

    def at(self, place: Path) -> Served:
        if place not in self.known:
            stored = open_project(place, author="ada")
            assert isinstance(stored, StoredProject)
            for person in ("ada", "bob", "owner"):
                stored.people.grant(person, "owner")
            context = serving({"study": stored})
            self.known[place] = (context.__enter__(), context)
        return self.known[place][0]

    def close(self) -> None:
        for _, context in self.known.values():
            context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def houses() -> Iterator[Houses]:
    found = Houses()
    yield found
    found.close()


class TestRemoteProject(ProjectContract):
    @pytest.fixture(autouse=True)
    def _houses(self, houses: Houses) -> None:
        self.houses = houses

    def open(self, place: Path, **options: Any) -> Project:
        author = options.pop("author", "owner")
        served = self.houses.at(place)
        return open_project(f"{served.url}/projects/study", storage_options={"token": author}, **options)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import nbannot as nb
from hub_serving import serving


class Through:
    """A project as its people reach it: where it is kept, or through a service."""

    def __init__(self, stored: Any, stack: ExitStack, *, service: bool) -> None:
        self.stored, self._stack, self._service = stored, stack, service
        self._url = ""
        self._known: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.acting_as(self.stored.author), name)

    def acting_as(self, person: str) -> Any:
        if person not in self._known:
            self._known[person] = self._opened(person) if self._service else self.stored.acting_as(person)
        return self._known[person]

    def _opened(self, person: str) -> Any:
        if not self._url:
            served = self._stack.enter_context(serving({"study": self.stored}))
            self._url = f"{served.url}/projects/study"
        return self._stack.enter_context(nb.open_project(self._url, storage_options={"token": person}))


@pytest.fixture(params=["folder", "service"])
def through(request: pytest.FixtureRequest) -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda stored: Through(stored, stack, service=request.param == "service")

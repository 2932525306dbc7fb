"""What every test may ask for, and which tests are slow.

`make check` runs the quick tests, `make test` all of them once. Slow is what starts a server, a browser or programs
of Debian, and what takes more than about a second: folders and fixtures named here, and what says so itself by
`pytest.mark.slow`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parents[1]
TESTS = Path(__file__).resolve().parent
SLOW_FOLDERS = frozenset({"browser", "deploy", "hub", "remote"})
SLOW_FIXTURES = frozenset({"bucket", "postgres"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in SLOW_FOLDERS or not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


def shared_folder() -> Path:
    """The folder with the real images: $NBANNOT_TEST_DATA, else `../shared/data` beside the repository."""
    named = os.environ.get("NBANNOT_TEST_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real images."""
    folder = shared_folder()
    if not (folder / "facts.json").is_file():
        pytest.fail(
            f"The real images are not in {folder}: facts.json is missing. "
            "Put them there, or name their folder in NBANNOT_TEST_DATA."
        )
    return folder


@pytest.fixture(scope="session")
def facts(shared_data: Path) -> dict[str, Any]:
    """What independent readers say about the real images (facts.json)."""
    with (shared_data / "facts.json").open(encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found

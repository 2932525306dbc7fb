from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_servers import Filled, OrthancServer, orthanc, s3_bucket


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NBANNOT_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def bucket() -> Iterator[Filled]:
    with s3_bucket() as found:
        yield found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as found:
        yield found

"""Servers for the tests of stores: each is started once, by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servers import Bucket, Postgres, running_postgres, running_s3


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    with running_s3() as server:
        yield server

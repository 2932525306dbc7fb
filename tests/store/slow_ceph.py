"""The contract of projects on PostgreSQL with Ceph's S3 gateway; part of `make test-slow`, which names this file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ceph import running_ceph
from contract_exchange import ExchangeContract
from nbannot.errors import StoreError
from nbannot.store.urlplaces import place_at
from project_contract import ProjectContract
from servers import Bucket
from store.test_postgres import InPostgresWithBucket


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    with running_ceph() as found:
        yield found


class TestProject(InPostgresWithBucket, ProjectContract):
    pass


class TestExchange(InPostgresWithBucket, ExchangeContract):
    pass


def test_a_wrong_secret_is_refused(bucket: Bucket) -> None:
    options = {**bucket.options, "secret": "not-the-secret-of-the-tests"}
    with pytest.raises(StoreError, match="refuse|credentials"):
        place_at(bucket.url("x"), options).blobs.put(b"voxels")


def test_ranges_are_read_as_they_are_asked_for(bucket: Bucket, tmp_path: Path) -> None:
    place = place_at(bucket.url("ranges"), bucket.options)
    name = place.blobs.put(bytes(range(256)) * 4096)
    assert place.blobs.get(name) == bytes(range(256)) * 4096

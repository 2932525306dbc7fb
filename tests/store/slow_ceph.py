"""The contract of projects on PostgreSQL with Ceph's S3 gateway; part of `make test-slow`, which names this file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import s3fs

from ceph import running_ceph
from contract_exchange import ExchangeContract
from formats_making import write_slice
from nbannot.errors import StoreError
from nbannot.store import open_project
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
    with pytest.raises(StoreError, match="refused with this login"):
        place_at(bucket.url("x"), options).blobs.put(b"voxels")


def test_what_lies_in_a_bucket_is_indexed_and_read(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBANNOT_CACHE", str(tmp_path / "cache"))
    store = s3fs.S3FileSystem(**bucket.options, skip_instance_cache=True)
    for k in range(3):
        path = write_slice(
            tmp_path / "one.dcm", np.full((4, 5), k, np.int16), SOPInstanceUID=f"1.2.1.{k}", SeriesInstanceUID="1.2.1",
            StudyInstanceUID="1.2", PatientID="p", ImagePositionPatient=[0, 0, 2.0 * k],
        )  # fmt: skip
        store.pipe(f"{bucket.name}/indexed/a/{k}.dcm", path.read_bytes())
    options = {"s3://": bucket.options}
    with open_project(tmp_path / "study", author="ada", storage_options=options) as project:
        found = project.index(bucket.url("indexed/"))
        assert (found.looked_at, len(found.cases)) == (3, 1)
        assert project.images(found.cases[0])[0].array[:, 0, 0].tolist() == [0, 1, 2]
        assert project.index(bucket.url("indexed/")).read == 0

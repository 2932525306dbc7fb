from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from contract_access import AccessContract
from contract_cases import CasesContract
from contract_exchange import ExchangeContract
from contract_tasks import TasksContract
from nbannot.store import Project, open_project
from project_contract import ProjectContract
from servers import Bucket, Postgres


class InPostgresWithBucket:
    """PostgreSQL for rows, S3 for files."""

    @pytest.fixture(autouse=True)
    def servers(
        self, postgres: Postgres, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.postgres, self.bucket = postgres, bucket
        monkeypatch.setenv("NBANNOT_CACHE", str(tmp_path / "cache"))

    def open(self, place: Path, **options: Any) -> Project:
        name = "p" + hashlib.sha256(str(place).encode()).hexdigest()[:16]
        return open_project(
            self.postgres.url(project=name), files=self.bucket.url(name),
            storage_options=self.bucket.options, **options,
        )  # fmt: skip


class TestProject(InPostgresWithBucket, ProjectContract):
    pass


class TestAccess(InPostgresWithBucket, AccessContract):
    pass


class TestTasks(InPostgresWithBucket, TasksContract):
    pass


class TestExchange(InPostgresWithBucket, ExchangeContract):
    pass


class TestCases(InPostgresWithBucket, CasesContract):
    pass

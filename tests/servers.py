"""Servers that tests start on this machine only, on free ports: PostgreSQL and S3."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

PASSWORD = "right-and-secret"
WAIT_S = 60


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL.

    Parameters
    ----------
    port
        On 127.0.0.1.
    folder
        With its data.
    bin
        With its programs.
    durable
        Whether commits wait for the disk, as in real life.
    """

    port: int
    folder: Path
    bin: Path
    durable: bool = False

    def url(
        self, database: str = "nb", *, user: str = "nb", password: str = PASSWORD, project: str = ""
    ) -> str:
        """Return the URL of a project, or of a database."""
        query = f"?project={project}" if project else ""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}{query}"

    def execute(self, *statements: str, database: str = "nb", user: str = "nb") -> list[tuple[Any, ...]]:
        """Run statements, each on its own, and return the rows of the last."""
        import psycopg

        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(self.url(database, user=user), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)  # type: ignore[call-overload]
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        _as_postgres(self.bin / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def start(self) -> None:
        """Start it (again)."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        options += "" if self.durable else " -c fsync=off"
        options += " -c max_connections=200 -c shared_buffers=32MB"
        log = self.folder / "log"
        _as_postgres(self.bin / "pg_ctl", "-D", self.folder / "data", "-l", log, "-o", options, "-w", "start")


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Start PostgreSQL with a database "nb" of the user "nb", and stop it in the end."""
    binaries = _postgres_binaries()
    folder = Path(tempfile.mkdtemp(prefix="nbannot-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if os.geteuid() == 0:
        shutil.chown(secret, "postgres", "postgres")
    server = Postgres(free_port(), folder, binaries, durable)
    try:
        _as_postgres(
            binaries / "initdb", "-D", folder / "data", "-A", "scram-sha-256", "-U", "nb", "--no-sync",
            f"--pwfile={secret}", "-E", "UTF8", "--locale=C",
        )  # fmt: skip
        server.start()
        server.execute("CREATE DATABASE nb", database="postgres")
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_binaries() -> Path:
    named = shutil.which("initdb")
    found = [Path(named).parent] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists():
            return folder
    raise RuntimeError("The tests need PostgreSQL (Debian: apt-get install postgresql).")


def _as_postgres(*command: object) -> None:
    # PostgreSQL does not run as root.
    before = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*before, *map(str, command)], check=True, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=WAIT_S,
    )  # fmt: skip


@dataclass(frozen=True)
class Bucket:
    """A running S3 server with one bucket.

    Parameters
    ----------
    endpoint
        Its address.
    name
        Of the bucket.
    process
        Id of the server's process.
    """

    endpoint: str
    name: str
    process: int

    @property
    def options(self) -> dict[str, Any]:
        """What fsspec must know."""
        return {"key": "testing", "secret": "testing-secret", "endpoint_url": self.endpoint,
                "client_kwargs": {"region_name": "eu-west-1"}}  # fmt: skip

    def url(self, prefix: str) -> str:
        """Return the URL of a prefix."""
        return f"s3://{self.name}/{prefix}"


@contextmanager
def running_s3(name: str = "nbannot-tests") -> Iterator[Bucket]:
    """Start an S3 server (moto, over a real connection) with an empty bucket, and stop it in the end."""
    import s3fs

    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        bucket = Bucket(f"http://127.0.0.1:{port}", name, process.pid)
        _wait_for(f"{bucket.endpoint}/moto-api/data.json", process)
        s3fs.S3FileSystem(**bucket.options, skip_instance_cache=True).mkdir(name)
        yield bucket
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"The server for {url} ended with {process.returncode}")
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"Nothing answers at {url}")

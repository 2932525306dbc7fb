"""A bucket to fill, and a DICOMweb archive (Orthanc) that the tests start on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from servers import Bucket, free_port, running_s3

BUCKET = "images"


class Filled(Bucket):
    """A bucket that tests fill."""

    @cached_property
    def client(self) -> Any:
        """What fills it, other than what is tested."""
        import boto3

        return boto3.client(
            "s3", aws_access_key_id=self.options["key"], aws_secret_access_key=self.options["secret"],
            endpoint_url=self.endpoint, region_name="eu-west-1",
        )  # fmt: skip

    def put(self, key: str, data: Path) -> str:
        self.client.put_object(Bucket=self.name, Key=key, Body=data.read_bytes())
        return self.url(key)

    def put_folder(self, prefix: str, folder: Path) -> str:
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            self.put(f"{prefix}/{file.relative_to(folder).as_posix()}", file)
        return f"{self.url(prefix)}/"


@contextmanager
def s3_bucket() -> Iterator[Filled]:
    """Start an S3 server with an empty bucket."""
    with running_s3(BUCKET) as found:
        yield Filled(**vars(found))


@dataclass(frozen=True)
class OrthancServer:
    """A running archive."""

    url: str
    options: dict[str, str]
    process: subprocess.Popen[bytes]


_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
# Orthanc 1.10 has no option for the address that it listens at. In a network namespace of its own it is
# reached by nobody; a relay in the namespace passes on what comes to a socket file.
_RELAY = """
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for one in (a, b):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def address(text):
    if text.startswith("/"):
        return socket.AF_UNIX, text
    host, port = text.rsplit(":", 1)
    return socket.AF_INET, (host, int(port))
family, place = address(sys.argv[1])
listening = socket.socket(family)
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(place)
listening.listen(64)
print("ready", flush=True)
while True:
    one, _ = listening.accept()
    family, place = address(sys.argv[2])
    other = socket.socket(family)
    try:
        other.connect(place)
    except OSError:
        one.close()
        continue
    for pair in ((one, other), (other, one)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@contextmanager
def orthanc(folder: Path) -> Iterator[OrthancServer]:
    """Start Orthanc with DICOMweb and a password, reachable on loopback alone."""
    program = shutil.which("Orthanc")
    if program is None or not _PLUGIN.exists():
        pytest.fail("Orthanc is not installed. Run: tests/install-packages archive")
    port = free_port()
    alone = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    settings = {
        "Name": "tests", "StorageDirectory": str(folder / "files"), "IndexDirectory": str(folder / "index"),
        "Plugins": [str(_PLUGIN)], "HttpPort": port, "DicomServerEnabled": False,
        "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
        "RegisteredUsers": {"tester": "not-a-secret"},
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    config = folder / "orthanc.json"
    config.write_text(json.dumps(settings))
    relay = folder / "relay.py"
    relay.write_text(_RELAY)
    processes = []
    # A path in the folder of the tests may be longer than a socket may have.
    unix = Path(f"/tmp/nbannot-{os.getpid()}-{port}.sock")
    try:
        if alone:
            inside = (
                f"ip link set lo up && {{ '{sys.executable}' '{relay}' '{unix}' 127.0.0.1:{port} & }} "
                f"&& exec '{program}' '{config}'"
            )
            command = ["unshare", "-rn", "--kill-child", "--fork", "--pid", "sh", "-c", inside]
        else:
            command = [program, str(config)]
        with (folder / "orthanc.log").open("wb") as log:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        if alone:
            processes.append(
                subprocess.Popen(
                    [sys.executable, str(relay), f"127.0.0.1:{port}", str(unix)], stdout=subprocess.DEVNULL
                )
            )
        _wait(f"http://127.0.0.1:{port}/dicom-web/studies", processes[0], folder / "orthanc.log")
        options = {"username": "tester", "password": "not-a-secret"}
        yield OrthancServer(f"dicomweb+http://127.0.0.1:{port}/dicom-web", options, processes[0])
    finally:
        for process in processes:
            process.kill()
            process.wait()
        unix.unlink(missing_ok=True)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urlopen(url, timeout=5)
            return
        except URLError as error:
            if getattr(error, "code", 0) == 401:
                return
        except OSError:
            pass
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"Orthanc did not start: {log.read_text(errors='replace')[-2000:]}")

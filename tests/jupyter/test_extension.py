"""The server extension in a real Jupyter server, in its own process."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nbannot.host.pixels import CODECS, decode
from nbannot.host.spool import Spool, pointer_path, slice_path
from nbannot.model.geometry import Stack
from nbannot.model.image import Image

pytestmark = pytest.mark.slow

TOKEN = "secret-of-the-tests"
SHAPE = (70, 40, 30)


class Server:
    """A running Jupyter server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(
        self, path: str, *, token: str | None = TOKEN, method: str = "GET"
    ) -> tuple[int, bytes, dict[str, str]]:
        headers = {"Authorization": f"token {token}"} if token else {}
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        opener = urllib.request.build_opener(NoRedirect)
        try:
            with opener.open(request, timeout=20) as reply:
                return reply.status, reply.read(), dict(reply.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runtime")
    before = os.environ.get("JUPYTER_RUNTIME_DIR")
    os.environ["JUPYTER_RUNTIME_DIR"] = str(folder)
    yield folder
    if before is None:
        del os.environ["JUPYTER_RUNTIME_DIR"]
    else:
        os.environ["JUPYTER_RUNTIME_DIR"] = before


@pytest.fixture(scope="module")
def server(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    options = [
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.base_url=/user/alice/",
        f"--IdentityProvider.token={TOKEN}",
        "--ServerApp.jpserver_extensions={'nbannot.jupyter': True}",
        f"--ServerApp.root_dir={home}",
    ]
    log = (home / "log").open("w")
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_NO_CONFIG": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_server", *options], stdout=log, stderr=log, env=environment
    )
    found = Server(f"http://127.0.0.1:{port}/user/alice/")
    try:
        end = time.monotonic() + 120
        while True:
            try:
                if found.get("api/status")[0] == 200:
                    break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, (home / "log").read_text()
                time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture
def image() -> Image:
    random = np.random.default_rng(1)
    pixels = random.integers(-1000, 3000, SHAPE, dtype=np.int16)
    return Image(pixels, Stack.picture(SHAPE[1:], frames=SHAPE[0]), id="img 1/é")


@pytest.fixture
def spool(runtime: Path, image: Image) -> Iterator[Spool]:
    spool = Spool([image])
    spool.focus([(image.id, 0, 0)])
    deadline = time.monotonic() + 20
    while spool.read(image.id, 0, SHAPE[0] - 1) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield spool
    spool.close()


IMAGE_PATH = "img%201%2F%C3%A9"


def place(spool: Spool) -> str:
    assert spool.place is not None
    return spool.place["url"]


def parse(body: bytes) -> dict[int, np.ndarray[tuple[int, ...], np.dtype[np.int16]]]:
    slices = {}
    at = 0
    while at < len(body):
        k, codec, length = struct.unpack_from("<III", body, at)
        slices[k] = decode(CODECS[codec], body[at + 12 : at + 12 + length], "int16", SHAPE[1:])
        at += 12 + length
    return slices


def test_the_probe_tells_the_nonce(server: Server, spool: Spool) -> None:
    status, body, headers = server.get(f"{place(spool)}/probe")
    assert status == 200 and json.loads(body) == {"nonce": spool.nonce}
    assert "no-store" in headers["Cache-Control"]


def test_slices_are_the_image(server: Server, spool: Spool, image: Image) -> None:
    status, body, headers = server.get(f"{place(spool)}/{IMAGE_PATH}/0/3-12")
    assert status == 200
    slices = parse(body)
    assert list(slices) == list(range(3, 13))
    for k, plane in slices.items():
        np.testing.assert_array_equal(plane, image.array[k])
    assert headers["Cache-Control"].startswith("private") and "immutable" in headers["Cache-Control"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_slices_that_are_not_published_are_left_out_and_not_cached(server: Server, spool: Spool) -> None:
    status, body, headers = server.get(f"{place(spool)}/{IMAGE_PATH}/0/68-75")
    assert status == 200 and list(parse(body)) == [68, 69]
    assert headers["Cache-Control"] == "private, no-store"


def test_slices_that_come_soon_are_waited_for(server: Server, spool: Spool, image: Image) -> None:
    assert spool.folder is not None
    path = slice_path(spool.folder, image.id, 0, 3)
    data = path.read_bytes()
    path.unlink()
    threading.Timer(0.1, path.write_bytes, (data,)).start()
    status, body, headers = server.get(f"{place(spool)}/{IMAGE_PATH}/0/2-4?wait")
    assert status == 200 and list(parse(body)) == [2, 3, 4]
    assert headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", ["/probe", f"/{IMAGE_PATH}/0/0-1"])
def test_nobody_gets_anything_without_logging_in(server: Server, spool: Spool, path: str) -> None:
    for token in (None, "wrong"):
        status, body, _ = server.get(place(spool) + path, token=token)
        assert status in (302, 403)
        assert spool.nonce.encode() not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_only_get(server: Server, spool: Spool, method: str) -> None:
    assert server.get(f"{place(spool)}/probe", method=method)[0] in (403, 405)


def test_paths_lead_nowhere_else(server: Server, spool: Spool) -> None:
    base = place(spool)
    paths = [
        f"nbannot/v1/{'0' * 32}/probe",
        "nbannot/v1/../../etc/passwd",
        "nbannot/v1/..%2F..%2Fetc/probe",
        f"{base}/..%2F..%2F..%2Fetc%2Fpasswd",
        f"{base}/{IMAGE_PATH}/0/..%2F0",
        f"{base}/{IMAGE_PATH}/0/0-64",
        f"{base}/{IMAGE_PATH}/0/5-4",
        f"{base}/{IMAGE_PATH}/0/0-99999999999",
        f"{base}/{IMAGE_PATH}/-1/0-1",
    ]
    for path in paths:
        assert server.get(path)[0] == 404, path
    for odd in ("%2E%2E", "..%2F..%2Fx", "none"):
        status, body, _ = server.get(f"{base}/{odd}/0/0-1")
        assert (status, body) in ((200, b""), (404, body)), odd


def test_pointers_that_are_not_private_are_not_followed(server: Server, spool: Spool, tmp_path: Path) -> None:
    pointer = pointer_path(spool.token)
    entry = json.loads(pointer.read_text())
    pointer.chmod(0o666)
    assert server.get(f"{place(spool)}/probe")[0] == 404
    pointer.chmod(0o600)
    assert server.get(f"{place(spool)}/probe")[0] == 200
    link = tmp_path / "nbannot-link"
    link.symlink_to(entry["folder"])
    pointer.write_text(json.dumps({**entry, "folder": str(link)}))
    assert server.get(f"{place(spool)}/probe")[0] == 404
    pointer.write_text("{")
    assert server.get(f"{place(spool)}/probe")[0] == 404


def test_a_closed_viewer_leaves_nothing(server: Server, spool: Spool) -> None:
    base = place(spool)
    spool.close()
    assert server.get(f"{base}/probe")[0] == 404
    assert server.get(f"{base}/{IMAGE_PATH}/0/0-1")[:2] == (204, b"")

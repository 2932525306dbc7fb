"""The spool: private, complete, from the slice in view outwards, and gone afterwards."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbannot.errors import FormatError
from nbannot.host import spool as module
from nbannot.host.pixels import Part, decode, pack_slice
from nbannot.host.spool import Spool, _order, pointer_path, slice_path, sweep
from nbannot.model.geometry import Stack
from nbannot.model.image import Image

SHAPE = (6, 8, 7)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return tmp_path / "runtime"


class Pixels:
    """A source that notes what is read."""

    shape = (2, *SHAPE)
    dtype = np.dtype(np.int16)

    def __init__(self) -> None:
        self.read: list[tuple[int, int]] = []

    def plane(self, k: int, t: int = 0) -> np.ndarray[Any, Any]:
        self.read.append((t, k))
        if (t, k) == (1, 2):
            raise FormatError("The file ends early")
        return np.full(SHAPE[1:], 100 * t + k, dtype=np.int16)

    def load(self) -> np.ndarray[Any, Any]:
        raise AssertionError


def make(pixels: Pixels, id: str = "../../etc/odd id") -> Image:
    return Image(pixels, Stack.picture(SHAPE[1:], frames=SHAPE[0]), id=id)


def published(spool: Spool, image: Image, frame: int, k: int) -> list[Part]:
    deadline = time.monotonic() + 20
    while (found := spool.read(image.id, frame, k)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return found


def test_publishes_from_the_slice_in_view_outwards_and_removes_all() -> None:
    pixels = Pixels()
    image = make(pixels)
    spool = Spool([image])
    folder, pointer = spool.folder, pointer_path(spool.token)
    assert folder is not None and spool.place == {"url": f"nbannot/v1/{spool.token}", "nonce": spool.nonce}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(pointer.stat().st_mode) == 0o600
    assert json.loads(pointer.read_text())["pid"] == os.getpid()
    assert pixels.read == []
    spool.focus([(image.id, 1, 4)])
    [(_, codec, data)] = published(spool, image, 0, 0)
    np.testing.assert_array_equal(decode(codec, data, "int16", SHAPE[1:]), np.zeros(SHAPE[1:]))
    assert pixels.read == [(t, k) for t in (1, 0) for k in (4, 5, 3, 2, 1, 0)]
    assert slice_path(folder, image.id, 0, 0).resolve().is_relative_to(folder.resolve())
    assert spool.read(image.id, 1, 2) is None
    spool.focus([("unknown", 0, 0)])
    spool.close()
    assert not folder.exists() and not pointer.exists()
    assert spool.place is None and spool.read(image.id, 0, 0) is None
    assert not [t for t in threading.enumerate() if t.name == "nbannot-spool"]
    spool.close()


def test_a_resting_spool_publishes_nothing_until_it_is_asked_again() -> None:
    pixels = Pixels()
    image = make(pixels)
    spool = Spool([image])
    plane = pixels.plane

    def stop_at_second(k: int, t: int = 0) -> np.ndarray[Any, Any]:
        if len(pixels.read) == 1:
            spool.rest()
        return plane(k, t)

    pixels.plane = stop_at_second  # type: ignore[method-assign]
    spool.focus([(image.id, 0, 0)])
    published(spool, image, 0, 1)
    assert pixels.read == [(0, 0), (0, 1)]
    spool.focus([(image.id, 0, 5)])
    published(spool, image, 1, 0)
    assert pixels.read[2] == (0, 5)
    spool.close()


def test_images_in_view_go_on_together_and_the_others_follow() -> None:
    images = [make(Pixels(), name) for name in ("a", "b", "c")]
    order = list(_order(images, [("b", 0, 2), ("a", 1, 3), ("b", 0, 4)]))
    assert sorted(order) == sorted((id, t, k) for id in "abc" for t in range(2) for k in range(6))
    assert order[:3] == [("b", 0, 2), ("a", 1, 3), ("b", 0, 4)]
    assert [place[:2] for place in order[3:7]] == [("b", 0), ("a", 1), ("b", 0), ("a", 1)]
    shown = [place for place in order if place[0] != "c"]
    assert order == shown + [("c", t, k) for t in (0, 1) for k in (3, 4, 2, 5, 1, 0)]
    assert {place[1] for place in shown if place[0] == "a"} == {0, 1}


def test_where_not_everything_fits_the_furthest_slices_go(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = Pixels()
    image = make(pixels)
    size = len(pack_slice(pixels.plane(0)))
    monkeypatch.setattr(module, "roomy_folder", lambda _: (Path(tempfile.gettempdir()), 3 * size + size // 2))
    spool = Spool([image])

    def here() -> set[tuple[int, int]]:
        return {(t, k) for t in (0, 1) for k in range(6) if spool.read(image.id, t, k) is not None}

    def wait(places: set[tuple[int, int]]) -> None:
        deadline = time.monotonic() + 20
        while here() != places:
            assert time.monotonic() < deadline, here()
            time.sleep(0.002)

    spool.focus([(image.id, 0, 0)])
    wait({(0, 0), (0, 1), (0, 2)})
    spool.focus([(image.id, 1, 5)])
    wait({(1, 5), (1, 4), (1, 3)})
    spool.close()


def test_no_room_means_no_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "roomy_folder", lambda size: None)
    spool = Spool([make(Pixels())])
    assert spool.place is None
    spool.focus([("x", 0, 0)])
    spool.close()


def test_a_full_disk_stops_publishing_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    image = make(Pixels())
    spool = Spool([image])
    spool.focus([(image.id, 0, 0)])
    assert spool._thread is not None
    spool._thread.join(20)
    assert "publishing slices stopped" in caplog.text
    spool.close()


def test_an_unwritable_runtime_folder_means_no_spool(runtime: Path) -> None:
    runtime.write_text("a file where a folder should be")
    spool = Spool([make(Pixels())])
    assert spool.place is None


SCRIPT = """
import numpy as np, os, sys
from nbannot.model.geometry import Stack
from nbannot.model.image import Image
from nbannot.host.spool import Spool
spool = Spool([Image(np.zeros((1, 4, 4), np.int16), Stack.picture((4, 4)))])
print(spool.folder, flush=True)
if sys.argv[1] == "killed":
    os._exit(9)
"""


def run(how: str) -> Path:
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], stdout=subprocess.PIPE, text=True, check=False)
    return Path(done.stdout.strip())


def test_the_end_of_the_process_removes_the_files(runtime: Path) -> None:
    assert not run("ends").exists()
    assert list((runtime / "nbannot").glob("*")) == []


def test_what_a_killed_kernel_left_is_swept(runtime: Path) -> None:
    left = run("killed")
    assert left.is_dir()
    mine = Spool([make(Pixels())])
    assert not left.exists()
    assert sweep() == 0
    assert mine.folder is not None and mine.folder.is_dir()
    (runtime / "nbannot" / "broken.json").write_text("{")
    assert sweep() == 0
    mine.close()

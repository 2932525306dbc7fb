"""JPEG streams whose start is damaged never reach GDCM, which would end the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbannot.formats.dicom.header import read_header
from nbannot.formats.dicom.jpeg import has_sound_start, jpeg_frame

pytestmark = pytest.mark.slow

STREAMS = [
    "transfer_syntaxes/CTImage_jpeg_ext12.dcm",
    "transfer_syntaxes/CTImage_jpeg_baseline8.dcm",
    "transfer_syntaxes/CTImage_jpeg_lossless57.dcm",
    "us/echo_ybr_30frames.dcm",
]

# Reads a file again and again with one byte changed, each in a process of its own; prints those that died.
DAMAGE = """
import os, pathlib, sys, tempfile, warnings
from nbannot.errors import NbannotError
from nbannot.formats import read
from nbannot.formats.dicom.header import read_header
warnings.simplefilter("ignore")
source, whole = sys.argv[1], bytearray(pathlib.Path(sys.argv[1]).read_bytes())
header = read_header(source)
start, length = header.parts[0][0]
read(source).plane_array(0)  # all is imported
with tempfile.TemporaryDirectory() as folder:
    for n, at in enumerate(range(start + 2, start + min(length, 620), 11)):
        damaged = bytearray(whole)
        damaged[at] = (0, 1, 2, 63, 255)[n % 5]
        path = pathlib.Path(folder, f"{n}.dcm")
        path.write_bytes(damaged)
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            try:
                read(path).plane_array(0)
            except NbannotError:
                pass
            except BaseException:
                os._exit(3)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            print(at - start, damaged[at])
"""


def stream_of(path: Path) -> bytes:
    raw = path.read_bytes()
    return b"".join(raw[at : at + length] for at, length in read_header(str(path)).parts[0])


@pytest.mark.parametrize("name", STREAMS)
def test_real_streams_are_sound(name: str, shared_data: Path) -> None:
    header, stream = read_header(str(shared_data / name)), stream_of(shared_data / name)
    frame = jpeg_frame(stream)
    assert frame is not None
    assert (frame.rows, frame.columns) == (header.rows, header.columns)
    assert has_sound_start(stream)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:2] + b"\0" + raw[2:],  # a byte between the segments
        lambda raw: raw.replace(b"JFIF\0\x01", b"JFIF\0\x02"),
        lambda raw: raw[:4] + b"\0\0" + raw[6:],
        lambda raw: raw[:150],
        lambda raw: b"",
    ],
)
def test_damaged_starts_are_known(change: object, shared_data: Path) -> None:
    stream = stream_of(shared_data / "us/echo_ybr_30frames.dcm")
    damaged = change(stream)  # type: ignore[operator]
    assert damaged != stream
    assert not has_sound_start(damaged)


@pytest.mark.parametrize("name", STREAMS)
def test_damaged_streams_do_not_end_the_process(name: str, shared_data: Path, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DAMAGE, shared_data / name],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    assert done.stdout == ""

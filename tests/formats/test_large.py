"""Files larger than memory: one slice is read without the rest. Peak memory is that of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nbannot as nb
from formats_making import write_slice
from nbannot.errors import FormatError
from nbannot.formats import nifti, rawdata
from nbannot.formats.dicom import header as dicom_header
from nbannot.model.image import Image
from nbannot.model.sliced import SlicedPixels

pytestmark = pytest.mark.slow

# The libraries alone need about 100 MB; a file of 3 GB must not show.
LIMIT_MB = 400

READ = """
import json, sys, warnings
from pathlib import Path
import psutil
warnings.simplefilter("ignore")
import nbannot as nb
image = nb.read(sys.argv[1])
ks = json.loads(sys.argv[2])
found = [[int(image.plane_array(k).min()), int(image.plane_array(k).max())] for k in ks]
window = image.default_window()
# of this program alone: ru_maxrss would count what the process was before it became this program
status = Path("/proc/self/status")
high = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")] \
    if status.exists() else [psutil.Process().memory_info().rss / 1024]
print(json.dumps({
    "found": found, "shape": image.shape, "dtype": image.dtype.name, "loaded": image.is_loaded,
    "peak": float(high[0]) / 1024,
}))
"""


def read_apart(path: Path, ks: list[int]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), json.dumps(ks)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def sparse_nifti(path: Path, shape: tuple[int, int, int], dtype: str) -> int:
    """Write a NIfTI header, and zeros that take no place on the disk; return where the voxels begin."""
    import nibabel

    head = nibabel.Nifti1Header()
    head.set_data_dtype(dtype)
    head.set_data_shape(shape)
    head.set_sform(np.eye(4), code=1)
    head["vox_offset"] = 352
    head["magic"] = b"n+1"
    with path.open("wb") as file:
        file.write(head.binaryblock + b"\0\0\0\0")
        file.truncate(352 + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
    return 352


@pytest.mark.parametrize("dtype", ["int16", "uint32"])
def test_a_nifti_file_of_3_gb_is_read_by_slice(tmp_path: Path, dtype: str) -> None:
    side, width = 1024, np.dtype(dtype).itemsize
    count = 3 * 2**30 // (side * side * width)
    path = tmp_path / "big.nii"
    start = sparse_nifti(path, (side, side, count), dtype)
    with path.open("r+b") as file:
        file.seek(start + (count - 3) * side * side * width)
        file.write(np.full(side, 77, dtype).tobytes())
    assert path.stat().st_size > 3e9
    found = read_apart(path, [0, count // 2, count - 3])
    assert found["found"] == [[0, 0], [0, 0], [0, 77]] and found["shape"] == [count, side, side]
    assert found["dtype"] == {"int16": "int16", "uint32": "float32"}[dtype]
    assert not found["loaded"] and found["peak"] < LIMIT_MB


def test_an_uncompressed_dicom_file_of_3_gb_is_read_by_frame(tmp_path: Path) -> None:
    side, count = 1024, 1500
    path = write_slice(tmp_path / "big.dcm", np.zeros((side, side), np.uint16), NumberOfFrames=count, Modality="XA",
                       SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1", TextValue="long " * 40_000)  # fmt: skip
    frame = side * side * 2
    data = path.read_bytes()
    start = len(data) - frame
    with path.open("wb") as file:
        file.write(data[: start - 4] + (frame * count).to_bytes(4, "little"))
        file.truncate(start + frame * count)
        file.seek(start + frame * 1400)
        file.write(np.full(side, 99, "<u2").tobytes())
    assert start > 1 << 17 and path.stat().st_size > 3e9  # the header alone is more than one look
    found = read_apart(path, [0, 700, 1400])
    assert found["found"] == [[0, 0], [0, 0], [0, 99]] and found["shape"] == [count, side, side]
    assert not found["loaded"] and found["peak"] < LIMIT_MB


def test_long_headers_are_read_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_slice(tmp_path / "a.dcm", TextValue="long " * 40_000)
    whole = nb.read(path)
    monkeypatch.setattr(dicom_header, "_HEAD", 300)
    monkeypatch.setattr(dicom_header, "_GROWTH", 1)
    stepwise = nb.read(path)
    assert isinstance(whole, Image) and isinstance(stepwise, Image)
    np.testing.assert_array_equal(stepwise.array, whole.array)


def test_a_large_compressed_nifti_is_unpacked_beside_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    nb.write(tmp_path / "a.nii.gz", Image(values, nb.Geometry(np.eye(4)[[2, 1, 0, 3]], (4, 5, 6))))
    monkeypatch.setattr(nifti, "LARGE", 16)
    image = nb.read(tmp_path / "a.nii.gz")
    assert isinstance(image, Image)
    np.testing.assert_array_equal(image.plane_array(2), values[2])
    pixels: Any = image._pixels
    backing = pixels._stored
    while backing.base is not None and not isinstance(backing, np.memmap):
        backing = backing.base
    assert isinstance(backing, np.memmap)
    np.testing.assert_array_equal(image.array, values)


def test_unpacking_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros((2, 3, 4), np.int16)
    nb.write(tmp_path / "a.nii.gz", Image(values, nb.Geometry(np.eye(4)[[2, 1, 0, 3]], (2, 3, 4))))
    monkeypatch.setattr(nifti, "LARGE", 16)
    monkeypatch.setattr(nifti.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    image = nb.read(tmp_path / "a.nii.gz")
    assert isinstance(image, Image)
    with pytest.raises(FormatError, match="to be unpacked") as caught:
        image.plane_array(0)
    assert "gunzip" in caught.value.hint


def test_a_damaged_large_compressed_nifti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).integers(0, 9999, (8, 30, 40)).astype(np.int16)
    path = tmp_path / "a.nii.gz"
    nb.write(path, Image(values, nb.Geometry(np.eye(4)[[2, 1, 0, 3]], (8, 30, 40))))
    monkeypatch.setattr(nifti, "LARGE", 16)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(bytes(data))
    image = nb.read(path)
    assert isinstance(image, Image)
    with pytest.raises(FormatError, match="damaged"):
        image.plane_array(7)


class Counted:
    """An array that counts what is asked of it, as zarr or h5py would see it."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.asked: list[Any] = []

    def __getitem__(self, key: Any) -> Any:
        self.asked.append(key)
        return self._array[key]


GRID = nb.Geometry(np.eye(4), (4, 5, 6))


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("int16", "int16"), ("bool", "uint8"), ("float64", "float32"), ("float16", "float32"), ("int64", "int32"),
     (">u2", "uint16"), ("uint64", "int32"), (">f8", "float32")],
)  # fmt: skip
def test_array_likes_are_read_by_slice(stored: str, shown: str) -> None:
    values = (np.arange(120).reshape(4, 5, 6) % 2).astype(stored)
    source = Counted(values)
    image = Image(source, GRID)
    assert (image.dtype.name, image.frames, image.is_loaded, source.asked) == (shown, 1, False, [])
    np.testing.assert_array_equal(image.plane_array(2), values[2])
    assert source.asked == [2] and image.plane_array(2).dtype.name == shown
    np.testing.assert_array_equal(image.array, values)
    assert image.array.dtype.name == shown and image.is_loaded


def test_array_likes_with_frames_and_colour() -> None:
    values = np.arange(3 * 120, dtype=np.uint8).reshape(3, 4, 5, 6)
    source = Counted(values)
    image = Image(source, GRID)
    np.testing.assert_array_equal(image.plane_array(1, t=2), values[2, 1])
    assert image.frames == 3 and source.asked == [(2, 1)]
    colour = np.arange(120 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
    image = Image(Counted(colour), GRID, photometric="RGB")
    np.testing.assert_array_equal(image.plane_array(3), colour[3])


def test_array_likes_that_cannot_be_shown() -> None:
    image = Image(Counted(np.full((4, 5, 6), 2**40)), GRID)
    with pytest.raises(nb.NbannotError, match="do not fit int32"):
        image.plane_array(0)
    with pytest.raises(nb.NbannotError, match="complex"):
        Image(Counted(np.zeros((4, 5, 6), complex)), GRID)
    odd = Counted(np.zeros((4, 5, 6)))
    odd.dtype = "torch.bfloat16"  # type: ignore[assignment]
    with pytest.raises(nb.NbannotError, match="bfloat16"):
        SlicedPixels(odd, color=False)
    with pytest.raises(nb.NbannotError, match="fit"):
        Image(Counted(np.zeros((4, 5, 7))), GRID)


def test_zarr_is_read_by_chunk(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is one of the development tools")
    stored = zarr.create_array(tmp_path / "a.zarr", shape=(4, 5, 6), chunks=(1, 5, 6), dtype="int16")
    stored[:] = np.arange(120).reshape(4, 5, 6)
    again = zarr.open_array(tmp_path / "a.zarr", mode="r")
    image = Image(again, GRID)
    chunks = sorted((tmp_path / "a.zarr/c").iterdir())
    chunks[0].joinpath("0/0").write_bytes(b"damaged: nobody may read it")
    np.testing.assert_array_equal(image.plane_array(3), np.arange(90, 120).reshape(5, 6))


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
def test_raw_voxels_are_mapped_and_a_slice_is_read_alone(tmp_path: Path, suffix: str) -> None:
    values = np.random.default_rng(1).integers(0, 99, (300, 64, 64)).astype(np.int16)
    path = tmp_path / f"a{suffix}"
    nb.write(path, Image(values, nb.Geometry(np.eye(4)[[2, 1, 0, 3]], values.shape)), compress=False)
    image = nb.read(path)
    assert isinstance(image, Image)
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(image.plane_array(299), values[299])
        assert tracemalloc.get_traced_memory()[1] < values.nbytes / 4
    finally:
        tracemalloc.stop()
    assert not image.is_loaded


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_large_packed_voxels_are_unpacked_beside_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    values = np.random.default_rng(1).integers(0, 99, (3, 20, 30)).astype(np.int16)
    path = tmp_path / f"a{suffix}"
    nb.write(path, Image(values, nb.Geometry(np.eye(4)[[2, 1, 0, 3]], values.shape)))
    monkeypatch.setattr(rawdata, "LARGE", 16)
    image = nb.read(path)
    assert isinstance(image, Image)
    np.testing.assert_array_equal(image.plane_array(2), values[2])
    monkeypatch.setattr(rawdata.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    again = nb.read(path)
    assert isinstance(again, Image)
    with pytest.raises(FormatError, match="TMPDIR"):
        again.plane_array(2)

"""Headers that lie, trees that do not end: told at once, without room made for what is not there."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from formats_making import write_slice
from nbannot.errors import FormatError, NbannotError, NbannotWarning
from nbannot.formats import read, scan, sources
from nbannot.formats.dicom import limits
from nbannot.model.image import Image

FAR = 61 << 20
"""More than any small file may take, bytes."""


def refused(path: Path, words: str) -> None:
    """Expect an error of ours with these words, and little memory taken on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(NbannotError, match=words) as caught:
            image = read(path)
            assert isinstance(image, Image)
            image.plane_array(0)
        assert tracemalloc.get_traced_memory()[1] < FAR
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless], ids=lambda uid: uid.name)
def test_compressed_frames_of_another_size(tmp_path: Path, syntax: pydicom.uid.UID) -> None:
    pixels = np.random.default_rng(1).integers(0, 999, (40, 50), dtype=np.uint16)
    path = write_slice(tmp_path / "lie.dcm", pixels)
    ds = pydicom.dcmread(path)
    ds.compress(syntax)
    ds.save_as(path)
    read(path).plane_array(0)  # type: ignore[union-attr]
    for rows, columns in ((60000, 65535), (65535, 65535)):
        ds.Rows, ds.Columns = rows, columns
        ds.save_as(path)
        refused(path, f"its header says {rows} × {columns} pixels")
    ds.Rows, ds.Columns = 20, 50
    ds.save_as(path)
    if syntax != RLELossless:
        refused(path, "its header says 20 × 50 pixels, a frame has 40 × 50")
    ds.Rows, ds.NumberOfFrames = 40, 2_000_000_000
    ds.save_as(path)
    refused(path, "compressed frame")


def test_raw_pixels_of_another_size(tmp_path: Path) -> None:
    for tags in ({"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 2**31 - 1}):
        refused(write_slice(tmp_path / "lie.dcm", **tags), "bytes of pixels")


def test_deflated_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_slice(tmp_path / "bomb.dcm", np.zeros((2000, 2000), np.uint8))
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    ds.save_as(path)
    read(path)
    monkeypatch.setattr(limits, "INFLATED", 1 << 20)
    refused(path, "as a bomb does")


def test_a_palette_that_unfolds_without_end(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "palette.dcm", np.zeros((3, 4), np.uint8))
    ds = pydicom.dcmread(path)
    ds.PhotometricInterpretation = "PALETTE COLOR"
    endless = struct.pack("<4H", 0, 1, 7, 1) + struct.pack("<2H", 65535, 9) + b"\1\0\xff\xff\7\0" * 5000
    for n in range(3):
        ds.add_new(0x00281101 + n, "US", [256, 0, 16])
        ds.add_new(0x00281221 + n, "OW", endless)
    ds.save_as(path)
    tracemalloc.start()
    assert read(path).array.shape == (1, 3, 4, 3)  # type: ignore[union-attr]
    assert tracemalloc.get_traced_memory()[1] < FAR
    tracemalloc.stop()


@pytest.mark.parametrize("version", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_of_another_size(tmp_path: Path, version: type[nibabel.Nifti1Image], suffix: str) -> None:
    path = tmp_path / f"lie{suffix}"
    version(np.zeros((4, 5, 6), np.int16), np.eye(4)).to_filename(path)
    opened = gzip.open if suffix.endswith(".gz") else open
    with opened(path, "rb") as file:
        raw = bytearray(file.read())
    two = version is nibabel.Nifti2Image
    sizes = (2**40, 2**22, 2**4) if two else (32767, 32767, 32767)
    struct.pack_into("<3q" if two else "<3h", raw, 24 if two else 42, *sizes)
    with opened(path, "wb") as file:
        file.write(raw)
    refused(path, "cut off|not a sound NIfTI")


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "image_dfl.dcm", "MR_small_bigendian.dcm"])
def test_files_cut_at_any_length(shared_data: Path, tmp_path: Path, name: str) -> None:
    whole = (shared_data / "odd/pydicom" / name).read_bytes()
    path = tmp_path / "cut.dcm"
    for length in sorted({*range(0, 400, 37), *range(400, len(whole) - 200, max(len(whole) // 40, 1))}):
        path.write_bytes(whole[:length])
        with pytest.raises(NbannotError, match=r"cut\.dcm"):
            read(path).plane_array(0)  # type: ignore[union-attr]


def test_wrong_magic_is_no_image(shared_data: Path, tmp_path: Path) -> None:
    nifti = (shared_data / "nifti_misc/anatomical.nii").read_bytes()
    spoiled = bytearray(nifti)
    spoiled[344:348] = b"abcd"
    picture = next((shared_data / "xray_nih_boxes").glob("*.png")).read_bytes()
    for name, raw in (
        ("a.nii", bytes(spoiled)), ("b.png", b"\0" + picture[1:]), ("c.nii.gz", zlib.compress(nifti)),
        ("d.dcm", nifti[:200]), ("e.zip", b"PK\5\6" + bytes(30)),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(FormatError, match=name.replace(".", r"\.")):
            read(tmp_path / name)


def test_trees_with_loops_pipes_and_dead_links(
    series: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    series([0, 2, 4])
    (folder / "again").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    (folder / "self").symlink_to(folder / "self")
    (folder / "gone.dcm").symlink_to(folder / "nothing.dcm")
    os.mkfifo(folder / "pipe.dcm")
    with pytest.warns(NbannotWarning, match="leads nowhere"):
        image = read(folder)
    assert isinstance(image, Image)
    assert image.shape[0] == 3
    with pytest.raises(FormatError, match="pipe, socket or device"):
        read(folder / "pipe.dcm")
    with pytest.raises(FormatError, match="no file or folder"):
        read(folder / "self")
    with pytest.raises(FormatError, match="pipe"):
        scan(folder / "pipe.dcm")


def test_what_must_not_be_read_is_named(
    series: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series([0, 2, 4])
    (folder / "closed").mkdir()
    listed, opened = os.scandir, Path.open

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    def open_(self: Path, *args: object, **options: object) -> object:
        if self.name == "002.dcm":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **options)  # type: ignore[arg-type,call-overload]

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "open", open_)
    with pytest.warns(NbannotWarning) as caught:
        image = read(folder)
    told = " ".join(str(one.message) for one in caught)
    assert "closed cannot be listed: Permission denied" in told
    assert "002.dcm cannot be read: Permission denied" in told
    assert isinstance(image, Image)
    assert image.shape[0] == 2
    table = scan(folder)
    assert "cannot be read: 002.dcm" in set(table.problems)
    assert any("closed cannot be listed" in text for text in table.problems)
    with pytest.raises(FormatError, match=r"002\.dcm cannot be read: Permission denied"):
        read(folder / "002.dcm")


class _Entry:
    """One of very many files, as a listing gives it."""

    def __init__(self, folder: str, number: int) -> None:
        self.name = f"{number:07}.txt"
        self.path = f"{folder}/{self.name}"

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return False

    def is_file(self) -> bool:
        return True


def test_a_folder_of_very_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Listing:
        def __init__(self, path: str) -> None:
            self.entries = (_Entry(str(path), number) for number in range(30_000))

        def __enter__(self) -> object:
            return self.entries

        def __exit__(self, *what: object) -> None:
            self.entries.close()

    monkeypatch.setattr(os, "scandir", Listing)
    monkeypatch.setattr(sources, "MOST_FILES", 20_000)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="more than 20,000 files") as caught:
            read(tmp_path)
        assert "nb.scan" in caught.value.hint
        assert sum(1 for _ in sources.walk(str(tmp_path), [], ordered=False)) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_deflated_frame_of_a_segmentation_is_unpacked_to_its_size(
    shared_data: Path, tmp_path: Path
) -> None:
    """64 MiB of zeros in some kilobytes: no more than the frame is made of them."""
    import tracemalloc
    import zlib

    import pydicom
    from pydicom.encaps import encapsulate

    from nbannot.formats.dicom.segments import read_segments

    ds = pydicom.dcmread(shared_data / "seg_dcmqi_24x38x3/labels/label_seg.dcm")
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(64 << 20)) + packer.flush()
    ds.PixelData = encapsulate([bomb + b"\0" * (len(bomb) % 2)] * int(ds.NumberOfFrames))
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    # pydicom does not know deflated frames; the name of the syntax is put in as bytes.
    ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    ds.save_as(tmp_path / "bomb.dcm")
    raw = (tmp_path / "bomb.dcm").read_bytes()
    deflated = raw.replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.8.1\0", 1)
    (tmp_path / "bomb.dcm").write_bytes(deflated)
    found = read_segments(str(tmp_path / "bomb.dcm"))
    tracemalloc.start()
    try:
        assert not found.pixels(0).any()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()

"""Bad input: an error of ours that names the file, never a crash, never a wrong picture."""

from __future__ import annotations

import random
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from formats_making import write_slice
from nbannot.errors import FormatError, NbannotError, NbannotWarning
from nbannot.formats import read
from nbannot.model.image import Image, Images

pytestmark = pytest.mark.slow


def consume(path: Path) -> None:
    """Read everything; only errors and warnings of ours may come out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        try:
            found = read(path)
            for image in found.values() if isinstance(found, Images) else [found]:
                assert image.array.shape[-1] >= 1
        except NbannotError as error:
            assert path.name in str(error)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.dcm", b""),
        ("text.dcm", b"This is only text.\n" * 50),
        ("zeros.dcm", b"\0" * 4096),
        ("magic_only.dcm", b"\0" * 128 + b"DICM"),
        ("page.html", b"<html></html>"),
        ("archive.zip", b"PK\x03\x04" + b"\0" * 100),
        ("short", b"x"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError, match=name):
        read(path)


def test_missing_files_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no file or folder"):
        read(tmp_path / "nothing")
    with pytest.raises(FormatError, match="holds no image"):
        read(tmp_path)
    with pytest.raises(FormatError, match="empty"):
        read([])


def test_the_files_of_the_set_made_to_be_bad(shared_data: Path) -> None:
    for name in ("ct_cut_in_header.dcm", "ct_cut_in_pixels.dcm", "empty.dcm", "text_named.dcm"):
        with pytest.raises(FormatError, match=name):
            read(shared_data / "odd/derived" / name)


def test_bad_files_in_a_folder_are_named_and_the_rest_opens(shared_data: Path) -> None:
    with pytest.warns(NbannotWarning) as caught:
        image = read(shared_data / "odd/derived")
    assert isinstance(image, Image)
    assert image.shape[0] == 3
    text = " ".join(str(warning.message) for warning in caught)
    for name in ("ct_cut_in_header.dcm", "ct_cut_in_pixels.dcm", "empty.dcm", "text_named.dcm",
                 "02_copy.dcm"):  # fmt: skip
        assert name in text


def test_lies_about_the_size_are_found(tmp_path: Path) -> None:
    for tags in ({"Rows": 300}, {"NumberOfFrames": 7}, {"BitsAllocated": 32}, {"Rows": 0}):
        path = write_slice(tmp_path / "lie.dcm", **tags)
        with pytest.raises(FormatError, match=r"lie\.dcm"):
            read(path)


def test_impossible_pixel_descriptions_are_found(tmp_path: Path) -> None:
    for tags in (
        {"BitsStored": 17},
        {"HighBit": 30},
        {"BitsAllocated": 12},
        {"SamplesPerPixel": 4},
    ):
        with pytest.raises(FormatError, match=r"bad\.dcm"):
            read(write_slice(tmp_path / "bad.dcm", **tags))


def test_unknown_transfer_syntaxes_are_refused_by_name(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm")
    raw = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.100\0"[:20])
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=r"a\.dcm"):
        read(path)


def spoiled(path: Path, good: bytes, bad: bytes) -> Path:
    raw = path.read_bytes()
    assert raw.count(good) == 1
    path.write_bytes(raw.replace(good, bad))
    return path


def test_garbage_in_optional_numbers_counts_as_missing(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm", WindowCenter=4321, WindowWidth=400)
    image = read(spoiled(path, b"4321.0", b"4..1.0"))
    assert isinstance(image, Image)
    assert image.windows == ()


def test_garbage_in_the_rescale_is_refused_not_guessed(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm", RescaleIntercept=-4321)
    with pytest.raises(FormatError, match=r"a\.dcm.*Rescale"):
        read(spoiled(path, b"-4321", b"--321"))


def test_an_image_that_vanishes_after_reading_says_so(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "gone.dcm")
    image = read(path)
    path.unlink()
    assert isinstance(image, Image)
    with pytest.raises(FormatError, match=r"gone\.dcm"):
        image.plane_array(0)


@pytest.mark.parametrize(
    "name",
    ["transfer_syntaxes/CT1_JLSL.dcm", "us/echo_palette_10frames_rle.dcm", "odd/pydicom/MR_small_implicit.dcm",
     "enhanced/mr_emri_small.dcm", "seg_dcmqi_24x38x3/ct_enhanced_multiframe.dcm"],
)  # fmt: skip
def test_random_damage_never_escapes(shared_data: Path, tmp_path: Path, name: str) -> None:
    whole = (shared_data / name).read_bytes()
    chance = random.Random(7)
    path = tmp_path / "damaged.dcm"
    for _ in range(40):
        raw = bytearray(whole)
        for _ in range(chance.choice((1, 5, 30))):
            raw[chance.randrange(min(len(raw), 4000))] = chance.randrange(256)
        if chance.random() < 0.4:
            del raw[chance.randrange(len(raw)) :]
        path.write_bytes(raw)
        consume(path)


def test_no_patient_data_in_names_and_errors(shared_data: Path, tmp_path: Path) -> None:
    image = read(shared_data / "phi/ct_header_phi_homer.dcm")
    shown = f"{image!r}{image.name}{image.notes}"  # type: ignore[union-attr]
    assert "SIMPSON" not in shown.upper()
    raw = (shared_data / "phi/ct_header_phi_homer.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(FormatError) as caught:
        read(tmp_path / "cut.dcm")
    assert "SIMPSON" not in str(caught.value).upper()


def test_many_bad_files_make_one_warning(series: Callable[..., Path], folder: Path) -> None:
    series([0, 2, 4])
    for n in range(30):
        (folder / f"bad{n:02}.dcm").write_bytes(b"")
    with pytest.warns(NbannotWarning) as caught:
        image = read(folder)
    assert isinstance(image, Image)
    assert len(caught) == 1
    np.testing.assert_array_equal(image.array[:, 0, 0], [0, 1, 2])


def test_nothing_of_a_header_gets_into_logs(
    shared_data: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    for name in ("odd/pydicom/badVR.dcm", "phi/charsets/chrH31.dcm", "xray/hand_cr_kodak_j2k.dcm"):
        image = read(shared_data / name)
        assert isinstance(image, Image)
        image.plane_array(0)
    assert not caplog.records
    assert not recwarn.list


class Entry:
    """One entry of a folder that is not there."""

    def __init__(self, path: str, *, folder: bool) -> None:
        self.path, self.name, self._folder = path, Path(path).name, folder

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._folder

    def is_file(self) -> bool:
        return not self._folder

    def is_symlink(self) -> bool:
        return False


def test_a_folder_of_a_million_files_is_refused_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = 0

    @contextmanager
    def listing(folder: str) -> Iterator[Iterator[Entry]]:
        def entries() -> Iterator[Entry]:
            nonlocal given
            for n in range(1_000_000):
                given += 1
                yield Entry(f"{folder}/{n}.dcm", folder=False)

        yield entries()

    monkeypatch.setattr("nbannot.formats.sources.os.scandir", listing)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="more than 200,000 files") as caught:
            read(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert given == 200_001 and "nb.scan" in caught.value.hint


def test_folders_in_folders_have_no_end_for_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = 0

    @contextmanager
    def listing(folder: str) -> Iterator[list[Entry]]:
        nonlocal depth
        depth += 1
        yield [Entry(f"{tmp_path}/{depth}", folder=True)] if depth < 5000 else []

    monkeypatch.setattr("nbannot.formats.sources.os.scandir", listing)
    with pytest.raises(FormatError):
        read(tmp_path)
    assert depth >= 5000

"""Archives and media: read like the folder they hold, refused by the name of what is wrong in them."""

from __future__ import annotations

import gc
import io
import shutil
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from formats_making import write_slice
from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import archives, header, read, write
from nbannot.model.image import Image, Images
from nbannot.model.masks import Mask
from nbannot.session.images import ImageReference


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(4):
        pixels = np.full((3, 4), 10 * n, np.int16)
        place = {"ImagePositionPatient": [0, 0, 2.5 * n], "SOPInstanceUID": f"1.2.9.{n}"}
        write_slice(tmp_path / "study" / "ct" / f"{n}.dcm", pixels, InstanceNumber=n + 1, **place)
    (tmp_path / "study" / "notes.txt").write_text("A note.")
    return tmp_path / "study"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that archives are unpacked into."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def packed(folder: Path, kind: str) -> Path:
    return Path(shutil.make_archive(str(folder.parent / "packed"), kind, folder))


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_an_archive_reads_as_its_folder(folder: Path, temporary: Path, kind: str) -> None:
    plain, path = read(folder), packed(folder, kind)
    image = read(path)
    assert isinstance(image, Image)
    assert isinstance(plain, Image)
    assert (image.uri, {source.path for source in image.sources}) == (str(path), {str(path)})
    assert image.geometry == plain.geometry
    np.testing.assert_array_equal(image.array, plain.array)
    assert [row.value for row in header(image, 2)] == [row.value for row in header(plain, 2)]


def test_the_unpacked_files_go_with_the_last_image(folder: Path, temporary: Path) -> None:
    other = {"SeriesInstanceUID": "1.2.77", "SOPInstanceUID": "1.2.77.1", "SeriesDescription": "other"}
    write_slice(folder / "other.dcm", **other)
    with pytest.warns(NbannotWarning):
        images = read(packed(folder, "zip"))
    assert isinstance(images, Images)
    first, second = images.values()
    del images
    (place,) = temporary.iterdir()
    assert place.stat().st_mode & 0o077 == 0
    del first
    gc.collect()
    assert second.array.size
    assert place.exists()
    del second
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_a_mask_of_packed_slices_is_written_and_the_image_found_again(
    shared_data: Path, tmp_path: Path
) -> None:
    path = packed_to(tmp_path / "series", shared_data / "seg_dcmqi_24x38x3/ct")
    image = read(path)
    assert isinstance(image, Image)
    mask = Mask("m", image, array=np.ones(image.shape, np.uint8), segments={1: "liver"})
    write(tmp_path / "mask.dcm", mask)
    assert (tmp_path / "mask.dcm").stat().st_size > 1000
    reference = ImageReference.of(image, base=tmp_path)
    assert reference.uri == "series.zip"
    again = reference.open(tmp_path, way_out="")
    assert again.id == image.id
    np.testing.assert_array_equal(again.array, image.array)


def packed_to(target: Path, folder: Path) -> Path:
    return Path(shutil.make_archive(str(target), "zip", folder))


def made(path: Path, *names: str, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("../../evil.dcm", "outside"), ("a/../../evil", "outside"), ("/etc/evil", "absolute"),
     ("C:\\evil.dcm", "absolute"), ("a\\..\\..\\evil.dcm", "outside")],
)  # fmt: skip
def test_members_outside_of_the_archive_are_refused(
    tmp_path: Path, temporary: Path, name: str, wrong: str
) -> None:
    with pytest.raises(FormatError, match=f"bad.zip: the member .*evil.* {wrong}"):
        read(made(tmp_path / "bad.zip", "good.dcm", name))
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(FormatError, match=f"bad.tar: the member .*evil.* {wrong}"):
        read(tmp_path / "bad.tar")
    assert list(temporary.iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("secret.dcm")
    info.type, info.linkname = kind, "/etc/hostname"
    with tarfile.open(tmp_path / "links.tar", "w") as archive:
        archive.addfile(info)
    with pytest.raises(FormatError, match=r"links\.tar: the member secret\.dcm is a link"):
        read(tmp_path / "links.tar")
    link = zipfile.ZipInfo("secret.dcm")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as zipped:
        zipped.writestr(link, "/etc/hostname")
    with pytest.raises(FormatError, match=r"links\.zip: the member secret\.dcm is a link"):
        read(tmp_path / "links.zip")


def test_bombs_and_heaps_are_refused(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "bomb.zip", "zeros.dcm", content=bytes(1 << 20))
    monkeypatch.setattr(archives, "FREE", 1 << 18)
    with pytest.raises(FormatError, match=r"bomb\.zip holds .* zip bomb .*zeros\.dcm"):
        read(path)
    monkeypatch.setattr(archives, "TOTAL", 1 << 19)
    with pytest.raises(FormatError, match="GiB of data"):
        read(path)
    monkeypatch.setattr(archives, "MEMBERS", 2)
    with pytest.raises(FormatError, match=r"more than 2 members \(at c"):
        read(made(tmp_path / "many.zip", "a", "b", "c"))
    assert list(temporary.iterdir()) == []


def test_encrypted_members_are_named(tmp_path: Path) -> None:
    raw = bytearray(made(tmp_path / "locked.zip", "scan.dcm").read_bytes())
    for at in (6, raw.index(b"PK\x01\x02") + 8):
        raw[at] |= 1
    (tmp_path / "locked.zip").write_bytes(raw)
    with pytest.raises(FormatError, match=r"locked\.zip: the member scan\.dcm is encrypted"):
        read(tmp_path / "locked.zip")


def test_archives_in_archives_are_left_out_by_name(folder: Path, tmp_path: Path) -> None:
    shutil.copy(packed(folder, "zip"), folder / "inner.zip")
    with pytest.warns(NbannotWarning, match=r"packed\.zip: inner\.zip is an archive inside"):
        image = read(packed(folder, "zip"))
    assert isinstance(image, Image)
    only = tmp_path / "only.zip"
    with zipfile.ZipFile(only, "w") as archive:
        archive.write(folder / "inner.zip", "inner.zip")
    with pytest.raises(FormatError, match=r"only\.zip holds no image .*inner\.zip is an archive inside"):
        read(only)
    with pytest.warns(NbannotWarning, match=r"inner\.zip is an archive; it is left out"):
        read(folder)


def test_damaged_members_and_archives_are_named(folder: Path, tmp_path: Path, temporary: Path) -> None:
    cut = (folder / "ct" / "1.dcm").read_bytes()[:-9]
    (folder / "ct" / "1.dcm").write_bytes(cut)
    path = packed(folder, "zip")
    with pytest.warns(NbannotWarning) as caught:
        read(path)
    told = " ".join(str(one.message) for one in caught)
    assert f"{path}/ct/1.dcm" in told
    assert str(temporary) not in told
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        (tmp_path / "half.zip").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(FormatError, match=r"half\.zip"):
            read(tmp_path / "half.zip")
    spoiled = bytearray(whole)
    at = whole.index(b"ct/2.dcm") + 60
    spoiled[at : at + 40] = bytes(40)
    (tmp_path / "spoiled.zip").write_bytes(spoiled)
    with pytest.raises(FormatError, match=r"spoiled\.zip: the member ct/2\.dcm cannot be unpacked"):
        read(tmp_path / "spoiled.zip")
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_a_gzip_that_is_no_tar_stays_what_it_was(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.gz").write_bytes(gzip.compress(b"text" * 200))
    with pytest.raises(FormatError, match=r"a\.gz is a gzip archive without a NIfTI image"):
        read(tmp_path / "a.gz")
    buffer = io.BytesIO()
    with gzip.open(buffer, "wb") as file:
        file.write(bytes(1000))
    (tmp_path / "cut.gz").write_bytes(buffer.getvalue()[:-10])
    with pytest.raises(FormatError, match=r"cut\.gz"):
        read(tmp_path / "cut.gz")


def medium(folder: Path, name: str) -> tuple[dict[str, Image], str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NbannotWarning)
        found = read(folder / name)
    assert isinstance(found, Images)
    return dict(found), " ".join(str(one.message) for one in caught)


@pytest.mark.parametrize("kind", ["", "-bigEnd", "-implicit", "-nooffset", "-nopatient", "-reordered"])
def test_a_dicomdir_reads_the_files_it_names(shared_data: Path, kind: str) -> None:
    images, told = medium(shared_data / "odd/dicomdir_media", f"DICOMDIR{kind}")
    assert sum(image.shape[0] * image.frames for image in images.values()) == 31
    assert {image.modality for image in images.values()} == {"CR", "CT", "MR"}
    assert "not there" not in told


def test_a_dicomdir_tells_what_is_missing(shared_data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "medium"
    shutil.copytree(shared_data / "odd/dicomdir_media", copy)
    next(copy.glob("77654033/CR1/*")).unlink()
    (copy / "98892003").rename(copy / "lower")
    _, told = medium(copy, "DICOMDIR")
    assert "files that are not there: 77654033/CR1/6154" in told
    assert "98892003/MR1" in told
    with pytest.raises(FormatError, match=r"DICOMDIR-empty\.dcm names no file"):
        read(copy / "DICOMDIR-empty.dcm")
    with pytest.raises(FormatError, match="TINY_ALPHA holds no image .*without pixel data"):
        read(copy / "TINY_ALPHA/DICOMDIR")


def test_names_of_a_medium_are_found_in_any_case(shared_data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "medium"
    shutil.copytree(shared_data / "odd/dicomdir_media", copy)
    (copy / "77654033" / "CR1").rename(copy / "77654033" / "cr1.")
    _, told = medium(copy, "DICOMDIR")
    assert "not there" not in told

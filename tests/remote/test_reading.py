from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from formats_making import write_slice
from nbannot.errors import FormatError, RemoteError
from nbannot.formats import read, write
from nbannot.formats.remote import Cache, held, place_of
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, Images
from remote_servers import Filled


def series(folder: Path, count: int = 3) -> Path:
    for k in range(count):
        pixels = np.full((4, 5), k, dtype=np.int16)
        write_slice(
            folder / f"{k}.dcm", pixels, ImagePositionPatient=[0, 0, 2.0 * k], SOPInstanceUID=f"1.2.3.{k}"
        )
    return folder


def volume(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4) + value
    write(path, Image(array, Geometry(np.eye(4), (2, 3, 4))))
    return path


def one(found: Image | Images) -> Image:
    assert isinstance(found, Image)
    return found


def test_a_prefix_is_read_as_the_folder_is(bucket: Filled, tmp_path: Path) -> None:
    here = series(tmp_path / "ct")
    url = bucket.put_folder("ct", here)
    image, local = one(read(url, storage_options=bucket.options)), one(read(here))
    assert np.array_equal(image.array, local.array)
    assert image.id == local.id
    assert image.uri == url
    assert [source.path for source in image.sources] == [f"{url}{k}.dcm" for k in range(3)]
    url = [f"{url}{k}.dcm" for k in (0, 1)]
    assert one(read(url, storage_options=bucket.options)).shape == (2, 4, 5)


def test_one_object_and_its_annotations(bucket: Filled, tmp_path: Path) -> None:
    ct = read(bucket.put("a/ct.nii.gz", volume(tmp_path / "ct.nii.gz", 5)), storage_options=bucket.options)
    labels = tmp_path / "seg.nii.gz"
    mask = (one(ct).array > 20).astype(np.uint8)
    write(labels, Image(mask, Geometry(np.eye(4), (2, 3, 4))))
    url = bucket.put("a/seg.nii.gz", labels)
    document = read(url, image=one(ct), storage_options=bucket.options)
    assert int((next(iter(document.masks)).array > 0).sum()) == int(mask.sum())


def test_what_changed_at_its_place_is_read_anew_and_open_images_keep_theirs(
    bucket: Filled, tmp_path: Path
) -> None:
    url = bucket.put("b/ct.nii", volume(tmp_path / "1.nii", 5))
    first = one(read(url, storage_options=bucket.options))
    bucket.put("b/ct.nii", volume(tmp_path / "2.nii", 9))
    second = one(read(url, storage_options=bucket.options))
    assert first.array[0, 0, 0] == 5 and second.array[0, 0, 0] == 9


def test_torn_files_in_the_cache_are_not_read(bucket: Filled, tmp_path: Path, cache: Path) -> None:
    url = bucket.put("c/ct.nii", volume(tmp_path / "1.nii", 5))
    want = one(read(url, storage_options=bucket.options)).array.copy()
    for path in (cache / "objects").glob("*/*"):
        if not path.suffix:
            path.write_bytes(path.read_bytes()[:-5] + b"xxxxx")
    assert np.array_equal(one(read(url, storage_options=bucket.options)).array, want)


def test_zips_and_their_folders(bucket: Filled, tmp_path: Path) -> None:
    archive = tmp_path / "cases.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for n in (1, 2):
            packed.write(volume(tmp_path / f"{n}" / "ct.nii", n), f"case {n}/ct.nii")
    url = bucket.put("cases.zip", archive)
    with pytest.warns(UserWarning, match="2 images"):
        found = read(url, storage_options=bucket.options)
    assert isinstance(found, Images) and list(found) == ["case 1/ct", "case 2/ct"]
    for outer in (url, str(archive), archive.as_uri()):
        image = one(read(f"zip://case 2::{outer}", storage_options=bucket.options))
        assert image.array[0, 0, 0] == 2
        assert (
            image.sources[0].path
            == f"zip://case 2/ct.nii::{str(archive) if outer.startswith('file') else outer}"
        )
    with pytest.raises(RemoteError, match="There is no case 3"):
        read(f"zip://case 3::{url}", storage_options=bucket.options)


def test_zip_tricks_are_refused(bucket: Filled, tmp_path: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("../out.nii", b"x")
    url = bucket.put("evil.zip", archive)
    with pytest.raises(FormatError, match=r"s3://images/evil\.zip: the member \.\./out\.nii lies outside"):
        read(url, storage_options=bucket.options)


@pytest.mark.parametrize(
    "url",
    ["s3://key:secret@bucket/x", "https://a/b?X-Amz-Signature=secret", "zip://a::https://me:secret@a/b.zip"],
)
def test_urls_with_secrets_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(FormatError) as error:
        read(url)
    assert "secret@" not in str(error.value) and "=secret" not in str(error.value)
    assert "storage_options" in str(error.value)


def test_what_is_away_or_refused_says_so(bucket: Filled, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="There is nothing at s3://images/nowhere/"):
        read("s3://images/nowhere/", storage_options=bucket.options)
    with pytest.raises(RemoteError, match="There is nothing at s3://elsewhere/x"):
        read("s3://elsewhere/x", storage_options=bucket.options)
    away = {**bucket.options, "endpoint_url": "http://127.0.0.1:9"}
    with pytest.raises(RemoteError, match="cannot be reached") as error:
        read("s3://images/x", storage_options=away)
    assert "testing-secret" not in str(error.value)
    with pytest.raises(RemoteError, match="unknown kind"):
        read("gopher9://images/x")


def test_a_truncated_object_is_not_kept(
    bucket: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    url = bucket.put("d/ct.nii", volume(tmp_path / "1.nii", 5))
    place = place_of(url, bucket.options)
    entries = list(place.entries())
    monkeypatch.setattr(
        type(place), "contents", lambda self, wanted: ((one, iter([b"short"])) for one in wanted)
    )
    with pytest.raises(RemoteError, match="and 5 came"):
        Cache().hold(place, entries)
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_an_object_that_changes_while_it_is_fetched_is_refused(bucket: Filled, tmp_path: Path) -> None:
    url = bucket.put("e/ct.nii", volume(tmp_path / "1.nii", 5))
    place = place_of(url, bucket.options)
    entries = list(place.entries())
    bucket.put("e/ct.nii", volume(tmp_path / "2.nii", 7))
    with pytest.raises(RemoteError, match="changed while it was fetched"):
        Cache().hold(place, entries)


def test_the_cache_stays_within_its_limit_and_keeps_what_is_in_use(
    bucket: Filled, tmp_path: Path, cache: Path
) -> None:
    urls = [bucket.put(f"f/{n}.nii", volume(tmp_path / f"{n}.nii", n)) for n in range(4)]
    small = Cache(limit=1000)

    def there() -> set[str]:
        return {path.name for path in (cache / "sets").glob("*/*")}

    first = held(urls[0], bucket.options, cache=small)
    for url in urls[1:]:
        held(url, bucket.options, cache=small)
    assert there() == {"0.nii", "3.nii"}, "what is in use stays, the newest too"
    assert Path(first.files[0]).stat().st_size == 400
    assert sum(path.stat().st_size for path in (cache / "objects").glob("*/*")) < 1200


def test_the_cache_is_for_its_user_alone(bucket: Filled, tmp_path: Path, cache: Path) -> None:
    held(bucket.put("g/ct.nii", volume(tmp_path / "1.nii", 5)), bucket.options)
    assert (cache / "objects").stat().st_mode & 0o077 == 0

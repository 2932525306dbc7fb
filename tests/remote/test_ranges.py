"""What is read by ranges from a bucket: bytes are counted on the way between S3 and whoever reads."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nbannot as nb
from nbannot.errors import RemoteError, StoreError
from nbannot.formats import read, write
from nbannot.formats.header import header
from nbannot.formats.places import Entry
from nbannot.formats.remote import Cache, place_of, ranged
from nbannot.formats.remote.ranged import Ranged
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, Images
from nbannot.session import ImageReference
from nbannot.store.urlplaces import UrlPlace, place_at
from remote_servers import Filled
from roads import Road

MIB = 1 << 20


@pytest.fixture
def road(bucket: Filled) -> Iterator[Road]:
    made = Road(int(bucket.endpoint.rsplit(":", 1)[1]))
    yield made
    made.cut()


def options(bucket: Filled, road: Road) -> dict[str, Any]:
    return {**bucket.options, "endpoint_url": road.url}


def noise(path: Path, seed: int, slices: int = 24) -> Path:
    """A volume of half a MiB for each slice that nothing makes smaller."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(seed).integers(-2000, 2000, (slices, 512, 512), np.int16)
    write(path, Image(array, Geometry(np.eye(4), array.shape)))
    return path


def test_a_case_of_a_large_zip_costs_its_own_bytes(
    bucket: Filled, road: Road, tmp_path: Path, cache: Path
) -> None:
    archive = tmp_path / "cases.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for n in range(4):
            packed.write(noise(tmp_path / f"{n}" / "ct.nii", n, slices=8), f"case {n}/ct.nii")
    url, whole = bucket.put("large/cases.zip", archive), archive.stat().st_size
    image = read(f"zip://case 2::{url}", storage_options=options(bucket, road))
    assert isinstance(image, Image)
    assert np.array_equal(image.array, read(tmp_path / "2" / "ct.nii").array)
    assert road.bytes < whole / 4 + MIB
    # Nothing of the archive itself is kept here.
    assert sum(one.stat().st_size for one in (cache / "objects").rglob("*")) < whole / 2
    # An index of it takes the headers of the members.
    before = road.bytes
    with nb.open_project(tmp_path / "project", author="ada") as project:
        assert len(project.index(url, storage_options=options(bucket, road)).cases) == 4
    assert road.bytes - before < 2 * MIB
    # All of it at once is unpacked as it comes, without a copy of the archive.
    before = road.bytes
    with pytest.warns(UserWarning, match="4 images"):
        found = read(url, storage_options=options(bucket, road))
    assert isinstance(found, Images) and len(found) == 4
    assert road.bytes - before < whole + MIB


def test_a_zip_that_changes_while_it_is_read_is_refused(bucket: Filled, tmp_path: Path) -> None:
    archive = tmp_path / "one.zip"
    for n in (1, 2):
        with zipfile.ZipFile(archive, "w") as packed:
            packed.write(noise(tmp_path / "ct.nii", n, slices=2), "case/ct.nii")
        if n == 1:
            url = bucket.put("changing/one.zip", archive)
            place = place_of(f"zip://case::{url}", bucket.options)
            entries = list(place.entries())
    bucket.put("changing/one.zip", archive)
    with pytest.raises(RemoteError, match="changed while it was read"):
        Cache().hold(place, entries)


def test_slices_of_a_large_volume_come_alone(
    bucket: Filled, road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged, "LEAST", 4 * MIB)
    file = noise(tmp_path / "ct.nii", 5)
    url, want = bucket.put("volumes/ct.nii", file), read(file).array
    opening = options(bucket, road)

    def project() -> Any:
        return nb.open_project(tmp_path / "project", author="ada", storage_options=opening)

    with project() as made:
        made.add_case("c1", images=read(url, storage_options=opening))
    # Another machine, which has nothing of it yet.
    monkeypatch.setenv("NBANNOT_CACHE", str(tmp_path / "elsewhere"))
    road.bytes = 0
    with project() as opened:
        image = opened.start("c1").document.images[0]
        assert np.array_equal(image.plane_array(17), want[17])
        assert road.bytes < 2 * MIB
        for k in range(len(want)):
            assert np.array_equal(image.plane_array(k), want[k])
        assert road.bytes < file.stat().st_size + 2.2 * MIB
        assert image.uri == url and image.id == read(file).id
        assert header(image)
        assert not list((tmp_path / "elsewhere").rglob("objects/*/*"))
        # It goes on elsewhere as a whole.
        opened.add_case("c2", images=image, copy=True)
        assert np.array_equal(opened.images("c2")[0].array, want)
    bucket.put("volumes/ct.nii", noise(tmp_path / "other.nii", 6))
    with pytest.raises(RemoteError, match="changed while it was read"):
        image.plane_array(3)
    with project() as opened, pytest.raises(StoreError, match="is not the file that was annotated"):
        opened.start("c1")


def test_reading_on_holds_little_and_asks_seldom() -> None:
    class Store:
        def __init__(self) -> None:
            self.asked: list[tuple[int, int]] = []

        def part(self, entry: Entry, start: int, end: int) -> bytes:
            self.asked.append((start, end))
            return bytes(end - start)

        def entries(self) -> Iterator[Entry]:
            yield entry

    store, entry = Store(), Entry("s3://b/x", "x", 100 * MIB, "1")
    file = Ranged(store, entry)
    tracemalloc.start()
    while file.read(300_000):
        pass
    assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    tracemalloc.stop()
    assert len(store.asked) < 40 and sum(end - start for start, end in store.asked) == entry.size
    # The end, as the directory of a ZIP is found, costs only the end; what is held costs nothing.
    asked = len(store.asked)
    for _ in range(5):
        file.seek(-22, 2)
        assert len(file.read()) == 22 and file.tell() == entry.size and file.read(5) == b""
    assert len(store.asked) == asked
    file.check()
    entry = Entry("s3://b/x", "x", 100 * MIB, "2")
    with pytest.raises(RemoteError, match="changed"):
        file.check()


def test_copies_of_a_project_go_to_the_bucket_and_come_back_in_blocks(bucket: Filled, tmp_path: Path) -> None:
    place = place_at(f"{bucket.url('kept')}", bucket.options)
    assert isinstance(place, UrlPlace)
    image = read(noise(place.base / "images" / "ct.nii", 7, slices=120))
    assert isinstance(image, Image)
    reference = ImageReference.of(image, base=place.base)
    tracemalloc.start()
    place.keep([reference])
    (place.base / "images" / "ct.nii").unlink()
    place.fetch(reference)
    assert tracemalloc.get_traced_memory()[1] < 48 * MIB
    tracemalloc.stop()
    assert (place.base / "images" / "ct.nii").stat().st_size == reference.files[0].size
    bucket.client.put_object(Bucket=bucket.name, Key="kept/images/ct.nii", Body=b"x" * 1000)
    (place.base / "images" / "ct.nii").unlink()
    with pytest.raises(StoreError, match="is damaged"):
        place.fetch(reference)
    assert not list((place.base / "images").iterdir())

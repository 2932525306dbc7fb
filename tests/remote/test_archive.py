"""A real archive: search, retrieve and store by DICOMweb."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests

from formats_making import write_slice
from nbannot.errors import FormatError, RemoteError, StoreError
from nbannot.formats import read, write
from nbannot.formats.dicomweb import Archive
from nbannot.formats.remote.multipart import parts
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.store import open_project
from remote_servers import OrthancServer


@pytest.fixture(scope="module")
def ct(shared_data: Path) -> Path:
    return shared_data / "seg_dcmqi_24x38x3" / "ct"


@pytest.fixture(scope="module")
def filled(archive: OrthancServer, ct: Path) -> Archive:
    found = Archive(archive.url, storage_options=archive.options)
    assert len(found.store(ct)) == 3
    return found


def test_nobody_else_reaches_the_archive_of_the_tests(archive: OrthancServer) -> None:
    port = int(archive.url.split(":")[2].split("/")[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))  # sends nothing; tells the machine's own address
        address = one.getsockname()[0]
    with socket.socket() as one:
        one.settimeout(5)
        refused = address.startswith("127.") or one.connect_ex((address, port)) != 0
    assert refused


def test_a_series_comes_back_as_it_went(filled: Archive, ct: Path) -> None:
    local = read(ct)
    assert isinstance(local, Image)
    table = filled.search(modality="CT")
    assert list(table.columns) == [
        "patient", "study", "date", "series", "number", "modality", "description", "files", "url",
    ]  # fmt: skip
    (row,) = [row for _, row in table.iterrows() if row.series == local.series_uid]
    assert row.files == 3
    image = filled.read(row)
    assert isinstance(image, Image)
    assert image.id == local.id and np.array_equal(image.array, local.array)
    assert image.uri == row.url and image.sources[0].path.startswith(f"{row.url}/instances/")
    assert filled.search("studies", study=local.study_uid).url[0] == row.url.split("/series/")[0]
    assert filled.search(study="1.2.3.4.5.6").empty


def test_segmentations_go_there_and_come_back(filled: Archive, ct: Path, tmp_path: Path) -> None:
    image = filled.read(filled.search(modality="CT").iloc[0])
    assert isinstance(image, Image)
    document = Document([image], labels=["lesion"], author="ada")
    mask = document.masks["lesion"]
    mask.array[1, 5:9, 6:12] = 1
    document.refresh()
    path = tmp_path / "lesion.dcm"
    write(path, mask)
    (url,) = filled.store(path)
    back = filled.read(url, image=image)
    assert isinstance(back, Document)
    assert np.array_equal(next(iter(back.masks)).array > 0, mask.array > 0)
    assert "SEG" in set(filled.search(study=image.study_uid).modality)


def test_what_the_archive_refuses_says_so(archive: OrthancServer, filled: Archive, tmp_path: Path) -> None:
    url = str(filled.search().url[0])
    with pytest.raises(RemoteError, match=r"refused with these credentials \(401\)") as error:
        read(url, storage_options={"username": "tester", "password": "wrong-word"})
    assert "wrong-word" not in str(error.value)
    with pytest.raises(RemoteError, match="There is nothing at"):
        read(f"{archive.url}/studies/1.2.3/series/4.5", storage_options=archive.options)
    with pytest.raises(FormatError, match="names no study"):
        read(archive.url, storage_options=archive.options)
    with pytest.raises(FormatError, match="Unknown filter 'patent'"):
        filled.search(patent="x")
    other = tmp_path / "notes.dcm"
    other.write_text("no DICOM")
    with pytest.raises(FormatError, match=r"notes\.dcm is no DICOM file"):
        filled.store(other)
    with pytest.raises(RemoteError, match="cannot be reached"):
        Archive("http://127.0.0.1:9/dicom-web").search()


def test_an_answer_that_breaks_off_is_not_kept(tmp_path: Path) -> None:
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + b"x" * 100

    def answer(server: socket.socket) -> None:
        one, _ = server.accept()
        one.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/related; boundary=b\r\nConnection: close\r\n\r\n"
        one.sendall(head + body)
        one.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        found = Archive(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(RemoteError, match="cut off"):
            list(found._server.files("studies/1/series/2"))


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_parts_are_told_apart_wherever_blocks_end(size: int) -> None:
    contents = [b"one\r\n--not the mark", b"", b"\r\n\r\ntwo\r\n-"]
    body = b"preamble\r\n"
    for content in contents:
        body += b"--b-1\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n"
    body += b"--b-1--\r\n"
    blocks = (body[n : n + size] for n in range(0, len(body), size))
    found = [b"".join(part) for part in parts('multipart/related; boundary="b-1"', blocks, "there")]
    assert found == contents


def test_an_archive_is_indexed_by_series(
    archive: OrthancServer, filled: Archive, tmp_path: Path, shared_data: Path
) -> None:
    filled.store(shared_data / "seg_dcmqi_24x38x3" / "labels" / "label_seg.dcm")
    with open_project(tmp_path / "study", author="ada", storage_options=archive.options) as project:
        found = project.index(archive.url)
        assert found.read == found.looked_at >= 2 and len(found.cases) == 1
        assert project.index(archive.url).read == 0
        report = project.associate()
        assert "it refers to this series" in set(report[report.attached].why)
        session = project.start(found.cases[0])
        (image,) = session.document.images
        assert image.modality == "CT" and len(list(session.document.masks)) >= 1
        session.close()
        assert project.references(found.cases[0])[0].identity.startswith("sha256:")
        assert project.images(found.cases[0])[0].id == image.id
        project.relink(found.cases[0], image.name, shared_data / "seg_dcmqi_24x38x3" / "ct")
        assert project.images(found.cases[0])[0].id == image.id, "the same files on this machine"
        project.relink(
            found.cases[0], image.name, f"{archive.url}/studies/{image.study_uid}/series/{image.series_uid}"
        )
    text = (tmp_path / "study" / "project.sqlite").read_bytes()
    assert b"not-a-secret" not in text
    with open_project(
        tmp_path / "study", author="ada", storage_options={"username": "tester", "password": "x"}
    ) as project:
        (case,) = project.case_names
        with pytest.raises(RemoteError, match="refused"):
            project.images(case)


def test_what_was_replaced_in_the_archive_is_refused(
    archive: OrthancServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Archive(archive.url, storage_options=archive.options)
    rest, login = archive.url.split("+")[1].removesuffix("/dicom-web"), tuple(archive.options.values())

    def put(k: int, value: int, description: str = "first") -> None:
        file = tmp_path / "files" / f"{k}.dcm"
        file.unlink(missing_ok=True)
        pixels = np.full((4, 5), value, dtype=np.int16)
        write_slice(
            file, pixels, ImagePositionPatient=[0, 0, 2.0 * k], SOPInstanceUID=f"1.2.77.1.{k}",
            SeriesInstanceUID="1.2.77.1", StudyInstanceUID="1.2.77", PatientID="id-77", PatientName="A",
            SeriesDescription=description,
        )  # fmt: skip
        found = requests.post(f"{rest}/tools/lookup", data=f"1.2.77.1.{k}", auth=login, timeout=30).json()
        for one in found:
            requests.delete(f"{rest}{one['Path']}", auth=login, timeout=30).raise_for_status()
        there.store(file)

    place = f"{archive.url}/studies/1.2.77"
    try:
        for k in range(3):
            put(k, k)
        with open_project(tmp_path / "study", author="ada", storage_options=archive.options) as project:
            (case,) = project.index(place).cases
            put(0, 0, "second")
            with pytest.raises(StoreError, match="has changed since it was indexed"):
                project.images(case)
            assert (project.index(place).read, project.index(place).read) == (1, 0)
            assert project.images(case)[0].array[:, 0, 0].tolist() == [0, 1, 2]
            project.start(case).close()
            put(0, 0, "third")
            with pytest.raises(StoreError, match="is not the file that was annotated"):
                project.start(case)
            assert "was replaced after it was opened" in project.index(place).notes[0]
            put(0, 0, "second")
            assert project.images(case) and not project.index(place).notes
            # What no header tells is told by the content, the next day at the latest.
            put(1, 100)
            assert project.images(case)
            later = SimpleNamespace(strftime=lambda *_: "29990101", gmtime=lambda: None)
            monkeypatch.setattr("nbannot.formats.remote.web.time", later)
            with pytest.raises(StoreError, match="is not the file that was annotated"):
                project.images(case)
    finally:
        (found,) = requests.post(f"{rest}/tools/lookup", data="1.2.77", auth=login, timeout=30).json()
        requests.delete(f"{rest}{found['Path']}", auth=login, timeout=30)

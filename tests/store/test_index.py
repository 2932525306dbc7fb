from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from formats_making import write_slice
from nbannot.errors import FormatError, RemoteError, StoreError
from nbannot.formats import write
from nbannot.model.annotations import Box
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.store import StoredProject, open_project
from remote_servers import Filled, s3_bucket
from servers import Postgres

NAME = "DOE^JOHN"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBANNOT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[StoredProject]:
    with open_project(tmp_path / "study", author="ada") as found:
        yield found


@pytest.fixture(scope="module")
def bucket() -> Iterator[Filled]:
    with s3_bucket() as found:
        yield found


def study(folder: Path, number: int, *, series: int = 1, slices: int = 3, **tags: Any) -> Path:
    for n in range(series):
        for k in range(slices):
            pixels = np.full((4, 5), 10 * number + k, dtype=np.int16)
            write_slice(
                folder / f"s{n}" / f"{k}.dcm", pixels, ImagePositionPatient=[0, 0, 2.0 * k],
                SOPInstanceUID=f"1.2.{number}.{n}.{k}", SeriesInstanceUID=f"1.2.{number}.{n}",
                StudyInstanceUID=f"1.2.{number}", PatientID=f"id-{number}", PatientName=NAME,
                SeriesDescription=f"series {n}", SeriesNumber=n, **tags,
            )  # fmt: skip
    return folder


def volume(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4) + value, Geometry(np.eye(4), (2, 3, 4))))
    return path


def rows(project: StoredProject) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in project.cases.to_dict("records")]


def test_studies_become_cases_without_names(project: StoredProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    study(data / "a", 1, series=2)
    study(data / "b", 2)
    (data / "b" / "bad.dcm").write_bytes(b"no dicom")
    (data / "notes.txt").write_text("notes")
    found = project.index(data)
    assert (found.looked_at, found.read, len(found.cases)) == (11, 11, 2)
    assert list(found.bad.reason) == ["not a DICOM file"]
    assert [row["images"] for row in rows(project)] == [2, 1]
    assert all(row["case"].startswith("study-") and row["patient"].startswith("P-") for row in rows(project))
    text = (tmp_path / "study" / "project.sqlite").read_bytes()
    assert NAME.encode() not in text and b"id-1" not in text
    images = project.images(found.cases[0])
    assert [image.name for image in images] == ["series 0", "series 1"]
    assert images[0].array[2, 0, 0] in (12, 22)


def test_only_what_changed_is_read_again(project: StoredProject, tmp_path: Path) -> None:
    data = study(tmp_path / "data", 1)
    project.index(data)
    again = project.index(data)
    assert (again.read, again.unchanged, again.cases, again.changed) == (0, 3, [], [])
    study(tmp_path / "data" / "more", 2)
    third = project.index(data)
    assert (third.read, third.unchanged, len(third.cases)) == (3, 3, 1)
    shutil.rmtree(data / "more")
    fourth = project.index(data)
    assert fourth.gone == 3 and len(rows(project)) == 1


def test_a_killed_index_goes_on(
    project: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    for n in range(5):
        study(data / str(n), n)
    monkeypatch.setattr("nbannot.formats.scanning.objects.BATCH", 3)
    monkeypatch.setattr("nbannot.store.index.WINDOW", 1)

    def stop(done: float, text: str) -> None:
        if "6 read" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project.index(data, progress=stop)
    found = project.index(data)
    assert (found.read, found.unchanged) == (9, 6)
    assert len(rows(project)) == 5 and set(project.cases.images) == {1}


KILLED = """
import sys
import nbannot.formats.scanning.objects as objects
import nbannot.store.index as index
from nbannot.store import open_project
objects.BATCH, index.WINDOW = 2, 1
open_project(sys.argv[1], author="ada").index(sys.argv[2], progress=lambda done, text: print(text, flush=True))
"""


def test_an_index_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for n in range(20):
        study(data / str(n), n, slices=2)
    for wanted in (6, 18):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / "study"), str(data)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(f"Indexing: {wanted} files"):
                break
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.close()
        assert process.wait(30) == -signal.SIGKILL
    with open_project(tmp_path / "study", author="ada") as project:
        found = project.index(data)
        assert found.looked_at == 40 and found.unchanged >= 18 and found.read == 40 - found.unchanged
        assert len(project.case_names) == 20 and set(project.cases.images) == {1}
        assert all(project.images(name)[0].shape == (2, 4, 5) for name in project.case_names[:3])
        assert project.audit.verify().ok
        again = project.index(data)
        assert (again.read, again.cases, again.changed, again.gone) == (0, [], [], 0)


def test_moved_files_are_found_again_with_their_labels(project: StoredProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    study(data / "old", 1)
    volume(data / "case a" / "ct.nii", 3)
    project.index(data)
    for case in project.case_names:
        session = project.start(case)
        session.document.add(Label("x"))
        session.document.add(Box("x", ((0, 0, 0), (1, 2, 2))))
        session.close()
    before = {case: project.references(case)[0].identity for case in project.case_names}
    (data / "old").rename(data / "new")
    (data / "case a").rename(data / "renamed")
    found = project.index(data)
    assert (found.moved, found.gone, found.cases) == (4, 0, [])
    assert {case: project.references(case)[0].identity for case in project.case_names} == before
    for case in project.case_names:
        assert project.images(case)[0].array.max() > 0
        assert len(list(project.start(case).document.boxes)) == 1


def test_folders_of_volumes_and_zips(project: StoredProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    volume(data / "case 1" / "ct.nii.gz", 1)
    volume(data / "case 1" / "segmentations" / "liver.nii.gz", 1)
    with zipfile.ZipFile(data / "more.zip", "w") as packed:
        for n in (2, 3):
            packed.write(volume(tmp_path / f"{n}.nii", n), f"case {n}/ct.nii")
            packed.write(volume(tmp_path / f"{n}m.nii", n), f"case {n}/mask.nii")
    found = project.index(data)
    assert sorted(found.cases) == ["case 1", "more.zip/case 2", "more.zip/case 3"]
    assert [row["images"] for row in rows(project)] == [1, 1, 1]
    assert project.images("more.zip/case 3")[0].array[0, 0, 0] == 3
    again = project.index(data)
    assert again.read == 0 and again.gone == 0
    alone = open_project(tmp_path / "other", author="ada")
    assert sorted(alone.index(data / "more.zip").cases) == ["case 2", "case 3"]
    alone.close()


def test_zip_tricks_are_listed_and_the_rest_goes_on(project: StoredProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    volume(data / "good" / "ct.nii")
    with zipfile.ZipFile(data / "evil.zip", "w") as packed:
        packed.writestr("../../out.nii", b"x")
    (data / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    found = project.index(data)
    assert found.cases == ["good"]
    assert len(found.bad) == 2 and found.bad.reason.str.contains("lies outside").sum() == 1
    assert not (tmp_path / "out.nii").exists()


def by_modality(file: Any) -> Any:
    return (
        None
        if file["path"].endswith("1.dcm")
        else {"case": f"{file['modality']} {file['study']}", "name": "main"}
    )


@pytest.mark.parametrize(
    ("rules", "cases", "patients"),
    [
        (r"(?P<patient>p\d+)/(?P<case>v\d)/", ["v1", "v2"], {"p1"}),
        (r"(?P<patient>p\d+)/(?P<study>v\d)/", ["p1-v1", "p1-v2"], {"p1"}),
        (
            [{"path": "p1/v1", "case": "first", "patient": "x"}, {"study": "1.2.2", "case": "second", "patient": "x"}],
            ["first", "second"], {"x"},
        ),
        (by_modality, ["CT 1.2.1", "CT 1.2.2"], None),
    ],
)  # fmt: skip
def test_rules(
    project: StoredProject, tmp_path: Path, rules: Any, cases: list[str], patients: set[str] | None
) -> None:
    data = tmp_path / "data"
    study(data / "p1" / "v1", 1)
    study(data / "p1" / "v2", 2)
    found = project.index(data, rules=pd.DataFrame(rules) if isinstance(rules, list) else rules)
    assert sorted(found.cases) == cases
    if patients is not None:
        assert set(project.cases.patient) == patients
    else:
        assert found.left_out == 2 and project.references(cases[0])[0].name == "main"
    other = project.index(data)  # by study again: the cases are other ones, no file is read
    assert other.read == 0 and len(project.case_names) == 2 and not set(project.case_names) & set(cases)


@pytest.mark.parametrize("rules", ["(", {"patern": "x"}, 3, [{"case": "a"}], lambda file: 3])
def test_wrong_rules_say_so(project: StoredProject, tmp_path: Path, rules: Any) -> None:
    study(tmp_path / "data", 1)
    with pytest.raises(StoreError):
        project.index(tmp_path / "data", rules=rules)
    assert project.case_names == []


def test_a_bucket(project: StoredProject, bucket: Filled, tmp_path: Path) -> None:
    study(tmp_path / "data" / "a", 1)
    volume(tmp_path / "data" / "case 7" / "ct.nii.gz", 7)
    url = bucket.put_folder("trial", tmp_path / "data")
    found = project.index(url, storage_options=bucket.options)
    assert found.looked_at == 4 and len(found.cases) == 2
    assert project.index(url, storage_options=bucket.options).read == 0
    assert b"testing-secret" not in (tmp_path / "study" / "project.sqlite").read_bytes()
    with open_project(tmp_path / "study", author="ada", storage_options=bucket.options) as again:
        assert again.images("case 7")[0].array[0, 0, 0] == 7
        assert again.references("case 7")[0].uri == f"{url}case 7/ct.nii.gz"
        assert again.images("case 7")[0].array[0, 0, 0] == 7, "now by its hash"
        bucket.put("trial/case 7/ct.nii.gz", volume(tmp_path / "8.nii.gz", 8))
        with pytest.raises(StoreError, match="has changed"):
            again.images("case 7")
        (dicom,) = [name for name in again.case_names if name != "case 7"]
        bucket.put("trial/a/s0/1.dcm", tmp_path / "8.nii.gz")
        with pytest.raises(StoreError, match="has changed since it was indexed"):
            again.images(dicom)
    with open_project(tmp_path / "study", author="ada", storage_options=bucket.options) as again:
        bucket.put("trial/case 7/ct.nii.gz", tmp_path / "data" / "case 7" / "ct.nii.gz")
        bucket.put("trial/a/s0/1.dcm", tmp_path / "data" / "a" / "s0" / "1.dcm")
        again.index(url)
        exported = again.export_to(tmp_path / "all.zip", images=True)
    with open_project(tmp_path / "elsewhere", author="bob") as other:
        other.merge(exported)
        assert other.images("case 7")[0].array[0, 0, 0] == 7 and len(other.case_names) == 2
    away = {**bucket.options, "endpoint_url": "http://127.0.0.1:9"}
    with pytest.raises(RemoteError, match="cannot be reached"):
        project.index(url, storage_options=away)
    assert len(project.case_names) == 2


def test_cases_of_urls(tmp_path: Path, bucket: Filled) -> None:
    url = bucket.put("one/ct.nii", volume(tmp_path / "ct.nii", 4))
    with open_project(tmp_path / "study", author="ada", storage_options=bucket.options) as project:
        project.add_case("far", images=url)
        project.add_case("copied", images=url, copy=True)
        assert project.references("copied")[0].uri.startswith("images/")
        session = project.start("far")
        assert session.document.images[0].array[0, 0, 0] == 4
        session.close()
        other = bucket.put("two/moved.nii", tmp_path / "ct.nii")
        bucket.client.delete_object(Bucket="images", Key="one/ct.nii")
        with pytest.raises(StoreError, match="is not where it was"):
            project.images("far")
        project.relink("far", "ct", other)
        assert project.images("far")[0].array[0, 0, 0] == 4
        with pytest.raises(FormatError, match="password or a key"):
            project.add_case("x", images="s3://key:secret@images/one/ct.nii")


@pytest.mark.parametrize("scheduler", ["threads", "cluster"])
def test_schedulers(
    project: StoredProject, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    for n in range(4):
        study(data / str(n), n)
    if scheduler != "cluster":
        assert len(project.index(data, scheduler=scheduler).cases) == 4
        return
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, processes=False, dashboard_address=None, host="127.0.0.1", protocol="tcp"
    ) as cluster:
        assert len(project.index(data, scheduler=cluster.scheduler_address).cases) == 4
    with pytest.raises(FormatError, match="Unknown scheduler"):
        project.index(data, scheduler="magic")


def test_places_that_are_not_there(project: StoredProject, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="There is no file or folder"):
        project.index(tmp_path / "nowhere")
    assert project.case_names == [] and [one.name for one in tmp_path.iterdir()] == ["study"]


def test_configurations_beside_the_files_are_kept(project: StoredProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    volume(data / "a" / "ct.nii")
    volume(data / "b" / "ct.nii", 1)
    (data / ".nbannot.yaml").write_text("windowing: {level: 40, width: 400}\n")
    (data / "b" / ".volview_config.yaml").write_text("__inherit__: true\nwindowing: {level: 60}\n")
    (data / "a" / ".nbannot.yaml").write_text("windowing: [\n")
    found = project.index(data)
    assert len(found.notes) == 1 and "is not taken as a configuration" in found.notes[0]
    assert project.configs.of("a").config.windowing == (40.0, 400.0)
    assert project.configs.of("b").config.windowing == (60.0, 400.0)
    assert "folder:b" in project.configs.of("b").origins["windowing.level"]


@pytest.mark.parametrize("where", ["bucket", "zip", "zip in a folder"])
def test_configurations_in_buckets_and_archives_are_kept(
    project: StoredProject, bucket: Filled, tmp_path: Path, where: str
) -> None:
    data = tmp_path / "data"
    volume(data / "a" / "ct.nii")
    volume(data / "b" / "ct.nii", 1)
    (data / ".nbannot.yaml").write_text("windowing: {level: 40, width: 400}\n")
    (data / "b" / ".volview_config.yaml").write_text("__inherit__: true\nwindowing: {level: 60}\n")
    (data / "b" / ".secret").write_text("not looked at")
    (data / "a" / ".nbannot.yaml").write_bytes(b"\xff\xfe")
    place: str | Path = tmp_path / "places" / "trial.zip"
    if where == "bucket":
        place = bucket.put_folder("configs", data)
        project._core.options = bucket.options
    else:
        Path(place).parent.mkdir()
        with zipfile.ZipFile(place, "w") as archive:
            for file in (one for one in data.rglob("*") if one.is_file()):
                archive.write(file, file.relative_to(data).as_posix())
    found = project.index(Path(place).parent if where == "zip in a folder" else place)
    assert len(found.notes) == 1 and "no text in UTF-8" in found.notes[0]
    inside = "trial.zip/" if where == "zip in a folder" else ""
    assert sorted(project.case_names) == [f"{inside}a", f"{inside}b"]
    assert project.configs.of(f"{inside}a").config.windowing == (40.0, 400.0)
    resolved = project.configs.of(f"{inside}b")
    assert resolved.config.windowing == (60.0, 400.0)
    assert resolved.origins["windowing.level"] == f"folder:{inside}b version 1"
    top = "folder:trial.zip" if inside else "project"
    assert resolved.origins["windowing.width"] == f"{top} version 1"


def test_a_project_in_postgres_is_indexed_too(postgres: Postgres, tmp_path: Path) -> None:
    data = tmp_path / "data"
    study(data / "a", 1)
    volume(data / "b" / "ct.nii")
    volume(data / "b" / "ct.seg.nii", 0)
    place = postgres.url(project="indexed")
    with open_project(place, author="ada", files=tmp_path / "files") as project:
        assert len(project.index(data).cases) == 2
        assert project.index(data).read == 0
        assert project.associate().attached.sum() == 1
        assert len(list(project.start("b").document.masks)) == 1
        (data / "a").rename(data / "c")
        found = project.index(data)
        assert (found.moved, found.gone) == (3, 0)
        assert all(project.images(case) for case in project.case_names)


def test_a_bucket_is_listed_in_pages_without_hidden_objects(
    project: StoredProject, tmp_path: Path, bucket: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbannot.formats.remote.stores._PAGE", 4)
    monkeypatch.setattr("nbannot.formats.scanning.objects._AT_ONCE", 3)
    data = tmp_path / "data"
    for n in range(1, 4):
        study(data / f"s{n}", n, slices=4)
    (data / "s1" / "notes.txt").write_text("notes")
    (data / "empty").write_bytes(b"")
    study(data / ".hidden" / "x", 7)
    (data / "s2" / ".DS_Store").write_bytes(b"x")
    url = bucket.put_folder("pages", data)
    bucket.put_folder("pages-not", data / "s3")
    found = project.index(url, storage_options=bucket.options)
    assert (found.looked_at, len(found.cases), list(found.bad.reason)) == (14, 3, ["empty"])
    assert project.index(url, storage_options=bucket.options).read == 0

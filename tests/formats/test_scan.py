"""The table of what is in a tree: facts from headers, at a steady pace, in little memory."""

from __future__ import annotations

import os
import shutil
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbannot.cli import main
from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import read, scan
from nbannot.model.image import Image, Images

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(shared_data: Path) -> pd.DataFrame:
    return scan(shared_data)


def row(table: pd.DataFrame, part: str) -> Any:
    found = table[table.path.str.contains(part, regex=False)]
    assert len(found) == 1
    return found.iloc[0]


def test_every_series_of_the_set_has_its_row(
    whole: pd.DataFrame, shared_data: Path, facts: dict[str, Any]
) -> None:
    for name, entry in facts.items():
        if entry["kind"] != "series" or len(entry["facts"]["series_uids"]) != 1:
            continue
        if not 1 < entry["facts"]["n_files"] < 40 or "mosaic" in name:
            continue
        known = entry["facts"]
        table = scan(shared_data / name)
        series = table[table.series == known["series_uids"][0]]
        assert series.files.sum() == known["n_files"]
        assert set(series.modality) == set(known["modality"])
        assert (series.slices * series.frames).sum() in (
            known["n_files"], known.get("distinct_positions"),
        )  # fmt: skip
        one = series.iloc[0]
        assert one.patient == known["patient_id"][0]
        assert [one["rows"], one["columns"]] == known["rows_cols"][0]
        assert one.readable
    assert len(whole[whole.kind == "image"]) > 100


def test_verdicts_on_geometry(whole: pd.DataFrame) -> None:
    assert row(whole, "odd/gantry_tilt_dicom2nifti").geometry == "sheared 14.0°"
    assert row(whole, "mixed_orientation_dicom2nifti").geometry == "mixed, 2 images: sagittal, axial"
    series = row(whole, "odd/time_series_ge_fmri")
    assert (series.geometry, series.slices, series.frames) == ("regular", 15, 10)
    assert series.spacing == pytest.approx((4.999, 3.75, 3.75), abs=1e-3)
    assert row(whole, "nifti_misc/shear.nii.gz").geometry == "sheared"
    assert row(whole, "mr_prostatex0000/dwi").frames == 3


def test_missing_slices_are_counted(shared_data: Path) -> None:
    one = scan(shared_data / "odd/missing_slice_prostatex0000_bcalc").iloc[0]
    assert one.geometry == "missing slices"
    assert one.missing.startswith("1 after slice ")
    assert one.slices == 18


def test_kinds(whole: pd.DataFrame) -> None:
    assert row(whole, "petct_acrin042/labels/seg_ct_2segments.dcm").kind == "SEG"
    assert row(whole, "sr_misc/test-SR.dcm").kind == "SR"
    assert row(whole, "nrrd_slicer/Segmentation.seg.nrrd").kind == "labelmap"
    assert row(whole, "odd/pydicom/waveform_ecg.dcm").kind == "waveform"
    assert set(whole.kind) >= {
        "RTSTRUCT",
        "mapping",
        "parametric map",
        "DICOMDIR",
        "damaged",
        "other",
        "RTPLAN",
    }


def test_the_verdict_is_what_reading_does(whole: pd.DataFrame, shared_data: Path) -> None:
    regular = whole[(whole.kind == "image") & (whole.format == "DICOM") & (whole.geometry == "regular")]
    tried = 0
    for one in regular[regular.files.between(3, 24)].itertuples():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NbannotWarning)
            found = read(one.path, series=one.series)
        assert isinstance(found, Image | Images)
        for image in [found] if isinstance(found, Image) else found.values():
            if image.series_uid == one.series and image.shape[0] == one.slices:
                assert image.geometry.kind == "grid"
                np.testing.assert_allclose(image.geometry.spacing, one.spacing, atol=0.02)
                tried += 1
    assert tried >= 5


def test_gaps_and_irregular_steps(series: Callable[..., Path]) -> None:
    one = scan(series([0, 2, 4, 8, 10, 18, 20])).iloc[0]
    assert (one.geometry, one.missing) == ("missing slices", "1 after slice 3, 3 after slice 5")
    folder = series([0, 2, 4, 8, 10, 13.1, 20])
    assert scan(folder).geometry[0] == "irregular: 2 to 6.9 mm"


def test_what_is_wrong_is_told_with_the_files(series: Callable[..., Path], folder: Path) -> None:
    series([0, 2, 4, 6])
    (folder / "003.dcm").write_bytes((folder / "003.dcm").read_bytes()[:-8])
    (folder / "empty.dcm").touch()
    (folder / "notes.txt").write_text("words")
    shutil.copy(folder / "000.dcm", folder / "copy.dcm")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "again").symlink_to(folder)
    os.mkfifo(folder / "pipe.dcm")
    table = scan(folder)
    image = table[table.kind == "image"].iloc[0]
    assert image.problems == "cut off in its pixels: 003.dcm; 1 copy"
    assert not image.readable
    assert (image.files, image.slices) == (5, 3)
    others = table[table.kind != "image"]
    assert set(others.problems) >= {"empty: empty.dcm", ""}
    assert "leads nowhere" in " ".join(others.problems)


def test_archives_and_media_are_looked_through(shared_data: Path, tmp_path: Path) -> None:
    media = shared_data / "odd/dicomdir_media"
    named = scan(media / "DICOMDIR")
    assert (named.files.sum(), set(named.modality)) == (31, {"CR", "CT", "MR"})
    plain = scan(shared_data / "odd/gantry_tilt_dicom2nifti")
    for kind in ("zip", "gztar"):
        packed = shutil.make_archive(str(tmp_path / kind), kind, shared_data / "odd/gantry_tilt_dicom2nifti")
        table = scan(packed)
        pd.testing.assert_frame_equal(table.drop(columns="path"), plain.drop(columns="path"))
        assert table.path[0] == packed
    (tmp_path / "folder").mkdir()
    shutil.copy(tmp_path / "zip.zip", tmp_path / "folder")
    assert list(scan(tmp_path / "folder").kind) == ["archive"]
    with pytest.raises(FormatError, match="no file or folder"):
        scan(tmp_path / "nothing")


def test_progress_rises_and_may_stop_the_scan(series: Callable[..., Path]) -> None:
    folder = series([float(n) for n in range(120)])
    told: list[float] = []
    scan(folder, progress=lambda done, text: told.append(done))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert len(told) > 3

    def stop(done: float, text: str) -> None:
        if done > 0.3:
            raise KeyboardInterrupt

    before = set(folder.iterdir())
    with pytest.raises(KeyboardInterrupt):
        scan(folder, progress=stop)
    assert set(folder.iterdir()) == before


def test_memory_does_not_grow_with_the_headers(
    series: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    series([0.0])

    def peak(count: int) -> int:
        place = tmp_path / f"{count} files"
        if not place.exists():
            place.mkdir()
            for n in range(count):
                os.link(folder / "000.dcm", place / f"link{n:05}.dcm")
        tracemalloc.start()
        try:
            assert scan(place).files.sum() == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # What is made once in a process, such as a larger table of the interpreter's, is not of the headers.
    few, many = (min(peak(count) for _ in range(3)) for count in (40, 640))
    assert many - few < 600 * 250


def test_the_command_prints_no_patient(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(shared_data / "petct_acrin042")]) == 0
    shown = capsys.readouterr().out
    assert "PET AC" in shown
    assert "regular" in shown
    assert "ACRIN" not in shown
    assert "1.3.6.1" not in shown
    assert main(["scan", str(shared_data / "nothing")]) == 1
    assert "no file or folder" in capsys.readouterr().err


def test_tiff_files_are_told_by_their_directories(tmp_path: Path) -> None:
    import tifffile

    folder = tmp_path / "pictures"
    folder.mkdir()
    pixels = np.arange(2 * 5 * 7, dtype=np.uint16).reshape(2, 5, 7)
    for name, options in {"plain": {}, "big": {"bigtiff": True}, "other": {"byteorder": ">"}}.items():
        tifffile.imwrite(folder / f"{name}.tif", pixels, photometric="minisblack", **options)
    (folder / "cut.tif").write_bytes((folder / "plain.tif").read_bytes()[:60])
    for place in (folder, shutil.make_archive(str(tmp_path / "packed"), "tar", folder)):
        table = scan(place)
        pictures = table[table.kind == "image"]
        assert set(pictures.description) == {"plain.tif", "big.tif", "other.tif"}
        assert set(pictures.geometry) == {"picture"}
        columns = pictures[["columns", "rows", "slices"]].to_numpy(dtype=int)
        np.testing.assert_array_equal(columns, np.tile([7, 5, 2], (3, 1)))
        assert list(table[table.kind == "damaged"].problems) == ["a picture with a damaged header: cut.tif"]

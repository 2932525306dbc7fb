"""Which of the formats is chosen, and annotations of images that lie in an archive."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import convert, read, scan, write
from nbannot.formats.labels import FORMATS
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask

pytestmark = pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")


@pytest.fixture
def ct(shared_data: Path, tmp_path: Path) -> Image:
    """A series in an archive."""
    found = read(shutil.make_archive(str(tmp_path / "series"), "zip", shared_data / "seg_dcmqi_24x38x3/ct"))
    assert isinstance(found, Image)
    return found


def document(image: Image, *, masks: bool) -> Document:
    array = np.zeros(image.shape, np.uint8)
    array[:2, 3:9, 4:8] = 1
    held = [Mask("m", image, array=array, segments={1: "liver"})] if masks else []
    return Document(
        image, labels=[Label("liver")], masks=held, boxes=[Box("liver", ((1, 2, 3), (1, 9.5, 12)))]
    )


def modality(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).Modality)


def test_dcm_is_a_report_without_masks_and_a_segmentation_with_them(ct: Image, tmp_path: Path) -> None:
    bare, full = document(ct, masks=False), document(ct, masks=True)
    for name, item, kind, expected in (
        ("bare.dcm", bare, "", "SR"), ("full.dcm", full, "", "SEG"), ("report.dcm", full, "sr", "SR"),
        ("mask.dcm", next(iter(full.masks)), "", "SEG"), ("full.rtstruct.dcm", full, "", "RTSTRUCT"),
        ("structures.dcm", full, "rtstruct", "RTSTRUCT"),
    ):  # fmt: skip
        write(tmp_path / name, item, kind=kind)
        assert modality(tmp_path / name) == expected
        back = read(tmp_path / name, image=ct)
        assert len(back.boxes) == (expected == "SR")
        assert len(back.masks) == (expected == "SEG")
        assert bool(back.shapes) == (expected == "RTSTRUCT")
    with pytest.raises(FormatError, match="empty"):
        write(tmp_path / "no.dcm", bare, kind="seg")


def test_a_session_holds_the_slices_of_an_archive(ct: Image, tmp_path: Path) -> None:
    write(tmp_path / "case.volview.zip", document(ct, masks=True))
    with zipfile.ZipFile(tmp_path / "case.volview.zip") as archive:
        held = [archive.read(name) for name in archive.namelist() if name.startswith("data/")]
    assert sum(one[128:132] == b"DICM" for one in held) == ct.shape[0]
    back = read(tmp_path / "case.volview.zip", image=ct)
    assert len(back.masks) == 1
    assert len(back.boxes) == 1


def chosen(path: Path) -> str:
    start = path.read_bytes()[:512] if path.is_file() else b""
    return next(form.name for form in FORMATS if form.matches(str(path), start))


def test_folders(tmp_path: Path) -> None:
    from PIL import Image as Pictures

    maps, pictures, yolo = tmp_path / "maps", tmp_path / "pictures", tmp_path / "yolo"
    for folder in (maps, pictures, yolo):
        folder.mkdir()
    image = Image(np.zeros((2, 3, 4), np.uint8), Geometry(np.eye(4), (2, 3, 4)), name="ct")
    write(maps / "liver.nii.gz", image)
    (maps / "labels.txt").write_text("0 0 0 0 0\n1 255 0 0 1\n")  # looks like a line of YOLO
    for folder in (pictures, yolo):
        Pictures.new("L", (4, 3)).save(folder / "a.png")
    (yolo / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    assert chosen(maps) == "folder of labelmaps"
    assert chosen(pictures) == "folder of PNG masks"
    assert chosen(yolo) == "YOLO"


def test_a_scan_names_formats_of_annotations(ct: Image, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    made = document(ct, masks=False)
    for name in ("a.mrk.json", "b.json", "c.csv", "d.xml", "e.volview.zip"):
        write(folder / name, made)
    (folder / "other.json").write_text("{}")
    table = scan(folder)
    found = dict(zip(table.description, table.format, strict=True))
    assert found.pop("") == "json"
    assert found == {
        "a.mrk.json": "Slicer markups", "b.json": "COCO", "c.csv": "boxes (CSV, JSON)", "d.xml": "Pascal VOC",
        "e.volview.zip": "VolView",
    }  # fmt: skip
    assert set(table.kind) == {"annotations", "other"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", NbannotWarning)
        table = scan(shutil.make_archive(str(tmp_path / "packed"), "zip", folder))
    # What is told by its first bytes is told in an archive too.
    assert {"Slicer markups", "boxes (CSV, JSON)", "Pascal VOC"} <= set(table.format)


def test_errors_say_the_way_on(ct: Image, tmp_path: Path) -> None:
    for thing, way in (
        (convert.to_sitk(ct), "convert.from_sitk"), (convert.to_nibabel(ct), "convert.from_nibabel"),
        (convert.to_highdicom(ct), "convert.from_highdicom"), (convert.to_xarray(ct), "convert.from_xarray"),
        (ct.array, "nbannot.Image"), (pydicom.Dataset(), "nbannot.read"),
    ):  # fmt: skip
        with pytest.raises(FormatError, match="is not what nbannot.write takes") as caught:
            write(tmp_path / "a.nii.gz", thing)  # type: ignore[arg-type]
        assert way in caught.value.hint
        with pytest.raises(FormatError, match="takes a path, not") as caught:
            read(thing)  # type: ignore[call-overload]
        assert way in caught.value.hint
    with pytest.raises(FormatError, match="takes paths, not Image"):
        read([convert.to_sitk(ct)])  # type: ignore[list-item]
    with pytest.raises(FormatError, match="int is not what") as caught:
        write(tmp_path / "a.nii.gz", 3)  # type: ignore[arg-type]
    assert "document.masks" in caught.value.hint
    made = document(ct, masks=True)
    with pytest.raises(FormatError) as caught:
        write(tmp_path / "a.nii.gz", made)
    assert "document.masks" in caught.value.hint
    with pytest.raises(FormatError, match="is called 'volviev'") as caught:
        write(tmp_path / "a", made, kind="volviev")
    assert "volview" in caught.value.hint
    with pytest.raises(FormatError, match="'markups' has no option 'spilt'") as caught:
        write(tmp_path / "a.mrk.json", made, spilt=True)
    assert "split" in caught.value.hint
    write(tmp_path / "a.json", made)
    with pytest.raises(FormatError, match="annotations: COCO") as caught:
        read(tmp_path / "a.json")
    assert "image=" in caught.value.hint
    assert [one.name for one in tmp_path.iterdir() if one.name != "series.zip"] == ["a.json"]

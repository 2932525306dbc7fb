"""`nb.export`: many documents, sessions and the cases of a project as one data set."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pictures

import nbannot as nb

AFFINE = np.array([(0, 0, 1.5, -30), (0, 2, 0, -40), (3, 0, 0, 10), (0, 0, 0, 1)], dtype=float)


def case(name: str, label: str, k: int) -> nb.Document:
    rng = np.random.default_rng(k)
    image = nb.Image(
        rng.integers(0, 1000, (6, 30, 40)).astype(np.int16), nb.Geometry(AFFINE, (6, 30, 40)), name=name
    )
    array = np.zeros(image.shape, np.uint8)
    array[k, 3:9, 10:20] = 1
    return nb.Document(
        image, labels=[nb.Label(label, "#ff0000")], masks=[nb.Mask("m", image, array=array, segments={1: label})],
        boxes=[nb.Box(label, ((k, 4.5, 3.5), (k, 6.5, 6.5)))],
    )  # fmt: skip


@pytest.fixture
def documents() -> dict[str, nb.Document]:
    return {
        "A/1": case("one", "liver", 2),
        "A 1": case("two", "spleen", 3),
        "empty": nb.Document(case("x", "y", 1).images),
    }


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_of_many_with_pictures(tmp_path: Path, documents: dict[str, nb.Document]) -> None:
    from pycocotools.coco import COCO

    seen: list[tuple[float, str]] = []
    rows = nb.export(
        documents, tmp_path / "set", to="coco", progress=lambda done, text: seen.append((done, text))
    )
    assert isinstance(rows, pd.DataFrame) and list(rows["case"]) == list(documents) and seen[-1][0] == 1
    found = COCO(str(tmp_path / "set/annotations.json"))
    names = {one["file_name"] for one in found.imgs.values()}
    assert names == {"A_1_one_0002.png", "A_1_2_two_0003.png"}
    assert {one["name"] for one in found.cats.values()} == {"liver", "spleen"}
    for name in names:
        with Pictures.open(tmp_path / "set/images" / name) as picture:
            assert picture.size == (40, 30)
    masks = [found.annToMask(one) for one in found.anns.values() if "segmentation" in one]
    assert [int(mask.sum()) for mask in masks] == [60, 60]


@pytest.mark.parametrize("to", ["yolo", "voc", "png"])
def test_pictures(tmp_path: Path, documents: dict[str, nb.Document], to: str) -> None:
    nb.export(documents, tmp_path / "set", to=to)
    files = {
        path.relative_to(tmp_path / "set").as_posix()
        for path in (tmp_path / "set").rglob("*")
        if path.is_file()
    }
    ending = {"yolo": "labels/{}.txt", "voc": "annotations/{}.xml", "png": "{}.png"}[to]
    assert {ending.format(name) for name in ("A_1_one_0002", "A_1_2_two_0003")} <= files
    if to == "yolo":
        assert (tmp_path / "set/labels/A_1_2_two_0003.txt").read_text().startswith("1 ")
    if to == "png":
        pixels = np.asarray(Pictures.open(tmp_path / "set/A_1_one_0002.png")).astype(int)
        # Within the mask and on the box red stands out; elsewhere the picture is grey.
        assert (pixels[5, 15, 0] > pixels[5, 15, 1]) and tuple(pixels[4, 4]) == (255, 0, 0)
        assert len(set(pixels[25, 35].tolist())) == 1


def test_monai_numbers_labels_the_same_in_all_cases(
    tmp_path: Path, documents: dict[str, nb.Document]
) -> None:
    rows = nb.export(documents, tmp_path / "set", to="monai")
    assert "not written" in rows["note"][2] and "1 × boxes" in rows["note"][0]
    content = json.loads((tmp_path / "set/datalist.json").read_text())
    assert (
        content["labels"] == {"0": "background", "1": "liver", "2": "spleen"} and content["numTraining"] == 2
    )
    for entry, (name, value) in zip(content["training"], (("A/1", 1), ("A 1", 2)), strict=True):
        image, label = (nibabel.load(tmp_path / "set" / entry[key]) for key in ("image", "label"))
        made = documents[name]
        np.testing.assert_allclose(image.affine, label.affine)
        assert np.array_equal(np.asarray(image.dataobj).T, made.images[0].array)
        assert np.array_equal(np.asarray(label.dataobj).T, made.masks["m"].array * value)
        # NIfTI's RAS: x and y of LPS with the other sign.
        np.testing.assert_allclose(image.affine @ (0, 0, 0, 1), (30, 40, 10, 1))


def test_bids_and_nifti(tmp_path: Path, documents: dict[str, nb.Document]) -> None:
    nb.export(documents, tmp_path / "bids", to="bids", suffix="T1w")
    about = json.loads((tmp_path / "bids/dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative" and about["GeneratedBy"][0]["Name"] == "nbannot"
    where = tmp_path / "bids/sub-A1/anat"
    assert {path.name for path in where.iterdir()} >= {
        "sub-A1_run-1_space-orig_dseg.nii.gz", "sub-A1_run-1_space-orig_T1w.nii.gz", "sub-A1_run-1_space-orig_dseg.json"
    }  # fmt: skip
    assert (tmp_path / "bids/dseg.tsv").read_text().splitlines()[:2] == [
        "index\tname\tcolor",
        "1\tliver\t#ff0000",
    ]
    nb.export(documents, tmp_path / "nifti", to="nifti", images=False)
    assert sorted(path.name for path in (tmp_path / "nifti/labels").iterdir()) == [
        "A_1.nii.gz",
        "A_1_2.nii.gz",
    ]
    assert not (tmp_path / "nifti/images").exists()


def test_tables_and_files_of_each_case(tmp_path: Path, documents: dict[str, nb.Document]) -> None:
    nb.export(documents, tmp_path / "csv", to="csv")
    boxes = pd.read_csv(tmp_path / "csv/boxes.csv")
    assert list(boxes["case"]) == ["A_1", "A_1_2"] and list(boxes["label"]) == ["liver", "spleen"]
    rows = nb.export(documents, tmp_path / "markups", to="markups")
    assert {path.name for path in (tmp_path / "markups").iterdir()} == {"A_1.mrk.json", "A_1_2.mrk.json"}
    assert rows["note"][0] and "not written" in rows["note"][2]


def test_sessions_and_projects(tmp_path: Path, documents: dict[str, nb.Document]) -> None:
    rows = nb.export([nb.Session.of(documents["A/1"]), documents["A 1"]], tmp_path / "list", to="csv")
    assert list(rows["case"]) == ["one", "two"]
    nb.write(tmp_path / "one.nii.gz", documents["A/1"].images[0])
    with nb.open_project(tmp_path / "project") as project:
        project.add_case("first", images=[tmp_path / "one.nii.gz"])
        session = project.start("first", reader="R")
        session.document.add("liver")
        session.document.add(nb.Box("liver", ((2, 4.5, 3.5), (2, 6.5, 6.5))))
        rows = nb.export(project, tmp_path / "of project", to="coco")
        assert list(rows["case"]) == ["first"]
    assert len(json.loads((tmp_path / "of project/annotations.json").read_text())["annotations"]) == 1


def test_what_cannot_be_exported(tmp_path: Path, documents: dict[str, nb.Document]) -> None:
    with pytest.raises(nb.NbannotError, match="There is no export to 'xyz'"):
        nb.export(documents, tmp_path / "a", to="xyz")
    with pytest.raises(nb.NbannotError, match="No case could be written"):
        nb.export(documents["empty"], tmp_path / "b", to="png")
    for to in ("coco", "monai", "csv", "png"):
        with pytest.raises(nb.NbannotError, match=f"export to '{to}' has no option 'imges'"):
            nb.export(documents, tmp_path / "d", to=to, imges=False)
    assert not (tmp_path / "d").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(nb.NbannotError, match="not an empty folder"):
        nb.export(documents, tmp_path / "full", to="csv")

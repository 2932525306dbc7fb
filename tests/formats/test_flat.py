"""Annotations of pictures: COCO beside pycocotools, YOLO, Pascal VOC, tables; pixel edges and centres."""

from __future__ import annotations

import csv
import json
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from nbannot.errors import FormatError, MissingDependencyError, NbannotWarning
from nbannot.formats import read, write
from nbannot.formats.labels.flat.rle import counts_of, mask_of, packed, unpacked
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attribute
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Images
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape
from nbannot.model.tables import Kind, table


@pytest.fixture
def picture() -> Image:
    return Image(np.zeros((1, 30, 40), np.uint8), Stack.picture((30, 40)), name="a.png")


@pytest.fixture
def volume() -> Image:
    affine = np.array([(0, 0, 1.5, -30), (0, 2, 0, -40), (3, 0, 0, 10), (0, 0, 0, 1)], dtype=float)
    return Image(np.zeros((6, 30, 40), np.int16), Geometry(affine, (6, 30, 40)), name="ct")


def opened(path: Path, image: Any) -> Document:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        document = read(path, image=image)
    assert isinstance(document, Document)
    return document


def coco(folder: Path, *annotations: dict[str, Any], **more: Any) -> Path:
    path = folder / "coco.json"
    content = {
        "images": [{"id": 7, "file_name": "some/a.png", "width": 40, "height": 30}],
        "categories": [{"id": 3, "name": "nodule", "supercategory": "lesion"}, {"id": 9, "name": "mass"}],
        "annotations": [
            {"id": n, "image_id": 7, "category_id": 3, **one} for n, one in enumerate(annotations, 1)
        ],
        **more,
    }
    path.write_text(json.dumps(content))
    return path


def test_a_coco_box_covers_its_pixels(tmp_path: Path, picture: Image) -> None:
    document = opened(coco(tmp_path, {"bbox": [4, 5, 3, 2], "score": 0.5}), picture)
    (box,) = document.boxes
    assert box.index == ((0, 4.5, 3.5), (0, 6.5, 6.5)) and box.attributes == {"score": 0.5}
    _, j, i = box.slices()
    # x = 4, 5, 6 and y = 5, 6: three by two pixels.
    assert (i.start, i.stop, j.start, j.stop) == (4, 7, 5, 7)
    assert document.labels["nodule"].parent == "lesion" and "mass" in document.labels


def test_coco_outlines_points_and_runs(tmp_path: Path, picture: Image) -> None:
    mask = np.zeros((30, 40), bool)
    mask[3:9, 10:20] = True
    other = np.zeros((30, 40), bool)
    other[5:12, 15:30] = True
    path = coco(
        tmp_path,
        {"segmentation": [[1, 1, 9, 1, 9, 6], [20, 20, 25, 20, 25, 25]], "bbox": [1, 1, 24, 24]},
        {"segmentation": {"size": [30, 40], "counts": counts_of(mask)}},
        {"segmentation": {"size": [30, 40], "counts": packed(counts_of(other))}, "category_id": 9},
        {"keypoints": [5, 6, 2, 0, 0, 0, 8, 9, 1], "bbox": [1, 2, 3, 4]},
        categories=[{"id": 3, "name": "nodule", "keypoints": ["l", "m", "r"], "skeleton": [[1, 3], [1, 2]]},
                    {"id": 9, "name": "mass"}],
    )  # fmt: skip
    document = opened(path, picture)
    first, second, points = document.shapes
    np.testing.assert_allclose(first.world()[:, :2], [(0.5, 0.5), (8.5, 0.5), (8.5, 5.5)])
    assert first.lesion == second.lesion != ""
    assert points.names == ("l", "r") and points.edges == ((0, 1),) and points.points[0][:2] == (4.5, 5.5)
    # The two masks overlap, so they need two labelmaps.
    assert [
        np.array_equal(one.array[0] > 0, want)
        for one, want in zip(document.masks, (mask, other), strict=True)
    ] == [True] * 2
    assert len(document.boxes) == 1


def test_what_coco_says_wrongly_is_told(tmp_path: Path, picture: Image) -> None:
    path = coco(
        tmp_path, {"bbox": [4, 5, 3, 2]}, {"bbox": ["a"]}, {"category_id": 5, "bbox": [1, 1, 2, 2]},
        {"segmentation": {"size": [30, 40], "counts": [5]}}, {"segmentation": {"size": [1, 1], "counts": "\x01"}},
        {"bbox": [400, 5, 3, 2]}, {"image_id": 8, "bbox": [1, 1, 1, 1]},
        images=[{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
    )  # fmt: skip
    document = opened(path, picture)
    assert len(document.boxes) == 1
    text = "\n".join(document.notes)
    for part in (
        "2 × an annotation is damaged",
        "does not fill",
        "is damaged",
        "outside its image",
        "was not given",
    ):
        assert part in text


def test_a_picture_of_another_size_is_not_meant(tmp_path: Path, picture: Image) -> None:
    path = coco(
        tmp_path, {"bbox": [4, 5, 3, 2]}, images=[{"id": 7, "file_name": "a.png", "width": 80, "height": 60}]
    )
    with pytest.raises(FormatError, match="another size"):
        opened(path, picture)


def document_on(image: Image, k: int) -> Document:
    geometry = image.geometry

    def place(*places: tuple[float, float]) -> tuple[tuple[float, ...], ...]:
        return tuple(map(tuple, geometry.to_world([(k, j, i) for j, i in places]).tolist()))

    mask = np.zeros(image.shape, np.uint8)
    mask[k, 3:9, 10:20] = 1
    mask[k, 20:25, 30:40] = 2
    mask[k, 22, 33] = 0
    where = {"slice": k} if geometry.kind == "stack" else {}
    return Document(
        image, labels=[Label("nodule"), Label("mass", parent="nodule")],
        masks=[Mask("m", image, array=mask, segments={1: "nodule", 2: "mass"})],
        boxes=[Box("nodule", ((k, 4.5, 3.5), (k, 6.5, 6.5))), Box("mass", ((k, 1.25, 2.5), (k, 8, 9.75)))],
        shapes=[Shape("polygon", "mass", place((1, 1), (1, 12.5), (10, 12.5)), **where),
                Shape("ellipse", "mass", place((10, 20), (20, 20), (15, 15), (15, 25)), **where)],
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("compressed", [True, False])
def test_pycocotools_reads_what_is_written(tmp_path: Path, volume: Image, compressed: bool) -> None:
    from pycocotools.coco import COCO

    made = document_on(volume, 2)
    write(tmp_path / "out.json", made, compressed=compressed)
    found = COCO(str(tmp_path / "out.json"))
    (entry,) = found.imgs.values()
    assert (entry["file_name"], entry["width"], entry["height"]) == ("ct_0002.png", 40, 30)
    rows = {(found.cats[one["category_id"]]["name"], tuple(one["bbox"])): one for one in found.anns.values()}
    assert ("nodule", (4.0, 5.0, 3.0, 2.0)) in rows
    masks = [found.annToMask(one) for one in found.anns.values() if isinstance(one.get("segmentation"), dict)]
    assert np.array_equal(masks[0], made.masks["m"].array[2] == 1)
    assert np.array_equal(masks[1], made.masks["m"].array[2] == 2)
    back = opened(tmp_path / "out.json", volume)
    assert [box.index for box in back.boxes] == [box.index for box in made.boxes]
    np.testing.assert_allclose(next(iter(back.shapes)).world(), next(iter(made.shapes)).world(), atol=1e-9)
    assert np.array_equal(next(iter(back.masks)).array, made.masks["m"].array)


def test_runs_are_those_of_pycocotools() -> None:
    from pycocotools import mask as tools

    random = np.random.default_rng(3)
    for part in (0.0, 0.02, 0.5, 0.98, 1.0):
        mask = random.random((37, 53)) < part
        theirs = tools.encode(np.asfortranarray(mask.astype(np.uint8)))
        text = theirs["counts"].decode()
        assert packed(counts_of(mask)) == text
        assert unpacked(text) == counts_of(mask)
        assert np.array_equal(mask_of({"size": [37, 53], "counts": text}), mask)


def test_yolo_boxes_and_outlines(tmp_path: Path, picture: Image) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").write_text("names: [nodule, mass]\nnc: 2\n")
    (tmp_path / "labels" / "a.txt").write_text(
        "0 0.1375 0.2 0.075 0.0666666667\n1 0.1 0.1 0.5 0.1 0.5 0.5\n1 x\n"
    )
    document = opened(tmp_path, picture)
    (box,) = document.boxes
    np.testing.assert_allclose(box.index, [(0, 4.5, 3.5), (0, 6.5, 6.5)], atol=1e-6)
    (shape,) = document.shapes
    np.testing.assert_allclose(shape.world()[:, :2], [(3.5, 2.5), (19.5, 2.5), (19.5, 14.5)])
    assert (box.label, shape.label) == ("nodule", "mass")
    assert document.notes == ("not read: 1 × damaged lines",)


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_yolo_reads_back(tmp_path: Path, volume: Image, task: str) -> None:
    made = document_on(volume, 3)
    write(tmp_path / "set", made, kind="yolo", task=task)
    assert (tmp_path / "set/classes.txt").read_text().split() == ["nodule", "mass"]
    lines = (tmp_path / "set/labels/ct_0003.txt").read_text().splitlines()
    assert len(lines) == 6
    if task == "detect":
        values = np.array([line.split()[1:] for line in lines], dtype=float)
        assert any(np.allclose(row, (5.5 / 40, 6 / 30, 3 / 40, 2 / 30)) for row in values)
    with pytest.raises(FormatError, match="not an empty folder"):
        write(tmp_path / "set", made, kind="yolo")


VOC = """<annotation><filename>a.png</filename><object><name>nodule</name><difficult>1</difficult>
<bndbox><xmin>5</xmin><ymin>6</ymin><xmax>7</xmax><ymax>7</ymax></bndbox></object></annotation>"""


def test_voc_counts_pixels_from_one(tmp_path: Path, picture: Image) -> None:
    (tmp_path / "a.xml").write_text(VOC)
    (box,) = opened(tmp_path / "a.xml", picture).boxes
    assert box.index == ((0, 4.5, 3.5), (0, 6.5, 6.5)) and box.attributes == {"difficult": True}
    (tmp_path / "a.xml").write_text(VOC.replace("<xmin>5", "<xmin>0"))
    document = opened(tmp_path / "a.xml", picture)
    assert next(iter(document.boxes)).index == ((0, 5.5, -0.5), (0, 7.5, 7.5))
    assert "counts pixels from 0" in document.notes[0]


@pytest.mark.parametrize(
    "head",
    ['<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/hostname">]>', '<!DOCTYPE annotation SYSTEM "http://localhost/x">',
     '<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'],
)  # fmt: skip
def test_xml_brings_no_entities(tmp_path: Path, picture: Image, head: str) -> None:
    (tmp_path / "a.xml").write_text(head + VOC)
    with pytest.raises(FormatError, match="document type"):
        opened(tmp_path / "a.xml", picture)


def test_voc_reads_back(tmp_path: Path, picture: Image) -> None:
    made = document_on(picture, 0)
    with pytest.warns(NbannotWarning, match="boxes round them"):
        write(tmp_path / "a.xml", made)
    assert "<xmin>5</xmin>" in (tmp_path / "a.xml").read_text()
    back = opened(tmp_path / "a.xml", picture)
    assert next(iter(back.boxes)).index == ((0, 4.5, 3.5), (0, 6.5, 6.5)) and len(back.boxes) == 6


@pytest.mark.parametrize("name", ["boxes.csv", "boxes.json"])
def test_the_nih_boxes_lie_on_their_pictures(shared_data: Path, name: str) -> None:
    folder = shared_data / "xray_nih_boxes"
    content = json.loads((folder / "boxes.json").read_text())
    images = {}
    for file in content:
        image = read(folder / file)
        assert isinstance(image, Image)
        images[file] = image
    document = opened(folder / name, Images(images))
    assert document.notes == () and len(document.boxes) == sum(len(rows) for rows in content.values())
    for box in document.boxes:
        file = next(key for key, image in images.items() if image.id == box.image)
        (row,) = (one for one in content[file] if one["label"] == box.label)
        (_, j0, i0), (_, j1, i1) = box.index
        np.testing.assert_allclose(
            (i0 + 0.5, j0 + 0.5, i1 - i0, j1 - j0), [row[c] for c in "xywh"], atol=1e-9
        )


@pytest.mark.parametrize(
    "text",
    [
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\na.png,nodule,4,5,3,2,,,\n",
        "filename;class;xmin;ymin;xmax;ymax;reader\na.png;nodule;4;5;7;7;R1\n",
        "path\tcategory\tleft\ttop\tright\tbottom\nx/y/a.png\tnodule\t4\t5\t7\t7\n",
    ],
)
def test_tables_of_other_people(tmp_path: Path, picture: Image, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    (box,) = opened(tmp_path / "t.csv", picture).boxes
    assert box.index == ((0, 4.5, 3.5), (0, 6.5, 6.5)) and box.label == "nodule"
    assert box.attributes == ({"reader": "R1"} if "reader" in text else {})


def test_tables_read_back(tmp_path: Path, volume: Image) -> None:
    made = document_on(volume, 4)
    write(tmp_path / "b.csv", made)
    head, first, *_ = (tmp_path / "b.csv").read_text().splitlines()
    assert head == "image,label,x,y,w,h" and first == "ct_0004.png,nodule,4,5,3,2"
    write(tmp_path / "shapes.csv", made, kind="table", rows="shapes")
    assert (tmp_path / "shapes.csv").read_text().startswith("id,kind,label")


KINDS = get_args(Kind)
NO_ROWS = ("history", "provenance", "models")  # nothing was drawn by hand or by a model


def annotated(volume: Image) -> Document:
    """Return a document with every kind of item, and values of every type."""
    grid = volume.geometry
    asked = (Attribute("margin", "choice", options=("smooth", "spiculated")), Attribute("near", "text"))
    array = np.zeros(volume.shape, np.uint8)
    array[1:4, 5:9, 5:9] = 1
    return Document(
        volume,
        labels=[Label("nodule", attributes=asked), Label("quality")],
        masks=[Mask("m", volume, array=array, segments={1: "nodule"})],
        boxes=[
            Box("nodule", ((4, 4.5, 3.5), (4, 6.5, 6.5)), attributes={"margin": "smooth", "near": ("a", "b")}),
            Box("nodule", ((1, 4.5, 3.5), (3, 6.5, 6.5)), attributes={"near": 'a "quoted", word'}, lesion="L1"),
        ],
        shapes=[
            Shape("ruler", "nodule", tuple(map(tuple, grid.to_world([(2, 1, 1), (2, 9, 9)]).tolist()))),
            Shape("points", "nodule", tuple(map(tuple, grid.to_world([(2, 1, 1), (2, 9, 9)]).tolist())),
                  names=("p", "q")),
        ],
        tags=[Tag("quality", "poor"), Tag("quality", True, scope="slice", index=4),
              Tag("nodule", 3.5, scope="lesion", lesion="L1"), Tag("quality")],
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_table_as_parquet_has_the_cells_of_the_table(tmp_path: Path, volume: Image, kind: Kind) -> None:
    from pyarrow import parquet

    document = annotated(volume)
    write(tmp_path / "t.parquet", document, rows=kind)
    wanted = table(document, kind)
    wanted = wanted if wanted.index.names == [None] else wanted.reset_index()
    found = parquet.read_table(tmp_path / "t.parquet")
    assert found.num_rows == len(wanted)
    assert len(wanted) or kind in NO_ROWS
    assert found.column_names == list(wanted.columns)
    for name in found.column_names:
        for cell, expected in zip(found[name].to_pylist(), wanted[name], strict=True):
            if isinstance(expected, list | tuple | dict):
                assert json.loads(cell) == json.loads(json.dumps(expected))
            elif expected is None or expected != expected or expected is pd.NA:
                assert cell is None or cell != cell
            elif isinstance(cell, str) and cell != expected:  # of a column of several types
                assert json.loads(cell) == expected
            else:
                assert cell == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_table_as_csv_has_the_rows_of_the_table(tmp_path: Path, volume: Image, kind: Kind) -> None:
    write(tmp_path / "t.csv", annotated(volume), kind="table", rows=kind)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    wanted = table(annotated(volume), kind)
    wanted = wanted if wanted.index.names == [None] else wanted.reset_index()
    assert head == list(wanted.columns)
    assert len(rows) == len(wanted)


def test_parquet_without_its_package_is_one_error(
    tmp_path: Path, volume: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match="pyarrow is not installed") as caught:
        write(tmp_path / "shapes.parquet", document_on(volume, 4), rows="shapes")
    assert 'pip install "nbannot[parquet]"' in caught.value.hint
    assert list(tmp_path.iterdir()) == []

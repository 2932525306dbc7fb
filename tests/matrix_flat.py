"""Rows of the matrix: pictures beside pycocotools and globox, markups beside slicerio, reports beside dcmtk."""

from __future__ import annotations

import json
import subprocess
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from formats_matrix import image_of, row
from matrix_dicom import LIVER_CT, outlined
from matrix_labels import document_of
from nbannot.formats import write
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.shapes import Shape

XRAY = "xray_nih_boxes/00026911_000.png"
Edges = list[tuple[str, float, float, float, float]]


def boxed(path: Path) -> Document:
    """Return the radiologists' box of a radiograph, and two that cover whole pixels."""
    image = image_of(path)
    document = document_of(path.with_name("boxes.csv"), image)
    (theirs,) = document.boxes
    made = [Box("mass", ((0, 9.5, 19.5), (0, 40.5, 29.5))), Box("mass", ((0, 0, 0), (0, 3, 4)))]
    names = [theirs.label, "mass"]
    return Document(image, labels=[Label(name) for name in names], masks=[], boxes=[theirs, *made])


def edges_of(document: Document) -> Edges:
    """Return label and left, top, right, bottom, counted from the corner of the first pixel."""
    found = []
    for box in document.boxes:
        (_, top, left), (_, bottom, right) = box.index
        found.append((box.label, left + 0.5, top + 0.5, right + 0.5, bottom + 0.5))
    return sorted(found)


def edges_of_globox(found: Any) -> Edges:
    return sorted(
        (box.label, box.xmin, box.ymin, box.xmax, box.ymax) for one in found for box in one.boxes or ()
    )


def same_edges(ours: Edges, theirs: Edges, *, within: float = 1e-6) -> None:
    assert [one[0] for one in ours] == [one[0] for one in theirs]
    np.testing.assert_allclose([one[1:] for one in ours], [one[1:] for one in theirs], atol=within)


def globox_set(path: Path) -> Any:
    """Return the boxes as globox holds them."""
    import globox

    document = boxed(path)
    rows, columns = document.images[0].shape[1:]
    boxes = [
        globox.BoundingBox(label=one[0], xmin=one[1], ymin=one[2], xmax=one[3], ymax=one[4])
        for one in edges_of(document)
    ]
    return globox.AnnotationSet([globox.Annotation(path.name, (columns, rows), boxes)])


@row("written: COCO", XRAY, reader="globox", equal="boxes, names")
def _(path: Path, folder: Path) -> None:
    import globox

    document = boxed(path)
    write(folder / "out.json", document)
    same_edges(edges_of(document), edges_of_globox(globox.AnnotationSet.from_coco(folder / "out.json")))


@row("COCO", XRAY, reader="globox", equal="boxes, names")
def _(path: Path, folder: Path) -> None:
    globox_set(path).save_coco(folder / "in.json", auto_ids=True)
    found = document_of(folder / "in.json", image_of(path))
    same_edges(edges_of(found), edges_of_globox(globox_set(path)))


@row("written: YOLO", XRAY, reader="globox", equal="boxes, names")
def _(path: Path, folder: Path) -> None:
    import globox

    document = boxed(path)
    write(folder / "yolo", document, kind="yolo")
    (labels,) = {one.parent for one in (folder / "yolo").rglob(f"{path.stem}.txt")}
    names = (folder / "yolo" / "classes.txt").read_text().split()
    found = globox.AnnotationSet.from_yolo_v5(labels, image_folder=path.parent, image_extension=".png")
    theirs = sorted((names[int(one[0])], *one[1:]) for one in edges_of_globox(found))
    same_edges(edges_of(document), theirs, within=1e-2)


@row("YOLO", XRAY, reader="globox", equal="boxes, names")
def _(path: Path, folder: Path) -> None:
    numbers = {name: n for n, name in enumerate(sorted({one[0] for one in edges_of(boxed(path))}))}
    globox_set(path).save_yolo_v5(folder / "labels", label_to_id=numbers)
    (folder / "labels" / "classes.txt").write_text("\n".join(numbers) + "\n")
    found = document_of(folder / "labels", image_of(path))
    same_edges(edges_of(found), edges_of_globox(globox_set(path)), within=1e-2)


@row("written: Pascal VOC", XRAY, reader="globox", equal="boxes, names")
def _(path: Path, folder: Path) -> None:
    import globox

    document = boxed(path)
    write(folder / "voc", document, kind="voc")
    found = edges_of_globox(globox.AnnotationSet.from_pascal_voc(folder / "voc", recursive=True))
    # Pixels are counted from 1 there, the last one included; globox takes the numbers as they are.
    theirs = [(name, left - 1, top - 1, right, bottom) for name, left, top, right, bottom in found]
    same_edges(edges_of(document), theirs, within=0.5)


def by_coco(path: Path) -> list[NDArray[np.uint8]]:
    """Return the mask of each annotation as pycocotools makes it."""
    from pycocotools.coco import COCO

    held = COCO(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own, about numpy 2
        return [held.annToMask(one) for one in held.loadAnns(held.getAnnIds())]


def coco_file(folder: Path, image: Image, segmentations: list[Any]) -> Path:
    rows, columns = image.shape[1:]
    content = {
        "images": [{"id": 1, "file_name": image.name, "height": rows, "width": columns}],
        "categories": [{"id": n, "name": f"c{n}"} for n in range(1, len(segmentations) + 1)],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n, "segmentation": one, "iscrowd": int(isinstance(one, dict)),
             "bbox": [0, 0, columns, rows], "area": 1}
            for n, one in enumerate(segmentations, start=1)
        ],
    }  # fmt: skip
    (folder / "in.json").write_text(json.dumps(content))
    return folder / "in.json"


@row("COCO", XRAY, reader="pycocotools", equal="voxels")
def _(path: Path, folder: Path) -> None:
    from pycocotools import mask as coco

    image = image_of(path)
    chance = np.random.default_rng(2)
    noise = np.asfortranarray((chance.random(image.shape[1:]) < 0.1).astype(np.uint8))
    block = np.zeros_like(noise, order="F")
    block[100:300, 50:90], block[150:200, 60:70] = 1, 0
    packed = [coco.encode(one) for one in (noise, block)]
    runs = np.diff(np.flatnonzero(np.diff(block.ravel(order="F"), prepend=2)), append=block.size).tolist()
    plain = runs if block[0, 0] == 0 else [0, *runs]
    given = [{"size": one["size"], "counts": one["counts"].decode()} for one in packed]
    file = coco_file(folder, image, [*given, {"size": list(block.shape), "counts": plain}])
    document = document_of(file, image)
    for n, theirs in enumerate(by_coco(file), start=1):
        (ours,) = [
            mask.array[0] == one.value
            for mask in document.masks
            for one in mask.segments
            if one.label == f"c{n}"
        ]
        np.testing.assert_array_equal(ours, theirs)


@row("COCO", XRAY, reader="pycocotools", equal="outlines (IoU > 0.98)")
def _(path: Path, folder: Path) -> None:
    from skimage.draw import polygon2mask

    image = image_of(path)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.stack((400 + 150 * np.cos(angle), 500 + 90 * np.sin(angle)), axis=1)
    far = outline / 4
    file = coco_file(folder, image, [[outline.ravel().tolist(), far.ravel().tolist()]])
    shapes = document_of(file, image).shapes
    assert len(shapes) == 2
    assert len({one.lesion for one in shapes}) == 1
    ours = np.zeros(image.shape[1:], bool)
    for shape, corners in zip(shapes, (outline, far), strict=True):
        places = image.geometry.planes[0]
        index = np.linalg.lstsq(
            np.stack((places.row_step, places.column_step), axis=1),
            (shape.world() - places.origin).T,
            rcond=None,
        )[0].T
        np.testing.assert_allclose(index[:, ::-1] + 0.5, corners, atol=1e-6)
        ours |= polygon2mask(image.shape[1:], index)
    (theirs,) = by_coco(file)
    common, either = (np.count_nonzero(one) for one in (ours & (theirs > 0), ours | (theirs > 0)))
    assert common / either > 0.98


@row("3D Slicer markups", "nrrd_slicer/CTChest4.nrrd", reader="slicerio", equal="places, names")
def _(path: Path, folder: Path) -> None:
    import slicerio

    image = image_of(path)
    places = image.geometry.to_world([(0, 1, 2), (1, 5.25, 7), (1, 9, 3.5)])
    lines = [
        "# Markups fiducial file version = 4.11",
        "# CoordinateSystem = RAS",
        "# columns = id,x,y,z,label",
    ]
    lines += [f"{n},{-x:.6f},{-y:.6f},{z:.6f},p{n}" for n, (x, y, z) in enumerate(places)]
    (folder / "F.fcsv").write_text("\n".join(lines) + "\n")
    made = slicerio.fcsv_to_markups_json(folder / "F.fcsv")
    (shape,) = document_of(Path(made), image).shapes
    assert (shape.kind, shape.names) == ("points", ("p0", "p1", "p2"))
    np.testing.assert_allclose(shape.world(), places, atol=1e-5)


@row("written: DICOM SR", LIVER_CT, reader="dcmtk", equal="places, names")
def _(path: Path, folder: Path) -> None:
    document = outlined(image_of(path))
    write(folder / "out.dcm", document)
    done = subprocess.run(["dsr2xml", folder / "out.dcm"], check=True, capture_output=True, text=True)
    assert not any(line.startswith("E:") for line in done.stderr.splitlines())
    root = ElementTree.fromstring(done.stdout)
    found = [
        np.array([float(number) for point in data.text.split(",") for number in point.split("/")])
        for data in root.iter("data")
        if data.text
    ]
    wanted = [_columns_and_rows(document.images[0], shape) for shape in document.shapes]
    assert len(found) == len(wanted)
    for theirs, ours in zip(found, wanted, strict=True):
        np.testing.assert_allclose(theirs[: ours.size], ours, atol=1e-3)
    meanings = {one.text for one in root.iter("meaning")}
    assert {"lesion", "Length", "millimeter"} <= meanings


def _columns_and_rows(image: Image, shape: Shape) -> NDArray[np.float64]:
    return (image.geometry.to_index(shape.world())[:, [2, 1]] + 0.5).ravel()

"""3D Slicer's markups: read in LPS, RAS, mm and µm; written by the rules of the published schema."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import read, write
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.shapes import Shape

# Axes S-P-L, so that no axis of the grid is one of the world's in the same place.
AFFINE = np.array([(0, 0, 1.5, -30), (0, 2, 0, -40), (3, 0, 0, 10), (0, 0, 0, 1)], dtype=float)


@pytest.fixture
def image() -> Image:
    return Image(np.zeros((20, 40, 50), np.int16), Geometry(AFFINE, (20, 40, 50)))


def file(folder: Path, *markups: dict[str, Any]) -> Path:
    path = folder / "some.mrk.json"
    schema = "https://raw.githubusercontent.com/slicer/slicer/master/markups-schema-v1.0.3.json#"
    path.write_text(json.dumps({"@schema": schema, "markups": markups}))
    return path


def points(*places: tuple[float, float, float]) -> list[dict[str, Any]]:
    return [{"id": str(n), "label": f"P-{n}", "position": place} for n, place in enumerate(places, 1)]


def opened(path: Path, image: Image) -> Document:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        document = read(path, image=image)
    assert isinstance(document, Document)
    return document


def test_types_become_shapes(tmp_path: Path, image: Image) -> None:
    a, b, c = (-20.0, -30.0, 16.0), (0.0, -30.0, 16.0), (0.0, 0.0, 16.0)
    kinds = ["Fiducial", "Line", "Angle", "Curve", "ClosedCurve"]
    places = [(a, b, c), (a, b), (a, b, c), (a, b, c), (a, b, c)]
    made = [
        {"type": kind, "name": f"my {kind}", "controlPoints": points(*place)}
        for kind, place in zip(kinds, places, strict=True)
    ]
    made[1]["measurements"] = [{"name": "length", "value": 20.0, "units": "mm", "enabled": True}]
    document = opened(file(tmp_path, *made), image)
    assert [shape.kind for shape in document.shapes] == [
        "points",
        "ruler",
        "angle",
        "spline",
        "closed-spline",
    ]
    assert [shape.points for shape in document.shapes] == places
    assert [shape.label for shape in document.shapes] == [f"my {kind}" for kind in kinds]
    first, line, *_ = document.shapes
    assert first.names == ("P-1", "P-2", "P-3") and line.attributes == {"length (mm)": 20.0}


@pytest.mark.parametrize(
    ("system", "unit", "factor"),
    [("RAS", "mm", 1), ("LPS", "um", 1e-3), ("RAS", ["um", "UCUM", "micrometer"], 1e-3)],
)
def test_systems_and_units_are_turned(
    tmp_path: Path, image: Image, system: str, unit: Any, factor: float
) -> None:
    signs = np.array((-1, -1, 1) if system == "RAS" else (1, 1, 1)) / factor
    ends = np.array(((-20, -30, 16), (0, -10, 16.0)))
    line = {"type": "Line", "coordinateSystem": system, "coordinateUnits": unit,
            "controlPoints": points(*map(tuple, (ends * signs).tolist()))}  # fmt: skip
    roi = {"type": "ROI", "coordinateSystem": system, "coordinateUnits": unit,
           "center": (np.array((-12, -20, 22)) * signs).tolist(),
           "size": [15 / factor, 20 / factor, 12 / factor]}  # fmt: skip
    plane = {"type": "Plane", "coordinateSystem": system, "coordinateUnits": unit,
             "center": (np.array((-12, -20, 22)) * signs).tolist(), "size": [15 / factor, 20 / factor, 0]}  # fmt: skip
    document = opened(file(tmp_path, line, roi, plane), image)
    ruler, rectangle = document.shapes
    np.testing.assert_allclose(ruler.world(), ends, atol=1e-9)
    (box,) = document.boxes
    np.testing.assert_allclose(box.index, [(2, 5, 7), (6, 15, 17)], atol=1e-9)
    low, high = rectangle.world().min(axis=0), rectangle.world().max(axis=0)
    np.testing.assert_allclose((low, high), [(-19.5, -30, 22), (-4.5, -10, 22)], atol=1e-9)


def test_what_cannot_be_read_is_told(tmp_path: Path, image: Image) -> None:
    half = float(np.sqrt(0.5))
    turned = {"type": "ROI", "center": [-12, -20, 22], "size": [15, 20, 12],
              "orientation": [half, -half, 0, half, half, 0, 0, 0, 1]}  # fmt: skip
    hidden = {"type": "Line", "controlPoints": [*points((-20, -30, 16)), {"positionStatus": "undefined"}]}
    outside = {"type": "Fiducial", "controlPoints": points((500, 500, 500))}
    bent = {
        "type": "ClosedCurve",
        "controlPoints": points((-20, -30, 16), (0, -30, 16), (0, 0, 25), (-20, 0, 16)),
    }
    broken = {"type": "Line", "controlPoints": [{"position": ["a", 1, 2]}]}
    document = opened(file(tmp_path, turned, hidden, outside, bent, broken, {"type": "Sphere"}), image)
    assert [shape.kind for shape in document.shapes] == ["spline"]
    text = "\n".join(document.notes)
    for part in ("turned against the grid", "1 points without a place", "outside its image", "not flat",
                 "markup 5 is not read: it is damaged", "'Sphere' are not known"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"markups": 3}', "{" * 100, '{"markups": [1, null]}'])
def test_bad_files_are_errors(tmp_path: Path, image: Image, text: str) -> None:
    path = tmp_path / "bad.mrk.json"
    path.write_text(text)
    with pytest.raises(FormatError), warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        read(path, image=image)


def document(image: Image) -> Document:
    quad = ((-20.0, -30.0, 16.0), (0.0, -30.0, 16.0), (0.0, 0.0, 16.0), (-20.0, 0.0, 16.0))
    shapes = [Shape(kind, "lesion", quad[:count]) for kind, count in (
        ("points", 3), ("ruler", 2), ("angle", 3), ("rectangle", 4), ("polygon", 4), ("curve", 4), ("arrow", 2),
        ("probe", 1), ("closed-spline", 4),
    )]  # fmt: skip
    boxes = [
        Box("lesion", ((2, 5, 7), (6, 15, 17)), name="mine"),
        Box("lesion", ((4, 5.5, 7), (4, 15, 17.25))),
    ]
    return Document(image, labels=[Label("lesion", "#ff8000")], masks=(), shapes=shapes, boxes=boxes)


def test_written_files_read_back_and_keep_the_rules_of_the_schema(tmp_path: Path, image: Image) -> None:
    made = document(image)
    path = tmp_path / "all.mrk.json"
    with pytest.warns(NbannotWarning, match="split=True"):
        write(path, made)
    back = opened(path, image)
    for shape in made.shapes:
        np.testing.assert_allclose(back.shapes[shape.id].world(), shape.world(), atol=1e-9)
        assert back.shapes[shape.id].kind == shape.kind
    for box in made.boxes:
        np.testing.assert_allclose(back.boxes[box.id].index, box.index, atol=1e-9)
    content = json.loads(path.read_text())
    assert content["@schema"].endswith("markups-schema-v1.0.3.json#")
    lengths = {
        "center": 3,
        "normal": 3,
        "size": 3,
        "orientation": 9,
        "planeBounds": 4,
        "baseToNode": 16,
        "objectToBase": 16,
    }
    for markup in content["markups"]:
        assert markup["type"] in ("Fiducial", "Line", "Angle", "Curve", "ClosedCurve", "Plane", "ROI")
        assert (markup["coordinateSystem"], markup["coordinateUnits"]) == ("LPS", "mm")
        for name, length in lengths.items():
            assert name not in markup or len(markup[name]) == length
        if "orientation" in markup:
            axes = np.array(markup["orientation"]).reshape(3, 3)
            np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(axes) == pytest.approx(1)
        assert all(
            len(one["position"]) == 3 and one["positionStatus"] == "defined"
            for one in markup["controlPoints"]
        )
        assert (
            all(0 <= part <= 1 for part in markup["display"]["color"])
            and len(markup["display"]["color"]) == 3
        )


def test_without_our_record_the_places_are_the_same(tmp_path: Path, image: Image) -> None:
    made = document(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        write(tmp_path / "all.mrk.json", made)
    content = json.loads((tmp_path / "all.mrk.json").read_text())
    for markup in content["markups"]:
        del markup["nbannot"]
    back = opened(file(tmp_path, *content["markups"]), image)
    for shape, found in zip(made.shapes, back.shapes, strict=True):
        np.testing.assert_allclose(found.world(), shape.world(), atol=1e-9)
    for box, same in zip(made.boxes, back.boxes, strict=True):
        np.testing.assert_allclose(same.index, box.index, atol=1e-9)


def test_one_file_for_each(tmp_path: Path, image: Image) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", NbannotWarning)
        write(tmp_path / "all.mrk.json", document(image), split=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 11 and "all_1.mrk.json" in names

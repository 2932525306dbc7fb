"""Tables of shapes, points, boxes, segments and lesions, and changed ones back."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

import nbannot as nb
from nbannot.errors import EditError, LockedError
from nbannot.model.document import Document
from nbannot.model.edits import Batch
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image, Suv
from nbannot.model.labels import Code
from nbannot.model.tables import apply_table, table

AFFINE = [[0, 0, 0.5, 0], [0, 0.5, 0, 0], [3, 0, 0, 0], [0, 0, 0, 1]]
SHAPE = (5, 60, 50)
SQUARE = ((5, 5, 6), (15, 5, 6), (15, 15, 6), (5, 15, 6))


def make() -> Document:
    values = np.arange(np.prod(SHAPE), dtype=np.int32).reshape(SHAPE)
    image = Image(values, Geometry(AFFINE, SHAPE), id="img", unit="HU")
    grade = nb.Attribute("grade", "choice", options=("low", "high"))
    document = Document(image, labels=[nb.Label("lesion", attributes=(grade,)), "organ"], author="reader")
    document.add(
        nb.Shape("rectangle", "lesion", SQUARE, id="r", lesion="L1", attributes={"grade": "low", "n": 2})
    )
    ends = ((5, 5, 6), (15, 15, 6), (8, 12, 6), (12, 8, 6))
    document.add(nb.Shape("bidirectional", "lesion", ends, id="b", lesion="L1"))
    marks = ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    document.add(nb.Shape("points", "organ", marks, id="m", names=("apex", "base"), edges=((0, 1), (1, 2))))
    document.add(nb.Box("organ", ((1, 2, 3), (4, 12, 13)), id="x", lesion="L2"))
    return document


def test_measures_are_columns() -> None:
    document = make()
    shapes = table(document, "shapes")
    row = shapes.loc["r"]
    assert (row["area_mm2"], row["perimeter_mm"], row["width_mm"], row["voxels"]) == (100, 40, 10, 400)
    inside = document.image().array[2, 10:30, 10:30]
    assert (row["mean"], row["sd"], row["median"]) == pytest.approx(
        (inside.mean(), inside.std(), np.median(inside))
    )
    assert (row["min"], row["max"], row["unit"], row["value_unit"]) == (
        inside.min(),
        inside.max(),
        "mm",
        "HU",
    )
    assert shapes.loc["b", "long_axis_mm"] == pytest.approx(np.hypot(10, 10))
    boxes = table(document, "boxes")
    assert boxes.loc["x", "volume_mm3"] == pytest.approx(9 * 5 * 5)
    assert list(boxes.loc["x", ["depth_mm", "height_mm", "width_mm"]]) == [9, 5, 5]
    assert "mean" not in table(document, "shapes", values=False)


def test_an_unread_image_stays_unread() -> None:
    class Never:
        shape, dtype = SHAPE, np.dtype(np.int16)

        def plane(self, k: int, t: int = 0):
            raise AssertionError("read")

        load = plane

    document = Document(Image(Never(), Geometry(AFFINE, SHAPE)), labels=["a"], author="reader")
    document.add(nb.Shape("rectangle", "a", SQUARE))
    document.add(nb.Box("a", ((1, 2, 3), (4, 12, 13))))
    document.masks["a"].array[2, 3, 4] = 1
    for kind in ("shapes", "boxes", "segments"):
        assert len(table(document, kind, values=False)) == 1
    assert table(document, "segments", values=False)["voxels"].tolist() == [1]
    assert len(table(document, "points")) == 4


def test_a_table_of_measures_applied_changes_nothing() -> None:
    document = make()
    before = document.revision
    for kind in ("shapes", "boxes", "tags", "points", "labels", "segments"):
        apply_table(document, kind, table(document, kind))
        again = pd.read_json(_text(table(document, kind)), orient="split") if kind == "points" else None
        if again is not None:
            apply_table(document, kind, again)
    assert document.revision == before


def _text(frame: pd.DataFrame):
    return io.StringIO(frame.reset_index().to_json(orient="split", double_precision=15))


def test_attributes_are_columns_both_ways() -> None:
    document = make()
    shapes = table(document, "shapes")
    assert shapes["attribute:grade"].tolist()[:1] == ["low"] and "attribute:n" in shapes
    shapes.loc["b", "attribute:grade"] = "high"
    shapes.loc["r", "attribute:n"] = np.nan
    apply_table(document, "shapes", shapes)
    assert document.shapes["b"].attributes == {"grade": "high"}
    assert document.shapes["r"].attributes == {"grade": "low"}
    shapes = table(document, "shapes")
    shapes.at["r", "attributes"] = {"grade": "high", "seen": True}
    apply_table(document, "shapes", shapes)
    assert document.shapes["r"].attributes == {"grade": "high", "seen": True}
    new = pd.DataFrame(
        [{"label": "organ", "k0": 1, "j0": 2, "i0": 3, "k1": 1, "j1": 9, "i1": 9, "attribute:side": "left"}]
    )
    apply_table(document, "boxes", pd.concat([table(document, "boxes"), new]))
    assert [box.attributes for box in document.boxes] == [{}, {"side": "left"}]
    document.undo()
    document.undo()
    assert document.shapes["r"].attributes == {"grade": "low"}


def test_moved_points_come_back_as_one_edit() -> None:
    document = make()
    points = table(document, "points")
    assert list(points.loc["m", "name"]) == ["apex", "base", ""]
    assert list(points.loc[("m", 1), ["k", "j", "i"]]) == [2, 10, 8]
    points["x"] += 1
    points.loc[("m", 0), "name"] = "top"
    edit = apply_table(document, "points", points)
    assert isinstance(edit, Batch) and len(edit.edits) == 3
    assert document.shapes["m"].points == ((2, 2, 3), (5, 5, 6), (8, 8, 9))
    assert document.shapes["m"].names == ("top", "base")
    assert document.shapes["r"].points[0] == (6, 5, 6)
    document.undo()
    assert document.shapes["r"].points == SQUARE


def test_points_move_by_index_too_and_come_and_go() -> None:
    document = make()
    points = table(document, "points").loc[["m"]].copy()
    points.loc[("m", 2), "i"] = 20
    apply_table(document, "points", points)
    assert document.shapes["m"].points[2] == (10, 8, 9)
    rows = table(document, "points").reset_index()
    rows = rows[(rows["shape"] == "m") & (rows["n"] != 0)]
    rows = pd.concat([rows, pd.DataFrame([{"shape": "m", "n": 9, "name": "", "x": 1, "y": 1, "z": 3}])])
    apply_table(document, "points", rows)
    shape = document.shapes["m"]
    assert shape.points == ((4, 5, 6), (10, 8, 9), (1, 1, 3))
    assert (shape.names, shape.edges) == (("base",), ((0, 1),))
    assert len(document.shapes) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": "nobody"}, "does not hold"),
        ({"n": 0}, "twice"),
        ({"n": 7, "x": None, "k": None}, "lacks coordinates"),
    ],
)
def test_bad_points_are_refused(change, words) -> None:
    document = make()
    rows = table(document, "points").reset_index().astype({"shape": object})
    for name, value in change.items():
        rows.loc[rows.index[-1], name] = value
    before = document.revision
    with pytest.raises(EditError, match=words):
        apply_table(document, "points", rows)
    assert document.revision == before


def test_outlines_move_as_a_whole_and_stay_flat() -> None:
    document = make()
    points = table(document, "points").loc[["r"]].copy()
    points["z"] += 3
    apply_table(document, "points", points)
    assert document.shapes["r"].points[0] == (5, 5, 9)
    points.loc[("r", 1), "z"] += 1
    with pytest.raises(EditError, match="plane"):
        apply_table(document, "points", points)
    upright = table(document, "points").loc[["r"]].copy()
    upright["z"], upright["y"] = upright["y"] * 0.5, 9.0
    apply_table(document, "points", upright)
    assert abs(document.shapes["r"].normal[1]) == pytest.approx(1)
    shapes = table(document, "shapes")
    shapes["locked"] = True
    apply_table(document, "shapes", shapes)
    with pytest.raises(LockedError):
        apply_table(document, "points", table(document, "points").assign(x=1.0))


def test_points_of_a_stack_stay_on_their_slice() -> None:
    planes = [Plane((0, 0, 0), (0.5, 0, 0), (0, 0.5, 0), (40, 30))] * 3
    document = Document(Image(np.zeros((3, 40, 30), np.uint8), Stack(planes)), labels=["a"], author="reader")
    document.add(nb.Shape("ruler", "a", ((1, 1, 0), (5, 5, 0)), id="s", slice=2))
    points = table(document, "points")
    assert points["k"].tolist() == [2, 2]
    points["i"] += 2
    apply_table(document, "points", points)
    assert document.shapes["s"].points == ((2, 1, 0), (6, 5, 0))
    with pytest.raises(EditError, match="slice"):
        apply_table(document, "points", table(document, "points").assign(k=1.0))


def test_lesions() -> None:
    document = make()
    second = tuple((x, y, 9.0) for x, y, _ in SQUARE)
    document.add(nb.Shape("polygon", "lesion", second, lesion="L1"))
    document.add(nb.Tag("lesion", "target", scope="lesion", lesion="L1"))
    for k in (1, 2):
        document.add(nb.Box("organ", ((k, 2, 3), (k, 12, 13)), lesion="L3"))
    lesions = table(document, "lesions")
    assert list(lesions.index) == ["L2", "L3", "L1"] or set(lesions.index) == {"L1", "L2", "L3"}
    one = lesions.loc["L1"]
    assert (one["shapes"], one["tags"], one["slices"]) == (3, 1, (2, 3))
    assert (one["long_axis_mm"], one["short_axis_mm"]) == pytest.approx((np.hypot(10, 10), np.hypot(4, 4)))
    assert (one["area_mm2"], one["volume_mm3"]) == pytest.approx((200, 600))
    assert (lesions.loc["L3", "area_mm2"], lesions.loc["L3", "volume_mm3"]) == pytest.approx((50, 150))
    assert lesions.loc["L2"].isna()["volume_mm3"] and len(one["items"]) == 4


def test_suv_and_pixels_have_columns_of_their_own() -> None:
    pet = Image(
        np.full(SHAPE, 4000, np.int16), Geometry(AFFINE, SHAPE), id="pet", unit="BQML", suv=Suv({"bw": 0.001})
    )
    ct = Image(np.full(SHAPE, 50, np.int16), Geometry(AFFINE, SHAPE), id="ct", unit="HU")
    photo = Image(np.zeros((1, 60, 50), np.uint8), Stack.picture((60, 50)), id="photo")
    document = Document([pet, ct, photo], labels=["a"], masks=(), author="reader")
    for image in ("pet", "ct"):
        document.add(nb.Shape("rectangle", "a", SQUARE, id=image, image=image))
    document.add(nb.Shape("ruler", "a", ((1, 1, 0), (4, 5, 0)), id="photo", image="photo"))
    shapes = table(document, "shapes", unit="bw")
    assert shapes["mean"].tolist()[:2] == [4.0, 50.0]
    assert shapes["value_unit"].tolist()[:2] == ["SUVbw", "HU"]
    assert shapes.loc["photo", "length_px"] == 5 and np.isnan(shapes.loc["photo", "length_mm"])
    assert table(document, "shapes")["mean"].tolist()[:2] == [4000.0, 50.0]


def test_every_table_is_there_for_an_empty_document() -> None:
    image = Image(np.zeros(SHAPE, np.int16), Geometry(AFFINE, SHAPE))
    document = Document(image, masks=(), author="reader")
    kinds = (
        "boxes",
        "shapes",
        "points",
        "tags",
        "labels",
        "segments",
        "lesions",
        "history",
        "provenance",
        "models",
    )
    for kind in kinds:
        assert len(table(document, kind)) == 0
    for kind in ("boxes", "shapes", "points", "tags", "labels", "segments"):
        apply_table(document, kind, table(document, kind))
    with pytest.raises(EditError, match="no table"):
        table(document, "moods")
    with pytest.raises(EditError, match="cannot be applied"):
        apply_table(document, "history", table(document, "history"))  # type: ignore[arg-type]


def test_labels_come_back_as_one_edit_with_new_names_everywhere() -> None:
    document = make()
    document.add(nb.Label("part", parent="lesion", code=Code("1", "99A", "part")))
    document.add(nb.Tag("organ", scope="case"))
    document.add(nb.Box("lesion", ((1, 2, 3), (1, 9, 9)), id="fixed", locked=True))
    document.masks["organ"].array[1, 2, 3] = 1
    labels = table(document, "labels")
    [lesion, organ, part] = labels.index
    # Two labels exchange their names, and a third changes in all that may change.
    labels.loc[lesion, "name"], labels.loc[organ, "name"] = "organ", "lesion"
    labels.loc[part, ["color", "key", "locked", "meaning"]] = ["#112233", 7, True, "piece"]
    labels.at[part, "scope"] = ["case", "lesion"]
    before = document.revision
    edit = apply_table(document, "labels", labels.iloc[::-1])
    assert isinstance(edit, Batch) and document.revision == before + 1 and edit.name == "table of labels"
    changed = document.labels["part"]
    assert (changed.color, changed.key, changed.locked, changed.parent) == ("#112233", "7", True, "organ")
    assert (changed.scope, changed.code) == (("case", "lesion"), Code("1", "99A", "piece"))
    assert document.labels["organ"].attributes and document.labels["organ"].id == lesion
    assert [box.label for box in document.boxes] == ["lesion", "organ"] and document.boxes["fixed"].locked
    assert [shape.label for shape in document.shapes] == ["organ", "organ", "lesion"]
    assert [tag.label for tag in document.tags] == ["lesion"]
    assert document.masks["lesion"].segments[0].label == "lesion" and document.masks["lesion"].array.any()
    # As a file of a program for tables holds it; rows and columns that are left out stay.
    whole = pd.read_csv(io.StringIO(table(document, "labels").to_csv()))
    apply_table(document, "labels", whole)
    assert document.revision == before + 1
    again = whole[["id", "name", "key"]].iloc[2:].assign(name="piece")
    apply_table(document, "labels", again)
    assert document.labels["piece"].key == "7" and len(document.labels) == 3
    document.undo()
    document.undo()
    assert list(document.labels.keys()) == ["lesion", "organ", "part"]
    assert [box.label for box in document.boxes] == ["organ", "lesion"]
    assert document.masks["organ"].array.any() and document.labels["part"].parent == "lesion"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.assign(name=["lesion", "lesion"]), "Two labels would have the name 'lesion'"),
        (lambda t: t.rename(index={t.index[1]: "other"}), "'other', which is no id of a label"),
        (lambda t: t.set_axis(t["name"]), "'lesion', which is no id of a label"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "an id twice"),
        (lambda t: t.assign(colour="#ffffff"), "no column colour"),
        (lambda t: t.assign(name=["new", ""]), "needs a name"),
        (lambda t: t.assign(name=["new", "organ"], color=["#ffffff", "red"]), "colour 'red'"),
        (lambda t: t.assign(name=["new", "organ"], locked=["maybe", False]), "locked is 'maybe'"),
        (
            lambda t: t.assign(name=["new", "organ"], parent=["", "liver"]),
            "parent 'liver', which is no label",
        ),
        (lambda t: t.assign(name=["new", "organ"], parent=["organ", "lesion"]), "is above itself"),
        (lambda t: t.assign(meaning=["tumour", None]), "is not whole"),
        (lambda t: t.assign(version=[2, 1]), "version of label 'lesion' cannot be changed"),
        (lambda t: t.assign(scope="case"), "scope of label"),
    ],
)
def test_labels_that_cannot_be_are_refused_whole(change, match) -> None:
    document = make()
    before, revision = list(document.labels), document.revision
    with pytest.raises(EditError, match=match):
        apply_table(document, "labels", change(table(document, "labels")))
    assert list(document.labels) == before and document.revision == revision
    assert [box.label for box in document.boxes] == ["organ"]


def test_a_status_of_segments_comes_back_as_one_edit() -> None:
    document = make()
    document.masks["organ"].array[1, 2, 3] = 1
    segments = table(document, "segments")
    segments["status"] = ["done", "flagged"]
    before = document.revision
    apply_table(document, "segments", segments)
    assert document.revision == before + 1
    assert [mask.segments[0].status for mask in document.masks] == ["done", "flagged"]
    apply_table(document, "segments", segments[["mask", "value", "status"]].iloc[1:].assign(status=None))
    assert [mask.segments[0].status for mask in document.masks] == ["done", ""]
    segments = table(document, "segments")
    revision = document.revision
    for changed, match in (
        (segments.assign(status=["todo", "soon"]), "'soon' is not known"),
        (segments.assign(status="todo", label=["lesion", "lesion"]), "label of value 1 of mask 'organ'"),
        (segments.assign(status="todo", value=[1, 2]), "mask 'organ', value 2"),
        (segments.assign(status="todo", mask=["lesion", "x"]), "mask 'x', value 1"),
        (pd.concat([segments, segments]).assign(status="todo"), "twice"),
        (segments.assign(status="todo", reader="ann"), "no column reader"),
        (segments.drop(columns="status"), "lacks the columns status"),
    ):
        with pytest.raises(EditError, match=match):
            apply_table(document, "segments", changed)
    assert document.revision == revision

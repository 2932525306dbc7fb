"""Shapes, attributes and locks: what is accepted, refused, undone and kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbannot.errors import EditError, LockedError, OutsideImageError, UnknownLabelError
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attribute
from nbannot.model.codec import decode_item, encode_item
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Put, Remove
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.shapes import RULES, Shape
from nbannot.model.tables import apply_table, table
from nbannot.session.state import capture, rebuild

SHAPE = (4, 60, 50)
SQUARE = ((10, 10, 3), (20, 10, 3), (20, 20, 3), (10, 20, 3))


def make(**options) -> Document:
    affine = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [3, 0, 0, 0], [0, 0, 0, 1.0]])
    image = Image(np.zeros(SHAPE, np.int16), Geometry(affine, SHAPE), id="img", modality="CT")
    return Document(image, labels=["lesion", "organ"], author="tester", **options)


@pytest.mark.parametrize("kind", RULES)
def test_every_kind_is_added_changed_undone_and_kept(kind) -> None:
    document = make()
    rule = RULES[kind]
    shape = Shape(
        kind, "lesion", SQUARE[: max(rule.least, 1)], text="seen", attributes={"n": 2, "sides": ["l", "r"]}
    )
    document.add(shape)
    kept = document.shapes[shape.id]
    assert kept.image == "img" and kept.attributes == {"n": 2, "sides": ("l", "r")}
    assert decode_item(encode_item(kept)) == kept
    document.undo()
    assert len(document.shapes) == 0
    document.redo()
    assert list(rebuild(capture(document), document.images).shapes) == [kept]


def test_an_outline_has_its_plane() -> None:
    assert np.allclose(np.abs(Shape("polygon", "lesion", SQUARE).normal), (0, 0, 1))
    crossed = (SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3])
    assert np.allclose(np.abs(Shape("polygon", "lesion", crossed).normal), (0, 0, 1))
    with pytest.raises(EditError, match="off their plane"):
        Shape("polygon", "lesion", (*SQUARE[:3], (10, 20, 3.5)), normal=(0, 0, 1))
    with pytest.raises(EditError, match="one line"):
        Shape("freehand", "lesion", ((0, 0, 0), (1, 1, 1), (2, 2, 2)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "blob"}, "no shape"),
        ({"kind": "ruler"}, "has 2 points, got 4"),
        ({"points": ((1, 2), (3, 4), (5, 6))}, "three numbers"),
        ({"points": ((0, 0, float("nan")), *SQUARE)}, "finite"),
        ({"normal": (0, 0, 0)}, "direction"),
        ({"edges": ((0, 9),)}, "joins two"),
        ({"attributes": {"x": {"deep": 1}}}, "cannot have the value"),
        ({"attributes": {"x": float("inf")}}, "cannot have the value"),
        ({"status": "maybe"}, "not known"),
    ],
)
def test_bad_shapes_are_refused(change, words) -> None:
    fields = {"kind": "polygon", "label": "lesion", "points": SQUARE, **change}
    with pytest.raises(EditError, match=words):
        Shape(**fields)


def test_places_outside_the_image_are_refused() -> None:
    document = make()
    with pytest.raises(OutsideImageError, match="outside"):
        document.add(Shape("probe", "lesion", ((500, 0, 0),)))
    with pytest.raises(OutsideImageError, match="frame"):
        document.add(Shape("probe", "lesion", ((5, 5, 3),), frame=2))
    with pytest.raises(UnknownLabelError):
        document.add(Shape("probe", "nobody", ((5, 5, 3),)))
    assert len(document.shapes) == 0 and not document.can_undo


def test_a_stack_wants_the_slice() -> None:
    planes = [Plane((0, 0, 0), (0.5, 0, 0), (0, 0.5, 0), (40, 30))] * 3
    image = Image(np.zeros((3, 40, 30), np.uint8), Stack(planes), id="cine")
    document = Document(image, labels=["lesion"])
    with pytest.raises(OutsideImageError, match="slice="):
        document.add(Shape("probe", "lesion", ((5, 5, 0),)))
    document.add(Shape("probe", "lesion", ((5, 5, 0),), slice=2))
    with pytest.raises(OutsideImageError, match="outside"):
        document.add(Shape("probe", "lesion", ((16, 5, 0),), slice=2))
    assert [one.slice for one in document.shapes] == [2]


@pytest.mark.parametrize("item", [Box("lesion", ((1, 2, 3), (1, 8, 9))), Shape("polygon", "lesion", SQUARE)])
def test_what_is_locked_stays(item) -> None:
    document = make()
    document.add(item)
    document.add(_with(document, item.id, locked=True))
    held = _with(document, item.id)
    with pytest.raises(LockedError):
        document.remove(item.id)
    with pytest.raises(LockedError):
        document.add(_with(document, item.id, name="x"))
    assert _with(document, item.id) == held
    free = _with(document, item.id, locked=False, name="x")
    document.apply(Batch((Put(free), Put(_with(document, item.id, name="y")))))
    assert _with(document, item.id).name == "y"
    while document.can_undo:
        document.undo()
    assert len(document.boxes) + len(document.shapes) == 0


def _with(document: Document, id: str, **change):
    return replace((document.boxes.get(id) or document.shapes[id]), **change)


def test_a_label_takes_its_users_along() -> None:
    document = make(masks=())
    document.add(Label("part", parent="lesion"))
    document.add(Shape("polygon", "lesion", SQUARE, locked=True))
    part = Label("part", id=document.labels["part"].id)
    with pytest.raises(EditError, match="still used by a shape"):
        document.apply(Batch((Put(part), Remove(document.labels["lesion"]))))
    document.rename("lesion", "tumour")
    assert document.labels["part"].parent == "tumour"
    assert [(one.label, one.locked) for one in document.shapes] == [("tumour", True)]
    document.undo()
    assert document.labels["part"].parent == "lesion"


def test_the_hierarchy_is_a_tree() -> None:
    document = make()
    with pytest.raises(EditError, match="no label"):
        document.add(Label("part", parent="nobody"))
    document.add(Label("part", parent="lesion"))
    lesion = document.labels["lesion"]
    with pytest.raises(EditError, match="above itself"):
        document.add(Label("lesion", lesion.color, id=lesion.id, parent="part"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "colour"}, "unknown type"),
        ({"type": "choice"}, "needs options"),
        ({"type": "choice", "options": ("a", "a")}, "twice"),
        ({"type": "number", "range": (3, 1)}, "empty"),
        ({"type": "number", "range": "many"}, "two numbers"),
        ({"default": [1, 2]}, "cannot have"),
    ],
)
def test_bad_attributes_are_refused(fields, words) -> None:
    with pytest.raises(EditError, match=words):
        Attribute("grade", **fields)


def test_a_tag_of_a_lesion_names_it() -> None:
    with pytest.raises(EditError, match="lesion"):
        Tag("lesion", scope="lesion")
    assert Tag("lesion", scope="lesion", lesion="x1").lesion == "x1"


coordinate = st.floats(-1e3, 1e3)
answers = st.dictionaries(
    st.text(max_size=5),
    st.one_of(
        st.booleans(), st.floats(-9, 9), st.text(max_size=4), st.lists(st.text(max_size=3), max_size=3)
    ),
    max_size=3,
)


@given(
    st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=1, max_size=8), answers, st.booleans()
)
def test_the_wire_keeps_everything(points, attributes, locked) -> None:
    shape = Shape("points", "lesion", points, attributes=attributes, locked=locked, names=("a", "b"))
    assert decode_item(encode_item(shape)) == shape


def test_a_changed_table_comes_back_as_one_edit() -> None:
    document = make()
    document.add(Shape("ruler", "lesion", SQUARE[:2], name="first", lesion="x", status="todo"))
    document.add(Box("organ", ((1, 2, 3), (1, 8, 9)), lesion="x", attributes={"n": 1}, status="done"))
    shapes = table(document, "shapes")
    assert list(shapes["name"]) == ["first"] and shapes["points"].iloc[0] == document_points(document)
    shapes["name"] = "second"
    apply_table(document, "shapes", shapes.drop(columns=["lesion"]))
    assert [(one.name, one.lesion, one.status) for one in document.shapes] == [("second", "x", "todo")]
    boxes = table(document, "boxes")
    boxes["j1"] = 20.0
    apply_table(document, "boxes", boxes.drop(columns=["attributes", "status"]))
    assert [(one.index[1][1], one.attributes, one.status) for one in document.boxes] == [
        (20.0, {"n": 1}, "done")
    ]
    apply_table(document, "shapes", shapes.iloc[:0])
    assert len(document.shapes) == 0
    document.undo()
    assert len(document.shapes) == 1


def document_points(document: Document):
    return next(iter(document.shapes)).points

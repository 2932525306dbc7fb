"""What labels ask, what is wrong in a document, and a label deleted with its uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbannot as nb
from nbannot.errors import EditError, LockedError
from nbannot.model.attributes import Attribute, asked, defaults, fault
from nbannot.model.labels import Code
from nbannot.model.schema import check_answers, problems, segment_key
from nbannot.session import Session

TEXTURE = Attribute("texture", "choice", options=("solid", "part-solid"), required=True)
CORE = Attribute("core", "number", range=(0, 50), unit="mm", required=True, when={"texture": ("part-solid",)})
SHARP = Attribute("sharp", "yesno", when={"core": (3, 4)})
SIDES = Attribute("sides", "choices", options=("left", "right"), default=("left",))
NODULE = nb.Label("nodule", scope=("lesion",), attributes=(TEXTURE, CORE, SHARP, SIDES))


def image() -> nb.Image:
    return nb.Image(np.zeros((4, 5, 6), np.int16), nb.Geometry(np.eye(4)[[2, 1, 0, 3]], (4, 5, 6)))


def box(**answers: Any) -> nb.Box:
    return nb.Box("nodule", ((1, 1, 1), (1, 3, 3)), attributes=answers)


def found(document: nb.Document) -> list[tuple[str, str, str, str]]:
    return [(one.type, one.kind, one.label, one.attribute) for one in problems(document)]


def test_conditions_hold_through_chains() -> None:
    def names(**answers: Any) -> list[str]:
        return [one.name for one in asked(NODULE.attributes, answers)]

    assert names() == ["texture", "sides"]
    assert names(texture="part-solid") == ["texture", "core", "sides"]
    assert names(texture="part-solid", core=3.0) == ["texture", "core", "sharp", "sides"]
    # The answer before it is not asked any more: nor is what hangs on it.
    assert names(texture="solid", core=3) == ["texture", "sides"]


@pytest.mark.parametrize(
    "wrong",
    [
        (Attribute("a", when={"b": (True,)}),),
        (Attribute("a", when={"b": (True,)}), Attribute("b", when={"a": (True,)})),
    ],
)
def test_conditions_that_cannot_hold_are_refused(wrong: tuple[Attribute, ...]) -> None:
    with pytest.raises(EditError):
        nb.Label("x", attributes=wrong)


def test_a_default_must_be_an_answer() -> None:
    with pytest.raises(EditError, match="not an option"):
        Attribute("a", "choice", options=("b",), default="c")


@given(st.one_of(st.booleans(), st.floats(allow_nan=False), st.text(), st.lists(st.text()).map(tuple)))
def test_every_answer_fits_one_kind_of_type(value: Any) -> None:
    types = {"number": float | int, "text": str, "yesno": bool, "choices": tuple}
    for kind, python in types.items():
        options = value if kind == "choices" and isinstance(value, tuple) and value else ("x",)
        one = Attribute("a", kind, options=tuple(dict.fromkeys(options)) if kind == "choices" else ())
        good = isinstance(value, python) and not (kind == "number" and isinstance(value, bool))
        assert (fault(one, value) is None) == good or (kind == "choices" and value == ())


CASES = {
    "missing": ({}, [("box", "missing", "nodule", "texture")]),
    "missing where its condition holds": (
        {"texture": "part-solid"},
        [("box", "missing", "nodule", "core")],
    ),
    "type": ({"texture": "part-solid", "core": "3"}, [("box", "type", "nodule", "core")]),
    "range": ({"texture": "part-solid", "core": 51}, [("box", "range", "nodule", "core")]),
    "option": ({"texture": "soft"}, [("box", "option", "nodule", "texture")]),
    "option in a list": ({"texture": "solid", "sides": ["up"]}, [("box", "option", "nodule", "sides")]),
    "unknown": ({"texture": "solid", "size": 3}, [("box", "unknown", "nodule", "size")]),
    "condition": ({"texture": "solid", "core": 3}, [("box", "condition", "nodule", "core")]),
    "good": ({"texture": "part-solid", "core": 3, "sharp": False, "sides": ["left", "right"]}, []),
}


@pytest.mark.parametrize("name", CASES)
def test_problems_of_answers(name: str) -> None:
    answers, expected = CASES[name]
    document = nb.Document(image(), labels=[NODULE], boxes=[box(**answers)])
    assert found(document) == expected
    table = nb.table(document, "problems")
    assert len(table) == len(expected) and (table["item"] == next(iter(document.boxes)).id).all()


def test_problems_of_scope_and_code() -> None:
    quality = nb.Label("quality", scope=("case",), code=Code("1", "SNOMED", "Quality"))
    document = nb.Document(image(), labels=[quality, NODULE])
    assert [mask.name for mask in document.masks] == ["nodule"], "a label of cases has no voxels"
    document.add(nb.Box("quality", ((1, 1, 1), (1, 3, 3))))
    document.add(nb.Tag("quality", scope="series"))
    document.add(nb.Tag("quality"))
    assert found(document) == [
        ("label", "code", "quality", ""),
        ("box", "scope", "quality", ""),
        ("tag", "scope", "quality", ""),
    ]


def test_what_must_be_said_of_case_series_and_segment() -> None:
    must = (Attribute("grade", "choice", options=("1", "2"), required=True),)
    labels = [
        nb.Label("case", scope=("case",), attributes=must),
        nb.Label("series", scope=("series",), attributes=must),
        nb.Label("organ", attributes=must),
    ]
    document = nb.Document(image(), labels=labels)
    assert [one[:2] for one in found(document)] == [("case", "missing"), ("series", "missing")]
    mask = document.masks["organ"]
    mask[1, 2, 2] = 1
    assert found(document)[-1] == ("segment", "missing", "organ", "grade")
    key = segment_key(mask.id, 1)
    answers = {"grade": "1"}
    document.add(nb.Tag("organ", scope="lesion", lesion=key, attributes=answers))
    document.add(nb.Tag("case", attributes=answers))
    document.add(nb.Tag("series", scope="series", image=document.images[0].id, attributes=answers))
    assert found(document) == []


def test_new_items_begin_with_defaults() -> None:
    document = nb.Document(image(), labels=[NODULE])
    document.add(box())
    document.add(box(texture="solid"))
    assert [one.attributes for one in document.boxes] == [{"sides": ("left",)}, {"texture": "solid"}]
    chain = (Attribute("a", "yesno", default=True), Attribute("b", "text", default="x", when={"a": True}))
    assert defaults(chain) == {"a": True, "b": "x"}


def deleted() -> nb.Document:
    labels = [nb.Label("organ"), nb.Label("nodule", parent="organ"), nb.Label("part", parent="nodule")]
    pixels = image()
    array = np.zeros(pixels.shape, np.uint8)
    array[1:3, 1:4, 2:5] = 1
    array[1, 1, 1] = 2
    masks = [nb.Mask("all", pixels, array=array, segments=["nodule", "organ"]), nb.Mask("nodule", pixels)]
    document = nb.Document(pixels, labels=labels, masks=masks, boxes=[box()])
    document.add(nb.Tag("nodule"))
    document.add(nb.Shape("probe", "nodule", ((1, 1, 1),), locked=True))
    return document


def test_a_label_goes_with_its_uses_and_comes_back() -> None:
    document = deleted()
    before, array = Session.of(document), document.masks["all"].array.copy()
    step = before.step
    document.remove("nodule", uses=True)
    assert [label.name for label in document.labels] == ["organ", "part"]
    assert document.labels["part"].parent == "organ"
    assert [mask.name for mask in document.masks] == ["all"]
    assert np.array_equal(document.masks["all"].array, np.where(array == 1, 0, array))
    assert not [*document.boxes, *document.shapes, *document.tags]
    assert before.step == step + 1
    document.undo()
    assert np.array_equal(document.masks["all"].array, array)
    assert [label.name for label in document.labels] == ["organ", "nodule", "part"]
    assert len(document.boxes) == len(document.shapes) == len(document.tags) == 1
    document.redo()
    assert "nodule" not in [label.name for label in document.labels]


def test_a_locked_label_stays() -> None:
    document = nb.Document(image(), labels=[nb.Label("a", locked=True)])
    with pytest.raises(LockedError):
        document.remove(document.labels["a"], uses=True)


SHARED = json.loads((Path(__file__).parents[1] / "fixtures" / "schema.json").read_text())


@pytest.mark.parametrize("case", SHARED["cases"], ids=lambda case: json.dumps(case["answers"]))
def test_the_browser_and_python_say_the_same(case: dict[str, Any]) -> None:
    label = nb.Label("nodule", attributes=tuple(Attribute(**one) for one in SHARED["attributes"]))
    assert [one.name for one in asked(label.attributes, case["answers"])] == case["asked"]
    found = [[kind, name] for kind, name, _ in check_answers(label, case["answers"])]
    assert found == case["problems"]

"""Documents brought to a newer version of their label set."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import nbannot as nb
from nbannot.errors import EditError
from nbannot.session.state import capture, rebuild

GRADE = nb.Attribute("grade", "choice", options=("low", "high"))


def image() -> nb.Image:
    return nb.Image(np.zeros((4, 5, 6), np.int16), nb.Geometry(np.eye(4)[[2, 1, 0, 3]], (4, 5, 6)))


def first() -> nb.LabelSet:
    labels = [
        nb.Label("lung", "#112233"),
        nb.Label("tumour", attributes=(GRADE, nb.Attribute("note"), nb.Attribute("side"))),
        nb.Label("cyst"),
        nb.Label("bulla", locked=True),
        nb.Label("unused"),
    ]
    return nb.LabelSet(labels, name="chest", version=1)


def document() -> nb.Document:
    pixels = image()
    array = np.zeros(pixels.shape, np.uint8)
    array[0], array[1], array[2] = 1, 2, 3
    masks = [
        nb.Mask("all", pixels, array=array, segments=["tumour", "cyst", "bulla"]),
        nb.Mask("unused", pixels),
    ]
    found = nb.Document(pixels, labels=first(), masks=masks)
    corners = ((1, 1, 1), (1, 3, 3))
    answers: dict[str, Any] = {"grade": "high", "note": "x", "side": "left"}
    found.add(nb.Box("tumour", corners, id="b1", attributes=answers, locked=True))
    found.add(nb.Box("tumour", corners, id="b2", attributes={"side": "?"}))
    found.add(nb.Shape("probe", "bulla", ((1, 1, 1),), id="s1", locked=True))
    found.add(nb.Tag("cyst", id="t1"))
    return found


def plain(found: nb.Document) -> Any:
    state = capture(found)
    return state.manifest, dict(state.voxels)


def set_of(version: int, labels: list[nb.Label | str], *steps: nb.Step) -> nb.LabelSet:
    return nb.LabelSet(labels, name="chest", version=version, migrations={version: steps})


def check_undo(found: nb.Document, labels: nb.LabelSet) -> tuple[nb.Step | Any, Any]:
    """Migrate; undo gives all back, redo again, and a replay of the history leads to the same."""
    start, state, revision = plain(found), capture(found), found.revision
    done = labels.migrate(found)
    assert found.revision == revision + 1
    after = plain(found)
    found.undo()
    assert plain(found) == start
    found.redo()
    assert plain(found) == after
    twin = rebuild(state, found.images)
    twin.replay(copy.copy(edit) for edit in found.history[revision:])
    assert plain(twin) == after
    assert labels.migrate(found).edit is None, "a second time nothing is left to do"
    return done, after


def test_rename() -> None:
    found = document()
    id = found.labels["tumour"].id
    new = set_of(2, ["lung", "nodule", "cyst", "bulla"], nb.Step("rename_label", label="tumour", to="nodule"))
    done, _ = check_undo(found, new)
    assert found.labels["nodule"].id == id and found.labels["lung"].color == "#112233"
    assert {(label.schema, label.version) for label in found.labels} == {("chest", 2)}
    assert [box.label for box in found.boxes] == ["nodule", "nodule"] and found.boxes["b1"].locked
    assert [s.label for s in found.masks["all"].segments] == ["nodule", "cyst", "bulla"]
    # It was in no use, and its mask was empty.
    assert "unused" not in found.labels and [mask.name for mask in found.masks] == ["all"]
    assert {one.kind for one in done.left} == {"unknown"}, "nodule has no attributes any more"


def test_merge_joins_voxels_items_and_locked_ones() -> None:
    found = document()
    new = set_of(2, ["lung", "tumour", "cyst"], nb.Step("merge_labels", labels=("cyst", "bulla"), to="cyst"))
    check_undo(found, new)
    mask = found.masks["all"]
    assert [s.label for s in mask.segments] == ["tumour", "cyst"]
    assert [int((mask.array == value).sum()) for value in (0, 1, 2, 3)] == [30, 30, 60, 0]
    assert found.shapes["s1"].label == "cyst" and found.shapes["s1"].locked


def test_merge_into_a_new_label_that_was_locked() -> None:
    found = document()
    steps = nb.Step("merge_labels", labels=("bulla", "cyst", "tumour"), to="finding")
    check_undo(found, set_of(2, ["lung", "finding"], steps))
    assert found.labels["finding"].locked
    assert (found.masks["all"].array[:3] == 3).all()


def test_split_lists_what_it_cannot_tell() -> None:
    found = document()
    step = nb.Step("split_label", label="tumour", attribute="side", values={"left": "tumour left"})
    done, _ = check_undo(found, set_of(2, ["lung", "tumour left", "cyst", "bulla"], step))
    assert found.boxes["b1"].label == "tumour left" and found.boxes["b2"].label == "tumour"
    left = {(one.item, one.kind) for one in done.left}
    assert ("b2", "migration") in left and (f"{found.masks['all'].id}/1", "migration") in left
    assert any("is used, but not in version 2" in one.message for one in done.left)


def test_attributes_are_renamed_mapped_and_dropped() -> None:
    found = document()
    tumour = nb.Label(
        "tumour",
        attributes=(nb.Attribute("level", "choice", options=("1", "2"), required=True), nb.Attribute("side")),
    )
    new = set_of(
        2,
        ["lung", tumour, "cyst", "bulla"],
        nb.Step("rename_attribute", label="tumour", attribute="grade", to="level"),
        nb.Step("map_options", label="tumour", attribute="level", values={"low": "1", "high": "2"}),
        nb.Step("drop_attribute", label="tumour", attribute="note"),
    )
    done, _ = check_undo(found, new)
    assert found.boxes["b1"].attributes == {"level": "2", "side": "left"}
    assert [(one.item, one.attribute) for one in done.left] == [("b1", "note")]
    assert "'x'" in done.left[0].message


def test_several_versions_and_old_documents_without_a_set() -> None:
    found = nb.Document(image(), labels=["a", "mine"])
    found.add(nb.Tag("a"))
    steps = {
        2: [nb.Step("rename_label", label="a", to="b")],
        3: [nb.Step("rename_label", label="b", to="c")],
    }
    check_undo(found, nb.LabelSet(["c"], name="s", version=3, migrations=steps))
    assert [label.name for label in found.labels] == ["c", "mine"]
    assert [label.schema for label in found.labels] == ["s", ""]


def test_a_name_that_is_taken_is_told() -> None:
    found = nb.Document(image(), labels=nb.LabelSet(["a"], name="s"))
    found.add("b")
    step = nb.Step("rename_label", label="a", to="b")
    done = nb.LabelSet(["b"], name="s", version=2, migrations={2: [step]}).migrate(found)
    assert any("keeps its name" in one.message for one in done.left)


def test_a_newer_document_is_refused() -> None:
    found = nb.Document(image(), labels=nb.LabelSet(["a"], name="s", version=3))
    with pytest.raises(EditError, match="newer"):
        nb.LabelSet(["a"], name="s", version=2).migrate(found)
    with pytest.raises(EditError, match="name"):
        nb.LabelSet(["a"], version=2)
    with pytest.raises(EditError, match="version 3"):
        nb.LabelSet(["a"], name="s", version=2, migrations={3: []})


@pytest.mark.parametrize(
    "wrong",
    [
        ("rename_label", {"label": "a"}),
        ("merge_labels", {"label": "a", "labels": ["b"], "to": "c"}),
        ("?", {}),
    ],
)
def test_steps_say_what_they_need(wrong: tuple[Any, dict[str, Any]]) -> None:
    with pytest.raises(EditError):
        nb.Step(wrong[0], **wrong[1])

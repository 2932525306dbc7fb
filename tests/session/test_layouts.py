"""Layouts: every form that is accepted, one tree that comes out, and errors that name the place."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbannot.errors import LayoutError, ViewerError
from nbannot.model.geometry import Stack
from nbannot.model.image import Image
from nbannot.session.layouts import PLANES, PRESETS, pane_ids, read_layout, without

A, C, S, V = ({"plane": name} for name in ("axial", "coronal", "sagittal", "volume"))
GRID = {"column": [{"row": [A, C]}, {"row": [V, S]}]}


def picture(name: str, id: str) -> Image:
    return Image(np.zeros((1, 2, 2), np.uint8), Stack.picture((2, 2)), name=name, id=id)


IMAGES = [picture("ct", "i1"), picture("pet", "i2"), picture("same", "i3"), picture("same", "i4")]


@pytest.mark.parametrize(
    ("given", "tree"),
    [
        ([["axial", "coronal"], ["volume", "sagittal"]], GRID),
        (["axial", "coronal"], {"row": [A, C]}),
        (["axial", ["coronal", "sagittal"]], {"column": [A, {"row": [C, S]}]}),
        ([["axial", ["coronal", "sagittal"]]], {"row": [A, {"column": [C, S]}]}),
        ([["axial"]], A),
        ({"gridSize": [2, 1]}, {"row": [A, A]}),
        ({"gridSize": [1, 2]}, {"column": [A, A]}),
        ({"direction": "row", "items": ["Axial", {"type": "3D", "viewDirection": "Left"}]}, {"row": [A, V]}),
        (
            {"direction": "column", "items": [
                {"type": "2D", "orientation": "Coronal", "name": "C"},
                {"direction": "row", "items": ["axial", {"type": "Oblique"}]},
            ]},
            {"column": [C, {"row": [A, {"plane": "oblique"}]}]},
        ),
        ({"row": ["axial", "3D"], "sizes": [2, 1]}, {"row": [A, V], "sizes": [2.0, 1.0]}),
        ({"plane": "axial", "image": "ct", "id": "now"}, {"plane": "axial", "image": "i1", "id": "now"}),
        ([[("axial", "pet"), ("axial", IMAGES[0])]],
         {"row": [{"plane": "axial", "image": "i2"}, {"plane": "axial", "image": "i1"}]}),
        ([("axial", "coronal")], {"row": [A, C]}),
    ],
)  # fmt: skip
def test_the_forms_become_one_tree(given: Any, tree: Any) -> None:
    assert read_layout(given, images=IMAGES) == tree


def test_names_are_presets_or_those_of_the_configuration() -> None:
    assert [read_layout(name) for name in PRESETS] == list(PRESETS)
    assert read_layout("Four-Up") == "four-up"
    assert read_layout("Tumour board", names=["Tumour board"]) == "Tumour board"
    assert {"compare-1x2", "compare-2x2", "compare-3x3"} <= set(PRESETS)


@pytest.mark.parametrize(
    ("given", "key", "hint"),
    [
        ("mrp", "layout: Unknown layout 'mrp'", "Did you mean 'mpr'?"),
        ([["axial", "axail"]], "layout[0][1]: Unknown plane 'axail'", "Did you mean 'axial'?"),
        ({"row": ["axial", {"plane": "axial", "iamge": "ct"}]}, "layout.row[1].iamge: Unknown key", "'image'"),
        ({"direction": "H", "items": ["axial"]}, "layout.direction: The direction is 'H'", "side by side"),
        ({"direction": "row", "items": []}, "layout.items: [] is no list", "at least one"),
        ({"direction": "row", "items": [{"type": "4D"}]}, "layout.items[0].type: Unknown type '4D'", "2D, 3D, Oblique"),
        ({"gridSize": [0, 2]}, "layout.gridSize: The grid is [0, 2]", "[columns, rows]"),
        ({"gridSize": [9000, 9000]}, "layout.gridSize: The layout has too many panes", "64"),
        ({"gridSize": [True, 2]}, "layout.gridSize", "[columns, rows]"),
        ({"row": ["axial", "coronal"], "sizes": [1]}, "layout.sizes: The sizes are [1]", "2 numbers"),
        ({"row": ["axial", "coronal"], "sizes": [1, float("nan")]}, "layout.sizes", "2 numbers"),
        ({}, "layout: This is no part of a layout", "plane"),
        (3, "layout: 3 is no layout", "rows"),
        (None, "layout: None is no layout", "rows"),
        ([], "layout: [] is no list of panes", "at least one"),
        ([[("axial", "mri")]], "layout[0][0][1]: There is no image 'mri'", "There are: 'ct', 'pet'"),
        ({"plane": "axial", "image": "same"}, "layout.image: 2 images are named 'same'", "id"),
        ({"plane": "axial", "image": 7}, "layout.image: 7 is no image", "name"),
        ({"plane": "axial", "id": ""}, "layout.id: The id is ''", "short"),
        ([[{"plane": "axial", "id": "x"}, {"plane": "axial", "id": "x"}]], "Two panes have the id 'x'", "own"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(given: Any, key: str, hint: str) -> None:
    with pytest.raises(LayoutError) as caught:
        read_layout(given, images=IMAGES)
    assert key in caught.value.message
    assert hint in caught.value.hint
    assert isinstance(caught.value, ViewerError)


def test_deep_nesting_is_refused() -> None:
    deep: Any = "axial"
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(LayoutError, match="nested too deeply"):
        read_layout(deep)


def test_panes_are_numbered_as_the_page_does() -> None:
    tree = read_layout([["axial", "axial", {"plane": "axial", "id": "axial-2"}, "coronal"]])
    assert isinstance(tree, dict)
    assert pane_ids(tree) == ["axial", "axial-2", "axial-2-2", "coronal"]


def test_disabled_types_give_way() -> None:
    assert without(GRID, ["3D"]) == {"column": [{"row": [A, C]}, {"row": [A, S]}]}
    assert without({"row": [A, V]}, ["2D"]) == {"row": [V, V]}
    assert without(GRID, ["2D", "3D", "Oblique"]) == GRID


cells = st.builds(
    lambda plane, image: {"plane": plane, **({"image": image} if image else {})},
    st.sampled_from(PLANES), st.sampled_from(["", "i1", "i2"]),
)  # fmt: skip


def _split(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda side, items, sized: {side: items, **({"sizes": [1.5] * len(items)} if sized else {})},
        st.sampled_from(["row", "column"]), st.lists(parts, min_size=2, max_size=3), st.booleans(),
    )  # fmt: skip


trees = st.recursive(cells, _split, max_leaves=12)


def volview(tree: dict[str, Any]) -> Any:
    """Return a tree in VolView's form."""
    for side in ("row", "column"):
        if side in tree:
            return {**tree, "direction": side, "items": [volview(one) for one in tree[side]], side: None}
    kinds = {"volume": {"type": "3D"}, "oblique": {"type": "Oblique"}}
    kind = kinds.get(tree["plane"], {"type": "2D", "orientation": tree["plane"].capitalize()})
    return {**kind, **({"image": tree["image"]} if "image" in tree else {})}


def drop_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: drop_none(one) for key, one in value.items() if one is not None}
    return [drop_none(one) for one in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(trees)
def test_a_tree_is_its_own_form_and_survives_others(tree: dict[str, Any]) -> None:
    assert read_layout(tree, images=IMAGES) == tree
    assert read_layout(json.loads(json.dumps(tree)), images=IMAGES) == tree
    assert read_layout(drop_none(volview(tree)), images=IMAGES) == tree


@settings(deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(PLANES),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(
        st.sampled_from(["row", "column", "items", "direction", "gridSize", "type", "plane", "sizes", "id"]), part,
        max_size=3,
    ),
    max_leaves=10,
))  # fmt: skip
def test_anything_is_read_or_refused(value: Any) -> None:
    try:
        tree = read_layout(value)
    except LayoutError:
        return
    assert read_layout(tree) == tree

"""Hanging rules: which one matches, and what it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbannot.errors import ConfigError
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Window
from nbannot.session.conditions import orientation, see
from nbannot.session.hanging import BUILT_IN, Rule, hang, read_rules, turn_to
from nbannot.session.reading import WindowPreset

AXIAL = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]])
SHAPE = (2, 3, 3)


def volume(id: str, modality: str, *, affine: Any = AXIAL, frame: str | None = "F", **more: Any) -> Image:
    geometry = Geometry(affine, SHAPE, frame_of_reference=frame)
    known = {key: more.pop(key) for key in ("study_date", "windows") if key in more}
    image = Image(np.zeros(SHAPE, np.int16), geometry, id=id, name=id, modality=modality, **known)
    for key, value in more.items():
        setattr(image, key, value)
    return image


def breast(side: str, view: str, labels: tuple[str, str]) -> Image:
    image = Image(
        np.zeros((1, 4, 3), np.uint16),
        Stack.picture((4, 3)),
        id=f"{side}{view}",
        modality="MG",
        orientation_labels=labels,
    )
    for key, value in {"laterality": side, "view_position": view}.items():
        setattr(image, key, value)
    return image


CT, PT = volume("ct", "CT"), volume("pt", "PT")


def view(images: list[Image], *rules: Any, **more: Any) -> dict[str, Any] | None:
    found = hang(images, read_rules(list(rules)), **more)
    return None if found is None else found.view


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"modality": "CT"}, True), ({"modality": ["MR", "ct"]}, True), ({"modality": "MR"}, False),
        ({"description": "CHEST"}, True), ({"description": "head"}, False), ({"description": "thin*1mm"}, True),
        ({"description": "*chest"}, False), ({"description": "*chest*"}, True),
        ({"description": r"/^thin .* 1 ?mm$/i"}, True), ({"description": r"/^chest/"}, False),
        ({"orientation": "axial"}, True), ({"orientation": ["coronal", "oblique"]}, False),
        ({"time_point": "current"}, True), ({"time_point": "prior"}, False), ({"time_point": [0, -1]}, True),
        ({"count": 1}, True), ({"count": 2}, False), ({"count": [0, 4]}, True), ({"count": [2, None]}, False),
        ({"body_part": "chest"}, True), ({"laterality": "R"}, False), ({"name": "ct"}, True), ({}, True),
        ([{"modality": "CT"}, {"modality": "PT"}], False), ([], False),
    ],
)  # fmt: skip
def test_conditions(when: Any, fits: bool) -> None:
    image = volume("ct", "CT", series_description="Thin CHEST 1mm", body_part="CHEST")
    assert (view([image], {"when": when, "layout": "mpr"}) is not None) is fits


def test_the_first_rule_that_matches_wins_and_others_are_passed_over() -> None:
    rules = [
        {"when": {"modality": "MR"}, "layout": "four-up"},
        {"when": {"modality": "CT"}, "layout": [[{"plane": "axial", "image": {"modality": "MR"}}]]},
        {"when": {"modality": "CT"}, "layout": "axial"},
        {"when": {"modality": "CT"}, "layout": "coronal"},
    ]
    assert view([CT], *rules) == {"image": "ct", "layout": "axial"}
    assert view([PT], *rules) is None


def test_windows_maps_links_and_turns() -> None:
    ct = volume("ct", "CT", windows=[Window(1, 2, "Mine")])
    first = {"when": {}, "window": {"CT": "LUNG", "PT": [5, 10]}, "colormap": {"PT": "hot"}, "links": {"window": True},
             "turns": {"axial": {"quarter": 1}}}  # fmt: skip
    assert view([ct, PT], first) == {
        "image": "ct", "windows": {"ct": [-600, 1500], "pt": [5, 10]}, "colormaps": {"pt": "hot"},
        "links": {"window": True}, "turns": {"axial": {"quarter": 1, "flip": False}},
    }  # fmt: skip
    assert view([ct], {"when": {}, "window": "mine"}) == {"image": "ct", "windows": {"ct": [1, 2]}}
    presets = [WindowPreset("Stroke", 35, 30, "CT"), WindowPreset("Stroke", 1, 1, "MR")]
    assert view([ct], {"when": {}, "window": "stroke"}, presets=presets) == {
        "image": "ct",
        "windows": {"ct": [35, 30]},
    }
    found = hang([ct], read_rules([{"name": "A", "when": {}, "window": "lnug"}]))
    assert found is not None
    assert found.problems[0].text() == "A.window: There is no window 'lnug'. Did you mean 'lung'?"
    assert view([ct, PT], {"when": {}, "image": {"modality": "PT"}, "window": [1, 2]}) == {
        "image": "pt", "windows": {"pt": [1, 2]},
    }  # fmt: skip


def test_pet_lies_over_ct_where_both_share_a_space() -> None:
    found = hang([PT, CT], BUILT_IN)
    assert found is not None
    assert found.view["image"] == "ct"
    assert found.view["layers"] == {
        "ct": [{"image": "pt", "colormap": "hot iron", "opacity": 0.5, "visible": True, "lower": None}]
    }
    assert found.view["layout"]["column"][0]["row"] == [
        {"plane": "axial", "image": "ct"}, {"plane": "axial", "image": "pt"},
    ]  # fmt: skip
    assert hang([CT, volume("pt", "PT", frame="G")], BUILT_IN) is None
    assert hang([CT], BUILT_IN) is None


def test_four_mammograms_hang_with_the_chest_walls_together() -> None:
    images = [
        breast("L", "MLO", ("A", "FR")), breast("R", "CC", ("A", "R")), breast("L", "CC", ("A", "R")),
        breast("R", "MLO", ("P", "FL")),
    ]  # fmt: skip
    found = hang(images, BUILT_IN)
    assert found is not None
    rows = [[cell["image"] for cell in row["row"]] for row in found.view["layout"]["column"]]
    assert rows == [["RCC", "LCC"], ["RMLO", "LMLO"]]
    # Only the right CC picture is stored with its chest wall at the left.
    assert found.view["turns"] == {"acquisition": {"quarter": 0, "flip": True}}
    assert found.view["layout"]["column"][0]["row"][0]["id"] == "acquisition"


@pytest.mark.parametrize("pictured", [("P", "F"), ("A", "F"), ("A", "H"), ("F", "P"), ("H", "A"), ("F", "A")])
@pytest.mark.parametrize("sides", [("P", "F"), ("A", "F"), ("H", "A")])
def test_a_turn_brings_the_sides_where_they_belong(pictured: tuple[str, str], sides: tuple[str, str]) -> None:
    """A picture of letters at its four edges is turned as the page does it."""
    opposite = {"A": "P", "P": "A", "F": "H", "H": "F"}
    picture = np.array(
        [["", opposite[pictured[1]], ""], [opposite[pictured[0]], "", pictured[0]], ["", pictured[1], ""]]
    )
    turn = turn_to(pictured, sides) or {"quarter": 0, "flip": False}
    turned = np.rot90(np.fliplr(picture) if turn["flip"] else picture, -turn["quarter"])
    assert (turned[1, 2], turned[2, 1]) == sides
    assert turn_to(None, sides) is None
    assert turn_to(sides, sides) is None


def test_current_and_prior_stand_side_by_side() -> None:
    images = [
        volume(date, "CT", study_date=date, frame=date) for date in ("20230101", "20250101 1200", "20240101")
    ]
    found = hang(images, BUILT_IN)
    assert found is not None
    assert [cell["image"] for cell in found.view["layout"]["row"]] == ["20250101 1200", "20240101"]
    assert [one.time for one in see(images)] == [0, 2, 1]
    assert hang([volume("a", "CT"), volume("b", "CT")], BUILT_IN) is None


def test_the_orientation_of_the_stored_slices() -> None:
    def turned(degrees: float) -> np.ndarray[Any, Any]:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        around = np.eye(4)
        around[1:3, 1:3] = [[c, -s], [s, c]]
        return around @ AXIAL

    assert [orientation(volume("x", "MR", affine=turned(angle))) for angle in (0, 20, 45, 90, 180)] == [
        "axial", "axial", "oblique", "coronal", "axial",
    ]  # fmt: skip
    assert orientation(breast("R", "CC", ("A", "R"))) == "none"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"when": {"modalty": "CT"}}, "hanging[0].when.modalty: Unknown key 'modalty'. Did you mean 'modality'?"),
        ({"when": {"description": "/(/"}}, "hanging[0].when.description: The regular expression '/(/' is broken"),
        ({"when": [{}, {"orientation": "axail"}]}, "hanging[0].when[1].orientation: Unknown orientation 'axail'"),
        ({"when": {"time_point": "later"}}, "hanging[0].when.time_point: Unknown time point 'later'"),
        ({"when": {"count": "many"}}, "hanging[0].when.count: The count is 'many'"),
        ({"when": {"modality": 3}}, "hanging[0].when.modality: 3 is no text"),
        ({"when": 3}, "hanging[0].when: 3 is no condition"),
        ({"wen": {}}, "hanging[0].wen: Unknown key 'wen'. Did you mean 'when'?"),
        ({"layout": "mpr"}, "hanging[0]: A rule needs when"),
        ("CT", "hanging[0]: 'CT' is no rule"),
        ({"when": {}, "layout": [["axail"]]}, "hanging[0].layout[0][0]: Unknown plane 'axail'"),
        ({"when": {}, "layout": [[{"plane": "axial", "sides": "X"}]]}, "hanging[0].layout.sides: The sides are 'X'"),
        ({"when": {}, "window": [1, 0]}, "hanging[0].window: The window is [1, 0]"),
        ({"when": {}, "layers": [{"colormap": "hot"}]}, "hanging[0].layers[0]: {'colormap': 'hot'} is no layer"),
        ({"when": {}, "layers": [{"image": {}, "opacity": 2}]}, "hanging[0].layers[0].opacity: The opacity is 2"),
        ({"when": {}, "links": {"slices": True}}, "hanging[0].links.slices: Unknown key 'slices'"),
        ({"when": {}, "turns": {"axial": {"quarter": 5}}}, "hanging[0].turns.axial: {'quarter': 5} is no turn"),
    ],
)  # fmt: skip
def test_wrong_rules_are_clear_errors(rule: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_rules([rule])
    assert str(caught.value).startswith(message)


def test_rules_in_python_and_in_a_file(tmp_path: Path) -> None:
    rule = Rule({"modality": "CT"}, layout=[[("axial", CT), ("coronal", "ct")]], name="mine")
    found = hang([CT], [rule])
    assert found is not None
    assert found.rule is rule
    assert found.view["layout"] == {
        "row": [{"plane": "axial", "image": "ct"}, {"plane": "coronal", "image": "ct"}]
    }
    path = tmp_path / "rules.yaml"
    for text in (
        "- when: {modality: CT}\n  layout: mpr\n",
        "hanging:\n- {when: {modality: CT}, layout: mpr}\n",
    ):
        path.write_text(text)
        found = hang([CT], read_rules(path))
        assert found is not None and found.view["layout"] == "mpr"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rules(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="rule"):
        Rule({"modality": "CT", "desciption": "x"})

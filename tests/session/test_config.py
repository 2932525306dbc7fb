"""Configuration files: merging, where values come from, and what is said of wrong ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbannot.errors import ConfigError
from nbannot.model.geometry import Stack
from nbannot.model.image import Image, SliceSource
from nbannot.model.labels import Label
from nbannot.session import config as module
from nbannot.session import yamlfile
from nbannot.session.config import Config, find_config, load_config
from nbannot.session.merge import ALL, Leaf, grow, merge, plain, strip
from nbannot.session.yamlfile import parse_yaml

VOLVIEW = """
disabledViewTypes: []
layouts:
  1 Axial: [[axial]]
  Tumour board: {direction: row, items: [axial, {type: 3D}]}
labels:
  defaultLabels: {lesion: {color: "#f00", strokeWidth: 3}, node: {color: steelblue}}
  rectangleLabels: {lesion: {color: yellow, fillColor: transparent}}
  polygonLabels: null
shortcuts: {polygon: "Ctrl+p", nextSlice: [n, 3], crop: []}
windowing: {level: 40, width: 400}
io: {segmentGroupSaveFormat: seg.nrrd, layerExtension: ""}
processing: {providers: []}
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def image_in(folder: Path) -> Image:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1.dcm").write_bytes(b"")
    source = SliceSource(path=str(folder / "1.dcm"))
    return Image(np.zeros((1, 2, 2), np.uint8), Stack.picture((2, 2)), name="ct", id="i1", sources=[source])


def said(config: Config) -> list[str]:
    return [problem.text() for problem in config.problems]


def test_volviews_keys_are_read(tmp_path: Path) -> None:
    config = load_config(write(tmp_path / ".volview_config.yaml", VOLVIEW))
    assert said(config) == []
    axial = {"plane": "axial"}
    assert config.layouts == {"1 Axial": axial, "Tumour board": {"row": [axial, {"plane": "volume"}]}}
    assert config.layout == "1 Axial"
    assert config.windowing == (40, 400)
    assert [(one.name, one.color, one.stroke_width) for one in config.label_styles["defaultLabels"] or ()] == [
        ("lesion", "#ff0000", 3), ("node", "#4682b4", None),
    ]  # fmt: skip
    assert config.label_styles["polygonLabels"] is None
    assert [(one.name, one.color) for one in config.labels] == [("lesion", "#ffff00"), ("node", "#4682b4")]
    assert all(isinstance(label, Label) for label in config.labels)
    kinds = {
        "rulerLabels": {"axis": "red"},
        "polygonLabels": {"edge": "blue"},
        "defaultLabels": {"lesion": "red"},
    }
    assert [one.name for one in load_config({"labels": kinds}).labels] == ["lesion", "edge", "axis"]
    assert [(one.action, one.keys) for one in config.shortcuts] == [
        ("polygon", ("Ctrl+p",)), ("nextSlice", ("n", "3")), ("crop", ()),
    ]  # fmt: skip
    assert config.io == {"segmentGroupSaveFormat": "seg.nrrd", "layerExtension": ""}
    assert json.loads(json.dumps(config.to_json()))["windowing"] == [40, 400]


def test_json_is_read_too(tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", '{"windowing": {"level": 1, "width": 2}, "layout": "four-up"}')
    config = load_config(path)
    assert (config.windowing, config.layout, config.files) == ((1, 2), "four-up", (path,))


def test_folders_are_searched_upwards_and_merged_where_asked(tmp_path: Path) -> None:
    top = write(tmp_path / "a/.nbannot.yaml", "windowing: {level: 1, width: 2}\nlayout: mpr\n")
    middle = write(tmp_path / "a/b/.volview_config.yaml", "__inherit__: true\nwindowing: {level: 5}\n")
    nearer = write(tmp_path / "a/b/.nbannot.yaml", "layouts: {X: [[axial]]}\nwindowing: {width: 7}\n")
    image = image_in(tmp_path / "a/b/c/d")
    config = find_config([image])
    assert config is not None
    assert (config.windowing, config.layout, list(config.layouts)) == ((5, 7), "mpr", ["X"])
    assert config.files == (nearer, middle, top)
    assert config.origin("windowing.level") == middle
    assert config.origin("windowing.width") == nearer
    assert config.origin("layout") == top
    assert config.origin("layouts.X") == nearer
    assert config.origin("shortcuts.pan") is None
    write(middle, "windowing: {level: 5, width: 6}\n")
    config = find_config([image])
    assert config is not None
    assert (config.windowing, config.layout, config.files) == ((5, 7), "X", (nearer, middle))


def test_a_search_ends_at_home_and_finds_nothing_without_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / ".nbannot.yaml", "layout: mpr\n")
    image = image_in(tmp_path / "home/study")
    assert find_config([image]) is not None
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert find_config([image]) is None
    plainly = Image(np.zeros((1, 2, 2), np.uint8), Stack.picture((2, 2)))
    assert find_config([plainly]) is None


def test_a_file_that_anybody_may_have_left_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "open/.nbannot.yaml", "layout: mpr\n")
    (tmp_path / "open").chmod(0o777)
    image = image_in(tmp_path / "open/study")
    assert find_config([image]) is not None
    monkeypatch.setattr(module.os, "getuid", lambda: -1)
    assert find_config([image]) is None


def test_groups_and_roles() -> None:
    source = {
        "windowing": {"level": 1, "width": 10},
        "groups": {
            "b": {"windowing": {"level": 3}},
            "a": {"windowing": {"level": 2, "width": 20}, "access": {"admin": {"layout": "axial"}}},
        },
        "access": {"user": {"windowing": {"width": 30}}, "admin": {"layout": "mpr"}},
    }
    assert load_config(source).windowing == (1, 30)
    assert load_config(source, role=None).windowing == (1, 10)
    assert load_config(source, groups=["a", "b"], role=None).windowing == (3, 20)
    assert load_config(source, role="admin").layout == "mpr"
    assert load_config(source, groups=["a"], role="admin").layout == "axial"
    with pytest.raises(ConfigError, match="owner"):
        load_config(source, role="owner")  # type: ignore[arg-type]


def test_headers_are_shown_unless_somebody_says_no(tmp_path: Path) -> None:
    assert load_config({}).headers and load_config({"headers": True}).headers
    assert not load_config({"headers": False}).headers
    assert not load_config({"headers": "shown"}).headers
    source = {
        "headers": False,
        "groups": {"staff": {"headers": True}},
        "access": {"admin": {"headers": True}},
    }
    assert [load_config(source).headers, load_config(source, groups=["staff"]).headers] == [False, True]
    assert load_config(source, role="admin").headers
    write(tmp_path / ".nbannot.yaml", "headers: false\n")
    child = write(tmp_path / "x/.nbannot.yaml", "__inherit__: true\nlayout: axial\n")
    assert not load_config(child.parent).headers
    assert load_config(child.parent).origin("headers") == tmp_path / ".nbannot.yaml"


def test_all_replaces(tmp_path: Path) -> None:
    write(tmp_path / ".nbannot.yaml", "layouts: {A: [[axial]], B: [[coronal]]}\n")
    child = "__inherit__: true\nlayouts: {__all__: true, C: [[sagittal]]}\n"
    path = write(tmp_path / "x/.nbannot.yaml", child)
    assert list(load_config(path.parent).layouts) == ["C"]
    write(path, child.replace("__all__: true, ", ""))
    assert list(load_config(path.parent).layouts) == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("text", "said_of_it"),
    [
        ("laouts: {}", "laouts: Unknown key. Did you mean 'layouts'?"),
        ("windowing: 40", "windowing: This is 40. It must be a mapping (key: value)."),
        ("windowing: {level: 40}", "windowing: width is missing. Write level and width."),
        ("windowing: {level: x, width: 1}", "windowing.level: This is no number. Write a number."),
        ("windowing: {level: 0, width: 0}", "windowing.width: This number is too small. Write a number above 0."),
        ("windowing: {level: .inf, width: 1}", "windowing.level: This is no number. Write a number."),
        ("windowing: {level: true, width: 1}", "windowing.level: This is no number. Write a number."),
        ("layouts: [[axial]]", "layouts: This is [['axial']]. It must be a mapping (key: value)."),
        ("layouts: {T: {direction: row, items: [axial, axail]}}",
         "layouts.T.items[1]: Unknown plane 'axail'. Did you mean 'axial'?"),
        ("layout: mrp", "layout: Unknown value 'mrp'. Did you mean 'mpr'?"),
        ("disabledViewTypes: [4D]", "disabledViewTypes[0]: Unknown type '4D'. Choose one of: 2D, 3D, Oblique."),
        ("disabledViewTypes: [[3D]]", "disabledViewTypes[0]: Unknown type ['3D']."),
        ("layouts: {T: {type: []}}", "layouts.T.type: Unknown type []."),
        ("disabledViewTypes: 3D", "disabledViewTypes: This is no list. Write a list, such as [3D, Oblique]."),
        ("disabledViewTypes: [2D, 3D, Oblique]", "disabledViewTypes: This leaves no view. Leave out one of them."),
        ("labels: {defaultLabel: {}}", "labels.defaultLabel: Unknown key. Did you mean 'defaultLabels'?"),
        ("labels: {defaultLabels: {a: {color: blu}}}",
         "labels.defaultLabels.a.color: Unknown colour 'blu'. Write a CSS name, or \"#rrggbb\" in quotes."),
        ("labels: {defaultLabels: {a: {colour: red}}}",
         "labels.defaultLabels.a.colour: Unknown key. Did you mean 'color'?"),
        ("labels: {rulerLabels: {a: {strokeWidth: -1}}}",
         "labels.rulerLabels.a.strokeWidth: This number is too small. Write a number above 0."),
        ("shortcuts: {pan: {a: b}}", "shortcuts.pan: This is a mapping. Write a key or a list of keys."),
        ("shortcuts: {pan: true}", 'shortcuts.pan: This is no key. Put the key in quotes, as in "Ctrl+p".'),
        ("io: {segmentGroupSaveFormat: nifti}",
         "io.segmentGroupSaveFormat: Unknown value 'nifti'. Did you mean 'nii'?"),
        ("headers: maybe", "headers: This is neither true nor false. Write true or false; until then they are hidden."),
        ("links: {slice: maybe}", "links.slice: This is neither true nor false. Write true or false."),
        ("hanging: {when: {}}", "hanging: This is no list of rules. Write one rule for each item."),
        ("hanging: [{when: {modality: CT, description: '/(/'}}]", "hanging[0].when.description: The regular"),
        ("hanging: [{layout: mpr}]", "hanging[0]: A rule needs when. Write when: {modality: CT} or the like."),
        ("windowPresets: {Bone: {level: 1}}", "windowPresets.Bone: width is missing. Write level and width."),
        ("__inherit__: yes please", "__inherit__: This is neither true nor false. Write __inherit__: true."),
        ("- 1\n- 2\n", "The file holds [1, 2]. It must hold a mapping (key: value)."),
        ("a: [", "This is not YAML: "),
        ("a: \x00", "This is not YAML. Check"),
        ("layout: mpr\nlayout: axial\n", "layout: The key is given twice; the later one counts."),
        ("a: &a [*a]", "A part of the file contains itself."),
        ("!!python/object/apply:os.system [ls]", "The file holds"),
    ],
)  # fmt: skip
def test_wrong_values_are_told_and_the_rest_goes_on(tmp_path: Path, text: str, said_of_it: str) -> None:
    path = write(tmp_path / ".nbannot.yaml", text)
    config = load_config(tmp_path)
    assert len(config.problems) == 1, said(config)
    problem = config.problems[0]
    assert problem.text().startswith(said_of_it)
    assert (problem.file, problem.up) == (path, 0)
    assert problem.to_json()["file"] == ".nbannot.yaml"
    assert str(tmp_path) not in json.dumps(problem.to_json())
    whole = write(tmp_path / "b/.nbannot.yaml", "colormaps: {PT: hot}\n" + text)
    if text[0] not in "!-" and not text.startswith("a: "):
        assert load_config(whole.parent).colormaps == {"PT": "hot"}


def test_problems_name_line_and_value(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", "layout: mpr\nlayouts:\n  A: [[axial]]\n  B: [[axail]]\n")
    config = load_config(path)
    problem = config.problems[0]
    assert (problem.line, problem.value, problem.up) == (4, "'axail'", None)
    assert str(problem).startswith(f"{path}, line 4: layouts.B[0][0]: ")
    assert list(config.layouts) == ["A"]


def test_only_what_is_wholly_unusable_raises(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no configuration"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(write(tmp_path / "c.yaml", "a: ["))
    with pytest.raises(ConfigError, match="Did you mean 'layouts'"):
        load_config({"laouts": {}})
    assert load_config({}) == Config()
    assert load_config({"laouts": {}, "layout": "mpr"}).layout == "mpr"
    assert load_config(tmp_path).files == ()


def test_files_that_explode_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]" for n in range(12)]
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(steps)
    assert "too many values" in parse_yaml(bomb).problems[0].message
    merging = [
        f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{','.join(['*' + chr(97 + n)] * 9)}]}}" for n in range(12)
    ]
    assert "too many values" in parse_yaml("a: &a {x: 1}\n" + "\n".join(merging)).problems[0].message
    assert "nested too deeply" in parse_yaml("[" * 9000).problems[0].message
    assert "too many values" in parse_yaml("- 1\n" * (yamlfile.MAX_NODES + 1)).problems[0].message
    monkeypatch.setattr(yamlfile, "MAX_BYTES", 10)
    content = yamlfile.read_yaml(write(tmp_path / "large.yaml", "layout: four-up"))
    assert (content.value, content.problems[0].hint) == (None, "10 MiB at most.")
    assert (
        yamlfile.read_yaml(tmp_path / "none.yaml").problems[0].message.startswith("The file cannot be read")
    )
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe\xfa")
    assert "UTF-8" in yamlfile.read_yaml(tmp_path / "latin.yaml").problems[0].message


def test_anchors_and_merges_within_limits_work() -> None:
    text = "a: &a {level: 1, width: 2}\nwindowing: {<<: *a, width: 5}\n2020-13-45: 2020-13-45\n"
    content = parse_yaml(text)
    assert content.value == {
        "a": {"level": 1, "width": 2},
        "windowing": {"level": 1, "width": 5},
        "2020-13-45": "2020-13-45",
    }
    assert content.problems == ()


def test_layouts_are_bound_to_images() -> None:
    config = load_config(
        {"layouts": {"A": [[{"plane": "axial", "image": "ct"}]], "B": {"plane": "axial", "image": "mr"}}}
    )
    image = Image(np.zeros((1, 2, 2), np.uint8), Stack.picture((2, 2)), name="ct", id="i1")
    bound = config.bound([image])
    assert bound.layouts == {"A": {"plane": "axial", "image": "i1"}}
    assert said(bound) == ["layouts.B.image: There is no image 'mr'. There are: 'ct'."]


def test_names_with_dots_have_an_origin(tmp_path: Path) -> None:
    path = write(
        tmp_path / ".nbannot.yaml", "layouts: {a.b: [[axial]]}\nlabels: {defaultLabels: {x: {color: red}}}\n"
    )
    config = load_config(path)
    assert config.origin("layouts.a.b") == path
    assert config.origin(["layouts", "a.b"]) == path
    assert config.origin("layouts.a.b[0][0]") == path
    assert config.origin("labels") == path
    assert config.data["labels"] == {"defaultLabels": {"x": {"color": "red"}}}


values = st.none() | st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
nodes = st.recursive(
    values, lambda part: st.dictionaries(st.sampled_from(["a", "b", "layouts", ALL]), part | st.just(True), max_size=3),
    max_leaves=8,
)  # fmt: skip
mappings = st.dictionaries(st.sampled_from(["a", "b", ALL]), nodes | st.just(True), max_size=3)


@settings(deadline=None)
@given(mappings, mappings, mappings)
def test_merging_is_associative(one: Any, two: Any, three: Any) -> None:
    a, b, c = grow(one), grow(two), grow(three)
    assert plain(strip(merge(merge(a, b), c))) == plain(strip(merge(a, merge(b, c))))
    assert plain(strip(merge({}, a))) == plain(strip(a)) == plain(strip(merge(a, {})))
    assert plain(strip(merge(a, a))) == plain(strip(a))


@settings(deadline=None)
@given(mappings, mappings)
def test_the_child_wins(one: Any, two: Any) -> None:
    merged = merge(grow(one), grow(two))
    for key, value in grow(two).items():
        if isinstance(value, Leaf):
            assert plain(merged)[key] == value.value
    if two.get(ALL) is not True:
        assert {key for key in merged if key != ALL} == {key for key in {*one, *two} if key != ALL}

"""Label sets in YAML, and labels of a configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbannot as nb
from nbannot.errors import ConfigError, EditError
from nbannot.formats.codes import code_groups
from nbannot.model.codec import decode_item, encode_item
from nbannot.model.labels import Code
from nbannot.session import load_config

CHEST = """
name: chest
version: 2
labels:
  lung: {color: "#56b4e9", key: 1, code: {scheme: SCT, keyword: Lung}}
  nodule:
    parent: lung
    scope: [lesion]
    code: {scheme: RADLEX, value: RID3875, meaning: nodule}
    attributes:
      texture: {type: choice, options: [solid, part-solid], required: true}
      core: {type: number, range: [0, null], unit: mm, when: {texture: part-solid}}
      grade: {type: choice, options: [1, 2], default: 2}
      why: {when: {grade: 1}}
  quality: {scope: [case]}
migrations:
  2:
    - rename_label: {label: tumour, to: nodule}
    - map_options: {label: nodule, attribute: grade, values: {low: 1}}
"""


def unnamed(labels: nb.LabelSet) -> list[Any]:
    return [replace(label, id="") for label in labels.values()]


def test_a_file_says_it_all(tmp_path: Path) -> None:
    file = tmp_path / "chest.yaml"
    file.write_text(CHEST)
    labels = nb.LabelSet.read(file)
    assert (labels.name, labels.version) == ("chest", 2)
    assert labels["lung"].code == Code("39607008", "SCT", "Lung") and labels["lung"].key == "1"
    nodule = labels["nodule"]
    assert (nodule.parent, nodule.scope, nodule.schema, nodule.version) == ("lung", ("lesion",), "chest", 2)
    texture, core, grade, why = nodule.attributes
    assert texture.required and texture.options == ("solid", "part-solid")
    assert (core.range, core.unit, core.when) == ((0.0, None), "mm", {"texture": ("part-solid",)})
    assert (grade.options, grade.default, why.when) == (("1", "2"), "2", {"grade": ("1",)})
    assert labels.migrations[2][1] == nb.Step(
        "map_options", label="nodule", attribute="grade", values={"low": "1"}
    )
    again = tmp_path / "again.yaml"
    labels.write(again)
    read = nb.LabelSet.read(again)
    assert unnamed(read) == unnamed(labels) and read.migrations == labels.migrations


WRONG = {
    "labels:\n  a: {colr: red}": ("line 2", "labels.a.colr", "Did you mean 'color'?"),
    "labels:\n  a: {color: reddish}": ("line 2", "labels.a.color", "Unknown colour"),
    "labels:\n  a:\n    parent: b": ("line 3", "labels.a.parent", "'b'"),
    "labels:\n  a:\n    code: {scheme: SNOMED, value: x, meaning: y}": ("line 3", "a.code", "SCT"),
    "labels:\n  a:\n    code: {scheme: SCT, keyword: Livr}": ("line 3", "a.code", "Liver"),
    "labels:\n  a:\n    attributes:\n      b: {type: chioce}": ("line 4", "b.type", "Did you mean 'choice'?"),
    "labels:\n  a:\n    attributes:\n      b: {type: choice}": ("line 4", "attributes.b", "needs options"),
    "labels:\n  a:\n    attributes:\n      b: {when: {c: 1}}": ("line 4", "a.attributes", "depends on 'c'"),
    "labels:\n  a: {scope: [lesions]}": ("line 2", "a.scope", "Did you mean 'lesion'?"),
    "lables: {}": ("lables", "Did you mean 'labels'?"),
    "name: x\nversion: 2\nlabels: {a: red}\nmigrations:\n  2:\n    - renamelabel: {}": (
        "line 6", "migrations.2[0].renamelabel", "Did you mean 'rename_label'?",
    ),
    "name: x\nversion: 2\nlabels: {a: red}\nmigrations:\n  2:\n    - rename_label: {lable: a}": (
        "lable", "Did you mean 'label'?",
    ),
    "name: x\nversion: 2\nlabels: {a: red}\nmigrations:\n  3: []": ("version 3",),
    "- a": ("mapping",),
    "labels: {a: [}": ("line 1", "not YAML"),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_named_by_its_place(text: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        nb.LabelSet.read(file)
    message = f"{caught.value.message} {caught.value.hint}"
    assert "wrong.yaml" in message
    assert [part for part in WRONG[text] if part not in message] == []


words = st.text(
    st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\x85"), min_size=1, max_size=8
).filter(lambda text: text.strip() and text not in ("__all__", "__inherit__"))


@st.composite
def attributes(draw: st.DrawFn) -> tuple[nb.Attribute, ...]:
    names = draw(st.lists(words, unique=True, max_size=4))
    found: list[nb.Attribute] = []
    for name in names:
        kind = draw(st.sampled_from(["choice", "choices", "number", "text", "yesno"]))
        more: dict[str, Any] = {"required": draw(st.booleans()), "unit": draw(st.sampled_from(["", "mm"]))}
        if kind in ("choice", "choices"):
            more["options"] = tuple(draw(st.lists(words, unique=True, min_size=1, max_size=3)))
            more["default"] = more["options"][0] if kind == "choice" else more["options"]
        if kind == "number":
            more["range"] = draw(st.sampled_from([None, (0, None), (-1.5, 3), (None, 1e9)]))
        if kind == "yesno":
            more["default"] = draw(st.sampled_from([None, True, False]))
        before = [one for one in found if one.options]
        if before and draw(st.booleans()):
            more["when"] = {before[0].name: before[0].options[:1]}
        found.append(nb.Attribute(name, kind, **more))
    return tuple(found)


@st.composite
def label_sets(draw: st.DrawFn) -> nb.LabelSet:
    labels: list[nb.Label] = []
    for name in draw(st.lists(words, unique=True, max_size=5)):
        parent = draw(st.sampled_from(["", *(one.name for one in labels)]))
        scope = draw(st.lists(st.sampled_from(["case", "series", "image", "lesion"]), unique=True))
        code = draw(st.sampled_from([None, Code("1", "99X", "y"), Code("10200004", "SCT", "Liver")]))
        key = draw(st.sampled_from([None, "q", "7"]))
        labels.append(
            nb.Label(
                name, parent=parent, scope=tuple(scope), code=code, key=key, attributes=draw(attributes())
            )
        )
    if draw(st.booleans()):
        return nb.LabelSet(labels)
    step = nb.Step("split_label", label="a", attribute="b", values={"1": "c", "yes": "d"})
    return nb.LabelSet(labels, name=draw(words), version=3, migrations={3: [step]})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(label_sets())
def test_what_is_written_is_read_again(tmp_path: Path, labels: nb.LabelSet) -> None:
    file = tmp_path / "set.yaml"
    labels.write(file)
    read = nb.LabelSet.read(file)
    assert unnamed(read) == unnamed(labels)
    assert (read.name, read.version, read.migrations) == (labels.name, labels.version, labels.migrations)


def test_the_example_of_the_guide_is_a_label_set(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")
    file = tmp_path / "chest.yaml"
    file.write_text(guide.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    labels = nb.LabelSet.read(file)
    assert list(labels) == ["lung", "nodule", "quality"] and len(labels.migrations[2]) == 2


def test_codes_are_found_by_keyword() -> None:
    assert nb.code("SCT", "Liver") == Code("10200004", "SCT", "Liver")
    assert nb.code("99LOCAL", "17", "Thing") == Code("17", "99LOCAL", "Thing")
    with pytest.raises(EditError, match="Livr") as caught:
        nb.code("SCT", "Livr")
    assert "Liver" in caught.value.hint
    with pytest.raises(EditError, match="not known"):
        nb.code("SNOMED", "1", "x")


def test_codes_are_found_by_words_and_in_groups() -> None:
    assert (
        nb.code("SCT", "lymph node") == nb.code("SCT", "LymphNode") == Code("59441001", "SCT", "Lymph Node")
    )
    with pytest.raises(EditError) as caught:
        nb.code("SCT", "kidny")
    assert "Kidney" in caught.value.hint
    liver = Code("10200004", "SCT", "Liver")
    assert nb.code.find("LIV")[0] == nb.code.find("10200004")[0] == liver
    assert [one.meaning for one in nb.code.find("lob lung", limit=1)] == ["Lobe of lung"]
    from pydicom.sr.codedict import codes

    # All of a group, as DICOM lists it, each concept once.
    for cid in (7151, 7154, 4, 6101):
        listed = {(one.value, one.scheme_designator) for one in getattr(codes, f"CID{cid}").concepts.values()}
        found = [(one.value, one.scheme) for one in nb.code.find(cid=cid, limit=5000)]
        assert set(found) == listed
        assert len(found) == len(listed)
    kidneys = nb.code.find("kidney", cid=7154)
    assert [one.meaning for one in kidneys] == ["Kidney"]
    assert {one.scheme for one in nb.code.find("lung", scheme="RADLEX")} <= {"RADLEX"}
    for wrong in (lambda: nb.code.find(cid=1), lambda: nb.code.find(" ")):
        with pytest.raises(EditError):
            wrong()
    assert dict(code_groups())[7154] == "Abdominal segmentation type"
    assert nb.Label("liver", code=nb.code.find("liver", cid=7154)[0]).code == liver


def test_a_configuration_has_the_same_labels() -> None:
    config = load_config(
        {
            "labels": {
                "defaultLabels": {
                    "lung": {"color": "red", "strokeWidth": 2},
                    "nodule": {"parent": "lung", "scope": ["lesion"], "attributes": {"seen": "yesno"}},
                    "wrong": {"parent": "lnug"},
                }
            }
        }
    )
    lung, nodule, wrong = config.labels
    assert (nodule.parent, nodule.scope, nodule.attributes[0].type) == ("lung", ("lesion",), "yesno")
    assert lung.color == "#ff0000" and wrong.parent == ""
    assert [one.key for one in config.problems] == ["labels.defaultLabels.wrong.parent"]


@pytest.mark.parametrize(
    "text", ["SCT:10200004", "SCT 10200004", " sct : 10200004 ", "SCT:10200004 Liver", "SCT 10200004 |Liver|"]
)
def test_a_code_is_written_as_one_text(text: str) -> None:
    meaning = "Liver" if "Liver" in text else "organ"
    label = nb.Label("organ", code=text)  # type: ignore[arg-type]
    assert label.code == Code("10200004", "SCT", meaning)
    assert decode_item(encode_item(label)) == label
    # DICOM's dictionary knows what it means.
    assert nb.code(text) == nb.code("SCT", "10200004") == Code("10200004", "SCT", "Liver")


def test_texts_that_are_no_codes_are_refused() -> None:
    for text in ("10200004", "", "SCT", "SCT:", "liver of somebody", "SNOMED:1"):
        with pytest.raises(EditError):
            nb.Label("liver", code=text)  # type: ignore[arg-type]
    with pytest.raises(EditError, match="is a int") as caught:
        nb.Label("liver", code=10200004)  # type: ignore[arg-type]
    assert "SCT:10200004" in str(caught.value.hint)
    with pytest.raises(EditError, match="no code"):
        nb.code("RADLEX:RID58")
    assert nb.code("RADLEX:RID58 liver") == Code("RID58", "RADLEX", "liver")


def test_files_write_codes_as_one_text(tmp_path: Path) -> None:
    file = tmp_path / "organs.yaml"
    file.write_text("labels: {liver: {code: SCT:10200004}, own: {code: 99LOCAL 17 Thing}}")
    found = nb.LabelSet.read(file)
    assert [label.code for label in found.values()] == [
        Code("10200004", "SCT", "Liver"),
        Code("17", "99LOCAL", "Thing"),
    ]
    file.write_text("labels: {liver: {code: 10200004}}")
    with pytest.raises(ConfigError, match="no scheme"):
        nb.LabelSet.read(file)

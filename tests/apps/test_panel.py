"""The owner's panel: what is clicked becomes YAML, versions and roles; what is wrong stands at its field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import nbannot as nb
from moves import phantom
from nbannot.apps.panel import Panel
from nbannot.store import StoredProject


@pytest.fixture
def project(tmp_path: Path) -> Iterator[StoredProject]:
    with nb.open_project(tmp_path / "study", author="own") as project:
        tumour = phantom(uid="image-2", name="seg")
        tumour.array[...] = (np.indices(tumour.shape).sum(axis=0) % 2).astype(tumour.array.dtype)
        project.add_case("c1", images=[phantom(), tumour], copy=True)
        yield project


def put(panel: Panel, section: str, row: int, **values: object) -> None:
    rows = panel.sections[section].rows
    while len(rows) <= row:
        panel.sections[section].button.click()
    for name, value in values.items():
        rows[row][name].widget.value = value


def test_a_project_is_set_up_by_clicking(project: StoredProject) -> None:
    panel = project.panel()
    assert panel.text == "" and panel.problems() == []
    put(panel, "about", 0, title="Livers", description="Find all of them", thumbnail="c1")
    put(panel, "views", 0, plane="coronal", image="ct")
    put(panel, "views", 1, plane="axial")
    panel.columns.value = 1
    put(panel, "layers", 0, image="seg", over="ct", mask=True, label="lesion")
    put(panel, "labels", 0, name="lesion", color="#ff0000")
    put(panel, "labels", 1, name="quality", scope="case")
    put(
        panel,
        "questions",
        0,
        label="quality",
        name="grade",
        type="choice",
        options="good, bad",
        required=True,
    )
    put(panel, "questions", 1, label="lesion", name="size", type="number", options="0, 50", unit="mm")
    put(panel, "people", 0, person="own", role="owner")
    put(panel, "people", 1, person="ann", cases="c*")
    assert panel.problems() == []
    panel.save_button.click()
    assert panel.said == "Saved: version 1 of the configuration, 2 changes of roles."
    kept = project.configs.history()["text"].iloc[0]
    assert kept == panel.text
    content = yaml.safe_load(kept)
    assert content["about"] == {"title": "Livers", "description": "Find all of them", "thumbnail": "c1"}
    assert content["hanging"][0]["layout"] == [
        [{"plane": "coronal", "image": {"name": "ct"}}],
        [{"plane": "axial"}],
    ]
    assert content["labels"]["defaultLabels"]["lesion"]["attributes"] == {
        "size": {"type": "number", "range": [0, 50], "unit": "mm"}
    }
    assert project.people.table[["person", "role", "cases"]].to_numpy().tolist() == [
        ["ann", "annotator", "c*"], ["own", "owner", "*"],
    ]  # fmt: skip

    # It is what the sessions of the people begin with.
    viewer = project.acting_as("ann").open("c1")
    assert [cell["plane"] for cell in viewer.planes["column"]] == ["coronal", "axial"]
    assert viewer.layers == []
    assert viewer.document.masks["lesion"].array.sum() == 60
    viewer.close()

    # And what the panel shows again.
    again = project.panel()
    assert again.text == kept
    again.save_button.click()
    assert again.said == "Nothing was changed."
    assert len(project.configs.history()) == 1


def test_a_project_at_a_service_is_set_up_by_clicking(project: StoredProject, through: Any) -> None:
    project.people.grant("own", "owner")
    owner = through(project)
    panel = owner.panel()
    put(panel, "about", 0, title="Livers", thumbnail="nowhere")
    put(panel, "views", 0, plane="coronal")
    put(panel, "layers", 0, image="seg", over="ct", mask=True, label="lesion")
    put(panel, "people", 1, person="ann", cases="c*")
    panel.save_button.click()
    assert [one[:3] for one in panel.problems()] == [("about", 0, "thumbnail")]
    put(panel, "about", 0, thumbnail="c1")
    sent: list[bytes] = []
    panel._board.picture = lambda number, png: sent.append(png)  # type: ignore[method-assign]
    panel._board._handle_custom_msg({"type": "thumb"}, [])
    assert sent[0].startswith(b"\x89PNG")
    panel.save_button.click()
    assert panel.said == "Saved: version 1 of the configuration, 1 changes of roles."
    viewer = owner.acting_as("ann").open("c1")
    assert viewer.planes == "coronal" or viewer.planes["plane"] == "coronal"
    assert viewer.document.masks["lesion"].array.sum() == 60
    viewer.close()
    assert owner.panel().text == panel.text
    other = owner.acting_as("ann").panel()
    assert other.save_button.disabled and other.said.startswith("You can look only")


def test_what_the_panel_does_not_know_stays(project: StoredProject) -> None:
    project.configs.set(
        "windowing: {level: 40, width: 400}\n"
        "labels: {defaultLabels: {lung: {key: q, code: {scheme: SCT, keyword: Lung}, attributes: "
        "{texture: {type: choice, options: [solid, other], when: {core: [1]}}, core: {type: number}}}}}\n"
        "hanging: [{when: {modality: MR}, layout: axial}]\n"
    )
    panel = project.panel()
    put(panel, "labels", 0, color="#123456")
    put(panel, "views", 0, plane="sagittal")
    panel.save_button.click()
    content = yaml.safe_load(panel.text)
    assert content["windowing"] == {"level": 40, "width": 400}
    assert [rule["when"] for rule in content["hanging"]] == [{"count": [1, None]}, {"modality": "MR"}]
    lung = content["labels"]["defaultLabels"]["lung"]
    assert lung["key"] == "q" and lung["code"]["keyword"] == "Lung" and lung["color"] == "#123456"
    assert lung["attributes"]["texture"] == {
        "type": "choice",
        "options": ["solid", "other"],
        "when": {"core": [1]},
    }
    assert len(project.configs.history()) == 2


def test_what_is_wrong_stands_at_its_field(project: StoredProject) -> None:
    panel = project.panel()
    put(panel, "labels", 0, name="lesion")
    put(panel, "labels", 1, name="")
    put(panel, "questions", 0, label="liver", name="grade")
    put(panel, "layers", 0, image="")
    assert [one[:3] for one in panel.problems()] == [
        ("layers", 0, "image"), ("labels", 1, "name"), ("questions", 0, "label"),
    ]  # fmt: skip
    panel.save_button.click()
    assert panel.said == "Nothing is saved: 3 to put right."
    assert project.configs.history().empty
    put(panel, "labels", 1, name="lesion")
    assert ("labels", 1, "name", "There are two labels of this name.") in panel.problems()
    put(panel, "labels", 1, name="quality")
    put(panel, "layers", 0, image="PT")
    put(panel, "questions", 0, label="quality", name="size", type="number", options="5, 1")
    (wrong,) = panel.problems()
    assert wrong[:2] == ("questions", 0)
    put(panel, "questions", 0, type="choice", options="")
    (wrong,) = panel.problems()
    assert wrong[:2] == ("questions", 0)
    put(panel, "questions", 0, type="text")
    assert panel.problems() == []
    put(panel, "about", 0, thumbnail="nowhere")
    put(panel, "people", 0, person="ann", role="annotator")
    panel.save_button.click()
    assert [one[:3] for one in panel.problems()] == [("about", 0, "thumbnail"), ("people", 0, "role")]
    assert project.configs.history().empty and project.people.table.empty


def test_roles_are_taken_and_somebody_owns(project: StoredProject) -> None:
    for person, role, cases in (("own", "owner", "*"), ("ann", "reader", "c*"), ("ann", "reader", "d*")):
        project.people.grant(person, role, cases=cases)
    panel = project.panel()
    people = panel.sections["people"]
    people.remove(people.rows[0])
    put(panel, "people", len(people.rows), person="bob", role="owner")
    panel.save_button.click()
    assert panel.said == "Saved: 2 changes of roles."
    rows = project.people.table[["person", "role", "cases"]].to_numpy().tolist()
    assert rows == [["ann", "reader", "d*"], ["bob", "owner", "*"], ["own", "owner", "*"]]
    other = project.acting_as("bob").panel()
    while other.sections["people"].rows:
        other.sections["people"].remove(other.sections["people"].rows[0])
    other.save_button.click()
    assert other.problems() == [("people", 0, "role", "Somebody must own all cases.")]
    assert len(project.people.table) == 3


def test_who_does_not_own_can_only_look(project: StoredProject) -> None:
    project.people.grant("own", "owner")
    project.people.grant("ann", "annotator")
    panel = project.acting_as("ann").panel()
    assert panel.save_button.disabled
    assert panel.said.startswith("You can look only")

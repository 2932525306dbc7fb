"""Cases of a project in a viewer."""

from __future__ import annotations

from pathlib import Path

import nbannot as nb
from moves import phantom


def test_a_case_is_shown_as_the_project_says(tmp_path: Path) -> None:
    with nb.open_project(tmp_path / "study", author="ada") as project:
        project.add_case("c1", images=phantom(), copy=True)
        assert project.open("c1")._config.windowing is None
        project.configs.set("windowing: {level: 40, width: 400}")
        project.configs.set("__inherit__: true\nwindowing: {width: 80}", level="case:c1", role="owner")
        assert project.open("c1")._config.windowing == (40, 80)
        project.people.grant("ada", "owner")
        project.people.grant("bob", "annotator")
        assert project.acting_as("bob").open("c1")._config.windowing == (40, 400)

"""How images are shown goes through a file, a project and back, every part of it; the browser reads the same state."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nbannot as nb
from moves import phantom
from nbannot.viewer import widget

FULL = json.loads((Path(__file__).parents[1] / "fixtures" / "view.json").read_text(encoding="utf-8"))
View = dict[str, Any]


def images() -> list[nb.Image]:
    return [phantom(uid="ct"), phantom(uid="pet", name="pet")]


def through_a_file(place: Path) -> View:
    viewer = nb.Viewer(images(), labels=["liver"])
    viewer.view = FULL
    nb.save(place / "reading.nbs", viewer.session())
    viewer.close()
    again = nb.Viewer(nb.load(place / "reading.nbs", images=images()))
    again.close()
    return dict(again.view)


def through_a_project(place: Path) -> View:
    project = nb.open_project(place / "study", author="ada")
    project.add_case("c1", images=images(), copy=True, labels=["liver"])
    viewer = project.open("c1")
    viewer.view = FULL
    viewer.session().save()
    viewer.close()
    project.close()
    again = nb.open_project(place / "study", author="ada").open("c1")
    again.close()
    return dict(again.view)


def through_a_killed_kernel(place: Path) -> View:
    """Nobody saved: the view of the last edit is there."""
    project = nb.open_project(place / "study", author="ada")
    project.add_case("c1", images=images(), copy=True, labels=["liver"])
    viewer = project.open("c1")
    viewer.view = FULL
    viewer.document.masks["liver"].paint((0, 0, 0))
    shutil.copytree(place / "study", place / "left")
    viewer.close()
    project.close()
    again = nb.open_project(place / "left", author="ada").open("c1")
    again.close()
    return dict(again.view)


ROADS: dict[str, Callable[[Path], View]] = {
    "file": through_a_file,
    "project": through_a_project,
    "killed kernel": through_a_killed_kernel,
}


@pytest.fixture(scope="module", params=ROADS)
def back(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """The full state as it comes back on each road."""
    place = tmp_path_factory.mktemp("road")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("viewer.js", "loader.js", "viewer.css"):
            (place / name).write_text("")
        patch.setattr(widget, "STATIC", place)
        patch.setenv("JUPYTER_RUNTIME_DIR", str(place / "runtime"))
        yield ROADS[request.param](place)


@pytest.mark.parametrize("part", FULL)
def test_a_part_comes_back(back: View, part: str) -> None:
    assert back[part] == FULL[part]


def test_nothing_else_comes_back(back: View) -> None:
    assert set(back) == set(FULL)

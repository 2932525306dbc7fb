from __future__ import annotations

import pytest

from nbannot.errors import ConfigError
from nbannot.session.levels import Level, Origin, checked, places_of, resolve

PROJECT = "windowing: {level: 40, width: 400}\nheaders: true\nlinks: {cursor: true}\n"
FOLDER = "__inherit__: true\nwindowing: {width: 350}\n"
CASE = "__inherit__: true\nwindowing: {level: 60}\n"


def test_places_run_from_the_project_to_the_case() -> None:
    assert places_of("c1", "a/b/") == ("project", "folder:a", "folder:a/b", "case:c1")
    assert places_of("c1") == ("project", "case:c1")


def test_levels_are_merged_key_by_key_with_where_each_value_comes_from() -> None:
    levels = [Level("case:c1", CASE), Level("project", PROJECT), Level("folder:a", FOLDER)]
    found = resolve(levels, places_of("c1", "a"))
    assert found.config.windowing == (60.0, 350.0)
    assert found.config.problems == ()
    assert found.origins["windowing.level"] == Origin("case:c1", "", 2)
    assert found.origins["windowing.width"] == Origin("folder:a", "", 2)
    assert found.origins["headers"] == Origin("project", "", 2)
    assert resolve(levels, places_of("c2", "b")).config.windowing == (40.0, 400.0)


def test_without_inherit_the_innermost_counts_alone() -> None:
    levels = [Level("project", PROJECT), Level("case:c1", "headers: false\n")]
    found = resolve(levels, places_of("c1"))
    assert found.config.headers is False
    assert set(found.origins) == {"headers"}


def test_a_role_has_its_own_over_that_of_all() -> None:
    levels = [Level("project", PROJECT), Level("project", "headers: false\n", role="reader")]
    places = places_of("c1")
    assert resolve(levels, places, role="reader").config.headers is False
    assert resolve(levels, places, role="reader").origins["headers"].role == "reader"
    assert resolve(levels, places, role="reader").config.windowing == (40.0, 400.0)
    assert resolve(levels, places, role="owner").config.headers is True


@pytest.mark.parametrize(("role", "width"), [("reader", 3.0), ("annotator", 2.0), ("owner", 4.0), ("", 1.0)])
def test_access_knows_the_roles_of_a_project(role: str, width: float) -> None:
    text = (
        "windowing: {level: 0, width: 1}\naccess:\n  user: {windowing: {width: 2}}\n"
        "  reader: {windowing: {width: 3}}\n  admin: {windowing: {width: 4}}\n"
    )
    config = resolve([Level("project", text)], places_of("c1"), role=role).config
    assert config.windowing == (0.0, width)


def test_groups_count_within_a_level() -> None:
    text = "headers: true\ngroups: {students: {headers: false}}\n"
    assert resolve([Level("project", text)], places_of("c1"), groups=["students"]).config.headers is False


def test_what_is_wrong_is_left_out_and_told_with_its_place() -> None:
    found = resolve([Level("folder:a", "headers: maybe\n"), Level("project", "[1, 2")], places_of("c", "a"))
    (problem,) = found.config.problems
    assert problem.key == "headers" and str(problem.file) == "folder:a" and problem.line == 1


@pytest.mark.parametrize("text", ["[", "headers: maybe", "nonsense: 1", "just words"])
def test_a_wrong_text_is_refused_when_it_is_set(text: str) -> None:
    with pytest.raises(ConfigError):
        checked(text)
    assert checked(PROJECT).windowing == (40.0, 400.0)

"""Configurations of a project, its folders and its cases: which values count, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from nbannot.errors import ConfigError
from nbannot.session.config import Config, Found, read_files
from nbannot.session.merge import INHERIT, Leaf, Node, grow
from nbannot.session.problems import Problem, shown
from nbannot.session.yamlfile import parse_yaml

PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Level:
    """One configuration of a project.

    Parameters
    ----------
    place
        "project", "folder:<path>" or "case:<name>".
    text
        YAML or JSON.
    role
        The only role it is for; all roles where empty.
    """

    place: str
    text: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: the place of a level, the role it was written for, and the line."""

    place: str
    role: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What applies to a case.

    Parameters
    ----------
    config
        The merged configuration; its problems are what was left out.
    origins
        Where each value comes from, by dotted key ("windowing.level").
    """

    config: Config
    origins: Mapping[str, Origin]


def places_of(case: str, path: str = "") -> tuple[str, ...]:
    """Return the places whose configurations apply to a case, the outermost first.

    Parameters
    ----------
    case
        Name of the case.
    path
        Its folder, relative to what was indexed, with ``/``.
    """
    folder = PurePosixPath(path.strip("/") or ".")
    above = [one for one in (*reversed(folder.parents), folder) if one != PurePosixPath(".")]
    return (PROJECT, *(f"folder:{one.as_posix()}" for one in above), f"case:{case}")


def resolve(
    levels: Iterable[Level], places: Sequence[str], *, groups: Iterable[str] = (), role: str = ""
) -> Resolved:
    """Return what the levels of these places say together.

    The innermost place that has a configuration counts; the next one outwards is merged below it where
    it says ``__inherit__: true``, and so on. At one place what is written for the role is merged over
    what is written for all. Within a text, ``groups`` and ``access`` work as in a file.

    Parameters
    ----------
    levels
        The newest configuration of each place and role; those of other places and roles are left out.
    places
        From `places_of`, the outermost first.
    groups
        Groups of the person.
    role
        Role of the person in the project: "owner" gets ``access.admin``, all get ``access.user`` and
        what ``access`` has under their role.
    """
    by_place: dict[str, list[Level]] = {}
    for level in levels:
        if level.role in ("", role):
            by_place.setdefault(level.place, []).append(level)
    found: list[Found] = []
    marks: dict[Path, tuple[str, str]] = {}
    problems: list[Problem] = []
    for place in reversed(places):
        inherits = False
        # Those for the role come first, as the nearest do.
        for level in sorted(by_place.get(place, ()), key=lambda one: one.role == ""):
            mark = Path(f"{place} ({level.role})" if level.role else place)
            marks[mark] = (place, level.role)
            node, wrong = _node(level.text, mark)
            problems += wrong
            found.append((node, mark, None))
            inherit = node.get(INHERIT)
            inherits = inherits or (isinstance(inherit, Leaf) and inherit.value is True)
        if by_place.get(place) and not inherits:
            break
    config = read_files(found, groups=list(groups), role=role or None, problems=problems)
    origins = {
        key: Origin(*marks[leaf.file], leaf.line)
        for key, leaf in _leaves(config.node, ())
        if leaf.file is not None
    }
    return Resolved(config, origins)


def checked(text: str) -> Config:
    """Return the configuration that a text holds.

    Raises
    ------
    ConfigError
        When any part of it is wrong; the first problem is named, with its line.
    """
    node, problems = _node(text, None)
    config = read_files([(node, None, None)], groups=[], role=None, problems=problems)
    if config.problems:
        first, more = config.problems[0], len(config.problems) - 1
        line = f"Line {first.line}: " if first.line else ""
        key = f"{first.key}: " if first.key else ""
        others = f" There {'is' if more == 1 else 'are'} {more} more." if more else ""
        raise ConfigError(f"{line}{key}{first.message}", hint=f"{first.hint}{others}".strip())
    return config


def _node(text: str, mark: Path | None) -> tuple[Node, list[Problem]]:
    content = parse_yaml(text, mark)
    problems = [replace(one, file=mark) for one in content.problems]
    value = content.value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return {}, problems
    if not isinstance(value, Mapping):
        hint = "It must hold a mapping (key: value)."
        return {}, [*problems, Problem(f"The text holds {shown(value)}", hint, file=mark)]
    return grow(value, mark, content.lines), problems


def _leaves(node: Node, path: tuple[str, ...]) -> Iterator[tuple[str, Leaf]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield ".".join((*path, key)), value

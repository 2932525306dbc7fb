"""Configurations over configurations: who wins, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALL = "__all__"
"""A mapping with this key, true, replaces what it would be merged over."""
INHERIT = "__inherit__"

Node = dict[str, Any]
"""A mapping whose values are nodes or leaves."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value with the file it stands in; lists are values too."""

    value: Any
    file: Path | None = None
    line: int | None = None


def grow(value: Mapping[str, Any], file: Path | None = None, lines: Mapping[str, int] | None = None) -> Node:
    """Return a mapping whose values know their file and line; a layout is one value."""

    def walk(part: Mapping[str, Any], names: tuple[str, ...]) -> Node:
        out: Node = {}
        whole = names[-1:] == ("layouts",) and all(one in ("groups", "access") for one in names[:-1:2])
        for key, one in part.items():
            name = str(key)
            if name == ALL and one is not True:
                continue  # it is exactly true, or nothing
            within = (*names, name)
            line = (lines or {}).get(".".join(within))
            nested = isinstance(one, Mapping) and not whole
            out[name] = walk(one, within) if nested else Leaf(one, file, line)
        return out

    return walk(value, ())


def merge(base: Node, over: Node) -> Node:
    """Return ``base`` with ``over`` on top: mappings key by key, everything else replaced whole.

    Merging is associative: a chain of files gives the same in whatever order it is joined.
    """
    out = {} if replaces(over) else dict(base)
    for key, value in over.items():
        if isinstance(value, dict):
            below = out.get(key)
            if isinstance(below, dict):
                value = merge(below, value)
            elif key in out:
                # It took the place of a plain value, and will take that of what lies below.
                value = {ALL: Leaf(True), **value}
        out[key] = value
    return out


def replaces(node: Node) -> bool:
    """Whether a mapping replaces what it is merged over."""
    mark = node.get(ALL)
    return isinstance(mark, Leaf) and mark.value is True


def chosen(node: Node, *, groups: Sequence[str], role: str | None) -> Node:
    """Return a file's own values with those for the groups (by name) and the role on top."""
    out = {key: value for key, value in node.items() if key != "groups"}
    for name in sorted(groups):
        part = _part(node, "groups", name)
        out = out if part is None else merge(out, part)
    access = out
    out = {key: value for key, value in out.items() if key != "access"}
    for name in ("user", "admin")[: {None: 0, "user": 1, "admin": 2}[role]]:
        part = _part(access, "access", name)
        out = out if part is None else merge(out, part)
    return out


def strip(node: Node) -> Node:
    """Return a node without the marks of merging."""
    return {
        key: strip(value) if isinstance(value, dict) else value
        for key, value in node.items()
        if key not in (ALL, INHERIT)
    }


def plain(node: Node | Leaf) -> Any:
    """Return the values alone."""
    if isinstance(node, Leaf):
        return node.value
    return {key: plain(value) for key, value in node.items()}


def find(node: Node, path: Iterable[str]) -> Node | Leaf | None:
    """Return what stands at a path, or None."""
    at: Node | Leaf | None = node
    for key in path:
        if not isinstance(at, dict):
            return at  # within a list or a value
        at = at.get(key)
    return at


def first_leaf(node: Node | Leaf | None) -> Leaf | None:
    """Return a leaf of a node, the last that was merged in where there are several."""
    if not isinstance(node, dict):
        return node
    found = [first_leaf(one) for one in node.values()]
    known = [leaf for leaf in found if leaf is not None]
    return known[-1] if known else None


def _part(node: Node, key: str, name: str) -> Node | None:
    whole = node.get(key)
    part = whole.get(name) if isinstance(whole, dict) else None
    return part if isinstance(part, dict) else None

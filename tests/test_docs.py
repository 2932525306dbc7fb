"""The reference names everything that is public, with the signatures it has."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nbannot
from nbannot import errors
from nbannot.store import StoredProject

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
STORE = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")

# The parts of a mask that the document and the viewer use, and what ipywidgets calls.
INTERNAL = {
    "Mask": {
        "from_info", "unknown_values", "check_values", "recorded", "changed_slices", "pending", "forget",
        "absorb", "revert", "write", "describe", "fingerprint",
    },
    "NbannotError": {"payload"},
    "Viewer": {"open"},
}  # fmt: skip


def signature(function: Callable[..., Any], *, bound: bool = False) -> str:
    """Return the parameters as the reference writes them: names and defaults."""
    shown, starred = [], False
    for parameter in list(inspect.signature(function).parameters.values())[int(bound) :]:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        shown.append(stars + parameter.name + re.sub(r"=<factory>", "=…", default))
    return f"({', '.join(shown)})"


def members(cls: type) -> Iterator[str]:
    inherited = (one for one in reversed(cls.__mro__) if one.__module__.startswith("nbannot."))
    for name, value in {name: value for one in inherited for name, value in vars(one).items()}.items():
        if name.startswith("_") or name in INTERNAL.get(cls.__name__, ()):
            continue
        if isinstance(value, property):
            yield name
        elif isinstance(value, classmethod):
            yield name + signature(getattr(cls, name))
        elif inspect.isfunction(value):
            yield name + signature(value, bound=True)


@pytest.mark.parametrize("name", nbannot.__all__)
def test_the_reference_has_the_signature(name: str) -> None:
    thing = getattr(nbannot, name)
    if inspect.ismodule(thing):
        assert f"`nb.{name}`" in REFERENCE
        return
    assert f"`nb.{name}{signature(thing)}`" in REFERENCE
    if inspect.isclass(thing):
        assert [one for one in members(thing) if f".{one}`" not in REFERENCE] == []


def test_the_reference_names_nothing_else() -> None:
    named = set(re.findall(r"`nb\.(\w+)", REFERENCE))
    assert named == set(nbannot.__all__)


@pytest.mark.parametrize("name", nbannot.ops.__all__)
def test_the_operations_are_described_with_their_signatures(name: str) -> None:
    thing = getattr(nbannot.ops, name)
    shown = signature(thing) if inspect.isfunction(thing) else ""
    assert f"`nb.ops.{name}{shown}`" in OPERATIONS


def test_the_reference_has_the_tree_of_errors() -> None:
    tree = {
        name
        for name, one in vars(errors).items()
        if inspect.isclass(one) and one.__module__ == errors.__name__
    }
    assert {name for name in tree if name not in REFERENCE} == set()


def test_the_project_is_described_with_its_signatures() -> None:
    assert [one for one in members(StoredProject) if f"`{one}`" not in STORE] == []


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name
)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []

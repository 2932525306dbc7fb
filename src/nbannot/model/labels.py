"""Labels: what an annotation says."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from nbannot.errors import EditError, UnknownLabelError
from nbannot.model.attributes import Attribute

# Colours that stay apart on grey images, also for most colour-blind readers (Okabe–Ito first).
PALETTE = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2", "#7fc97f",
    "#beaed4", "#fdc086", "#ff6b6b", "#4ecdc4", "#c7f464", "#a78bfa", "#f472b6", "#38bdf8",
)  # fmt: skip

LabelScope = Literal["case", "series", "image", "lesion"]

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def new_id() -> str:
    """Return a new random id."""
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: value, scheme (e.g. "SCT") and meaning (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Label:
    """A class of things to annotate.

    Parameters
    ----------
    name
        Unique within a document.
    color
        "#rrggbb"; empty takes the next colour of the palette when it is added.
    key
        Keyboard key that chooses it.
    code
        Coded meaning.
    locked
        Tools and explicit edits leave voxels of a locked label alone.
    parent
        Name of the label above it in the hierarchy; empty for none.
    scope
        What it may be said of: "case", "series", "image", "lesion"; empty for all.
    attributes
        What is asked about each thing it marks.

    Raises
    ------
    EditError
        When the name is empty, the colour is not "#rrggbb", a scope is unknown, or two attributes have
        one name.
    """

    name: str
    color: str = ""
    id: str = field(default_factory=new_id, kw_only=True)
    key: str | None = field(default=None, kw_only=True)
    code: Code | None = field(default=None, kw_only=True)
    locked: bool = field(default=False, kw_only=True)
    parent: str = field(default="", kw_only=True)
    scope: tuple[LabelScope, ...] = field(default=(), kw_only=True)
    attributes: tuple[Attribute, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", tuple(self.scope))
        object.__setattr__(self, "attributes", tuple(self.attributes))
        if not self.name or not self.name.strip():
            raise EditError("A label needs a name")
        if self.color and not _COLOR.fullmatch(self.color):
            raise EditError(
                f"The colour {self.color!r} of label {self.name!r} is not understood",
                hint='Write it as "#rrggbb", e.g. "#e69f00".',
            )
        for scope in self.scope:
            if scope not in get_args(LabelScope):
                raise EditError(
                    f"The label {self.name!r} has an unknown scope {scope!r}",
                    hint=f"Known: {', '.join(get_args(LabelScope))}.",
                )
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) != len(names):
            raise EditError(f"The label {self.name!r} has an attribute twice")


def next_color(used: Iterable[str]) -> str:
    """Return the first colour of the palette that is not used, or start over."""
    taken = list(used)
    return next((c for c in PALETTE if c not in taken), PALETTE[len(taken) % len(PALETTE)])


class LabelSet(Mapping[str, Label]):
    """Labels by name, in order, each with a colour.

    Parameters
    ----------
    labels
        Labels or their names.

    Raises
    ------
    EditError
        When a name occurs twice.
    """

    def __init__(self, labels: Iterable[Label | str] = ()) -> None:
        self._labels: dict[str, Label] = {}
        for entry in labels:
            label = Label(entry) if isinstance(entry, str) else entry
            if label.name in self._labels:
                raise EditError(f"The label {label.name!r} is given twice", hint="Rename one.")
            if not label.color:
                used = (other.color for other in self._labels.values())
                label = replace(label, color=next_color(used))
            self._labels[label.name] = label

    def __getitem__(self, name: str) -> Label:
        try:
            return self._labels[name]
        except KeyError:
            known = ", ".join(self._labels) or "none"
            raise UnknownLabelError(f"There is no label {name!r}", hint=f"There are: {known}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __repr__(self) -> str:
        return f"LabelSet({', '.join(self._labels)})"

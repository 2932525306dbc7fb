"""Labels: what an annotation says."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from nbannot.errors import EditError, UnknownLabelError
from nbannot.model.attributes import Attribute, check_conditions
from nbannot.model.steps import Step

# Colours that stay apart on grey images, also for most colour-blind readers (Okabe–Ito first).
PALETTE = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2", "#7fc97f",
    "#beaed4", "#fdc086", "#ff6b6b", "#4ecdc4", "#c7f464", "#a78bfa", "#f472b6", "#38bdf8",
)  # fmt: skip

LabelScope = Literal["case", "series", "image", "lesion"]

SCHEMES = (
    "SCT", "RADLEX", "FMA", "DCM", "SRT", "UCUM", "LN", "NCIt", "UMLS", "MDC", "MSH", "NEU", "IBSI", "RXNORM",
    "I10", "UBERON",
)  # fmt: skip
"""Coding schemes by their designator in DICOM (PS3.16 8); private ones begin with 99."""

_CODE = re.compile(r"(\w+)(?:\s*:\s*|\s+)([^\s|]+)(?:[\s|]+(.*?)[\s|]*)?")
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


def check_scheme(scheme: str) -> None:
    """Refuse a designator that is neither in DICOM's list nor a private one.

    Raises
    ------
    EditError
        When it is neither.
    """
    if scheme not in SCHEMES and not (scheme.startswith("99") and len(scheme) <= 16):
        raise EditError(
            f"The coding scheme {scheme!r} is not known",
            hint=f"Known: {', '.join(SCHEMES)}, and private ones that begin with 99.",
        )


def read_code(text: str) -> Code:
    """Return the code of a text such as "SCT:10200004", "SCT 10200004" or "SCT 10200004 Liver".

    Without words the meaning is empty.

    Raises
    ------
    EditError
        When it is no such text, or the scheme is unknown.
    """
    found = _CODE.fullmatch(text.strip())
    if found is None:
        raise EditError(
            f"The code {text!r} has no scheme, or no value",
            hint='Write scheme and value: "SCT:10200004". nb.code.find("liver") finds codes by words.',
        )
    scheme, value, meaning = found.groups(default="")
    scheme = next((known for known in SCHEMES if known.lower() == scheme.lower()), scheme)
    check_scheme(scheme)
    return Code(value, scheme, meaning)


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
        Coded meaning: a `Code`, or a text such as "SCT:10200004" or "SCT 10200004 Liver", whose meaning is
        the label's name where it has no words.
    locked
        Tools and explicit edits leave voxels of a locked label alone.
    parent
        Name of the label above it in the hierarchy; empty for none.
    scope
        What it may be said of: "case", "series", "image", "lesion"; empty for all.
    attributes
        What is asked about each thing it marks.
    schema
        Name of the label set it belongs to; empty for none.
    version
        Version of that label set.

    Raises
    ------
    EditError
        When the name is empty, the colour is not "#rrggbb", the code is not understood, a scope is
        unknown, two attributes have one name, or a condition names no attribute of the label.
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
    schema: str = field(default="", kw_only=True)
    version: int = field(default=1, kw_only=True)

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
        given: Any = self.code
        if isinstance(given, str):
            code = read_code(given)
            object.__setattr__(self, "code", replace(code, meaning=code.meaning or self.name))
        elif given is not None and not isinstance(given, Code):
            raise EditError(
                f"The code of label {self.name!r} is a {type(given).__name__}",
                hint='Write "SCT:10200004", or nb.code("SCT", "10200004", "Liver").',
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
        check_conditions(self.name, self.attributes)

    def allows(self, scope: LabelScope) -> bool:
        """Whether it may be said of a case, series, image or lesion."""
        return not self.scope or scope in self.scope


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
    name
        Name of the set; its labels carry it, and the version, into documents.
    version
        Version of the set, 1 or more.
    migrations
        Steps by version: those of 3 turn a document of version 2 into one of version 3.

    Raises
    ------
    EditError
        When a name occurs twice, a parent is no label of the set, a version comes without a name, or
        steps belong to no version.
    """

    def __init__(
        self,
        labels: Iterable[Label | str] = (),
        *,
        name: str = "",
        version: int = 1,
        migrations: Mapping[int, Iterable[Step]] | None = None,
    ) -> None:
        self.name, self.version = name, version
        self.migrations = {to: tuple(steps) for to, steps in sorted((migrations or {}).items())}
        self._check_version()
        self._labels: dict[str, Label] = {}
        given = [Label(entry) if isinstance(entry, str) else entry for entry in labels]
        chosen = [label.color for label in given]
        for label in given:
            if label.name in self._labels:
                raise EditError(f"The label {label.name!r} is given twice", hint="Rename one.")
            if not label.color:
                used = [other.color for other in self._labels.values()]
                label = replace(label, color=next_color([*used, *chosen]))
            if name:
                label = replace(label, schema=name, version=version)
            self._labels[label.name] = label
        for label in self._labels.values():
            if label.parent and label.parent not in self._labels:
                raise EditError(
                    f"The label {label.name!r} has the parent {label.parent!r}, which is no label",
                    hint=f"There are: {', '.join(self._labels)}.",
                )

    def _check_version(self) -> None:
        if self.version < 1 or int(self.version) != self.version:
            raise EditError(f"The version of a label set is 1, 2, …, got {self.version!r}")
        if not self.name and (self.version > 1 or self.migrations):
            raise EditError("A label set with versions needs a name", hint="Give name=.")
        for to in self.migrations:
            if not 2 <= to <= self.version:
                raise EditError(
                    f"There are steps to version {to}, but the label set is of version {self.version}",
                    hint="Steps are given by the version they lead to.",
                )

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
        named = f"{self.name} {self.version}: " if self.name else ""
        return f"LabelSet({named}{', '.join(self._labels)})"

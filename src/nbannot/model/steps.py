"""Steps of a migration: how what was said with one version of a label set is said with the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from nbannot.errors import EditError

Do = Literal[
    "rename_label", "merge_labels", "split_label", "rename_attribute", "map_options", "drop_attribute"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One step from a version of a label set to the next.

    Parameters
    ----------
    do
        "rename_label" (``label``, ``to``), "merge_labels" (``labels`` into ``to``), "split_label"
        (``label`` by the values of ``attribute``: ``values`` gives the label for each),
        "rename_attribute" (``label``, ``attribute``, ``to``), "map_options" (``label``,
        ``attribute``, ``values``: the new option for each old one) or "drop_attribute" (``label``,
        ``attribute``).
    label, labels, attribute, to, values
        As the step needs them.

    Raises
    ------
    EditError
        When the step is unknown, or something that it needs is missing.
    """

    do: Do
    label: str = field(default="", kw_only=True)
    labels: tuple[str, ...] = field(default=(), kw_only=True)
    attribute: str = field(default="", kw_only=True)
    to: str = field(default="", kw_only=True)
    values: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        if self.do not in get_args(Do):
            raise EditError(f"Unknown step {self.do!r}", hint=f"Known: {', '.join(get_args(Do))}.")
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "values", dict(self.values))
        missing = [name for name in NEEDS[self.do] if not getattr(self, name)]
        if missing:
            raise EditError(f"The step {self.do} needs {' and '.join(missing)}")
        spare = [name for name in FIELDS if name not in NEEDS[self.do] and getattr(self, name)]
        if spare:
            raise EditError(f"The step {self.do} takes no {' and '.join(spare)}")

    def sources(self) -> tuple[str, ...]:
        """Return the names of labels that it begins with."""
        return self.labels or (self.label,)


FIELDS = ("label", "labels", "attribute", "to", "values")
NEEDS: dict[str, tuple[str, ...]] = {
    "rename_label": ("label", "to"),
    "merge_labels": ("labels", "to"),
    "split_label": ("label", "attribute", "values"),
    "rename_attribute": ("label", "attribute", "to"),
    "map_options": ("label", "attribute", "values"),
    "drop_attribute": ("label", "attribute"),
}
"""What each step needs."""

"""What an index found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(slots=True)
class Indexed:
    """What `project.index` found.

    Parameters
    ----------
    looked_at, read, unchanged
        Files: all, those whose headers were read, those that are as they were.
    moved, gone
        Files that were found again elsewhere, and those that are not there any more.
    left_out
        Images that no rule gave a case.
    cases
        Names of the cases that are new.
    changed
        Names of the cases whose images changed.
    notes
        What an owner should look at.
    bad
        Columns: uri, reason. Files that cannot be used.
    """

    looked_at: int = 0
    read: int = 0
    unchanged: int = 0
    moved: int = 0
    gone: int = 0
    left_out: int = 0
    cases: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bad: pd.DataFrame = field(default=None, repr=False)  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = [
            f"{self.looked_at:,} files", f"{self.read:,} read", f"{self.unchanged:,} unchanged",
            f"{len(self.cases):,} new cases", f"{len(self.changed):,} changed cases",
        ]  # fmt: skip
        more = {"moved": self.moved, "gone": self.gone, "without a case": self.left_out, "bad": len(self.bad)}
        parts += [f"{count:,} {name}" for name, count in more.items() if count]
        return f"Indexed({', '.join(parts)})"

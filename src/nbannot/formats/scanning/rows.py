"""The rows of a scan: headers of one series are added up, and let go."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from nbannot.formats.dicom.groups import form_of
from nbannot.formats.scanning.heads import Head
from nbannot.formats.scanning.places import Pile, verdict_of

COLUMNS = (
    "patient", "study", "study_date", "series", "number", "description", "modality", "kind", "format",
    "files", "slices", "frames", "rows", "columns", "spacing", "geometry", "missing", "syntax", "readable",
    "size", "problems", "path",
)  # fmt: skip
_SHOWN = 3


@dataclass(slots=True)
class Series:
    """What the files of one series, or one file of another format, add up to."""

    head: Head
    path: str
    files: int = 0
    size: int = 0
    piles: dict[Hashable, list[Pile]] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    copies: int = 0
    seen: set[int] = field(default_factory=set)
    syntaxes: set[str] = field(default_factory=set)
    readable: bool = True

    def add(self, head: Head, path: str, size: int) -> None:
        """Count one more file."""
        self.files += 1
        self.size += size
        self.path = path if self.files == 1 else _common(self.path, path)
        if head.syntax:
            self.syntaxes.add(head.syntax)
        problem = head.problem or head.unreadable
        if problem:
            self.readable = self.readable and not head.unreadable
            self.counts[problem] = self.counts.get(problem, 0) + 1
            named = self.problems.setdefault(problem, [])
            if len(named) < _SHOWN:
                named.append(PurePath(path).name)
        if head.instance:
            mark = hash(head.instance)
            if mark in self.seen:
                self.copies += 1
                return
            self.seen.add(mark)
        if not head.problem:
            for frame in head.frames:
                piles = self.piles.setdefault(form_of(frame), [])
                pile = next((pile for pile in piles if pile.takes(frame)), None)
                if pile is None:
                    pile = Pile(frame, frame.orientation if frame.has_place else None)
                    piles.append(pile)
                pile.add(frame)

    def row(self) -> dict[str, Any]:
        """Return the row of the table."""
        head = self.head
        row: dict[str, Any] = {
            "patient": head.patient, "study": head.study, "study_date": head.study_date, "series": head.series,
            "number": head.number, "description": head.description, "modality": head.modality,
            "kind": head.kind, "format": head.form, "files": self.files, "size": self.size,
            "syntax": ", ".join(sorted(_syntax_name(one) for one in self.syntaxes)),
            "readable": self.readable and head.kind not in ("damaged", "archive", "other"),
            "problems": "; ".join(self._told()), "path": self.path, "geometry": head.geometry, "missing": "",
            "slices": None, "frames": None, "rows": None, "columns": None, "spacing": None,
        }  # fmt: skip
        if self.piles:
            row.update(self._places())
        elif head.shape:
            shape = (*head.shape, 1, 1, 1)
            steps = tuple(head.spacing[::-1]) if len(head.spacing) == 3 else None
            row.update(columns=shape[0], rows=shape[1], slices=shape[2], frames=shape[3], spacing=steps)
        return row

    def _told(self) -> Iterator[str]:
        for problem, names in self.problems.items():
            more = (
                f" and {self.counts[problem] - len(names)} more" if self.counts[problem] > len(names) else ""
            )
            yield f"{problem}: {', '.join(names)}{more}"
        if self.copies:
            yield f"{self.copies} {'copy' if self.copies == 1 else 'copies'}"

    def _places(self) -> dict[str, Any]:
        piles = [pile for group in self.piles.values() for pile in group]
        main = max(piles, key=lambda pile: pile.count)
        verdict = verdict_of(main)
        header = main.first.header
        text = verdict.text
        if len(piles) > 1:
            parts: dict[str, int] = {}
            for pile in piles:
                parts[pile.name] = parts.get(pile.name, 0) + 1
            names = [
                f"{count} × {name}" if count > 1 else name for name, count in list(parts.items())[:_SHOWN]
            ]
            text = f"mixed, {len(piles)} images: {', '.join(names)}{', …' if len(parts) > _SHOWN else ''}"
        slices = verdict.slices if len(piles) == 1 else sum(pile.count for pile in piles)
        return {
            "rows": header.rows, "columns": header.columns, "slices": slices,
            "frames": verdict.frames if len(piles) == 1 else 1, "geometry": text,
            "missing": verdict.missing if len(piles) == 1 else "",
            "spacing": verdict.spacing if len(piles) == 1 else None,
        }  # fmt: skip


def _syntax_name(uid: str) -> str:
    from pydicom.uid import UID

    return UID(uid).name.split(",")[0].replace(" Image Compression", "")


def _common(one: str, other: str) -> str:
    """Return the folder that holds both; names in an archive count as paths below it."""
    parts = []
    for a, b in zip(PurePath(one).parts, PurePath(other).parts, strict=False):
        if a != b:
            break
        parts.append(a)
    return str(PurePath(*parts)) if parts else ""

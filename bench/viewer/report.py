"""What was measured: kept part by part, so that a run can go on, and printed as tables."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from viewer import data

KEPT = data.ROOT / "build" / "bench" / "viewer"
RESULTS = data.ROOT / "bench" / "RESULTS-viewer.md"
OURS = "nbannot"
SKIPPED: set[str] = set()
"""Viewers that this run leaves out."""


@dataclass
class Result:
    """One viewer in one measure; no values means that it failed, and `note` says why."""

    what: str
    viewer: str
    values: list[float] = field(default_factory=list)
    unit: str = "ms"
    note: str = ""

    @property
    def median(self) -> float:
        """The median, or NaN where the viewer failed."""
        return float(np.median(self.values)) if self.values else math.nan


@dataclass(frozen=True)
class Goal:
    """A number to reach: that of a measure, or its ratio to a peer's."""

    text: str
    what: str
    limit: float
    peer: str | None = None

    def row(self, results: Sequence[Result]) -> str:
        """Return the line of the table of goals."""
        mine = find(results, self.what, OURS)
        other = find(results, self.what, self.peer) if self.peer else None
        if mine is None or (self.peer and other is None):
            return f"| {self.text} | not measured | |"
        if not mine.values or (other is not None and not other.values):
            reason = mine.note if not mine.values else f"{self.peer}: {other.note if other else ''}"
            return f"| {self.text} | failed: {reason} | |"
        value = mine.median / other.median if other else mine.median
        shown = f"{value:.3g} × {self.peer}" if self.peer else f"{value:.4g} {mine.unit}"
        return f"| {self.text} | {shown} | {'yes' if value <= self.limit else '**no**'} |"


FIRST = "run cell → first picture, CT 512×512×300, JupyterLab"
LINK_FIRST = "30 Mbit/s + 10 ms: run cell → first slice"
LINK_ASKED = "30 Mbit/s + 10 ms: first slice, from the browser's asking"
LINK_BYTES = "30 Mbit/s + 10 ms: first bytes, from the browser's asking"
LINK_PREVIEW = "30 Mbit/s + 10 ms: preview of the whole, from the browser's asking"
LINK_ALL = "30 Mbit/s + 10 ms: complete, from the browser's asking"
LABELS = "scroll axial with labels, CPU"
XRAY = "X-ray {size}, first bytes → first picture, {place}"
ESM = "`_esm`, for each widget"
GOALS = (
    Goal("first slice ≤ 1/5 of ipyniivue's", FIRST, 0.2, "ipyniivue"),
    Goal("scroll with labels ≤ 0.5 of Cornerstone3D's CPU time", LABELS, 0.5, "Cornerstone3D"),
    Goal("30 Mbit/s: first slice ≤ 0.3 s", LINK_ASKED, 0.3),
    Goal("30 Mbit/s: preview of the whole ≤ 1.0 s", LINK_PREVIEW, 1.0),
    Goal("30 Mbit/s: complete ≤ 8.8 s", LINK_ALL, 8.8),
    Goal("X-ray 3036×3036: first picture ≤ 66 ms after its first bytes", XRAY.format(size="3036×3036", place="JupyterLab"), 66),
    Goal("X-ray 4096×5000: first picture ≤ 66 ms after its first bytes", XRAY.format(size="4096×5000", place="JupyterLab"), 66),
    Goal("`_esm` ≤ 150 KB", ESM, 150),
)  # fmt: skip


def find(results: Iterable[Result], what: str, viewer: str | None) -> Result | None:
    """Return a viewer's result in a measure."""
    return next((one for one in results if one.what == what and one.viewer == viewer), None)


def wanted(viewer: str) -> None:
    """Raise where this run leaves a viewer out."""
    if viewer in SKIPPED:
        raise RuntimeError("left out with --skip")


def keep(part: str, results: Sequence[Result]) -> None:
    """Write the results of a part; they replace what an earlier run found."""
    KEPT.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    kept = {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "load": load,
        "results": [asdict(one) for one in results],
    }
    (KEPT / f"{part}.json").write_text(json.dumps(kept, indent=1))


def kept(part: str) -> tuple[str, list[Result]] | None:
    """Return when and what a part last found."""
    file = KEPT / f"{part}.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text())
    return f"{found['date']}, load {found['load']:.1f}", [Result(**one) for one in found["results"]]


HEADER = (
    "| what | viewer | n | median | p95 | unit | nbannot / it | note |\n|---|---|---|---|---|---|---|---|"
)


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table; the ratio is nbannot's median to that line's."""
    lines = [HEADER]
    for one in results:
        note = one.note.replace("|", "/").replace("\n", " ")
        if not one.values:
            lines.append(f"| {one.what} | {one.viewer} | 0 | – | – | {one.unit} | | {note or 'no result'} |")
            continue
        mine = find(results, one.what, OURS)
        ratio = ""
        if mine and mine.values and one.viewer != OURS and one.median > 0:
            ratio = f"{mine.median / one.median:.2g}"
        p95 = f"{np.percentile(one.values, 95):.4g}" if len(one.values) > 1 else "–"
        lines.append(
            f"| {one.what} | {one.viewer} | {len(one.values)} | {one.median:.4g} | {p95} | {one.unit} | {ratio} | {note} |"
        )
    return "\n".join(lines)


def markdown(parts: Sequence[str], head: str) -> str:
    """Return everything that was kept, goals first."""
    found = {part: known for part in parts if (known := kept(part))}
    every = [one for _, results in found.values() for one in results]
    goals = "\n".join(["| goal | measured | met |", "|---|---|---|", *(goal.row(every) for goal in GOALS)])
    sections = [
        f"## {part.capitalize()}\n\n{when}\n\n{table(results)}" for part, (when, results) in found.items()
    ]
    return f"{head}\n\n## Goals\n\n{goals}\n\n" + "\n\n".join(sections) + "\n"


def write(parts: Sequence[str], head: str, target: Path = RESULTS) -> None:
    """Write the tables."""
    target.write_text(markdown(parts, head), encoding="utf-8")

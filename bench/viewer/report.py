"""What was measured: kept part by part in the file of results, so that a run can go on, and printed as tables."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from measure import kept_sections

from viewer import data

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
MASKS = "10 masks over all slices, 2.6 GB"
MEMORY = "CT 512×512×1000, {masks}: {what}"
ESM = "`_esm`, for each widget"
GOALS = (
    Goal("first slice ≤ 1/5 of ipyniivue's", FIRST, 0.2, "ipyniivue"),
    Goal("scroll with labels ≤ 0.5 of Cornerstone3D's CPU time", LABELS, 0.5, "Cornerstone3D"),
    Goal("30 Mbit/s: first slice ≤ 0.3 s", LINK_ASKED, 0.3),
    Goal("30 Mbit/s: preview of the whole ≤ 1.0 s", LINK_PREVIEW, 1.0),
    Goal("30 Mbit/s: complete ≤ 8.8 s", LINK_ALL, 8.8),
    Goal("X-ray 3036×3036: first picture ≤ 66 ms after its first bytes", XRAY.format(size="3036×3036", place="JupyterLab"), 66),
    Goal("X-ray 4096×5000: first picture ≤ 66 ms after its first bytes", XRAY.format(size="4096×5000", place="JupyterLab"), 66),
    Goal("CT 512×512×1000 with 104 labels: inside 2 GiB", MEMORY.format(masks="one mask of 104 labels", what="JS heap and array buffers"), 2048),
    Goal("the same with 10 masks of 2.6 GB: inside 2 GiB", MEMORY.format(masks=MASKS, what="JS heap and array buffers"), 2048),
    Goal("`_esm` ≤ 150 KB", ESM, 150),
)  # fmt: skip


def find(results: Iterable[Result], what: str, viewer: str | None) -> Result | None:
    """Return a viewer's result in a measure."""
    return next((one for one in results if one.what == what and one.viewer == viewer), None)


def wanted(viewer: str) -> None:
    """Raise where this run leaves a viewer out."""
    if viewer in SKIPPED:
        raise RuntimeError("left out with --skip")


def section(results: Sequence[Result], *, quick: bool) -> str:
    """Return what the file says of a part: when, how loaded the machine was, and the table."""
    when = f"{time.strftime('%Y-%m-%d %H:%M')}, load {os.getloadavg()[0]:.1f}{', one quick run' if quick else ''}"
    return f"{when}\n\n{table(results)}"


def parsed(text: str) -> list[Result]:
    """Return the results of a section as its table tells them: the median stands for all values."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or len(cells) != 8 or cells[0] == "what":
            continue
        what, viewer, count, median, _, unit, _, note = cells
        found.append(Result(what, viewer, [float(median)] if count != "0" else [], unit, note))
    return found


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


def write(sections: Mapping[str, str], parts: Sequence[str], head: str, target: Path = RESULTS) -> str:
    """Write sections in their place, goals first; the parts that are not given stay as the file has them."""
    known = {**kept_sections(target), **{title(part): text for part, text in sections.items()}}
    shown = [title(part) for part in parts if title(part) in known]
    every = [one for name in shown for one in parsed(known[name])]
    goals = "\n".join(["| goal | measured | met |", "|---|---|---|", *(goal.row(every) for goal in GOALS)])
    bodies = "\n\n".join(f"## {name}\n\n{known[name]}" for name in shown)
    text = f"{head}\n\n## Goals\n\n{goals}\n\n{bodies}\n"
    target.write_text(text, encoding="utf-8")
    return text


def title(part: str) -> str:
    """Return the heading of a part."""
    return part.capitalize()

"""What every benchmark shares: statistics, processor time, the machine, tables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

PACKAGES = ("nbannot", "ipyniivue", "SimpleITK", "jupyterlab", "ipykernel", "anywidget", "numpy", "pydicom")


@dataclass
class Row:
    """One line of the result table."""

    what: str
    values: Sequence[float]
    unit: str
    note: str = ""
    peer: Sequence[float] = field(default_factory=list)
    peer_name: str = ""
    goal: str = ""
    peak: float | None = None
    """Memory (MB) that the work adds while it runs."""

    def cells(self) -> list[str]:
        """Return the cells of the line."""
        ratio = self.peer_name
        if len(self.peer) and len(self.values):
            ratio = f"{np.median(self.values) / np.median(self.peer):.2f} × {self.peer_name}"
        peer = f"{np.median(self.peer):.4g}" if len(self.peer) else ""
        some = len(self.values) > 0
        return [
            self.what,
            str(len(self.values)),
            f"{np.median(self.values):.4g}" if some else "–",
            f"{np.percentile(self.values, 95):.4g}" if some else "–",
            self.unit,
            "" if self.peak is None else f"+ {self.peak:.0f} MB",
            peer,
            ratio,
            self.goal,
            self.note,
        ]


HEADER = ["what", "runs", "median", "p95", "unit", "peak memory", "peer median", "ratio", "goal", "note"]


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [HEADER, ["---"] * len(HEADER), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def kept_sections(file: Path) -> dict[str, str]:
    """Return the sections of a file of results by their headings."""
    if not file.is_file():
        return {}
    parts = file.read_text(encoding="utf-8").split("\n## ")[1:]
    return {head.strip(): body.strip() for head, _, body in (part.partition("\n") for part in parts)}


def machine() -> str:
    """Return the machine and the versions, in two lines."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = psutil.virtual_memory().total / 2**30
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{package} not installed")
    cpu = f"{os.cpu_count()} × {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}"
    return f"{cpu}, Python {platform.python_version()}\n\n{', '.join(found)}; Chromium"


def browsers(name: str = "chrom") -> list[psutil.Process]:
    """Return the browser processes that this process started; others on the machine do not count."""
    return [one for one in psutil.Process().children(recursive=True) if _named(one, name)]


def _named(process: psutil.Process, name: str) -> bool:
    try:
        return name in process.name()
    except psutil.NoSuchProcess:
        return False


def processor_seconds(name: str = "chrom") -> float:
    """Return the processor time (user and system) used so far by the browser started here."""
    total = 0.0
    for process in browsers(name):
        try:
            used = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += used.user + used.system
    return total


def memory_mb(name: str = "chrom") -> float:
    """Return the private memory (MB) of the browser started here."""
    total = 0
    for process in browsers(name):
        try:
            total += process.memory_full_info().uss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20

"""Headers per second and memory of `nb.scan` on many small files of one folder, beside pydicom's header reading.

Usage: python bench/scan.py FOLDER_OF_A_SERIES [--files N …]

The files are links to those of the series in turn, made in a temporary folder beside it; each run is a fresh
process, the file cache is warm. `python bench formats` has these rows too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import Row, machine, markdown

PEAK = """
import json, sys, time
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
def tell(count, wall, cpu, before):
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps([count / wall, count / cpu, peak(), peak() - before]))
"""
SCAN = """
import pydicom
from nbannot.formats import scan
scan(sys.argv[2], progress=lambda done, text: None)
before, wall, cpu = peak(), time.perf_counter(), time.process_time()
count = int(scan(sys.argv[1], progress=lambda done, text: None).files.sum())
tell(count, wall, cpu, before)
"""
PYDICOM = """
import os, pydicom
pydicom.dcmread(sys.argv[2], stop_before_pixels=True)
before, wall, cpu = peak(), time.perf_counter(), time.process_time()
count = 0
for entry in os.scandir(sys.argv[1]):
    ds = pydicom.dcmread(entry.path, stop_before_pixels=True)
    ds.get("SeriesInstanceUID"), ds.get("ImagePositionPatient"), ds.get("ImageOrientationPatient")
    count += 1
tell(count, wall, cpu, before)
"""


def measured(code: str, folder: str, first: Path) -> list[float]:
    """Return headers per second (by the clock, by processor time), peak MB, and MB taken by the files."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK + code, folder, str(first)], check=True, capture_output=True, text=True
    )
    found: list[float] = json.loads(done.stdout)
    return found


def rows(series: Path, counts: Sequence[int], repeats: int = 1) -> list[Row]:
    """Return the rows for so many files; the programs take turns."""
    sources = sorted(path for path in series.iterdir() if path.is_file())
    made = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            for n in range(count):
                Path(folder, f"{n:07}.dcm").symlink_to(sources[n % len(sources)].resolve())
            pairs = [
                (measured(SCAN, folder, sources[0]), measured(PYDICOM, folder, sources[0]))
                for _ in range(repeats)
            ]
        mine, theirs = zip(*pairs, strict=True)
        memory = [max(one[2] for one in found) for found in (mine, theirs)]
        note = (
            f"peak memory {memory[0]:.0f} MB ({max(one[3] for one in mine):.0f} MB for the files), "
            f"pydicom {memory[1]:.0f} MB; {os.getloadavg()[0]:.0f} processes at work"
        )
        for n, kind in enumerate(("", ", of processor time")):
            made.append(
                Row(
                    f"nb.scan, {count:,} files{kind}",
                    [one[n] for one in mine],
                    "headers/s",
                    note="" if n else note,
                    peer=[one[n] for one in theirs],
                    peer_name="pydicom (headers alone)",
                    goal="" if n else "≥ 500",
                )
            )
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("series", type=Path)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options = parser.parse_args()
    print(machine())
    print(markdown(rows(options.series, options.files)))


if __name__ == "__main__":
    main()

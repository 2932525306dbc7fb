"""Headers per second and memory of `nb.scan` on many small files of one folder.

Usage: python bench/scan.py FOLDER_OF_A_SERIES [--files N …]

The files are links to those of the series in turn, made in a temporary folder beside it; each run is a fresh
process, the file cache is warm.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Row, machine, markdown

SCAN = """
import json, resource, sys, time
import pydicom
from nbannot.formats import scan
scan(sys.argv[2], progress=lambda done, text: None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
wall, cpu = time.perf_counter(), time.process_time()
files = int(scan(sys.argv[1], progress=lambda done, text: None).files.sum())
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps([files / wall, files / cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before]))
"""


def measured(series: Path, count: int) -> list[float]:
    """Return headers per second (by the clock, by processor time) and MiB taken, for `count` files."""
    sources = sorted(path for path in series.iterdir() if path.is_file())
    with tempfile.TemporaryDirectory() as folder:
        for n in range(count):
            Path(folder, f"{n:07}.dcm").symlink_to(sources[n % len(sources)].resolve())
        done = subprocess.run([sys.executable, "-c", SCAN, folder, str(sources[0])],
                              check=True, capture_output=True, text=True)  # fmt: skip
    found: list[float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("series", type=Path)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options = parser.parse_args()
    rows = []
    for count in options.files:
        clock, processor, memory = measured(options.series, count)
        note = f"{processor:.0f} per s of processor time; {os.getloadavg()[0]:.0f} processes at work"
        rows.append(Row(f"scan, {count:,} files", [clock], "headers/s", note, goal="≥ 500"))
        rows.append(Row(f"scan, {count:,} files: memory", [memory], "MiB", goal="flat"))
    print(machine())
    print(markdown(rows))


if __name__ == "__main__":
    main()

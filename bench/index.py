"""`project.index` over many small files: objects per second and peak memory, first and second time.

Usage: python -m bench.index FILES [FOLDER [SCHEDULER …]]. Files are DICOM slices of 16 × 16 pixels, 50 to a series,
two series to a study; each run is a fresh process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SLICES, SERIES = 50, 2


def make(folder: Path, files: int) -> None:
    """Write the files; one slice is made with pydicom, the others by replacing numbers of the same length."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from formats_making import write_slice

    first = write_slice(
        folder / "first.dcm", np.zeros((16, 16), np.int16), StudyInstanceUID="1.2.3.10000001",
        SeriesInstanceUID="1.2.4.10000001", SOPInstanceUID="1.2.5.10000001", PatientID="ID10000001",
        ImagePositionPatient=["0", "0", "10000001"],
    )  # fmt: skip
    data = first.read_bytes()
    first.unlink()
    for n in range(files):
        series, k = divmod(n, SLICES)
        study = series // SERIES
        one = data.replace(b"1.2.3.10000001", b"1.2.3.%08d" % (20000000 + study))
        one = one.replace(b"1.2.4.10000001", b"1.2.4.%08d" % (20000000 + series))
        one = one.replace(b"1.2.5.10000001", b"1.2.5.%08d" % (20000000 + n))
        one = one.replace(b"ID10000001", b"ID%08d" % (20000000 + study)).replace(b"\\10000001", b"\\%08d" % k)
        path = folder / f"study{study:05d}" / f"s{series % SERIES}" / f"{k:03d}.dcm"
        if k == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one)


def run(folder: Path, project: Path, scheduler: str) -> dict[str, float | int]:
    from nbannot.store import open_project

    with open_project(project, author="bench") as found:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start, work = time.perf_counter(), time.process_time()
        result = found.index(folder, scheduler=scheduler)
        seconds, work = time.perf_counter() - start, time.process_time() - work
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "files": result.looked_at, "read": result.read, "cases": len(result.cases), "seconds": round(seconds, 1),
        "files_per_s": round(result.looked_at / seconds),
        "files_per_processor_s": round(result.looked_at / work), "peak_mib": round(after), "grown_mib": round(after - before),
    }  # fmt: skip


def main() -> None:
    if sys.argv[1] == "--run":
        print(json.dumps(run(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])))
        return
    files = int(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as place:
        folder = Path(place) / "data"
        make(folder, files)
        for scheduler in sys.argv[3:] or ("threads", "processes"):
            project = Path(place) / scheduler
            for turn in ("first", "again"):
                command = [sys.executable, "-m", "bench.index", "--run", str(folder), str(project), scheduler]
                found = subprocess.run(command, check=True, capture_output=True, text=True)
                print(scheduler, turn, found.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()

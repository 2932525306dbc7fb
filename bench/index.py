"""`project.index` over many small files, in a folder and in a bucket: objects per second and memory, first and again.

A part of ``python bench store``. Each run is a fresh process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import bucket  # noqa: E402
from measure import Row  # noqa: E402

from servers import Bucket, free_port, running_s3  # noqa: E402

FILES = 100_000
OBJECTS = 100_000
FEWER = 5_000
"""Objects that are read by the threads of one process, so that the run takes minutes."""
MOTO = 2_000
"""Objects in moto, which is a whole S3 server but a slow one: its own time is most of the time."""


def in_folder(*, quick: bool, gpu: bool = False) -> list[Row]:
    """Index a folder."""
    files = 2_000 if quick else FILES
    slices = bucket.Slices()
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        for n in range(files):
            path = data / bucket.path_of(n)
            if n % bucket.SLICES == 0:
                path.parent.mkdir(parents=True)
            path.write_bytes(slices[n])
        return _both(f"folder of {files:,} DICOM files", str(data), Path(place), {})


def in_bucket(*, quick: bool, gpu: bool = False) -> list[Row]:
    """Index a bucket of objects that are made when they are asked for, by a process for each processor."""
    return _of_made_up(2_000 if quick else OBJECTS, "processes")


def in_smaller_buckets(*, quick: bool, gpu: bool = False) -> list[Row]:
    """Index fewer of them by the threads of one process, and those of a moto."""
    few = 500 if quick else MOTO
    rows = _of_made_up(1_000 if quick else FEWER, "threads")
    slices = bucket.Slices()
    with tempfile.TemporaryDirectory() as place, running_s3(bucket.NAME) as found:
        import s3fs

        store = s3fs.S3FileSystem(**found.options, skip_instance_cache=True)
        store.pipe({f"{bucket.NAME}/{bucket.PREFIX}{bucket.path_of(n)}": slices[n] for n in range(few)})
        what = f"bucket of {few:,} DICOM objects in moto, threads"
        return rows + _both(what, found.url(bucket.PREFIX), Path(place), found.options)


def _of_made_up(objects: int, scheduler: str) -> list[Row]:
    with tempfile.TemporaryDirectory() as place, _made_up(objects) as found:
        what, url = f"bucket of {objects:,} DICOM objects, {scheduler}", found.url(bucket.PREFIX)
        return _both(what, url, Path(place), found.options, scheduler)


@contextmanager
def _made_up(objects: int) -> Iterator[Bucket]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "bucket.py"), str(port), str(objects)])
    try:
        found = Bucket(f"http://127.0.0.1:{port}", bucket.NAME, process.pid)
        for _ in range(300):
            try:
                urlopen(f"{found.endpoint}/{bucket.NAME}?prefix={bucket.PREFIX}", timeout=5).close()
                break
            except (URLError, OSError):
                time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(10)


def _both(
    what: str, url: str, place: Path, options: dict[str, Any], scheduler: str | None = None
) -> list[Row]:
    """Index for the first time, and again when nothing has changed."""
    rows = []
    for turn in ("first", "again"):
        asked = {"url": url, "project": str(place / "project"), "options": options, "scheduler": scheduler}
        command = [sys.executable, str(Path(__file__)), json.dumps(asked)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        note = (
            f"{found['cases']} new cases; {found['processor']:.0f} s of processor in {found['seconds']:.0f} s"
        )
        if found["helper"]:
            note += f"; each process {found['helper']:.0f} MB"
        rows.append(Row(f"{what}, {turn}", [found["rate"]], "objects/s", note=note, peak=found["grown"]))
    return rows


def run(url: str, project: str, options: dict[str, Any], scheduler: str | None = None) -> dict[str, float]:
    """Index a place and return what it took; memory in MB: what the index adds, and what a process of its takes."""
    from nbannot.store import open_project

    with open_project(project, author="bench") as found:
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        result = found.index(url, scheduler=scheduler, storage_options=options)
        seconds = time.perf_counter() - start
    after, helpers = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "rate": result.looked_at / seconds, "seconds": seconds, "cases": len(result.cases),
        "processor": work + helpers.ru_utime + helpers.ru_stime,
        "grown": (after.ru_maxrss - before.ru_maxrss) / 1024, "helper": helpers.ru_maxrss / 1024,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(run(**json.loads(sys.argv[1]))))

"""How a project grows: cases, tasks and edits in a folder and in PostgreSQL, from 10³ to 10⁶ made-up rows.

A part of ``python bench store``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import index  # noqa: E402
from measure import Row, markdown  # noqa: E402
from parts import Suite  # noqa: E402

from moves import phantom  # noqa: E402
from nbannot.store import StoredProject, open_project  # noqa: E402
from servers import running_postgres  # noqa: E402

SIZES = (1_000, 100_000, 1_000_000)
READERS = 100

NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})",
    "postgresql": "WITH numbers AS (SELECT generate_series({first}, {last}) AS n)",
}
CASES = (
    "INSERT INTO cases (id, name, labels, author, created, patient, study, path, data) {numbers} "
    "SELECT n + {offset}, 'case-' || n, '[]', 'ada', 1.0, '', '', '', '{{}}' FROM numbers"
)
IMAGES = (
    "INSERT INTO images (case_id, position, image_id, name, modality, uri, copied, identity, reference) "
    "{numbers} SELECT n + {offset}, 0, 'image-' || n, 'ct', 'CT', 'images/' || n, {true}, 'sha256:' || n, '{{}}' FROM numbers"
)
TASKS = (
    "INSERT INTO tasks (id, case_id, kind, person, repeat, batch, position, status, flagged, assigned_by, "
    "assigned, active_s, reason) {numbers} SELECT 'task-' || n, n + {offset}, 'read', 'reader-' || (n % 100), 1, '', "
    "n / 100, CASE WHEN n % 3 = 0 THEN 'to do' ELSE 'submitted' END, {false}, 'ada', 1.0, 60.0, '' FROM numbers"
)


def fill(project: StoredProject, first: int, last: int) -> None:
    """Insert cases with an image and a task each, with the numbers first … last."""
    engine = project._core.database.engine
    sqlite = engine.dialect.name == "sqlite"
    numbers = NUMBERS[engine.dialect.name].format(first=first, last=last)
    flags: dict[str, Any] = {"true": 1, "false": 0} if sqlite else {"true": "true", "false": "false"}
    # Ids that the project does not give itself meanwhile.
    flags["offset"] = 10**9 + 10 * first
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        for statement in (CASES, IMAGES, TASKS):
            connection.exec_driver_sql(
                statement.format(numbers=numbers, **flags).replace("%", "%%" if not sqlite else "%")
            )
    if not sqlite:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    else:
        with engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")


def timed(work: Callable[[], Any], runs: int) -> list[float]:
    """Return the times of some runs, ms."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return times


def measure(project: StoredProject, size: int, what: str, *, quick: bool) -> list[Row]:
    """Measure what people wait for, with so many cases."""
    runs = 5 if quick else 30
    reader = project.acting_as("reader-7")
    middle = f"case-{size // 2}"
    rows = [
        Row(f"{what}, {size:,} cases: a page of 100 cases",
            timed(lambda: project.page(after=middle, limit=100), runs), "ms"),
        Row(f"{what}, {size:,} cases: a reader's next 20 tasks",
            timed(lambda: reader.tasks.table(mine=True, status="to do", limit=20), runs), "ms"),
    ]  # fmt: skip
    new = iter(range(10**6))

    def assign() -> None:
        name = f"new-{size}-{next(new)}"
        project.add_case(name, images=phantom(), copy=True)
        project.tasks.assign([name], "reader-7")

    mask = project.start("real").document.masks["liver"]
    places = iter([(n % 4, n // 4 % 6, n // 24 % 5) for n in range(10**5)])

    def stroke() -> None:
        index = next(places)
        mask.paint(index, 0 if mask.array[index] else 1)

    whole = [one * 1000 / size for one in timed(lambda: project.cases, 1 if size > 10**5 else 3)]
    progress = [one * 1000 / size for one in timed(project.tasks.progress, 3)]
    return [
        *rows,
        Row(f"{what}, {size:,} cases: one stroke kept, with its row in the log", timed(stroke, runs * 5), "ms"),
        Row(f"{what}, {size:,} cases: one case added and assigned", timed(assign, 3), "ms"),
        Row(f"{what}, {size:,} cases: all of project.cases, for each case", whole, "µs"),
        Row(f"{what}, {size:,} cases: progress, for each task", progress, "µs"),
    ]  # fmt: skip


def in_folder(*, quick: bool, gpu: bool = False) -> list[Row]:
    """Measure a project in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        return grow("folder", Path(folder) / "a", None, quick=quick)


def in_postgresql(*, quick: bool, gpu: bool = False) -> list[Row]:
    """Measure a project in PostgreSQL, which waits for the disk at each commit."""
    with tempfile.TemporaryDirectory() as folder, running_postgres(durable=True) as server:
        return grow("PostgreSQL", server.url(project="bench"), Path(folder), quick=quick)


def grow(what: str, url: str | Path, files: Path | None, *, quick: bool) -> list[Row]:
    """Measure a project of more and more cases."""
    rows: list[Row] = []
    with open_project(url, files=files, author="ada") as project:
        project.add_case("real", images=phantom(), copy=True, labels=["liver"])
        filled = 0
        for size in SIZES[:2] if quick else SIZES:
            fill(project, filled + 1, size)
            filled = size
            rows += measure(project, size, what, quick=quick)
            print(markdown(rows[-6:]), flush=True)
    return [*rows, *flat(rows, what)]


def flat(rows: Sequence[Row], what: str) -> list[Row]:
    """Return how each cost has grown from the smallest project to the largest."""
    sizes = list(dict.fromkeys(row.what.partition(":")[0] for row in rows))
    costs = {row.what: float(np.median(row.values)) for row in rows}
    first, last = sizes[0], sizes[-1]
    return [
        Row(f"{what}: {name.strip()}: the largest project beside the smallest",
            [costs[f"{last}:{name}"] / costs[f"{first}:{name}"]], "×", goal="flat")
        for name in dict.fromkeys(row.what.partition(":")[2] for row in rows)
    ]  # fmt: skip


SUITE = Suite(
    {"cases-folder": in_folder, "cases-postgresql": in_postgresql, "index-folder": index.in_folder,
     "index-s3": index.in_bucket, "index-smaller": index.in_smaller_buckets},
    HERE / "RESULTS-store.md",
    """# Projects of many cases, measured

Made by `make bench ARGS="store"` (`--only PART` repeats one part). Cases, tasks and edits are made-up rows; PostgreSQL waits for
the disk at each commit. What is indexed are made-up DICOM slices of 16 × 16 pixels, 50 to a series, two series to a study, with
real headers; each run of an index is a process of its own.""",
)  # fmt: skip

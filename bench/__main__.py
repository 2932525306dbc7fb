"""Run every benchmark: ``python bench [all | core | formats | viewer | tools | store | reader] [--quick] [--gpu] [--only PART …]``.

`core` is strokes and carriers (bench/RESULTS.md), `formats` reading and writing (bench/RESULTS-formats.md),
`viewer` the viewer beside its peers (bench/RESULTS-viewer.md), `tools` brush, shapes, operations and history
(bench/RESULTS-tools.md), `store` projects with up to a million cases and `project.index` (bench/RESULTS-store.md), `reader` the
reader's page at a Hub and 100 readers at once (bench/RESULTS-reader.md).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import reader  # noqa: E402
import tools  # noqa: E402
from measure import Row, machine, markdown  # noqa: E402

import formats as files  # noqa: E402
import jupyter  # noqa: E402
import store  # noqa: E402
import viewer  # noqa: E402

INTRO = """# Measured

Wall times on a shared machine scatter; the ratio to the peer, taken in the same run, is what to
trust. All picture times are with software GL, so they rank viewers on machines without a GPU.
Made by `make bench`; the viewer beside its peers is in RESULTS-viewer.md.
"""


def import_time(runs: int) -> list[Row]:
    """Seconds of ``import nbannot`` in a fresh Python."""
    code = "import time; t = time.perf_counter(); import nbannot; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(runs)
    ]
    return [Row("import nbannot", times, "s", goal="≤ 0.4")]


def core(*, quick: bool) -> None:
    """Measure the import, strokes and carriers; print and keep the table."""
    rows = import_time(3 if quick else 9)
    print(markdown(rows), flush=True)
    found = jupyter.run(quick=quick)
    print(markdown(found), flush=True)
    rows += found
    text = f"{INTRO}\n{machine()}, {time.strftime('%Y-%m-%d')}\n\n{markdown(rows)}\n"
    if not quick:
        (HERE / "RESULTS.md").write_text(text, encoding="utf-8")


def formats(*, quick: bool) -> None:
    """Measure reading and writing; print and keep the table."""
    found = markdown(files.run(quick=quick))
    print(found, flush=True)
    if not quick:
        text = f"# Formats, measured\n\n{machine()}, {time.strftime('%Y-%m-%d')}\n\n{found}\n"
        (HERE / "RESULTS-formats.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        default="all",
        choices=["all", "core", "formats", "viewer", "tools", "store", "reader"],
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions, results are not kept")
    parser.add_argument(
        "--keep", action="store_true", default=None, help="keep a quick run too (not core and formats)"
    )
    parser.add_argument("--gpu", action="store_true", help="the machine's GPU instead of software GL")
    suites = {
        "viewer": viewer.PARTS,
        "tools": tools.PARTS,
        "store": store.SUITE.parts,
        "reader": reader.SUITE.parts,
    }
    parts = [part for suite in suites.values() for part in suite]
    parser.add_argument(
        "--only", nargs="+", choices=parts, default=[], help="parts of viewer, tools, store or reader"
    )
    peers = ["ipyniivue", "Cornerstone3D", "NiiVue"]
    parser.add_argument("--skip", nargs="+", choices=peers, default=[], help="peers to leave out")
    options = parser.parse_args()
    viewer.report.SKIPPED.update(options.skip)
    if options.what in ("all", "core") and not options.only:
        core(quick=options.quick)
    if options.what in ("all", "formats") and not options.only:
        formats(quick=options.quick)
    runs = {
        "store": store.SUITE.run,
        "reader": reader.SUITE.run,
        "viewer": viewer.run,
        "tools": tools.SUITE.run,
    }
    for name, run in runs.items():
        only = [part for part in options.only if part in suites[name]]
        if options.what == name and options.only and not only:
            parser.error(f"{name} has the parts {', '.join(suites[name])}.")
        if options.what in ("all", name) and (only or not options.only):
            run(only, quick=options.quick, gpu=options.gpu, keep=options.keep)


if __name__ == "__main__":
    main()

"""The tools: brush and undo beside Cornerstone3D and NiiVue, polygons, operations on a large mask, the history."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from measure import Row, machine, markdown
from viewer.report import Result

from tools import history, operations, polygons
from viewer import data, pages, plain, report

RESULTS = data.ROOT / "bench" / "RESULTS-tools.md"
KEPT = data.ROOT / "build" / "bench" / "tools"
INTRO = """# Tools, measured

Made by `make bench ARGS="tools"` (`--only PART` repeats one part). "Peak memory" is what an operation adds
while it runs. A ratio is nbannot's median divided by the peer's in the same run: below 1, nbannot needs less."""


def brush(*, quick: bool, gpu: bool) -> list[Row]:
    """Brush steps at three views and their undo, a line for each peer."""
    data.make()
    for peer, reason in pages.build().items():
        print(f"{peer} cannot be measured: {reason}", file=sys.stderr)
    return beside(plain.tools(quick=quick, gpu=gpu))


def beside(results: Sequence[Result]) -> list[Row]:
    """Return a row for each measure and peer, with nbannot's values first; a viewer that failed says why."""
    rows = []
    ours = {one.what: one for one in results if one.viewer == report.OURS}
    for one in results:
        mine = ours.get(one.what)
        if mine is None or one is mine:
            continue
        note = "; ".join(f"{each.viewer}: {each.note}" for each in (mine, one) if each.note)
        rows.append(Row(one.what, mine.values, mine.unit, note, one.values, one.viewer))
    return rows


PARTS: dict[str, Callable[..., list[Row]]] = {
    "brush": brush,
    "polygons": polygons.run,
    "operations": operations.run,
    "history": history.run,
}


def run(only: Sequence[str] = (), *, quick: bool = False, gpu: bool = False) -> str:
    """Measure the parts and return one table of everything known; a quick run keeps nothing."""
    found: dict[str, list[Row]] = {}
    for name in only or PARTS:
        begun = time.monotonic()
        found[name] = PARTS[name](quick=quick, gpu=gpu)
        print(f"\n## {name} ({time.monotonic() - begun:.0f} s)\n\n{markdown(found[name])}", flush=True)
        if not quick:
            keep(name, found[name])
    if quick:
        return markdown([row for rows in found.values() for row in rows])
    known = [row for name in PARTS for row in kept(name)]
    text = f"{INTRO}\n\n{machine()}, {time.strftime('%Y-%m-%d')}\n\n{markdown(known)}\n"
    RESULTS.write_text(text, encoding="utf-8")
    return text


def place(name: str) -> Path:
    """Where a part's rows are kept."""
    return KEPT / f"{name}.json"


def keep(name: str, rows: Sequence[Row]) -> None:
    """Keep the rows of a part for the next table."""
    KEPT.mkdir(parents=True, exist_ok=True)
    place(name).write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")


def kept(name: str) -> list[Row]:
    """Return the rows of a part that were measured last."""
    if not place(name).is_file():
        return []
    return [Row(**one) for one in json.loads(place(name).read_text(encoding="utf-8"))]

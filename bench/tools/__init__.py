"""The tools: brush and undo beside Cornerstone3D and NiiVue, a box and polygons, operations on a large mask, the history."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from measure import Row
from parts import Suite
from viewer.report import Result

from tools import history, operations, polygons
from viewer import data, pages, plain, report

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
        goal = "≤ 16" if one.what == plain.TOOLS["undo"] else ""
        rows.append(Row(one.what, mine.values, mine.unit, note, one.values, one.viewer, goal))
    return rows


def box(*, quick: bool, gpu: bool) -> list[Row]:
    """Drag a box with its numbers beside it."""
    data.make()
    failed = pages.build().get("nbannot")
    if failed:
        print(f"A box cannot be measured: {failed}", file=sys.stderr)
        return []
    js, numbers = plain.box(quick=quick, gpu=gpu)
    what = "drag step of a 3-D box of 262,144 voxels at 3 views"
    return [Row(f"{what}, JS", js, "ms", goal="≤ 50"), Row(f"{what}, to its new numbers", numbers, "ms")]


PARTS: dict[str, Callable[..., list[Row]]] = {
    "brush": brush,
    "box": box,
    "polygons": polygons.run,
    "operations": operations.run,
    "history": history.run,
}


SUITE = Suite(PARTS, data.ROOT / "bench" / "RESULTS-tools.md", INTRO)

"""The engines in plain pages: scroll, window, X-ray, memory, a turn of the 3-D picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import memory_mb, processor_seconds
from playwright.sync_api import Error, Page

from viewer import data, pages
from viewer.report import SKIPPED, XRAY, Result

VIEWERS = {"nbannot": "nbannot", "cornerstone": "Cornerstone3D", "niivue": "NiiVue"}
CT_WINDOW = (40, 400)
XRAY_WINDOW = (2048, 4096)


def viewers() -> dict[str, str]:
    """Return page and name of the viewers that this run measures."""
    return {page: name for page, name in VIEWERS.items() if name not in SKIPPED}


PLANES = ("axial", "coronal", "sagittal")


def why(error: BaseException, page: Page | None = None) -> str:
    """Return a reason short enough for a table."""
    text = str(error).split("\n")[0].removeprefix("Page.evaluate: ").removeprefix("Error: ")
    more = getattr(page, "errors", []) if page else []
    return f"failed: {text[:140]}{'; ' + more[0][:80] if more else ''}"


class Steps:
    """Runs `act` and keeps wall ms and CPU-ms of each step."""

    def __init__(self, page: Page, viewer: str) -> None:
        self.page = page
        self.viewer = viewer
        self.results: list[Result] = []
        self.broken = ""

    def run(
        self,
        what: str,
        method: str,
        count: int,
        *more: float,
        seconds: float = 120,
        before: Callable[[], Any] | None = None,
    ) -> None:
        """Measure one row of wall and one of CPU; a failure becomes the row's note."""
        try:
            if self.broken:
                raise RuntimeError(self.broken)
            if before:
                before()
            pages.call(self.page, method, min(count, 4), *more, seconds=seconds)  # warms up
            start = processor_seconds()
            wall = pages.call(self.page, method, count, *more, seconds=seconds)
            cpu = (processor_seconds() - start) * 1000 / count
            pages.picture(self.page, re.sub(r"\W+", "-", f"{what} {self.viewer}"))
        except Exception as error:
            note = why(error, self.page)
            if "not within" in note:
                self.broken = "an earlier step did not end"
            self.results += [Result(f"{what}, {kind}", self.viewer, note=note) for kind in ("wall", "CPU")]
        else:
            self.results.append(Result(f"{what}, wall", self.viewer, wall))
            self.results.append(
                Result(f"{what}, CPU", self.viewer, [cpu], note=f"of the browser, over {count} steps")
            )


def scroll(*, quick: bool, gpu: bool) -> list[Result]:
    """Scroll and window one 512 × 512 view of each engine."""
    found: list[Result] = []
    for name, viewer in viewers().items():
        with pages.page(name, gpu=gpu) as page:
            found += _scroll(page, viewer, 10 if quick else 60)
    return sorted(found, key=lambda one: ORDER.index(one.what))


ORDER = [
    f"{what}, {kind}"
    for what in (
        *(f"scroll {plane}" for plane in PLANES),
        "window/level axial",
        "scroll axial with labels",
        "scroll coronal with labels",
        "scroll axial with PET",
    )
    for kind in ("wall", "CPU")
]


def _scroll(page: Page, viewer: str, count: int) -> list[Result]:
    steps = Steps(page, viewer)
    slow = viewer == "NiiVue"
    try:
        pages.call(page, "open", seconds=120)
    except Error as error:
        return [Result(what, viewer, note=why(error, page)) for what in ORDER]

    def plane(name: str, *more: str) -> Callable[[], None]:
        def act() -> None:
            for one in more:
                pages.call(page, one, seconds=150)
            pages.call(page, "plane", name, seconds=30)

        return act

    for name in PLANES:
        steps.run(f"scroll {name}", "scroll", count, before=plane(name))
    if not slow:
        steps.run("window/level axial", "window", count, *CT_WINDOW, before=plane("axial"))
    steps.run("scroll axial with labels", "scroll", count, before=plane("axial", "addLabels"))
    steps.run("scroll coronal with labels", "scroll", count, before=plane("coronal"))
    steps.run("scroll axial with PET", "scroll", count, before=plane("axial", "hideLabels", "addPet"))
    if slow:
        # Last, because it may not come back from it.
        alone = plane("axial", "hideLabels")
        steps.run("window/level axial", "window", 2, *CT_WINDOW, seconds=60, before=alone)
    return steps.results


def start(*, quick: bool, gpu: bool) -> list[Result]:
    """First slice, whole volume and memory in a plain page, slices by HTTP from this machine."""
    found: list[Result] = []
    for name, viewer in viewers().items():
        runs = 1 if quick or viewer == "NiiVue" else 3
        firsts, fulls, heaps, privates, note = [], [], [], [], ""
        for _ in range(runs):
            with pages.page(name, gpu=gpu) as page:
                before = memory_mb()
                try:
                    times = pages.call(page, "first", seconds=150)
                except Error as error:
                    note = why(error, page)
                    break
                firsts.append(times["first"] / 1000)
                fulls.append(times["full"] / 1000)
                privates.append(memory_mb() - before)
                heaps.append(heap_mb(page))
        carried = "whole file" if viewer == "NiiVue" else "slice by slice"
        found += [
            Result("plain page: first slice", viewer, firsts, "s", note or carried),
            Result("plain page: all 300 slices", viewer, fulls, "s", note),
            Result("plain page: JS heap", viewer, heaps, "MB", note),
            Result("plain page: private memory of the browser, added", viewer, privates, "MB", note),
        ]
    return sorted(found, key=lambda one: [one.what for one in found].index(one.what))


def heap_mb(page: Page) -> float:
    """Return JS heap and array buffers (MB) after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")
    session.detach()
    total = used["usedSize"] + used.get("backingStorageSize", 0) + used.get("embedderHeapUsedSize", 0)
    return float(total) / 2**20


def xray(*, quick: bool, gpu: bool) -> list[Result]:
    """Large radiographs: bytes in the page → first picture, and window/level."""
    found: list[Result] = []
    for file, (rows, columns) in data.XRAYS.items():
        size = f"{rows}×{columns}"
        for name, viewer in viewers().items():
            times, note = [], ""
            with pages.page(name, gpu=gpu) as page:
                try:
                    times = [pages.call(page, "xray", file, rows, columns, seconds=60)]
                except Error as error:
                    note = why(error, page)
                found.append(Result(XRAY.format(size=size, place="plain page"), viewer, times, "ms", note))
                if times:
                    steps = Steps(page, viewer)
                    steps.run(
                        f"X-ray {size} window/level", "window", 5 if quick else 30, *XRAY_WINDOW, seconds=60
                    )
                    found += steps.results
    return sorted(found, key=lambda one: [one.what for one in found].index(one.what))


def frames3d(*, quick: bool, gpu: bool) -> list[Result]:
    """One turn of the 3-D picture of the CT in the peers' plain pages."""
    found: list[Result] = []
    for name, viewer in viewers().items():
        if name == "nbannot":
            continue
        with pages.page(name, gpu=gpu) as page:
            steps = Steps(page, viewer)

            def show(page: Page = page) -> None:
                pages.call(page, "open", seconds=120)
                pages.call(page, "volume3d", seconds=120)

            steps.run("3-D: one turn of the picture", "turn", 2 if quick else 3, seconds=240, before=show)
            found += steps.results
    return found


def tools(*, quick: bool, gpu: bool) -> list[Result]:
    """Brush steps of 20 mm at three views, and taking a stroke back."""
    found: list[Result] = []
    count, rounds = (40, 1) if quick else (40, 5)
    for name, viewer in viewers().items():
        times: dict[str, list[float]] = {"js": [], "pixels": [], "undo": []}
        note = ""
        with pages.page(name, gpu=gpu) as page:
            try:
                pages.call(page, "three", seconds=150)
                pages.call(page, "stroke", 10, seconds=60)  # warms up
                pages.call(page, "undo", seconds=60)
                for _ in range(rounds):
                    stroke = pages.call(page, "stroke", count, seconds=120)
                    pages.picture(page, f"tools-stroke-{name}")
                    times["js"] += stroke["js"]
                    times["pixels"] += stroke["pixels"]
                    times["undo"].append(pages.call(page, "undo", seconds=60))
            except Exception as error:
                note = why(error, page)
        for key, what in TOOLS.items():
            values = times[key]
            tail = f"p95 {np.percentile(values, 95):.3g} ms" if values and key != "undo" else ""
            found.append(Result(what, viewer, values, note="; ".join(filter(None, (tail, note)))))
    return sorted(found, key=lambda one: list(TOOLS.values()).index(one.what))


TOOLS = {
    "js": "brush step at 3 views, JS",
    "pixels": "brush step at 3 views, to pixels",
    "undo": "undo of a stroke, JS",
}


def box(*, quick: bool, gpu: bool) -> tuple[list[float], list[float]]:
    """Return JS ms of each step of dragging a box, and ms until its numbers are those of the new place."""
    js, numbers = [], []
    with pages.page("nbannot", gpu=gpu) as page:
        pages.call(page, "box", seconds=150)
        pages.call(page, "drag", 10, seconds=60)  # warms up
        for _ in range(1 if quick else 5):
            found = pages.call(page, "drag", 40, seconds=120)
            js += found["js"]
            numbers += found["numbers"]
        pages.picture(page, "tools-box")
    return js, numbers

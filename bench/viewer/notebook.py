"""nbannot and ipyniivue as widgets in JupyterLab, and nbannot over a slow link."""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import memory_mb, processor_seconds
from playwright.sync_api import Error

from viewer import data, pages
from viewer.link import SlowLink
from viewer.plain import why
from viewer.report import (
    ESM,
    FIRST,
    LINK_ALL,
    LINK_ASKED,
    LINK_BYTES,
    LINK_FIRST,
    LINK_PREVIEW,
    XRAY,
    Result,
    wanted,
)

sys.path.insert(0, str(data.ROOT / "tests"))

from browser.conftest import running_server
from browser.lab import Lab, Server

# What the page notes by itself: the key that runs the cell, the first request of the viewer, the
# first bytes of an image by either road, the first picture, how much of each picture is there.
WATCH = (Path(__file__).with_name("page") / "watch.js").read_text()
GL_PAGES = "the page too drawn by software GL"
READ = "import nbannot as nb\nimage = nb.read({path!r})"
OURS = "viewer = nb.Viewer(image{more})\nviewer"
THEIRS = 'from ipyniivue import NiiVue\nother = NiiVue()\nother.load_volumes([{{"path": {path!r}}}])\nother'


@contextmanager
def lab(*, gpu: bool, link: bool = False, gl_pages: bool = False) -> Iterator[tuple[Lab, SlowLink | None]]:
    """Open a page in a JupyterLab of its own; `link` puts a slow link (still fast) before the server."""
    folder = Path(tempfile.mkdtemp(prefix="nbannot-bench-"))
    with (
        running_server(folder, extension=True) as server,
        pages.browser(gpu=gpu, gl_pages=gl_pages) as browser,
    ):
        between = SlowLink(server.port) if link else None
        context = browser.new_context(viewport={"width": 1400, "height": 1100}, device_scale_factor=1)
        context.set_default_timeout(30_000)
        context.add_init_script(pages.KEEP_PIXELS)
        context.add_init_script(WATCH)
        try:
            yield Lab(_through(server, between), context, folder), between
        finally:
            if between:
                between.close()


def _through(server: Server, link: SlowLink | None) -> Server:
    if link is None:
        return server
    near = copy.copy(server)
    near.port = link.port
    return near


def prepare(page: Lab, setup: str, cell: str) -> None:
    """Open a notebook with both cells, run the first, and put the cursor into the second."""
    page.open_notebook([setup, cell, "0"], name=f"n{time.monotonic_ns()}.ipynb")
    page.run_cell(0)
    page.cell_element(1).locator(".cm-content").click()
    page.page.evaluate("() => watch.begin()")


def run(page: Lab, *, seconds: float = 90, wanted: str = "watch.picture") -> dict[str, Any]:
    """Run the prepared cell and return what the page noted once `wanted` is there."""
    page.page.keyboard.press("Control+Enter")
    page.page.wait_for_function(wanted, timeout=seconds * 1000)
    found: dict[str, Any] = page.page.evaluate("() => watch.result()")
    return found


def _setup(viewer: str, file: str, more: str = "") -> tuple[str, str]:
    wanted(viewer)
    path = str(data.FOLDER / f"{file}.nii")
    if viewer == "nbannot":
        return READ.format(path=path), OURS.format(more=more)
    return "import ipyniivue", THEIRS.format(path=path)


def start(*, quick: bool, gpu: bool) -> list[Result]:
    """Run cell → first picture, whole volume and memory, the two viewers in turn."""
    firsts: dict[str, list[float]] = {"nbannot": [], "ipyniivue": []}
    notes: dict[str, str] = {}
    rows = []
    with lab(gpu=gpu) as (page, _):
        for _ in range(1 if quick else 3):
            for viewer, times in firsts.items():
                try:
                    prepare(page, *_setup(viewer, "ct"))
                    times.append(run(page)["picture"] / 1000)
                except (Error, RuntimeError) as error:
                    notes[viewer] = why(error)
    for viewer, times in firsts.items():
        rows.append(Result(FIRST, viewer, times, "s", notes.get(viewer, "")))
    for viewer in firsts:
        with lab(gpu=gpu) as (page, _):
            rows += _whole(page, viewer)
    return sorted(rows, key=lambda one: [row.what for row in rows].index(one.what))


def _whole(page: Lab, viewer: str) -> list[Result]:
    """All slices in the browser, and the memory that takes; ipyniivue shows nothing before."""
    names = ("JupyterLab: all 300 slices", "JupyterLab: private memory of the browser, added")
    try:
        prepare(page, *_setup(viewer, "ct"))
        before = memory_mb()
        ended = "watch.complete" if viewer == "nbannot" else "watch.picture"
        found = run(page, wanted=ended)
        seconds = found[ended.removeprefix("watch.")] / 1000
        return [
            Result(names[0], viewer, [seconds], "s"),
            Result(names[1], viewer, [memory_mb() - before], "MB"),
        ]
    except (Error, RuntimeError) as error:
        return [Result(name, viewer, note=why(error)) for name in names]


LABELLED = """
import numpy as np
mask = nb.Mask("organs", image, array=np.fromfile({labels!r}, "uint8").reshape(image.shape),
               segments={{n: f"organ {{n}}" for n in range(1, 9)}})
"""
THEIR_LABELS = THEIRS.replace(
    '{{"path": {path!r}}}', '{{"path": {path!r}}}, {{"path": {labels!r}, "colormap": "actc", "opacity": 0.4}}'
)


def scroll(*, quick: bool, gpu: bool) -> list[Result]:
    """Three planes in JupyterLab, scrolled by the wheel, without and with labels."""
    count = 10 if quick else 60
    rows = []
    path, labels = str(data.FOLDER / "ct.nii"), str(data.FOLDER / "labels.nii")
    raw = str(data.FOLDER / "labels.raw")
    for with_labels in (False, True):
        what = f"JupyterLab, three planes: scroll{' with labels' if with_labels else ''}"
        ours = (READ.format(path=path) + LABELLED.format(labels=raw), OURS.format(more=", masks=[mask]"))
        theirs = ("import ipyniivue", THEIR_LABELS.format(path=path, labels=labels))
        for viewer, cells in (("nbannot", ours), ("ipyniivue", theirs)):
            with lab(gpu=gpu) as (page, _):
                try:
                    wanted(viewer)
                    chosen = cells if with_labels else _setup(viewer, "ct")
                    prepare(page, *chosen)
                    run(
                        page, seconds=150, wanted="watch.complete" if viewer == "nbannot" else "watch.picture"
                    )
                    if with_labels:
                        page.page.wait_for_function("watch.coloured()", timeout=120_000)
                    rows += _steps(page, what, viewer, "wheel", count)
                except (Error, RuntimeError) as error:
                    rows += [Result(f"{what}, {kind}", viewer, note=why(error)) for kind in ("wall", "CPU")]
    return sorted(rows, key=lambda one: [row.what for row in rows].index(one.what))


def _steps(page: Lab, what: str, viewer: str, act: str, count: int) -> list[Result]:
    page.page.evaluate(f"() => watch.steps('{act}', 3)")
    before = processor_seconds()
    wall = page.page.evaluate(f"() => watch.steps('{act}', {count})")
    cpu = (processor_seconds() - before) * 1000 / count
    return [Result(f"{what}, wall", viewer, wall), Result(f"{what}, CPU", viewer, [cpu])]


def xray(*, quick: bool, gpu: bool) -> list[Result]:
    """Radiographs in JupyterLab: run cell → picture, and first bytes → picture."""
    rows = []
    for file, (height, width) in data.XRAYS.items():
        size = f"{height}×{width}"
        for viewer in ("nbannot", "ipyniivue"):
            whole, since, note = [], [], ""
            with lab(gpu=gpu) as (page, _):
                try:
                    for _ in range(1 if quick else 3):
                        prepare(page, *_setup(viewer, file))
                        found = run(page, seconds=60)
                        whole.append(found["picture"])
                        if found["bytes"] is not None:
                            since.append(found["picture"] - found["bytes"])
                except (Error, RuntimeError) as error:
                    note = why(error)
            rows.append(
                Result(f"X-ray {size}: run cell → first picture, JupyterLab", viewer, whole, "ms", note)
            )
            if viewer == "nbannot":
                rows.append(Result(XRAY.format(size=size, place="JupyterLab"), viewer, since, "ms", note))
        if not gpu:
            rows.append(_xray_in_gl_pages(file, size, 1 if quick else 3))
    return rows


def _xray_in_gl_pages(file: str, size: str, runs: int) -> Result:
    row = Result(XRAY.format(size=size, place=f"JupyterLab, {GL_PAGES}"), "nbannot", unit="ms")
    with lab(gpu=False, gl_pages=True) as (page, _):
        try:
            for _ in range(runs):
                prepare(page, *_setup("nbannot", file))
                found = run(page, seconds=60)
                row.values.append(found["picture"] - found["bytes"])
        except (Error, RuntimeError) as error:
            row.note = why(error)
    return row


def frames3d(*, quick: bool, gpu: bool) -> list[Result]:
    """The 3-D picture in JupyterLab: run cell → first one, and one turn of it."""
    rows = []
    names = ("3-D in JupyterLab: run cell → first picture", "3-D in JupyterLab: one turn of the picture")
    path = str(data.FOLDER / "ct.nii")
    cells = {
        "nbannot": (READ.format(path=path), OURS.format(more=", layout='3d'")),
        "ipyniivue": (
            "import ipyniivue",
            THEIRS.format(path=path).replace("NiiVue()", "NiiVue(slice_type=4)", 1),
        ),
    }
    for viewer, chosen in cells.items():
        with lab(gpu=gpu) as (page, _):
            try:
                wanted(viewer)
                prepare(page, *chosen)
                page.page.evaluate("() => { watch.least = 6; }")
                found = run(page, seconds=120)
                done = [Result(names[0], viewer, [found["picture"]])]
                rows += done + _steps(page, names[1], viewer, "turn", 3 if quick else 10)
                page.page.screenshot(path=data.ROOT / "build" / "bench" / "viewer" / f"3d-{viewer}.png")
            except (Error, RuntimeError) as error:
                lacking = (names[0], f"{names[1]}, wall", f"{names[1]}, CPU")
                rows += [Result(name, viewer, note=why(error)) for name in lacking]
    return rows


def link(*, quick: bool, gpu: bool) -> list[Result]:
    """A 512×512×174 CT at 30 Mbit/s with a round trip of 10 ms, for HTTP and websocket alike."""
    about = (data.FOLDER / "link.txt").read_text()
    names = [LINK_FIRST, LINK_BYTES, LINK_ASKED, LINK_PREVIEW, LINK_ALL]
    rows = _over_link(names, f"CT: {about}", runs=1 if quick else 3, gpu=gpu)
    if not gpu:
        more = [f"{name}; {GL_PAGES}" for name in names]
        rows += _over_link(more, "", runs=1 if quick else 3, gl_pages=True)
        names += more
    with lab(gpu=gpu, link=True) as (page, between):
        assert between is not None
        try:
            prepare(page, *_setup("ipyniivue", "link"))
            between.slow(megabits=30, round_trip=0.010)
            rows.append(Result(LINK_FIRST, "ipyniivue", [run(page, seconds=150)["picture"] / 1000], "s"))
        except (Error, RuntimeError) as error:
            rows.append(Result(LINK_FIRST, "ipyniivue", note=why(error)))
    return sorted(rows, key=lambda one: names.index(one.what))


def _over_link(
    names: Sequence[str], note: str, *, runs: int, gpu: bool = False, gl_pages: bool = False
) -> list[Result]:
    """Return nbannot's times over the slow link under these names."""
    rows = [Result(name, "nbannot", [], "s", note) for name in names]
    for _ in range(runs):
        with lab(gpu=gpu, link=True, gl_pages=gl_pages) as (page, between):
            assert between is not None
            try:
                prepare(page, *_setup("nbannot", "link"))
                between.slow(megabits=30, round_trip=0.010)
                seen = run(page, wanted="watch.complete")
                asked = seen["asked"]
                preview = preview_at(seen["cover"]) - asked
                first = seen["picture"] - asked
                data_at = (seen["bytes"] if seen["bytes"] is not None else seen["picture"]) - asked
                times = (seen["picture"], data_at, first, preview, seen["complete"] - asked)
                for row, one in zip(rows, times, strict=True):
                    row.values.append(one / 1000)
            except (Error, RuntimeError) as error:
                for row in rows:
                    row.note = why(error)
    return rows


def preview_at(cover: list[list[float]]) -> float:
    """Return when the coronal and sagittal pictures first covered what they cover in the end (ms)."""
    last = max(part for _, part in cover)
    return next(at for at, part in cover if part >= 0.95 * last)


def size(*, quick: bool, gpu: bool) -> list[Result]:
    """What travels to the browser before the first voxel."""
    del quick, gpu
    rows = []
    for name, plain, packed in pages.sizes():
        what, _, about = name.partition(" (")
        viewer, _, part = what.partition(" ")
        title = ESM if "_esm" in part else "module or bundle, minified"
        viewer = "Cornerstone3D" if what.startswith("Cornerstone") else viewer
        rows.append(
            Result(
                title,
                viewer,
                [plain / 1024],
                "KB",
                f"{packed / 1024:.0f} KB gzipped; {about.rstrip(')') or part}",
            )
        )
    return rows

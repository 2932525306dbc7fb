"""The viewer side by side with its peers: same browser, same data, same run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from measure import machine

from viewer import data, memory, notebook, pages, plain, report
from viewer.report import Result

INTRO = """# The viewer beside its peers

Made by `make bench` (`python bench viewer --only PART` repeats one part); docs/measure.md says what each
line is. Wall times scatter on a shared machine; ratios of the same run, and processor time ("CPU": user
and system time of every process of this browser, ms for each step), are what to trust. "nbannot / it" is
nbannot's median divided by that line's: below 1, nbannot needs less."""

Part = Callable[..., list[Result]]


def _both(*parts: Part) -> Part:
    def run(*, quick: bool, gpu: bool) -> list[Result]:
        return [one for part in parts for one in part(quick=quick, gpu=gpu)]

    return run


PARTS: dict[str, Part] = {
    "size": notebook.size,
    "start": _both(notebook.start, plain.start),
    "scroll": _both(plain.scroll, notebook.scroll),
    "xray": _both(notebook.xray, plain.xray),
    "volume": _both(notebook.frames3d, plain.frames3d),
    "link": notebook.link,
    "memory": memory.study,
}


def run(only: Sequence[str] = (), *, quick: bool = False, gpu: bool = False, keep: bool | None = None) -> str:
    """Measure the parts and return their tables; those that are kept replace their sections in the file.

    A part that fails as a whole leaves a line that says so; a quick run keeps nothing unless told to.
    """
    started = time.monotonic()
    keep = not quick if keep is None else keep
    data.make()
    for peer, reason in pages.build().items():
        print(f"{peer} cannot be measured: {reason}", file=sys.stderr)
    found: dict[str, str] = {}
    for name in only or PARTS:
        begun = time.monotonic()
        try:
            results = PARTS[name](quick=quick, gpu=gpu)
        except Exception as error:
            results = [Result(f"{name}: the whole part", report.OURS, note=plain.why(error))]
        found[name] = report.section(results, quick=quick)
        print(f"\n## {name} ({time.monotonic() - begun:.0f} s)\n\n{found[name]}", flush=True)
        if keep:
            report.write({name: found[name]}, list(PARTS), head(gpu=gpu))
    print(f"\n{time.monotonic() - started:.0f} s in all")
    return "\n\n".join(found.values())


def head(*, gpu: bool) -> str:
    """Return the introduction with the machine, the versions and what draws."""
    with pages.browser(gpu=gpu) as browser:
        page = browser.new_page()
        drawn = page.evaluate(pages.GPU_NAME)
        version = browser.version
    peers = ", ".join(f"{name} {number}" for name, number in pages.versions().items())
    return f"{INTRO}\n\n{machine()} {version}; WebGL: {drawn}; {peers}"

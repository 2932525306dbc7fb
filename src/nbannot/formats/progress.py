"""How far long work has come: told to a function, or shown in the notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

Progress = Callable[[float, str], object]
"""Called with the part that is done (0 to 1) and what is being done; what it raises cancels the work."""

# Work that is over sooner shows nothing; a bar that is up changes at most this often. In s.
AFTER = 1.0
EVERY = 0.25


@contextmanager
def following(progress: Progress | None) -> Iterator[Progress]:
    """Give what to tell the progress to: the function given, else a bar in a notebook, else nobody."""
    if progress is not None:
        yield progress
        return
    shell = _notebook()
    if shell is None:
        yield lambda _done, _text: None
        return
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.close()


def _notebook() -> Any:
    """Return the shell of a notebook's kernel, or None anywhere else."""
    core = sys.modules.get("IPython")
    shell = core.get_ipython() if core is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None


class _Bar:
    """A bar under the cell, which goes when the work is done."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._shown = 0.0
        self._handle: Any = None

    def __call__(self, done: float, text: str) -> None:
        now = time.monotonic()
        if now - self._begin < AFTER or now - self._shown < EVERY:
            return
        self._shown = now
        self._show(
            f'<label>{escape(text)} <progress max="1" value="{done:.3f}"></progress> {done:.0%}</label>'
        )

    def close(self) -> None:
        if self._handle is not None:
            self._show("")

    def _show(self, html: str) -> None:
        from IPython import display

        shown = display.HTML(html)  # type: ignore[no-untyped-call]
        if self._handle is None:
            self._handle = display.display(shown, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(shown)

"""Operations that are interrupted, or cancelled by what `progress` raises, while a library is at work."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread, current_thread, main_thread
from typing import Any

import numpy as np
import pytest

from nbannot import ops
from nbannot.assist.leaving import leaving
from nbannot.assist.operations import running
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.masks import Mask

SHAPE = (6, 40, 50)


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Interrupts arrive as in a program, whatever servers that ran in this process have left behind."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Slow:
    """A computation that is not to be ended from outside, as one call of a library; it lasts until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.begun, self.go, self.over = Event(), Event(), Event()
        entry = running.OPERATIONS[name]

        def compute(job: Any) -> Any:
            self.begun.set()
            try:
                self.go.wait()
                job.tell(0.9, "Late")
                return entry.compute(job)
            finally:
                self.over.set()

        monkeypatch.setitem(running.OPERATIONS, name, replace(entry, compute=compute))


def drawn() -> tuple[Mask, Document]:
    values = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    image = Image(values, Geometry(np.eye(4), SHAPE))
    mask = Mask("m", image, segments=["a", "b"])
    document = Document(image, masks=[mask])
    ops.threshold(mask, 4000, 9000, segment="a")
    return mask, document


ASKED: dict[str, dict[str, Any]] = {
    "threshold": {"lo": 100, "segment": "b"},
    "margin": {"mm": 3, "segment": "a"},
    "smooth": {"mm": 2, "method": "joint"},
    "region_grow": {"method": "confidence", "index": (3, 20, 20), "segment": "b"},
    "level_set": {"segment": "a"},
}


@pytest.mark.parametrize("name", ASKED)
def test_an_interrupt_does_not_wait_for_the_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mask, document = drawn()
    before, revision = mask.array.copy(), document.revision
    with monkeypatch.context() as patch:
        slow = Slow(patch, name)

        def interrupt() -> None:
            slow.begun.wait()
            os.kill(os.getpid(), signal.SIGINT)

        Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            ops.run(name, mask, **ASKED[name])
        assert not slow.over.is_set(), "the library is still at work"
        slow.go.set()
        assert slow.over.wait(60)
    assert np.array_equal(mask.array, before)
    assert document.revision == revision
    assert ops.run(name, mask, **ASKED[name]) is not None


def test_what_progress_raises_does_not_wait_either(monkeypatch: pytest.MonkeyPatch) -> None:
    mask, document = drawn()
    before, revision = mask.array.copy(), document.revision
    slow = Slow(monkeypatch, "margin")
    told: list[tuple[float, str]] = []

    def progress(done: float, text: str) -> None:
        assert current_thread() is main_thread()
        told.append((done, text))
        # Three times the same: nothing is new while the library is at work.
        if told[-3:] == [(done, text)] * 3 and slow.begun.is_set():
            raise InterruptedError(text)

    with pytest.raises(InterruptedError):
        ops.margin(mask, 3, segment="a", progress=progress)
    assert not slow.over.is_set()
    slow.go.set()
    assert slow.over.wait(60)
    assert np.array_equal(mask.array, before)
    assert document.revision == revision


def test_results_errors_and_all_that_is_told_come_back() -> None:
    told: list[tuple[float, str]] = []

    def work(report: Any) -> str:
        assert current_thread() is not main_thread()
        for n in range(5):
            report(n / 5, "Working")
        return "done"

    assert leaving(work, lambda done, text: told.append((done, text))) == "done"
    assert list(dict.fromkeys(told)) == [(n / 5, "Working") for n in range(5)]

    def fails(report: Any) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        leaving(fails, lambda _done, _text: None)

    beside: list[bool] = []
    thread = Thread(target=lambda: leaving(lambda _: beside.append(current_thread() is thread), print))
    thread.start()
    thread.join()
    assert beside == [True], "in another thread, where no interrupt comes, it works in place"

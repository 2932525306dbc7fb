"""Long computations that an interrupt ends at once: they work in a thread, which is left where it is."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Event, Thread, current_thread, main_thread
from typing import TypeVar

from nbannot.formats.progress import EVERY, Progress

T = TypeVar("T")


class _Left(BaseException):
    """Nobody waits for the work any more. Not an Exception, so that nothing in it is caught."""


def leaving(work: Callable[[Progress], T], tell: Progress) -> T:
    """Return what ``work(report)`` returns; an interrupt, or what ``tell`` raises, ends the waiting for it.

    One call of a library written in C takes seconds on a large volume, and Python sees no interrupt
    before it is back. So in the main thread, where interrupts come, the work is done in a thread beside
    it. When it is left, it ends where it next reports. Elsewhere it is done in place.

    Parameters
    ----------
    work
        Only reads what others may change meanwhile; waits for no lock that the caller may hold.
    tell
        Told what is reported, in the thread of the caller, and the same again where there is no news for
        a quarter of a second.
    """
    if current_thread() is not main_thread():
        return work(tell)
    news: SimpleQueue[tuple[float, str] | None] = SimpleQueue()
    left = Event()
    found: list[T] = []
    failed: list[BaseException] = []

    def report(done: float, text: str) -> None:
        if left.is_set():
            raise _Left
        news.put((done, text))

    def run() -> None:
        try:
            found.append(work(report))
        except BaseException as error:
            failed.append(error)
        news.put(None)

    try:
        Thread(target=copy_context().run, args=(run,), daemon=True, name="nbannot-operation").start()
        last: tuple[float, str] | None = None
        while True:
            try:
                last = news.get(timeout=EVERY)
            except Empty:
                if last is not None:
                    tell(*last)
                continue
            if last is None:
                break
            tell(*last)
    finally:
        left.set()
    if failed:
        raise failed[0]
    return found[0]

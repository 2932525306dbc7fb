"""Keep third-party warnings about odd headers from reaching the user: we say it ourselves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class _Hush:
    """Counts its users, because ``warnings.catch_warnings`` is not safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._context: warnings.catch_warnings[None] | None = None

    def enter(self) -> None:
        with self._lock:
            if self._users == 0:
                self._context = warnings.catch_warnings()
                self._context.__enter__()
                warnings.simplefilter("ignore")
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._context is not None:
                self._context.__exit__(None, None, None)
                self._context = None


_HUSH = _Hush()


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings inside the block; safe to use from several threads at once."""
    _HUSH.enter()
    try:
        yield
    finally:
        _HUSH.leave()

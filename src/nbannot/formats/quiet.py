"""Keep third-party remarks about odd headers from warnings and logs: they may quote patient data."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_LOGGERS = ("pydicom", "nibabel.global", "PIL", "tifffile")


class _Hush:
    """Counts its users, because ``warnings.catch_warnings`` is not safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._context: warnings.catch_warnings[None] | None = None
        self._silenced: list[logging.Logger] = []

    def enter(self) -> None:
        with self._lock:
            if self._users == 0:
                self._context = warnings.catch_warnings()
                self._context.__enter__()
                warnings.simplefilter("ignore")
                loggers = [logging.getLogger(name) for name in _LOGGERS]
                self._silenced = [logger for logger in loggers if not logger.disabled]
                for logger in self._silenced:
                    logger.disabled = True
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._context is not None:
                self._context.__exit__(None, None, None)
                self._context = None
                for logger in self._silenced:
                    logger.disabled = False


_HUSH = _Hush()


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing inside the block; safe to use from several threads at once."""
    _HUSH.enter()
    try:
        yield
    finally:
        _HUSH.leave()

"""Where the history keeps changed voxels: the newest in memory, older large ones in a temporary file.

A history grows without end, and an operation on the bones of a whole body takes some 300 KB even packed. What the
edits of a document hold in memory is limited to a part of its masks; beyond it the oldest go to a file without a
name, which is gone when the document is, or the kernel ends. An undo reads them there. Where the file cannot be
written they stay in memory.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from threading import Lock
from typing import IO

from nbannot.model.edits import Batch, Edit, Paint
from nbannot.model.runs import Away, Held, Parts

SHARE = 0.02
"""Part of the bytes of a document's masks that changes may take in memory."""
LEAST = 1 << 20
"""Bytes that they may take anyhow: beside small masks a file is not worth it."""
SMALLEST = 256
"""Fewer bytes stay: to say where they are takes as much."""


class Spill:
    """Limits the memory of the changes of one document.

    Parameters
    ----------
    masks
        Returns the bytes of the document's masks.
    """

    def __init__(self, masks: Callable[[], int]) -> None:
        self._masks = masks
        self._here: dict[Held, int] = {}
        self._total = 0
        self._file: IO[bytes] | None = None
        self._end = 0
        self._failed = False
        self._lock = Lock()

    @property
    def away(self) -> int:
        """Bytes in the file."""
        return self._end

    def keep(self, edit: Edit) -> None:
        """Hold a recorded edit compressed; send the oldest to the file where all take too much."""
        for paint in _paints(edit):
            paint.runs.pack()
            held = paint.runs.kept
            size = held.size
            if size >= SMALLEST and held not in self._here:
                self._here[held] = size
                self._total += size
        limit = max(LEAST, int(SHARE * self._masks()))
        while self._total > limit and not self._failed:
            oldest = next(iter(self._here))
            try:
                oldest.send(self._write)
            except OSError:
                self._failed = True
                return
            self._total -= self._here.pop(oldest)

    def _write(self, parts: Parts) -> Away:
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="nbannot-", dir=_folder())  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            file, start = self._file, self._end
            file.seek(start)
            for part in parts:
                file.write(part)
            file.flush()
            self._end = file.tell()
        sizes = tuple(len(part) for part in parts)
        return lambda: self._read(start, sizes)

    def _read(self, start: int, sizes: tuple[int, ...]) -> Parts:
        with self._lock:
            assert self._file is not None
            self._file.seek(start)
            return tuple(self._file.read(size) for size in sizes)


def _paints(edit: Edit) -> Iterator[Paint]:
    if isinstance(edit, Paint):
        yield edit
    elif isinstance(edit, Batch):
        for part in edit.edits:
            yield from _paints(part)


def _folder() -> str | None:
    """Return a folder on a disk: the usual one for temporary files may lie in memory."""
    if any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")):
        return None
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None

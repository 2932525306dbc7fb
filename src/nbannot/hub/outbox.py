"""What waits to be sent to one browser: filled by any thread, emptied by the event loop, bounded."""

from __future__ import annotations

import asyncio
import contextlib
from threading import Condition

from starlette.websockets import WebSocket

FULL_BYTES = 8 * 2**20
"""From here on slices wait until the browser has taken some."""

MOST_BYTES = 96 * 2**20
"""A browser that lets so much wait is not reading any more."""

_PATIENCE_S = 120.0


class Outbox:
    """The frames that one socket shall send, in order.

    Parameters
    ----------
    loop
        The event loop of the socket.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[tuple[bytes, bool] | None] = asyncio.Queue()
        self._bytes = 0
        self._changed = Condition()
        self._closed = False
        self._forgotten = False

    def put(self, frame: bytes, *, voxels: bool = False) -> None:
        """Add a frame; from any thread. What is too much for a browser closes the box."""
        with self._changed:
            if self._closed:
                return
            self._bytes += len(frame)
            if self._bytes > MOST_BYTES:
                self._close()
                return
        self._post((frame, voxels))

    def wait(self) -> None:
        """Wait until there is room for slices, at most two minutes; for threads that hold no lock."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._bytes < FULL_BYTES, _PATIENCE_S)

    async def run(self, websocket: WebSocket) -> None:
        """Send frames until the box is closed."""
        while (entry := await self._queue.get()) is not None:
            frame, voxels = entry
            if not (voxels and self._forgotten):
                await websocket.send_bytes(frame)
            with self._changed:
                self._bytes -= len(frame)
                self._changed.notify_all()

    def forget(self) -> None:
        """Send no voxels any more, not those that wait either."""
        self._forgotten = True

    def close(self) -> None:
        """Take nothing more; what is in it is still sent."""
        with self._changed:
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._post(None)
            self._changed.notify_all()

    def _post(self, frame: tuple[bytes, bool] | None) -> None:
        # The loop may have ended while a thread still worked for it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._queue.put_nowait, frame)

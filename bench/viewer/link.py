"""A slow link in front of a server: one rate for all its connections, and a delay."""

from __future__ import annotations

import queue
import socket
import threading
import time
from contextlib import suppress

CHUNK = 8192
BACKLOG = 0.05
"""Seconds of data that wait in the link; more stays with the sender, as behind a small router."""


class _Lane:
    """One direction: who sends waits for its turn on the wire."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.delay = 0.0
        self._free = 0.0
        self._lock = threading.Lock()

    def turn(self, size: int) -> float:
        """Return when `size` bytes are through (monotonic s)."""
        with self._lock:
            now = time.monotonic()
            if not self.rate:
                return now
            self._free = max(now, self._free) + size / self.rate
            free = self._free
        if free - now > BACKLOG:
            time.sleep(free - now - BACKLOG)
        return free + self.delay


class SlowLink:
    """Forwards a loopback port to another: as fast as it goes until `slow` is called."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._up, self._down = _Lane(), _Lane()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def slow(self, *, megabits: float, round_trip: float) -> None:
        """Set the rate of each direction (Mbit/s) and the round trip (s)."""
        for lane in (self._up, self._down):
            lane.rate, lane.delay = megabits * 1e6 / 8, round_trip / 2

    def close(self) -> None:
        """Take no new connections; those there end with their peers."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    # Small buffers: what waits, waits at the sender, who can still change its mind.
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                self._join(client, server, self._up)
                self._join(server, client, self._down)

    def _join(self, source: socket.socket, sink: socket.socket, lane: _Lane) -> None:
        waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(source, waiting, lane), daemon=True).start()
        threading.Thread(target=self._write, args=(sink, waiting), daemon=True).start()

    @staticmethod
    def _read(source: socket.socket, waiting: queue.SimpleQueue[tuple[float, bytes]], lane: _Lane) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                waiting.put((lane.turn(len(data)), data))
        waiting.put((0.0, b""))

    @staticmethod
    def _write(sink: socket.socket, waiting: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        with suppress(OSError):
            while True:
                at, data = waiting.get()
                if not data:
                    break
                if (rest := at - time.monotonic()) > 0:
                    time.sleep(rest)
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

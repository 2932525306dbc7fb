"""A relay between a program and a server on this machine: it counts bytes, and can be cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Road:
    """A relay to a port; `bytes` came back by it.

    Parameters
    ----------
    to
        Port of the server on 127.0.0.1.
    """

    def __init__(self, to: int) -> None:
        self.bytes, self._to = 0, to
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._listen()

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        # Only this wakes the thread that waits for a connection.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Take connections again, at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listen()

    def _listen(self) -> None:
        self._accepting = threading.Thread(target=self._serve, args=(self._listener,), daemon=True)
        self._accepting.start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            try:
                other = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                one.close()
                continue
            with self._lock:
                self._open |= {one, other}
            for pair in ((one, other, 0), (other, one, 1)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, count: int) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.bytes += count * len(data)
                target.sendall(data)
        # Where one direction has ended, so has the other: neither end keeps half a connection.
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            if source in self._open:
                self._open.discard(source)
                source.close()

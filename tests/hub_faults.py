"""Readers that speak the protocol as the page does, and a service that is killed under their hands."""

from __future__ import annotations

import multiprocessing
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

import nbannot as nb
from browser import reader_service
from hub_serving import CSRF, PREFIX
from nbannot.host.messages import PROTOCOL
from nbannot.model.codec import encode_edit
from nbannot.model.edits import Put
from nbannot.store.wire import pack, unpack
from servers import free_port

MOST_WAITING = 4
PATIENCE_S = 60.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["browser.reader_service", "sqlalchemy", "psycopg", "nbannot.store.opening"]
)


class Killable:
    """The service in a process that is killed and started again at the same place.

    Parameters
    ----------
    place
        Folder or URL of the project.
    """

    def __init__(self, place: str) -> None:
        self.place, self.port = place, free_port()
        self.process: Any = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = _processes.Process(
            target=reader_service.main, args=(self.place, self.port), daemon=True
        )
        self.process.start()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                opener.open(f"http://127.0.0.1:{self.port}{PREFIX}openapi.json", timeout=10).close()
                return
            except (urllib.error.URLError, OSError):
                assert self.process.is_alive() and time.monotonic() < end, "The service does not start"
                time.sleep(0.02)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.join(PATIENCE_S)


class Reader(Thread):
    """One reader at one task, who edits without a pause and comes back after each cut.

    Parameters
    ----------
    person, task
        Who reads what.
    port
        Of the service.
    seed
        Of the edits.
    """

    def __init__(self, person: str, task: str, port: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.person, self.task, self.port = person, task, port
        self.tab, self.image = f"tab-{person}", ""
        self.made = 0
        self.waiting: dict[int, dict[str, Any]] = {}
        self.acknowledged: list[str] = []
        self.refused: list[Any] = []
        self.codes: list[int] = []
        self.wrong: BaseException | None = None
        self._random = random.Random(seed)
        self._enough, self._greeted = Event(), False
        self._lock = Lock()

    def finish(self) -> None:
        """Make nothing new, and wait until everything made is acknowledged."""
        self._enough.set()
        self.join(PATIENCE_S)
        assert not self.is_alive(), f"{len(self.waiting)} edits of {self.person} were never answered"
        if self.wrong is not None:
            raise self.wrong

    @property
    def told(self) -> set[str]:
        """Ids of the edits that the service has acknowledged."""
        with self._lock:
            return set(self.acknowledged)

    @property
    def ids(self) -> list[str]:
        """Ids of all edits made, in order."""
        return [f"{self.tab}:{n}" for n in range(1, self.made + 1)]

    def run(self) -> None:
        """Read until told to finish, and everything is kept."""
        try:
            while not (self._enough.is_set() and not self.waiting):
                try:
                    with self._connect() as socket:
                        self._serve(socket)
                except ConnectionClosed as closed:
                    if closed.rcvd is not None:
                        self.codes.append(closed.rcvd.code)
                except (OSError, InvalidHandshake, EOFError):
                    time.sleep(0.02)
        except BaseException as error:
            self.wrong = error

    def _connect(self) -> ClientConnection:
        host = f"127.0.0.1:{self.port}"
        return connect(
            f"ws://{host}{PREFIX}api/v1/projects/study/tasks/{self.task}/live?page={self.person}",
            subprotocols=[Subprotocol("nbannot.v1"), Subprotocol(f"csrf.{CSRF}")],
            additional_headers={"Cookie": f"name={self.person}", "Origin": f"http://{host}"},
            compression=None, max_size=None, proxy=None, close_timeout=0.5,
        )  # fmt: skip

    def _serve(self, socket: ClientConnection) -> None:
        self._greeted = False
        self._hello(socket)
        heard = time.monotonic()
        while not (self._enough.is_set() and not self.waiting):
            if self._greeted and not self._enough.is_set() and len(self.waiting) < MOST_WAITING:
                self._edit(socket)
            try:
                message, _ = unpack(bytes(socket.recv(0.1)))
            except TimeoutError:
                if time.monotonic() - heard > 3:
                    heard = time.monotonic()
                    self._hello(socket)
                continue
            heard = time.monotonic()
            self._take(socket, message)

    def _hello(self, socket: ClientConnection) -> None:
        first = min(self.waiting, default=self.made + 1)
        socket.send(pack({"type": "hello", "tab": self.tab, "version": PROTOCOL, "next": first}))

    def _edit(self, socket: ClientConnection) -> None:
        self.made += 1
        n = self.made
        if n % 5 == 0:
            data: dict[str, Any] = {"kind": "undo", "id": f"{self.tab}:{n}"}
        else:
            corner = self._random.randrange(5, 20)
            box = nb.Box("lesion", ((0, corner, corner), (0, 30, 30)), image=self.image, id=f"b{n}")
            data, _ = encode_edit(Put(box, id=f"{self.tab}:{n}"))
        self.waiting[n] = data
        self._send_from(socket, n)

    def _send_from(self, socket: ClientConnection, first: int) -> None:
        for n, data in list(self.waiting.items()):
            if n >= first:
                socket.send(pack({"type": "edit", "tab": self.tab, "seq": n, "edit": data}))

    def _take(self, socket: ClientConnection, message: Any) -> None:
        kind, mine = message["type"], message.get("tab") == self.tab
        if kind == "state":
            self.image = message["images"][0]["id"]
            for n in [n for n in self.waiting if n <= message["acked"]]:
                self._answered(n)
            self._greeted = True
            self._send_from(socket, 0)
        elif kind in ("edited", "acked") and mine:
            self._answered(message["seq"])
        elif kind == "refused":
            self.refused.append(message)
            self.waiting.pop(message["seq"], None)
        elif kind == "later":
            time.sleep(0.2)
            self._send_from(socket, 0)
        elif kind == "resend":
            if message["from"] is None:
                self._hello(socket)
            else:
                self._send_from(socket, message["from"])

    def _answered(self, n: int) -> None:
        data = self.waiting.pop(n, None)
        if data is not None:
            with self._lock:
                self.acknowledged.append(data["id"])


@contextmanager
def reading(place: str, people: dict[str, str], *, seed: int) -> Iterator[tuple[Killable, list[Reader]]]:
    """Run the service, and for each person a reader at a task of theirs."""
    service = Killable(place)
    service.start()
    readers = [Reader(who, task, service.port, seed + n) for n, (who, task) in enumerate(people.items())]
    try:
        for one in readers:
            one.start()
        yield service, readers
    finally:
        for one in readers:
            one.waiting.clear()
            one._enough.set()
        service.kill()
        for one in readers:
            one.join(PATIENCE_S)

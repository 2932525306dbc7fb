"""Where browsers and sessions meet: one room for each session that is open, one seat for each socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from threading import RLock
from typing import Any, TypeVar
from uuid import uuid4

from anyio import CapacityLimiter, to_thread
from starlette.websockets import WebSocket, WebSocketDisconnect

from nbannot.deid import original_of
from nbannot.errors import ConflictError, DeidentificationError, NbannotError, ReadOnlyError, StoreError
from nbannot.host.lanes import will_pass
from nbannot.hub.neutral import knows_names
from nbannot.hub.outbox import Outbox
from nbannot.hub.readings import mark_of, reading_of, shown_apart
from nbannot.hub.seat import GONE, RENEWED, TAKEN_OVER, Guest, Seat
from nbannot.hub.telling import LATER, why_not
from nbannot.session import Session
from nbannot.session.arrange import begin, resumed, shown_before
from nbannot.session.config import Config
from nbannot.store.served import is_current, shows_seen
from nbannot.store.wire import pack, unpack

log = logging.getLogger(__name__)

T = TypeVar("T")

_BIG = ("pydicom", "pandas")
THREADS = 16
RECHECK_S = 5.0
COMPANY_S = 1.0
"""How often those are looked for whom somebody may follow, s."""
AGAIN = 1013
_OTHERWISE = "The study team changed how this case is shown. It is opened anew."

Key = tuple[str, str, str]


class Room:
    """The live session of one person and the sockets that show it.

    Parameters
    ----------
    session
        What is read.
    config
        What the configuration says.
    moved
        Called with a seat when others in its case shall hear of it.
    """

    def __init__(self, session: Session, config: Config, moved: Callable[[Seat], None]) -> None:
        self.session = session
        self.config = config
        self.version = _version(session, config)
        self._moved = moved
        self.seats: list[Seat] = []
        self.writer: Seat | None = None
        # Whether others were told of somebody who left since.
        self._here = False
        self._lock = RLock()

    def sit(self, guest: Guest, outbox: Outbox) -> Seat:
        """Return a seat for a socket."""
        given = not self.config.reader.labels_open and not knows_names(guest.project)
        config = {**self.config.to_json(), "labels_given": given}
        seat = Seat(
            guest, self.session, outbox, config=config, tools=self.config.reader.tools,
            version=self.version, take=self._take, moved=self._moved,
        )  # fmt: skip
        with self._lock:
            self.seats.append(seat)
        return seat

    def _take(self, seat: Seat, force: bool) -> bool:
        """Whether a seat writes from now on: where nobody else does, or by force."""
        with self._lock:
            before = self.writer
            if before is not None and before is not seat and before.guest.page != seat.guest.page:
                if not force:
                    return False
                before.leave(TAKEN_OVER, "The case was opened in another window.")
            self.writer = seat
            return True

    def stand_up(self, seat: Seat) -> bool:
        """Free a seat; True where it was the last one, after the session was kept."""
        seat.close()
        with self._lock:
            if seat in self.seats:
                self.seats.remove(seat)
            if self.writer is seat:
                self.writer = None
            empty = not self.seats
            self._here = self._here or seat.here
        if empty and self._here:
            seat.gone()
        if empty and self.session.key is not None:
            try:
                self.session.save()
            except NbannotError as error:
                # Submitted, taken away or taken over meanwhile: every edit is kept all the same.
                log.info("A session was not saved at its end: %s", type(error).__name__)
        return empty

    def close(self, code: int, reason: str) -> None:
        """Send everybody away."""
        with self._lock:
            seats = list(self.seats)
        for seat in seats:
            seat.leave(code, reason)


class Rooms:
    """All rooms of one process; `live` serves a socket.

    Parameters
    ----------
    projects
        By the name in their URL.
    recheck
        Seconds from one look whether the case is still the reader's to the next.
    """

    def __init__(self, projects: Mapping[str, Any], *, recheck: float = RECHECK_S) -> None:
        # Two threads that import one first at once, as after a restart, get half of it; and nobody waits for them.
        for module in _BIG:
            import_module(module)
        self._projects = projects
        self._recheck = recheck
        self._rooms: dict[Key, Room] = {}
        self._lock = RLock()
        self._threads = CapacityLimiter(THREADS)

    def __len__(self) -> int:
        return len(self._rooms)

    async def live(self, websocket: WebSocket, person: str, project: str, task: str) -> None:
        """Serve an accepted socket until it ends."""
        outbox = Outbox(asyncio.get_running_loop())
        query = websocket.query_params
        number = query.get("reading", "0")
        reading = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
        acting = self._projects[project].acting_as(person)
        guest = Guest(acting, task, query.get("page", "")[:64], query.get("peek") == "1", reading)
        try:
            key, room, seat = await self._run(lambda: self._enter(project, person, guest, outbox))
        except Exception as error:
            if not isinstance(error, NbannotError):
                log.exception("A case could not be opened: %s", type(error).__name__)
            # What nobody foresaw may pass, too; a page gives up by itself where it does not.
            again = not isinstance(error, NbannotError) or will_pass(error)
            again = again or isinstance(error, ConflictError | ReadOnlyError)
            await websocket.send_bytes(
                pack({"type": "closing", "reason": LATER if again else why_not(error)})
            )
            await websocket.close(AGAIN if again else GONE, "not open")
            return
        tasks = [
            asyncio.create_task(outbox.run(websocket)),
            asyncio.create_task(self._listen(websocket, seat)),
            asyncio.create_task(self._watch(room, seat)),
            asyncio.create_task(self._look_around(seat)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done() and not tasks[1].done():
                await websocket.close(seat.code, seat.reason[:100])
        except (WebSocketDisconnect, RuntimeError):
            log.debug("The browser was gone already")
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # Also when this is cancelled: what a reader did must be kept.
            await asyncio.shield(asyncio.ensure_future(self._run(lambda: self._leave(key, room, seat))))

    async def _run(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._threads)

    def _enter(self, name: str, person: str, guest: Guest, outbox: Outbox) -> tuple[Key, Room, Seat]:
        guest, session = _session(self._looking(name, guest))
        # A reading that is looked at is a copy of this seat's own.
        key = (name, person, str(session.key) if session.key is not None else uuid4().hex)
        config = _config(guest.project, guest.project.tasks.get(guest.task).case, session)
        with self._lock:
            room = self._rooms.get(key)
            # The store opens a session anew after a write from elsewhere, and where it is to be seen otherwise.
            # Who sits in the old one must come again.
            if room is not None and (room.session is not session or room.config != config):
                if room.session is session or room.session.closed:
                    room.close(RENEWED, _OTHERWISE)
                else:
                    room.close(TAKEN_OVER, "The case was opened and changed elsewhere.")
                room = None
            if room is None:
                if not shown_before(session.view):
                    images = [original_of(image) for image in session.document.images]
                    view = begin(images, config, layout="auto", hanging=None)
                    session.view = resumed(view, session.view)
                room = self._rooms[key] = Room(session, config, partial(self._tell_others, name))
            seat = room.sit(guest, outbox)
        try:
            seat.open()
        except BaseException:
            self._leave(key, room, seat)
            raise
        return key, room, seat

    def _looking(self, name: str, guest: Guest) -> Guest:
        """Return a guest that may look again at what was handed in, where it was."""
        project = guest.project
        if project.tasks.get(guest.task).open:
            return guest
        return replace(guest, project=self._projects[name].acting_as(project.author, again=True))

    def _tell_others(self, name: str, seat: Seat) -> None:
        """Tell those in the same case who may know it that somebody came, moved or left."""
        with self._lock:
            others = [
                other
                for (project, who, _), room in self._rooms.items()
                if project == name and who != seat.guest.project.author
                for other in room.seats
            ]
        for other in others:
            if other.case == seat.case and (other.company.sees_all or seat.company.sees_all):
                other.tell_company()

    def _leave(self, key: Key, room: Room, seat: Seat) -> None:
        with self._lock:
            if room.stand_up(seat) and self._rooms.get(key) is room:
                del self._rooms[key]

    async def _listen(self, websocket: WebSocket, seat: Seat) -> None:
        """Take messages one after another, each in a thread."""
        while True:
            event = await websocket.receive()
            if event["type"] == "websocket.disconnect":
                return
            data = event.get("bytes")
            try:
                message, buffers = unpack(data or b"")
            except StoreError:
                seat.leave(1008, "A message could not be read.")
                return
            await self._run(lambda m=message, b=buffers: seat.receive(m, b))  # type: ignore[misc]

    async def _watch(self, room: Room, seat: Seat) -> None:
        """Look now and then whether the case is still the reader's, to be seen as it was opened."""
        while True:
            await asyncio.sleep(self._recheck)
            end = await self._run(lambda: _end(room, seat))
            if end is not None:
                seat.leave(*end)
                return

    async def _look_around(self, seat: Seat) -> None:
        """Look who is there: also who came by another process, or from a notebook."""
        while True:
            busy = seat.company.sees_all or not seat.company.alone
            await asyncio.sleep(min(self._recheck, COMPANY_S) if busy else self._recheck)
            await self._run(seat.tell_company)

    def close(self, person: str, reason: str, *, project: str | None = None) -> None:
        """Send a person away from all cases, or from those of a project: a role was revoked."""
        with self._lock:
            found = [
                room
                for (name, who, _), room in self._rooms.items()
                if who == person and project in (None, name)
            ]
        for room in found:
            room.close(GONE, reason)


_NOT_YOURS = "This case is not open to you any more."


def _end(room: Room, seat: Seat) -> tuple[int, str] | None:
    """Return with what code and why a reader must leave a case, if so."""
    with seat.answering:
        guest = seat.guest
        try:
            task = guest.project.tasks.get(guest.task)
            reads = "case.read" if task.open else "own.read"
            if task.person != guest.project.author or not guest.project.people.allowed(reads, task.case):
                return GONE, _NOT_YOURS
            if not _is_current(guest, task.case, room):
                return RENEWED, _OTHERWISE
            seat.look_again(task.status)
        except (PermissionError, KeyError):
            return GONE, _NOT_YOURS
        except DeidentificationError as error:
            return GONE, why_not(error)
        except NbannotError as error:
            # The database is away for a moment.
            log.warning("A task could not be looked at: %s", type(error).__name__)
        return None


def _is_current(guest: Guest, case: str, room: Room) -> bool:
    """Whether a case is shown as it would be opened now: a reading that is looked at is a copy, of the same images."""
    session, project = room.session, guest.project
    config = _config(project, case, session)
    if config != room.config:
        return False
    return (
        shows_seen(project, case, session, config) if guest.reading else is_current(project, session, config)
    )


def _version(session: Session, config: Config) -> str:
    """Return a text that changes with how a case is shown: a page with another one has other voxels of it."""
    images = [(image.id, image.name) for image in session.document.images]
    shown = json.dumps([config.to_json(), repr(config.reader), images], sort_keys=True, default=str)
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def _session(guest: Guest) -> tuple[Guest, Session]:
    """Return the session of a task, or a copy of a reading; what is only looked ahead at is not begun."""
    tasks = guest.project.tasks
    if guest.reading:
        reading = reading_of(guest.project, guest.task, guest.reading)
        return replace(guest, mark=mark_of(reading)), shown_apart(reading, guest.reading)
    return guest, tasks.prepare(guest.task) if guest.peek else tasks.begin(guest.task)


def _config(project: Any, case: str, session: Session) -> Config:
    """Return what the configuration says, without what is wrong in it: that is for the owner."""
    images = [original_of(image) for image in session.document.images]
    found: Config = project.configs.of(case, role="reader").config
    return replace(found.bound(images), problems=(), headers=False)

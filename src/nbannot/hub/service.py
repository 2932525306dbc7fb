"""What all requests of one worker process share: projects, the login, limits and open sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import HTTPConnection

from nbannot.errors import AccessError, LoginError, NbannotError, UnknownItemError
from nbannot.hub.guard import NOTE
from nbannot.hub.jobs import Jobs
from nbannot.hub.limits import Limits, Rate, SlowDownError, address
from nbannot.hub.login import Login, Visitor
from nbannot.hub.observe import Metrics, tell
from nbannot.hub.origin import Place
from nbannot.hub.pictures import Pictures
from nbannot.store.served import refuse

STORE_THREADS = 12
_SAFE = ("GET", "HEAD")
_TOKENS = ("token", "access_token", "api_token", "authorization")


class Service:
    """What all requests of one worker process share.

    Parameters
    ----------
    projects
        By the name in their URL; each is opened as the service's own.
    login
        Decides who is let in.
    place
        Where the service is for browsers.
    limits
        Bounds for requests.
    index_from
        Places that may be indexed, by project.
    """

    def __init__(
        self,
        projects: Mapping[str, Any],
        *,
        login: Login,
        place: Place,
        limits: Limits,
        index_from: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.projects = dict(projects)
        self._index_from = dict(index_from or {})
        self.jobs = Jobs()
        self.login, self.place, self.limits = login, place, limits
        self.metrics = Metrics()
        self.pictures = Pictures()
        self.threads = CapacityLimiter(STORE_THREADS)
        self.sockets: Counter[str] = Counter()
        self._people = Rate(limits.per_second, limits.burst)
        self._strangers = Rate(limits.stranger_per_second, limits.stranger_burst)
        self._unknown_rows = Rate(1.0, 30)
        # What to call when a browser's login ends, by its key.
        self.endings: dict[str, set[Callable[[], None]]] = {}

    async def let_in(self, connection: HTTPConnection) -> Visitor:
        """Return who asks; a browser's unsafe request must come from a page of the service.

        Raises
        ------
        LoginError
            When nobody is logged in.
        AccessError
            When the request is forged, or carries a token in its address.
        ServiceError
            When the Hub does not answer.
        SlowDownError
            When they ask too often.
        """
        if any(name.lower() in _TOKENS for name in connection.query_params):
            self.spend_as_stranger(connection)
            raise AccessError(
                "A token in an address is never taken: addresses are logged and shared",
                hint="Send it in the Authorization header, and make a new one: this one is known now.",
            )
        visitor = await self.login.visitor(connection)
        if visitor is None:
            self.spend_as_stranger(connection)
            raise LoginError(
                "Nobody is logged in here",
                hint="Open the page to log in; a program sends its Hub token in the Authorization header.",
            )
        note = connection.scope[NOTE]
        note["person"] = visitor.person
        wait = self._people.wait(visitor.person)
        if wait:
            raise SlowDownError(wait)
        unsafe = connection.scope["type"] == "websocket" or connection.scope.get("method") not in _SAFE
        if unsafe and visitor.session is not None:
            self.place.check_page(connection, visitor.csrf)
        elif connection.scope["type"] == "websocket" and "origin" in connection.headers:
            self.place.check_origin(connection)
        return visitor

    def spend_as_stranger(self, connection: HTTPConnection) -> None:
        """Count a request of somebody who is not logged in.

        Raises
        ------
        SlowDownError
            When there were too many from this address.
        """
        wait = self._strangers.wait(address(connection))
        if wait:
            raise SlowDownError(wait)

    def project(self, name: str, person: str) -> tuple[str, Any]:
        """Return the project of this name, acting as the person.

        Raises
        ------
        UnknownItemError
            When there is none, or the person has no role in it: both look the same.
        """
        if not self.roles(name, person):
            raise UnknownItemError("There is nothing here for you")
        return name, self.projects[name].acting_as(person)

    def places(self, name: str) -> Sequence[str]:
        """Return the places that a project may be indexed from."""
        return self._index_from.get(name, ())

    def roles(self, name: str, person: str) -> list[str]:
        """Return the roles of a person in a project; none where there is no such project."""
        project = self.projects.get(name)
        return [] if project is None else list(project.acting_as(person).people.roles())

    async def find_task(self, project: str, person: str, task: str) -> None:
        """Look whether a task is the person's.

        Raises
        ------
        UnknownItemError
            When it is not, or is not there: both look the same.
        """
        await to_thread.run_sync(self._find_task, project, person, task, limiter=self.threads)

    def _find_task(self, name: str, person: str, task: str) -> None:
        _, project = self.project(name, person)
        try:
            mine = project.tasks.get(task).person == person
        except AccessError:
            mine = False
        if not mine:
            raise UnknownItemError("There is nothing here for you")

    async def refused(self, error: NbannotError, connection: HTTPConnection, visitor: Visitor | None) -> None:
        """Count a refusal, and put it into the project's audit log where the store has not done so."""
        kind = type(error).__name__
        if not isinstance(error, AccessError | LoginError | UnknownItemError | SlowDownError):
            return
        self.metrics.refused.labels(kind).inc()
        note = connection.scope[NOTE]
        fields = {key: note[key] for key in ("request", "route", "person") if key in note}
        tell("refused", kind=kind, **fields)
        name = connection.path_params.get("project", "")
        if name not in self.projects or isinstance(error, SlowDownError):
            return
        if isinstance(error, AccessError) and visitor is not None:
            return  # the store refused it and has written it down
        if visitor is None and self._unknown_rows.wait(""):
            return  # strangers must not be able to fill the log
        actor = note.get("person", "")  # also where a known person's request was forged
        action = f"{connection.scope.get('method', 'WEBSOCKET')} {note['route']}"
        await to_thread.run_sync(self._write, name, actor, action, error, limiter=self.threads)

    def _write(self, name: str, actor: str, action: str, error: NbannotError) -> None:
        # What was asked for is not repeated: it may be anything.
        refuse(self.projects[name].acting_as(actor or "nobody known"), action, type(error).__name__)

    def ended(self, key: str) -> None:
        """Close the sockets of a browser's login that ended."""
        for close in tuple(self.endings.get(key, ())):
            close()

"""What the service asks the Hub: whose token this is, and what it may."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from anyio import to_thread

from nbannot.errors import LoginError, ServiceError
from nbannot.hub.observe import tell

MAX_AGE_S = 8.0
"""An answer of the Hub is used so long; with the re-check of sockets, a revocation is felt within 15 s."""
GRACE_S = 60.0
"""A good answer is used so long where the Hub does not answer (a restart)."""
REFUSED_S = 60.0
"""The Hub is not asked about a token that it does not know again before."""
_MANY = 4096
_AWAY = "The Hub does not answer"
_HINT = "It may be restarting. Try again in a minute; nothing was lost."


class Memory(Protocol):
    """What the workers know of tokens; called in threads."""

    def find(self, token: str) -> tuple[str, float] | None:
        """Return whose a token was by the newest answer ("": nobody's), and when, s since 1970."""
        ...

    def keep(self, token: str, person: str | None) -> None:
        """Remember an answer of the Hub."""
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    person: str
    at: float


class HubClient:
    """Asks the Hub who a token belongs to, seldom and once at a time.

    Parameters
    ----------
    api_url
        E.g. ``http://127.0.0.1:8081/hub/api``.
    api_token
        The service's own; it is also the secret of the OAuth client.
    access_scopes
        One of them must be held to be let in.
    max_age, grace, refused
        Seconds that a good answer is used for, and goes on to be while the Hub is away; seconds that a
        refusal is used for where the Hub does not know the token.
    memory
        Shared with other workers: whom one of them knew may go on at all of them while the Hub is away.
    transport
        Instead of the network, in tests.
    """

    def __init__(
        self,
        api_url: str,
        api_token: str,
        *,
        access_scopes: Collection[str],
        max_age: float = MAX_AGE_S,
        grace: float = GRACE_S,
        refused: float = REFUSED_S,
        memory: Memory | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = api_url.rstrip("/")
        self._secret = api_token
        self._scopes = frozenset(access_scopes)
        self._max_age, self._grace, self._refused_age = max_age, grace, refused
        self._memory = memory
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(10, connect=3), transport=transport, trust_env=False
        )
        self._answers: dict[str, _Answer] = {}
        # Until when; apart, so that whoever tries tokens cannot push out what is known of people.
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._asking: dict[str, asyncio.Task[str | None]] = {}

    async def person(self, token: str) -> str | None:
        """Return who holds the token and may use the service; None for nobody.

        Raises
        ------
        ServiceError
            When the Hub does not answer and no recent answer is known.
        """
        key = _key(token)
        known, now = self._answers.get(key), time.monotonic()
        if known is not None and now - known.at < self._max_age:
            return known.person
        if now < self._refused.get(key, -math.inf):
            return None
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(token))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            # One that gives up waiting must not end the question of the others.
            person = await asyncio.shield(task)
        except ServiceError:
            person = await self._known_before(token, known)
            if person is None:
                raise
            return person
        self._keep(key, person, now)
        return person

    def knows(self, token: str) -> bool:
        """Whether the Hub knew a token a while ago, or need not be asked about it: then it is nobody's guess."""
        key = _key(token)
        refused = time.monotonic() < self._refused.get(key, -math.inf)
        return refused or key in self._answers or key in self._asking

    async def _known_before(self, token: str, own: _Answer | None) -> str | None:
        """Return who held the token by the newest answer that any worker had; the Hub does not answer now."""
        limit = self._max_age + self._grace
        if self._memory is not None:
            try:
                found = await to_thread.run_sync(self._memory.find, token)
            except Exception as error:  # whatever a database raises
                tell("memory", kind=type(error).__name__)
                found = None
            if found is not None and (not found[0] or abs(time.time() - found[1]) < limit):
                return found[0] or None
        return own.person if own is not None and time.monotonic() - own.at < limit else None

    def forget(self, token: str) -> None:
        """Ask again the next time."""
        self._answers.pop(_key(token), None)

    async def token_for(self, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> str:
        """Return the token that the code of a finished login stands for.

        Raises
        ------
        LoginError
            When the Hub refuses the code.
        ServiceError
            When it does not answer.
        """
        form = {
            "client_id": client_id, "client_secret": self._secret, "grant_type": "authorization_code",
            "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
        }  # fmt: skip
        reply = await self._send("POST", "/oauth2/token", data=form)
        token = _json(reply).get("access_token") if reply.status_code == 200 else None
        if not isinstance(token, str):
            raise LoginError("The Hub refused this login", hint="Open the page again to log in anew.")
        return token

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, token: str) -> str | None:
        person = await self._holder(token)
        if self._memory is not None:
            try:
                await to_thread.run_sync(self._memory.keep, token, person)
            except Exception as error:  # whatever a database raises: the Hub's answer holds all the same
                tell("memory", kind=type(error).__name__)
        return person

    async def _holder(self, token: str) -> str | None:
        reply = await self._send("GET", "/user", headers={"Authorization": f"token {token}"})
        if reply.status_code in (401, 403, 404):
            self._refuse(token, self._refused_age)
            return None
        if reply.status_code != 200:
            raise ServiceError(f"The Hub answered {reply.status_code}", hint=_HINT)
        model = _json(reply)
        name, held = model.get("name"), model.get("scopes", ())
        is_person = model.get("kind", "user") == "user" and isinstance(name, str) and bool(name)
        if not is_person or not may_enter(held, self._scopes):
            # A group may let them in at any moment.
            self._refuse(token, self._max_age)
            return None
        return str(name)

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            reply = await self._client.request(method, self._url + path, **options)
        except (httpx.HTTPError, OSError) as cause:
            raise ServiceError(_AWAY, hint=_HINT) from cause
        if reply.status_code >= 500:
            raise ServiceError(f"{_AWAY} as it should ({reply.status_code})", hint=_HINT)
        return reply

    def _refuse(self, token: str, age: float) -> None:
        key = _key(token)
        self._refused[key] = time.monotonic() + age
        self._refused.move_to_end(key)
        if len(self._refused) > _MANY:
            self._refused.popitem(last=False)

    def _keep(self, key: str, person: str | None, now: float) -> None:
        if person is None:
            self._answers.pop(key, None)
            return
        if len(self._answers) >= _MANY:
            old = now - self._max_age - self._grace
            self._answers = {k: a for k, a in self._answers.items() if a.at > old}
        if len(self._answers) >= _MANY:
            self._answers.clear()
        self._answers[key] = _Answer(person, now)


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def may_enter(held: Collection[str], wanted: Collection[str]) -> bool:
    """Return whether one of the wanted scopes is held, narrowed by the same filter or not at all."""
    have = set(held)
    return any(scope in have or scope.split("!", 1)[0] in have for scope in wanted)


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        found = reply.json()
    except ValueError as cause:
        raise ServiceError("The Hub gave an answer that is not understood", hint=_HINT) from cause
    return found if isinstance(found, dict) else {}

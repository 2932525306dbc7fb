"""What the service asks the Hub: whose token this is, and what it may."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import httpx

from nbannot.errors import LoginError, ServiceError

MAX_AGE_S = 8.0
"""An answer of the Hub is used so long; with the re-check of sockets, a revocation is felt within 15 s."""
GRACE_S = 60.0
"""A good answer is used so long where the Hub does not answer (a restart)."""
_MANY = 4096
_AWAY = "The Hub does not answer"
_HINT = "It may be restarting. Try again in a minute; nothing was lost."


@dataclass(frozen=True, slots=True)
class _Answer:
    person: str | None
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
    max_age, grace
        Seconds that an answer is used for, and for which a good one is while the Hub is away.
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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = api_url.rstrip("/")
        self._secret = api_token
        self._scopes = frozenset(access_scopes)
        self._max_age, self._grace = max_age, grace
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(10, connect=3), transport=transport, trust_env=False
        )
        self._answers: dict[str, _Answer] = {}
        self._asking: dict[str, asyncio.Task[str | None]] = {}

    async def person(self, token: str) -> str | None:
        """Return who holds the token and may use the service; None for nobody.

        Raises
        ------
        ServiceError
            When the Hub does not answer and no recent answer is known.
        """
        key = hashlib.sha256(token.encode()).hexdigest()
        known, now = self._answers.get(key), time.monotonic()
        if known is not None and now - known.at < self._max_age:
            return known.person
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(token))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            # One that gives up waiting must not end the question of the others.
            person = await asyncio.shield(task)
        except ServiceError:
            if known is not None and known.person and now - known.at < self._max_age + self._grace:
                return known.person
            raise
        self._keep(key, _Answer(person, now))
        return person

    def forget(self, token: str) -> None:
        """Ask again the next time."""
        self._answers.pop(hashlib.sha256(token.encode()).hexdigest(), None)

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
        reply = await self._send("GET", "/user", headers={"Authorization": f"token {token}"})
        if reply.status_code in (401, 403, 404):
            return None
        if reply.status_code != 200:
            raise ServiceError(f"The Hub answered {reply.status_code}", hint=_HINT)
        model = _json(reply)
        name, held = model.get("name"), model.get("scopes", ())
        if model.get("kind", "user") != "user" or not isinstance(name, str) or not name:
            return None
        return name if may_enter(held, self._scopes) else None

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            reply = await self._client.request(method, self._url + path, **options)
        except (httpx.HTTPError, OSError) as cause:
            raise ServiceError(_AWAY, hint=_HINT) from cause
        if reply.status_code >= 500:
            raise ServiceError(f"{_AWAY} as it should ({reply.status_code})", hint=_HINT)
        return reply

    def _keep(self, key: str, answer: _Answer) -> None:
        if len(self._answers) >= _MANY:
            old = answer.at - self._max_age - self._grace
            self._answers = {k: a for k, a in self._answers.items() if a.at > old}
        if len(self._answers) >= _MANY:
            self._answers.clear()
        self._answers[key] = answer


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

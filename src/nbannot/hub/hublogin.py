"""Login at a JupyterHub: OAuth with PKCE for browsers, the Authorization header for programs."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from anyio import to_thread
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from nbannot.errors import LoginError, ServiceError
from nbannot.hub.hubapi import HubClient
from nbannot.hub.limits import Limits, Rate, SlowDownError, address
from nbannot.hub.login import Visitor
from nbannot.hub.logins import STATE_S, Logins
from nbannot.hub.origin import Place

COOKIE = "nbannot-login"
_BEGUN = "nbannot-begun-"
_MOST_BEGUN = 5


@dataclass(frozen=True, slots=True)
class OAuth:
    """What the Hub told the service of its OAuth client.

    Parameters
    ----------
    client_id
        ``service-<name>``.
    authorize_url
        Where a browser logs in: of the Hub, as browsers see it.
    callback_url
        Where the Hub sends it back: a path, or a whole URL.
    """

    client_id: str
    authorize_url: str
    callback_url: str


class HubLogin:
    """Lets in whom the Hub lets in.

    Parameters
    ----------
    hub
        Asks the Hub.
    logins
        Keeps the logins of browsers.
    oauth
        What the Hub told of the OAuth client.
    place
        Where the service is for browsers.
    limits
        How many unknown tokens an address may try.
    """

    def __init__(
        self, hub: HubClient, logins: Logins, oauth: OAuth, place: Place, limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        self._guesses = Rate(limits.token_per_second, limits.token_burst)
        self.hub = hub
        self._logins = logins
        self._oauth = oauth
        self._place = place
        # The app closes the sockets of a login that ends, once it is there.
        self.ended: Callable[[str], None] = lambda key: None

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The end of a login at the Hub, and the logout."""
        return (
            Route("/oauth_callback", self._finish, methods=["GET"]),
            Route("/logout", self._logout, methods=["POST"]),
        )

    async def visitor(self, connection: HTTPConnection) -> Visitor | None:
        """Return who asks, by the Authorization header or the cookie; None for a stranger.

        Raises
        ------
        ServiceError
            When the Hub does not answer and no recent answer is known.
        SlowDownError
            When too many tokens that the Hub does not know came from this address.
        """
        header = connection.headers.get("authorization")
        if header is not None:
            token = _token(header)
            person = None if token is None else await self._holder(token, connection)
            return None if person is None else Visitor(person)
        secret = connection.cookies.get(COOKIE)
        entry = None if secret is None else await to_thread.run_sync(self._logins.find, secret)
        if entry is None:
            return None
        person = await self.hub.person(entry.token)
        if person != entry.person:
            # The Hub ended it: logged out, removed from the group, or the token was revoked.
            await to_thread.run_sync(self._logins.remove, entry.key)
            self.ended(entry.key)
            return None
        return Visitor(person, entry.key, entry.csrf)

    async def _holder(self, token: str, connection: HTTPConnection) -> str | None:
        """Return who holds a token; those that nobody knows are counted by address before the Hub is asked."""
        if self.hub.knows(token):
            return await self.hub.person(token)
        sender = address(connection)
        wait = self._guesses.wait(sender)
        if wait:
            raise SlowDownError(wait)
        person: str | None = ""
        try:
            person = await self.hub.person(token)
        finally:
            # Not one that was good, nor one that the Hub did not answer.
            if person is not None:
                self._guesses.give_back(sender)
        return person

    async def begin(self, request: Request) -> Response:
        """Send the browser to the Hub; it comes back to the page it asked for."""
        target = self._place.inside(request.url.path)
        state, verifier = await to_thread.run_sync(self._logins.begin, target)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": self._oauth.client_id, "redirect_uri": self._oauth.callback_url,
            "response_type": "code", "state": state, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        answer = RedirectResponse(f"{self._oauth.authorize_url}?{urlencode(asked)}", 302)
        waiting = [name for name in request.cookies if name.startswith(_BEGUN)]
        for name in waiting[: max(0, len(waiting) - _MOST_BEGUN + 1)]:
            self._forget(answer, request, name)
        self._set(answer, request, _begun(state), state, max_age=int(STATE_S))
        return answer

    async def close(self) -> None:
        """Close the connections to the Hub and to the database."""
        await self.hub.close()
        await to_thread.run_sync(self._logins.close)

    async def _finish(self, request: Request) -> Response:
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        # The browser that comes back must be the one that was sent: else somebody could log others in as himself.
        if not state or not code or request.cookies.get(_begun(state)) != state:
            return self._again("This login was not begun here, or it took too long.", 403)
        begun = await to_thread.run_sync(self._logins.take, state)
        if begun is None:
            return self._again("This login took too long.", 403)
        try:
            token = await self.hub.token_for(
                code, client_id=self._oauth.client_id, redirect_uri=self._oauth.callback_url,
                verifier=begun.verifier,
            )  # fmt: skip
            person = await self.hub.person(token)
        except LoginError as error:
            return self._again(error.message + ".", 403)
        except ServiceError:
            return self._again("The Hub does not answer. Try again in a minute.", 503)
        if person is None:
            return self._again("The Hub does not let you use this service.", 403)
        old = request.cookies.get(COOKIE)
        before = None if old is None else await to_thread.run_sync(self._logins.find, old)
        if before is not None:
            await to_thread.run_sync(self._logins.remove, before.key)
        secret = await to_thread.run_sync(self._logins.add, person, token)
        answer = RedirectResponse(begun.target, 303)
        self._forget(answer, request, _begun(state))
        self._set(answer, request, COOKIE, secret)
        return answer

    async def _logout(self, request: Request) -> Response:
        secret = request.cookies.get(COOKIE)
        entry = None if secret is None else await to_thread.run_sync(self._logins.find, secret)
        answer = Response(status_code=204)
        if entry is not None:
            self._place.check_page(request, entry.csrf)
            await to_thread.run_sync(self._logins.remove, entry.key)
            self.hub.forget(entry.token)
            self.ended(entry.key)
        self._forget(answer, request, COOKIE)
        return answer

    def _set(
        self, answer: Response, request: Request, name: str, value: str, max_age: int | None = None
    ) -> None:
        answer.set_cookie(
            name, value, max_age=max_age, path=self._place.prefix, httponly=True, samesite="lax",
            secure=self._place.is_https(request),
        )  # fmt: skip

    def _forget(self, answer: Response, request: Request, name: str) -> None:
        answer.delete_cookie(
            name, path=self._place.prefix, httponly=True, samesite="lax", secure=self._place.is_https(request)
        )

    def _again(self, why: str, status: int) -> Response:
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>nbannot</title>'
            f'<p>{why}</p><p><a href="{self._place.prefix}">Log in again</a></p></html>'
        )
        return HTMLResponse(page, status)


def _token(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    usable = scheme.lower() in ("token", "bearer") and 0 < len(token) <= 4096 and token.isascii()
    return token if usable and token.isprintable() else None


def _begun(state: str) -> str:
    return _BEGUN + hashlib.sha256(state.encode()).hexdigest()[:12]

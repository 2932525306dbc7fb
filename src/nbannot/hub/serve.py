"""``nbannot serve``: the settings, whether they are safe, and the processes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from nbannot.errors import ConfigError, need
from nbannot.formats.remote.urls import is_url, local_path
from nbannot.hub.app import make_app
from nbannot.hub.hubapi import GRACE_S, HubClient
from nbannot.hub.hublogin import HubLogin, OAuth
from nbannot.hub.limits import Limits
from nbannot.hub.logins import Logins
from nbannot.hub.observe import start_logging, tell
from nbannot.hub.origin import Place
from nbannot.hub.page import page_routes, prepare
from nbannot.hub.rooms import Rooms
from nbannot.store import StoredProject, open_project
from nbannot.store.served import has_members

SETTINGS = "NBANNOT_SERVE"
SHUTDOWN_S = 10
"""Requests and sockets get so long to end. Work that hangs in a thread then does not hold the process."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NEEDED = (
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_SERVICE_NAME",
    "JUPYTERHUB_SERVICE_PREFIX",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the service was told when it was started.

    Parameters
    ----------
    projects
        Name in the URL → URL of the project; ``env:NAME`` reads it from that variable.
    files
        Name → where its images and blobs are.
    owner
        Becomes an owner of projects that have no members.
    database
        URL of SQLAlchemy for the logins.
    host, port, workers
        Where to listen, with how many processes.
    public_url
        ``https://host`` as browsers see it.
    trust_proxy
        Addresses or networks whose X-Forwarded headers are believed.
    grace
        Seconds that known people can go on while the Hub does not answer.
    log_level
        "INFO", "WARNING", …
    index_from
        Name → paths and URLs that owners of the project may have indexed.
    """

    projects: Mapping[str, str]
    files: Mapping[str, str]
    owner: str = ""
    database: str = "sqlite:///nbannot-service.sqlite"
    host: str = "127.0.0.1"
    port: int = 9210
    workers: int = 1
    public_url: str = ""
    trust_proxy: str = "127.0.0.1"
    grace: float = GRACE_S
    log_level: str = "INFO"
    index_from: Mapping[str, Sequence[str]] = field(default_factory=dict)


def pairs(entries: Sequence[str], what: str) -> dict[str, str]:
    """Return ``NAME=VALUE`` texts as a dict.

    Raises
    ------
    ConfigError
        When one is of another form, or a name is given twice or cannot be part of an address.
    """
    found = groups(entries, what)
    twice = next((name for name, values in found.items() if len(values) > 1), None)
    if twice is not None:
        raise ConfigError(f"--{what} {twice} is given twice")
    return {name: values[0] for name, values in found.items()}


def groups(entries: Sequence[str], what: str) -> dict[str, list[str]]:
    """Return ``NAME=VALUE`` texts as a dict of lists; a name may come several times.

    Raises
    ------
    ConfigError
        When one is of another form.
    """
    found: dict[str, list[str]] = {}
    for entry in entries:
        name, sign, value = entry.partition("=")
        if (
            not sign
            or not value
            or not name.replace("-", "").replace("_", "").isalnum()
            or not name.isascii()
        ):
            raise ConfigError(
                f"--{what} needs NAME=VALUE", hint="The name is made of letters, digits, - and _."
            )
        found.setdefault(name, []).append(value)
    return found


def check(settings: Settings, environment: Mapping[str, str]) -> None:
    """Refuse settings with which the service could not work, or would not be safe.

    Raises
    ------
    ConfigError
        With what to change.
    """
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        raise ConfigError(
            f"The Hub's settings are missing: {', '.join(missing)}",
            hint="The Hub sets them for a service with command=…; for an external one see docs/hub.md.",
        )
    if len(environment["JUPYTERHUB_API_TOKEN"]) < 16:
        raise ConfigError(
            "JUPYTERHUB_API_TOKEN is too short to be safe", hint="Make one: openssl rand -hex 32."
        )
    prefix = environment["JUPYTERHUB_SERVICE_PREFIX"]
    if not (prefix.startswith("/") and prefix.endswith("/")) or "//" in prefix:
        raise ConfigError("JUPYTERHUB_SERVICE_PREFIX needs a slash at both ends")
    if not settings.projects:
        raise ConfigError("There is no project to serve", hint="Give --project NAME=URL.")
    for option, named in (("files", settings.files), ("index-from", settings.index_from)):
        strange = sorted(set(named) - set(settings.projects))
        if strange:
            raise ConfigError(f"--{option} names projects that are not served: {', '.join(strange)}")
    for place in (one for some in settings.index_from.values() for one in some):
        text = local_path(place)
        if not is_url(text) and not Path(text).is_absolute():
            raise ConfigError("--index-from needs an absolute path or a URL", hint="E.g. s3://bucket/trial/.")
    _check_network(settings)
    if settings.workers < 1 or not 0 <= settings.port < 65536:
        raise ConfigError("--workers needs a number from 1, --port one from 0 to 65535")
    if settings.workers > 1 and settings.database in ("sqlite://", "sqlite:///:memory:"):
        raise ConfigError("Several workers need a database that they share", hint="Give --database.")


def _check_network(settings: Settings) -> None:
    public = urlsplit(settings.public_url)
    if settings.public_url and (public.scheme not in ("http", "https") or not public.hostname):
        raise ConfigError("--public-url needs a whole URL", hint="E.g. https://hub.example.org.")
    if public.scheme == "http" and public.hostname not in _LOOPBACK:
        raise ConfigError(
            "--public-url is http: whoever is on the way could read images and take over logins",
            hint="Let the proxy end TLS and give the https address.",
        )
    for network in filter(None, settings.trust_proxy.split(",")):
        try:
            wide = ip_network(network.strip(), strict=False).prefixlen == 0
        except ValueError:
            wide = True
        if wide:
            raise ConfigError(
                "--trust-proxy must name the proxy's address or network",
                hint="Whoever is trusted can pretend any address, e.g. 10.0.0.0/8 for a cluster.",
            )
    if settings.host not in _LOOPBACK and public.scheme != "https":
        raise ConfigError(
            f"Listening on {settings.host} without TLS in front is not safe",
            hint="Listen on 127.0.0.1, or give --public-url https://… of the proxy that ends TLS.",
        )


def listening(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Return host and port that the Hub expects the service at; None when it does not say."""
    parts = urlsplit(environment.get("JUPYTERHUB_SERVICE_URL", ""))
    return (parts.hostname, parts.port) if parts.hostname and parts.port else None


def opened(settings: Settings, environment: Mapping[str, str]) -> dict[str, Any]:
    """Open the projects; one without members gets its first owner.

    Raises
    ------
    ConfigError
        When a project has no members and no owner is named.
    StoreError
        When one cannot be opened.
    """
    projects: dict[str, Any] = {}
    actor = f"service {environment['JUPYTERHUB_SERVICE_NAME']}"
    for name, given in settings.projects.items():
        url = _variable(given, f"project {name}", environment)
        if urlsplit(url).scheme in ("http", "https"):
            raise ConfigError(f"Project {name} is at a service already", hint="Serve a folder or a database.")
        options: dict[str, Any] = {"files": settings.files[name]} if name in settings.files else {}
        project = open_project(url, author=actor, **options)
        assert isinstance(project, StoredProject)  # as its address says
        if not has_members(project):
            if not settings.owner:
                raise ConfigError(
                    f"Project {name} has no members, so everybody would own it", hint="Give --owner NAME."
                )
            project.people.grant(settings.owner, "owner")
        projects[name] = project
    return projects


def _variable(given: str, what: str, environment: Mapping[str, str]) -> str:
    """Return a setting; ``env:NAME`` stands for a variable, so that no password is in the list of processes."""
    if not given.startswith("env:"):
        return given
    value = environment.get(given[4:], "")
    if not value:
        raise ConfigError(f"The variable {given[4:]} for {what} is not set")
    return value


def hub_login(settings: Settings, environment: Mapping[str, str], place: Place) -> HubLogin:
    """Return the login at the Hub that the environment describes."""
    name = environment["JUPYTERHUB_SERVICE_NAME"]
    scopes = _listed(environment.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES", ""))
    logins = Logins(settings.database)
    hub = HubClient(
        environment["JUPYTERHUB_API_URL"], environment["JUPYTERHUB_API_TOKEN"],
        access_scopes=scopes or ["access:services", f"access:services!service={name}"],
        grace=settings.grace, memory=logins.known,
    )  # fmt: skip
    base = environment.get("JUPYTERHUB_BASE_URL") or "/"
    public = (
        environment.get("JUPYTERHUB_PUBLIC_HUB_URL") or f"{environment.get('JUPYTERHUB_HOST', '')}{base}hub/"
    )
    oauth = OAuth(
        environment.get("JUPYTERHUB_CLIENT_ID") or f"service-{name}",
        f"{public.rstrip('/')}/api/oauth2/authorize",
        environment.get("JUPYTERHUB_OAUTH_CALLBACK_URL") or f"{place.prefix}oauth_callback",
    )
    return HubLogin(hub, logins, oauth, place)


def _listed(text: str) -> list[str]:
    try:
        found = json.loads(text) if text else []
    except ValueError:
        found = []
    return [str(entry) for entry in found] if isinstance(found, list) else []


def app() -> ASGIApp:
    """Return the service of a worker process; its settings are in the environment."""
    settings = Settings(**json.loads(os.environ[SETTINGS]))
    start_logging(settings.log_level)
    public = settings.public_url or os.environ.get("JUPYTERHUB_PUBLIC_URL", "")
    place = Place(os.environ["JUPYTERHUB_SERVICE_PREFIX"], public)
    projects = opened(settings, os.environ)
    prepare()
    tell("ready", where=place.prefix)
    login = hub_login(settings, os.environ, place)
    return make_app(
        projects, login=login, place=place, rooms=Rooms(projects), pages=page_routes(),
        index_from=settings.index_from,
    )  # fmt: skip


def run(settings: Settings) -> int:
    """Run the service until it is told to end; return its exit status.

    Raises
    ------
    ConfigError
        When the settings are not safe or not whole.
    ServiceError
        When the page's files are missing.
    StoreError
        When a project cannot be opened.
    """
    need("uvicorn", extra="hub")
    import uvicorn

    settings = replace(settings, database=_variable(settings.database, "--database", os.environ))
    check(settings, os.environ)
    os.umask(0o077)
    # Once here, where a person sees what is wrong; each worker does it anew.
    prepare()
    for project in opened(settings, os.environ).values():
        project.close()
    Logins(settings.database).close()
    os.environ[SETTINGS] = json.dumps(asdict(settings))
    uvicorn.run(
        "nbannot.hub.serve:app", factory=True, host=settings.host, port=settings.port,
        workers=settings.workers, proxy_headers=True, forwarded_allow_ips=settings.trust_proxy,
        ws="websockets-sansio", ws_max_size=Limits().edit_bytes, server_header=False, log_config=None,
        # Slices come compressed: to compress them again would only keep the event loop busy.
        ws_per_message_deflate=False, access_log=False, timeout_graceful_shutdown=SHUTDOWN_S,
        h11_max_incomplete_event_size=64 << 10,
    )  # fmt: skip
    return 0

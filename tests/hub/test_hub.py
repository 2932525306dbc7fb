"""A real JupyterHub: login, who may what, revocation, restarts, other addresses."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from hub_help import NAVIGATION, LocalHub, origin
from hub_token import token_of
from hub_world import NAMES, World, make_project
from nbannot.hub.hubapi import MAX_AGE_S
from nbannot.hub.live import RECHECK_S

PROJECT = "api/v1/projects/study"
RESEARCHER, EXPERT, OUTSIDER, NOBODY = "ben", "eva", "finn", "nobody"


@pytest.fixture(autouse=True)
def _browsers(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "world" in request.fixturenames:
        request.getfixturevalue("world").hub.close_browsers()


def socket(world: World, browser: httpx.Client, task: str) -> connect:
    """The live socket of a task, as the page opens it."""
    cookies = "; ".join(
        f"{one.name}={one.value}" for one in browser.cookies.jar if one.path.startswith("/services")
    )
    return connect(
        f"{world.hub.service.replace('http', 'ws')}{PROJECT}/tasks/{task}/live?page=test",
        subprotocols=[Subprotocol("nbannot.v1"), Subprotocol(f"csrf.{browser.headers['X-CSRF-Token']}")],
        additional_headers={"Cookie": cookies, "Origin": origin(world.hub.url)}, compression=None, proxy=None,
    )  # fmt: skip


def task_of(world: World, person: str) -> str:
    with world.owner() as project:
        return str(project.tasks.table(person)["task"].iloc[0])


def test_login_leads_to_the_tasks(world: World) -> None:
    browser = world.hub.login(EXPERT)
    page = browser.get(world.hub.service, headers=NAVIGATION)
    assert page.status_code == 200
    assert "data-nbannot-base" in page.text
    (step,) = [hop for hop in page.history if "oauth2/authorize" in str(hop.headers.get("location"))]
    assert "code_challenge_method=S256" in step.headers["location"]
    cookie = next(one for one in browser.cookies.jar if one.name == "nbannot-login")
    assert cookie.path == "/services/nbannot/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"
    me = browser.get(f"{world.hub.service}api/v1/me").json()
    assert (me["person"], me["projects"]) == (EXPERT, [{"name": "study", "roles": ["reader"]}])
    (task,) = browser.get(f"{world.hub.service}{PROJECT}/reading").json()["tasks"]
    assert not any(name in str(task) for name in NAMES)
    # Nobody is sent to a login by a script or an image, and the login cookie of the service is not the Hub's.
    plain = httpx.get(f"{world.hub.service}api/v1/me", trust_env=False)
    assert (plain.status_code, plain.json()["error"]["kind"]) == (401, "LoginError")


def test_the_hub_does_not_offer_what_experts_may_not(world: World) -> None:
    expert, researcher = world.hub.login(EXPERT), world.hub.login(RESEARCHER)
    mine = expert.get(f"{world.hub.url}hub/home").text
    assert "My Server" not in mine and "/hub/token" not in mine and "My tasks" in mine
    assert "My Server" in researcher.get(f"{world.hub.url}hub/home").text


MATRIX: dict[str, tuple[str, str, dict[str, int]]] = {
    # method, path, and the status for each kind of person
    "spawn page": ("GET", "hub/spawn", {EXPERT: 403, NOBODY: 403}),
    "start own server": ("POST", "hub/api/users/{me}/server", {EXPERT: 403, NOBODY: 403}),
    "start another's server": ("POST", "hub/api/users/ada/server", {EXPERT: 403, NOBODY: 403, RESEARCHER: 404}),
    "make a token": ("POST", "hub/api/users/{me}/tokens", {EXPERT: 403, NOBODY: 403, RESEARCHER: 201}),
    "list people": ("GET", "hub/api/users", {EXPERT: 403, NOBODY: 403, RESEARCHER: 403}),
    "admin page": ("GET", "hub/admin", {EXPERT: 403, NOBODY: 403, RESEARCHER: 403}),
    "the service": ("GET", "services/nbannot/", {EXPERT: 200, OUTSIDER: 200, RESEARCHER: 200, NOBODY: 403}),
    "cases": ("GET", f"services/nbannot/{PROJECT}/cases", {EXPERT: 403, OUTSIDER: 403, RESEARCHER: 200, NOBODY: 401}),
    "people": ("GET", f"services/nbannot/{PROJECT}/people", {EXPERT: 403, RESEARCHER: 200, NOBODY: 401}),
    "own list": ("GET", f"services/nbannot/{PROJECT}/reading", {EXPERT: 200, OUTSIDER: 200, NOBODY: 401}),
    "eva's task": (
        "GET", f"services/nbannot/{PROJECT}/tasks/{{eva}}", {EXPERT: 200, OUTSIDER: 404, NOBODY: 401}
    ),
    "raw voxels": (
        "GET", f"services/nbannot/{PROJECT}/cases/1/images/0/0/0/1",
        {EXPERT: 403, OUTSIDER: 404, RESEARCHER: 200, NOBODY: 401},
    ),
    "audit log": ("POST", f"services/nbannot/{PROJECT}/audit/find", {EXPERT: 403, RESEARCHER: 403, NOBODY: 401}),
    "another project": (
        "GET", "services/nbannot/api/v1/projects/other/cases", {EXPERT: 404, RESEARCHER: 404, NOBODY: 401}
    ),
}  # fmt: skip


def test_the_role_matrix(world: World) -> None:
    people = (RESEARCHER, EXPERT, OUTSIDER, NOBODY)
    browsers = {one: world.hub.login(one) if one == NOBODY else world.hub.enter(one) for one in people}
    eva = task_of(world, EXPERT)
    seen, wanted = {}, {}
    for name, (method, path, statuses) in MATRIX.items():
        for person, status in statuses.items():
            browser = browsers[person]
            url = world.hub.url + path.format(me=person, eva=eva)
            headers = dict(NAVIGATION) if path.endswith(("nbannot/", "spawn", "admin")) else {}
            if "hub/api" in path:
                headers["X-XSRFToken"] = next(c.value or "" for c in browser.cookies.jar if c.name == "_xsrf")
            content = b"{}" if method == "POST" else None
            answer = browser.request(method, url, headers=headers, content=content)
            seen[name, person], wanted[name, person] = answer.status_code, status
    assert seen == wanted


def test_a_program_uses_its_token_in_the_header_only(world: World) -> None:
    token = token_of(world.hub, RESEARCHER)
    url = f"{world.hub.service}api/v1/me"
    for scheme in ("token", "Bearer"):
        answer = httpx.get(url, headers={"Authorization": f"{scheme} {token}"}, trust_env=False)
        assert (answer.status_code, answer.json()["person"], answer.json()["csrf"]) == (200, RESEARCHER, None)
    answer = httpx.get(f"{url}?token={token}", trust_env=False)
    assert answer.status_code == 403 and token not in answer.text
    import nbannot as nb

    with nb.open_project(world.hub.service, storage_options={"token": token}) as project:
        assert project.case_names == list(NAMES)
        array = project.images(NAMES[0])[0].array
        session = project.start(NAMES[0])
        session.document.masks["lesion"].paint((0, 1, 1))
    with world.owner() as stored:
        assert (stored.images(NAMES[0])[0].array == array).all()
        assert stored.case(NAMES[0]).mask(RESEARCHER, "lesion").sum() == 1


def test_logout_ends_the_session_and_its_sockets_in_every_worker(world: World) -> None:
    browser = world.hub.enter(EXPERT)
    task = task_of(world, EXPERT)
    stranger = world.hub.login(EXPERT)  # at the Hub only
    stranger.headers["X-CSRF-Token"] = "x"
    with pytest.raises(InvalidStatus), socket(world, stranger, task):
        pass
    with socket(world, browser, task) as live:
        forged = browser.post(f"{world.hub.service}logout", headers={"X-CSRF-Token": "forged"})
        assert forged.status_code == 403
        assert browser.post(f"{world.hub.service}logout").status_code == 204
        assert browser.get(f"{world.hub.service}api/v1/me").status_code == 401
        assert closed(live, within=60) == 4401


def closed(live: ClientConnection, *, within: float) -> int:
    """Wait for the end of a socket and return its code."""
    end = time.monotonic() + within
    while True:
        try:
            live.recv(timeout=max(0.1, end - time.monotonic()))
        except ConnectionClosed as over:
            assert over.rcvd is not None
            return over.rcvd.code


def test_revocation_is_felt(world: World) -> None:
    browser = world.hub.enter(EXPERT)
    hub: dict[str, Any] = {"json": {"users": [EXPERT]}}
    with world.hub.admin() as admin, socket(world, browser, task_of(world, EXPERT)) as live:
        assert admin.request("DELETE", "/groups/experts/users", **hub).status_code == 200
        try:
            assert closed(live, within=60) == 4401
            assert browser.get(f"{world.hub.service}api/v1/me").status_code == 401
        finally:
            admin.post("/groups/experts/users", **hub)
    # At the worst the Hub was asked just before, and the socket looked just before that answer was too old.
    assert MAX_AGE_S + RECHECK_S < 15


def test_work_goes_on_while_the_hub_restarts(world: World) -> None:
    browser = world.hub.enter(EXPERT)
    direct = f"http://127.0.0.1:{world.hub.service_port}/services/nbannot/api/v1/me"
    cookies = {one.name: one.value or "" for one in browser.cookies.jar}
    assert httpx.get(direct, cookies=cookies, trust_env=False).status_code == 200
    world.hub.stop()
    try:
        # New connections reach one worker or the other: whom one of them has seen goes on at both.
        for _ in range(20):
            assert httpx.get(direct, cookies=cookies, trust_env=False).status_code == 200
    finally:
        world.hub.start()
    me = browser.get(f"{world.hub.service}api/v1/me")
    world.hub.wait(lambda: browser.get(f"{world.hub.service}api/v1/me").status_code == 200)
    assert me.status_code in (200, 503)


def test_a_managed_service_under_another_base_url(tmp_path: Path, shared_data: Path) -> None:
    make_project(tmp_path / "study", shared_data)
    hub = LocalHub(tmp_path / "hub", base="/group/", NBANNOT_PROJECT=f"study={tmp_path / 'study'}")
    try:
        hub.start()
        hub.wait(lambda: httpx.get(f"{hub.service}health", trust_env=False).status_code == 200)
        browser = hub.enter(EXPERT)
        assert browser.get(f"{hub.service}api/v1/me").json()["person"] == EXPERT
        landed = hub.login(EXPERT).get(f"{hub.url}hub/", headers=NAVIGATION)
        assert str(landed.url) == hub.service
    finally:
        hub.close_browsers()
        hub.stop()
        shutil.rmtree(tmp_path / "hub", ignore_errors=True)


def test_nothing_told_names_a_patient(world: World) -> None:
    """Last, over what all tests before have written: logs of the service and the Hub."""
    told = world.service.log.read_text() + world.hub.log.read_text()
    assert '"event": "request"' in told
    for name in (*NAMES, "HOMER", "SIMPSON"):
        assert name.lower() not in told.lower()
    assert "csrf." not in told and "?page=" not in world.service.log.read_text()

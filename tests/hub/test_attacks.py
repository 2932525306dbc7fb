"""Attacks: each is refused, told in the one shape, and in the audit log; nothing told names a patient."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

import nbannot as nb
from hub_serving import CSRF, Served, serving
from moves import phantom
from nbannot.hub.limits import Limits
from nbannot.hub.page import page_routes
from nbannot.hub.places import is_within
from nbannot.hub.rooms import Rooms
from nbannot.session.pixels import write_pixels
from nbannot.store.remote_client import REQUEST_HEADER
from nbannot.store.wire import FRAME, pack

P = "/api/v1/projects/study"
SECRET = "PAT-XYZ-042"
SMALL = Limits(
    per_second=1e5, burst=100_000, stranger_per_second=1e5, stranger_burst=100_000, json_bytes=10_000,
    edit_bytes=100_000, upload_bytes=2_000_000, unpacked_bytes=1_000_000,
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Any]:
    with nb.open_project(tmp_path / "study", author="ada") as project:
        project.add_case("c1", images=phantom(), copy=True, labels=["lesion"])
        project.add_case(SECRET, images=phantom(), copy=True, labels=["lesion"])
        project.people.grant("ada", "owner")
        for person, role in (("ben", "annotator"), ("eva", "reader"), ("finn", "reader")):
            project.people.grant(person, role)
        project.tasks.assign(["c1"], ["eva", "ben"])
        project.start("c1").document.masks["lesion"].paint((0, 0, 0))
        yield project


@pytest.fixture
def served(project: Any) -> Iterator[Served]:
    projects = {"study": project}
    with serving(projects, rooms=Rooms(projects), pages=page_routes(), limits=SMALL) as found:
        yield found


def ask(served: Served, method: str, path: str, person: str = "", **options: Any) -> httpx.Response:
    headers = {**({"Authorization": f"token {person}"} if person else {}), **options.pop("headers", {})}
    answer = httpx.request(method, served.url + path, headers=headers, trust_env=False, **options)
    if answer.status_code >= 400:
        told = answer.json()["error"]
        assert set(told) == {"kind", "message", "hint"}
        # An owner knows the names of cases; nobody is told anything of the machine.
        for text in (
            *(() if person == "ada" else (SECRET,)),
            "Traceback",
            "/tmp",
            "sqlite",
            "[SQL:",
            "site-packages",
        ):
            assert text not in answer.text
    return answer


def rows(project: Any, actor: str) -> int:
    return len(project.audit.table(actor=actor, outcome="refused"))


def session_of_ada(project: Any) -> str:
    return str(project.start("c1").key)


OTHERS = (
    ("GET", "/cases/2/images/0/0/0/1"), ("GET", "/cases/99/images/0/0/0/1"), ("GET", "/tasks/{ben}"),
    ("POST", "/tasks/{ben}/begin"), ("POST", "/tasks/{ben}/submit"), ("GET", "/tasks/nothing"),
    ("GET", "/sessions/{ada}/state/9"), ("GET", "/sessions/{ada}/edits/0/9"), ("POST", "/sessions/{ada}/save"),
    ("GET", "/sessions/0123456789abcdef/state/9"),
)  # fmt: skip


def test_an_id_that_was_guessed_finds_nothing(served: Served, project: Any) -> None:
    ids = {"ben": project.tasks.table("ben")["task"].iloc[0], "ada": session_of_ada(project)}
    before = rows(project, "finn")
    for method, path in OTHERS:
        answer = ask(served, method, P + path.format(**ids), "finn")
        assert answer.status_code == 404, path
        assert answer.json()["error"]["kind"] == "UnknownItemError"
    for method, path in (
        ("GET", "/api/v1/projects/other/cases"),
        ("GET", "/api/v1/projects/../../etc/cases"),
    ):
        assert ask(served, method, path, "finn").status_code == 404
    assert rows(project, "finn") - before >= len(OTHERS)
    # An annotator, too, has own sessions only; whoever has no role is told of no project at all.
    assert ask(served, "GET", f"{P}/sessions/{ids['ada']}/state/9", "ben").status_code == 404
    assert ask(served, "GET", f"{P}/cases", "mallory").status_code == 404
    assert rows(project, "ben") and rows(project, "mallory")
    assert project.audit.verify().ok


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../etc/passwd", "/static/..%2f..%2fpage.py", "/static/%2e%2e/%2e%2e/hub/page.py",
        "/static/page.js", "/static/page.js%00.css", f"{P}/cases/..%2f1/images/0/0/0/1",
        f"{P}/cases/1/images/0/0/-1/1", f"{P}/cases/1/images/0/0/0/0", f"{P}/cases/1/images/0/0/99999999999/1",
        f"{P}/tasks/..%2f..%2fme", f"{P}/sessions/%2e%2e/state/1", "//evil.example/", "/api/v1/me/..;/projects",
    ],
)  # fmt: skip
def test_path_tricks_lead_nowhere(served: Served, path: str) -> None:
    answer = ask(served, "GET", path, "ben")
    assert answer.status_code in (404, 405)


def test_a_forged_request_of_a_browser_is_refused(served: Served, project: Any) -> None:
    origin = served.url.removesuffix("/services/nbannot")
    task = project.tasks.table("eva")["task"].iloc[0]
    good = {"Origin": origin, "X-CSRF-Token": CSRF}
    forged: list[dict[str, str]] = [
        {}, {"Origin": origin}, {"X-CSRF-Token": CSRF}, {**good, "Origin": "https://evil.example"},
        {**good, "Origin": "null"}, {**good, "Origin": origin + ".evil.example"}, {**good, "X-CSRF-Token": "x"},
        {**good, "X-CSRF-Token": ""}, {"Referer": origin + "/", "X-CSRF-Token": CSRF},
    ]  # fmt: skip
    before = rows(project, "eva")
    for headers in forged:
        answer = ask(
            served, "POST", f"{P}/tasks/{task}/flag", headers=headers, json={}, cookies={"name": "eva"}
        )
        assert answer.status_code == 403, headers
    assert rows(project, "eva") - before == len(forged)
    assert not project.tasks.get(task).flagged
    done = ask(served, "POST", f"{P}/tasks/{task}/flag", headers=good, json={}, cookies={"name": "eva"})
    assert done.status_code == 200 and project.tasks.get(task).flagged


def live(served: Served, task: str, *, cookie: str, origin: str, csrf: str, query: str = "") -> connect:
    return connect(
        f"{served.url.replace('http', 'ws')}{P}/tasks/{task}/live{query}",
        subprotocols=[Subprotocol("nbannot.v1"), Subprotocol(f"csrf.{csrf}")],
        additional_headers={"Cookie": cookie, "Origin": origin}, compression=None, proxy=None,
    )  # fmt: skip


def test_a_socket_is_refused_before_it_is_accepted(served: Served, project: Any) -> None:
    origin = served.url.removesuffix("/services/nbannot")
    tasks = {who: str(project.tasks.table(who)["task"].iloc[0]) for who in ("eva", "ben")}
    good = {"cookie": "name=eva", "origin": origin, "csrf": CSRF}
    attempts: list[tuple[int, str, dict[str, str]]] = [
        (401, tasks["eva"], {**good, "cookie": "a=b"}), (403, tasks["eva"], {**good, "origin": "https://evil.example"}),
        (403, tasks["eva"], {**good, "csrf": "x"}), (403, tasks["eva"], {**good, "query": "?token=abc"}),
        (404, tasks["ben"], good), (404, "0" * 32, good), (404, tasks["eva"], {**good, "cookie": "name=finn"}),
    ]  # fmt: skip
    for status, task, options in attempts:
        with pytest.raises(InvalidStatus) as refused, live(served, task, **options):
            pass
        assert refused.value.response.status_code == status, options
    log = project.audit.table(outcome="refused")
    assert {"eva", "finn"} <= set(log["actor"])
    assert log["actor"].eq("nobody known").any()
    with live(served, tasks["eva"], **good) as socket:
        assert socket.recv(timeout=20)


def test_a_token_in_the_address_is_never_taken(served: Served, project: Any) -> None:
    for name in ("token", "access_token", "Token", "api_token"):
        answer = ask(served, "GET", f"{P}/cases?{name}=ada")
        assert answer.status_code == 403
        assert "Authorization header" in answer.json()["error"]["hint"]
        assert ask(served, "GET", f"{P}/cases?{name}=x", "ada").status_code == 403
    assert project.audit.table(outcome="refused")["actor"].eq("nobody known").any()
    for header in ("Basic YWRhOmFkYQ==", "token", "token a\tb"):
        assert ask(served, "GET", f"{P}/cases", headers={"Authorization": header}).status_code in (401, 404)


def test_hostile_messages_are_refused_whole(served: Served, project: Any) -> None:
    url = f"{P}/people"
    deep = "[" * 5000 + "]" * 5000
    for content in (b"{", b"[]", b"null", deep.encode(), b'{"person": 3, "role": "owner"}', b"\xff\xfe",
                    b'{"person": "x", "role": "owner", "more": 1}', b'{"person": "x\\u0000", "role": "owner"}',
                    b'{"person": "\\ud800", "role": "owner"}'):  # fmt: skip
        answer = ask(served, "POST", url, "ada", content=content)
        assert answer.status_code in (409, 413, 422), content[:40]
    assert ask(served, "POST", url, "ada", content=b" " * 20_000).status_code == 413
    assert ask(served, "GET", f"{P}/cases?cases=1&cases=2", "ada").status_code == 422
    assert set(project.people.table["person"]) == {"ada", "ben", "eva", "finn"}

    key = str(project.acting_as("ben").start("c1").key)
    put = {"kind": "put", "item": {"type": "box"}, "id": "1"}
    frames = [
        b"", b"\xff\xff\xff\xff", pack([]), pack({"base": 0, "edit": {}, "lease": ["", ""]}),
        pack({"base": -1, "edit": put, "lease": ["", ""]}), pack({"base": 0, "edit": put, "lease": []}),
        pack({"base": 0, "edit": {"kind": "paint", "mask": "x", "box": [], "buffer": 9}, "lease": ["", ""]}),
        b"\x04\x00\x00\x00{}{}", pack({"base": 2**63, "edit": put, "lease": ["", ""]}),
    ]  # fmt: skip
    for frame in frames:
        answer = ask(
            served, "POST", f"{P}/sessions/{key}/edits", "ben", content=frame, headers={"Content-Type": FRAME}
        )
        assert answer.status_code in (409, 422), frame[:60]
    huge = pack({}, [b"\0" * 200_000])
    assert ask(served, "POST", f"{P}/sessions/{key}/edits", "ben", content=huge).status_code == 413
    assert len(project.history("c1", reader="ben")) == 0


def test_an_edit_is_its_senders_whatever_it_says(served: Served, project: Any) -> None:
    told = ask(served, "POST", f"{P}/sessions/open", "ben", json={"case": "c1"}).json()
    item = {"type": "label", "id": "l1", "name": "<img src=x onerror=alert(1)>", "color": "#ff0000"}
    edit = {"kind": "put", "item": item, "old": None, "at": None, "id": "e1", "author": "ada", "time": 1.0}
    frame = pack({"base": 0, "edit": edit, "view": {}, "lease": told["lease"]})
    answer = ask(served, "POST", f"{P}/sessions/{told['key']}/edits", "ben", content=frame)
    assert (answer.status_code, answer.json()) == (200, {"head": 1})
    assert project.history("c1", reader="ben")["author"].tolist() == ["ben"]
    # Somebody else's lease, and an edit of the past: the second writer is refused.
    again = pack({"base": 0, "edit": {**edit, "id": "e2"}, "view": {}, "lease": ["x ada", "x ada"]})
    assert ask(served, "POST", f"{P}/sessions/{told['key']}/edits", "ben", content=again).status_code == 409


XSS = ("<script>alert(1)</script>", '"><svg onload=alert(1)>', "javascript:alert(1)", "{{7*7}}${7*7}")


def test_scripts_in_texts_stay_texts(served: Served, project: Any) -> None:
    for text in XSS:
        answer = ask(served, "POST", f"{P}/comments", "ben", json={"case": "c1", "text": text})
        assert answer.status_code == 200
    answer = ask(served, "POST", f"{P}/comments/find", "ada", json={})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [row[5] for row in answer.json()["rows"]] == list(XSS)
    page = httpx.get(served.url + "/", cookies={"name": "eva"}, trust_env=False)
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
    assert (
        rules["default-src"] == "'none'"
        and rules["frame-ancestors"] == "'none'"
        and rules["base-uri"] == "'none'"
    )
    assert "unsafe-inline" not in rules["script-src"] and "unsafe-eval" not in rules["script-src"].split()
    assert "<script>" not in page.text
    # What was asked for is never repeated.
    assert "alert" not in ask(served, "GET", f"/{quote(XSS[0])}").text
    assert "alert" not in ask(served, "GET", f"{P}/cases?{quote(XSS[0])}=1", "ada").text


SQL = (
    "' OR '1'='1",
    "x'; DROP TABLE audit; --",
    '" OR ""="',
    "%",
    "_",
    "c1' UNION SELECT * FROM members --",
    "\\",
)


def test_sql_in_filters_is_only_text(served: Served, project: Any) -> None:
    people = len(project.people.table)
    for text in SQL:
        for path, body in (
            ("/audit/find", {"actor": text}), ("/audit/find", {"action": text}), ("/tasks/find", {"person": text}),
            ("/tasks/find", {"batch": text}), ("/people/roles", {"person": text}),
        ):  # fmt: skip
            answer = ask(served, "POST", P + path, "ada", json=body)
            assert answer.status_code == 200, (path, text, answer.text)
            assert not answer.json().get("rows") and not answer.json().get("roles"), (path, text)
        for path in ("/sessions/open", "/cases/open", "/cases/readers", "/sessions/find"):
            assert ask(served, "POST", P + path, "ada", json={"case": text}).status_code == 404
        answer = ask(served, "POST", f"{P}/cases/page", "ada", json={"match": text})
        assert answer.status_code == 200 and not answer.json()["rows"]
    assert len(project.people.table) == people and project.audit.verify().ok


def zipped(*members: tuple[Any, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def test_zip_tricks_are_refused_and_leave_nothing(served: Served, project: Any, tmp_path: Path) -> None:
    file = io.BytesIO()
    write_pixels(file, phantom())
    image = file.getvalue()
    link = zipfile.ZipInfo("0/link.dcm")
    link.external_attr = 0o120777 << 16
    tricks = {
        "no zip": b"not a zip", "cut": zipped(("0/a.nbimage", image))[:-30], "nothing": zipped(),
        "up": zipped(("../../evil.nbimage", image)), "up inside": zipped(("0/../../evil", image)),
        "absolute": zipped(("/etc/evil", image)), "windows": zipped(("0\\..\\evil", image)),
        "drive": zipped(("C:/evil", image)), "hidden": zipped(("0/.bashrc", image)),
        "link": zipped((link, b"/etc/passwd")), "no folder": zipped(("a.nbimage", image)),
        "another folder": zipped(("7/a.nbimage", image)), "folder": zipped(("0/", b"")),
        "twice": zipped(("0/a.nbimage", image), ("0/A.nbimage", image)),
        "bomb": zipped(("0/a.raw", b"\0" * 900_000_0), kind=zipfile.ZIP_BZIP2),
        "large": zipped(("0/a.raw", b"\0\1" * 600_000), kind=zipfile.ZIP_DEFLATED),
        "no image": zipped(("0/a.dcm", b"nothing of an image")),
    }  # fmt: skip
    asked = {"case": "evil", "labels": [], "images": [{"id": "i1", "name": "a"}]}
    headers = {REQUEST_HEADER: quote(json.dumps(asked))}
    for name, data in tricks.items():
        answer = ask(served, "POST", f"{P}/cases", "ada", content=data, headers=headers)
        assert answer.status_code in (409, 422), (name, answer.text)
    large = ask(served, "POST", f"{P}/cases", "ada", content=b"\0" * 2_100_000, headers=headers)
    assert large.status_code == 413
    strange: list[Any] = [{"id": "../x", "name": "a"}, {"id": "i1"}, "x", {"id": "i1", "name": "a" * 1000}]
    for one in strange:
        wrong = {REQUEST_HEADER: quote(json.dumps({**asked, "images": [one]}))}
        good = zipped(("0/a.nbimage", image))
        assert ask(served, "POST", f"{P}/cases", "ada", content=good, headers=wrong).status_code == 422
    assert (
        ask(
            served, "POST", f"{P}/cases", "ben", content=zipped(("0/a.nbimage", image)), headers=headers
        ).status_code
        == 403
    )
    assert rows(project, "ben") == 1
    assert project.case_names == ["c1", SECRET]
    assert not list(tmp_path.rglob("*evil*"))
    done = ask(served, "POST", f"{P}/cases", "ada", content=zipped(("0/a.nbimage", image)), headers=headers)
    assert done.status_code == 200 and project.case_names == ["c1", SECRET, "evil"]


def test_too_many_requests_have_to_wait(project: Any) -> None:
    limits = Limits(per_second=0.001, burst=5, stranger_per_second=0.001, stranger_burst=3)
    with serving({"study": project}, limits=limits) as served:
        codes = [ask(served, "GET", "/api/v1/me", "ben").status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        slow = ask(served, "GET", "/api/v1/me", "ben")
        assert int(slow.headers["retry-after"]) >= 1
        assert ask(served, "GET", "/api/v1/me", "ada").status_code == 200
        assert [ask(served, "GET", "/api/v1/me").status_code for _ in range(5)] == [401] * 3 + [429] * 2
        assert ask(served, "GET", "/health").status_code == 200


def test_a_socket_whose_login_ends_is_closed(served: Served, project: Any) -> None:
    origin = served.url.removesuffix("/services/nbannot")
    task = str(project.tasks.table("eva")["task"].iloc[0])
    with live(served, task, cookie="name=eva", origin=origin, csrf=CSRF) as socket:
        socket.recv(timeout=20)
        served.login.gone.add("eva")
        with pytest.raises(ConnectionClosed) as over:
            while True:
                socket.recv(timeout=20)
        assert over.value.rcvd is not None and over.value.rcvd.code == 4401


def test_a_reader_is_told_no_name_by_any_route(served: Served, project: Any) -> None:
    project.tasks.assign([SECRET], ["eva"])
    task = project.tasks.table("eva", SECRET)["task"].iloc[0]
    project.comments.add(SECRET, "Look again", task=task)
    project.acting_as("eva").tasks.begin(task)
    project.acting_as("eva").be(SECRET, {"frame": 0})
    for method, path, body in (
        ("POST", f"/tasks/{task}/begin", {}), ("GET", f"/tasks/{task}/readings", None),
        ("POST", f"/tasks/{task}/review", {"verdict": "accept"}), ("POST", f"/tasks/{task}/unassign", {}),
        ("POST", "/sessions/history", {"case": SECRET}), ("POST", "/sessions/find", {"case": SECRET}),
        ("POST", "/sessions/history", {"case": "guess"}), ("POST", "/sessions/find", {"case": "guess"}),
        ("POST", "/cases/open", {"case": SECRET}),
    ):  # fmt: skip
        answer = ask(served, method, P + path, "eva", **({} if body is None else {"json": body}))
        assert answer.status_code in (403, 404), path  # `ask` looks for the name
    for path in ("/sessions/find", "/comments/find", "/presence", "/tasks/find"):
        answer = ask(served, "POST", P + path, "eva", json={})
        assert answer.status_code == 200 and answer.json()["rows"]
        assert SECRET not in answer.text and '"ada"' not in answer.text
    before = rows(project, "mallory")
    assert (
        httpx.get(f"{served.url}{P}/reading", cookies={"name": "mallory"}, trust_env=False).status_code == 404
    )
    assert rows(project, "mallory") == before + 1


@pytest.mark.parametrize(
    ("url", "place", "inside"),
    [
        ("s3://b/trial/x", "s3://b/trial/", True),
        ("s3://b/trial", "s3://b/trial/", True),
        ("zip://p1::s3://b/trial/a.zip", "s3://b/trial", True),
        ("zip://::s3://b/trial/a.zip", "s3://b/trial", True),
        ("dicomweb+https://pacs/dicom-web/studies/1.2", "dicomweb+https://pacs/dicom-web", True),
        ("file:///data/a/x", "/data/a", True),
        ("/data/a", "file:///data/a", True),
        ("s3://b/trial2/x", "s3://b/trial/", False),
        ("s3://b/trial/../secret", "s3://b/trial", False),
        ("s3://b/trial/%2e%2e/secret", "s3://b/trial", False),
        ("s3://b/trial/x?list-type=2", "s3://b/trial", False),
        ("S3://b/trial/x", "s3://b/trial", False),
        ("zip://../x::s3://b/trial/a.zip", "s3://b/trial", False),
        ("zip://a::zip://b::s3://b/trial/a.zip", "s3://b/trial", False),
        ("zip://a::simplecache::s3://b/trial/a.zip", "s3://b/trial", False),
        ("zip://a::/etc/a.zip", "s3://b/trial", False),
        ("https://pacs/dicom-web/studies", "dicomweb+https://pacs/dicom-web", False),
        ("dicomweb+https://pacs@evil/dicom-web", "dicomweb+https://pacs", False),
        ("dicomweb+https://pacs.evil.org/", "dicomweb+https://pacs", False),
        ("/data/ab", "/data/a", False),
        ("/data/a/../b", "/data/a", False),
        ("data/a", "/data/a", False),
        ("/data/a\0", "/data/a", False),
    ],
)  # fmt: skip
def test_what_lies_in_a_place_that_was_named(url: str, place: str, inside: bool) -> None:
    assert is_within(url, place) is inside


def test_a_name_that_a_reader_guesses_is_not_confirmed(served: Served, project: Any) -> None:
    project.tasks.assign([SECRET], ["eva"])
    mine = ask(served, "POST", f"{P}/tasks/find", "eva", json={}).json()["rows"]
    assert [row[1] for row in mine] == [f"Case {n}" for n in range(1, len(mine) + 1)]
    for path, body in (
        ("/comments", {"text": "x"}), ("/presence/me", {"place": 1}), ("/comments/find", {}),
        ("/tasks/find", {}), ("/presence", {}), ("/people/allowed", {"action": "case.read"}),
    ):  # fmt: skip
        told = [
            ask(served, "POST", P + path, "eva", json={**body, "case": case}) for case in (SECRET, "guess")
        ]
        assert [one.status_code for one in told] == [403, 403] and told[0].text == told[1].text
        assert ask(served, "POST", P + path, "eva", json={**body, "case": f"Case {len(mine)}"}).is_success
    assert project.comments.table(SECRET)["text"].tolist() == ["x"]
    assert rows(project, "eva") >= 12


def test_files_are_taken_only_of_who_may_send_them(served: Served) -> None:
    asked = {REQUEST_HEADER: quote(json.dumps({"case": "new", "images": []}))}
    for path in ("/cases", "/sessions/adopt"):
        # Refused before it is read: it would be too large otherwise.
        sent = {"content": b"\0" * (SMALL.upload_bytes + 1), "headers": asked}
        assert ask(served, "POST", P + path, "eva", **sent).status_code == 403


@pytest.mark.parametrize(
    "wrong", [{"time": 1e300}, {"time": "now"}, {"time": -1}, {"tool": {}}, {"origin": 3}]
)
def test_an_edit_that_no_table_can_show_is_refused(
    served: Served, project: Any, wrong: dict[str, Any]
) -> None:
    told = ask(served, "POST", f"{P}/sessions/open", "ben", json={"case": "c1"}).json()
    item = {"type": "label", "id": "l1", "name": "new", "color": "#ff0000"}
    frame = pack(
        {"base": 0, "edit": {"kind": "put", "item": item, "id": "e1", **wrong}, "lease": told["lease"]}
    )
    assert ask(served, "POST", f"{P}/sessions/{told['key']}/edits", "ben", content=frame).status_code == 422
    assert len(project.cases) == 2


def test_a_comment_is_not_put_on_somebody_elses_task(served: Served, project: Any) -> None:
    task = project.tasks.table("eva")["task"].iloc[0]
    said = {"case": "c1", "text": "From the study team", "task": task}
    assert ask(served, "POST", f"{P}/comments", "ben", json=said).status_code == 404
    assert ask(served, "POST", f"{P}/comments", "ada", json=said).status_code == 200


def test_strangers_begin_few_logins(project: Any) -> None:
    limits = Limits(stranger_per_second=0.01, stranger_burst=2)
    with serving({"study": project}, pages=page_routes(), limits=limits) as served:
        answers = [httpx.get(served.url + "/", trust_env=False).status_code for _ in range(4)]
    assert answers[0] != 429 and answers[-1] == 429

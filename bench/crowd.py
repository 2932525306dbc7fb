"""Many simulated readers at the real service behind a real Hub, with two workers: what they wait for, what is lost.

Each logs in at the Hub, opens the case by the websocket of the page, and then, until the time is over: thinks, looks at
some slices, draws a stroke. In the end every stroke that was acknowledged must be in the store.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from measure import Row
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

import nbannot as nb
from conftest import shared_folder
from hub_help import LocalHub, origin
from hub_world import SERVICE_TOKEN, Service
from nbannot.host.messages import PROTOCOL
from nbannot.model.codec import encode_edit
from nbannot.model.edits import Paint
from nbannot.model.runs import Runs
from nbannot.store.tables import tables
from nbannot.store.wire import pack, unpack
from servers import Bucket, running_postgres, running_s3

READERS, SECONDS = 100, 60.0
THINK_S = 2.0
"""Mean time from one stroke of a reader to the next; between 0.2 and 10 s, as people pause."""
LOOKS = (1, 4)
"""A reader looks at so many slices before a stroke."""
SIDE = 6
"""A stroke is a square of so many voxels each way; no two of a reader overlap."""
ACTIVE_S = 15.0
"""The page tells the time worked so often."""
AT_ONCE = 8
"""So many log in and open the case at the same time."""
PATIENCE_S = 120.0

TEST_TOKEN = "a-token-of-the-bench-0123456789"


@dataclass(slots=True)
class Reader:
    """A simulated reader."""

    name: str
    url: str
    cookies: str = ""
    csrf: str = ""
    task: str = ""
    logins: list[float] = field(default_factory=list)
    opens: list[float] = field(default_factory=list)
    saves: list[float] = field(default_factory=list)
    slices: list[float] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    number: int = 0
    asked: int = 0

    def log_in(self, hub: LocalHub) -> None:
        """Log in at the Hub and at the service, and find the task."""
        start = time.perf_counter()
        browser = hub.enter(self.name)
        self.logins.append((time.perf_counter() - start) * 1000)
        self.cookies = "; ".join(
            f"{one.name}={one.value}" for one in browser.cookies.jar if "nbannot" in one.path
        )
        self.csrf = browser.headers["X-CSRF-Token"]
        found = browser.get(f"{hub.service}api/v1/projects/study/reading").json()["tasks"]
        self.task = found[0]["task"]

    async def read(
        self, gate: asyncio.Semaphore, begin: asyncio.Event, ready: asyncio.Semaphore, seconds: float
    ) -> None:
        """Open the case, wait for the others, and read."""
        async with gate:
            start = time.perf_counter()
            live = await connect(
                f"{self.url.replace('http', 'ws', 1)}api/v1/projects/study/tasks/{self.task}/live?page={self.name}",
                subprotocols=[Subprotocol("nbannot.v1"), Subprotocol(f"csrf.{self.csrf}")], compression=None,
                max_size=None, proxy=None, open_timeout=PATIENCE_S,
                additional_headers={"Cookie": self.cookies, "Origin": origin(self.url)},
            )  # fmt: skip
            await self._until(live, "opened")
            await live.send(pack({"type": "begin", "rid": 1}))
            await live.send(pack({"type": "hello", "tab": self.name, "version": PROTOCOL, "next": 1}))
            state = await self._until(live, "state")
            image, mask = state["images"][0], state["masks"][0]["id"]
            await self._look(live, image["id"], image["shape"][-3] // 2)
            self.slices.clear()
            self.opens.append((time.perf_counter() - start) * 1000)
        ready.release()
        await begin.wait()
        end, told = time.monotonic() + seconds, time.monotonic() + random.uniform(0, ACTIVE_S)
        async with live:
            while True:
                await asyncio.sleep(min(max(random.expovariate(1 / THINK_S), 0.2), 10))
                if time.monotonic() >= end:
                    return
                for _ in range(random.randint(*LOOKS)):
                    await self._look(live, image["id"], random.randrange(image["shape"][-3]))
                await self._stroke(live, mask, image["shape"][-3:])
                await live.send(pack({"type": "view", "view": {"image": image["id"], "tool": "brush"}}))
                if time.monotonic() > told:
                    told += ACTIVE_S
                    await live.send(pack({"type": "active", "seconds": ACTIVE_S}))

    async def _look(self, live: Any, image: str, k: int) -> None:
        self.asked += 1
        start = time.perf_counter()
        asked = {
            "type": "get",
            "tab": self.name,
            "rid": self.asked,
            "keys": [f"image/{image}/0/{k}"],
            "urgent": True,
        }
        await live.send(pack(asked))
        while (await self._until(live, "bytes"))["rid"] != self.asked:
            pass  # what comes unasked
        self.slices.append((time.perf_counter() - start) * 1000)

    async def _stroke(self, live: Any, mask: str, shape: Sequence[int]) -> None:
        self.number += 1
        n, (slices, rows, columns) = self.number - 1, shape
        across, down = columns // SIDE, rows // SIDE
        k, j, i = n // (across * down) % slices, n // across % down * SIDE, n % across * SIDE
        runs = Runs.of(np.zeros(1, int), np.full(1, SIDE * SIDE), np.zeros(1, int), np.ones(1, int))
        edit = Paint(mask, ((k, j, i), (k + 1, j + SIDE, i + SIDE)), runs, id=f"{self.name}:{self.number}")
        body, buffers = encode_edit(edit)
        message = {"type": "edit", "tab": self.name, "seq": self.number, "edit": body}
        start = time.perf_counter()
        await live.send(pack(message, buffers))
        answer = await self._until(live, "edited", "refused")
        if answer["type"] == "edited":
            self.saves.append((time.perf_counter() - start) * 1000)
            self.acknowledged.add(edit.id)
        else:
            self.refused += 1

    @staticmethod
    async def _until(live: Any, *kinds: str) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message, _ = unpack(await live.recv())
                if message["type"] in kinds:
                    return message
                if message["type"] in ("closing", "bytes_error", "later"):
                    raise RuntimeError(f"The service says {message}")


@contextmanager
def places(what: str, folder: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, str], list[str]]]:
    """Give where a study is kept: its URL, how it is opened, and the service's variables and options."""
    if what == "SQLite":
        yield str(folder / "study"), {}, {}, ["--project", f"study={folder / 'study'}"]
        return
    with running_postgres(durable=True) as server, running_s3() as bucket:
        url, files = server.url(project="study"), bucket.url("study")
        variables = {"BENCH_PROJECT": url, **_s3_variables(bucket), "NBANNOT_CACHE": str(folder / "cache")}
        options = ["--project", "study=env:BENCH_PROJECT", "--files", f"study={files}"]
        yield url, {"files": files, "storage_options": bucket.options}, variables, options


def _s3_variables(bucket: Bucket) -> dict[str, str]:
    given = bucket.options
    return {
        "AWS_ACCESS_KEY_ID": given["key"], "AWS_SECRET_ACCESS_KEY": given["secret"],
        "AWS_ENDPOINT_URL": given["endpoint_url"], "AWS_DEFAULT_REGION": given["client_kwargs"]["region_name"],
    }  # fmt: skip


def measure(what: str, *, readers: int = READERS, seconds: float = SECONDS) -> list[Row]:
    """Let many read one case at once; ``what`` is "SQLite" or "PostgreSQL + S3"."""
    names = [f"reader-{n}" for n in range(readers)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, how, variables, options = stack.enter_context(places(what, folder))
        with nb.open_project(url, author="boss", **how) as project:
            _fill(project, names)
        hub, service = stack.enter_context(_running(folder, names, variables, options))
        crowd = [Reader(name, hub.service) for name in names]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda one: one.log_in(hub), crowd))
        hub.close_browsers()
        assert service.process is not None
        memory = Memory(psutil.Process(service.process.pid))
        load = asyncio.run(_all(crowd, seconds, memory))
        service.stop()
        with nb.open_project(url, author="boss", read_only=True, **how) as project:
            lost = _lost(project, crowd)
    return _rows(f"{what}, {readers} readers", crowd, memory, lost, load)


def _fill(project: Any, names: Sequence[str]) -> None:
    image = shared_folder() / "nifti_totalsegmentator" / "ct_sm.nii.gz"
    project.add_case("case", images=image, labels=["Lesion"], copy=True)
    project.people.grant("boss", "owner")
    for name in names:
        project.people.grant(name, "reader")
    project.tasks.assign(["case"], names)


@contextmanager
def _running(
    folder: Path, names: Sequence[str], variables: dict[str, str], options: list[str]
) -> Iterator[tuple[LocalHub, Service]]:
    """Run a Hub whose experts are these, and the service beside it."""
    hub = LocalHub(
        folder / "hub", NBANNOT_SERVICE="external", NBANNOT_SERVICE_TOKEN=SERVICE_TOKEN, NBANNOT_TEST_TOKEN=TEST_TOKEN
    )  # fmt: skip
    service = Service(hub, folder / "study", folder)
    at = service.command.index("--project")
    service.command[at : at + 2] = options
    service.environment |= variables
    try:
        service.launch()
        hub.start()
        service.ready()
        with hub.admin() as admin:
            admin.timeout = httpx.Timeout(PATIENCE_S)
            admin.post("/users", json={"usernames": list(names)}).raise_for_status()
            admin.post("/groups/experts/users", json={"users": list(names)}).raise_for_status()
        yield hub, service
    finally:
        hub.close_browsers()
        service.stop()
        hub.stop()


class Memory:
    """The most memory (MB; what processes share counts once) of the service, and what it took before."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._over = threading.Event()
        self.before = self.most = self._now()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _now(self) -> float:
        total = 0
        for one in (self._process, *self._process.children(recursive=True)):
            try:
                total += one.memory_full_info().pss
            except psutil.Error:
                continue
        return total / 2**20

    def _watch(self) -> None:
        while not self._over.wait(1):
            self.most = max(self.most, self._now())

    def end(self) -> None:
        """Watch no more."""
        self._over.set()
        self._thread.join()


async def _all(crowd: Sequence[Reader], seconds: float, memory: Memory) -> float:
    """Let all open the case, then read at once; return the machine's load meanwhile."""
    gate, ready, begin = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(0), asyncio.Event()
    reading = [asyncio.create_task(one.read(gate, begin, ready, seconds)) for one in crowd]
    try:
        async with asyncio.timeout(seconds + 2 * PATIENCE_S):
            for _ in crowd:
                waiting = asyncio.create_task(ready.acquire())
                done, _ = await asyncio.wait({waiting, *reading}, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
            begin.set()
            await asyncio.gather(*reading)
    finally:
        for task in reading:
            task.cancel()
        memory.end()
    return os.getloadavg()[0]


def _lost(project: Any, crowd: Sequence[Reader]) -> int:
    """Return how many strokes that were acknowledged are not in the store, or not in what is opened from it."""
    known = tables()
    with project._core.database.reading() as connection:
        readers = {row.id: row.reader for row in connection.execute(known.sessions.select())}
        kept: dict[str, set[str]] = {}
        for row in connection.execute(known.edits.select()):
            assert json.loads(row.body)
            kept.setdefault(readers[row.session_id], set()).add(row.edit_id)
    lost = sum(len(one.acknowledged - kept.get(one.name, set())) for one in crowd)
    for one in crowd[:: max(1, len(crowd) // 10)]:
        voxels = int((project.case("case").document(one.name).masks["Lesion"].array > 0).sum())
        lost += max(0, len(one.acknowledged) - voxels // (SIDE * SIDE))
    return lost


def _rows(what: str, crowd: Sequence[Reader], memory: Memory, lost: int, load: float) -> list[Row]:
    def all_of(name: str) -> list[float]:
        return [value for one in crowd for value in getattr(one, name)]

    refused = sum(one.refused for one in crowd)
    note = f"lost {lost}, refused {refused}; a stroke each {THINK_S:g} s; load {load:.1f}"
    size = f"service of two workers: {memory.before:.0f} MB before, {memory.most:.0f} MB at most"
    return [
        Row(f"{what}: stroke → kept, with its row in the log", all_of("saves"), "ms", note=note),
        Row(f"{what}: a slice asked for → there", all_of("slices"), "ms"),
        Row(f"{what}: case asked for → its first slice, {AT_ONCE} at once", all_of("opens"), "ms"),
        Row(f"{what}: logged in at Hub and service, {AT_ONCE} at once", all_of("logins"), "ms", note=size,
            peak=memory.most - memory.before),
    ]  # fmt: skip

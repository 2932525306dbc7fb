"""The reader's page: from the Hub's login to the picture and from case to case; and many readers at one service.

``python bench/reader.py [--quick] [--readers N] [--seconds S]`` alone, or as a part of ``python bench reader``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from playwright.sync_api import sync_playwright
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
sys.path[:0] = [str(HERE), str(TESTS)]

from measure import Row, markdown  # noqa: E402

import nbannot as nb  # noqa: E402
from browser.conftest import FLAGS  # noqa: E402
from browser.hub_reading import ExpertPage, study_at_hub  # noqa: E402
from browser.reader import ReaderService  # noqa: E402
from conftest import shared_folder  # noqa: E402
from hub_serving import CSRF, PREFIX  # noqa: E402
from nbannot.host.messages import PROTOCOL  # noqa: E402
from nbannot.model.codec import encode_edit  # noqa: E402
from nbannot.model.edits import Paint  # noqa: E402
from nbannot.model.runs import Runs  # noqa: E402
from nbannot.store.wire import pack, unpack  # noqa: E402

READERS, SECONDS = 100, 120.0
THINK_S = 2.0
"""Mean time from one stroke of a reader to the next."""
SIDE = 6
"""A stroke is a square of so many voxels each way; no two of a reader overlap."""


def cts() -> list[Path]:
    """Return two real CTs."""
    folder = shared_folder() / "nifti_totalsegmentator"
    return [folder / "ct_sm.nii.gz", folder / "ct.nii.gz"]


def through_the_hub(*, logins: int, cases: int) -> list[Row]:
    """Measure an expert's browser at a real Hub."""
    chromium = subprocess.run(
        [TESTS / "browser" / "find-chromium"], capture_output=True, text=True, check=True
    )
    images = {f"case {n}": cts()[n % 2] for n in range(cases)}
    first: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        study_at_hub(Path(folder), images) as study,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium.stdout.strip(), args=FLAGS)
        for n in range(logins):
            expert = ExpertPage(browser, study)
            expert.enter()
            first += expert.seconds["login → first picture"]
            if n < logins - 1:
                expert.close()
        for n in range(2, cases + 1):
            expert.answer_and_submit("1", f"Case {n} of {cases}")
        browser.close()
    return [
        Row("Hub: login → all of the first picture", first, "s"),
        Row("Hub: submit → all of the next case", expert.seconds["next case"], "s"),
    ]


@dataclass(slots=True)
class Reader:
    """A simulated reader: thinks, looks at slices, makes strokes."""

    name: str
    url: str
    saves: list[float] = field(default_factory=list)
    slices: list[float] = field(default_factory=list)
    refused: int = 0
    _number: int = 0

    async def read(self, task: str, until: float) -> None:
        """Read a case until a time."""
        origin = self.url.removesuffix(PREFIX)
        socket = connect(
            f"{self.url.replace('http', 'ws')}api/v1/projects/study/tasks/{task}/live?page={self.name}",
            subprotocols=[Subprotocol("nbannot.v1"), Subprotocol(f"csrf.{CSRF}")], compression=None, max_size=None,
            additional_headers={"Cookie": f"name={self.name}", "Origin": origin}, proxy=None, open_timeout=60,
        )  # fmt: skip
        async with socket as live:
            await self._until(live, "opened")
            await live.send(pack({"type": "begin", "rid": 1}))
            await self._until(live, "answered")
            await live.send(pack({"type": "hello", "tab": self.name, "version": PROTOCOL, "next": 1}))
            state = await self._until(live, "state")
            image, mask = state["images"][0], state["masks"][0]["id"]
            shape = image["shape"][-3:]
            while time.monotonic() < until:
                await asyncio.sleep(min(random.expovariate(1 / THINK_S), 10))
                await self._look(live, image["id"], shape[0])
                await self._stroke(live, mask, shape)

    async def _look(self, live: Any, image: str, slices: int) -> None:
        keys = [f"image/{image}/0/{random.randrange(slices)}"]
        start = time.perf_counter()
        await live.send(pack({"type": "get", "tab": self.name, "rid": 1, "keys": keys, "urgent": True}))
        await self._until(live, "bytes")
        self.slices.append((time.perf_counter() - start) * 1000)

    async def _stroke(self, live: Any, mask: str, shape: Sequence[int]) -> None:
        self._number += 1
        n, (slices, rows, columns) = self._number - 1, shape
        across, down = columns // SIDE, rows // SIDE
        k, j, i = n // (across * down) % slices, n // across % down * SIDE, n % across * SIDE
        count = np.full(1, SIDE * SIDE)
        runs = Runs.of(np.zeros(1, int), count, np.zeros(1, int), np.ones(1, int))
        edit = Paint(mask, ((k, j, i), (k + 1, j + SIDE, i + SIDE)), runs, id=f"{self.name}:{self._number}")
        body, buffers = encode_edit(edit)
        start = time.perf_counter()
        message = {"type": "edit", "tab": self.name, "seq": self._number, "edit": body}
        await live.send(pack(message, buffers))
        if (await self._until(live, "edited", "refused"))["type"] == "edited":
            self.saves.append((time.perf_counter() - start) * 1000)
        else:
            self.refused += 1

    @staticmethod
    async def _until(live: Any, *kinds: str) -> Any:
        async with asyncio.timeout(120):
            while True:
                message, _ = unpack(await live.recv())
                if message["type"] in kinds:
                    return message
                if message["type"] in ("closing", "bytes_error"):
                    raise RuntimeError(f"The service says {message}")


def many_readers(count: int, seconds: float) -> list[Row]:
    """Measure readers who read at once, with think times and strokes, through the real service."""
    names = [f"reader-{n}" for n in range(count)]
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given) / "study"
        with nb.open_project(folder, author="boss") as project:
            project.add_case("case", images=cts()[0], labels=["Lesion"])
            project.people.grant("boss", "owner")
            for name in names:
                project.people.grant(name, "reader")
            project.tasks.assign(["case"], names)
        service = ReaderService(folder)
        service.start()
        try:
            assert service.process is not None
            process = psutil.Process(service.process.pid)
            readers = [Reader(name, service.url) for name in names]
            before = process.memory_info().rss / 2**20
            peak = asyncio.run(_all(readers, service.url, seconds, process))
        finally:
            service.stop()
        lost = sum(_lost(folder, reader) for reader in readers)
    saves = [one for reader in readers for one in reader.saves]
    slices = [one for reader in readers for one in reader.slices]
    refused = sum(reader.refused for reader in readers)
    what = f"{count} readers, a stroke each {THINK_S:g} s for {seconds:g} s"
    return [
        Row(
            f"{what}: stroke → kept", saves, "ms", note=f"lost {lost}, refused {refused}", peak=peak - before
        ),
        Row(f"{what}: a slice asked for → there", slices, "ms"),
    ]


async def _all(readers: Sequence[Reader], url: str, seconds: float, process: psutil.Process) -> float:
    """Let all read, and return the most memory (MB) that the service took."""
    tasks = {}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for reader in readers:
            answer = await client.get(f"{url}api/v1/projects/study/reading", cookies={"name": reader.name})
            tasks[reader.name] = answer.json()["tasks"][0]["task"]
    end = time.monotonic() + seconds
    peak = 0.0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss / 2**20)
            await asyncio.sleep(0.5)

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(seconds + 180):
        await asyncio.gather(*(reader.read(tasks[reader.name], end) for reader in readers))
    watching.cancel()
    return peak


def _lost(folder: Path, reader: Reader) -> int:
    """Return how many strokes that were acknowledged are not in the store."""
    with nb.open_project(folder, author="boss", read_only=True) as project:
        kept = int((project.case("case").document(reader.name).masks["Lesion"].array > 0).sum())
    return len(reader.saves) - kept // (SIDE * SIDE)


def run(*, quick: bool, readers: int | None = None, seconds: float | None = None) -> list[Row]:
    """Measure both."""
    rows = through_the_hub(logins=1 if quick else 5, cases=3 if quick else 16)
    print(markdown(rows), flush=True)
    many = many_readers(readers or (5 if quick else READERS), seconds or (10 if quick else SECONDS))
    print(markdown(many), flush=True)
    return rows + many


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--readers", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only-readers", action="store_true", help="leave the Hub out")
    given = parser.parse_args()
    if given.only_readers:
        print(markdown(many_readers(given.readers or READERS, given.seconds or SECONDS)))
    else:
        run(quick=given.quick, readers=given.readers, seconds=given.seconds)

"""Fixtures for tests in a real JupyterLab with Chromium."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from browser.lab import Lab, Server
from nbannot.demo.project import build_demo

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
    # Only WebGL needs the software GL; pages are put together far quicker without it.
    "--disable-gpu-compositing",
    "--force-color-profile=srgb",
]
MOST_TESTS = 25


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    found = subprocess.run([HERE / "find-chromium"], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.fail("No Chromium on PATH. Debian: apt-get install chromium; or set NBANNOT_CHROMIUM to one.")
    return found.stdout.strip()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def running_server(folder: Path, *, extension: bool) -> Iterator[Server]:
    """A `jupyter lab` that finds this checkout's nbannot."""
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    # Kernels start quicker where Python may keep what it compiled, as an installed nbannot's is.
    env = {"PYTHONPATH": os.pathsep.join(p for p in paths if p), "PYTHONDONTWRITEBYTECODE": ""}
    server = Server(folder, extension=extension, env=env)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def new_context(browser: Browser) -> BrowserContext:
    """A profile of its own, with pages of the usual size."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, device_scale_factor=1)
    context.set_default_timeout(30_000)
    return context


@contextmanager
def opened_page(server: Server, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A fresh page; fails the test on console errors and on requests to the outside."""
    context = new_context(browser)
    page = Lab(server, context, ROOT / "test-output")
    failed_before = request.session.testsfailed
    try:
        yield page
        if request.session.testsfailed > failed_before:
            page.screenshot(f"failed-{request.node.name}")
        problems, outside = page.problems(), page.outside_requests
    finally:
        page.close()
        context.close()
        clear(server.root)
    assert not problems, "console errors:\n" + "\n".join(problems)
    assert not outside, f"requests to the outside: {outside}"


Kept = dict[str, tuple[BrowserContext, Page, int]]
"""For each server the page that the last test left, and how many tests it has served."""


@contextmanager
def kept_page(server: Server, browser: Browser, request: pytest.FixtureRequest, kept: Kept) -> Iterator[Lab]:
    """The page of the test before, with nothing in it; as strict as a fresh one.

    Loading JupyterLab takes longer than most tests. A failed test leaves no page, and after some tests a page
    is given up, so that none grows without end.
    """
    context, page, used = kept.pop(server.url, (None, None, 0))
    if context is None or page is None:
        context = new_context(browser)
        page = context.new_page()
        page.goto(f"{server.url}/doc?token={server.token}&reset", wait_until="domcontentloaded")
        page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
    lab = Lab(server, context, ROOT / "test-output", page=page)
    failed_before = request.session.testsfailed
    clean = False
    try:
        yield lab
        if request.session.testsfailed > failed_before:
            lab.screenshot(f"failed-{request.node.name}")
        problems, outside = lab.problems(), lab.outside_requests
        clean = not problems and request.session.testsfailed == failed_before and lab.leave()
    finally:
        if clean and used < MOST_TESTS:
            kept[server.url] = (context, page, used + 1)
        else:
            lab.close()
            context.close()
        clear(server.root)
    assert not problems, "console errors:\n" + "\n".join(problems)
    assert not outside, f"requests to the outside: {outside}"


def clear(folder: Path) -> None:
    """Empty a folder."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One `jupyter lab` for the whole run; each test opens its own notebook."""
    with running_server(tmp_path_factory.mktemp("lab"), extension=True) as server:
        yield server


@pytest.fixture(scope="session")
def plain_lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A `jupyter lab` where nbannot's server extension is off: voxels must come over the comm."""
    with running_server(tmp_path_factory.mktemp("plain-lab"), extension=False) as server:
        yield server


@pytest.fixture(scope="session")
def kept(browser: Browser) -> Iterator[Kept]:
    """The pages that wait for their next test."""
    pages: Kept = {}
    yield pages
    for context, _, _ in pages.values():
        context.close()


@pytest.fixture
def lab(lab_server: Server, browser: Browser, kept: Kept, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A page in JupyterLab that other tests use too, one after the other."""
    with kept_page(lab_server, browser, request, kept) as page:
        yield page


@pytest.fixture
def fresh_lab(lab_server: Server, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A page of its own, for tests that change the page itself."""
    with opened_page(lab_server, browser, request) as page:
        yield page


@pytest.fixture
def plain_lab(
    plain_lab_server: Server, browser: Browser, kept: Kept, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """A page in a JupyterLab without nbannot's server extension."""
    with kept_page(plain_lab_server, browser, request, kept) as page:
        yield page


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A demo folder, as `make demo` makes it, made once for all workers; tests leave it as it is."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return build_demo(shared / "demo-project").parent

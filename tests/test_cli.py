"""The `nbannot` command and the server it starts."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest

import nbannot
from nbannot.cli import main
from nbannot.demo.serve import claim
from nbannot.errors import NbannotError

ROOT = Path(__file__).resolve().parents[1]


def test_the_version_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"nbannot {nbannot.__version__}"
    assert version("nbannot") == nbannot.__version__


def test_doctor_prints_its_findings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert nbannot.__version__ in capsys.readouterr().out


def test_a_foreign_folder_is_an_error_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").touch()
    assert main(["demo", "--folder", str(tmp_path), "--build-only"]) == 1
    assert "thesis.txt" in capsys.readouterr().err


def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NbannotError, match=f"Port {port} is taken"):
            claim(port)
    assert claim(0) > 0


@pytest.mark.slow
def test_the_demo_server_answers_to_its_url_only_with_the_token(tmp_path: Path) -> None:
    notebook = tmp_path / "Start.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', encoding="utf-8")
    code = (
        "import pathlib, sys; from nbannot.demo.serve import serve; serve(pathlib.Path(sys.argv[1]), port=0)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    env.pop("DISPLAY", None)
    command = [sys.executable, "-u", "-c", code, str(notebook)]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = "".join(process.stdout.readline() for _ in range(2))
            found = re.search(r"(http://127\.0\.0\.1:\d+)/lab/tree/Start\.ipynb\?token=(\w+)", said)
            assert found
            address, token = found.groups()
            assert status(f"{address}/api/contents?token={token}") == 200
            assert status(f"{address}/api/contents") == 403
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def status(url: str) -> int:
    """Return the HTTP status of a page, waiting for the server to come up."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + 60
    while True:
        try:
            with opener.open(url, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)

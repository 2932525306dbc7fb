"""Opens JupyterLab on the demo folder."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nbannot.errors import NbannotError, need

SETTINGS = ".lab-settings"
"""The folder of JupyterLab's settings, inside the demo's."""


def serve(
    notebook: Path, *, port: int = 8888, browser: bool = True, say: Callable[[str], None] = print
) -> int:
    """Run JupyterLab on the folder of a notebook until it is stopped; return its exit status.

    It listens on the loopback interface only and asks for a token, which is part of the URL that is said.

    Parameters
    ----------
    notebook
        Opened when the page loads.
    port
        0 takes a free one.
    browser
        Open the page in the browser, where there is one.

    Raises
    ------
    MissingDependencyError
        When JupyterLab is not installed.
    NbannotError
        When the port is taken.
    """
    need("jupyterlab", extra="demo")
    port = claim(port)
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(16)
    command = [
        sys.executable, "-m", "jupyterlab",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={notebook.parent}", f"--LabApp.default_url=/lab/tree/{notebook.name}",
        f"--ServerApp.open_browser={browser and has_screen()}", "--ServerApp.log_level=WARN",
        # The demo asks nothing of the outside.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly", f"--LabApp.app_settings_dir={write_settings(notebook.parent)}",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    # The token goes by the environment: a command line can be read by every user of the machine.
    process = subprocess.Popen(command, env={**os.environ, "JUPYTER_TOKEN": token})
    # A demo that is ended by kill, or from the background, takes its server along.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Said once it is true: an address that does not answer yet looks broken.
        if listens(process, port):
            say(
                f"\nJupyterLab: http://127.0.0.1:{port}/lab/tree/{notebook.name}?token={token}\nCtrl-C stops it.\n"
            )
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until something answers on the port; False when the process ends instead."""
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.2)
    return False


def write_settings(folder: Path) -> Path:
    """Write JupyterLab's settings for the demo and return their folder: it asks no questions about news."""
    settings = folder / SETTINGS
    settings.mkdir(exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    overrides = {"@jupyterlab/apputils-extension:notification": quiet}
    (settings / "overrides.json").write_text(json.dumps(overrides, indent=1), encoding="utf-8")
    return settings


def claim(port: int) -> int:
    """Return the port when it is free on the loopback interface, a free one for 0.

    Raises
    ------
    NbannotError
        When something listens on it already.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as cause:
            raise NbannotError(
                f"Port {port} is taken",
                hint="Choose another: make demo PORT=8900, or nbannot demo --port 8900.",
            ) from cause
        free: int = probe.getsockname()[1]
        return free


def has_screen() -> bool:
    """Tell whether a browser could be opened here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))

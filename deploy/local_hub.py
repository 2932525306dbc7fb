"""`make hub`: a whole Hub on this machine only, with demo people and the demo project."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbannot as nb
from nbannot.demo.project import build_demo
from nbannot.errors import NbannotError

HERE = Path(__file__).resolve().parent
CONFIG = """
reader:
  tools: [box, ruler, brush, eraser]
"""


def main() -> int:
    """Make what is missing and run the Hub until it is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=HERE.parent / "demo-hub", help="where everything is kept"
    )
    parser.add_argument("--port", type=int, default=8000, help="port on the loopback interface")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {**os.environ, "NBANNOT_HUB_FOLDER": str(folder), "NBANNOT_HUB_PORT": str(options.port)}
    password = environment.setdefault("NBANNOT_HUB_PASSWORD", secrets.token_urlsafe(9))
    server = Postgres(folder / "postgres") if options.database == "postgres" else None
    try:
        if server is not None:
            url = server.start(options.port + 20)
            environment |= {"NBANNOT_PROJECT": "demo=env:NBANNOT_PROJECT_URL", "NBANNOT_PROJECT_URL": url}
            environment["NBANNOT_DATABASE"] = "env:NBANNOT_PROJECT_URL"
        prepare(folder, url if server is not None else str(folder / "project"))
        print(f"\nhttp://127.0.0.1:{options.port}/  password: {password}")
        print("ada and ben are researchers, eva and finn are experts. Ctrl+C ends everything.\n", flush=True)
        command = [sys.executable, "-m", "jupyterhub", "-f", str(HERE / "jupyterhub_config.py")]
        return run(command, environment, folder)
    except KeyboardInterrupt:
        return 0
    finally:
        if server is not None:
            server.stop()


def run(command: list[str], environment: dict[str, str], folder: Path) -> int:
    """Run the Hub; when it is to end, let it end its proxy, the service and the notebooks first."""
    # An interrupt, too: shells start what runs behind with interrupts ignored.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    # In a session of its own: Ctrl+C reaches only this program, which tells the Hub once.
    hub = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)
    try:
        return hub.wait()
    finally:
        hub.terminate()
        try:
            hub.wait(30)
        except subprocess.TimeoutExpired:
            hub.kill()


def prepare(folder: Path, url: str) -> None:
    """Fill the project, once: the demo's cases, people, and tasks for the experts."""
    files = folder / "files" if url.startswith("postgresql") else None
    with nb.open_project(url, author="ada", **({"files": files} if files else {})) as project:
        if project.case_names:
            return
        images = build_demo(folder / "demo", say=print).parent / "images"
        cases = {"chest-ct": images / "chest" / "ct", "brain": images / "brain" / "mni152_t1.nii.gz"}
        for name, path in cases.items():
            project.add_case(name, images=path, labels=["lesion"], copy=bool(files))
        project.people.grant("ada", "owner")
        for person, role in (("ben", "annotator"), ("eva", "reader"), ("finn", "reader")):
            project.people.grant(person, role)
        project.configs.set(CONFIG)
        project.tasks.assign(list(cases), ["eva", "finn", "ben"])


class Postgres:
    """A PostgreSQL of this demo's own, on loopback.

    Parameters
    ----------
    folder
        With its data and its password.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._port = folder, 0
        found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
        named = shutil.which("initdb")
        if not found and not named:
            raise NbannotError("PostgreSQL is missing", hint="Debian: apt-get install postgresql")
        self.bin = found[0].parent if found else Path(str(named)).parent

    def start(self, port: int) -> str:
        """Start it, and return the URL of the project."""
        self._port = port
        secret = self.folder.with_name("postgres-password")
        if not secret.exists():
            secret.write_text(secrets.token_urlsafe(18))
            secret.chmod(0o600)
        password = secret.read_text()
        if not (self.folder / "PG_VERSION").exists():
            self.folder.mkdir(mode=0o700, exist_ok=True)
            # In a file for a moment: no list of processes shows it.
            first = self.folder.with_name("postgres-first")
            first.write_text(password)
            self._own(first)
            self._run("initdb", "-A", "scram-sha-256", "-U", "nbannot", f"--pwfile={first}")
            first.unlink()
        self._run("pg_ctl", "-o", f"-p {port} -c listen_addresses=127.0.0.1 -k {self.folder}", "-w", "-l",
                  str(self.folder / "log"), "start")  # fmt: skip
        return f"postgresql://nbannot:{password}@127.0.0.1:{port}/postgres?project=demo"

    def stop(self) -> None:
        """Stop it."""
        self._run("pg_ctl", "-m", "fast", "-w", "stop", quiet=True)

    def _own(self, first: Path) -> None:
        first.chmod(0o600)
        if os.geteuid() == 0:
            for path in (self.folder, first):
                shutil.chown(path, "postgres", "postgres")
            for parent in self.folder.parents[:2]:
                parent.chmod(parent.stat().st_mode | 0o011)

    def _run(self, name: str, *options: str, quiet: bool = False) -> None:
        command = [str(self.bin / name), "-D", str(self.folder), *options]
        # PostgreSQL does not run as root.
        command = ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command
        subprocess.run(command, check=not quiet, stdout=subprocess.DEVNULL, cwd="/")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NbannotError as error:
        sys.exit(f"nbannot: {error}")

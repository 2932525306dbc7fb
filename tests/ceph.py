"""A Ceph cluster with its S3 gateway (RADOS Gateway) on this machine only, in memory: a real peer beside moto."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener
from uuid import uuid4

import psutil

from servers import Bucket, free_port

WAIT_S = 120
KEY, SECRET = "testing-of-nbannot", "testing-secret-of-nbannot"
PROGRAMS = (
    "ceph-mon",
    "ceph-mgr",
    "ceph-osd",
    "radosgw",
    "ceph",
    "ceph-authtool",
    "monmaptool",
    "radosgw-admin",
)

_CAPS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "mgr.x": {"mon": "allow profile mgr", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx", "mgr": "allow rw"},
}
_CONF = """
[global]
fsid = {fsid}
mon initial members = a
mon host = {mon}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
crash dir = {folder}/crash
mon data = {folder}/mon
mgr data = {folder}/mgr
osd data = {folder}/osd
rgw data = {folder}/rgw
mon data avail warn = 1
mon data avail crit = 1
mon allow pool size one = true
mgr initial modules =
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd memory target = 939524096

[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 16
"""


class Ceph:
    """The processes of a cluster.

    Parameters
    ----------
    folder
        With all that they keep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start a monitor, a manager, a store in memory and the gateway."""
        fsid = str(uuid4())
        new, old = free_port(), free_port()
        mon = f"[v2:127.0.0.1:{new},v1:127.0.0.1:{old}]"
        for name in ("mon", "mgr", "osd", "rgw", "crash"):
            (self.folder / name).mkdir()
        (self.folder / "ceph.conf").write_text(
            _CONF.format(fsid=fsid, mon=mon, folder=self.folder, port=self.port)
        )
        for n, (name, caps) in enumerate(_CAPS.items()):
            given = [word for kind, caps_ in caps.items() for word in ("--cap", kind, caps_)]
            make = ["--create-keyring"] if n == 0 else []
            self._do("ceph-authtool", *make, self.folder / "keyring", "--gen-key", "-n", name, *given)
        self._do("monmaptool", "--create", "--fsid", fsid, "--addv", "a", mon, self.folder / "monmap")
        self._ceph("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.folder / "monmap")
        self._run("ceph-mon", "-i", "a")
        self._run("ceph-mgr", "-i", "x")
        osd = str(uuid4())
        self._ceph("ceph", "osd", "new", osd, "0")
        self._ceph("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._run("ceph-osd", "-i", "0")
        self._run("radosgw", "-n", "client.rgw")
        self._wait()
        self._ceph(
            "radosgw-admin", "user", "create", "--uid=tests", "--display-name=tests",
            f"--access-key={KEY}", f"--secret-key={SECRET}",
        )  # fmt: skip

    def stop(self) -> None:
        """End all of them."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def listening(self) -> set[str]:
        """Addresses at which anything of it listens."""
        return {
            one.laddr.ip
            for process in self.processes
            for one in psutil.Process(process.pid).net_connections(kind="tcp")
            if one.status == psutil.CONN_LISTEN
        }

    def _wait(self) -> None:
        end = time.monotonic() + WAIT_S
        opener = build_opener(ProxyHandler({}))
        while True:
            try:
                opener.open(f"http://127.0.0.1:{self.port}/", timeout=5).close()
                return
            except HTTPError:
                return
            except (URLError, OSError):
                ended = [process for process in self.processes if process.poll() is not None]
                assert not ended and time.monotonic() < end, f"Ceph does not start:\n{self._log()}"
                time.sleep(0.2)

    def _log(self) -> str:
        logs = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)

    def _run(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}.out").open("wb") as out:
            command = [program, "-c", str(self.folder / "ceph.conf"), "-f", *arguments]
            self.processes.append(subprocess.Popen(command, stdout=out, stderr=out, cwd=self.folder))

    def _ceph(self, program: str, *arguments: object) -> None:
        self._do(program, "-c", self.folder / "ceph.conf", *arguments)

    def _do(self, *command: object) -> None:
        done = subprocess.run(
            [str(word) for word in command], cwd=self.folder, capture_output=True, text=True, timeout=WAIT_S
        )
        assert done.returncode == 0, f"{_shown(command)} failed:\n{done.stderr[-1500:]}\n{self._log()}"


def _shown(command: Sequence[object]) -> str:
    return " ".join(str(word) for word in command[:6])


@contextmanager
def running_ceph(name: str = "nbannot-tests") -> Iterator[Bucket]:
    """Start Ceph with an empty bucket, and stop it in the end."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    assert not missing, f"The tests need Ceph: {', '.join(missing)} (Debian: make ceph)."
    import s3fs

    # A short path: those of sockets have 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="nb-ceph-", dir="/tmp"))
    ceph = Ceph(folder)
    try:
        ceph.start()
        assert ceph.listening() == {"127.0.0.1"}
        bucket = Gateway(f"http://127.0.0.1:{ceph.port}", name, ceph.processes[-1].pid)
        s3fs.S3FileSystem(**bucket.options, skip_instance_cache=True).mkdir(name)
        yield bucket
    finally:
        ceph.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Gateway(Bucket):
    """A bucket at the gateway, which knows logins."""

    @property
    def options(self) -> dict[str, object]:
        """What fsspec must know."""
        return {"key": KEY, "secret": SECRET, "endpoint_url": self.endpoint,
                "client_kwargs": {"region_name": "default"}}  # fmt: skip

"""Publishes compressed slices as files, for the Jupyter server extension to serve over HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import socket
import struct
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Condition, Event, Thread, current_thread

from nbannot.model.image import Image
from nbannot.viewer.pixels import CODECS, Codec, encode_image

log = logging.getLogger(__name__)

URL = "nbannot/v1"
"""Path below the server's base URL."""
TOKEN = re.compile(r"[0-9a-f]{32}")
_MARGIN = 64 * 2**20


def pointer_folder() -> Path:
    """Return the folder where kernels tell the server which spools exist."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir()) / "nbannot"


def pointer_path(token: str) -> Path:
    """Return the place of a spool's pointer file."""
    return pointer_folder() / f"{token}.json"


def slice_path(folder: Path, image: str, frame: int, k: int) -> Path:
    """Return the place of a slice; an image id cannot lead out of the folder."""
    name = hashlib.sha256(image.encode()).hexdigest()[:32]
    return folder / f"{name}-{frame}" / f"{k}.slice"


def roomy_folder(size: int) -> Path | None:
    """Return shared memory or the temporary folder if ``size`` bytes fit there, else None."""
    for folder in (Path("/dev/shm"), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            usable = folder.is_dir() and os.access(folder, os.W_OK)
            if usable and shutil.disk_usage(folder).free > size + _MARGIN:
                return folder
    return None


def sweep() -> int:
    """Remove what kernels of this machine left behind that no longer run; return how many."""
    count = 0
    for pointer in pointer_folder().glob("*.json"):
        try:
            entry = json.loads(pointer.read_text())
            folder, pid = Path(entry["folder"]), int(entry["pid"])
            ours = entry["host"] == socket.gethostname()
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if ours and folder.name.startswith("nbannot-") and not _runs(pid):
            _remove(folder, pointer)
            count += 1
    return count


def _runs(pid: int) -> bool:
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _remove(folder: Path, pointer: Path) -> None:
    with contextlib.suppress(OSError):
        pointer.unlink()
    shutil.rmtree(folder, ignore_errors=True)


class Spool:
    """A private folder with the compressed slices of a viewer's images.

    Nothing is written before `focus` is called for the first time; then one thread publishes all
    slices of that image, from the given one outwards, then the following frames. `close` (or the
    end of the process) removes everything.

    Parameters
    ----------
    images
        The images to publish.
    """

    def __init__(self, images: Sequence[Image]) -> None:
        self.token = secrets.token_hex(16)
        self.nonce = secrets.token_hex(16)
        self._images = {image.id: image for image in images}
        self._folder: Path | None = None
        self._wish: tuple[str, int, int] | None = None
        self._resting = False
        self._changed = Condition()
        self._stop = Event()
        self._thread: Thread | None = None
        self._failed: set[tuple[str, int, int]] = set()
        self._finalize: weakref.finalize[..., Spool] | None = None
        self._open()

    def _open(self) -> None:
        # Half of the raw size: the codec reaches a factor of 2 and more on nearly all images.
        size = sum(
            int(image.dtype.itemsize) * (3 if image.is_color else 1) * image.frames * _voxels(image)
            for image in self._images.values()
        )
        place = roomy_folder(size // 2)
        if place is None:
            return
        try:
            sweep()
            folder = Path(tempfile.mkdtemp(prefix="nbannot-", dir=place))  # mode 0700
            pointer = pointer_path(self.token)
            pointer.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            entry = {
                "folder": str(folder),
                "nonce": self.nonce,
                "pid": os.getpid(),
                "host": socket.gethostname(),
            }
            with os.fdopen(os.open(pointer, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                json.dump(entry, file)
        except (OSError, ImportError) as error:
            log.info("no fast path for voxels: %s", type(error).__name__)
            return
        self._folder = folder
        self._finalize = weakref.finalize(self, _remove, folder, pointer)

    @property
    def folder(self) -> Path | None:
        """The folder; None where there was no room for it, or after `close`."""
        return self._folder

    @property
    def place(self) -> dict[str, str] | None:
        """Where the browser finds the slices: url (below the server's base URL) and nonce."""
        return {"url": f"{URL}/{self.token}", "nonce": self.nonce} if self._folder else None

    def focus(self, image: str, frame: int, k: int) -> None:
        """Publish from this slice outwards; the newest call wins."""
        if self._folder is None or image not in self._images:
            return
        with self._changed:
            self._wish = (image, frame, k)
            self._resting = False
            self._changed.notify()
            if self._thread is None and not self._stop.is_set():
                self._thread = Thread(target=self._run, name="nbannot-spool", daemon=True)
                self._thread.start()

    def rest(self) -> None:
        """Publish nothing more until the next `focus`; what is published stays."""
        with self._changed:
            self._wish = None
            self._resting = True

    def read(self, image: str, frame: int, k: int) -> tuple[Codec, bytes] | None:
        """Return a slice that is published already."""
        if self._folder is None:
            return None
        try:
            data = slice_path(self._folder, image, frame, k).read_bytes()
        except OSError:
            return None
        return CODECS[struct.unpack_from("<I", data)[0]], data[4:]

    def close(self) -> None:
        """Stop publishing and remove the files."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not current_thread():
            thread.join(timeout=10)
        self._folder = None
        if self._finalize is not None:
            self._finalize()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._changed:
                wish, self._wish = self._wish, None
                if wish is None:
                    self._changed.wait()
                    continue
            try:
                self._publish(*wish)
            except OSError as error:
                # A full disk: the comm still carries every slice.
                log.warning("publishing slices stopped: %s", type(error).__name__)
                return

    def _publish(self, id: str, frame: int, k: int) -> None:
        image, folder = self._images[id], self._folder
        for t, number in _order(image, frame, k):
            if self._stop.is_set() or self._resting or self._wish is not None or folder is None:
                return
            path = slice_path(folder, id, t, number)
            if (id, t, number) in self._failed or path.exists():
                continue
            try:
                codec, data = encode_image(image.plane_array(number, t=t))
            except MemoryError:
                raise
            except Exception:
                # The browser asks for it over the comm, and shows the error it gets there.
                self._failed.add((id, t, number))
                continue
            path.parent.mkdir(mode=0o700, exist_ok=True)
            draft = path.with_suffix(".part")
            draft.write_bytes(struct.pack("<I", CODECS.index(codec)) + data)
            draft.replace(path)


def _voxels(image: Image) -> int:
    k, j, i = image.shape
    return k * j * i


def _order(image: Image, frame: int, k: int) -> Iterator[tuple[int, int]]:
    """Yield (t, k): this slice, then alternately further away, then the following frames."""
    count = image.shape[0]
    k = min(max(k, 0), count - 1)
    ks = sorted(range(count), key=lambda number: (abs(number - k), number < k))
    for step in range(image.frames):
        for number in ks:
            yield (frame + step) % image.frames, number

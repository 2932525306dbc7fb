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
import tempfile
import time
import weakref
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from threading import Condition, Event, Thread, current_thread

from nbannot.host.pixels import Part, Plane, decode, pack_slice, unpack_slice
from nbannot.host.planes import Planes
from nbannot.model.image import Image

log = logging.getLogger(__name__)

URL = "nbannot/v1"
"""Path below the server's base URL."""
TOKEN = re.compile(r"[0-9a-f]{32}")
_MARGIN = 64 * 2**20

Place = tuple[str, int, int]
"""Image id, frame and slice."""


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


def roomy_folder(size: int) -> tuple[Path, int] | None:
    """Return where ``size`` bytes fit (shared memory or the temporary folder) and how many may lie there.

    Where they fit nowhere, half of what is free in the temporary folder is taken for a part of them; None
    where that is next to nothing.
    """
    temporary = Path(tempfile.gettempdir())
    for folder in (Path("/dev/shm"), temporary):
        free = _free(folder)
        if free > size + _MARGIN:
            return folder, free - _MARGIN
    part = _free(temporary) // 2
    return (temporary, part) if part > _MARGIN else None


def _free(folder: Path) -> int:
    """Return the free bytes of a folder, 0 where we may not write."""
    with contextlib.suppress(OSError):
        if folder.is_dir() and os.access(folder, os.W_OK):
            return shutil.disk_usage(folder).free
    return 0


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
    slices of the images in view, from those in view outwards, then their following frames, then the
    other images. It needs nobody to ask: a browser goes on reading here while a cell keeps the kernel
    busy. Where not everything fits, what is furthest from the slices in view goes first. `close` (or
    the end of the process) removes everything.

    Parameters
    ----------
    images
        The images to publish.
    """

    def __init__(self, images: Sequence[Image]) -> None:
        self.token = secrets.token_hex(16)
        self.nonce = secrets.token_hex(16)
        self.planes = Planes()
        """Slices that somebody has read already: they are not read again for publishing."""
        self._images = {image.id: image for image in images}
        self._folder: Path | None = None
        self._wish: list[Place] | None = None
        self._sizes: dict[Place, int] = {}
        self._held = 0
        self._limit = 0
        self._resting = False
        self._changed = Condition()
        self._stop = Event()
        self._later = 0.0
        self._thread: Thread | None = None
        self._failed: set[Place] = set()
        self._finalize: weakref.finalize[..., Spool] | None = None
        self._open()

    def _open(self) -> None:
        # Half of the raw size: the codec reaches a factor of 2 and more on nearly all images.
        size = sum(
            int(image.dtype.itemsize) * (3 if image.is_color else 1) * image.frames * _voxels(image)
            for image in self._images.values()
        )
        room = roomy_folder(size // 2)
        if room is None:
            return
        place, self._limit = room
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

    def add(self, image: Image) -> None:
        """Publish one more image."""
        self._images = {**self._images, image.id: image}

    def focus(self, places: Sequence[Place]) -> None:
        """Publish from these slices (image, frame, slice) outwards, the first most wanted; the newest call wins."""
        known = [place for place in places if place[0] in self._images]
        if self._folder is None or not known:
            return
        with self._changed:
            self._wish = known
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

    def pause(self, seconds: float) -> None:
        """Publish nothing for a moment: what somebody waits for needs the processor."""
        self._later = time.monotonic() + seconds

    def read(self, image: str, frame: int, k: int) -> list[Part] | None:
        """Return the parts of a slice that is published already."""
        if self._folder is None:
            return None
        try:
            data = slice_path(self._folder, image, frame, k).read_bytes()
        except OSError:
            return None
        return list(unpack_slice(data))

    def plane(self, image: Image, frame: int, k: int) -> Plane:
        """Return a slice (j, i) that is shown coarsely before its turn; nobody will read it again."""
        parts = None if image.is_loaded else self.read(image.id, frame, k)
        if parts is None or parts[0][0] is not None:
            return self.planes.lend(image, frame, k)
        _, codec, data = parts[0]
        return decode(codec, data, image.dtype.name, image.shape[1:])

    def close(self) -> None:
        """Stop publishing and remove the files."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not current_thread():
            thread.join(timeout=10)
        self._folder = None
        self.planes.clear()
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
                self._publish(wish)
            except OSError as error:
                # A full disk: the comm still carries every slice.
                log.warning("publishing slices stopped: %s", type(error).__name__)
                return

    def _publish(self, places: Sequence[Place]) -> None:
        steps = list(_order(list(self._images.values()), places))
        last = len(steps)
        for n, place in enumerate(steps):
            folder = self._folder
            if (pause := self._later - time.monotonic()) > 0:
                self._stop.wait(pause)
            if self._stop.is_set() or self._resting or self._wish is not None or folder is None:
                return
            if place in self._sizes or place in self._failed:
                continue
            id, frame, k = place
            try:
                data = pack_slice(self.planes.read(self._images[id], frame, k))
            except MemoryError:
                raise
            except Exception:
                # The browser asks for it over the comm, and shows the error it gets there.
                self._failed.add(place)
                continue
            while self._held + len(data) > self._limit:
                last = self._drop(folder, steps, n, last)
                if last <= n:
                    return
            path = slice_path(folder, id, frame, k)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            draft = path.with_suffix(".part")
            draft.write_bytes(data)
            draft.replace(path)
            self._sizes[place] = len(data)
            self._held += len(data)

    def _drop(self, folder: Path, steps: Sequence[Place], first: int, last: int) -> int:
        """Remove the published slice that is wanted least; return its place in the order, `first` for none."""
        for n in range(last - 1, first, -1):
            if steps[n] in self._sizes:
                self._held -= self._sizes.pop(steps[n])
                slice_path(folder, *steps[n]).unlink(missing_ok=True)
                return n
        return first


def _voxels(image: Image) -> int:
    k, j, i = image.shape
    return k * j * i


def _order(images: Sequence[Image], places: Sequence[Place]) -> Iterator[Place]:
    """Yield every slice of every image: those of the places, further and further from them, the other images.

    Images in view go on together; the frames after the one in view follow when its slices are done.
    """
    shapes = {image.id: (image.frames, image.shape[0]) for image in images}
    seen: set[Place] = set()
    for id, frame, k in places:
        place = (id, frame % shapes[id][0], min(max(k, 0), shapes[id][1] - 1))
        if place not in seen:
            seen.add(place)
            yield place
    shown: dict[str, tuple[int, int]] = {}
    for id, frame, k in places:
        shown.setdefault(id, (frame, k))
    others = {image.id: (0, image.shape[0] // 2) for image in images if image.id not in shown}
    for group in (shown, *({id: at} for id, at in others.items())):
        for step in range(max(shapes[id][0] for id in group)):
            outward = [
                [(id, (frame + step) % shapes[id][0], number) for number in _near(k, shapes[id][1])]
                for id, (frame, k) in group.items()
                if step < shapes[id][0]
            ]
            for row in zip_longest(*outward):
                for place in row:
                    if place is not None and place not in seen:
                        seen.add(place)
                        yield place


def _near(k: int, count: int) -> list[int]:
    """Return all slice numbers, the nearest to ``k`` first."""
    k = min(max(k, 0), count - 1)
    return sorted(range(count), key=lambda number: (abs(number - k), number < k))

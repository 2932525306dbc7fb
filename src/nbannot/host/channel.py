"""The host's end of the road to the browser: edits in order, slices on request."""

from __future__ import annotations

import heapq
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Condition, RLock, Thread, current_thread
from typing import Any

from nbannot.errors import EditError, HeaderRefusedError, UnknownItemError
from nbannot.host.lanes import Lane, will_pass
from nbannot.host.messages import (
    PROTOCOL,
    Json,
    by_hand,
    document_json,
    edit_json,
    error_json,
    header_bytes,
    image_json,
    info_bytes,
    short,
)
from nbannot.host.operating import KINDS, Operating
from nbannot.host.pixels import Part, encode_labels, encode_parts
from nbannot.host.planes import Planes
from nbannot.host.preview import Previews
from nbannot.host.spool import Spool
from nbannot.model.codec import decode_edit
from nbannot.model.document import Document
from nbannot.model.edits import Edit
from nbannot.model.image import Image, Window
from nbannot.model.removal import label_removal

log = logging.getLogger(__name__)

Send = Callable[[Json, list[bytes]], None]

_MAX_LANES = 64
_MAX_KEYS = 256
_MAX_QUEUE = 4096
_MAX_PLACES = 32
_MAX_NAME = 200

# Jupyter drops messages above 1000 a second, so a loop of edits becomes one state message.
_BURST = 100
_BURST_SECONDS = 1.0
_QUIET_SECONDS = 0.25

# A preview reads a whole volume: a little at a time, so that slices in view come between.
_PREVIEW_SECONDS = 0.05
# For so long a sketch has the processor for itself; most are done by then.
_SKETCH_SECONDS = 0.3

# In place of a request's number: nobody asked.
_UNASKED = 0

_HELLO, _URGENT, _LABELS, _PREVIEW, _LATER = range(5)


@dataclass(order=True, slots=True)
class _Job:
    priority: int
    order: int
    tab: str = field(compare=False)
    rid: int = field(compare=False, default=0)
    key: str = field(compare=False, default="")


class Channel:
    """Serves the tabs that show one viewer.

    Parameters
    ----------
    document
        What they show.
    send
        Sends JSON and buffers to all of them; may be called from any thread.
    spool
        Where slices are published for HTTP.
    headers
        Whether the browser may read the headers of files, which name the patient.
    config
        What the configuration says, as JSON.
    operating
        Who works out operations; None makes one that knows no view state.
    pace
        Called before each slice, in the thread that reads them and without a lock; may wait until the
        browser has taken those before.
    guard
        Called before each edit; what it raises refuses it, or puts it off.
    passing
        Whether an error of an edit will pass, so that the same edit may be taken when it is sent again.
    first
        Keys of what a new page will ask for at once; it is sent behind the state, unasked.
    """

    def __init__(
        self,
        document: Document,
        send: Send,
        *,
        spool: Spool | None = None,
        headers: bool = True,
        config: Json | None = None,
        operating: Operating | None = None,
        pace: Callable[[], None] | None = None,
        guard: Callable[[], None] | None = None,
        passing: Callable[[Exception], bool] | None = None,
        first: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._document = document
        self._headers = headers
        self._send = send
        self._spool = spool
        self._config = config
        self._pace = pace or (lambda: None)
        self._guard = guard or (lambda: None)
        self._passing = passing or will_pass
        self._first = first
        self._fresh: set[str] = set()
        self._focused: dict[str, list[tuple[str, int, int]]] = {}
        self._lanes: dict[str, Lane] = {}
        self._collecting: list[tuple[Edit, int]] | None = None
        self._windows: dict[str, list[Window]] = {}
        self._sending = RLock()
        self._planes = spool.planes if spool else Planes()
        self._previews = Previews(document, spool.plane if spool else self._planes.lend)
        self._preview_for: tuple[str, int] | None = None
        self._queue: list[_Job] = []
        self._queued: set[tuple[str, int, str]] = set()
        self._changed = Condition()
        self._order = 0
        self._closed = False
        self._worker: Thread | None = None
        self._burst: list[float] = []
        self._behind: float | None = None
        self._operating = operating or Operating(document, dict)
        self._operating.connect(self._post, self._guard)
        document.edited.connect(self._on_edited)
        document.extended.connect(self._on_extended)

    def close(self) -> None:
        """Stop serving; nothing is sent afterwards."""
        self._operating.close()
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._queued.clear()
            self._changed.notify_all()
        self._document.edited.disconnect(self._on_edited, missing_ok=True)
        self._document.extended.disconnect(self._on_extended, missing_ok=True)
        worker, self._worker = self._worker, None
        if worker is not None and worker is not current_thread():
            worker.join(timeout=10)

    def receive(self, content: Any, buffers: Sequence[bytes | memoryview] = ()) -> None:
        """Take a message of the browser. Never raises; errors are answered and logged."""
        if self._closed or not isinstance(content, Mapping):
            return
        try:
            self._dispatch(content, buffers)
        except Exception as error:
            _log(error)
            self._post({"type": "error", "error": error_json(error)})

    def _dispatch(self, content: Mapping[str, Any], buffers: Sequence[bytes | memoryview]) -> None:
        kind = content.get("type")
        if kind in KINDS:
            self._operating.receive(short(content["tab"], _MAX_NAME), content)
            return
        if kind not in ("hello", "edit", "get", "cancel", "focus", "sync", "bye"):
            return
        tab = short(content["tab"], _MAX_NAME)
        if kind == "hello":
            self._hello(tab, int(content["next"]))
        elif kind == "edit":
            self._edit(tab, int(content["seq"]), content["edit"], buffers)
        elif kind == "get":
            keys = [short(key, 2 * _MAX_NAME) for key in content["keys"]]
            self._get(tab, int(content["rid"]), keys, urgent=bool(content.get("urgent")))
        elif kind == "cancel":
            self._cancel(tab, int(content["rid"]))
        elif kind == "sync":
            self._sync(tab, int(content["revision"]))
        elif kind == "bye":
            self._bye(tab)
        else:
            self._focus(tab, [(str(id), int(frame), int(k)) for id, frame, k in content["places"]])

    def _post(self, content: Json, buffers: Sequence[bytes] = ()) -> None:
        if self._closed:
            return
        with self._sending:
            try:
                self._send(content, list(buffers))
            except Exception as error:
                # The browser notices what is missing by its numbers and asks again.
                _log(error)

    # Edits.

    def _hello(self, tab: str, first: int) -> None:
        with self._document.lock:
            if tab not in self._lanes:
                self._fresh.add(tab)
            lane = self._lanes.pop(tab, None) or Lane(first)
            lane.next = max(lane.next, first)
            self._lanes[tab] = lane
            while len(self._lanes) > _MAX_LANES:
                del self._lanes[next(iter(self._lanes))]
            self._fresh &= self._lanes.keys()
            for seq, error in lane.refused.items():
                if seq >= first:
                    self._post({"type": "refused", "tab": tab, "seq": seq, "error": error})
        # The worker answers: the window of an image may have to be read from a file.
        self._push(_HELLO, tab)

    def prepare(self) -> None:
        """Get ready for a page that will say hello: what is slow to find is found while it loads."""
        self._push(_HELLO, "")

    def _sync(self, tab: str, revision: int) -> None:
        """Send the state to a tab that missed something."""
        with self._document.lock:
            known = tab in self._lanes
            missed = revision != self._document.revision
        if not known:
            self._post({"type": "resend", "tab": tab, "from": None})
        elif missed:
            self._push(_HELLO, tab)

    def _on_extended(self, image: Image) -> None:
        if self._spool is not None:
            self._spool.add(image)
        with self._document.lock:
            tabs = list(self._lanes)
        for tab in tabs:
            self._push(_HELLO, tab)

    def _state(self, tab: str) -> None:
        images = [image_json(image, self._windows_of(image)) for image in self._document.images]
        place = self._spool.place if self._spool else None
        with self._document.lock:
            lane = self._lanes.get(tab)
            if lane is None:
                return
            coming = self._coming(tab)
            state = document_json(self._document)
            head = {"type": "state", "tab": tab, "version": PROTOCOL, "acked": lane.next - 1}
            self._post({**head, **state, "images": images, "http": place, "config": self._config,
                        "tools": self._operating.tools, "coming": coming})  # fmt: skip
        for key in coming:
            self._want(tab, _UNASKED, key, urgent=True)

    def _coming(self, tab: str) -> list[str]:
        """Return what a tab gets without asking: a new one what it will ask for first."""
        if tab not in self._fresh:
            return []
        self._fresh.discard(tab)
        try:
            return list(self._first())
        except Exception as error:
            # The page asks for what it wants.
            _log(error)
            return []

    def _windows_of(self, image: Image) -> list[Window]:
        """Return the image's windows; where it has none, the default one."""
        if image.windows or image.is_color:
            return list(image.windows)
        if image.id not in self._windows:
            try:
                self._windows[image.id] = [image.default_window()]
            except Exception as error:
                # An unreadable slice is reported where it is asked for.
                _log(error)
                return []
        return self._windows[image.id]

    def _edit(
        self, tab: str, seq: int, data: Mapping[str, Any], buffers: Sequence[bytes | memoryview]
    ) -> None:
        with self._document.lock:
            lane = self._lanes.get(tab)
            if lane is None or seq > lane.next:
                if lane is None or not lane.just_failed:
                    at = None if lane is None else lane.next
                    self._post({"type": "resend", "tab": tab, "from": at})
                return
            if seq < lane.next:
                self._answer_again(tab, seq, lane)
                return
            self._collecting = []
            error: Exception | None = None
            recorded: Edit | None = None
            try:
                recorded = self._perform(data, buffers)
            except Exception as cause:
                _log(cause)
                error = cause
            finally:
                collected, self._collecting = self._collecting, None
            own = None if recorded is None else recorded.id
            for edit, revision in collected:
                mine = edit.id == own
                self._broadcast(edit, revision, tab if mine else None, seq if mine else None)
            if error is not None and self._passing(error):
                # Nothing is decided: the browser keeps the edit and sends it again.
                lane.put_off()
                self._post({"type": "later", "tab": tab, "seq": seq, "error": error_json(error)})
                return
            lane.decide(seq, None if error is None else error_json(error))
            if error is not None or own not in {edit.id for edit, _ in collected}:
                self._answer_again(tab, seq, lane)

    def _answer_again(self, tab: str, seq: int, lane: Lane) -> None:
        if seq in lane.refused:
            error = lane.refused[seq]
            self._post({"type": "refused", "tab": tab, "seq": seq, "error": error})
        else:
            revision = self._document.revision
            self._post({"type": "acked", "tab": tab, "seq": seq, "revision": revision})

    def _perform(self, data: Mapping[str, Any], buffers: Sequence[bytes | memoryview]) -> Edit | None:
        """Apply an edit or a command; None where there was nothing to do."""
        kind, id = data.get("kind"), data.get("id")
        if not isinstance(id, str) or not id:
            raise EditError("An edit came without an id")
        self._guard()
        if kind == "undo":
            return self._document.undo(id=id)
        if kind == "redo":
            return self._document.redo(id=id)
        if kind == "remove_label":
            return self._remove_label(str(data.get("label")), id)
        if kind == "jump":
            return next(reversed(self._document.jump(str(data["to"]), id=id)), None)
        edit = decode_edit(data, buffers)
        return self._document.apply(by_hand(edit))

    def _remove_label(self, label: str, id: str) -> Edit:
        """Delete a label with its uses: only here are all its voxels."""
        with self._document.lock:
            self._document.refresh()
            edit = label_removal(self._document, self._document.labels[label])
            return self._document.apply(replace(edit, id=id, origin="hand"))

    def _on_edited(self, edit: Edit, revision: int) -> None:
        if self._collecting is not None:
            self._collecting.append((edit, revision))
        else:
            self._broadcast(edit, revision, None, None)

    def _broadcast(self, edit: Edit, revision: int, tab: str | None, seq: int | None) -> None:
        if not self._lanes:
            return
        if tab is None and self._too_many():
            return
        try:
            data, buffers = edit_json(edit)
        except Exception as error:
            # Without this edit the browser sees a gap and asks for the whole state.
            _log(error)
            return
        message = {"type": "edited", "revision": revision, "edit": data, "tab": tab, "seq": seq}
        ability = {"can_undo": self._document.can_undo, "can_redo": self._document.can_redo}
        self._post({**message, **ability}, buffers)

    def _too_many(self) -> bool:
        """Whether edits come faster than Jupyter's message limit; then a state follows instead."""
        now = time.monotonic()
        self._burst = [then for then in self._burst if now - then < _BURST_SECONDS]
        self._burst.append(now)
        if self._behind is None and len(self._burst) <= _BURST:
            return False
        with self._changed:
            self._behind = now + _QUIET_SECONDS
            self._start_worker()
            self._changed.notify_all()
        return True

    def _catch_up(self) -> None:
        with self._document.lock:
            self._burst.clear()
            self._behind = None
            tabs = list(self._lanes)
        for tab in tabs:
            self._state(tab)

    # Slices.

    def _get(self, tab: str, rid: int, keys: Sequence[str], *, urgent: bool) -> None:
        if len(keys) > _MAX_KEYS or len(self._queue) + len(keys) > _MAX_QUEUE:
            raise EditError(f"A request for {len(keys)} slices is too large")
        for key in keys:
            self._want(tab, rid, key, urgent=urgent)

    def _want(self, tab: str, rid: int, key: str, *, urgent: bool) -> None:
        if key.startswith("s/") and self._spool:
            self._spool.pause(_SKETCH_SECONDS)
        if key.startswith(("p/", "q/", "s/")):
            self._push(_PREVIEW, tab, rid, key)
            return
        later = _LABELS if key.startswith(("mask/", "op/")) else _LATER
        self._push(_URGENT if urgent else later, tab, rid, key)

    def _push(self, priority: int, tab: str, rid: int = 0, key: str = "") -> None:
        with self._changed:
            mark = (tab, rid, key)
            if self._closed or mark in self._queued:
                return
            self._queued.add(mark)
            self._order += 1
            heapq.heappush(self._queue, _Job(priority, self._order, tab, rid, key))
            self._start_worker()
            self._changed.notify()

    def _cancel(self, tab: str, rid: int) -> None:
        with self._changed:
            self._keep_jobs([job for job in self._queue if (job.tab, job.rid) != (tab, rid)])
            if self._preview_for == (tab, rid):
                self._preview_for = None

    def _keep_jobs(self, jobs: list[_Job]) -> None:
        self._queue = jobs
        heapq.heapify(self._queue)
        self._queued = {(job.tab, job.rid, job.key) for job in jobs}

    def _focus(self, tab: str, places: list[tuple[str, int, int]]) -> None:
        """Publish from the slices in view outwards; the newest wish of all tabs wins."""
        if self._spool is None or not 0 < len(places) <= _MAX_PLACES:
            return
        self._focused.pop(tab, None)
        self._focused[tab] = places
        while len(self._focused) > _MAX_LANES:
            del self._focused[next(iter(self._focused))]
        self._spool.focus(places)

    def _bye(self, tab: str) -> None:
        """Read nothing more for a tab that is gone."""
        self._operating.left(tab)
        with self._changed:
            self._keep_jobs([job for job in self._queue if job.tab != tab])
            if self._preview_for is not None and self._preview_for[0] == tab:
                self._preview_for = None
        if self._spool is None or self._focused.pop(tab, None) is None:
            return
        places = next(reversed(self._focused.values()), None)
        if places is None:
            self._spool.rest()
        else:
            self._spool.focus(places)

    def _is_closed(self) -> bool:
        return self._closed

    def _start_worker(self) -> None:
        if self._worker is None and not self._closed:
            self._worker = Thread(target=self._work, name="nbannot-channel", daemon=True)
            self._worker.start()

    def _next_job(self) -> _Job | None:
        """Wait for a job; None when it is time to catch up with a burst of edits."""
        with self._changed:
            while not self._closed:
                if self._queue:
                    job = heapq.heappop(self._queue)
                    self._queued.discard((job.tab, job.rid, job.key))
                    self._preview_for = (job.tab, job.rid) if job.priority == _PREVIEW else None
                    return job
                left = None if self._behind is None else self._behind - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            return None

    def _work(self) -> None:
        while True:
            job = self._next_job()
            if self._is_closed():
                return
            try:
                if job is None:
                    self._catch_up()
                elif not job.key:
                    self._state(job.tab)
                else:
                    self._pace()
                    self._serve(job)
            except Exception as error:
                _log(error)
                self._post({"type": "error", "error": error_json(error)})

    def _serve(self, job: _Job) -> None:
        head = {"tab": job.tab, "rid": job.rid, "key": job.key}
        try:
            if job.priority == _PREVIEW:
                made = self._previews.work(job.key, _PREVIEW_SECONDS)
                if made is None:
                    self._continue_later(job)
                    return
                answers = iter([made])
            else:
                answers = self._slice(job.key)
            for answer, data in answers:
                self._post({"type": "bytes", **head, **answer}, [data])
        except Exception as error:
            _log(error)
            self._post({"type": "bytes_error", **head, "error": error_json(error)})

    def _continue_later(self, job: _Job) -> None:
        with self._changed:
            if self._preview_for == (job.tab, job.rid):
                self._push(_PREVIEW, job.tab, job.rid, job.key)

    def _slice(self, key: str) -> Iterator[tuple[Json, bytes]]:
        """Yield the description and the bytes of each part of a slice, or of a table."""
        kind, _, rest = key.partition("/")
        if kind == "image":
            id, frame, k = rest.rsplit("/", 2)
            yield from self._image_slice(id, int(frame), int(k))
        elif kind == "small":
            id, frame, k = rest.rsplit("/", 2)
            yield self._small_picture(id, int(frame), int(k))
        elif kind == "mask":
            id, k = rest.rsplit("/", 1)
            yield self._mask_slice(id, int(k))
        elif kind == "op":
            tab, rid, k = rest.rsplit("/", 2)
            plane = self._operating.slice(tab, int(rid), int(k))
            codec, data = encode_labels(plane)
            yield {"dtype": plane.dtype.name, "shape": list(plane.shape), "codec": codec, "revision": 0}, data
        elif kind == "header":
            id, frame, k = rest.rsplit("/", 2)
            yield _words(self._header(id, int(frame), int(k)))
        elif kind == "info":
            yield _words(info_bytes(self._document.image(rest)))
        else:
            raise UnknownItemError("The browser asked for something unknown")

    def _header(self, id: str, frame: int, k: int) -> bytes:
        if not self._headers:
            raise HeaderRefusedError(
                "Headers of files are not shown here",
                hint="Whoever opened this viewer, or its configuration, has switched them off.",
            )
        return header_bytes(self._document.image(id), k, frame)

    def _image_slice(self, id: str, frame: int, k: int) -> Iterator[tuple[Json, bytes]]:
        image = self._document.image(id)
        found = self._spool.read(id, frame, k) if self._spool else None
        for part in found or encode_parts(self._planes.read(image, frame, k)):
            yield _part(image, part)

    def _small_picture(self, id: str, frame: int, k: int) -> tuple[Json, bytes]:
        """Return the first part of a large slice as if it were the only one; the slice is kept for who reads on."""
        image = self._document.image(id)
        band, codec, data = next(encode_parts(self._planes.lend(image, frame, k)))
        return _part(image, (band and replace(band, count=1), codec, data))

    def _mask_slice(self, id: str, k: int) -> tuple[Json, bytes]:
        with self._document.lock:
            mask = self._document.masks[id]
            if not 0 <= k < mask.array.shape[0]:
                raise UnknownItemError(f"Slice {k} of mask {mask.name!r} does not exist")
            # What is recorded, not the live array: its revision is the document's.
            plane, revision = mask.recorded(k), self._document.revision
        codec, data = encode_labels(plane)
        shape = list(plane.shape)
        return {"dtype": plane.dtype.name, "shape": shape, "codec": codec, "revision": revision}, data


def _part(image: Image, part: Part) -> tuple[Json, bytes]:
    band, codec, data = part
    shape = [*image.shape[1:], *([3] if image.is_color else [])]
    answer: Json = {"dtype": image.dtype.name, "shape": shape, "codec": codec}
    if band is not None:
        answer["band"] = [band.n, band.count, band.first, band.rows, band.step]
    return answer, data


def _words(data: bytes) -> tuple[Json, bytes]:
    return {"dtype": "uint8", "shape": [len(data)], "codec": "raw"}, data


def _log(error: BaseException) -> None:
    """Log the kind and place of an error, never its text: that may hold data."""
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = f"{frame[0].filename}:{frame[0].lineno}" if frame else "?"
    log.warning("%s at %s", type(error).__name__, place)

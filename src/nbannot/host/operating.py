"""Operations asked for in the browser: worked out in a thread, shown first, then applied or dropped."""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock, Thread
from typing import Any

import numpy as np

from nbannot.assist.operations import OPERATIONS, Preview, preview
from nbannot.assist.operations.running import Overwrite
from nbannot.errors import EditError, NbannotError, OperationError, UnknownItemError, ViewerError
from nbannot.host.codesearch import ask_codes
from nbannot.host.messages import MAX_RUNS, Json, error_json
from nbannot.host.outlining import OUTLINING, Planned, plan
from nbannot.host.owntools import Context, OwnTool, changed_to, outcome
from nbannot.host.segmentvalues import SegmentValues
from nbannot.host.steps import Steps
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Paint, Put
from nbannot.model.labels import Label
from nbannot.model.masks import Mask

Post = Callable[..., None]
Found = Preview | Edit | None
KINDS = (
    "operations", "operate", "operate_apply", "operate_cancel", "history", "segment_values", "box_values", "codes",
)  # fmt: skip
_EVERY = 0.1
_LEFT = 2
"""So many operations that were given up may run out beside the one at work."""


class _Cancelled(BaseException):
    """Nobody waits for the work any more. Not an Exception, so that no tool catches it."""


@dataclass(slots=True, eq=False)
class _Task:
    """One operation asked for by one tab."""

    tab: str
    rid: int
    content: Mapping[str, Any]
    cancelled: bool = False
    told: float = 0.0

    @property
    def head(self) -> Json:
        return {"tab": self.tab, "rid": self.rid}


@dataclass(slots=True)
class _Ready:
    """What an operation would change in a mask, until somebody says yes or no."""

    task: _Task
    found: Preview
    tool: str
    state: int | None
    """Fingerprint of the mask that the change belongs to; None for a new mask."""
    label: Label | None = None
    erased: int = field(default=0)
    """The number that stands for erased voxels in slices sent."""


@dataclass(slots=True)
class _Drawn:
    """What an operation on outlines would make, until somebody says yes or no."""

    task: _Task
    planned: Planned


class Operating:
    """Works out operations for the tabs of one viewer, one at a time.

    Parameters
    ----------
    document
        What they change.
    view
        Returns the view state, as plain JSON.
    """

    def __init__(self, document: Document, view: Callable[[], Mapping[str, Any]]) -> None:
        self._document = document
        self._view = view
        self._post: Post = lambda *_: None
        self._guard: Callable[[], None] = lambda: None
        self._tools: dict[str, OwnTool] = {}
        self._steps = Steps(document)
        self._values = SegmentValues(document, lambda message: self._post(message))
        self._lock = Lock()
        self._running: _Task | None = None
        self._left: set[_Task] = set()
        """Given up, but still in a step that cannot be ended from outside."""
        self._next: _Task | None = None
        self._ready: _Ready | _Drawn | None = None

    def connect(self, post: Post, guard: Callable[[], None]) -> None:
        """Say where messages go, ``post(content, buffers)``, and what is called before each edit and may refuse it."""
        self._post, self._guard = post, guard

    def close(self) -> None:
        """Stop what runs as soon as it tells of its progress; nothing is changed."""
        self._values.close()
        with self._lock:
            self._post = lambda *_: None
            self._next = self._ready = None
            if self._running is not None:
                self._running.cancelled = True

    # Own tools.

    @property
    def tools(self) -> list[Json]:
        """The user's own tools as JSON, in order."""
        return [tool.json for tool in self._tools.values()]

    def add(self, tool: OwnTool) -> None:
        """Add a tool, or replace the one of the same name.

        Raises
        ------
        ViewerError
            When another tool has its key.
        """
        for other in self._tools.values():
            if tool.key and other.key == tool.key and other.name != tool.name:
                raise ViewerError(
                    f"The tool {other.name!r} has the key {tool.key!r}", hint="Choose another key."
                )
        self._tools[tool.name] = tool
        self._post({"type": "tools", "tools": self.tools})

    # Messages.

    def receive(self, tab: str, content: Mapping[str, Any]) -> None:
        """Take one of the messages `KINDS`."""
        kind = content["type"]
        if kind == "operations":
            forms = [operation.form for operation in OPERATIONS.values()]
            self._post({"type": "operations", "tab": tab, "forms": forms})
        elif kind == "history":
            self._post({"type": "steps", "tab": tab, **self._steps.json()})
        elif kind == "segment_values":
            self._values.ask(tab, str(content["label"]), content.get("units") or {})
        elif kind == "box_values":
            self._values.ask_box(tab, content)
        elif kind == "codes":
            ask_codes(tab, content, lambda message: self._post(message))
        elif kind == "operate":
            self._start(_Task(tab, int(content["rid"]), content))
        elif kind == "operate_apply":
            self._apply(tab, int(content["rid"]))
        else:
            self._cancel(tab, int(content["rid"]))

    def left(self, tab: str) -> None:
        """Forget what a tab that is gone asked for."""
        self._values.left(tab)
        with self._lock:
            for task in (self._running, self._next):
                if task is not None and task.tab == tab:
                    task.cancelled = True
            if self._ready is not None and self._ready.task.tab == tab:
                self._ready = None

    def slice(self, tab: str, rid: int, k: int) -> np.ndarray[Any, Any]:
        """Return the previewed values of slice k (j, i): 0 where nothing changes.

        Raises
        ------
        UnknownItemError
            When there is no such preview any more.
        """
        ready = self._ready
        if not isinstance(ready, _Ready) or (ready.task.tab, ready.task.rid) != (tab, rid):
            raise UnknownItemError("This preview is gone")
        found, shape = ready.found, ready.found.mask.array.shape
        plane = np.zeros(shape[1:], dtype=np.uint16)
        (k0, j0, i0), (k1, j1, i1) = found.box
        if k0 <= k < k1:
            labels, changed = found.labels[k - k0], found.changed[k - k0]
            plane[j0:j1, i0:i1] = np.where(changed, np.where(labels == 0, ready.erased, labels), 0)
        return plane

    @property
    def _shown(self) -> _Task | None:
        return None if self._ready is None else self._ready.task

    def _start(self, task: _Task) -> None:
        with self._lock:
            self._end(self._shown)
            self._ready = None
            self._end(self._next)
            self._next = task
            busy = self._running
            if busy is not None:
                busy.cancelled = True
                # An operation only reads: the next one need not wait until it looks up.
                if not str(busy.content["op"]).startswith("tool:") and len(self._left) < _LEFT:
                    self._left.add(busy)
                    self._running = busy = None
        self._tell(task, 0.0, "Waiting for the former operation to stop" if busy else "")
        with self._lock:
            if self._running is None and self._next is not None:
                self._running, self._next = self._next, None
                Thread(
                    target=self._work, args=(self._running,), name="nbannot-operation", daemon=True
                ).start()

    def _cancel(self, tab: str, rid: int) -> None:
        with self._lock:
            for task in (self._running, self._next, self._shown):
                if task is not None and (task.tab, task.rid) == (tab, rid):
                    task.cancelled = True
                    self._end(task)
            if self._ready is not None and self._ready.task.cancelled:
                self._ready = None
            if self._next is not None and self._next.cancelled:
                self._next = None

    def _end(self, task: _Task | None, **more: Any) -> None:
        """Tell a tab that its operation is over."""
        if task is not None:
            self._post({"type": "operate_ended", **task.head, "edit": None, "error": None, **more})

    def _tell(self, task: _Task, done: float, text: str) -> None:
        if task.cancelled:
            raise _Cancelled
        now = time.monotonic()
        if now - task.told >= _EVERY or done >= 1:
            task.told = now
            self._post(
                {"type": "operating", **task.head, "done": min(max(float(done), 0.0), 1.0), "text": text}
            )

    # The worker.

    def _work(self, task: _Task) -> None:
        while True:
            try:
                self._perform(task)
            except _Cancelled:
                pass
            except Exception as error:
                if not task.cancelled:
                    self._end(task, error=self._told(task, error))
            with self._lock:
                if task in self._left:
                    self._left.remove(task)
                    return
                self._running, self._next = self._next, None
                if self._running is None:
                    return
                task = self._running

    def _perform(self, task: _Task) -> None:
        self._document.refresh()
        if task.content["op"] in OUTLINING:
            return self._outline(task)
        own = self._own(task)
        ready = self._prepare_own(task, own) if own else self._prepare(task)
        if task.cancelled:
            raise _Cancelled
        if ready is None:
            return self._end(task, nothing=True)
        if isinstance(ready, Edit):
            self._guard()
            return self._end(task, edit=self._document.apply(ready).id)
        if ready.found.count == 0:
            return self._end(task, nothing=True)
        if own is not None and not own.preview:
            return self._end(task, edit=self._edit(ready))
        self._keep(ready)
        return self._show(ready)

    def _outline(self, task: _Task) -> None:
        """Work out what an operation on outlines would make, and show it."""

        def tell(done: float, text: str) -> None:
            self._tell(task, done, text)

        planned = plan(self._document, task.content, self._overwrite(), tell)
        if task.cancelled:
            raise _Cancelled
        if planned is None:
            return self._end(task, nothing=True)
        self._keep(_Drawn(task, planned))
        message, buffers = planned.message
        return self._post({**message, **task.head}, buffers)

    def _keep(self, ready: _Ready | _Drawn) -> None:
        with self._lock:
            if ready.task.cancelled:
                raise _Cancelled
            self._ready = ready

    def _own(self, task: _Task) -> OwnTool | None:
        op = str(task.content["op"])
        if not op.startswith("tool:"):
            return None
        tool = self._tools.get(op.removeprefix("tool:"))
        if tool is None:
            raise UnknownItemError("There is no such tool any more", hint="Run the cell that adds it.")
        return tool

    def _prepare_own(self, task: _Task, tool: OwnTool) -> _Ready | Edit | None:
        at = task.content.get("at") or {}
        world = at.get("world")
        point = None if world is None else (float(world[0]), float(world[1]), float(world[2]))
        view = self._view()
        pane = str(at["pane"]) if at.get("pane") else None
        context = Context(
            self._document, view, lambda done, text: self._tell(task, done, text), pane=pane, world=point
        )
        mask = context.mask
        state = None if mask is None else mask.fingerprint()
        found = outcome(tool, context, tool.function(context))
        if found is None and mask is not None:
            found = self._in_place(mask, tool)
        if isinstance(found, Preview):
            return _Ready(task, found, tool.recorded, state, erased=_erased(found))
        return None if found is None else replace(found, tool=tool.recorded, origin="hand")

    def _in_place(self, mask: Mask, tool: OwnTool) -> Preview | None:
        """Take what a tool wrote into the mask itself as its result."""
        with self._document.lock:
            if not mask.changed_slices():
                return None
            labels = mask.array.copy()
            mask.revert()
            mask.check_values(np.unique(labels))
            return changed_to(self._document, mask, labels, tool.recorded)

    def _prepare(self, task: _Task) -> _Ready:
        content, op = task.content, str(task.content["op"])
        if op not in OPERATIONS:
            raise OperationError("There is no such operation")
        given = self._given(content, op)
        given["progress"] = lambda done, text: self._tell(task, done, text)
        label = None
        if content.get("target") == "new":
            mask, label = self._new_mask(content, given, op)
        else:
            mask = self._mask(content["mask"])
        into = given.get("into")
        target = into[0] if isinstance(into, tuple) else mask
        state = target.fingerprint() if label is None else None
        found = preview(op, mask, **given)
        return _Ready(task, found, f"op:{op}", state, label, _erased(found))

    def _mask(self, id: Any) -> Mask:
        mask = self._document.masks.get(str(id))
        if mask is None:
            raise UnknownItemError("The mask is gone")
        return mask

    def _new_mask(self, content: Mapping[str, Any], given: dict[str, Any], op: str) -> tuple[Mask, Label]:
        """Return the mask to work on and the label of the new one that the result goes to."""
        names, n = {label.name for label in self._document.labels}, 1
        while (name := f"{OPERATIONS[op].title} {n}") in names:
            n += 1
        # A place in the palette like that of any new label.
        label = Document(self._document.images, labels=[*self._document.labels, name], masks=()).labels[name]
        old = self._document.masks.get(str(content.get("mask") or ""))
        image = self._document.image(str(content.get("image") or "")) if old is None else old.image
        made = Mask(name, image)
        if old is None or not OPERATIONS[op].needs_voxels:
            given["segment"] = 1
            return made, label
        given["into"] = (made, 1)
        return old, label

    def _given(self, content: Mapping[str, Any], op: str) -> dict[str, Any]:
        """Return parameters and options as Python takes them."""
        given: dict[str, Any] = {}
        for parameter in OPERATIONS[op].parameters:
            value = (content.get("params") or {}).get(parameter.name)
            if value is None:
                continue
            if parameter.type == "segment" and isinstance(value, Mapping):
                value = (self._mask(value["mask"]), int(value["segment"]))
            given[parameter.name] = value
        if OPERATIONS[op].gives == "segment" and content.get("segment") is not None:
            given["segment"] = int(content["segment"])
        at = content.get("at") or {}
        if at.get("index") is not None and OPERATIONS[op].needs_point != "no":
            given["index"] = tuple(math.floor(float(n) + 0.5) for n in at["index"])
        if at.get("frame") is not None:
            given["frame"] = int(at["frame"])
        if content.get("rules"):
            given.update(self._rules())
        if op == "boolean" and given.get("overwrite") == "all":
            # What inverts or fills the picture would take every other label with it.
            del given["overwrite"]
        return given

    def _rules(self) -> dict[str, Any]:
        """Return the rules of the painting tools as options of an operation."""
        rules = self._view().get("rules") or {}
        options: dict[str, Any] = {}
        if rules.get("range"):
            options["where"] = tuple(rules["range"])
        if rules.get("area") == "outside":
            options["outside"] = True
        label = self._document.labels.get(rules.get("area_label") or "")
        if rules.get("area") == "inside" and label is not None:
            for mask in self._document.masks:
                for segment in mask.segments:
                    if segment.label == label.name:
                        options.setdefault("inside", (mask, segment.value))
        options["overwrite"] = self._overwrite()
        return options

    def _overwrite(self) -> Overwrite:
        """Return which labels lose voxels by the rules of the painting tools."""
        rule = (self._view().get("rules") or {}).get("overwrite")
        if rule == "visible":
            hidden = self._view().get("hidden") or ()
            return [one.name for one in self._document.labels if one.id not in hidden]
        return "none" if rule == "none" else "all"

    def _show(self, ready: _Ready) -> None:
        """Send what would change: as runs, or as slices to ask for where they are many."""
        found, task = ready.found, ready.task
        new = found.labels[found.changed]
        erased = int(np.count_nonzero(new == 0))
        names = {segment.value: segment.label for segment in found.mask.segments} | dict(found.names)
        fresh = ready.label
        message: Json = {
            "type": "operated", **task.head, "preview": True, "mask": None if fresh else found.mask.id,
            "image": found.mask.image.id, "box": found.box, "count": found.count, "erased": erased,
            "erase": ready.erased, "shape": list(found.mask.array.shape),
            "names": {str(value): names.get(int(value), "") for value in np.unique(new) if value},
            "taken": found.taken, "color": fresh.color if fresh else None, "runs": None, "slices": None,
        }  # fmt: skip
        runs = found.runs
        if len(runs.data) <= MAX_RUNS:
            self._post({**message, "runs": runs.count}, [runs.data])
        else:
            k0 = found.box[0][0]
            slices = (np.flatnonzero(found.changed.any(axis=(1, 2))) + k0).tolist()
            self._post({**message, "slices": slices})

    # Yes.

    def _apply(self, tab: str, rid: int) -> None:
        with self._lock:
            ready = self._ready
            if ready is None or (ready.task.tab, ready.task.rid) != (tab, rid):
                return
            self._ready = None
        try:
            edit = self._edit(ready)
        except Exception as error:
            self._end(ready.task, error=self._told(ready.task, error))
            return
        self._end(ready.task, edit=edit)

    def _edit(self, ready: _Ready | _Drawn) -> str | None:
        """Make the change one edit and return its id."""
        document = self._document
        self._guard()
        with document.lock:
            if isinstance(ready, _Drawn):
                return ready.planned.apply(document)
            found, mask = ready.found, ready.found.mask
            if ready.label is not None:
                paint = Paint(mask.id, found.box, found.runs, tool=ready.tool, origin="hand")
                parts = (Put(ready.label), Put(mask.info), paint)
                return document.apply(Batch(parts, ready.label.name, tool=ready.tool, origin="hand")).id
            document.refresh()
            if mask.id not in {one.id for one in document.masks} or mask.fingerprint() != ready.state:
                raise EditError("The mask was changed since this was previewed", hint="Preview it again.")
            if ready.tool.startswith("op:"):
                edit = found.apply(origin="hand")
                return None if edit is None else edit.id
            return document.apply(Paint(mask.id, found.box, found.runs, tool=ready.tool, origin="hand")).id

    def _told(self, task: _Task, error: Exception) -> Json:
        """Return an error for the browser; a user's own one also goes to the kernel's error stream."""
        op = str(task.content.get("op", ""))
        if not op.startswith("tool:"):
            return error_json(error)
        name = op.removeprefix("tool:")
        if isinstance(error, NbannotError) and not _inside(error):
            return {**error.payload, "message": f"{name}: {error.message}"}
        traceback.print_exception(error, file=sys.stderr)
        frames = traceback.extract_tb(error.__traceback__)
        line = f"line {frames[-1].lineno} of {frames[-1].name}" if frames else ""
        last = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        return {
            "kind": type(error).__name__,
            "message": f"{name}: {last}",
            "hint": f"In {line}." if line else "",
        }


def _inside(error: BaseException) -> bool:
    """Return whether an error of ours was raised below a user's function."""
    return any(
        frame.name == "_prepare_own" for frame in traceback.extract_tb(error.__traceback__)
    ) and not any(frame.name == "outcome" for frame in traceback.extract_tb(error.__traceback__))


def _erased(found: Preview) -> int:
    """Return a number that no segment has."""
    values = [segment.value for segment in found.mask.segments] + list(found.names)
    return max(values, default=0) + 1

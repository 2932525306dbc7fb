"""Size and values of a label's segments, and values of boxes, for the browser, worked out in a thread of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import Any

from nbannot.host.drawing import shown_unit
from nbannot.host.messages import Json, error_json
from nbannot.model.document import Document
from nbannot.model.masks import Mask
from nbannot.model.measures import measure, measure_segments

_MOST = 64
_NUMBERS = ("count", "volume", "area", "unit", "mean", "sd", "min", "max", "value_unit", "note")
_BOX_NUMBERS = ("count", "mean", "sd", "min", "max", "value_unit", "note")


class SegmentValues:
    """Answers ``segment_values`` and ``box_values`` of the tabs of one viewer, one at a time.

    Of a tab's questions about segments the newest counts, of those about a box the newest about it. The
    numbers are those of ``nb.table(document, "segments")`` and ``"boxes"``.

    Parameters
    ----------
    document
        What is measured.
    post
        Sends a message.
    """

    def __init__(self, document: Document, post: Callable[[Json], None]) -> None:
        self._document = document
        self._post = post
        self._lock = Lock()
        self._asked: dict[tuple[str, str], Callable[[], Json]] = {}
        """By tab and box; "" where it is about a label."""
        self._working = False

    def ask(self, tab: str, label: str, units: Mapping[str, Any]) -> None:
        """Work out the numbers of a label (its id); ``units``: the unit that images are shown in, by id."""
        answer: Json = {"type": "segment_values", "tab": tab, "label": label, "rows": [], "error": None}
        self._put(tab, "", answer, lambda: {"rows": self._rows(label, units)})

    def ask_box(self, tab: str, content: Mapping[str, Any]) -> None:
        """Work out the values in a ``box`` (its id) at a ``frame``; ``units`` as in `ask`."""
        box, rid = str(content["box"]), int(content["rid"])
        answer: Json = {
            "type": "box_values",
            "tab": tab,
            "rid": rid,
            "box": box,
            "values": None,
            "error": None,
        }
        frame, units = int(content.get("frame") or 0), content.get("units") or {}
        self._put(tab, box, answer, lambda: {"values": self._box(box, frame, units)})

    def _put(self, tab: str, box: str, answer: Json, work: Callable[[], Json]) -> None:
        def found() -> Json:
            try:
                return {**answer, **work()}
            except Exception as error:
                return {**answer, "error": error_json(error)}

        with self._lock:
            self._asked[tab, box] = found
            while len(self._asked) > _MOST:
                del self._asked[next(iter(self._asked))]
            if self._working:
                return
            self._working = True
        Thread(target=self._work, name="nbannot-values", daemon=True).start()

    def left(self, tab: str) -> None:
        """Forget what a tab that is gone asked for."""
        with self._lock:
            self._asked = {key: work for key, work in self._asked.items() if key[0] != tab}

    def close(self) -> None:
        """Begin nothing more."""
        with self._lock:
            self._asked.clear()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._asked:
                    self._working = False
                    return
                work = self._asked.pop(next(iter(self._asked)))
            self._post(work())

    def _rows(self, id: str, units: Mapping[str, Any]) -> list[Json]:
        with self._document.lock:
            self._document.refresh()
            label = next((one.name for one in self._document.labels if one.id == id), None)
            found = [
                (mask, s.value) for mask in self._document.masks for s in mask.segments if s.label == label
            ]
        return [self._row(mask, value, units) for mask, value in found]

    def _row(self, mask: Mask, value: int, units: Mapping[str, Any]) -> Json:
        unit = shown_unit(mask.image, {"units": units})
        measures = measure_segments(mask, unit=unit, only=value)[value]
        numbers = {name: getattr(measures, name) for name in _NUMBERS}
        return {"mask": mask.id, "value": value, "frames": mask.image.frames, **numbers}

    def _box(self, id: str, frame: int, units: Mapping[str, Any]) -> Json:
        with self._document.lock:
            box = self._document.boxes[id]
            image = self._document.image(box.image)
        measures = measure(box, image, unit=shown_unit(image, {"units": units}), frame=frame)
        return {name: getattr(measures, name) for name in _BOX_NUMBERS}

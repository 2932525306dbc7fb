"""The history as the browser shows it: one row per step."""

from __future__ import annotations

from typing import Any

from nbannot.model.document import Document
from nbannot.model.timeline import Step
from nbannot.session.history import describe

MOST = 300
"""Rows sent at once; older steps are counted."""


class Steps:
    """Rows of a document's steps; the words of a step are made once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._words: dict[str, str] = {}

    def json(self, most: int = MOST) -> dict[str, Any]:
        """Return ``rows`` in order, how many ``earlier`` steps there are, and the ``revision``."""
        with self._document.lock:
            steps = self._document.steps
            names = {mask.id: mask.name for mask in self._document.masks}
            here = sum(step.done for step in steps)
            first = max(0, min(here, len(steps) - most // 2) - most // 2) if len(steps) > most else 0
            shown = steps[first : first + most]
            rows = [self._row(step, names) for step in shown]
            return {
                "rows": rows,
                "earlier": first,
                "later": len(steps) - first - len(shown),
                "revision": self._document.revision,
            }

    def _row(self, step: Step, names: dict[str, str]) -> dict[str, Any]:
        edit = step.edit
        if edit.id not in self._words:
            self._words[edit.id] = describe(edit, names)
        return {
            "id": edit.id,
            "author": edit.author,
            "time": edit.time,
            "tool": edit.tool,
            "origin": edit.origin,
            "what": self._words[edit.id],
            "done": step.done,
        }

"""The list beside the viewer of a work list: shown by messages, so that a saved notebook holds nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anywidget

from nbannot.viewer.widget import bundle

Heard = Callable[[Mapping[str, Any]], None]


class Board(anywidget.AnyWidget):
    """Rows, comments and notes; what is done on it comes to ``heard``.

    Parameters
    ----------
    heard
        Gets each message of the page.
    """

    def __init__(self, heard: Heard) -> None:
        super().__init__()
        self._heard = heard
        self.shown: dict[str, Any] = {}
        self.on_msg(self._receive)

    @property
    def _esm(self) -> str:
        return bundle("board.js")

    @property
    def _css(self) -> str:
        return bundle("board.css")

    def show(self, content: Mapping[str, Any]) -> None:
        """Show something instead of what was shown."""
        self.shown = dict(content)
        self.send({"type": "show", **self.shown})

    def picture(self, number: int, png: bytes) -> None:
        """Show the small picture of a case; empty bytes for none."""
        self.send({"type": "thumb", "case": number}, [png])

    def clear(self) -> None:
        """Empty the field for comments."""
        self.send({"type": "clear"})

    def focus(self) -> None:
        """Bring the keyboard to the viewer that comes."""
        self.send({"type": "focus"})

    def _receive(self, _: object, content: Any, __: Sequence[Any]) -> None:
        if not isinstance(content, Mapping):
            return
        if content.get("type") == "ready":
            if self.shown:
                self.show(self.shown)
        else:
            self._heard(content)

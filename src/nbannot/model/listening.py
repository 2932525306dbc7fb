"""Listening to some of the edits of a document."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Literal

from psygnal import SignalInstance

from nbannot.errors import EditError
from nbannot.model.annotations import Box, Tag
from nbannot.model.edits import Batch, Edit, Item, Paint, Put, Remove
from nbannot.model.labels import Label
from nbannot.model.masks import MaskInfo
from nbannot.model.shapes import Shape

Kind = Literal["box", "shape", "tag", "label", "mask"]
Callback = Callable[[Edit, int], object]
Infos = Callable[[str], MaskInfo | None]
KINDS: tuple[Kind, ...] = ("box", "shape", "tag", "label", "mask")
_TYPES: dict[type, Kind] = {Box: "box", Shape: "shape", Tag: "tag", Label: "label", MaskInfo: "mask"}


class Listening:
    """A callback that hears of some edits, until it is called off.

    Call it to end; or use it in a ``with`` statement. What the callback raises is written to the
    standard error stream and harms nothing.
    """

    def __init__(
        self,
        signal: SignalInstance,
        callback: Callback,
        infos: Infos,
        *,
        kind: Kind | None,
        label: str | None,
        origin: str | None,
    ) -> None:
        if kind is not None and kind not in KINDS:
            raise EditError(f"Unknown kind {kind!r}", hint=f"Choose one of: {', '.join(KINDS)}.")
        self._signal = signal
        self._callback = callback
        self._infos = infos
        self._wanted = (kind, label, origin)

        # A function, not a method, which the signal would keep weakly.
        def heard(edit: Edit, revision: int) -> None:
            self._heard(edit, revision)

        self._slot = heard
        signal.connect(heard)

    def __call__(self) -> None:
        """Hear of nothing more; a second call does nothing."""
        self._signal.disconnect(self._slot, missing_ok=True)

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self()

    def _heard(self, edit: Edit, revision: int) -> None:
        try:
            if self._matches(edit):
                self._callback(edit, revision)
        except Exception:
            name = getattr(self._callback, "__name__", "callback")
            sys.stderr.write(f"nbannot: {name} failed after an edit; the edit stands.\n")
            traceback.print_exc()

    def _matches(self, edit: Edit) -> bool:
        kind, label, origin = self._wanted
        # "model" hears of every model: origins of models carry name and version.
        if origin is not None and edit.origin != origin and not edit.origin.startswith(f"{origin}:"):
            return False
        if kind is None and label is None:
            return True
        return any(
            (kind is None or kind == of) and (label is None or label in labels(part, self._infos))
            for part, of in parts(edit)
        )


def parts(edit: Edit) -> Iterator[tuple[Edit, Kind]]:
    """Yield the single edits of an edit, each with the kind of what it changes."""
    if isinstance(edit, Batch):
        for part in edit.edits:
            yield from parts(part)
    elif isinstance(edit, Paint):
        yield edit, "mask"
    elif isinstance(edit, Put | Remove):
        yield edit, _TYPES[type(edit.item)]


def labels(edit: Edit, infos: Infos) -> set[str]:
    """Return the names of the labels that a single edit touches, those before it and after."""
    if isinstance(edit, Paint):
        info = infos(edit.mask)
        if info is None:
            return set()
        values = {int(value) for value in edit.runs.table()[:, 2:].ravel()}
        return {segment.label for segment in info.segments if segment.value in values}
    if isinstance(edit, Put):
        return _named(edit.item) | (set() if edit.old is None else _named(edit.old))
    return _named(edit.item) if isinstance(edit, Remove) else set()


def _named(item: Item) -> set[str]:
    if isinstance(item, MaskInfo):
        return {segment.label for segment in item.segments}
    return {item.name} if isinstance(item, Label) else {item.label}

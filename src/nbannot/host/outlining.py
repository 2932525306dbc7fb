"""Operations on outlines asked for in the browser: what they would draw or fill, to be looked at first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbannot.assist.operations.outlines import shapes_between
from nbannot.assist.operations.running import Overwrite
from nbannot.assist.operations.tracing import segments_outlined, shapes_filled
from nbannot.errors import EditError, UnknownItemError
from nbannot.formats.progress import Progress
from nbannot.host.messages import Json
from nbannot.model.codec import encode_edit
from nbannot.model.document import Document
from nbannot.model.edits import Edit
from nbannot.model.masks import Mask

BETWEEN = "fill_between_shapes"
FILL = "fill_shapes"
OUTLINE = "outline_segments"
OUTLINING = (BETWEEN, FILL, OUTLINE)
"""Their names; the first two take ids of shapes (`FILL` of boxes too), the last a segment of a mask."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The edit that an operation on outlines would make."""

    edit: Edit
    content: Mapping[str, Any]
    """What was asked."""
    state: object
    """What of the document it was worked out from."""

    def apply(self, document: Document) -> str:
        """Make the edit and return its id; call it with the document's lock held.

        Raises
        ------
        EditError
            When the outlines, masks or labels were changed meanwhile.
        """
        document.refresh()
        if _state(document, self.content) != self.state:
            raise EditError("The annotations were changed since this was previewed", hint="Preview it again.")
        return document.apply(self.edit).id

    @property
    def message(self) -> tuple[Json, list[bytes]]:
        """What the browser draws of it: the edit as it would be sent, its runs in full."""
        data, buffers = encode_edit(self.edit)
        return {"type": "planned", "edit": data}, buffers


def plan(
    document: Document, content: Mapping[str, Any], overwrite: Overwrite, progress: Progress
) -> Planned | None:
    """Work out one of `OUTLINING`; None where nothing would change.

    Parameters
    ----------
    document
        It is only read.
    content
        The message: ``op``, and ``shapes`` (ids) or ``mask``, ``segment`` and ``params.axis``.
    overwrite
        Which labels may lose voxels that outlines are filled with.
    progress
        Called with the part done (0 to 1) and a text; what it raises ends the work.

    Raises
    ------
    UnknownItemError
        When a shape or the mask is gone.
    OperationError, GeometryError, LockedError
        As the operation itself.
    """
    state = _state(document, content)
    edit = _edit(document, content, overwrite, progress)
    return None if edit is None else Planned(replace(edit, origin="hand"), content, state)


def _edit(
    document: Document, content: Mapping[str, Any], overwrite: Overwrite, progress: Progress
) -> Edit | None:
    op = content["op"]
    if op == OUTLINE:
        axis = int((content.get("params") or {}).get("axis", 0))
        mask = _mask(document, content)
        return segments_outlined(mask, int(content["segment"]), axis=axis, progress=progress)
    ids = _ids(content)
    if any(id not in document.shapes and id not in document.boxes for id in ids):
        raise UnknownItemError("A shape is gone")
    if op == FILL:
        return shapes_filled(document, ids, overwrite=overwrite, progress=progress)
    return shapes_between(document, ids, progress=progress)


def _ids(content: Mapping[str, Any]) -> list[str]:
    return [str(id) for id in content.get("shapes") or ()]


def _mask(document: Document, content: Mapping[str, Any]) -> Mask:
    mask = document.masks.get(str(content["mask"]))
    if mask is None:
        raise UnknownItemError("The mask is gone")
    return mask


def _state(document: Document, content: Mapping[str, Any]) -> object:
    """Return what a result depends on: the outlines, the voxels read, and the labels with their locks."""
    op = content["op"]
    masks = {BETWEEN: [], FILL: list(document.masks)}.get(op)
    if masks is None:
        masks = [one for one in document.masks if one.id == str(content.get("mask"))]
    items = [document.shapes.get(id) or document.boxes.get(id) for id in _ids(content)]
    return items, [(one.info, one.fingerprint()) for one in masks], list(document.labels)

"""Tools that a user's own functions are: what they are called with, and what becomes of what they return."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations import Preview
from nbannot.assist.operations.grids import box_of
from nbannot.errors import EditError, MaskError, ViewerError
from nbannot.formats.progress import Progress
from nbannot.host.current import Current, World
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Put
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape

Returned = Box | Shape | Tag
Function = Callable[["Context"], Any]


@dataclass(frozen=True, slots=True)
class OwnTool:
    """A user's function as a tool.

    Parameters
    ----------
    function
        Called with a `Context`.
    name
        Its name in the record, without spaces.
    title
        What its button says.
    key
        The key that runs it; empty for none.
    version
        Its version in the record.
    icon
        One or two letters, or a sign, on its button.
    preview
        Whether voxels are shown before they are changed.
    """

    function: Function
    name: str
    title: str
    key: str
    version: str
    icon: str
    preview: bool

    @property
    def recorded(self) -> str:
        """What edits say made them."""
        return f"tool:{self.name} {self.version}".rstrip()

    @property
    def json(self) -> dict[str, Any]:
        """What the browser must know."""
        return {
            "name": self.name,
            "title": self.title,
            "key": self.key,
            "icon": self.icon,
            "preview": self.preview,
        }


class Context(Current):
    """What a user's tool is called with: all of `Current`, and how far it has come.

    Attributes
    ----------
    document
        The annotations; edits made here directly are edits of their own.
    selected
        The items selected.
    """

    def __init__(
        self,
        document: Document,
        view: Mapping[str, Any],
        tell: Progress,
        *,
        pane: str | None = None,
        world: World | None = None,
    ) -> None:
        super().__init__(document, view, pane=pane, world=world)
        self.document = document
        self.selected = items_of(document, view.get("selected", ()))
        self._tell = tell

    def progress(self, done: float, text: str = "") -> None:
        """Tell how far the work has come, 0 to 1; ends it here when somebody cancelled it."""
        self._tell(done, text)


def make_tool(
    function: Function,
    *,
    name: str | None,
    title: str | None,
    key: str | None,
    version: str | None,
    icon: str | None,
    preview: bool,
) -> OwnTool:
    """Return the tool of a function.

    Raises
    ------
    ViewerError
        When it cannot be called, or its name cannot be recorded.
    """
    if not callable(function):
        raise ViewerError("A tool is a function", hint="Write viewer.add_tool(my_function).")
    name = name or str(getattr(function, "__name__", ""))
    if not name.strip("<>").replace("_", "a").replace("-", "a").isalnum() or name == "<lambda>":
        raise ViewerError(
            f"A tool cannot be named {name!r}", hint='Give a name of letters, digits, "-" and "_": name=…'
        )
    title = title or name.replace("_", " ").strip().capitalize()
    version = _fingerprint(function) if version is None else str(version)
    return OwnTool(function, name, title, key or "", version, (icon or title[:1])[:2], preview)


def _fingerprint(function: Function) -> str:
    """Return a short hash of the source, so that the record tells one version from another."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def items_of(document: Document, ids: Iterable[str]) -> tuple[Returned, ...]:
    """Return the boxes, shapes and tags of ids; those that are gone are left out."""
    found = [
        document.boxes.get(id) or document.shapes.get(id) or document.tags.get(id)
        for id in dict.fromkeys(ids)
    ]
    return tuple(item for item in found if item is not None)


def outcome(tool: OwnTool, context: Context, result: Any) -> Preview | Edit | None:
    """Return what a tool's result stands for: voxels that would change, an edit to apply, or nothing.

    A bool array says where the label is now; any other array holds values of the mask. Both have
    the mask's shape, or that of the slice shown, and what is outside stays.

    Raises
    ------
    EditError, MaskError
        When nothing can be made of the result.
    """
    if result is None:
        return None
    if isinstance(result, Mask):
        result = result.array
    if isinstance(result, np.ndarray):
        return _voxels(tool, context, result)
    if isinstance(result, Box | Shape | Tag):
        result = (result,)
    if isinstance(result, Sequence) and all(isinstance(one, Box | Shape | Tag) for one in result):
        return Batch(tuple(Put(one) for one in result), tool.title) if result else None
    raise EditError(
        f"The tool returned {type(result).__name__}",
        hint="Return an array of the mask or of the slice, a Shape, Box or Tag, several of them, or None.",
    )


def _voxels(tool: OwnTool, context: Context, result: NDArray[Any]) -> Preview:
    mask, value = context.mask, context.segment
    if mask is None or value is None:
        raise EditError("There is no mask to change", hint="Add a label, or choose one that has a mask.")
    shape = mask.array.shape
    region: Any = (slice(None),) * 3
    if result.shape != shape:
        region = context.where
        if context.axis is None or result.shape != mask.array[region].shape:
            expected = f"{shape}, or that of the slice" if context.axis is not None else f"{shape}"
            raise MaskError(
                f"The tool returned an array of shape {result.shape}", hint=f"Expected {expected}."
            )
    labels = mask.array.copy()
    if result.dtype == bool:
        part = labels[region]
        part[part == value] = 0
        part[result] = value
        labels[region] = part
    else:
        if result.dtype.kind not in "iu" or (result.size and int(result.min()) < 0):
            raise MaskError(
                f"The tool returned an array of {result.dtype}", hint="Return bool or whole numbers."
            )
        mask.check_values(np.unique(result))
        labels[region] = result
    return changed_to(context.document, mask, labels, tool.recorded)


def changed_to(document: Document, mask: Mask, labels: NDArray[Any], operation: str) -> Preview:
    """Return the change that gives a mask other voxels; voxels of locked labels stay as they are."""
    locked = {label.name for label in document.labels if label.locked}
    values = [segment.value for segment in mask.segments if segment.label in locked]
    changed = labels != mask.array
    if values:
        changed &= ~np.isin(mask.array, values) & ~np.isin(labels, values)
    box = box_of(changed)
    if box is None:
        empty = np.zeros((0, 0, 0), dtype=mask.array.dtype)
        return Preview(operation, mask, ((0, 0, 0), (0, 0, 0)), empty, empty.astype(bool))
    k, j, i = box
    bounds = ((k.start, j.start, i.start), (k.stop, j.stop, i.stop))
    return Preview(
        operation, mask, bounds, np.ascontiguousarray(labels[box]), np.ascontiguousarray(changed[box])
    )

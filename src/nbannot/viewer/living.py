"""The verbs of a viewer that code works with: what is shown, what is selected, own tools."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from psygnal import Signal

from nbannot.errors import UnknownItemError
from nbannot.host.current import Current
from nbannot.host.operating import Operating
from nbannot.host.owntools import Function, Returned, items_of, make_tool
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.shapes import Shape

F = TypeVar("F", bound=Function)


class Living:
    """What code does with a viewer that is looked at; `Viewer` is one.

    Attributes
    ----------
    selection_changed
        Signal ``(items)``, emitted when other items are selected, here or in the browser.
    """

    view: Any
    selection_changed = Signal(tuple)
    _operating: Operating

    @property
    @abstractmethod
    def document(self) -> Document:
        """The annotations shown."""

    @abstractmethod
    def _set(self, **change: Any) -> None:
        """Change the view state."""

    @abstractmethod
    def _plain_view(self) -> dict[str, Any]:
        """Return the view state with the layout as a tree."""

    @property
    def current(self) -> Current:
        """What the pane used last shows now: plane, slice as an array, crosshair."""
        return Current(self.document, self._plain_view())

    @property
    def selected(self) -> tuple[Returned, ...]:
        """The boxes, shapes and tags selected; assign items or their ids, or () for none."""
        return items_of(self.document, self.view.get("selected") or ())

    @selected.setter
    def selected(self, items: Returned | str | Iterable[Returned | str] | None) -> None:
        one = isinstance(items, str | Box | Shape | Tag)
        given: Iterable[Any] = (items,) if one else items or ()  # type: ignore[assignment]
        ids = [item if isinstance(item, str) else item.id for item in given]
        for id in ids:
            if not items_of(self.document, [id]):
                raise UnknownItemError(f"The document holds no box, shape or tag {id!r}")
        self._set(selected=ids)

    def _tell_selection(self, old: Any, new: Any) -> None:
        if (old.get("selected") or []) != (new.get("selected") or []):
            self.selection_changed.emit(items_of(self.document, new.get("selected") or ()))

    @overload
    def add_tool(
        self,
        function: F,
        *,
        name: str | None = None,
        title: str | None = None,
        key: str | None = None,
        version: str | None = None,
        icon: str | None = None,
        preview: bool = True,
    ) -> F: ...
    @overload
    def add_tool(
        self,
        function: None = None,
        *,
        name: str | None = None,
        title: str | None = None,
        key: str | None = None,
        version: str | None = None,
        icon: str | None = None,
        preview: bool = True,
    ) -> Callable[[F], F]: ...
    def add_tool(
        self,
        function: Any = None,
        *,
        name: str | None = None,
        title: str | None = None,
        key: str | None = None,
        version: str | None = None,
        icon: str | None = None,
        preview: bool = True,
    ) -> Any:
        """Make a function a tool with a button and a key; also a decorator. Returns the function.

        It is called in a thread of its own with a `Context`: all of `viewer.current`, and
        ``mask``, ``segment``, ``label``, ``selected`` and ``progress(done, text)``. It returns an
        array of the mask or of the slice (bool: where the label is now; numbers: values of the
        mask), a `Shape`, `Box` or `Tag` or several, or None. That becomes one edit with the tool
        ``tool:NAME VERSION`` and the origin "hand": a person asked for it.

        Parameters
        ----------
        function
            The function; a tool of the same name is replaced.
        name
            Its name in the record; None takes the function's.
        title
            What the button says.
        key
            The key that runs it, such as "q" or "ctrl+shift+k". A key that a command of the viewer has
            stays with the command, and the viewer says so.
        version
            Its version in the record; None takes a short hash of its source.
        icon
            One or two signs on the button.
        preview
            Show changed voxels first; False changes them at once.

        Raises
        ------
        ViewerError
            When it is no function, has no name, or another tool has the key.
        """
        options: dict[str, Any] = {
            "name": name,
            "title": title,
            "key": key,
            "version": version,
            "icon": icon,
            "preview": preview,
        }
        if function is None:
            return lambda decorated: self.add_tool(decorated, **options)
        self._operating.add(make_tool(function, **options))
        return function

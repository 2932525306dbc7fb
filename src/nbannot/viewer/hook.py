"""Records in-place changes of mask arrays after each notebook cell."""

from __future__ import annotations

import sys
from typing import Any, Protocol
from weakref import WeakSet

from nbannot.errors import NbannotError
from nbannot.model.document import Document


class Watched(Protocol):
    """A viewer, as far as this module is concerned."""

    _closed: bool

    @property
    def document(self) -> Document:
        """The document shown."""
        ...


class CellHook:
    """Refreshes the documents of all open viewers; one for each shell, kept by its events."""

    def __init__(self) -> None:
        self._viewers: WeakSet[Any] = WeakSet()

    def add(self, viewer: Watched) -> None:
        """Watch the document of this viewer as long as it is open."""
        self._viewers.add(viewer)

    def __call__(self, *_: object) -> None:
        """Refresh; an error is written under the cell."""
        documents = {id(viewer.document): viewer.document for viewer in self._viewers if not viewer._closed}
        for document in documents.values():
            try:
                document.refresh()
            except NbannotError as error:
                sys.stderr.write(f"nbannot: {error}\n")


def watch(viewer: Watched) -> None:
    """Refresh the viewer's document after each cell of the running IPython shell, if there is one."""
    shell: Any = _shell()
    if shell is None:
        return
    callbacks = shell.events.callbacks["post_run_cell"]
    hook = next((one for one in callbacks if isinstance(one, CellHook)), None)
    if hook is None:
        hook = CellHook()
        shell.events.register("post_run_cell", hook)
    hook.add(viewer)


def _shell() -> object | None:
    from IPython import get_ipython  # type: ignore[attr-defined,unused-ignore]

    shell: object | None = get_ipython()
    return shell

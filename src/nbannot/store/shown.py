"""What a project shows in a notebook; made by whoever opens it, so that stores know no widgets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

from nbannot.errors import StoreError
from nbannot.session import Session
from nbannot.store.project import Project


class Views(Protocol):
    """What makes the views of a project; given to `open_project`."""

    def viewer(self, project: Project, session: Session) -> Any:
        """Return a view of a session."""
        ...

    def worklist(self, project: Project, *, mine: bool, thumbnails: bool) -> Any:
        """Return a view of tasks."""
        ...

    def panel(self, project: Project) -> Any:
        """Return what sets up a project."""
        ...


class Shown:
    """The part of a project that shows it; every kind of project is one."""

    @property
    @abstractmethod
    def show(self) -> Views | None:
        """What makes views; None where none was given."""

    def open(self: Any, case: str, *, reader: str | None = None) -> Any:
        """Start a session and show it.

        Raises
        ------
        StoreError
            As `start`.
        """
        return self._views().viewer(self, self.start(case, reader=reader))

    def worklist(self: Any, *, mine: bool = True, thumbnails: bool = True) -> Any:
        """Return a widget of tasks, with the viewer of one case beside them.

        Parameters
        ----------
        mine
            One's own tasks only; else all that one may see.
        thumbnails
            Whether cases have small pictures. They open the images of the cases.
        """
        return self._views().worklist(self, mine=mine, thumbnails=thumbnails)

    def panel(self: Any) -> Any:
        """Return a widget in which an owner sets the project up: what it is, views, labels, people."""
        return self._views().panel(self)

    def _views(self) -> Views:
        if self.show is None:
            raise StoreError(
                "This project was opened without a way to show a session",
                hint="Use project.start(case), or nbannot.open_project.",
            )
        return self.show

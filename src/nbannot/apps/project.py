"""Projects whose cases open in a viewer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbannot.apps.panel import Panel
from nbannot.apps.worklist import Worklist
from nbannot.session import Session
from nbannot.store import Project, StoredProject
from nbannot.store import open_project as open_store
from nbannot.store.access import main_role
from nbannot.viewer import Viewer


class NotebookViews:
    """Viewers, work lists and panels of a project, as widgets."""

    def viewer(self, project: Project, session: Session) -> Viewer:
        """Return a viewer that begins as the project's configuration says."""
        role = main_role(project.people.roles())
        config = None if session.case is None else project.configs.of(session.case, role=role).config
        headers = session.case is None or bool(project.people.allowed("case.headers", session.case))
        return Viewer(session, config=config, headers=headers)

    def worklist(self, project: Project, *, mine: bool, thumbnails: bool) -> Worklist:
        """Return a list of tasks with a viewer beside it."""
        return Worklist(project, mine=mine, thumbnails=thumbnails, view=self.viewer)

    def panel(self, project: Project) -> Panel:
        """Return what sets a project up."""
        return Panel(project)


def open_project(
    url: str | Path,
    *,
    author: str | None = None,
    read_only: bool = False,
    files: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> StoredProject:
    """Open a project, or make one where there is none; ``project.open(case)`` gives a viewer.

    Parameters
    ----------
    url
        A folder: a path or a ``file://`` URL; or ``postgresql://user:password@host/database?project=name``.
    author
        Who acts; the login name when missing.
    read_only
        Whether to leave the project as it is. A folder that may not be written is opened so.
    files
        Where a project in PostgreSQL keeps its files: a folder, or a URL of fsspec such as
        ``s3://bucket/prefix``. Needed once; the project remembers it.
    storage_options
        Login and address of that storage, for fsspec; never kept.

    Raises
    ------
    StoreError
        When the URL is of another kind, the database or the files cannot be reached, or the folder holds
        no project and none can be made.
    NewerVersionError
        When a newer nbannot made the project.
    MissingDependencyError
        When a package for this kind of project is not installed.
    """
    return open_store(
        url,
        show=NotebookViews(),
        author=author,
        read_only=read_only,
        files=files,
        storage_options=storage_options,
    )

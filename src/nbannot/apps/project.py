"""Projects whose cases open in a viewer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbannot.apps.panel import Panel
from nbannot.apps.worklist import Worklist
from nbannot.session import Session
from nbannot.store import Project, RemoteProject, StoredProject
from nbannot.store import open_project as open_store
from nbannot.store.access import main_role
from nbannot.viewer import Viewer


class NotebookViews:
    """Viewers, work lists and panels of a project, as widgets."""

    def viewer(self, project: Project, session: Session) -> Viewer:
        """Return a viewer that begins as the project's configuration says."""
        role = main_role(project.people.roles())
        kept = None if session.case is None else project.configs.of(session.case, role=role)
        # Where the project keeps nothing, the viewer looks for files beside the images itself.
        config = kept.config if kept is not None and kept.origins else None
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
) -> StoredProject | RemoteProject:
    """Open a project, or make one where there is none; ``project.open(case)`` gives a viewer.

    Parameters
    ----------
    url
        A folder: a path or a ``file://`` URL; ``postgresql://user:password@host/database?project=name``; or
        ``https://…/services/nbannot`` (with ``/projects/NAME``), the service of a Hub.
    author
        Who acts; the login name when missing.
    read_only
        Whether to leave the project as it is. A folder that may not be written is opened so.
    files
        Where a project in PostgreSQL keeps its files: a folder or ``s3://bucket/prefix``. Needed once.
    storage_options
        Logins and addresses of that storage and of the images at URLs; by the beginning of the URL
        (``{"s3://a/": {…}, "dicomweb+": {…}}``) where they differ. For a service ``{"token": …}``, where the
        program runs in no notebook of its Hub. Never kept.

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

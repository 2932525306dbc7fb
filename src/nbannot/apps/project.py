"""Projects whose cases open in a viewer."""

from __future__ import annotations

from pathlib import Path

from nbannot.store import StoredProject
from nbannot.store import open_project as open_store
from nbannot.viewer import Viewer


def open_project(url: str | Path, *, author: str | None = None, read_only: bool = False) -> StoredProject:
    """Open a project, or make one where there is none; ``project.open(case)`` gives a viewer.

    Parameters
    ----------
    url
        A folder: a path or a ``file://`` URL.
    author
        Who edits; the login name when missing.
    read_only
        Whether to leave the project as it is. A folder that may not be written is opened so.

    Raises
    ------
    StoreError
        When the URL is of another kind, or the folder holds no project and none can be made.
    NewerVersionError
        When a newer nbannot made the project.
    """
    return open_store(url, show=Viewer, author=author, read_only=read_only)

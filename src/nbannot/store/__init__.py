"""Projects: cases, their images and the sessions in which readers annotate them."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nbannot.errors import StoreError
from nbannot.session import Session
from nbannot.session.images import as_path
from nbannot.store.opening import in_folder
from nbannot.store.project import Project
from nbannot.store.stored import StoredProject

__all__ = ["Project", "StoredProject", "open_project"]


def open_project(
    url: str | Path,
    *,
    show: Callable[[Session], Any] | None = None,
    author: str | None = None,
    read_only: bool = False,
) -> StoredProject:
    """Open a project, or make one where there is none.

    Parameters
    ----------
    url
        A folder: a path or a ``file://`` URL.
    show
        Makes what ``project.open`` returns of a session.
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
    text = os.fspath(url)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme not in ("", "file"):
        raise StoreError(
            f"A project at {scheme}:// cannot be opened",
            hint='Give a folder, as a path ("study/") or a file:// URL.',
        )
    folder = as_path(str(Path(text).expanduser()) if not scheme else text)
    return StoredProject(
        in_folder(folder, show=show, read_only=read_only), author=author or getpass.getuser()
    )

"""Projects: cases, their images and the sessions in which readers annotate them."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nbannot.errors import StoreError
from nbannot.session.images import as_path
from nbannot.store.opening import in_folder, in_postgres
from nbannot.store.project import Project
from nbannot.store.remote import RemoteProject
from nbannot.store.shown import Views
from nbannot.store.stored import StoredProject

__all__ = ["Project", "RemoteProject", "StoredProject", "Views", "open_project"]


def open_project(
    url: str | Path,
    *,
    show: Views | None = None,
    author: str | None = None,
    read_only: bool = False,
    files: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> StoredProject | RemoteProject:
    """Open a project, or make one where there is none.

    Parameters
    ----------
    url
        A folder: a path or a ``file://`` URL; ``postgresql://user:password@host/database?project=name``; or
        ``https://…/services/nbannot`` (with ``/projects/NAME``), the service of a Hub.
    show
        Makes what ``project.open``, ``worklist`` and ``panel`` return.
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
    text = os.fspath(url)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme in ("https", "http"):
        token = (storage_options or {}).get("token")
        return RemoteProject(text, token=token, author=author, show=show, read_only=read_only)
    who = author or getpass.getuser()
    if scheme in ("postgresql", "postgres"):
        core = in_postgres(text, files=files, storage_options=storage_options, show=show, read_only=read_only)
        core.options = storage_options or {}
        return StoredProject(core, author=who)
    if scheme not in ("", "file"):
        raise StoreError(
            f"A project at {scheme}:// cannot be opened",
            hint='Give a folder, as a path ("study/") or a file:// URL, or postgresql://…',
        )
    if files is not None:
        raise StoreError("A project in a folder keeps its files there", hint="Leave files= away.")
    folder = as_path(str(Path(text).expanduser()) if not scheme else text)
    core = in_folder(folder, show=show, read_only=read_only)
    core.options = storage_options or {}
    return StoredProject(core, author=who)

"""Where a project keeps its files: a folder, or any storage that fsspec knows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from nbannot.session import ImageReference
from nbannot.store.blobs import Blobs, FolderBlobs


class Place(Protocol):
    """Where blobs and copied images are.

    Attributes
    ----------
    url
        Where it is, without anything secret.
    base
        Folder of this machine that relative paths of images start at.
    blobs
        Immutable files.
    shared
        Whether ``base`` is a cache of what is kept elsewhere.
    """

    url: str
    base: Path
    blobs: Blobs
    shared: bool

    def keep(self, references: Sequence[ImageReference]) -> None:
        """Keep copies that were made under ``base``, before anything refers to them."""
        ...

    def fetch(self, reference: ImageReference) -> None:
        """Bring the files of an image to where its reference says, when they are not there."""
        ...


class FolderPlace:
    """A folder of this machine."""

    shared = False

    def __init__(self, folder: Path) -> None:
        self.url = str(folder.absolute())
        self.base = folder
        self.blobs: Blobs = FolderBlobs(folder / "blobs")

    def keep(self, references: Sequence[ImageReference]) -> None:
        """Copies are where they belong already."""

    def fetch(self, reference: ImageReference) -> None:
        """Files are where they belong already."""


def cache_folder(url: str) -> Path:
    """Return the folder for copies of what is kept at a URL: under $NBANNOT_CACHE, or the user's cache."""
    named = os.environ.get("NBANNOT_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    base = Path(named) if named else Path(home) / "nbannot"
    return base / hashlib.sha256(url.encode()).hexdigest()[:20]

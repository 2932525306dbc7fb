"""URLs of images: which ones there are, without a secret in any of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nbannot.errors import FormatError
from nbannot.formats.places import Entry

__all__ = ["Entry", "Options", "Place", "checked_url", "is_url", "local_path", "safe_name", "split_member"]

Options = Mapping[str, Any]
"""What opens a place: keys, passwords, endpoints. Never kept."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CHAIN = "::"
_SECRETS = re.compile(
    r"[?&](?:[a-z-]*(?:signature|token|secret|password|credential|key)[a-z-]*)=", re.IGNORECASE
)


class Place(Protocol):
    """A prefix of an object store, a series of an archive, a folder of a zip."""

    @property
    def url(self) -> str:
        """Where it is, without secrets."""
        ...

    def entries(self) -> Iterator[Entry]:
        """List the files, hidden ones left out.

        Raises
        ------
        RemoteError
            When the place cannot be reached, refuses, or is not there.
        """
        ...

    def contents(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Give each of these files, in any order, as blocks of bytes; one is read before the next."""
        ...


def is_url(text: str) -> bool:
    """Whether a text is a URL other than ``file://``."""
    return _SCHEME.match(text) is not None and not text.lower().startswith("file://")


def local_path(url: str) -> str:
    """Return the path of a ``file://`` URL; everything else as it is."""
    return url2pathname(urlsplit(url).path) if url.lower().startswith("file://") else url


def checked_url(url: str) -> str:
    """Return a URL that holds no secret.

    Raises
    ------
    FormatError
        When it holds a user, a password or a key. The message does not repeat them.
    """
    for part in url.split(_CHAIN):
        if not is_url(part):
            continue
        pieces = urlsplit(part)
        if "@" in pieces.netloc or _SECRETS.search(part):
            raise FormatError(
                f"The {pieces.scheme}:// URL holds a password or a key, and URLs are kept and shown",
                hint="Leave it out of the URL and give storage_options={…}, or use the environment.",
            )
    return url


def split_member(url: str) -> tuple[str, str]:
    """Return the folder or member, and the archive, of ``zip://member::archive``.

    Raises
    ------
    FormatError
        When no archive is named.
    """
    inner, mark, outer = url.partition(_CHAIN)
    if not (mark and outer):
        raise FormatError(f"{url} names no archive", hint="Write zip://folder::path/of/archive.zip.")
    return inner.split("://", 1)[1].strip("/"), outer


def safe_name(name: str) -> bool:
    """Whether a name stays in the folder that it is put in."""
    parts = name.split("/")
    return bool(name) and "\\" not in name and "\0" not in name and not {"", ".", ".."} & set(parts)

"""Which places a service may index for programs: those that whoever keeps it has named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nbannot.errors import AccessError
from nbannot.formats.remote.urls import is_url, local_path, safe_name, split_member
from nbannot.store import StoredProject
from nbannot.store.served import refuse

# What a place could be left by, or stand for another one.
_STRANGE = re.compile(r"[\s\\%?#@;]|::|/\.{1,2}(?:/|$)|[\x00-\x1f]")


def check_place(project: StoredProject, url: str, places: Sequence[str]) -> None:
    """Refuse what is in none of the places, and write the refusal down.

    Raises
    ------
    AccessError
        When it is not, or cannot be told.
    """
    if any(is_within(url, place) for place in places):
        return
    reason = "the service may not read this place"
    refuse(project, "case.add", reason)
    raise AccessError(
        f"You may not do this: {reason}",
        hint="Whoever keeps the service names its places: nbannot serve --index-from NAME=URL.",
    )


def is_within(url: str, place: str) -> bool:
    """Return whether a path or URL is a place, or below it; links in paths are followed first."""
    text = local_path(url)
    if not is_url(text):
        path = Path(text)
        if is_url(local_path(place)) or "\0" in text or not path.is_absolute():
            return False
        return path.resolve().is_relative_to(Path(local_path(place)).resolve())
    scheme = text.split("://", 1)[0].lower()
    if scheme in ("zip", "tar") and "::" in text:
        inner, outer = split_member(text)
        archive = not is_url(local_path(outer)) or not outer.lower().startswith(("zip:", "tar:"))
        return archive and (not inner or safe_name(inner)) and is_within(outer, place)
    start = place.rstrip("/")
    return not _STRANGE.search(text) and (text.rstrip("/") == start or text.startswith(f"{start}/"))

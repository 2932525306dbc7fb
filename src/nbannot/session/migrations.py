"""Brings the JSON of a saved session, of any version, to today's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbannot.errors import FormatError, NewerVersionError

Json = dict[str, Any]

VERSION = 1

# From each version to the next: pure functions of the whole JSON.
STEPS: Mapping[int, Callable[[Json], Json]] = {}


def migrate(
    data: Json,
    *,
    steps: Mapping[int, Callable[[Json], Json]] = STEPS,
    version: int = VERSION,
) -> Json:
    """Return the JSON as the newest version has it.

    Raises
    ------
    NewerVersionError
        When a newer nbannot wrote it.
    FormatError
        When it has no version, or one that never was.
    """
    found = data.get("version")
    if not isinstance(found, int) or found < 1:
        raise FormatError(f"The session has no valid version, got {found!r}", hint="Use another copy of it.")
    if found > version:
        raise NewerVersionError(
            f"The session is of version {found}; this nbannot reads up to {version}",
            hint="Update nbannot: pip install --upgrade nbannot",
        )
    for step in range(found, version):
        data = {**steps[step](data), "version": step + 1}
    return data

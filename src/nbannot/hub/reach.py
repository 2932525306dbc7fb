"""What the endpoints need to know of a stored project beside its public members."""

from __future__ import annotations

from typing import Any


def names_for(project: Any, found: Any) -> Any:
    """Return what is told of tasks, with neutral names for who may not know the cases' own."""
    return found

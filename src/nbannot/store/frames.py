"""Rows of the database as pandas tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from nbannot.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


def frame(rows: Iterable[Sequence[Any]], names: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table with these columns."""
    import pandas as pd

    return pd.DataFrame([tuple(row) for row in rows], columns=pd.Index(list(names)))


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield values in parts that every database takes in one query."""
    for first in range(0, len(values), 500):
        yield values[first : first + 500]


def times(seconds: pd.Series[float]) -> pd.Series[pd.Timestamp]:
    """Return a column of s since 1970 as times in UTC."""
    import pandas as pd

    return pd.to_datetime(seconds.astype("float64"), unit="s", utc=True)


def moment(given: datetime | str | float | None) -> float | None:
    """Return a time as s since 1970; a time without a zone is in UTC.

    Raises
    ------
    StoreError
        When it is no time.
    """
    if given is None:
        return None
    if isinstance(given, int | float):
        return float(given)
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, AttributeError):
        raise StoreError(f"{given!r} is no time", hint="Write 2026-12-31 or 2026-12-31T17:00.") from None

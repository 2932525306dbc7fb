"""How the service and its clients send binary data and tables: frames, and tables as JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbannot.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

FRAME = "application/vnd.nbannot.frame"
"""Media type of a frame: length of the header (u32, little endian), JSON header, buffers one after another."""


def pack(message: Any, buffers: Sequence[bytes | memoryview] = ()) -> bytes:
    """Return a frame: ``{"message": …, "sizes": […]}`` and the buffers after it."""
    header = json.dumps({"message": message, "sizes": [len(b) for b in buffers]}).encode()
    return b"".join((struct.pack("<I", len(header)), header, *buffers))


def unpack(data: bytes | memoryview) -> tuple[Any, list[memoryview]]:
    """Return message and buffers of a frame.

    Raises
    ------
    StoreError
        When it is none.
    """
    view = memoryview(data)
    try:
        (length,) = struct.unpack_from("<I", view)
        header = json.loads(bytes(view[4 : 4 + length]))
        message, sizes = header["message"], [int(size) for size in header["sizes"]]
    except (struct.error, ValueError, KeyError, TypeError, OverflowError, RecursionError) as cause:
        raise StoreError("A message between program and service cannot be read") from cause
    buffers, start = [], 4 + length
    for size in sizes:
        if size < 0 or start + size > len(view):
            raise StoreError("A message between program and service is cut short")
        buffers.append(view[start : start + size])
        start += size
    return message, buffers


def table_to_json(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a table as JSON: columns with their dtypes, and rows; times are in ns since 1970."""
    columns = [[str(name), str(frame[name].dtype)] for name in frame.columns]
    cells = [_column(frame[name]) for name in frame.columns]
    return {"columns": columns, "rows": [list(row) for row in zip(*cells, strict=True)]}


def _column(column: pd.Series[Any]) -> list[Any]:
    import pandas as pd

    missing = column.isna()
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind in "mM":
        values: list[Any] = [None if gone else int(value.value) for value, gone in zip(column, missing)]
        return values
    return [None if gone else _cell(value) for value, gone in zip(column.tolist(), missing)]


def _cell(value: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _cell(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_cell(entry) for entry in value]
    return None if value is None else str(value)


def table_from_json(data: Mapping[str, Any]) -> pd.DataFrame:
    """Return the table of `table_to_json`."""
    import pandas as pd

    names = [name for name, _ in data["columns"]]
    frame = pd.DataFrame(data["rows"], columns=names, dtype=object)
    for name, dtype in data["columns"]:
        frame[name] = _typed(frame[name], dtype)
    return frame


def _typed(column: pd.Series[Any], dtype: str) -> pd.Series[Any]:
    import pandas as pd

    if dtype.startswith(("datetime64", "timedelta64")):
        whole = pd.Series([None if pd.isna(v) else int(v) for v in column], dtype="Int64")
        times = pd.to_datetime(whole, unit="ns", utc=True)
        if dtype.startswith("timedelta64"):
            return pd.to_timedelta(whole, unit="ns").astype(dtype)  # type: ignore[call-overload,no-any-return]
        zoned = times if "," in dtype else times.dt.tz_localize(None)
        return zoned.astype(dtype)  # type: ignore[call-overload,no-any-return]
    if dtype == "object":
        return column
    return column.astype(dtype)  # type: ignore[call-overload,no-any-return]

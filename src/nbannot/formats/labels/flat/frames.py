"""Tables of a document (boxes, shapes, segments, …) as CSV or Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nbannot.errors import FormatError, need
from nbannot.formats.fresh import fresh
from nbannot.model.document import Document
from nbannot.model.labels import Label
from nbannot.model.tables import Kind, table

if TYPE_CHECKING:
    import pandas as pd


def write_table(path: str, document: Document, labels: Mapping[str, Label], *, rows: Kind = "boxes") -> None:
    """Write a table of a document as CSV or Parquet.

    Parameters
    ----------
    rows
        A kind of `nbannot.table`: "boxes", "shapes", "points", "tags", "labels", "segments", "lesions", …

    Raises
    ------
    MissingDependencyError
        When Parquet is asked for without pyarrow.
    FormatError
        When the table does not read back as it was written.
    """
    frame = table(document, rows)
    frame = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    with fresh(path) as made:
        if path.lower().endswith(".parquet"):
            _write_parquet(made, frame)
        else:
            _write_csv(made, frame)


def _write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write and read back; a column of several types, or of lists, is kept as JSON."""
    need("pyarrow", extra="parquet")
    import pandas as pd

    plain = frame.copy()
    for name in plain.columns:
        cells = [None if pd.api.types.is_scalar(cell) and pd.isna(cell) else cell for cell in plain[name]]
        kinds = {type(cell) for cell in cells if cell is not None}
        if len(kinds) > 1 or kinds & {list, tuple, dict}:
            texts = [None if cell is None else json.dumps(cell, default=str) for cell in cells]
            plain[name] = pd.Series(texts, plain.index, dtype=object)
    plain.to_parquet(path, engine="pyarrow", index=False)
    back = pd.read_parquet(path, engine="pyarrow")
    kept, meant = (one.astype(object).where(one.notna(), None) for one in (back, plain))
    if not kept.equals(meant):
        raise FormatError(f"{path} did not read back as it was written", hint="Is the disk full?")


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    import pandas as pd

    text = frame.to_csv(index=False)
    path.write_text(text, encoding="utf-8", newline="")
    back = pd.read_csv(path, dtype=str, keep_default_na=False)
    if back.to_csv(index=False) != text:
        raise FormatError(f"{path} did not read back as it was written", hint="Is the disk full?")

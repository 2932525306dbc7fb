"""The table of a labelmap, written beside it: which value means what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbannot.errors import FormatError
from nbannot.formats.fresh import fresh
from nbannot.formats.labels.tables import read_table
from nbannot.formats.placed import stem
from nbannot.model.image import Image
from nbannot.model.masks import Mask


@contextmanager
def beside(path: str, item: Image | Mask, *, lut: bool) -> Iterator[None]:
    """Write the names of a mask's segments as JSON (``{"1": "liver"}``) beside the file written inside.

    A mask of one segment that is named like its file needs no table.

    Raises
    ------
    FormatError
        When another file has the table's name, or it does not read back equal.
    """
    table = Path(path).parent / f"{stem(path)}.json"
    needed = lut and isinstance(item, Mask) and [one.label for one in item.segments] != [stem(path)]
    if needed and table.is_file():
        try:
            read_table(str(table))
        except FormatError as cause:
            raise FormatError(
                f"{table} is in the way of the table of names", hint="Choose another name, or lut=False."
            ) from cause
    yield
    if not needed or not isinstance(item, Mask):
        return
    names = {str(one.value): one.label for one in item.segments}
    with fresh(str(table)) as made:
        made.write_text(json.dumps(names, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        back = {str(value): entry.name for value, entry in read_table(str(made)).items()}
        if back != names:
            raise FormatError(f"{table} did not read back as it was written", hint="Is the disk full?")

"""New files, written in a folder beside their place, checked, and only then given their names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError
from nbannot.model.geometry import Grid
from nbannot.model.image import Image


@contextmanager
def fresh(path: str) -> Iterator[Path]:
    """Give a path of the same name in a new folder beside; at the end all files there come to their place.

    After an error nothing is left behind, and nothing that was there is changed.
    """
    target = Path(path)
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:40]}.", dir=target.absolute().parent) as folder:
        yield Path(folder) / target.name
        # What others refer to first, the file that was named last.
        made = sorted(Path(folder).iterdir(), key=lambda one: one.name == target.name)
        for one in made:
            shutil.move(one, target.absolute().parent / one.name)


def check_same(path: str, back: Image, array: NDArray[Any], geometry: Grid) -> None:
    """Refuse a file that does not hold these voxels at their places.

    Raises
    ------
    FormatError
        When it does not.
    """
    last = [n - 1 for n in geometry.shape]
    corners = np.array([[0, 0, 0], [0, last[1], 0], [0, 0, last[2]], last], dtype=np.float64)
    same = back.geometry.shape == geometry.shape and np.allclose(
        back.geometry.to_world(corners), geometry.to_world(corners), atol=1e-3, rtol=1e-6
    )
    if not same or not np.array_equal(
        np.squeeze(back.array), np.squeeze(array), equal_nan=array.dtype.kind == "f"
    ):
        raise FormatError(f"{path} did not read back as it was written", hint="Is the disk full?")

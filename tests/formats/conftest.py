"""Series of small DICOM files made to order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formats_making import write_slice


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "series"


@pytest.fixture
def series(folder: Path) -> Callable[..., Path]:
    """Write slices at the given z positions; `each` may change the tags of slice n."""

    def make(heights: list[float], each: Callable[[int], dict[str, Any]] = lambda n: {}, **tags: Any) -> Path:
        for n, z in enumerate(heights):
            pixels = np.full((3, 4), n, np.int16)
            made = {
                "ImagePositionPatient": [0, 0, z],
                "InstanceNumber": n + 1,
                "SOPInstanceUID": f"1.2.9.{n + 1}",
                **tags,
                **each(n),
            }
            pixels = made.pop("pixels", pixels)
            write_slice(folder / f"{n:03}.dcm", pixels, **made)
        return folder

    return make

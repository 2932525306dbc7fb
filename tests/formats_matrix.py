"""The matrix of formats and independent readers: its rows, and what is compared.

Rows stand in modules named tests/matrix_*.py, which test_matrix.py finds:

    @row("CT series", "petct_acrin042/ct", reader="SimpleITK", equal="voxels, places")
    def _(path: Path, folder: Path) -> None: ...  # read `path` with both, assert; `folder` is for files to write
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import NbannotWarning
from nbannot.formats import read
from nbannot.model.image import Image

Check = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Row:
    """`check` compares how nbannot and `reader` understand a file of the set; `equal` says in what they agree."""

    thing: str
    file: str
    reader: str
    equal: str
    check: Check


ROWS: list[Row] = []


def row(thing: str, file: str, *, reader: str, equal: str) -> Callable[[Check], Check]:
    """Add a check to the matrix."""

    def add(check: Check) -> Check:
        ROWS.append(Row(thing, file, reader, equal, check))
        return check

    return add


def table(rows: list[Row]) -> str:
    """Return the matrix in Markdown: things down, readers across."""
    readers = sorted({one.reader for one in rows}, key=str.lower)
    lines = [f"| | {' | '.join(readers)} |", f"|---|{'---|' * len(readers)}"]
    for thing in sorted({one.thing for one in rows}, key=str.lower):
        cells = []
        for reader in readers:
            equal = [
                part.strip()
                for one in rows
                if (one.thing, one.reader) == (thing, reader)
                for part in one.equal.split(",")
            ]
            cells.append(", ".join(dict.fromkeys(equal)))
        lines.append(f"| {thing} | {' | '.join(cells)} |")
    return "\n".join(lines)


def image_of(path: Path, **options: Any) -> Image:
    """Read one image, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        image = read(path, **options)
    assert isinstance(image, Image)
    return image


def same_at_places(image: Image, voxels: NDArray[Any], affine: NDArray[Any], *, within: float = 1e-4) -> None:
    """Assert that values are equal at equal places.

    Parameters
    ----------
    voxels, affine
        Of the other reader: (x, y, z) or (x, y, z, t), and index → RAS mm.
    within
        How far the places of the corners may be apart, mm.
    """
    array = image.array.reshape(image.frames, *image.shape)
    voxels = voxels.reshape(*voxels.shape[:3], -1)
    assert voxels.shape[3] == image.frames
    assert sorted(voxels.shape[:3]) == sorted(image.shape)
    back = np.linalg.inv(affine)
    chance = np.random.default_rng(3)
    corners = np.array([[k, j, i] for k in (0, 1) for j in (0, 1) for i in (0, 1)]) * (
        np.array(image.shape) - 1
    )
    index = np.concatenate([corners, np.stack([chance.integers(0, n, 2000) for n in image.shape], axis=-1)])
    world = image.geometry.to_world(index) * (-1, -1, 1)
    there = world @ back[:3, :3].T + back[:3, 3]
    whole = np.rint(there).astype(int)
    apart = np.linalg.norm((there - whole) @ affine[:3, :3].T, axis=1)
    assert apart.max() < within
    for t in range(image.frames):
        np.testing.assert_allclose(
            array[t][tuple(index.T)], voxels[(*whole.T, np.full(len(whole), t))], rtol=1e-6, atol=1e-6
        )


def from_lps(affine: NDArray[Any]) -> NDArray[Any]:
    """Turn an affine between LPS and RAS."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine

"""Masks and images for the tests of operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.masks import Mask

SPACING = (3.0, 1.25, 0.8)


def grid(
    shape: tuple[int, int, int], spacing: tuple[float, float, float] = SPACING, *, tilt: float = 0.0
) -> Geometry:
    """An axial grid; ``tilt`` mm by which each slice is shifted along the rows' direction (a gantry tilt)."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing
    affine[1, 0] = tilt
    affine[:, 3] = (-20, 10, 5, 1)
    return Geometry(affine, shape)


def image_of(
    values: NDArray[Any], spacing: tuple[float, float, float] = SPACING, *, tilt: float = 0.0
) -> Image:
    k, j, i = values.shape
    return Image(values, grid((k, j, i), spacing, tilt=tilt), modality="CT", unit="HU")


def mask_of(
    flags: NDArray[Any], *names: str, image: Image | None = None, tilt: float = 0.0
) -> tuple[Mask, Document]:
    """A mask in a document, with the labels of ``flags`` in it."""
    image = image or image_of(np.zeros(flags.shape, dtype=np.int16), tilt=tilt)
    mask = Mask("m", image, segments=names or ("a",))
    document = Document(image, masks=[mask])
    mask.array[:] = flags
    mask.refresh()
    return mask, document


def blobs(shape: tuple[int, int, int] = (14, 24, 30), seed: int = 1, level: float = 0.0) -> NDArray[Any]:
    """Random smooth shapes: islands, holes and thin parts."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal(shape)
    smooth = gaussian_filter(noise, (0.8, 1.6, 2.0))
    return np.asarray(smooth > level * smooth.std())

"""Images as independent readers see them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from nbannot.errors import NbannotWarning
from nbannot.formats import read
from nbannot.model.image import Image


def one(path: Path, **choice: Any) -> Image:
    """Read one image; warnings are not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        image = read(path, **choice)
    assert isinstance(image, Image)
    return image


def sitk_affine(reference: sitk.Image) -> np.ndarray:
    """Return the affine of (k, j, i) of an image of three or four axes."""
    n = reference.GetDimension()
    affine = np.eye(4)
    affine[:3, :3] = np.array(reference.GetDirection()).reshape(n, n)[:3, :3] @ np.diag(
        reference.GetSpacing()[:3]
    )
    affine[:3, 3] = reference.GetOrigin()[:3]
    return affine[:, (2, 1, 0, 3)]


def same_as_sitk(path: Path, image: Image | None = None) -> Image:
    """Check voxels and affine of a file against SimpleITK, slice by slice and as a whole."""
    reference = sitk.ReadImage(str(path))
    image = image or one(path)
    voxels = sitk.GetArrayFromImage(reference)
    expected = voxels.reshape(image.array.shape)
    np.testing.assert_array_equal(image.array, expected.astype(image.dtype))
    again = one(path)
    last = again.shape[0] - 1
    whole = image.array if image.frames == 1 else image.array[-1]
    np.testing.assert_array_equal(again.plane_array(last, t=again.frames - 1), whole[last])
    if reference.GetDimension() > 2:
        np.testing.assert_allclose(image.geometry.affine, sitk_affine(reference), atol=1e-6)
    return image

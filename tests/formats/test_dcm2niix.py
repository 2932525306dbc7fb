"""Series against dcm2niix, a third independent reader, by comparing values at places."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

import dcm2niix
import nibabel
import numpy as np
import pytest

from nbannot.errors import NbannotWarning
from nbannot.formats import read
from nbannot.model.image import Image


def converted(folder: Path, out: Path) -> nibabel.Nifti1Image:
    subprocess.run([dcm2niix.bin, "-b", "n", "-z", "n", "-f", "x", "-o", str(out), str(folder)],
                   check=True, capture_output=True)  # fmt: skip
    (path,) = out.glob("*.nii")
    return nibabel.load(path)


@pytest.mark.parametrize(
    "name",
    ["mr_prostatex0000/t2_sag", "mr_prostatex0000/dwi", "rtstruct_sts003/mr_t1",
     "odd/time_series_ge_fmri", "odd/non_isotropic_dicom2nifti",
     "odd/mosaic_siemens_axasc35"],
)  # fmt: skip
def test_values_at_places(shared_data: Path, tmp_path: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        image = read(shared_data / name)
    assert isinstance(image, Image)
    reference = converted(shared_data / name, tmp_path)
    voxels = np.asarray(reference.dataobj)
    voxels = voxels.reshape(*voxels.shape[:3], -1)
    assert voxels.shape[3] == image.frames
    chance = np.random.default_rng(3)
    index = np.stack([chance.integers(0, n, 3000) for n in image.shape], axis=-1)
    world = image.geometry.to_world(index) * (-1, -1, 1)
    there = nibabel.affines.apply_affine(np.linalg.inv(reference.affine), world)
    whole = np.rint(there).astype(int)
    assert np.abs(there - whole).max() < 0.01
    for t in range(image.frames):
        array = image.array[t] if image.frames > 1 else image.array
        np.testing.assert_allclose(
            array[tuple(index.T)], voxels[(*whole.T, np.full(len(whole), t))], rtol=1e-5
        )

"""The images of the demo that other packages ship: a brain template and an ultrasound."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from nbannot.errors import MissingDependencyError, need

BRAIN_MASKS = {"grey_matter": "load_mni152_gm_mask", "white_matter": "load_mni152_wm_mask"}


def write_brain(folder: Path) -> Path:
    """Write the MNI152 brain and its tissue masks as NIfTI files, 1 mm; return the path of the brain.

    Raises
    ------
    MissingDependencyError
        When nilearn, which ships the brain, is not installed.
    """
    import nibabel

    datasets = need("nilearn.datasets", extra="demo")
    folder.mkdir(parents=True, exist_ok=True)
    template = datasets.load_mni152_template(resolution=1)
    values = np.rint(np.asarray(template.dataobj) * 1000).astype(np.int16)
    brain = folder / "mni152_t1.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, template.affine), brain)
    for name, loader in BRAIN_MASKS.items():
        mask = getattr(datasets, loader)(resolution=1)
        nibabel.save(
            nibabel.Nifti1Image(np.asarray(mask.dataobj, np.uint8), mask.affine), folder / f"{name}.nii.gz"
        )
    return brain


def copy_ultrasound(folder: Path) -> Path:
    """Copy the colour ultrasound clip (30 frames) that pydicom ships and return its path.

    Raises
    ------
    MissingDependencyError
        When this pydicom does not ship it.
    """
    from pydicom.data import get_testdata_file

    found = get_testdata_file("examples_ybr_color.dcm", download=False)
    if not isinstance(found, str):
        raise MissingDependencyError(
            "pydicom's example examples_ybr_color.dcm is not installed",
            hint='Install pydicom anew with: pip install --force-reinstall "pydicom>=3.0.2"',
        )
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(found, folder / "ultrasound.dcm"))

"""Annotations of other programs added to a viewer: all in one step, which is undone and redone as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nbannot as nb
from nbannot.viewer import widget

pytestmark = pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")

PAIRS = {
    "SEG with overlaps": ("seg_dcmqi_liver/ct_3slice", "seg_dcmqi_liver/labels/partial_overlaps.dcm"),
    "RTSTRUCT": ("rtstruct_rtutils_phantom/ct", "rtstruct_rtutils_phantom/labels/rt.dcm"),
    "SR": ("sr_dwv_tid1500/squares.dcm", "sr_dwv_tid1500/labels/sr-rectangle.dcm"),
    "labelmap": ("nifti_totalsegmentator/ct_sm.nii.gz", "nifti_totalsegmentator/ct_sm_labels.nii.gz"),
}


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("viewer.js", "loader.js", "viewer.css"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(widget, "STATIC", tmp_path)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.mark.parametrize("name", PAIRS)
def test_a_file_is_added_in_one_step(shared_data: Path, name: str) -> None:
    source, labels = PAIRS[name]
    image = nb.read(shared_data / source)
    assert isinstance(image, nb.Image)
    found = nb.read(shared_data / labels, image=image)
    viewer = nb.Viewer(image, labels=["own"])
    document = viewer.document

    def state() -> tuple[list[str], list[str], list[str]]:
        return (
            sorted(mask.name for mask in document.masks if mask.used_values()),
            sorted(shape.id for shape in document.shapes),
            sorted(tag.id for tag in document.tags),
        )

    document.add(found)
    added = state()
    assert len(added[0]) == len(found.masks)
    assert len(added[1]) == len(found.shapes)
    assert sum(map(len, added)) > 0
    for mask in found.masks:
        assert np.array_equal(document.masks[mask.name].array, mask.array)
        assert document.masks[mask.name].image is image
    assert {label.name for label in found.labels} <= {label.name for label in document.labels}
    document.undo()
    assert state() == ([], [], [])
    assert not document.can_undo
    document.redo()
    assert state() == added
    viewer.close()

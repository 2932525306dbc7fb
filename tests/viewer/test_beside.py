"""Segmentations and layers beside an image, found by their names as VolView finds them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import nbannot as nb
from nbannot.errors import NbannotWarning
from nbannot.viewer import widget

IO = {"io": {"segmentGroupExtension": "seg", "layerExtension": "layer"}}
FOLDER = "nifti_totalsegmentator"


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    static = tmp_path / "static"
    static.mkdir()
    for name in ("viewer.js", "loader.js", "viewer.css"):
        (static / name).write_text("")
    monkeypatch.setattr(widget, "STATIC", static)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.fixture
def place(tmp_path: Path, shared_data: Path) -> Path:
    """A CT with a segmentation and another image beside it, and what belongs to other images."""
    folder = tmp_path / "case"
    folder.mkdir()
    ct, labels = (shared_data / FOLDER / name for name in ("ct_sm.nii.gz", "ct_sm_labels.nii.gz"))
    for source, name in (
        (ct, "p1.nii.gz"), (labels, "p1.seg.nii.gz"), (shared_data / FOLDER / "ct.nii.gz", "p1.layer.late.nii.gz"),
        (labels, "p10.seg.nii.gz"), (labels, "p1.segment.nii.gz"),
    ):  # fmt: skip
        shutil.copy(source, folder / name)
    return folder


def used(viewer: nb.Viewer) -> int:
    return sum(len(mask.used_values()) for mask in viewer.document.masks)


@pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")
def test_what_lies_beside_an_image_is_taken_up(place: Path) -> None:
    image = nb.read(place / "p1.nii.gz")
    assert isinstance(image, nb.Image)
    viewer = nb.Viewer(image, config=IO)
    wanted = nb.read(place / "p1.seg.nii.gz", image=image)
    assert used(viewer) == sum(len(mask.used_values()) for mask in wanted.masks) > 20
    for mask in wanted.masks:
        assert np.array_equal(viewer.document.masks[mask.name].array, mask.array)
    late = viewer.document.images[1]
    assert [layer.image for layer in viewer.layers] == [late] and viewer.image is image
    viewer.document.undo()
    assert used(viewer) == 0, "in one step"
    viewer.close()


@pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")
@pytest.mark.parametrize(
    "options",
    [{"config": {}}, {"config": IO, "labels": ["own"]}, {"config": {"io": {"segmentGroupExtension": ""}}}],
)
def test_nothing_is_looked_for(place: Path, options: dict[str, object]) -> None:
    """Without a token, and where the annotations are given."""
    viewer = nb.Viewer(nb.read(place / "p1.nii.gz"), **options)
    assert used(viewer) == 0 and len(viewer.document.images) == 1 and not viewer.layers
    viewer.close()


def test_a_file_of_the_configuration_beside_the_images(place: Path) -> None:
    (place / ".volview_config.yaml").write_text("io: {segmentGroupExtension: segment}\n")
    viewer = nb.Viewer(nb.read(place / "p1.nii.gz"))
    assert used(viewer) > 20 and len(viewer.document.images) == 1
    viewer.close()


def test_a_series_is_named_by_its_number(tmp_path: Path, shared_data: Path) -> None:
    folder = tmp_path / "series"
    shutil.copytree(shared_data / "seg_dcmqi_liver" / "ct_3slice", folder)
    image = nb.read(folder)
    assert isinstance(image, nb.Image)
    import pydicom

    number = pydicom.dcmread(folder / "01.dcm", stop_before_pixels=True).SeriesNumber
    array = np.zeros(image.shape, np.uint8)
    array[1, 100:140, 200:260] = 1
    mask = nb.Mask("liver", image, array=array, segments=["liver"])
    nb.write(folder / f"{number}.seg.nrrd", mask)
    viewer = nb.Viewer(image, config=IO)
    assert [int((one.array > 0).sum()) for one in viewer.document.masks] == [40 * 60]
    viewer.close()


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(place: Path) -> None:
    (place / "p1.seg.2.nii.gz").write_bytes(b"no image")
    (place / "p1.layer.nii.gz").write_bytes(b"no image")
    with pytest.warns(NbannotWarning) as told:
        viewer = nb.Viewer(nb.read(place / "p1.nii.gz"), config=IO)
    said = [str(one.message) for one in told]
    assert any(text.startswith("p1.seg.2.nii.gz is left out") for text in said), said
    assert any(text.startswith("p1.layer.nii.gz is left out") for text in said), said
    assert used(viewer) > 20 and len(viewer.layers) == 1
    viewer.close()

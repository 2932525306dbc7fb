"""DICOM SEG from masks, read back frame by frame without the library that wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array

from nbannot.errors import FormatError, GeometryError
from nbannot.formats import read, write
from nbannot.model.image import Image
from nbannot.model.labels import Code, Label
from nbannot.model.masks import Mask


def mask_on(image: Image) -> Mask:
    random = np.random.default_rng(5)
    array = np.zeros(image.shape, np.uint8)
    ks = random.choice(image.shape[0], max(1, image.shape[0] // 2), replace=False)
    rows, columns = image.shape[1:]
    for k in ks:
        array[k, rows // 4 : rows // 2, columns // 5 : columns // 3 + int(k) % 5] = 3
        array[k, rows // 2 + 1 : rows // 2 + 4, 2:9] = 7
    return Mask("organs", image, array=array, segments={3: "liver", 7: "lésion"})


@pytest.mark.parametrize(
    "name",
    [
        "petct_acrin042/pet_ac",
        "mr_prostatex0000/t2_sag",
        "odd/gantry_tilt_dicom2nifti",
        "odd/missing_slice_prostatex0000_bcalc",
        "enhanced/mr_BRTUM003_flair.dcm",
        "seg_dcmqi_24x38x3/ct_enhanced_multiframe.dcm",
    ],
)
@pytest.mark.filterwarnings("ignore::nbannot.errors.GeometryWarning")
def test_every_frame_lies_where_it_was_drawn(shared_data: Path, tmp_path: Path, name: str) -> None:
    image = read(shared_data / name)
    assert isinstance(image, Image)
    mask = mask_on(image)
    labels = [Label("liver", "#e69f00", code=Code("10200004", "SCT", "Liver"))]
    path = tmp_path / "organs.dcm"
    write(path, mask, labels=labels)

    found = pydicom.dcmread(path)
    assert found.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4" and found.SegmentationType == "BINARY"
    names = {int(item.SegmentNumber): str(item.SegmentLabel) for item in found.SegmentSequence}
    assert names == {1: "liver", 2: "lésion"}
    kind = found.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodeMeaning) == ("10200004", "Liver")

    frames = pixel_array(found).reshape(-1, *image.shape[1:])
    rebuilt = np.zeros(image.shape, np.uint8)
    for frame, group in zip(frames, found.PerFrameFunctionalGroupsSequence, strict=True):
        position = [float(x) for x in group.PlanePositionSequence[0].ImagePositionPatient]
        origins = np.array([image.geometry.plane(k).origin for k in range(image.shape[0])])
        distance = np.linalg.norm(origins - position, axis=1)
        k = int(distance.argmin())
        assert distance[k] < 0.05  # positions in the file are rounded
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        rebuilt[k][frame > 0] = {1: 3, 2: 7}[number]
    assert (rebuilt == mask.array).all()
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_a_seg_is_refused(shared_data: Path, tmp_path: Path) -> None:
    image = read(shared_data / "nifti_misc" / "FLAIR.nii.gz")
    assert isinstance(image, Image)
    mask = Mask("lesion", image)
    with pytest.raises(FormatError, match="is empty"):
        write(tmp_path / "a.dcm", mask)
    mask[0] = 1
    with pytest.raises(FormatError, match="one DICOM instance"):
        write(tmp_path / "a.dcm", mask)
    with pytest.raises(FormatError, match="No format is known"):
        write(tmp_path / "a.dcm", image)
    picture = read(shared_data / "xray_nih_boxes" / "00004296_000.png")
    assert isinstance(picture, Image)
    with pytest.raises(GeometryError, match="no|without"):
        write(tmp_path / "a.nii", Mask("x", picture))
    assert list(tmp_path.iterdir()) == []

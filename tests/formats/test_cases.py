"""Trees and archives of cases: a folder for each, images named by their path, annotations for their own case."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import nbannot as nb
from nbannot.errors import FormatError

pytestmark = pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")

CASES = {"c1": ("ct_sm", "ct_sm_labels"), "c2": ("ct", "ct_vertebrae_labels")}


@pytest.fixture
def packed(shared_data: Path, tmp_path: Path) -> Path:
    """A ZIP file with three cases: two with a volume and a labelmap of the same names, one DICOM series."""
    folder = shared_data / "nifti_totalsegmentator"
    with zipfile.ZipFile(tmp_path / "cases.zip", "w") as archive:
        for case, (image, labels) in CASES.items():
            archive.write(folder / f"{image}.nii.gz", f"{case}/ct.nii.gz")
            archive.write(folder / f"{labels}.nii.gz", f"{case}/seg.nii.gz")
        for file in sorted((shared_data / "seg_dcmqi_liver/ct_3slice").iterdir()):
            archive.write(file, f"c3/ct/{file.name}")
        archive.write(shared_data / "seg_dcmqi_liver/labels/partial_overlaps.dcm", "c3/labels/seg.dcm")
        archive.writestr("c3/notes.txt", "A note.")
    return tmp_path / "cases.zip"


def images_of(path: Path) -> nb.Images:
    found = nb.read(path)
    assert isinstance(found, nb.Images)
    return found


def test_volumes_of_equal_names_are_named_by_their_path(packed: Path) -> None:
    images = images_of(packed)
    assert [name for name in images if "/" in name] == ["c1/ct", "c1/seg", "c2/ct", "c2/seg"]
    assert all(image.name == name for name, image in images.items())
    one = nb.read(packed, series="c2/ct")
    assert isinstance(one, nb.Image)
    assert one.id == images["c2/ct"].id != images["c1/ct"].id


@pytest.mark.parametrize("unpacked", [False, True])
def test_annotations_go_to_their_case(
    shared_data: Path, packed: Path, tmp_path: Path, unpacked: bool
) -> None:
    path = packed
    if unpacked:
        shutil.unpack_archive(packed, path := tmp_path / "cases")
    images = images_of(path)
    chosen = [image for name, image in images.items() if not name.endswith("/seg")]
    assert len(chosen) == 3
    both = nb.read(path, image=chosen[1:])
    assert both.notes == ("1 files lie in folders of no image that was given: c3/labels",)
    for mask, (case, (_, labels)) in zip(both.masks, CASES.items(), strict=False):
        assert mask.image is images[f"{case}/ct"]
        reference = sitk.GetArrayFromImage(
            sitk.ReadImage(str(shared_data / f"nifti_totalsegmentator/{labels}.nii.gz"))
        )
        assert np.count_nonzero(mask.array) == np.count_nonzero(reference)
        assert {one.value for one in mask.segments} == set(np.unique(reference).tolist()) - {0}
    assert "liver" in both.labels
    whole = nb.read(path, image=chosen)
    assert {mask.image.id for mask in whole.masks} == {image.id for image in chosen}
    alone = nb.read(path, image=images["c2/ct"])
    assert [mask.image.name for mask in alone.masks] == ["c2/ct"]
    assert any("folders of no image that was given: c1" in note for note in alone.notes)
    assert not any(str(tmp_path) in note or "nbannot-" in note for note in (*alone.notes, *whole.notes))


def test_organs_beside_their_volume(shared_data: Path, tmp_path: Path) -> None:
    """As TotalSegmentator's data set has them: CASE/ct.nii.gz and CASE/segmentations/ORGAN.nii.gz."""
    source = shared_data / "nifti_totalsegmentator"
    stored = nibabel.load(source / "ct_sm_labels.nii.gz")
    voxels = np.asarray(stored.dataobj)
    for case, shift in (("s1", 0), ("s2", 1)):
        organs = tmp_path / "set" / case / "segmentations"
        organs.mkdir(parents=True)
        # Other bytes for each case, the same grid: only the folder tells them apart.
        volume = nibabel.load(source / "ct_sm.nii.gz")
        moved = np.asarray(volume.dataobj) + np.int16(shift)
        nibabel.save(nibabel.Nifti1Image(moved, volume.affine), organs.parent / "ct.nii.gz")
        for value, name in ((1, "spleen"), (5, "liver")):
            organ = np.roll((voxels == value).astype(np.uint8), shift, axis=0)
            nibabel.save(nibabel.Nifti1Image(organ, stored.affine), organs / f"{name}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(moved + 2000, volume.affine), organs / "scan.nii.gz")
    images = {case: nb.read(tmp_path / "set" / case / "ct.nii.gz") for case in ("s1", "s2")}
    document = nb.read(tmp_path / "set", image=list(images.values()))
    assert [mask.image for mask in document.masks] == list(images.values())
    for mask, shift in zip(document.masks, (0, 1), strict=True):
        found = {one.label: mask.array == one.value for one in mask.segments}
        for value, name in ((1, "spleen"), (5, "liver")):
            expected = np.roll(voxels == value, shift, axis=0).transpose(2, 1, 0)
            np.testing.assert_array_equal(found[name], expected)
    assert "s1/segmentations/scan.nii.gz" in document.notes[0]
    assert "looks like an image" in document.notes[0]
    case = nb.read(tmp_path / "set/s2", image=images["s2"])
    np.testing.assert_array_equal(next(iter(case.masks)).array, document.masks["segmentations (2)"].array)


def test_a_labelmap_beside_its_volume_in_a_folder(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "nifti_misc"
    for name in ("FLAIR", "lesion"):
        shutil.copy(source / f"{name}.nii.gz", tmp_path)
    image = nb.read(tmp_path / "FLAIR.nii.gz")
    assert isinstance(image, nb.Image)
    (mask,) = nb.read(tmp_path, image=image).masks
    assert [one.label for one in mask.segments] == ["lesion 1", "lesion 2", "lesion 3"]
    (tmp_path / "lesion.nii.gz").unlink()
    with pytest.raises(FormatError, match="no annotations that can be read"):
        nb.read(tmp_path, image=image)
    archive = shutil.make_archive(str(tmp_path.parent / "only"), "zip", tmp_path)
    with pytest.raises(FormatError, match=r"only\.zip holds no annotations"):
        nb.read(archive, image=image)

"""References to real files: DICOM series and NIfTI."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from nbannot.errors import StoreError
from nbannot.store import open_project


def series(folder: Path, *, slices: int = 4, value: int = 0, prefix: str = "a") -> str:
    """Write a small CT series, file names against the order of the slices."""
    uid, study = generate_uid(), generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    frame = generate_uid()
    for n in range(slices):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, uid, frame
        data.Modality, data.SeriesDescription, data.InstanceNumber = "CT", prefix, n + 1
        data.Rows, data.Columns, data.PixelSpacing = 5, 6, [1, 1]
        data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 2 * n]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 1
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, -1024, "HU"
        data.PixelData = np.full((5, 6), n + value, dtype=np.int16).tobytes()
        data.save_as(folder / f"{prefix}{9 - n}.dcm", enforce_file_format=True)
    return uid


def test_a_folder_with_two_series_is_one_case_with_two_images(tmp_path: Path) -> None:
    series(tmp_path / "ct", prefix="a")
    series(tmp_path / "ct", prefix="b", slices=3)
    with open_project(tmp_path / "study") as project:
        project.add_case("c1", images=tmp_path / "ct")
        references = project.references("c1")
        assert sorted(len(reference.files) for reference in references) == [3, 4]
    # What comes into the folder later does not matter.
    series(tmp_path / "ct", prefix="c")
    with open_project(tmp_path / "study") as project:
        images = project.images("c1")
        assert [image.id for image in images] == [reference.id for reference in references]
        assert sorted(image.shape[0] for image in images) == [3, 4]
        (ct,) = (image for image in images if image.shape[0] == 4)
        assert ct.array[:, 0, 0].tolist() == [-1024, -1023, -1022, -1021]


def test_a_missing_slice_is_named_and_a_renamed_series_linked(tmp_path: Path) -> None:
    series(tmp_path / "ct")
    with open_project(tmp_path / "study", author="ada") as project:
        project.add_case("c1", images=tmp_path / "ct", labels=["liver"])
        project.start("c1").document.masks["liver"].paint((3, 0, 0))
    (tmp_path / "ct" / "a8.dcm").rename(tmp_path / "ct" / "z.dcm")
    with open_project(tmp_path / "study", author="ada") as project:
        with pytest.raises(StoreError, match=r"a8\.dcm is missing"):
            project.start("c1")
        (reference,) = project.references("c1")
        project.relink("c1", reference.id, tmp_path / "ct")
        session = project.start("c1")
        assert session.document.images[0].array[3, 0, 0] == -1021
        assert session.document.masks["liver"].array[3, 0, 0] == 1
        assert len(project.references("c1")[0].sources) == 4


def test_a_changed_slice_is_refused_whatever_its_time(tmp_path: Path) -> None:
    series(tmp_path / "ct")
    with open_project(tmp_path / "study") as project:
        project.add_case("c1", images=tmp_path / "ct")
        path = tmp_path / "ct" / "a7.dcm"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(StoreError, match=r"a7\.dcm is not the file that was annotated"):
            project.images("c1")


def test_a_series_is_copied_whole(tmp_path: Path) -> None:
    series(tmp_path / "ct")
    with open_project(tmp_path / "study") as project:
        project.add_case("c1", images=tmp_path / "ct", copy=True)
        for path in (tmp_path / "ct").iterdir():
            path.unlink()
        (image,) = project.images("c1")
        assert image.array[:, 0, 0].tolist() == [-1024, -1023, -1022, -1021]


def test_a_nifti_keeps_its_id(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 2, 3, 1])), tmp_path / "a.nii.gz")
    with open_project(tmp_path / "study", author="ada") as project:
        project.add_case("c1", images=tmp_path / "a.nii.gz", labels=["spot"])
        session = project.start("c1")
        session.document.masks["spot"].paint((1, 2, 1))
        before = session.document.images[0]
    with open_project(tmp_path / "study", author="ada") as project:
        session = project.start("c1")
        assert session.document.images[0].id == before.id
        assert np.array_equal(session.document.images[0].array, before.array)
        assert session.document.masks["spot"].array[1, 2, 1] == 1

"""Rarer kinds of DICOM: nuclear medicine, overlays, extra colours, deflated frames."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate

from formats_making import write_slice
from nbannot.errors import FormatError, MissingDependencyError, NbannotWarning
from nbannot.formats import read
from nbannot.model.geometry import Stack
from nbannot.model.image import Image, Images

NM = "1.2.840.10008.5.1.4.1.1.20"


def nuclear(path: Path, count: int, place: dict[str, Any] | None = None, **tags: Any) -> Path:
    """Write one NM file whose frame n has the value n everywhere."""
    frames = np.repeat(np.arange(count, dtype=np.uint16), 12).reshape(count * 3, 4)
    gone = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    write_slice(path, frames, Modality="NM", SOPClassUID=NM, Rows=3, NumberOfFrames=count, **gone, **tags)
    ds = pydicom.dcmread(path)
    if place is not None:
        ds.DetectorInformationSequence = [pydicom.Dataset()]
        for name, value in place.items():
            setattr(ds.DetectorInformationSequence[0], name, value)
    ds.save_as(path)
    return path


def images_of(path: Path) -> dict[str, Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        found = read(path)
    return dict(found) if isinstance(found, Images) else {found.name: found}


AXIAL = {"ImagePositionPatient": [-5, -6, 40], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}


@pytest.mark.parametrize("step", [4.0, -4.0])
def test_a_reconstruction_is_a_volume(tmp_path: Path, step: float) -> None:
    path = nuclear(tmp_path / "tomo.dcm", 5, AXIAL, SliceVector=[1, 2, 3, 4, 5], SpacingBetweenSlices=step)
    (image,) = images_of(path).values()
    assert (image.geometry.kind, image.shape) == ("grid", (5, 3, 4))
    heights = [float(image.geometry.to_world([k, 0, 0])[2]) for k in range(5)]
    values = image.array[:, 0, 0].tolist()
    assert dict(zip(values, heights, strict=True)) == {n: 40 + n * step for n in range(5)}


def test_a_gated_reconstruction_has_a_t_axis(tmp_path: Path) -> None:
    path = nuclear(
        tmp_path / "gated.dcm", 6, AXIAL, SliceVector=[1, 2, 3, 1, 2, 3], TimeSlotVector=[1, 1, 1, 2, 2, 2],
        SpacingBetweenSlices=2.0,
    )  # fmt: skip
    (image,) = images_of(path).values()
    assert (image.frames, image.shape, image.frame_label) == (2, (3, 3, 4), "time slot")
    np.testing.assert_array_equal(image.array[..., 0, 0], [[0, 1, 2], [3, 4, 5]])


def test_energy_windows_and_detectors_are_separate_pictures(tmp_path: Path) -> None:
    path = nuclear(tmp_path / "body.dcm", 4, EnergyWindowVector=[1, 1, 2, 2], DetectorVector=[1, 2, 1, 2])
    images = images_of(path)
    assert [name.split(" · ")[1] for name in images] == [
        f"energy window {w} detector {d}" for w in (1, 2) for d in (1, 2)
    ]
    assert [int(image.array.max()) for image in images.values()] == [0, 1, 2, 3]
    both = nuclear(
        tmp_path / "spect.dcm", 4, AXIAL, SliceVector=[1, 2, 1, 2], EnergyWindowVector=[1, 1, 2, 2],
        SpacingBetweenSlices=2.0,
    )  # fmt: skip
    volumes = images_of(both)
    assert [(name.split(" · ")[1], image.shape[0]) for name, image in volumes.items()] == [
        ("energy window 1", 2), ("energy window 2", 2)
    ]  # fmt: skip


def test_rotating_projections_stay_in_their_order(tmp_path: Path) -> None:
    path = nuclear(tmp_path / "raw.dcm", 6, AngularViewVector=[1, 2, 3, 4, 5, 6], DetectorVector=[1] * 6)
    (image,) = images_of(path).values()
    assert isinstance(image.geometry, Stack)
    assert image.array[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_overlays_and_extra_colours_are_told(shared_data: Path, tmp_path: Path) -> None:
    (marked,) = images_of(shared_data / "odd/pydicom/examples_overlay.dcm").values()
    assert "overlay (6000, graphics) is not shown" in marked.notes
    (perfusion,) = images_of(shared_data / "enhanced/ct_eCT_Supplemental.dcm").values()
    assert "supplemental colours are not shown" in perfusion.notes
    path = write_slice(tmp_path / "old.dcm", BitsStored=12, HighBit=11)
    ds = pydicom.dcmread(path)
    for element, vr, value in ((0x10, "US", 3), (0x11, "US", 4), (0x40, "CS", "R"), (0x100, "US", 16),
                               (0x102, "US", 12)):  # fmt: skip
        ds.add_new((0x6002, element), vr, value)
    ds.save_as(path)
    (image,) = images_of(path).values()
    assert "overlay (6002, region of interest) is not shown" in image.notes
    assert image.array.max() < 12


@pytest.mark.parametrize("signed", [False, True])
def test_deflated_frames(tmp_path: Path, signed: bool) -> None:
    pixels = np.random.default_rng(2).integers(-2000 if signed else 0, 2000, (2, 3, 4))
    pixels = pixels.astype(np.int16 if signed else np.uint16)
    path = write_slice(tmp_path / "frames.dcm", pixels.reshape(6, 4), Rows=3, NumberOfFrames=2)

    def rewrite(frames: list[bytes]) -> None:
        ds = pydicom.dcmread(path)
        ds.PixelData = encapsulate(frames)
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
        ds.save_as(path)  # pydicom does not know the syntax
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.8.1\0"))

    def deflated(frame: bytes) -> bytes:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(frame) + packer.flush()

    rewrite([deflated(frame.tobytes()) for frame in pixels])
    (image,) = images_of(path).values()
    np.testing.assert_array_equal(image.array, pixels)
    rewrite([deflated(frame.tobytes()[:-2]) for frame in pixels])
    (cut,) = images_of(path).values()
    with pytest.raises(FormatError, match=r"frames\.dcm is cut off"):
        cut.plane_array(0)


def test_an_angiogram_is_a_clip_with_times(tmp_path: Path) -> None:
    frames = np.repeat(np.arange(4, dtype=np.uint8), 12).reshape(12, 4)
    gone = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None}
    path = write_slice(
        tmp_path / "xa.dcm", frames, Modality="XA", SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1", Rows=3,
        NumberOfFrames=4, FrameTime=40.0, ImagerPixelSpacing=[0.3, 0.3], **gone,
    )  # fmt: skip
    (image,) = images_of(path).values()
    assert image.frame_times == pytest.approx((0.0, 0.04, 0.08, 0.12))
    assert image.geometry.spacing[1:] == (0.3, 0.3)
    assert any("at the detector" in note for note in image.notes)


@pytest.mark.parametrize(
    "tags",
    [
        {"StudyDate": "2019.13.45", "SeriesTime": "99:99", "PatientBirthDate": "unknown"},
        {"PatientName": b"\xff\xfe=^^^===".decode("latin-1"), "PatientID": None},
        {"StudyInstanceUID": None, "SeriesNumber": None, "SeriesDescription": None, "InstanceNumber": None},
        {"FrameOfReferenceUID": None, "ImageType": None, "Modality": None, "RescaleSlope": None},
        {"BitsStored": None, "HighBit": None, "PixelRepresentation": None, "PhotometricInterpretation": None},
        {"SOPInstanceUID": None, "SeriesInstanceUID": None},
    ],
)  # fmt: skip
def test_missing_and_bad_optional_tags(tmp_path: Path, tags: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom, about what is written here
        path = write_slice(tmp_path / "odd.dcm", **tags)
    (image,) = images_of(path).values()
    np.testing.assert_array_equal(image.array[0], np.arange(12).reshape(3, 4))


PYDICOM = sorted(Path(pydicom.__file__).parent.glob("data/test_files/*.dcm"))
LABELS = ("liver_1frame.dcm", "liver_expb_1frame.dcm")


def test_the_files_of_pydicom_have_its_values_or_are_refused() -> None:
    compared = 0
    for path in PYDICOM:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(path, force=True)
            try:
                values = None if path.name in LABELS else ds.pixel_array
            except Exception:  # damaged, without pixels, or 12-bit JPEG
                values = None
        try:
            (image,) = images_of(path).values()
            found = image.array
        except (FormatError, MissingDependencyError) as error:
            assert path.name in str(error)
            assert values is None
            continue
        if values is None or ds.PhotometricInterpretation == "PALETTE COLOR":
            continue
        if ds.SamplesPerPixel == 3:
            values = values >> (8 * values.dtype.itemsize - 8)
        scale = ds.get("DoseGridScaling", ds.get("RescaleSlope", 1))
        expected = values * float(scale) + float(ds.get("RescaleIntercept", 0))
        np.testing.assert_allclose(found.reshape(values.shape), expected, rtol=1e-6, err_msg=path.name)
        compared += 1
    assert compared > 50

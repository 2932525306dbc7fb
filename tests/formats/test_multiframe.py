"""Files with many frames: enhanced volumes, cine, dose; against highdicom and pydicom."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from formats_making import write_slice
from nbannot.errors import GeometryWarning, NbannotWarning
from nbannot.formats import read
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Images

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def images_of(path: Path) -> list[Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        found = read(path)
    return list(found.values()) if isinstance(found, Images) else [found]


def item(**tags: Any) -> Sequence:
    ds = Dataset()
    for name, value in tags.items():
        setattr(ds, name, value)
    return Sequence([ds])


def enhanced(path: Path, frames: list[dict[str, Any]], **tags: Any) -> Path:
    """Write an enhanced MR; a frame gives z, and may give b, t, stack, orientation and slope."""
    groups = []
    for frame in frames:
        group = Dataset()
        group.PlanePositionSequence = item(ImagePositionPatient=frame.get("at", [0, 0, frame["z"]]))
        content: dict[str, Any] = {"StackID": frame.get("stack", "1")}
        if "t" in frame:
            content["TemporalPositionIndex"] = frame["t"]
        group.FrameContentSequence = item(**content)
        group.PlaneOrientationSequence = item(ImageOrientationPatient=frame.get("axes", [1, 0, 0, 0, 1, 0]))
        if "b" in frame:
            group.MRDiffusionSequence = item(DiffusionBValue=frame["b"])
        if "slope" in frame:
            group.PixelValueTransformationSequence = item(
                RescaleSlope=frame["slope"], RescaleIntercept=0, RescaleType="US"
            )
        groups.append(group)
    shared = Dataset()
    shared.PixelMeasuresSequence = item(PixelSpacing=[2, 3], SliceThickness=1)
    shared.FrameVOILUTSequence = item(WindowCenter=10, WindowWidth=21)
    count = len(frames)
    pixels = np.repeat(np.arange(count, dtype=np.int16), 12).reshape(count * 3, 4)
    return write_slice(
        path, pixels, Rows=3, Columns=4, NumberOfFrames=count, SOPClassUID=ENHANCED_MR,
        Modality="MR", PixelSpacing=None, ImagePositionPatient=None, ImageOrientationPatient=None,
        RescaleSlope=None, RescaleIntercept=None, SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(groups), InstanceNumber=1, **tags,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["enhanced/mr_BRTUM003_flair.dcm", "enhanced/mr_BRTUM004_t2.dcm",
     "seg_dcmqi_24x38x3/ct_enhanced_multiframe.dcm", "enhanced/ct_eCT_Supplemental.dcm"],
)  # fmt: skip
def test_enhanced_volumes_equal_highdicom(shared_data: Path, name: str) -> None:
    (image,) = images_of(shared_data / name)
    assert isinstance(image.geometry, Geometry)
    volume = highdicom.imread(shared_data / name).get_volume(dtype=np.float64)
    there = np.argwhere(np.ones(image.shape))[:: max(1, image.array.size // 5000)]
    mine = image.array[tuple(there.T)]
    world = image.geometry.to_world(there)
    index = np.rint(volume.map_reference_to_indices(world)).astype(int)
    back = volume.map_indices_to_reference(index)
    np.testing.assert_allclose(back, world, atol=1e-4)
    np.testing.assert_allclose(volume.array[tuple(index.T)], mine)


def test_stacks_of_several_orientations_are_several_images(shared_data: Path) -> None:
    images = images_of(shared_data / "enhanced/mr_BRMULTI_stacks.dcm")
    assert [image.shape for image in images] == [(3, 256, 256)] * 4
    assert all(isinstance(image.geometry, Geometry) for image in images)
    ds = pydicom.dcmread(shared_data / "enhanced/mr_BRMULTI_stacks.dcm")
    for image in images:
        for k, source in enumerate(image.sources):
            assert source.frame is not None
            group = ds.PerFrameFunctionalGroupsSequence[source.frame - 1]
            position = group.PlanePositionSequence[0].ImagePositionPatient
            assert image.geometry.to_world([k, 0, 0]) == pytest.approx(position, abs=1e-3)
            np.testing.assert_array_equal(image.plane_array(k), ds.pixel_array[source.frame - 1])


def test_temporal_positions_become_the_t_axis(tmp_path: Path) -> None:
    frames = [{"z": z, "t": t} for z in (4, 0, 2) for t in (2, 1)]
    (image,) = images_of(enhanced(tmp_path / "a.dcm", frames))
    assert (image.frames, image.shape) == (2, (3, 3, 4))
    assert image.array[:, :, 0, 0].tolist() == [[3, 5, 1], [2, 4, 0]]
    assert image.windows[0].lower == -0.5
    assert image.sources[0].frame == 4


def test_b_values_and_slopes_by_frame(tmp_path: Path) -> None:
    frames = [{"z": z, "b": b, "slope": 1 + b / 1000} for b in (0, 500) for z in (0, 2)]
    (image,) = images_of(enhanced(tmp_path / "a.dcm", frames))
    assert image.dtype == np.float32
    assert image.array[:, :, 0, 0].tolist() == [[0, 1], [3, 4.5]]
    assert image.notes == ("2 frames by b-value: 0, 500",)


def test_volumes_in_several_files_make_a_t_axis(tmp_path: Path) -> None:
    for n in range(3):
        path = enhanced(tmp_path / "s" / f"{n}.dcm", [{"z": z} for z in (0, 2, 4)])
        ds = pydicom.dcmread(path)
        ds.InstanceNumber = n + 1
        ds.save_as(path)
    (image,) = images_of(tmp_path / "s")
    assert (image.frames, image.shape[0]) == (3, 3)


def test_an_enhanced_gap_is_a_stack(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", [{"z": z} for z in (0, 2, 4, 8)])
    with pytest.warns(GeometryWarning, match="not evenly spaced"):
        image = read(path)
    assert isinstance(image, Image)
    assert isinstance(image.geometry, Stack)


def test_stack_ids_keep_slabs_apart(tmp_path: Path) -> None:
    frames = [{"z": z, "stack": s} for s, start in (("A", 0), ("B", 50)) for z in (start, start + 2)]
    images = images_of(enhanced(tmp_path / "a.dcm", frames))
    assert [image.name for image in images] == ["made · stack A", "made · stack B"]


def test_cine_has_times_and_rgb_frames(shared_data: Path) -> None:
    (image,) = images_of(shared_data / "us/echo_ybr_30frames.dcm")
    assert isinstance(image.geometry, Stack)
    assert image.shape == (30, 240, 320)
    assert image.frame_times is not None
    assert len(image.frame_times) == 30
    ds = pydicom.dcmread(shared_data / "us/echo_ybr_30frames.dcm")
    np.testing.assert_array_equal(image.array, ds.pixel_array)
    np.testing.assert_array_equal(image.plane_array(17), ds.pixel_array[17])


@pytest.mark.parametrize(
    ("tags", "times"),
    [
        ({"FrameTime": 40}, (0, 0.04, 0.08)),
        ({"FrameTimeVector": [0, 10, 20]}, (0, 0.01, 0.03)),
        ({"CineRate": 20}, (0, 0.05, 0.1)),
        ({}, None),
    ],
)
def test_frame_times(tmp_path: Path, tags: dict[str, Any], times: Any) -> None:
    path = write_slice(tmp_path / "a.dcm", np.zeros((9, 4), np.uint8), Rows=3, NumberOfFrames=3,
                       Modality="US", ImagePositionPatient=None, PixelSpacing=None, **tags)  # fmt: skip
    (image,) = images_of(path)
    assert image.frame_times == pytest.approx(times) if times else image.frame_times is None


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([0.02], (0.2, 0.2, "mm")), ([0.02, 0.02], (0.2, 0.2, "mm")), ([0.02, 0.05], (1, 1, "px"))],
)
def test_ultrasound_regions_count_when_they_agree(
    tmp_path: Path, sizes: list[float], expected: tuple[float, float, str]
) -> None:
    regions = []
    for size in sizes:
        region = Dataset()
        region.RegionSpatialFormat = 1
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
        region.PhysicalDeltaX = region.PhysicalDeltaY = size
        regions.append(region)
    path = write_slice(tmp_path / "a.dcm", Modality="US", PixelSpacing=None,
                       SequenceOfUltrasoundRegions=Sequence(regions))  # fmt: skip
    (image,) = images_of(path)
    assert (*image.geometry.spacing[1:], image.geometry.unit) == pytest.approx(expected)


@pytest.mark.parametrize(
    "name",
    [
        "us/echo_palette_10frames_rle.dcm",
        "us/us_palette.dcm",
        "odd/pydicom/OBXXXX1A_expb_2frame.dcm",
    ],
)
def test_palettes_equal_pydicom(shared_data: Path, name: str) -> None:
    from pydicom.pixels.processing import apply_color_lut

    (image,) = images_of(shared_data / name)
    ds = pydicom.dcmread(shared_data / name)
    expected = apply_color_lut(ds.pixel_array, ds)
    if expected.max() > 255:  # some 16-bit palettes hold 8-bit numbers
        expected = expected >> 8
    np.testing.assert_array_equal(image.array.reshape(expected.shape), expected)


@pytest.mark.parametrize("name", ["xray/dental_cr_modality_lut.dcm", "odd/pydicom/mlut_18.dcm"])
def test_modality_tables_equal_pydicom(shared_data: Path, name: str) -> None:
    from pydicom.pixels.processing import apply_modality_lut

    (image,) = images_of(shared_data / name)
    ds = pydicom.dcmread(shared_data / name)
    np.testing.assert_array_equal(image.array[0], apply_modality_lut(ds.pixel_array, ds))


def test_dose_is_a_grid(shared_data: Path) -> None:
    (image,) = images_of(shared_data / "odd/pydicom/rtdose.dcm")
    ds = pydicom.dcmread(shared_data / "odd/pydicom/rtdose.dcm")
    assert image.unit == ("Gy" if ds.DoseUnits == "GY" else "")
    assert image.geometry.kind == "grid"
    expected = ds.pixel_array * float(ds.DoseGridScaling)
    np.testing.assert_allclose(image.array, expected, rtol=1e-6)
    x, y, z = (float(v) for v in ds.ImagePositionPatient)
    last = (x, y, z + ds.GridFrameOffsetVector[-1])
    assert image.geometry.to_world([14, 0, 0]) == pytest.approx(last)

"""The rules of putting slices together, on files made to order."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formats_making import write_slice
from nbannot.errors import (
    ClippedWarning,
    GeometryError,
    GeometryWarning,
    NbannotWarning,
    SeveralSeriesWarning,
    UnknownItemError,
)
from nbannot.formats import read
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Images, Window

Series = Callable[..., Path]


def one(path: Path, **choice: Any) -> Image:
    image = read(path, **choice)
    assert isinstance(image, Image)
    return image


def several(path: Path) -> Images:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        images = read(path)
    assert isinstance(images, Images)
    return images


def test_regular_slices_make_a_grid_in_the_order_of_position(series: Series) -> None:
    image = one(series([7.5, 0, 5, 2.5]))
    assert isinstance(image.geometry, Geometry)
    assert image.geometry.spacing == pytest.approx((2.5, 2, 3))
    assert image.array[:, 0, 0].tolist() == [1, 3, 2, 0]
    assert [source.sop_instance_uid for source in image.sources] == [
        "1.2.9.2", "1.2.9.4", "1.2.9.3", "1.2.9.1",
    ]  # fmt: skip


def test_pixel_spacing_is_row_distance_then_column_distance(series: Series) -> None:
    plane = one(series([0, 1])).geometry.plane(0)
    assert plane.row_step.tolist() == [0, 2, 0]
    assert plane.column_step.tolist() == [3, 0, 0]


def test_a_gap_is_named_and_makes_a_stack(series: Series) -> None:
    folder = series([0, 2, 4, 8, 10])
    with pytest.warns(GeometryWarning, match=r"4 mm between 002\.dcm and 003\.dcm"):
        image = one(folder)
    assert isinstance(image.geometry, Stack)
    assert image.geometry.to_world([3, 0, 0]).tolist() == [0, 0, 8]


def test_varying_steps_make_a_stack(series: Series) -> None:
    with pytest.warns(GeometryWarning, match="not evenly spaced"):
        assert isinstance(one(series([0, 1, 2, 4, 6, 8])).geometry, Stack)


def test_rounded_positions_still_make_a_grid_and_are_noted(series: Series) -> None:
    image = one(series([round(1.23456 * n, 2) for n in range(20)]))
    assert isinstance(image.geometry, Geometry)
    assert image.geometry.spacing[0] == pytest.approx(1.23456, abs=1e-3)


def test_coarsely_rounded_positions_warn(series: Series) -> None:
    with pytest.warns(GeometryWarning, match="rounded"):
        image = one(series([0, 2.5, 5.05, 7.5, 10]))
    assert isinstance(image.geometry, Geometry)


def test_gantry_tilt_gives_an_exact_sheared_grid(series: Series) -> None:
    angle = np.radians(20)
    axes = [1, 0, 0, 0, float(np.cos(angle)), float(-np.sin(angle))]
    image = one(
        series([0, 5, 10], lambda n: {"ImagePositionPatient": [0, 0, 5 * n]},
               ImageOrientationPatient=[round(v, 8) for v in axes])
    )  # fmt: skip
    assert isinstance(image.geometry, Geometry)
    assert image.notes == ("gantry tilt 20.0°",)
    assert image.geometry.to_world([2, 0, 0]).tolist() == pytest.approx([0, 0, 10])


def test_mixed_orientations_are_separate_images(series: Series) -> None:
    def each(n: int) -> dict[str, Any]:
        sagittal = n >= 3
        return {
            "ImageOrientationPatient": [0, 1, 0, 0, 0, -1] if sagittal else [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [2 * n, 0, 0] if sagittal else [0, 0, 2 * n],
        }

    images = several(series([0] * 6, each))
    assert set(images) == {"made · axial", "made · sagittal"}
    assert all(image.shape[0] == 3 for image in images.values())


def test_an_identical_copy_is_used_once(series: Series) -> None:
    folder = series([0, 2, 4])
    shutil.copy(folder / "001.dcm", folder / "copy.dcm")
    with pytest.warns(NbannotWarning, match=r"copy\.dcm is a copy of .*001\.dcm"):
        image = one(folder)
    assert image.shape[0] == 3


def test_a_copy_in_another_coding_is_used_once(series: Series) -> None:
    import pydicom
    from pydicom.uid import RLELossless

    folder = series([0, 2, 4])
    ds = pydicom.dcmread(folder / "001.dcm")
    ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as(folder / "packed.dcm")
    with pytest.warns(NbannotWarning, match="used once"):
        assert one(folder).shape[0] == 3


def test_slices_that_share_an_instance_uid_are_kept_at_their_places(series: Series) -> None:
    with pytest.warns(NbannotWarning, match="carry the SOP Instance UID of another"):
        image = one(series([0, 2, 4], lambda n: {"SOPInstanceUID": "1.2.3.4"}))
    assert isinstance(image.geometry, Geometry)


def test_two_pictures_of_one_instance_are_refused(series: Series) -> None:
    folder = series([0, 2, 4])
    write_slice(folder / "other.dcm", np.full((3, 4), 9, np.int16), SOPInstanceUID="1.2.9.2",
                ImagePositionPatient=[0, 0, 2], InstanceNumber=2)  # fmt: skip
    with pytest.raises(GeometryError, match=r"001\.dcm and .*other\.dcm"):
        read(folder)


def test_two_slices_at_one_place_with_nothing_between_them_are_refused(series: Series) -> None:
    folder = series([0, 2, 2, 4], lambda n: {"InstanceNumber": None})
    with pytest.raises(GeometryError, match=r"001\.dcm and .*002\.dcm"):
        read(folder)


def test_one_extra_numbered_slice_is_refused_too(series: Series) -> None:
    with pytest.raises(GeometryError, match="nothing tells them apart"):
        read(series([0, 2, 4, 2]))


def test_a_contradicting_series_does_not_hide_the_others(series: Series) -> None:
    folder = series([0, 2, 2, 4], lambda n: {"InstanceNumber": None})
    write_slice(folder / "good.dcm", SeriesInstanceUID="1.2.3.77", SeriesDescription="good")
    with pytest.warns(GeometryWarning, match="left out.*nothing tells them apart"):
        image = one(folder)
    assert image.name == "good"


@pytest.mark.parametrize(
    ("tag", "axis"),
    [
        ("TemporalPositionIdentifier", "temporal position"),
        ("EchoTime", "echo time"),
        ("DiffusionBValue", "b-value"),
        ("TriggerTime", "trigger time"),
        ("AcquisitionNumber", "acquisition number"),
        ("InversionTime", "inversion time"),
    ],
)
def test_what_tells_frames_apart_becomes_the_t_axis(series: Series, tag: str, axis: str) -> None:
    image = one(series([0, 0, 2, 2, 4, 4], lambda n: {tag: 50 * (2 - n % 2)}))
    assert (image.frames, image.shape[0]) == (2, 3)
    assert image.notes[0].startswith(f"2 frames by {axis}")
    assert image.array[:, :, 0, 0].tolist() == [[1, 3, 5], [0, 2, 4]]


def test_running_times_order_whole_volumes(series: Series) -> None:
    image = one(series([0, 2, 4] * 3, lambda n: {
        "AcquisitionDate": "20200101", "AcquisitionTime": f"1000{n:02}.5", "InstanceNumber": None,
    }))  # fmt: skip
    assert image.frames == 3
    assert image.frame_times == (0, 3, 6)
    assert image.array[:, :, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_interleaved_numbers_without_order_are_refused(series: Series) -> None:
    with pytest.raises(GeometryError, match="nothing tells them apart"):
        read(series([0, 2, 2, 0, 4, 4], lambda n: {"InstanceNumber": [1, 5, 2, 4, 3, 6][n] % 4}))


def test_an_incomplete_echo_is_its_own_image(series: Series) -> None:
    images = several(series([0, 2, 4, 0, 4], lambda n: {"EchoTime": 10 if n < 3 else 20}))
    assert set(images) == {"made · echo time 10", "made · echo time 20"}
    assert [image.shape[0] for image in images.values()] == [3, 2]


def test_a_cut_short_time_series_keeps_its_whole_volumes(series: Series) -> None:
    images = several(series([0, 2, 4, 0, 2, 4, 0, 2]))
    assert [(image.frames, image.shape[0]) for image in images.values()] == [(2, 3), (1, 2)]


def test_magnitude_and_phase_are_separate_images(series: Series) -> None:
    images = several(series([0, 0, 2, 2], lambda n: {"ImageType": ["ORIGINAL", "PRIMARY", "MP"[n % 2]]}))
    assert set(images) == {"made · M", "made · P"}


def test_several_series_have_unique_names_and_can_be_chosen(folder: Path) -> None:
    for n in range(3):
        write_slice(folder / f"{n}.dcm", SeriesInstanceUID=f"1.2.{n}", SeriesNumber=min(n, 1))
    with pytest.warns(SeveralSeriesWarning, match=re.escape("series='made (0)'")):
        images = read(folder)
    assert isinstance(images, Images)
    assert set(images) == {"made (0)", "made (1)", "made (1) #2"}
    assert one(folder, series="made (1)").series_uid == "1.2.1"
    assert one(folder, series="1.2.2").name == "made (1) #2"
    with pytest.raises(UnknownItemError, match=re.escape("made (0)")):
        read(folder, series="nothing")


def test_a_damaged_slice_leaves_a_named_gap(series: Series) -> None:
    folder = series([0, 2, 4, 6, 8])
    whole = (folder / "002.dcm").read_bytes()
    (folder / "002.dcm").write_bytes(whole[:-10])
    with pytest.warns(NbannotWarning) as caught:
        image = one(folder)
    assert isinstance(image.geometry, Stack)
    texts = [str(warning.message) for warning in caught]
    assert any("002.dcm is damaged" in text for text in texts)
    assert any("Damaged and left out: 002.dcm" in text for text in texts)


@pytest.mark.parametrize("missing", ["FrameOfReferenceUID", "InstanceNumber", "StudyInstanceUID",
                                     "ImageType", "SeriesDescription", "SeriesInstanceUID"])  # fmt: skip
def test_optional_attributes_may_be_missing(series: Series, missing: str) -> None:
    image = one(series([0, 2, 4], lambda n: {missing: None}))
    assert isinstance(image.geometry, Geometry)


def test_without_positions_slices_are_pictures_in_numbered_order(series: Series) -> None:
    folder = series([0, 2, 4], lambda n: {"InstanceNumber": 3 - n}, ImagePositionPatient=None)
    with pytest.warns(GeometryWarning, match="without a position"):
        image = one(series([0, 2, 4], lambda n: {"InstanceNumber": 3 - n,
                                                 "ImagePositionPatient": None}))  # fmt: skip
    assert folder.is_dir()
    assert image.geometry.patient_space is False
    assert image.array[:, 0, 0].tolist() == [2, 1, 0]


@pytest.mark.parametrize("spacing", [None, [0, 0], ["0.000", "0.000"]])
def test_no_pixel_size_means_pixels(tmp_path: Path, spacing: Any) -> None:
    with pytest.warns(GeometryWarning, match="no pixel size"):
        image = one(write_slice(tmp_path / "a.dcm", PixelSpacing=spacing))
    assert (image.geometry.unit, image.geometry.patient_space) == ("px", False)


def test_pixel_size_of_projections(tmp_path: Path) -> None:
    tags: dict[str, Any] = {"Modality": "DX", "ImagePositionPatient": None, "PixelSpacing": None}
    tags["ImagerPixelSpacing"] = [0.1, 0.2]
    tags["PatientOrientation"] = ["A", "FR"]
    image = one(write_slice(tmp_path / "a.dcm", **tags))
    assert image.geometry.spacing[1:] == pytest.approx((0.1, 0.2))
    assert image.orientation_labels == ("A", "FR")
    assert "detector" in image.notes[0]


def test_views_of_a_radiograph_stay_apart(folder: Path) -> None:
    for n in range(2):
        write_slice(folder / f"{n}.dcm", Modality="MG", InstanceNumber=n + 1)
    assert len(several(folder)) == 2


@pytest.mark.parametrize(
    ("function", "expected", "bounds"),
    [
        # PS3.3 C.11.2.1.2.1: black up to c - 0.5 - (w - 1)/2, white above c - 0.5 + (w - 1)/2
        (None, "LINEAR", (-160, 239)),
        ("LINEAR", "LINEAR", (-160, 239)),
        ("LINEAR_EXACT", "LINEAR_EXACT", (-160, 240)),
        ("SIGMOID", "SIGMOID", (-160, 240)),
    ],
)
def test_windows_follow_the_standard(tmp_path: Path, function: Any, expected: Any, bounds: Any) -> None:
    image = one(write_slice(tmp_path / "a.dcm", WindowCenter=40, WindowWidth=400,
                            WindowCenterWidthExplanation="SOFT", VOILUTFunction=function))  # fmt: skip
    assert image.windows == (Window(40, 400, "SOFT", expected),)
    assert (image.windows[0].lower, image.windows[0].upper) == bounds


def test_several_windows_and_useless_ones(tmp_path: Path) -> None:
    image = one(write_slice(tmp_path / "a.dcm", WindowCenter=[40, -600, 0], WindowWidth=[400, 1600, 0],
                            WindowCenterWidthExplanation=["SOFT", "LUNG", "NONE"]))  # fmt: skip
    assert [window.name for window in image.windows] == ["SOFT", "LUNG"]


@pytest.mark.parametrize(
    ("pixels", "tags", "dtype", "values"),
    [
        (np.array([[0, 4095]], np.uint16), {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -1024},
         "int16", [-1024, 3071]),
        (np.array([[0, 65535]], np.uint16), {}, "uint16", [0, 65535]),
        (np.array([[-2000, 3000]], np.int16), {"RescaleIntercept": -1024}, "int16", [-3024, 1976]),
        (np.array([[0, 200]], np.uint8), {}, "uint8", [0, 200]),
        (np.array([[0, 200]], np.uint8), {"RescaleSlope": 2}, "uint16", [0, 400]),
        (np.array([[0, 1000]], np.uint16), {"RescaleSlope": 0.5}, "float32", [0, 500]),
        (np.array([[0, 70000]], np.uint32), {"Modality": "MR", "BitsStored": 17, "HighBit": 16},
         "int32", [0, 70000]),
        # numbers above the stored bits are no part of the value
        (np.array([[0x8001, 0xF0FF]], np.uint16), {"BitsStored": 12, "HighBit": 11}, "uint16",
         [1, 0x0FF]),
        (np.array([[0x0FFF, 0x07FF]], np.uint16),
         {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}, "int16", [-1, 2047]),
        (np.array([[0x1230, 0x0010]], np.uint16), {"BitsStored": 12, "HighBit": 15}, "uint16",
         [0x123, 1]),
    ],
)  # fmt: skip
def test_values_are_exact_in_the_smallest_dtype(
    tmp_path: Path, pixels: Any, tags: dict[str, Any], dtype: str, values: list[float]
) -> None:
    image = one(write_slice(tmp_path / "a.dcm", pixels, **tags))
    assert image.dtype == dtype
    assert image.array.ravel().tolist() == values
    assert image.plane_array(0).ravel().tolist() == values


def test_slopes_may_differ_between_slices(series: Series) -> None:
    image = one(series([0, 2], lambda n: {"RescaleSlope": 0.5 + n, "pixels": np.full((3, 4), 3, np.int16)},
                       Modality="PT", Units="BQML"))  # fmt: skip
    assert (image.unit, image.dtype) == ("BQML", np.float32)
    assert image.array[:, 0, 0].tolist() == [1.5, 4.5]


def test_impossible_ct_numbers_are_clipped_aloud(tmp_path: Path) -> None:
    pixels = np.array([[-32768, 0]], np.int16)
    image = one(write_slice(tmp_path / "a.dcm", pixels, RescaleIntercept=-1024))
    with pytest.warns(ClippedWarning, match=r"a\.dcm"):
        assert image.array.ravel().tolist() == [-32768, -1024]


def test_a_known_padding_value_is_kept_exact(tmp_path: Path) -> None:
    pixels = np.array([[-32768, 0]], np.int16)
    image = one(write_slice(tmp_path / "a.dcm", pixels, RescaleIntercept=-1024, PixelPaddingValue=-32768))
    assert image.array.ravel().tolist() == [-33792, -1024]


def test_monochrome1_is_kept_as_stored(tmp_path: Path) -> None:
    image = one(write_slice(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1"))
    assert image.photometric == "MONOCHROME1"
    assert image.array.ravel().tolist() == list(range(12))


@pytest.mark.parametrize("planar", [0, 1])
def test_planar_configurations_give_the_same_colours(tmp_path: Path, planar: int) -> None:
    colors = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    stored = colors if planar == 0 else np.ascontiguousarray(colors.transpose(2, 0, 1))
    image = one(write_slice(tmp_path / "a.dcm", stored, Rows=3, Columns=4, PlanarConfiguration=planar))
    assert image.is_color
    np.testing.assert_array_equal(image.array[0], colors)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1",
                                    "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])  # fmt: skip
def test_uncompressed_transfer_syntaxes(tmp_path: Path, syntax: str) -> None:
    pixels = np.arange(-6, 6, dtype=np.int16).reshape(3, 4)
    stored = pixels.byteswap() if syntax.endswith("1.2.2") else pixels
    image = one(write_slice(tmp_path / "a.dcm", stored, syntax=syntax))
    np.testing.assert_array_equal(image.array[0], pixels)


def test_the_same_series_keeps_its_id_anywhere(series: Series, tmp_path: Path) -> None:
    folder = series([0, 2, 4])
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert one(folder).id == one(moved).id


def test_one_bit_frames(tmp_path: Path) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 7)).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little")
    path = write_slice(tmp_path / "a.dcm", packed[None], Rows=5, Columns=7, NumberOfFrames=3, BitsAllocated=1,
                       BitsStored=1, HighBit=0, ImagePositionPatient=None, Modality="OT")  # fmt: skip
    np.testing.assert_array_equal(one(path).array, bits)
    np.testing.assert_array_equal(one(path).plane_array(2), bits[2])


def test_images_without_any_identity_keep_an_id_by_content(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm", SeriesInstanceUID=None, StudyInstanceUID=None,
                       SOPInstanceUID=None)  # fmt: skip
    assert one(path).id == one(path).id


def test_an_image_is_found_by_its_id(series: Series, folder: Path) -> None:
    series([0, 2, 4, 0, 4], lambda n: {"EchoTime": 10 if n < 3 else 20})
    for image in several(folder).values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NbannotWarning)
            assert one(folder, series=image.id).id == image.id


def test_diffusion_directions_make_frames(series: Series) -> None:
    directions = [None, (1, 0, 0), (0, 1, 0)]

    def each(n: int) -> dict[str, Any]:
        direction = directions[n // 2]
        return {
            "DiffusionBValue": 1000.0 if direction else 0.0,
            "DiffusionGradientOrientation": list(direction) if direction else None,
            "InstanceNumber": None,
        }

    image = one(series([0, 2] * 3, each))
    assert image.frames == 3
    assert image.notes == ("3 frames by b-value and gradient direction: 0, 1000, 1000",)
    assert image.array[:, :, 0, 0].tolist() == [[0, 1], [4, 5], [2, 3]]


def test_a_localizer_stays_apart_from_its_series(series: Series) -> None:
    images = several(series([0, 2, 4, 6], lambda n: {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER" if n == 3 else "AXIAL"],
    }))  # fmt: skip
    assert sorted(image.shape[0] for image in images.values()) == [1, 3]


def test_private_b_values_of_siemens(series: Series, folder: Path) -> None:
    import pydicom

    series([0, 0, 2, 2], lambda n: {"InstanceNumber": None})
    for n, path in enumerate(sorted(folder.iterdir())):
        ds = pydicom.dcmread(path)
        block = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0C, "IS", 50 + 750 * (n % 2))
        ds.save_as(path)
    assert one(folder).notes == ("2 frames by b-value: 50, 800",)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("claimed", ["YBR_FULL", "YBR_FULL_422"])
def test_uncompressed_ybr_frames(tmp_path: Path, frames: int, claimed: str) -> None:
    from pydicom.pixels.processing import convert_color_space

    stored = np.random.default_rng(1).integers(0, 255, (frames, 3, 5, 3)).astype(np.uint8)
    path = write_slice(tmp_path / "a.dcm", stored.reshape(frames * 3, 5, 3), Rows=3, NumberOfFrames=frames,
                       PhotometricInterpretation=claimed, Modality="US")  # fmt: skip
    expected = convert_color_space(stored, "YBR_FULL", "RGB")
    np.testing.assert_array_equal(one(path).array, expected)


def test_planes_may_be_asked_for_from_many_threads(shared_data: Path) -> None:
    image = one(shared_data / "us/echo_ybr_30frames.dcm")
    with ThreadPoolExecutor(8) as pool:
        planes = list(pool.map(image.plane_array, range(30)))
    np.testing.assert_array_equal(np.stack(planes), image.array)


@pytest.mark.parametrize(
    ("dtype", "bits"), [("uint8", 8), ("uint16", 10), ("uint16", 16), ("int16", 12), ("int16", 16)]
)
@pytest.mark.parametrize("syntax", ["RLELossless", "JPEGLSLossless", "JPEG2000Lossless"])
def test_lossless_codings_keep_every_value(tmp_path: Path, dtype: str, bits: int, syntax: str) -> None:
    import pydicom

    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if dtype[0] == "i" else (0, (1 << bits) - 1)
    pixels = np.random.default_rng(1).integers(low, high, (40, 50), endpoint=True).astype(dtype)
    pixels[0, :2] = low, high
    path = write_slice(tmp_path / "a.dcm", pixels, Modality="MR", BitsStored=bits, HighBit=bits - 1)
    ds = pydicom.dcmread(path)
    ds.compress(getattr(pydicom.uid, syntax))
    ds.save_as(path)
    np.testing.assert_array_equal(one(path).array[0], pixels)

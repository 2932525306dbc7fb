"""Tables of greys, curves, views, frames and pixel shapes: what a file says about its display."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nbannot as nb
from formats_making import write_slice
from nbannot.errors import GeometryWarning, NbannotWarning
from nbannot.model.image import Image, VoiLut, Window

RAMP = np.arange(12, dtype=np.uint16).reshape(3, 4)


def one(path: Path) -> Image:
    image = nb.read(path)
    assert isinstance(image, Image)
    return image


def table(first: int, values: list[int], bits: int, name: str = "") -> list[Any]:
    from pydicom import DataElement, Dataset

    item = Dataset()
    item.add(DataElement(0x00283002, "SS" if first < 0 else "US", [len(values), first, bits]))
    item.add(DataElement(0x00283006, "US", values))
    if name:
        item.LUTExplanation = name
    return [item]


def by_pydicom(path: Path) -> np.ndarray[Any, Any]:
    """Return greys from 0 to 1 as pydicom computes them."""
    import pydicom
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    ds = pydicom.dcmread(path)
    values = apply_modality_lut(ds.pixel_array, ds).astype(np.int64)  # every made scaling is whole
    shown = apply_voi_lut(values, ds)
    if ds.get("VOILUTSequence"):
        return np.asarray(shown / (2.0 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1))
    span = 2.0**ds.BitsStored
    low = -span / 2 if ds.PixelRepresentation else 0.0
    if "RescaleSlope" in ds:
        low, span = low * ds.RescaleSlope + ds.RescaleIntercept, (span - 1) * ds.RescaleSlope + 1
    return np.asarray((shown - low) / (span - 1))


def test_a_real_table_of_greys_agrees_with_pydicom(shared_data: Path) -> None:
    path = shared_data / "odd/pydicom/vlut_04.dcm"
    image = one(path)
    [lut] = image.voi_luts
    assert (lut.first, lut.bits, len(lut.values)) == (0.0, 16, 256)
    np.testing.assert_allclose(lut.apply(image.array[0]), by_pydicom(path), atol=1e-6)
    assert lut.greys().tolist() == np.rint(lut.values / 257).astype(int).tolist()
    # a file without a window gets the one that spans the table
    assert (image.windows[0].lower, image.windows[0].upper) == (0, 255)


@pytest.mark.parametrize(
    ("intercept", "first", "dtype"),
    [(0, 3, np.uint16), (-8, -5, np.uint16), (0, -2, np.int16), (100, 104, np.uint16)],
)
def test_tables_count_in_rescaled_values(tmp_path: Path, intercept: int, first: int, dtype: Any) -> None:
    greys = [0, 100, 300, 1000, 4095]
    path = write_slice(tmp_path / "a.dcm", RAMP.astype(dtype) - (3 if dtype == np.int16 else 0), Modality="DX",
                       RescaleIntercept=intercept, VOILUTSequence=table(first, greys, 12, "HARD"))  # fmt: skip
    image = one(path)
    [lut] = image.voi_luts
    assert (lut.first, lut.name, lut.values.tolist()) == (first, "HARD", greys)
    np.testing.assert_allclose(lut.apply(image.array[0]), by_pydicom(path), atol=1e-6)


def test_several_tables_and_unusable_ones(tmp_path: Path) -> None:
    tables = table(0, [0, 9, 255], 8, "SOFT") + table(0, [], 8) + table(0, [0, 511], 8, "LATE")
    image = one(write_slice(tmp_path / "a.dcm", VOILUTSequence=tables, WindowCenter=4, WindowWidth=8))
    assert [(lut.name, lut.bits) for lut in image.voi_luts] == [("SOFT", 8), ("LATE", 9)]
    assert image.windows == (Window(4, 8, "", "LINEAR"),)
    assert VoiLut(np.array([0, 255], np.uint16), 10, 8).apply([-1e9, 9, 10, 11, 1e9, np.nan]).tolist() == [
        0, 0, 0, 1, 1, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_curves_agree_with_pydicom(tmp_path: Path, function: str) -> None:
    pixels = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    path = write_slice(tmp_path / "a.dcm", pixels, BitsStored=12, HighBit=11, Modality="DX", RescaleIntercept=-5,
                       WindowCenter=1500, WindowWidth=800, VOILUTFunction=function)  # fmt: skip
    [window] = one(path).windows
    assert window.function == function
    np.testing.assert_allclose(window.apply(one(path).array[0]), by_pydicom(path), atol=1e-5)


def test_the_curve_agrees_with_highdicom(tmp_path: Path) -> None:
    import highdicom

    pixels = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    path = write_slice(tmp_path / "a.dcm", pixels, BitsStored=12, HighBit=11, RescaleIntercept=-1000,
                       WindowCenter=500, WindowWidth=800, VOILUTFunction="SIGMOID")  # fmt: skip
    image = one(path)
    expected = highdicom.imread(path).get_frame(1, apply_voi_transform=True)
    np.testing.assert_allclose(image.windows[0].apply(image.array[0]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("tags", "side", "view"),
    [
        ({"ImageLaterality": "R", "ViewPosition": "CC"}, "R", "CC"),
        ({"Laterality": "L", "ViewPosition": "MLO"}, "L", "MLO"),
        ({"ImageLaterality": "L", "Laterality": "R"}, "L", ""),
        ({"ImageLaterality": "B"}, "", ""),
        ({"code": "399368009"}, "", "MLO"),
        ({"code": "R-10242"}, "", "CC"),
        ({"code": "12345"}, "", ""),
    ],
)
def test_sides_and_views(tmp_path: Path, tags: dict[str, Any], side: str, view: str) -> None:
    from pydicom import Dataset

    code = tags.pop("code", None)
    if code:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", "view"
        tags["ViewCodeSequence"] = [item]
    image = one(write_slice(tmp_path / "a.dcm", Modality="MG", **tags))
    assert (image.laterality, image.view_position) == (side, view)


def test_real_sides_views_and_burned_in_names(shared_data: Path) -> None:
    mammogram = one(shared_data / "mg/MG1_J2KI.dcm")
    assert (mammogram.laterality, mammogram.view_position, mammogram.burned_in) == ("L", "MLO", False)
    assert one(shared_data / "phi/us_greyscale_burned_in.dcm").burned_in
    assert one(shared_data / "petct_acrin042/pet_ac").series_description == "PET AC"


def test_b_values_and_times_of_real_series(shared_data: Path) -> None:
    diffusion = one(shared_data / "mr_prostatex0000/dwi")
    assert (diffusion.frames, diffusion.frame_label) == (3, "b-value")
    assert diffusion.frame_values == (50.0, 400.0, 800.0)
    functional = one(shared_data / "odd/time_series_ge_fmri")
    assert (functional.frames, functional.frame_label, functional.frame_values) == (10, "frame", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        nifti = one(shared_data / "nifti_misc/example4d.nii.gz")
    assert (nifti.frame_label, nifti.frame_values) == ("time", (0.0, 2000.0))
    still = one(shared_data / "us/echo_ybr_30frames.dcm")
    assert (still.frames, still.frame_label, still.frame_values) == (1, "", None)


@pytest.mark.parametrize(
    ("tag", "values", "label", "expected"),
    [
        ("EchoTime", [10.0, 30.0], "echo time", (10.0, 30.0)),
        ("TriggerTime", [0.0, 40.0], "time", (0.0, 0.04)),
        ("DiffusionBValue", [0.0, 1000.0], "b-value", (0.0, 1000.0)),
        ("FlipAngle", [5.0, 15.0], "flip angle", (5.0, 15.0)),
        ("TemporalPositionIdentifier", [1, 2], "temporal position", (1.0, 2.0)),
    ],
)
def test_what_tells_frames_apart(
    series: Callable[..., Path], tag: str, values: list[Any], label: str, expected: Any
) -> None:
    place = series([0.0, 1.0] * 2, lambda n: {tag: values[n // 2], "InstanceNumber": 1}, Modality="MR")
    image = one(place)
    assert (image.frames, image.frame_label, image.frame_values) == (2, label, expected)


def test_times_of_a_series(series: Callable[..., Path]) -> None:
    place = series([0.0, 1.0] * 2, lambda n: {"TemporalPositionIdentifier": n // 2 + 1,
                                              "AcquisitionTime": f"1200{n // 2 * 30:02}"})  # fmt: skip
    assert (one(place).frame_label, one(place).frame_values) == ("time", (0.0, 30.0))


@pytest.mark.parametrize(
    ("tags", "spacing", "unit"),
    [
        ({"PixelAspectRatio": ["2", "1"]}, (2.0, 1.0), "px"),
        ({"PixelAspectRatio": ["1", "2"]}, (0.5, 1.0), "px"),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "mm"),
        ({"PixelSpacing": [0.2, 0.1], "PixelAspectRatio": ["1", "1"]}, (0.2, 0.1), "mm"),
    ],
)
def test_pixels_that_are_not_square(tmp_path: Path, tags: dict[str, Any], spacing: Any, unit: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        image = one(write_slice(tmp_path / "a.dcm", **{
            "Modality": "DX", "ImagePositionPatient": None, "ImageOrientationPatient": None,
            "PixelSpacing": None, **tags}))  # fmt: skip
    assert isinstance(image.geometry, nb.Stack)
    assert image.geometry.spacing[1:] == pytest.approx(spacing)
    assert image.geometry.unit == unit
    plane = image.geometry.planes[0]
    assert np.linalg.norm(plane.row_step) / np.linalg.norm(plane.column_step) == spacing[0] / spacing[1]


def test_real_pixels_that_are_not_square(shared_data: Path) -> None:
    image = one(shared_data / "us/us_planar_config1.dcm")  # Pixel Aspect Ratio 4\3
    assert image.geometry.spacing[1] / image.geometry.spacing[2] == pytest.approx(4 / 3)
    scanned = one(shared_data / "us/us_no_pixel_spacing_regions.dcm")  # calibrated by its regions
    assert isinstance(scanned.geometry, nb.Stack) and scanned.geometry.unit == "mm"

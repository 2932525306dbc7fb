"""SUV factors of real and made PET series."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

import nbannot as nb
from nbannot.errors import SuvError
from nbannot.formats.dicom import suv
from nbannot.model.image import Image

PET = "1.2.840.10008.5.1.4.1.1.128"
HALF_LIFE = 6600.0
DOSE = 4e8


def drug(**tags: Any) -> list[Any]:
    from pydicom import Dataset

    item = Dataset()
    values = {"RadionuclideTotalDose": DOSE, "RadionuclideHalfLife": HALF_LIFE,
              "RadiopharmaceuticalStartTime": "090000", **tags}  # fmt: skip
    for name, value in values.items():
        if value is not None:
            setattr(item, name, value)
    return [item]


@pytest.fixture
def pet(series: Callable[..., Path]) -> Callable[..., Image]:
    """Make a PET series of three slices; 2 half-lives (220 min) lie between injection and scan."""

    def make(each: Callable[[int], dict[str, Any]] = lambda n: {}, **tags: Any) -> Image:
        values: dict[str, Any] = {
            "SOPClassUID": PET, "Modality": "PT", "Units": "BQML", "DecayCorrection": "START",
            "CorrectedImage": ["DECY", "ATTN"], "PatientWeight": 80, "PatientSize": 1.8, "PatientSex": "M",
            "SeriesDate": "20240301", "SeriesTime": "124000", "AcquisitionDate": "20240301",
            "AcquisitionTime": "124000", "RadiopharmaceuticalInformationSequence": drug(), **tags,
        }  # fmt: skip
        return one(series([0.0, 2.0, 4.0], each, **values))

    return make


def one(path: Path) -> Image:
    image = nb.read(path)
    assert isinstance(image, Image)
    return image


START = 80_000 / (DOSE / 4)


def test_real_factors(shared_data: Path, facts: dict[str, Any]) -> None:
    known = facts["petct_acrin042/pet_ac"]["facts"]
    image = one(shared_data / "petct_acrin042/pet_ac")
    assert image.suv_factor("bw") == pytest.approx(known["suvbw_factor_seriestime"], rel=1e-5)
    highest = image.array.max() * image.suv_factor()
    assert highest == pytest.approx(known["suvbw_max_on_disk"], rel=1e-5)
    # SimpleITK reads and rescales on its own
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(shared_data / "petct_acrin042/pet_ac"))
    read_alone = max(float(sitk.GetArrayFromImage(sitk.ReadImage(file)).max()) for file in files)
    assert read_alone * image.suv_factor() == pytest.approx(known["suvbw_max_on_disk"], rel=1e-5)
    # the vendor-neutral factor that the data set brings along
    import pydicom

    mapping = pydicom.dcmread(shared_data / "petct_acrin042/labels/rwvm_2.dcm")
    item = mapping.ReferencedImageRealWorldValueMappingSequence[0].RealWorldValueMappingSequence[0]
    assert image.suv_factor("bw") == pytest.approx(item.RealWorldValueSlope, rel=1e-4)


def test_real_values_that_are_suv_already(shared_data: Path) -> None:
    image = one(shared_data / "rtstruct_sts003/pet_suv")
    assert image.suv_factor("bw") == 1.0
    assert image.suv_factor("lbm") == pytest.approx(suv.lean_body_mass(80, 1.63, "F") / 80)


def test_body_sizes() -> None:
    # worked by hand from the published formulas
    assert suv.body_surface(70, 1.75) == pytest.approx(1.8481, abs=1e-3)
    assert suv.lean_body_mass(70, 1.75, "M") == pytest.approx(9270 * 70 / (6680 + 216 * 70 / 1.75**2))
    assert suv.lean_body_mass(70, 1.75, "M") == pytest.approx(55.9, abs=0.1)
    assert suv.lean_body_mass(70, 1.75, "F") == pytest.approx(45.2, abs=0.1)
    assert suv.lean_body_mass_james(70, 1.75, "M") == pytest.approx(77 - 128 * 0.16)
    assert suv.lean_body_mass_james(70, 1.75, "F") == pytest.approx(74.9 - 148 * 0.16)


def test_the_dose_decays_to_the_start(pet: Callable[..., Image]) -> None:
    image = pet()
    assert image.suv_factor() == pytest.approx(START)
    assert image.suv_factor("lbm") == pytest.approx(START / 80 * suv.lean_body_mass(80, 1.8, "M"))
    assert image.suv_factor("bsa") == pytest.approx(START / 80_000 * suv.body_surface(80, 1.8) * 1e4)
    assert image.suv is not None and "Series Time" in image.suv.notes[0]


@pytest.mark.parametrize(
    ("tags", "factor"),
    [
        ({"DecayCorrection": "ADMIN"}, 80_000 / DOSE),
        ({"SeriesTime": "014000", "AcquisitionTime": "014000",
          "RadiopharmaceuticalInformationSequence": drug(RadiopharmaceuticalStartTime="220000")}, START),
        ({"SeriesDate": None, "AcquisitionDate": None}, START),
        ({"RadiopharmaceuticalInformationSequence": drug(
            RadiopharmaceuticalStartTime=None, RadiopharmaceuticalStartDateTime="20240301090000.00")}, START),
        # a date that was not moved with the others
        ({"RadiopharmaceuticalInformationSequence": drug(
            RadiopharmaceuticalStartDateTime="20110301090000")}, START),
        # days between injection and scan
        ({"RadiopharmaceuticalInformationSequence": drug(
            RadionuclideHalfLife=86400 * 2, RadiopharmaceuticalStartDateTime="20240227124000")},
         80_000 / (DOSE / 2 ** 1.5)),
        # the scan starts shortly before the injection
        ({"RadiopharmaceuticalInformationSequence": drug(RadiopharmaceuticalStartTime="124100")},
         80_000 / (DOSE * 2 ** (60 / HALF_LIFE))),
        # a series written again later
        ({"SeriesTime": "180000"}, START),
        ({"Units": "GML"}, 1.0),
        ({"Units": "GML", "SUVType": "BW"}, 1.0),
        ({"Units": "GML", "SUVType": "LBMJANMA"}, 80 / suv.lean_body_mass(80, 1.8, "M")),
        ({"Units": "GML", "SUVType": "LBMJAMES128"}, 80 / suv.lean_body_mass_james(80, 1.8, "M")),
        ({"Units": "CM2ML"}, 80_000 / (suv.body_surface(80, 1.8) * 1e4)),
    ],
)  # fmt: skip
def test_ways_of_saying_it(pet: Callable[..., Image], tags: dict[str, Any], factor: float) -> None:
    assert pet(**tags).suv_factor() == pytest.approx(factor, rel=1e-6)


def test_a_reprocessed_series_tells_its_start_by_the_frame_reference_time(pet: Callable[..., Image]) -> None:
    minute = 60_000
    bed = {0: "124000", 1: "124000", 2: "125000"}
    mean = suv._average_moment(240.0, HALF_LIFE)
    assert mean == pytest.approx(120, abs=1) and mean < 120
    image = pet(
        lambda n: {"AcquisitionTime": bed[n],
                   "FrameReferenceTime": mean * 1000 + (10 * minute if n == 2 else 0)},
        SeriesTime="180000", ActualFrameDuration=4 * minute,
    )  # fmt: skip
    assert image.suv_factor() == pytest.approx(START, rel=1e-6)


def test_a_reprocessed_series_of_ge_has_its_own_scan_time(pet: Callable[..., Image], folder: Path) -> None:
    import pydicom

    pet(SeriesTime="180000", FrameReferenceTime=1.0, ActualFrameDuration=240_000)
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        block = ds.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", "20240301124000.00")
        ds.save_as(path)
    image = one(folder)
    assert image.suv_factor() == pytest.approx(START, rel=1e-6)
    assert image.suv is not None and "GE" in image.suv.notes[0]


def test_values_without_decay_correction(pet: Callable[..., Image]) -> None:
    image = pet(DecayCorrection="NONE", CorrectedImage=["ATTN"], ActualFrameDuration=240_000)
    later = suv._average_moment(240.0, HALF_LIFE)
    assert image.suv_factor() == pytest.approx(START * 2 ** (later / HALF_LIFE), rel=1e-6)


def philips(number: int, value: float) -> dict[str, Any]:
    return {"Units": "CNTS", "philips": (number, value)}


@pytest.mark.parametrize(("number", "value", "factor"), [(0x00, 0.002, 0.002), (0x09, 3.0, 3.0 * START)])
def test_counts_with_the_vendors_factor(
    pet: Callable[..., Image], folder: Path, number: int, value: float, factor: float
) -> None:
    import pydicom

    pet(Units="CNTS")
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(number, "DS", str(value))
        ds.save_as(path)
    assert one(folder).suv_factor() == pytest.approx(factor, rel=1e-6)


@pytest.mark.parametrize(
    ("tags", "kinds", "words"),
    [
        ({"PatientWeight": None}, "bw lbm bsa", r"Weight \(0010,1030\) is missing"),
        ({"PatientWeight": 0}, "bw", "Weight .* not above 0"),
        ({"PatientSize": None}, "lbm bsa", "Size .* missing"),
        ({"PatientSize": 180}, "lbm bsa", "no body height in m"),
        ({"PatientSex": "O"}, "lbm", "Sex"),
        ({"Units": None}, "bw", "Units .* missing"),
        ({"Units": "CNTS"}, "bw", "counts"),
        ({"Units": "PROPCNTS"}, "bw", "Units"),
        ({"Units": "GML", "SUVType": "IBW"}, "bw lbm bsa", "SUV Type"),
        ({"Units": "GML", "SUVType": "LBM"}, "bw bsa", "SUV Type|Size|Weight"),
        ({"DecayCorrection": None}, "bw", "Decay Correction .* missing"),
        ({"CorrectedImage": ["DECY"]}, "bw", "attenuation"),
        ({"CorrectedImage": ["ATTN"]}, "bw", "contradict"),
        ({"RadiopharmaceuticalInformationSequence": None}, "bw", "Total Dose .* missing"),
        ({"RadiopharmaceuticalInformationSequence": drug(RadionuclideTotalDose=400)}, "bw", "in Bq"),
        ({"RadiopharmaceuticalInformationSequence": drug(RadionuclideHalfLife=None)}, "bw", "Half Life"),
        ({"RadiopharmaceuticalInformationSequence": drug(RadiopharmaceuticalStartTime=None)}, "bw", "Start Time"),
        ({"RadiopharmaceuticalInformationSequence": drug(RadionuclideHalfLife=86400)}, "bw", "DateTime"),
        ({"RadiopharmaceuticalInformationSequence": drug(
            RadiopharmaceuticalStartTime=None, RadiopharmaceuticalStartDateTime="20250301090000")},
         "bw", "does not fit"),
        ({"SeriesTime": None, "AcquisitionTime": None}, "bw", "Series Time"),
    ],
)  # fmt: skip
def test_reasons_name_the_attribute(
    pet: Callable[..., Image], tags: dict[str, Any], kinds: Any, words: str
) -> None:
    image = pet(**tags)
    for kind in kinds.split():
        with pytest.raises(SuvError, match=words):
            image.suv_factor(kind)
    assert image.suv is not None
    assert "80" not in json.dumps(dict(image.suv.reasons)).replace("(0018", "")


def test_slices_that_disagree_have_no_factor(pet: Callable[..., Image]) -> None:
    image = pet(lambda n: {"PatientWeight": 80 + n})
    with pytest.raises(SuvError, match="contradict"):
        image.suv_factor()


def test_slices_measured_one_after_the_other_without_decay_correction(pet: Callable[..., Image]) -> None:
    image = pet(lambda n: {"AcquisitionTime": f"12400{n}"}, DecayCorrection="NONE")
    with pytest.raises(SuvError, match="different times"):
        image.suv_factor()


def test_other_images_have_none(shared_data: Path) -> None:
    made = Image(np.zeros((1, 2, 2), np.uint8), nb.Stack.picture((2, 2)))
    with pytest.raises(SuvError, match="no PET"):
        made.suv_factor()
    assert one(shared_data / "petct_acrin042/ct").suv is None
    with pytest.raises(SuvError, match="none of"):
        one(shared_data / "petct_acrin042/pet_ac").suv_factor("ibw")  # type: ignore[arg-type]

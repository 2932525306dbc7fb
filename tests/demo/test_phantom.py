"""The chest phantom against SimpleITK and dcm2niix, and against what it was made from."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import dcm2niix
import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK as sitk

import nbannot as nb
from nbannot.demo.anatomy import Plan
from nbannot.demo.phantom import BQML_PER_SUV, ChestSeries, write_chest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chest(tmp_path_factory: pytest.TempPathFactory) -> ChestSeries:
    return write_chest(tmp_path_factory.mktemp("phantom"))


def read(folder: Path) -> sitk.Image:
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return sitk.ReadImage(files)


def ball(image: sitk.Image, center: tuple[float, float, float], radius: float) -> npt.NDArray[np.float64]:
    values = sitk.GetArrayFromImage(image)
    axes = [
        np.arange(n) * s + o
        for n, s, o in zip(image.GetSize(), image.GetSpacing(), image.GetOrigin(), strict=True)
    ]
    x, y, z = (a - c for a, c in zip(axes, center, strict=True))
    inside = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius**2
    return values[inside].astype(float)


def test_the_ct_has_its_geometry_and_densities(chest: ChestSeries) -> None:
    image = read(chest.ct)
    assert image.GetSize() == (256, 256, 120)
    assert image.GetSpacing() == pytest.approx((1.4, 1.4, 2.5))
    assert image.GetOrigin() == pytest.approx((-178.5, -178.5, 0))
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    expected = {
        "air": ((-172, -172, 20), -1000),
        "aorta": ((26, 47, 120), 215),
        "liver": ((-92, -20, 62), 108),
        "tumour": (chest.nodule.center, 48),
        "trachea": ((0, 11, 270), -1000),
    }
    means = {organ: ball(image, center, 5).mean() for organ, (center, _) in expected.items()}
    assert means == pytest.approx({organ: hu for organ, (_, hu) in expected.items()}, abs=6)


def test_the_pet_gives_the_planned_uptake(chest: ChestSeries) -> None:
    image = read(chest.pet)
    assert image.GetSize() == (128, 128, 91)
    assert image.GetSpacing() == pytest.approx((4, 4, 3.27))
    assert image.GetOrigin() == pytest.approx((-254, -254, 0))
    header = pydicom.dcmread(next(chest.pet.glob("*.dcm")))
    tracer = header.RadiopharmaceuticalInformationSequence[0]
    waited = 3600.0
    left = float(tracer.RadionuclideTotalDose) * 0.5 ** (waited / float(tracer.RadionuclideHalfLife))
    factor = float(header.PatientWeight) * 1000 / left
    assert factor == pytest.approx(1 / BQML_PER_SUV, rel=1e-9)
    series = nb.read(chest.pet)
    assert isinstance(series, nb.Image)
    assert series.suv_factor("bw") == pytest.approx(1 / BQML_PER_SUV, rel=1e-9)
    assert (header.Units, header.DecayCorrection) == ("BQML", "START")
    assert (tracer.RadiopharmaceuticalStartTime, header.SeriesTime) == ("110000", "120000")
    assert ball(image, (-92, -20, 62), 10).mean() * factor == pytest.approx(2.1, abs=0.1)
    assert 7.0 < ball(image, chest.nodule.center, 9).max() * factor < 9.5
    assert ball(image, (-172, -172, 20), 10).max() * factor < 0.2


def test_both_series_share_patient_space(chest: ChestSeries) -> None:
    ct, pet = (pydicom.dcmread(next(folder.glob("*.dcm"))) for folder in (chest.ct, chest.pet))
    assert ct.FrameOfReferenceUID == pet.FrameOfReferenceUID
    assert ct.StudyInstanceUID == pet.StudyInstanceUID
    assert ct.SeriesInstanceUID != pet.SeriesInstanceUID


def test_each_pet_slice_has_its_own_slope(chest: ChestSeries) -> None:
    slopes = {str(pydicom.dcmread(f, stop_before_pixels=True).RescaleSlope) for f in chest.pet.glob("*.dcm")}
    assert len(slopes) > 80


def test_dcm2niix_reads_the_same_ct(chest: ChestSeries, tmp_path: Path) -> None:
    subprocess.run(
        [dcm2niix.bin, "-b", "n", "-z", "n", "-f", "ct", "-o", tmp_path, chest.ct],
        check=True,
        capture_output=True,
    )
    nifti = nibabel.load(tmp_path / "ct.nii")
    values = np.asarray(nifti.dataobj)[:, ::-1].T  # dcm2niix turns the rows round
    np.testing.assert_array_equal(values, sitk.GetArrayFromImage(read(chest.ct)))
    np.testing.assert_allclose(nifti.affine @ [0, 255, 0, 1], [178.5, 178.5, 0, 1], atol=1e-3)


def test_the_same_plan_gives_the_same_bytes(chest: ChestSeries, tmp_path: Path) -> None:
    again = write_chest(tmp_path)
    for first, second in ((chest.ct, again.ct), (chest.pet, again.pet)):
        assert digest(first) == digest(second)
    assert Plan() == Plan(seed=20)


def digest(folder: Path) -> str:
    files = sorted(folder.iterdir())
    return hashlib.sha256(b"".join(f.name.encode() + f.read_bytes() for f in files)).hexdigest()

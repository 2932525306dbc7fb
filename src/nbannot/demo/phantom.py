"""The chest phantom as two DICOM series: a contrast CT and an FDG PET in the same frame of reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nbannot.demo.anatomy import Chest, FloatArray, Grid, Nodule, Plan, smooth, spacing_of

if TYPE_CHECKING:
    from pydicom import Dataset

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
PET_STORAGE = "1.2.840.10008.5.1.4.1.1.128"

DOSE_BQ = 370e6
HALF_LIFE_S = 6586.2
UPTAKE_S = 3600
WEIGHT_KG = 72.0
BQML_PER_SUV = DOSE_BQ * 0.5 ** (UPTAKE_S / HALF_LIFE_S) / (WEIGHT_KG * 1000)
"""Activity (Bq/ml) of SUV 1 at the start of the PET series."""


@dataclass(frozen=True, slots=True)
class ChestSeries:
    """Where the two series of the phantom lie, and what is true of them."""

    ct: Path
    """Folder of the CT series."""
    pet: Path
    """Folder of the PET series."""
    nodule: Nodule
    """The lung tumour, in world mm."""


def write_chest(folder: Path, *, plan: Plan | None = None) -> ChestSeries:
    """Write the phantom's CT and PET below `folder`, the same bytes each time for the same plan.

    The CT has 120 slices of 256 × 256 at 2.5 × 1.4 × 1.4 mm in HU; the PET 91 slices of 128 × 128 at
    3.27 × 4 × 4 mm in Bq/ml with a rescale slope of its own for each slice.
    """
    plan = plan or Plan()
    grid = axial_grid((120, 256, 256), (2.5, 1.4, 1.4))
    chest = Chest(grid, plan)
    slices = [chest.slice(k) for k in range(grid.shape[0])]
    hu = np.stack([pair[0] for pair in slices])
    suv = np.stack([pair[1] for pair in slices])
    series = ChestSeries(folder / "ct", folder / "pet", plan.nodule)
    write_ct(series.ct, hu, grid, plan)
    write_pet(series.pet, suv, grid, plan)
    return series


def axial_grid(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
    """Return an axial grid that starts at z = 0 and is centred in x and y."""
    z, y, x = (np.arange(n) * step for n, step in zip(shape, spacing, strict=True))
    return Grid(*(a.astype(np.float32) for a in (z, y - y.mean(), x - x.mean())))


def resample(volume: FloatArray, source: Grid, target: Grid) -> FloatArray:
    """Return the volume sampled linearly on another axial grid, zero outside."""
    for axis, (old, new) in enumerate(zip(source, target, strict=True)):
        place = np.interp(new, old, np.arange(len(old)))
        low = np.minimum(place.astype(int), len(old) - 2)
        part = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        volume = volume.take(low, axis) * (1 - part) + volume.take(low + 1, axis) * part
        inside = (new >= old[0]) & (new <= old[-1])
        volume = volume * inside.reshape([-1 if a == axis else 1 for a in range(3)])
    return volume.astype(np.float32)


def write_ct(folder: Path, hu: FloatArray, grid: Grid, plan: Plan) -> None:
    """Write the densities (HU) as CT images, with noise of the scanner's texture added."""
    rng = np.random.default_rng([plan.seed, 1])
    noise = smooth(rng.standard_normal(hu.shape, dtype=np.float32), (1.0, 0.9, 0.9), spacing_of(grid))
    values = np.clip(hu + noise * (11 / noise.std()), -1024, 3071)
    stored = np.rint(values).astype(np.int16) + np.int16(1024)

    def describe(image: Dataset, k: int) -> None:
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.PixelRepresentation = 1
        image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "-1024", "1", "HU"
        image.WindowCenter, image.WindowWidth = ["40", "-550"], ["400", "1500"]
        image.WindowCenterWidthExplanation = ["SOFT TISSUE", "LUNG"]
        image.PatientPosition = "HFS"
        image.KVP, image.XRayTubeCurrent, image.ExposureTime = "120", "180", "500"
        image.GantryDetectorTilt, image.TableHeight = "0", "150"
        image.ConvolutionKernel = "FORMULA"
        image.ContrastBolusAgent = "Simulated"
        image.PixelData = stored[k].tobytes()

    _write_series(folder, grid, plan, _Series(CT_STORAGE, "CT", 2, "Chest CT 2.5 mm, phantom"), describe)


def write_pet(folder: Path, suv: FloatArray, grid: Grid, plan: Plan) -> None:
    """Write the uptake (SUV by body weight) as PET images in Bq/ml, blurred as a scanner would."""
    target = axial_grid((91, 128, 128), (3.27, 4.0, 4.0))
    spread = 5.5 / 2.355
    values = resample(smooth(suv, (spread,) * 3, spacing_of(grid)), grid, target)
    rng = np.random.default_rng([plan.seed, 2])
    grain = smooth(rng.standard_normal(values.shape, dtype=np.float32), (3.5,) * 3, spacing_of(target))
    values = np.maximum(values + grain / grain.std() * (0.015 + 0.07 * np.sqrt(np.maximum(values, 0))), 0)
    activity = values.astype(np.float64) * BQML_PER_SUV

    def describe(image: Dataset, k: int) -> None:
        stored, slope = _to_stored(activity[k])
        image.ImageType = ["ORIGINAL", "PRIMARY"]
        image.PixelRepresentation = 0
        image.RescaleIntercept, image.RescaleSlope = "0", slope
        image.WindowCenter, image.WindowWidth = f"{3.5 * BQML_PER_SUV:.2f}", f"{7 * BQML_PER_SUV:.2f}"
        image.FrameReferenceTime, image.ActualFrameDuration = "90000", "180000"
        image.DecayFactor, image.ImageIndex = "1.0095", k + 1
        _describe_tracer(image, len(activity))
        image.PixelData = stored.tobytes()

    _write_series(folder, target, plan, _Series(PET_STORAGE, "PT", 3, "PET FDG, phantom"), describe)


def _to_stored(activity: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint16], str]:
    """Return the stored values of one slice and their slope, as the text that DICOM keeps of it."""
    slope = f"{max(float(activity.max()), 1.0) / 32767:.10g}"
    return np.rint(activity / float(slope)).astype(np.uint16), slope


def _describe_tracer(image: Dataset, slices: int) -> None:
    image.PatientWeight = str(WEIGHT_KG)
    image.Units, image.CountsSource, image.SeriesType = "BQML", "EMISSION", ["STATIC", "IMAGE"]
    image.NumberOfSlices = slices
    image.CorrectedImage = ["NORM", "ATTN", "SCAT", "DECY", "RAN"]
    image.DecayCorrection, image.CollimatorType = "START", "NONE"
    image.RandomsCorrectionMethod, image.ScatterCorrectionMethod = "DLYD", "Simulated"
    image.AttenuationCorrectionMethod, image.ReconstructionMethod = "CT", "Formula"
    tracer = _dataset()
    tracer.Radiopharmaceutical = "Fluorodeoxyglucose"
    tracer.RadiopharmaceuticalStartTime = "110000"
    tracer.RadiopharmaceuticalStartDateTime = "20240304110000"
    tracer.RadionuclideTotalDose = str(int(DOSE_BQ))
    tracer.RadionuclideHalfLife, tracer.RadionuclidePositronFraction = str(HALF_LIFE_S), "0.967"
    tracer.RadionuclideCodeSequence = [_code("77004003", "^18^Fluorine")]
    tracer.RadiopharmaceuticalCodeSequence = [_code("35321007", "Fluorodeoxyglucose F^18^")]
    image.RadiopharmaceuticalInformationSequence = [tracer]
    lying = _code("102538003", "recumbent")
    lying.PatientOrientationModifierCodeSequence = [_code("40199007", "supine")]
    image.PatientOrientationCodeSequence = [lying]
    image.PatientGantryRelationshipCodeSequence = [_code("102540001", "headfirst")]


@dataclass(frozen=True, slots=True)
class _Series:
    """What one series is called."""

    sop_class: str
    modality: str
    number: int
    description: str


def _dataset() -> Dataset:
    from pydicom import Dataset

    return Dataset()


def _code(value: str, meaning: str) -> Dataset:
    code = _dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return code


def _uid(*parts: object) -> Any:
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=["nbannot chest phantom", *map(str, parts)])


def _write_series(
    folder: Path, grid: Grid, plan: Plan, series: _Series, describe: Callable[[Dataset, int], None]
) -> None:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    folder.mkdir(parents=True, exist_ok=True)
    dz, dy, dx = spacing_of(grid)
    for k in range(grid.shape[0]):
        image = _dataset()
        _describe_study(image, plan, series)
        image.SOPClassUID, image.SOPInstanceUID = series.sop_class, _uid(plan, series.modality, k)
        image.InstanceNumber = grid.shape[0] - k  # numbered from the head down, as scanners do
        image.ImagePositionPatient = [f"{p:.4f}" for p in (grid.x[0], grid.y[0], grid.z[k])]
        image.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        image.PixelSpacing, image.SliceThickness = [f"{dy:.4f}", f"{dx:.4f}"], f"{dz:.4f}"
        image.SliceLocation = f"{grid.z[k]:.4f}"
        image.Rows, image.Columns = grid.shape[1:]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
        describe(image, k)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.save_as(folder / f"{series.modality}{image.InstanceNumber:04d}.dcm", enforce_file_format=True)


def _describe_study(image: Dataset, plan: Plan, series: _Series) -> None:
    image.SpecificCharacterSet = "ISO_IR 192"
    image.PatientName, image.PatientID = "Phantom^Chest", "NBANNOT-DEMO"
    image.PatientBirthDate, image.PatientSex, image.PatientAge = "19600101", "O", "064Y"
    image.PatientWeight, image.PatientSize = str(WEIGHT_KG), "1.74"
    image.StudyInstanceUID, image.SeriesInstanceUID = _uid(plan, "study"), _uid(plan, series.modality)
    image.FrameOfReferenceUID, image.PositionReferenceIndicator = _uid(plan, "frame"), ""
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = "20240304"
    image.StudyTime = "115500"
    time = {"CT": "115800", "PT": "120000"}[series.modality]
    image.SeriesTime = image.AcquisitionTime = image.ContentTime = time
    image.StudyID, image.AccessionNumber, image.ReferringPhysicianName = "1", "", ""
    image.StudyDescription, image.SeriesDescription = "Chest PET/CT, phantom", series.description
    image.Modality, image.SeriesNumber, image.AcquisitionNumber = series.modality, series.number, 1
    image.Manufacturer, image.ManufacturerModelName = "nbannot", "Chest phantom"
    image.InstitutionName, image.StationName = "nbannot demo", "DEMO"
    image.BodyPartExamined = "CHEST"
    image.BurnedInAnnotation = "NO"

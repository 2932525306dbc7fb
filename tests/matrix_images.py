"""Rows of the matrix: images in, and images written as NIfTI."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats_matrix import from_lps, image_of, row, same_at_places
from nbannot.formats import write

VOXELS = "voxels, places"


def by_sitk(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    import SimpleITK as sitk

    if path.is_dir():
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
        found = reader.Execute()
    else:
        found = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(found.GetDirection(), (3, 3)) * found.GetSpacing()
    affine[:3, 3] = found.GetOrigin()
    return sitk.GetArrayFromImage(found).T, from_lps(affine)


def by_highdicom(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    import highdicom as hd
    import pydicom

    if path.is_dir():
        files = [pydicom.dcmread(file) for file in sorted(path.iterdir())]
        for ds in files:  # which it asks for, and many files lack
            ds.FrameOfReferenceUID = ds.get("FrameOfReferenceUID") or "1.2.3"
        volume = hd.get_volume_from_series(files, dtype=np.float64)
    else:
        volume = hd.imread(path).get_volume(dtype=np.float64)
    return volume.array.T, from_lps(np.asarray(volume.affine))[:, (2, 1, 0, 3)]


def by_dcm2niix(path: Path, folder: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    import dcm2niix
    import nibabel

    command = [dcm2niix.bin, "-b", "n", "-z", "n", "-f", "x", "-o", str(folder), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = folder.glob("*.nii")
    found = nibabel.load(made)
    return np.asarray(found.dataobj), found.affine


def by_nibabel(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    import nibabel

    found = nibabel.load(path)
    return np.asarray(found.dataobj), found.affine


SERIES = {
    "mr_prostatex0000/t2_sag": "MR series",
    "petct_acrin042/pet_ac": "PET series, JPEG-LS",
    "seg_dcmqi_liver/ct_3slice": "CT series",
    "odd/non_isotropic_dicom2nifti": "series of oblong pixels",
}


def rounding(path: Path) -> float:
    """How far apart readers may be, mm: the headers of the PET state its steps as 3.27 or 3.29."""
    return 0.01 if path.name == "pet_ac" else 1e-4


for name, thing in SERIES.items():

    @row(thing, name, reader="SimpleITK", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        same_at_places(image_of(path), *by_sitk(path), within=rounding(path))

    @row(thing, name, reader="highdicom", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        same_at_places(image_of(path), *by_highdicom(path), within=rounding(path))


for name, thing in {
    "mr_prostatex0000/t2_sag": "MR series",
    "mr_prostatex0000/dwi": "MR series of b-values",
    "odd/time_series_ge_fmri": "MR series of time points",
    "odd/mosaic_siemens_axasc35": "Siemens mosaic",
    "odd/non_isotropic_dicom2nifti": "series of oblong pixels",
}.items():

    @row(thing, name, reader="dcm2niix", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        same_at_places(image_of(path), *by_dcm2niix(path, folder))


for name in ("enhanced/mr_BRTUM003_flair.dcm", "enhanced/mr_BRTUM004_t2.dcm"):

    @row("enhanced MR", name, reader="highdicom", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        same_at_places(image_of(path), *by_highdicom(path))


@row(
    "legacy converted enhanced CT",
    "seg_dcmqi_24x38x3/ct_enhanced_multiframe.dcm",
    reader="highdicom",
    equal=VOXELS,
)
def _(path: Path, folder: Path) -> None:
    same_at_places(image_of(path), *by_highdicom(path))


@row("sheared series (gantry tilt)", "odd/gantry_tilt_dicom2nifti", reader="pydicom", equal=VOXELS)
def _(path: Path, folder: Path) -> None:
    import pydicom

    image = image_of(path)
    for file in path.iterdir():
        ds = pydicom.dcmread(file)
        k = [source.path for source in image.sources].index(str(file))
        np.testing.assert_allclose(image.geometry.to_world([k, 0, 0]), ds.ImagePositionPatient, atol=0.02)
        values = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        np.testing.assert_array_equal(image.array[k], values)


def same_values(path: Path) -> None:
    import pydicom

    image, ds = image_of(path), pydicom.dcmread(path)
    values = ds.pixel_array.astype(np.float64)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        found = apply_color_lut(ds.pixel_array, ds)
        values = (found >> (8 if found.dtype.itemsize == 2 else 0)).astype(np.float64)
    elif ds.SamplesPerPixel == 1:
        scale = ds.get("DoseGridScaling", ds.get("RescaleSlope", 1))
        values = values * float(scale) + float(ds.get("RescaleIntercept", 0))
    np.testing.assert_allclose(image.array.reshape(values.shape), values, rtol=1e-6, atol=1e-6)


for name, thing in {
    "transfer_syntaxes/CT1_UNC.dcm": "uncompressed",
    "transfer_syntaxes/CTImage_bigendian.dcm": "big endian",
    "transfer_syntaxes/CTImage_deflated.dcm": "deflated",
    "transfer_syntaxes/CT1_RLE.dcm": "RLE",
    "transfer_syntaxes/CTImage_jpeg_baseline8.dcm": "JPEG baseline",
    "transfer_syntaxes/CTImage_jpeg_lossless57.dcm": "JPEG lossless",
    "transfer_syntaxes/CT1_JPLL.dcm": "JPEG lossless",
    "transfer_syntaxes/CT1_JLSL.dcm": "JPEG-LS",
    "transfer_syntaxes/CT1_JLSN.dcm": "JPEG-LS",
    "transfer_syntaxes/CT1_J2KR.dcm": "JPEG 2000",
    "transfer_syntaxes/CT1_J2KI.dcm": "JPEG 2000",
    "transfer_syntaxes/HTJ2KLossless_08_RGB.dcm": "HTJ2K",
    "transfer_syntaxes/VL1_RLE.dcm": "RLE",
    "us/us_palette.dcm": "palette colour",
    "us/us_planar_config1.dcm": "colour by plane",
    "us/echo_ybr_30frames.dcm": "YBR clip",
    "odd/pydicom/SC_ybr_full_422_uncompressed.dcm": "YBR 4:2:2",
    "odd/pydicom/rtdose.dcm": "RT dose",
}.items():

    @row(f"DICOM pixels: {thing}", name, reader="pydicom", equal="values")
    def _(path: Path, folder: Path) -> None:
        same_values(path)


for name in ("CTImage_jpeg_ext12.dcm", "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm"):

    @row("DICOM pixels: JPEG extended, 12 bit", f"transfer_syntaxes/{name}", reader="dcmtk", equal="values")
    def _(path: Path, folder: Path) -> None:
        import pydicom

        subprocess.run(["dcmdjpeg", path, folder / "plain.dcm"], check=True)
        ds = pydicom.dcmread(folder / "plain.dcm")
        assert not ds.file_meta.TransferSyntaxUID.is_compressed
        image = image_of(path)
        slope, intercept = image.rescale
        for k, source in enumerate(image.sources):
            stored = np.rint((image.array[k] - intercept) / slope)
            frames = ds.pixel_array.reshape(-1, *stored.shape)
            np.testing.assert_array_equal(stored, frames[(source.frame or 1) - 1])


for name in (
    "nifti_misc/anatomical.nii", "nifti_misc/example4d.nii.gz", "nifti_misc/shear.nii.gz",
    "nifti_orientations/AIL.nii.gz", "nifti_orientations/PRI.nii.gz",
):  # fmt: skip

    @row("NIfTI", name, reader="nibabel", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        same_at_places(image_of(path), *by_nibabel(path))


for name in ("nifti_orientations/AIL.nii.gz", "rtstruct_sts003/nifti/PET_image.nii.gz"):

    @row("NIfTI", name, reader="SimpleITK", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        same_at_places(image_of(path), *by_sitk(path))


@row("PNG", "xray_nih_boxes/00026911_000.png", reader="Pillow", equal="values")
def _(path: Path, folder: Path) -> None:
    from PIL import Image as Pictures

    with Pictures.open(path) as picture:
        np.testing.assert_array_equal(image_of(path).array[0], np.asarray(picture))


for name in ("mr_prostatex0000/t2_sag", "enhanced/mr_BRTUM003_flair.dcm"):

    @row("written: NIfTI", name, reader="nibabel", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        image = image_of(path)
        write(folder / "out.nii.gz", image)
        same_at_places(image, *by_nibabel(folder / "out.nii.gz"))

    @row("written: NIfTI", name, reader="SimpleITK", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        image = image_of(path)
        write(folder / "out.nii", image)
        same_at_places(image, *by_sitk(folder / "out.nii"))

"""Rows of the matrix: DICOM SEG, RTSTRUCT and SR beside dcmqi, plastimatch, highdicom, pydicom, dciodvfy; .seg.nrrd."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from dicom_checks import complaints
from formats_matrix import image_of, row, same_at_places
from matrix_images import by_sitk
from matrix_labels import blob, document_of
from nbannot.errors import NbannotWarning
from nbannot.formats import read, write
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.shapes import Shape

LIVER_CT, STS = "seg_dcmqi_liver/ct_3slice", "rtstruct_sts003"


def run(program: str, *arguments: str | Path) -> None:
    """Run a program of a wheel."""
    subprocess.run([Path(sys.executable).with_name(program), *arguments], check=True, capture_output=True)


def segments_of_dcmqi(path: Path, folder: Path, document: Document) -> None:
    """Assert that dcmqi finds the same voxels at the same places."""
    run("segimage2itkimage", "--inputDICOM", path, "--outputDirectory", folder, "--outputType", "nifti",
        "--prefix", "x")  # fmt: skip
    numbers = [one.value for mask in document.masks for one in mask.segments]
    assert len(list(folder.glob("x-*.nii.gz"))) == len(numbers)
    for mask in document.masks:
        for one in mask.segments:
            inside = mask.array == one.value
            voxels, affine = by_sitk(folder / f"x-{one.value}.nii.gz")
            assert np.count_nonzero(voxels) == np.count_nonzero(inside)
            k, j, i = np.nonzero(inside)
            world = mask.geometry.to_world(np.stack((k, j, i), axis=-1)) * (-1, -1, 1)
            back = np.linalg.inv(affine)
            there = world @ back[:3, :3].T + back[:3, 3]
            assert np.abs(there - np.rint(there)).max() < 1e-2
            assert (voxels[tuple(np.rint(there).astype(int).T)] > 0).all()


for name in ("liver.dcm", "partial_overlaps.dcm"):

    @row("DICOM SEG", f"seg_dcmqi_liver/labels/{name}", reader="dcmqi", equal="voxels, places")
    def _(path: Path, folder: Path) -> None:
        segments_of_dcmqi(path, folder, document_of(path, image_of(path.parents[1] / "ct_3slice")))


@row("written: DICOM SEG", LIVER_CT, reader="dcmqi", equal="voxels, places")
def _(path: Path, folder: Path) -> None:
    document = blob(image_of(path))
    write(folder / "out.dcm", document)
    segments_of_dcmqi(folder / "out.dcm", folder, document)


for thing, ending in {"DICOM SEG": "dcm", "DICOM RTSTRUCT": "rtstruct.dcm", "DICOM SR": "report.dcm"}.items():

    @row(f"written: {thing}", LIVER_CT, reader="dciodvfy", equal="no errors")
    def _(path: Path, folder: Path, *, thing: str = thing, ending: str = ending) -> None:
        made = folder / f"out.{ending}"
        document = outlined(image_of(path)) if thing == "DICOM SR" else blob(image_of(path))
        write(made, document, kind="sr" if thing == "DICOM SR" else "")
        assert complaints(made) == []


def contours_of(path: Path) -> dict[str, list[NDArray[np.float64]]]:
    """Return the outlines in an RTSTRUCT by the name of their region, in LPS mm."""
    ds = pydicom.dcmread(path)
    names = {one.ROINumber: str(one.ROIName) for one in ds.StructureSetROISequence}
    return {
        names[roi.ReferencedROINumber]: [
            np.array(one.ContourData, float).reshape(-1, 3) for one in roi.ContourSequence
        ]
        for roi in ds.ROIContourSequence
    }


for what in ("ct", "mr_t1", "pet_suv"):

    @row("DICOM RTSTRUCT", f"{STS}/labels/rtstruct_{what}.dcm", reader="pydicom", equal="places, names")
    def _(path: Path, folder: Path, *, what: str = what) -> None:
        document = document_of(path, image_of(path.parents[1] / what))
        found: dict[str, list[Any]] = {}
        for shape in document.shapes:
            found.setdefault(shape.label, []).append(shape.world())
        theirs = contours_of(path)
        assert found.keys() == theirs.keys()
        for name, outlines in theirs.items():
            for ours, points in zip(found[name], outlines, strict=True):
                assert np.abs(ours - points).max() < 1e-4


for what, name in {"ct": "CT", "mr_t1": "MR_T1", "pet_suv": "PET"}.items():

    @row("DICOM RTSTRUCT", f"{STS}/labels/rtstruct_{what}.dcm", reader="IBSI (masks)", equal="voxels, places")
    def _(path: Path, folder: Path, *, what: str = what, name: str = name) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NbannotWarning)
            (mask,) = read(path, image=image_of(path.parents[1] / what), masks=True).masks
        voxels, affine = by_sitk(path.parents[1] / f"nifti/{name}_mask.nii.gz")
        found = Image((mask.array > 0).astype(np.uint8), mask.geometry)
        assert np.count_nonzero(found.array) == np.count_nonzero(voxels)
        same_at_places(found, (voxels > 0).astype(np.uint8), affine, within=1e-3)


@row("written: DICOM RTSTRUCT", f"{STS}/ct", reader="plastimatch", equal="Dice > 0.97")
def _(path: Path, folder: Path) -> None:
    document = blob(image_of(path))
    write(folder / "out.rtstruct.dcm", document)
    run("plastimatch", "convert", "--input", folder / "out.rtstruct.dcm", "--referenced-ct", path,
        "--output-prefix", folder / "out", "--prefix-format", "nii.gz")  # fmt: skip
    voxels, affine = by_sitk(folder / "out/liver.nii.gz")
    (mask,) = document.masks
    theirs = np.argwhere(voxels > 0) @ affine[:3, :3].T + affine[:3, 3]
    index = np.rint(mask.geometry.to_index(theirs * (-1, -1, 1))).astype(int)
    common = np.count_nonzero(mask.array[tuple(index.T)])
    assert 2 * common / (len(index) + np.count_nonzero(mask.array)) > 0.97


def outlined(image: Image) -> Document:
    """Return a document with a polygon, a point and a ruler."""

    def at(*places: tuple[int, float, float]) -> tuple[tuple[float, float, float], ...]:
        return tuple((x, y, z) for x, y, z in image.geometry.to_world(places).tolist())

    return Document(image, labels=["lesion"], masks=[], shapes=[
        Shape("polygon", "lesion", at((1, 10, 10), (1, 10, 60), (1, 50.5, 60)), name="a"),
        Shape("points", "lesion", at((1, 10, 10.25)), name="b"),
        Shape("ruler", "lesion", at((2, 10, 10), (2, 10, 60)), name="c"),
    ])  # fmt: skip


def regions_of(path: Path) -> list[tuple[str, NDArray[np.float64]]]:
    """Return the outlines that highdicom finds: instance, and (column, row) from the corner of the first pixel."""
    import highdicom as hd

    groups = hd.sr.srread(path).content.get_planar_roi_measurement_groups()
    return [
        (
            str(group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID),
            np.asarray(group.roi.value)[:, :2],
        )
        for group in groups
    ]


def regions_equal(document: Document, regions: list[tuple[str, NDArray[np.float64]]]) -> None:
    """Assert that shapes have the places that highdicom finds, on the same instances."""
    (image,) = document.images
    shapes = [one for one in document.shapes if one.kind != "ruler"]
    assert len(shapes) == len(regions)
    for shape, (instance, points) in zip(shapes, regions, strict=True):
        index = image.geometry.to_index(shape.world())
        (k,) = set(np.rint(index[:, 0]).astype(int).tolist())
        assert image.sources[k].sop_instance_uid == instance
        np.testing.assert_allclose(index[:, [2, 1]] + 0.5, points[: len(index)], atol=1e-3)


for name in ("rectangle", "roi"):

    @row("DICOM SR", f"sr_dwv_tid1500/labels/sr-{name}.dcm", reader="highdicom", equal="places")
    def _(path: Path, folder: Path) -> None:
        regions_equal(document_of(path, image_of(path.parents[1] / "squares.dcm")), regions_of(path))


@row("written: DICOM SR", LIVER_CT, reader="highdicom", equal="places, sizes")
def _(path: Path, folder: Path) -> None:
    import highdicom as hd

    document = outlined(image_of(path))
    write(folder / "out.dcm", document)
    regions_equal(document, regions_of(folder / "out.dcm"))
    (ruler,) = hd.sr.srread(folder / "out.dcm").content.get_image_measurement_groups()
    (length,) = ruler.get_measurements()
    ends = next(one for one in document.shapes if one.kind == "ruler").world()
    assert (length.name.meaning, length.unit.value) == ("Length", "mm")
    np.testing.assert_allclose(length.value, np.linalg.norm(ends[1] - ends[0]), rtol=1e-6)


@row("3D Slicer segmentation", "nrrd_slicer/Segmentation.seg.nrrd", reader="slicerio", equal="voxels, names")
def _(path: Path, folder: Path) -> None:
    import slicerio

    (mask,) = document_of(path, image_of(path.parent / "CTChest4.nrrd")).masks
    theirs = slicerio.read_segmentation(str(path))
    np.testing.assert_array_equal(mask.array, theirs["voxels"].T)
    ours = [(one.value, one.label) for one in mask.segments]
    assert ours == [(one["labelValue"], one["name"]) for one in theirs["segments"]]

"""Rows of the matrix: NRRD, MetaImage and TIFF in and out, annotations in and out."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np

from formats_matrix import from_lps, image_of, row, same_at_places
from matrix_images import VOXELS, by_sitk
from nbannot.errors import NbannotWarning
from nbannot.formats import read, write
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask

for name in ("nrrd_slicer/CTChest4.nrrd", "nrrd_pyradiomics/prostate_phantom_subvolume.nrrd"):

    @row("NRRD", name, reader="SimpleITK", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        same_at_places(image_of(path), *by_sitk(path))

    @row("NRRD", name, reader="pynrrd", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        import nrrd

        voxels, fields = nrrd.read(str(path))
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = fields["space directions"].T, fields["space origin"]
        same_at_places(image_of(path), voxels, from_lps(affine))


for name in ("mha/image10x10x10.mha", "mha/image10x10x10.mhd", "mha/epi_64x64x37.mha"):

    @row("MetaImage", name, reader="SimpleITK", equal=VOXELS)
    def _(path: Path, folder: Path) -> None:
        same_at_places(image_of(path), *by_sitk(path))


for thing, suffix in {"NRRD": ".nrrd", "MetaImage": ".mha"}.items():

    @row(f"written: {thing}", "mr_prostatex0000/t2_sag", reader="SimpleITK", equal=VOXELS)
    def _(path: Path, folder: Path, *, suffix: str = suffix) -> None:
        image = image_of(path)
        write(folder / f"out{suffix}", image)
        same_at_places(image, *by_sitk(folder / f"out{suffix}"))


@row("TIFF", "xray_nih_boxes/00026911_000.png", reader="Pillow", equal="values")
def _(path: Path, folder: Path) -> None:
    from PIL import Image as Pictures

    with Pictures.open(path) as picture:
        picture.save(folder / "a.tif", compression="tiff_lzw")
    with Pictures.open(folder / "a.tif") as picture:
        np.testing.assert_array_equal(image_of(folder / "a.tif").array[0], np.asarray(picture))


def document_of(path: Path, image: Image) -> Document:
    """Read annotations, without their warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        return read(path, image=image)


def segments_equal(path: Path, document: Document) -> None:
    """Assert that highdicom finds the same voxels in a DICOM SEG, slice by slice."""
    import highdicom as hd

    (image,) = document.images
    seg = hd.seg.segread(path)
    uids = [str(source.sop_instance_uid) for source in image.sources]
    voxels = seg.get_pixels_by_source_instance(
        uids, ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )
    ours = {one.value: mask.array == one.value for mask in document.masks for one in mask.segments}
    assert sorted(ours) == sorted(seg.segment_numbers)
    for n, number in enumerate(seg.segment_numbers):
        np.testing.assert_array_equal(ours[number], voxels[..., n] != 0)


for name, series in {
    "petct_acrin042/labels/seg_ct_2segments.dcm": "petct_acrin042/ct",
    "seg_dcmqi_liver/labels/partial_overlaps.dcm": "seg_dcmqi_liver/ct_3slice",
}.items():

    @row("DICOM SEG", name, reader="highdicom", equal="voxels")
    def _(path: Path, folder: Path, *, series: str = series) -> None:
        segments_equal(path, document_of(path, image_of(path.parents[2] / series)))


def blob(image: Image) -> Document:
    """Return a document with a mask of one segment on all slices but the first."""
    array = np.zeros(image.shape, np.uint8)
    array[1:, 20:60, 30:50] = 1
    return Document(
        image, labels=[Label("liver")], masks=[Mask("m", image, array=array, segments={1: "liver"})]
    )


@row("written: DICOM SEG", "seg_dcmqi_liver/ct_3slice", reader="highdicom", equal="voxels")
def _(path: Path, folder: Path) -> None:
    document = blob(image_of(path))
    write(folder / "out.dcm", document)
    segments_equal(folder / "out.dcm", document)


@row("written: 3D Slicer segmentation", "seg_dcmqi_liver/ct_3slice", reader="SimpleITK", equal=VOXELS)
def _(path: Path, folder: Path) -> None:
    document = blob(image_of(path))
    write(folder / "out.seg.nrrd", document)
    (mask,) = document.masks
    found = Image(mask.array, document.images[0].geometry)
    same_at_places(found, *by_sitk(folder / "out.seg.nrrd"))


@row("written: COCO", "xray_nih_boxes/00026911_000.png", reader="pycocotools", equal="voxels")
def _(path: Path, folder: Path) -> None:
    from pycocotools import mask as coco

    image = image_of(path)
    array = np.zeros(image.shape, np.uint8)
    array[0, 20:60, 30:50], array[0, 30:40, 35:40] = 1, 0
    mask = Mask("m", image, array=array, segments={1: "nodule"})
    write(folder / "out.json", Document(image, labels=[Label("nodule")], masks=[mask]))
    (made,) = json.loads((folder / "out.json").read_text())["annotations"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own, about numpy 2
        found = coco.decode(made["segmentation"])
    np.testing.assert_array_equal(found, array[0])

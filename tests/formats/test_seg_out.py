"""DICOM SEG out: read by highdicom, dcmqi and pydicom, checked by dciodvfy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from dicom_checks import complaints
from nbannot.errors import FormatError, StoreError
from nbannot.formats import read, write
from nbannot.model.annotations import Tag
from nbannot.model.document import Document
from nbannot.model.edits import Paint
from nbannot.model.image import Image
from nbannot.model.labels import Code, Label
from nbannot.model.masks import Mask
from nbannot.model.runs import difference
from nbannot.model.schema import segment_key

pytestmark = pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")

LIVER = Label("liver", "#e69f00", code=Code("10200004", "SCT", "Liver"))
LESION = Label("lésion", "#56b4e9", code=Code("4147007", "SCT", "Mass"))
KINDS = ("BINARY", "LABELMAP", "FRACTIONAL")


def image_at(path: Path) -> Image:
    found = read(path)
    assert isinstance(found, Image)
    return found


def drawn(image: Image) -> NDArray[np.uint8]:
    array = np.zeros(image.shape, np.uint8)
    rows, columns = image.shape[1:]
    for k in range(0, image.shape[0], 2):
        array[k, rows // 4 : rows // 2, columns // 5 : columns // 3 + k % 5] = 3
        array[k, rows // 2 + 1 : rows // 2 + 4, 2:9] = 7
    return array


IMAGES = (
    "petct_acrin042/pet_ac",
    "odd/gantry_tilt_dicom2nifti",
    "odd/missing_slice_prostatex0000_bcalc",
    "enhanced/mr_BRTUM003_flair.dcm",
    "seg_on_cr/cr_CR1_6154",
    "us/echo_ybr_30frames.dcm",
    "xray/chest_cr_RG1_J2KI.dcm",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_sound_for_dciodvfy_and_read_back_equal(shared_data: Path, tmp_path: Path, name: str) -> None:
    image = image_at(shared_data / name)
    array = drawn(image)
    mask = Mask("organs", image, array=array, segments={3: "liver", 7: "lésion"})
    for kind in KINDS:
        path = tmp_path / f"{kind}.dcm"
        write(path, mask, labels=[LIVER, LESION], segmentation_type=kind, algorithm="Net 1.2")
        document = read(path, image=image)
        (found,) = document.masks
        assert (found.array == np.array([0, 0, 0, 1, 0, 0, 0, 2], np.uint8)[array]).all()
        assert [(label.name, label.color, label.code) for label in document.labels] == [
            (label.name, label.color, label.code) for label in (LIVER, LESION)
        ]
        assert "2 segments made by algorithm: AUTOMATIC Net 1.2" in document.notes
        assert complaints(path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_highdicom_reads_the_same(shared_data: Path, tmp_path: Path, kind: str) -> None:
    import highdicom as hd

    image = image_at(shared_data / "petct_acrin042/pet_ac")
    array = drawn(image)
    mask = Mask("organs", image, array=array, segments={3: "liver", 7: "lésion"})
    write(tmp_path / "a.dcm", mask, labels=[LIVER, LESION], segmentation_type=kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = hd.seg.segread(tmp_path / "a.dcm")
        uids = [source.sop_instance_uid for source in image.sources]
        found = theirs.get_pixels_by_source_instance(
            uids, segment_numbers=[1, 2], assert_missing_frames_are_empty=True, ignore_spatial_locations=True
        )
        liver = theirs.get_segment_description(1)
        volume = theirs.get_volume(segment_numbers=[2])
    assert (found[..., 0] == (array == 3)).all() and (found[..., 1] == (array == 7)).all()
    assert liver.segmented_property_type.value == "10200004" and liver.algorithm_type.value == "MANUAL"
    assert liver.segmented_property_category.meaning == "Anatomical Structure"
    assert (np.asarray(volume.array) > 0).sum() == (array == 7).sum()
    assert sorted(volume.spacing) == pytest.approx(sorted(image.geometry.spacing), rel=1e-3)


def test_uncompressed_and_true_fractions(shared_data: Path, tmp_path: Path) -> None:
    image = image_at(shared_data / "seg_dcmqi_24x38x3/ct")
    array = drawn(image)
    mask = Mask("organs", image, array=array, segments={3: "liver", 7: "lésion"})
    fractions = np.linspace(0, 1, array.size).reshape(array.shape)
    path = tmp_path / "a.dcm"
    write(path, mask, segmentation_type="FRACTIONAL", fractions={"liver": fractions}, compress=False)
    ds = pydicom.dcmread(path)
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    own = [int(g.SegmentIdentificationSequence[0].ReferencedSegmentNumber) == 1
           for g in ds.PerFrameFunctionalGroupsSequence]  # fmt: skip
    assert (ds.pixel_array[np.array(own)] == np.rint(fractions * 255)).all()
    images = read(path)
    assert np.abs(images["liver"].array - fractions).max() <= 0.5 / 255 + 1e-6
    for wrong in ({"liver": fractions[1:]}, {"liver": fractions * 2}, {"liver": fractions * np.nan}):
        with pytest.raises(FormatError, match="fractions of 'liver'"):
            write(path, mask, segmentation_type="FRACTIONAL", fractions=wrong)


def test_dcmqi_reads_the_same(shared_data: Path, tmp_path: Path) -> None:
    import SimpleITK as sitk

    image = image_at(shared_data / "seg_dcmqi_liver/ct_3slice")
    array = drawn(image)
    write(
        tmp_path / "a.dcm",
        Mask("organs", image, array=array, segments={3: "liver", 7: "lesion"}),
        labels=[LIVER],
    )
    program = Path(sys.executable).with_name("segimage2itkimage")
    subprocess.run(
        [program, "--inputDICOM", tmp_path / "a.dcm", "--outputDirectory", tmp_path, "--outputType", "nifti",
         "--prefix", "x"], check=True, capture_output=True,
    )  # fmt: skip
    meta = json.loads((tmp_path / "x-meta.json").read_text())
    (first, _) = [one for group in meta["segmentAttributes"] for one in group]
    assert first["SegmentLabel"] == "liver" and first["recommendedDisplayRGBValue"] == [230, 159, 0]
    for number, value in ((1, 3), (2, 7)):
        found = sitk.ReadImage(str(tmp_path / f"x-{number}.nii.gz"))
        for k, j, i in np.argwhere(sitk.GetArrayFromImage(found)).tolist():
            place = found.TransformIndexToPhysicalPoint((i, j, k))
            at = np.rint(image.geometry.to_index(place)).astype(int)
            assert array[tuple(at)] == value
        assert (sitk.GetArrayFromImage(found) > 0).sum() == (array == value).sum()


def test_a_document_with_overlapping_masks_is_one_seg(shared_data: Path, tmp_path: Path) -> None:
    image = image_at(shared_data / "seg_dcmqi_24x38x3/ct")
    one, two = (np.zeros(image.shape, np.uint8) for _ in range(2))
    one[:2, 3:20, 3:20] = 4
    two[1:, 10:30, 5:15] = 1
    document = Document(
        image,
        labels=[LIVER, LESION, "empty"],
        masks=[
            Mask("a", image, array=one, segments={4: "liver", 5: "empty"}),
            Mask("b", image, array=two, segments={1: "lésion"}),
        ],
    )
    path = tmp_path / "a.dcm"
    write(path, document)
    ds = pydicom.dcmread(path)
    assert ds.SegmentsOverlap == "YES" and len(ds.SegmentSequence) == 2
    back = read(path, image=image)
    assert (back.masks["liver"].array > 0).sum() == (one > 0).sum()
    assert ((back.masks["liver"].array > 0) == (one > 0)).all()
    assert ((back.masks["lésion"].array > 0) == (two > 0)).all()
    with pytest.raises(FormatError, match="overlap"):
        write(path, document, segmentation_type="LABELMAP")
    two[one > 0] = 0
    write(path, document, segmentation_type="LABELMAP")
    (mask,) = read(path, image=image).masks
    assert ((mask.array == 1) == (one > 0)).all() and ((mask.array == 2) == (two > 0)).all()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_how_a_segment_was_made_comes_from_its_history(shared_data: Path, tmp_path: Path) -> None:
    image = image_at(shared_data / "seg_dcmqi_24x38x3/ct")
    names = ["hand", "model", "mixed", "operation"]
    mask = Mask("m", image, segments=names)
    document = Document(image, labels=names, masks=[mask])
    net = "model:Net 2.1"
    ways = [(1, "hand", ""), (2, net, ""), (3, net, ""), (3, "hand", ""), (4, "hand", "op:grow")]
    for n, (value, origin, tool) in enumerate(ways):
        new = mask.array.copy()
        new[1, 5 * n : 5 * n + 3, 4:9] = value
        change = difference(mask.array, new)
        assert change is not None
        document.apply(Paint(mask.id, *change, origin=origin, tool=tool))
    tracking = {"tracking id": "L1", "tracking uid": "1.2.3"}
    document.add(Tag("model", scope="lesion", lesion=segment_key(mask.id, 2), attributes=tracking))
    write(tmp_path / "a.dcm", document)
    found = {
        str(one.SegmentLabel): (str(one.SegmentAlgorithmType), str(one.get("SegmentAlgorithmName", "")))
        for one in pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence
    }
    assert found == {
        "hand": ("MANUAL", ""),
        "model": ("AUTOMATIC", "Net"),
        "mixed": ("SEMIAUTOMATIC", "Net"),
        "operation": ("SEMIAUTOMATIC", "grow"),
    }
    assert complaints(tmp_path / "a.dcm") == []
    back = read(tmp_path / "a.dcm", image=image)
    assert "1 segment made by algorithm: AUTOMATIC Net 2.1" in back.notes
    (tag,) = back.tags
    assert tag.attributes == tracking and tag.label == "model"


def test_what_cannot_be_written_is_refused_and_leaves_nothing(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ct"
    shutil.copytree(shared_data / "seg_dcmqi_24x38x3/ct", folder)
    image, other = image_at(folder), image_at(shared_data / "seg_dcmqi_liver/ct_3slice")
    mask = Mask("m", image, array=drawn(image), segments={3: "a", 7: "b"})
    with pytest.raises(FormatError, match="segmentation type 'binary'"):
        write(tmp_path / "a.dcm", mask, segmentation_type="binary")
    second = Mask("n", other, array=drawn(other), segments={3: "a", 7: "b"})
    document = Document([image, other], labels=["a", "b"], masks=[mask, second])
    with pytest.raises(FormatError, match="several images"):
        write(tmp_path / "a.dcm", document)
    write(tmp_path / "b.dcm", document, image=other)
    assert read(tmp_path / "b.dcm", image=[image, other]).masks["Segmentation"].image is other
    (tmp_path / "b.dcm").unlink()
    first = sorted(folder.iterdir())[0]
    first.write_bytes(first.read_bytes()[:200])
    with pytest.raises(StoreError):
        write(tmp_path / "a.dcm", mask)
    first.unlink()
    with pytest.raises(StoreError, match="gone"):
        write(tmp_path / "a.dcm", mask)
    assert list(tmp_path.iterdir()) == [folder]


def test_no_name_of_the_patient_goes_anywhere_but_its_tags(shared_data: Path, tmp_path: Path) -> None:
    image = image_at(shared_data / "seg_on_cr/cr_CR1_6154")
    write(tmp_path / "a.dcm", Mask("m", image, array=drawn(image), segments={3: "a", 7: "b"}))
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    assert ds.PatientName == "Doe^Archibald" and ds.StudyDate == "20010101"
    del ds.PatientName
    assert "Archibald" not in str(ds)
    assert (ds.Modality, ds.SeriesNumber) == ("SEG", 1000)

"""DICOM SEG in: every voxel against highdicom, and what is on other grids, overlaps or belongs elsewhere."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError, NbannotError, NbannotWarning
from nbannot.formats import read, write
from nbannot.formats.dicom.colors import color_of, lab_of
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, Images
from nbannot.model.labels import Code
from nbannot.model.masks import Mask
from nbannot.model.schema import problems

pytestmark = pytest.mark.filterwarnings("ignore::nbannot.errors.NbannotWarning")

SEGS = {
    "petct_acrin042/labels/seg_ct_2segments.dcm": "petct_acrin042/ct",
    "petct_acrin042/labels/seg_pet_2segments.dcm": "petct_acrin042/pet_ac",
    "petct_acrin042/labels/seg_pet_1segment.dcm": "petct_acrin042/pet_ac",
    "seg_dcmqi_liver/labels/liver.dcm": "seg_dcmqi_liver/ct_3slice",
    "seg_dcmqi_liver/labels/partial_overlaps.dcm": "seg_dcmqi_liver/ct_3slice",
    "seg_dcmqi_24x38x3/labels/label_seg.dcm": "seg_dcmqi_24x38x3/ct",
    "seg_dcmqi_24x38x3/labels/sparse-labelmap-noppv.dcm": "seg_dcmqi_24x38x3/ct",
    "seg_dcmqi_24x38x3/labels/sparse-labelmap-ppv5.dcm": "seg_dcmqi_24x38x3/ct",
    "seg_highdicom_ct/labels/seg_image_ct_binary.dcm": "seg_highdicom_ct/ct",
    "seg_highdicom_ct/labels/seg_image_ct_binary_overlap.dcm": "seg_highdicom_ct/ct",
    "seg_highdicom_ct/labels/seg_image_ct_binary_fractional.dcm": "seg_highdicom_ct/ct",
    "seg_highdicom_ct/labels/seg_image_ct_true_fractional.dcm": "seg_highdicom_ct/ct",
    "seg_on_cr/labels/seg_image_cr_binary.dcm": "seg_on_cr",
}


def by_segment(document: Document) -> dict[int, NDArray[np.bool_]]:
    return {s.value: mask.array == s.value for mask in document.masks for s in mask.segments}


def only(path: Path, **options: Any) -> Image:
    found = read(path, **options)
    assert isinstance(found, Image)
    return found


@pytest.mark.parametrize("name", SEGS)
def test_every_voxel_is_highdicoms(shared_data: Path, facts: dict[str, Any], name: str) -> None:
    import highdicom as hd

    images = read(shared_data / SEGS[name])
    document = read(shared_data / name, image=images)
    (image,) = {id(mask.image): mask.image for mask in document.masks}.values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = hd.seg.segread(shared_data / name)
        uids = [source.sop_instance_uid for source in image.sources]
        numbers = [number for number in theirs.segment_numbers if number != 0]
        options = {"assert_missing_frames_are_empty": True, "ignore_spatial_locations": True}
        if theirs.segmentation_type.name == "FRACTIONAL":
            options["rescale_fractional"] = True
        expected = theirs.get_pixels_by_source_instance(uids, segment_numbers=numbers, **options)
    found = by_segment(document)
    assert sorted(found) == numbers
    for n, number in enumerate(numbers):
        assert (found[number] == (expected[..., n] >= 0.5)).all()

    stated = {one["number"]: one for one in facts[name]["facts"]["segments"] if one["number"]}
    names = {s.value: s.label for mask in document.masks for s in mask.segments}
    for number, fact in stated.items():
        assert names[number] == fact["label"]
        code = document.labels[names[number]].code
        assert code and f"{code.scheme}:{code.value}" == fact["type_code"] and code.meaning == fact["type"]
        if "voxels" in fact:
            assert int(found[number].sum()) == fact["voxels"]
        if "cielab" in fact:
            near = np.subtract(lab_of(document.labels[names[number]].color), fact["cielab"]) / 65535
            assert np.abs(near).max() < 0.005


@pytest.mark.parametrize("kind", ["deflate", "j2k", "nonbyte_aligned", "nonbyte_aligned_rle", "rle"])
def test_every_coding_gives_the_same_voxels(shared_data: Path, kind: str) -> None:
    folder = shared_data / "seg_dcmqi_liver"
    image = only(folder / "ct_3slice")
    expected = read(folder / "labels/liver.dcm", image=image)
    found = read(folder / f"labels/variants/liver_{kind}.dcm", image=image)
    assert (found.masks["Liver"].array == expected.masks["Liver"].array).all()
    assert ("510 × 510 × 3" in " ".join(found.notes)) == ("nonbyte" in kind)


def test_overlapping_segments_become_several_masks_in_one_step(shared_data: Path) -> None:
    folder = shared_data / "seg_dcmqi_liver"
    image = only(folder / "ct_3slice")
    document = read(folder / "labels/partial_overlaps.dcm", image=image)
    assert [[s.value for s in mask.segments] for mask in document.masks] == [[1, 4, 5], [2], [3]]
    mine = Document(image, masks=[])
    mine.add(document)
    assert len(mine.masks) == 3
    mine.undo()
    assert len(mine.masks) == 0


def test_tracking_ids_are_kept_as_answers_about_the_segment(shared_data: Path) -> None:
    folder = shared_data / "seg_dcmqi_24x38x3"
    document = read(folder / "labels/sparse-labelmap-noppv.dcm", image=read(folder / "ct"))
    (tag,) = document.tags
    assert tag.lesion == f"{document.masks['Liver'].id}/1"
    assert tag.attributes == {"tracking id": "Liver", "tracking uid": "1.2.3"}
    assert not problems(document)


def test_fractions_alone_are_images(shared_data: Path) -> None:
    path = shared_data / "seg_highdicom_ct/labels/seg_image_ct_true_fractional.dcm"
    image = only(path)
    stored = pydicom.dcmread(path).pixel_array
    assert image.array.dtype == np.float32 and isinstance(image.geometry, Geometry)
    assert sorted(image.array.ravel()) == pytest.approx(sorted(stored.ravel() / 255))
    ct = only(shared_data / "seg_highdicom_ct/ct")
    document = read(path, image=ct)
    inside = document.masks["first segment"].array > 0
    assert any("fractions of 0.5" in note for note in document.notes)
    for k in range(ct.shape[0]):
        index = image.geometry.to_index(ct.geometry.plane(k).origin)
        n = round(float(index[0]))
        here = image.array[n] if abs(index[0] - n) < 1e-3 and 0 <= n < image.shape[0] else 0
        assert (inside[k] == (here >= np.float32(0.5))).all()
    with pytest.raises(FormatError, match="labels, not an image.*image="):
        read(shared_data / "seg_highdicom_ct/labels/seg_image_ct_binary.dcm")


def without_sources(image: Image, reference: str | None) -> Image:
    grid = image.geometry
    assert isinstance(grid, Geometry)
    return Image(image.array, Geometry(grid.affine, grid.shape, frame_of_reference=reference), name="copy")


def test_without_its_source_files_a_seg_goes_by_place(shared_data: Path) -> None:
    name = "petct_acrin042/labels/seg_pet_2segments.dcm"
    image = only(shared_data / SEGS[name])
    expected = by_segment(read(shared_data / name, image=image))
    for reference in (image.frame_of_reference, None):
        document = read(shared_data / name, image=without_sources(image, reference))
        assert any("58 of 58 frames were matched by their place" in note for note in document.notes)
        found = by_segment(document)
        assert all((found[number] == expected[number]).all() for number in expected)
    with pytest.raises(GeometryError, match="made on other images"):
        read(shared_data / name, image=without_sources(image, "1.2.3"))
    with pytest.raises(GeometryError, match="made on other images"):
        read(shared_data / "sr_dcmqi_tid1500/seg.dcm", image=image)


def test_the_right_image_of_several_is_found(shared_data: Path) -> None:
    ct, pet = only(shared_data / "petct_acrin042/ct"), only(shared_data / "petct_acrin042/pet_ac")
    document = read(shared_data / "petct_acrin042/labels/seg_pet_1segment.dcm", image=[ct, pet])
    assert document.masks["Segment_1"].image is pet
    both = Images({"a": ct, "b": without_sources(pet, pet.frame_of_reference)})
    document = read(shared_data / "petct_acrin042/labels/seg_pet_1segment.dcm", image=both)
    assert document.masks["Segment_1"].image is both["b"]


def test_another_grid_is_refused_or_resampled_when_asked(shared_data: Path) -> None:
    path = shared_data / "petct_acrin042/labels/seg_pet_1segment.dcm"
    ct, pet = only(shared_data / "petct_acrin042/ct"), only(shared_data / "petct_acrin042/pet_ac")
    with pytest.raises(GeometryError, match="resample=True"):
        read(path, image=ct)
    document = read(path, image=ct, resample=True)
    assert any("resampled" in note for note in document.notes)
    volumes = [
        (mask.array > 0).sum() * np.prod(mask.geometry.spacing)
        for mask in (document.masks["Segment_1"], read(path, image=pet).masks["Segment_1"])
    ]
    # The CT shows less of the patient than the PET.
    assert 0.8 < volumes[0] / volumes[1] < 1.01


def test_a_part_of_the_series_takes_its_part_of_the_seg(shared_data: Path) -> None:
    name = "petct_acrin042/labels/seg_pet_2segments.dcm"
    image = only(shared_data / SEGS[name])
    whole = by_segment(read(shared_data / name, image=image))
    grid = image.geometry
    assert isinstance(grid, Geometry)
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_world((60, 0, 0))
    part = Image(
        image.array[60:90],
        Geometry(affine, (30, *grid.shape[1:]), frame_of_reference=grid.frame_of_reference),
    )
    document = read(shared_data / name, image=part)
    found = by_segment(document)
    assert any("lie on no slice of the image and are left out" in note for note in document.notes)
    assert all((found[number] == whole[number][60:90]).all() for number in whole)
    assert any(flags.any() for flags in found.values())


@pytest.mark.parametrize(
    "name",
    [
        "odd/gantry_tilt_dicom2nifti",
        "odd/missing_slice_prostatex0000_bcalc",
        "enhanced/mr_BRTUM003_flair.dcm",
        "seg_dcmqi_24x38x3/ct_enhanced_multiframe.dcm",
    ],
)
def test_tilted_irregular_and_multi_frame_images(shared_data: Path, tmp_path: Path, name: str) -> None:
    image = only(shared_data / name)
    chance = np.random.default_rng(3)
    array = (chance.random(image.shape) > 0.7).astype(np.uint8) * 5
    array[1] = 0
    write(tmp_path / "a.dcm", Mask("thing", image, array=array, segments={5: "thing"}))
    document = read(tmp_path / "a.dcm", image=image)
    assert ((document.masks["thing"].array > 0) == (array > 0)).all()
    assert document.notes == ()


def changed(source: Path, target: Path, change: Callable[[Any], object]) -> Path:
    ds = pydicom.dcmread(source)
    change(ds)
    ds.save_as(target)
    return target


def test_damaged_files_give_our_errors_only(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "seg_dcmqi_24x38x3/labels/label_seg.dcm"
    image = only(shared_data / "seg_dcmqi_24x38x3/ct")
    data = source.read_bytes()
    path = tmp_path / "cut.dcm"
    for length in range(140, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(NbannotError):
            read(path, image=image)
    chance = np.random.default_rng(0)
    for _ in range(60):
        noisy = bytearray(data)
        for at in chance.integers(132, len(data), 20):
            noisy[at] = int(chance.integers(256))
        path.write_bytes(noisy)
        with contextlib.suppress(NbannotError):
            read(path, image=image)


def test_odd_but_sound_files(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "seg_dcmqi_24x38x3/labels/label_seg.dcm"
    image = only(shared_data / "seg_dcmqi_24x38x3/ct")
    path = tmp_path / "a.dcm"

    def unnamed(ds: Any) -> None:
        ds.SegmentSequence[0].SegmentNumber = 300
        ds.SegmentSequence[0].SegmentLabel = ""
        for group in ds.PerFrameFunctionalGroupsSequence:
            group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 300

    document = read(changed(source, path, unnamed), image=image)
    mask = document.masks["Liver"]
    assert mask.array.dtype == np.uint16 and (mask.array == 300).sum() == 315

    def undescribed(ds: Any) -> None:
        ds.SegmentSequence[0].SegmentNumber = 2

    document = read(changed(source, path, undescribed), image=image)
    assert any("segment 1 is not described" in note for note in document.notes)
    assert {s.value: s.label for s in document.masks["Segmentation"].segments} == {1: "segment 1", 2: "Liver"}

    def unheard(ds: Any) -> None:
        ds.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 6145

    document = read(changed(source, path, unheard), image=image)
    assert {s.value for s in document.masks["Segmentation"].segments} == {1, 6145}

    def fewer(ds: Any) -> None:
        del ds.PerFrameFunctionalGroupsSequence[2]

    with pytest.raises(FormatError, match="2 descriptions of 3 frames"):
        read(changed(source, path, fewer), image=image)

    def nowhere(ds: Any) -> None:
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group.PlanePositionSequence, group.DerivationImageSequence

    with pytest.raises(GeometryError, match="without a place"):
        read(changed(source, path, nowhere), image=image)


def test_empty_segments_stay_and_notes_warn(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "seg_dcmqi_24x38x3/labels/label_seg.dcm"
    image = only(shared_data / "seg_dcmqi_24x38x3/ct")

    def empty(ds: Any) -> None:
        ds.PixelData = bytes(len(ds.PixelData))

    document = read(changed(source, tmp_path / "a.dcm", empty), image=image)
    assert not document.masks["Liver"].array.any()
    with pytest.warns(NbannotWarning, match="SEMIAUTOMATIC SlicerEditor"):
        read(source, image=image)


def test_a_folder_that_holds_only_the_seg_is_as_good(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "seg_dcmqi_24x38x3"
    (tmp_path / "series/300").mkdir(parents=True)
    (tmp_path / "series/300/1-1.dcm").write_bytes((folder / "labels/label_seg.dcm").read_bytes())
    document = read(tmp_path / "series", image=read(folder / "ct"))
    assert (document.masks["Liver"].array > 0).sum() == 315
    (tmp_path / "series/other.dcm").write_bytes(b"x")
    more = read(tmp_path / "series", image=read(folder / "ct"))
    assert (more.masks["Liver"].array > 0).sum() == 315
    assert "other.dcm is not of a known format; it is left out" in more.notes


def test_colours_and_codes() -> None:
    for color in ("#e69f00", "#000000", "#ffffff", "#123456", "#00ff00"):
        assert color_of(lab_of(color)) == color
    from highdicom.color import CIELabColor

    assert np.abs(np.subtract(lab_of("#56b4e9"), CIELabColor.from_rgb(0x56, 0xB4, 0xE9).value)).max() < 10
    # The colour that 3D Slicer gives the liver, in its own file.
    assert color_of((41661, 41167, 40792)) == "#dd8265"
    from nbannot.formats.dicom.categories import category_of

    assert category_of(Code("10200004", "SCT", "Liver")).meaning == "Anatomical Structure"
    assert category_of(Code("x", "99MINE", "x")).meaning == "Tissue" == category_of(None).meaning

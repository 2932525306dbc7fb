"""Measurement reports in: every shared file says what facts.json says of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formats_making import write_slice
from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import read
from nbannot.formats.labels.sr.elements import Content
from nbannot.formats.labels.sr.tree import Node, tree_of
from nbannot.model.document import Document
from nbannot.model.image import Image

KINDS = {
    "arrow": "arrow", "circle": "ellipse", "ellipse": "ellipse", "protractor": "angle",
    "rectangle": "rectangle", "roi": "polygon", "ruler": "ruler",
}  # fmt: skip


def opened(path: Path, image: Image) -> Document:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        document = read(path, image=image)
    assert isinstance(document, Document)
    return document


@pytest.fixture(scope="module")
def squares(shared_data: Path) -> Image:
    image = read(shared_data / "sr_dwv_tid1500/squares.dcm")
    assert isinstance(image, Image)
    return image


@pytest.mark.parametrize("name", KINDS)
def test_every_region_is_where_the_file_says(
    shared_data: Path, facts: dict[str, Any], squares: Image, name: str
) -> None:
    entry = f"sr_dwv_tid1500/labels/sr-{name}.dcm"
    known = facts[entry]["facts"]
    document = opened(shared_data / entry, squares)
    assert [shape.kind for shape in document.shapes] == [KINDS[name]] * known["measurement_groups"]
    regions = [one for one in known["coordinates"] if one["name"] == "Image Region"]
    for shape, region in zip(document.shapes, regions, strict=True):
        # Columns and rows from the corner of the first pixel, so that its centre is at 0.5.
        wanted = np.array(region["data"]).reshape(-1, 2) - 0.5
        found = squares.geometry.to_index(shape.world())[:, [2, 1]]
        if name == "arrow":
            np.testing.assert_allclose(found[1:], wanted, atol=1e-3)
        elif name == "circle":
            np.testing.assert_allclose(found.mean(axis=0), wanted[0], atol=1e-3)
            radius = np.linalg.norm(wanted[1] - wanted[0])
            np.testing.assert_allclose(np.linalg.norm(found - wanted[0], axis=1), radius, atol=1e-3)
        else:
            closed = name in ("rectangle", "roi")
            np.testing.assert_allclose(found, wanted[:-1] if closed else wanted, atol=1e-3)


@pytest.mark.parametrize("name", KINDS)
def test_every_number_and_tracking_uid_is_kept(
    shared_data: Path, facts: dict[str, Any], squares: Image, name: str
) -> None:
    entry = f"sr_dwv_tid1500/labels/sr-{name}.dcm"
    known = facts[entry]["facts"]
    document = opened(shared_data / entry, squares)
    numbers = [value for shape in document.shapes for value in shape.attributes.values()]
    values = [value for value in numbers if isinstance(value, float)]
    assert values == pytest.approx([one["value"] for one in known.get("measurements", [])])
    uids = [text.split(": ")[1] for text in known["uidrefs"]]
    assert [shape.lesion for shape in document.shapes] == uids
    names = [
        text.split(": ")[1] for text in known["codes_and_text"] if text.startswith("Tracking Identifier")
    ]
    assert [shape.name for shape in document.shapes] == names


def test_sizes_that_are_not_those_of_the_points_are_told(shared_data: Path, squares: Image) -> None:
    document = opened(shared_data / "sr_dwv_tid1500/labels/sr-ellipse.dcm", squares)
    assert (
        "finding, ellipse: Long axis (mm) is 3.18987 in the file, but 6.37975 by its points" in document.notes
    )
    assert not any("Area" in note for note in document.notes)
    right = opened(shared_data / "sr_dwv_tid1500/labels/sr-protractor.dcm", squares)
    assert not any("by its points" in note for note in right.notes)


def test_reading_twice_gives_the_same_ids(shared_data: Path, squares: Image) -> None:
    path = shared_data / "sr_dwv_tid1500/labels/sr-roi.dcm"
    first, second = opened(path, squares), opened(path, squares)
    assert first.shapes.keys() == second.shapes.keys()
    assert len(set(first.shapes.keys())) == 3


def test_a_measured_segment_becomes_a_statement_about_a_lesion(
    shared_data: Path, facts: dict[str, Any], squares: Image
) -> None:
    known = facts["sr_dcmqi_tid1500/sr.dcm"]["facts"]
    document = opened(shared_data / "sr_dcmqi_tid1500/sr.dcm", squares)
    (tag,) = document.tags
    code = document.labels[tag.label].code
    assert code is not None and (code.value, code.scheme, code.meaning) == (
        "M-80003", "SRT", "Neoplasm, Primary",
    )  # fmt: skip
    assert tag.scope == "lesion" and tag.lesion.startswith("2.25.")
    assert tag.attributes["Finding site"] == "pharyngeal tonsil (adenoid) [SRT T-C5300]"
    assert tag.attributes["SUVbw Mean ({SUVbw}g/ml)"] == pytest.approx(6.01529)
    assert tag.attributes["SUVbw Maximum ({SUVbw}g/ml)"] == pytest.approx(10.3814)
    values = [value for value in tag.attributes.values() if isinstance(value, float)]
    # Rows and columns of the pixel data stand in the image library, not in the group.
    wanted = [one["value"] for one in known["measurements"] if not one["name"].startswith("Pixel Data")]
    assert values == pytest.approx(wanted)
    assert any("segment 1 of a DICOM SEG" in note for note in document.notes)
    assert any("Sum of segmented voxel volumes" in note for note in document.notes)


@pytest.mark.parametrize("name", ["test-SR", "reportsi"])
def test_reports_of_other_kinds_are_refused_by_their_title(
    shared_data: Path, facts: dict[str, Any], squares: Image, name: str
) -> None:
    title = facts[f"sr_misc/{name}.dcm"]["facts"]["title"]
    with pytest.raises(FormatError, match=f"another kind .{title}"):
        read(shared_data / f"sr_misc/{name}.dcm", image=squares)


def test_coordinates_on_other_images_are_told(shared_data: Path, tmp_path: Path) -> None:
    other = read(write_slice(tmp_path / "other.dcm"))
    assert isinstance(other, Image)
    with pytest.raises(FormatError, match="on an image that was not given"):
        read(shared_data / "sr_dwv_tid1500/labels/sr-roi.dcm", image=other)


def listed(node: Node) -> list[Node]:
    return [node, *(below for child in node.children for below in listed(child))]


@pytest.mark.parametrize("entry", ["sr_dcmqi_tid1500/sr.dcm", "sr_misc/test-SR.dcm", "sr_misc/reportsi.dcm"])
def test_the_content_tree_is_that_of_an_independent_reader(
    shared_data: Path, facts: dict[str, Any], entry: str
) -> None:
    nodes = listed(tree_of(Content(str(shared_data / entry))))
    wanted = facts[entry]["facts"]["content_items"]
    kinds = [node.kind for node in nodes[1:]]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    # Items by reference have no value type; here they stand for what they refer to.
    named = {
        kind: count for kind, count in wanted.items() if kind not in ("", "IMAGE", "SCOORD", "CONTAINER")
    }
    assert {kind: counts.get(kind, 0) for kind in named} == named
    numbers = [node.value[0] for node in nodes if node.kind == "NUM" and node.value]
    assert numbers == pytest.approx(
        [one["value"] for one in facts[entry]["facts"]["measurements"]] if numbers else []
    )


def test_every_transfer_syntax_says_the_same(shared_data: Path, tmp_path: Path) -> None:
    import zlib

    import pydicom
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset, write_file_meta_info

    path = shared_data / "sr_dcmqi_tid1500/sr.dcm"
    wanted = listed(tree_of(Content(str(path))))
    for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"):
        dataset = pydicom.dcmread(path)
        dataset.walk(lambda _, element: setattr(element, "is_undefined_length", element.VR == "SQ"))
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        start, body = DicomBytesIO(), DicomBytesIO()
        start.is_little_endian, start.is_implicit_VR = True, False
        body.is_little_endian, body.is_implicit_VR = not syntax.endswith(".2.2"), syntax.endswith("8.1.2")
        write_file_meta_info(start, dataset.file_meta)
        write_dataset(body, dataset)
        data = body.getvalue()
        if syntax.endswith("99"):
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            data = packer.compress(data) + packer.flush()
        (tmp_path / "other.dcm").write_bytes(bytes(128) + b"DICM" + start.getvalue() + data)
        found = listed(tree_of(Content(str(tmp_path / "other.dcm"))))
        assert [(node.kind, node.concept, node.value) for node in found] == [
            (node.kind, node.concept, node.value) for node in wanted
        ]


def test_a_damaged_report_is_one_error(shared_data: Path, tmp_path: Path, squares: Image) -> None:
    whole = (shared_data / "sr_dwv_tid1500/labels/sr-roi.dcm").read_bytes()
    random = np.random.default_rng(7)
    path = tmp_path / "damaged.dcm"
    for _ in range(60):
        data = bytearray(whole[: int(random.integers(600, len(whole)))])
        for place in random.integers(300, len(data), 6):
            data[place] = int(random.integers(256))
        path.write_bytes(data)
        try:
            opened(path, squares)
        except FormatError as error:
            assert error.message

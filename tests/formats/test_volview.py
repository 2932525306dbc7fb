"""VolView: sessions and annotations in and out, and archives that would do harm."""

from __future__ import annotations

import base64
import json
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import volview_rules as rules
from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import read, write
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape

AFFINE = np.array([(0, 0, 1.5, -30), (0, 2, 0, -40), (3, 0, 0, 10), (0, 0, 0, 1)], dtype=float)
FRAME = {"planeOrigin": [0, 0, 16], "planeNormal": [0, 0, 1]}


@pytest.fixture
def image() -> Image:
    return Image(
        np.arange(20 * 40 * 50, dtype=np.int32).reshape(20, 40, 50),
        Geometry(AFFINE, (20, 40, 50)),
        name="ct.nii",
    )


def opened(path: Path, image: Any) -> Document:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        document = read(path, image=image)
    assert isinstance(document, Document)
    return document


def session(**more: Any) -> dict[str, Any]:
    tool = {"imageID": "1", "frameOfReference": FRAME, "slice": 2, "label": "L"}
    return {
        "version": "6.4.0",
        "dataSources": [{"id": 1, "type": "uri", "uri": "https://localhost/data/ct.nii", "name": "ct.nii"}],
        "datasets": [{"id": "1", "dataSourceId": 1}],
        "tools": {
            "rulers": {"tools": [{**tool, "firstPoint": [-20, -30, 16], "secondPoint": [0, -30, 16],
                                  "metadata": {"reader": "R1"}}],
                       "labels": {"L": {"labelName": "nodule", "color": "#ff0000", "strokeWidth": 1}}},
            "rectangles": {"tools": [{**tool, "firstPoint": [-18, -30, 16], "secondPoint": [0, -10, 16]}],
                           "labels": {}},
            "polygons": {"tools": [{**tool, "points": [[-20, -30, 16], [0, -30, 16], [0, 0, 16]], "labelName": "roi"},
                                   {**tool, "points": [[0, 0, 16]]}, {**tool, "imageID": "9", "points": []}],
                         "labels": {}},
        },
        **more,
    }  # fmt: skip


def test_tools_of_a_session(tmp_path: Path, image: Image) -> None:
    (tmp_path / "some.volview.json").write_text(json.dumps(session(extra=1)))
    document = opened(tmp_path / "some.volview.json", image)
    ruler, polygon = document.shapes
    assert ruler.kind == "ruler" and ruler.points == ((-20, -30, 16), (0, -30, 16))
    assert ruler.label == "nodule" and document.labels["nodule"].color == "#ff0000"
    assert ruler.attributes == {"reader": "R1"} and polygon.label == "roi"
    (box,) = document.boxes
    np.testing.assert_allclose(box.index, [(2, 5, 8), (2, 15, 20)])
    assert "polygon 2 is not read: A polygon has 3 or more points, got 1" in document.notes
    assert "polygon 3 is not read: its image was not given" in document.notes


@pytest.mark.parametrize(
    ("version", "fits"),
    [("5.0.0", True), ("5.0.1", True), ("6.1.1", True), ("7.0.0", True), ("4.0.0", False), ("x", False)],
)
def test_versions(tmp_path: Path, image: Image, version: str, fits: bool) -> None:
    (tmp_path / "some.volview.json").write_text(json.dumps(session(version=version)))
    if not fits:
        with pytest.raises(FormatError, match="version"):
            opened(tmp_path / "some.volview.json", image)
        return
    document = opened(tmp_path / "some.volview.json", image)
    assert any("newer" in note for note in document.notes) == (version == "7.0.0")


def vti(array: Any, packed: bool) -> bytes:
    data = array.tobytes()
    if packed:
        blocks = [data[n : n + 1000] for n in range(0, len(data), 1000)]
        small = [zlib.compress(block) for block in blocks]
        head = struct.pack(
            f"<{3 + len(blocks)}I", len(blocks), 1000, len(blocks[-1]) % 1000, *map(len, small)
        )
        text = base64.b64encode(head) + base64.b64encode(b"".join(small))
    else:
        text = base64.b64encode(struct.pack("<I", len(data)) + data)
    packer = 'compressor="vtkZLibDataCompressor"' if packed else ""
    return (
        '<?xml version="1.0"?><VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" '
        f'header_type="UInt32" {packer}>'
        '<ImageData WholeExtent="0 49 0 39 0 19" Origin="-30 -40 10" Spacing="1.5 2 3" Direction="1 0 0 0 1 0 0 0 1">'
        '<Piece Extent="0 49 0 39 0 19"><PointData Scalars="s"><DataArray type="UInt8" Name="s" format="binary">'
        f"{text.decode()}</DataArray></PointData></Piece></ImageData></VTKFile>"
    ).encode()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("key", ["segmentGroups", "labelMaps"])
def test_segment_groups_in_vtk_files(tmp_path: Path, image: Image, packed: bool, key: str) -> None:
    array = np.zeros(image.shape, np.uint8)
    array[3:6, 4:9, 10:20] = 1
    array[8, 4:9, 10:20] = 7
    segments = {"order": [1], "byValue": {"1": {"value": 1, "name": "liver", "color": [255, 0, 0, 255]}}}
    group = {
        "id": "g",
        "path": "segmentations/g.vti",
        "metadata": {"name": "g", "parentImage": "1", "segments": segments},
    }
    content = session(
        version="6.4.0" if key == "segmentGroups" else "5.0.1",
        **{key: [group, {"path": "no", "metadata": {}}]},
    )
    with zipfile.ZipFile(tmp_path / "some.volview.zip", "w") as archive:
        archive.writestr("manifest.json", json.dumps(content))
        archive.writestr("segmentations/g.vti", vti(array, packed))
    document = opened(tmp_path / "some.volview.zip", image)
    (mask,) = document.masks
    assert np.array_equal(mask.array, array)
    assert {segment.value: segment.label for segment in mask.segments} == {1: "liver", 7: "g 7"}
    assert document.labels["liver"].color == "#ff0000"
    assert any("segment group 2" in note for note in document.notes)


@pytest.mark.parametrize(
    "name", ["../evil.nii", "/etc/evil.nii", "a/../../evil.nii", "..\\evil.nii", "C:/evil.nii"]
)
def test_archives_do_not_lead_out(tmp_path: Path, image: Image, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.volview.zip", "w") as archive:
        archive.writestr("manifest.json", json.dumps(session()))
        archive.writestr(name, b"x")
    with pytest.raises(FormatError, match="absolute path|outside of the archive"):
        opened(tmp_path / "bad.volview.zip", image)
    with zipfile.ZipFile(tmp_path / "named.volview.zip", "w") as archive:
        group = {"path": name, "metadata": {"name": "g", "parentImage": "1"}}
        archive.writestr("manifest.json", json.dumps(session(segmentGroups=[group])))
    document = opened(tmp_path / "named.volview.zip", image)
    assert any("absolute path" in note or "outside of the archive" in note for note in document.notes)


def test_a_bomb_is_not_unpacked(tmp_path: Path, image: Image) -> None:
    import io

    group = {"path": "b.nii", "metadata": {"name": "g", "parentImage": "1"}}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(session(segmentGroups=[group])))
        archive.writestr("b.nii", b"x")
    # The directory says that the member is 4 TB/1024 long; it is refused before a byte is unpacked.
    data = bytearray(buffer.getvalue())
    at = data.rindex(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<I", 0xF0000000)
    (tmp_path / "bomb.volview.zip").write_bytes(data)
    document = opened(tmp_path / "bomb.volview.zip", image)
    assert any("too large" in note for note in document.notes)


def annotations(**more: Any) -> dict[str, Any]:
    ruler = {
        "firstPoint": [-20, -30, 16],
        "secondPoint": [0, -30, 16],
        "frameOfReference": FRAME,
        "labelName": "lesion",
    }
    return {"schemaVersion": 1, "space": "LPS", "labels": {"rulers": {"lesion": {"color": "#00ff00"}}},
            "tools": {"rulers": [ruler]}, **more}  # fmt: skip


def test_annotations_are_read_by_their_rules(tmp_path: Path, image: Image) -> None:
    path = tmp_path / "some.annotations.json"
    path.write_text(json.dumps(annotations()))
    document = opened(path, image)
    (ruler,) = document.shapes
    assert ruler.label == "lesion" and document.labels["lesion"].color == "#00ff00"
    for wrong in ({"schemaVersion": 2}, {"space": "RAS"}, {"labels": {}}):
        path.write_text(json.dumps(annotations(**wrong)))
        with pytest.raises(FormatError):
            opened(path, image)


def document(image: Image) -> Document:
    quad = ((-20.0, -30.0, 16.0), (0.0, -30.0, 16.0), (0.0, 0.0, 16.0), (-20.0, 0.0, 16.0))
    array = np.zeros(image.shape, np.uint8)
    array[3:6, 4:9, 10:20] = 1
    return Document(
        image, labels=[Label("lesion", "#ff8000"), Label("liver", "#00ff00")],
        masks=[Mask("organs/1", image, array=array, segments={1: "liver"})],
        shapes=[Shape("ruler", "lesion", quad[:2], name="mine", attributes={"sure": True, "n": 2.0}),
                Shape("polygon", "lesion", quad),
                Shape("polygon", "lesion", ((-15.0, -30, 16), (-15, 0, 16), (-15, 0, 31)))],
        boxes=[Box("lesion", ((2, 5, 8), (2, 15, 20))), Box("lesion", ((4, 5, 8), (6, 15, 8)))],
    )  # fmt: skip


def test_a_session_is_written_by_the_rules_and_reads_back(tmp_path: Path, image: Image) -> None:
    made = document(image)
    path = tmp_path / "out.volview.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("error", NbannotWarning)
        write(path, made)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert set(manifest["datasetFilePath"].values()) <= set(archive.namelist())
        assert all(group["path"] in archive.namelist() for group in manifest["segmentGroups"])
    assert manifest["version"] == "6.4.0"
    sources = {one["id"] for one in manifest["dataSources"]}
    assert (
        all(type(id) is int for id in sources)
        and {one["dataSourceId"] for one in manifest["datasets"]} <= sources
    )
    datasets = {one["id"] for one in manifest["datasets"]}
    directions = AFFINE[:3, :3] / np.linalg.norm(AFFINE[:3, :3], axis=0)
    for kind, points in (("rulers", 1), ("rectangles", 2), ("polygons", 2)):
        entry = manifest["tools"][kind]
        assert len(entry["tools"]) == points
        for tool in entry["tools"]:
            assert tool["imageID"] in datasets and tool["label"] in entry["labels"]
            assert all(isinstance(value, str) for value in tool.get("metadata", {}).values())
            # Drawn only where the normal is an axis of the image, and the slice is the index along it.
            normal = np.array(tool["frameOfReference"]["planeNormal"])
            axis = int(np.argmax(np.abs(normal @ directions)))
            assert abs(normal @ directions[:, axis]) == pytest.approx(1)
            index = image.geometry.to_index(tool["frameOfReference"]["planeOrigin"])
            assert index[axis] == pytest.approx(tool["slice"])
    back = opened(path, image)
    for one, other in zip(made.shapes, back.shapes, strict=True):
        np.testing.assert_allclose(one.world(), other.world(), atol=1e-9)
    np.testing.assert_allclose([b.index for b in back.boxes], [b.index for b in made.boxes], atol=1e-9)
    (mask,) = back.masks
    assert mask.name == "organs/1" and np.array_equal(mask.array, made.masks["organs/1"].array)
    assert back.labels["liver"].color == "#00ff00"
    kept = tmp_path / "image"
    with zipfile.ZipFile(path) as archive:
        archive.extract("data/1/ct.nii.gz", kept)
    same = read(kept / "data/1/ct.nii.gz")
    assert isinstance(same, Image) and np.array_equal(same.array, image.array)


def test_annotations_are_written_by_the_published_rules(tmp_path: Path, image: Image) -> None:
    path = tmp_path / "out.annotations.json"
    with pytest.warns(NbannotWarning, match="masks"):
        write(path, document(image))
    content = json.loads(path.read_text())
    assert (content["schemaVersion"], content["space"]) == (1, "LPS") and set(content) == {
        "schemaVersion",
        "space",
        "labels",
        "tools",
    }
    shared = {"frameOfReference", "slice", "frame", "labelName", "name", "metadata"}
    own = {
        "rulers": {"firstPoint", "secondPoint"},
        "rectangles": {"firstPoint", "secondPoint"},
        "polygons": {"points"},
    }
    for kind, tools in content["tools"].items():
        assert all(
            set(style) <= {"color", "strokeWidth", "fillColor"} for style in content["labels"][kind].values()
        )
        for tool in tools:
            assert own[kind] <= set(tool) <= own[kind] | shared
            assert tool["labelName"] in content["labels"][kind]
            assert np.linalg.norm(tool["frameOfReference"]["planeNormal"]) == pytest.approx(1)
    assert len(opened(path, image).shapes) == 3


def faulty() -> dict[str, dict[str, Any]]:
    """Return annotations that break one rule each."""
    ruler = annotations()["tools"]["rulers"][0]
    polygon = {"points": [[0, 0, 16], [1, 0, 16], [1, 1, 16]], "frameOfReference": FRAME}

    def with_tools(**tools: Any) -> dict[str, Any]:
        return annotations(tools=tools)

    return {
        "a newer version": annotations(schemaVersion=2),
        "another space": annotations(space="RAS"),
        "no tools": {key: value for key, value in annotations().items() if key != "tools"},
        "a label not declared": with_tools(rulers=[{**ruler, "labelName": "other"}]),
        "a label declared for another tool": with_tools(polygons=[{**polygon, "labelName": "lesion"}]),
        "an unknown member of a tool": with_tools(rulers=[{**ruler, "imageID": "1"}]),
        "an unknown tool": with_tools(circles=[ruler]),
        "two corners": with_tools(polygons=[{**polygon, "points": polygon["points"][:2]}]),
        "a plane without a normal": with_tools(
            rulers=[{**ruler, "frameOfReference": {**FRAME, "planeNormal": [0, 0, 0]}}]
        ),
        "a point of two numbers": with_tools(rulers=[{**ruler, "firstPoint": [0, 0]}]),
        "no second point": with_tools(rulers=[{k: v for k, v in ruler.items() if k != "secondPoint"}]),
        "no plane": with_tools(rulers=[{k: v for k, v in ruler.items() if k != "frameOfReference"}]),
        "metadata that is no text": with_tools(rulers=[{**ruler, "metadata": {"n": 1}}]),
        "a frame before the first": with_tools(rulers=[{**ruler, "frame": -1}]),
    }


def test_what_is_written_obeys_the_published_rules(tmp_path: Path, image: Image) -> None:
    rules.check(annotations(), rules.ANNOTATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        write(tmp_path / "a.annotations.json", document(image))
        write(tmp_path / "s.volview.zip", document(image))
        write(tmp_path / "n.volview.zip", document(image), images=False)
    rules.check(json.loads((tmp_path / "a.annotations.json").read_text()), rules.ANNOTATIONS)
    for name in ("s", "n"):
        with zipfile.ZipFile(tmp_path / f"{name}.volview.zip") as archive:
            rules.check(json.loads(archive.read("manifest.json")), rules.SESSION)


# VolView refuses these files; what they draw is beyond doubt all the same.
READ_ALL_THE_SAME = (
    "an unknown member of a tool",
    "a plane without a normal",
    "no plane",
    "metadata that is no text",
    "a frame before the first",
)


@pytest.mark.parametrize("fault", faulty())
def test_annotations_that_break_a_rule_are_refused_or_read_as_drawn(
    tmp_path: Path, image: Image, fault: str
) -> None:
    content = faulty()[fault]
    with pytest.raises(jsonschema.ValidationError):
        rules.check(content, rules.ANNOTATIONS)
    path = tmp_path / "some.annotations.json"
    path.write_text(json.dumps(content))
    if fault in READ_ALL_THE_SAME:
        (ruler,) = opened(path, image).shapes
        np.testing.assert_allclose(ruler.world(), [(-20, -30, 16), (0, -30, 16)])
        return
    with pytest.raises(FormatError):
        opened(path, image)

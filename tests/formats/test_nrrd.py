"""NRRD against SimpleITK and pynrrd."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from formats_reference import one, same_as_sitk
from nbannot.errors import FormatError, GeometryError, GeometryWarning
from nbannot.formats import read
from nbannot.formats.header import header
from nbannot.model.geometry import Stack

SHAPE = (3, 4, 5)  # i, j, k as in the file
DIRECTIONS = np.array([[0.0, 2, 0], [0, 0, -3], [1.5, 0, 0]])
ORIGIN = np.array([10.0, -20, 30])


def save(path: Path, data: np.ndarray, detached: str | None = None, **fields: Any) -> Path:
    full = {"space": "left-posterior-superior", "space directions": DIRECTIONS, "space origin": ORIGIN,
            "kinds": ["domain"] * data.ndim, "encoding": "raw", "endian": "little", **fields}  # fmt: skip
    chosen = {name: value for name, value in full.items() if value is not None}
    nrrd.write(str(path), data, chosen, detached_header=False, relative_data_path=True)
    return path


def numbers(dtype: str = "int16", shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    "name",
    ["nrrd_slicer/CTChest4.nrrd", "nrrd_slicer/Segmentation.seg.nrrd", "nrrd_pyradiomics/brain1_image.nrrd",
     "nrrd_pyradiomics/brain1_label.nrrd", "nrrd_pyradiomics/prostate_phantom_subvolume.nrrd",
     "nrrd_pyradiomics/prostate_phantom_subvolume-label.nrrd",
     "seg_dcmqi_liver/labels/nrrd/liver_spine_gapped_seg.nrrd", "seg_dcmqi_24x38x3/labels/label.nrrd"],
)  # fmt: skip
def test_real_files_equal_simpleitk_and_pynrrd(shared_data: Path, name: str) -> None:
    image = same_as_sitk(shared_data / name)
    data, fields = nrrd.read(str(shared_data / name))
    np.testing.assert_array_equal(image.array, data.T)
    np.testing.assert_allclose(image.geometry.affine[:3, 2::-1].T, fields["space directions"])
    np.testing.assert_allclose(image.geometry.affine[:3, 3], fields["space origin"])


@pytest.mark.parametrize("space", ["left-posterior-superior", "LPS", "right-anterior-superior", "RAS",
                                   "left-anterior-superior", "LAS"])  # fmt: skip
def test_spaces(tmp_path: Path, space: str) -> None:
    path = save(tmp_path / "a.nrrd", numbers(), space=space)
    same_as_sitk(path)
    turn = {"l": 1, "r": -1, "p": 1, "a": -1}
    letters = space.lower() if len(space) == 3 else "".join(word[0] for word in space.split("-"))
    sign = np.array([turn[letters[0]], turn[letters[1]], 1])
    for index in itertools.product((0, 2), (0, 3), (0, 4)):
        world = (ORIGIN + np.array(index) @ DIRECTIONS) * sign
        np.testing.assert_allclose(one(path).geometry.to_world(index[::-1]), world, atol=1e-6)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", ">i2", "uint16", "int32", ">u4", "int64", "float32", ">f8"]
)
def test_encodings_and_types(tmp_path: Path, encoding: str, dtype: str) -> None:
    data = numbers(dtype) - (dtype[0] == "i")
    endian = "big" if dtype[0] == ">" else "little"
    path = save(tmp_path / "a.nrrd", data, encoding=encoding, endian=endian)
    np.testing.assert_array_equal(one(path).array, data.T)
    np.testing.assert_array_equal(one(path).array, nrrd.read(str(path))[0].T)


def test_hex(tmp_path: Path) -> None:
    text = "NRRD0004\ntype: uchar\ndimension: 2\nsizes: 2 2\nencoding: hex\n\n0a FF\n0001\n"
    (tmp_path / "a.nrrd").write_text(text)
    assert one(tmp_path / "a.nrrd").array.tolist() == [[[10, 255], [0, 1]]]


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
def test_detached(tmp_path: Path, encoding: str) -> None:
    data = numbers()
    fields = {"space": "left-posterior-superior", "space directions": DIRECTIONS, "space origin": ORIGIN,
              "kinds": ["domain"] * 3, "encoding": encoding, "endian": "little"}  # fmt: skip
    nrrd.write(str(tmp_path / "a.nhdr"), data, fields)
    if encoding != "bzip2":  # which SimpleITK does not unpack
        same_as_sitk(tmp_path / "a.nhdr")
    np.testing.assert_array_equal(one(tmp_path / "a.nhdr").array, data.T)


HEAD = ("NRRD0004\ntype: short\ndimension: 3\nspace: LPS\nsizes: 3 4 5\nendian: little\nencoding: raw\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n")  # fmt: skip


def test_voxels_in_several_files_with_skips(tmp_path: Path) -> None:
    data = numbers().T.astype("<i2")
    for k in range(5):
        (tmp_path / f"s{k + 1:02}.raw").write_bytes(b"\n\nxy" + data[k].tobytes())
    skips = "line skip: 2\nbyte skip: 2\n"
    (tmp_path / "a.nhdr").write_text(HEAD + skips + "data file: s%02d.raw 1 5 1 2\n")
    listed = "".join(f"s{k + 1:02}.raw\n" for k in range(5))
    (tmp_path / "b.nhdr").write_text(HEAD + skips + "data file: LIST 2\n" + listed)
    for name in ("a.nhdr", "b.nhdr"):
        np.testing.assert_array_equal(one(tmp_path / name).array, data)
    (tmp_path / "end.raw").write_bytes(b"anything" + data.tobytes())
    (tmp_path / "c.nhdr").write_text(HEAD + "byte skip: -1\ndata file: end.raw\n")
    np.testing.assert_array_equal(one(tmp_path / "c.nhdr").array, data)


def test_frames_are_the_axis_outside_space(tmp_path: Path) -> None:
    data = numbers(shape=(*SHAPE, 2))
    rows = np.vstack((DIRECTIONS, [np.nan] * 3))
    last = save(tmp_path / "a.nrrd", data, **{"space directions": rows, "kinds": ["domain"] * 3 + ["list"]})
    image = one(last)
    assert image.frames == 2
    np.testing.assert_array_equal(image.array, data.T)
    rows = np.vstack(([np.nan] * 3, DIRECTIONS))
    first = save(tmp_path / "b.nrrd", np.moveaxis(data, -1, 0),
                 **{"space directions": rows, "kinds": ["vector"] + ["domain"] * 3})  # fmt: skip
    np.testing.assert_array_equal(one(first).array, data.T)
    np.testing.assert_array_equal(one(first).plane_array(3, t=1), data.T[1, 3])
    np.testing.assert_allclose(one(first).geometry.affine, one(last).geometry.affine)


def test_times(tmp_path: Path) -> None:
    rows = np.zeros((4, 4))
    rows[:3, :3], rows[3, 3] = DIRECTIONS, 250
    path = save(tmp_path / "a.nrrd", numbers(shape=(*SHAPE, 3)), **{
        "space": "left-posterior-superior-time", "space directions": rows, "kinds": None,
        "space origin": np.append(ORIGIN, 0), "space units": ["mm", "mm", "mm", "ms"]})  # fmt: skip
    image = one(path)
    assert image.frame_times == pytest.approx((0, 0.25, 0.5))
    np.testing.assert_allclose(image.geometry.to_world((0, 0, 0)), ORIGIN)


@pytest.mark.parametrize(("kind", "size"), [("RGB-color", 3), ("RGBA-color", 4), ("vector", 3)])
def test_colour(tmp_path: Path, kind: str, size: int) -> None:
    data = numbers("uint8", (size, *SHAPE))
    rows = np.vstack(([np.nan] * 3, DIRECTIONS))
    path = save(tmp_path / "a.nrrd", data, **{"space directions": rows, "kinds": [kind] + ["domain"] * 3})
    image = one(path)
    assert image.is_color
    np.testing.assert_array_equal(image.array, data.T[..., :3])
    reference = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(image.array, reference[..., :3])


def test_without_a_space(tmp_path: Path) -> None:
    nothing = {"space": None, "space directions": None, "space origin": None}
    path = save(tmp_path / "a.nrrd", numbers(), spacings=np.array([2.0, 3, 4]), **nothing)
    with pytest.warns(GeometryWarning, match="does not say where"):
        image = read(path)
    np.testing.assert_allclose(image.geometry.affine[:3, 2::-1], np.diag([2, 3, 4]))
    same_as_sitk(path)
    flat = save(tmp_path / "b.nrrd", numbers(shape=(3, 4)), **nothing)
    picture = one(flat)
    assert isinstance(picture.geometry, Stack)
    assert picture.geometry.unit == "px"
    unnamed = save(tmp_path / "c.nrrd", numbers(), **{"space": None, "space dimension": 3})
    with pytest.warns(GeometryWarning, match="does not name its patient space"):
        read(unnamed)
    same_as_sitk(unnamed)


@pytest.mark.parametrize("spacing", ["nan 1 1", "1 0 1", "1 1 inf"])
def test_impossible_spacings(tmp_path: Path, spacing: str) -> None:
    head = f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 4 5\nencoding: raw\nspacings: {spacing}\n\n"
    (tmp_path / "bad.nrrd").write_bytes(head.encode() + bytes(60))
    with pytest.raises(GeometryError, match=r"bad\.nrrd"):
        read(tmp_path / "bad.nrrd")


def test_a_plane_in_the_patient(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nrrd", numbers(shape=(3, 4)), **{"space directions": DIRECTIONS[:2]})
    image = one(path)
    assert image.geometry.patient_space
    np.testing.assert_allclose(
        image.geometry.to_world((0, 3, 2)), ORIGIN + 2 * DIRECTIONS[0] + 3 * DIRECTIONS[1]
    )


def test_a_sheared_grid_is_kept(tmp_path: Path) -> None:
    sheared = DIRECTIONS + np.outer((0, 0, 1), (0, 0.4, 0))
    image = one(save(tmp_path / "a.nrrd", numbers(), **{"space directions": sheared}))
    assert not image.geometry.is_orthogonal
    np.testing.assert_allclose(image.geometry.affine[:3, 2::-1].T, sheared)


def test_header_rows(shared_data: Path) -> None:
    rows = header(one(shared_data / "nrrd_slicer/Segmentation.seg.nrrd"))
    found = {row[2]: row[4] for row in rows}
    assert found["sizes"] == "128 128 34"
    assert found["Segment0_Name"] == "ribs"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("sizes: 3 4 5", "sizes: 3 4 50"), "cut off"),
        (("sizes: 3 4 5", "sizes: 3 4"), "'sizes'"),
        (("sizes: 3 4 5", "sizes: 3 4 -5"), "'sizes'"),
        (("sizes: 3 4 5", f"sizes: {10**9} {10**9} {10**9}"), "cut off"),
        (("type: short", "type: block"), "'block'"),
        (("encoding: raw", "encoding: lzma"), "not known"),
        (("encoding: raw", "encoding: gzip"), "damaged|cut off"),
        (("encoding: raw", "encoding: bzip2"), "damaged|cut off"),
        (("encoding: raw", "encoding: ascii"), "no number|cut off"),
        (("encoding: raw", "encoding: hex"), "no number|cut off"),
        (("endian: little\n", ""), "byte order"),
        (("dimension: 3", "dimension: three"), "'dimension'"),
        (("(0,0,1)", "(0,0)"), "'space directions'"),
        (("(0,0,1)", "(0,0,x)"), "'space directions'"),
        (("space origin: (0,0,0)", "space origin: (0,0)"), "'space origin'"),
        (("type: short\n", ""), "'type'"),
        (("type: short\n", "anything\n"), "is no field"),
    ],
)
def test_bad_headers(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = tmp_path / "bad.nrrd"
    path.write_bytes(HEAD.replace(*change).encode() + b"\n" + numbers().tobytes())
    with pytest.raises(FormatError, match=says) as caught:
        one(path).array  # noqa: B018
    assert "bad.nrrd" in caught.value.message


@pytest.mark.parametrize("row", ["(0,0,nan)", "(1,0,0)", "(0,0,0)", "(0,0,inf)"])
def test_impossible_places(tmp_path: Path, row: str) -> None:
    path = tmp_path / "bad.nrrd"
    path.write_bytes(HEAD.replace("(0,0,1)", row).encode() + b"\n" + numbers().tobytes())
    with pytest.raises(GeometryError, match=r"bad\.nrrd"):
        read(path)


@pytest.mark.parametrize("name", ["../secret.raw", "/etc/passwd", "sub/../../secret.raw"])
def test_voxels_outside_the_folder_are_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.raw").write_bytes(numbers().tobytes())
    (tmp_path / "in" / "sub").mkdir(parents=True)
    path = tmp_path / "in" / "a.nhdr"
    for named in (name, f"LIST\n{name}"):
        path.write_text(HEAD + f"data file: {named}\n")
        with pytest.raises(FormatError, match="outside its folder"):
            read(path)
    path.write_text(HEAD + "data file: ../s%d.raw 1 5 1\n")
    with pytest.raises(FormatError, match="outside its folder"):
        read(path)


def test_missing_voxels(tmp_path: Path) -> None:
    (tmp_path / "a.nhdr").write_text(HEAD + "data file: gone.raw\n")
    with pytest.raises(FormatError, match=r"gone\.raw.*is missing"):
        read(tmp_path / "a.nhdr")
    (tmp_path / "b.nrrd").write_text(HEAD)
    with pytest.raises(FormatError, match="ends within its header"):
        read(tmp_path / "b.nrrd")


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_cut_off_voxels_are_found_when_opened(tmp_path: Path, encoding: str) -> None:
    data = np.random.default_rng(0).integers(0, 999, (20, 20, 20)).astype(np.int16)
    path = save(tmp_path / "cut.nrrd", data, encoding=encoding)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"cut\.nrrd"):
        read(path)

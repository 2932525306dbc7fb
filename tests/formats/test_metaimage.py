"""MetaImage against SimpleITK."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from formats_reference import one, same_as_sitk
from nbannot.errors import FormatError, GeometryError
from nbannot.formats import read
from nbannot.formats.header import header
from nbannot.model.geometry import Stack

SHAPE = (4, 5, 6)  # k, j, i


def save(
    path: Path, voxels: np.ndarray | None = None, *, compressed: bool = False, vector: bool = False
) -> Path:
    voxels = np.arange(120, dtype=np.int16).reshape(SHAPE) if voxels is None else voxels
    image = sitk.GetImageFromArray(voxels, isVector=vector)
    if image.GetDimension() == 3:
        turn = sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.9)
        image.SetDirection(turn.GetMatrix())
        image.SetSpacing((0.7, 0.8, 2.5))
        image.SetOrigin((-100.5, 20.25, 7))
    sitk.WriteImage(image, str(path), compressed)
    return path


@pytest.mark.parametrize(
    "name",
    ["3DCT_lung.mha", "3DCT_lung_baseline_mask.mha", "CT_2D_head_fixed.mha", "epi_64x64x37.mha",
     "image10x10x10.mha", "image10x10x10.mhd", "image10x11x12x13.mha", "image10x11x12x13.mhd"],
)  # fmt: skip
def test_real_files_equal_simpleitk(shared_data: Path, name: str) -> None:
    same_as_sitk(shared_data / "mha" / name)


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize("compressed", [False, True])
def test_directions_and_packing(tmp_path: Path, suffix: str, compressed: bool) -> None:
    image = same_as_sitk(save(tmp_path / f"a{suffix}", compressed=compressed))
    reference = sitk.ReadImage(str(tmp_path / f"a{suffix}"))
    for index in ((0, 0, 0), (3, 4, 5), (1, 0, 5)):
        world = reference.TransformIndexToPhysicalPoint([int(n) for n in index[::-1]])
        np.testing.assert_allclose(image.geometry.to_world(index), world, atol=1e-4)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
def test_types(tmp_path: Path, dtype: str) -> None:
    same_as_sitk(save(tmp_path / "a.mha", np.arange(120).reshape(SHAPE).astype(dtype)))


def test_vectors_and_colour(tmp_path: Path) -> None:
    colour = np.arange(360).reshape(*SHAPE, 3).astype(np.uint8)
    image = one(save(tmp_path / "a.mha", colour, vector=True))
    assert image.is_color
    np.testing.assert_array_equal(image.array, colour)
    field = np.arange(360).reshape(*SHAPE, 3).astype(np.float32)
    image = one(save(tmp_path / "b.mha", field, vector=True))
    assert image.frames == 3
    np.testing.assert_array_equal(image.array, np.moveaxis(field, -1, 0))


HEAD = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 0 1 0 0 0 1 1 0 0
Offset = 1 2 3
ElementSpacing = 2 3 4
DimSize = 6 5 4
ElementType = MET_SHORT
"""
VOXELS = np.arange(120, dtype="<i2").reshape(SHAPE)


def made(
    path: Path, change: tuple[str, str] = ("", ""), *, data: bytes | None = None, file: str = "LOCAL"
) -> Path:
    text = (HEAD.replace(*change) if change[0] else HEAD) + f"ElementDataFile = {file}\n"
    path.write_bytes(text.encode() + (VOXELS.tobytes() if data is None else data))
    return path


@pytest.mark.parametrize(
    "change",
    [("TransformMatrix", "Rotation"), ("TransformMatrix", "Orientation"), ("Offset", "Position"),
     ("Offset", "Origin"), ("TransformMatrix = 0 1 0 0 0 1 1 0 0\n", ""), ("Offset = 1 2 3\n", ""),
     ("ElementSpacing", "ElementSize"), ("ObjectType = Image\n", "")],
)  # fmt: skip
def test_other_words_for_the_same(tmp_path: Path, change: tuple[str, str]) -> None:
    same_as_sitk(made(tmp_path / "a.mha", change))


def test_big_endian_text_units_and_end_of_file(tmp_path: Path) -> None:
    big = made(
        tmp_path / "a.mha", ("OrderMSB = False", "OrderMSB = True"), data=VOXELS.astype(">i2").tobytes()
    )
    same_as_sitk(big)
    text = made(tmp_path / "b.mha", ("BinaryData = True", "BinaryData = False"),
                data=" ".join(map(str, VOXELS.ravel())).encode())  # fmt: skip
    np.testing.assert_array_equal(one(text).array, VOXELS)
    units = made(tmp_path / "c.mha", ("NDims = 3", "NDims = 3\nDistanceUnits = cm"))
    assert one(units).geometry.spacing == pytest.approx((40, 30, 20))
    (tmp_path / "long.raw").write_bytes(b"a header of another program" + VOXELS.tobytes())
    end = made(tmp_path / "d.mhd", ("NDims = 3", "NDims = 3\nHeaderSize = -1"), file="long.raw", data=b"")
    same_as_sitk(end)


def test_one_file_for_each_slice(tmp_path: Path) -> None:
    for k in range(4):
        (tmp_path / f"s{k + 1:03}.raw").write_bytes(VOXELS[k].tobytes())
    names = "".join(f"s{k + 1:03}.raw\n" for k in range(4)).encode()
    same_as_sitk(made(tmp_path / "a.mhd", file="LIST", data=names))
    same_as_sitk(made(tmp_path / "b.mhd", file="s%03d.raw 1 4 1", data=b""))


def test_two_axes_are_a_picture(shared_data: Path) -> None:
    image = one(shared_data / "mha/CT_2D_head_fixed.mha")
    assert isinstance(image.geometry, Stack)
    assert not image.geometry.patient_space
    assert image.geometry.unit == "mm"


def test_header_rows(shared_data: Path) -> None:
    found = {row[2]: row[4] for row in header(one(shared_data / "mha/epi_64x64x37.mha"))}
    assert found["dimsize"] == "64 64 37"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("DimSize = 6 5 4", "DimSize = 6 5 40"), "cut off"),
        (("DimSize = 6 5 4", f"DimSize = {10**9} {10**9} {10**9}"), "cut off"),
        (("DimSize = 6 5 4", "DimSize = 6 5"), "dimsize"),
        (("DimSize = 6 5 4", "DimSize = 6 5 0"), "dimsize"),
        (("DimSize = 6 5 4", "DimSize = 6 5 nan"), "dimsize"),
        (("DimSize = 6 5 4\n", ""), "dimsize"),
        (("MET_SHORT", "MET_STRING"), "STRING"),
        (("NDims = 3", "NDims = x"), "ndims"),
        (("NDims = 3", "NDims = 9"), "dimsize"),
        (("NDims = 3", "NDims = 3\nElementNumberOfChannels = 0"), "elementnumberofchannels"),
        (("CompressedData = False", "CompressedData = True"), "damaged|cut off"),
        (("CompressedData = False", "CompressedData = True\nCompressedDataSize = 99999"), "cut off"),
        (("BinaryData = True", "BinaryData = False"), "no number|cut off"),
        (("NDims = 3", "NDims = 3\nHeaderSize = -7"), "headersize"),
        (("NDims = 3", "NDims = 3\nDistanceUnits = parsec"), "distanceunits"),
        (("ObjectType = Image", "ObjectType = Tube"), "Tube"),
    ],
)
def test_bad_headers(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = made(tmp_path / "bad.mha", change)
    with pytest.raises(FormatError, match=says) as caught:
        one(path).array  # noqa: B018
    assert "bad.mha" in caught.value.message


@pytest.mark.parametrize(
    "change",
    [("ElementSpacing = 2 3 4", "ElementSpacing = 2 3 nan"), ("ElementSpacing = 2 3 4", "ElementSpacing = 2 3 0"),
     ("0 1 0 0 0 1 1 0 0", "0 1 0 0 1 0 1 0 0"), ("Offset = 1 2 3", "Offset = 1 2 inf")],
)  # fmt: skip
def test_impossible_places(tmp_path: Path, change: tuple[str, str]) -> None:
    with pytest.raises(GeometryError, match=r"bad\.mha"):
        read(made(tmp_path / "bad.mha", change))


@pytest.mark.parametrize("name", ["../secret.raw", "/etc/passwd", "s/../../secret.raw", "../s%d.raw 1 4 1"])
def test_voxels_outside_the_folder_are_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    (tmp_path / "in" / "s").mkdir(parents=True)
    with pytest.raises(FormatError, match="outside its folder"):
        read(made(tmp_path / "in/a.mhd", file=name, data=b""))
    with pytest.raises(FormatError, match="outside its folder"):
        read(made(tmp_path / "in/b.mhd", file="LIST", data=b"../secret.raw\n"))


def test_missing_and_damaged_voxels(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"gone\.raw.*is missing"):
        read(made(tmp_path / "a.mhd", file="gone.raw", data=b""))
    (tmp_path / "b.mha").write_text(HEAD)
    with pytest.raises(FormatError, match="ElementDataFile"):
        read(tmp_path / "b.mha")
    path = save(tmp_path / "c.mha", compressed=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(FormatError, match="cut off"):
        read(path)
    path.write_bytes(whole[:-60] + bytes(60))
    with pytest.raises(FormatError, match=r"c\.mha"):
        read(path).array  # noqa: B018
    path.write_bytes(re.sub(rb"CompressedDataSize = \d+\n", b"", whole[:-20]))
    with pytest.raises(FormatError, match="cut off"):
        read(path)

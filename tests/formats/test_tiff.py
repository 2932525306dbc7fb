"""TIFF against tifffile and Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from formats_reference import one
from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import read
from nbannot.formats.header import header
from nbannot.model.image import Images


def save(path: Path, data: np.ndarray, **options: Any) -> Path:
    options = {"photometric": "minisblack", "metadata": None, **options}
    tifffile.imwrite(path, data, **options)
    return path


def numbers(dtype: str, *shape: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 120, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"byteorder": ">"}, {"compression": "deflate"},
                                     {"bigtiff": True}])  # fmt: skip
def test_grey(tmp_path: Path, dtype: str, options: dict[str, Any]) -> None:
    data = numbers(dtype, 40, 50)
    image = one(save(tmp_path / "a.tif", data, **options))
    assert image.shape == (1, 40, 50)
    np.testing.assert_array_equal(image.array[0], data.astype(image.dtype))
    assert image.dtype == {"uint32": "uint8", "float64": "float32"}.get(dtype, dtype)


def test_many_pages_are_read_one_at_a_time(tmp_path: Path) -> None:
    data = numbers("uint16", 7, 20, 30)
    path = save(tmp_path / "a.tiff", data)
    image = one(path)
    assert image.shape == (7, 20, 30)
    np.testing.assert_array_equal(image.plane_array(4), data[4])
    assert not image.is_loaded
    np.testing.assert_array_equal(image.array, data)
    assert image.name == "a"


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour(tmp_path: Path, planar: str, dtype: str) -> None:
    data = numbers(dtype, 20, 30, 3) * (1 if dtype == "uint8" else 500)
    stored = data if planar == "contig" else np.moveaxis(data, -1, 0)
    image = one(save(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar))
    assert image.is_color
    np.testing.assert_array_equal(image.array[0], data if dtype == "uint8" else data >> 8)
    assert ("16-bit colour shown in 8 bits" in image.notes) == (dtype == "uint16")


def test_alpha_palette_bits_and_inverse(tmp_path: Path) -> None:
    rgba = numbers("uint8", 20, 30, 4)
    image = one(save(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"]))
    np.testing.assert_array_equal(image.array[0], rgba[..., :3])
    assert "transparency dropped" in image.notes
    table = np.random.default_rng(1).integers(0, 65536, (3, 256)).astype(np.uint16)
    index = numbers("uint8", 20, 30)
    image = one(save(tmp_path / "b.tif", index, photometric="palette", colormap=table))
    np.testing.assert_array_equal(image.array[0], np.moveaxis((table >> 8)[:, index], 0, -1))
    bits = numbers("uint8", 20, 30) > 60
    Pictures.fromarray(bits).save(tmp_path / "c.tif")
    np.testing.assert_array_equal(one(tmp_path / "c.tif").array[0], bits * np.uint8(255))
    image = one(save(tmp_path / "d.tif", index, photometric="miniswhite"))
    assert image.photometric == "MONOCHROME1"


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "packbits"])
def test_what_pillow_packs(tmp_path: Path, compression: str) -> None:
    data = numbers("uint8", 32, 48, 3)
    Pictures.fromarray(data).save(tmp_path / "a.tif", compression=compression)
    with Pictures.open(tmp_path / "a.tif") as picture:
        np.testing.assert_array_equal(one(tmp_path / "a.tif").array[0], np.array(picture.convert("RGB")))


def test_pictures_of_several_sizes_are_several_images(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for shape in ((20, 30), (20, 30), (10, 10)):
            file.write(numbers("uint8", *shape), photometric="minisblack", metadata=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        images = read(tmp_path / "a.tif")
    assert isinstance(images, Images)
    assert {name: image.shape for name, image in images.items()} == {"a": (2, 20, 30), "a 2": (1, 10, 10)}


def test_header_rows(tmp_path: Path) -> None:
    rows = header(one(save(tmp_path / "a.tif", numbers("uint8", 20, 30))))
    assert ("size", "30 × 20") in [(row[2], row[4]) for row in rows]


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.tif", numbers("uint16", 40, 50), compression="deflate").read_bytes()
    for name, content in (("cut.tif", whole[: len(whole) // 2]), ("head.tif", whole[:8]),
                          ("zero.tif", b"II*\0" + bytes(100))):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=name):
            read(tmp_path / name)

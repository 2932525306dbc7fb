"""PNG and JPEG pictures against Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from nbannot.errors import FormatError, NbannotWarning
from nbannot.formats import read
from nbannot.model.image import Image, Images

RANDOM = np.random.default_rng(1)


def one(path: Path) -> Image:
    image = read(path)
    assert isinstance(image, Image)
    return image


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.jpeg"])
def test_grey_and_colour(tmp_path: Path, name: str) -> None:
    for shape in ((5, 7), (5, 7, 3)):
        values = RANDOM.integers(0, 255, shape).astype(np.uint8)
        Pictures.fromarray(values).save(tmp_path / name)
        image = one(tmp_path / name)
        assert image.is_color == (len(shape) == 3)
        assert (image.shape, image.geometry.unit) == ((1, 5, 7), "px")
        with Pictures.open(tmp_path / name) as picture:
            np.testing.assert_array_equal(image.array[0], np.asarray(picture))


def test_16_bit_grey_is_exact(tmp_path: Path) -> None:
    values = RANDOM.integers(0, 65535, (5, 7)).astype(np.uint16)
    Pictures.fromarray(values).save(tmp_path / "a.png")
    image = one(tmp_path / "a.png")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image.array[0], values)


def test_transparency_is_dropped_and_colours_kept(tmp_path: Path) -> None:
    values = RANDOM.integers(0, 255, (5, 7, 4)).astype(np.uint8)
    Pictures.fromarray(values).save(tmp_path / "a.png")
    image = one(tmp_path / "a.png")
    np.testing.assert_array_equal(image.array[0], values[..., :3])
    assert image.notes == ("transparency dropped",)


def test_palettes_become_rgb(tmp_path: Path) -> None:
    picture = Pictures.fromarray(RANDOM.integers(0, 255, (5, 7, 3)).astype(np.uint8)).quantize(8)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(one(tmp_path / "a.png").array[0], np.asarray(picture.convert("RGB")))


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    Pictures.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.dcm")
    assert one(tmp_path / "a.dcm").shape == (1, 2, 2)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_cut_off_pictures_are_refused(tmp_path: Path, name: str) -> None:
    Pictures.fromarray(RANDOM.integers(0, 255, (50, 70)).astype(np.uint8)).save(tmp_path / name)
    raw = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(FormatError, match=name):
        read(tmp_path / name)


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Pictures.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.warns(NbannotWarning, match="2 images"):
        images = read(tmp_path)
    assert isinstance(images, Images)
    assert set(images) == {"a", "b"}

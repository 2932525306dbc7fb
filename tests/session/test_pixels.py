"""Images made in memory keep what is known of them in a session's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, Suv, VoiLut, Window
from nbannot.session.pixels import SUFFIX, read_pixels, write_pixels


def test_everything_known_of_an_image_comes_back(tmp_path: Path) -> None:
    image = Image(
        np.arange(240, dtype=np.int16).reshape(2, 4, 5, 6),
        Geometry(np.eye(4), (4, 5, 6), frame_of_reference="1.2.3"),
        windows=[Window(5, 9, "CURVE", "SIGMOID"), Window(1, 2, "PLAIN", "LINEAR")],
        series_description="b-values",
        laterality="L",
        view_position="MLO",
        voi_luts=[VoiLut(np.array([0, 7, 255], np.uint16), -3.0, 8, "SOFT")],
        burned_in=True,
        frame_label="b-value",
        frame_values=[0, 800],
        suv=Suv({"bw": 0.25}, {"lbm": "Patient's Size (0010,1020) is missing"}, ("note",)),
    )
    path = tmp_path / f"a{SUFFIX}"
    with path.open("wb") as file:
        write_pixels(file, image)
    back = read_pixels(path)
    np.testing.assert_array_equal(back.array, image.array)
    assert (back.windows, back.suv, back.frame_of_reference) == (image.windows, image.suv, "1.2.3")
    for name in (
        "series_description",
        "laterality",
        "view_position",
        "burned_in",
        "frame_label",
        "frame_values",
    ):
        assert getattr(back, name) == getattr(image, name)
    [lut], [old] = back.voi_luts, image.voi_luts
    assert (lut.first, lut.bits, lut.name) == (old.first, old.bits, old.name)
    np.testing.assert_array_equal(lut.values, old.values)


def test_an_image_of_which_little_is_known(tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIX}"
    with path.open("wb") as file:
        write_pixels(file, Image(np.zeros((1, 2, 2), np.uint8), Geometry(np.eye(4), (1, 2, 2))))
    back = read_pixels(path)
    assert (back.suv, back.voi_luts, back.frame_values, back.laterality) == (None, (), None, "")

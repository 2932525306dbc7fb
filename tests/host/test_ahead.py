"""What is sent before a page asks for it is what the page asks for first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nbannot as nb
from nbannot.host.ahead import first_keys
from nbannot.model.geometry import Geometry, Stack

LPS = np.eye(4)[[2, 1, 0, 3]]


def image(id: str, shape: tuple[int, int, int] = (40, 6, 5), affine: Any = LPS) -> nb.Image:
    return nb.Image(
        np.zeros(shape, np.int16), Geometry(np.asarray(affine, float), shape), id=id, modality="CT"
    )


def keys(*images: nb.Image, **view: Any) -> list[str]:
    return first_keys(nb.Document(list(images)), {"layout": "auto", **view})


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ({}, ["image/a/0/20", "s/a/0/64"]),
        ({"cursor": [1.0, 2.0, 7.4]}, ["image/a/0/7", "s/a/0/64"]),
        ({"cursor": [1.0, 2.0, 700.0]}, ["image/a/0/39", "s/a/0/64"]),
        ({"layout": "axial"}, ["image/a/0/20"]),
        ({"layout": "coronal"}, ["image/a/0/20", "s/a/0/64"]),
        ({"maximized": "axial"}, ["image/a/0/20"]),
        ({"layout": "3d"}, []),
        ({"layout": "3d-primary"}, ["image/a/0/20", "s/a/0/64"]),
        ({"image": "b"}, ["image/b/0/10"]),
        ({"layout": {"row": [{"plane": "axial", "image": "b"}, {"plane": "coronal", "image": "a"}]}}, ["image/b/0/19"]),
    ],
)  # fmt: skip
def test_the_first_slice_of_a_layout(view: dict[str, Any], expected: list[str]) -> None:
    found = keys(image("a"), image("b", (20, 6, 5)), **view)
    if view.get("image") == "b":
        expected = [expected[0]]  # too few slices for a sketch
    assert found == expected


def test_a_picture_begins_with_its_small_copy_and_a_clip_with_its_first_frame() -> None:
    picture = nb.Image(np.zeros((1, 2048, 2048), np.uint16), Stack.picture((2048, 2048)), id="x")
    assert keys(picture) == ["small/x/0/0"]
    clip = nb.Image(
        np.zeros((30, 8, 8, 3), np.uint8), Stack.picture((8, 8), frames=30), photometric="RGB", id="us"
    )
    assert keys(clip) == ["image/us/0/0"]


def test_a_series_stored_sagittally_begins_with_its_stored_slices() -> None:
    sagittal = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    assert keys(image("a", affine=sagittal)) == ["image/a/0/20", "s/a/0/64"]

"""Slice codecs: bit exact for all dtypes, and the same bytes as the browser tests read."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nbannot.errors import FormatError
from nbannot.host.pixels import (
    block_means,
    decode,
    encode_image,
    encode_labels,
    encode_parts,
    pack_slice,
    unpack_slice,
)

FIXTURE: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "slices.json").read_text(encoding="utf-8")
)


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32, np.dtype(">i2")]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=20),
    )
)
@settings(max_examples=300, deadline=None)
def test_every_plane_comes_back_bit_by_bit(plane: np.ndarray[Any, Any]) -> None:
    codec, data = encode_image(plane)
    back = decode(codec, data, plane.dtype.name, plane.shape)
    native = plane.astype(plane.dtype.newbyteorder("="))
    assert back.tobytes() == native.tobytes()
    assert back.dtype == native.dtype


@given(hnp.arrays(st.sampled_from([np.uint8, np.uint16]), (6, 5)))
@settings(deadline=None)
def test_labels_come_back(plane: np.ndarray[Any, Any]) -> None:
    codec, data = encode_labels(plane)
    np.testing.assert_array_equal(decode(codec, data, plane.dtype.name, plane.shape), plane)


def test_views_and_colour_come_back() -> None:
    base = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    codec, data = encode_image(base[::2, ::-1])
    assert codec == "zstd"
    np.testing.assert_array_equal(decode(codec, data, "uint8", (2, 6, 3)), base[::2, ::-1])
    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    codec, data = encode_image(volume[:, :, 2])
    np.testing.assert_array_equal(decode(codec, data, "int16", (3, 4)), volume[:, :, 2])


@pytest.mark.parametrize("name", sorted(FIXTURE))
def test_the_fixture_of_the_browser_tests_decodes(name: str) -> None:
    entry = FIXTURE[name]
    plane = decode(entry["codec"], base64.b64decode(entry["bytes"]), entry["dtype"], tuple(entry["shape"]))
    expected = np.array(entry["values"], dtype=entry["dtype"])
    np.testing.assert_array_equal(plane.ravel(), expected)


def test_smooth_slices_become_small() -> None:
    j, i = np.mgrid[:256, :256]
    plane = (1000 * np.sin(i / 40) * np.cos(j / 50)).astype(np.int16)
    assert len(encode_image(plane)[1]) < plane.nbytes / 4


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(FormatError, match="float64"):
        encode_image(np.zeros((2, 2)))
    with pytest.raises(FormatError):
        decode("zstd", b"not zstd", "uint8", (2, 2))
    with pytest.raises(FormatError):
        decode("raw", b"123", "uint8", (2, 2))


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1600, 1500), np.uint16), ((1, 5_000_000), np.int8), ((1300, 1201, 3), np.uint8)]
)
def test_a_large_slice_comes_small_first_and_then_in_bands(shape: tuple[int, ...], dtype: type) -> None:
    plane = np.random.default_rng(3).integers(0, 100, shape).astype(dtype)
    parts = list(encode_parts(plane))
    assert list(unpack_slice(pack_slice(plane))) == parts
    count = len(parts)
    whole = np.zeros_like(plane)
    for n, (band, codec, data) in enumerate(parts):
        assert band is not None and (band.n, band.count) == (n, count)
        rows = plane[band.first : band.first + band.rows]
        expected = rows if n else block_means(plane, band.step)
        assert n or max(expected.shape) <= 512
        assert band.first % 16 == 0
        back = decode(codec, data, plane.dtype.name, expected.shape)
        np.testing.assert_array_equal(back, expected)
        assert (band.step > 1) == (n == 0)
        if n:
            whole[band.first : band.first + band.rows] = back
    np.testing.assert_array_equal(whole, plane)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32"])
@pytest.mark.parametrize("shape", [(37, 50), (40, 21, 3), (3, 1)])
@pytest.mark.parametrize("step", [2, 5, 8, 200])
def test_block_means_count_the_pixels_there_are(dtype: str, shape: tuple[int, ...], step: int) -> None:
    random = np.random.default_rng(4)
    info = np.iinfo(dtype) if dtype != "float32" else None
    plane = (random.integers(info.min, info.max, shape) if info else random.normal(0, 9, shape)).astype(dtype)
    small = block_means(plane, step)
    assert small.dtype == plane.dtype
    assert small.shape[:2] == (-(-shape[0] // step), -(-shape[1] // step))
    for j, i in np.ndindex(*small.shape[:2]):
        block = plane[j * step : (j + 1) * step, i * step : (i + 1) * step].astype(float)
        np.testing.assert_allclose(small[j, i], block.mean(axis=(0, 1)), atol=0.5 if info else 1e-5)


def test_a_slice_of_usual_size_comes_in_one_part() -> None:
    plane = np.arange(35, dtype=np.int16).reshape(5, 7)
    assert list(encode_parts(plane)) == [(None, *encode_image(plane))]
    assert list(unpack_slice(pack_slice(plane))) == [(None, *encode_image(plane))]

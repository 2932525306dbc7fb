"""Down-sampled copies against plain numpy."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import numpy as np
import pytest

from nbannot.errors import FormatError, GeometryError, UnknownItemError
from nbannot.host.channel import Channel
from nbannot.host.messages import PROTOCOL
from nbannot.host.pixels import decode
from nbannot.host.preview import Previews, block_labels, block_means, factors_for, preview_affine
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask

SHAPE = (21, 34, 50)
SHEARED = np.array([[0.2, 0, 0.7, -11], [0.9, 0.8, 0, 7], [2.5, 0.1, 0, 40], [0, 0, 0, 1]])


def image_of(values: np.ndarray[Any, Any], **more: Any) -> Image:
    return Image(values, Geometry(SHEARED, values.shape[-3:]), id="img", **more)


def finish(previews: Previews, key: str, seconds: float = 0.0) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    for _ in range(1000):
        made = previews.work(key, seconds)
        if made:
            head, data = made
            shape = tuple(head["shape"])
            flat = decode(head["codec"], data, head["dtype"], (shape[0] * shape[1], shape[2]))
            return head, flat.reshape(shape)
    raise AssertionError("the preview never ended")


def plain_means(values: np.ndarray[Any, Any], factors: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    counts = [-(-n // f) for n, f in zip(values.shape, factors, strict=True)]
    out = np.empty(counts)
    for place in np.ndindex(*counts):
        box = tuple(slice(p * f, p * f + f) for p, f in zip(place, factors, strict=True))
        out[place] = np.nanmean(values[box])
    return out


@pytest.mark.parametrize("dtype", ["int16", "uint8", "uint16", "float32", "int32"])
def test_a_preview_is_the_mean_of_blocks(dtype: str) -> None:
    random = np.random.default_rng(1)
    values = random.normal(50, 30, SHAPE).clip(0, 255).astype(dtype)
    head, found = finish(Previews(Document(image_of(values))), "p/img/0/16")
    factors = factors_for(SHAPE, 16)
    assert factors == (2, 3, 4) and head["factors"] == [2, 3, 4] and found.shape == (11, 12, 13)
    unit = found * head["slope"] + head["intercept"]
    tolerance = 0.5 if dtype in ("int16", "uint8", "uint16") else 255 / 65535
    assert np.abs(unit - plain_means(values, factors)).max() <= tolerance + 1e-6


def test_hounsfield_units_stay_exact_to_half_a_unit() -> None:
    values = np.random.default_rng(0).integers(-1024, 3072, SHAPE).astype(np.int16)
    head, found = finish(Previews(Document(image_of(values))), "p/img/0/64")
    assert (head["slope"], head["intercept"], head["dtype"]) == (1.0, 0.0, "int16")
    assert np.array_equal(found, values)


def test_values_that_are_not_finite_do_not_count() -> None:
    values = np.ones(SHAPE, np.float32)
    values[0, 0, 0] = np.nan
    values[4:8] = np.inf
    means = block_means(values, (2, 2, 2))
    assert means[0, 0, 0] == 1 and np.isnan(means[2]).all() and (means[4:] == 1).all()
    _, found = finish(Previews(Document(image_of(values))), "p/img/0/16")
    assert found.dtype == np.uint16 and found.max() == 0


def test_the_corners_lie_where_those_of_the_full_grid_do() -> None:
    shape = (20, 30, 40)
    geometry = Geometry(SHEARED, shape)
    factors = factors_for(shape, 10)
    affine = preview_affine(geometry, factors)
    small = [n / f for n, f in zip(shape, factors, strict=True)]
    for ends in itertools.product((0, 1), repeat=3):
        mine = [-0.5 + e * n for e, n in zip(ends, small, strict=True)]
        full = [-0.5 + e * n for e, n in zip(ends, shape, strict=True)]
        assert (affine @ [*mine, 1])[:3] == pytest.approx(geometry.to_world(full), abs=1e-9)


def test_a_block_takes_its_commonest_label_and_keeps_thin_ones() -> None:
    block = np.zeros((2, 2, 6), np.uint8)
    block[:, :, 0:2] = [[[7, 7], [7, 7]], [[9, 9], [9, 0]]]  # 7 four times, 9 three times
    block[0, 0, 2] = 5  # one of eight
    block[:, 0, 4] = 3  # two of eight: a vessel
    assert block_labels(block, (2, 2, 2)).tolist() == [[7, 0, 3]]
    assert block_labels(block[:1], (1, 1, 1)).tolist() == block[0].tolist()
    tie = np.array([[[1, 2]]], np.uint16)
    assert block_labels(tie, (1, 1, 2)).tolist() == [[2]]


def test_a_mask_preview_follows_the_edits() -> None:
    image = image_of(np.zeros(SHAPE, np.int16))
    document = Document(image, labels=["liver"], masks=[Mask("liver", image)])
    previews = Previews(document)
    mask = document.masks["liver"]
    key = f"q/{mask.id}/16"
    head, found = finish(previews, key)
    assert not found.any() and head["revision"] == document.revision
    mask.paint((slice(4, 10), slice(6, 12), slice(8, 20)))
    head, found = finish(previews, key)
    assert head["revision"] == document.revision and found.dtype == np.uint8
    expected = np.zeros_like(found)
    expected[2:5, 2:4, 2:5] = 1
    assert np.array_equal(found, expected)
    assert previews.work(key, 0) is not None  # kept


class OneByOne:
    """A volume that must not be loaded whole."""

    shape = (200, 8, 8)
    dtype = np.dtype(np.int16)

    def __init__(self) -> None:
        self.read: list[int] = []

    def plane(self, k: int, t: int = 0) -> np.ndarray[Any, Any]:
        self.read.append(k)
        return np.full((8, 8), k, np.int16)

    def load(self) -> np.ndarray[Any, Any]:
        raise AssertionError("loaded whole")


def test_a_lazy_volume_is_read_slice_by_slice() -> None:
    source = OneByOne()
    previews = Previews(Document(image_of_source(source)))
    assert previews.work("p/img/0/50", 0) is None
    assert len(source.read) == 1
    _, found = finish(previews, "p/img/0/50")
    assert source.read == list(range(200))
    assert found[:, 0, 0].tolist() == [round(4 * n + 1.5) for n in range(50)]
    assert previews.work("p/img/0/50", 0) is not None and len(source.read) == 200
    # Read once for both: the coarse copy that comes first, and the usual one.
    _, usual = finish(previews, "p/img/0/256")
    assert usual[:, 3, 3].tolist() == list(range(200)) and len(source.read) == 200


def image_of_source(source: OneByOne) -> Image:
    return Image(source, Geometry(SHEARED, source.shape), id="img")


BAD = "p/img/0/2 p/img/0/9999 p/img/1/64 p/img/x/64 p/img/64 p/other/0/64 q/none/64 z/img/0/64 p/ q"


@pytest.mark.parametrize("key", BAD.split())
def test_what_does_not_exist_is_refused(key: str) -> None:
    with pytest.raises(UnknownItemError):
        Previews(Document(image_of(np.zeros(SHAPE, np.int16)))).work(key, 0)


def test_pictures_have_no_preview() -> None:
    flat = Image(np.zeros((1, 8, 8), np.uint8), Stack.picture((8, 8), frames=1), id="img")
    with pytest.raises(GeometryError, match="no regular volume"):
        Previews(Document(flat)).work("p/img/0/64", 0)
    color = Image(np.zeros((4, 8, 8, 3), np.uint8), Geometry(SHEARED, (4, 8, 8)), id="img", photometric="RGB")
    with pytest.raises(FormatError, match="colour"):
        Previews(Document(color)).work("p/img/0/64", 0)


class Tab:
    def __init__(self, document: Document) -> None:
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.channel = Channel(document, lambda content, buffers: self.messages.append((content, buffers)))
        self.channel.receive({"type": "hello", "tab": "T", "version": PROTOCOL, "next": 1})

    def get(self, rid: int, *keys: str, urgent: bool = False) -> None:
        self.channel.receive({"type": "get", "tab": "T", "rid": rid, "keys": list(keys), "urgent": urgent})

    def wait(self, rid: int) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for content, _ in list(self.messages):
                if content.get("rid") == rid:
                    return content
            time.sleep(0.005)
        raise AssertionError(self.messages)


class Slow(OneByOne):
    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def plane(self, k: int, t: int = 0) -> np.ndarray[Any, Any]:
        self.begun.set()
        time.sleep(0.01)
        return super().plane(k, t)


def test_slices_in_view_come_before_the_preview_is_done_and_a_cancel_ends_it() -> None:
    source = Slow()
    tab = Tab(Document(image_of_source(source)))
    try:
        tab.get(1, "p/img/0/100")
        assert source.begun.wait(20)
        tab.get(2, "image/img/0/5", urgent=True)
        assert tab.wait(2)["type"] == "bytes"
        assert not any(content.get("rid") == 1 for content, _ in tab.messages)
        tab.channel.receive({"type": "cancel", "tab": "T", "rid": 1})
        time.sleep(0.2)
        count = len(source.read)
        time.sleep(0.2)
        assert len(source.read) == count < 200
        tab.get(3, "p/img/0/100")
        answer = tab.wait(3)
        assert answer["type"] == "bytes" and answer["shape"] == [100, 8, 8]
        tab.get(4, "p/img/0/1")
        assert tab.wait(4)["type"] == "bytes_error"
    finally:
        tab.channel.close()


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "int32"])
def test_a_sketch_has_one_slice_of_each_block_and_the_means_in_it(dtype: str) -> None:
    random = np.random.default_rng(4)
    values = random.normal(50, 30, SHAPE).clip(0, 255).astype(dtype)
    head, found = finish(Previews(Document(image_of(values))), "s/img/0/16")
    assert found.shape == (16, 16, 16)
    unit = found * head["slope"] + head["intercept"]
    ks = [int((n + 0.5) * SHAPE[0] / 16) for n in range(16)]
    rows, columns = ([n * size // 16 for n in range(16)] + [size] for size in SHAPE[1:])
    for p, q, r in itertools.product(range(16), repeat=3):
        block = values[ks[p], rows[q] : rows[q + 1], columns[r] : columns[r + 1]]
        assert unit[p, q, r] == pytest.approx(block.mean(), abs=0.5 if dtype in ("int16", "uint8") else 0.01)
    full = Geometry(SHEARED, SHAPE)
    for ends in itertools.product((0, 1), repeat=3):
        mine = [-0.5 + e * 16 for e in ends]
        theirs = [-0.5 + e * n for e, n in zip(ends, SHAPE, strict=True)]
        assert (np.array(head["affine"]) @ [*mine, 1])[:3] == pytest.approx(full.to_world(theirs), abs=1e-9)


def test_a_sketch_reads_few_slices_and_nobody_reads_them_again() -> None:
    source = OneByOne()
    image = image_of_source(source)
    sent: list[dict[str, Any]] = []
    done = threading.Event()

    def send(content: dict[str, Any], buffers: list[bytes]) -> None:
        sent.append(content)
        if content["type"] == "bytes":
            done.set()

    channel = Channel(Document(image), send)
    try:
        channel.receive({"type": "get", "tab": "t", "rid": 1, "keys": ["s/img/0/8"]})
        assert done.wait(10)
        read = list(source.read)
        assert read == [12, 37, 62, 87, 112, 137, 162, 187]
        done.clear()
        channel.receive({"type": "get", "tab": "t", "rid": 2, "keys": ["image/img/0/12", "image/img/0/13"]})
        deadline = time.monotonic() + 10
        while len(sent) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert source.read == [*read, 13]
    finally:
        channel.close()

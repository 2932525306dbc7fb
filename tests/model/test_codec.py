"""The wire form equals the golden files, and hostile input is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import FOLDER, edits
from nbannot.errors import EditError, NbannotError
from nbannot.model.codec import decode_edit, encode_edit
from nbannot.model.edits import Paint
from nbannot.model.runs import Runs, decode_varints, difference, encode_varints


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    golden = json.loads(path.read_text())
    buffers = [base64.b64decode(text) for text in golden["buffers"]]
    edit = edits()[path.stem]
    assert decode_edit(golden["edit"], buffers) == edit
    data, written = encode_edit(edit)
    assert json.loads(json.dumps(data)) == golden["edit"] and written == buffers
    if isinstance(edit, Paint):
        table = edit.runs.table()
        assert table.T.tolist() == list(golden["runs"].values()) or not golden["runs"]["start"]


def test_every_kind_has_a_golden_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(edits())


@given(st.lists(st.integers(0, 2**35 - 1)))
def test_varints(values) -> None:
    array = np.array(values, dtype=np.int64)
    assert decode_varints(encode_varints(array)).tolist() == values


@given(st.integers(0, 2**32 - 1))
def test_differences_rebuild_the_array(seed: int) -> None:
    random = np.random.default_rng(seed)
    old = random.integers(0, 3, (3, 5, 4), dtype=np.uint8)
    new = np.where(random.random((3, 5, 4)) < 0.3, random.integers(0, 3, (3, 5, 4), dtype=np.uint8), old)
    found = difference(old, new, 7)
    if found is None:
        assert (old == new).all()
        return
    (low, high), runs = found
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    window = (slice(low[0] - 7, high[0] - 7), *window[1:])
    flat, before, after = runs.voxels()
    box = old[window].ravel().copy()
    assert (box[flat] == before).all()
    box[flat] = after
    assert (box.reshape(old[window].shape) == new[window]).all()
    assert runs.inverse().inverse() == runs and runs.size == (old != new).sum()


@pytest.mark.parametrize(
    ("change", "buffers"),
    [
        ({"kind": "explode"}, None),
        ({"box": [[0, 0, 0]]}, None),
        ({"box": "zero"}, None),
        ({"count": 9}, None),
        ({"buffer": 4}, None),
        ({}, [b"\x80"]),
        ({}, [b"\xff" * 12]),
        ({"mask": None, "kind": None}, None),
    ],
)
def test_hostile_edits_are_refused(change, buffers) -> None:
    data, good = encode_edit(edits()["paint"])
    with pytest.raises(NbannotError):
        decode_edit({**data, **change}, good if buffers is None else buffers).runs.table()


@pytest.mark.parametrize(
    "item", [{}, {"type": "bomb"}, {"type": "box", "label": 3}, {"type": "label", "name": ""}]
)
def test_hostile_items_are_refused(item) -> None:
    with pytest.raises(EditError):
        decode_edit({"kind": "put", "item": item})


def test_a_stroke_is_small() -> None:
    count = 191
    runs = Runs.of(np.arange(count) * 400, np.full(count, 30), np.zeros(count, int), np.ones(count, int))
    assert len(runs.data) <= 1000

"""Provenance against a simulation that follows every voxel."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbannot as nb
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Paint, Put
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.provenance import START, _Stroke, model_edits, parts_of, segment_shares, standing
from nbannot.model.runs import difference
from nbannot.model.tables import table

SHAPE = (4, 5, 6)
SOURCES = ("hand", "python", "import", "model:Net 1", "model:Net 2", "op:grow", "tool:bright 1")


def make(start: np.ndarray | None = None) -> Document:
    image = Image(np.zeros(SHAPE, np.int16), Geometry(np.eye(4), SHAPE), id="img")
    mask = nb.Mask("m", image, array=None if start is None else start.copy(), segments=["a", "b"])
    return Document(image, labels=["a", "b"], masks=[mask], author="reader")


def paint(document: Document, new: np.ndarray, source: str) -> Paint | None:
    """The edit that makes the mask ``new``, from a source."""
    mask = document.masks["m"]
    change = difference(mask.array, new)
    if change is None:
        return None
    computed = source.startswith(("op:", "tool:"))
    tool = source if computed else "brush"
    origin = "hand" if computed else source
    return Paint(mask.id, *change, origin=origin, tool=tool)


bounds = st.tuples(*(st.integers(0, n - 1) for n in SHAPE), *(st.integers(1, n) for n in SHAPE))
steps = st.one_of(
    st.tuples(st.just("paint"), bounds, st.integers(0, 2), st.sampled_from(SOURCES)),
    st.tuples(st.just("batch"), bounds, st.integers(0, 2), st.sampled_from(SOURCES)),
    st.tuples(st.just("array"), bounds, st.integers(0, 2)),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)


class Simulation:
    """Who set each voxel, kept voxel by voxel, with copies for undo."""

    def __init__(self, start: np.ndarray) -> None:
        self.state = start.copy(), np.full(SHAPE, START, dtype=object)
        self.past: list[tuple[np.ndarray, np.ndarray]] = []
        self.future: list[tuple[np.ndarray, np.ndarray]] = []

    def change(self, new: np.ndarray, source: str) -> None:
        old, owners = self.state
        if (old == new).all():
            return
        self.past.append(self.state)
        self.future = []
        self.state = new.copy(), np.where(old != new, source, owners)

    def undo(self) -> None:
        if self.past:
            self.future.append(self.state)
            self.state = self.past.pop()

    def redo(self) -> None:
        if self.future:
            self.past.append(self.state)
            self.state = self.future.pop()

    def shares(self) -> Counter:
        values, owners = self.state
        return Counter(zip(values[values > 0].tolist(), owners[values > 0].tolist(), strict=True))


@settings(max_examples=150)
@given(st.lists(steps, max_size=14), st.randoms(use_true_random=False))
def test_shares_equal_a_simulation_of_every_voxel(todo, random) -> None:
    start = np.array(random.choices((0, 0, 1, 2), k=int(np.prod(SHAPE))), np.uint8).reshape(SHAPE)
    document, simulation = make(start), Simulation(start)
    for step in todo:
        if step[0] in ("undo", "redo"):
            getattr(document, step[0])()
            getattr(simulation, step[0])()
            continue
        k, j, i, dk, dj, di = step[1]
        new = document.masks["m"].array.copy()
        new[k : k + dk, j : j + dj, i : i + di] = step[2]
        if step[0] == "array":
            document.masks["m"].array[:] = new
            document.refresh()
            simulation.change(new, "python")
            continue
        edit = paint(document, new, step[3])
        if edit is not None:
            batch = Batch((replace(edit, origin="python", tool=""),), origin=edit.origin, tool=edit.tool)
            document.apply(edit if step[0] == "paint" else batch)
        simulation.change(new, step[3])
    found = {(s.value, s.source): s.voxels for s in segment_shares(document) if s.voxels}
    assert found == dict(simulation.shares())
    for value in (1, 2):
        shares = [s.share for s in segment_shares(document) if s.value == value]
        assert not any(shares) or abs(sum(shares) - 1) < 1e-12
    for share in segment_shares(document):
        assert share.made is None or 0 <= share.voxels <= share.made


def test_what_a_model_made_and_what_is_left() -> None:
    document = make()
    array = np.zeros(SHAPE, np.uint8)
    array[1:3, 1:4, 1:5] = 1
    box = nb.Box("a", ((1, 1, 1), (2, 3, 4)), id="box")
    proposal = Batch((paint(document, array, "python"), Put(box)), origin="model:Net 1", author="reader")
    document.apply(proposal)
    document.add(nb.Shape("probe", "b", ((1, 1, 1),)))
    (model,) = model_edits(document)
    assert (model.voxels, model.items, model.untouched, model.undone) == (24, 1, True, False)
    array[1, 1, 1:3] = 0
    array[2, 1, 1] = 2
    document.apply(paint(document, array, "hand"))
    (model,) = model_edits(document)
    assert (model.voxels_untouched, model.items_untouched, model.untouched) == (21, 1, False)
    document.add(replace(box, status="done"))
    (model,) = model_edits(document)
    assert model.items_untouched == 0
    document.undo()
    document.undo()
    (model,) = model_edits(document)
    assert model.untouched
    while document.can_undo:
        document.undo()
    (model,) = model_edits(document)
    assert (model.undone, model.untouched, model.voxels_untouched) == (True, False, 0)
    while document.can_redo:
        document.redo()
    assert [m.voxels_untouched for m in model_edits(document)] == [21]


def test_the_tables() -> None:
    start = np.zeros(SHAPE, np.uint8)
    start[0, 0, :3] = 1
    document = make(start)
    array = start.copy()
    array[0, 0, 3] = 1
    document.apply(replace(paint(document, array, "model:Net 1"), author="robot"))
    document.add(nb.Tag("a", 3))
    document.apply(Put(nb.Box("b", ((1, 1, 1), (1, 3, 4)), id="box"), origin="import", author="first"))
    document.apply(Put(replace(document.boxes["box"], name="x"), origin="hand", author="last"))
    frame = table(document, "provenance")
    segment = frame[(frame["what"] == "segment") & (frame["label"] == "a")].set_index("source")
    assert segment["voxels"].to_dict() == {"start": 3, "model:Net 1": 1}
    assert segment["share"].to_dict() == {"start": 0.75, "model:Net 1": 0.25}
    assert segment.loc["model:Net 1", "authors"] == "robot"
    box = frame[frame["id"] == "box"].iloc[0]
    wanted = ("import", "first", "hand", "last", 2)
    assert tuple(box[["first_source", "first_author", "last_source", "last_author", "edits"]]) == wanted
    models = table(document, "models")
    assert models[["source", "voxels", "untouched"]].to_numpy().tolist() == [["model:Net 1", 1, True]]


def test_items_from_the_start_and_removed_ones() -> None:
    image = Image(np.zeros(SHAPE, np.int16), Geometry(np.eye(4), SHAPE))
    box = nb.Box("a", ((1, 1, 1), (1, 3, 4)), id="old")
    document = Document(image, labels=["a"], boxes=[box], author="reader")
    document.apply(Put(replace(document.boxes["old"], name="x"), origin="hand"))
    row = table(document, "provenance").iloc[-1]
    assert (row["first_source"], row["last_source"], row["edits"]) == ("start", "hand", 1)
    document.remove("old")
    assert (table(document, "provenance")["what"] == "box").sum() == 0
    document.undo()
    assert table(document, "provenance").iloc[-1]["last_source"] == "hand"


def test_an_undo_out_of_order_counts_as_an_edit() -> None:
    document = make()
    first = document.add(nb.Tag("a", 1))
    second = document.add(nb.Tag("a", 2))
    document.apply(replace(first.inverse(), origin="hand"))
    assert [e.id for e in standing(document.history)][:2] == [first.id, second.id]
    assert len(standing(document.history)) == 3


def test_a_large_mask_is_followed_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (60, 256, 256)
    image = Image(np.zeros(shape, np.int16), Geometry(np.eye(4), shape))
    document = Document(image, labels=["a"], author="reader")
    mask = document.masks["a"]
    for n in range(100):
        mask[n % 60, 50:150, n : n + 60] = (n + 1) % 2
    mask[:, 40:200, 40:200] = 1
    seen, cells = [], _Stroke.cells
    monkeypatch.setattr(_Stroke, "cells", lambda *what: seen.append(cells(*what)) or seen[-1])
    shares = segment_shares(document)
    strokes = [part for edit in document.history for part in parts_of(edit) if isinstance(part, Paint)]
    painted = [stroke.runs.table()[:, 1].sum() for stroke in strokes]
    assert sum(one.size for one in seen) == sum(painted), "each voxel of each stroke is looked at once"
    assert sum(s.voxels for s in shares) == np.count_nonzero(mask.array)

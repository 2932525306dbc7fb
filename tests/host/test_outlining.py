"""Operations on outlines from the browser: what they would make is shown first, one edit follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import nbannot as nb
from host.test_operating import SHAPE, Tab, make_document
from nbannot.model.codec import decode_edit
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Paint, Put


@pytest.fixture
def document() -> Document:
    return make_document()


@pytest.fixture
def tab(document: Document) -> Iterator[Tab]:
    tab = Tab(document, {})
    yield tab
    tab.channel.close()


def planned(document: Document, message: dict[str, Any], buffers: list[bytes]) -> nb.model.edits.Edit:
    """The edit that a message says would be made; it is not made yet."""
    edit = decode_edit(message["edit"], buffers)
    assert edit.id not in {one.id for one in document.history}
    return edit


def test_outlines_between_are_shown_first_and_applied_as_one_edit(document: Document, tab: Tab) -> None:
    square = ((2, 2), (6, 2), (6, 6), (2, 6))
    shapes = [nb.Shape("polygon", "lesion", tuple((x, y, float(k)) for x, y in square)) for k in (0, 2)]
    for shape in shapes:
        document.add(shape)
    ids, steps = [shape.id for shape in shapes], len(document.history)
    tab.send("operate", rid=1, op="fill_between_shapes", shapes=ids)
    assert tab.wait("operating", 1)[0]["done"] == 0
    edit = planned(document, *tab.wait("planned", 1))
    assert isinstance(edit, Batch) and len(document.shapes) == 2 and len(document.history) == steps
    [put] = edit.edits
    assert isinstance(put, Put) and isinstance(put.item, nb.Shape) and put.item.points[0][2] == 1
    tab.send("operate_cancel", rid=1)
    tab.send("operate_apply", rid=1)
    assert tab.wait("operate_ended", 1)[0]["edit"] is None and len(document.history) == steps
    tab.send("operate", rid=4, op="fill_between_shapes", shapes=ids)
    tab.wait("planned", 4)
    tab.send("operate_apply", rid=4)
    ended, _ = tab.wait("operate_ended", 4)
    assert ended["error"] is None and ended["edit"] == document.history[-1].id
    assert len(document.history) == steps + 1
    assert [shape.points[0][2] for shape in document.shapes] == [0, 2, 1]
    document.undo()
    assert len(document.shapes) == 2
    for rid, ids, message in ((2, [shapes[0].id], "nothing to fill"), (3, ["gone"], "A shape is gone")):
        tab.send("operate", rid=rid, op="fill_between_shapes", shapes=ids)
        assert message in tab.wait("operate_ended", rid)[0]["error"]["message"]


def test_what_outlines_would_make_is_refused_when_they_were_changed(document: Document, tab: Tab) -> None:
    square = ((1.5, 2.5, 1), (5.5, 2.5, 1), (5.5, 6.5, 1), (1.5, 6.5, 1))
    shape = nb.Shape("polygon", "lesion", square)
    document.add(shape)
    mask, liver = document.masks["lesion"], document.masks["liver"]
    locked = replace(document.labels["lesion"], locked=True)
    changes = (
        lambda: mask.paint(np.s_[0, 0, 0]),
        lambda: liver.array.__setitem__((0, 1, 1), 1),
        lambda: document.apply(Put(replace(shape, points=shape.points[:3]))),
        lambda: document.apply(Put(locked)),
    )
    for rid, change in enumerate(changes, start=1):
        tab.send("operate", rid=rid, op="fill_shapes", shapes=[shape.id])
        tab.wait("planned", rid)
        change()
        steps = len(document.history)
        tab.send("operate_apply", rid=rid)
        assert "changed since" in tab.wait("operate_ended", rid)[0]["error"]["message"]
        assert len(document.history) == steps + (change is changes[1]), (
            "what Python wrote is recorded, no more"
        )
    tab.send("operate", rid=9, op="fill_shapes", shapes=[shape.id])
    assert tab.wait("operate_ended", 9)[0]["error"]["kind"] == "LockedError"


def test_outlines_become_voxels_and_voxels_outlines(document: Document, tab: Tab) -> None:
    square = ((1.5, 2.5, 1), (5.5, 2.5, 1), (5.5, 6.5, 1), (1.5, 6.5, 1))
    shape, box = nb.Shape("polygon", "lesion", square), nb.Box("lesion", ((3, 4, 4), (3, 6, 6)))
    document.add(shape)
    document.add(box)
    tab.send("operate", rid=1, op="fill_shapes", shapes=[shape.id, box.id])
    edit = planned(document, *tab.wait("planned", 1))
    assert isinstance(edit, Paint) and not document.masks["lesion"].array.any()
    tab.send("operate_apply", rid=1)
    ended, _ = tab.wait("operate_ended", 1)
    assert ended["error"] is None and ended["edit"] == document.history[-1].id
    assert (document.history[-1].origin, document.history[-1].tool) == ("hand", "op:fill_shapes")
    mask = document.masks["lesion"]
    wanted = np.zeros(SHAPE, dtype=bool)
    wanted[1, 3:7, 2:6] = wanted[3, 4:7, 4:7] = True
    assert ((mask.array == 1) == wanted).all()
    tab.send("operate", rid=2, op="outline_segments", mask=mask.id, segment=1, params={"axis": 2})
    tab.wait("planned", 2)
    assert len(document.shapes) == 1
    tab.send("operate_apply", rid=2)
    ended, _ = tab.wait("operate_ended", 2)
    assert ended["edit"] == document.history[-1].id and document.history[-1].origin == "hand"
    assert sorted({shape.points[0][0] for shape in document.shapes if shape.lesion}) == [2, 3, 4, 5, 6]
    document.undo()
    document.undo()
    assert len(document.shapes) == 1 and not mask.array.any()
    tab.send("operate", rid=3, op="outline_segments", mask=mask.id, segment=1)
    assert "is empty" in tab.wait("operate_ended", 3)[0]["error"]["message"]

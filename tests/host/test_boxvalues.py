"""The values in a box, as the browser asks for them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import nbannot as nb
from nbannot.host.channel import Channel
from nbannot.host.messages import PROTOCOL
from nbannot.host.operating import Operating
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, Suv

SHAPE = (6, 20, 25)


def answers(document: Document, questions: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Ask as a browser tab does; the answers by rid."""
    posted: list[dict[str, Any]] = []
    channel = Channel(
        document,
        lambda content, _: posted.append(content),
        operating=Operating(document, dict),
    )
    channel.receive({"type": "hello", "tab": "T", "version": PROTOCOL, "next": 1})
    for question in questions:
        channel.receive({"type": "box_values", "tab": "T", **question})
    deadline = time.monotonic() + 60
    while len(found := [one for one in list(posted) if one["type"] == "box_values"]) < len(questions):
        assert time.monotonic() < deadline, posted
        time.sleep(0.002)
    channel.close()
    return {one["rid"]: one for one in found}


def test_values_in_a_box_are_those_of_the_table() -> None:
    values = np.random.default_rng(7).integers(-1000, 2000, SHAPE).astype(np.int16)
    image = Image(values, Geometry(np.diag([2.5, 0.8, 0.7, 1])[[2, 1, 0, 3]], SHAPE), id="ct", unit="HU")
    boxes = [
        nb.Box("x", ((1, 2.5, 3), (3, 7, 8.5)), id="solid"),
        nb.Box("x", ((2, 0, 0), (2, 19, 24)), id="flat"),
        nb.Box("x", ((1.2, 0, 0), (1.8, 9, 9)), id="between"),
    ]
    document = Document([image], labels=["x"], boxes=boxes)
    found = answers(
        document, [{"rid": n, "box": box.id, "frame": 0, "units": {}} for n, box in enumerate(boxes)]
    )
    table = nb.table(document, "boxes")
    for n, box in enumerate(boxes):
        assert (found[n]["tab"], found[n]["box"], found[n]["error"]) == ("T", box.id, None)
        ours, row = found[n]["values"], table.loc[box.id]
        assert ours["count"] == row["voxels"]
        for name in ("mean", "sd", "min", "max"):
            assert ours[name] == row[name] or (ours[name] is None and np.isnan(row[name])), name
        assert (ours["value_unit"], ours["note"]) == (row["value_unit"], row["note"])
    inside = values[1:4, 3:8, 3:9].astype(float)
    solid = found[0]["values"]
    assert (solid["count"], solid["min"], solid["max"]) == (inside.size, inside.min(), inside.max())
    assert (solid["mean"], solid["sd"]) == pytest.approx((inside.mean(), inside.std()), rel=1e-12)
    assert found[2]["values"]["note"] == "no voxel centre inside"


def test_of_the_frame_shown_in_the_unit_shown_and_of_no_box() -> None:
    frames = np.stack([np.full(SHAPE, 8 * n, np.int16) for n in range(3)])
    pet = Image(
        frames, Geometry(np.eye(4)[[2, 1, 0, 3]], SHAPE), id="pet", modality="PT", suv=Suv({"bw": 0.25})
    )
    document = Document([pet], labels=["x"], boxes=[nb.Box("x", ((1, 1, 1), (2, 5, 5)), id="b")])
    ask = {"box": "b", "units": {}}
    # Of questions about one box only the newest may be answered: they are asked one by one.
    suv = answers(document, [{"rid": 1, "frame": 2, **ask}])[1]["values"]
    stored = answers(document, [{"rid": 2, "frame": 1, **ask, "units": {"pet": "stored"}}])[2]["values"]
    assert (suv["mean"], suv["value_unit"], stored["mean"]) == (4, "SUVbw", 8)
    gone = answers(document, [{"rid": 3, "frame": 0, "box": "gone", "units": {}}])[3]
    assert gone["values"] is None and "gone" in gone["error"]["message"]

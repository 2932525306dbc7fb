"""Write the golden messages that pytest and vitest both read.

Run ``python tests/golden.py`` after a deliberate change of the wire form.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attribute
from nbannot.model.codec import encode_edit
from nbannot.model.edits import Batch, Edit, Paint, Put, Remove
from nbannot.model.labels import Code, Label
from nbannot.model.masks import MaskInfo, Segment
from nbannot.model.runs import Runs
from nbannot.model.shapes import Shape

FOLDER = Path(__file__).parent / "fixtures" / "protocol"


def stamp(id: str) -> dict[str, object]:
    """What every golden edit carries."""
    return {"id": id, "author": "reader", "time": 1700000000.25, "origin": "hand", "tool": "brush"}


def edits() -> dict[str, Edit]:
    """Every kind of edit, with every kind of item."""
    asked = (
        Attribute("grade", "choice", options=("low", "high"), required=True),
        Attribute("size", "number", range=(0, None), unit="mm", when={"grade": ("high",)}),
    )
    liver = Label(
        "liver",
        "#e69f00",
        id="l1",
        key="1",
        code=Code("10200004", "SCT", "Liver"),
        scope=("lesion",),
        attributes=asked,
        schema="organs",
        version=2,
    )
    mask = MaskInfo("liver", "img1", (Segment(1, "liver"), Segment(300, "lésion")), id="m1")
    box = Box("liver", ((12, 60.5, 40), (15, 77, 58)), id="b1", image="img1")
    ruler = Shape(
        "bidirectional",
        "liver",
        ((0, 0, 10.5), (30, 0, 10.5), (15, -5, 10.5), (15, 5.25, 10.5)),
        id="s1",
        image="img1",
        normal=(0, 0, 1),
        lesion="x",
        attributes={"grade": "high", "size": 30.5, "seen": True, "sides": ["left", "right"]},
        status="done",
    )
    marks = Shape(
        *("points", "liver", ((0, 0, 0), (1.5, 2, 3))),
        id="s2",
        image="img1",
        frame=3,
        names=("apex", "base"),
        edges=((0, 1),),
        locked=True,
    )
    tag = Tag("liver", 2.5, scope="slice", image="img1", index=7, id="t1")
    runs = Runs.of(
        np.array([0, 5, 130, 20_000, 3_000_000]),
        np.array([1, 100, 1, 16_384, 2]),
        np.array([0, 1, 0, 255, 65_535]),
        np.array([1, 0, 300, 0, 1]),
    )
    paint = Paint("m1", ((1, 2, 3), (101, 302, 203)), runs, **stamp("tab:4"))
    return {
        "put_label": Put(liver, None, 0, **stamp("tab:1")),
        "put_label_old": Put(liver, Label("hepar", "#000000", id="l1", locked=True), 0, **stamp("tab:2")),
        "put_mask": Put(mask, None, None, **stamp("tab:3")),
        "paint": paint,
        "paint_empty": Paint("m1", ((0, 0, 0), (1, 1, 1)), Runs(), **stamp("tab:5")),
        "put_box": Put(box, None, 2, **stamp("tab:6")),
        "put_shape": Put(ruler, replace(ruler, status="", lesion=""), 0, **stamp("tab:9")),
        "remove_shape": Remove(marks, 4, **stamp("tab:10")),
        "remove_tag": Remove(tag, 1, **{**stamp("tab:7"), "undoes": "tab:6"}),
        "batch": Batch((paint, Put(box), Remove(tag)), "three", **stamp("tab:8")),
    }


def write() -> None:
    """Write one JSON file per edit."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, edit in edits().items():
        data, buffers = encode_edit(edit)
        golden: dict[str, object] = {
            "edit": data,
            "buffers": [base64.b64encode(buffer).decode() for buffer in buffers],
        }
        if isinstance(edit, Paint):
            table = edit.runs.table()
            golden["runs"] = {
                key: table[:, n].tolist() for n, key in enumerate(("start", "length", "old", "new"))
            }
        (FOLDER / f"{name}.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    write()

"""The host's end of the channel, with a list instead of a browser."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbannot.errors import AccessError, ConflictError, FormatError, LockedError, ReadOnlyError, StoreError
from nbannot.host.channel import Channel
from nbannot.host.messages import PROTOCOL, image_json
from nbannot.host.pixels import decode
from nbannot.host.planes import Planes
from nbannot.host.spool import Spool
from nbannot.model.annotations import Box
from nbannot.model.codec import encode_edit
from nbannot.model.document import Document
from nbannot.model.edits import Edit, Paint, Put
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Suv, VoiLut, Window
from nbannot.model.labels import Label
from nbannot.model.runs import Runs

SHAPE = (4, 6, 5)
Message = tuple[dict[str, Any], list[bytes]]


def make_document(**options: Any) -> Document:
    pixels = np.arange(120, dtype=np.int16).reshape(SHAPE)
    image = Image(pixels, Geometry(np.eye(4)[[2, 1, 0, 3]], SHAPE), id="img", modality="CT", unit="HU")
    return Document(image, labels=["liver", "lesion"], author="ann", **options)


class Tab:
    """A browser tab that keeps what it gets."""

    def __init__(self, document: Document, spool: Spool | None = None) -> None:
        self.messages: list[Message] = []
        self.channel = Channel(
            document, lambda content, buffers: self.messages.append((content, buffers)), spool=spool
        )

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [content for content, _ in list(self.messages) if content["type"] == kind]

    def wait(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 20
        while len(self.of(kind)) < count:
            assert time.monotonic() < deadline, f"no {kind} among {self.messages}"
            time.sleep(0.002)
        return self.of(kind)

    def hello(self, tab: str = "T", first: int = 1) -> dict[str, Any]:
        count = len(self.of("state"))
        self.channel.receive({"type": "hello", "tab": tab, "version": PROTOCOL, "next": first})
        return self.wait("state", count + 1)[-1]

    def edit(self, seq: int, edit: Edit | str, tab: str = "T") -> None:
        if isinstance(edit, str):
            data, buffers = {"kind": edit, "id": f"{tab}:{seq}"}, []
        else:
            data, buffers = encode_edit(edit)
            data["id"] = f"{tab}:{seq}"
        self.channel.receive({"type": "edit", "tab": tab, "seq": seq, "edit": data}, buffers)


@pytest.fixture
def document() -> Document:
    return make_document()


@pytest.fixture
def tab(document: Document) -> Iterator[Tab]:
    tab = Tab(document)
    yield tab
    tab.channel.close()


def stroke(document: Document, value: int = 1, *, k: int = 1, start: int = 0) -> Paint:
    one = np.array([1], dtype=np.int64)
    runs = Runs.of(one * start, one * 4, one * 0, one * value)
    return Paint(document.masks["liver"].id, ((k, 0, 0), (k + 1, 6, 5)), runs, origin="hand", tool="brush")


def box(corner: float = 2.0, **more: Any) -> Put:
    return Put(Box("lesion", ((0, 0, 0), (0, corner, corner)), **more))


def test_state_tells_everything_the_browser_needs(document: Document, tab: Tab) -> None:
    document.masks["liver"].paint((slice(2, 3), slice(0, 2), slice(0, 2)))
    document.add(Box("lesion", ((0, 0, 0), (1, 2, 3))))
    state = tab.hello()
    assert (state["version"], state["document"], state["acked"]) == (PROTOCOL, document.id, 0)
    assert state["revision"] == document.revision == 2
    [image] = state["images"]
    assert image["shape"] == [4, 6, 5] and image["dtype"] == "int16" and image["unit"] == "HU"
    assert image["geometry"]["affine"] == np.eye(4)[[2, 1, 0, 3]].tolist()
    assert image["windows"] == [
        {"center": 40.0, "width": 400.0, "name": "Customary", "function": "LINEAR_EXACT"}
    ]
    assert [mask["nonzero"] for mask in state["masks"]] == [[2], []]
    assert [label["name"] for label in state["labels"]] == ["liver", "lesion"]
    assert state["boxes"][0]["index"] == ((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))
    assert state["can_undo"] and not state["can_redo"] and state["http"] is None


def test_an_image_that_is_added_reaches_every_tab(document: Document, tab: Tab) -> None:
    tab.hello()
    before = len(tab.of("state"))
    document.add_image(Image(np.full(SHAPE, 7, np.int16), document.images[0].geometry, id="heat"))
    state = tab.wait("state", before + 1)[-1]
    assert [one["id"] for one in state["images"]] == ["img", "heat"]
    tab.channel.close()
    document.add_image(Image(np.zeros(SHAPE, np.int16), document.images[0].geometry, id="late"))
    assert len(tab.of("state")) == before + 1


def test_an_image_tells_what_its_display_needs_and_no_names() -> None:
    geometry = Geometry(np.eye(4)[[2, 1, 0, 3]], (2, 6, 5), frame_of_reference="1.2.840.99.1")
    image = Image(
        np.zeros((3, 2, 6, 5), np.uint16),
        geometry,
        modality="PT",
        series_description="MISTER^CT",
        series_uid="1.2.840.99.2",
        laterality="L",
        view_position="MLO",
        voi_luts=[VoiLut(np.array([0, 1023, 4095], np.uint16), -4.0, 12, "HARD")],
        windows=[Window(5, 2, function="SIGMOID")],
        frame_label="b-value",
        frame_values=[0, 50, 400],
        burned_in=True,
        suv=Suv({"bw": 0.5}, {"lbm": "Patient's Size (0010,1020) is missing"}),
    )
    json = image_json(image, image.windows)
    assert json["luts"] == [{"name": "HARD", "first": -4.0, "values": [0, 64, 255]}]
    assert json["windows"][0]["function"] == "SIGMOID"
    assert (json["frame_label"], json["frame_values"]) == ("b-value", [0.0, 50.0, 400.0])
    assert (json["laterality"], json["view_position"], json["burned_in"]) == ("L", "MLO", True)
    assert json["suv"] == {"bw": 0.5, "reason": {"lbm": "Patient's Size (0010,1020) is missing"}}
    assert len(json["frame_of_reference"]) == 16
    assert json["frame_of_reference"] == image_json(
        Image(np.zeros((2, 6, 5), np.uint8), geometry), ())["frame_of_reference"]  # fmt: skip
    assert "1.2.840" not in str(json) and "MISTER" not in str(json)
    plain = image_json(Image(np.zeros((1, 6, 5), np.uint8), Stack.picture((6, 5))), ())
    assert (plain["frame_of_reference"], plain["suv"], plain["luts"]) == (None, None, [])


def test_both_sides_name_the_same_protocol(root: Path) -> None:
    text = (root / "js/src/model/protocol.ts").read_text(encoding="utf-8")
    assert re.findall(r'PROTOCOL = "(.*)"', text) == [PROTOCOL]


def test_a_stroke_changes_the_same_array_and_is_acknowledged(document: Document, tab: Tab) -> None:
    array = document.masks["liver"].array
    tab.hello()
    tab.edit(1, stroke(document))
    assert document.masks["liver"].array is array
    assert array.sum() == 4 and array[1, 0, :4].all()
    [edited] = tab.of("edited")
    assert (edited["tab"], edited["seq"], edited["revision"]) == ("T", 1, 1)
    recorded = document.history[-1]
    assert (recorded.id, recorded.author, recorded.origin) == ("T:1", "ann", "hand")


def test_the_browser_does_not_choose_the_author(document: Document, tab: Tab) -> None:
    tab.hello()
    tab.channel.receive(
        {
            "type": "edit",
            "tab": "T",
            "seq": 1,
            "edit": {
                "kind": "put",
                "id": "T:1",
                "author": "somebody else",
                "origin": "model:x 1",
                "item": {"type": "label", "name": "n"},
            },
        }
    )
    assert (document.history[-1].author, document.history[-1].origin) == ("ann", "hand")


def test_each_edit_once_and_in_order(document: Document, tab: Tab) -> None:
    tab.hello()
    tab.edit(2, box(3))
    assert tab.of("resend") == [{"type": "resend", "tab": "T", "from": 1}]
    tab.edit(1, box(2))
    tab.edit(1, box(2))
    assert tab.of("acked") == [{"type": "acked", "tab": "T", "seq": 1, "revision": 1}]
    tab.edit(2, box(3))
    assert [edit.id for edit in document.history] == ["T:1", "T:2"]
    # The same edits by a page that took them over, under its own numbers.
    tab.hello("U")
    data, buffers = encode_edit(box(2))
    message = {"type": "edit", "tab": "U", "seq": 1, "edit": {**data, "id": "T:1"}}
    tab.channel.receive(message, buffers)
    assert len(document.boxes) == 2
    assert tab.of("acked")[-1] == {"type": "acked", "tab": "U", "seq": 1, "revision": 2}


def test_a_tab_that_never_said_hello_is_asked_to(tab: Tab) -> None:
    tab.edit(1, box())
    assert tab.of("resend") == [{"type": "resend", "tab": "T", "from": None}]
    tab.channel.receive({"type": "sync", "tab": "T", "revision": 0})
    assert len(tab.of("resend")) == 2


def test_a_label_is_removed_with_all_that_names_it_once(document: Document, tab: Tab) -> None:
    tab.hello()
    label = next(iter(document.labels))
    mask = next(mask for mask in document.masks if any(s.label == label.name for s in mask.segments))
    mask[0, 1, 1] = next(s.value for s in mask.segments if s.label == label.name)
    revision = document.revision
    command = {"kind": "remove_label", "id": "T:1", "label": label.id}
    for _ in range(2):
        tab.channel.receive({"type": "edit", "tab": "T", "seq": 1, "edit": command})
    assert label.name not in document.labels and document.revision == revision + 1
    assert document.history[-1].origin == "hand"
    document.undo()
    assert mask[0, 1, 1] and label.name in document.labels


def test_undo_and_redo_share_the_lane_and_happen_once(document: Document, tab: Tab) -> None:
    tab.hello()
    document.add(Box("lesion", ((0, 0, 0), (1, 2, 3))))
    tab.edit(1, stroke(document))
    tab.edit(2, "undo")
    assert not document.masks["liver"].array.any() and len(document.boxes) == 1
    tab.edit(2, "undo")
    assert len(document.boxes) == 1
    tab.hello("U")
    tab.channel.receive({"type": "edit", "tab": "U", "seq": 1, "edit": {"kind": "undo", "id": "T:2"}})
    assert len(document.boxes) == 1
    tab.edit(3, "redo")
    assert document.masks["liver"].array.any()
    for seq in (4, 5, 6):
        tab.edit(seq, "undo")
    assert len(document.boxes) == 0
    assert tab.of("acked")[-1]["seq"] == 6


def test_refusals_are_told_with_their_reason_and_again_after_a_hello(document: Document, tab: Tab) -> None:
    tab.hello()
    tab.edit(1, box(image="another"))
    tab.edit(2, box(2))
    [refused] = tab.of("refused")
    assert refused["seq"] == 1 and refused["error"]["kind"] == "UnknownItemError"
    assert len(document.boxes) == 1
    tab.edit(1, box(image="another"))
    assert len(tab.of("refused")) == 2
    assert tab.hello(first=1)["acked"] == 2
    assert len(tab.of("refused")) == 3
    tab.hello(first=3)
    assert len(tab.of("refused")) == 3


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (StoreError("the database is locked"), True), (OSError("gone"), True), (MemoryError(), True),
        (ConflictError("changed"), False), (AccessError("no"), False), (ReadOnlyError("read"), False),
        (LockedError("locked"), False), (RuntimeError("a fault"), False),
    ],
)  # fmt: skip
def test_only_what_does_not_pass_is_refused(
    document: Document, tab: Tab, error: Exception, passes: bool
) -> None:
    def away(edit: Edit, revision: int) -> None:
        raise error

    tab.hello()
    document.journal = away
    tab.edit(1, box(1))
    tab.edit(2, box(2))
    assert [one["seq"] for one in tab.of("later")] == ([1] if passes else [])
    assert [one["seq"] for one in tab.of("refused")] == ([] if passes else [1, 2])
    assert not tab.of("resend") and not document.boxes
    document.journal = None
    tab.edit(1, box(1))
    tab.edit(2, box(2))
    assert len(document.boxes) == (2 if passes else 0)
    assert tab.hello()["acked"] == 2


@pytest.mark.parametrize(
    "message",
    [
        {"type": "edit", "tab": "T"},
        {"type": "edit", "tab": "T", "seq": 1, "edit": {"kind": "paint", "id": "T:1", "mask": "x", "box": 3}},
        {"type": "edit", "tab": "T", "seq": 1, "edit": {"kind": "wish", "id": "T:1"}},
        {"type": "edit", "tab": "T", "seq": 1, "edit": {"kind": "put"}},
        {"type": "edit", "tab": "T", "seq": 1, "edit": 5},
        {"type": "get", "tab": "T", "rid": 1, "keys": ["x"] * 1000},
        {"type": "hello", "tab": "T", "next": "no"},
    ],
)
def test_a_message_that_makes_no_sense_is_answered_and_changes_nothing(
    document: Document, tab: Tab, message: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    tab.hello()
    tab.channel.receive(message)
    assert tab.of("refused") or tab.of("error")
    assert document.revision == 0
    tab.channel.receive({"type": "unknown"})
    tab.channel.receive("text")
    assert tab.hello("V")["revision"] == 0


def test_foreign_errors_show_their_kind_and_no_data(
    document: Document, tab: Tab, caplog: pytest.LogCaptureFixture
) -> None:
    def journal(edit: Edit, revision: int) -> None:
        raise RuntimeError("Doe^John")

    tab.hello()
    document.journal = journal
    tab.edit(1, stroke(document))
    [refused] = tab.of("refused")
    assert refused["error"]["kind"] == "RuntimeError"
    assert "Doe" not in str(refused) and "Doe" not in caplog.text
    assert "RuntimeError at" in caplog.text
    assert not document.masks["liver"].array.any()


def test_edits_of_python_and_of_other_viewers_reach_every_tab(document: Document, tab: Tab) -> None:
    other = Tab(document)
    tab.hello()
    other.hello("O")
    document.masks["liver"].array[0, 0, 0] = 1
    tab.edit(1, stroke(document, k=0, start=10))
    kinds = [(m["revision"], m["tab"], m["edit"]["tool"]) for m in tab.of("edited")]
    assert kinds == [(1, None, "array"), (2, "T", "brush")]
    assert [(m["revision"], m["tab"]) for m in other.of("edited")] == [(1, None), (2, None)]
    other.channel.close()
    tab.edit(2, stroke(document, k=2))
    assert len(other.of("edited")) == 2


def test_large_paints_name_their_slices_instead(
    document: Document, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbannot.host.messages.MAX_RUNS", 40)
    tab.hello()
    liver = document.masks["liver"]
    pattern = np.zeros(SHAPE, dtype=bool)
    pattern[1:3, ::2, ::2] = True
    liver.paint(pattern)
    content, buffers = tab.messages[-1]
    assert content["edit"]["stale"] == [1, 2] and buffers == []
    assert "buffer" not in content["edit"]
    document.remove(liver)
    content, buffers = tab.messages[-1]
    assert content["edit"]["edits"][0]["stale"] == [1, 2]


def test_a_loop_of_edits_becomes_one_state(document: Document, tab: Tab) -> None:
    tab.hello()
    for n in range(1500):
        document.masks["liver"][n % 4, 0, 0] = (n // 4 + 1) % 2
    deadline = time.monotonic() + 20
    while tab.wait("state", 2)[-1]["revision"] < document.revision:
        assert time.monotonic() < deadline, "the state never caught up"
        time.sleep(0.01)
    assert len(tab.of("edited")) < 1000
    document.add(Label("new"))
    assert tab.wait("edited")[-1]["revision"] == document.revision


def test_a_tab_that_missed_something_gets_the_state(document: Document, tab: Tab) -> None:
    tab.hello()
    document.add(Label("new"))
    tab.channel.receive({"type": "sync", "tab": "T", "revision": 1})
    tab.channel.receive({"type": "sync", "tab": "T", "revision": 0})
    assert tab.wait("state", 2)[-1]["revision"] == 1
    assert len(tab.of("state")) == 2


def get(tab: Tab, keys: list[str], *, rid: int = 1, **more: Any) -> None:
    tab.channel.receive({"type": "get", "tab": "T", "rid": rid, "keys": keys, **more})


def test_slices_are_the_arrays(document: Document, tab: Tab) -> None:
    tab.hello()
    liver = document.masks["liver"]
    liver.paint((slice(2, 3), slice(0, 2), slice(0, 2)))
    liver.array[3] = 1  # not recorded yet: belongs to a later revision
    get(tab, ["image/img/0/3", f"mask/{liver.id}/2", f"mask/{liver.id}/3"])
    tab.wait("bytes", 3)
    slices = {
        content["key"]: (
            decode(content["codec"], buffers[0], content["dtype"], tuple(content["shape"])),
            content,
        )
        for content, buffers in tab.messages
        if content["type"] == "bytes"
    }
    np.testing.assert_array_equal(slices["image/img/0/3"][0], document.images[0].array[3])
    plane, content = slices[f"mask/{liver.id}/2"]
    assert plane.sum() == 4 and content["revision"] == 1
    assert slices[f"mask/{liver.id}/3"][0].sum() == 0


def test_slices_that_cannot_be_had_are_answered(document: Document, tab: Tab) -> None:
    tab.hello()
    liver = document.masks["liver"]
    keys = ["image/img/0/9", "image/none/0/0", f"mask/{liver.id}/9", "mask/x/0", "odd", "image/img/0/x"]
    get(tab, keys)
    errors = tab.wait("bytes_error", len(keys))
    assert {error["key"] for error in errors} == set(keys)


class SlowPixels:
    """A source that waits until it may go on, and fails for the last slice."""

    shape = SHAPE
    dtype = np.dtype(np.int16)

    def __init__(self) -> None:
        self.go = threading.Event()
        self.read: list[int] = []

    def plane(self, k: int, t: int = 0) -> np.ndarray[Any, Any]:
        assert self.go.wait(20)
        self.read.append(k)
        if k == 3:
            raise FormatError("The file ends early", hint="Copy it again.")
        return np.full(SHAPE[1:], k, dtype=np.int16)

    def load(self) -> np.ndarray[Any, Any]:
        raise AssertionError("a viewer never loads the whole image")


def slow_tab() -> tuple[SlowPixels, Tab]:
    pixels = SlowPixels()
    image = Image(pixels, Geometry(np.eye(4), SHAPE), id="img", modality="CT", unit="HU")
    return pixels, Tab(Document(image, labels=["liver"]))


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_urgent_slices_go_first_and_cancelled_ones_not_at_all() -> None:
    pixels, tab = slow_tab()
    tab.hello()
    get(tab, ["image/img/0/0"])
    wait_until(lambda: not tab.channel._queue)
    get(tab, ["image/img/0/1"], rid=2)
    get(tab, ["image/img/0/2"], rid=3, urgent=True)
    get(tab, ["image/img/0/0"], rid=4)
    tab.channel.receive({"type": "cancel", "tab": "T", "rid": 4})
    pixels.go.set()
    tab.wait("bytes", 3)
    assert pixels.read == [0, 2, 1]
    get(tab, ["image/img/0/3"], rid=5)
    error = tab.wait("bytes_error")[0]["error"]
    assert error == {"kind": "FormatError", "message": "The file ends early", "hint": "Copy it again."}
    tab.channel.close()


def test_a_tab_that_left_gets_no_more_slices_and_the_others_do() -> None:
    pixels, tab = slow_tab()
    tab.hello()
    tab.hello("U")
    get(tab, ["image/img/0/0"])
    wait_until(lambda: not tab.channel._queue)
    get(tab, ["image/img/0/1"], rid=2)
    tab.channel.receive({"type": "get", "tab": "U", "rid": 1, "keys": ["image/img/0/2"], "urgent": False})
    tab.channel.receive({"type": "bye", "tab": "T"})
    pixels.go.set()
    tab.wait("bytes", 2)
    assert pixels.read == [0, 2]
    tab.channel.close()


class Wishes:
    """A spool that notes what is wished for."""

    place = None

    def __init__(self) -> None:
        self.all: list[Any] = []
        self.planes = Planes()
        self.plane = self.planes.lend

    def focus(self, places: Any) -> None:
        self.all += places

    def rest(self) -> None:
        self.all.append("rest")


def test_publishing_follows_the_tabs_that_are_left(document: Document) -> None:
    spool = Wishes()
    tab = Tab(document, spool)  # type: ignore[arg-type]
    for name, k in (("T", 1), ("U", 2)):
        tab.channel.receive({"type": "focus", "tab": name, "places": [["img", 0, k]]})
    for name in ("U", "U", "T"):
        tab.channel.receive({"type": "bye", "tab": name})
    assert spool.all == [("img", 0, 1), ("img", 0, 2), ("img", 0, 1), "rest"]
    tab.channel.close()


def test_reading_a_slow_slice_holds_nothing_up() -> None:
    pixels, tab = slow_tab()
    tab.hello()
    get(tab, ["image/img/0/0"])
    document = tab.channel._document
    tab.edit(1, stroke(document))
    assert len(tab.of("edited")) == 1
    pixels.go.set()
    tab.wait("bytes")
    tab.channel.close()
    assert not [t for t in threading.enumerate() if t.name == "nbannot-channel" and t.is_alive()]
    tab.edit(2, stroke(document))
    assert document.revision == 1


def test_a_road_that_fails_to_send_does_not_break_python(
    document: Document, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(content: dict[str, Any], buffers: list[bytes]) -> None:
        raise ConnectionError("gone")

    channel = Channel(document, broken)
    channel.receive({"type": "hello", "tab": "T", "version": PROTOCOL, "next": 1})
    document.add(Label("new"))
    assert document.revision == 1
    channel.close()


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["send", "twice", "drop", "python"]), st.integers(0, 2)),
        max_size=25,
    )
)
@settings(max_examples=60, deadline=None)
def test_lost_repeated_and_reordered_edits_arrive_once_in_order(steps: list[tuple[int, str, int]]) -> None:
    """A browser that resends until acknowledged, over a road that loses, repeats and reorders."""
    document = make_document()
    tab = Tab(document)
    tab.hello()
    queue: list[int] = []
    done: set[int] = set()
    sent = 0
    for start, fate, value in steps:
        if fate == "python":
            document.masks["liver"].array[start % 4, 5, 4] = value % 2
            document.refresh()
            continue
        sent += 1
        queue.append(sent)
        for seq in reversed(queue) if fate == "twice" else queue:
            if fate != "drop":
                tab.edit(seq, stroke(document, 1, k=start % 4, start=seq % 20))
        done |= {m["seq"] for m in tab.of("edited") + tab.of("acked") if m.get("tab") == "T" and m["seq"]}
        queue = [seq for seq in queue if seq not in done]
    for seq in queue:
        tab.edit(seq, stroke(document, 1, k=0, start=seq % 20))
    seqs = [int(edit.id[2:]) for edit in document.history if edit.id.startswith("T:")]
    assert seqs == sorted(set(seqs))
    assert all(document.seen(f"T:{seq}") for seq in range(1, sent + 1))
    tab.channel.close()

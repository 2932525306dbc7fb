"""Operations and own tools from the browser: a thread works them out, a preview comes first, one edit follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import nbannot as nb
from nbannot.errors import ViewerError
from nbannot.host.channel import Channel
from nbannot.host.messages import PROTOCOL
from nbannot.host.operating import Operating
from nbannot.host.owntools import make_tool
from nbannot.host.pixels import decode
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, Suv
from nbannot.model.runs import Runs, clip_index

SHAPE = (5, 12, 10)


def make_document() -> Document:
    pixels = np.random.default_rng(1).integers(0, 100, SHAPE).astype(np.int16)
    image = Image(pixels, Geometry(np.eye(4)[[2, 1, 0, 3]], SHAPE), id="img", modality="CT", unit="HU")
    return Document(image, labels=["liver", "lesion"], author="ann")


class Tab:
    """A browser tab that keeps what it gets."""

    def __init__(self, document: Document, view: dict[str, Any]) -> None:
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.operating = Operating(document, lambda: view)
        self.channel = Channel(
            document,
            lambda content, buffers: self.messages.append((content, buffers)),
            operating=self.operating,
        )
        self.send("hello", version=PROTOCOL, next=1)
        self.wait("state")

    def send(self, kind: str, **more: Any) -> None:
        self.channel.receive({"type": kind, "tab": "T", **more})

    def of(self, kind: str, rid: int | None = None) -> list[tuple[dict[str, Any], list[bytes]]]:
        found = [one for one in list(self.messages) if one[0]["type"] == kind]
        return [one for one in found if rid is None or one[0].get("rid") == rid]

    def wait(self, kind: str, rid: int | None = None) -> tuple[dict[str, Any], list[bytes]]:
        deadline = time.monotonic() + 20
        while not self.of(kind, rid):
            assert time.monotonic() < deadline, f"no {kind} among {self.messages}"
            time.sleep(0.002)
        return self.of(kind, rid)[-1]

    def operate(self, rid: int, op: str, document: Document, **more: Any) -> None:
        mask = document.masks["liver"].id
        self.send("operate", **{"rid": rid, "op": op, "mask": mask, "segment": 1, "params": {}, **more})


@pytest.fixture
def document() -> Document:
    return make_document()


@pytest.fixture
def view() -> dict[str, Any]:
    return {}


@pytest.fixture
def tab(document: Document, view: dict[str, Any]) -> Iterator[Tab]:
    tab = Tab(document, view)
    yield tab
    tab.channel.close()


def painted(array: np.ndarray, message: dict[str, Any], runs: bytes) -> np.ndarray:
    """What the mask would be after the preview, from its runs."""
    flat, old, new = Runs(runs, message["runs"]).voxels()
    out = array.copy()
    where = clip_index(message["box"], flat)
    assert (out[where] == old).all()
    out[where] = new
    return out


def test_the_table_of_operations_comes_as_forms(tab: Tab) -> None:
    tab.send("operations")
    forms = tab.wait("operations")[0]["forms"]
    assert [form["name"] for form in forms] == list(nb.ops.OPERATIONS)
    assert forms[0]["parameters"][0]["title"] == "From"


def test_an_operation_is_shown_first_and_applied_as_one_edit(document: Document, tab: Tab) -> None:
    mask = document.masks["liver"]
    tab.operate(1, "threshold", document, params={"lo": 60, "hi": 80})
    assert tab.wait("operating", 1)[0]["done"] == 0
    message, [runs] = tab.wait("operated", 1)
    inside = (document.image().array >= 60) & (document.image().array <= 80)
    assert message["count"] == inside.sum() and message["erased"] == 0 and not mask.array.any()
    assert ((painted(mask.array, message, runs) == 1) == inside).all()
    tab.send("operate_apply", rid=1)
    ended = tab.wait("operate_ended", 1)[0]
    assert ((mask.array == 1) == inside).all() and len(document.history) == 1
    assert ended["edit"] == document.history[0].id and document.history[0].tool == "op:threshold"
    assert document.history[0].origin == "hand" and document.history[0].author == "ann"
    tab.send("history")
    [row] = tab.wait("steps")[0]["rows"]
    assert (row["origin"], row["tool"]) == ("hand", "op:threshold")
    assert list(nb.table(document, "history")["origin"]) == ["hand"]
    assert list(nb.table(document, "provenance")["source"]) == ["op:threshold"]
    other = make_document()
    nb.ops.threshold(other.masks["liver"], lo=60, hi=80)
    assert (other.masks["liver"].array == mask.array).all()
    document.undo()
    assert not mask.array.any()


def test_cancelling_a_preview_changes_nothing(document: Document, tab: Tab) -> None:
    tab.operate(1, "threshold", document, params={"lo": 60})
    tab.wait("operated", 1)
    tab.send("operate_cancel", rid=1)
    tab.send("operate_apply", rid=1)
    assert tab.wait("operate_ended", 1)[0]["edit"] is None
    assert document.revision == 0 and len(tab.of("operate_ended")) == 1


def test_a_mask_changed_since_its_preview_is_not_overwritten(document: Document, tab: Tab) -> None:
    tab.operate(1, "threshold", document, params={"lo": 60})
    tab.wait("operated", 1)
    document.masks["liver"].array[0, 0, :4] = 1
    tab.send("operate_apply", rid=1)
    error = tab.wait("operate_ended", 1)[0]["error"]
    assert "changed since" in error["message"] and len(document.history) == 1


def test_what_cannot_be_done_is_told(document: Document, tab: Tab) -> None:
    tab.operate(1, "islands", document)
    assert tab.wait("operate_ended", 1)[0]["error"]["message"] == "The segment 'liver' is empty"
    tab.operate(2, "no such", document)
    assert tab.wait("operate_ended", 2)[0]["error"]["kind"] == "OperationError"
    tab.operate(3, "threshold", document, params={"lo": 60}, mask="gone")
    assert tab.wait("operate_ended", 3)[0]["error"]["kind"] == "UnknownItemError"
    tab.operate(4, "threshold", document, params={"lo": 1000})
    assert tab.wait("operate_ended", 4)[0]["nothing"] is True
    assert document.revision == 0


def test_the_result_can_go_to_a_new_label(document: Document, tab: Tab) -> None:
    document.masks["liver"].paint(np.s_[1:4, 3:6, 3:6])
    before = document.masks["liver"].array.copy()
    tab.operate(1, "margin", document, params={"mm": 1}, target="new")
    message, _ = tab.wait("operated", 1)
    assert message["mask"] is None and message["image"] == "img" and message["color"].startswith("#")
    tab.send("operate_apply", rid=1)
    tab.wait("operate_ended", 1)
    made = document.masks["Margin 1"]
    assert made.array.sum() == message["count"] > before.sum() and "Margin 1" in document.labels
    assert (document.masks["liver"].array == before).all() and len(document.history) == 2
    document.undo()
    assert "Margin 1" not in document.labels and len(document.masks) == 2


def test_rules_of_painting_limit_an_operation(document: Document, view: dict[str, Any], tab: Tab) -> None:
    document.masks["lesion"].paint(np.s_[:2])
    view["rules"] = {"range": [70, 90], "area": "inside", "area_label": document.labels["lesion"].id}
    tab.operate(1, "threshold", document, params={"lo": 60}, rules=True)
    message, [runs] = tab.wait("operated", 1)
    new = painted(document.masks["liver"].array, message, runs)
    array = document.image().array
    expected = (array >= 70) & (array <= 90)
    expected[2:] = False
    assert ((new == 1) == expected).all()


@pytest.mark.parametrize(
    ("rule", "hidden", "kept"),
    [("all", True, False), ("visible", True, True), ("visible", False, False), ("none", False, True)],
)
def test_the_rule_of_strokes_says_what_an_operation_overwrites(
    document: Document, view: dict[str, Any], tab: Tab, rule: str, hidden: bool, kept: bool
) -> None:
    document.masks["lesion"].paint(np.s_[:2])
    view["rules"] = {"overwrite": rule}
    view["hidden"] = [document.labels["lesion"].id] if hidden else []
    tab.operate(1, "threshold", document, params={"lo": 60}, rules=True)
    message, _ = tab.wait("operated", 1)
    inside = document.image().array >= 60
    assert message["taken"] == ({} if kept else {"lesion": inside[:2].sum()})
    tab.send("operate_apply", rid=1)
    tab.wait("operate_ended", 1)
    assert ((document.masks["liver"].array == 1) == inside).all()
    assert (document.masks["lesion"].array[:2] == (1 if kept else ~inside[:2])).all()
    assert (document.revision, document.history[-1].origin) == (2, "hand")
    document.undo()
    assert document.masks["lesion"].array[:2].all() and not document.masks["liver"].array.any()


def test_large_previews_come_slice_by_slice(
    document: Document, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbannot.host.operating.MAX_RUNS", 10)
    mask = document.masks["liver"]
    mask.paint(np.s_[2:4])
    tab.operate(1, "threshold", document, params={"lo": 50})
    message, buffers = tab.wait("operated", 1)
    assert not buffers and message["runs"] is None and message["erase"] == 2
    tab.send("get", rid=9, keys=[f"op/T/1/{k}" for k in message["slices"]], urgent=False)
    expected = np.where(document.image().array >= 50, 1, 0)
    for k in message["slices"]:
        deadline = time.monotonic() + 20
        while not (found := [one for one in tab.of("bytes") if one[0]["key"] == f"op/T/1/{k}"]):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        content, [data] = found[0]
        plane = decode(content["codec"], data, np.dtype(content["dtype"]), tuple(content["shape"]))
        now = mask.array[k]
        assert (plane == np.where(expected[k] == now, 0, np.where(expected[k] == 0, 2, expected[k]))).all()


class Slow:
    """A tool that tells of its progress until it is let go."""

    __name__ = "slow"

    def __init__(self) -> None:
        self.began, self.go, self.ended = threading.Event(), threading.Event(), False

    def __call__(self, context: Any) -> np.ndarray:
        self.began.set()
        try:
            for n in range(2000):
                context.progress(n / 2000, "Thinking")
                if self.go.wait(0.01):
                    break
        finally:
            self.ended = True
        return np.ones(SHAPE, bool)


def add(tab: Tab, function: Any, **options: Any) -> None:
    given = {
        "name": None,
        "title": None,
        "key": None,
        "version": "1",
        "icon": None,
        "preview": True,
        **options,
    }
    tab.operating.add(make_tool(function, **given))


def test_progress_is_told_and_cancel_ends_the_work(document: Document, tab: Tab) -> None:
    slow = Slow()
    add(tab, slow)
    tab.operate(1, "tool:slow", document)
    assert slow.began.wait(10)
    deadline = time.monotonic() + 10
    while not any(one["text"] == "Thinking" and one["done"] > 0 for one, _ in tab.of("operating", 1)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    tab.send("operate_cancel", rid=1)
    while not slow.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert tab.of("operate_ended", 1) and not tab.of("operated", 1) and document.revision == 0


def test_a_new_operation_takes_the_place_of_the_one_that_runs(document: Document, tab: Tab) -> None:
    slow = Slow()
    add(tab, slow)
    tab.operate(1, "tool:slow", document)
    assert slow.began.wait(10)
    tab.operate(2, "threshold", document, params={"lo": 60})
    assert "Waiting" in tab.of("operating", 2)[0][0]["text"]
    tab.wait("operated", 2)
    assert slow.ended and not tab.of("operated", 1)


def test_a_tab_that_leaves_stops_its_operation(document: Document, tab: Tab) -> None:
    slow = Slow()
    add(tab, slow)
    tab.operate(1, "tool:slow", document)
    assert slow.began.wait(10)
    tab.send("bye")
    deadline = time.monotonic() + 10
    while not slow.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not tab.of("operated")


def test_an_own_tool_works_on_the_slice_and_is_recorded(
    document: Document, view: dict[str, Any], tab: Tab
) -> None:
    view.update(cursor=[4.0, 5.0, 2.0], active="axial", selected=["none"])
    seen: dict[str, Any] = {}

    def bright(context: Any) -> np.ndarray:
        seen.update(plane=context.plane, index=context.index, label=context.label, selected=context.selected)
        return context.slice > 70

    add(tab, bright, title="Bright voxels", key="q")
    assert tab.of("tools")[-1][0]["tools"] == [
        {"name": "bright", "title": "Bright voxels", "key": "q", "icon": "B", "preview": True}
    ]
    tab.operate(1, "tool:bright", document, at={"pane": "axial", "world": [3.0, 4.0, 2.0]})
    message, _ = tab.wait("operated", 1)
    expected = document.image().array[2] > 70
    assert message["count"] == expected.sum()
    assert seen == {"plane": "axial", "index": (2, 4, 3), "label": "liver", "selected": ()}
    tab.send("operate_apply", rid=1)
    tab.wait("operate_ended", 1)
    array = document.masks["liver"].array
    assert (array[2] == expected).all() and not array[[0, 1, 3, 4]].any()
    [edit] = document.history
    assert (edit.tool, edit.origin, edit.author) == ("tool:bright 1", "hand", "ann")
    shares = nb.table(document, "provenance")
    assert list(shares["source"]) == ["tool:bright 1"] and shares["voxels"].sum() == expected.sum()


@pytest.mark.parametrize("preview", [True, False])
def test_what_an_own_tool_may_return(document: Document, tab: Tab, preview: bool) -> None:
    liver = document.masks["liver"]
    full = np.zeros(SHAPE, np.uint8)
    full[1, 2, 3] = 1

    def in_place(context: Any) -> None:
        context.mask.array[4, 4, 4] = 1

    results = {
        "numbers": lambda _: full,
        "box": lambda _: nb.Box("lesion", ((0, 0, 0), (1, 2, 3))),
        "several": lambda _: [nb.Tag("liver", True), nb.Box("liver", ((0, 0, 0), (1, 2, 3)))],
        "none": lambda _: None,
        "in_place": in_place,
    }
    for rid, (name, function) in enumerate(results.items(), start=1):
        add(tab, function, name=name, preview=preview)
        tab.operate(rid, f"tool:{name}", document)
        deadline = time.monotonic() + 20
        while not (tab.of("operated", rid) or tab.of("operate_ended", rid)):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        assert bool(tab.of("operated", rid)) == (preview and name in ("numbers", "in_place"))
        tab.send("operate_apply", rid=rid)
        assert tab.wait("operate_ended", rid)[0]["error"] is None
    assert [edit.tool for edit in document.history] == [
        "tool:numbers 1", "tool:box 1", "tool:several 1", "tool:in_place 1",
    ]  # fmt: skip
    assert liver.array[1, 2, 3] == liver.array[4, 4, 4] == liver.array.sum() - 1 == 1
    assert len(document.boxes) == 2 and len(document.tags) == 1
    document.jump("")
    assert not liver.array.any() and not document.boxes


def test_an_own_tool_that_fails_says_why(
    document: Document, tab: Tab, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Any) -> None:
        raise ZeroDivisionError("half of nothing")

    add(tab, broken)
    add(tab, lambda _: np.ones((2, 2), bool), name="shape")
    add(tab, lambda _: "text", name="text")
    add(tab, lambda _: np.full(SHAPE, 7), name="unknown")
    tab.operate(1, "tool:broken", document)
    error = tab.wait("operate_ended", 1)[0]["error"]
    assert error["message"] == "broken: ZeroDivisionError: half of nothing"
    assert "of broken" in error["hint"] and "half of nothing" in capfd.readouterr().err
    for rid, (name, words) in enumerate(
        {"shape": "shape (2, 2)", "text": "returned str", "unknown": "without a segment"}.items(), start=2
    ):
        tab.operate(rid, f"tool:{name}", document)
        assert words in tab.wait("operate_ended", rid)[0]["error"]["message"]
    tab.operate(9, "tool:gone", document)
    assert "no such tool" in tab.wait("operate_ended", 9)[0]["error"]["message"]
    assert document.revision == 0


def test_an_own_tool_leaves_locked_labels_alone(document: Document, tab: Tab) -> None:
    document.apply(nb.model.edits.Put(nb.Label("liver", id=document.labels["liver"].id, locked=True)))
    add(tab, lambda _: np.ones(SHAPE, bool), name="all")
    tab.operate(1, "tool:all", document)
    assert tab.wait("operate_ended", 1)[0].get("nothing") is True


def test_names_and_keys_of_own_tools(tab: Tab) -> None:
    add(tab, np.sum, name="one", key="q")
    with pytest.raises(ViewerError, match="has the key"):
        add(tab, np.sum, name="two", key="q")
    add(tab, np.sum, name="one", key="q", title="Again")
    assert [tool["title"] for tool in tab.operating.tools] == ["Again"]
    for wrong in (lambda _: None, "text"):
        with pytest.raises(ViewerError):
            add(tab, wrong)

    def hashed(_: Any) -> None: ...

    add(tab, hashed, version=None)
    assert len(tab.operating._tools["hashed"].version) == 8


def test_history_rows_and_a_jump_over_the_wire(document: Document, tab: Tab) -> None:
    for n in range(3):
        document.add(nb.Box("lesion", ((0, 0, 0), (1, 1 + n, 1))))
    tab.send("history")
    steps = tab.wait("steps")[0]
    assert [row["what"] for row in steps["rows"]] == ["added box lesion"] * 3
    assert {row["author"] for row in steps["rows"]} == {"ann"} and steps["earlier"] == 0
    first = steps["rows"][0]["id"]
    tab.send("edit", seq=1, edit={"kind": "jump", "id": "T:1", "to": first})
    assert len(document.boxes) == 1 and document.history[-1].id == "T:1"
    assert [one["seq"] for one, _ in tab.of("edited") if one["tab"] == "T"] == [1]
    tab.send("edit", seq=2, edit={"kind": "jump", "id": "T:2", "to": first})
    assert tab.wait("acked")[0]["seq"] == 2
    tab.send("edit", seq=3, edit={"kind": "jump", "id": "T:3", "to": "nowhere"})
    assert tab.wait("refused")[0]["error"]["kind"] == "UnknownItemError"
    tab.send("history")
    assert [row["done"] for row in tab.of("steps")[-1][0]["rows"]] == [True, False, False]


def test_many_steps_come_in_part(document: Document, tab: Tab) -> None:
    for n in range(400):
        document.add(nb.Tag("liver", n))
    document.jump(document.steps[99])
    tab.send("history")
    steps = tab.wait("steps")[0]
    assert len(steps["rows"]) == 300 and steps["earlier"] + steps["later"] == 100
    assert any(row["done"] for row in steps["rows"]) and not all(row["done"] for row in steps["rows"])


def test_the_next_operation_does_not_wait_for_one_that_was_given_up(
    document: Document, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that cannot be ended from outside runs out by itself, and what it found is dropped."""
    go_on, begun = threading.Event(), [threading.Event() for _ in range(3)]
    plain = nb.ops.OPERATIONS["otsu"]

    def stuck(job: Any) -> Any:
        next(one for one in begun if not one.is_set()).set()
        assert go_on.wait(20)
        return plain.compute(job)

    monkeypatch.setitem(nb.ops.OPERATIONS, "otsu", replace(plain, compute=stuck))
    for n in range(2):
        tab.operate(n + 1, "otsu", document)
        assert begun[n].wait(20)
        tab.send("operate_cancel", rid=n + 1)
        assert tab.wait("operate_ended", n + 1)[0]["edit"] is None
    # Two may run out beside the next one.
    tab.operate(3, "threshold", document, params={"lo": 60})
    assert tab.wait("operated", 3)[0]["count"] > 0
    tab.send("operate_cancel", rid=3)
    tab.operate(4, "otsu", document)
    assert begun[2].wait(20)
    # A third one is waited for.
    tab.operate(5, "threshold", document, params={"lo": 60})
    assert tab.wait("operating", 5)[0]["text"].startswith("Waiting")
    go_on.set()
    assert tab.wait("operated", 5)[0]["count"] > 0
    assert not any(tab.of("operated", n) for n in (1, 2, 4))
    assert not document.history


def test_codes_are_looked_for_by_words_and_group(tab: Tab) -> None:
    def ask(**content: Any) -> dict[str, Any]:
        before = len(tab.of("codes"))
        tab.send("codes", rid=before + 1, **content)
        answer: dict[str, Any] = tab.wait("codes", before + 1)[0]
        assert (answer["tab"], answer["rid"]) == ("T", before + 1)
        return answer

    begin = ask(words="", cid=None)
    assert (begin["codes"], begin["error"]) == ([], None)
    assert {"cid": 7154, "name": "Abdominal segmentation type"} in begin["groups"]
    assert ask(words="liv", cid=7154)["codes"] == [{"value": "10200004", "scheme": "SCT", "meaning": "Liver"}]
    assert len(ask(words="", cid=7151)["codes"]) == 200
    assert ask(words="no such thing", cid=None)["codes"] == []
    assert "context group" in ask(words="", cid=1)["error"]["message"]


def test_volume_and_values_of_a_label_are_those_of_the_table(document: Document, tab: Tab) -> None:
    liver, lesion = document.labels
    organs = nb.Mask("organs", document.image(), segments={3: "liver", 7: "lesion"})
    document.add(organs)
    # Written in place: the host looks before it measures.
    organs.array[1:3, 2:9, 3:8] = 3
    document.masks["liver"].array[0, :4, :5] = 1
    organs.array[4, 4, 4] = 7
    tab.send("segment_values", label=liver.id, units={})
    message = tab.wait("segment_values")[0]
    assert (message["tab"], message["label"], message["error"]) == ("T", liver.id, None)
    table = nb.table(document, "segments").query("label == 'liver'")
    assert [(row["mask"], row["value"]) for row in message["rows"]] == [
        (document.masks["liver"].id, 1),
        (organs.id, 3),
    ]
    for ours, column in (("count", "voxels"), ("volume", "volume_mm3"), ("mean", "mean"), ("sd", "sd")):
        assert [row[ours] for row in message["rows"]] == table[column].tolist()
    assert {row["value_unit"] for row in message["rows"]} == {"HU"}
    tab.messages.clear()
    tab.send("segment_values", label=lesion.id, units={})
    rows = tab.wait("segment_values")[0]["rows"]
    assert [(row["count"], row["sd"]) for row in rows] == [(0, None), (1, 0)]
    tab.messages.clear()
    tab.send("segment_values", label="gone", units={})
    assert tab.wait("segment_values")[0]["rows"] == []


def test_values_of_a_label_in_suv_and_of_an_image_that_cannot_be_read() -> None:
    class Broken:
        shape, dtype = SHAPE, np.dtype(np.int16)

        def plane(self, k: int, t: int = 0) -> np.ndarray:
            raise OSError("secret name")

        load = plane

    grid = Geometry(np.eye(4)[[2, 1, 0, 3]], SHAPE)
    pet = Image(np.full(SHAPE, 8, dtype=np.int16), grid, id="pet", modality="PT", suv=Suv({"bw": 0.25}))
    document = Document([pet, Image(Broken(), grid, id="broken")], labels=["liver"], author="ann")
    document.masks["liver"].array[1, 2, 3] = 1
    tab = Tab(document, {})
    label = document.labels["liver"].id
    for units, value, unit in (({}, 2, "SUVbw"), ({"pet": "stored"}, 8, "")):
        tab.messages.clear()
        tab.send("segment_values", label=label, units=units)
        [row] = tab.wait("segment_values")[0]["rows"]
        assert (row["mean"], row["value_unit"]) == (value, unit)
    other = nb.Mask("other", document.image("broken"), segments={1: "liver"})
    document.add(other)
    other.array[0, 0, 0] = 1
    tab.messages.clear()
    tab.send("segment_values", label=label, units={})
    message = tab.wait("segment_values")[0]
    assert message["rows"] == [] and message["error"]["kind"] == "OSError"
    assert "secret" not in str(message)
    tab.channel.close()

"""What is shown and selected, for code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbannot.errors import UnknownItemError, UnknownLabelError, ViewerError
from nbannot.model.annotations import Box, Tag
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.viewer import widget
from nbannot.viewer.widget import Viewer

SHAPE = (4, 6, 5)
AFFINE = np.array([[0, 0, 2.0, -10], [0, 2.0, 0, 5], [3.0, 0, 0, 7], [0, 0, 0, 1]])


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    static = tmp_path / "static"
    static.mkdir()
    for name in ("viewer.js", "loader.js", "viewer.css"):
        (static / name).write_text("")
    monkeypatch.setattr(widget, "STATIC", static)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    array = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    viewer = Viewer(Image(array, Geometry(AFFINE, SHAPE), id="img"), labels=["liver", "lesion"])
    viewer.goto(index=(2, 4, 3))
    yield viewer
    viewer.close()


@pytest.mark.parametrize(
    ("plane", "axis", "number"), [("axial", 0, 2), ("coronal", 1, 4), ("sagittal", 2, 3)]
)
def test_the_slice_of_each_plane_is_a_view_of_the_image(
    viewer: Viewer, plane: str, axis: int, number: int
) -> None:
    viewer.view = {**viewer.view, "active": plane}
    now = viewer.current
    assert (now.plane, now.axis, now.number, now.index) == (plane, axis, number, (2, 4, 3))
    assert now.world == viewer.cursor and now.pane == plane and now.frame == 0
    assert (now.slice == np.take(viewer.image.array, number, axis=axis)).all()
    assert np.shares_memory(now.slice, viewer.image.array)
    mask = viewer.document.masks["lesion"]
    mask[now.where] = 1
    assert now.mask_slice("lesion").all() and not now.mask_slice().any()
    assert now.mask_slice("lesion").shape == now.slice.shape
    assert not np.shares_memory(now.mask_slice("lesion"), mask.array)


def test_it_stays_as_it_was_when_asked(viewer: Viewer) -> None:
    before = viewer.current
    viewer.goto(index=(1, 1, 1))
    assert (before.index, viewer.current.index) == ((2, 4, 3), (1, 1, 1))


def test_the_label_in_use(viewer: Viewer) -> None:
    assert (viewer.current.label, viewer.current.segment) == ("liver", 1)
    viewer.label = "lesion"
    assert viewer.current.mask is viewer.document.masks["lesion"]
    with pytest.raises(UnknownLabelError, match="spleen"):
        viewer.current.mask_slice("spleen")


def test_a_turned_plane_is_sampled(viewer: Viewer) -> None:
    viewer.rotate(((1, 0, 0), 45))
    now = viewer.current
    assert now.axis is None and now.where == (slice(None),) * 3
    rows, columns = now.slice.shape
    middle = viewer.image.array[2].astype(float)
    assert rows > 6 and columns == 5 and now.slice.min() >= 0 and now.slice.max() <= viewer.image.array.max()
    viewer.document.masks["liver"][2] = 1
    inside = now.mask_slice("liver")
    assert inside.shape == now.slice.shape and 0 < inside.sum() < inside.size
    viewer.rotate(None)
    # Turned by nothing it is the slice itself.
    viewer.rotate((0, 0, 0, 1))
    turned = viewer.current
    assert turned.axis is None and np.allclose(turned.slice, middle, atol=1e-6)


def test_a_film_and_a_pane_in_3d() -> None:
    film = Viewer(Image(np.zeros((3, 4, 5), np.uint8), Stack.picture((4, 5), frames=3), id="cine"))
    film.goto(index=(2, 1, 1))
    assert (film.current.plane, film.current.number, film.current.index) == ("acquisition", 2, (2, 1, 1))
    assert film.current.slice.shape == (4, 5)
    film.close()
    array = np.zeros(SHAPE, np.int16)
    viewer = Viewer(Image(array, Geometry(AFFINE, SHAPE), id="img"), layout="four-up")
    viewer.view = {**viewer.view, "active": "volume"}
    assert viewer.current.plane in ("axial", "coronal", "sagittal")
    viewer.close()


def test_the_selection_goes_both_ways(viewer: Viewer) -> None:
    heard: list[list[str]] = []
    viewer.selection_changed.connect(lambda items: heard.append([item.id for item in items]))
    box, tag = Box("lesion", ((0, 0, 0), (1, 2, 3))), Tag("liver", True)
    viewer.document.add(box)
    viewer.document.add(tag)
    box, tag = viewer.document.boxes[box.id], viewer.document.tags[tag.id]
    viewer.selected = [box, tag.id]
    assert viewer.selected == (box, tag) and viewer.view["selected"] == [box.id, tag.id]
    viewer.view = {**viewer.view, "selected": [tag.id]}  # as the browser does
    viewer.view = {**viewer.view, "size_mm": 3}
    assert viewer.selected == (tag,)
    viewer.selected = box
    viewer.document.remove(box)
    assert viewer.selected == ()
    viewer.selected = None
    assert heard == [[box.id, tag.id], [tag.id], [box.id], []]
    with pytest.raises(UnknownItemError, match="holds no"):
        viewer.selected = "nothing"


def test_a_function_becomes_a_tool_also_as_a_decorator(viewer: Viewer) -> None:
    @viewer.add_tool
    def plain(context: object) -> None: ...

    @viewer.add_tool(title="With options", key="q", version="3")
    def optioned(context: object) -> None: ...

    def third(context: object) -> None: ...

    assert viewer.add_tool(third, name="named") is third and callable(plain) and callable(optioned)
    assert [tool["name"] for tool in viewer._operating.tools] == ["plain", "optioned", "named"]
    with pytest.raises(ViewerError):
        viewer.add_tool(3)  # type: ignore[call-overload]


def test_the_guide_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/live.md", "exec"), names)
    viewer = names["viewer"]
    assert len(blocks) > 6 and [tool["key"] for tool in viewer._operating.tools] == ["ctrl+shift+k"]
    assert len(names["volumes"]) == 1 and names["now"].index == (10, 32, 32)
    assert viewer.document.history and not any(step.done for step in viewer.document.steps)
    viewer.close()

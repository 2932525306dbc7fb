"""Shapes on pictures: their pixels lie where their world points are, in the colour of their label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nbannot.host.pane import Pane, Scene, rgb
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.measures import path
from nbannot.model.shapes import RULES, Shape
from nbannot.viewer import outlines, pen
from nbannot.viewer.pen import dashes, fixed, font_for
from nbannot.viewer.picture import draw

# 2 mm slices of 1 mm pixels that begin away from the origin.
GRID = Geometry(np.array([[0, 0, 1.0, -20], [0, 1.0, 0, 10], [2.0, 0, 0, 30], [0, 0, 0, 1]]), (20, 40, 40))
K = 9
SIZE = 400
UP = (0.0, 0.0, 1.0)


@pytest.fixture
def document() -> Document:
    image = Image(np.full(GRID.shape, 100, np.int16), GRID, id="one", modality="CT", unit="HU")
    return Document(image, labels=["lesion", "node"])


def at(k: float, j: float, i: float) -> tuple[float, float, float]:
    x, y, z = GRID.to_world((k, j, i)).tolist()
    return x, y, z


def view(**more: Any) -> dict[str, Any]:
    return {"layout": "axial", "cursor": list(at(K, 20, 20)), "windows": {"one": [127.5, 255]}, **more}


def shown(document: Document, state: dict[str, Any], id: str = "axial") -> tuple[NDArray[np.uint8], Pane]:
    picture = draw(document, state, pane=id, width=SIZE, height=SIZE, scale_bar=False)
    return picture.array, Scene(document, state).pane(id, SIZE, SIZE)


def colored(array: NDArray[np.uint8], document: Document, label: str = "lesion") -> NDArray[np.bool_]:
    return np.asarray((array == rgb(document.labels[label].color)).all(axis=-1))


def pixels(pane: Pane, world: Any) -> NDArray[np.intp]:
    """Rows and columns of world points."""
    places = outlines.to_px(pane.frame.to_plane(np.asarray(world, dtype=float)), pane)
    return np.floor(places[:, ::-1]).astype(np.intp)


def hit(found: NDArray[np.bool_], places: NDArray[np.intp]) -> float:
    """The part of the places with a pixel at most one away."""
    near = [found[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any() for y, x in places]
    return float(np.mean(near))


def between(a: Any, b: Any) -> NDArray[np.float64]:
    part = np.linspace(0.02, 0.98, 60)[:, None]
    return np.asarray(a) + part * (np.asarray(b) - np.asarray(a))


PLANES: dict[str, tuple[str, dict[str, Any], tuple[Any, Any]]] = {
    "axial": ("axial", {}, (at(K, 8, 6), at(K, 25, 30))),
    "coronal": ("coronal", {"layout": "coronal"}, (at(3, 20, 6), at(15, 20, 30))),
    "turned": ("axial", {"turns": {"axial": {"quarter": 1, "flip": True}}}, (at(K, 8, 6), at(K, 25, 30))),
}


@pytest.mark.parametrize("name", list(PLANES))
def test_a_line_lies_where_its_points_are(document: Document, name: str) -> None:
    id, more, ends = PLANES[name]
    document.add(Shape("ruler", "node", ends))
    array, pane = shown(document, view(**more), id)
    found = colored(array, document, "node")
    assert hit(found, pixels(pane, between(*ends))) == 1
    # Nothing of it lies far from the line, but for its ticks and words.
    beside = pixels(pane, between(*ends) + pane.frame.axes.normal * 0)
    assert found.sum() < 6 * len(beside) + 1500
    assert not colored(array, document, "lesion").any()


def test_a_line_lies_right_in_a_free_plane(document: Document) -> None:
    state = view(layout="oblique", rotation=[0.1, -0.2, 0.3, float(np.sqrt(0.86))])
    pane = Scene(document, state).pane("oblique", SIZE, SIZE)
    ends = pane.frame.to_world([(-9.0, -5.0), (8.0, 7.0)])
    document.add(Shape("ruler", "lesion", [tuple(end) for end in ends.tolist()]))
    array, pane = shown(document, state, "oblique")
    assert hit(colored(array, document), pixels(pane, between(*ends))) == 1


def test_only_what_lies_on_the_plane_and_frame_is_drawn(document: Document) -> None:
    line = Shape("curve", "lesion", [at(K, 8, 6), at(K, 25, 30)], normal=UP)
    document.add(line)
    for k, drawn in ((K, True), (K + 1, False), (K - 2, False)):
        array, _ = shown(document, view(cursor=list(at(k, 20, 20))))
        assert colored(array, document).any() == drawn
    label = document.labels["lesion"].id
    for state in ({"hidden": [line.id]}, {"hidden": [label]}, {"overlay": False}):
        assert not colored(shown(document, view(**state))[0], document).any()
    assert not colored(draw(document, view(), width=SIZE, labels=False).array, document).any()
    movie = Image(np.zeros((2, *GRID.shape), np.int16), GRID, id="one")
    later = Document(movie, labels=["lesion"])
    later.add(Shape("curve", "lesion", [at(K, 8, 6), at(K, 25, 30)], frame=1))
    assert [colored(shown(later, view(frame=n))[0], later).any() for n in (0, 1)] == [False, True]


def test_shapes_of_another_image_or_slice_of_a_stack_are_not_drawn() -> None:
    images = [Image(np.zeros((2, 40, 40), np.uint8), Stack.picture((40, 40), frames=2), id=id) for id in "ab"]
    document = Document(images, labels=["lesion"])
    document.add(Shape("ruler", "lesion", [(5, 5, 0), (30, 20, 0)], image="a", slice=1))

    def drawn(image: str, k: int) -> bool:
        array = draw(document, {"image": image, "slice": {image: k}}, pane="acquisition", width=SIZE).array
        return bool(colored(array, document).any())

    assert [drawn("a", 1), drawn("a", 0), drawn("b", 1)] == [True, False, False]


def kinds() -> dict[str, Shape]:
    """One shape of each kind in slice K."""

    def make(kind: Any, *places: tuple[float, float], **more: Any) -> Shape:
        return Shape(kind, "lesion", [at(K, j, i) for j, i in places], normal=UP, **more)

    square = ((10, 10), (10, 24), (26, 24), (26, 10))
    found = [
        make("points", (10, 10), (20, 12), (26, 24), edges=((0, 2),)), make("ruler", *square[:2]),
        make("bidirectional", (10, 10), (26, 10), (18, 6), (18, 14)), make("angle", *square[:3]),
        make("cobb", (10, 10), (12, 24), (26, 10), (22, 24)), make("ellipse", (18, 6), (18, 30), (10, 18), (26, 18)),
        make("arrow", (10, 10), (26, 24)), make("text", (18, 12), text="Here it is"), make("probe", (18, 12)),
        *(make(kind, *square) for kind in ("rectangle", "polygon", "freehand", "curve", "open-freehand", "spline",
                                           "closed-spline", "livewire")),
    ]  # fmt: skip
    return {shape.kind: shape for shape in found}


@pytest.mark.parametrize("kind", list(RULES))
def test_every_kind_is_drawn(document: Document, kind: str) -> None:
    shape = kinds()[kind]
    document.add(shape)
    array, pane = shown(document, view())
    found = colored(array, document)
    if kind == "text":
        ((y, x),) = pixels(pane, shape.world())
        assert found[y - 10 : y + 3, x : x + 70].any() and not found[: y - 14].any()
        return
    assert hit(found, pixels(pane, shape.world())) == 1
    pairs = {"bidirectional": [(0, 1), (2, 3)], "cobb": [(0, 1), (2, 3)], "points": [(0, 2)], "probe": []}
    line = path(shape)
    count = len(line) if shape.closed else len(line) - 1
    for a, b in pairs.get(kind, [(n, (n + 1) % len(line)) for n in range(count)]):
        assert hit(found, pixels(pane, between(line[a], line[b]))) == 1


def test_an_arrow_has_its_head_at_the_end(document: Document) -> None:
    document.add(Shape("arrow", "lesion", [at(K, 20, 6), at(K, 20, 30)], text="x"))
    array, pane = shown(document, view())
    (y, tail), (_, head) = pixels(pane, [at(K, 20, 6), at(K, 20, 30)])
    found = colored(array, document)
    assert found[y - 6 : y - 2, head - 12 : head].any() and found[y + 3 : y + 7, head - 12 : head].any()
    assert not found[y - 6 : y - 2, tail : tail + 60].any()


def test_what_cuts_the_plane_is_dashed_or_a_dot_without_a_name(document: Document) -> None:
    state = view(layout="coronal")
    document.add(
        Shape("polygon", "lesion", [at(K, j, i) for j, i in ((10, 10), (10, 30), (30, 30), (30, 10))])
    )
    pane = Scene(document, state).pane("coronal", SIZE, SIZE)
    [(shape, seat)] = outlines.shown_shapes(pane)
    assert not seat.inside and seat.dots == () and seat.near == ()
    ends = pixels(pane, [at(K, 20, 10), at(K, 20, 30)])
    [line] = outlines.lines_in(shape, seat, pane)
    assert line.aside and sorted(np.floor(line.points[:, ::-1]).astype(int).tolist()) == sorted(ends.tolist())
    document.remove(shape)
    document.add(Shape("ruler", "lesion", [at(K, 10, 10), at(K, 30, 30)]))
    [(shape, seat)] = outlines.shown_shapes(pane)
    assert len(seat.dots) == 1 and np.allclose(pane.frame.to_world(seat.dots[0]), at(K, 20, 20))


def test_captions_say_what_the_browser_says(document: Document) -> None:
    pane = Scene(document, view()).pane("axial", SIZE, SIZE)
    said = {kind: outlines.caption(shape, pane) for kind, shape in kinds().items()}
    assert said["ruler"] == ["lesion  14.0 mm"]
    assert said["bidirectional"] == ["lesion  16.0 × 8.0 mm"]
    assert said["angle"] == ["lesion  90.0°"]
    assert said["rectangle"] == ["lesion  Area 224 mm²"]
    assert said["probe"] == ["lesion  100 HU"]
    assert (said["text"], said["arrow"], said["points"]) == (["Here it is"], ["lesion"], ["lesion"])
    named = Shape("probe", "lesion", [at(50, 1, 1)], name="Here")
    assert outlines.caption(named, pane) == ["Here  Outside the image"]
    assert [fixed(0.25, 1), fixed(2.5, 0), fixed(12.34, 1)] == ["0.3", "3", "12.3"]


def test_many_shapes_have_no_names(document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    document.add(Shape("ruler", "lesion", [at(K, 8, 6), at(K, 8, 12)], name="A long name"))
    named = colored(shown(document, view())[0], document).sum()
    monkeypatch.setattr(outlines, "MOST_NAMED", 0)
    assert 0 < colored(shown(document, view())[0], document).sum() < named


def test_dashes_leave_gaps() -> None:
    found = list(dashes(np.array([[0.0, 0], [10, 0]])))
    assert np.array(found).tolist() == [[[0, 0], [4, 0]], [[8, 0], [10, 0]]]


def test_letters_that_the_font_lacks_are_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    words, own = font_for("3.0 × 2.0 mm², −5 HU", 12)
    assert words == "3.0 x 2.0 mm2, -5 HU"
    monkeypatch.setattr(pen, "_FONTS", ("no such font.ttf",))
    assert font_for("Läsion", 12) == ("Lasion", own)

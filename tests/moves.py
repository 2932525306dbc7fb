"""Random edits of a small document, the same for sessions and projects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from nbannot.errors import NbannotError
from nbannot.model.annotations import Box, Tag
from nbannot.model.codec import encode_item
from nbannot.model.document import Document
from nbannot.model.edits import Put
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape

SHAPE = (4, 6, 5)
NAMES = ("liver", "lesion", "vessel", "bone")

Move = tuple[Any, ...]


def phantom(*, uid: str = "image-1", name: str = "ct") -> Image:
    """A small anisotropic CT."""
    affine = np.array([[0, 0, 1.5, 10], [0, 1.25, 0, -20], [3, 0, 0, 5], [0, 0, 0, 1]])
    values = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    return Image(values, Geometry(affine, SHAPE), name=name, id=uid, modality="CT", unit="HU")


def _index() -> st.SearchStrategy[tuple[int, int, int]]:
    return st.tuples(*(st.integers(0, n - 1) for n in SHAPE))


def moves() -> st.SearchStrategy[list[Move]]:
    """Strategy of what a person and a program may do, undo and redo included."""
    name = st.sampled_from(NAMES)
    two = st.tuples(_index(), _index())
    one = st.one_of(
        st.tuples(st.just("paint"), name, two),
        st.tuples(st.just("array"), name, two, st.integers(0, 3)),
        st.tuples(st.just("box"), name, two),
        st.tuples(st.just("unbox"), st.integers(0, 5)),
        st.tuples(st.just("shape"), name, two),
        st.tuples(st.just("hold"), st.integers(0, 5)),
        st.tuples(st.just("unshape"), st.integers(0, 5)),
        st.tuples(st.just("tag"), name, st.one_of(st.text(max_size=3), st.booleans(), st.floats(-9, 9))),
        st.tuples(st.just("label"), name),
        st.tuples(st.just("rename"), name, name),
        st.tuples(st.just("lock"), name),
        st.tuples(st.just("unlabel"), name),
        st.tuples(st.just("mask"), name, st.integers(1, 300)),
        st.tuples(st.just("unmask"), name),
        st.tuples(st.just("undo")),
        st.tuples(st.just("undo")),
        st.tuples(st.just("redo")),
    )
    return st.lists(one, max_size=14)


def perform(document: Document, move: Move) -> None:
    """Make a move; what does not fit is refused by the document, and that is fine."""
    try:
        _MOVES[move[0]](document, *move[1:])
    except NbannotError:
        document.refresh()


def state(document: Document) -> dict[str, Any]:
    """All annotations as plain values, to compare; the width of empty bits is no difference."""
    return {
        "labels": [encode_item(label) for label in document.labels],
        "masks": [
            {**encode_item(mask.info), "dtype": "", "voxels": mask.array.astype(int).tolist()}
            for mask in document.masks
        ],
        "boxes": [encode_item(box) for box in document.boxes],
        "shapes": [encode_item(shape) for shape in document.shapes],
        "tags": [encode_item(tag) for tag in document.tags],
    }


def _window(corners: Any) -> tuple[slice, ...]:
    low, high = np.sort(np.array(corners), axis=0)
    return tuple(slice(a, b + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True))


def _paint(document: Document, name: str, corners: Any) -> None:
    mask = document.masks[name]
    mask.paint(_window(corners), mask.segments[0].value)


def _array(document: Document, name: str, corners: Any, value: int) -> None:
    document.masks[name].array[_window(corners)] = value
    document.refresh()


def _box(document: Document, name: str, corners: Any) -> None:
    document.add(Box(name, corners))


def _unbox(document: Document, n: int) -> None:
    boxes = list(document.boxes)
    if boxes:
        document.remove(boxes[n % len(boxes)])


def _shape(document: Document, name: str, corners: Any) -> None:
    points = document.images[0].geometry.to_world(corners)
    document.add(Shape("ruler", name, tuple(map(tuple, points.tolist()))))


def _hold(document: Document, n: int) -> None:
    items = [*document.boxes, *document.shapes]
    if items:
        document.add(replace(items[n % len(items)], locked=not items[n % len(items)].locked))


def _unshape(document: Document, n: int) -> None:
    shapes = list(document.shapes)
    if shapes:
        document.remove(shapes[n % len(shapes)])


def _mask(document: Document, name: str, value: int) -> None:
    array = np.zeros(SHAPE, dtype=np.uint16 if value > 255 else np.uint8)
    array[0, 1, 2] = value
    document.add(Mask(name, document.images[0], array=array, segments={value: name}))


def _lock(document: Document, name: str) -> None:
    label = document.labels[name]
    fields = {"color": label.color, "id": label.id, "locked": not label.locked}
    document.apply(Put(Label(label.name, **fields)))  # type: ignore[arg-type]


_MOVES: dict[str, Callable[..., object]] = {
    "paint": _paint,
    "array": _array,
    "box": _box,
    "unbox": _unbox,
    "shape": _shape,
    "hold": _hold,
    "unshape": _unshape,
    "tag": lambda document, name, value: document.add(Tag(name, value)),
    "label": lambda document, name: document.add(name),
    "rename": lambda document, old, new: document.rename(old, new),
    "lock": _lock,
    "unlabel": lambda document, name: document.remove(document.labels[name]),
    "mask": _mask,
    "unmask": lambda document, name: document.remove(document.masks[name]),
    "undo": lambda document: document.undo(),
    "redo": lambda document: document.redo(),
}

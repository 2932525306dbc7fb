"""Live views of what a document holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from nbannot.errors import UnknownItemError, UnknownLabelError
from nbannot.model.annotations import Box, Tag
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape

T = TypeVar("T", Label, Mask, Box, Shape, Tag)


def counted(count: int, noun: str) -> str:
    """Return "1 box" or "2 boxes"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('x') else 's'}"


class Items(Generic[T]):
    """A live, ordered, read-only view of the items of one kind.

    Iterating gives the items; ``items[key]`` takes an id, or a name for labels and masks.
    """

    def __init__(self, kind: str, items: dict[str, T]) -> None:
        self._kind = kind
        self._items: dict[str, T] = items

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._items.values()))

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            return self.get(key) is not None
        return key in self._items.values()

    def __getitem__(self, key: str) -> T:
        item = self.get(key)
        if item is None:
            names = ", ".join(self.keys()) or "none"
            error = UnknownLabelError if self._kind == "label" else UnknownItemError
            raise error(f"There is no {self._kind} {key!r}", hint=f"There are: {names}.")
        return item

    def __repr__(self) -> str:
        return f"{counted(len(self), self._kind)}: {', '.join(self.keys())}"

    def get(self, key: str) -> T | None:
        """Return the item of this id or name, or None."""
        found: T | None = self._items.get(key)
        if found is None:
            found = next((item for item in self if key and getattr(item, "name", None) == key), None)
        return found

    def keys(self) -> list[str]:
        """Return the names (labels, masks) or ids (boxes, shapes, tags)."""
        named = self._kind in ("label", "mask")
        return [str(getattr(item, "name", "")) if named else item.id for item in self]


def place(items: dict[str, Any], item: Any, at: int | None) -> tuple[Any, int]:
    """Put an item at its place; return what was there before, and where."""
    old = items.get(item.id)
    if old is not None:
        items[item.id] = item
        return old, list(items).index(item.id)
    order = list(items.items())
    place = len(order) if at is None else min(max(at, 0), len(order))
    order.insert(place, (item.id, item))
    items.clear()
    items.update(order)
    return None, place

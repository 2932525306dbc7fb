"""How mammograms are turned and put in their panes (js/src/ui/hanging.ts, chestwall.ts)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from nbannot.host.frames import opposite
from nbannot.host.panes import GAP, Cell
from nbannot.model.image import Image

_MAMMOGRAMS = ("MG", "CR", "DX", "RG", "SC", "OT", "XC")
# Views (0018,5101) that show the breast from above, and from the side.
_ABOVE = re.compile(r"CC|XCC|FB")
_SIDE = re.compile(r"MLO|ML|LM|LMO|SIO|ISO|AT")


class Hung(Protocol):
    """A pane as far as its place depends on the panes beside it."""

    @property
    def image(self) -> Image:
        """The image shown."""

    @property
    def plane(self) -> str:
        """The plane shown."""

    @property
    def turn(self) -> tuple[int, bool]:
        """Quarter turns clockwise after the exchange of left and right, and whether they are exchanged."""

    @property
    def cell(self) -> Cell:
        """Where the pane lies."""


def is_breast(image: Image) -> bool:
    """Whether an image is a mammogram, by its modality or by its view."""
    view = image.view_position
    named = _ABOVE.fullmatch(view) or _SIDE.fullmatch(view)
    return image.modality == "MG" or (image.modality in _MAMMOGRAMS and named is not None)


def hung_turn(image: Image) -> tuple[int, bool]:
    """Return the turn of an image that nobody turned: quarters clockwise, left and right exchanged before.

    The right breast is at the left of the screen with its chest wall to the right, the left one the
    other way round; heads up, and in views from above the outer side up.
    """
    given, side = image.orientation_labels, image.laterality
    if not is_breast(image) or not side or not given or image.shape[0] != 1:
        return 0, False
    right = "P" if side == "R" else "A"
    down = opposite(side) if _ABOVE.fullmatch(image.view_position) else "F"
    across, upside = given[0].startswith(opposite(right)), given[1].startswith(opposite(down))
    # Upside down: two quarter turns bring left and right back after an exchange.
    return (2 if upside else 0), across != upside


def turned_labels(given: tuple[str, str], quarter: int, flip: bool) -> tuple[str, str]:
    """Return the letters at the right and at the bottom of a turned picture."""
    right, down = (opposite(given[0]) if flip else given[0]), given[1]
    for _ in range(quarter):
        right, down = opposite(down), right
    return right, down


def meets(pane: Hung, panes: Sequence[Hung]) -> int:
    """Return the edge where a pane meets the chest wall of the other breast: -1 left, 1 right, 0 none."""
    way = _wall(pane)
    if way == 0:
        return 0
    others = (one for one in panes if _wall(one) == -way and one.image.laterality != pane.image.laterality)
    return way if any(_beside(pane.cell, one.cell, way) for one in others) else 0


def _wall(pane: Hung) -> int:
    """Return the edge of the screen that the chest wall lies at; 0 where nothing tells."""
    image = pane.image
    known = is_breast(image) and image.laterality in ("R", "L") and image.orientation_labels
    if not known or pane.plane != "acquisition":
        return 0
    right, _ = turned_labels(known, *pane.turn)
    return 1 if right.startswith("P") else -1 if opposite(right).startswith("P") else 0


def _beside(cell: Cell, other: Cell, way: int) -> bool:
    left, right = (cell, other) if way > 0 else (other, cell)
    level = other.y < cell.y + cell.height and cell.y < other.y + other.height
    return level and abs(right.x - (left.x + left.width)) <= GAP

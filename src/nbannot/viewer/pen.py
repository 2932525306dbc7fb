"""Lines and words on a picture, and numbers as the browser writes them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
WHITE: Color = (233, 237, 241)

DASH = 4.0
"""Length of a dash and of the gap after it, px."""
_MINUS = "−"


@dataclass(frozen=True, slots=True)
class Line:
    """A line through places (n, 2) of a pane, px.

    Parameters
    ----------
    points
        The places.
    closed
        The last place is joined with the first.
    aside
        Dashed: it helps to read a shape and is no part of it.
    """

    points: NDArray[np.float64]
    closed: bool = False
    aside: bool = False

    @property
    def places(self) -> NDArray[np.float64]:
        """The places with the first once more at the end of a closed line."""
        return np.concatenate((self.points, self.points[:1])) if self.closed else self.points


class Pen:
    """Draws on a picture in CSS px."""

    def __init__(self, picture: Any, ratio: float) -> None:
        from PIL import ImageDraw

        self._draw = ImageDraw.Draw(picture, "RGBA")
        self._ratio = ratio

    def line(self, points: Sequence[tuple[float, float]], color: Color, width: float) -> None:
        """Draw a line from point to point, dark below so that it shows on white, too."""
        self.lines([Line(np.array(points, dtype=np.float64))], color, width)

    def lines(self, lines: Sequence[Line], color: Color, width: float = 1.5, opacity: float = 1.0) -> None:
        """Draw the lines of one thing, the dark below all of them; those aside are thin and dashed."""
        thin = max(1, round(width * self._ratio))
        wide = thin + 2 * max(1, round(self._ratio / 2))
        fill = (*color, round(255 * opacity))
        whole = [line.places for line in lines if not line.aside]
        for places in whole:
            self._stroke(places, (0, 0, 0, 255), wide)
        for places in whole:
            self._stroke(places, fill, thin)
        for line in lines:
            for dash in dashes(line.places) if line.aside else ():
                self._stroke(dash, fill, max(1, round(self._ratio)))

    def _stroke(self, places: NDArray[np.float64], fill: tuple[int, ...], width: int) -> None:
        points = [(math.floor(x), math.floor(y)) for x, y in (places * self._ratio).tolist()]
        self._draw.line(points, fill=fill, width=width, joint="curve" if width > 2 else None)

    def text(self, at: tuple[float, float], words: str, anchor: str, color: Color = WHITE,
             size: int = 12) -> None:  # fmt: skip
        """Write words; the anchor is Pillow's: "la" at the left top, "mm" in the middle."""
        if words:
            place = (at[0] * self._ratio, at[1] * self._ratio)
            written, font = font_for(words, size * self._ratio)
            self._draw.text(place, written, fill=color, font=font, anchor=anchor,
                            stroke_width=max(1, round(1.2 * self._ratio)), stroke_fill=(0, 0, 0))  # fmt: skip


def dashes(places: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the dashes (2, 2) of each straight piece of a line (n, 2)."""
    for start, end in pairwise(places):
        length = float(np.linalg.norm(end - start))
        for at in np.arange(0.0, length, 2 * DASH):
            ends = np.array((at, min(at + DASH, length))) / length
            yield start + ends[:, None] * (end - start)


# Letters ------------------------------------------------------------------------------------------

_SIGNS = str.maketrans({"×": "x", "−": "-", "–": "-", "—": "-", "²": "2", "³": "3", "µ": "u"})
"""Signs that Pillow's own font lacks, and what is written instead."""
_FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial Unicode.ttf", "msyh.ttc",
    "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "PingFang.ttc", "Arial.ttf", "arial.ttf",
)  # fmt: skip


def font_for(words: str, size: float) -> tuple[str, Any]:
    """Return words as they can be written, and the font: Pillow's own, else one of the computer that has all letters.

    Without such a font accents are left out.
    """
    words = words.translate(_SIGNS)
    own = _font("", size)
    lacking = [letter for letter in sorted(set(words)) if not letter.isspace() and not _has("", letter)]
    if not lacking:
        return words, own
    for name in _FONTS:
        if _font(name, size) is not None and all(_has(name, letter) for letter in lacking):
            return words, _font(name, size)
    bare = unicodedata.normalize("NFKD", words)
    return "".join(letter for letter in bare if not unicodedata.combining(letter)), own


@lru_cache(maxsize=64)
def _font(name: str, size: float) -> Any:
    """Return a font of the computer, or Pillow's own for no name; None where it is not there."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _has(name: str, letter: str) -> bool:
    font = _font(name, 24)
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


# Numbers ------------------------------------------------------------------------------------------


def show_number(value: float) -> str:
    """Return a number with about four digits; whole numbers as they are."""
    size = abs(value)
    if float(value).is_integer() and size < 1e15:
        text = str(int(value))
    elif size < 1e-3 or size >= 1e6:
        text = f"{value:.2e}"
    else:
        text = f"{float(f'{value:.{3 if size < 1 else 4}g}'):g}"
    return text.replace("-", _MINUS)


def fixed(value: float, digits: int) -> str:
    """Return a number with so many decimals; halves go up, as in the browser."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))

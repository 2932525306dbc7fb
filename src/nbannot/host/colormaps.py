"""Colour maps by name, with the points of js/src/render/colormaps.ts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.uint8]
Points = tuple[tuple[float, int], ...]


def _even(*colors: int) -> Points:
    return tuple((n / (len(colors) - 1), color) for n, color in enumerate(colors))


# From 0 (lowest value) to 1: places and colours, with straight lines between them.
_MAPS: dict[str, Points] = {
    "grey": _even(0x000000, 0xFFFFFF),
    "inverted grey": _even(0xFFFFFF, 0x000000),
    "PET": _even(0xFFFFFF, 0x000000),
    "hot iron": ((0, 0x000000), (0.5, 0xFF0000), (0.75, 0xFF8000), (1, 0xFFFFFF)),
    "hot metal blue": (
        (0, 0x000000), (0.15, 0x000070), (0.33, 0x4B0098), (0.5, 0xA80A50),
        (0.66, 0xF04A00), (0.82, 0xFFA500), (0.94, 0xFFF070), (1, 0xFFFFFF),
    ),
    "heat": _even(0x000000, 0x8C0000, 0xFF3000, 0xFFA000, 0xFFFF40, 0xFFFFFF),
    "rainbow": _even(0x8000FF, 0x0040FF, 0x00C0FF, 0x00E060, 0xC0F000, 0xFFA000, 0xFF0000),
    "jet": (
        (0, 0x000080), (0.125, 0x0000FF), (0.375, 0x00FFFF), (0.625, 0xFFFF00), (0.875, 0xFF0000),
        (1, 0x800000),
    ),
    "spectrum": _even(
        0x000000, 0x5000A0, 0x0020E0, 0x00A0C0, 0x00C030, 0xE0E000, 0xFF7000, 0xD00000, 0xFFD8D8
    ),
    "viridis": _even(
        0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725
    ),
    "magma": _even(
        0x000004, 0x1D1147, 0x51127C, 0x832681, 0xB73779, 0xE75263, 0xFC8961, 0xFEC488, 0xFCFDBF
    ),
    "plasma": _even(
        0x0D0887, 0x4C02A1, 0x7E03A8, 0xA92395, 0xCC4778, 0xE66C5C, 0xF89540, 0xFDC527, 0xF0F921
    ),
    "inferno": _even(
        0x000004, 0x210C4A, 0x57106E, 0x8A226A, 0xBC3754, 0xE45A31, 0xF98E09, 0xF9CB35, 0xFCFFA4
    ),
    "cool": _even(0x00FFFF, 0xFF00FF),
    "bone": ((0, 0x000000), (0.37, 0x525272), (0.75, 0xA6C6C6), (1, 0xFFFFFF)),
    "red": _even(0x000000, 0xFF0000),
    "green": _even(0x000000, 0x00FF00),
    "blue": _even(0x000000, 0x3060FF),
}  # fmt: skip

COLORMAPS: tuple[str, ...] = tuple(_MAPS)
"""Names of the colour maps, the plain one first."""

HEAT = "heat"
"""The map for probabilities: over another image it is clear at its low end."""

LAYER_COLORMAP = "hot iron"
"""What a layer gets that names none."""


def colormap(name: str) -> Table:
    """Return the 256 colours (256, 3) of a map; grey for a name that is not known."""
    points = _MAPS.get(name, _MAPS["grey"])
    places = np.array([at for at, _ in points])
    colors = np.array([[color >> shift & 255 for shift in (16, 8, 0)] for _, color in points])
    entries = np.arange(256) / 255
    table = np.stack([np.interp(entries, places, colors[:, channel]) for channel in range(3)], axis=1)
    return np.floor(table + 0.5).astype(np.uint8)

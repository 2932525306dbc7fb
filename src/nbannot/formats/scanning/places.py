"""The geometry of a series from the places of its slices: a verdict in a few words."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.dicom.frames import Frame
from nbannot.formats.dicom.groups import SAME_DIRECTION, SAME_PLACE, plane_name
from nbannot.formats.dicom.volume import fitted_steps

Vectors = NDArray[np.float64]

# A gap is a whole number of missing slices when it is off by less than this share of a step.
_WHOLE = 0.05
# Shears of less than this are rounding, degrees.
_SHEARED = 0.05
_SHOWN = 6


@dataclass(slots=True)
class Pile:
    """Slices of one form and direction; their places are kept as plain numbers."""

    first: Frame
    direction: tuple[float, ...] | None
    points: array[float] = field(default_factory=lambda: array("d"))
    count: int = 0

    def takes(self, frame: Frame) -> bool:
        """Whether a frame of the same form has the same direction."""
        if self.direction is None or not frame.has_place or frame.orientation is None:
            return self.direction is None and not frame.has_place
        apart = (abs(a - b) for a, b in zip(self.direction, frame.orientation, strict=True))
        return max(apart) < SAME_DIRECTION

    def add(self, frame: Frame) -> None:
        """Count a frame, and keep its place."""
        self.count += 1
        if self.direction is not None and frame.position is not None:
            self.points.extend(frame.position)

    @property
    def name(self) -> str:
        """What tells this pile from others of its series."""
        if self.direction is not None:
            return plane_name(self.first)
        return self.first.stack or f"{self.first.header.columns}×{self.first.header.rows}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How slices lie: `slices` places, `frames` at each, `spacing` (k, j, i) in mm."""

    text: str
    slices: int
    frames: int
    spacing: tuple[float, float, float] | None
    missing: str = ""


def verdict_of(pile: Pile) -> Verdict:
    """Return how the slices of a pile lie, by the rules that reading follows."""
    size = pile.first.size
    if pile.direction is None:
        spacing = (1.0, size.row, size.column) if size.unit == "mm" else None
        text = {"frames": "clip", "mosaic": "mosaic"}.get(pile.first.stack, "picture")
        if text == "picture" and pile.count > 1:
            text = "pictures without a place"
        return Verdict(text, pile.count, 1, spacing)
    points, repeats = _places(pile)
    frames = pile.count // len(points)
    if repeats:
        uneven = f"{pile.count} slices at {len(points)} places"
    if len(points) == 1:
        return Verdict("single slice", 1, frames, (1.0, size.row, size.column))
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    usual = float(np.median(lengths))
    spacing = (round(usual, 6), size.row, size.column)
    fitted = fitted_steps(points)
    missing = ""
    if fitted is not None:
        text = _shear(pile, fitted[1])
        spacing = (round(float(np.linalg.norm(fitted[1])), 6), size.row, size.column)
    else:
        missing = _missing(lengths, usual)
        text = "missing slices" if missing else f"irregular: {lengths.min():.4g} to {lengths.max():.4g} mm"
    if repeats:
        text = f"{text}; {uneven}"
    return Verdict(text, len(points), frames, spacing, missing)


def _places(pile: Pile) -> tuple[Vectors, bool]:
    """Return the distinct places along the normal, and whether some have more slices than others."""
    points = np.frombuffer(pile.points, dtype=np.float64).reshape(-1, 3)
    axes = np.array(pile.direction)
    normal = np.cross(axes[:3], axes[3:])
    depth = np.round(points @ normal / SAME_PLACE)
    order = np.lexsort((points @ axes[3:], points @ axes[:3], depth))
    points = points[order]
    new = np.ones(len(points), dtype=bool)
    new[1:] = np.linalg.norm(np.diff(points, axis=0), axis=1) >= SAME_PLACE
    counts = np.diff(np.append(np.flatnonzero(new), len(points)))
    return points[new], bool(len(set(counts.tolist())) > 1)


def _shear(pile: Pile, step: Vectors) -> str:
    axes = np.array(pile.direction)
    normal = np.cross(axes[:3], axes[3:])
    cosine = abs(float(step @ normal)) / float(np.linalg.norm(step) * np.linalg.norm(normal))
    angle = math.degrees(math.acos(min(1.0, cosine)))
    return f"sheared {angle:.1f}°" if angle >= _SHEARED else "regular"


def _missing(lengths: Vectors, usual: float) -> str:
    """Say after which slices (counted from 1 along the normal) how many are missing; "" if it is not that."""
    ratio = lengths / usual
    if usual <= 0 or np.abs(ratio - np.rint(ratio)).max() > _WHOLE or ratio.min() < 0.5:
        return ""
    gaps = [(int(n) + 1, round(float(ratio[n])) - 1) for n in np.flatnonzero(np.rint(ratio) > 1)]
    if sum(count for _, count in gaps) > len(lengths):
        return ""
    told = [f"{count} after slice {after}" for after, count in gaps[:_SHOWN]]
    return ", ".join(told) + (f", and {len(gaps) - _SHOWN} more gaps" if len(gaps) > _SHOWN else "")

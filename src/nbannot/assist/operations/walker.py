"""The random walker's equations, solved a little at a time: progress is told, and it can be ended, between steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations.grids import Array, Flags, Spacing
from nbannot.formats.progress import Progress

TOLERANCE = 1e-4
"""Length of what is left of the equations, relative to that of the seeds' share, where solving ends."""
STEPS = 3000
"""Steps after which it ends even so."""
# So that no voxel is cut off (as in scikit-image).
_LEAST = 1e-10

Numbers = NDArray[np.float64]


def walked(values: Array, seeds: Array, beta: float, spacing: Spacing, tell: Progress) -> Array:
    """Return for each voxel the seed that a random walk from it most probably meets first.

    Voxels with a common face are joined with the weight exp(-β (difference / mm)² / (10 s)), s the standard
    deviation of all values (Grady 2006, weighted as in scikit-image). The probabilities solve a sparse linear
    system per seed (but the last: they add up to 1), here by conjugate gradients with Jacobi's preconditioner.

    Parameters
    ----------
    values
        (k, j, i), from 0 to 1.
    seeds
        Whole numbers of the same shape, 0 where there is none.
    beta
        How much edges hinder.
    spacing
        mm along (k, j, i).
    tell
        Told the progress; what it raises ends the work.
    """
    names = [int(name) for name in np.unique(seeds) if name]
    free = seeds == 0
    if not free.any() or len(names) == 1:
        return np.where(free, names[0], seeds).astype(seeds.dtype)
    weights = _weights(values, beta, spacing)
    degree = _neighbours(np.ones(values.shape), weights)
    best = np.full(values.shape, -np.inf)
    rest = np.ones(values.shape)
    found = seeds.copy()
    for n, name in enumerate(names[:-1]):
        low, high = n / (len(names) - 1), (n + 1) / (len(names) - 1)

        def told(part: float, low: float = low, high: float = high) -> None:
            tell(0.1 + 0.85 * (low + (high - low) * part), "Walking at random")

        share = _solved(weights, degree, free, (seeds == name).astype(np.float64), told)
        rest -= share
        better = free & (share > best)
        best[better] = share[better]
        found[better] = name
    found[free & (rest > best)] = names[-1]
    return found


def _weights(values: Array, beta: float, spacing: Spacing) -> list[NDArray[np.float32]]:
    """Return the weights between neighbours along each axis."""
    scale = -beta / (10 * float(values.std()))
    found = []
    for axis, step in enumerate(spacing):
        weight = np.square(np.diff(values, axis=axis) / np.float32(step))
        weight *= np.float32(scale)
        np.exp(weight, out=weight)
        weight += np.float32(_LEAST)
        found.append(weight)
    return found


def _neighbours(x: Numbers, weights: list[NDArray[np.float32]]) -> Numbers:
    """Return for each voxel the weighted sum of its neighbours."""
    total = np.zeros(x.shape)
    for axis, weight in enumerate(weights):
        low = tuple(slice(None, -1) if n == axis else slice(None) for n in range(3))
        high = tuple(slice(1, None) if n == axis else slice(None) for n in range(3))
        total[low] += weight * x[high]
        total[high] += weight * x[low]
    return total


def _solved(
    weights: list[NDArray[np.float32]],
    degree: Numbers,
    free: Flags,
    seeds: Numbers,
    told: Callable[[float], object],
) -> Numbers:
    """Return the probability of each voxel to meet these seeds first: 1 there, 0 at others."""
    left = _neighbours(seeds, weights) * free
    inverse = free / degree
    x = np.zeros(left.shape)
    start = float(np.linalg.norm(left))
    if start == 0:
        return seeds
    way = inverse * left
    size, far = float(np.vdot(left, way)), 0.0
    for _ in range(STEPS):
        done = float(np.linalg.norm(left)) / start
        if done <= TOLERANCE:
            break
        # What is left may grow for a few steps.
        far = min(max(math.log(done) / math.log(TOLERANCE), far), 1.0)
        told(far)
        pushed = (degree * way - _neighbours(way, weights)) * free
        length = size / float(np.vdot(way, pushed))
        x += length * way
        left -= length * pushed
        scaled = inverse * left
        before, size = size, float(np.vdot(left, scaled))
        way *= size / before
        way += scaled
    return np.where(free, x, seeds)

"""Down-sampled copies of images and masks for the 3-D view, made slice by slice."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError, UnknownItemError
from nbannot.host.messages import Json
from nbannot.host.pixels import compress, encode_image
from nbannot.host.planes import Planes
from nbannot.host.sketch import SHORT_INTEGERS, scaled, sketch_steps
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Grid
from nbannot.model.image import Image
from nbannot.model.masks import Mask

Values = NDArray[Any]
Factors = tuple[int, int, int]
Answer = tuple[Json, bytes]

MIN_EDGE, MAX_EDGE = 8, 512
"""Edges (voxels) that may be asked for."""
USUAL_EDGE = 256
"""What the 3-D view shows in the end."""

_CACHE_BYTES = 96 * 2**20
_UNFINISHED = 4


def factors_for(shape: tuple[int, int, int], edge: int) -> Factors:
    """Return how many voxels along (k, j, i) make one voxel of a preview of at most edge³."""
    k, j, i = (-(-size // edge) for size in shape)
    return k, j, i


def preview_affine(geometry: Grid, factors: Factors) -> NDArray[np.float64]:
    """Return the 4 × 4 map from index (k, j, i) of the preview to world, LPS mm.

    Voxel p covers the voxels p * f … p * f + f - 1 of the full grid, so index -0.5 is the same corner
    in both. The last voxels may reach beyond the full grid.

    Raises
    ------
    GeometryError
        When the planes form no regular grid.
    """
    if not isinstance(geometry, Geometry):
        raise GeometryError(
            "The planes of this image form no regular volume, so there is no 3-D picture",
            hint="Use the acquisition plane.",
        )
    f = np.asarray(factors, dtype=np.float64)
    affine = np.array(geometry.affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ ((f - 1) / 2)
    affine[:3, :3] *= f
    return affine


def block_means(values: Values, factors: Factors) -> Values:
    """Return the mean of each block of (k, j, i) voxels, float64; blocks at the end may be smaller.

    Values that are not finite do not count; a block without any other is NaN.
    """
    means = _Means(values.shape[1:], factors)
    return np.stack([means.of(values[k : k + factors[0]]) for k in range(0, len(values), factors[0])])


class _Means:
    def __init__(self, plane: tuple[int, ...], factors: Factors) -> None:
        self._rows = np.arange(0, plane[0], factors[1])
        self._columns = np.arange(0, plane[1], factors[2])
        ones = np.ones(plane, dtype=np.float64)
        self._count = self._sums(ones)

    def _sums(self, plane: Values) -> Values:
        rows = np.add.reduceat(plane, self._rows, axis=0, dtype=np.float64)
        return np.add.reduceat(rows, self._columns, axis=1)

    def of(self, planes: Values | list[Values]) -> Values:
        """Return the means of the blocks that these planes make, (j, i)."""
        total: Values = np.zeros_like(self._count)
        count: Values = np.zeros_like(self._count)
        for plane in planes:
            finite = np.isfinite(plane) if plane.dtype.kind == "f" else None
            if finite is None or finite.all():
                total += self._sums(plane)
                count += self._count
            else:
                total += self._sums(np.where(finite, plane, 0))
                count += self._sums(finite)
        with np.errstate(invalid="ignore"):
            means: Values = total / count
        return means


def block_labels(planes: Values, factors: Factors) -> Values:
    """Return the label of each block, (j, i): the commonest of its labels, 0 where under a quarter has any.

    A quarter keeps thin vessels that a plain majority would lose. Of labels equally common the
    largest wins.

    Parameters
    ----------
    planes
        (k, j, i) unsigned integers, at most ``factors[0]`` planes.
    factors
        Block size along (k, j, i).
    """
    if max(factors) == 1:
        first: Values = planes[0]
        return first
    _, fj, fi = factors
    count, rows, columns = planes.shape
    padded = np.pad(planes, ((0, 0), (0, -rows % fj), (0, -columns % fi)))
    blocks = padded.reshape(count, padded.shape[1] // fj, fj, padded.shape[2] // fi, fi)
    flat: Values = blocks.transpose(1, 3, 0, 2, 4).reshape(blocks.shape[1], blocks.shape[3], -1)
    result: Values = flat.max(axis=2)
    mixed = result != flat.min(axis=2)
    if mixed.any():
        result[mixed] = _commonest(flat[mixed])
    return result


def _commonest(rows: Values) -> Values:
    """Return the commonest value above 0 of each row, or 0."""
    ordered = np.sort(rows, axis=1)
    # Length of the run of equal values that ends here.
    run = np.ones(ordered.shape, dtype=np.int32)
    for n in range(1, ordered.shape[1]):
        run[:, n] += np.where(ordered[:, n] == ordered[:, n - 1], run[:, n - 1], 0)
    run[ordered == 0] = 0
    # The last of the longest runs.
    at = ordered.shape[1] - 1 - np.argmax(run[:, ::-1], axis=1)
    labelled = np.count_nonzero(ordered, axis=1)
    found = ordered[np.arange(len(ordered)), at]
    kept: Values = np.where(labelled * 4 >= ordered.shape[1], found, 0)
    return kept


@dataclass(slots=True)
class _Task:
    """A preview being made: `steps` yields between the slabs and then the answer."""

    steps: Iterator[Answer | None]
    stamp: object


class Previews:
    """Makes and keeps the previews of a document.

    Parameters
    ----------
    document
        Whose images and masks.
    read
        Gives a slice (j, i) of an image for a sketch, from its frame and number; None reads the image.
    """

    def __init__(self, document: Document, read: Callable[[Image, int, int], Values] | None = None) -> None:
        self._document = document
        self._read = read or Planes().read
        self._tasks: OrderedDict[str, _Task] = OrderedDict()
        self._done: OrderedDict[str, tuple[object, Answer]] = OrderedDict()

    def work(self, key: str, seconds: float) -> Answer | None:
        """Work on a preview for about this long; None when it is not finished yet.

        Parameters
        ----------
        key
            ``p/<image id>/<frame>/<edge>``, ``s/<image id>/<frame>/<edge>`` (a sketch, see
            `nbannot.host.sketch`) or ``q/<mask id>/<edge>``.
        seconds
            At least one slab is made, however short this is.

        Raises
        ------
        UnknownItemError
            When there is no such image, frame or mask, or the edge is out of range.
        GeometryError, FormatError
            When the image has no regular grid or is in colour.
        """
        stamp, start = self._plan(key)
        done = self._done.get(key)
        if done is not None and done[0] == stamp:
            self._done.move_to_end(key)
            return done[1]
        task = self._tasks.pop(key, None)
        if task is None or task.stamp != stamp:
            task = _Task(start(), stamp)
        end = time.monotonic() + seconds
        for answer in task.steps:
            if answer is not None:
                self._keep(key, stamp, answer)
                return answer
            if time.monotonic() >= end:
                break
        # Those that nobody waits for any more go first.
        self._tasks[key] = task
        while len(self._tasks) > _UNFINISHED:
            self._tasks.popitem(last=False)
        return None

    def _keep(self, key: str, stamp: object, answer: Answer) -> None:
        self._done[key] = stamp, answer
        self._done.move_to_end(key)
        held = sum(len(data) for _, (_, data) in self._done.values())
        while held > _CACHE_BYTES and len(self._done) > 1:
            _, (_, (_, data)) = self._done.popitem(last=False)
            held -= len(data)

    def _plan(self, key: str) -> tuple[object, Callable[[], Iterator[Answer | None]]]:
        """Return what the preview depends on, and how to start making it."""
        kind, _, rest = key.partition("/")
        parts = rest.rsplit("/", 1 if kind == "q" else 2)
        try:
            numbers = [int(part) for part in parts[1:]]
        except ValueError:
            numbers = []
        if kind not in ("p", "q", "s") or not numbers or not MIN_EDGE <= numbers[-1] <= MAX_EDGE:
            raise UnknownItemError("The browser asked for a preview that does not exist")
        edge = numbers[-1]
        if kind != "q":
            image = self._document.image(parts[0])
            frame = numbers[0]
            if len(numbers) != 2 or not 0 <= frame < image.frames:
                raise UnknownItemError(f"Frame {frame} does not exist")
            if kind == "s":
                return None, lambda: sketch_steps(image, frame, edge, self._read)
            return None, lambda: self._image_steps(image, frame, edge)
        with self._document.lock:
            mask = self._document.masks[parts[0]]
            revision = self._document.revision
            stamp = mask.fingerprint()
        return stamp, lambda: self._mask_steps(mask, edge, revision)

    def _image_steps(self, image: Image, frame: int, edge: int) -> Iterator[Answer | None]:
        """Make a preview; reading and decoding costs most, so a coarse one makes the usual one as well."""
        fine = f"p/{image.id}/{frame}/{USUAL_EDGE}"
        if edge >= USUAL_EDGE or image.is_loaded or fine in self._done:
            yield from _image_steps(image, frame, edge)
            return
        factors = factors_for(image.shape, edge)
        coarse = _Slabs(image, factors)
        usual = _Slabs(image, factors_for(image.shape, USUAL_EDGE))
        for k in range(image.shape[0]):
            plane = image.plane_array(k, t=frame)
            coarse.add(plane)
            usual.add(plane)
            yield None
        self._keep(fine, None, usual.answer())
        yield coarse.answer()

    def _mask_steps(self, mask: Mask, edge: int, revision: int) -> Iterator[Answer | None]:
        factors = factors_for(mask.image.shape, edge)
        affine = preview_affine(mask.image.geometry, factors)
        depth = mask.image.shape[0]
        slabs: list[Values] = []
        empty: Values | None = None
        filled = set(mask.nonzero_slices())
        for k in range(0, depth, factors[0]):
            ks = range(k, min(k + factors[0], depth))
            if filled.isdisjoint(ks) and empty is not None:
                slabs.append(empty)
                continue
            with self._document.lock:
                # What is recorded, not the live array: its revision is the document's.
                slab = block_labels(np.stack([mask.recorded(one) for one in ks]), factors)
            if filled.isdisjoint(ks):
                empty = slab
            slabs.append(slab)
            yield None
        values = np.stack(slabs)
        head = _head(values, affine, factors, 1.0, 0.0)
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        yield {**head, "codec": "zstd", "revision": revision}, compress(little)


def _image_steps(image: Image, frame: int, edge: int) -> Iterator[Answer | None]:
    slabs = _Slabs(image, factors_for(image.shape, edge))
    for k in range(image.shape[0]):
        if slabs.add(image.plane_array(k, t=frame)):
            yield None
    yield slabs.answer()


class _Slabs:
    """The preview of an image frame, fed plane by plane."""

    def __init__(self, image: Image, factors: Factors) -> None:
        if image.is_color:
            raise FormatError("A colour image has no 3-D picture")
        self._affine = preview_affine(image.geometry, factors)
        self._factors = factors
        self._dtype = image.dtype
        self._means = _Means(image.shape[1:], factors)
        self._left = image.shape[0]
        self._planes: list[Values] = []
        self._slabs: list[Values] = []

    def add(self, plane: Values) -> bool:
        """Take the next plane; whether it ended a slab."""
        self._left -= 1
        self._planes.append(plane)
        if self._left and len(self._planes) < self._factors[0]:
            return False
        slab = self._means.of(self._planes)
        self._planes.clear()
        # What will be rounded anyway takes less memory so.
        exact = self._dtype.name in SHORT_INTEGERS
        self._slabs.append(np.rint(slab).astype(self._dtype) if exact else slab.astype(np.float32))
        return True

    def answer(self) -> Answer:
        values, slope, intercept = scaled(np.stack(self._slabs), self._dtype)
        codec, data = encode_image(values.reshape(-1, values.shape[-1]))
        return {**_head(values, self._affine, self._factors, slope, intercept), "codec": codec}, data


def _head(values: Values, affine: Values, factors: Factors, slope: float, intercept: float) -> Json:
    return {
        "dtype": values.dtype.name,
        "shape": list(values.shape),
        "affine": affine.tolist(),
        "factors": list(factors),
        "slope": slope,
        "intercept": intercept,
    }

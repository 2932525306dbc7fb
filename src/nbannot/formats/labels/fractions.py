"""The fractions of a FRACTIONAL segmentation as images, one for each segment."""

from __future__ import annotations

import numpy as np

from nbannot.errors import FormatError
from nbannot.formats.dicom.segments import SegFile, is_segmentation, read_segments
from nbannot.formats.labels.slices import grid_of
from nbannot.model.geometry import Grid, Stack
from nbannot.model.image import Image, Window


def fraction_images(path: str) -> dict[str, Image]:
    """Return for each segment of a FRACTIONAL segmentation an image of values from 0 to 1, by its name.

    {} for anything else. Each lies on the smallest regular grid that its file's frames form; places
    without a frame are 0.

    Raises
    ------
    FormatError
        When the file is damaged.
    """
    seg = read_segments(path) if is_segmentation(path) else None
    if seg is None or seg.kind != "FRACTIONAL":
        return {}
    geometry, slices = _grid(seg)
    images: dict[str, Image] = {}
    for number, segment in sorted(seg.segments.items()):
        array = np.zeros(geometry.shape, np.float32)
        for frame in seg.frames:
            if frame.segment == number:
                array[slices[frame.index]] = seg.pixels(frame.index) / np.float32(seg.highest)
        name, count = segment.name, 2
        while name in images:
            name, count = f"{segment.name} ({count})", count + 1
        images[name] = Image(
            array, geometry, name=name, modality="SEG", uri=path, windows=[Window(0.5, 1, "0–1")],
            notes=_notes(segment.algorithm),
        )  # fmt: skip
    return images


def _notes(algorithm: str) -> tuple[str, ...]:
    return (f"made by algorithm: {algorithm}",) if algorithm else ()


def _grid(seg: SegFile) -> tuple[Grid, dict[int, int]]:
    planes = {frame.index: frame.plane for frame in seg.frames if frame.plane is not None}
    if len(planes) == len(seg.frames):
        return grid_of(planes, seg.frame_of_reference or None)
    # Without places the frames of each segment are pictures in their order.
    slices: dict[int, int] = {}
    counts: dict[int | None, int] = {}
    for frame in seg.frames:
        slices[frame.index] = counts[frame.segment] = counts.get(frame.segment, -1) + 1
    if not slices:
        raise FormatError(f"{seg.header.path} holds no frame")
    return Stack.picture(seg.shape, frames=max(counts.values()) + 1), slices


__all__ = ["fraction_images"]

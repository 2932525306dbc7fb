"""DICOM SEG in: frames find their slices by reference or place, segments become masks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.dicom.categories import unlike
from nbannot.formats.dicom.segments import (
    TRACKING_ID,
    TRACKING_UID,
    SegFile,
    SegFrame,
    SegmentInfo,
    is_segmentation,
    read_segments,
)
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.layers import FlatPart, Layer, flat_part, layers_of
from nbannot.formats.labels.placing import place
from nbannot.formats.labels.slices import Slices, grid_of
from nbannot.model.annotations import Tag
from nbannot.model.attributes import Attribute
from nbannot.model.geometry import Grid
from nbannot.model.image import Image
from nbannot.model.schema import segment_key

# Differences of places, in voxels, that are worth a note.
_TOLD = 0.01
# From this part of 1 on a voxel of a FRACTIONAL segmentation is inside.
THRESHOLD = 0.5


@dataclass(slots=True)
class _Part:
    """Frames that lie on slices of one image: ``frames`` as (frame, k)."""

    image: Image
    t: int = 0
    frames: list[tuple[SegFrame, int]] = field(default_factory=list)


def matches(path: str, start: bytes) -> bool:
    """Whether a file is a DICOM segmentation."""
    return start[128:132] == b"DICM" and is_segmentation(path)


def read_segmentation(path: str, findings: Findings) -> None:
    """Read a DICOM SEG into masks: one, or more where segments overlap.

    Raises
    ------
    FormatError
        When the file is damaged or cannot be decoded.
    GeometryError
        When it belongs to other images, or lies on another grid and must not be resampled.
    """
    seg = read_segments(path)
    _tell(seg, findings)
    parts, rest = _parts(seg, findings)
    several = {(part.image.id, part.t) for part in parts}
    for part in parts:
        layers = _layers(seg, [(frame, k) for frame, k in part.frames], part.image.shape)
        timed = len([one for one in several if one[0] == part.image.id]) > 1
        for layer in layers:
            _add(seg, findings, part.image, layer, f" · frame {part.t + 1}" if timed else "")
    if rest:
        _add_elsewhere(seg, rest, findings, matched=bool(parts))


def _tell(seg: SegFile, findings: Findings) -> None:
    if seg.kind == "FRACTIONAL":
        findings.note(
            f"fractions of {THRESHOLD:g} and more were taken as inside; nb.read(path) without image= gives "
            "the fractions themselves as images"
        )
    segments = [one for number, one in seg.segments.items() if number not in seg.background]
    makers = Counter(one.algorithm for one in segments if one.algorithm not in ("", "MANUAL"))
    for maker, count in makers.items():
        findings.note(f"{count} segment{'s' if count > 1 else ''} made by algorithm: {maker}")
    lost = {what for one in segments for what in one.more}
    if any(unlike(one.category, one.code) for one in segments):
        lost.add("categories")
    if lost:
        findings.note(f"not kept of the segments' codes: {', '.join(sorted(lost))}")


def _parts(seg: SegFile, findings: Findings) -> tuple[list[_Part], list[SegFrame]]:
    """Return the frames by image and time, and those that lie on no slice of an image."""
    slices = Slices(findings.images)
    parts: dict[tuple[str, int], _Part] = {}
    rest: list[SegFrame] = []
    by_place, apart = 0, 0.0
    fitting = _images_by_place(seg, findings)
    for frame in seg.frames:
        found = slices.referenced(frame.references, frame.plane, seg.shape)
        if found is None and frame.plane is not None:
            found = slices.at(frame.plane, fitting)
            by_place += found is not None
        if found is None:
            rest.append(frame)
            continue
        apart = max(apart, found.apart)
        part = parts.setdefault((found.image.id, found.t), _Part(found.image, found.t))
        part.frames.append((frame, found.k))
    if by_place and any(frame.references for frame in seg.frames):
        findings.note(f"{by_place} of {len(seg.frames)} frames were matched by their place, not by reference")
    if apart > _TOLD:
        findings.note(f"positions differ from the image's by up to {apart:.2g} of a voxel (rounding)")
    return list(parts.values()), rest


def _images_by_place(seg: SegFile, findings: Findings) -> list[Image]:
    """Return the images that share the segmentation's world, those that it refers to first."""
    named = [one for one in findings.images if one.series_uid and one.series_uid in seg.series]
    own = seg.frame_of_reference
    shared = [one for one in findings.images if own and one.frame_of_reference == own]
    # Without a frame of reference on one side the place itself must tell.
    unknown = [
        one for one in findings.images if not (own and one.frame_of_reference) and one.geometry.patient_space
    ]
    return list({one.id: one for one in (*named, *shared, *unknown)}.values())


def _layers(seg: SegFile, frames: Sequence[tuple[SegFrame, int]], shape: tuple[int, ...]) -> list[Layer]:
    """Return the segments as arrays (k, j, i), as few as keep overlapping segments apart."""
    if seg.kind == "LABELMAP":
        return [_labelmap(seg, frames, shape)]
    limit = 1 if seg.kind == "BINARY" else max(THRESHOLD * seg.highest, 1)
    by_segment: dict[int, list[tuple[SegFrame, int]]] = defaultdict(list)
    for frame, k in frames:
        if frame.segment is not None:
            by_segment[frame.segment].append((frame, k))
    numbers = sorted({*by_segment, *seg.segments} - seg.background)
    if numbers and not 0 < numbers[0] <= numbers[-1] <= 65535:
        raise FormatError(f"{seg.header.path} is damaged: a frame is of segment {numbers[-1]}")
    wide = np.uint8 if max(numbers, default=0) <= 255 else np.uint16
    segments = ((number, list(_planes(seg, by_segment[number], limit))) for number in numbers)
    return layers_of(segments, shape, wide)


def _planes(seg: SegFile, frames: Iterable[tuple[SegFrame, int]], limit: float) -> Iterator[FlatPart]:
    """Yield slice, window and flags of the frames that hold a voxel."""
    for frame, k in frames:
        part = flat_part(k, seg.pixels(frame.index) >= limit)
        if part is not None:
            yield part


def _labelmap(seg: SegFile, frames: Iterable[tuple[SegFrame, int]], shape: tuple[int, ...]) -> Layer:
    layer = Layer(np.zeros(shape, np.uint8 if seg.header.allocated == 8 else np.uint16))
    none = sorted(seg.background - {0})
    used = np.zeros(65536, dtype=bool)
    for frame, k in frames:
        values = seg.pixels(frame.index)
        plane = np.where(np.isin(values, none), 0, values) if none else values
        layer.array[k] = plane
        used[np.unique(plane)] = True
    layer.numbers = sorted(({int(n) for n in np.flatnonzero(used)} | set(seg.segments)) - seg.background)
    return layer


def _add(seg: SegFile, findings: Findings, image: Image, layer: Layer, suffix: str = "") -> None:
    """Add a mask of one layer, its labels, and a tag for each tracked segment."""
    segments, tracked = {}, []
    for number in layer.numbers:
        info = seg.segments.get(number)
        if info is None:
            info = SegmentInfo(number, f"segment {number}")
            findings.note(f"segment {number} is not described in the file")
        name = findings.label(info.name, color=info.color, code=info.code)
        segments[number] = name
        if info.tracking_id or info.tracking_uid:
            tracked.append((info, name))
    name = next(iter(segments.values())) if len(segments) == 1 else "Segmentation"
    mask = findings.mask(f"{name}{suffix}", image, layer.array, segments)
    for info, label in tracked:
        known = findings.labels[label]
        wanted = [one for one in (TRACKING_ID, TRACKING_UID) if one not in {a.name for a in known.attributes}]
        findings.labels[label] = replace(known, attributes=(*known.attributes, *map(Attribute, wanted)))
        answers = {TRACKING_ID: info.tracking_id, TRACKING_UID: info.tracking_uid}
        findings.add(
            [
                Tag(
                    label,
                    scope="lesion",
                    image=image.id,
                    lesion=segment_key(mask.id, info.number),
                    attributes={key: text for key, text in answers.items() if text},
                )
            ]
        )


def _add_elsewhere(seg: SegFile, rest: list[SegFrame], findings: Findings, *, matched: bool) -> None:
    """Put frames that lie on no slice of an image where they belong, or say that they do not."""
    image = _target(seg, findings)
    full = [frame for frame in rest if seg.pixels(frame.index).any()]
    if matched or not full:
        # The others fit: what is left lies before, behind or between the slices.
        if full:
            findings.note(f"{len(full)} frames lie on no slice of the image and are left out")
        if not matched:
            _add(
                seg, findings, image, Layer(np.zeros(image.shape, np.uint8), sorted(set(seg.segments) - {0}))
            )
        return
    geometry, order = _grid(seg, rest, findings, image)
    for layer in _layers(seg, [(frame, order[frame.index]) for frame in rest], geometry.shape):
        layer.array = place(layer.array, geometry, findings, image)
        _add(seg, findings, image, layer)


def _target(seg: SegFile, findings: Findings) -> Image:
    """Return the image that a segmentation on another grid belongs to, or refuse it."""
    for frame in seg.frames:
        for uid, _ in frame.references:
            found = findings.image_of(instance=uid)
            if found is not None:
                return found
    fitting = _images_by_place(seg, findings)
    if not fitting:
        raise GeometryError(
            f"{findings.path} was made on other images: no slice that it refers to is there, and its frame of "
            "reference is another",
            hint="Give the image that it was made on as image=.",
        )
    return fitting[0]


def _grid(
    seg: SegFile, frames: Sequence[SegFrame], findings: Findings, image: Image
) -> tuple[Grid, dict[int, int]]:
    planes = {frame.index: frame.plane for frame in frames if frame.plane is not None}
    if len(planes) < len(frames):
        rows, columns = seg.shape
        raise GeometryError(
            f"{findings.path} has frames of {rows} × {columns} pixels without a place in the patient that do "
            f"not refer to a slice of {image.name or 'the image'}",
            hint="Give the image that it was made on as image=.",
        )
    return grid_of(planes, seg.frame_of_reference or None)


__all__ = ["THRESHOLD", "matches", "read_segmentation"]

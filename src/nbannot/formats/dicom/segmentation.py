"""Masks as DICOM Segmentation (PS3.3 A.51, A.92), slice by slice, so that no grid is needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbannot.errors import FormatError, StoreError
from nbannot.formats.dicom.algorithms import Algorithm, algorithms_of, named
from nbannot.formats.dicom.categories import TISSUE, category_of
from nbannot.formats.dicom.colors import lab_of
from nbannot.formats.dicom.derived import (
    Instance,
    Sources,
    code_item,
    decimal,
    derived_dataset,
    keep,
    sop_item,
    sources_of,
)  # fmt: skip
from nbannot.formats.dicom.encoding import UNDEFINED, begun, element, encoded, numbers, sequence, text
from nbannot.formats.dicom.header import SEGMENTATIONS
from nbannot.formats.dicom.segments import TRACKING_ID, TRACKING_UID, read_segments
from nbannot.model.document import Document
from nbannot.model.geometry import Plane
from nbannot.model.image import Image
from nbannot.model.labels import Code, Label
from nbannot.model.masks import Mask
from nbannot.model.schema import segment_key

SegmentationType = Literal["BINARY", "FRACTIONAL", "LABELMAP"]
Values = NDArray[Any]

_CONTENT, _POSITION, _ORIENTATION = 0x00209111, 0x00209113, 0x00209116
_SOURCES, _IDENTITY, _PER_FRAME, _PIXELS = 0x00089124, 0x0062000A, 0x52009230, 0x7FE00010
# Lengths have 32 bits, and the last of them means none.
_LARGEST = 0xFFFFFFFE - 1
# What stands for 1 in FRACTIONAL segmentations.
_HIGHEST = 255
_SEGMENTATION = Code("113076", "DCM", "Segmentation")
_PURPOSE = Code("121322", "DCM", "Source image for image processing operation")
_BACKGROUND = Code("125040", "DCM", "Background")
_RELATION = Code("309825002", "SCT", "Spatial and Relational Concept")
_AI = Code("123110", "DCM", "Artificial Intelligence")


@dataclass(frozen=True, slots=True)
class _Segment:
    number: int
    mask: Mask
    value: int
    name: str
    label: Label | None
    algorithm: Algorithm
    tracking: tuple[str, str]
    fractions: Values | None

    def plane(self, k: int) -> Values:
        """Return slice k: 0 and 1, or fractions from 0 to `_HIGHEST`."""
        if self.fractions is None:
            return np.asarray(self.mask.array[k] == self.value).view(np.uint8)
        return np.asarray(np.rint(self.fractions[k] * _HIGHEST), dtype=np.uint8)


class _Frame:
    """One frame as it is now; flags are kept in bits."""

    def __init__(self, k: int, segment: int, pixels: Values, *, flags: bool = False) -> None:
        self.k, self.segment = k, segment
        self._shape, self._flags = pixels.shape, flags
        self._kept = np.packbits(pixels, bitorder="little") if flags else pixels

    @property
    def pixels(self) -> Values:
        """(rows, columns)."""
        if not self._flags:
            return self._kept
        size = self._shape[0] * self._shape[1]
        return np.unpackbits(self._kept, bitorder="little")[:size].reshape(self._shape)

    def bits(self) -> Values | None:
        """Return the bits as they are stored, where they fill whole bytes."""
        return self._kept if self._flags and self._shape[0] * self._shape[1] % 8 == 0 else None


def write_segmentation(
    path: str,
    item: Mask | Document,
    labels: Mapping[str, Label],
    *,
    segmentation_type: SegmentationType = "BINARY",
    compress: bool = True,
    algorithm: str = "",
    fractions: Mapping[str, ArrayLike] | None = None,
    image: Image | None = None,
) -> None:
    """Write masks as one DICOM SEG that refers to the instances they were drawn on, and check it.

    Parameters
    ----------
    path
        File to write.
    item
        A mask, or a document with masks on one image.
    labels
        Labels by name, for codes and colours.
    segmentation_type
        "BINARY", "LABELMAP" (segments must not overlap) or "FRACTIONAL".
    compress
        Whether LABELMAP and FRACTIONAL are run-length coded; BINARY never is.
    algorithm
        "NAME VERSION" of what made the segments; empty takes it from the document's history, where
        what has none is MANUAL.
    fractions
        For FRACTIONAL: values from 0 to 1, arrays (k, j, i), by label; a segment without is 0 and 1.
    image
        Of a document with masks on several images, whose masks to write.

    Raises
    ------
    FormatError
        When the image is not from DICOM files, there is no labelled voxel, or the type cannot hold it.
    StoreError
        When a source file is gone, or what was written does not read back equal.
    """
    if segmentation_type not in get_args(SegmentationType):
        raise FormatError(
            f"There is no segmentation type {segmentation_type!r}",
            hint=f"Known: {', '.join(get_args(SegmentationType))}.",
        )
    segments = _segments(item, labels, image, algorithm, fractions or {})
    target = segments[0].mask.image
    sources = sources_of(target)
    overlap = _overlap(segments, target.shape[0])
    kind = segmentation_type
    if overlap and kind == "LABELMAP":
        raise FormatError("The segments overlap, which a LABELMAP cannot hold", hint="Write it as BINARY.")
    frames = list(_labelmap(segments, target) if kind == "LABELMAP" else _frames(segments, target, kind))
    ds = derived_dataset(sources, SEGMENTATIONS[kind == "LABELMAP"], "SEG", "Segmentation")
    _describe(ds, kind, target, segments, overlap=overlap)
    groups = _place(ds, kind, target, sources, frames)
    _refer(ds, sources)
    pixels = _pixels(ds, path, kind, frames, compress=compress)
    keep(ds, path, lambda written: _check(written, path, frames), (groups, *pixels))


def _segments(
    item: Mask | Document,
    labels: Mapping[str, Label],
    image: Image | None,
    algorithm: str,
    fractions: Mapping[str, ArrayLike],
) -> list[_Segment]:
    masks = [item] if isinstance(item, Mask) else list(item.masks)
    masks = [mask for mask in masks if image is None or mask.image is image or mask.image.id == image.id]
    made = algorithms_of(item, algorithm)
    given = Algorithm("AUTOMATIC", *named(algorithm)) if algorithm else Algorithm("MANUAL")
    tracked = _tracking(item)
    found: list[_Segment] = []
    for mask in masks:
        used = set(mask.used_values())
        for segment in mask.segments:
            values = _fractions(segment.label, fractions, mask)
            if segment.value in used or values is not None:
                key = segment_key(mask.id, segment.value)
                found.append(
                    _Segment(
                        len(found) + 1, mask, segment.value, segment.label, labels.get(segment.label),
                        made.get(key, given), tracked.get(key, ("", "")), values,
                    )
                )  # fmt: skip
    if not found:
        what = f"Mask {item.name!r} is" if isinstance(item, Mask) else "The masks are"
        raise FormatError(f"{what} empty", hint="A DICOM SEG needs at least one voxel.")
    if len({one.mask.image.id for one in found}) > 1:
        raise FormatError(
            "The masks lie on several images, but a DICOM SEG is of one",
            hint="Give image= the one whose masks to write.",
        )
    return found


def _fractions(label: str, given: Mapping[str, ArrayLike], mask: Mask) -> Values | None:
    if label not in given:
        return None
    values = np.asarray(given[label])
    if values.shape != mask.array.shape:
        raise FormatError(
            f"The fractions of {label!r} have shape {values.shape}, its mask {mask.array.shape}"
        )
    if not (values.min() >= 0 and values.max() <= 1):
        raise FormatError(f"The fractions of {label!r} are not all from 0 to 1")
    return values


def _tracking(item: Mask | Document) -> dict[str, tuple[str, str]]:
    """Return Tracking ID and UID by segment, from the answers about it."""
    from pydicom.uid import generate_uid

    found = {}
    for tag in item.tags if isinstance(item, Document) else ():
        name, uid = (str(tag.attributes.get(key, "")) for key in (TRACKING_ID, TRACKING_UID))
        if tag.scope == "lesion" and (name or uid):
            found[tag.lesion] = (name or tag.label, uid or generate_uid())
    return found


def _overlap(segments: Sequence[_Segment], depth: int) -> bool:
    if len({one.mask.id for one in segments}) == 1 and not any(one.fractions is not None for one in segments):
        return False
    for k in range(depth):
        total = np.zeros(segments[0].mask.array.shape[1:], np.uint16)
        for segment in segments:
            total += segment.plane(k) > 0
        if total.max() > 1:
            return True
    return False


def _frames(segments: Sequence[_Segment], image: Image, kind: SegmentationType) -> Iterator[_Frame]:
    """Yield the slices of each segment that hold a voxel."""
    factor = _HIGHEST if kind == "FRACTIONAL" else 1
    for segment in segments:
        scale = 1 if segment.fractions is not None else factor
        for k in range(image.shape[0]):
            plane = segment.plane(k)
            if plane.any():
                plane = plane * np.uint8(scale) if scale > 1 else plane
                yield _Frame(k, segment.number, plane, flags=kind == "BINARY")


def _labelmap(segments: Sequence[_Segment], image: Image) -> Iterator[_Frame]:
    dtype = np.uint8 if len(segments) <= 255 else np.uint16
    tables = {}
    for mask in {one.mask.id: one.mask for one in segments}.values():
        tables[mask.id] = mask, np.zeros(np.iinfo(mask.array.dtype).max + 1, dtype)
    for segment in segments:
        tables[segment.mask.id][1][segment.value] = segment.number
    for k in range(image.shape[0]):
        plane = np.zeros(image.shape[1:], dtype)
        for mask, table in tables.values():
            if mask.array[k].any():
                plane += table[mask.array[k]]
        if plane.any():
            yield _Frame(k, 0, plane)


def _describe(
    ds: Any, kind: SegmentationType, image: Image, segments: Sequence[_Segment], *, overlap: bool
) -> None:
    """Set what is said about all frames, and the segments (PS3.3 C.8.20.2, C.8.20.4)."""
    ds.InstanceNumber, ds.ContentLabel = 1, "SEGMENTATION"
    ds.ContentDescription, ds.ContentCreatorName = "", ""
    ds.ContentDate, ds.ContentTime = ds.InstanceCreationDate, ds.InstanceCreationTime
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.SegmentationType, ds.SegmentsOverlap = kind, "YES" if overlap else "NO"
    if kind == "FRACTIONAL":
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "PROBABILITY", _HIGHEST
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.Rows, ds.Columns = image.shape[1:]
    ds.LossyImageCompression, ds.BurnedInAnnotation = "00", "NO"
    items = [_segment_item(segment) for segment in segments]
    if kind == "LABELMAP":
        ds.PixelPaddingValue = 0
        items.insert(0, _segment_of(0, "Background", _RELATION, _BACKGROUND, Algorithm("MANUAL")))
    ds.SegmentSequence = items


def _segment_item(segment: _Segment) -> Any:
    code = segment.label.code if segment.label is not None else None
    item = _segment_of(segment.number, segment.name, category_of(code), code or TISSUE, segment.algorithm)
    if segment.label is not None and segment.label.color:
        item.RecommendedDisplayCIELabValue = list(lab_of(segment.label.color))
    if segment.tracking[1]:
        item.TrackingID, item.TrackingUID = segment.tracking[0][:64], segment.tracking[1]
    return item


def _segment_of(number: int, name: str, category: Code, kind: Code, made: Algorithm) -> Any:
    from pydicom import Dataset

    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, name[:64]
    item.SegmentedPropertyCategoryCodeSequence = [code_item(category)]
    item.SegmentedPropertyTypeCodeSequence = [code_item(kind)]
    item.SegmentAlgorithmType = made.type or "MANUAL"
    if item.SegmentAlgorithmType != "MANUAL":
        item.SegmentAlgorithmName = made.name[:64]
        if made.version:
            identity = Dataset()
            identity.AlgorithmFamilyCodeSequence = [code_item(_AI)]
            identity.AlgorithmName, identity.AlgorithmVersion = made.name[:64], made.version[:64]
            item.SegmentationAlgorithmIdentificationSequence = [identity]
    return item


def _place(
    ds: Any, kind: SegmentationType, image: Image, sources: Sources, frames: Sequence[_Frame]
) -> bytes:
    """Set what all frames share, and return what each says: which segment, where, drawn on what (PS3.3 C.7.6.16)."""
    from pydicom import Dataset
    from pydicom.uid import generate_uid

    placed = image.geometry.patient_space
    shared = Dataset()
    orientations = [_orientation(image.geometry.plane(k), sources.slices[k]) for k in range(image.shape[0])]
    one_way = len(set(orientations)) == 1
    if placed:
        ds.FrameOfReferenceUID = image.frame_of_reference or generate_uid()
        if "PositionReferenceIndicator" not in ds:
            ds.PositionReferenceIndicator = ""
        shared.PixelMeasuresSequence = [_measures(image, sources)]
        if one_way:
            shared.PlaneOrientationSequence = [_orientation_item(orientations[0])]
    else:
        ds.pop("PositionReferenceIndicator", None)
        ds.PatientOrientation = list(image.orientation_labels or ())
    ds.SharedFunctionalGroupsSequence = [shared]
    ranks = {k: n for n, k in enumerate(sorted({frame.k for frame in frames}), start=1)}
    places = {k: _slice_groups(image, sources, k, None if one_way else orientations[k]) for k in ranks}
    identities = {number: _identity(number) for number in {frame.segment for frame in frames}}
    groups = []
    for frame in frames:
        parts = dict(places[frame.k])
        parts[_CONTENT] = _content(frame, kind, ranks, placed=placed)
        if kind != "LABELMAP":
            parts[_IDENTITY] = identities[frame.segment]
        groups.append(b"".join(parts[tag] for tag in sorted(parts)))
    ds.NumberOfFrames = len(frames)
    _dimensions(ds, kind, placed=placed)
    return sequence(_PER_FRAME, groups)


def _slice_groups(
    image: Image, sources: Sources, k: int, orientation: tuple[str, ...] | None
) -> dict[int, bytes]:
    """Return what is said about every frame on a slice, encoded, by tag."""
    from pydicom import Dataset

    found = {_SOURCES: _derivation(sources.slices[k])}
    if image.geometry.patient_space:
        position = Dataset()
        position.ImagePositionPatient = _position(image.geometry.plane(k), sources.slices[k])
        found[_POSITION] = position
        if orientation is not None:
            found[_ORIENTATION] = _orientation_item(orientation)
    return {tag: sequence(tag, [encoded(item)]) for tag, item in found.items()}


def _identity(number: int) -> bytes:
    return sequence(_IDENTITY, [element(0x0062000B, "US", struct.pack("<H", number))])


def _content(frame: _Frame, kind: SegmentationType, ranks: Mapping[int, int], *, placed: bool) -> bytes:
    rank = ranks[frame.k] if placed else frame.k + 1
    stack = b"" if placed else text(0x00209056, "SH", "1") + numbers(0x00209057, frame.k + 1)
    indices = numbers(0x00209157, *((rank,) if kind == "LABELMAP" else (frame.segment, rank)))
    return sequence(_CONTENT, [stack + indices])


def _dimensions(ds: Any, kind: SegmentationType, *, placed: bool) -> None:
    from pydicom import Dataset
    from pydicom.uid import generate_uid

    organization = Dataset()
    organization.DimensionOrganizationUID = generate_uid()
    ds.DimensionOrganizationSequence = [organization]
    place = (0x00200032, 0x00209113) if placed else (0x00209057, 0x00209111)
    pointers = [place] if kind == "LABELMAP" else [(0x0062000B, 0x0062000A), place]
    ds.DimensionIndexSequence = []
    for pointer, group in pointers:
        item = Dataset()
        item.DimensionOrganizationUID = organization.DimensionOrganizationUID
        item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
        ds.DimensionIndexSequence.append(item)


def _orientation(plane: Plane, source: Instance) -> tuple[str, ...]:
    """Return the direction cosines as their file wrote them, else from the geometry."""
    if len(source.orientation) == 6:
        return source.orientation
    steps = (plane.column_step, plane.row_step)
    return tuple(decimal(value) for step in steps for value in step / np.linalg.norm(step))


def _orientation_item(cosines: tuple[str, ...]) -> Any:
    from pydicom import Dataset

    item = Dataset()
    item.ImageOrientationPatient = list(cosines)
    return item


def _position(plane: Plane, source: Instance) -> list[str]:
    return list(source.position) if len(source.position) == 3 else [decimal(value) for value in plane.origin]


def _measures(image: Image, sources: Sources) -> Any:
    from pydicom import Dataset

    item = Dataset()
    gap, row, column = image.geometry.spacing
    item.PixelSpacing = [decimal(row), decimal(column)]
    thickness = sources.header.get("SliceThickness")
    item.SliceThickness = decimal(float(thickness) if thickness else gap)
    if image.geometry.kind == "grid":
        affine, normal = image.geometry.affine, image.geometry.normal
        item.SpacingBetweenSlices = decimal(abs(float(affine[:3, 0] @ normal)))
    return item


def _derivation(source: Instance) -> Any:
    from pydicom import Dataset

    item, reference = Dataset(), sop_item(source)
    if source.frame is not None:
        reference.ReferencedFrameNumber = source.frame
    reference.PurposeOfReferenceCodeSequence = [code_item(_PURPOSE)]
    item.SourceImageSequence = [reference]
    item.DerivationCodeSequence = [code_item(_SEGMENTATION)]
    return item


def _refer(ds: Any, sources: Sources) -> None:
    from pydicom import Dataset

    series = Dataset()
    series.SeriesInstanceUID = sources.header.SeriesInstanceUID
    series.ReferencedInstanceSequence = [
        sop_item(one) for one in {one.uid: one for one in sources.slices}.values()
    ]
    ds.ReferencedSeriesSequence = [series]


def _pixels(
    ds: Any, path: str, kind: SegmentationType, frames: Sequence[_Frame], *, compress: bool
) -> list[bytes | memoryview]:
    """Say how the pixels are stored, and return the element that holds them in parts."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.encoders.base import RLELosslessEncoder
    from pydicom.uid import RLELossless

    bits = 1 if kind == "BINARY" else frames[0].pixels.dtype.itemsize * 8
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    vr = "OB" if bits <= 8 else "OW"
    if kind == "BINARY" or not compress:
        parts = _packed(frames) if kind == "BINARY" else [frame.pixels.tobytes() for frame in frames]
        size = sum(map(len, parts))
        if size > _LARGEST:
            raise FormatError(
                f"{path} would hold {size / 2**30:.1f} GiB of plain pixels, of which DICOM takes 4",
                hint='Write segmentation_type="LABELMAP", or fewer segments at a time.',
            )
        return [begun(_PIXELS, vr, size + size % 2), *parts, b"\0" * (size % 2)]
    ds.file_meta.TransferSyntaxUID = RLELossless
    options = {
        "rows": ds.Rows,
        "columns": ds.Columns,
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "bits_allocated": bits,
        "bits_stored": bits,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        # gdcm's encoder ends the process at odd sizes.
        "encoding_plugin": "pylibjpeg",
    }
    coded = encapsulate([RLELosslessEncoder.encode(frame.pixels, **options) for frame in frames])
    return [begun(_PIXELS, "OB", UNDEFINED), coded, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)]


def _packed(frames: Sequence[_Frame]) -> list[memoryview]:
    """Return the frames as one stream of bits in parts, the lowest bit first (PS3.5 8.1.1)."""
    parts, left = [], np.zeros(0, np.uint8)
    for frame in frames:
        whole_bytes = frame.bits()
        if whole_bytes is not None:
            parts.append(whole_bytes.data.cast("B"))
            continue
        flat = np.concatenate((left, frame.pixels.ravel()))
        whole = flat.size // 8 * 8
        parts.append(np.packbits(flat[:whole], bitorder="little").data.cast("B"))
        left = flat[whole:]
    parts.append(np.packbits(left, bitorder="little").data.cast("B"))
    return parts


def _check(written: str, path: str, frames: Sequence[_Frame]) -> None:
    found = read_segments(written)
    same = len(found.frames) == len(frames) and all(
        (kept.segment or 0) == frame.segment and np.array_equal(found.pixels(kept.index), frame.pixels)
        for kept, frame in zip(found.frames, frames, strict=True)
    )
    if not same:
        raise StoreError(f"{path} does not read back as it was written")

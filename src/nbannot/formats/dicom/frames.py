"""Frames: every 2-D picture of a DICOM file with its place, its scaling and what tells it apart."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.header import Header
from nbannot.formats.dicom.mosaic import is_mosaic, mosaic_of
from nbannot.formats.dicom.nuclear import nuclear_keys, nuclear_places
from nbannot.formats.dicom.scaling import Scaling, luts_of, scaling_of, windows_of
from nbannot.formats.dicom.spacing import PixelSize, pixel_size_of
from nbannot.formats.dicom.suv import Uptake, uptake_of
from nbannot.formats.dicom.views import laterality_of, view_of
from nbannot.model.image import VoiLut, Window

Vector3 = tuple[float, float, float]

# What tells frames at one position apart, in the order in which it may become the t axis.
AXES = (
    "temporal position",
    "echo",
    "echo time",
    "b-value",
    "gradient direction",
    "inversion time",
    "flip angle",
    "trigger time",
    "cardiac phase",
    "time slot",
    "time slice",
    "phase",
    "rotation",
    "frame reference time",
    "acquisition number",
    "acquisition time",
    "content time",
    "dimension index",
    "instance number",
)
# What makes two frames different kinds of picture: never one axis.
KINDS = ("image type", "complex component", "kernel", "scan options", "contrast", "rescale unit", "energy window",
         "detector")  # fmt: skip

_CLASSIC = {
    "temporal position": 0x00200100,
    "echo": 0x00180086,
    "echo time": 0x00180081,
    "b-value": 0x00189087,
    "gradient direction": 0x00189089,
    "inversion time": 0x00180082,
    "flip angle": 0x00181314,
    "trigger time": 0x00181060,
    "frame reference time": 0x00541300,
    "acquisition number": 0x00200012,
    "instance number": 0x00200013,
}
_CLASSIC_KINDS = {"complex component": 0x00089208, "kernel": 0x00181210, "contrast": 0x00180010}
# Private b-values: (creator tag, creator, b-value tag, direction tag), PS3.5 7.8.
_PRIVATE_B = (
    (0x00190010, "SIEMENS MR HEADER", 0x0019100C, 0x0019100E),
    (0x00430010, "GEMS_PARM_01", 0x00431039, 0),
    (0x20010010, "Philips Imaging DD 001", 0x20011003, 0x20011004),
)
_PROJECTIONS = ("CR", "DX", "MG", "RG", "RF", "XA", "IO", "PX", "US", "XC", "ES", "GM", "SM", "OP")


@dataclass(slots=True)
class Frame:
    """One picture: `index` counts the frames of its file from 0; places are LPS mm."""

    header: Header
    index: int = 0
    position: Vector3 | None = None
    orientation: tuple[float, ...] | None = None
    size: PixelSize = field(default_factory=PixelSize)
    scaling: Scaling = field(default_factory=Scaling)
    windows: tuple[Window, ...] = ()
    keys: dict[str, Any] = field(default_factory=dict)
    stack: str = ""
    time: float | None = None
    labels: tuple[str, str] | None = None
    tilt: float | None = None
    notes: tuple[str, ...] = ()
    luts: tuple[VoiLut, ...] = ()
    uptake: Uptake | None = None

    @property
    def has_place(self) -> bool:
        """Whether position, orientation and pixel size in mm are all known."""
        return self.position is not None and self.orientation is not None and self.size.unit == "mm"

    @property
    def where(self) -> str:
        """File, and the frame in it, for messages."""
        frame = f" (frame {self.index + 1})" if self.header.frames > 1 else ""
        tile = f" (slice {self.index + 1} of the mosaic)" if self.header.whole is not None else ""
        return f"{self.header.path}{frame}{tile}"


def frames_of(header: Header) -> list[Frame]:
    """Return the frames of a file and let go of its data set."""
    ds = header.ds
    header.description = el.decoded_text(ds, 0x0008103E) or el.decoded_text(ds, 0x00181030)
    header.laterality, header.view = laterality_of(ds), view_of(ds)
    header.unshown = unshown_of(header, ds)
    header.burned_in = el.text(ds, 0x00280301).upper() == "YES"
    if 0x52009230 in ds or (0x52009229 in ds and header.frames >= 1):
        found = _enhanced(header, ds)
    elif header.frames > 1:
        found = _multi_frame(header, ds)
    else:
        frame = _classic(header, ds)
        found = _tiles(frame, ds) if is_mosaic(header, ds) else [frame]
    if header.modality == "PT":
        uptake = uptake_of(ds)
        for frame in found:
            frame.uptake = uptake
    header.ds = None
    for frame in found:
        frame.header.ds = None
    return found


def unshown_of(header: Header, ds: Any) -> tuple[str, ...]:
    """Return what a file would draw over its pixels or colour them with, which is not shown."""
    found = []
    for group in range(0x60000000, 0x60200000, 0x20000):
        inside = (el.integer(ds, group | 0x100) or 1) > 1  # in unused bits of the pixels, as of old
        if group | 0x3000 in ds or (inside and el.integer(ds, group | 0x10)):
            kind = "region of interest" if el.text(ds, group | 0x40) == "R" else "graphics"
            found.append(f"overlay ({group >> 16:04X}, {kind})")
    if 0x00281101 in ds and header.photometric != "PALETTE COLOR" and header.samples == 1:
        found.append("supplemental colours")
    return tuple(found)


def _place(ds: Any, tag: int, count: int) -> tuple[float, ...] | None:
    found = el.numbers(ds, tag)
    return found if len(found) == count else None


def orientation_of(ds: Any) -> tuple[float, ...] | None:
    """Return row and column direction as six unit-length cosines; None when impossible."""
    return unit_axes(_place(ds, 0x00200037, 6))


def unit_axes(found: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return six cosines with lengths of 1; None unless they nearly are, and at right angles."""
    if found is None:
        return None
    row, column = found[:3], found[3:]
    lengths = math.hypot(*row), math.hypot(*column)
    if any(abs(length - 1) > 0.02 for length in lengths):
        return None
    if abs(sum(a * b for a, b in zip(row, column, strict=True))) > 0.02:
        return None
    return tuple(v / lengths[0] for v in row) + tuple(v / lengths[1] for v in column)


def _is_projection(header: Header) -> bool:
    return header.modality in _PROJECTIONS


def _classic(header: Header, ds: Any) -> Frame:
    frame = Frame(header, scaling=scaling_of(ds, ds, header), windows=windows_of(ds, header))
    frame.luts = luts_of(ds, header, frame.scaling)
    frame.size, frame.notes = pixel_size_of(ds, header)
    if not _is_projection(header):
        position = _place(ds, 0x00200032, 3)
        frame.position = (position[0], position[1], position[2]) if position else None
        frame.orientation = orientation_of(ds)
    labels = el.words(ds, 0x00200020)
    frame.labels = (labels[0], labels[1]) if len(labels) == 2 and all(labels) else None
    frame.tilt = el.number(ds, 0x00181120)
    frame.keys = _classic_keys(header, ds)
    return frame


def _tiles(frame: Frame, ds: Any) -> list[Frame]:
    """Return the slices of a mosaic; the picture as it is, without a place, when it cannot be split."""
    mosaic = None
    if frame.position is not None and frame.orientation is not None and frame.size.unit == "mm":
        size = (frame.size.row, frame.size.column)
        mosaic = mosaic_of(frame.header, ds, frame.position, frame.orientation, size)
    if mosaic is None:
        frame.position = frame.orientation = None
        frame.size = PixelSize()
        frame.stack = "mosaic"
        return [frame]
    return [
        replace(frame, header=mosaic.header, index=n, position=place, notes=(*frame.notes, *mosaic.notes))
        for n, place in enumerate(mosaic.places)
    ]


def _classic_keys(header: Header, ds: Any) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for name, tag in _CLASSIC.items():
        if tag in ds:
            found = el.numbers(ds, tag)
            if found:
                keys[name] = found if len(found) > 1 else found[0]
    for name, tag in _CLASSIC_KINDS.items():
        value = el.text(ds, tag)
        if value:
            keys[name] = value
    keys["image type"] = "\\".join(header.image_type[2:])
    keys["rescale unit"] = el.text(ds, 0x00281054)
    if "b-value" not in keys:
        _private_b_value(ds, keys)
    moment = el.seconds(el.text(ds, 0x0008002A))
    if moment is None:
        moment = el.seconds(el.text(ds, 0x00080022) + el.text(ds, 0x00080032).ljust(6, "0"))
    if moment is None:
        moment = el.seconds(el.text(ds, 0x00080032))
    if moment is not None:
        keys["acquisition time"] = moment
    content = el.seconds(el.text(ds, 0x00080033))
    if content is not None:
        keys["content time"] = content
    return keys


def _private_b_value(ds: Any, keys: dict[str, Any]) -> None:
    for creator_tag, creator, value_tag, direction_tag in _PRIVATE_B:
        if creator_tag in ds and el.text(ds, creator_tag) == creator:
            value = el.number(ds, value_tag)
            if value is not None:
                # GE adds 10⁹ to b-values of some versions
                keys["b-value"] = value % 1e9 if value >= 1e9 else value
                direction = el.numbers(ds, direction_tag) if direction_tag else ()
                if len(direction) == 3:
                    keys["gradient direction"] = direction


def _multi_frame(header: Header, ds: Any) -> list[Frame]:
    size, notes = pixel_size_of(ds, header)
    scaling, windows = scaling_of(ds, ds, header), windows_of(ds, header)
    luts = luts_of(ds, header, scaling)
    times = frame_times_of(ds, header.frames)
    offsets = el.numbers(ds, 0x3004000C) if header.modality == "RTDOSE" else ()
    places = _offset_places(ds, offsets) if len(offsets) == header.frames else None
    axes = orientation_of(ds) if places is not None else None
    own = nuclear_keys(ds, header.frames) if header.modality in ("NM", "PT") else [{}] * header.frames
    lying = nuclear_places(ds, own) if places is None and own[0] else None
    if lying is not None:
        places, axes = lying[0], unit_axes(lying[1])
    if axes is None:
        places = None
    frames = []
    for index in range(header.frames):
        frame = Frame(header, index, size=size, scaling=scaling, windows=windows, notes=notes, luts=luts)
        frame.time = times[index] if times else None
        frame.keys = {"image type": "", "instance number": float(index), **own[index]}
        frame.stack = "frames" if places is None else ""
        if places is not None:
            frame.position, frame.orientation = places[index], axes
        frames.append(frame)
    return frames


def _offset_places(ds: Any, offsets: Sequence[float]) -> list[Vector3] | None:
    """Return the positions of dose planes: offsets along the normal (PS3.3 C.8.8.3.2)."""
    start, axes = _place(ds, 0x00200032, 3), orientation_of(ds)
    if start is None or axes is None or offsets[0] != 0:
        return None
    r, c = axes[:3], axes[3:]
    normal = (r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2], r[0] * c[1] - r[1] * c[0])
    return [(start[0] + o * normal[0], start[1] + o * normal[1], start[2] + o * normal[2]) for o in offsets]


def frame_times_of(ds: Any, count: int) -> tuple[float, ...] | None:
    """Return the time of each frame of a cine in s, or None when the file does not say."""
    vector = el.numbers(ds, 0x00181065)
    if len(vector) == count:
        total, times = 0.0, []
        for n, step in enumerate(vector):
            total += step if n else 0.0
            times.append(total / 1000)
        return tuple(times)
    step_ms = el.number(ds, 0x00181063)
    rate = el.number(ds, 0x00180040) or el.number(ds, 0x00082144)
    if step_ms is not None and step_ms > 0:
        return tuple(n * step_ms / 1000 for n in range(count))
    if rate is not None and rate > 0:
        return tuple(n / rate for n in range(count))
    return None


def _enhanced(header: Header, ds: Any) -> list[Frame]:
    shared = el.first(ds, 0x52009229)
    per_frame = el.items(ds, 0x52009230)
    pointers = [(el.text(item, 0x00209165), item) for item in el.items(ds, 0x00209222)]
    own_axes = [n for n, (_, item) in enumerate(pointers) if _is_own_axis(item)]
    frames = []
    for index in range(header.frames):
        groups = per_frame[index] if index < len(per_frame) else None
        frames.append(_enhanced_frame(header, ds, index, (groups, shared), own_axes))
    return frames


# Dimension pointers that say where a frame is, not what it is.
_PLACE_POINTERS = {
    0x00200032, 0x00200037, 0x00209056, 0x00209057, 0x00209113, 0x00209116, 0x00209301, 0x00209308,
}  # fmt: skip


def _is_own_axis(item: Any) -> bool:
    value: Any = getattr(el.raw(item, 0x00209165), "value", None)
    if isinstance(value, bytes) and len(value) == 4:
        group, element = struct.unpack("<HH" if el.is_little(item, 0x00209165) else ">HH", value)
        value = group << 16 | element
    try:
        return int(value) not in _PLACE_POINTERS
    except (TypeError, ValueError):
        return False


class _Groups:
    """Functional groups of one frame: its own, then the shared ones, then the data set."""

    def __init__(self, groups: tuple[Any, Any]) -> None:
        self._groups = groups

    def __call__(self, tag: int) -> Any:
        for group in self._groups:
            item = el.first(group, tag) if group is not None else None
            if item is not None:
                return item
        return _EMPTY


class _Empty:
    def __contains__(self, tag: object) -> bool:
        return False

    def get_item(self, tag: int) -> None:
        return None


_EMPTY = _Empty()


def _enhanced_frame(
    header: Header, ds: Any, index: int, groups: tuple[Any, Any], own_axes: list[int]
) -> Frame:
    group = _Groups(groups)
    transform, voi = group(0x00289145), group(0x00289132)
    frame = Frame(header, index)
    frame.scaling = scaling_of(transform if transform is not _EMPTY else ds, ds, header, groups)
    frame.windows = windows_of(voi if voi is not _EMPTY else ds, header)
    frame.luts = luts_of(voi if voi is not _EMPTY else ds, header, frame.scaling)
    position = _place(group(0x00209113), 0x00200032, 3)
    frame.position = (position[0], position[1], position[2]) if position else None
    frame.orientation = orientation_of(group(0x00209116))
    measures = group(0x00289110)
    frame.size, frame.notes = pixel_size_of(measures if measures is not _EMPTY else ds, header)
    content = group(0x00209111)
    frame.stack = el.text(content, 0x00209056)
    frame.keys = _enhanced_keys(header, group, content, index)
    dimension = el.numbers(content, 0x00209157)
    own = tuple(dimension[n] for n in own_axes if n < len(dimension))
    if own:
        frame.keys["dimension index"] = own
    frame.tilt = el.number(group(0x00189327), 0x00181120) if group(0x00189327) is not _EMPTY else None
    return frame


def _enhanced_keys(header: Header, group: _Groups, content: Any, index: int) -> dict[str, Any]:
    keys: dict[str, Any] = {"instance number": (header.instance or 0) * 1_000_000.0 + index}
    diffusion = group(0x00189117)
    sources = (
        ("temporal position", content, 0x00209128),
        ("echo time", group(0x00189114), 0x00189082),
        ("b-value", diffusion, 0x00189087),
        ("gradient direction", el.first(diffusion, 0x00189076) or _EMPTY, 0x00189089),
        ("trigger time", group(0x00189118), 0x00209153),
        ("cardiac phase", group(0x00189118), 0x00209241),
        ("inversion time", group(0x00189115), 0x00189079),
        ("acquisition number", content, 0x00209156),
    )
    for name, item, tag in sources:
        found = el.numbers(item, tag)
        if found:
            keys[name] = found if len(found) > 1 else found[0]
    moment = el.seconds(el.text(content, 0x00189151)) or el.seconds(el.text(content, 0x00189074))
    if moment is not None:
        keys["acquisition time"] = moment
    frame_type = next(
        (g for g in (group(0x00189226), group(0x00189329), group(0x00189751)) if g is not _EMPTY),
        _EMPTY,
    )
    types = el.words(frame_type, 0x00089007) or header.image_type
    keys["image type"] = "\\".join(types[2:])
    component = el.text(frame_type, 0x00089208)
    if component:
        keys["complex component"] = component
    return keys

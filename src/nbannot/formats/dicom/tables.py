"""Look-up tables of DICOM: colour palettes and modality tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.dicom import elements as el


@dataclass(frozen=True, slots=True)
class Palette:
    """A colour palette: 8-bit RGB rows, and the stored value that the first row belongs to."""

    first: int
    colors: NDArray[np.uint8]

    def apply(self, stored: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the (…, 3) colours of stored values; values outside take the end rows."""
        index = np.clip(stored.astype(np.int32) - self.first, 0, len(self.colors) - 1)
        return self.colors[index]


@dataclass(frozen=True, slots=True, eq=False)
class ModalityTable:
    """A modality table: stored value → real-world value (PS3.3 C.11.1)."""

    first: int
    values: NDArray[np.int32]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ModalityTable)
            and self.first == other.first
            and np.array_equal(self.values, other.values)
        )

    def __hash__(self) -> int:
        return hash((self.first, len(self.values)))

    def apply(self, stored: NDArray[Any]) -> NDArray[np.int32]:
        """Return the real-world values of stored values; values outside take the end entries."""
        index = np.clip(stored.astype(np.int32) - self.first, 0, len(self.values) - 1)
        return self.values[index]


def _descriptor(ds: Any, tag: int) -> tuple[int, int, int] | None:
    found = el.numbers(ds, tag)
    if len(found) != 3:
        return None
    count, first, bits = (int(number) for number in found)
    return (count % 65536 or 65536), first, bits


def _signed_first(ds: Any, first: int, owner: Any) -> int:
    """The VR of a descriptor is ambiguous: read its first value as signed for signed pixels."""
    signed = el.integer(owner if owner is not None else ds, 0x00280103) == 1
    return first - 65536 if signed and first > 32767 else first


def _entries(value: Any, count: int, bits: int, little: bool) -> NDArray[np.uint16] | None:
    if value is None:
        return None
    if not isinstance(value, bytes):
        found = np.asarray(value).astype(np.int64).reshape(-1) & 0xFFFF
        return found.astype(np.uint16)[:count]
    if bits <= 8 and len(value) in (count, count + count % 2):
        return np.frombuffer(value, np.uint8)[:count].astype(np.uint16)
    words = np.frombuffer(value[: len(value) // 2 * 2], "<u2" if little else ">u2")
    if bits <= 8 and len(words) < count:
        return np.frombuffer(value, np.uint8)[:count].astype(np.uint16)
    return words[:count].astype(np.uint16)


def _little(ds: Any) -> bool:
    return el.is_little(ds, 0x00281201) and el.is_little(ds, 0x00283006)


def palette_of(ds: Any) -> Palette | None:
    """Return the colour palette of a data set, in 8 bits; None when it has no usable one."""
    descriptor = _descriptor(ds, 0x00281101)
    if descriptor is None:
        return None
    count, first, bits = descriptor
    channels = []
    for plain, segmented in (
        (0x00281201, 0x00281221),
        (0x00281202, 0x00281222),
        (0x00281203, 0x00281223),
    ):
        values = _entries(getattr(el.raw(ds, plain), "value", None), count, bits, _little(ds))
        if values is None or not len(values):
            data = getattr(el.raw(ds, segmented), "value", None)
            values = _segmented(data, bits, _little(ds)) if data is not None else None
        if values is None or not len(values):
            return None
        channels.append(values)
    shortest = min(len(channel) for channel in channels)
    table = np.stack([channel[:shortest] for channel in channels], axis=-1)
    # some 16-bit palettes hold 8-bit numbers: their high bytes are all empty
    if bits > 8 and int(table.max()) > 255:
        table = table // np.uint16(256)
    return Palette(_signed_first(ds, first, None), table.astype(np.uint8))


def _segmented(data: Any, bits: int, little: bool) -> NDArray[np.uint16]:
    """Expand a segmented palette (PS3.3 C.7.9.2): discrete and linear segments."""
    kind = "u1" if bits <= 8 else ("<u2" if little else ">u2")
    words = [int(v) for v in np.frombuffer(bytes(data), kind)]
    out: list[int] = []
    at = 0
    while at + 2 <= len(words) and len(out) < 65536:
        code, length = words[at], words[at + 1]
        if code == 0:
            out += words[at + 2 : at + 2 + length]
            at += 2 + length
        elif code == 1 and out and at + 2 < len(words):
            ramp = np.linspace(out[-1], words[at + 2], length + 1)[1:]
            out += [int(v) for v in np.rint(ramp)]
            at += 3
        else:
            break
    return np.array(out, dtype=np.uint16)


def modality_table_of(ds: Any) -> ModalityTable | None:
    """Return the modality look-up table of a data set, or None."""
    item = el.first(ds, 0x00283000)
    if item is None:
        return None
    descriptor = _descriptor(item, 0x00283002)
    if descriptor is None:
        return None
    count, first, bits = descriptor
    values = _entries(getattr(el.raw(item, 0x00283006), "value", None), count, bits, _little(ds))
    if values is None or not len(values):
        return None
    return ModalityTable(_signed_first(item, first, ds), values.astype(np.int32))


def voi_table_of(item: Any, *, signed: bool) -> tuple[int, NDArray[np.uint16], int] | None:
    """Return first value, greys and their bits of a VOI LUT item; None when it is unusable."""
    descriptor = _descriptor(item, 0x00283002)
    if descriptor is None:
        return None
    count, first, bits = descriptor
    values = _entries(getattr(el.raw(item, 0x00283006), "value", None), count, bits, _little(item))
    if values is None or len(values) < 2 or not 8 <= bits <= 16:
        return None
    if bits < 16 and int(values.max()) >= 1 << bits:
        bits = int(values.max()).bit_length()  # some files state fewer bits than they use
    return (first - 65536 if signed and first > 32767 else first), values, bits

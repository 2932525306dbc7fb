"""Stored pixels of one frame: read, decompressed, coloured; not yet scaled."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, MissingDependencyError, NbannotError, need
from nbannot.formats.dicom.header import BIG_ENDIAN, DEFLATED, Header
from nbannot.formats.quiet import quiet

Pixels = NDArray[Any]

_JPEG_12_BIT = "1.2.840.10008.1.2.4.51"
# The quickest of the installed decoders; every other one is tried when it fails.
_PREFERRED = {
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    "1.2.840.10008.1.2.5": "pylibjpeg",
}


@cache
def unsupported(syntax: str) -> str:
    """Return why pixels of a transfer syntax cannot be decoded; "" when they can."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    name = UID(syntax).name
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        return f"{name} is not supported"
    if decoder.is_available or syntax == _JPEG_12_BIT:
        return ""
    return f"no decoder for {name} is installed"


def stored_frame(header: Header, index: int) -> Pixels:
    """Return one frame as stored numbers (rows, columns), or as RGB uint8 (rows, columns, 3).

    Raises
    ------
    FormatError
        When the frame cannot be read or decoded; the file is named.
    MissingDependencyError
        When an optional decoder is needed.
    """
    try:
        if header.is_encapsulated:
            frame = _compressed(header, index)
        elif _is_plain(header):
            frame = _plain(header, index)
        else:
            frame = _by_pydicom(header, index)
    except NbannotError:
        raise
    except Exception as cause:  # decoders raise every kind of exception on damaged data
        raise FormatError(
            f"{header.path} has pixels that cannot be decoded",
            hint="The file is damaged: copy it again from its source.",
        ) from cause
    frame = _masked(header, frame)
    return _colored(header, frame) if header.is_color else frame


def _is_plain(header: Header) -> bool:
    """Whether frames can be taken from the file as they are."""
    if header.syntax == DEFLATED or header.allocated not in (8, 16, 32, 64):
        return False
    if header.syntax == BIG_ENDIAN and header.allocated == 8:
        return False
    return header.samples == 1 or (header.photometric == "RGB" and header.allocated == 8)


def _plain(header: Header, index: int) -> Pixels:
    kind = "f" if header.keyword != "PixelData" else ("i" if header.signed else "u")
    order = ">" if header.syntax == BIG_ENDIAN else "<"
    dtype = np.dtype(f"{order}{kind}{header.allocated // 8}")
    size = header.rows * header.columns * header.samples
    out = np.empty(size, dtype)
    with Path(header.path).open("rb", buffering=0) as file:
        file.seek(header.offset + index * size * dtype.itemsize)
        if file.readinto(out.view(np.uint8).data) != out.nbytes:
            raise FormatError(f"{header.path} is cut off in its pixel data")
    out = out.astype(dtype.newbyteorder("="), copy=False)
    if header.samples == 1:
        return out.reshape(header.rows, header.columns)
    if header.planar == 1:
        return out.reshape(3, header.rows, header.columns).transpose(1, 2, 0)
    return out.reshape(header.rows, header.columns, 3)


def _options(header: Header, frames: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "rows": header.rows,
        "columns": header.columns,
        "number_of_frames": frames,
        "samples_per_pixel": header.samples,
        "photometric_interpretation": header.photometric,
        "pixel_keyword": header.keyword,
        "pixel_vr": header.pixel_vr,
        "bits_allocated": header.allocated,
        "bits_stored": header.stored,
        "pixel_representation": int(header.signed),
    }
    if header.samples > 1:
        options["planar_configuration"] = header.planar
    return options


def _by_pydicom(header: Header, index: int) -> Pixels:
    """Decode the rarer uncompressed forms: deflated, bit-packed, sub-sampled colour."""
    from pydicom import dcmread
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    decoder = get_decoder(UID(header.syntax))
    with quiet():
        if header.syntax == DEFLATED:
            source = dcmread(header.path).get_item(header.keyword).value
        else:
            with Path(header.path).open("rb") as file:
                file.seek(header.offset)
                source = file.read((header.frame_bits * header.frames + 7) // 8 + 1)
        found, _ = decoder.as_array(source, index=index, **_options(header, header.frames))
    return np.asarray(found)


def _compressed(header: Header, index: int) -> Pixels:
    problem = unsupported(header.syntax)
    if problem:
        raise FormatError(f"{header.path} cannot be decoded: {problem}")
    with Path(header.path).open("rb", buffering=0) as file:
        parts = []
        for at, length in header.parts[index]:
            file.seek(at)
            parts.append(file.read(length))
    return decode_stream(header, b"".join(parts))


def decode_stream(header: Header, stream: bytes) -> Pixels:
    """Return the decoded pixels of one compressed frame."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    decoder = get_decoder(UID(header.syntax))
    source, options = encapsulate([stream], has_bot=False), _options(header, 1)
    preferred = _PREFERRED.get(header.syntax, "")
    first = [preferred] if preferred in decoder.available_plugins else []
    with quiet():
        for plugin in (*first, ""):
            try:
                found, _ = decoder.as_array(
                    source, index=0, validate=False, decoding_plugin=plugin, **options
                )
            except Exception:  # the next decoder may cope
                if plugin:
                    continue
                if header.syntax != _JPEG_12_BIT:
                    raise
                return _jpeg_12_bit(header, stream)
            break
    return np.asarray(found)


def _jpeg_12_bit(header: Header, stream: bytes) -> Pixels:
    try:
        codecs = need("imagecodecs", extra="codecs")
    except MissingDependencyError as cause:
        raise MissingDependencyError(
            f"{header.path} holds 12-bit JPEG, for which imagecodecs is needed", hint=cause.hint
        ) from cause
    return np.asarray(codecs.jpeg_decode(stream)).reshape(header.rows, header.columns)


def _masked(header: Header, frame: Pixels) -> Pixels:
    """Drop bits above the stored ones (old overlays, garbage) and extend the sign."""
    if header.keyword != "PixelData" or header.stored >= header.allocated or header.is_color:
        return frame
    if header.is_encapsulated or frame.dtype.itemsize * 8 != header.allocated:
        return frame
    up = header.allocated - 1 - header.high
    down = header.allocated - header.stored
    frame = frame if frame.flags.writeable else frame.copy()
    np.left_shift(frame, up, out=frame)
    return np.right_shift(frame, down, out=frame)


def _colored(header: Header, frame: Pixels) -> Pixels:
    if header.palette is not None and frame.ndim == 2:
        return header.palette.apply(frame)
    if frame.dtype != np.uint8:
        frame = (frame >> max(header.stored - 8, 0)).astype(np.uint8)
    if frame.ndim == 2:
        frame = np.repeat(frame[..., None], 3, axis=-1)
    return np.ascontiguousarray(frame)


def file_bytes(header: Header) -> bytes:
    """Return the coded pixel bytes of a file, to tell copies from different pictures."""
    with Path(header.path).open("rb", buffering=0) as file:
        file.seek(0 if header.syntax == DEFLATED else header.offset)
        return file.read(Path(header.path).stat().st_size)

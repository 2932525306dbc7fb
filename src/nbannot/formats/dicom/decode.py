"""Stored pixels of one frame: read, decompressed, coloured; not yet scaled."""

from __future__ import annotations

import zlib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, NbannotError
from nbannot.formats.dicom.header import BIG_ENDIAN, DEFLATED, Header
from nbannot.formats.dicom.jpeg import has_sound_start, jpeg_frame
from nbannot.formats.dicom.limits import coded_size
from nbannot.formats.dicom.mosaic import band_of
from nbannot.formats.quiet import quiet

Pixels = NDArray[Any]

_JPEG_8_BIT, _JPEG_12_BIT = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
# What GDCM decodes as JPEG.
_JPEG = (_JPEG_8_BIT, _JPEG_12_BIT, "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_RLE = "1.2.840.10008.1.2.5"
_DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
# The quickest of the installed decoders; every other one is tried when it fails.
_PREFERRED = {
    **dict.fromkeys(_JPEG_LS, "pyjpegls"),
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    _RLE: "pylibjpeg",
}


@cache
def unsupported(syntax: str) -> str:
    """Return why pixels of a transfer syntax cannot be decoded; "" when they can."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    name = UID(syntax).name
    if syntax == _DEFLATED_FRAME:
        return ""
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        return f"{name} is not supported"
    if decoder.is_available:
        return ""
    return f"no decoder for {name} is installed"


def undecodable(path: str) -> FormatError:
    """Return the error of pixels that no decoder understands."""
    return FormatError(
        f"{path} has pixels that cannot be decoded",
        hint="The file is damaged: copy it again from its source.",
    )


def stored_frame(header: Header, index: int) -> Pixels:
    """Return one frame as stored numbers (rows, columns), or as RGB uint8 (rows, columns, 3).

    Raises
    ------
    FormatError
        When the frame cannot be read or decoded; the file is named.
    """
    if header.whole is not None:
        return _tile(header, header.whole, index)
    try:
        if header.is_encapsulated:
            frame = compressed_frame(header, index)
        elif _is_plain(header):
            frame = _plain(header, index)
        elif header.allocated == 1 and header.syntax != DEFLATED:
            frame = _bits(header, index)
        else:
            frame = _by_pydicom(header, index)
    except NbannotError:
        raise
    except Exception as cause:  # decoders raise every kind of exception on damaged data
        raise undecodable(header.path) from cause
    frame = _masked(header, frame)
    return _colored(header, frame) if header.is_color else frame


def _tile(header: Header, whole: Header, index: int) -> Pixels:
    """Return one tile of a mosaic; of uncompressed ones only its row of tiles is read."""
    if not whole.is_encapsulated and _is_plain(whole):
        band, left = band_of(header, index)
        picture, top = stored_frame(band, 0), 0
    else:
        across = whole.columns // header.columns
        picture = stored_frame(whole, 0)
        top, left = index // across * header.rows, index % across * header.columns
    return np.ascontiguousarray(picture[top : top + header.rows, left : left + header.columns])


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


def _bits(header: Header, index: int) -> Pixels:
    """Unpack a frame of one bit per pixel; frames follow each other without padding."""
    size = header.rows * header.columns
    start, end = index * size, (index + 1) * size
    with Path(header.path).open("rb", buffering=0) as file:
        file.seek(header.offset + start // 8)
        packed = np.frombuffer(file.read((end + 7) // 8 - start // 8), np.uint8)
    return unpacked(packed, start % 8, size).reshape(header.rows, header.columns)


def unpacked(data: Pixels, start: int, size: int) -> Pixels:
    """Return `size` pixels of one bit each, the lowest bit first (PS3.5 8.1.1)."""
    packed = np.asarray(data[start // 8 : (start + size + 7) // 8])
    return np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + size]


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
    """Decode the rarer uncompressed forms: deflated, swapped bytes, sub-sampled colour."""
    from pydicom import dcmread
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    decoder = get_decoder(UID(header.syntax))
    options, at = _options(header, header.frames), index
    with quiet():
        if header.syntax == DEFLATED:
            source = dcmread(header.path).get_item(header.keyword).value
        else:
            start, size = 0, header.length
            if header.syntax != BIG_ENDIAN:  # swapped words cannot be cut at odd places
                size = _frame_size(header, options)
                start, at, options["number_of_frames"] = index * size, 0, 1
            with Path(header.path).open("rb", buffering=0) as file:
                file.seek(header.offset + start)
                source = file.read(size)
            source += b"\0" * (len(source) % 2)
        found, _ = decoder.as_array(source, index=at, **options)
    return np.asarray(found)


def _frame_size(header: Header, options: dict[str, Any]) -> int:
    """Return the bytes of a frame; colour that is called sub-sampled but stored in full is put right."""
    full = header.rows * header.columns * header.samples * header.allocated // 8
    if header.photometric == "YBR_FULL_422" and header.length >= full * header.frames:
        options["photometric_interpretation"] = "YBR_FULL"
        return full
    return header.frame_bits // 8


def compressed_frame(header: Header, index: int) -> Pixels:
    """Return one compressed frame as stored numbers (rows, columns), or in colours (rows, columns, 3).

    Raises
    ------
    FormatError
        When its syntax is not known, or it is not of the size that its header says.
    """
    problem = unsupported(header.syntax)
    if problem:
        raise FormatError(f"{header.path} cannot be decoded: {problem}")
    with Path(header.path).open("rb", buffering=0) as file:
        parts = []
        for at, length in header.parts[index]:
            file.seek(at)
            parts.append(file.read(length))
    stream = b"".join(parts)
    _check_coded(header, stream)
    if header.syntax == _DEFLATED_FRAME:
        return _inflated(header, stream)
    if header.syntax == _RLE and header.allocated == 1:
        return _run_lengths_of_bits(header, stream)
    if header.syntax in _JPEG_LS and header.samples == 1:
        frame = _jpeg_ls(header, stream)
        if frame is not None:
            return frame
    return _decode_stream(header, stream)


def _check_coded(header: Header, stream: bytes) -> None:
    """Refuse a frame of another size than its header says, before a decoder makes room for it."""
    size = coded_size(stream)
    told = f"{size[0]} × {size[1]} pixels" if size else ""
    if size in (None, (header.rows, header.columns)):
        # two bytes of RLE never stand for more than 128
        if header.syntax != _RLE or header.frame_bits // 8 <= 64 * len(stream):
            return
        told = f"{len(stream)} bytes"
    raise FormatError(
        f"{header.path} is damaged: its header says {header.rows} × {header.columns} pixels, a frame has {told}",
        hint="Copy the file again from its source.",
    )


def _inflated(header: Header, stream: bytes) -> Pixels:
    """Decode a frame that is deflated alone (PS3.5 A.4.11); never more than its size is unpacked."""
    size = (header.frame_bits + 7) // 8
    raw = zlib.decompressobj(-15).decompress(stream, size)
    if len(raw) < size:
        raise FormatError(f"{header.path} is cut off in its pixel data")
    if header.allocated == 1:
        bits = unpacked(np.frombuffer(raw, np.uint8), 0, header.rows * header.columns)
        return bits.reshape(header.rows, header.columns)
    kind = f"<{'i' if header.signed else 'u'}{header.allocated // 8}"
    frame = np.frombuffer(raw, kind)
    if header.samples == 1:
        return _clean(header, frame.reshape(header.rows, header.columns))
    planes = (3, header.rows, header.columns)
    frame = frame.reshape(planes).transpose(1, 2, 0) if header.planar == 1 else frame.reshape(*planes[1:], 3)
    if header.photometric.startswith("YBR_FULL"):
        from pydicom.pixels.processing import convert_color_space

        return np.asarray(convert_color_space(frame, "YBR_FULL", "RGB"))
    return frame


def _run_lengths_of_bits(header: Header, stream: bytes) -> Pixels:
    """Decode a frame of one bit per pixel, whose bytes are one segment of RLE (PS3.5 annex G)."""
    from pydicom.pixels.decoders.rle import _rle_decode_segment

    packed = np.frombuffer(_rle_decode_segment(stream[64:]), np.uint8)
    return unpacked(packed, 0, header.rows * header.columns).reshape(header.rows, header.columns)


def _jpeg_ls(header: Header, stream: bytes) -> Pixels | None:
    """Decode grey JPEG-LS without detours; None where anything is unusual."""
    try:
        codec = import_module("jpeg_ls")
        buffer, info = codec.decode_pixel_data(stream)
    except Exception:  # the general way tries the other decoders and reports
        return None
    bits, size = info["bits_per_sample"], header.allocated // 8
    coded = (info["height"], info["width"], info["components"], 1 if bits <= 8 else 2)
    if coded != (header.rows, header.columns, 1, size):
        return None
    frame = np.frombuffer(buffer, f"<{'i' if header.signed else 'u'}{size}")
    if header.signed and bits < header.allocated:
        # JPEG-LS knows no sign: extend it from the highest coded bit
        shift = header.allocated - bits
        frame = np.right_shift(np.left_shift(frame, shift), shift)
    return frame.reshape(header.rows, header.columns)


def _decode_stream(header: Header, stream: bytes) -> Pixels:
    """Return the decoded pixels of one compressed frame."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    decoder = get_decoder(UID(header.syntax))
    source, options = encapsulate([stream], has_bot=False), _options(header, 1)
    preferred = _PREFERRED.get(header.syntax, "")
    plugins = (*([preferred] if preferred in decoder.available_plugins else []), "")
    if header.syntax in _JPEG:
        frame = jpeg_frame(stream)
        if not has_sound_start(stream):
            plugins = ("pillow",)
        elif frame is not None and frame.bits == 12 and header.syntax == _JPEG_12_BIT:
            return _jpeg_12_bit(header, stream)
    with quiet():
        for plugin in plugins:
            try:
                found, _ = decoder.as_array(
                    source, index=0, validate=False, decoding_plugin=plugin, **options
                )
            except Exception:  # the next decoder may cope
                if plugin != plugins[-1]:
                    continue
                raise
            break
    return np.asarray(found)


def _jpeg_12_bit(header: Header, stream: bytes) -> Pixels:
    """Decode grey extended JPEG of 12 bits (process 4) by GDCM itself, which pydicom does not ask for it."""
    import gdcm

    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(stream)
    fragments.AddFragment(fragment)
    coded, pixels = (gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010)) for _ in range(2))
    coded.SetValue(fragments.__ref__())
    codec = gdcm.JPEGCodec()
    codec.SetNumberOfDimensions(2)
    codec.SetDimensions((header.columns, header.rows, 1))
    codec.SetPlanarConfiguration(0)
    grey = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    codec.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    # 12 bits allocated as well: the decoder for those is asked at once, and nothing goes to the terminal.
    codec.SetPixelFormat(gdcm.PixelFormat(1, 12, 12, 11, 0))
    if header.samples != 1 or not codec.Decode(coded, pixels):
        raise undecodable(header.path)
    # GDCM gives bytes as text.
    values = pixels.GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")
    frame = np.frombuffer(values, "<u2")
    if header.signed:
        frame = np.right_shift(np.left_shift(frame, 4).view("<i2"), 4)
    return frame.reshape(header.rows, header.columns)


def _masked(header: Header, frame: Pixels) -> Pixels:
    """Drop bits above the stored ones (old overlays, garbage) and extend the sign."""
    if header.keyword != "PixelData" or header.stored >= header.allocated or header.is_color:
        return frame
    if header.is_encapsulated or frame.dtype.itemsize * 8 != header.allocated:
        return frame
    return _clean(header, frame)


def _clean(header: Header, frame: Pixels) -> Pixels:
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

"""The voxels of files that are a text header and numbers: where the bytes are, and how they are packed."""

from __future__ import annotations

import bz2
import gzip
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError
from nbannot.formats.stored import LARGE

Packing = Literal["raw", "gzip", "zlib", "bzip2", "text", "hex"]

_BLOCK = 1 << 20
# No packing of zeros gives more than this for a byte: deflate 1032, bzip2 about 45 MB for 40 bytes.
_MOST_PER_BYTE = {"gzip": 1100, "zlib": 1100, "bzip2": 2_000_000}


def beside(header: str, name: str) -> str:
    """Return the path of a data file that a header names, which must lie in the header's folder.

    Raises
    ------
    FormatError
        When it lies elsewhere (an absolute path, or one that climbs), or is not there.
    """
    folder = os.path.normpath(Path(header).absolute().parent)
    path = os.path.normpath(Path(folder) / name)
    if "\0" in name or not path.startswith(os.path.join(folder, "")):  # noqa: PTH118 - a bare separator
        raise FormatError(
            f"{header} names voxels outside its folder, which are not read",
            hint="Put the data file beside the header and write only its name there.",
        )
    if not Path(path).is_file():
        raise FormatError(
            f"{Path(path).name}, which holds the voxels of {header}, is missing",
            hint="Copy it beside the header.",
        )
    return path


@dataclass(frozen=True, slots=True)
class RawData:
    """Voxels in one or several files, one after another.

    Parameters
    ----------
    path
        The file that was named, for messages.
    files
        Where they are.
    dtype
        Of the numbers, with their byte order.
    shape
        In C order: the axis that changes fastest last.
    packing
        How they are packed.
    offset
        Bytes before the voxels in the first file (each file where there are several); negative: the
        voxels end the file.
    lines
        Lines to leave out before.
    inner
        Bytes to leave out after unpacking.
    length
        Packed bytes, when the header says it.
    """

    path: str
    files: Sequence[str]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    packing: Packing = "raw"
    offset: int = 0
    lines: int = 0
    inner: int = 0
    length: int | None = None

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def size(self) -> int:
        """How many bytes they are, unpacked."""
        return self.count * self.dtype.itemsize

    def check(self) -> None:
        """Find cut-off files, without unpacking more than needed.

        Raises
        ------
        FormatError
            When a file is missing or too short.
        """
        each, rest = divmod(self.size, len(self.files))
        if rest or self.count < 1 or self.inner < 0 or self.lines < 0:
            raise FormatError(f"{self.path} states sizes that are impossible: {self.shape[::-1]}")
        for file in self.files:
            there = Path(file).stat().st_size - max(self.offset, 0)
            if self.packing == "raw":
                self._enough(there, each, file)
            elif self.packing in ("text", "hex"):
                self._enough(2 * there, self.count // len(self.files), file)
            else:
                self._enough(there * _MOST_PER_BYTE[self.packing], each, file)
                self._check_packed(file, each, there)

    def surplus(self) -> int:
        """Return how many bytes a file of raw voxels holds more than the header states."""
        if self.packing != "raw" or self.offset < 0 or len(self.files) > 1:
            return 0
        return Path(self.files[0]).stat().st_size - self._start(self.files[0], self.size) - self.size

    def _enough(self, there: int, needed: int, file: str) -> None:
        if there < needed:
            raise FormatError(
                f"{file} is cut off: {max(there, 0)} bytes of voxels instead of {needed}",
                hint="Copy it again from its source.",
            )

    def _check_packed(self, file: str, each: int, there: int) -> None:
        if self.length is not None:
            self._enough(there, self.length, file)
            return
        if self.packing == "gzip" and there > 18:
            with Path(file).open("rb") as stream:
                stream.seek(-4, os.SEEK_END)
                if struct.unpack("<I", stream.read(4))[0] == (each + self.inner) % 2**32:
                    return
        # several members, or a cut-off file: only unpacking tells
        self._unpacked(file, each, lambda block: None)

    def array(self) -> NDArray[Any]:
        """Return the voxels in C order; raw ones are mapped, large packed ones unpacked to a mapped file.

        Raises
        ------
        FormatError
            When they are damaged.
        """
        if self.packing == "raw" and len(self.files) == 1:
            start = self._start(self.files[0], self.size)
            mapped = np.memmap(self.files[0], self.dtype, mode="r", offset=start, shape=(self.count,))
            return mapped.reshape(self.shape)
        if self.packing in ("text", "hex"):
            return self._written()
        each = self.size // len(self.files)
        if self.size > LARGE:
            return self._to_disk(each)
        parts = bytearray()
        for file in self.files:
            self._unpacked(file, each, parts.extend)
        return np.frombuffer(parts, self.dtype, self.count).reshape(self.shape)

    def _to_disk(self, each: int) -> NDArray[Any]:
        folder = tempfile.gettempdir()
        if shutil.disk_usage(folder).free < self.size:
            raise FormatError(
                f"{self.path} needs {self.size / 1e9:.1f} GB in {folder} to be unpacked",
                hint="Set TMPDIR to a folder with more room.",
            )
        with tempfile.TemporaryFile() as plain:
            for file in self.files:
                self._unpacked(file, each, plain.write)
            plain.flush()
            return np.memmap(plain, self.dtype, mode="r", shape=(self.count,)).reshape(self.shape)

    def _start(self, file: str, each: int) -> int:
        """Return where the voxels of a file begin."""
        if self.offset < 0:
            return Path(file).stat().st_size - each
        if not self.lines:
            return self.offset + (self.inner if self.packing == "raw" else 0)
        with Path(file).open("rb") as stream:
            stream.seek(self.offset)
            for _ in range(self.lines):
                stream.readline(_BLOCK)
            return stream.tell() + (self.inner if self.packing == "raw" else 0)

    def _unpacked(self, file: str, each: int, take: Callable[[bytes], object]) -> None:
        """Hand on exactly the bytes that the header promises."""
        left, skip = each, 0 if self.packing == "raw" else self.inner
        with Path(file).open("rb") as plain:
            plain.seek(self._start(file, each))
            stream = _reader(plain, self.packing)
            try:
                while left:
                    block = stream.read(min(_BLOCK, left + skip))
                    if not block:
                        break
                    used = block[skip:]
                    skip -= len(block) - len(used)
                    left -= len(used)
                    take(used)
                # To the end, where the checksum is.
                if self.packing != "raw" and not left and stream.read(1):
                    raise FormatError(
                        f"{file} is damaged, or holds more voxels than its header states",
                        hint="Copy it again from its source.",
                    )
            except FormatError:
                raise
            except EOFError as cause:
                raise FormatError(f"{file} is cut off", hint="Copy it again from its source.") from cause
            except (OSError, zlib.error, ValueError) as cause:
                raise FormatError(f"{file} is damaged: its voxels cannot be unpacked") from cause
        if left:
            self._enough(each - left, each, file)

    def _written(self) -> NDArray[Any]:
        """Read numbers written as text."""
        found: list[NDArray[Any]] = []
        for file in self.files:
            with Path(file).open("rb") as stream:
                stream.seek(self._start(file, 0) + self.inner)
                text = stream.read()
            try:
                if self.packing == "hex":
                    part = np.frombuffer(bytes.fromhex(text.decode("ascii")), self.dtype)
                else:
                    words = text.replace(b",", b" ").split()
                    part = np.array(words, dtype=bytes).astype(self.dtype)
            except (ValueError, OverflowError, UnicodeDecodeError) as cause:
                raise FormatError(f"{file} holds text that is no number among its voxels") from cause
            found.append(part)
        array = np.concatenate(found)
        self._enough(array.size, self.count, self.files[-1])
        return array[: self.count].reshape(self.shape)


class _Deflated:
    """A stream of zlib data, read like a file."""

    def __init__(self, plain: IO[bytes]) -> None:
        self._plain = plain
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def read(self, size: int) -> bytes:
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._plain.read(1 << 16)
            block = self._inflate.decompress(packed, size)
            if block:
                return block
            if not packed:
                raise EOFError
        return b""


def _reader(plain: IO[bytes], packing: Packing) -> IO[bytes]:
    if packing == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=plain))
    if packing == "bzip2":
        return cast(IO[bytes], bz2.BZ2File(plain))
    return cast(IO[bytes], _Deflated(plain)) if packing == "zlib" else plain

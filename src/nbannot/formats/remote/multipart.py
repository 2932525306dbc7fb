"""The parts of a multipart answer (RFC 2046), as they come, without holding any of them."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message

from nbannot.errors import RemoteError

_MOST_HEADER = 1 << 16


def parts(kind: str, blocks: Iterator[bytes], what: str) -> Iterator[Iterator[bytes]]:
    """Yield the blocks of each part; each part must be read before the next is asked for.

    Parameters
    ----------
    kind
        The Content-Type of the answer.
    blocks
        Its body.
    what
        Where it is from, for errors.

    Raises
    ------
    RemoteError
        When the answer is not multipart, or ends before its end.
    """
    message = Message()
    message["Content-Type"] = kind
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str):
        raise RemoteError(
            f"{what} did not answer with files", hint="Is this the address of a DICOMweb archive?"
        )
    reader = _Reader(blocks, what)
    mark = b"\r\n--" + boundary.encode("latin-1")
    reader.buffer = b"\r\n"  # the first boundary may stand at the very start
    for _ in reader.until(mark):
        pass
    while reader.take(2) != b"--":
        reader.skip_header()
        part = reader.until(mark)
        yield part
        for _ in part:
            pass


class _Reader:
    def __init__(self, blocks: Iterator[bytes], what: str) -> None:
        self._blocks = blocks
        self._what = what
        self.buffer = b""

    def _more(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            raise RemoteError(f"The answer of {self._what} is cut off", hint="Try again.")
        self.buffer += block

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._more()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def until(self, mark: bytes) -> Iterator[bytes]:
        """Yield what comes before a mark, and go behind it."""
        while (at := self.buffer.find(mark)) < 0:
            whole = len(self.buffer) - len(mark) + 1
            if whole > 0:
                yield self.buffer[:whole]
                self.buffer = self.buffer[whole:]
            self._more()
        if at:
            yield self.buffer[:at]
        self.buffer = self.buffer[at + len(mark) :]

    def skip_header(self) -> None:
        # What `take` took is the end of the boundary's line, "\r\n"; a part without a header follows at once.
        self.buffer = b"\r\n" + self.buffer
        while (at := self.buffer.find(b"\r\n\r\n")) < 0:
            if len(self.buffer) > _MOST_HEADER:
                raise RemoteError(f"{self._what} does not answer as DICOMweb does", hint="Check the URL.")
            self._more()
        self.buffer = self.buffer[at + 4 :]

"""What one person may ask for in a while, and how large it may be."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address, ip_network

from starlette.requests import HTTPConnection

from nbannot.errors import ServiceError

_MANY = 10_000


class SlowDownError(ServiceError):
    """Somebody asks too often."""

    def __init__(self, wait: float) -> None:
        seconds = max(1, math.ceil(wait))
        super().__init__("That were too many requests", hint=f"Try again in {seconds} s.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker process.

    Parameters
    ----------
    per_second, burst
        Requests of one person: so many a second in the long run, so many at once.
    stranger_per_second, stranger_burst
        The same for an address that is not logged in.
    json_bytes, edit_bytes, upload_bytes
        Largest body of a plain request, of an edit or a socket's message, of a case's images.
    unpacked_bytes
        Largest sum of the files in an upload.
    sockets
        Open sockets of one person.
    token_per_second, token_burst
        Tokens from one address that the Hub does not know: each of them costs it a question.
    """

    per_second: float = 50.0
    burst: int = 300
    stranger_per_second: float = 10.0
    stranger_burst: int = 100
    json_bytes: int = 1 << 20
    edit_bytes: int = 16 << 20
    upload_bytes: int = 4 << 30
    unpacked_bytes: int = 8 << 30
    sockets: int = 8
    token_per_second: float = 0.5
    token_burst: int = 20


@dataclass(slots=True)
class Rate:
    """Counts what each key spends; the keys used longest ago are forgotten.

    Parameters
    ----------
    per_second, burst
        What a key gets back, and the most it can save.
    clock
        Seconds; replaced in tests.
    """

    per_second: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait(self, key: str) -> float:
        """Spend one and return 0, or return the seconds until there is one again."""
        now = self.clock()
        left, at = self._left.pop(key, (self.burst, now))
        left = min(self.burst, left + (now - at) * self.per_second)
        spent = left >= 1
        self._left[key] = (left - 1 if spent else left, now)
        if len(self._left) > _MANY:
            self._left.popitem(last=False)
        return 0.0 if spent else (1 - left) / self.per_second

    def give_back(self, key: str) -> None:
        """Take back that one was spent."""
        if key in self._left:
            left, at = self._left[key]
            self._left[key] = (min(self.burst, left + 1), at)


def address(connection: HTTPConnection) -> str:
    """Return what requests of one sender are counted by: the address, of IPv6 the network that one customer gets."""
    host = connection.client.host if connection.client else "?"
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if isinstance(found, IPv4Address):
        return host
    mapped = found.ipv4_mapped
    return str(mapped or ip_network((int(found), 64), strict=False))

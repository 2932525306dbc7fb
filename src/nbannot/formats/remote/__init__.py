"""Files that are not on this machine's disks: object stores, archives by DICOMweb, members of zips."""

from __future__ import annotations

from nbannot.formats.remote.cache import Cache, Held
from nbannot.formats.remote.opening import held, place_of, ranged_zip
from nbannot.formats.remote.ranged import HeldByRange, held_by_range
from nbannot.formats.remote.urls import Entry, Options, Place, checked_url, is_url

__all__ = [
    "Cache",
    "Entry",
    "Held",
    "HeldByRange",
    "Options",
    "Place",
    "checked_url",
    "held",
    "held_by_range",
    "is_url",
    "place_of",
    "ranged_zip",
]

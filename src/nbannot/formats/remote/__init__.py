"""Files that are not on this machine's disks: object stores, archives by DICOMweb, members of zips."""

from __future__ import annotations

from nbannot.formats.remote.cache import Cache, Held
from nbannot.formats.remote.opening import held, place_of
from nbannot.formats.remote.urls import Entry, Options, Place, checked_url, is_url

__all__ = ["Cache", "Entry", "Held", "Options", "Place", "checked_url", "held", "is_url", "place_of"]

"""Raster."""
from __future__ import annotations
from nbannot.model.image import Image
def is_raster(start: bytes) -> bool:
    return False
def read_raster(path: str) -> Image:
    raise NotImplementedError

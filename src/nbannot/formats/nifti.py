"""NIfTI."""
from __future__ import annotations
from nbannot.model.image import Image
def is_nifti(path: str, start: bytes) -> bool:
    return False
def read_nifti(path: str) -> list[Image]:
    return []

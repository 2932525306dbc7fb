"""Images from files: DICOM, NIfTI, PNG and JPEG, told apart by content."""

from __future__ import annotations

from nbannot.formats.reading import read
from nbannot.formats.writing import write

__all__ = ["read", "write"]

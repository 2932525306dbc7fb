"""Images and annotations from files, told apart by content, and back."""

from __future__ import annotations

from nbannot.formats.header import header, image_info
from nbannot.formats.reading import read
from nbannot.formats.rows import Row
from nbannot.formats.scanning import scan
from nbannot.formats.writing import write

__all__ = ["Row", "header", "image_info", "read", "scan", "write"]

"""What is in a tree of files, told from their headers alone."""

from __future__ import annotations

from nbannot.formats.scanning.scan import scan

__all__ = ["scan"]

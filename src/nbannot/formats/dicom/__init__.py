"""DICOM: files to images, by geometry, never by guess."""

from __future__ import annotations

from nbannot.formats.dicom.series import Found, read_dicom

__all__ = ["Found", "read_dicom"]

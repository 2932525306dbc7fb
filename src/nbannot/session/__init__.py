"""Sessions: a document, where its images are, how they are shown; saved as one file."""

from nbannot.session.files import load, save
from nbannot.session.images import FileMark, ImageReference
from nbannot.session.session import Session

__all__ = ["FileMark", "ImageReference", "Session", "load", "save"]

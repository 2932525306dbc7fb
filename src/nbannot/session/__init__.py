"""Sessions: a document, where its images are, how they are shown; saved as one file."""

from nbannot.session.builder import SessionBuilder
from nbannot.session.config import Config, find_config, load_config
from nbannot.session.files import load, save
from nbannot.session.hanging import Hanging, Rule, hang
from nbannot.session.images import FileMark, ImageReference
from nbannot.session.layouts import read_layout
from nbannot.session.problems import Problem
from nbannot.session.session import Session

__all__ = [
    "Config", "FileMark", "Hanging", "ImageReference", "Problem", "Rule", "Session", "SessionBuilder",
    "find_config", "hang", "load", "load_config", "read_layout", "save",
]  # fmt: skip

"""Medical-image annotation that lives where the analysis lives, in Jupyter."""

__version__ = "0.1.0"

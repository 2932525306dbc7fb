"""Help with the work: what a person would otherwise do by hand, computed."""

from nbannot.assist import operations
from nbannot.assist.registration import register, simpleitk_transform

__all__ = ["operations", "register", "simpleitk_transform"]

"""Help with the work: what a person would otherwise do by hand, computed."""

from nbannot.assist.registration import register, simpleitk_transform

__all__ = ["register", "simpleitk_transform"]

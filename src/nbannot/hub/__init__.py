"""The service: the one way in to projects for people who have no kernel, and for kernels elsewhere."""

from nbannot.hub.app import make_app
from nbannot.hub.login import Login, Visitor

__all__ = ["Login", "Visitor", "make_app"]

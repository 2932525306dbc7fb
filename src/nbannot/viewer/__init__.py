"""The viewer: a widget that shows a document, and the road between it and the browser."""

from nbannot.viewer.widget import Viewer

__all__ = ["Viewer"]
